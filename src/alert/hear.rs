//! What the ledger says of every SLO, minute by minute: the link between numbers and incidents.
//!
//! Nearly always a few new minutes are all there is, and the sums that judging them needs come along with those of the
//! status. What reaches further back, after a long pause or late data, is left for later and heard in pieces of bounded
//! size.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AlertBook, Beat, Due, Heard, Newest, Owner, Place, due, resolve_after};
use crate::counts::Sums;
use crate::ledger::{Ledger, NotLoaded, View, ViewSums, Wanted};
use crate::minute::{Minute, Span};
use crate::report::model::{Views, judged_at};
use crate::slo::{AlertRules, Catalog, Excluded, Indicator, Service, Slo, Urgency};
use crate::verdict::{Seen, State, TierReading, Verdict, judge, looks_at};

/// New minutes up to which they are heard together with the status.
const TOGETHER_MINUTES: i32 = 15;

/// Sums of so many SLOs and minutes are held at a time.
const PIECE: i32 = 60_000;

/// What is still to be heard of an SLO.
#[derive(Clone, Debug)]
pub struct Later {
    /// Its place among [`Round::heard`](super::Round::heard).
    pub place: usize,
    /// Evaluations, the last one included.
    pub from: Minute,
    /// The last one.
    pub until: Minute,
}

/// All SLOs of a catalogue with what does not count for each.
pub struct Audience<'a> {
    catalog: &'a Catalog,
    excluded: &'a Excluded<'a>,
    at: Minute,
}

impl<'a> Audience<'a> {
    /// Those who can be heard at a moment.
    #[must_use]
    pub const fn of(catalog: &'a Catalog, excluded: &'a Excluded<'a>, at: Minute) -> Self {
        Self { catalog, excluded, at }
    }

    fn rules(&self) -> &'a AlertRules {
        &self.catalog.alerts
    }

    /// Adds what [`Self::hear`] needs of minutes.
    pub fn want(&self, ledger: &Ledger, book: &AlertBook, wanted: &mut Wanted) {
        for (service, slo) in self.catalog.slos() {
            let judged = judged_at(self.catalog, slo, self.at);
            let watch = book.watches.get(&slo.id);
            let from = watch.map_or(judged, |watch| watch.evaluated.plus(1)).max(judged.plus(1 - TOGETHER_MINUTES));
            self.want_beats(ledger, (service, slo), from, judged, wanted);
            let mut seen = BTreeSet::from([self.seen(judged, judged), self.seen(judged.plus(-60), judged)]);
            seen.extend(watch.map(|watch| self.seen(watch.evaluated, watch.evaluated)));
            ledger.want(&plain(slo), &seen, wanted);
        }
    }

    /// The minutes that late data is recognised by. They begin at a full hour, so that most SLOs ask for the same ones.
    fn seen(&self, evaluated: Minute, end: Minute) -> Span {
        let start = super::seen_span(evaluated, self.rules()).start;
        Span::new(Minute(start.0.div_euclid(60) * 60), end)
    }

    fn want_beats(
        &self,
        ledger: &Ledger,
        (service, slo): (&Service, &Slo),
        from: Minute,
        until: Minute,
        wanted: &mut Wanted,
    ) {
        let (mut spent, mut events) = (BTreeSet::new(), BTreeSet::new());
        for at in (from.0..=until.0).map(Minute) {
            let looks = looks_at(slo, at);
            spent.extend(looks.spent);
            events.extend(looks.events);
            events.insert(Span::before(at, 1));
        }
        let views = Views::of(slo, self.excluded.spans(service, slo));
        ledger.want(&views.corrected, &spent, wanted);
        ledger.want(&views.events, &events, wanted);
    }

    /// What is new of every SLO, and what is left for later. `since`: where SLOs begin that were never seen; without it
    /// now.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want`] did not foresee.
    pub fn hear(
        &self,
        ledger: &Ledger,
        book: &AlertBook,
        since: Option<Minute>,
    ) -> Result<(Vec<Heard>, Vec<Later>), NotLoaded> {
        let (mut all, mut later) = (Vec::new(), Vec::new());
        for (place, (service, slo)) in self.catalog.slos().enumerate() {
            let judged = judged_at(self.catalog, slo, self.at);
            let plain = plain(slo);
            let sums = ViewSums::of(ledger, &plain);
            let watch = book.watches.get(&slo.id);
            let before = watch.map(|watch| watch.evaluated);
            let known = ledger.watermark(&plain.series, judged)?;
            let until = known.max(before).unwrap_or(judged);
            let seen = before.map_or(Ok(Sums::default()), |before| sums.over(self.seen(before, before)))?;
            let mut due = due(book, &slo.id, until, seen, self.rules());
            if let (None, Some(since)) = (watch, since) {
                due = Some(Due { from: since, changed: false });
            }
            // Nothing is known between the newest known minute and the judged one.
            let seen = if Some(until) == before { seen } else { sums.over(self.seen(until, judged))? };
            let mut heard = self.heard((service, slo), until, seen, due.is_some_and(|due| due.changed));
            match due.map(|due| due.from) {
                Some(from) if from > judged.plus(-TOGETHER_MINUTES) || from == until => {
                    heard.beats = self.beats(ledger, (service, slo), from, until)?;
                }
                Some(from) if from <= until => later.push(Later { place, from, until }),
                _ => {}
            }
            all.push(heard);
        }
        Ok((all, later))
    }

    fn heard(&self, (service, slo): (&Service, &Slo), evaluated: Minute, seen: Sums, changed: bool) -> Heard {
        let balancer = match &slo.indicator {
            Indicator::Requests { source, traffic, .. } => Some(Place::behind(&traffic.load_balancer, source)),
            _ => None,
        };
        Heard {
            slo: slo.id.clone(),
            owner: Owner { team: service.team.clone(), service: service.name.clone(), class: service.class.clone() },
            places: balancer.into_iter().chain([Place::Source(slo.indicator.source().to_owned())]).collect(),
            promise: slo.fingerprint(),
            objective: slo.objective.text.clone(),
            resolve_after: resolve_after(slo, self.rules()),
            beats: Vec::new(),
            evaluated,
            seen,
            changed,
        }
    }

    /// The evaluations of one SLO, as something that is left for later.
    #[must_use]
    pub fn one(&self, slo: &Slo, from: Minute, until: Minute) -> Vec<Later> {
        let place = self.catalog.slos().position(|(_, other)| other.id == slo.id);
        place.into_iter().map(|place| Later { place, from, until }).collect()
    }

    /// What the evaluations of a piece of one SLO say.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want_piece`] did not foresee.
    pub fn beats_of(&self, ledger: &Ledger, piece: &[Later]) -> Result<Vec<Beat>, NotLoaded> {
        let all: Vec<(&Service, &Slo)> = self.catalog.slos().collect();
        let mut beats = Vec::new();
        for one in piece {
            if let Some(slo) = all.get(one.place) {
                beats.extend(self.beats(ledger, *slo, one.from, one.until)?);
            }
        }
        Ok(beats)
    }

    /// What the numbers of one evaluation come to.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want_piece`] did not foresee.
    pub fn verdict(&self, ledger: &Ledger, slo: (&Service, &Slo), at: Minute) -> Result<Verdict, NotLoaded> {
        self.with_seen(ledger, slo, |seen| judge(slo.1, at, seen))
    }

    /// What the evaluations of a span say.
    fn beats(
        &self,
        ledger: &Ledger,
        (service, slo): (&Service, &Slo),
        from: Minute,
        until: Minute,
    ) -> Result<Vec<Beat>, NotLoaded> {
        self.with_seen(ledger, (service, slo), |seen| {
            (from.0..=until.0).map(|at| beat(slo, Minute(at), seen)).collect()
        })
    }

    /// Works with what an SLO is judged by. The numbers are asked for in many places; a part that is missing is told at
    /// the end.
    fn with_seen<T>(
        &self,
        ledger: &Ledger,
        (service, slo): (&Service, &Slo),
        work: impl FnOnce(&Seen<'_>) -> T,
    ) -> Result<T, NotLoaded> {
        let views = Views::of(slo, self.excluded.spans(service, slo));
        let missing = RefCell::new(None);
        let sums = |view: &ViewSums<'_>, span: Span| {
            view.over(span).unwrap_or_else(|part| {
                missing.replace(Some(part));
                Sums::default()
            })
        };
        let [corrected, events] = [&views.corrected, &views.events].map(|view| ViewSums::of(ledger, view));
        let (over, events) = (|span: Span| sums(&corrected, span), |span: Span| sums(&events, span));
        let worked = work(&Seen { over: &over, events: &events, excluded: &views.corrected.excluded });
        missing.into_inner().map_or(Ok(worked), Err)
    }

    /// What was left for later, cut into pieces: which, and the evaluations of each.
    #[must_use]
    pub fn pieces(later: &[Later]) -> Vec<Vec<Later>> {
        let length = (PIECE / i32::try_from(later.len().max(1)).unwrap_or(i32::MAX)).clamp(30, 1_440);
        let mut pieces: BTreeMap<i32, Vec<Later>> = BTreeMap::new();
        for one in later {
            let mut from = one.from;
            while from <= one.until {
                let number = from.0.div_euclid(length);
                let until = Minute((number + 1).saturating_mul(length) - 1).min(one.until);
                pieces.entry(number).or_default().push(Later { place: one.place, from, until });
                from = until.plus(1);
            }
        }
        pieces.into_values().collect()
    }

    /// Adds what a piece needs of minutes.
    pub fn want_piece(&self, ledger: &Ledger, piece: &[Later], wanted: &mut Wanted) {
        let all: Vec<(&Service, &Slo)> = self.catalog.slos().collect();
        for one in piece {
            if let Some(slo) = all.get(one.place) {
                self.want_beats(ledger, *slo, one.from, one.until, wanted);
            }
        }
    }

    /// Hears a piece.
    ///
    /// # Errors
    /// [`NotLoaded`] if minutes are kept that [`Self::want_piece`] did not foresee.
    pub fn hear_piece(&self, ledger: &Ledger, piece: &[Later], heard: &mut [Heard]) -> Result<(), NotLoaded> {
        let all: Vec<(&Service, &Slo)> = self.catalog.slos().collect();
        for one in piece {
            if let (Some(slo), Some(heard)) = (all.get(one.place), heard.get_mut(one.place)) {
                heard.beats.extend(self.beats(ledger, *slo, one.from, one.until)?);
            }
        }
        Ok(())
    }

    /// The newest known minute of each source and up to where it was asked, but for files of counts, which come when
    /// they come.
    #[must_use]
    pub fn newest(&self, heard: &[Heard]) -> BTreeMap<String, Newest> {
        let mut newest: BTreeMap<String, Newest> = BTreeMap::new();
        for ((_, slo), heard) in self.catalog.slos().zip(heard).filter(|(_, heard)| heard.seen.known > 0) {
            if matches!(slo.indicator, Indicator::Counts { .. }) {
                continue;
            }
            let name = slo.indicator.source();
            // What is asked once in six hours has nothing new for six hours.
            let asked = || self.catalog.sources.get(name).map_or(self.at, |source| source.asked_at(self.at));
            let new = || Newest { known: heard.evaluated, asked: asked() };
            let held = newest.entry(name.to_owned()).or_insert_with(new);
            held.known = heard.evaluated.max(held.known);
        }
        newest
    }
}

/// What late data is recognised by: single events. A slice that the evaluated minute cuts is unknown until it has
/// ended, and what then becomes known of it is not late.
fn plain(slo: &Slo) -> Arc<View> {
    Views::of(slo, Vec::new()).events
}

/// What one evaluation says.
fn beat(slo: &Slo, at: Minute, seen: &Seen<'_>) -> Beat {
    let newest = Span::before(at, 1);
    let counts = seen.excluded.iter().all(|out| out.intersect(newest).is_empty());
    let heard = counts && (seen.events)(newest).known == 1;
    if !heard {
        return Beat { at, heard, held: None, above: None, silent: false };
    }
    let verdict = judge(slo, at, seen);
    let shortest =
        verdict.tiers.iter().map(|tier| tier.short.total).zip(&slo.tiers).min_by_key(|(_, tier)| tier.short_minutes);
    Beat {
        at,
        heard,
        held: verdict.state.urgency().filter(|_| !is_lone(slo, &verdict)),
        above: above(slo, &verdict),
        silent: shortest.map_or((seen.events)(newest).total, |(total, _)| total) == 0,
    }
}

/// Whether all there is to say is that one single event was bad: in a quiet service that is above any burn rate, and no
/// news. For a ticket that goes for its short window too, which is what has happened since: the long one may remember
/// an outage.
fn is_lone(slo: &Slo, verdict: &Verdict) -> bool {
    let State::Burning { tier, urgency } = verdict.state else { return false };
    let lone = |reading: &TierReading| reading.long.bad <= 1 || (urgency == Urgency::Ticket && reading.short.bad <= 1);
    slo.slices.is_none() && slo.significance.is_some() && verdict.tiers.get(tier).is_some_and(lone)
}

/// The most urgent tier whose short window alone still burns.
fn above(slo: &Slo, verdict: &Verdict) -> Option<Urgency> {
    let burning = slo.tiers.iter().zip(&verdict.tiers).filter(|(_, reading)| reading.short_holds);
    burning.map(|(tier, _)| tier.urgency).max()
}

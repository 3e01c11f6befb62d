//! Where the failures of new incidents come from: the newest logs of their balancers are read once more, within bounds.
//!
//! **Invariant:** whatever goes wrong here, the message goes out without it, and no later than [`READING`] allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Job;
use crate::accesslog::contributors::Contributors;
use crate::accesslog::route::Routes;
use crate::alert::{AlertBook, Incident, IncidentKey, Phase, Subject, Telling};
use crate::demand::LogsQuestion;
use crate::fetch::logs::{Again, LogFile, Place, reread};
use crate::minute::{Minute, Span};
use crate::outcome::Said;
use crate::report::contributors::came_from;
use crate::report::model::Status;
use crate::series::SeriesKey;
use crate::slo::{Excluded, Indicator};
use crate::verdict::State;

/// For all incidents of a run together: somebody waits to be told.
const READING: Duration = Duration::from_secs(10);
/// Incidents of a run that are looked into, the most urgent first. Where more open at once, they mostly have one cause.
const INCIDENTS_MAX: usize = 10;
/// The newest minutes that are looked at; longer windows hold more than has to be read to see where it comes from.
const MINUTES_MAX: u32 = 60;

/// What a run has found of one source of access logs.
pub(super) struct Recent<'q> {
    pub(super) question: &'q LogsQuestion,
    pub(super) place: Place,
    /// The objects that hold minutes of its newest hour.
    pub(super) files: Vec<LogFile>,
}

impl<'q> Recent<'q> {
    pub(super) const fn new(question: &'q LogsQuestion, place: Place) -> Self {
        Self { question, place, files: Vec::new() }
    }

    /// Takes note of objects that may be read again.
    pub(super) fn note(&mut self, job: &Job<'_>, listed: &[&LogFile]) {
        let end = job.catalog.sources.get(&self.question.source).map_or(job.at, |source| source.judged_at(job.at));
        let newest = Span::before(end, MINUTES_MAX.cast_signed());
        let near = listed.iter().filter(|file| !file.interval.intersect(newest).is_empty());
        self.files.extend(near.map(|file| (*file).clone()));
    }
}

/// What of an incident is to be looked into.
struct Wanted {
    key: IncidentKey,
    series: SeriesKey,
    contributors: Contributors,
}

/// Where the failures of incidents come from, in a run that may have to decide more than once.
pub(super) struct Causes<'r> {
    recent: &'r [Recent<'r>],
    end: Option<Instant>,
    pub(super) known: BTreeMap<IncidentKey, Contributors>,
    tried: BTreeSet<IncidentKey>,
}

impl<'r> Causes<'r> {
    pub(super) const fn new(recent: &'r [Recent<'r>]) -> Self {
        Self { recent, end: None, known: BTreeMap::new(), tried: BTreeSet::new() }
    }

    /// Looks into what is told of and was not looked into before.
    pub(super) async fn look_into(
        &mut self,
        job: &Job<'_>,
        (tellings, book): (&[Telling], &AlertBook),
        status: &Status,
        said: &mut Said,
    ) {
        let mut chosen: Vec<(&IncidentKey, &Incident)> = Vec::new();
        for telling in tellings {
            let Some((key, incident)) = book.incidents.get_key_value(&telling.key) else { continue };
            if is_news(telling, incident) && !self.tried.contains(key) && !chosen.iter().any(|(other, _)| *other == key)
            {
                chosen.push((key, incident));
            }
        }
        chosen.sort_by_key(|(_, incident)| std::cmp::Reverse(incident.urgency));
        chosen.truncate(INCIDENTS_MAX.saturating_sub(self.tried.len()));
        let wanted: Vec<Wanted> = chosen.iter().filter_map(|(key, _)| wanted(job, key, status)).collect();
        self.tried.extend(chosen.into_iter().map(|(key, _)| key.clone()));
        let end = *self.end.get_or_insert_with(|| Instant::now() + READING);
        for recent in self.recent {
            let of_source: Vec<&Wanted> =
                wanted.iter().filter(|one| recent.question.requests.contains_key(&one.series)).collect();
            for balancer in recent.files.chunk_by(|a, b| a.load_balancer == b.load_balancer) {
                self.read(job, (recent, balancer), &of_source, end).await;
            }
        }
        let is_partly_read = |one: &&Wanted| self.known.get(&one.key).is_none_or(|found| !found.whole);
        let partly = wanted.iter().filter(is_partly_read).filter(|one| self.is_of_logs(&one.series)).count();
        if partly > 0 {
            said.notes.push(format!(
                "contributor analysis is incomplete for {}: not all of their newest logs were read again",
                crate::report::counted(partly, "incident")
            ));
        }
    }

    /// Keeps with each incident what was found of it, for pages that are written later.
    pub(super) fn note(&self, job: &Job<'_>, book: &mut AlertBook) {
        for (key, found) in &self.known {
            let Subject::Slo(id) = &key.subject else { continue };
            let slo = job.catalog.slos().find(|(_, slo)| slo.id == *id);
            if let (Some((_, slo)), Some(incident)) = (slo, book.incidents.get_mut(key)) {
                incident.came_from = came_from(found, slo);
            }
        }
    }

    fn is_of_logs(&self, series: &SeriesKey) -> bool {
        self.recent.iter().any(|recent| recent.question.requests.contains_key(series))
    }

    /// Reads objects of one balancer for all incidents that stand on it.
    async fn read(&mut self, job: &Job<'_>, (recent, files): (&Recent<'_>, &[LogFile]), all: &[&Wanted], end: Instant) {
        let Some(balancer) = files.first().map(|file| &*file.load_balancer) else { return };
        let at_balancer = recent.question.series_of(balancer);
        let of_balancer: Vec<&&Wanted> = all.iter().filter(|one| at_balancer.contains(&one.series)).collect();
        if of_balancer.is_empty() || Instant::now() >= end {
            return;
        }
        let requests = of_balancer.iter().filter_map(|one| {
            let (traffic, measure) = recent.question.requests.get(&one.series)?;
            Some((one.series.clone(), (traffic, measure)))
        });
        let routes = Routes::of(balancer, requests);
        // Two promises may stand on one series: the longer of their spans is looked at for both.
        let of_slot = |series: &SeriesKey| {
            let same = of_balancer.iter().filter(|one| one.series == *series);
            same.map(|one| &one.contributors).max_by_key(|found| found.span.minutes())
        };
        let slots: Vec<Contributors> = routes.series().iter().filter_map(of_slot).map(Contributors::emptied).collect();
        let near = |file: &&LogFile| slots.iter().any(|slot| !slot.span.intersect(file.interval).is_empty());
        let objects: Vec<&LogFile> = files.iter().filter(near).collect();
        let again = Again { objects: &objects, routes: &routes, wanted: &slots, end, stop: &job.stop };
        let found = reread(&recent.place, &again).await;
        for one in of_balancer {
            let Some(found) =
                routes.series().iter().position(|series| *series == one.series).and_then(|slot| found.get(slot))
            else {
                continue;
            };
            self.known.entry(one.key.clone()).or_insert_with(|| found.emptied()).merge(found);
        }
    }
}

/// Whether somebody hears of it for the first time, or that it has become more urgent.
fn is_news(telling: &Telling, incident: &Incident) -> bool {
    let rises = matches!(incident.turns.as_slice(), [.., (_, before), (_, now)] if now > before);
    match telling.phase {
        Phase::Opened => true,
        Phase::Changed => rises,
        Phase::Reminder | Phase::Resolved | Phase::Note | Phase::Test => false,
    }
}

/// The minutes of an incident of a promise on access logs that are worth a look: those of the window that burns.
fn wanted(job: &Job<'_>, key: &IncidentKey, status: &Status) -> Option<Wanted> {
    let Subject::Slo(id) = &key.subject else { return None };
    let (service, slo) = job.catalog.slos().find(|(_, slo)| slo.id == *id)?;
    let Indicator::Requests { .. } = &slo.indicator else { return None };
    let row = status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name())?;
    let minutes = match row.verdict.state {
        State::Burning { tier, .. } => slo.tiers.get(tier)?.long_minutes,
        State::Outage { minutes, .. } => minutes,
        State::Calm | State::Collapse { .. } | State::Blind { .. } => return None,
    };
    let span = within(row.judged_at, minutes);
    let without = Excluded::within(job.catalog, span).spans(service, slo);
    Some(Wanted { key: key.clone(), series: slo.indicator.series(), contributors: Contributors::within(span, without) })
}

fn within(end: Minute, minutes: u32) -> Span {
    Span::before(end, minutes.min(MINUTES_MAX).cast_signed())
}

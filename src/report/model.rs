//! What every page, table and document is made from: one row for each promise and window, worst first.
//!
//! **Invariant:** rows carry exact counts; what is rounded is rounded where it is printed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::burn::{Budget, Forecast, burn_rate, spent_after};
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::ledger::{Ledger, NotLoaded, View, ViewSums, Wanted};
use crate::minute::{Day, MINUTES_PER_DAY, Minute, Span, Window, length_text};
use crate::slo::{Catalog, Excluded, PolicyStep, Service, Slo, Tier, Urgency};
use crate::verdict::{Seen, State, Verdict, judge, looks_at};

/// Days that the bars of a row show.
const BAR_DAYS: i32 = 30;

/// Nothing older is looked at: the longest window there is, and a week for what a collapse is measured by.
pub const REACH_MINUTES: i32 = 407 * MINUTES_PER_DAY;

/// How every promise stands at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The moment that was asked for.
    pub at: Minute,
    /// One row for each SLO and window, worst first.
    pub rows: Vec<Row>,
}

/// How one promise stands over one of its windows.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who owns it.
    pub team: String,
    /// Whose promise it is.
    pub service: String,
    /// Its name within the service.
    pub slo: String,
    /// The class of the service.
    pub class: String,
    /// As it was written: `99.9%`.
    pub objective: String,
    /// `30d`, or `month` with its time zone.
    pub window: String,
    /// The moment it was judged at: the one asked for, less the delay of the source.
    pub judged_at: Minute,
    /// The end of the newest minute that is known, if any is.
    pub watermark: Option<Minute>,
    /// Sums over the window, without the minutes that corrections exclude.
    pub sums: Sums,
    /// Sums over the window as they were counted.
    pub raw: Sums,
    /// The budget over the window if nothing were excluded.
    pub raw_budget: Budget,
    /// Minutes of the window that corrections exclude.
    pub excluded_minutes: u32,
    /// The corrections that exclude them, by id.
    pub corrections: Vec<String>,
    /// What the budget counts: `events`, or timeslices such as `timeslices of 5m`.
    pub counted: String,
    /// Minutes of the window, known or not.
    pub minutes: u32,
    /// Good events of all events; `None` without traffic.
    pub sli: Option<f64>,
    /// The budget over the window.
    pub budget: Budget,
    /// When it will run out.
    pub forecast: Forecast,
    /// How it stood a week ago.
    pub week_ago: Past,
    /// What the tiers say.
    pub verdict: Verdict,
    /// The tiers as text, in the verdict's order.
    pub tiers: Vec<TierText>,
    /// The burn rate of each of the newest days, oldest first.
    pub bars: Vec<Bar>,
    /// What the error-budget policy of its class says of such a budget, if anything.
    pub policy: Option<PolicyStep>,
}

/// How a promise stood over the same window at an earlier moment, by what is known of that time now.
#[derive(Clone, Copy, Debug)]
pub struct Past {
    /// That moment: the UTC midnight nearest to a week before, so that sums of whole days tell it.
    pub at: Minute,
    /// Sums over the window.
    pub sums: Sums,
    /// Minutes of the window, known or not.
    pub minutes: u32,
    /// The budget over the window.
    pub budget: Budget,
    /// When it would have run out.
    pub forecast: Forecast,
}

impl Past {
    /// The moment that is a week before another.
    #[must_use]
    pub fn week_before(at: Minute) -> Minute {
        at.plus(-7 * MINUTES_PER_DAY + MINUTES_PER_DAY / 2).day().start()
    }

    fn of(slo: &Slo, window: &Window, at: Minute, over: &dyn Fn(Span) -> Sums) -> Self {
        let span = window.span_at(at);
        let sums = over(span);
        let budget = Budget::of(sums, &slo.objective);
        Self { at, sums, minutes: span.minutes(), budget, forecast: Forecast::of(window, at, &slo.objective, over) }
    }

    /// The share of the window's minutes that were observed.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.minutes == 0 { 0.0 } else { f64::from(self.sums.known) / f64::from(self.minutes) }
    }
}

/// A tier in words and numbers.
#[derive(Clone, Debug)]
pub struct TierText {
    /// What definitions call it.
    pub name: String,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Long window: `1h`.
    pub long: String,
    /// Short window: `5m`.
    pub short: String,
    /// The burn rate that has to be exceeded.
    pub factor: f64,
}

impl TierText {
    fn of(tier: &Tier) -> Self {
        Self {
            name: tier.name.clone(),
            urgency: tier.urgency,
            long: length_text(tier.long_minutes),
            short: length_text(tier.short_minutes),
            factor: to_f64(tier.factor),
        }
    }
}

/// One day of a row's bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// No minute of the day is known.
    Unknown,
    /// Known, without traffic.
    Silent,
    /// The burn rate of the day; infinite where nothing may fail and something did.
    Burn(f64),
}

impl Row {
    /// The share of the window's minutes that were observed.
    #[must_use]
    pub fn coverage(&self) -> f64 {
        if self.minutes == 0 { 0.0 } else { f64::from(self.sums.known) / f64::from(self.minutes) }
    }

    /// Whether more failed than may fail.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.budget.is_exceeded()
    }

    /// Whether corrections change what the budget comes to.
    #[must_use]
    pub fn is_corrected(&self) -> bool {
        self.excluded_minutes > 0
    }

    /// Smaller is worse. Unknown ranks above everything that only spends budget slowly, because it may hide anything.
    fn rank(&self) -> (u8, f64) {
        let without = if self.is_spent() { f64::NEG_INFINITY } else { f64::INFINITY };
        let remaining = self.budget.remaining().map_or(without, to_f64);
        let class = match (self.verdict.state.urgency(), &self.verdict.state) {
            (Some(Urgency::Severe), _) => 0,
            (Some(Urgency::Page), _) => 1,
            (Some(Urgency::Ticket), _) => 2,
            (None, State::Blind { .. }) => 3,
            (None, _) => 4,
        };
        (class, remaining)
    }
}

/// The moment a promise is judged at: minutes younger than the delay of its source are not settled.
#[must_use]
pub fn judged_at(catalog: &Catalog, slo: &Slo, at: Minute) -> Minute {
    catalog.sources.get(slo.indicator.source()).map_or(at, |source| source.judged_at(at))
}

/// What a promise sees of the ledger, in three ways.
#[derive(Debug)]
pub struct Views {
    /// What spends its budget.
    pub corrected: Arc<View>,
    /// The same as it was counted, corrections or not.
    pub raw: Arc<View>,
    /// Single events without the minutes that do not count.
    pub events: Arc<View>,
}

impl Views {
    /// The views of an SLO, given the minutes that do not count.
    #[must_use]
    pub fn of(slo: &Slo, excluded: Vec<Span>) -> Self {
        let series = slo.indicator.series();
        let view = |slices, excluded| Arc::new(View { series: series.clone(), slices, excluded });
        Self {
            raw: view(slo.slices.clone(), Vec::new()),
            events: view(None, excluded.clone()),
            corrected: view(slo.slices.clone(), excluded),
        }
    }
}

/// Takes every number of every promise from the ledger.
///
/// # Errors
/// When a day that a window cuts into is kept in the ledger but was not loaded.
pub fn status(catalog: &Catalog, ledger: &Ledger, at: Minute) -> Result<Status, NotLoaded> {
    let excluded = Excluded::within(catalog, Span::before(at, REACH_MINUTES));
    let mut rows = Vec::new();
    for service in &catalog.services {
        for slo in &service.slos {
            rows.extend(slo_rows(service, slo, &excluded, ledger, judged_at(catalog, slo, at))?);
        }
    }
    for row in &mut rows {
        row.policy = catalog.policies.get(&row.class).and_then(|policy| row.budget.step(policy)).cloned();
    }
    let mut ranked: Vec<((u8, f64), Row)> = rows.into_iter().map(|row| (row.rank(), row)).collect();
    ranked.sort_by(|((class_a, left_a), a), ((class_b, left_b), b)| {
        class_a
            .cmp(class_b)
            .then(left_a.total_cmp(left_b))
            .then_with(|| (&a.service, &a.slo).cmp(&(&b.service, &b.slo)))
    });
    Ok(Status { at, rows: ranked.into_iter().map(|(_, row)| row).collect() })
}

/// The rows of one promise, one for each of its windows.
fn slo_rows(
    service: &Service,
    slo: &Slo,
    excluded: &Excluded<'_>,
    ledger: &Ledger,
    judged: Minute,
) -> Result<Vec<Row>, NotLoaded> {
    let views = Views::of(slo, excluded.spans(service, slo));
    // The numbers below ask for sums in many places; a part that is missing is remembered and told at the end.
    let missing = RefCell::new(None);
    let sums = |view: &ViewSums<'_>, span: Span| {
        view.over(span).unwrap_or_else(|part| {
            missing.replace(Some(part));
            Sums::default()
        })
    };
    let [corrected, raw, events] = [&views.corrected, &views.raw, &views.events].map(|view| ViewSums::of(ledger, view));
    let (over, events) = (|span: Span| sums(&corrected, span), |span: Span| sums(&events, span));
    let verdict = judge(slo, judged, &Seen { over: &over, events: &events, excluded: &views.corrected.excluded });
    let watermark = ledger.watermark(&views.raw.series, judged)?;
    let mut rows = Vec::new();
    for window in &slo.windows {
        let span = window.span_at(judged);
        let inside = |spans: &[Span]| spans.iter().map(|out| out.intersect(span).minutes()).sum::<u32>();
        let about = excluded.about(service, slo).filter(|(_, spans)| inside(spans) > 0);
        let raw = sums(&raw, span);
        rows.push(Row {
            watermark,
            raw,
            raw_budget: Budget::of(raw, &slo.objective),
            excluded_minutes: inside(&views.corrected.excluded),
            corrections: about.map(|(correction, _)| correction.id.clone()).collect(),
            ..row(service, slo, window, &verdict, &over, judged)
        });
    }
    missing.into_inner().map_or(Ok(rows), Err)
}

/// What [`status`] needs of minutes: of the days that a window or a correction begins or ends within, the sums of a
/// part of the day; and days that are cut into slices for the first time. So it does not grow with the length of the
/// windows.
#[must_use]
pub fn needs(catalog: &Catalog, sums: &Ledger, at: Minute) -> Wanted {
    let excluded = Excluded::within(catalog, Span::before(at, REACH_MINUTES));
    // Most promises ask for the same spans.
    let (mut plain, mut wanted) = (BTreeSet::new(), Wanted::default());
    for service in &catalog.services {
        for slo in &service.slos {
            let judged = judged_at(catalog, slo, at);
            let looks = looks_at(slo, judged);
            let Views { corrected, raw, events } = Views::of(slo, excluded.spans(service, slo));
            let windows: BTreeSet<Span> = slo.windows.iter().map(|window| window.span_at(judged)).collect();
            let today = Span::new(judged.plus(-1).day().start(), judged);
            let bars = Span::new(judged.plus(-1).day().plus(1 - BAR_DAYS).start(), judged);
            let before = Past::week_before(judged);
            let weeks = slo.windows.iter().map(|window| window.span_at(before));
            let recent = [today, bars, Forecast::recent(judged), Forecast::recent(before)];
            let spent: BTreeSet<Span> = windows.iter().copied().chain(looks.spent).chain(recent).chain(weeks).collect();
            let severe = looks.events.into_iter().collect();
            wanted.newest.insert(sums.newest_known(&raw.series, judged));
            // Where nothing is corrected, what is raw is part of the rest.
            let views =
                [Some((&corrected, spent)), Some((&events, severe)), (raw != corrected).then_some((&raw, windows))];
            for (view, mut spans) in views.into_iter().flatten() {
                if view.is_plain() {
                    plain.append(&mut spans);
                } else {
                    sums.want(view, &spans, &mut wanted);
                }
            }
        }
    }
    wanted.sums.extend(plain.into_iter().flat_map(Ledger::ends));
    wanted
}

/// How one promise stands over one of its windows, but for what was excluded.
fn row(
    service: &Service,
    slo: &Slo,
    window: &Window,
    verdict: &Verdict,
    over: &dyn Fn(Span) -> Sums,
    judged: Minute,
) -> Row {
    let span = window.span_at(judged);
    let sums = over(span);
    let budget = Budget::of(sums, &slo.objective);
    let today = judged.plus(-1).day();
    Row {
        team: service.team.clone(),
        service: service.name.clone(),
        slo: slo.name().to_owned(),
        class: service.class.clone(),
        objective: slo.objective.text.clone(),
        window: window.to_string(),
        judged_at: judged,
        watermark: None,
        sums,
        raw: sums,
        raw_budget: budget,
        excluded_minutes: 0,
        corrections: Vec::new(),
        counted: slo
            .slices
            .as_ref()
            .map_or_else(|| "events".to_owned(), |slices| format!("timeslices of {}", length_text(slices.minutes))),
        minutes: span.minutes(),
        sli: sli(sums),
        forecast: match verdict.state {
            // Where hardly anything is known of the last hour, nobody can say how it goes on.
            State::Blind { .. } => Forecast::Unknown,
            _ => Forecast::of(window, judged, &slo.objective, over).or_sooner(spent_at(slo, verdict, &budget, judged)),
        },
        week_ago: Past::of(slo, window, Past::week_before(judged), over),
        budget,
        verdict: verdict.clone(),
        tiers: slo.tiers.iter().map(TierText::of).collect(),
        policy: None,
        bars: (0..BAR_DAYS).rev().map(|back| bar(slo, judged, today.plus(-back), over)).collect(),
    }
}

/// When the budget is exhausted at the rate of a firing page or outage: three days even out an outage that has just
/// begun.
fn spent_at(slo: &Slo, verdict: &Verdict, budget: &Budget, judged: Minute) -> Option<Minute> {
    let (bad, minutes) = match verdict.state {
        State::Burning { tier, urgency } if urgency >= Urgency::Page => {
            (verdict.tiers.get(tier)?.short.bad, slo.tiers.get(tier)?.short_minutes)
        }
        State::Outage { minutes, sums } => (sums.bad, minutes),
        _ => return None,
    };
    let may_fail = to_f64(budget.allowed()?) * to_f64(budget.remaining()?);
    Some(judged.plus(spent_after(may_fail, bad, minutes)?))
}

/// The burn rate of a UTC day, up to the evaluated minute.
fn bar(slo: &Slo, judged: Minute, day: Day, over: &dyn Fn(Span) -> Sums) -> Bar {
    let sums = over(Span::new(day.start(), day.span().end.min(judged)));
    match (sums.known, burn_rate(sums, &slo.objective)) {
        (0, _) => Bar::Unknown,
        (_, None) if sums.total == 0 => Bar::Silent,
        // An objective of 100% has no burn rate: a day keeps it or not.
        (_, None) => Bar::Burn(if sums.bad > 0 { f64::INFINITY } else { 0.0 }),
        (_, Some(rate)) => Bar::Burn(rate),
    }
}

#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
fn sli(sums: Sums) -> Option<f64> {
    (sums.total > 0).then(|| (sums.total - sums.bad) as f64 / sums.total as f64)
}

//! What every page, table and document is made from: one row for each promise and window, worst first.
//!
//! **Invariant:** rows carry exact counts; what is rounded is rounded where it is printed.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::burn::{Budget, Forecast, burn_rate};
use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::ledger::{Ledger, NotLoaded};
use crate::minute::{Day, Minute, Span, Window, length_text};
use crate::slo::{Catalog, Service, Slo, Urgency};
use crate::verdict::{State, Verdict, judge};

/// Days that the bars of a row show.
const BAR_DAYS: i32 = 30;

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
    /// Sums over the window.
    pub sums: Sums,
    /// Minutes of the window, known or not.
    pub minutes: u32,
    /// Good events of all events; `None` without traffic.
    pub sli: Option<f64>,
    /// The budget over the window.
    pub budget: Budget,
    /// When it will run out.
    pub forecast: Forecast,
    /// What the tiers say.
    pub verdict: Verdict,
    /// The tiers as text, in the verdict's order.
    pub tiers: Vec<TierText>,
    /// The burn rate of each of the newest days, oldest first.
    pub bars: Vec<Bar>,
}

/// A tier in words and numbers.
#[derive(Clone, Debug)]
pub struct TierText {
    /// How urgent it is.
    pub urgency: Urgency,
    /// Long window: `1h`.
    pub long: String,
    /// Short window: `5m`.
    pub short: String,
    /// The burn rate that has to be exceeded.
    pub factor: f64,
}

/// One day of a row's bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// No minute of the day is known.
    Unknown,
    /// Known, without traffic.
    Silent,
    /// The burn rate of the day.
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
        self.budget.remaining().is_some_and(|left| left < Exact::from_integer(0))
    }

    /// Smaller is worse. Unknown ranks above everything that only spends budget slowly, because it may hide anything.
    fn rank(&self) -> (u8, f64) {
        let remaining = self.budget.remaining().map_or(f64::INFINITY, to_f64);
        let class = match &self.verdict.state {
            State::Burning { urgency: Urgency::Page, .. } => 0,
            State::Burning { urgency: Urgency::Ticket, .. } => 1,
            State::Blind { .. } => 2,
            State::Calm => 3,
        };
        (class, remaining)
    }
}

/// The moment a promise is judged at: minutes younger than the delay of its source are not settled.
#[must_use]
pub fn judged_at(catalog: &Catalog, slo: &Slo, at: Minute) -> Minute {
    let delay = catalog.sources.get(slo.indicator.source()).map_or(0, |source| source.delay_minutes);
    at.plus(-i32::try_from(delay).unwrap_or(0))
}

/// Takes every number of every promise from the ledger.
///
/// # Errors
/// When a day that a window cuts into is kept in the ledger but was not loaded.
pub fn status(catalog: &Catalog, ledger: &Ledger, at: Minute) -> Result<Status, NotLoaded> {
    // The numbers below ask for sums in many places; the first day that is missing is remembered and told at the end.
    let missing = RefCell::new(None);
    let mut rows = Vec::new();
    for service in &catalog.services {
        for slo in &service.slos {
            let series = slo.indicator.series();
            let over = |span: Span| {
                ledger.sums(&series, span).unwrap_or_else(|day| {
                    missing.replace(Some(day));
                    Sums::default()
                })
            };
            let judged = judged_at(catalog, slo, at);
            let verdict = judge(slo, judged, &over);
            let watermark = ledger.watermark(&series, judged)?;
            for window in &slo.windows {
                rows.push(Row { watermark, ..row(service, slo, window, &verdict, &over, judged) });
            }
        }
    }
    if let Some(day) = missing.into_inner() {
        return Err(day);
    }
    rows.sort_by(|a, b| {
        let ((class_a, left_a), (class_b, left_b)) = (a.rank(), b.rank());
        class_a
            .cmp(&class_b)
            .then(left_a.total_cmp(&left_b))
            .then_with(|| (&a.service, &a.slo).cmp(&(&b.service, &b.slo)))
    });
    Ok(Status { at, rows })
}

/// The days whose minutes [`status`] needs, because a window begins or ends within them: the judged day and the one before the
/// watermark, the ends of the tiers' windows, the beginnings of the budgets' windows. Their number does not grow with
/// the length of the windows.
#[must_use]
pub fn cut_days(catalog: &Catalog, sums: &Ledger, at: Minute) -> BTreeSet<Day> {
    let mut days = BTreeSet::new();
    for slo in catalog.services.iter().flat_map(|service| &service.slos) {
        let judged = judged_at(catalog, slo, at);
        let lengths = slo.tiers.iter().flat_map(|tier| [tier.long_minutes, tier.short_minutes]);
        let before = |minutes: u32| Span::before(judged, i32::try_from(minutes).unwrap_or(i32::MAX)).start.day();
        days.extend(lengths.map(before));
        days.extend(slo.windows.iter().map(|window| window.span_at(judged).start.day()));
        days.extend([
            judged.day(),
            judged.plus(-1).day(),
            judged.plus(-60).day(),
            Forecast::recent(judged).start.day(),
        ]);
        days.extend(sums.newest_day(&slo.indicator.series(), judged));
    }
    days
}

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
        slo: slo.id.as_str().rsplit('/').next().unwrap_or_default().to_owned(),
        class: service.class.clone(),
        objective: slo.objective.text.clone(),
        window: window.to_string(),
        judged_at: judged,
        watermark: None,
        sums,
        minutes: span.minutes(),
        sli: sli(sums),
        forecast: match verdict.state {
            // Where hardly anything is known of the last hour, nobody can say how it goes on.
            State::Blind { .. } => Forecast::Unknown,
            _ => Forecast::of(window, judged, &slo.objective, over),
        },
        budget,
        verdict: verdict.clone(),
        tiers: slo
            .tiers
            .iter()
            .map(|tier| TierText {
                urgency: tier.urgency,
                long: length_text(tier.long_minutes),
                short: length_text(tier.short_minutes),
                factor: to_f64(tier.factor),
            })
            .collect(),
        bars: (0..BAR_DAYS).rev().map(|back| bar(slo, judged, today.plus(-back), over)).collect(),
    }
}

/// The burn rate of a UTC day, up to the judged minute.
fn bar(slo: &Slo, judged: Minute, day: Day, over: &dyn Fn(Span) -> Sums) -> Bar {
    let sums = over(Span::new(day.start(), day.span().end.min(judged)));
    match (sums.known, burn_rate(sums, &slo.objective)) {
        (0, _) => Bar::Unknown,
        (_, None) => Bar::Silent,
        (_, Some(rate)) => Bar::Burn(rate),
    }
}

#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
fn sli(sums: Sums) -> Option<f64> {
    (sums.total > 0).then(|| (sums.total - sums.bad) as f64 / sums.total as f64)
}

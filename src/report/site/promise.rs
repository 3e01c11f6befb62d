//! One promise of a service: its budget over each window, and all that says how it came to be what it is.

use serde::Serialize;

use super::drawn::{self, Backdrop, Canvas, Figure};
use super::incident::Told;
use super::listed::{Shown, Trend};
use super::made::{self, Made};
use super::team::Corrected;
use super::when::{When, lasted};
use super::{Site, definition};
use crate::alert::Subject;
use crate::burn::Budget;
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Span, Window};
use crate::report::history::{History, LOOKS_MINUTES, Piece, Stretch};
use crate::report::model::Row;
use crate::report::standing::{Standing, why};
use crate::report::status::{forecast, left, percent, state};
use crate::slo::{Service, Slo};
use crate::verdict::TierReading;

/// Stretches that are shown before somebody asks for more.
const STRETCHES_SHOWN: usize = 8;

#[derive(Debug, Serialize)]
pub(super) struct Promise {
    slo: String,
    id: String,
    standing: Option<Shown>,
    budgets: Vec<OverWindow>,
    /// What the tiers say now.
    state: String,
    tiers: Vec<TierLine>,
    looks: Vec<Figure>,
    spent: Vec<Spent>,
    spent_more: Vec<Spent>,
    incidents: Vec<Told>,
    corrections: Vec<Corrected>,
    definition: Vec<String>,
    changes: Vec<definition::Change>,
    explain: String,
    events: &'static str,
    /// `failed requests`, `slower than 300 ms`.
    bad: String,
    /// `failed`, `took longer than 300 ms`.
    were: String,
}

/// A promise over one of its windows.
#[derive(Debug, Serialize)]
struct OverWindow {
    standing: Shown,
    objective: String,
    window: String,
    from: When,
    to: When,
    why: String,
    left: String,
    /// What would be left without corrections, where there are any.
    raw: Option<String>,
    is_below: bool,
    sli: String,
    forecast: String,
    trend: Trend,
    coverage: String,
    counted: String,
    figures: Vec<Figure>,
    days: Vec<DayLine>,
    made: Vec<Made>,
}

#[derive(Debug, Serialize)]
struct DayLine {
    day: String,
    total: String,
    bad: String,
    used: String,
    coverage: String,
}

#[derive(Debug, Serialize)]
struct TierLine {
    name: String,
    urgency: String,
    long: String,
    short: String,
    long_sums: String,
    short_sums: String,
    long_burn: String,
    short_burn: String,
    factor: String,
    holds: bool,
}

/// A stretch that a budget went into.
#[derive(Debug, Serialize)]
struct Spent {
    from: When,
    to: When,
    lasted: String,
    bad: String,
    total: String,
    share: String,
    used: String,
}

impl Site<'_> {
    pub(super) fn promise(&self, service: &Service, slo: &Slo) -> Promise {
        let history = self.facts.histories.get(&slo.id);
        let rows: Vec<&Row> = self.rows(&service.name).iter().copied().filter(|row| row.slo == slo.name()).collect();
        let over = |window: &Window| {
            let row = rows.iter().copied().find(|row| row.window == window.to_string())?;
            Some(self.over_window(slo, window, row, history))
        };
        let first = rows.iter().copied().find(|row| slo.windows.first().is_some_and(|w| w.to_string() == row.window));
        let widest = slo.windows.iter().max_by_key(|window| window.longest_minutes());
        let judged = first.map_or(self.facts.status.at, |row| row.judged_at);
        let span = widest.map_or(Span::new(judged, judged), |window| window.span_at(judged));
        let budget = first.map(|row| row.budget);
        let stretches = history.map_or(&[][..], History::spent).iter().map(|one| Spent::of(one, budget.as_ref()));
        let mut spent: Vec<Spent> = stretches.collect();
        let spent_more = spent.split_off(spent.len().min(STRETCHES_SHOWN));
        let subject = Subject::Slo(slo.id.clone());
        Promise {
            slo: slo.name().to_owned(),
            id: anchor(slo),
            standing: Standing::worst(rows.iter().copied()).map(Shown::of),
            budgets: slo.windows.iter().filter_map(over).collect(),
            state: first.map_or_else(String::new, state),
            tiers: first.map(tiers).unwrap_or_default(),
            looks: history.map(|history| self.looks(slo, history, judged)).unwrap_or_default(),
            spent,
            spent_more,
            incidents: self.incidents(Span::new(span.start, judged.plus(1)), |key, _| key.subject == subject),
            corrections: self.corrections(span, |_, other| other.id == slo.id),
            definition: definition::sentences(slo),
            changes: definition::changes(self.facts.book, slo),
            explain: format!("slowburn explain {} --at {judged}", slo.id),
            events: definition::events(slo),
            bad: definition::bad_label(slo),
            were: definition::were(slo),
        }
    }

    fn over_window(&self, slo: &Slo, window: &Window, row: &Row, history: Option<&History>) -> OverWindow {
        let span = window.span_at(row.judged_at);
        let days = history.map(|history| history.days(window)).unwrap_or_default();
        OverWindow {
            standing: Shown::of(Standing::of(row)),
            objective: row.objective.clone(),
            window: row.window.clone(),
            from: When::of(span.start),
            to: When::of(span.end),
            why: why(row),
            left: left(&row.budget),
            raw: row.is_corrected().then(|| left(&row.raw_budget)),
            is_below: row.budget.is_exceeded(),
            sli: row.sli.map_or_else(|| "-".to_owned(), |sli| percent(sli, 3)),
            forecast: forecast(row),
            trend: Trend::of(row),
            coverage: percent(row.coverage(), 1),
            counted: format!("{} of {}", grouped(row.sums.bad), grouped(row.sums.total)),
            figures: history.map(|history| self.figures(slo, window, span, history)).unwrap_or_default(),
            days: days.iter().rev().map(|piece| DayLine::of(piece, &row.budget)).collect(),
            made: made::numbers(slo, row),
        }
    }

    /// The pictures of a window, on one time axis.
    fn figures(&self, slo: &Slo, window: &Window, span: Span, history: &History) -> Vec<Figure> {
        let backdrop = Backdrop { excluded: history.excluded.clone(), incidents: self.bands(&slo.id, span) };
        let canvas = |what: &str| Canvas { id: format!("{}-{window}-{what}", anchor(slo)), span, backdrop: &backdrop };
        let mut figures: Vec<Figure> =
            drawn::budget(&canvas("budget"), &history.pieces(window), &slo.objective).into_iter().collect();
        // Traffic and failures go up and down all the time, where a budget only ever falls: fewer pieces say as much.
        let wide = history.wide_pieces(window);
        let (events, were) = (definition::events(slo), definition::were(slo));
        figures.push(drawn::failures(&canvas("bad"), &wide, &slo.objective, format!("Share of {events} that {were}")));
        figures.push(drawn::traffic(&canvas("traffic"), &wide, events));
        figures
    }

    /// What the long window of each tier saw in the last days.
    fn looks(&self, slo: &Slo, history: &History, judged: crate::minute::Minute) -> Vec<Figure> {
        let span = Span::before(judged, LOOKS_MINUTES);
        let backdrop = Backdrop { excluded: history.excluded.clone(), incidents: self.bands(&slo.id, span) };
        let look = |tier: &crate::slo::Tier| {
            let canvas = Canvas { id: format!("{}-{}", anchor(slo), tier.name), span, backdrop: &backdrop };
            let title = format!("{}: burn rate over {}", tier.name, crate::minute::length_text(tier.long_minutes));
            drawn::looks(
                &canvas,
                &history.looks(tier.long_minutes),
                &slo.objective,
                (to_f64(tier.factor), tier.long_minutes, title),
            )
        };
        slo.tiers.iter().filter_map(look).collect()
    }
}

/// What a promise is called within its page.
fn anchor(slo: &Slo) -> String {
    format!("slo-{}", slo.name())
}

impl DayLine {
    fn of(piece: &Piece, budget: &Budget) -> Self {
        let observed = f64::from(piece.sums.known) / f64::from(piece.span.minutes().max(1));
        Self {
            day: piece.span.start.timestamp().strftime("%a %-d %b").to_string(),
            total: grouped(piece.sums.total),
            bad: grouped(piece.sums.bad),
            used: used(budget, piece.sums),
            coverage: percent(observed, 0),
        }
    }
}

impl Spent {
    fn of(stretch: &Stretch, budget: Option<&Budget>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
        let share = stretch.sums.bad as f64 / stretch.sums.total.max(1) as f64;
        Self {
            from: When::of(stretch.span.start),
            to: When::of(stretch.span.end),
            lasted: lasted(stretch.span.minutes()),
            bad: grouped(stretch.sums.bad),
            total: grouped(stretch.sums.total),
            share: percent(share, 1),
            used: budget.map_or_else(String::new, |budget| used(budget, stretch.sums)),
        }
    }
}

/// How much of a budget some bad events are.
#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
fn used(budget: &Budget, sums: Sums) -> String {
    match budget.allowed().map(to_f64).filter(|allowed| *allowed > 0.0) {
        Some(allowed) => percent(sums.bad as f64 / allowed, 1),
        None => "-".to_owned(),
    }
}

fn tiers(row: &Row) -> Vec<TierLine> {
    let line = |(text, reading): (&crate::report::model::TierText, &TierReading)| {
        let sums = |sums: Sums| format!("{} of {}", grouped(sums.bad), grouped(sums.total));
        let burn = |burn: Option<f64>| burn.map_or_else(|| "-".to_owned(), |burn| format!("{burn:.1}x"));
        TierLine {
            name: text.name.clone(),
            urgency: text.urgency.to_string(),
            long: text.long.clone(),
            short: text.short.clone(),
            long_sums: sums(reading.long),
            short_sums: sums(reading.short),
            long_burn: burn(reading.long_burn),
            short_burn: burn(reading.short_burn),
            factor: format!("{:.1}x", text.factor),
            holds: reading.holds,
        }
    };
    row.tiers.iter().zip(&row.verdict.tiers).map(line).collect()
}

//! The past of a promise as pictures need it: sums between moments, and the stretches that spent most of its budget.
//!
//! It is read a day at a time and let go again, so that the past of a whole fleet takes little memory, however long
//! windows are.
//!
//! **Invariant:** the sums of a window's pieces add up to the sums of the window.

mod cells;
mod stretch;

use std::collections::BTreeSet;

pub use cells::Cells;
pub use stretch::Stretch;

use self::stretch::Stretches;
use super::model::Views;
use crate::counts::Sums;
use crate::ledger::{Ledger, NotLoaded, Table, ViewSums};
use crate::minute::{Day, MINUTES_PER_DAY, Minute, Span, Window};
use crate::slo::{Excluded, Service, Slo, SloId};

/// Lengths of the pieces that windows are shown in; each divides a day.
const STEPS: [i32; 5] = [1, 5, 15, 60, MINUTES_PER_DAY];

/// More pieces than this are more than a picture has room for. A month of hours is less.
const PIECES_MAX: u32 = 750;

/// How far back it is looked for the stretches that spent most.
const SPENT_DAYS: i32 = 31;

/// How far back it is shown what tiers saw, once an hour.
pub const LOOKS_MINUTES: i32 = 7 * MINUTES_PER_DAY;
const LOOK_EVERY: i32 = 60;

/// The past of one promise.
#[derive(Clone, Debug)]
pub struct History {
    /// Whose it is.
    pub id: SloId,
    /// The minutes that do not count.
    pub excluded: Vec<Span>,
    judged: Minute,
    corrected: Cells,
    /// As it was counted, where that is something else.
    raw: Option<Cells>,
    stretches: Stretches,
}

/// A history that is still being read.
#[derive(Debug)]
pub struct Draft {
    history: History,
    views: Views,
}

/// A piece of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its minutes.
    pub span: Span,
    /// What counts of it.
    pub sums: Sums,
    /// As it was counted.
    pub raw: Sums,
}

impl Draft {
    /// Nothing read yet of a promise that is judged at a moment.
    #[must_use]
    pub fn of(service: &Service, slo: &Slo, excluded: &Excluded<'_>, judged: Minute) -> Self {
        let cuts = cuts(slo, judged);
        let excluded = excluded.spans(service, slo);
        let corrected = Cells::between(cuts);
        let has_raw = excluded.iter().any(|out| !out.intersect(corrected.span()).is_empty());
        let window = slo.windows.first().map_or(Span::new(judged, judged), |window| window.span_at(judged));
        let recent = Span::before(judged, SPENT_DAYS * MINUTES_PER_DAY);
        let history = History {
            id: slo.id.clone(),
            judged,
            raw: has_raw.then(|| corrected.clone()),
            corrected,
            stretches: Stretches::of(slo, window.intersect(recent)),
            excluded: excluded.clone(),
        };
        Self { history, views: Views::of(slo, excluded) }
    }

    /// The days that it is read from.
    #[must_use]
    pub fn days(&self) -> BTreeSet<Day> {
        self.history.corrected.span().days().collect()
    }

    /// Takes a day of which the sums are enough. `false` if its minutes are needed.
    pub fn take_sums(&mut self, ledger: &Ledger, day: Day) -> bool {
        let history = &mut self.history;
        let span = day.span().intersect(history.corrected.span());
        if span.is_empty() {
            return true;
        }
        if span != day.span() || history.corrected.is_cut_within(day) || history.stretches.look_at(day) {
            return false;
        }
        let sums = |view| ViewSums::of(ledger, view).over(span).ok();
        let Some(corrected) = sums(&self.views.corrected) else { return false };
        if let Some(cells) = &mut history.raw {
            let Some(raw) = sums(&self.views.raw) else { return false };
            cells.add(span, raw);
        }
        history.corrected.add(span, corrected);
        true
    }

    /// Takes the minutes of a day.
    ///
    /// # Errors
    /// [`NotLoaded`] if they were not loaded.
    pub fn take_minutes(&mut self, ledger: &Ledger, day: Day) -> Result<(), NotLoaded> {
        let history = &mut self.history;
        let Some(table) = ledger.view_day(&self.views.corrected, day)? else { return Ok(()) };
        history.corrected.add_day(day, &table);
        history.stretches.add_day(day, &table);
        if let Some(cells) = &mut history.raw {
            let raw: Option<Table> = ledger.view_day(&self.views.raw, day)?;
            cells.add_day(day, &raw.unwrap_or_default());
        }
        Ok(())
    }

    /// All of it was read.
    #[must_use]
    pub fn done(mut self) -> History {
        self.history.stretches.finish();
        self.history
    }
}

impl History {
    /// A window in pieces of one length, the first and the last of them cut off where the window is.
    #[must_use]
    pub fn pieces(&self, window: &Window) -> Vec<Piece> {
        let span = window.span_at(self.judged);
        self.cut(span, step(span))
    }

    /// The same in pieces of twice the length.
    #[must_use]
    pub fn wide_pieces(&self, window: &Window) -> Vec<Piece> {
        let span = window.span_at(self.judged);
        let step = step(span);
        self.cut(span, if step < MINUTES_PER_DAY { 2 * step } else { step })
    }

    /// Each UTC day of a window.
    #[must_use]
    pub fn days(&self, window: &Window) -> Vec<Piece> {
        self.cut(window.span_at(self.judged), MINUTES_PER_DAY)
    }

    fn cut(&self, span: Span, step: i32) -> Vec<Piece> {
        let moments = moments(span, step);
        let piece = |(start, end): (&Minute, &Minute)| {
            let span = Span::new(*start, *end);
            let sums = self.corrected.over(span);
            Piece { span, sums, raw: self.raw.as_ref().map_or(sums, |cells| cells.over(span)) }
        };
        moments.iter().zip(moments.iter().skip(1)).map(piece).collect()
    }

    /// What a window of some minutes held in the last days, looked at once an hour: each moment, oldest first, with its
    /// sums.
    #[must_use]
    pub fn looks(&self, minutes: u32) -> Vec<(Minute, Sums)> {
        let minutes = i32::try_from(minutes).unwrap_or(i32::MAX);
        let look = |at: Minute| (at, self.corrected.over(Span::before(at, minutes)));
        looks_of(self.judged).map(look).collect()
    }

    /// Whether corrections change anything of it.
    #[must_use]
    pub const fn is_corrected(&self) -> bool {
        self.raw.is_some()
    }

    /// The stretches that spent more of the budget than their share, the worst first.
    #[must_use]
    pub fn spent(&self) -> &[Stretch] {
        self.stretches.found()
    }
}

/// The moments between which sums are kept.
fn cuts(slo: &Slo, judged: Minute) -> BTreeSet<Minute> {
    let mut cuts = BTreeSet::new();
    for window in &slo.windows {
        let span = window.span_at(judged);
        cuts.extend(moments(span, step(span)));
    }
    for at in looks_of(judged) {
        cuts.insert(at);
        let starts = slo.tiers.iter().map(|tier| at.plus(-i32::try_from(tier.long_minutes).unwrap_or(i32::MAX)));
        cuts.extend(starts);
    }
    cuts
}

/// How long the pieces of a window are.
fn step(span: Span) -> i32 {
    let fits = |step: &i32| span.minutes().div_ceil(step.unsigned_abs()) <= PIECES_MAX;
    STEPS.into_iter().find(fits).unwrap_or(MINUTES_PER_DAY)
}

/// Both ends of a span, and the multiples of a length between them.
fn moments(span: Span, step: i32) -> Vec<Minute> {
    let mut moments = vec![span.start];
    let mut at = Minute(span.start.0.div_euclid(step).saturating_add(1).saturating_mul(step));
    while at < span.end {
        moments.push(at);
        at = at.plus(step);
    }
    moments.push(span.end);
    moments.dedup();
    moments
}

/// The full hours of the last days, and the newest moment.
fn looks_of(judged: Minute) -> impl Iterator<Item = Minute> {
    let newest = Minute(judged.0.div_euclid(LOOK_EVERY) * LOOK_EVERY);
    let hours = (0..=LOOKS_MINUTES / LOOK_EVERY).rev().map(move |back| newest.plus(-back * LOOK_EVERY));
    hours.chain((newest != judged).then_some(judged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_into_as_many_pieces_as_a_picture_has_room_for() {
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let end = at("2026-10-31T23:50Z");
        for (minutes, step) in [(60, 1), (1_440, 5), (7 * 1_440, 15), (31 * 1_440, 60), (90 * 1_440, 1_440)] {
            assert_eq!(super::step(Span::before(end, minutes)), step, "{minutes}");
        }
        let moments = moments(Span::before(end, 130), 60);
        let told: Vec<String> = moments.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["2026-10-31T21:40Z", "2026-10-31T22:00Z", "2026-10-31T23:00Z", "2026-10-31T23:50Z"]);
    }

    #[test]
    fn tiers_are_looked_at_on_the_hour_and_now() {
        let looks: Vec<Minute> = looks_of("2026-10-31T23:50Z".parse().unwrap()).collect();
        let ends = [looks[0], looks[168], looks[169]].map(|at| at.to_string());
        assert_eq!(ends, ["2026-10-24T23:00Z", "2026-10-31T23:00Z", "2026-10-31T23:50Z"]);
    }
}

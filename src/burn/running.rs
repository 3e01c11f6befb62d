//! Prefix sums of one series over a run of minutes: any window's sums are two look-ups.

use crate::counts::{DaySlice, Sums};
use crate::minute::{Day, Minute, Span};

/// Prefix sums over the minutes of `span`.
///
/// Each vector has one entry more than the span has minutes; entry `i` sums the first `i` minutes. `u64` cannot overflow:
/// 400 days of `u32::MAX` a minute stay below 2^52.
#[derive(Clone, Debug)]
pub struct Running {
    span: Span,
    total: Vec<u64>,
    bad: Vec<u64>,
    known: Vec<u32>,
}

impl Running {
    /// Sums up the days, in order; the minutes of a day that is `None` or absent are unknown.
    #[must_use]
    pub fn of<'a>(span: Span, days: impl Iterator<Item = (Day, Option<DaySlice<'a>>)>) -> Self {
        let minutes = span.minutes() as usize;
        let mut sums = Self {
            span,
            total: Vec::with_capacity(minutes + 1),
            bad: Vec::with_capacity(minutes + 1),
            known: Vec::with_capacity(minutes + 1),
        };
        sums.total.push(0);
        sums.bad.push(0);
        sums.known.push(0);
        for (day, slice) in days {
            let part = day.span().intersect(span);
            if part.is_empty() {
                continue;
            }
            sums.unknown_until(part.start);
            if let Some(slice) = slice {
                let first = part.start.of_day();
                let range = first..first + part.minutes() as usize;
                let known = &slice.known[range.clone()];
                let counted = |(count, known): (&u32, &u8)| u64::from(*count) * u64::from(*known);
                extend(&mut sums.total, slice.total[range.clone()].iter().zip(known).map(counted));
                extend(&mut sums.bad, slice.bad[range].iter().zip(known).map(counted));
                extend(&mut sums.known, known.iter().map(|known| u32::from(*known)));
            }
        }
        sums.unknown_until(span.end);
        sums
    }

    /// Adds unknown minutes until the next one to add is `end`.
    fn unknown_until(&mut self, end: Minute) {
        let entries = self.at(end) + 1;
        repeat_last(&mut self.total, entries);
        repeat_last(&mut self.bad, entries);
        repeat_last(&mut self.known, entries);
    }

    /// The minutes that were summed up.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Sums over a span; minutes outside what was summed up are unknown.
    #[must_use]
    pub fn over(&self, span: Span) -> Sums {
        let (total, bad) = self.events(span);
        Sums { total, bad, known: self.known[self.at(span.end)] - self.known[self.at(span.start)] }
    }

    /// The entry that sums everything before `minute`, at most all.
    #[inline]
    fn at(&self, minute: Minute) -> usize {
        let minute = minute.clamp(self.span.start, self.span.end);
        minute.0.abs_diff(self.span.start.0) as usize
    }

    /// All events and the bad ones over a span, as [`Self::over`].
    #[inline]
    pub(super) fn events(&self, span: Span) -> (u64, u64) {
        let (start, end) = (self.at(span.start), self.at(span.end));
        (self.total[end] - self.total[start], self.bad[end] - self.bad[start])
    }
}

fn extend<S: Copy + std::ops::Add<Output = S>>(sums: &mut Vec<S>, counts: impl Iterator<Item = S>) {
    let Some(mut sum) = sums.last().copied() else { return };
    sums.extend(counts.map(|count| {
        sum = sum + count;
        sum
    }));
}

fn repeat_last<S: Copy>(sums: &mut Vec<S>, entries: usize) {
    if let Some(last) = sums.last().copied()
        && sums.len() < entries
    {
        sums.resize(entries, last);
    }
}

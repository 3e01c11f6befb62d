//! Four hours of UTC, the unit in which the ledger is stored and loaded.
//!
//! Short enough that what a run writes every five minutes, and reads where a window begins or ends within a day, stays
//! small; long enough that the names of all series, which every partition's file holds, weigh little: 0.05 bytes a
//! minute and series.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::serialization::serialize_as_text;
use crate::time::{Day, Minute, Span};

const PARTITION_MINUTES: i32 = 240;
const PARTITIONS_PER_DAY: i32 = 1_440 / PARTITION_MINUTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(i32);

impl Partition {
    pub const fn containing(minute: Minute) -> Self {
        Self(minute.0.div_euclid(PARTITION_MINUTES))
    }

    pub fn in_day(day: Day) -> impl DoubleEndedIterator<Item = Self> {
        let first = Self::containing(day.start()).0;
        (first..first + PARTITIONS_PER_DAY).map(Self)
    }

    pub fn in_span(span: Span) -> impl DoubleEndedIterator<Item = Self> {
        let end =
            if span.is_empty() { Self::containing(span.start).0 } else { Self::containing(span.end.plus(-1)).0 + 1 };
        (Self::containing(span.start).0..end).map(Self)
    }

    pub const fn span(self) -> Span {
        let start = Minute(self.0.saturating_mul(PARTITION_MINUTES));
        Span { start, end: start.plus(PARTITION_MINUTES) }
    }

    pub const fn day(self) -> Day {
        self.span().start.day()
    }

    /// Its minutes as indices into tables of its day.
    pub fn slots(self) -> Range<usize> {
        self.span().slots()
    }

    /// The minutes of a span with minutes in it, as indices into its own tables.
    pub(super) fn indices_of(self, span: Span) -> Range<usize> {
        let (slots, first_slot) = (span.intersect(self.span()).slots(), self.slots().start);
        slots.start - first_slot..slots.end - first_slot
    }

    pub fn hour(self) -> usize {
        self.slots().start / 60
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}", self.day(), self.hour())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid part of a day `{0}`, expected a value such as `2026-10-31T08`")]
pub struct PartitionError(String);

serialize_as_text!(Partition);

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let partition = text.split_once('T').and_then(|(day, hour)| {
            let (day, hour) = (day.parse::<Day>().ok()?, hour.parse::<i32>().ok()?);
            Some(Self::containing(day.start().plus(hour.checked_mul(60)?)))
        });
        partition.filter(|part| part.to_string() == text).ok_or_else(|| PartitionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_cover_a_day_and_round_trip_as_text() {
        let day: Day = "2026-10-31".parse().unwrap();
        let partitions: Vec<Partition> = Partition::in_day(day).collect();
        assert_eq!(partitions.iter().map(|part| part.span().minutes()).sum::<u32>(), 1_440);
        assert_eq!(partitions.iter().map(ToString::to_string).next_back().unwrap(), "2026-10-31T20");
        for part in &partitions {
            assert_eq!(part.to_string().parse(), Ok(*part));
            assert_eq!(
                (Partition::containing(part.span().start), Partition::containing(part.span().end.plus(-1))),
                (*part, *part)
            );
        }
        assert_eq!(Partition::in_span(day.span()).collect::<Vec<_>>(), partitions);
        assert_eq!(Partition::in_span(Span::new(day.start(), day.start())).count(), 0);
        for text in ["2026-10-31T07", "2026-10-31T24", "2026-10-31", "2026-10-31T8", "T08", ""] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}

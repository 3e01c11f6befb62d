//! The result of querying a span.

use std::collections::BTreeMap;

use crate::cost::Bytes;
use crate::counts::{Counts, DayCounts, MinuteCount};
use crate::hinted_error::HintedError;
use crate::series::SeriesKey;
use crate::time::{Day, Minute, Span};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanUsage {
    /// Queries that this run started.
    pub queries: u64,
    pub scanned: Bytes,
    pub billed: Bytes,
}

impl ScanUsage {
    pub const fn add(&mut self, other: Self) {
        self.queries += other.queries;
        self.scanned.0 = self.scanned.0.saturating_add(other.scanned.0);
        self.billed.0 = self.billed.0.saturating_add(other.billed.0);
    }
}

#[derive(Debug, Default)]
pub struct AthenaResponse {
    /// The minutes that are known.
    pub counts: Counts,
    pub complete_series: Vec<SeriesKey>,
    /// Why the other series are not complete.
    pub error: Option<HintedError>,
    pub usage: ScanUsage,
    /// Bytes that one query scanned, even if an earlier run paid for it.
    pub scan_size: Option<Bytes>,
    pub lines: LineCounts,
}

/// Lines of a table, or rows of a custom query, that were skipped.
#[derive(Debug, Default)]
pub struct LineCounts {
    /// All lines of a table.
    pub total: u64,
    /// Lines that could not be parsed as requests.
    pub unparsed: u64,
    /// Minutes that are unknown because a custom query returned invalid rows for them.
    pub invalid_minutes: u64,
    /// Rows of a custom query outside the fetched span.
    pub rows_outside_span: u64,
    /// Some of the unparsed lines or invalid rows.
    pub samples: Vec<String>,
}

impl AthenaResponse {
    /// Adds all minutes of some spans, each with its count. The series is complete then.
    pub(super) fn add_counts(
        &mut self,
        series: &SeriesKey,
        spans: impl IntoIterator<Item = Span>,
        count_at: impl Fn(Minute) -> Option<MinuteCount>,
    ) {
        let mut days: BTreeMap<Day, DayCounts> = BTreeMap::new();
        for span in spans {
            for minute in (span.start.0..span.end.0).map(Minute) {
                days.entry(minute.day()).or_default().0[minute.minute_of_day()] = count_at(minute);
            }
        }
        self.counts.extend(days.into_iter().map(|(day, counts)| ((series.clone(), day), counts)));
        self.complete_series.push(series.clone());
    }
}

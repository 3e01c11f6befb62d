//! What to fetch from which source, so that every SLO can be evaluated at a moment.
//!
//! **Invariant:** each series is fetched once, however many SLOs use it.

mod cloudwatch;
mod listing;
mod ranges;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::access_log::object_key::LATE_DELIVERY_DAYS;
use crate::discovery::Discovery;
use crate::series::SeriesKey;
use crate::slo::{BucketAccess, Catalog, Indicator, Measure, Slo, SourceKind, Tags, Traffic, matches_load_balancer};
use crate::time::{Day, MINUTES_PER_DAY, Minute, Span, Window};

pub use cloudwatch::{STATISTICS_PER_BILLED_METRIC, billed_metrics, metric_counts};
pub use listing::{DayListing, ListingCache, ListingState, ListingUpdate, SavedListing};
pub use ranges::{FetchRange, FetchedRange, RangeRequest, discard_future, invalidate, mark_fetched, missing_ranges};

const MINUTE_NS: u64 = 60_000_000_000;
/// A file that was modified more recently may be modified again without a newer modification time, which is as coarse
/// as the file system's clock.
const SETTLED_AFTER_NS: u64 = MINUTE_NS;

/// All requests of a run: at most one for each source, and one for each counts file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    pub access_logs: Vec<AccessLogRequest>,
    /// CloudWatch and Athena, which answer with the counts of any span.
    pub ranges: Vec<RangeRequest>,
    pub counts_files: Vec<CountsFileRequest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogRequest {
    pub source: String,
    /// The directory or bucket that contains `AWSLogs/`.
    pub location: String,
    pub access: BucketAccess,
    /// The minutes that an object of a Classic Load Balancer covers.
    pub classic_minutes: i32,
    pub span: Span,
    /// The series of each load balancer, by the name in the definition: `app/name` matches any ID.
    pub series_by_load_balancer: BTreeMap<String, BTreeSet<SeriesKey>>,
    /// The requests of each series, and what makes them good.
    pub rules: BTreeMap<SeriesKey, (Traffic, Measure)>,
    /// Series of target groups by tags: their minutes before the look-up are unknown.
    pub tagged_series: BTreeSet<SeriesKey>,
}

impl AccessLogRequest {
    /// The series of a load balancer with its ID.
    pub fn series_for(&self, load_balancer: &str) -> BTreeSet<SeriesKey> {
        let matching =
            self.series_by_load_balancer.iter().filter(|(name, _)| matches_load_balancer(name, load_balancer));
        matching.flat_map(|(_, series)| series.iter().cloned()).collect()
    }

    /// The days in whose folders the objects lie.
    pub fn folder_days(&self) -> impl Iterator<Item = Day> + use<> {
        let Span { start, end } = self.span;
        Span::new(start.day().start(), end.day().plus(LATE_DELIVERY_DAYS + 1).start()).days()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountsFileRequest {
    pub source: String,
    /// The directory that `file` is relative to.
    pub location: String,
    pub file: String,
    pub series: SeriesKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: u64,
}

/// A file whose counts are in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFile {
    pub path: String,
    #[serde(flatten)]
    pub state: FileState,
    pub hash: String,
}

impl FileState {
    /// Whether the file was last modified long enough before a run that began in a minute.
    pub fn is_settled(&self, now: Minute) -> bool {
        let now_ns = u64::try_from(now.0).unwrap_or(0) * MINUTE_NS;
        self.modified_ns.saturating_add(SETTLED_AFTER_NS) <= now_ns
    }
}

impl ImportedFile {
    pub fn is_unchanged(&self, path: &str, state: FileState) -> bool {
        self.path == path && self.state == state
    }
}

/// The requests for a catalogue at `at`. They reach back `days`, or else as far as the longest window and one day for
/// what is delivered late. Selectors must have been looked up: a selector without resources is not requested.
/// CloudWatch and Athena are requested up to `now` at most: they answer future minutes like minutes without traffic.
pub fn plan(catalog: &Catalog, discovery: &Discovery, at: Minute, now: Minute, days: Option<u16>) -> FetchPlan {
    let mut logs: BTreeMap<String, AccessLogRequest> = BTreeMap::new();
    let mut spans: BTreeMap<String, RangeRequest> = BTreeMap::new();
    let mut counts = BTreeSet::new();
    for (_, slo) in catalog.slos() {
        let Some(source) = catalog.sources.get(slo.indicator.source()) else { continue };
        match (&slo.indicator, &source.kind) {
            (
                Indicator::Requests { source, traffic, measure },
                SourceKind::AccessLogs { location, bucket_access: access, classic_minutes },
            ) => {
                let has_tags = has_tagged_groups(traffic);
                let Some(traffic) = discovery.resolve_names(&access.aws, traffic) else { continue };
                let span = required_span(slo, at, days);
                let request = logs.entry(source.clone()).or_insert_with(|| AccessLogRequest {
                    source: source.clone(),
                    location: location.clone(),
                    access: access.clone(),
                    classic_minutes: *classic_minutes,
                    span,
                    series_by_load_balancer: BTreeMap::new(),
                    rules: BTreeMap::new(),
                    tagged_series: BTreeSet::new(),
                });
                request.span = Span::new(request.span.start.min(span.start), at);
                let series = slo.indicator.series();
                for balancer in traffic.load_balancer.split(' ') {
                    request.series_by_load_balancer.entry(balancer.to_owned()).or_default().insert(series.clone());
                }
                request.tagged_series.extend(has_tags.then(|| series.clone()));
                request.rules.insert(series, (traffic.into_owned(), measure.clone()));
            }
            (Indicator::Counts { source, file }, SourceKind::Counts { location }) => {
                counts.insert(CountsFileRequest {
                    source: source.clone(),
                    location: location.clone(),
                    file: file.clone(),
                    series: slo.indicator.series(),
                });
            }
            (indicator, SourceKind::CloudWatch { .. } | SourceKind::Athena { .. }) => {
                let Some(resolved) = resolve_indicator(indicator, &source.kind, discovery) else { continue };
                let name = indicator.source();
                let request = spans.entry(name.to_owned()).or_insert_with(|| RangeRequest::new(name, source, at, now));
                let has_tags = matches!(indicator, Indicator::Requests { traffic, .. } if has_tagged_groups(traffic));
                request.tagged_series.extend(has_tags.then(|| indicator.series()));
                request.add_series(indicator.series(), &resolved, required_span(slo, request.end, days).start);
            }
            // Reading the definitions reports an indicator that its source cannot measure.
            _ => {}
        }
    }
    FetchPlan {
        access_logs: logs.into_values().collect(),
        ranges: spans.into_values().collect(),
        counts_files: counts.into_iter().collect(),
    }
}

fn has_tagged_groups(traffic: &Traffic) -> bool {
    traffic.target_groups.iter().any(|group| Tags::parse(group).is_some())
}

/// The indicator as its source knows it: Athena by names; CloudWatch by IDs, which change over time and are resolved
/// when the range is fetched.
fn resolve_indicator<'a>(
    indicator: &'a Indicator,
    kind: &SourceKind,
    discovery: &Discovery,
) -> Option<Cow<'a, Indicator>> {
    let (Indicator::Requests { source, traffic, measure }, SourceKind::Athena { aws, .. }) = (indicator, kind) else {
        return Some(Cow::Borrowed(indicator));
    };
    Some(match discovery.resolve_names(aws, traffic)? {
        Cow::Borrowed(_) => Cow::Borrowed(indicator),
        Cow::Owned(traffic) => {
            Cow::Owned(Indicator::Requests { source: source.clone(), traffic, measure: measure.clone() })
        }
    })
}

fn required_span(slo: &Slo, at: Minute, days: Option<u16>) -> Span {
    let longest = slo.windows.iter().map(Window::max_minutes).max().unwrap_or(0);
    let minutes = days.map_or_else(
        || i32::try_from(longest).unwrap_or(i32::MAX).saturating_add(MINUTES_PER_DAY),
        |days| i32::from(days) * MINUTES_PER_DAY,
    );
    Span::ending_at(at, minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_settled_a_minute_after_its_last_modification() {
        let now = Minute(29_000_000);
        let modified = |seconds: i64| {
            let at = (i64::from(now.0) * 60 + seconds) * 1_000_000_000;
            FileState { size: 1, modified_ns: u64::try_from(at).unwrap() }
        };
        assert!(modified(-60).is_settled(now) && modified(-100_000).is_settled(now));
        for seconds in [-59, 0, 59, 100_000] {
            assert!(!modified(seconds).is_settled(now), "{seconds}");
        }
        assert!(!FileState { size: 1, modified_ns: u64::MAX }.is_settled(now));
    }

    #[test]
    fn different_path_size_or_time_means_a_different_file() {
        let state = FileState { size: 7, modified_ns: 9 };
        let read = ImportedFile { path: "a.csv".to_owned(), state, hash: "x".to_owned() };
        assert!(read.is_unchanged("a.csv", state) && !read.is_unchanged("b.csv", state));
        assert!(!read.is_unchanged("a.csv", FileState { size: 8, ..state }));
        assert!(!read.is_unchanged("a.csv", FileState { modified_ns: 10, ..state }));
    }
}

//! What has to be asked of which source, so that every promise can be judged at a moment.
//!
//! **Invariant:** each series is asked for once, however many promises stand on it.

mod cloudwatch;
mod counts_files;
mod ranges;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::discovery::Discovery;
use crate::series::SeriesKey;
use crate::slo::{BucketAccess, Catalog, Indicator, Measure, Slo, SourceKind, Tags, Traffic, matches_load_balancer};
use crate::time::{MINUTES_PER_DAY, Minute, Span};

pub use cloudwatch::{STATISTICS_PER_BILLED_METRIC, billed_metrics, metric_counts};
pub use counts_files::{FileState, ImportedFile};
pub use ranges::{FetchRange, FetchedRange, RangeRequest, discard_future, invalidate, mark_fetched, missing_ranges};

/// All questions of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// One for each source of access logs that a promise stands on.
    pub access_logs: Vec<AccessLogRequest>,
    /// One for each source that answers with the counts of any span: CloudWatch and Athena.
    pub ranges: Vec<RangeRequest>,
    /// One for each file of counts that a promise stands on.
    pub counts_files: Vec<CountsFileRequest>,
}

/// Which balancers' logs are wanted, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogRequest {
    /// Name of the source.
    pub source: String,
    /// The directory or bucket that holds `AWSLogs/`.
    pub location: String,
    /// How a bucket is read.
    pub access: BucketAccess,
    /// How many minutes an object of a Classic Load Balancer covers.
    pub classic_minutes: i32,
    /// The minutes that matter.
    pub span: Span,
    /// What is measured at each balancer, by how it is named: `app/name` is wanted whatever its id is.
    pub series_by_load_balancer: BTreeMap<String, BTreeSet<SeriesKey>>,
    /// Which requests belong to a series, and which of them are good.
    pub rules: BTreeMap<SeriesKey, (Traffic, Measure)>,
    /// Series of target groups by tags: lines hold their names, and not what had the tags before anybody looked.
    pub tagged_series: BTreeSet<SeriesKey>,
}

impl AccessLogRequest {
    /// What is measured at a balancer with its id.
    #[must_use]
    pub fn series_for(&self, load_balancer: &str) -> BTreeSet<SeriesKey> {
        let matching =
            self.series_by_load_balancer.iter().filter(|(name, _)| matches_load_balancer(name, load_balancer));
        matching.flat_map(|(_, series)| series.iter().cloned()).collect()
    }
}

/// Which file of counts is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountsFileRequest {
    /// Name of the source.
    pub source: String,
    /// The directory that the file's name is relative to.
    pub location: String,
    /// The file.
    pub file: String,
    /// The series it holds.
    pub series: SeriesKey,
}

/// The questions for a catalogue at a moment. `days` limits how far back they reach; without it they reach as far as
/// the longest window, and one day further for what is delivered late. What tags stand for must have been looked up:
/// where nothing is known to have them, nothing is asked. CloudWatch and Athena are asked up to `now` at most: they
/// answer for minutes to come as for minutes without traffic.
#[must_use]
pub fn plan(catalog: &Catalog, discovery: &Discovery, (at, now): (Minute, Minute), days: Option<u16>) -> FetchPlan {
    let mut logs: BTreeMap<String, AccessLogRequest> = BTreeMap::new();
    let mut spans: BTreeMap<String, RangeRequest> = BTreeMap::new();
    let mut counts = BTreeSet::new();
    for slo in catalog.services.iter().flat_map(|service| &service.slos) {
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
                let request =
                    spans.entry(name.to_owned()).or_insert_with(|| RangeRequest::new(name, source, (at, now)));
                let has_tags = matches!(indicator, Indicator::Requests { traffic, .. } if has_tagged_groups(traffic));
                request.tagged_series.extend(has_tags.then(|| indicator.series()));
                request.add_series(indicator.series(), &resolved, required_span(slo, request.end, days).start);
            }
            // The definitions' own check has named an indicator that does not fit its source.
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

/// What a source is asked for an indicator: Athena by name, and CloudWatch by ids, of which there are others at other
/// times.
fn resolve_indicator<'a>(
    indicator: &'a Indicator,
    kind: &SourceKind,
    discovery: &Discovery,
) -> Option<Cow<'a, Indicator>> {
    match (indicator, kind) {
        (Indicator::Requests { source, traffic, measure }, SourceKind::Athena { aws: reach, .. }) => {
            Some(match discovery.resolve_names(reach, traffic)? {
                Cow::Borrowed(_) => Cow::Borrowed(indicator),
                Cow::Owned(traffic) => {
                    Cow::Owned(Indicator::Requests { source: source.clone(), traffic, measure: measure.clone() })
                }
            })
        }
        _ => Some(Cow::Borrowed(indicator)),
    }
}

fn required_span(slo: &Slo, at: Minute, days: Option<u16>) -> Span {
    let longest = slo.windows.iter().map(crate::time::Window::max_minutes).max().unwrap_or(0);
    let minutes = days.map_or_else(
        || i32::try_from(longest).unwrap_or(i32::MAX).saturating_add(MINUTES_PER_DAY),
        |days| i32::from(days) * MINUTES_PER_DAY,
    );
    Span::ending_at(at, minutes)
}

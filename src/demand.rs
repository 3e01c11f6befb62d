//! What has to be asked of which source, so that every promise can be judged at a moment.
//!
//! **Invariant:** each series is asked for once, however many promises stand on it.

mod files;
mod metrics;
mod spans;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::discovery::Discovery;
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::series::SeriesKey;
use crate::slo::{Access, Catalog, Indicator, Measure, Slo, SourceKind, Tags, Traffic, names_balancer};

pub use files::{FileRead, FileState};
pub use metrics::{STATISTICS_OF_ONE, billed, metric_counts};
pub use spans::{Ask, AskedOf, SpanQuestion, asks, forget, remember, retract_future};

/// All questions of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// One for each source of access logs that a promise stands on.
    pub logs: Vec<LogsQuestion>,
    /// One for each source that answers with the counts of any span: CloudWatch and Athena.
    pub spans: Vec<SpanQuestion>,
    /// One for each file of counts that a promise stands on.
    pub counts: Vec<CountsQuestion>,
}

/// Which balancers' logs are wanted, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsQuestion {
    /// Name of the source.
    pub source: String,
    /// The directory or bucket that holds `AWSLogs/`.
    pub location: String,
    /// How a bucket is read.
    pub access: Access,
    /// How many minutes an object of a Classic Load Balancer covers.
    pub classic_minutes: i32,
    /// The minutes that matter.
    pub span: Span,
    /// What is measured at each balancer, by how it is named: `app/name` is wanted whatever its id is.
    pub series: BTreeMap<String, BTreeSet<SeriesKey>>,
    /// Which requests belong to a series, and which of them are good.
    pub requests: BTreeMap<SeriesKey, (Traffic, Measure)>,
    /// Series of target groups by tags: lines hold their names, and not what had the tags before anybody looked.
    pub tagged: BTreeSet<SeriesKey>,
}

impl LogsQuestion {
    /// What is measured at a balancer with its id.
    #[must_use]
    pub fn series_of(&self, balancer: &str) -> BTreeSet<SeriesKey> {
        let named = self.series.iter().filter(|(name, _)| names_balancer(name, balancer));
        named.flat_map(|(_, series)| series.iter().cloned()).collect()
    }
}

/// Which file of counts is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountsQuestion {
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
pub fn draw(catalog: &Catalog, discovery: &Discovery, (at, now): (Minute, Minute), days: Option<u16>) -> Demand {
    let mut logs: BTreeMap<String, LogsQuestion> = BTreeMap::new();
    let mut spans: BTreeMap<String, SpanQuestion> = BTreeMap::new();
    let mut counts = BTreeSet::new();
    for slo in catalog.services.iter().flat_map(|service| &service.slos) {
        let Some(source) = catalog.sources.get(slo.indicator.source()) else { continue };
        match (&slo.indicator, &source.kind) {
            (
                Indicator::Requests { source, traffic, measure },
                SourceKind::AccessLogs { location, access, classic_minutes },
            ) => {
                let by_tags = has_tagged_groups(traffic);
                let Some(traffic) = discovery.by_name(&access.reach, traffic) else { continue };
                let span = span(slo, at, days);
                let question = logs.entry(source.clone()).or_insert_with(|| LogsQuestion {
                    source: source.clone(),
                    location: location.clone(),
                    access: access.clone(),
                    classic_minutes: *classic_minutes,
                    span,
                    series: BTreeMap::new(),
                    requests: BTreeMap::new(),
                    tagged: BTreeSet::new(),
                });
                question.span = Span::new(question.span.start.min(span.start), at);
                let series = slo.indicator.series();
                for balancer in traffic.load_balancer.split(' ') {
                    question.series.entry(balancer.to_owned()).or_default().insert(series.clone());
                }
                question.tagged.extend(by_tags.then(|| series.clone()));
                question.requests.insert(series, (traffic.into_owned(), measure.clone()));
            }
            (Indicator::Counts { source, file }, SourceKind::Counts { location }) => {
                counts.insert(CountsQuestion {
                    source: source.clone(),
                    location: location.clone(),
                    file: file.clone(),
                    series: slo.indicator.series(),
                });
            }
            (indicator, SourceKind::CloudWatch { .. } | SourceKind::Athena { .. }) => {
                let Some(asked) = as_asked(indicator, &source.kind, discovery) else { continue };
                let name = indicator.source();
                let question =
                    spans.entry(name.to_owned()).or_insert_with(|| SpanQuestion::new(name, source, (at, now)));
                let by_tags = matches!(indicator, Indicator::Requests { traffic, .. } if has_tagged_groups(traffic));
                question.tagged.extend(by_tags.then(|| indicator.series()));
                question.want(indicator.series(), &asked, span(slo, question.end, days).start);
            }
            // The definitions' own check has named an indicator that does not fit its source.
            _ => {}
        }
    }
    Demand {
        logs: logs.into_values().collect(),
        spans: spans.into_values().collect(),
        counts: counts.into_iter().collect(),
    }
}

fn has_tagged_groups(traffic: &Traffic) -> bool {
    traffic.target_groups.iter().any(|group| Tags::read(group).is_some())
}

/// What a source is asked for an indicator: Athena by name, and CloudWatch by ids, of which there are others at other
/// times.
fn as_asked<'a>(indicator: &'a Indicator, kind: &SourceKind, discovery: &Discovery) -> Option<Cow<'a, Indicator>> {
    match (indicator, kind) {
        (Indicator::Requests { source, traffic, measure }, SourceKind::Athena { reach, .. }) => {
            Some(match discovery.by_name(reach, traffic)? {
                Cow::Borrowed(_) => Cow::Borrowed(indicator),
                Cow::Owned(traffic) => {
                    Cow::Owned(Indicator::Requests { source: source.clone(), traffic, measure: measure.clone() })
                }
            })
        }
        _ => Some(Cow::Borrowed(indicator)),
    }
}

fn span(slo: &Slo, at: Minute, days: Option<u16>) -> Span {
    let longest = slo.windows.iter().map(crate::minute::Window::longest_minutes).max().unwrap_or(0);
    let minutes = days.map_or_else(
        || i32::try_from(longest).unwrap_or(i32::MAX).saturating_add(MINUTES_PER_DAY),
        |days| i32::from(days) * MINUTES_PER_DAY,
    );
    Span::before(at, minutes)
}

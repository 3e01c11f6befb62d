//! What has to be asked of which source, so that every promise can be judged at a moment.
//!
//! **Invariant:** each series is asked for once, however many promises stand on it.

mod metrics;
mod spans;

use std::collections::{BTreeMap, BTreeSet};

use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::series::SeriesKey;
use crate::slo::{Access, Catalog, Indicator, Slo, SourceKind};

pub use metrics::{STATISTICS_OF_ONE, billed, metric_counts};
pub use spans::{Ask, AskedOf, SpanQuestion, asks, remember};

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
    /// What is measured at each balancer, by `app/name/id`.
    pub series: BTreeMap<String, BTreeSet<SeriesKey>>,
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

/// The questions for a catalogue at a moment. `days` limits how far back they reach; without it they reach as far as the
/// longest window, and one day further for what is delivered late.
#[must_use]
pub fn draw(catalog: &Catalog, at: Minute, days: Option<u16>) -> Demand {
    let mut logs: BTreeMap<String, LogsQuestion> = BTreeMap::new();
    let mut spans: BTreeMap<String, SpanQuestion> = BTreeMap::new();
    let mut counts = BTreeSet::new();
    for slo in catalog.services.iter().flat_map(|service| &service.slos) {
        let Some(source) = catalog.sources.get(slo.indicator.source()) else { continue };
        match (&slo.indicator, &source.kind) {
            (
                Indicator::Requests { source, traffic, .. },
                SourceKind::AccessLogs { location, access, classic_minutes },
            ) => {
                let span = span(slo, at, days);
                let question = logs.entry(source.clone()).or_insert_with(|| LogsQuestion {
                    source: source.clone(),
                    location: location.clone(),
                    access: access.clone(),
                    classic_minutes: *classic_minutes,
                    span,
                    series: BTreeMap::new(),
                });
                question.span = Span::new(question.span.start.min(span.start), at);
                question.series.entry(traffic.load_balancer.clone()).or_default().insert(slo.indicator.series());
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
                let name = indicator.source();
                let question = spans.entry(name.to_owned()).or_insert_with(|| SpanQuestion::new(name, source, at));
                question.want(indicator, span(slo, question.end, days).start);
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

fn span(slo: &Slo, at: Minute, days: Option<u16>) -> Span {
    let longest = slo.windows.iter().map(crate::minute::Window::longest_minutes).max().unwrap_or(0);
    let minutes = days.map_or_else(
        || i32::try_from(longest).unwrap_or(i32::MAX).saturating_add(MINUTES_PER_DAY),
        |days| i32::from(days) * MINUTES_PER_DAY,
    );
    Span::before(at, minutes)
}

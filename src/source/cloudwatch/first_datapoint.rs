//! When the metrics of a ratio had their first value: what never had any may be a counter that nothing was counted with
//! yet, or a name that was misspelt, and CloudWatch answers both with the same silence.
//!
//! A counter of errors is often published only when there are any ("there is a nonzero value",
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>), so
//! that one which never was counts as zero, and is named. Events without any that could be good are no such thing: they
//! stay unknown. The names of a load balancer's metrics are ours, and need none of this.

use std::collections::{BTreeMap, BTreeSet};

use super::MetricResponse;
use crate::series::SeriesKey;
use crate::slo::{MetricRole, MetricStatistic, RatioMetrics};
use crate::time::Minute;

/// The minute of the first value, by metric and statistic as text; what never had a value has none.
pub type FirstDatapoints = BTreeMap<String, Minute>;

/// Metrics of a ratio that had no value in anything that was asked so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverReported {
    /// Which.
    pub metrics: Vec<MetricStatistic>,
    /// Whether nothing can be counted without them, so that all of it is unknown; else they count as zero.
    pub is_unknown: bool,
}

/// Takes in the values of a span.
pub(super) fn record_first_datapoints<'v>(
    first_datapoints: &mut FirstDatapoints,
    counts: &RatioMetrics,
    values: impl Fn(&MetricStatistic) -> &'v [(Minute, f64)],
) {
    for count in counts.distinct_stats() {
        let Some((first, _)) = values(count).first() else { continue };
        let known = first_datapoints.entry(count.to_string()).or_insert(*first);
        *known = (*first).min(*known);
    }
}

/// The minute of the first value of any metric.
pub(super) fn first_datapoint<'v>(
    counts: &RatioMetrics,
    values: impl Fn(&MetricStatistic) -> &'v [(Minute, f64)],
) -> Option<Minute> {
    counts.distinct_stats().into_iter().filter_map(|count| values(count).first()).map(|(minute, _)| *minute).min()
}

/// The minute from which on a value that is missing beside another is zero: both all events and those that may be good
/// have had one.
pub(super) fn zero_from(first_datapoints: &FirstDatapoints, counts: &RatioMetrics) -> Option<Minute> {
    required_metrics(counts)
        .iter()
        .map(|counts| first_of(first_datapoints, counts))
        .try_fold(Minute(i32::MIN), |at, first| Some(at.max(first?)))
}

/// What of a ratio had no value yet; `None` if there is nothing to say.
pub(super) fn never_reported(first_datapoints: &FirstDatapoints, counts: &RatioMetrics) -> Option<NeverReported> {
    let has_no_datapoint = |count: &&MetricStatistic| !first_datapoints.contains_key(&count.to_string());
    let missing = required_metrics(counts).into_iter().filter(|counts| first_of(first_datapoints, counts).is_none());
    let missing: BTreeSet<&MetricStatistic> = missing.flatten().collect();
    let is_unknown = !missing.is_empty();
    let metrics =
        if is_unknown { missing } else { counts.distinct_stats().into_iter().filter(has_no_datapoint).collect() };
    (!metrics.is_empty()).then(|| NeverReported { metrics: metrics.into_iter().cloned().collect(), is_unknown })
}

/// What at least one metric of each must have had a value of: all events, and those that are not bad.
fn required_metrics(counts: &RatioMetrics) -> Vec<Vec<&MetricStatistic>> {
    let good = match &counts.numerator {
        MetricRole::Good(good) => good.iter().collect(),
        MetricRole::Bad(bad) => counts.total.iter().filter(|count| !bad.contains(count)).collect(),
    };
    [counts.total.iter().collect(), good].into_iter().filter(|counts: &Vec<_>| !counts.is_empty()).collect()
}

fn first_of(first_datapoints: &FirstDatapoints, counts: &[&MetricStatistic]) -> Option<Minute> {
    counts.iter().filter_map(|count| first_datapoints.get(&count.to_string())).min().copied()
}

impl MetricResponse {
    /// Notes when the metrics of a ratio began, as far as that is known by now.
    pub(super) fn record_first_datapoints(
        &mut self,
        series: &SeriesKey,
        counts: &RatioMetrics,
        first_datapoints: FirstDatapoints,
    ) {
        if let Some(never_reported) = never_reported(&first_datapoints, counts) {
            self.never_reported.insert(series.clone(), never_reported);
        }
        self.first_datapoints.insert(series.clone(), first_datapoints);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{Metric, Statistic};

    fn counts(names: &str) -> Vec<MetricStatistic> {
        let metric =
            |name: &str| Metric { namespace: "N".to_owned(), name: name.to_owned(), dimensions: BTreeMap::new() };
        names
            .split_whitespace()
            .map(|name| MetricStatistic { metric: metric(name), statistic: Statistic::Sum })
            .collect()
    }

    /// What is silent, and from which minute on a missing value is zero.
    fn describe(total: &str, judged: MetricRole, first_datapoints: &[(&str, i32)]) -> (String, Option<i32>) {
        let counts = RatioMetrics { total: counts(total), numerator: judged };
        let first_datapoints: FirstDatapoints =
            first_datapoints.iter().map(|(name, at)| (format!("N {name} Sum"), Minute(*at))).collect();
        let never_reported = never_reported(&first_datapoints, &counts).map_or_else(String::new, |silent| {
            let names: Vec<&str> = silent.metrics.iter().map(|count| count.metric.name.as_str()).collect();
            format!("{}{}", names.join(" "), if silent.is_unknown { " unknown" } else { "" })
        });
        (never_reported, zero_from(&first_datapoints, &counts).map(|at| at.0))
    }

    #[test]
    fn unreported_error_metric_is_zero_but_unreported_good_metric_is_unknown() {
        let bad = || MetricRole::Bad(counts("failed"));
        assert_eq!(describe("all", bad(), &[("all", 5), ("failed", 9)]), (String::new(), Some(5)));
        assert_eq!(describe("all", bad(), &[("all", 5)]), ("failed".to_owned(), Some(5)));
        assert_eq!(describe("all", bad(), &[("failed", 5)]), ("all unknown".to_owned(), None));
        assert_eq!(describe("ok failed", bad(), &[("failed", 5)]), ("ok unknown".to_owned(), None));
        assert_eq!(describe("ok other failed", bad(), &[("ok", 5), ("failed", 3)]), ("other".to_owned(), Some(5)));
        let good = || MetricRole::Good(counts("ok"));
        assert_eq!(describe("all", good(), &[("all", 5)]), ("ok unknown".to_owned(), None));
        assert_eq!(describe("all", good(), &[("ok", 5)]), ("all unknown".to_owned(), None));
        assert_eq!(describe("ok failed", good(), &[("ok", 7)]), ("failed".to_owned(), Some(7)));
        assert_eq!(describe("all", good(), &[]), ("all ok unknown".to_owned(), None));
    }
}

//! The first values of a ratio's metrics. A metric without any value may be a counter that nothing was counted with
//! yet, or a misspelled name, and CloudWatch returns nothing for both.
//!
//! An error counter is often published only if it has a nonzero value
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>), so
//! without any value it counts as zero, and is reported. If no metric of all or of possibly good events has a value,
//! the minutes stay unknown. This does not apply to the metrics of load balancers, whose names slowburn knows.

use std::collections::{BTreeMap, BTreeSet};

use super::to_counts::MetricValues;
use crate::slo::{MetricRole, MetricStatistic, RatioMetrics};
use crate::time::Minute;

/// The minute of the first value by metric and statistic as text.
pub type FirstDatapoints = BTreeMap<String, Minute>;

/// The metrics of a ratio without any value so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeverReported {
    pub metrics: Vec<MetricStatistic>,
    /// Whether the ratio is unknown without them. Otherwise they count as zero.
    pub is_unknown: bool,
}

pub(super) fn record_first_datapoints(
    first_datapoints: &mut FirstDatapoints,
    counts: &RatioMetrics,
    values: &MetricValues<'_>,
) {
    for count in counts.distinct_stats() {
        let Some((first, _)) = values.get(count).and_then(|values| values.first()) else { continue };
        let known = first_datapoints.entry(count.to_string()).or_insert(*first);
        *known = (*first).min(*known);
    }
}

/// The minute of the first value of any metric.
pub(super) fn first_datapoint(counts: &RatioMetrics, values: &MetricValues<'_>) -> Option<Minute> {
    let counts = counts.distinct_stats().into_iter();
    counts.filter_map(|count| values.get(count)?.first()).map(|(minute, _)| *minute).min()
}

/// The first minute at which a missing value is zero: all events and the good ones have both had a value.
pub(super) fn zero_from(first_datapoints: &FirstDatapoints, counts: &RatioMetrics) -> Option<Minute> {
    required_metrics(counts)
        .iter()
        .map(|counts| first_of(first_datapoints, counts))
        .try_fold(Minute(i32::MIN), |at, first| Some(at.max(first?)))
}

pub(super) fn never_reported(first_datapoints: &FirstDatapoints, counts: &RatioMetrics) -> Option<NeverReported> {
    let has_no_datapoint = |count: &&MetricStatistic| !first_datapoints.contains_key(&count.to_string());
    let missing = required_metrics(counts).into_iter().filter(|counts| first_of(first_datapoints, counts).is_none());
    let missing: BTreeSet<&MetricStatistic> = missing.flatten().collect();
    let is_unknown = !missing.is_empty();
    let metrics =
        if is_unknown { missing } else { counts.distinct_stats().into_iter().filter(has_no_datapoint).collect() };
    (!metrics.is_empty()).then(|| NeverReported { metrics: metrics.into_iter().cloned().collect(), is_unknown })
}

/// The groups of metrics of which at least one must have had a value: all events, and those that are not bad.
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

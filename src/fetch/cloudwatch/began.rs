//! When the metrics of a ratio had their first value: what never had any may be a counter that nothing was counted with
//! yet, or a name that was misspelt, and CloudWatch answers both with the same silence.
//!
//! A counter of errors is often published only when there are any ("there is a nonzero value",
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>), so
//! that one which never was counts as zero, and is named. Events without any that could be good are no such thing: they
//! stay unknown. The names of a load balancer's metrics are ours, and need none of this.

use std::collections::{BTreeMap, BTreeSet};

use super::Answer;
use crate::minute::Minute;
use crate::series::SeriesKey;
use crate::slo::{Judged, MetricCount, MetricCounts};

/// The minute of the first value, by metric and statistic as text; what never had a value has none.
pub type Began = BTreeMap<String, Minute>;

/// Metrics of a ratio that had no value in anything that was asked so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Which.
    pub metrics: Vec<MetricCount>,
    /// Whether nothing can be counted without them, so that all of it is unknown; else they count as zero.
    pub is_unknown: bool,
}

/// Takes in the values of a span.
pub(super) fn learn<'v>(
    began: &mut Began,
    counts: &MetricCounts,
    values: impl Fn(&MetricCount) -> &'v [(Minute, f64)],
) {
    for count in counts.all() {
        let Some((first, _)) = values(count).first() else { continue };
        let held = began.entry(count.to_string()).or_insert(*first);
        *held = (*first).min(*held);
    }
}

/// The minute of the first value of any metric.
pub(super) fn first_value<'v>(
    counts: &MetricCounts,
    values: impl Fn(&MetricCount) -> &'v [(Minute, f64)],
) -> Option<Minute> {
    counts.all().into_iter().filter_map(|count| values(count).first()).map(|(minute, _)| *minute).min()
}

/// The minute from which on a value that is missing beside another is zero: both all events and those that may be good
/// have had one.
pub(super) fn ready(began: &Began, counts: &MetricCounts) -> Option<Minute> {
    needed(counts).iter().map(|counts| first(began, counts)).try_fold(Minute(i32::MIN), |at, of| Some(at.max(of?)))
}

/// What of a ratio had no value yet; `None` if there is nothing to say.
pub(super) fn silent(began: &Began, counts: &MetricCounts) -> Option<Silent> {
    let is_silent = |count: &&MetricCount| !began.contains_key(&count.to_string());
    let missing = needed(counts).into_iter().filter(|counts| first(began, counts).is_none());
    let missing: BTreeSet<&MetricCount> = missing.flatten().collect();
    let is_unknown = !missing.is_empty();
    let metrics = if is_unknown { missing } else { counts.all().into_iter().filter(is_silent).collect() };
    (!metrics.is_empty()).then(|| Silent { metrics: metrics.into_iter().cloned().collect(), is_unknown })
}

/// What at least one metric of each must have had a value of: all events, and those that are not bad.
fn needed(counts: &MetricCounts) -> Vec<Vec<&MetricCount>> {
    let good = match &counts.judged {
        Judged::Good(good) => good.iter().collect(),
        Judged::Bad(bad) => counts.total.iter().filter(|count| !bad.contains(count)).collect(),
    };
    [counts.total.iter().collect(), good].into_iter().filter(|counts: &Vec<_>| !counts.is_empty()).collect()
}

fn first(began: &Began, counts: &[&MetricCount]) -> Option<Minute> {
    counts.iter().filter_map(|count| began.get(&count.to_string())).min().copied()
}

impl Answer {
    /// Notes when the metrics of a ratio began, as far as that is known by now.
    pub(super) fn note_began(&mut self, series: &SeriesKey, counts: &MetricCounts, began: Began) {
        if let Some(silent) = silent(&began, counts) {
            self.silent.insert(series.clone(), silent);
        }
        self.began.insert(series.clone(), began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{Metric, Statistic};

    fn counts(names: &str) -> Vec<MetricCount> {
        let metric =
            |name: &str| Metric { namespace: "N".to_owned(), name: name.to_owned(), dimensions: BTreeMap::new() };
        names.split_whitespace().map(|name| MetricCount { metric: metric(name), statistic: Statistic::Sum }).collect()
    }

    /// What is silent, and from which minute on a missing value is zero.
    fn told(total: &str, judged: Judged, began: &[(&str, i32)]) -> (String, Option<i32>) {
        let counts = MetricCounts { total: counts(total), judged };
        let began: Began = began.iter().map(|(name, at)| (format!("N {name} Sum"), Minute(*at))).collect();
        let silent = silent(&began, &counts).map_or_else(String::new, |silent| {
            let names: Vec<&str> = silent.metrics.iter().map(|count| count.metric.name.as_str()).collect();
            format!("{}{}", names.join(" "), if silent.is_unknown { " unknown" } else { "" })
        });
        (silent, ready(&began, &counts).map(|at| at.0))
    }

    #[test]
    fn errors_that_never_were_are_zero_and_named_and_nothing_is_made_of_what_could_be_good_and_never_was() {
        let bad = || Judged::Bad(counts("failed"));
        assert_eq!(told("all", bad(), &[("all", 5), ("failed", 9)]), (String::new(), Some(5)));
        assert_eq!(told("all", bad(), &[("all", 5)]), ("failed".to_owned(), Some(5)));
        assert_eq!(told("all", bad(), &[("failed", 5)]), ("all unknown".to_owned(), None));
        assert_eq!(told("ok failed", bad(), &[("failed", 5)]), ("ok unknown".to_owned(), None));
        assert_eq!(told("ok other failed", bad(), &[("ok", 5), ("failed", 3)]), ("other".to_owned(), Some(5)));
        let good = || Judged::Good(counts("ok"));
        assert_eq!(told("all", good(), &[("all", 5)]), ("ok unknown".to_owned(), None));
        assert_eq!(told("all", good(), &[("ok", 5)]), ("all unknown".to_owned(), None));
        assert_eq!(told("ok failed", good(), &[("ok", 7)]), ("failed".to_owned(), Some(7)));
        assert_eq!(told("all", good(), &[]), ("all ok unknown".to_owned(), None));
    }
}

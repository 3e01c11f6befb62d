//! The metrics of a `ratio`.

use std::collections::BTreeSet;

use super::slo::SloBuilder;
use crate::slo::metric::{Metric, MetricRole, MetricStatistic, RatioMetrics, Statistic};
use crate::slo::yaml::{BadYaml, MetricYaml};

impl SloBuilder<'_, '_> {
    pub(super) fn ratio_metrics(&mut self) -> Option<RatioMetrics> {
        const EXAMPLE: &str = "{ namespace: Shop/Orders, metric: Placed }";
        let total = self.layers.slo_value(|fields| &fields.total);
        let good = self.layers.find_slo(|fields| &fields.good);
        let has_bad = self.layers.find_slo(|fields| &fields.bad).is_some();
        if total.is_none() {
            let message = "`ratio` requires `total`, the metrics that count all events";
            self.add_problem(message, format!("add `total: {EXAMPLE}`"));
        }
        let numerator = match (good, has_bad) {
            (Some((_, good)), false) => MetricRole::Good(metric_stats(&good.0)),
            (None, true) => MetricRole::Bad(metric_stats(self.bad_metrics()?)),
            (None, false) => {
                let message = "`ratio` requires `good` or `bad`, the metrics that count good or bad events";
                self.add_problem(message, format!("add `bad: {EXAMPLE}`"));
                return None;
            }
            (Some((layer, _)), true) => {
                let message = "`good` and `bad` are mutually exclusive";
                self.problems.push(layer.key_problem("good", message, "remove `good` or `bad`"));
                return None;
            }
        };
        Some(RatioMetrics { total: metric_stats(&total?.0), numerator })
    }

    /// The metrics of `bad`.
    fn bad_metrics(&mut self) -> Option<Vec<&MetricYaml>> {
        let (layer, bad) = self.layers.find_slo(|fields| &fields.bad)?;
        let metrics: Option<Vec<_>> = bad
            .0
            .iter()
            .map(|bad| match bad {
                BadYaml::Metric(metric) => Some(&**metric),
                BadYaml::Status(_) => None,
            })
            .collect();
        if metrics.is_none() {
            let message = "`bad` of `ratio` takes metrics, not statuses";
            self.problems.push(layer.key_problem("bad", message, "write `{ namespace: Shop/Orders, metric: Failed }`"));
        }
        metrics
    }
}

/// The statistics to fetch, sorted, each once: the same statistic twice would count its events twice.
fn metric_stats<'a>(texts: impl IntoIterator<Item = &'a MetricYaml>) -> Vec<MetricStatistic> {
    let stats = texts.into_iter().map(|text| MetricStatistic {
        metric: Metric {
            namespace: text.namespace.0.0.clone(),
            name: text.metric.0.0.clone(),
            dimensions: text.dimensions.iter().map(|(name, value)| (name.clone(), value.0.0.clone())).collect(),
        },
        statistic: text.statistic.as_ref().map_or(Statistic::Sum, |statistic| statistic.0.clone()),
    });
    stats.collect::<BTreeSet<_>>().into_iter().collect()
}

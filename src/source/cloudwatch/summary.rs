//! What was read of a source of CloudWatch metrics, and what is unknown.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{MetricResponse, NeverReported};
use crate::diagnostics::{Diagnostics, join_first, push_first};
use crate::format::pluralize;
use crate::series::SeriesKey;
use crate::slo::{Catalog, Indicator, Metric};

#[derive(Debug, Default)]
pub(super) struct CloudWatchSummary {
    series: usize,
    metrics: u64,
    requests: u64,
    errors: BTreeMap<String, usize>,
    inconsistent: BTreeMap<SeriesKey, u32>,
    never_reported: BTreeMap<SeriesKey, NeverReported>,
    /// Series that were answered without a value, and of which nothing was ever known.
    without_values: BTreeSet<SeriesKey>,
    with_values: BTreeSet<SeriesKey>,
}

impl CloudWatchSummary {
    /// Adds an answer; `is_known` is whether a series was known before the run.
    pub(super) fn add(&mut self, response: &MetricResponse, is_known: impl Fn(&SeriesKey) -> bool) {
        self.series += response.complete_series.len();
        self.metrics += response.billed_metrics;
        self.requests += response.requests;
        for (fault, series) in &response.errors {
            *self.errors.entry(fault.clone()).or_default() += series;
        }
        for (series, minutes) in &response.invalid_minutes {
            *self.inconsistent.entry(series.clone()).or_default() += minutes;
        }
        self.with_values.extend(response.counts.keys().map(|(series, _)| series.clone()));
        self.without_values.extend(response.complete_series.iter().filter(|series| !is_known(series)).cloned());
        for series in &response.complete_series {
            // What was asked later knows of more.
            match response.never_reported.get(series) {
                Some(silent) => drop(self.never_reported.insert(series.clone(), silent.clone())),
                None => drop(self.never_reported.remove(series)),
            }
        }
    }

    pub(super) fn report(&self, catalog: &Catalog, source: &str) -> Diagnostics {
        let mut diagnostics = Diagnostics::default();
        if self.requests > 0 {
            diagnostics.notes.push(format!(
                "queried `{source}`: {}, {}, data for {}",
                pluralize(self.metrics, "metric"),
                pluralize(self.requests, "request"),
                pluralize(self.series as u64, "SLI")
            ));
        }
        for (error, series) in &self.errors {
            let (message, hint) = error.split_once('\n').unwrap_or((error, ""));
            let affected = pluralize(*series as u64, "SLI");
            diagnostics.warnings.push(format!("`{source}`: {message}; no new data for {affected}\n{hint}"));
        }
        if let Some((series, _)) = self.inconsistent.first_key_value() {
            let minutes: u64 = self.inconsistent.values().map(|minutes| u64::from(*minutes)).sum();
            diagnostics.warnings.push(format!(
                "`{source}`: skipped {} with more `good` or `bad` events than `total`, for example in \
                 `{series}`\nhint: count every `good` or `bad` event in `total` too; until then these minutes are \
                 unknown",
                pluralize(minutes, "minute")
            ));
        }
        self.report_without_values(catalog, source, &mut diagnostics);
        self.report_never_reported(catalog, source, &mut diagnostics);
        diagnostics
    }

    /// Names load balancers without a value in anything asked so far: CloudWatch answers for one that does not exist as
    /// for one without a request.
    fn report_without_values(&self, catalog: &Catalog, source: &str, diagnostics: &mut Diagnostics) {
        let has_no_values =
            |series: &SeriesKey| self.without_values.contains(series) && !self.with_values.contains(series);
        let load_balancer = |indicator: &Indicator| match indicator {
            Indicator::Requests { traffic, .. } if has_no_values(&indicator.series()) => Some(format!("`{traffic}`")),
            _ => None,
        };
        let load_balancers: BTreeSet<String> =
            catalog.slos().filter_map(|(_, slo)| load_balancer(&slo.indicator)).collect();
        if !load_balancers.is_empty() {
            diagnostics.warnings.push(format!(
                "`{source}` has no values for {} so far; the SLOs that need them have no data\nhint: check the ID with \
                 `aws elbv2 describe-load-balancers`, in the source's region and account; CloudWatch has no \
                 values before the first request",
                join_first(load_balancers)
            ));
        }
    }

    /// Names metrics that never had a value: those without which nothing is known, and those that count as zero.
    fn report_never_reported(&self, catalog: &Catalog, source: &str, diagnostics: &mut Diagnostics) {
        let (mut unknown, mut zero) = (Vec::new(), Vec::new());
        for (slo, never_reported) in
            catalog.slos().filter_map(|(_, slo)| Some((slo, self.never_reported.get(&slo.indicator.series())?)))
        {
            for count in &never_reported.metrics {
                let Metric { namespace, name, .. } = &count.metric;
                let [namespace, name] =
                    [namespace, name].map(|text| shlex::try_quote(text).unwrap_or(Cow::Borrowed(text)));
                let list_hint = format!(
                    "check the name and all dimensions of the metric: `aws cloudwatch list-metrics --namespace \
                     {namespace} --metric-name {name}` lists the metrics from the last two weeks"
                );
                let message = format!("`{source}`: `{count}` of `{}` has no values so far", slo.id);
                if never_reported.is_unknown {
                    unknown.push(format!("{message}; without it the SLO has no data\nhint: {list_hint}"));
                } else {
                    zero.push(format!("{message}; it counts as zero\nhint: if it should have values, {list_hint}"));
                }
            }
        }
        let describe_rest =
            |more: usize| format!("`{source}`: no values for {} either", pluralize(more as u64, "more metric"));
        push_first(&mut diagnostics.warnings, unknown, describe_rest);
        push_first(&mut diagnostics.notes, zero, describe_rest);
    }
}

//! What was read of a source of metrics, and what is unknown.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{NAMED, Said, some_of};
use crate::fetch::cloudwatch::{Answer, Silent};
use crate::report::counted;
use crate::series::SeriesKey;
use crate::slo::{Catalog, Indicator, Metric};

/// What was read of a source of metrics.
#[derive(Debug, Default)]
pub struct MetricsRead {
    series: usize,
    metrics: u64,
    requests: u64,
    faults: BTreeMap<String, usize>,
    absurd: BTreeMap<SeriesKey, u32>,
    silent: BTreeMap<SeriesKey, Silent>,
    /// Series that were answered without a value, and of which nothing was ever known.
    unheard: BTreeSet<SeriesKey>,
    heard: BTreeSet<SeriesKey>,
}

impl MetricsRead {
    /// Adds what came of some series, of which some were known before.
    pub fn add(&mut self, answer: &Answer, is_known: impl Fn(&SeriesKey) -> bool) {
        self.series += answer.answered.len();
        self.metrics += answer.metrics;
        self.requests += answer.requests;
        for (fault, series) in &answer.faults {
            *self.faults.entry(fault.clone()).or_default() += series;
        }
        for (series, minutes) in &answer.absurd {
            *self.absurd.entry(series.clone()).or_default() += minutes;
        }
        let counted = answer.counts.keys().map(|(series, _)| series);
        self.heard.extend(counted.cloned());
        self.unheard.extend(answer.answered.iter().filter(|series| !is_known(series)).cloned());
        for series in &answer.answered {
            // What was asked later knows of more.
            match answer.silent.get(series) {
                Some(silent) => drop(self.silent.insert(series.clone(), silent.clone())),
                None => drop(self.silent.remove(series)),
            }
        }
    }

    /// Says what was read, and what is unknown.
    pub fn tell(&self, catalog: &Catalog, source: &str, said: &mut Said) {
        if self.requests > 0 {
            said.notes.push(format!(
                "queried `{source}`: {}, {}, data for {}",
                counted(self.metrics, "metric"),
                counted(self.requests, "request"),
                counted(self.series as u64, "SLI")
            ));
        }
        for (fault, series) in &self.faults {
            let (what, hint) = fault.split_once('\n').unwrap_or((fault, ""));
            let left = counted(*series as u64, "SLI");
            said.faults.push(format!("`{source}`: {what}; no new data for {left}\n{hint}"));
        }
        if let Some((series, _)) = self.absurd.first_key_value() {
            let minutes: u64 = self.absurd.values().map(|minutes| u64::from(*minutes)).sum();
            said.faults.push(format!(
                "`{source}`: skipped {} with more `good` or `bad` events than `total`, for example in \
                 `{series}`\nhint: count every `good` or `bad` event in `total` too; until then these minutes are \
                 unknown",
                counted(minutes, "minute")
            ));
        }
        self.tell_unheard(catalog, source, said);
        self.tell_silent(catalog, source, said);
    }

    /// Names load balancers without a value in anything asked so far: CloudWatch answers for one that does not exist as
    /// for one without a request.
    fn tell_unheard(&self, catalog: &Catalog, source: &str, said: &mut Said) {
        let unheard = |series: &SeriesKey| self.unheard.contains(series) && !self.heard.contains(series);
        let places = catalog.slos().filter_map(|(_, slo)| match &slo.indicator {
            Indicator::Requests { traffic, .. } if unheard(&slo.indicator.series()) => Some(format!("`{traffic}`")),
            _ => None,
        });
        let places: BTreeSet<String> = places.collect();
        if !places.is_empty() {
            said.faults.push(format!(
                "`{source}` has no values for {} so far; the SLOs that need them have no data\nhint: check the ID with \
                 `aws elbv2 describe-load-balancers`, in the source's region and account; CloudWatch has no \
                 values before the first request",
                some_of(places)
            ));
        }
    }

    /// Names metrics that never had a value: those without which nothing is known, and those that count as zero.
    fn tell_silent(&self, catalog: &Catalog, source: &str, said: &mut Said) {
        let (mut unknown, mut zero) = (Vec::new(), Vec::new());
        for (slo, silent) in
            catalog.slos().filter_map(|(_, slo)| Some((slo, self.silent.get(&slo.indicator.series())?)))
        {
            for count in &silent.metrics {
                let Metric { namespace, name, .. } = &count.metric;
                let [namespace, name] =
                    [namespace, name].map(|text| shlex::try_quote(text).unwrap_or(Cow::Borrowed(text)));
                let listed = format!(
                    "check the name and all dimensions of the metric: `aws cloudwatch list-metrics --namespace \
                     {namespace} --metric-name {name}` lists the metrics from the last two weeks"
                );
                let named = format!("`{source}`: `{count}` of `{}` has no values so far", slo.id);
                if silent.is_unknown {
                    unknown.push(format!("{named}; without it the SLO has no data\nhint: {listed}"));
                } else {
                    zero.push(format!("{named}; it counts as zero\nhint: if it should have values, {listed}"));
                }
            }
        }
        for (mut messages, list) in [(unknown, &mut said.faults), (zero, &mut said.notes)] {
            let more = messages.len().saturating_sub(NAMED);
            messages.truncate(NAMED);
            list.append(&mut messages);
            if more > 0 {
                list.push(format!("`{source}`: no values for {} either", counted(more as u64, "more metric")));
            }
        }
    }
}

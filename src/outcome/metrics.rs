//! What was read of a source of metrics, and what is unknown.

use std::collections::BTreeMap;

use super::{NAMED, Said};
use crate::fetch::cloudwatch::{Answer, Silent};
use crate::report::counted;
use crate::series::SeriesKey;
use crate::slo::{Catalog, Metric};

/// What was read of a source of metrics.
#[derive(Debug, Default)]
pub struct MetricsRead {
    series: usize,
    metrics: u64,
    requests: u64,
    faults: BTreeMap<String, usize>,
    absurd: BTreeMap<SeriesKey, u32>,
    silent: BTreeMap<SeriesKey, Silent>,
}

impl MetricsRead {
    /// Adds what came of some series.
    pub fn add(&mut self, answer: &Answer) {
        self.series += answer.answered.len();
        self.metrics += answer.metrics;
        self.requests += answer.requests;
        for (fault, series) in &answer.faults {
            *self.faults.entry(fault.clone()).or_default() += series;
        }
        for (series, minutes) in &answer.absurd {
            *self.absurd.entry(series.clone()).or_default() += minutes;
        }
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
                "asked `{source}` for {} in {}; {} answered",
                counted(self.metrics, "metric"),
                counted(self.requests, "request"),
                counted(self.series as u64, "SLI")
            ));
        }
        for (fault, series) in &self.faults {
            let (what, hint) = fault.split_once('\n').unwrap_or((fault, ""));
            let left = match series {
                0 => String::new(),
                _ => format!("; nothing new of {}", counted(*series as u64, "SLI")),
            };
            said.faults.push(format!("`{source}`: {what}{left}\n{hint}"));
        }
        if let Some((series, _)) = self.absurd.first_key_value() {
            let minutes: u64 = self.absurd.values().map(|minutes| u64::from(*minutes)).sum();
            said.faults.push(format!(
                "`{source}`: in {} more events are good or bad than there are, such as of `{series}`; they are unknown\nhint: \
                 `total` must count every event of `good` or `bad`",
                counted(minutes, "minute")
            ));
        }
        self.tell_silent(catalog, source, said);
    }

    /// Names metrics that never had a value: those without which nothing is known, and those that count as zero.
    fn tell_silent(&self, catalog: &Catalog, source: &str, said: &mut Said) {
        let (mut unknown, mut zero) = (Vec::new(), Vec::new());
        for (slo, silent) in
            catalog.slos().filter_map(|(_, slo)| Some((slo, self.silent.get(&slo.indicator.series())?)))
        {
            for count in &silent.metrics {
                let Metric { namespace, name, .. } = &count.metric;
                let listed = format!(
                    "`aws cloudwatch list-metrics --namespace {namespace} --metric-name {name}` lists what was published within two weeks, \
                     and a metric has to be named with all of its dimensions"
                );
                let named = format!("`{source}`: `{count}` of `{}` has had no value in anything asked so far", slo.id);
                if silent.is_unknown {
                    unknown.push(format!("{named}, and without it nothing is known\nhint: {listed}"));
                } else {
                    zero.push(format!("{named}: it counts as zero\nhint: if it should have had one by now, {listed}"));
                }
            }
        }
        for (mut messages, list) in [(unknown, &mut said.faults), (zero, &mut said.notes)] {
            let more = messages.len().saturating_sub(NAMED);
            messages.truncate(NAMED);
            list.append(&mut messages);
            if more > 0 {
                list.push(format!("`{source}`: {} more had no value either", counted(more as u64, "metric")));
            }
        }
    }
}

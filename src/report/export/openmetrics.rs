//! The status as `OpenMetrics` text, for the textfile collector of Prometheus' node exporter.
//!
//! Form: <https://prometheus.io/docs/specs/om/open_metrics_spec/>; names:
//! <https://prometheus.io/docs/practices/naming/>. Unknown values have no sample, so that no rule takes them for zero.

use std::collections::HashSet;
use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::missing_share;
use crate::rational::{parse_percent, to_f64};
use crate::report::model::{FleetStatus, SloRow};
use crate::report::slo_status::SloStatus;
use crate::time::{Minute, format_duration};

type Label<'a> = (&'a str, &'a str);

type GaugeValue = fn(&SloRow) -> Option<f64>;

/// The gauges of each row: name, help and value.
const GAUGES: [(&str, &str, GaugeValue); 10] = [
    ("slo_objective_ratio", "Objective: the share of events that must be good", |row| {
        parse_percent(&row.objective).map(to_f64)
    }),
    ("slo_sli_ratio", "Share of good events in the window", |row| row.sli),
    ("slo_events", "Events in the window", |row| Some(count_to_f64(row.sums.total))),
    ("slo_bad_events", "Bad events in the window", |row| Some(count_to_f64(row.sums.bad))),
    (
        "slo_error_budget_remaining_ratio",
        "Share of the error budget that is left; 0 or less if it is exhausted",
        |row| row.budget.remaining().map(to_f64),
    ),
    (
        "slo_error_budget_remaining_week_ago_ratio",
        "Share of the error budget that was left at the midnight nearest to one week earlier",
        |row| row.week_ago.budget.remaining().map(to_f64),
    ),
    ("slo_coverage_ratio", "Share of the minutes of the window that is known", |row| Some(row.coverage())),
    ("slo_missing_ratio", "Share of the newest minutes that is unknown, if it is above max_unknown", missing_share),
    ("slo_evaluated_timestamp_seconds", "Time up to which the SLO has been evaluated", |row| {
        Some(unix_seconds(row.evaluated_at))
    }),
    ("slo_watermark_timestamp_seconds", "End of the newest known minute", |row| row.watermark.map(unix_seconds)),
];

/// The values of the label `urgency`; none is 1 where nothing fires.
const URGENCIES: [&str; 3] = ["ticket", "page", "severe"];

/// The text, which ends with `# EOF`. No status causes an error.
pub fn openmetrics(status: &FleetStatus) -> Result<String, Error> {
    let mut registry = Registry::with_prefix("slowburn");
    registry.register_collector(Box::new(Snapshot(status.clone())));
    let mut output = String::new();
    text::encode(&mut output, &registry)?;
    Ok(output)
}

#[derive(Debug)]
struct Snapshot(FleetStatus);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Self(status) = self;
        let mut family = Family::new(&mut encoder, "status_timestamp_seconds", "Time of the evaluation");
        family.add(&[], unix_seconds(status.at));
        family.write()?;
        for (name, help, gauge) in GAUGES {
            let mut family = Family::new(&mut encoder, name, help);
            for row in &status.rows {
                if let Some(value) = gauge(row) {
                    family.add(&labels(row), value);
                }
            }
            family.write()?;
        }
        let help = "1 for the status of the SLO, 0 for the others";
        state_set(&mut encoder, status, "slo_status", help, &SloStatus::ALL.map(SloStatus::key), |row| {
            Some(SloStatus::from_row(row).key().to_owned())
        })?;
        let help = "1 for the urgency that is firing, 0 for the others";
        state_set(&mut encoder, status, "slo_urgency", help, &URGENCIES, |row| {
            row.evaluation.state.urgency().map(|urgency| urgency.to_string())
        })?;
        burn_rates(&mut encoder, status)
    }
}

/// One gauge for each state of each row: 1 for the active one. The label is called like the metric without `slo_`.
fn state_set(
    encoder: &mut DescriptorEncoder<'_>,
    status: &FleetStatus,
    name: &'static str,
    help: &'static str,
    states: &[&str],
    active_state: fn(&SloRow) -> Option<String>,
) -> Result<(), Error> {
    let mut family = Family::new(encoder, name, help);
    let label = name.trim_start_matches("slo_");
    for row in &status.rows {
        let [team, service, slo, class, window] = labels(row);
        let active = active_state(row);
        for state in states {
            let value = u8::from(active.as_deref() == Some(*state));
            family.add(&[team, service, slo, class, window, (label, state)], f64::from(value));
        }
    }
    family.write()
}

fn burn_rates(encoder: &mut DescriptorEncoder<'_>, status: &FleetStatus) -> Result<(), Error> {
    let help = "Burn rate in the windows of each tier; at 1 the error budget lasts exactly one window of the SLO";
    let mut family = Family::new(encoder, "slo_burn_rate", help);
    let mut seen = HashSet::new();
    // The tiers of an SLO are the same for each of its windows.
    for row in status.rows.iter().filter(|row| seen.insert((&row.service, &row.slo))) {
        let [team, service, slo, class, _] = labels(row);
        for (tier, evaluation) in row.tiers.iter().zip(&row.evaluation.tiers) {
            let windows =
                [(tier.long_minutes, evaluation.long_burn_rate), (tier.short_minutes, evaluation.short_burn_rate)];
            for (minutes, burn_rate) in windows {
                if let Some(burn_rate) = burn_rate {
                    let (tier, window) = (("tier", &*tier.name), format_duration(minutes));
                    family.add(&[team, service, slo, class, tier, ("burn_window", &window)], burn_rate);
                }
            }
        }
    }
    family.write()
}

/// The samples of one metric.
struct Family<'e, 's> {
    encoder: &'e mut DescriptorEncoder<'s>,
    name: &'static str,
    help: &'static str,
    samples: Vec<(Vec<(String, String)>, f64)>,
}

impl<'e, 's> Family<'e, 's> {
    fn new(encoder: &'e mut DescriptorEncoder<'s>, name: &'static str, help: &'static str) -> Self {
        Self { encoder, name, help, samples: Vec::new() }
    }

    fn add(&mut self, labels: &[Label<'_>], value: f64) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.samples.push((labels.collect(), value));
    }

    fn write(self) -> Result<(), Error> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut family = self.encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        for (labels, value) in self.samples {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn labels(row: &SloRow) -> [Label<'_>; 5] {
    [("team", &row.team), ("service", &row.service), ("slo", &row.slo), ("class", &row.class), ("window", &row.window)]
}

fn unix_seconds(at: Minute) -> f64 {
    f64::from(at.0) * 60.0
}

#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
fn count_to_f64(number: u64) -> f64 {
    number as f64
}

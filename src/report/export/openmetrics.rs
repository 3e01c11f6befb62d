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
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::rational::{parse_percent, quotient, to_f64};
use crate::report::slo_status::SloStatus;
use crate::time::{Minute, format_duration};

type Sample = (Vec<(&'static str, String)>, f64);

type GaugeValue = fn(&SloRow) -> Option<f64>;

/// The gauges of each row: name, help and value.
const GAUGES: [(&str, &str, GaugeValue); 10] = [
    ("slo_objective_ratio", "Objective: the share of events that must be good", |row| {
        parse_percent(&row.objective).map(to_f64)
    }),
    ("slo_sli_ratio", "Share of good events in the window", |row| row.sli),
    ("slo_events", "Events in the window", |row| Some(quotient(row.sums.total.into(), 1))),
    ("slo_bad_events", "Bad events in the window", |row| Some(quotient(row.sums.bad.into(), 1))),
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
        let Self(FleetStatus { at, rows }) = self;
        let evaluation_time = (Vec::new(), unix_seconds(*at));
        write_family(&mut encoder, "status_timestamp_seconds", "Time of the evaluation", [evaluation_time])?;
        for (name, help, gauge) in GAUGES {
            let samples = rows.iter().filter_map(|row| Some((labels(row), gauge(row)?)));
            write_family(&mut encoder, name, help, samples)?;
        }
        let statuses = SloStatus::ALL.map(SloStatus::key);
        let samples =
            rows.iter().flat_map(|row| state_samples(row, "status", &statuses, Some(SloStatus::from_row(row).key())));
        write_family(&mut encoder, "slo_status", "1 for the status of the SLO, 0 for the others", samples)?;
        let samples = rows.iter().flat_map(|row| {
            let urgency = row.evaluation.state.urgency().map(|urgency| urgency.to_string());
            state_samples(row, "urgency", &URGENCIES, urgency.as_deref())
        });
        write_family(&mut encoder, "slo_urgency", "1 for the urgency that is firing, 0 for the others", samples)?;
        let help = "Burn rate in the windows of each tier; at 1 the error budget lasts exactly one window of the SLO";
        // The tiers of an SLO are the same for each of its windows.
        let mut seen = HashSet::new();
        let slos = rows.iter().filter(|row| seen.insert((&row.service, &row.slo)));
        write_family(&mut encoder, "slo_burn_rate", help, slos.flat_map(burn_rates))
    }
}

/// One gauge for each state of a row: 1 for the active one.
fn state_samples(row: &SloRow, label: &'static str, states: &[&str], active: Option<&str>) -> Vec<Sample> {
    let sample = |state: &&str| {
        let mut labels = labels(row);
        labels.push((label, (*state).to_owned()));
        (labels, f64::from(u8::from(active == Some(*state))))
    };
    states.iter().map(sample).collect()
}

fn burn_rates(row: &SloRow) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (tier, evaluation) in row.tiers.iter().zip(&row.evaluation.tiers) {
        let windows =
            [(tier.long_minutes, evaluation.long_burn_rate), (tier.short_minutes, evaluation.short_burn_rate)];
        for (minutes, burn_rate) in windows {
            let mut labels = labels(row);
            labels.truncate(labels.len() - 1);
            labels.extend([("tier", tier.name.clone()), ("burn_window", format_duration(minutes))]);
            samples.extend(burn_rate.map(|burn_rate| (labels, burn_rate)));
        }
    }
    samples
}

/// The samples of one metric; a metric without samples is left out.
fn write_family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = Sample>,
) -> Result<(), Error> {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    samples.try_for_each(|(labels, value)| ConstGauge::new(value).encode(family.encode_family(&labels)?))
}

fn labels(row: &SloRow) -> Vec<(&'static str, String)> {
    let SloRow { team, service, slo, class, window, .. } = row;
    let labels = [("team", team), ("service", service), ("slo", slo), ("class", class), ("window", window)];
    labels.map(|(name, value)| (name, value.clone())).into()
}

fn unix_seconds(at: Minute) -> f64 {
    f64::from(at.0) * 60.0
}

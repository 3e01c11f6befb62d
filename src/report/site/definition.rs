//! The definition of an SLO in words, and where it is defined.

use serde::Serialize;

use super::time::TimeText;
use crate::alert::{AlertState, SloCheckpoint};
use crate::format::{capitalize, format_latency, format_percent};
use crate::rational::{Rational, to_f64};
use crate::slo::{Catalog, Indicator, LatencyBasis, LatencyErrors, Measure, MetricRole, Service, Slo, Traffic};
use crate::time::{Minute, Window, format_duration};

/// A change of an SLO.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChangeRow {
    at: TimeText,
    text: String,
}

/// The known changes of an SLO, newest first.
pub(super) fn change_rows(alert_state: &AlertState, slo: &Slo) -> Vec<ChangeRow> {
    let change = |(at, before, after): (Minute, &str, &str)| ChangeRow {
        at: TimeText::new(at),
        text: if before == after {
            format!("requests, windows or tiers changed; objective unchanged at {after}")
        } else {
            format!("objective changed from {before} to {after}")
        },
    };
    let mut changes: Vec<ChangeRow> = alert_state
        .checkpoints
        .get(&slo.id)
        .into_iter()
        .flat_map(SloCheckpoint::objective_changes)
        .map(change)
        .collect();
    changes.reverse();
    changes
}

/// The SLO in sentences.
pub(super) fn sentences(slo: &Slo) -> Vec<String> {
    let windows: Vec<String> = slo.windows.iter().map(describe_window).collect();
    let over = windows.join(" and over ");
    let (noun, good_condition) = describe_events(slo);
    let mut sentences = vec![match &slo.timeslices {
        None => format!("Over {over}, at least {} of {noun} {good_condition}.", slo.objective.text),
        Some(slices) => {
            let target = format_short_percent(Rational::from_integer(1) - slices.budget);
            format!(
                "Over {over}, at least {} of {} timeslices are good. A timeslice is good if at least {target} of its {noun} {good_condition}.",
                slo.objective.text,
                format_duration(slices.minutes),
            )
        }
    }];
    if let Indicator::Requests { traffic, .. } = &slo.indicator {
        sentences.extend(describe_traffic_filter(traffic));
    }
    sentences.extend(slo.significance.as_ref().map(|significance| {
        let confidence = format_short_percent(Rational::from_integer(1) - significance.p_value_max);
        format!(
            "A page requires at least {} {} and {confidence} confidence.",
            significance.min_bad_events,
            bad_event_noun(slo)
        )
    }));
    let single = if matches!(slo.indicator, Indicator::Requests { .. }) { "requests" } else { "events" };
    let outage = slo.severe.outage_minutes.map(format_duration);
    let traffic_drop = slo.severe.traffic_drop_minutes.map(format_duration);
    let severe: Vec<String> = [
        outage.map(|length| format!("outage (almost all {single} fail for {length})")),
        traffic_drop.map(|length| format!("traffic drop (almost no {single} for {length}, unlike in earlier weeks)")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !severe.is_empty() {
        sentences.push(format!("Severe, regardless of the error budget: {}.", severe.join(" or ")));
    }
    sentences
}

/// A share in percent with no more decimals than it needs: `99%`, `99.5%`.
fn format_short_percent(share: Rational) -> String {
    let text = format_percent(to_f64(share), 3);
    let number = text.trim_end_matches('%').trim_end_matches('0').trim_end_matches('.');
    format!("{number}%")
}

fn describe_window(window: &Window) -> String {
    match window {
        Window::Rolling { .. } => format!("the last {window}"),
        Window::Calendar { zone, .. } => format!("each {window} ({})", zone.iana_name().unwrap_or("UTC")),
    }
}

/// The events that count, and which of them are good.
fn describe_events(slo: &Slo) -> (String, String) {
    match &slo.indicator {
        Indicator::Requests { measure: Measure::Availability, .. } => {
            ("requests".to_owned(), "are answered without a 5xx error".to_owned())
        }
        Indicator::Requests { measure: Measure::Latency { under_us, basis, errors, timeouts }, .. } => {
            let basis_text = match basis {
                LatencyBasis::Target => "at the target",
                LatencyBasis::Total => "in total, including load balancer time",
            };
            let errors = match errors {
                LatencyErrors::Counted => "",
                LatencyErrors::Bad => "; a 5xx response counts as failed",
                LatencyErrors::Excluded => "; 5xx responses are excluded",
            };
            let timeouts = if *timeouts { "; timeouts count with the time they took" } else { "" };
            let good = format!("complete within {} {basis_text}{errors}{timeouts}", format_latency(*under_us));
            ("answered requests".to_owned(), good)
        }
        Indicator::Ratio { metrics: counts, .. } => {
            let good = match counts.numerator {
                MetricRole::Good(_) => "are good according to CloudWatch",
                MetricRole::Bad(_) => "are not bad according to CloudWatch",
            };
            ("events".to_owned(), good.to_owned())
        }
        Indicator::Query { file, .. } => ("events".to_owned(), format!("are good according to the query `{file}`")),
        Indicator::Counts { file, .. } => {
            ("events".to_owned(), format!("are good according to the counts in `{file}`"))
        }
    }
}

/// Which requests of a load balancer count, if not all of them.
fn describe_traffic_filter(traffic: &Traffic) -> Option<String> {
    let mut parts = Vec::new();
    for (noun, values) in [("method", &traffic.methods), ("host", &traffic.hosts), ("path", &traffic.paths)] {
        if !values.is_empty() {
            parts.push(format!("{noun} {}", values.join(" or ")));
        }
    }
    let mut sentence = (!parts.is_empty()).then(|| format!("Only requests with {}.", parts.join(", ")));
    let included: Vec<&str> = [(traffic.fixed_responses, "fixed responses"), (traffic.redirects, "redirects")]
        .into_iter()
        .filter_map(|(is_in, noun)| is_in.then_some(noun))
        .collect();
    if !included.is_empty() {
        let responses_sentence = format!("{} from the load balancer also count.", capitalize(&included.join(" and ")));
        sentence =
            Some(sentence.map_or_else(|| responses_sentence.clone(), |said| format!("{said} {responses_sentence}")));
    }
    sentence
}

/// Where a service is measured and defined.
pub(super) fn service_facts(service: &Service, catalog: &Catalog) -> Vec<(&'static str, String)> {
    let mut sources: Vec<String> = Vec::new();
    let (mut balancers, mut groups): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for slo in &service.slos {
        let name = slo.indicator.source();
        sources.push(match catalog.sources.get(name) {
            Some(source) => format!("{name} ({})", source.kind.yaml_key()),
            None => name.to_owned(),
        });
        if let Indicator::Requests { traffic, .. } = &slo.indicator {
            balancers.push(traffic.load_balancer.clone());
            groups.extend(traffic.target_groups.iter().cloned());
        }
    }
    let labelled = |one: &'static str, several: &'static str, mut texts: Vec<String>| {
        texts.sort_unstable();
        texts.dedup();
        (if texts.len() > 1 { several } else { one }, texts.join(", "))
    };
    let labels = service.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let all = [
        labelled("Source", "Sources", sources),
        labelled("Load balancer", "Load balancers", balancers),
        labelled("Target group", "Target groups", groups),
        labelled("Label", "Labels", labels),
        ("Defined in", service.file.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// The label of a column of bad events: `failed requests`, `slower than 300 ms`, `bad events`.
pub(super) fn bad_label(slo: &Slo) -> String {
    match latency_threshold(slo) {
        Some(threshold) => format!("slower than {threshold}"),
        None => bad_event_noun(slo).to_owned(),
    }
}

/// Bad events in a sentence: `failed requests`, `slow requests`, `bad events`, `bad timeslices`.
pub(super) const fn bad_event_noun(slo: &Slo) -> &'static str {
    match (&slo.timeslices, &slo.indicator) {
        (Some(_), _) => "bad timeslices",
        (None, Indicator::Requests { measure: Measure::Availability, .. }) => "failed requests",
        (None, Indicator::Requests { measure: Measure::Latency { .. }, .. }) => "slow requests",
        (None, _) => "bad events",
    }
}

/// What bad events did, after a noun: `failed`, `took longer than 300 ms`, `were bad`.
pub(super) fn bad_event_verb(slo: &Slo) -> String {
    match (latency_threshold(slo), &slo.timeslices, &slo.indicator) {
        (Some(threshold), _, _) => format!("took longer than {threshold}"),
        (None, None, Indicator::Requests { .. }) => "failed".to_owned(),
        (None, _, _) => "were bad".to_owned(),
    }
}

/// The threshold of a latency SLO whose events are requests.
fn latency_threshold(slo: &Slo) -> Option<String> {
    match (&slo.timeslices, &slo.indicator) {
        (None, Indicator::Requests { measure: Measure::Latency { under_us, .. }, .. }) => {
            Some(format_latency(*under_us))
        }
        _ => None,
    }
}

/// What is counted: `requests`, `events`, `timeslices`.
pub(super) const fn event_noun(slo: &Slo) -> &'static str {
    match (&slo.timeslices, &slo.indicator) {
        (Some(_), _) => "timeslices",
        (None, Indicator::Requests { .. }) => "requests",
        (None, _) => "events",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_has_no_trailing_zeros() {
        for (share, text) in
            [((1, 1), "100%"), ((99, 100), "99%"), ((999, 1_000), "99.9%"), ((0, 1), "0%"), ((1, 10), "10%")]
        {
            assert_eq!(format_short_percent(Rational::new(share.0, share.1)), text);
        }
    }
}

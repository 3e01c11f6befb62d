//! The definition of an SLO in words, and where it is defined.

use std::collections::BTreeSet;

use minijinja::{Value, context};

use crate::format::{format_latency, format_percent};
use crate::rational::{Rational, to_f64};
use crate::slo::{Catalog, Indicator, LatencyBasis, LatencyErrors, Measure, MetricRole, Service, Slo, Traffic};
use crate::time::{Window, format_duration};

pub(super) fn sentences(slo: &Slo) -> Vec<String> {
    let windows: Vec<String> = slo.windows.iter().map(describe_window).collect();
    let (over, objective) = (windows.join(" and over "), &slo.objective.text);
    let (noun, good_condition) = describe_events(slo);
    let mut sentences = vec![match &slo.timeslices {
        None => format!("Over {over}, at least {objective} of {noun} {good_condition}."),
        Some(slices) => {
            let target = format_short_percent(Rational::from_integer(1) - slices.budget);
            let length = format_duration(slices.minutes);
            format!(
                "Over {over}, at least {objective} of {length} timeslices are good. A timeslice is good if at least {target} of its \
                 {noun} {good_condition}."
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
    let events = if matches!(slo.indicator, Indicator::Requests { .. }) { "requests" } else { "events" };
    let outage = slo
        .severe
        .outage_minutes
        .map(|minutes| format!("outage (almost all {events} fail for {})", format_duration(minutes)));
    let traffic_drop = slo.severe.traffic_drop_minutes.map(|minutes| {
        format!("traffic drop (almost no {events} for {}, unlike in earlier weeks)", format_duration(minutes))
    });
    let severe: Vec<String> = outage.into_iter().chain(traffic_drop).collect();
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

fn describe_events(slo: &Slo) -> (&'static str, String) {
    let good = match &slo.indicator {
        Indicator::Requests { measure: Measure::Availability, .. } => {
            return ("requests", "are answered without a 5xx error".to_owned());
        }
        Indicator::Requests { measure: Measure::Latency { under_us, basis, errors, timeouts }, .. } => {
            let basis = match basis {
                LatencyBasis::Target => "at the target",
                LatencyBasis::Total => "in total, including load balancer time",
            };
            let errors = match errors {
                LatencyErrors::Counted => "",
                LatencyErrors::Bad => "; a 5xx response counts as failed",
                LatencyErrors::Excluded => "; 5xx responses are excluded",
            };
            let timeouts = if *timeouts { "; timeouts count with the time they took" } else { "" };
            let good = format!("complete within {} {basis}{errors}{timeouts}", format_latency(*under_us));
            return ("answered requests", good);
        }
        Indicator::Ratio { metrics, .. } => match metrics.numerator {
            MetricRole::Good(_) => "are good according to CloudWatch".to_owned(),
            MetricRole::Bad(_) => "are not bad according to CloudWatch".to_owned(),
        },
        Indicator::Query { file, .. } => format!("are good according to the query `{file}`"),
        Indicator::Counts { file, .. } => format!("are good according to the counts in `{file}`"),
    };
    ("events", good)
}

/// Which requests of a load balancer count, if not all of them.
fn describe_traffic_filter(traffic: &Traffic) -> Option<String> {
    let conditions = [("method", &traffic.methods), ("host", &traffic.hosts), ("path", &traffic.paths)];
    let conditions = conditions.into_iter().filter(|(_, values)| !values.is_empty());
    let conditions: Vec<String> = conditions.map(|(noun, values)| format!("{noun} {}", values.join(" or "))).collect();
    let only = (!conditions.is_empty()).then(|| format!("Only requests with {}.", conditions.join(", ")));
    let also = match (traffic.fixed_responses, traffic.redirects) {
        (true, true) => Some("Fixed responses and redirects from the load balancer also count.".to_owned()),
        (true, false) => Some("Fixed responses from the load balancer also count.".to_owned()),
        (false, true) => Some("Redirects from the load balancer also count.".to_owned()),
        (false, false) => None,
    };
    let sentences: Vec<String> = only.into_iter().chain(also).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

pub(super) fn service_facts(service: &Service, catalog: &Catalog) -> Value {
    let (mut sources, mut balancers, mut groups) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for slo in &service.slos {
        let name = slo.indicator.source();
        sources.insert(match catalog.sources.get(name) {
            Some(source) => format!("{name} ({})", source.kind.yaml_key()),
            None => name.to_owned(),
        });
        if let Indicator::Requests { traffic, .. } = &slo.indicator {
            balancers.insert(traffic.load_balancer.clone());
            groups.extend(traffic.target_groups.iter().cloned());
        }
    }
    let labels = service.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let facts = [
        ("Source", sources),
        ("Load balancer", balancers),
        ("Target group", groups),
        ("Label", labels),
        ("Defined in", BTreeSet::from([service.file.clone()])),
    ];
    let facts = facts.into_iter().map(|(noun, values)| {
        let label = if values.len() > 1 { format!("{noun}s") } else { noun.to_owned() };
        (label, Vec::from_iter(values).join(", "))
    });
    facts.filter(|(_, value)| !value.is_empty()).map(|(label, value)| context! { label, value }).collect()
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

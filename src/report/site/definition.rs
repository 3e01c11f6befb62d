//! The definition of an SLO as values of templates, and the words for what it counts.

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::format::{format_latency, format_percent};
use crate::rational::{Rational, to_f64};
use crate::slo::{Indicator, LatencyBasis, ListenerResponse, Measure, MetricRole, RequestFilter, Slo, Traffic};
use crate::time::Window;

pub(super) fn definition_values(slo: &Slo) -> Value {
    let (indicator, traffic) = match &slo.indicator {
        Indicator::Requests { measure: Measure::Availability { bad, gave_up_after_us }, traffic, .. } => {
            let bad: Vec<String> = bad.classes().iter().map(ToString::to_string).collect();
            let gave_up_after = gave_up_after_us.map(format_latency);
            (context! { kind => "availability", bad, gave_up_after }, Some(traffic))
        }
        Indicator::Requests {
            measure: Measure::Latency { under_us, basis, errors, timeouts, .. }, traffic, ..
        } => {
            let (under, is_total) = (format_latency(*under_us), *basis == LatencyBasis::Total);
            (context! { kind => "latency", under, is_total, errors => Serde(errors), timeouts }, Some(traffic))
        }
        Indicator::Ratio { metrics, .. } => {
            (context! { kind => "ratio", is_good => matches!(metrics.numerator, MetricRole::Good(_)) }, None)
        }
        Indicator::Query { file, .. } => (context! { kind => "query", file }, None),
        Indicator::Counts { file, .. } => (context! { kind => "counts", file }, None),
    };
    context! {
        indicator,
        traffic => traffic.map(|traffic| {
            let Traffic { filter, excluded, included_responses, .. } = traffic;
            let values = |filter: &RequestFilter| {
                context! { methods => &filter.methods, hosts => &filter.hosts, paths => &filter.paths }
            };
            let included_responses = included_responses.iter().copied().map(describe_response).collect::<Value>();
            context! { filter => values(filter), excluded => values(excluded), included_responses }
        }),
        windows => slo.windows.iter().map(describe_window).collect::<Value>(),
        objective => &slo.objective.text,
        timeslices => slo.timeslices.as_ref().map(|slices| {
            context! { minutes => slices.minutes, target => format_complement(slices.budget) }
        }),
        significance => slo.significance.as_ref().map(|significance| {
            let confidence = format_complement(significance.p_value_max);
            context! { min_bad_events => significance.min_bad_events, confidence }
        }),
        outage_minutes => slo.severe.outage_minutes,
        traffic_drop_minutes => slo.severe.traffic_drop_minutes,
    }
}

const fn describe_response(response: ListenerResponse) -> &'static str {
    match response {
        ListenerResponse::FixedResponse => "fixed responses",
        ListenerResponse::Redirect => "redirects",
        ListenerResponse::Waf => "responses of AWS WAF",
        ListenerResponse::Authenticate => "responses of authentication rules",
    }
}

/// What a share leaves of 100%, with no more decimals than it needs: `99%`, `99.5%`.
fn format_complement(share: Rational) -> String {
    let text = format_percent(to_f64(Rational::from_integer(1) - share), 3);
    let number = text.trim_end_matches('%').trim_end_matches('0').trim_end_matches('.');
    format!("{number}%")
}

fn describe_window(window: &Window) -> String {
    match window {
        Window::Rolling { .. } => format!("the last {window}"),
        Window::Calendar { zone, .. } => format!("each {window} ({})", zone.iana_name().unwrap_or("UTC")),
    }
}

/// How pages name what an SLO counts.
#[derive(Serialize)]
pub(super) struct EventWords {
    /// `requests`, `events`, `timeslices`.
    pub(super) events: &'static str,
    /// `failed requests`, `slow requests`, `bad events`, `bad timeslices`.
    bad_events: &'static str,
    /// Above a column of bad events: `failed requests`, `slower than 300 ms`.
    bad_label: String,
    /// After a noun: `failed`, `took longer than 300 ms`, `were bad`.
    pub(super) were_bad: String,
}

impl EventWords {
    pub(super) fn new(slo: &Slo) -> Self {
        let (events, bad_events, were_bad) = match (&slo.timeslices, &slo.indicator) {
            (Some(_), _) => ("timeslices", "bad timeslices", "were bad"),
            (None, Indicator::Requests { measure: Measure::Availability { .. }, .. }) => {
                ("requests", "failed requests", "failed")
            }
            (None, Indicator::Requests { measure: Measure::Latency { under_us, .. }, .. }) => {
                let threshold = format_latency(*under_us);
                return Self {
                    events: "requests",
                    bad_events: "slow requests",
                    bad_label: format!("slower than {threshold}"),
                    were_bad: format!("took longer than {threshold}"),
                };
            }
            (None, _) => ("events", "bad events", "were bad"),
        };
        Self { events, bad_events, bad_label: bad_events.to_owned(), were_bad: were_bad.to_owned() }
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
            let complement = Rational::from_integer(1) - Rational::new(share.0, share.1);
            assert_eq!(format_complement(complement), text);
        }
    }
}

//! The CloudWatch metrics that count the requests of an indicator.
//!
//! Names and dimensions: "CloudWatch metrics for your Application Load Balancer"
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>) and
//! "for your Classic Load Balancer" (`.../classic/elb-cloudwatch-metrics.html`).

use std::collections::BTreeMap;

use crate::slo::{
    BadStatuses, Indicator, Measure, Metric, MetricRole, MetricStatistic, RatioMetrics, Statistic, StatusClass, Traffic,
};

/// Statistics of one metric that are billed as one in a request ("up to five statistics for the same metric",
/// <https://aws.amazon.com/cloudwatch/pricing/>).
pub const STATISTICS_PER_BILLED_METRIC: usize = 5;

/// The number of metrics that a request for sorted statistics is billed as.
pub fn billed_metrics(counts: &[&MetricStatistic]) -> u64 {
    let metrics = counts.chunk_by(|one, other| one.metric == other.metric);
    metrics.map(|statistics| statistics.len().div_ceil(STATISTICS_PER_BILLED_METRIC) as u64).sum()
}

/// The metrics of an indicator whose requests are resolved to IDs; `None` if CloudWatch has none, or no resource is
/// known.
pub fn metric_counts(indicator: &Indicator, resolved: &[Traffic]) -> Option<RatioMetrics> {
    match indicator {
        Indicator::Ratio { metrics, .. } => Some(metrics.clone()),
        Indicator::Requests { .. } if resolved.is_empty() => None,
        Indicator::Requests { measure, .. } => Some(match measure {
            Measure::Availability { bad, .. } => availability(resolved, bad),
            Measure::Latency { under_us, .. } => latency(resolved, *under_us),
        }),
        Indicator::Query { .. } | Indicator::Counts { .. } => None,
    }
}

/// All responses by their class of status. `RequestCount` leaves out the requests that were rejected before a target
/// was chosen, such as the 503 of a target group without targets, so that an outage would look like no traffic.
/// Redirects of listener rules are no events, as in an access log.
///
/// Bad statuses are whole classes here: the definition says so.
fn availability(resolved: &[Traffic], bad_statuses: &BadStatuses) -> RatioMetrics {
    let (mut total, mut bad) = (Vec::new(), Vec::new());
    let is_bad = |digit| bad_statuses.classes().contains(&StatusClass::Class(digit));
    for resource in resolved.iter().flat_map(MetricResource::from_traffic) {
        let target = if resource.is_classic { "Backend" } else { "Target" };
        for digit in 2..=5 {
            total.push(resource.responses(target, digit));
            bad.extend(is_bad(digit).then(|| resource.responses(target, digit)));
        }
        // The responses that the load balancer gives by itself have no target group.
        if !resource.dimensions.contains_key("TargetGroup") {
            for digit in 4..=5 {
                total.push(resource.responses("ELB", digit));
                bad.extend(is_bad(digit).then(|| resource.responses("ELB", digit)));
            }
        }
    }
    RatioMetrics { total, numerator: MetricRole::Bad(bad) }
}

/// Responses of targets by their time. `TC(:x)` counts values up to and including x
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
fn latency(resolved: &[Traffic], under_us: u64) -> RatioMetrics {
    let (mut total, mut good) = (Vec::new(), Vec::new());
    for resource in resolved.iter().flat_map(MetricResource::from_traffic) {
        let name = if resource.is_classic { "Latency" } else { "TargetResponseTime" };
        total.push(resource.metric(name, Statistic::SampleCount));
        good.push(resource.metric(name, Statistic::TrimmedCount(String::new(), format_seconds(under_us))));
    }
    RatioMetrics { total, numerator: MetricRole::Good(good) }
}

/// Seconds in decimals, without an exponent or zeros at the end.
fn format_seconds(microseconds: u64) -> String {
    let text = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A load balancer, or one of its target groups, which has metrics of its own.
struct MetricResource {
    is_classic: bool,
    dimensions: BTreeMap<String, String>,
}

impl MetricResource {
    fn from_traffic(traffic: &Traffic) -> Vec<Self> {
        let dimension = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        if let Some(name) = traffic.load_balancer.strip_prefix("classic/") {
            return vec![Self { is_classic: true, dimensions: [dimension("LoadBalancerName", name)].into() }];
        }
        let load_balancer = dimension("LoadBalancer", &traffic.load_balancer);
        if traffic.target_groups.is_empty() {
            return vec![Self { is_classic: false, dimensions: [load_balancer].into() }];
        }
        let groups = traffic.target_groups.iter().map(|group| {
            let group = dimension("TargetGroup", &format!("targetgroup/{group}"));
            Self { is_classic: false, dimensions: [group, load_balancer.clone()].into() }
        });
        groups.collect()
    }

    fn responses(&self, origin: &str, digit: u16) -> MetricStatistic {
        let suffix = if self.is_classic { "" } else { "_Count" };
        self.metric(&format!("HTTPCode_{origin}_{digit}XX{suffix}"), Statistic::Sum)
    }

    fn metric(&self, name: &str, statistic: Statistic) -> MetricStatistic {
        let namespace = if self.is_classic { "AWS/ELB" } else { "AWS/ApplicationELB" };
        let dimensions = self.dimensions.clone();
        MetricStatistic {
            metric: Metric { namespace: namespace.to_owned(), name: name.to_owned(), dimensions },
            statistic,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{LatencyBasis, LatencyErrors};

    fn query_text(load_balancer: &str, groups: &[&str], measure: Measure) -> String {
        let traffic = Traffic {
            load_balancer: load_balancer.to_owned(),
            target_groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Traffic::default()
        };
        let indicator = Indicator::Requests { source: "metrics".to_owned(), traffic: traffic.clone(), measure };
        metric_counts(&indicator, &[traffic]).unwrap().to_string()
    }

    #[test]
    fn only_whole_load_balancers_count_responses_of_the_load_balancer_itself() {
        let whole = query_text("app/mart/50dc6c495c0c9188", &[], Measure::SERVER_ERRORS);
        assert_eq!(whole.matches(" total=[AWS/ApplicationELB HTTPCode_").count(), 6);
        assert!(
            whole
                .contains("bad=[AWS/ApplicationELB HTTPCode_ELB_5XX_Count LoadBalancer=app/mart/50dc6c495c0c9188 Sum]")
        );
        let group = query_text(
            "app/mart/50dc6c495c0c9188",
            &["a/0123456789abcdef", "b/0123456789abcdef"],
            Measure::SERVER_ERRORS,
        );
        assert_eq!((group.matches(" total=[").count(), group.matches("ELB_5XX").count()), (8, 0));
        assert!(group.contains("LoadBalancer=app/mart/50dc6c495c0c9188 TargetGroup=targetgroup/b/0123456789abcdef"));
        let classic = query_text("classic/mart", &[], Measure::SERVER_ERRORS);
        assert!(classic.contains("bad=[AWS/ELB HTTPCode_ELB_5XX LoadBalancerName=mart Sum]"));
    }

    #[test]
    fn latency_threshold_is_requested_in_seconds() {
        for (under_us, text) in
            [(500_000, "TC(:0.5)"), (1_000_000, "TC(:1)"), (120_000_000, "TC(:120)"), (1_500, "TC(:0.0015)")]
        {
            let (basis, errors) = (LatencyBasis::Target, LatencyErrors::Counted);
            let measure = Measure::Latency { under_us, basis, errors, timeouts: false, gave_up_after_us: None };
            assert!(query_text("app/mart/50dc6c495c0c9188", &[], measure).contains(text), "{text}");
        }
    }
}

//! Which metrics of a load balancer count the requests of an indicator.
//!
//! Names and dimensions: "CloudWatch metrics for your Application Load Balancer"
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>) and
//! "for your Classic Load Balancer" (`.../classic/elb-cloudwatch-metrics.html`).

use std::collections::BTreeMap;

use crate::slo::{Indicator, Measure, Metric, MetricRole, MetricStatistic, RatioMetrics, Statistic, Traffic};

/// Statistics of one metric that are paid for as one in a request ("up to five statistics for the same metric",
/// <https://aws.amazon.com/cloudwatch/pricing/>).
pub const STATISTICS_PER_BILLED_METRIC: usize = 5;

/// How many metrics a request for some sorted counts is paid as.
#[must_use]
pub fn billed_metrics(counts: &[&MetricStatistic]) -> u64 {
    let metrics = counts.chunk_by(|one, other| one.metric == other.metric);
    metrics.map(|statistics| statistics.len().div_ceil(STATISTICS_PER_BILLED_METRIC) as u64).sum()
}

/// What CloudWatch is asked for an indicator, where its requests are these, with ids; `None` if it cannot tell, or
/// there are none.
#[must_use]
pub fn metric_counts(indicator: &Indicator, resolved: &[Traffic]) -> Option<RatioMetrics> {
    match indicator {
        Indicator::Ratio { metrics: counts, .. } => Some(counts.clone()),
        Indicator::Requests { .. } if resolved.is_empty() => None,
        Indicator::Requests { measure, .. } => Some(match measure {
            Measure::Availability => availability(resolved),
            Measure::Latency { under_us, .. } => latency(resolved, *under_us),
        }),
        Indicator::Query { .. } | Indicator::Counts { .. } => None,
    }
}

/// All answers by their class of status. `RequestCount` leaves out what was turned away before a target was chosen,
/// such as the 503 of a target group without targets, so in an outage it would say that there is no traffic. Redirects
/// that the balancer made by rule are no events, as in an access log.
fn availability(resolved: &[Traffic]) -> RatioMetrics {
    let (mut total, mut bad) = (Vec::new(), Vec::new());
    for resource in resolved.iter().flat_map(MetricResource::from_traffic) {
        let target_counts = ["2XX", "3XX", "4XX", "5XX"].map(|class| resource.target_responses(class));
        bad.extend(target_counts.last().cloned());
        total.extend(target_counts);
        if resource.is_whole_load_balancer() {
            let load_balancer_counts = ["4XX", "5XX"].map(|class| resource.load_balancer_responses(class));
            bad.extend(load_balancer_counts.last().cloned());
            total.extend(load_balancer_counts);
        }
    }
    RatioMetrics { total, numerator: MetricRole::Bad(bad) }
}

/// Answers of targets by their time. `TC(:x)` counts values up to and including x
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
fn latency(resolved: &[Traffic], under_us: u64) -> RatioMetrics {
    let (mut total, mut good) = (Vec::new(), Vec::new());
    for resource in resolved.iter().flat_map(MetricResource::from_traffic) {
        total.push(resource.response_times(Statistic::SampleCount));
        good.push(resource.response_times(Statistic::TrimmedCount(String::new(), format_seconds(under_us))));
    }
    RatioMetrics { total, numerator: MetricRole::Good(good) }
}

/// Seconds in decimals, without an exponent or zeros at the end.
fn format_seconds(microseconds: u64) -> String {
    let text = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What has metrics of its own: a balancer, or a target group of one.
enum MetricResource<'a> {
    Application { balancer: &'a str, group: Option<&'a str> },
    Classic { name: &'a str },
}

impl<'a> MetricResource<'a> {
    fn from_traffic(traffic: &'a Traffic) -> Vec<Self> {
        if let Some(name) = traffic.load_balancer.strip_prefix("classic/") {
            return vec![Self::Classic { name }];
        }
        let balancer = traffic.load_balancer.as_str();
        if traffic.target_groups.is_empty() {
            return vec![Self::Application { balancer, group: None }];
        }
        traffic.target_groups.iter().map(|group| Self::Application { balancer, group: Some(group) }).collect()
    }

    /// What the balancer answers itself has no target group.
    const fn is_whole_load_balancer(&self) -> bool {
        matches!(self, Self::Classic { .. } | Self::Application { group: None, .. })
    }

    fn target_responses(&self, class: &str) -> MetricStatistic {
        match self {
            Self::Application { .. } => self.metric_count(&format!("HTTPCode_Target_{class}_Count"), Statistic::Sum),
            Self::Classic { .. } => self.metric_count(&format!("HTTPCode_Backend_{class}"), Statistic::Sum),
        }
    }

    fn load_balancer_responses(&self, class: &str) -> MetricStatistic {
        match self {
            Self::Application { .. } => self.metric_count(&format!("HTTPCode_ELB_{class}_Count"), Statistic::Sum),
            Self::Classic { .. } => self.metric_count(&format!("HTTPCode_ELB_{class}"), Statistic::Sum),
        }
    }

    fn response_times(&self, statistic: Statistic) -> MetricStatistic {
        match self {
            Self::Application { .. } => self.metric_count("TargetResponseTime", statistic),
            Self::Classic { .. } => self.metric_count("Latency", statistic),
        }
    }

    fn metric_count(&self, name: &str, statistic: Statistic) -> MetricStatistic {
        let dimension = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (namespace, dimensions) = match self {
            Self::Application { balancer, group } => {
                let group = group.map(|group| dimension("TargetGroup", &format!("targetgroup/{group}")));
                let all: BTreeMap<_, _> = group.into_iter().chain([dimension("LoadBalancer", balancer)]).collect();
                ("AWS/ApplicationELB", all)
            }
            Self::Classic { name } => ("AWS/ELB", BTreeMap::from([dimension("LoadBalancerName", name)])),
        };
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
            methods: Vec::new(),
            hosts: Vec::new(),
            paths: Vec::new(),
            fixed_responses: false,
            redirects: false,
        };
        let indicator = Indicator::Requests { source: "metrics".to_owned(), traffic: traffic.clone(), measure };
        metric_counts(&indicator, &[traffic]).unwrap().to_string()
    }

    #[test]
    fn only_whole_load_balancers_count_responses_of_the_load_balancer_itself() {
        let whole = query_text("app/mart/50dc6c495c0c9188", &[], Measure::Availability);
        assert_eq!(whole.matches(" total=[AWS/ApplicationELB HTTPCode_").count(), 6);
        assert!(
            whole
                .contains("bad=[AWS/ApplicationELB HTTPCode_ELB_5XX_Count LoadBalancer=app/mart/50dc6c495c0c9188 Sum]")
        );
        let group = query_text(
            "app/mart/50dc6c495c0c9188",
            &["a/0123456789abcdef", "b/0123456789abcdef"],
            Measure::Availability,
        );
        assert_eq!((group.matches(" total=[").count(), group.matches("ELB_5XX").count()), (8, 0));
        assert!(group.contains("LoadBalancer=app/mart/50dc6c495c0c9188 TargetGroup=targetgroup/b/0123456789abcdef"));
        let classic = query_text("classic/mart", &[], Measure::Availability);
        assert!(classic.contains("bad=[AWS/ELB HTTPCode_ELB_5XX LoadBalancerName=mart Sum]"));
    }

    #[test]
    fn latency_threshold_is_requested_in_seconds() {
        for (under_us, text) in
            [(500_000, "TC(:0.5)"), (1_000_000, "TC(:1)"), (120_000_000, "TC(:120)"), (1_500, "TC(:0.0015)")]
        {
            let (basis, errors) = (LatencyBasis::Target, LatencyErrors::Counted);
            let measure = Measure::Latency { under_us, basis, errors, timeouts: false };
            assert!(query_text("app/mart/50dc6c495c0c9188", &[], measure).contains(text), "{text}");
        }
    }
}

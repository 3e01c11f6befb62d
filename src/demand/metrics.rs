//! Which metrics of a load balancer count the requests of an indicator.
//!
//! Names and dimensions: "CloudWatch metrics for your Application Load Balancer"
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>) and
//! "for your Classic Load Balancer" (`.../classic/elb-cloudwatch-metrics.html`).

use std::collections::BTreeMap;

use crate::slo::{Indicator, Judged, Measure, Metric, MetricCount, MetricCounts, Statistic, Traffic};

/// Statistics of one metric that are paid for as one in a request ("up to five statistics for the same metric",
/// <https://aws.amazon.com/cloudwatch/pricing/>).
pub const STATISTICS_OF_ONE: usize = 5;

/// How many metrics a request for some sorted counts is paid as.
#[must_use]
pub fn billed(counts: &[&MetricCount]) -> u64 {
    let metrics = counts.chunk_by(|one, other| one.metric == other.metric);
    metrics.map(|statistics| statistics.len().div_ceil(STATISTICS_OF_ONE) as u64).sum()
}

/// What CloudWatch is asked for an indicator, where its requests are these, with ids; `None` if it cannot tell, or
/// there are none.
#[must_use]
pub fn metric_counts(indicator: &Indicator, with_ids: &[Traffic]) -> Option<MetricCounts> {
    match indicator {
        Indicator::Ratio { counts, .. } => Some(counts.clone()),
        Indicator::Requests { .. } if with_ids.is_empty() => None,
        Indicator::Requests { measure, .. } => Some(match measure {
            Measure::Availability => availability(with_ids),
            Measure::Latency { under_us, .. } => latency(with_ids, *under_us),
        }),
        Indicator::Query { .. } | Indicator::Counts { .. } => None,
    }
}

/// All answers by their class of status. `RequestCount` leaves out what was turned away before a target was chosen,
/// such as the 503 of a target group without targets, so in an outage it would say that there is no traffic. Redirects
/// that the balancer made by rule are no events, as in an access log.
fn availability(with_ids: &[Traffic]) -> MetricCounts {
    let (mut total, mut bad) = (Vec::new(), Vec::new());
    for place in with_ids.iter().flat_map(Place::all) {
        let by_target = ["2XX", "3XX", "4XX", "5XX"].map(|class| place.count_of_target(class));
        bad.extend(by_target.last().cloned());
        total.extend(by_target);
        if place.is_whole_balancer() {
            let by_balancer = ["4XX", "5XX"].map(|class| place.count_of_balancer(class));
            bad.extend(by_balancer.last().cloned());
            total.extend(by_balancer);
        }
    }
    MetricCounts { total, judged: Judged::Bad(bad) }
}

/// Answers of targets by their time. `TC(:x)` counts values up to and including x
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
fn latency(with_ids: &[Traffic], under_us: u64) -> MetricCounts {
    let (mut total, mut good) = (Vec::new(), Vec::new());
    for place in with_ids.iter().flat_map(Place::all) {
        total.push(place.times(Statistic::SampleCount));
        good.push(place.times(Statistic::Within(String::new(), seconds(under_us))));
    }
    MetricCounts { total, judged: Judged::Good(good) }
}

/// Seconds in decimals, without an exponent or zeros at the end.
fn seconds(microseconds: u64) -> String {
    let text = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What has metrics of its own: a balancer, or a target group of one.
enum Place<'a> {
    Application { balancer: &'a str, group: Option<&'a str> },
    Classic { name: &'a str },
}

impl<'a> Place<'a> {
    fn all(traffic: &'a Traffic) -> Vec<Self> {
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
    const fn is_whole_balancer(&self) -> bool {
        matches!(self, Self::Classic { .. } | Self::Application { group: None, .. })
    }

    fn count_of_target(&self, class: &str) -> MetricCount {
        match self {
            Self::Application { .. } => self.count(&format!("HTTPCode_Target_{class}_Count"), Statistic::Sum),
            Self::Classic { .. } => self.count(&format!("HTTPCode_Backend_{class}"), Statistic::Sum),
        }
    }

    fn count_of_balancer(&self, class: &str) -> MetricCount {
        match self {
            Self::Application { .. } => self.count(&format!("HTTPCode_ELB_{class}_Count"), Statistic::Sum),
            Self::Classic { .. } => self.count(&format!("HTTPCode_ELB_{class}"), Statistic::Sum),
        }
    }

    fn times(&self, statistic: Statistic) -> MetricCount {
        match self {
            Self::Application { .. } => self.count("TargetResponseTime", statistic),
            Self::Classic { .. } => self.count("Latency", statistic),
        }
    }

    fn count(&self, name: &str, statistic: Statistic) -> MetricCount {
        let dimension = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (namespace, dimensions) = match self {
            Self::Application { balancer, group } => {
                let group = group.map(|group| dimension("TargetGroup", &format!("targetgroup/{group}")));
                let all: BTreeMap<_, _> = group.into_iter().chain([dimension("LoadBalancer", balancer)]).collect();
                ("AWS/ApplicationELB", all)
            }
            Self::Classic { name } => ("AWS/ELB", BTreeMap::from([dimension("LoadBalancerName", name)])),
        };
        MetricCount { metric: Metric { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }, statistic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{LatencyBasis, LatencyErrors};

    fn asked(load_balancer: &str, groups: &[&str], measure: Measure) -> String {
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
    fn a_whole_balancer_counts_what_it_answers_itself_and_a_target_group_does_not() {
        let whole = asked("app/mart/50dc6c495c0c9188", &[], Measure::Availability);
        assert_eq!(whole.matches(" total=[AWS/ApplicationELB HTTPCode_").count(), 6);
        assert!(
            whole
                .contains("bad=[AWS/ApplicationELB HTTPCode_ELB_5XX_Count LoadBalancer=app/mart/50dc6c495c0c9188 Sum]")
        );
        let group =
            asked("app/mart/50dc6c495c0c9188", &["a/0123456789abcdef", "b/0123456789abcdef"], Measure::Availability);
        assert_eq!((group.matches(" total=[").count(), group.matches("ELB_5XX").count()), (8, 0));
        assert!(group.contains("LoadBalancer=app/mart/50dc6c495c0c9188 TargetGroup=targetgroup/b/0123456789abcdef"));
        let classic = asked("classic/mart", &[], Measure::Availability);
        assert!(classic.contains("bad=[AWS/ELB HTTPCode_ELB_5XX LoadBalancerName=mart Sum]"));
    }

    #[test]
    fn a_threshold_is_asked_in_seconds() {
        for (under_us, text) in
            [(500_000, "TC(:0.5)"), (1_000_000, "TC(:1)"), (120_000_000, "TC(:120)"), (1_500, "TC(:0.0015)")]
        {
            let (basis, errors) = (LatencyBasis::Target, LatencyErrors::Counted);
            let measure = Measure::Latency { under_us, basis, errors, timeouts: false };
            assert!(asked("app/mart/50dc6c495c0c9188", &[], measure).contains(text), "{text}");
        }
    }
}

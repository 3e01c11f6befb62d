//! The indicator of one SLO: its source, and what is counted there.

use std::collections::BTreeSet;

use super::slo::SloBuilder;
use crate::slo::indicator::{
    BadStatuses, Indicator, LatencyBasis, LatencyErrors, Measure, RequestFilter, StatusClass, Traffic,
};
use crate::slo::problem::Problem;
use crate::slo::selector::{Tags, lacks_id};
use crate::slo::source::{Source, SourceKind};
use crate::slo::suggest::suggestion;
use crate::slo::yaml::{BadYaml, IndicatorYaml, LoadBalancerErrorsYaml, OneOrMany, RequestFilterYaml, Scalar};

/// Browsers and HTTP clients wait longer for a service that works.
const GAVE_UP_AFTER_US: u64 = 10_000_000;

fn can_measure(kind: IndicatorYaml, source_kind: &SourceKind) -> bool {
    match source_kind {
        SourceKind::AccessLogs { .. } => kind.is_request_based(),
        SourceKind::CloudWatch { .. } => kind.is_request_based() || kind == IndicatorYaml::Ratio,
        SourceKind::Athena { .. } => kind.is_request_based() || kind == IndicatorYaml::Query,
        SourceKind::Counts { .. } => kind == IndicatorYaml::Counts,
    }
}

/// The field of a source that an indicator needs, for messages.
const fn required_source_key(kind: IndicatorYaml) -> &'static str {
    match kind {
        IndicatorYaml::Availability | IndicatorYaml::Latency | IndicatorYaml::LatencyPercentile => "`access_logs`",
        IndicatorYaml::Ratio => "`cloudwatch`",
        IndicatorYaml::Query => "`athena`",
        IndicatorYaml::Counts => "`counts`",
    }
}

impl SloBuilder<'_, '_> {
    pub(super) fn find_source(&mut self, kind: IndicatorYaml) -> Option<(String, Source)> {
        let fleet = self.service.fleet;
        let own_source = self.layers.find_slo(|fields| &fields.source);
        let (name, base_problem) = match (own_source, &self.service.file.source) {
            (Some((layer, name)), _) => (name.0.0.as_str(), Some(layer.value_problem(&["source"], "", ""))),
            (None, Some(name)) => (name.0.0.as_str(), Some(self.service.yaml.value_problem(&["source"], "", ""))),
            (None, None) => (fleet.default_source(|source| can_measure(kind, source)).unwrap_or(""), None),
        };
        let source = fleet.catalog.sources.get(name);
        if let Some(source) = source.filter(|source| can_measure(kind, &source.kind)) {
            return Some((name.to_owned(), source.clone()));
        }
        let is_source_invalid =
            fleet.is_invalid(&["sources", name]) || (base_problem.is_none() && fleet.is_invalid(&["sources"]));
        if source.is_none() && is_source_invalid {
            return None;
        }
        let fitting: Vec<&str> = fleet
            .catalog
            .sources
            .iter()
            .filter(|(_, source)| can_measure(kind, &source.kind))
            .map(|(name, _)| name.as_str())
            .collect();
        let hint = suggestion(name, &format!("sources for `{kind}`"), fitting.iter().copied())
            .unwrap_or_else(|| format!("add a source with {} to `fleet.yaml`", required_source_key(kind)));
        match base_problem {
            Some(base_problem) => {
                let message = match source {
                    Some(_) => format!("source `{name}` cannot measure `{kind}`"),
                    None => format!("unknown source `{name}`"),
                };
                self.problems.push(Problem { message, hint, ..base_problem });
            }
            None if !fitting.is_empty() => self.add_problem(
                format!("no default source for `{kind}`"),
                format!("add `source: ...` here, or `default_source: ...` to `fleet.yaml`; {hint}"),
            ),
            None => self.add_problem(format!("no source can measure `{kind}`"), hint),
        }
        None
    }

    pub(super) fn build_indicator(
        &mut self,
        kind: IndicatorYaml,
        source: String,
        source_kind: &SourceKind,
    ) -> Option<Indicator> {
        let mut measure = match kind {
            IndicatorYaml::Counts => return Some(Indicator::Counts { file: self.file_path(kind)?, source }),
            IndicatorYaml::Query => return Some(Indicator::Query { file: self.file_path(kind)?, source, sql: None }),
            IndicatorYaml::Ratio => return Some(Indicator::Ratio { metrics: self.ratio_metrics()?, source }),
            IndicatorYaml::Availability => Measure::Availability { bad: self.bad_statuses()?, gave_up_after_us: None },
            IndicatorYaml::Latency | IndicatorYaml::LatencyPercentile => self.build_latency()?,
        };
        let mut traffic = self.build_traffic(kind)?;
        let is_classic = traffic.load_balancer.starts_with("classic/");
        let has_group_pattern = traffic.target_groups.iter().any(|group| group.contains('*'));
        match source_kind {
            SourceKind::CloudWatch { account, .. } => {
                self.check_cloudwatch_support(&traffic, &measure);
                if let Some(account) = account {
                    self.check_lookup_access(&traffic, &source, account);
                }
                return Some(Indicator::Requests { source, traffic, measure });
            }
            SourceKind::Athena { athena, .. } if athena.classic_table.is_none() && is_classic => {
                let message = format!("source `{source}` has no table for Classic Load Balancers");
                self.add_problem(message, "add `classic_table: <database>.<table>` to the source in `fleet.yaml`");
            }
            SourceKind::Athena { .. } if traffic.load_balancer.contains('*') || has_group_pattern => {
                let key = if has_group_pattern { "target_group" } else { "load_balancer" };
                let message = format!("Athena sources do not support `*` in `{key}`");
                self.report_selector(key, message, "write each name, or select by tags");
            }
            SourceKind::Athena { .. } | SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => {}
        }
        if let Some((layer, _)) = self.layers.find_slo(|fields| &fields.elb_5xx) {
            let message = "`elb_5xx` is only valid for sources with `cloudwatch`";
            let hint = "remove the field: access logs contain every 5xx response";
            self.problems.push(layer.key_problem("elb_5xx", message, hint));
        }
        if !is_classic {
            let after = self.layers.slo_value(|fields| &fields.gave_up_after);
            let gave_up_after = after.map_or(GAVE_UP_AFTER_US, |after| after.0.0);
            let (Measure::Availability { gave_up_after_us, .. } | Measure::Latency { gave_up_after_us, .. }) =
                &mut measure;
            *gave_up_after_us = Some(gave_up_after);
        } else if let Some(layer) = self.layers.slo_layers_with("gave_up_after").next() {
            let message = "the logs of a Classic Load Balancer do not say how long a client waited";
            self.problems.push(layer.key_problem("gave_up_after", message, "remove `gave_up_after`"));
        }
        // Logs identify target groups by name, so that a recreated one continues the series.
        for group in traffic.target_groups.iter_mut().filter(|group| Tags::parse(group).is_none()) {
            group.truncate(group.find('/').unwrap_or(group.len()));
        }
        traffic.target_groups.dedup();
        Some(Indicator::Requests { source, traffic, measure })
    }

    fn build_traffic(&mut self, kind: IndicatorYaml) -> Option<Traffic> {
        let load_balancer = self.load_balancer_text(kind)?;
        let conditions = self.layers.find_slo(|fields| &fields.conditions);
        let (mut filter, mut excluded) = (RequestFilter::default(), RequestFilter::default());
        if let Some((layer, RequestFilterYaml { method, host, path, not })) = conditions {
            filter = RequestFilter {
                methods: sorted_texts(method.as_ref()),
                hosts: sorted_texts(host.as_ref()),
                paths: sorted_texts(path.as_ref()),
            };
            let not = not.as_ref();
            excluded = RequestFilter {
                methods: sorted_texts(not.and_then(|not| not.method.as_ref())),
                hosts: sorted_texts(not.and_then(|not| not.host.as_ref())),
                paths: sorted_texts(not.and_then(|not| not.path.as_ref())),
            };
            let hint = "add `method`, `host` or `path`";
            if filter.is_empty() && not.is_none() {
                self.problems.push(layer.value_problem(&["where"], "`where` is empty", hint));
            }
            if not.is_some() && excluded.is_empty() {
                self.problems.push(layer.value_problem(&["where", "not"], "`not` is empty", hint));
            }
        }
        let include = self.layers.find_slo(|fields| &fields.include);
        if let Some((layer, _)) = include.filter(|_| load_balancer.starts_with("classic/")) {
            let message = "the logs of a Classic Load Balancer have no responses of listener rules";
            self.problems.push(layer.key_problem("include", message, "remove `include`"));
        }
        let included: BTreeSet<_> = include.iter().flat_map(|(_, many)| &many.0).map(|response| response.0).collect();
        let target_groups = self.service.file.target_group.iter().flat_map(|many| &many.0);
        Some(Traffic {
            load_balancer,
            target_groups: sorted_distinct(target_groups.map(|group| group.text.clone())),
            filter,
            excluded,
            included_responses: included.into_iter().collect(),
        })
    }

    /// The load balancers of the service, separated by spaces.
    fn load_balancer_text(&mut self, kind: IndicatorYaml) -> Option<String> {
        let Some(balancers) = &self.service.file.load_balancer else {
            let message = format!("`{kind}` requires `load_balancer` in the service");
            self.add_problem(message, "add `load_balancer: app/<name>` to the file, or use `indicator: counts`");
            return None;
        };
        let texts = sorted_distinct(balancers.0.iter().map(|balancer| balancer.text.clone()));
        let is_classic = |text: &String| text.starts_with("classic/");
        if texts.len() > 1 && texts.iter().any(|text| Tags::parse(text).is_some()) {
            let message = "tags cannot be part of a list of load balancers".to_owned();
            self.report_selector(
                "load_balancer",
                message,
                "write names only, with `*` for any characters, or tags alone",
            );
            return None;
        }
        if texts.iter().any(is_classic) && !texts.iter().all(is_classic) {
            let message = "a service cannot be behind Application and Classic Load Balancers at once".to_owned();
            self.report_selector("load_balancer", message, "write a service for each of the two kinds");
            return None;
        }
        Some(texts.join(" "))
    }

    /// Reports what CloudWatch cannot distinguish. Its metrics are by load balancer and target group, and the responses
    /// that the load balancer gives by itself have no target group
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).
    fn check_cloudwatch_support(&mut self, traffic: &Traffic, measure: &Measure) {
        const HINT: &str = "use a source with `access_logs` or `athena`, or remove the field";
        let has_conditions = !(traffic.filter.is_empty() && traffic.excluded.is_empty());
        let (is_total, excludes_errors, counts_timeouts, has_single_statuses) = match measure {
            Measure::Latency { basis, errors, timeouts, .. } => {
                (*basis == LatencyBasis::Total, *errors != LatencyErrors::Counted, *timeouts, false)
            }
            Measure::Availability { bad, .. } => {
                let is_single = |class: &StatusClass| matches!(class, StatusClass::Status(_) | StatusClass::Class(1));
                (false, false, false, bad.classes().iter().any(is_single))
            }
        };
        for (key, is_used) in [
            ("where", has_conditions),
            ("include", !traffic.included_responses.is_empty()),
            ("gave_up_after", true),
            ("measure", is_total),
            ("errors", excludes_errors),
            ("timeouts", counts_timeouts),
        ] {
            if let Some(layer) = self.layers.slo_layers_with(key).next().filter(|_| is_used) {
                self.problems.push(layer.key_problem(key, format!("CloudWatch metrics do not support `{key}`"), HINT));
            }
        }
        if let Some(layer) = self.layers.slo_layers_with("bad").next().filter(|_| has_single_statuses) {
            let message = "CloudWatch metrics count statuses only by class";
            let hint = "list the classes `2xx`, `3xx`, `4xx` or `5xx`, or use a source with `access_logs` or `athena`";
            self.problems.push(layer.key_problem("bad", message, hint));
        }
        let elb_5xx = self.layers.find_slo(|fields| &fields.elb_5xx);
        let is_target_group_availability =
            !traffic.target_groups.is_empty() && matches!(measure, Measure::Availability { .. });
        match elb_5xx {
            Some((layer, LoadBalancerErrorsYaml::Excluded)) if !is_target_group_availability => {
                let message = "`elb_5xx` is only valid for the availability of a target group";
                self.problems.push(layer.key_problem("elb_5xx", message, "remove the field: it has no effect here"));
            }
            None if is_target_group_availability => {
                let message = format!(
                    "CloudWatch has no metric per target group for the 502, 503 and 504 responses from `{}` itself: they would not be counted",
                    traffic.load_balancer
                );
                let hint = "use a source with `access_logs`, which contain them; or remove `target_group` if the load balancer serves \
                            no other service; or set `elb_5xx: excluded`";
                self.report_selector("target_group", message, hint);
            }
            _ => {}
        }
    }

    /// Reports a selector that has to be looked up in a monitoring account, which sees the metrics of other accounts
    /// but not their load balancers.
    fn check_lookup_access(&mut self, traffic: &Traffic, source: &str, account: &str) {
        let group = traffic.target_groups.iter().find(|group| !group.contains('/') || Tags::parse(group).is_some());
        let missing_id = if lacks_id(&traffic.load_balancer) {
            Some(("load_balancer", &traffic.load_balancer))
        } else {
            group.map(|group| ("target_group", group))
        };
        let Some((key, selector)) = missing_id else { return };
        let message = format!(
            "cannot look up the ID of `{selector}`: source `{source}` can read only the metrics of account {account}"
        );
        let hint = "write the name with its ID, as at the end of the ARN; or replace `account` with a `role_arn` in that account";
        self.report_selector(key, message, hint);
    }

    /// Adds a problem of a selector, which only the service has: a class does not know the load balancers.
    fn report_selector(&mut self, key: &str, message: String, hint: &str) {
        let layer = self.layers.service_layer();
        self.problems.extend(layer.map(|layer| layer.value_problem(&[key], message, hint)));
    }

    fn build_latency(&mut self) -> Option<Measure> {
        let Some(under) = self.layers.slo_value(|fields| &fields.under) else {
            self.add_problem("the SLO has no latency threshold", "add `under: 500ms`");
            return None;
        };
        Some(Measure::Latency {
            under_us: under.0.0,
            basis: self.layers.slo_value(|fields| &fields.measure).copied().unwrap_or_default(),
            errors: self.layers.slo_value(|fields| &fields.errors).copied().unwrap_or_default(),
            timeouts: self.layers.slo_value(|fields| &fields.timeouts).is_some(),
            gave_up_after_us: None,
        })
    }

    fn bad_statuses(&mut self) -> Option<BadStatuses> {
        let Some((layer, bad)) = self.layers.find_slo(|fields| &fields.bad) else {
            return Some(BadStatuses::ServerErrors);
        };
        let statuses: BTreeSet<StatusClass> = bad
            .0
            .iter()
            .filter_map(|bad| match bad {
                BadYaml::Status(status) => Some(*status),
                BadYaml::Metric(_) => None,
            })
            .collect();
        if bad.0.iter().any(|bad| matches!(bad, BadYaml::Metric(_))) {
            let message = "`bad` of `availability` takes statuses, not metrics";
            self.problems.push(layer.key_problem("bad", message, "list statuses such as `[5xx, 429]`"));
            return None;
        }
        let statuses: Vec<StatusClass> = statuses.into_iter().collect();
        let is_default = statuses == BadStatuses::ServerErrors.classes();
        Some(if is_default { BadStatuses::ServerErrors } else { BadStatuses::Listed(statuses) })
    }

    fn file_path(&mut self, kind: IndicatorYaml) -> Option<String> {
        let (example, folder) = match kind {
            IndicatorYaml::Query => ("orders.sql", "the queries folder"),
            _ => ("nightly.csv", "the source's folder"),
        };
        let Some((layer, file)) = self.layers.find_slo(|fields| &fields.file) else {
            let message = format!("`{kind}` requires `file`");
            self.add_problem(message, format!("add `file: {example}`, a path in {folder}"));
            return None;
        };
        let file = &file.0.0;
        if file.starts_with('/') || file.contains("://") || file.split(['/', '\\']).any(|part| part == "..") {
            let hint = format!("use a path in {folder}, such as `{example}`");
            self.problems.push(layer.value_problem(&["file"], format!("`{file}` is outside {folder}"), hint));
            return None;
        }
        Some(file.clone())
    }
}

fn sorted_texts<T: Clone + Into<String>>(list: Option<&OneOrMany<Scalar<T>>>) -> Vec<String> {
    sorted_distinct(list.into_iter().flat_map(|many| &many.0).map(|value| value.0.clone().into()))
}

fn sorted_distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}

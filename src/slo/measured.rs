//! What one SLO measures, and of which source: the part of a promise that makes its indicator.

use super::layer::find_slo_setting;
use super::problem::Problem;
use super::promise::SloBuilder;
use super::source_spans::key_path;
use super::suggest::suggestion;
use super::yaml::{
    FromText, IncludeYaml, IndicatorYaml, LatencyBasisYaml, LatencyErrorsYaml, LoadBalancerErrorsYaml, MetricsYaml,
    OneOrMany, Scalar, StatisticYaml,
};
use super::{
    Indicator, LatencyBasis, LatencyErrors, Measure, Metric, MetricRole, MetricStatistic, RatioMetrics, Source,
    SourceKind, Statistic, Tags, Traffic, lacks_id,
};

/// Whether a source can answer an indicator.
fn can_measure(kind: IndicatorYaml, source_kind: &SourceKind) -> bool {
    match source_kind {
        SourceKind::AccessLogs { .. } => kind.is_request_based(),
        SourceKind::CloudWatch { .. } => kind.is_request_based() || kind == IndicatorYaml::Ratio,
        SourceKind::Athena { .. } => kind.is_request_based() || kind == IndicatorYaml::Query,
        SourceKind::Counts { .. } => kind == IndicatorYaml::Counts,
    }
}

/// The field that a source needs for an indicator, for messages.
const fn required_source_key(kind: IndicatorYaml) -> &'static str {
    match kind {
        IndicatorYaml::Availability | IndicatorYaml::Latency | IndicatorYaml::LatencyPercentile => "`access_logs`",
        IndicatorYaml::Ratio => "`cloudwatch`",
        IndicatorYaml::Query => "`athena`",
        IndicatorYaml::Counts => "`counts`",
    }
}

impl SloBuilder<'_, '_> {
    /// The source, by its name.
    pub(super) fn find_source(&mut self, kind: IndicatorYaml) -> Option<(String, Source)> {
        let fleet = self.defaults.fleet;
        let slo_source = find_slo_setting(self.layers, |fields| fields.source.as_ref());
        let (name, base_problem) = match (slo_source, self.defaults.source) {
            (Some((layer, name)), _) => (name.0.0.as_str(), Some(layer.value_problem(&key_path(&["source"]), "", ""))),
            (None, Some((yaml, name))) => (name, Some(yaml.value_problem(&key_path(&["source"]), "", ""))),
            (None, None) => (fleet.default_source(|source| can_measure(kind, source)).unwrap_or(""), None),
        };
        match fleet.sources.get(name) {
            Some(source) if can_measure(kind, &source.kind) => return Some((name.to_owned(), source.clone())),
            // The source itself is faulty, and that has been said.
            None if fleet.is_invalid(&["sources", name])
                || (base_problem.is_none() && fleet.is_invalid(&["sources"])) =>
            {
                return None;
            }
            _ => {}
        }
        let fitting: Vec<&str> = fleet
            .sources
            .iter()
            .filter(|(_, source)| can_measure(kind, &source.kind))
            .map(|(name, _)| name.as_str())
            .collect();
        let indicator_name = kind.as_str();
        let hint = suggestion(name, &format!("sources for `{indicator_name}`"), fitting.iter().copied())
            .unwrap_or_else(|| format!("add a source with {} to `fleet.yaml`", required_source_key(kind)));
        match base_problem {
            Some(base_problem) if fleet.sources.contains_key(name) => {
                let message = format!("source `{name}` cannot measure `{indicator_name}`");
                self.problems.push(Problem { message, hint, ..base_problem });
            }
            Some(base_problem) => {
                self.problems.push(Problem { message: format!("unknown source `{name}`"), hint, ..base_problem })
            }
            None if !fitting.is_empty() => {
                self.add_problem(
                    &format!("no default source for `{indicator_name}`"),
                    &format!("add `source: ...` here, or `default_source: ...` to `fleet.yaml`; {hint}"),
                );
            }
            None => self.add_problem(&format!("no source can measure `{indicator_name}`"), &hint),
        }
        None
    }

    /// What is measured.
    pub(super) fn build_indicator(
        &mut self,
        kind: IndicatorYaml,
        source: String,
        source_kind: &SourceKind,
    ) -> Option<Indicator> {
        let measure = match kind {
            IndicatorYaml::Counts => return self.file_path(kind).map(|file| Indicator::Counts { source, file }),
            IndicatorYaml::Query => {
                return self.file_path(kind).map(|file| Indicator::Query { source, file, sql: None });
            }
            IndicatorYaml::Ratio => {
                return self.ratio_metrics().map(|counts| Indicator::Ratio { source, metrics: counts });
            }
            IndicatorYaml::Availability => Measure::Availability,
            IndicatorYaml::Latency | IndicatorYaml::LatencyPercentile => self.build_latency()?,
        };
        let Some(load_balancer) = self.defaults.load_balancer else {
            let message = format!("`{}` requires `load_balancer` in the service", kind.as_str());
            self.add_problem(&message, "add `load_balancer: app/<name>` to the file, or use `indicator: counts`");
            return None;
        };
        let conditions = find_slo_setting(self.layers, |fields| fields.conditions.as_ref());
        if let Some((layer, conditions)) = conditions
            && conditions.method.is_none()
            && conditions.host.is_none()
            && conditions.path.is_none()
        {
            self.problems.push(layer.value_problem(
                &key_path(&["where"]),
                "`where` is empty",
                "add `method`, `host` or `path`",
            ));
        }
        let conditions = conditions.map(|(_, conditions)| conditions);
        let include = find_slo_setting(self.layers, |fields| fields.include.as_ref());
        if let Some((layer, _)) = include.filter(|_| load_balancer.starts_with("classic/")) {
            let message = "a Classic Load Balancer has no fixed responses or redirects";
            self.problems.push(layer.key_problem("include", message, "remove `include`"));
        }
        let includes = |response| include.is_some_and(|(_, many)| many.0.contains(&Scalar(response)));
        let mut traffic = Traffic {
            load_balancer: load_balancer.to_owned(),
            target_groups: self.defaults.target_groups.clone(),
            methods: sorted_values(conditions.and_then(|texts| texts.method.as_ref()), |method| method.0.clone()),
            hosts: sorted_values(conditions.and_then(|texts| texts.host.as_ref()), |host| host.0.clone()),
            paths: sorted_values(conditions.and_then(|texts| texts.path.as_ref()), |path| path.0.clone()),
            fixed_responses: includes(IncludeYaml::FixedResponse),
            redirects: includes(IncludeYaml::Redirect),
        };
        match source_kind {
            SourceKind::CloudWatch { account, .. } => {
                self.check_cloudwatch_support(&traffic, &measure);
                self.check_lookup_access(&traffic, (&source, account.as_deref()));
            }
            SourceKind::Athena { athena: lake, .. }
                if lake.classic_table.is_none() && load_balancer.starts_with("classic/") =>
            {
                let message = format!("source `{source}` has no table for Classic Load Balancers");
                self.add_problem(&message, "add `classic_table: <database>.<table>` to the source in `fleet.yaml`");
            }
            SourceKind::Athena { .. } | SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => {}
        }
        if !matches!(source_kind, SourceKind::CloudWatch { .. }) {
            self.check_no_elb_5xx();
            // A log tells target groups apart by name: one that is made anew goes on as the same.
            for group in traffic.target_groups.iter_mut().filter(|group| Tags::parse(group).is_none()) {
                group.truncate(group.find('/').unwrap_or(group.len()));
            }
            traffic.target_groups.dedup();
        }
        Some(Indicator::Requests { source, traffic, measure })
    }

    /// What CloudWatch cannot tell apart. Its metrics are by load balancer and target group, and there is no target
    /// group in what the balancer answers by itself
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).
    fn check_cloudwatch_support(&mut self, traffic: &Traffic, measure: &Measure) {
        const HINT: &str = "use a source with `access_logs` or `athena`, or remove the field";
        for (key, is_used) in [
            ("where", !(traffic.methods.is_empty() && traffic.hosts.is_empty() && traffic.paths.is_empty())),
            ("include", traffic.fixed_responses || traffic.redirects),
            ("measure", matches!(measure, Measure::Latency { basis: LatencyBasis::Total, .. })),
            (
                "errors",
                matches!(measure, Measure::Latency { errors: LatencyErrors::Bad | LatencyErrors::Excluded, .. }),
            ),
            ("timeouts", matches!(measure, Measure::Latency { timeouts: true, .. })),
        ] {
            if !is_used {
                continue;
            }
            let sets_field = |fields: &super::yaml::SloFields| match key {
                "where" => fields.conditions.is_some(),
                "include" => fields.include.is_some(),
                "measure" => fields.measure.is_some(),
                "errors" => fields.errors.is_some(),
                _ => fields.timeouts.is_some(),
            };
            if let Some(layer) = self.layers.iter().find(|layer| layer.slo.is_some_and(sets_field)) {
                self.problems.push(layer.key_problem(key, format!("CloudWatch metrics do not support `{key}`"), HINT));
            }
        }
        let elb_5xx = find_slo_setting(self.layers, |fields| fields.elb_5xx.as_ref());
        let is_target_group_availability =
            !traffic.target_groups.is_empty() && matches!(measure, Measure::Availability);
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
                // The service says it, whoever promises: a class does not know what its services name.
                let layer = self.layers.iter().find(|layer| layer.slo.is_none());
                self.problems
                    .extend(layer.map(|layer| layer.value_problem(&key_path(&["target_group"]), message, hint)));
            }
            _ => {}
        }
    }

    /// A monitoring account sees the metrics of others, but not their load balancers.
    fn check_lookup_access(&mut self, traffic: &Traffic, (source, account): (&str, Option<&str>)) {
        let Some(account) = account else { return };
        let groups = traffic.target_groups.iter().filter(|group| !group.contains('/') || Tags::parse(group).is_some());
        let load_balancer = [&traffic.load_balancer].into_iter().filter(|balancer| lacks_id(balancer));
        let missing_id =
            load_balancer.map(|text| ("load_balancer", text)).chain(groups.map(|text| ("target_group", text))).next();
        let service_layer = self.layers.iter().find(|layer| layer.slo.is_none());
        if let (Some((key, selector)), Some(layer)) = (missing_id, service_layer) {
            let message = format!(
                "cannot look up the ID of `{selector}`: source `{source}` can read only the metrics of account {account}"
            );
            let hint = "write the name with its ID, as at the end of the ARN; or replace `account` with a `role_arn` in that account";
            self.problems.push(layer.value_problem(&key_path(&[key]), message, hint));
        }
    }

    fn check_no_elb_5xx(&mut self) {
        if let Some((layer, _)) = find_slo_setting(self.layers, |fields| fields.elb_5xx.as_ref()) {
            let message = "`elb_5xx` is only valid for sources with `cloudwatch`";
            self.problems.push(layer.key_problem(
                "elb_5xx",
                message,
                "remove the field: access logs contain every 5xx response",
            ));
        }
    }

    fn build_latency(&mut self) -> Option<Measure> {
        let Some((_, under)) = find_slo_setting(self.layers, |fields| fields.under.as_ref()) else {
            self.add_problem("the SLO has no latency threshold", "add `under: 500ms`");
            return None;
        };
        let errors = find_slo_setting(self.layers, |fields| fields.errors.as_ref()).map(|(_, errors)| *errors);
        let measure = find_slo_setting(self.layers, |fields| fields.measure.as_ref()).map(|(_, measure)| *measure);
        Some(Measure::Latency {
            under_us: under.0.0,
            basis: match measure {
                None | Some(LatencyBasisYaml::Target) => LatencyBasis::Target,
                Some(LatencyBasisYaml::Total) => LatencyBasis::Total,
            },
            errors: match errors {
                None | Some(LatencyErrorsYaml::Counted) => LatencyErrors::Counted,
                Some(LatencyErrorsYaml::Bad) => LatencyErrors::Bad,
                Some(LatencyErrorsYaml::Excluded) => LatencyErrors::Excluded,
            },
            timeouts: find_slo_setting(self.layers, |fields| fields.timeouts.as_ref()).is_some(),
        })
    }

    /// A file that is named below a folder.
    fn file_path(&mut self, kind: IndicatorYaml) -> Option<String> {
        let (example, folder) = match kind {
            IndicatorYaml::Query => ("orders.sql", "the queries folder"),
            _ => ("nightly.csv", "the source's folder"),
        };
        let Some((layer, file)) = find_slo_setting(self.layers, |fields| fields.file.as_ref()) else {
            let message = format!("`{}` requires `file`", kind.as_str());
            self.add_problem(&message, &format!("add `file: {example}`, a path in {folder}"));
            return None;
        };
        let file = file.0.0.clone();
        if file.starts_with('/') || file.contains("://") || file.split(['/', '\\']).any(|part| part == "..") {
            let hint = format!("use a path in {folder}, such as `{example}`");
            self.problems.push(layer.value_problem(
                &key_path(&["file"]),
                format!("`{file}` is outside {folder}"),
                hint,
            ));
            return None;
        }
        Some(file)
    }

    fn ratio_metrics(&mut self) -> Option<RatioMetrics> {
        const EXAMPLE: &str = "{ namespace: Shop/Orders, metric: Placed }";
        let total = find_slo_setting(self.layers, |fields| fields.total.as_ref());
        let good = find_slo_setting(self.layers, |fields| fields.good.as_ref());
        let bad = find_slo_setting(self.layers, |fields| fields.bad.as_ref());
        if total.is_none() {
            self.add_problem(
                "`ratio` requires `total`, the metrics that count all events",
                &format!("add `total: {EXAMPLE}`"),
            );
        }
        let numerator = match (good, bad) {
            (Some((_, good)), None) => MetricRole::Good(metric_stats(good)),
            (None, Some((_, bad))) => MetricRole::Bad(metric_stats(bad)),
            (None, None) => {
                self.add_problem(
                    "`ratio` requires `good` or `bad`, the metrics that count good or bad events",
                    &format!("add `bad: {EXAMPLE}`"),
                );
                return None;
            }
            (Some((layer, _)), Some(_)) => {
                let message = "`good` and `bad` are mutually exclusive";
                self.problems.push(layer.key_problem("good", message, "remove `good` or `bad`"));
                return None;
            }
        };
        Some(RatioMetrics { total: metric_stats(total?.1), numerator })
    }
}

/// The metrics as they are asked for, sorted, each once: the same metric twice would count its events twice.
fn metric_stats(texts: &MetricsYaml) -> Vec<MetricStatistic> {
    let mut stats: Vec<MetricStatistic> = texts
        .0
        .iter()
        .map(|text| MetricStatistic {
            metric: Metric {
                namespace: text.namespace.0.0.clone(),
                name: text.metric.0.0.clone(),
                dimensions: text.dimensions.iter().map(|(name, value)| (name.clone(), value.0.0.clone())).collect(),
            },
            statistic: match &text.statistic {
                None | Some(Scalar(StatisticYaml::Sum)) => Statistic::Sum,
                Some(Scalar(StatisticYaml::SampleCount)) => Statistic::SampleCount,
                Some(Scalar(StatisticYaml::TrimmedCount(low, high))) => {
                    Statistic::TrimmedCount(low.clone(), high.clone())
                }
            },
        })
        .collect();
    stats.sort_unstable();
    stats.dedup();
    stats
}

/// The values of one or many, sorted, each once.
fn sorted_values<T: FromText>(values: Option<&OneOrMany<Scalar<T>>>, to_text: impl Fn(&T) -> String) -> Vec<String> {
    let mut texts: Vec<String> = values.iter().flat_map(|many| &many.0).map(|one| to_text(&one.0)).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

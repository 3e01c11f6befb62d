//! What one SLO measures, and of which source: the part of a promise that makes its indicator.

use super::file::{
    ElbErrorsText, ErrorsText, FromText, IncludeText, IndicatorText, MeasureText, MetricsText, OneOrMany,
    StatisticText, Typed,
};
use super::layer::first_field;
use super::positions::keys;
use super::problem::Problem;
use super::promise::Promise;
use super::suggest::suggestion;
use super::{
    Indicator, Judged, LatencyBasis, LatencyErrors, Measure, Metric, MetricCount, MetricCounts, Source, SourceKind,
    Statistic, Tags, Traffic, lacks_id,
};

/// Whether a source can answer an indicator.
fn fits(indicator: IndicatorText, source: &SourceKind) -> bool {
    match source {
        SourceKind::AccessLogs { .. } => indicator.is_of_requests(),
        SourceKind::CloudWatch { .. } => indicator.is_of_requests() || indicator == IndicatorText::Ratio,
        SourceKind::Athena { .. } => indicator.is_of_requests() || indicator == IndicatorText::Query,
        SourceKind::Counts { .. } => indicator == IndicatorText::Counts,
    }
}

/// The field that a source needs for an indicator, for messages.
const fn wanted(indicator: IndicatorText) -> &'static str {
    match indicator {
        IndicatorText::Availability | IndicatorText::Latency | IndicatorText::LatencyPercentile => "`access_logs`",
        IndicatorText::Ratio => "`cloudwatch`",
        IndicatorText::Query => "`athena`",
        IndicatorText::Counts => "`counts`",
    }
}

impl Promise<'_, '_> {
    /// The source, by its name.
    pub(super) fn source(&mut self, kind: IndicatorText) -> Option<(String, Source)> {
        let fleet = self.asked.fleet;
        let own = first_field(self.layers, |fields| fields.source.as_ref());
        let (name, said) = match (own, self.asked.source) {
            (Some((layer, name)), _) => (name.0.0.as_str(), Some(layer.problem(&keys(&["source"]), "", ""))),
            (None, Some((page, name))) => (name, Some(page.of_value(&keys(&["source"]), "", ""))),
            (None, None) => (fleet.default_source(|source| fits(kind, source)).unwrap_or(""), None),
        };
        match fleet.sources.get(name) {
            Some(source) if fits(kind, &source.kind) => return Some((name.to_owned(), source.clone())),
            // The source itself is faulty, and that has been said.
            None if fleet.is_broken(&["sources", name]) || (said.is_none() && fleet.is_broken(&["sources"])) => {
                return None;
            }
            _ => {}
        }
        let fitting: Vec<&str> = fleet
            .sources
            .iter()
            .filter(|(_, source)| fits(kind, &source.kind))
            .map(|(name, _)| name.as_str())
            .collect();
        let word = kind.word();
        let hint = suggestion(name, &format!("sources for `{word}`"), fitting.iter().copied())
            .unwrap_or_else(|| format!("add a source with {} to `fleet.yaml`", wanted(kind)));
        match said {
            Some(place) if fleet.sources.contains_key(name) => {
                let message = format!("source `{name}` cannot measure `{word}`");
                self.found.push(Problem { message, hint, ..place });
            }
            Some(place) => self.found.push(Problem { message: format!("unknown source `{name}`"), hint, ..place }),
            None if !fitting.is_empty() => {
                self.wrong(
                    &format!("no default source for `{word}`"),
                    &format!("add `source: ...` here, or `default_source: ...` to `fleet.yaml`; {hint}"),
                );
            }
            None => self.wrong(&format!("no source can measure `{word}`"), &hint),
        }
        None
    }

    /// What is measured.
    pub(super) fn indicator(&mut self, kind: IndicatorText, source: String, of: &SourceKind) -> Option<Indicator> {
        let measure = match kind {
            IndicatorText::Counts => return self.file(kind).map(|file| Indicator::Counts { source, file }),
            IndicatorText::Query => return self.file(kind).map(|file| Indicator::Query { source, file, sql: None }),
            IndicatorText::Ratio => return self.ratio().map(|counts| Indicator::Ratio { source, counts }),
            IndicatorText::Availability => Measure::Availability,
            IndicatorText::Latency | IndicatorText::LatencyPercentile => self.latency()?,
        };
        let Some(load_balancer) = self.asked.load_balancer else {
            let message = format!("`{}` requires `load_balancer` in the service", kind.word());
            self.wrong(&message, "add `load_balancer: app/<name>` to the file, or use `indicator: counts`");
            return None;
        };
        let conditions = first_field(self.layers, |fields| fields.conditions.as_ref());
        if let Some((layer, conditions)) = conditions
            && conditions.method.is_none()
            && conditions.host.is_none()
            && conditions.path.is_none()
        {
            self.found.push(layer.problem(&keys(&["where"]), "`where` is empty", "add `method`, `host` or `path`"));
        }
        let conditions = conditions.map(|(_, conditions)| conditions);
        let include = first_field(self.layers, |fields| fields.include.as_ref());
        if let Some((layer, _)) = include.filter(|_| load_balancer.starts_with("classic/")) {
            let message = "a Classic Load Balancer has no fixed responses or redirects";
            self.found.push(layer.key_problem("include", message, "remove `include`"));
        }
        let includes = |what| include.is_some_and(|(_, many)| many.0.contains(&Typed(what)));
        let mut traffic = Traffic {
            load_balancer: load_balancer.to_owned(),
            target_groups: self.asked.target_groups.clone(),
            methods: sorted(conditions.and_then(|texts| texts.method.as_ref()), |method| method.0.clone()),
            hosts: sorted(conditions.and_then(|texts| texts.host.as_ref()), |host| host.0.clone()),
            paths: sorted(conditions.and_then(|texts| texts.path.as_ref()), |path| path.0.clone()),
            fixed_responses: includes(IncludeText::FixedResponse),
            redirects: includes(IncludeText::Redirect),
        };
        match of {
            SourceKind::CloudWatch { account, .. } => {
                self.check_metrics(&traffic, &measure);
                self.check_look_up(&traffic, (&source, account.as_deref()));
            }
            SourceKind::Athena { lake, .. }
                if lake.classic_table.is_none() && load_balancer.starts_with("classic/") =>
            {
                let message = format!("source `{source}` has no table for Classic Load Balancers");
                self.wrong(&message, "add `classic_table: <database>.<table>` to the source in `fleet.yaml`");
            }
            SourceKind::Athena { .. } | SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => {}
        }
        if !matches!(of, SourceKind::CloudWatch { .. }) {
            self.check_no_metrics();
            // A log tells target groups apart by name: one that is made anew goes on as the same.
            for group in traffic.target_groups.iter_mut().filter(|group| Tags::read(group).is_none()) {
                group.truncate(group.find('/').unwrap_or(group.len()));
            }
            traffic.target_groups.dedup();
        }
        Some(Indicator::Requests { source, traffic, measure })
    }

    /// What CloudWatch cannot tell apart. Its metrics are by load balancer and target group, and there is no target
    /// group in what the balancer answers by itself
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).
    fn check_metrics(&mut self, traffic: &Traffic, measure: &Measure) {
        const HINT: &str = "use a source with `access_logs` or `athena`, or remove the field";
        for (key, said) in [
            ("where", !(traffic.methods.is_empty() && traffic.hosts.is_empty() && traffic.paths.is_empty())),
            ("include", traffic.fixed_responses || traffic.redirects),
            ("measure", matches!(measure, Measure::Latency { basis: LatencyBasis::Total, .. })),
            (
                "errors",
                matches!(measure, Measure::Latency { errors: LatencyErrors::Bad | LatencyErrors::Excluded, .. }),
            ),
            ("timeouts", matches!(measure, Measure::Latency { timeouts: true, .. })),
        ] {
            if !said {
                continue;
            }
            let says = |fields: &super::file::SloFields| match key {
                "where" => fields.conditions.is_some(),
                "include" => fields.include.is_some(),
                "measure" => fields.measure.is_some(),
                "errors" => fields.errors.is_some(),
                _ => fields.timeouts.is_some(),
            };
            if let Some(layer) = self.layers.iter().find(|layer| layer.slo.is_some_and(says)) {
                self.found.push(layer.key_problem(key, format!("CloudWatch metrics do not support `{key}`"), HINT));
            }
        }
        let excluded = first_field(self.layers, |fields| fields.elb_5xx.as_ref());
        let is_of_group = !traffic.target_groups.is_empty() && matches!(measure, Measure::Availability);
        match excluded {
            Some((layer, ElbErrorsText::Excluded)) if !is_of_group => {
                let message = "`elb_5xx` is only valid for the availability of a target group";
                self.found.push(layer.key_problem("elb_5xx", message, "remove the field: it has no effect here"));
            }
            None if is_of_group => {
                let message = format!(
                    "CloudWatch has no metric per target group for the 502, 503 and 504 responses from `{}` itself: they would not be counted",
                    traffic.load_balancer
                );
                let hint = "use a source with `access_logs`, which contain them; or remove `target_group` if the load balancer serves \
                            no other service; or set `elb_5xx: excluded`";
                // The service says it, whoever promises: a class does not know what its services name.
                let layer = self.layers.iter().find(|layer| layer.slo.is_none());
                self.found.extend(layer.map(|layer| layer.problem(&keys(&["target_group"]), message, hint)));
            }
            _ => {}
        }
    }

    /// A monitoring account sees the metrics of others, but not their load balancers.
    fn check_look_up(&mut self, traffic: &Traffic, (source, account): (&str, Option<&str>)) {
        let Some(account) = account else { return };
        let groups = traffic.target_groups.iter().filter(|group| !group.contains('/') || Tags::read(group).is_some());
        let balancer = [&traffic.load_balancer].into_iter().filter(|balancer| lacks_id(balancer));
        let named =
            balancer.map(|text| ("load_balancer", text)).chain(groups.map(|text| ("target_group", text))).next();
        let of_service = self.layers.iter().find(|layer| layer.slo.is_none());
        if let (Some((key, named)), Some(layer)) = (named, of_service) {
            let message = format!(
                "cannot look up the ID of `{named}`: source `{source}` can read only the metrics of account {account}"
            );
            let hint = "write the name with its ID, as at the end of the ARN; or replace `account` with a `role_arn` in that account";
            self.found.push(layer.problem(&keys(&[key]), message, hint));
        }
    }

    fn check_no_metrics(&mut self) {
        if let Some((layer, _)) = first_field(self.layers, |fields| fields.elb_5xx.as_ref()) {
            let message = "`elb_5xx` is only valid for sources with `cloudwatch`";
            self.found.push(layer.key_problem(
                "elb_5xx",
                message,
                "remove the field: access logs contain every 5xx response",
            ));
        }
    }

    fn latency(&mut self) -> Option<Measure> {
        let Some((_, under)) = first_field(self.layers, |fields| fields.under.as_ref()) else {
            self.wrong("the SLO has no latency threshold", "add `under: 500ms`");
            return None;
        };
        let errors = first_field(self.layers, |fields| fields.errors.as_ref()).map(|(_, errors)| *errors);
        let measure = first_field(self.layers, |fields| fields.measure.as_ref()).map(|(_, measure)| *measure);
        Some(Measure::Latency {
            under_us: under.0.0,
            basis: match measure {
                None | Some(MeasureText::Target) => LatencyBasis::Target,
                Some(MeasureText::Total) => LatencyBasis::Total,
            },
            errors: match errors {
                None | Some(ErrorsText::Counted) => LatencyErrors::Counted,
                Some(ErrorsText::Bad) => LatencyErrors::Bad,
                Some(ErrorsText::Excluded) => LatencyErrors::Excluded,
            },
            timeouts: first_field(self.layers, |fields| fields.timeouts.as_ref()).is_some(),
        })
    }

    /// A file that is named below a folder.
    fn file(&mut self, kind: IndicatorText) -> Option<String> {
        let (example, folder) = match kind {
            IndicatorText::Query => ("orders.sql", "the queries folder"),
            _ => ("nightly.csv", "the source's folder"),
        };
        let Some((layer, file)) = first_field(self.layers, |fields| fields.file.as_ref()) else {
            let message = format!("`{}` requires `file`", kind.word());
            self.wrong(&message, &format!("add `file: {example}`, a path in {folder}"));
            return None;
        };
        let file = file.0.0.clone();
        if file.starts_with('/') || file.contains("://") || file.split(['/', '\\']).any(|part| part == "..") {
            let hint = format!("use a path in {folder}, such as `{example}`");
            self.found.push(layer.problem(&keys(&["file"]), format!("`{file}` is outside {folder}"), hint));
            return None;
        }
        Some(file)
    }

    fn ratio(&mut self) -> Option<MetricCounts> {
        const EXAMPLE: &str = "{ namespace: Shop/Orders, metric: Placed }";
        let total = first_field(self.layers, |fields| fields.total.as_ref());
        let good = first_field(self.layers, |fields| fields.good.as_ref());
        let bad = first_field(self.layers, |fields| fields.bad.as_ref());
        if total.is_none() {
            self.wrong(
                "`ratio` requires `total`, the metrics that count all events",
                &format!("add `total: {EXAMPLE}`"),
            );
        }
        let judged = match (good, bad) {
            (Some((_, good)), None) => Judged::Good(metric_counts(good)),
            (None, Some((_, bad))) => Judged::Bad(metric_counts(bad)),
            (None, None) => {
                self.wrong(
                    "`ratio` requires `good` or `bad`, the metrics that count good or bad events",
                    &format!("add `bad: {EXAMPLE}`"),
                );
                return None;
            }
            (Some((layer, _)), Some(_)) => {
                let message = "`good` and `bad` are mutually exclusive";
                self.found.push(layer.key_problem("good", message, "remove `good` or `bad`"));
                return None;
            }
        };
        Some(MetricCounts { total: metric_counts(total?.1), judged })
    }
}

/// The metrics as they are asked for, sorted, each once: the same metric twice would count its events twice.
fn metric_counts(texts: &MetricsText) -> Vec<MetricCount> {
    let mut counts: Vec<MetricCount> = texts
        .0
        .iter()
        .map(|text| MetricCount {
            metric: Metric {
                namespace: text.namespace.0.0.clone(),
                name: text.metric.0.0.clone(),
                dimensions: text.dimensions.iter().map(|(name, value)| (name.clone(), value.0.0.clone())).collect(),
            },
            statistic: match &text.statistic {
                None | Some(Typed(StatisticText::Sum)) => Statistic::Sum,
                Some(Typed(StatisticText::SampleCount)) => Statistic::SampleCount,
                Some(Typed(StatisticText::Within(low, high))) => Statistic::Within(low.clone(), high.clone()),
            },
        })
        .collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// The values of one or many, sorted, each once.
fn sorted<T: FromText>(many: Option<&OneOrMany<Typed<T>>>, text: impl Fn(&T) -> String) -> Vec<String> {
    let mut texts: Vec<String> = many.iter().flat_map(|many| &many.0).map(|one| text(&one.0)).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

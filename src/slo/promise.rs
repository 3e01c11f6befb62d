//! One SLO from everything that is said about it.

use jiff::tz::TimeZone;

use super::alarms::TierBuilder;
use super::fleet::Fleet;
use super::layer::{Layer, find_setting, find_slo_setting};
use super::problem::Problem;
use super::source_spans::key_path;
use super::yaml::{BudgetingYaml, IdleTimeslicesYaml, IndicatorYaml, Scalar, SloFields, WindowYaml, YamlFile};
use super::{Indicator, Objective, Slo, SloId, Timeslices};
use crate::rational::Rational;
use crate::time::{MINUTES_PER_DAY, Window, format_duration};

/// What a service says for all of its SLOs.
pub(super) struct ServiceDefaults<'a> {
    pub(super) fleet: &'a Fleet<'a>,
    pub(super) source: Option<(&'a YamlFile<'a>, &'a str)>,
    pub(super) load_balancer: Option<&'a str>,
    pub(super) target_groups: Vec<String>,
}

/// One SLO in the making.
pub(super) struct SloBuilder<'l, 'a> {
    pub(super) defaults: &'l ServiceDefaults<'l>,
    /// Who says something, the most specific first.
    pub(super) layers: &'l [Layer<'a>],
    pub(super) service: &'l str,
    pub(super) slo: &'l str,
    /// What is wrong; the SLO is left out if anything is.
    pub(super) problems: &'l mut Vec<Problem>,
}

impl SloBuilder<'_, '_> {
    /// Makes the SLO; `None` when something necessary is missing.
    pub(super) fn build(mut self, indicator: Option<IndicatorYaml>) -> Option<Slo> {
        let Some(kind) = indicator else {
            let names: Vec<String> = IndicatorYaml::ALL.iter().map(|kind| format!("`{}`", kind.as_str())).collect();
            let hint = format!("add `indicator: ...`, one of {}", names.join(", "));
            self.add_problem("the SLO has no indicator", &hint);
            return None;
        };
        self.check_indicator_fields(kind);
        let objective = self.build_objective();
        let windows = self.build_windows();
        let timeslices = self.build_timeslices(kind);
        let source = self.find_source(kind);
        // What is asked every hour may be an hour older than what the source has.
        let delay_minutes = source
            .as_ref()
            .map_or(0, |(_, source)| source.delay_minutes + source.fetch_interval_minutes.saturating_sub(5));
        let indicator = source.and_then(|(name, source)| self.build_indicator(kind, name, &source.kind));
        let (objective, window) = (objective?, windows.first()?);
        let mut tier_builder = TierBuilder {
            layers: self.layers,
            objective: &objective,
            window,
            min_window_minutes: timeslices.as_ref().map_or(1, |slices| slices.minutes),
            delay_minutes,
            fleet: self.defaults.fleet,
            problems: self.problems,
        };
        let (tiers, significance, severe) =
            (tier_builder.build_tiers(), tier_builder.build_significance(), tier_builder.build_severe(kind));
        let max_unknown = find_setting(self.layers, |layer| layer.max_unknown);
        let indicator = indicator?;
        let id = SloId::new(self.service, self.slo);
        let query_file = match &indicator {
            Indicator::Query { .. } => find_setting(self.layers, |layer| layer.slo?.file.as_ref()),
            _ => None,
        };
        let subject = id.to_string();
        let missing_query_problem =
            query_file.map(|(layer, _)| Problem { subject, ..layer.value_problem(&key_path(&["file"]), "", "") });
        Some(Slo {
            id,
            indicator,
            missing_query_problem,
            timeslices,
            tiers: tiers?,
            significance,
            severe,
            max_unknown: max_unknown.map_or(Rational::new(1, 5), |(_, share)| share.0.share),
            objective,
            windows,
        })
    }

    /// Notes a problem of the SLO as a whole.
    pub(super) fn add_problem(&mut self, message: &str, hint: &str) {
        let layer = self.layers.iter().find(|layer| layer.slo.is_some());
        self.problems.extend(layer.map(|layer| layer.value_problem(&[], message, hint)));
    }

    /// Fields that another indicator has.
    fn check_indicator_fields(&mut self, kind: IndicatorYaml) {
        type IsSet = fn(&SloFields) -> bool;
        let latency: &[(&str, IsSet)] = &[
            ("under", |fields| fields.under.is_some()),
            ("measure", |fields| fields.measure.is_some()),
            ("errors", |fields| fields.errors.is_some()),
            ("timeouts", |fields| fields.timeouts.is_some()),
        ];
        let percentile: &[(&str, IsSet)] = &[("percentile", |fields| fields.percentile.is_some())];
        let requests: &[(&str, IsSet)] = &[
            ("where", |fields| fields.conditions.is_some()),
            ("include", |fields| fields.include.is_some()),
            ("elb_5xx", |fields| fields.elb_5xx.is_some()),
        ];
        let ratio: &[(&str, IsSet)] = &[
            ("total", |fields| fields.total.is_some()),
            ("good", |fields| fields.good.is_some()),
            ("bad", |fields| fields.bad.is_some()),
        ];
        let files: &[(&str, IsSet)] = &[("file", |fields| fields.file.is_some())];
        let budgeting: &[(&str, IsSet)] = &[
            ("budgeting", |fields| fields.budgeting.is_some()),
            ("slice_target", |fields| fields.slice_target.is_some()),
        ];
        let is_percentile = kind == IndicatorYaml::LatencyPercentile;
        let is_latency = kind == IndicatorYaml::Latency || is_percentile;
        let has_file = matches!(kind, IndicatorYaml::Counts | IndicatorYaml::Query);
        for (fields, is_invalid, owner) in [
            (latency, !is_latency, "`indicator: latency`"),
            (percentile, !is_percentile, "`indicator: latency_percentile`"),
            (requests, !kind.is_request_based(), "`availability`, `latency` and `latency_percentile`"),
            (ratio, kind != IndicatorYaml::Ratio, "`indicator: ratio`"),
            (files, !has_file, "`indicator: counts` and `indicator: query`"),
            (
                budgeting,
                is_percentile,
                "other indicators: `latency_percentile` always uses timeslices, with the percentile as their target",
            ),
        ] {
            for (key, is_set) in fields.iter().filter(|_| is_invalid) {
                for layer in self.layers.iter().filter(|layer| layer.slo.is_some_and(is_set)) {
                    let message = format!("`{key}` is only valid for {owner}");
                    let hint =
                        format!("remove the field, or change `indicator`: this SLO measures `{}`", kind.as_str());
                    self.problems.push(layer.key_problem(key, message, hint));
                }
            }
        }
    }

    /// Slices, where they are what spends the budget.
    fn build_timeslices(&mut self, kind: IndicatorYaml) -> Option<Timeslices> {
        let one = Rational::from_integer(1);
        let uses_timeslices = find_slo_setting(self.layers, |fields| fields.budgeting.as_ref())
            .is_some_and(|(_, budgeting)| *budgeting == BudgetingYaml::Timeslices);
        let target = match kind {
            IndicatorYaml::LatencyPercentile => {
                let percentile = find_slo_setting(self.layers, |fields| fields.percentile.as_ref());
                if percentile.is_none() {
                    self.add_problem("the SLO has no percentile", "add `percentile: p99`");
                }
                percentile.map(|(_, percentile)| percentile.0.0)
            }
            _ if uses_timeslices => {
                let target = find_slo_setting(self.layers, |fields| fields.slice_target.as_ref());
                if target.is_none() {
                    let hint = "add `slice_target: 99%`, the share of a timeslice's events that must be good";
                    self.add_problem("`budgeting: timeslices` requires `slice_target`", hint);
                }
                if let Some((layer, Scalar(percent))) =
                    target.filter(|(_, target)| target.0.share == Rational::from_integer(0))
                {
                    let message = format!("no timeslice can be bad with a target of `{}`", percent.text);
                    let hint = "set the share of a timeslice's events that must be good, such as `99%`";
                    self.problems.push(layer.value_problem(&key_path(&["slice_target"]), message, hint));
                    return None;
                }
                target.map(|(_, target)| target.0.share)
            }
            _ => {
                self.check_no_timeslice_fields();
                return None;
            }
        };
        let length = find_slo_setting(self.layers, |fields| fields.slice.as_ref());
        let minutes = length.map_or(1, |(_, length)| length.0.0);
        if let Some((layer, _)) =
            length.filter(|_| minutes == 0 || !MINUTES_PER_DAY.unsigned_abs().is_multiple_of(minutes))
        {
            let message = format!("invalid timeslice length `{}`: it must divide a day", format_duration(minutes));
            self.problems.push(layer.value_problem(&key_path(&["slice"]), message, "use `1m`, `5m`, `15m` or `1h`"));
            return None;
        }
        let idle = find_slo_setting(self.layers, |fields| fields.idle.as_ref()).map(|(_, idle)| *idle);
        Some(Timeslices { minutes, budget: one - target?, is_idle_good: idle == Some(IdleTimeslicesYaml::Good) })
    }

    /// Fields of slices on an SLO that is budgeted by occurrences.
    fn check_no_timeslice_fields(&mut self) {
        type IsSet = fn(&SloFields) -> bool;
        let fields: [(&str, IsSet); 3] = [
            ("slice", |fields| fields.slice.is_some()),
            ("slice_target", |fields| fields.slice_target.is_some()),
            ("idle", |fields| fields.idle.is_some()),
        ];
        for (key, is_set) in fields {
            for layer in self.layers.iter().filter(|layer| layer.slo.is_some_and(is_set)) {
                let hint = "add `budgeting: timeslices`, or remove the field";
                self.problems.push(layer.key_problem(key, format!("`{key}` is only valid for timeslices"), hint));
            }
        }
    }

    fn build_objective(&mut self) -> Option<Objective> {
        let Some((layer, Scalar(percent))) = find_slo_setting(self.layers, |fields| fields.objective.as_ref()) else {
            self.add_problem("the SLO has no objective", "add `objective: 99.9%`");
            return None;
        };
        let steps = key_path(&["objective"]);
        if percent.share == Rational::from_integer(0) {
            let hint = "set the share of events that must be good, such as `99%`";
            self.problems.push(layer.value_problem(
                &steps,
                format!("an objective of `{}` can never be missed", percent.text),
                hint,
            ));
            return None;
        }
        Some(Objective { share: percent.share, text: percent.text.clone() })
    }

    fn build_windows(&self) -> Vec<Window> {
        let zone =
            find_setting(self.layers, |layer| layer.time_zone).map_or(TimeZone::UTC, |(_, zone)| zone.0.0.clone());
        let Some((_, texts)) = find_setting(self.layers, |layer| layer.windows) else {
            return vec![Window::Rolling { minutes: 30 * 1_440 }];
        };
        let mut windows: Vec<Window> = Vec::new();
        for Scalar(text) in &texts.0 {
            let window = match *text {
                WindowYaml::Rolling(minutes) => Window::Rolling { minutes },
                WindowYaml::Calendar(period) => Window::Calendar { period, zone: zone.clone() },
            };
            if !windows.contains(&window) {
                windows.push(window);
            }
        }
        windows
    }
}

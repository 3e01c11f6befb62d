//! One SLO from its layers of settings.

use jiff::tz::TimeZone;

use super::layers::{Layers, ServiceDefinition};
use super::tiers::TierBuilder;
use crate::rational::Rational;
use crate::slo::indicator::{Indicator, Timeslices};
use crate::slo::problem::Problem;
use crate::slo::service::{Objective, Slo, SloId};
use crate::slo::yaml::{BudgetingYaml, IdleTimeslicesYaml, IndicatorYaml, Scalar, WindowYaml};
use crate::time::{MINUTES_PER_DAY, Window, format_duration};

pub(super) struct SloBuilder<'l, 'a> {
    pub(super) service: &'l ServiceDefinition<'a>,
    pub(super) layers: &'l Layers<'a>,
    pub(super) name: &'l str,
    /// The SLO is left out if there is any.
    pub(super) problems: &'l mut Vec<Problem>,
}

impl SloBuilder<'_, '_> {
    /// Builds the SLO; `None` when something necessary is missing.
    pub(super) fn build(mut self, indicator: Option<IndicatorYaml>) -> Option<Slo> {
        let Some(kind) = indicator else {
            let names = IndicatorYaml::ALL.map(|kind| format!("`{kind}`")).join(", ");
            self.add_problem("the SLO has no indicator", format!("add `indicator: ...`, one of {names}"));
            return None;
        };
        self.check_indicator_fields(kind);
        let objective = self.build_objective();
        let windows = self.build_windows();
        let timeslices = self.build_timeslices(kind);
        let source = self.find_source(kind);
        // Counts that are fetched every hour may be an hour older than what the source has.
        let delay_minutes = source
            .as_ref()
            .map_or(0, |(_, source)| source.delay_minutes + source.fetch_interval_minutes.saturating_sub(5));
        let indicator = source.and_then(|(name, source)| self.build_indicator(kind, name, &source.kind));
        let objective = objective?;
        let mut tier_builder = TierBuilder {
            layers: self.layers,
            objective: &objective,
            window: windows.first()?,
            min_window_minutes: timeslices.as_ref().map_or(1, |slices| slices.minutes),
            delay_minutes,
            fleet: self.service.fleet,
            problems: self.problems,
        };
        let (tiers, significance, severe) =
            (tier_builder.build_tiers(), tier_builder.build_significance(), tier_builder.build_severe(kind));
        let max_unknown = self.layers.find(|overrides| overrides.max_unknown);
        let working_hours = self.layers.find(|overrides| overrides.working_hours);
        let time_zone = working_hours.map_or_else(|| self.time_zone(), |(_, hours)| hours.0.time_zone.clone());
        let indicator = indicator?;
        let id = SloId::new(self.service.name, self.name);
        let query_file = match &indicator {
            Indicator::Query { .. } => self.layers.find_slo(|fields| &fields.file),
            _ => None,
        };
        let missing_query_problem =
            query_file.map(|(layer, _)| Problem { subject: id.to_string(), ..layer.value_problem(&["file"], "", "") });
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
            time_zone,
        })
    }

    fn time_zone(&self) -> TimeZone {
        self.layers.find(|overrides| overrides.time_zone).map_or(TimeZone::UTC, |(_, zone)| zone.0.clone())
    }

    pub(super) fn add_problem(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.extend(self.layers.slo_layer().map(|layer| layer.value_problem(&[], message, hint)));
    }

    fn refuse_fields(&mut self, keys: &[&str], owner: &str, hint: &str) {
        for key in keys {
            let message = format!("`{key}` is only valid for {owner}");
            let layers = self.layers.slo_layers_with(key);
            self.problems.extend(layers.map(|layer| layer.key_problem(key, message.as_str(), hint)));
        }
    }

    fn check_indicator_fields(&mut self, kind: IndicatorYaml) {
        let is_percentile = kind == IndicatorYaml::LatencyPercentile;
        let is_latency = kind == IndicatorYaml::Latency || is_percentile;
        let has_file = matches!(kind, IndicatorYaml::Counts | IndicatorYaml::Query);
        let hint = format!("remove the field, or change `indicator`: this SLO measures `{kind}`");
        let rules: [(&[&str], bool, &str); 7] = [
            (&["under", "measure", "errors", "timeouts"], is_latency, "`indicator: latency`"),
            (&["percentile"], is_percentile, "`indicator: latency_percentile`"),
            (
                &["where", "include", "elb_5xx", "gave_up_after"],
                kind.is_request_based(),
                "`availability`, `latency` and `latency_percentile`",
            ),
            (&["total", "good"], kind == IndicatorYaml::Ratio, "`indicator: ratio`"),
            (
                &["bad"],
                matches!(kind, IndicatorYaml::Ratio | IndicatorYaml::Availability),
                "`indicator: availability` and `indicator: ratio`",
            ),
            (&["file"], has_file, "`indicator: counts` and `indicator: query`"),
            (
                &["budgeting", "slice_target"],
                !is_percentile,
                "other indicators: `latency_percentile` always uses timeslices, with the percentile as their target",
            ),
        ];
        for (keys, _, owner) in rules.into_iter().filter(|(_, is_valid, _)| !is_valid) {
            self.refuse_fields(keys, owner, &hint);
        }
    }

    /// The timeslices, if they are what spends the budget.
    fn build_timeslices(&mut self, kind: IndicatorYaml) -> Option<Timeslices> {
        let target = if kind == IndicatorYaml::LatencyPercentile {
            let percentile = self.layers.slo_value(|fields| &fields.percentile);
            if percentile.is_none() {
                self.add_problem("the SLO has no percentile", "add `percentile: p99`");
            }
            percentile.map(|percentile| percentile.0.0)
        } else if self.layers.slo_value(|fields| &fields.budgeting) == Some(&BudgetingYaml::Timeslices) {
            let target = self.layers.find_slo(|fields| &fields.slice_target);
            if target.is_none() {
                let hint = "add `slice_target: 99%`, the share of a timeslice's events that must be good";
                self.add_problem("`budgeting: timeslices` requires `slice_target`", hint);
            }
            if let Some((layer, Scalar(percent))) =
                target.filter(|(_, target)| target.0.share == Rational::from_integer(0))
            {
                let message = format!("no timeslice can be bad with a target of `{}`", percent.text);
                let hint = "set the share of a timeslice's events that must be good, such as `99%`";
                self.problems.push(layer.value_problem(&["slice_target"], message, hint));
                return None;
            }
            target.map(|(_, target)| target.0.share)
        } else {
            let hint = "add `budgeting: timeslices`, or remove the field";
            self.refuse_fields(&["slice", "slice_target", "idle"], "timeslices", hint);
            return None;
        };
        let length = self.layers.find_slo(|fields| &fields.slice);
        let minutes = length.map_or(1, |(_, length)| length.0.0);
        if let Some((layer, _)) =
            length.filter(|_| minutes == 0 || !MINUTES_PER_DAY.unsigned_abs().is_multiple_of(minutes))
        {
            let message = format!("invalid timeslice length `{}`: it must divide a day", format_duration(minutes));
            self.problems.push(layer.value_problem(&["slice"], message, "use `1m`, `5m`, `15m` or `1h`"));
            return None;
        }
        let idle = self.layers.slo_value(|fields| &fields.idle);
        Some(Timeslices {
            minutes,
            budget: Rational::from_integer(1) - target?,
            is_idle_good: idle == Some(&IdleTimeslicesYaml::Good),
        })
    }

    fn build_objective(&mut self) -> Option<Objective> {
        let Some((layer, Scalar(percent))) = self.layers.find_slo(|fields| &fields.objective) else {
            self.add_problem("the SLO has no objective", "add `objective: 99.9%`");
            return None;
        };
        if percent.share == Rational::from_integer(0) {
            let message = format!("an objective of `{}` can never be missed", percent.text);
            let hint = "set the share of events that must be good, such as `99%`";
            self.problems.push(layer.value_problem(&["objective"], message, hint));
            return None;
        }
        Some(Objective { share: percent.share, text: percent.text.clone() })
    }

    fn build_windows(&self) -> Vec<Window> {
        let zone = self.time_zone();
        let Some((_, texts)) = self.layers.find(|overrides| overrides.windows) else {
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

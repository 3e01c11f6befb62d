//! One SLO from everything that is said about it.

use jiff::tz::TimeZone;

use super::alarms::Alarms;
use super::file::{BudgetingText, IdleText, IndicatorText, Page, SloFields, Typed, WindowText};
use super::fleet::Fleet;
use super::layer::{Layer, first, first_field};
use super::positions::keys;
use super::problem::Problem;
use super::{Indicator, Objective, Slices, Slo, SloId};
use crate::exact::Exact;
use crate::minute::{MINUTES_PER_DAY, Window, length_text};

/// What a service says for all of its SLOs.
pub(super) struct Asked<'a> {
    pub(super) fleet: &'a Fleet<'a>,
    pub(super) source: Option<(&'a Page<'a>, &'a str)>,
    pub(super) load_balancer: Option<&'a str>,
    pub(super) target_groups: Vec<String>,
}

/// One SLO in the making.
pub(super) struct Promise<'l, 'a> {
    pub(super) asked: &'l Asked<'l>,
    /// Who says something, the most specific first.
    pub(super) layers: &'l [Layer<'a>],
    pub(super) service: &'l str,
    pub(super) slo: &'l str,
    /// What is wrong; the SLO is left out if anything is.
    pub(super) found: &'l mut Vec<Problem>,
}

impl Promise<'_, '_> {
    /// Makes the SLO; `None` when something necessary is missing.
    pub(super) fn build(mut self, indicator: Option<IndicatorText>) -> Option<Slo> {
        let Some(kind) = indicator else {
            let words: Vec<String> = IndicatorText::ALL.iter().map(|kind| format!("`{}`", kind.word())).collect();
            let hint = format!("add `indicator: ...`, one of {}", words.join(", "));
            self.wrong("the SLO has no indicator", &hint);
            return None;
        };
        self.check_fields(kind);
        let objective = self.objective();
        let windows = self.windows();
        let slices = self.slices(kind);
        let source = self.source(kind);
        // What is asked every hour may be an hour older than what the source has.
        let delay =
            source.as_ref().map_or(0, |(_, source)| source.delay_minutes + source.every_minutes.saturating_sub(5));
        let indicator = source.and_then(|(name, source)| self.indicator(kind, name, &source.kind));
        let (objective, window) = (objective?, windows.first()?);
        let mut alarms = Alarms {
            layers: self.layers,
            objective: &objective,
            window,
            least_minutes: slices.as_ref().map_or(1, |slices| slices.minutes),
            delay_minutes: delay,
            fleet: self.asked.fleet,
            found: self.found,
        };
        let (tiers, significance, severe) = (alarms.tiers(), alarms.significance(), alarms.severe(kind));
        let blind = first(self.layers, |layer| layer.max_unknown);
        let indicator = indicator?;
        let id = SloId::new(self.service, self.slo);
        let query_at = match &indicator {
            Indicator::Query { .. } => first(self.layers, |layer| layer.slo?.file.as_ref()),
            _ => None,
        };
        let subject = id.to_string();
        let query_at = query_at.map(|(layer, _)| Problem { subject, ..layer.problem(&keys(&["file"]), "", "") });
        Some(Slo {
            id,
            indicator,
            query_at,
            slices,
            tiers: tiers?,
            significance,
            severe,
            max_unknown: blind.map_or(Exact::new(1, 5), |(_, share)| share.0.share),
            objective,
            windows,
        })
    }

    /// Notes a problem of the SLO as a whole.
    pub(super) fn wrong(&mut self, message: &str, hint: &str) {
        let layer = self.layers.iter().find(|layer| layer.slo.is_some());
        self.found.extend(layer.map(|layer| layer.problem(&[], message, hint)));
    }

    /// Fields that another indicator has.
    fn check_fields(&mut self, kind: IndicatorText) {
        type Said = fn(&SloFields) -> bool;
        let latency: &[(&str, Said)] = &[
            ("under", |fields| fields.under.is_some()),
            ("measure", |fields| fields.measure.is_some()),
            ("errors", |fields| fields.errors.is_some()),
            ("timeouts", |fields| fields.timeouts.is_some()),
        ];
        let percentile: &[(&str, Said)] = &[("percentile", |fields| fields.percentile.is_some())];
        let requests: &[(&str, Said)] = &[
            ("where", |fields| fields.conditions.is_some()),
            ("include", |fields| fields.include.is_some()),
            ("elb_5xx", |fields| fields.elb_5xx.is_some()),
        ];
        let ratio: &[(&str, Said)] = &[
            ("total", |fields| fields.total.is_some()),
            ("good", |fields| fields.good.is_some()),
            ("bad", |fields| fields.bad.is_some()),
        ];
        let files: &[(&str, Said)] = &[("file", |fields| fields.file.is_some())];
        let own: &[(&str, Said)] = &[
            ("budgeting", |fields| fields.budgeting.is_some()),
            ("slice_target", |fields| fields.slice_target.is_some()),
        ];
        let is_percentile = kind == IndicatorText::LatencyPercentile;
        let is_latency = kind == IndicatorText::Latency || is_percentile;
        let has_file = matches!(kind, IndicatorText::Counts | IndicatorText::Query);
        for (fields, wrong, owner) in [
            (latency, !is_latency, "`indicator: latency`"),
            (percentile, !is_percentile, "`indicator: latency_percentile`"),
            (requests, !kind.is_of_requests(), "`availability`, `latency` and `latency_percentile`"),
            (ratio, kind != IndicatorText::Ratio, "`indicator: ratio`"),
            (files, !has_file, "`indicator: counts` and `indicator: query`"),
            (
                own,
                is_percentile,
                "other indicators: `latency_percentile` always uses timeslices, with the percentile as their target",
            ),
        ] {
            for (key, said) in fields.iter().filter(|_| wrong) {
                for layer in self.layers.iter().filter(|layer| layer.slo.is_some_and(said)) {
                    let message = format!("`{key}` is only valid for {owner}");
                    let hint = format!("remove the field, or change `indicator`: this SLO measures `{}`", kind.word());
                    self.found.push(layer.key_problem(key, message, hint));
                }
            }
        }
    }

    /// Slices, where they are what spends the budget.
    fn slices(&mut self, kind: IndicatorText) -> Option<Slices> {
        let one = Exact::from_integer(1);
        let by_slices = first_field(self.layers, |fields| fields.budgeting.as_ref())
            .is_some_and(|(_, budgeting)| *budgeting == BudgetingText::Timeslices);
        let target = match kind {
            IndicatorText::LatencyPercentile => {
                let percentile = first_field(self.layers, |fields| fields.percentile.as_ref());
                if percentile.is_none() {
                    self.wrong("the SLO has no percentile", "add `percentile: p99`");
                }
                percentile.map(|(_, percentile)| percentile.0.0)
            }
            _ if by_slices => {
                let target = first_field(self.layers, |fields| fields.slice_target.as_ref());
                if target.is_none() {
                    let hint = "add `slice_target: 99%`, the share of a timeslice's events that must be good";
                    self.wrong("`budgeting: timeslices` requires `slice_target`", hint);
                }
                if let Some((layer, Typed(percent))) =
                    target.filter(|(_, share)| share.0.share == Exact::from_integer(0))
                {
                    let message = format!("no timeslice can be bad with a target of `{}`", percent.text);
                    let hint = "set the share of a timeslice's events that must be good, such as `99%`";
                    self.found.push(layer.problem(&keys(&["slice_target"]), message, hint));
                    return None;
                }
                target.map(|(_, share)| share.0.share)
            }
            _ => {
                self.check_no_slices();
                return None;
            }
        };
        let length = first_field(self.layers, |fields| fields.slice.as_ref());
        let minutes = length.map_or(1, |(_, length)| length.0.0);
        if let Some((layer, _)) =
            length.filter(|_| minutes == 0 || !MINUTES_PER_DAY.unsigned_abs().is_multiple_of(minutes))
        {
            let message = format!("invalid timeslice length `{}`: it must divide a day", length_text(minutes));
            self.found.push(layer.problem(&keys(&["slice"]), message, "use `1m`, `5m`, `15m` or `1h`"));
            return None;
        }
        let idle = first_field(self.layers, |fields| fields.idle.as_ref()).map(|(_, idle)| *idle);
        Some(Slices { minutes, budget: one - target?, idle_good: idle == Some(IdleText::Good) })
    }

    /// Fields of slices on an SLO that is budgeted by occurrences.
    fn check_no_slices(&mut self) {
        type Said = fn(&SloFields) -> bool;
        let fields: [(&str, Said); 3] = [
            ("slice", |fields| fields.slice.is_some()),
            ("slice_target", |fields| fields.slice_target.is_some()),
            ("idle", |fields| fields.idle.is_some()),
        ];
        for (key, said) in fields {
            for layer in self.layers.iter().filter(|layer| layer.slo.is_some_and(said)) {
                let hint = "add `budgeting: timeslices`, or remove the field";
                self.found.push(layer.key_problem(key, format!("`{key}` is only valid for timeslices"), hint));
            }
        }
    }

    fn objective(&mut self) -> Option<Objective> {
        let Some((layer, Typed(percent))) = first_field(self.layers, |fields| fields.objective.as_ref()) else {
            self.wrong("the SLO has no objective", "add `objective: 99.9%`");
            return None;
        };
        let steps = keys(&["objective"]);
        if percent.share == Exact::from_integer(0) {
            let hint = "set the share of events that must be good, such as `99%`";
            self.found.push(layer.problem(
                &steps,
                format!("an objective of `{}` can never be missed", percent.text),
                hint,
            ));
            return None;
        }
        Some(Objective { share: percent.share, text: percent.text.clone() })
    }

    fn windows(&self) -> Vec<Window> {
        let zone = first(self.layers, |layer| layer.time_zone).map_or(TimeZone::UTC, |(_, zone)| zone.0.0.clone());
        let Some((_, texts)) = first(self.layers, |layer| layer.windows) else {
            return vec![Window::Rolling { minutes: 30 * 1_440 }];
        };
        let mut windows: Vec<Window> = Vec::new();
        for Typed(text) in &texts.0 {
            let window = match *text {
                WindowText::Rolling(minutes) => Window::Rolling { minutes },
                WindowText::Calendar(period) => Window::Calendar { period, zone: zone.clone() },
            };
            if !windows.contains(&window) {
                windows.push(window);
            }
        }
        windows
    }
}

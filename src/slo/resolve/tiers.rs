//! The alert tiers of one SLO from its layers of settings, with significance, severe conditions and working hours.

use std::collections::BTreeSet;

use super::default_tiers::{burn_rate_factor, default_tier_names, default_tiers, period_minutes};
use super::fleet::Fleet;
use super::layers::{Layer, Layers};
use crate::hinted_error::HintedError;
use crate::rational::Rational;
use crate::slo::problem::{Problem, Severity};
use crate::slo::service::Objective;
use crate::slo::suggest::suggestion;
use crate::slo::tier::{Severe, Significance, Tier, Urgency, WorkingHours};
use crate::slo::yaml::{IndicatorYaml, OrNone, TierHoursYaml, TierYaml, UrgencyYaml, decimal_text};
use crate::time::{Window, format_duration};

/// Unless set otherwise, an outage shows in five minutes, a traffic drop in fifteen.
const DEFAULT_SEVERE: Severe = Severe { outage_minutes: Some(5), traffic_drop_minutes: Some(15) };

/// A tier whose factor is below this share of an even burn fires although the budget will last. Nine tenths admit
/// the factors of 28 days and of a week, which are a little below 1.
const FACTOR_MIN: (i128, i128) = (9, 10);

pub(super) struct TierBuilder<'p, 'l, 'a> {
    pub(super) layers: &'l Layers<'a>,
    pub(super) objective: &'p Objective,
    /// The window that factors are derived from.
    pub(super) window: &'p Window,
    /// The shortest stretch that holds an event: a timeslice, or a minute.
    pub(super) min_window_minutes: u32,
    pub(super) delay_minutes: u32,
    pub(super) fleet: &'p Fleet<'p>,
    pub(super) problems: &'p mut Vec<Problem>,
}

/// The settings of one tier. Each field is taken from the first definition that sets it, else from the default.
struct TierFields<'n, 'l, 'a> {
    name: &'n str,
    /// Most specific first.
    definitions: Vec<(&'l Layer<'a>, &'a TierYaml)>,
    default: Option<&'n Tier>,
}

impl<'l, 'a> TierFields<'_, 'l, 'a> {
    fn value<T>(&self, pick: impl Fn(&'a TierYaml) -> Option<T>, default: impl Fn(&Tier) -> T) -> Option<T> {
        self.definitions.iter().find_map(|(_, fields)| pick(fields)).or_else(|| self.default.map(default))
    }

    /// Whether no layer sets what the factor depends on.
    fn has_default_factor(&self) -> bool {
        self.layer_with(|fields| fields.budget.is_some() || fields.long.is_some()).is_none()
    }

    fn layer_with(&self, is_set: impl Fn(&TierYaml) -> bool) -> Option<&'l Layer<'a>> {
        self.definitions.iter().find(|(_, fields)| is_set(fields)).map(|(layer, _)| *layer)
    }

    /// A problem of a field in a layer, or in the most specific one if no layer sets it.
    fn problem(
        &self,
        layer: Option<&'l Layer<'a>>,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<Problem> {
        let layer = layer.or_else(|| self.layer_with(|_| true))?;
        Some(layer.value_problem(&["tiers", self.name, key], message, hint))
    }
}

impl<'l, 'a> TierBuilder<'_, 'l, 'a> {
    /// The tiers, most urgent first. `None` when there are no defaults for the window and no layer defines any.
    pub(super) fn build_tiers(&mut self) -> Option<Vec<Tier>> {
        let is_disabled = |layer: &Layer<'_>| matches!(layer.overrides.tiers, Some(OrNone::Disabled));
        let inherits_defaults = !self.layers.0.iter().any(is_disabled);
        let layers = self.layers.0.iter().take_while(|layer| !is_disabled(layer));
        let tier_maps: Vec<_> = layers
            .filter_map(|layer| match layer.overrides.tiers {
                Some(OrNone::Set(map)) => Some((layer, map)),
                _ => None,
            })
            .collect();
        let defaults = if inherits_defaults { default_tiers(self.window) } else { Some(Vec::new()) };
        if defaults.is_none() && tier_maps.is_empty() {
            let message = format!("no default tiers for a window of {}", self.window);
            let hint = "put a window of at least `7d` first, or set `tiers` (`tiers: none` for no alerts)";
            let windows = self.layers.find(|overrides| overrides.windows);
            self.problems.extend(windows.map(|(layer, _)| layer.value_problem(&["windows"], message, hint)));
            return None;
        }
        let defaults = defaults.unwrap_or_default();
        let mut names: BTreeSet<&str> = defaults.iter().map(|tier| tier.name.as_str()).collect();
        names.extend(tier_maps.iter().flat_map(|(_, map)| map.keys().map(String::as_str)));
        let (mut tiers, mut unreachable_names) = (Vec::new(), Vec::new());
        for name in names {
            let entries = tier_maps.iter().filter_map(|(layer, map)| Some((*layer, map.get(name)?)));
            let is_disabled = entries.clone().any(|(_, entry)| matches!(entry, OrNone::Disabled));
            let definitions = entries.map_while(|(layer, entry)| match entry {
                OrNone::Set(fields) => Some((layer, fields)),
                OrNone::Disabled => None,
            });
            let default = defaults.iter().find(|tier| tier.name == name && !is_disabled);
            let fields = TierFields { name, definitions: definitions.collect(), default };
            if fields.definitions.is_empty() && default.is_none() {
                continue;
            }
            match self.build_tier(&fields) {
                Some(tier) if fields.has_default_factor() && !self.is_reachable(&tier) => {
                    unreachable_names.push(tier.name);
                }
                None if self.fleet.is_invalid(&["tiers", name]) => return None,
                tier => tiers.extend(tier),
            }
        }
        self.note_unreachable(&unreachable_names);
        tiers.sort_by(|one, other| {
            (other.urgency, other.factor, &one.name).cmp(&(one.urgency, one.factor, &other.name))
        });
        self.check_redundant(&tiers);
        Some(tiers)
    }

    /// One tier, with everything that is wrong with its settings.
    fn build_tier(&mut self, fields: &TierFields<'_, 'l, 'a>) -> Option<Tier> {
        let to_urgency = |urgency| if urgency == UrgencyYaml::Page { Urgency::Page } else { Urgency::Ticket };
        let urgency = fields.value(|fields| fields.urgency.map(to_urgency), |default| default.urgency);
        let budget = fields.value(|fields| Some(fields.budget.as_ref()?.0.share), |default| default.budget_share);
        let long = fields.value(|fields| Some(fields.long?.0.0), |default| default.long_minutes);
        let short = fields.value(|fields| Some(fields.short?.0.0), |default| default.short_minutes);
        let (Some(urgency), Some(budget_share), Some(long_minutes), Some(short_minutes)) =
            (urgency, budget, long, short)
        else {
            let is_missing = [urgency.is_none(), budget.is_none(), long.is_none(), short.is_none()];
            let missing = ["urgency", "budget", "long", "short"].into_iter().zip(is_missing);
            self.report_missing_fields(fields, missing.filter(|(_, is_missing)| *is_missing).map(|(key, _)| key));
            return None;
        };
        let factor = burn_rate_factor(budget_share, long_minutes, self.window);
        let name = fields.name.to_owned();
        let mut tier = Tier { name, urgency, budget_share, long_minutes, short_minutes, factor, working_hours: None };
        tier.working_hours = self.working_hours(fields, &tier);
        if !fields.definitions.is_empty() {
            self.check_windows(fields, &tier)?;
            if !fields.has_default_factor() {
                self.check_budget(fields, &tier);
            }
        }
        Some(tier)
    }

    fn report_missing_fields<'k>(&mut self, fields: &TierFields<'_, 'l, 'a>, missing: impl Iterator<Item = &'k str>) {
        // A field that is invalid in `fleet.yaml` is not missing.
        if self.fleet.is_invalid(&["tiers", fields.name]) {
            return;
        }
        let all_fields = "set all of `{ urgency: page, budget: 2%, long: 1h, short: 5m }` for a new tier";
        let hint = match suggestion(fields.name, "default tiers", default_tier_names()) {
            Some(suggestion) => format!("{all_fields}; {suggestion}"),
            None => all_fields.to_owned(),
        };
        let missing: Vec<&str> = missing.collect();
        let message = format!("tier `{}` is missing `{}`", fields.name, missing.join("`, `"));
        let layer = fields.layer_with(|_| true);
        self.problems.extend(layer.map(|layer| layer.value_problem(&["tiers", fields.name], message, hint)));
    }

    fn working_hours(&mut self, fields: &TierFields<'_, 'l, 'a>, tier: &Tier) -> Option<WorkingHours> {
        let (layer, only) = fields.definitions.iter().find_map(|(layer, fields)| Some((*layer, fields.only?)))?;
        if only == TierHoursYaml::Always {
            return None;
        }
        if tier.urgency == Urgency::Ticket {
            let hint = "remove `only`: a ticket waits for the next business day anyway";
            self.problems.extend(fields.problem(Some(layer), "only", "`only` does not apply to tickets", hint));
        }
        let working_hours = self.layers.find(|overrides| overrides.working_hours);
        if working_hours.is_none() {
            let hint =
                "add `working_hours: Mon-Fri 09:00-18:00 Europe/Berlin` to the service, its class or `fleet.yaml`";
            self.problems.extend(fields.problem(Some(layer), "only", "`working_hours` is not set", hint));
        }
        working_hours.map(|(_, hours)| hours.0.clone())
    }

    /// Reports windows that cannot work together; `None` leaves the tier out.
    fn check_windows(&mut self, fields: &TierFields<'_, 'l, 'a>, tier: &Tier) -> Option<()> {
        let (long, short) = (format_duration(tier.long_minutes), format_duration(tier.short_minutes));
        let short_layer = fields.layer_with(|fields| fields.short.is_some());
        if tier.short_minutes == 0 || tier.short_minutes >= tier.long_minutes {
            let message =
                format!("short window {short} must be longer than 0m and shorter than the long window {long}");
            let hint = "use about a twelfth of the long window, so that the alert ends soon after the problem";
            self.problems.extend(fields.problem(short_layer, "short", message, hint));
            return None;
        }
        if tier.long_minutes > period_minutes(self.window) {
            let message = format!("long window {long} is longer than the SLO's window of {}", self.window);
            let long_layer = fields.layer_with(|fields| fields.long.is_some());
            self.problems.extend(fields.problem(long_layer, "long", message, format!("use at most `{}`", self.window)));
            return None;
        }
        if short_layer.is_some() && tier.short_minutes < self.delay_minutes {
            let delay = format_duration(self.delay_minutes);
            let message = format!("short window {short} is shorter than the source's delay of {delay}");
            let hint =
                format!("use at least `{delay}`: with a shorter window, the alert may end before its data arrives");
            self.problems.extend(fields.problem(short_layer, "short", message, hint));
        }
        if tier.short_minutes < self.min_window_minutes {
            let timeslice = format_duration(self.min_window_minutes);
            let message = format!("short window {short} is shorter than a timeslice of {timeslice}");
            let hint = format!("use at least `{timeslice}`: a shorter window rarely contains a complete timeslice");
            self.problems.extend(fields.problem(short_layer, "short", message, hint));
        }
        Some(())
    }

    /// Reports a share of the budget that is never, or always, exceeded.
    fn check_budget(&mut self, fields: &TierFields<'_, 'l, 'a>, tier: &Tier) {
        let explained = if tier.budget_share == Rational::from_integer(0) {
            let message = "a tier at 0% of the error budget always fires";
            Some(HintedError::new(message, "set a share above zero, such as `2%`"))
        } else if let Some(explained) = explain_unreachable(tier, self.objective, self.window) {
            Some(explained)
        } else if tier.factor < Rational::new(FACTOR_MIN.0, FACTOR_MIN.1) {
            let factor = decimal_text(tier.factor);
            let message =
                format!("tier `{}` fires even though the error budget will last: its factor is {factor}", tier.name);
            let hint = format!(
                "set `budget` to at least `{}%`: {}% x {} / {} = {factor}, and a burn rate of 1 consumes the \
                 budget in exactly one window",
                percent_text(tier.budget_share / tier.factor),
                percent_text(tier.budget_share),
                self.window,
                format_duration(tier.long_minutes),
            );
            Some(HintedError::new(message, hint))
        } else {
            None
        };
        if let Some(HintedError { message, hint }) = explained {
            let layer = fields.layer_with(|fields| fields.budget.is_some());
            self.problems.extend(fields.problem(layer, "budget", message, hint));
        }
    }

    fn is_reachable(&self, tier: &Tier) -> bool {
        explain_unreachable(tier, self.objective, self.window).is_none()
    }

    /// Notes at the objective which default tiers are left out because they can never fire.
    fn note_unreachable(&mut self, names: &[String]) {
        if names.is_empty() {
            return;
        }
        let (noun, verb, pronoun) = if names.len() == 1 { ("tier", "is", "it") } else { ("tiers", "are", "they") };
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let (last, others) = names.split_last().map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
        let tiers = if others.is_empty() { last.to_owned() } else { format!("{} and {last}", others.join(", ")) };
        let message = format!("the default {noun} {tiers} {verb} left out: {pronoun} could never fire");
        let hint = format!(
            "to alert earlier, raise the objective or set a smaller `budget` in `tiers`: if every event is bad, the burn rate is \
             1 / (1 - {}) = {}",
            self.objective.text,
            decimal_text(self.objective.budget().recip())
        );
        let objective = self.layers.find_slo(|fields| &fields.objective);
        let problem = objective.map(|(layer, _)| layer.value_problem(&["objective"], message, hint));
        self.problems.extend(problem.map(|problem| Problem { severity: Severity::Note, ..problem }));
    }

    /// Reports a tier that only fires when another one does that is at least as urgent.
    fn check_redundant(&mut self, tiers: &[Tier]) {
        for (index, tier) in tiers.iter().enumerate() {
            let covers = |(other_index, other): &(usize, &Tier)| {
                // Of two equal tiers the second is redundant.
                let comes_first = (other.urgency, other.factor) != (tier.urgency, tier.factor) || *other_index < index;
                *other_index != index
                    && (other.long_minutes, other.short_minutes) == (tier.long_minutes, tier.short_minutes)
                    && other.urgency >= tier.urgency
                    && other.factor <= tier.factor
                    && comes_first
            };
            let Some((_, covering)) = tiers.iter().enumerate().find(covers) else { continue };
            let configured = self.layers.0.iter().find(|layer| match layer.overrides.tiers {
                Some(OrNone::Set(map)) => map.contains_key(&tier.name) || map.contains_key(&covering.name),
                _ => false,
            });
            let message =
                format!("tier `{}` is redundant: whenever it fires, `{}` fires too", tier.name, covering.name);
            let hint = format!(
                "change its windows, or write `{}: none`: both use {} and {}, and `{}` fires above {}x as a {}, `{}` above {}x",
                tier.name,
                format_duration(tier.long_minutes),
                format_duration(tier.short_minutes),
                covering.name,
                decimal_text(covering.factor),
                covering.urgency,
                tier.name,
                decimal_text(tier.factor),
            );
            self.problems.extend(configured.map(|layer| layer.value_problem(&["tiers", &tier.name], message, hint)));
        }
    }

    pub(super) fn build_significance(&mut self) -> Option<Significance> {
        let default = Significance::default();
        let Some((layer, setting)) = self.layers.find(|overrides| overrides.significance) else {
            return Some(default);
        };
        let OrNone::Set(fields) = setting else { return None };
        let confidence = fields.confidence.as_ref().map(|share| share.0.share);
        if confidence.is_some_and(|share| share >= Rational::from_integer(1)) {
            let message = "a confidence of 100% can never be reached";
            let hint = "set a confidence below 100%, such as `99%`";
            self.problems.push(layer.value_problem(&["significance", "confidence"], message, hint));
        }
        Some(Significance {
            min_bad_events: fields.min_bad_events.map_or(default.min_bad_events, |number| number.0.0),
            p_value_max: confidence.map_or(default.p_value_max, |share| Rational::from_integer(1) - share),
        })
    }

    /// The severe conditions. Only availability has them by default.
    pub(super) fn build_severe(&mut self, kind: IndicatorYaml) -> Severe {
        match self.layers.find(|overrides| overrides.severe) {
            None if kind.supports_severe() => DEFAULT_SEVERE,
            None | Some((_, OrNone::Disabled)) => Severe::default(),
            // A setting for all SLOs of a service applies to those that can have an outage.
            Some((layer, OrNone::Set(_))) if layer.slo.is_none() && !kind.supports_severe() => Severe::default(),
            Some((_, OrNone::Set(fields))) => Severe {
                outage_minutes: fields.outage.map_or(DEFAULT_SEVERE.outage_minutes, |duration| duration.0.0),
                traffic_drop_minutes: fields
                    .traffic_drop
                    .map_or(DEFAULT_SEVERE.traffic_drop_minutes, |duration| duration.0.0),
            },
        }
    }
}

fn percent_text(share: Rational) -> String {
    decimal_text(share * Rational::from_integer(100))
}

/// Why a tier can never fire, if so: no burn rate is above 1 / (1 - objective), and the factor must be exceeded.
fn explain_unreachable(tier: &Tier, objective: &Objective, window: &Window) -> Option<HintedError> {
    let budget = objective.budget();
    // An objective of 100% has no highest burn rate: every bad event exceeds any factor.
    if budget == Rational::from_integer(0) || tier.factor < budget.recip() {
        return None;
    }
    let max_burn_rate = budget.recip();
    let long = format_duration(tier.long_minutes);
    let (factor, max_text) = (decimal_text(tier.factor), decimal_text(max_burn_rate));
    let message = format!(
        "tier `{}` can never fire: it needs a burn rate above {factor}, but an objective of {} allows at most {max_text}",
        tier.name, objective.text
    );
    let hint = format!(
        "set `budget` below `{}%`: {}% x {window} / {long} = {factor}, and 1 / (1 - {}) = {max_text}",
        percent_text(tier.budget_share * max_burn_rate / tier.factor),
        percent_text(tier.budget_share),
        objective.text
    );
    Some(HintedError::new(message, hint))
}

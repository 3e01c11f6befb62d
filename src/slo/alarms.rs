//! When somebody is told, from everything that is said about it: tiers field by field, evidence, severe, working hours.

use std::collections::BTreeSet;

use super::fleet::Fleet;
use super::layer::{Layer, find_setting, find_slo_setting};
use super::problem::Problem;
use super::source_spans::{PathStep, key_path};
use super::suggest::suggestion;
use super::tiers::{burn_rate_factor, default_tier_names, default_tiers, period_minutes};
use super::yaml::{IndicatorYaml, OrNone, TierHoursYaml, TierYaml, UrgencyYaml, decimal_text};
use super::{Objective, Severe, Significance, Tier, Urgency, WorkingHours};
use crate::rational::Rational;
use crate::time::{Window, format_duration};

/// A total outage shows in five minutes, a collapse in fifteen, unless somebody says otherwise.
const OUTAGE_MINUTES: u32 = 5;
const TRAFFIC_DROP_MINUTES: u32 = 15;

/// A page or ticket at less than this much of an even burn speaks although the budget will last. Nine tenths leaves
/// room for the factors of 28 days and of a week, which are a little below 1.
const FACTOR_MIN: (i128, i128) = (9, 10);

/// The alarms of one SLO in the making.
pub(super) struct TierBuilder<'p, 'l, 'a> {
    /// Who says something, the most specific first.
    pub(super) layers: &'l [Layer<'a>],
    pub(super) objective: &'p Objective,
    /// The window that factors are derived from.
    pub(super) window: &'p Window,
    /// The shortest stretch that holds an event: a slice, or a minute.
    pub(super) min_window_minutes: u32,
    /// The delay of the source.
    pub(super) delay_minutes: u32,
    pub(super) fleet: &'p Fleet<'p>,
    pub(super) problems: &'p mut Vec<Problem>,
}

/// What the layers say of one tier: per field the first that says something.
struct TierFields<'n, 'l, 'a> {
    name: &'n str,
    /// From the most specific outwards.
    definitions: Vec<(&'l Layer<'a>, &'a TierYaml)>,
    default: Option<Tier>,
}

impl<'l, 'a> TierFields<'_, 'l, 'a> {
    fn find<T>(&self, pick: impl Fn(&'a TierYaml) -> Option<T>) -> Option<(&'l Layer<'a>, T)> {
        self.definitions.iter().find_map(|(layer, text)| Some((*layer, pick(text)?)))
    }

    fn path(&self, key: &str) -> [PathStep; 3] {
        ["tiers", self.name, key].map(|key| PathStep::Key(key.to_owned()))
    }
}

impl<'l, 'a> TierBuilder<'_, 'l, 'a> {
    /// The tiers, most urgent first. `None` when there are none for the window and nobody states one.
    pub(super) fn build_tiers(&mut self) -> Option<Vec<Tier>> {
        let disables_all = |layer: &&Layer<'_>| matches!(layer.tiers, Some(OrNone::Disabled));
        let disabled_at = self.layers.iter().position(|layer| disables_all(&layer));
        let layers = &self.layers[..disabled_at.unwrap_or(self.layers.len())];
        let tier_maps = || {
            layers.iter().filter_map(|layer| match layer.tiers {
                Some(OrNone::Set(map)) => Some((layer, map)),
                _ => None,
            })
        };
        let defaults = if disabled_at.is_some() { Some(Vec::new()) } else { default_tiers(self.window) };
        if defaults.is_none() && tier_maps().next().is_none() {
            let message = format!("no default tiers for a window of {}", self.window);
            let hint = "put a window of at least `7d` first, or set `tiers` (`tiers: none` for no alerts)";
            let layer = find_setting(self.layers, |layer| layer.windows);
            self.problems.extend(layer.map(|(layer, _)| layer.value_problem(&key_path(&["windows"]), message, hint)));
            return None;
        }
        let defaults = defaults.unwrap_or_default();
        let configured: BTreeSet<&str> = tier_maps().flat_map(|(_, map)| map.keys().map(String::as_str)).collect();
        let names = defaults.iter().map(|tier| tier.name.as_str());
        let names: BTreeSet<&str> = names.chain(configured).collect();
        let mut tiers = Vec::new();
        for name in names {
            let mut fields = TierFields { name, definitions: Vec::new(), default: None };
            let mut is_disabled = false;
            for (layer, map) in tier_maps() {
                match map.get(name) {
                    Some(OrNone::Set(text)) => fields.definitions.push((layer, text)),
                    Some(OrNone::Disabled) => {
                        is_disabled = true;
                        break;
                    }
                    None => {}
                }
            }
            if !is_disabled {
                fields.default = defaults.iter().find(|tier| tier.name == name).cloned();
            } else if fields.definitions.is_empty() {
                continue;
            }
            match self.build_tier(&fields) {
                None if self.fleet.is_invalid(&["tiers", name]) => return None,
                tier => tiers.extend(tier),
            }
        }
        self.check_default_tiers(&defaults, &tiers);
        tiers.sort_by(|one, other| {
            (other.urgency, other.factor, &one.name).cmp(&(one.urgency, one.factor, &other.name))
        });
        self.check_redundant(&tiers);
        Some(tiers)
    }

    /// One tier, with everything that is wrong with what is stated of it.
    fn build_tier(&mut self, fields: &TierFields<'_, 'l, 'a>) -> Option<Tier> {
        let default = fields.default.as_ref();
        let urgency = fields.find(|text| text.urgency);
        let (budget, long, short) =
            (fields.find(|t| t.budget.as_ref()), fields.find(|t| t.long), fields.find(|t| t.short));
        let missing: Vec<&str> = [
            ("urgency", urgency.is_some()),
            ("budget", budget.is_some()),
            ("long", long.is_some()),
            ("short", short.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, is_set)| (!is_set && default.is_none()).then_some(field))
        .collect();
        if let (Some((layer, _)), false) = (fields.definitions.first(), missing.is_empty()) {
            let all_fields = "set all of `{ urgency: page, budget: 2%, long: 1h, short: 5m }` for a new tier";
            let hint = match suggestion(fields.name, "default tiers", default_tier_names()) {
                Some(suggestion) => format!("{all_fields}; {suggestion}"),
                None => all_fields.to_owned(),
            };
            let message = format!("tier `{}` is missing `{}`", fields.name, missing.join("`, `"));
            // What an invalid field of `fleet.yaml` leaves open is not missing.
            if !self.fleet.is_invalid(&["tiers", fields.name]) {
                self.problems.push(layer.value_problem(&key_path(&["tiers", fields.name]), message, hint));
            }
            return None;
        }
        let default_minutes = |pick: fn(&Tier) -> u32| default.map_or(0, pick);
        let to_urgency = |text: UrgencyYaml| match text {
            UrgencyYaml::Page => Urgency::Page,
            UrgencyYaml::Ticket => Urgency::Ticket,
        };
        let budget_share = budget.map(|(_, share)| share.0.share).or(default.map(|tier| tier.budget_share))?;
        let long_minutes = long.map_or_else(|| default_minutes(|tier| tier.long_minutes), |(_, length)| length.0.0);
        let mut tier = Tier {
            name: fields.name.to_owned(),
            urgency: urgency.map(|(_, text)| to_urgency(text)).or(default.map(|tier| tier.urgency))?,
            budget_share,
            long_minutes,
            short_minutes: short.map_or_else(|| default_minutes(|tier| tier.short_minutes), |(_, length)| length.0.0),
            factor: burn_rate_factor(budget_share, long_minutes, self.window),
            working_hours: None,
        };
        tier.working_hours = self.working_hours(fields, &tier);
        if fields.definitions.is_empty() {
            return Some(tier);
        }
        self.check_windows(fields, &tier)?;
        self.check_budget(fields, &tier);
        Some(tier)
    }

    /// The working hours of a tier that is limited to them.
    fn working_hours(&mut self, fields: &TierFields<'_, 'l, 'a>, tier: &Tier) -> Option<WorkingHours> {
        let (layer, only) = fields.find(|text| text.only)?;
        if only == TierHoursYaml::Always {
            return None;
        }
        if tier.urgency == Urgency::Ticket {
            let hint = "remove `only`: a ticket waits for the next business day anyway";
            self.problems.push(layer.value_problem(&fields.path("only"), "`only` does not apply to tickets", hint));
        }
        let working_hours = find_setting(self.layers, |layer| layer.working_hours);
        if working_hours.is_none() {
            let hint =
                "add `working_hours: Mon-Fri 09:00-18:00 Europe/Berlin` to the service, its class or `fleet.yaml`";
            self.problems.push(layer.value_problem(&fields.path("only"), "`working_hours` is not set", hint));
        }
        working_hours.map(|(_, hours)| hours.0.0.clone())
    }

    /// Windows that cannot work together; `None` leaves the tier out.
    fn check_windows(&mut self, fields: &TierFields<'_, 'l, 'a>, tier: &Tier) -> Option<()> {
        let (long, short) = (format_duration(tier.long_minutes), format_duration(tier.short_minutes));
        let most_specific = *fields.definitions.first()?;
        let position = |key: &str, layer: Option<&'l Layer<'a>>| (layer.unwrap_or(most_specific.0), fields.path(key));
        let short_position = position("short", fields.find(|text| text.short).map(|(layer, _)| layer));
        let long_position = position("long", fields.find(|text| text.long).map(|(layer, _)| layer));
        let mut add_problem = |(layer, path): &(&Layer<'a>, [PathStep; 3]), message: String, hint: String| {
            self.problems.push(layer.value_problem(path, message, hint));
        };
        if tier.short_minutes == 0 || tier.short_minutes >= tier.long_minutes {
            let hint = "use about a twelfth of the long window, so that the alert ends soon after the problem";
            let message =
                format!("short window {short} must be longer than 0m and shorter than the long window {long}");
            add_problem(&short_position, message, hint.to_owned());
            return None;
        }
        if tier.long_minutes > period_minutes(self.window) {
            let message = format!("long window {long} is longer than the SLO's window of {}", self.window);
            add_problem(&long_position, message, format!("use at most `{}`", self.window));
            return None;
        }
        let is_configured = fields.find(|text| text.short).is_some();
        if is_configured && tier.short_minutes < self.delay_minutes {
            let delay = format_duration(self.delay_minutes);
            let message = format!("short window {short} is shorter than the source's delay of {delay}");
            add_problem(
                &short_position,
                message,
                format!("use at least `{delay}`: with a shorter window, the alert may end before its data arrives"),
            );
        }
        if tier.short_minutes < self.min_window_minutes {
            let timeslice = format_duration(self.min_window_minutes);
            let message = format!("short window {short} is shorter than a timeslice of {timeslice}");
            add_problem(
                &short_position,
                message,
                format!("use at least `{timeslice}`: a shorter window rarely contains a complete timeslice"),
            );
        }
        Some(())
    }

    /// A share of the budget that a tier never or always exceeds.
    fn check_budget(&mut self, fields: &TierFields<'_, 'l, 'a>, tier: &Tier) {
        let Some(most_specific) = fields.definitions.first() else { return };
        let layer = fields.find(|text| text.budget.as_ref()).map_or(most_specific.0, |(layer, _)| layer);
        let path = fields.path("budget");
        if tier.budget_share == Rational::from_integer(0) {
            self.problems.push(layer.value_problem(
                &path,
                "a tier at 0% of the error budget always fires",
                "set a share above zero, such as `2%`",
            ));
        } else if let Some((message, hint)) = explain_unreachable(tier, self.objective, self.window) {
            self.problems.push(layer.value_problem(&path, message, hint));
        } else if tier.factor < Rational::new(FACTOR_MIN.0, FACTOR_MIN.1) {
            let (factor_text, long) = (decimal_text(tier.factor), format_duration(tier.long_minutes));
            let message = format!(
                "tier `{}` fires even though the error budget will last: its factor is {factor_text}",
                fields.name
            );
            let min_budget = tier.budget_share / tier.factor;
            let hint = format!(
                "set `budget` to at least `{}%`: {}% x {} / {long} = {factor_text}, and a burn rate of 1 consumes the \
                 budget in exactly one window",
                percent_text(min_budget),
                percent_text(tier.budget_share),
                self.window,
            );
            self.problems.push(layer.value_problem(&path, message, hint));
        }
    }

    /// Default tiers are nobody's words, so the objective is what has to be looked at.
    fn check_default_tiers(&mut self, defaults: &[Tier], tiers: &[Tier]) {
        let unchanged = tiers.iter().filter(|tier| defaults.iter().any(|default| *default == **tier));
        let Some((message, _)) =
            unchanged.into_iter().find_map(|tier| explain_unreachable(tier, self.objective, self.window))
        else {
            return;
        };
        let hint = format!(
            "raise the objective, or set a smaller `budget` for this tier in `tiers`: if every event is bad, the burn rate is \
             1 / (1 - {}) = {}",
            self.objective.text,
            decimal_text(self.objective.budget().recip())
        );
        let layer = find_slo_setting(self.layers, |fields| fields.objective.as_ref());
        self.problems.extend(layer.map(|(layer, _)| layer.value_problem(&key_path(&["objective"]), message, hint)));
    }

    /// A tier that never says anything another one has not said, at least as urgently.
    fn check_redundant(&mut self, tiers: &[Tier]) {
        for (index, tier) in tiers.iter().enumerate() {
            let same_windows =
                |other: &Tier| (other.long_minutes, other.short_minutes) == (tier.long_minutes, tier.short_minutes);
            let mut others = tiers.iter().enumerate().filter(|(other, _)| *other != index);
            let Some((_, covering)) = others.find(|(other_index, other)| {
                // Of two equal ones the second is useless.
                let comes_first = (other.urgency, other.factor) != (tier.urgency, tier.factor) || *other_index < index;
                same_windows(other) && other.urgency >= tier.urgency && other.factor <= tier.factor && comes_first
            }) else {
                continue;
            };
            let configured = self.layers.iter().find(|layer| match layer.tiers {
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
            self.problems
                .extend(configured.map(|layer| layer.value_problem(&key_path(&["tiers", &tier.name]), message, hint)));
        }
    }

    /// What a page must be backed by.
    pub(super) fn build_significance(&mut self) -> Option<Significance> {
        let default = Significance::default();
        let Some((layer, text)) = find_setting(self.layers, |layer| layer.significance) else { return Some(default) };
        let OrNone::Set(text) = text else { return None };
        let confidence = text.confidence.as_ref().map(|share| share.0.share);
        if confidence.is_some_and(|share| share >= Rational::from_integer(1)) {
            let hint = "set a confidence below 100%, such as `99%`";
            self.problems.push(layer.value_problem(
                &key_path(&["significance", "confidence"]),
                "a confidence of 100% can never be reached",
                hint,
            ));
        }
        Some(Significance {
            min_bad_events: text.min_bad_events.map_or(default.min_bad_events, |number| number.0.0),
            p_value_max: confidence.map_or(default.p_value_max, |share| Rational::from_integer(1) - share),
        })
    }

    /// What is severe. Unless somebody says so, only what is measured as availability can be.
    pub(super) fn build_severe(&mut self, kind: IndicatorYaml) -> Severe {
        let default_severe =
            Severe { outage_minutes: Some(OUTAGE_MINUTES), traffic_drop_minutes: Some(TRAFFIC_DROP_MINUTES) };
        match find_setting(self.layers, |layer| layer.severe) {
            None if kind.supports_severe() => default_severe,
            None | Some((_, OrNone::Disabled)) => Severe::default(),
            // What is said for all SLOs of a service is about those that can be out.
            Some((layer, OrNone::Set(_))) if layer.slo.is_none() && !kind.supports_severe() => Severe::default(),
            Some((_, OrNone::Set(text))) => Severe {
                outage_minutes: text.outage.map_or(default_severe.outage_minutes, |duration| duration.0.0),
                traffic_drop_minutes: text
                    .traffic_drop
                    .map_or(default_severe.traffic_drop_minutes, |duration| duration.0.0),
            },
        }
    }
}

fn percent_text(share: Rational) -> String {
    decimal_text(share * Rational::from_integer(100))
}

/// Why a tier can never fire, if so: no burn is above 1 / (1 - objective), and the factor must be exceeded.
fn explain_unreachable(tier: &Tier, objective: &Objective, window: &Window) -> Option<(String, String)> {
    let budget = objective.budget();
    // An objective of 100% has no highest burn: every bad event exceeds any factor.
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
    Some((message, hint))
}

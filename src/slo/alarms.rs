//! When somebody is told, from everything that is said about it: tiers field by field, evidence, severe, working hours.

use std::collections::BTreeSet;

use super::file::{IndicatorText, OnlyText, Switch, TierText, UrgencyText, decimal_text};
use super::fleet::Fleet;
use super::layer::{Layer, first, first_field};
use super::positions::{Step, keys};
use super::problem::Problem;
use super::suggest::suggestion;
use super::tiers::{catalogue, default_names, factor, period_minutes};
use super::{Objective, Severe, Significance, Tier, Urgency, WorkingHours};
use crate::exact::Exact;
use crate::minute::{Window, length_text};

/// A total outage shows in five minutes, a collapse in fifteen, unless somebody says otherwise.
const OUTAGE_MINUTES: u32 = 5;
const TRAFFIC_DROP_MINUTES: u32 = 15;

/// A page or ticket at less than this much of an even burn speaks although the budget will last. Nine tenths leaves
/// room for the factors of 28 days and of a week, which are a little below 1.
const FACTOR_MIN: (i128, i128) = (9, 10);

/// The alarms of one SLO in the making.
pub(super) struct Alarms<'p, 'l, 'a> {
    /// Who says something, the most specific first.
    pub(super) layers: &'l [Layer<'a>],
    pub(super) objective: &'p Objective,
    /// The window that factors are derived from.
    pub(super) window: &'p Window,
    /// The shortest stretch that holds an event: a slice, or a minute.
    pub(super) least_minutes: u32,
    /// The delay of the source.
    pub(super) delay_minutes: u32,
    pub(super) fleet: &'p Fleet<'p>,
    pub(super) found: &'p mut Vec<Problem>,
}

/// What the layers say of one tier: per field the first that says something.
struct Said<'n, 'l, 'a> {
    name: &'n str,
    /// From the most specific outwards.
    texts: Vec<(&'l Layer<'a>, &'a TierText)>,
    default: Option<Tier>,
}

impl<'l, 'a> Said<'_, 'l, 'a> {
    fn field<T>(&self, pick: impl Fn(&'a TierText) -> Option<T>) -> Option<(&'l Layer<'a>, T)> {
        self.texts.iter().find_map(|(layer, text)| Some((*layer, pick(text)?)))
    }

    fn step(&self, key: &str) -> [Step; 3] {
        ["tiers", self.name, key].map(|key| Step::Key(key.to_owned()))
    }
}

impl<'l, 'a> Alarms<'_, 'l, 'a> {
    /// The tiers, most urgent first. `None` when there are none for the window and nobody states one.
    pub(super) fn tiers(&mut self) -> Option<Vec<Tier>> {
        let all_off = |layer: &&Layer<'_>| matches!(layer.tiers, Some(Switch::Off));
        let reach = self.layers.iter().position(|layer| all_off(&layer));
        let layers = &self.layers[..reach.unwrap_or(self.layers.len())];
        let maps = || {
            layers.iter().filter_map(|layer| match layer.tiers {
                Some(Switch::On(map)) => Some((layer, map)),
                _ => None,
            })
        };
        let defaults = if reach.is_some() { Some(Vec::new()) } else { catalogue(self.window) };
        if defaults.is_none() && maps().next().is_none() {
            let message = format!("no default tiers for a window of {}", self.window);
            let hint = "put a window of at least `7d` first, or set `tiers` (`tiers: none` for no alerts)";
            let place = first(self.layers, |layer| layer.windows);
            self.found.extend(place.map(|(layer, _)| layer.problem(&keys(&["windows"]), message, hint)));
            return None;
        }
        let defaults = defaults.unwrap_or_default();
        let stated: BTreeSet<&str> = maps().flat_map(|(_, map)| map.keys().map(String::as_str)).collect();
        let names = defaults.iter().map(|tier| tier.name.as_str());
        let names: BTreeSet<&str> = names.chain(stated).collect();
        let mut tiers = Vec::new();
        for name in names {
            let mut said = Said { name, texts: Vec::new(), default: None };
            let mut off = false;
            for (layer, map) in maps() {
                match map.get(name) {
                    Some(Switch::On(text)) => said.texts.push((layer, text)),
                    Some(Switch::Off) => {
                        off = true;
                        break;
                    }
                    None => {}
                }
            }
            if !off {
                said.default = defaults.iter().find(|tier| tier.name == name).cloned();
            } else if said.texts.is_empty() {
                continue;
            }
            match self.tier(&said) {
                None if self.fleet.is_broken(&["tiers", name]) => return None,
                tier => tiers.extend(tier),
            }
        }
        self.check_default(&defaults, &tiers);
        tiers.sort_by(|one, other| {
            (other.urgency, other.factor, &one.name).cmp(&(one.urgency, one.factor, &other.name))
        });
        self.check_useless(&tiers);
        Some(tiers)
    }

    /// One tier, with everything that is wrong with what is stated of it.
    fn tier(&mut self, said: &Said<'_, 'l, 'a>) -> Option<Tier> {
        let default = said.default.as_ref();
        let urgency = said.field(|text| text.urgency);
        let (budget, long, short) =
            (said.field(|t| t.budget.as_ref()), said.field(|t| t.long), said.field(|t| t.short));
        let missing: Vec<&str> = [
            ("urgency", urgency.is_some()),
            ("budget", budget.is_some()),
            ("long", long.is_some()),
            ("short", short.is_some()),
        ]
        .into_iter()
        .filter_map(|(field, is_said)| (!is_said && default.is_none()).then_some(field))
        .collect();
        if let (Some((layer, _)), false) = (said.texts.first(), missing.is_empty()) {
            let all = "set all of `{ urgency: page, budget: 2%, long: 1h, short: 5m }` for a new tier";
            let hint = match suggestion(said.name, "default tiers", default_names()) {
                Some(suggestion) => format!("{all}; {suggestion}"),
                None => all.to_owned(),
            };
            let message = format!("tier `{}` is missing `{}`", said.name, missing.join("`, `"));
            // What an invalid field of `fleet.yaml` leaves open is not missing.
            if !self.fleet.is_broken(&["tiers", said.name]) {
                self.found.push(layer.problem(&keys(&["tiers", said.name]), message, hint));
            }
            return None;
        }
        let of_default = |pick: fn(&Tier) -> u32| default.map_or(0, pick);
        let urgency_of = |text: UrgencyText| match text {
            UrgencyText::Page => Urgency::Page,
            UrgencyText::Ticket => Urgency::Ticket,
        };
        let budget_share = budget.map(|(_, share)| share.0.share).or(default.map(|tier| tier.budget_share))?;
        let long_minutes = long.map_or_else(|| of_default(|tier| tier.long_minutes), |(_, length)| length.0.0);
        let mut tier = Tier {
            name: said.name.to_owned(),
            urgency: urgency.map(|(_, text)| urgency_of(text)).or(default.map(|tier| tier.urgency))?,
            budget_share,
            long_minutes,
            short_minutes: short.map_or_else(|| of_default(|tier| tier.short_minutes), |(_, length)| length.0.0),
            factor: factor(budget_share, long_minutes, self.window),
            hours: None,
        };
        tier.hours = self.hours(said, &tier);
        if said.texts.is_empty() {
            return Some(tier);
        }
        self.check_windows(said, &tier)?;
        self.check_budget(said, &tier);
        Some(tier)
    }

    /// The working hours of a tier that is limited to them.
    fn hours(&mut self, said: &Said<'_, 'l, 'a>, tier: &Tier) -> Option<WorkingHours> {
        let (layer, only) = said.field(|text| text.only)?;
        if only == OnlyText::Always {
            return None;
        }
        if tier.urgency == Urgency::Ticket {
            let hint = "remove `only`: a ticket waits for the next business day anyway";
            self.found.push(layer.problem(&said.step("only"), "`only` does not apply to tickets", hint));
        }
        let hours = first(self.layers, |layer| layer.working_hours);
        if hours.is_none() {
            let hint =
                "add `working_hours: Mon-Fri 09:00-18:00 Europe/Berlin` to the service, its class or `fleet.yaml`";
            self.found.push(layer.problem(&said.step("only"), "`working_hours` is not set", hint));
        }
        hours.map(|(_, hours)| hours.0.0.clone())
    }

    /// Windows that cannot work together; `None` leaves the tier out.
    fn check_windows(&mut self, said: &Said<'_, 'l, 'a>, tier: &Tier) -> Option<()> {
        let (long, short) = (length_text(tier.long_minutes), length_text(tier.short_minutes));
        let outermost = *said.texts.first()?;
        let place = |key: &str, layer: Option<&'l Layer<'a>>| (layer.unwrap_or(outermost.0), said.step(key));
        let at_short = place("short", said.field(|text| text.short).map(|(layer, _)| layer));
        let at_long = place("long", said.field(|text| text.long).map(|(layer, _)| layer));
        let mut problem = |(layer, step): &(&Layer<'a>, [Step; 3]), message: String, hint: String| {
            self.found.push(layer.problem(step, message, hint));
        };
        if tier.short_minutes == 0 || tier.short_minutes >= tier.long_minutes {
            let hint = "use about a twelfth of the long window, so that the alert ends soon after the problem";
            let message =
                format!("short window {short} must be longer than 0m and shorter than the long window {long}");
            problem(&at_short, message, hint.to_owned());
            return None;
        }
        if tier.long_minutes > period_minutes(self.window) {
            let message = format!("long window {long} is longer than the SLO's window of {}", self.window);
            problem(&at_long, message, format!("use at most `{}`", self.window));
            return None;
        }
        let is_stated = said.field(|text| text.short).is_some();
        if is_stated && tier.short_minutes < self.delay_minutes {
            let delay = length_text(self.delay_minutes);
            let message = format!("short window {short} is shorter than the source's delay of {delay}");
            problem(
                &at_short,
                message,
                format!("use at least `{delay}`: with a shorter window, the alert may end before its data arrives"),
            );
        }
        if tier.short_minutes < self.least_minutes {
            let slice = length_text(self.least_minutes);
            let message = format!("short window {short} is shorter than a timeslice of {slice}");
            problem(
                &at_short,
                message,
                format!("use at least `{slice}`: a shorter window rarely contains a complete timeslice"),
            );
        }
        Some(())
    }

    /// A share of the budget that a tier never or always exceeds.
    fn check_budget(&mut self, said: &Said<'_, 'l, 'a>, tier: &Tier) {
        let Some(outermost) = said.texts.first() else { return };
        let layer = said.field(|text| text.budget.as_ref()).map_or(outermost.0, |(layer, _)| layer);
        let step = said.step("budget");
        if tier.budget_share == Exact::from_integer(0) {
            self.found.push(layer.problem(
                &step,
                "a tier at 0% of the error budget always fires",
                "set a share above zero, such as `2%`",
            ));
        } else if let Some((message, hint)) = unreachable(tier, self.objective, self.window) {
            self.found.push(layer.problem(&step, message, hint));
        } else if tier.factor < Exact::new(FACTOR_MIN.0, FACTOR_MIN.1) {
            let (factor_text, long) = (decimal_text(tier.factor), length_text(tier.long_minutes));
            let message = format!(
                "tier `{}` fires even though the error budget will last: its factor is {factor_text}",
                said.name
            );
            let even = tier.budget_share / tier.factor;
            let hint = format!(
                "set `budget` to at least `{}%`: {}% x {} / {long} = {factor_text}, and a burn rate of 1 consumes the \
                 budget in exactly one window",
                share_text(even),
                share_text(tier.budget_share),
                self.window,
            );
            self.found.push(layer.problem(&step, message, hint));
        }
    }

    /// Default tiers are nobody's words, so the objective is what has to be looked at.
    fn check_default(&mut self, defaults: &[Tier], tiers: &[Tier]) {
        let untouched = tiers.iter().filter(|tier| defaults.iter().any(|default| *default == **tier));
        let Some((message, _)) = untouched.into_iter().find_map(|tier| unreachable(tier, self.objective, self.window))
        else {
            return;
        };
        let hint = format!(
            "raise the objective, or set a smaller `budget` for this tier in `tiers`: if every event is bad, the burn rate is \
             1 / (1 - {}) = {}",
            self.objective.text,
            decimal_text(self.objective.budget().recip())
        );
        let place = first_field(self.layers, |fields| fields.objective.as_ref());
        self.found.extend(place.map(|(layer, _)| layer.problem(&keys(&["objective"]), message, hint)));
    }

    /// A tier that never says anything another one has not said, at least as urgently.
    fn check_useless(&mut self, tiers: &[Tier]) {
        for (place, tier) in tiers.iter().enumerate() {
            let same_windows =
                |other: &Tier| (other.long_minutes, other.short_minutes) == (tier.long_minutes, tier.short_minutes);
            let mut others = tiers.iter().enumerate().filter(|(other, _)| *other != place);
            let Some((_, louder)) = others.find(|(at, other)| {
                // Of two equal ones the second is useless.
                let earlier = (other.urgency, other.factor) != (tier.urgency, tier.factor) || *at < place;
                same_windows(other) && other.urgency >= tier.urgency && other.factor <= tier.factor && earlier
            }) else {
                continue;
            };
            let stated = self.layers.iter().find(|layer| match layer.tiers {
                Some(Switch::On(map)) => map.contains_key(&tier.name) || map.contains_key(&louder.name),
                _ => false,
            });
            let message = format!("tier `{}` is redundant: whenever it fires, `{}` fires too", tier.name, louder.name);
            let hint = format!(
                "change its windows, or write `{}: none`: both use {} and {}, and `{}` fires above {}x as a {}, `{}` above {}x",
                tier.name,
                length_text(tier.long_minutes),
                length_text(tier.short_minutes),
                louder.name,
                decimal_text(louder.factor),
                louder.urgency,
                tier.name,
                decimal_text(tier.factor),
            );
            self.found.extend(stated.map(|layer| layer.problem(&keys(&["tiers", &tier.name]), message, hint)));
        }
    }

    /// What a page must be backed by.
    pub(super) fn significance(&mut self) -> Option<Significance> {
        let default = Significance::default();
        let Some((layer, text)) = first(self.layers, |layer| layer.significance) else { return Some(default) };
        let Switch::On(text) = text else { return None };
        let confidence = text.confidence.as_ref().map(|share| share.0.share);
        if confidence.is_some_and(|share| share >= Exact::from_integer(1)) {
            let hint = "set a confidence below 100%, such as `99%`";
            self.found.push(layer.problem(
                &keys(&["significance", "confidence"]),
                "a confidence of 100% can never be reached",
                hint,
            ));
        }
        Some(Significance {
            min_bad_events: text.min_bad_events.map_or(default.min_bad_events, |number| number.0.0),
            chance_max: confidence.map_or(default.chance_max, |share| Exact::from_integer(1) - share),
        })
    }

    /// What is severe. Unless somebody says so, only what is measured as availability can be.
    pub(super) fn severe(&mut self, kind: IndicatorText) -> Severe {
        let of_service =
            Severe { outage_minutes: Some(OUTAGE_MINUTES), traffic_drop_minutes: Some(TRAFFIC_DROP_MINUTES) };
        match first(self.layers, |layer| layer.severe) {
            None if kind.can_be_out() => of_service,
            None | Some((_, Switch::Off)) => Severe::default(),
            // What is said for all SLOs of a service is about those that can be out.
            Some((layer, Switch::On(_))) if layer.slo.is_none() && !kind.can_be_out() => Severe::default(),
            Some((_, Switch::On(text))) => Severe {
                outage_minutes: text.outage.map_or(of_service.outage_minutes, |stretch| stretch.0.0),
                traffic_drop_minutes: text.traffic_drop.map_or(of_service.traffic_drop_minutes, |stretch| stretch.0.0),
            },
        }
    }
}

fn share_text(share: Exact) -> String {
    decimal_text(share * Exact::from_integer(100))
}

/// Why a tier can never fire, if so: no burn is above 1 / (1 - objective), and the factor must be exceeded.
fn unreachable(tier: &Tier, objective: &Objective, window: &Window) -> Option<(String, String)> {
    let budget = objective.budget();
    // An objective of 100% has no highest burn: every bad event exceeds any factor.
    if budget == Exact::from_integer(0) || tier.factor < budget.recip() {
        return None;
    }
    let most = budget.recip();
    let long = length_text(tier.long_minutes);
    let (factor, most_text) = (decimal_text(tier.factor), decimal_text(most));
    let message = format!(
        "tier `{}` can never fire: it needs a burn rate above {factor}, but an objective of {} allows at most {most_text}",
        tier.name, objective.text
    );
    let hint = format!(
        "set `budget` below `{}%`: {}% x {window} / {long} = {factor}, and 1 / (1 - {}) = {most_text}",
        share_text(tier.budget_share * most / tier.factor),
        share_text(tier.budget_share),
        objective.text
    );
    Some((message, hint))
}

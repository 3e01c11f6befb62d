//! Tiers and what goes with them, as typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::typed::{FromText, Switch, Typed};
use super::values::{Length, Percent, Whole, zone_of};
use crate::minute::length;
use crate::slo::problem::Refusal;

/// Tiers by name, each changed, added or switched off; `none` switches all off that are said further out.
pub(in crate::slo) type TiersText = Switch<BTreeMap<String, Switch<TierText>>>;

/// When to say what. What is left out is as the tier of that name is further out; a new tier says all but `only`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::slo) struct TierText {
    /// How urgent it is.
    pub(in crate::slo) urgency: Option<UrgencyText>,
    /// The share of the budget that is gone when the burn has lasted for the long window.
    pub(in crate::slo) budget: Option<Typed<Percent>>,
    /// The long window: it gives significance.
    pub(in crate::slo) long: Option<Typed<Length>>,
    /// The short window: it ends the alert soon after the trouble.
    pub(in crate::slo) short: Option<Typed<Length>>,
    /// A page outside the SLO's `working_hours` is a ticket. Default: always.
    pub(in crate::slo) only: Option<OnlyText>,
}

/// How urgent a tier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum UrgencyText {
    /// Somebody is woken.
    Page,
    /// Somebody looks on the next business day.
    Ticket,
}

/// When a tier's pages are pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::slo) enum OnlyText {
    /// During the working hours that the SLO, its service, its class or the fleet states.
    WorkingHours,
    /// At any time, even if the class says otherwise.
    Always,
}

/// What a page must be backed by.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::slo) struct EvidenceText {
    /// The least bad events in the long window. Default: 5.
    pub(in crate::slo) bad: Option<Typed<Whole>>,
    /// How sure it must be that the true burn is above the factor. Default: 99%.
    pub(in crate::slo) confidence: Option<Typed<Percent>>,
}

/// What is severe whatever the budget says.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::slo) struct SevereText {
    /// Nearly every event of so many minutes is bad. Default: 5m.
    pub(in crate::slo) outage: Option<Typed<Stretch>>,
    /// Nearly all traffic is missing that the same minutes of earlier weeks had. Default: 15m.
    pub(in crate::slo) collapse: Option<Typed<Stretch>>,
}

/// The newest minutes that must show something severe, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Stretch(pub(in crate::slo) Option<u32>);

/// Two hours: what takes longer to be seen is not severe.
const STRETCH_MINUTES_MAX: u32 = 120;

impl FromText for Stretch {
    const PATTERN: &'static str = "^(none|[0-9]{1,6}[mh])$";
    const NOUN: &'static str = "some minutes or `none`";
    const EXAMPLE: &'static str = "5m";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "none" {
            return Ok(Self(None));
        }
        match length(text) {
            Some(minutes @ 1..=STRETCH_MINUTES_MAX) => Ok(Self(Some(minutes))),
            Some(_) => Err(Refusal::new(format!("`{text}` is not between 1m and 2h"), "write `5m`, or `none`")),
            None => Length::from_text(text).map(|_| Self(None)),
        }
    }
}

/// `Mon-Fri 09:00-18:00 Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct HoursText(pub(in crate::slo) crate::slo::WorkingHours);

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl FromText for HoursText {
    const PATTERN: &'static str = "^[A-Za-z]{3}([-,][A-Za-z]{3})* ([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-4]):[0-5][0-9] [A-Za-z0-9_+/-]{1,64}$";
    const NOUN: &'static str = "working hours";
    const EXAMPLE: &'static str = "Mon-Fri 09:00-18:00 Europe/Berlin";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let refusal = |what: &str| {
            Refusal::new(format!("`{text}` {what}"), format!("write days, hours and a time zone: `{}`", Self::EXAMPLE))
        };
        let [days, hours, zone] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err(refusal("is not days, hours and a time zone"));
        };
        let days = days_of(days).ok_or_else(|| refusal("does not start with days of the week"))?;
        let both = hours.split_once('-').and_then(|(from, to)| Some((clock(from)?, clock(to)?)));
        let (from, to) = both.ok_or_else(|| refusal("has no hours such as `09:00-18:00`"))?;
        Ok(Self(crate::slo::WorkingHours { days, from, to, zone: zone_of(zone)? }))
    }
}

/// `mon-fri`, `sat`, `mon,wed,fri-sun`; a range may pass Sunday.
fn days_of(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|step| days[(first + step) % 7] = true);
    }
    Some(days)
}

/// Minutes after midnight; 24:00 is the end of the day.
fn clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    ((hour < 24 && minute < 60) || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
}

//! When somebody is told: tiers, what their pages must be backed by, and what is severe whatever the budget says.

use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rational::Rational;
use crate::time::Minute;

// In ascending order. The documentation of the variants is part of the schema of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "UrgencyWord")]
pub enum Urgency {
    /// To be handled on the next business day.
    Ticket,
    /// To be handled now.
    Page,
    /// To be handled now: an outage or a traffic drop.
    Severe,
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Severe => "severe",
            Self::Page => "page",
            Self::Ticket => "ticket",
        })
    }
}

/// A burn rate at which somebody is told, seen in a long and a short window at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// What definitions call it: `page_fast`.
    pub name: String,
    /// How urgent it is.
    pub urgency: Urgency,
    /// The share of the budget that is gone when the burn has lasted for the long window.
    pub budget_share: Rational,
    /// Long window in minutes: it gives significance.
    pub long_minutes: u32,
    /// Short window in minutes: it ends the alert soon after the trouble.
    pub short_minutes: u32,
    /// The burn rate that must be exceeded in both: share x period / long window.
    pub factor: Rational,
    /// A page outside these hours is a ticket.
    pub working_hours: Option<WorkingHours>,
}

/// What a page must be backed by, so that two unlucky requests of a quiet night wake nobody. A page without it is a
/// ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Significance {
    /// The least bad events in the long window.
    pub min_bad_events: u32,
    /// The most likely that chance alone may be: the one-sided probability of at least as many bad events if the true
    /// burn were just the tier's factor.
    pub p_value_max: Rational,
}

impl Default for Significance {
    /// Five bad events, and a chance of at most 1%.
    fn default() -> Self {
        Self { min_bad_events: 5, p_value_max: Rational::new(1, 100) }
    }
}

/// What is severe on its own, whatever the budget says. Minutes of the newest stretch that must show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Severe {
    /// Nearly every event of these minutes is bad.
    pub outage_minutes: Option<u32>,
    /// Nearly all of the traffic that the same minutes of earlier weeks had is missing.
    pub traffic_drop_minutes: Option<u32>,
}

/// Days of the week and hours of the day, in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingHours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes after midnight at which they begin.
    pub start_minute: u16,
    /// Minutes after midnight at which they end. Not after `from`, they end on the next day.
    pub end_minute: u16,
    /// Whose clock.
    pub time_zone: TimeZone,
}

impl WorkingHours {
    /// Whether a minute lies in them. Hours that pass midnight belong to the day they begin on.
    #[must_use]
    pub fn contains(&self, minute: Minute) -> bool {
        let local = minute.timestamp().to_zoned(self.time_zone.clone());
        let hour = local.hour().unsigned_abs().into();
        let clock: u16 = u16::from(local.minute().unsigned_abs()) + 60 * u16::min(hour, 23);
        let is_working_day = |day: Weekday| self.days[usize::from(day.to_monday_zero_offset().unsigned_abs()) % 7];
        let (today, yesterday) = (local.weekday(), local.weekday().previous());
        if self.start_minute < self.end_minute {
            return is_working_day(today) && (self.start_minute..self.end_minute).contains(&clock);
        }
        (is_working_day(today) && clock >= self.start_minute) || (is_working_day(yesterday) && clock < self.end_minute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_hours_follow_the_wall_clock_across_midnight_and_summer_time() {
        let check = |days, from, to, zone: &str, minute: &str, expected| {
            let hours =
                WorkingHours { days, start_minute: from, end_minute: to, time_zone: TimeZone::get(zone).unwrap() };
            assert_eq!(hours.contains(minute.parse().unwrap()), expected, "{hours:?} {minute}");
        };
        let week = [true, true, true, true, true, false, false];
        // Friday 2026-10-23 is in summer time (UTC+2), Monday 2026-10-26 no longer is (UTC+1).
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-23T06:59Z", false);
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-23T07:00Z", true);
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-23T15:59Z", true);
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-23T16:00Z", false);
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-24T10:00Z", false);
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-26T07:59Z", false);
        check(week, 540, 1_080, "Europe/Berlin", "2026-10-26T08:00Z", true);
        let friday = [false, false, false, false, true, false, false];
        check(friday, 1_320, 360, "UTC", "2026-10-23T21:59Z", false);
        check(friday, 1_320, 360, "UTC", "2026-10-23T22:00Z", true);
        check(friday, 1_320, 360, "UTC", "2026-10-24T05:59Z", true);
        check(friday, 1_320, 360, "UTC", "2026-10-24T06:00Z", false);
        check(friday, 1_320, 360, "UTC", "2026-10-23T03:00Z", false);
        check(friday, 0, 0, "UTC", "2026-10-23T00:00Z", true);
        check(friday, 0, 0, "UTC", "2026-10-24T00:00Z", false);
    }
}

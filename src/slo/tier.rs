//! Alert tiers, the significance that their pages need, and severe conditions independent of the error budget.

use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rational::Rational;
use crate::time::Minute;

// In ascending order. The documentation of the variants is part of the schema of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "UrgencyWord")]
pub enum Urgency {
    /// To be handled on the next business day.
    #[default]
    Ticket,
    /// To be handled now.
    Page,
    /// To be handled now: an outage or a traffic drop.
    Severe,
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A burn rate that alerts when it is exceeded in a long and a short window at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    pub name: String,
    pub urgency: Urgency,
    /// The share of the budget that is used if the burn rate lasts for the long window.
    pub budget_share: Rational,
    /// The long window makes the alert significant.
    pub long_minutes: u32,
    /// The short window resolves the alert soon after recovery.
    pub short_minutes: u32,
    /// The burn rate that must be exceeded in both windows: share x period / long window.
    pub factor: Rational,
    /// A page outside these hours is a ticket.
    pub working_hours: Option<WorkingHours>,
}

/// The significance that a page needs, so that two bad requests of a quiet night page no one. A page below it is sent
/// as a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Significance {
    pub min_bad_events: u32,
    /// The maximum one-sided probability of at least as many bad events if the true burn rate were the tier's factor.
    pub p_value_max: Rational,
}

impl Default for Significance {
    /// Five bad events, and a chance of at most 1%.
    fn default() -> Self {
        Self { min_bad_events: 5, p_value_max: Rational::new(1, 100) }
    }
}

/// Severe conditions, by the number of newest minutes that must show them; `None` disables a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Severe {
    /// Almost all events are bad.
    pub outage_minutes: Option<u32>,
    /// Almost all of the traffic of the same minutes in earlier weeks is missing.
    pub traffic_drop_minutes: Option<u32>,
}

/// Days of the week and hours of the day, in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkingHours {
    /// Monday first.
    pub days: [bool; 7],
    /// Minutes after midnight.
    pub start_minute: u16,
    /// Minutes after midnight; if not after the start, of the next day.
    pub end_minute: u16,
    pub time_zone: TimeZone,
}

impl WorkingHours {
    /// Whether a minute is in working hours. Hours that pass midnight belong to the day they begin on.
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

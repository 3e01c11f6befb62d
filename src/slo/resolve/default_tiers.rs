//! The default alert tiers of a window.
//!
//! The burn rate that uses up a share of the budget in the long window is `share x period / long window`, exactly.
//! The method is that of the SRE Workbook, chapter 5 (<https://sre.google/workbook/alerting-on-slos/>).

use crate::rational::Rational;
use crate::slo::tier::{Tier, Urgency};
use crate::time::{Period, Window};

const HOUR: u32 = 60;
const DAY: u32 = 1_440;

/// Name, urgency, long window and short window of the four default tiers, whatever the period.
const DEFAULT_TIERS: [(&str, Urgency, u32, u32); 4] = [
    ("page_fast", Urgency::Page, HOUR, 5),
    ("page_slow", Urgency::Page, 6 * HOUR, 30),
    ("ticket_fast", Urgency::Ticket, DAY, 2 * HOUR),
    ("ticket_slow", Urgency::Ticket, 3 * DAY, 6 * HOUR),
];

pub(super) fn default_tier_names() -> impl Iterator<Item = &'static str> {
    DEFAULT_TIERS.into_iter().map(|(name, ..)| name)
}

/// Shares in tenths of a percent for a period of 28 days and more: the workbook's 2, 5, 10 and 10%, which give
/// factors of 14.4, 6, 3 and 1 over 30 days.
const MONTHLY_PERMILLE: [u32; 4] = [20, 50, 100, 100];

/// Shares in tenths of a percent for two weeks: 4, 8, 15 and 21%, chosen so that every factor (13.44, 4.48, 2.1, 0.98)
/// lies between those of a week and those of four weeks, or equals one of them.
const FORTNIGHTLY_PERMILLE: [u32; 4] = [40, 80, 150, 210];

/// Shares in tenths of a percent for a week: 8, 12.5, 20 and 42%, factors 13.44, 3.5, 1.4 and 0.98.
const WEEKLY_PERMILLE: [u32; 4] = [80, 125, 200, 420];

/// The length of a window that factors are derived from, in minutes: a calendar period counts as its usual length.
pub(super) const fn period_minutes(window: &Window) -> u32 {
    match window {
        Window::Rolling { minutes } => *minutes,
        Window::Calendar { period: Period::Week, .. } => 7 * DAY,
        Window::Calendar { period: Period::Month, .. } => 30 * DAY,
        Window::Calendar { period: Period::Quarter, .. } => 90 * DAY,
        Window::Calendar { period: Period::Year, .. } => 365 * DAY,
    }
}

/// The tiers of an SLO that states none; `None` for a period of less than a week, for which there are none.
///
/// A period of 7 to 13 days keeps the factors of a week, 14 days have their own, 28 and 29 days their own length with
/// the monthly shares, and all others keep the factors of 30 days: a budget of a quarter is larger, but three days of
/// a burn of 1 are as worth a ticket as in a month. The shares that tiers carry are those of the real period.
pub(super) fn default_tiers(window: &Window) -> Option<Vec<Tier>> {
    let period = period_minutes(window);
    let (shares, reference_minutes) = match period / DAY {
        0..7 => return None,
        7..14 => (WEEKLY_PERMILLE, 7 * DAY),
        14 if period == 14 * DAY => (FORTNIGHTLY_PERMILLE, period),
        28..30 => (MONTHLY_PERMILLE, period),
        _ => (MONTHLY_PERMILLE, 30 * DAY),
    };
    let tier = |((name, urgency, long_minutes, short_minutes), share): ((&str, Urgency, u32, u32), u32)| {
        let factor = ratio(share, 1_000) * ratio(reference_minutes, long_minutes);
        let budget_share = factor * ratio(long_minutes, period);
        Tier { name: name.to_owned(), urgency, budget_share, long_minutes, short_minutes, factor, working_hours: None }
    };
    Some(DEFAULT_TIERS.into_iter().zip(shares).map(tier).collect())
}

/// The burn rate that uses up a share of the budget within the long window.
pub(super) fn burn_rate_factor(budget_share: Rational, long_minutes: u32, window: &Window) -> Rational {
    // A long window of no minutes is refused elsewhere; one minute keeps the division defined.
    budget_share * ratio(period_minutes(window), long_minutes.max(1))
}

fn ratio(numerator: u32, denominator: u32) -> Rational {
    Rational::new(i128::from(numerator), i128::from(denominator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn factors(window: &Window) -> Option<Vec<String>> {
        Some(default_tiers(window)?.iter().map(|tier| tier.factor.to_string()).collect())
    }

    #[test]
    fn default_factors_are_as_documented_for_every_window() {
        let days = |days: u32| Window::Rolling { minutes: days * DAY };
        let month = ["72/5", "6", "3", "1"].map(str::to_owned).to_vec();
        for days_long in [15, 20, 30, 31, 90, 400] {
            assert_eq!(factors(&days(days_long)).unwrap(), month, "{days_long} days");
        }
        for period in [Period::Month, Period::Quarter, Period::Year] {
            assert_eq!(factors(&Window::Calendar { period, zone: TimeZone::UTC }).unwrap(), month, "{period}");
        }
        assert_eq!(factors(&days(28)).unwrap(), ["336/25", "28/5", "14/5", "14/15"]);
        assert_eq!(factors(&days(14)).unwrap(), ["336/25", "112/25", "21/10", "49/50"]);
        assert_eq!(factors(&days(7)).unwrap(), ["336/25", "7/2", "7/5", "49/50"]);
        assert_eq!(factors(&days(6)), None);
    }

    #[test]
    fn budget_share_is_relative_to_the_actual_window() {
        for days in [7, 10, 14, 28, 30, 90] {
            for tier in default_tiers(&Window::Rolling { minutes: days * DAY }).unwrap() {
                assert_eq!(tier.budget_share * ratio(days * DAY, tier.long_minutes), tier.factor);
            }
        }
    }
}

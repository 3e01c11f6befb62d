//! Numbers, lengths, times and lists as users read them. Exactness ends here: everything else computes with integers
//! and rationals.

use std::cmp::Ordering;

use crate::counts::Sums;
use crate::rational::{Rational, to_f64};
use crate::text::escape_non_printing;
use crate::time::{Minute, format_duration};

/// A number with its noun: `1 object`, `2 objects`.
pub(crate) fn pluralize(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", plural(count, noun))
}

/// The noun of a number that is written elsewhere.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// `1234567` as `1,234,567`.
pub(crate) fn with_thousands_separators(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn format_fraction(part: u64, total: u64) -> String {
    format!("{} of {}", with_thousands_separators(part), with_thousands_separators(total))
}

/// Below ten with one decimal, because there it matters whether the number is whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a printed number, and never negative")]
pub(crate) fn format_number(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { with_thousands_separators(number as u64) }
}

/// A share in percent. What is not quite 100% is never printed as 100%, nor a small loss as none.
pub(crate) fn format_percent(share: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}%", share * 100.0);
    let whole = format!("{:.decimals$}%", 100.0);
    if text == whole && share < 1.0 {
        let step = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
        return format!("{:.decimals$}%", 100.0 - step);
    }
    text
}

/// The same, but never rounded up: an SLI just below its objective is not printed as the objective.
pub(crate) fn format_percent_down(share: f64, decimals: usize) -> String {
    let scale = 10_f64.powi(i32::try_from(decimals).unwrap_or(0) + 2);
    // A hair below a printed number is rounding.
    format_percent(((share * scale) + 1e-6).floor() / scale, decimals)
}

/// What is left of a budget, in percent. What is not quite zero is never printed as zero: `<0.1%`, `<0%`.
pub(crate) fn format_signed_percent(share: Rational, decimals: usize) -> String {
    let (text, zero) = (format_percent(to_f64(share), decimals), Rational::from_integer(0));
    let is_printed_as_zero = text.trim_start_matches('-') == format!("{:.decimals$}%", 0.0);
    match share.cmp(&zero) {
        Ordering::Less if is_printed_as_zero => "<0%".to_owned(),
        Ordering::Greater if is_printed_as_zero => format!("<{}%", 10_f64.powi(-i32::try_from(decimals).unwrap_or(0))),
        _ => text,
    }
}

/// The bad share of events before `requests failed`: `25% of`, `half of all`, `all`, `1 in 250`. Only an exact all is
/// `all`, and only an exact zero is `no`.
pub(crate) fn format_bad_share(sums: Sums) -> String {
    let Sums { bad, total, .. } = sums;
    if total == 0 || bad == 0 {
        return "no".to_owned();
    }
    if bad == total {
        return "all".to_owned();
    }
    if bad.saturating_mul(2) == total {
        return "half of all".to_owned();
    }
    if bad.saturating_mul(100) < total {
        return format!("1 in {}", with_thousands_separators((total + bad / 2) / bad));
    }
    let share = to_f64(Rational::new(i128::from(bad), i128::from(total)));
    let text = format_percent(share, usize::from(share < 0.1));
    format!("{} of", text.replace(".0%", "%"))
}

pub(crate) fn format_latency(microseconds: u64) -> String {
    match microseconds {
        us if us % 1_000_000 == 0 => format!("{} s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{} ms", us / 1_000),
        us => format!("{us} us"),
    }
}

/// `10:05 UTC on 31 October`.
pub(crate) fn format_time(at: Minute) -> String {
    at.timestamp().strftime("%H:%M UTC on %-d %B").to_string()
}

/// The time between two minutes, rounded down: `35 minutes`, `3 hours`, `2 days`.
pub(crate) fn format_elapsed(from: Minute, to: Minute) -> String {
    match to.0.saturating_sub(from.0).max(0) {
        minutes if minutes >= 2 * 1_440 => format!("{} days", minutes / 1_440),
        minutes if minutes >= 120 => format!("{} hours", minutes / 60),
        minutes => pluralize(minutes, "minute"),
    }
}

/// An exact length in its largest unit: `15 minutes`, `2 hours`, `1 day`.
pub(crate) fn format_duration_words(minutes: u32) -> String {
    match minutes {
        minutes if minutes % 1_440 == 0 => pluralize(minutes / 1_440, "day"),
        minutes if minutes % 60 == 0 => pluralize(minutes / 60, "hour"),
        minutes => pluralize(minutes, "minute"),
    }
}

/// A length after `the last`: `hour`, `day`, `5m`.
pub(crate) fn format_lookback(minutes: u32) -> String {
    whole_unit(minutes).unwrap_or_else(|| format_duration(minutes))
}

/// A length after `the last`: `hour`, `day`, `5 minutes`.
pub(crate) fn format_lookback_words(minutes: u32) -> String {
    whole_unit(minutes).unwrap_or_else(|| format_duration_words(minutes))
}

fn whole_unit(minutes: u32) -> Option<String> {
    match minutes {
        60 => Some("hour".to_owned()),
        1_440 => Some("day".to_owned()),
        _ => None,
    }
}

pub(crate) fn capitalize(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text from outside, escaped for Markdown: it forms no link and no HTML, and ends no table cell.
pub(crate) fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in escape_non_printing(text).chars() {
        if r"\`*_[]<>|#~&".contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_budget_is_never_rounded_to_zero_or_past_objective() {
        let left = |numerator, denominator| format_signed_percent(Rational::new(numerator, denominator), 1);
        assert_eq!([left(0, 1), left(1, 100_000), left(-1, 100_000), left(1, 8)], ["0.0%", "<0.1%", "<0%", "12.5%"]);
        assert_eq!(left(-3, 2), "-150.0%");
        assert_eq!(format_percent_down(0.998_999_9, 3), "99.899%");
        assert_eq!(format_percent_down(0.999, 3), "99.900%");
        assert_eq!(format_percent_down(1.0, 3), "100.000%");
    }

    #[test]
    fn bad_share_says_all_or_no_only_when_exact() {
        let ratio = |bad, total| super::format_bad_share(Sums { bad, total, known: 1 });
        let cases = [
            (0, 0, "no"),
            (0, 7, "no"),
            (7, 7, "all"),
            (999_999, 1_000_000, "99% of"),
            (20, 40, "half of all"),
            (312, 1_248, "25% of"),
            (2, 100, "2% of"),
            (3, 200, "1.5% of"),
            (1, 100, "1% of"),
            (4, 1_000, "1 in 250"),
            (1, 1_000_000, "1 in 1,000,000"),
        ];
        for (bad, total, text) in cases {
            assert_eq!(ratio(bad, total), text, "{bad} of {total}");
        }
    }
}

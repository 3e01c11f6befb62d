//! Numbers and times as people say them.

use super::pluralize;
use super::status::format_percent;
use crate::cost::with_thousands_separators;
use crate::counts::Sums;
use crate::rational::{Rational, to_f64};
use crate::text::escape_non_printing;
use crate::time::{Minute, format_duration};

/// The bad share of events as the beginning of `... requests failed`: `25% of`, `half of all`, `all`, `1 in 250`. Only
/// all is `all`, and only none is `no`.
pub(super) fn format_bad_share(sums: Sums) -> String {
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

/// A length after `the last`: `hour`, `day`, `5m`.
pub(super) fn format_lookback(minutes: u32) -> String {
    match minutes {
        60 => "hour".to_owned(),
        1_440 => "day".to_owned(),
        minutes => format_duration(minutes),
    }
}

/// How many may fail; of few it matters whether it is a whole one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a printed number, and never negative")]
pub(super) fn format_number(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { with_thousands_separators(number as u64) }
}

pub(super) fn format_latency(microseconds: u64) -> String {
    match microseconds {
        us if us % 1_000_000 == 0 => format!("{} s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{} ms", us / 1_000),
        us => format!("{us} us"),
    }
}

/// `10:05 UTC on 31 October`.
pub(super) fn format_time(at: Minute) -> String {
    at.timestamp().strftime("%H:%M UTC on %-d %B").to_string()
}

/// A length in words: `35 minutes`, `3 hours`, `2 days`.
pub(super) fn format_elapsed(from: Minute, to: Minute) -> String {
    match to.0.saturating_sub(from.0).max(0) {
        minutes if minutes >= 2 * 1_440 => format!("{} days", minutes / 1_440),
        minutes if minutes >= 120 => format!("{} hours", minutes / 60),
        minutes => pluralize(minutes, "minute"),
    }
}

/// A sentence's beginning.
pub(super) fn capitalize(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text that somebody else wrote, as Markdown that shows it as it is: no link, no HTML, no cell of a table that it
/// ends.
pub(super) fn escape_markdown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in escape_non_printing(text).chars() {
        if r"\`*_[]<>|#~&".contains(char) {
            shown.push('\\');
        }
        shown.push(char);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

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

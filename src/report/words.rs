//! Numbers and times as people say them.

use crate::cost::grouped;
use crate::counts::Sums;
use crate::minute::Minute;
use crate::visible::visible;

/// `1 in 4`, `all`, `3 in 1,000`: what people can picture.
pub(super) fn ratio(sums: Sums) -> String {
    if sums.total == 0 || sums.bad == 0 {
        return "no".to_owned();
    }
    if sums.bad == sums.total {
        return "all".to_owned();
    }
    let times = sums.total.div_ceil(sums.bad);
    if times >= 6 {
        format!("1 in {}", grouped((sums.total + sums.bad / 2) / sums.bad))
    } else {
        format!("{} in 10", (sums.bad * 10 + sums.total / 2) / sums.total)
    }
}

/// How many may fail; of few it matters whether it is a whole one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a printed number, and never negative")]
pub(super) fn few(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { grouped(number as u64) }
}

pub(super) fn time_text(microseconds: u64) -> String {
    match microseconds {
        us if us % 1_000_000 == 0 => format!("{} s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{} ms", us / 1_000),
        us => format!("{us} us"),
    }
}

/// `10:05 UTC on 31 October`.
pub(super) fn clock(at: Minute) -> String {
    at.timestamp().strftime("%H:%M UTC on %-d %B").to_string()
}

/// A length in words: `35 minutes`, `3 hours`, `2 days`.
pub(super) fn between(from: Minute, to: Minute) -> String {
    match to.0.saturating_sub(from.0).max(0) {
        minutes if minutes >= 2 * 1_440 => format!("{} days", minutes / 1_440),
        minutes if minutes >= 120 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

/// A sentence's beginning.
pub(super) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text that somebody else wrote, as Markdown that shows it as it is: no link, no HTML, no cell of a table that it ends.
pub(super) fn marked_down(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in visible(text).chars() {
        if r"\`*_[]<>|#~&".contains(char) {
            shown.push('\\');
        }
        shown.push(char);
    }
    shown
}

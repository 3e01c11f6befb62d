//! Moments as pages show them: short for people, whole for programs.

use serde::Serialize;

use crate::time::Minute;

/// A moment.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TimeText {
    /// `2026-10-31T23:50Z`.
    iso: String,
    /// `31 Oct 23:50`, in UTC as all of a page.
    short: String,
    /// `31 October 2026, 23:50 UTC`.
    long: String,
}

impl TimeText {
    pub(super) fn new(at: Minute) -> Self {
        let text = |form: &str| at.timestamp().strftime(form).to_string();
        Self { iso: at.to_string(), short: text("%-d %b %H:%M"), long: text("%-d %B %Y, %H:%M UTC") }
    }
}

/// `31 Oct`.
pub(super) fn format_day(at: Minute) -> String {
    at.timestamp().strftime("%-d %b").to_string()
}

/// A length for people: `25 min`, `3 h`, `3 h 20 min`, `2 d 4 h`.
pub(super) fn format_duration_abbreviated(minutes: u32) -> String {
    let (days, hours, rest) = (minutes / 1_440, minutes % 1_440 / 60, minutes % 60);
    let parts: Vec<String> = [(days, "d"), (hours, "h"), (rest, "min")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .take(2)
        .collect();
    if parts.is_empty() { "0 min".to_owned() } else { parts.join(" ") }
}

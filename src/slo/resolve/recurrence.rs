//! Recurrence rules (RFC 5545, section 3.3.10), with the first occurrence from which they continue.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, Zoned};
use rrule::{Frequency, RRule, RRuleSet};

use crate::hinted_error::HintedError;
use crate::time::MINUTES_PER_DAY;

/// The longest window of an SLO: older minutes are in no window.
pub(super) const LONGEST_WINDOW_MINUTES: i32 = 400 * MINUTES_PER_DAY;

/// The most occurrences within the longest window: one every hour of 400 days.
const OCCURRENCES_MAX: usize = 9_600;

/// Why a rule is invalid, and the field that has to be changed.
#[derive(Debug)]
pub(super) struct RuleError {
    pub(super) key: &'static str,
    pub(super) explained: HintedError,
}

impl RuleError {
    fn repeat(message: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { key: "repeat", explained: HintedError::new(message, hint) }
    }

    fn start(message: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self { key: "start", explained: HintedError::new(message, hint) }
    }
}

/// Parses a rule in the time zone of its first occurrence. The end only serves a hint.
pub(super) fn parse_rule(text: &str, start: &Zoned, end: Option<&Zoned>) -> Result<RRuleSet, RuleError> {
    let text = text.strip_prefix("RRULE:").unwrap_or(text);
    check_until(text, start)?;
    check_interval(text)?;
    if is_ambiguous(start) {
        // A rule continues from a local time, and this one is two instants.
        let message =
            format!("{} occurs twice in {}, so no rule can start from it", local_time_text(start), zone_name(start));
        let hint = "set `start` to an earlier or later occurrence, and add a separate correction for this one";
        return Err(RuleError::start(message, hint));
    }
    let zone = zone_name(start);
    let dtstart = match zone {
        "UTC" => format!("DTSTART:{}Z", start.strftime("%Y%m%dT%H%M%S")),
        zone => format!("DTSTART;TZID={zone}:{}", start.strftime("%Y%m%dT%H%M%S")),
    };
    let set: RRuleSet = format!("{dtstart}\nRRULE:{text}")
        .parse()
        .map_err(|error: rrule::RRuleError| explain_invalid_rule(text, &error.to_string()))?;
    let set = set.limit();
    let is_too_frequent = |rule: &RRule| matches!(rule.get_freq(), Frequency::Minutely | Frequency::Secondly);
    let horizon_seconds = start.timestamp().as_second() + i64::from(LONGEST_WINDOW_MINUTES) * 60;
    let occurrences = set.into_iter().take_while(|moment| moment.timestamp() < horizon_seconds);
    if set.get_rrule().iter().any(is_too_frequent) || occurrences.take(OCCURRENCES_MAX + 1).count() > OCCURRENCES_MAX {
        let hint = "repeat at most once an hour; to exclude requests permanently, use `where`";
        return Err(RuleError::repeat(format!("`{text}` repeats too often"), hint));
    }
    let to_local = |stamp: Timestamp| stamp.to_zoned(start.time_zone().clone());
    let moments = || set.into_iter().filter_map(|moment| Timestamp::from_second(moment.timestamp()).ok()).map(to_local);
    let Some(first) = moments().next() else {
        let hint = "check `BYMONTHDAY`, `COUNT` and `UNTIL`";
        return Err(RuleError::repeat(format!("`{text}` never occurs"), hint));
    };
    // "The DTSTART property value SHOULD be synchronized with the recurrence rule, if specified. The recurrence set
    // generated with a DTSTART property value not synchronized with the recurrence rule is undefined" (RFC 5545,
    // section 3.8.5.3).
    if first.timestamp() == start.timestamp() {
        return Ok(set);
    }
    let message = format!(
        "`start` is not an occurrence of `repeat`: {}; the first is {}",
        local_time_text(start),
        local_time_text(&first)
    );
    let suggested_start = moments().find(|moment| !is_ambiguous(moment)).unwrap_or(first);
    let suggested_end = end.and_then(|end| suggested_start.checked_add(start.duration_until(end)).ok());
    let end_hint = suggested_end.map_or_else(String::new, |end| format!(" and `end: {}`", yaml_text(&end)));
    let hint = format!("set `start: {}`{end_hint}, or change `repeat`", yaml_text(&suggested_start));
    Err(RuleError::start(message, hint))
}

/// Explains an invalid rule. The parser's reason only helps if the text has parts.
fn explain_invalid_rule(text: &str, reason: &str) -> RuleError {
    let reason = reason.split_once(" error: ").map_or(reason, |(_, reason)| reason);
    let reason = reason.split(". ").next().unwrap_or(reason).trim_end_matches('.').replace('\n', " ");
    let message = format!("invalid recurrence rule `{text}`");
    let word = text.trim().to_ascii_uppercase();
    let form = "write an RFC 5545 rule such as `FREQ=WEEKLY;BYDAY=SU`";
    match word.as_str() {
        "YEARLY" | "MONTHLY" | "WEEKLY" | "DAILY" | "HOURLY" => {
            RuleError::repeat(message, format!("did you mean `FREQ={word}`? {form}"))
        }
        _ if text.contains('=') => RuleError::repeat(format!("{message}: {reason}"), form),
        _ => RuleError::repeat(message, form),
    }
}

fn local_time_text(moment: &Zoned) -> String {
    moment.strftime("%A, %Y-%m-%d %H:%M").to_string()
}

fn zone_name(moment: &Zoned) -> &str {
    moment.time_zone().iana_name().unwrap_or("UTC")
}

/// Whether another instant has the same local time.
fn is_ambiguous(moment: &Zoned) -> bool {
    moment.time_zone().to_ambiguous_zoned(moment.datetime()).is_ambiguous()
}

/// A moment as written for `start` and `end`: in its zone, or in UTC if the local time is ambiguous.
fn yaml_text(moment: &Zoned) -> String {
    if is_ambiguous(moment) {
        return moment.timestamp().strftime("%Y-%m-%dT%H:%MZ").to_string();
    }
    moment.strftime("%Y-%m-%dT%H:%M").to_string()
}

fn rule_part<'t>(text: &'t str, part: &str) -> Option<&'t str> {
    let mut parts = text.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(name, _)| name.eq_ignore_ascii_case(part)).map(|(_, value)| value)
}

/// "The INTERVAL rule part contains a positive integer" (RFC 5545, section 3.3.10).
fn check_interval(text: &str) -> Result<(), RuleError> {
    match rule_part(text, "INTERVAL") {
        Some(value) if !value.is_empty() && value.bytes().all(|digit| digit == b'0') => Err(RuleError::repeat(
            format!("invalid `INTERVAL={value}`: it must be at least 1"),
            "set the number of days, weeks or months between two occurrences, such as `INTERVAL=2`, or remove `INTERVAL`",
        )),
        _ => Ok(()),
    }
}

/// "If the DTSTART property is specified as a date with UTC time or a date with local time and time zone reference,
/// then the UNTIL rule part MUST be specified as a date with UTC time" (RFC 5545, section 3.3.10), and `start` always
/// is.
fn check_until(text: &str, start: &Zoned) -> Result<(), RuleError> {
    let Some(value) = rule_part(text, "UNTIL") else { return Ok(()) };
    let (example, explanation) = match parse_until(value, start) {
        Some(Until::Utc(until)) if until < start.timestamp() => {
            let hint =
                "set `UNTIL` to the last time an occurrence may start, or remove `repeat` if it occurs only once";
            return Err(RuleError::repeat(format!("`UNTIL={value}` is before `start`"), hint));
        }
        Some(Until::Utc(until)) if until_text(until) == value => return Ok(()),
        Some(Until::Utc(until)) => (until, String::new()),
        Some(Until::Local(local)) => {
            let moment = start.time_zone().to_zoned(local).map_or(start.timestamp(), |moment| moment.timestamp());
            (moment, format!(", which is {} in {}", local.strftime("%H:%M:%S on %Y-%m-%d"), zone_name(start)))
        }
        None => (start.timestamp(), ", which is the time of `start`".to_owned()),
    };
    let message = format!("`UNTIL={value}` is not a UTC date and time as RFC 5545 requires");
    Err(RuleError::repeat(message, format!("write it as `UNTIL={}`{explanation}", until_text(example))))
}

/// What an `UNTIL` probably means.
enum Until {
    Utc(Timestamp),
    /// On the clock of the correction's zone.
    Local(DateTime),
}

fn parse_until(value: &str, start: &Zoned) -> Option<Until> {
    if let Ok(instant) = value.parse::<Timestamp>() {
        return Some(Until::Utc(instant));
    }
    if value.contains(['T', 't', ' ']) {
        return value.parse().ok().map(Until::Local);
    }
    // A day counts up to its last second, as it would if `start` were a day.
    let day: Date = value.parse().ok()?;
    let last = Time::new(23, 59, 59, 0).unwrap_or(start.time());
    Some(Until::Local(day.to_datetime(last)))
}

fn until_text(moment: Timestamp) -> String {
    moment.strftime("%Y%m%dT%H%M%SZ").to_string()
}

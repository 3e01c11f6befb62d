//! Numbers, percentages, durations, windows, time zones, names and lines of text.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::forms::{FromText, impl_from_text, text_types};
use crate::hinted_error::HintedError;
use crate::rational::{Rational, parse_decimal, parse_percent};
use crate::text::is_non_printing;
use crate::time::{Period, parse_duration};

text_types!(Name, TextLine);

impl_from_text! {
    Percentile: "a percentile", "p99", r"^p[0-9]{1,2}(\.[0-9]{1,4})?$", read_percentile, explain_bare_percentile;
    Percent: "a percentage", "99.9%", r"^[0-9]+(\.[0-9]+)? *%$", read_percent, explain_missing_percent;
    Minutes: "a duration", "6h", "^[0-9]{1,6}[mhdw]$", read_minutes, |text| explain_missing_unit(text, "m");
    WindowYaml: "a window", "30d",
        "^(0*[1-9][0-9]{0,5}[mhdw]|week|month|quarter|year)$", read_window, |text| explain_missing_unit(text, "d");
    Threshold: "a latency threshold", "300ms", r"^[0-9]+(\.[0-9]+)?(us|ms|s)$", read_threshold, explain_bare_threshold;
    TimeZone: "a time zone", "Europe/Berlin", "^[A-Za-z0-9_+/-]{1,64}$", read_time_zone;
    Name: "a name", "checkout", "^[a-z0-9][a-z0-9._-]{0,99}$", read_name;
    TextLine: "a line of text", "", r"^[^\u0000-\u001f\u007f-\u009f]{1,1000}$", read_text_line;
}

/// The most minutes a window may have: 400 days, a year and some.
const WINDOW_MINUTES_MAX: u32 = 400 * 1_440;

/// The longest threshold of a latency: two minutes. Beyond it the load balancer's own timeouts decide.
const THRESHOLD_US_MAX: i128 = 120_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PositiveInt(pub(crate) u32);

impl FromText for PositiveInt {
    const NOUN: &'static str = "a whole number";
    const EXAMPLE: &'static str = "5";
    const PATTERN: &'static str = "^[1-9][0-9]{0,5}$";
    const IS_INTEGER: bool = true;

    fn from_text(text: &str) -> Result<Self, HintedError> {
        match text.parse() {
            Ok(number) if Self::matches(text) => Ok(Self(number)),
            _ => HintedError::err(format!("`{text}` is not a whole number above zero"), "write a number such as `5`"),
        }
    }
}

/// A percentile, as the share of values at or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Percentile(pub(crate) Rational);

fn read_percentile(text: &str) -> Result<Percentile, HintedError> {
    let number = text.strip_prefix('p').and_then(parse_decimal);
    match number.map(|number| number / Rational::from_integer(100)) {
        Some(share) if share > Rational::ZERO && share < Rational::ONE => Ok(Percentile(share)),
        _ => HintedError::err(
            format!("invalid percentile `{text}`"),
            "write a percentile such as `p50`, `p99` or `p99.9`",
        ),
    }
}

fn explain_bare_percentile(text: &str) -> HintedError {
    HintedError::new(format!("invalid percentile `{text}`"), format!("did you mean `p{text}`?"))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Percent {
    pub(crate) share: Rational,
    pub(crate) text: String,
}

fn read_percent(text: &str) -> Result<Percent, HintedError> {
    match parse_percent(text) {
        Some(share) if share <= Rational::ONE => Ok(Percent { share, text: text.replace(' ', "") }),
        Some(_) => HintedError::err(format!("`{text}` is more than 100%"), "write at most `100%`"),
        None if parse_decimal(text).is_some() => Err(explain_missing_percent(text)),
        None => {
            let suggestion = format!("{}%", text.trim_end_matches('%').trim_end().replacen(',', ".", 1));
            let hint = match parse_percent(&suggestion) {
                Some(_) => format!("did you mean `{suggestion}`?"),
                None => "write a number of at most 12 digits and `%`, such as `99.95%`".to_owned(),
            };
            HintedError::err(format!("invalid percentage `{text}`"), hint)
        }
    }
}

fn explain_missing_percent(text: &str) -> HintedError {
    let hint = match parse_decimal(text) {
        Some(number) if number > Rational::ZERO && number < Rational::ONE => {
            format!("did you mean `{}%`?", decimal_text(number * Rational::from_integer(100)))
        }
        Some(number) if number == Rational::ONE => {
            "did you mean `100%` or `1%`? shares are written as percentages, such as `99.9%`".to_owned()
        }
        _ => format!("did you mean `{text}%`?"),
    };
    HintedError::new(format!("`{text}` has no `%`"), hint)
}

/// A number above zero with at most six decimals, which are cut off.
pub(crate) fn decimal_text(number: Rational) -> String {
    let millionths = number * Rational::from_integer(1_000_000);
    let digits = millionths.to_integer();
    let text = format!("{}.{:06}", digits / 1_000_000, digits % 1_000_000);
    if millionths.is_integer() { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A length of whole minutes, at most 400 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Minutes(pub(crate) u32);

fn read_minutes(text: &str) -> Result<Minutes, HintedError> {
    match parse_duration(text) {
        Some(minutes) if minutes <= WINDOW_MINUTES_MAX => Ok(Minutes(minutes)),
        Some(_) => HintedError::err(format!("`{text}` is longer than 400 days"), "write at most `400d`"),
        None => {
            let hint = suggest_duration(text)
                .unwrap_or_else(|| "write a whole number and `m`, `h`, `d` or `w`, such as `5m` or `30d`".to_owned());
            HintedError::err(format!("invalid duration `{text}`"), hint)
        }
    }
}

fn explain_missing_unit(text: &str, unit: &str) -> HintedError {
    HintedError::new(
        format!("`{text}` has no unit"),
        format!("add the unit `m`, `h`, `d` or `w`, such as `{text}{unit}`"),
    )
}

/// The hint for a number with the name of a unit: `30 days`, `5 min`.
fn suggest_duration(text: &str) -> Option<String> {
    let unit_start = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_start).filter(|(number, _)| (1..=6).contains(&number.len()))?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "wk" | "week" | "weeks" => "w",
        _ => return None,
    };
    Some(format!("did you mean `{number}{unit}`?"))
}

/// A window without its time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowYaml {
    Rolling(u32),
    Calendar(Period),
}

fn read_window(text: &str) -> Result<WindowYaml, HintedError> {
    match (text, parse_duration(text)) {
        ("week", _) => Ok(WindowYaml::Calendar(Period::Week)),
        ("month", _) => Ok(WindowYaml::Calendar(Period::Month)),
        ("quarter", _) => Ok(WindowYaml::Calendar(Period::Quarter)),
        ("year", _) => Ok(WindowYaml::Calendar(Period::Year)),
        (_, Some(0)) => HintedError::err(format!("invalid window `{text}`: it is empty"), "write at least `1m`"),
        (_, Some(minutes)) if minutes <= WINDOW_MINUTES_MAX => Ok(WindowYaml::Rolling(minutes)),
        (_, Some(_)) => HintedError::err(
            format!("the window `{text}` is longer than 400 days"),
            "write at most `400d`, or `year` for the calendar year",
        ),
        (_, None) => HintedError::err(format!("invalid window `{text}`"), suggest_window(text)),
    }
}

fn suggest_window(text: &str) -> String {
    if let Some(hint) = suggest_duration(text) {
        return hint;
    }
    let lower = text.to_ascii_lowercase();
    let periods = [("month", "mo", 30), ("quarter", "quarter", 90), ("year", "y", 365), ("week", "week", 7)];
    match periods.iter().find(|(period, ending, _)| lower.contains(period) || lower.ends_with(ending)) {
        Some((period, _, days)) => {
            format!("write `{period}` for the calendar {period}, or `{days}d` for a rolling window")
        }
        None => "write a rolling window such as `30d`, or `week`, `month`, `quarter` or `year` for a calendar window"
            .to_owned(),
    }
}

/// The threshold of a latency, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold(pub(crate) u64);

fn read_threshold(text: &str) -> Result<Threshold, HintedError> {
    let units = [("us", 1), ("ms", 1_000), ("s", 1_000_000)];
    let number = units.iter().find_map(|(unit, scale)| Some((parse_decimal(text.strip_suffix(unit)?), *scale)));
    let Some((Some(number), scale)) = number else { return Err(explain_bare_threshold(text)) };
    let microseconds = number * Rational::from_integer(scale);
    let (reason, hint) = match u64::try_from(microseconds.to_integer()) {
        _ if microseconds == Rational::ZERO => ("zero", "write a duration above zero, such as `300ms`"),
        _ if microseconds > Rational::from_integer(THRESHOLD_US_MAX) => ("above two minutes", "write at most `120s`"),
        Ok(whole) if microseconds.is_integer() => return Ok(Threshold(whole)),
        _ => ("more precise than a microsecond", "write milliseconds, such as `300ms`"),
    };
    HintedError::err(format!("the threshold `{text}` is {reason}"), hint)
}

fn explain_bare_threshold(text: &str) -> HintedError {
    if parse_decimal(text).is_some() {
        return HintedError::new(format!("`{text}` has no unit"), format!("add the unit: `{text}ms` or `{text}s`"));
    }
    HintedError::new(format!("invalid threshold `{text}`"), "write a duration such as `300ms` or `1.5s`")
}

/// An IANA time zone. Systems leave out older names (`CET`, `US/Eastern`), so the bundled names count as well: what is
/// valid on a desk is valid in a container.
fn read_time_zone(name: &str) -> Result<TimeZone, HintedError> {
    const ZONE_HINT: &str = "write an IANA time zone such as `Europe/Berlin`, or `UTC`";
    let is_one_of = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    if is_one_of(&["localtime", "posixrules"]) {
        return HintedError::err(format!("the time zone `{name}` depends on the machine"), ZONE_HINT);
    }
    if is_one_of(&["Factory", "Etc/Unknown"]) {
        return HintedError::err(format!("`{name}` is not a valid time zone"), ZONE_HINT);
    }
    TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).map_err(|_| {
        let is_abbreviation = (3..=5).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_offset = name.contains(|char: char| char.is_ascii_digit());
        let reason = match (is_abbreviation, is_offset) {
            (true, _) => ": abbreviations are ambiguous",
            (_, true) => ": offsets do not follow daylight saving time",
            _ => "",
        };
        HintedError::new(format!("unknown time zone `{name}`"), format!("{ZONE_HINT}{reason}"))
    })
}

/// The name of a service, an SLO, a class, a source, a team.
fn read_name(text: &str) -> Result<Name, HintedError> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if text.len() > 100 {
        let message = format!("the name is too long: {} characters", text.len());
        return HintedError::err(message, "use at most 100 characters");
    }
    if text.bytes().all(is_allowed) && text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Ok(Name(text.to_owned()));
    }
    let fixed: String =
        text.to_ascii_lowercase().bytes().map(|byte| if is_allowed(byte) { char::from(byte) } else { '-' }).collect();
    let fixed = fixed.trim_matches(['-', '.', '_']);
    let rule = "use lowercase letters, digits, `-`, `_` and `.`, starting with a letter or digit";
    let hint =
        if fixed.is_empty() || !text.is_ascii() { rule.to_owned() } else { format!("{rule}, such as `{fixed}`") };
    HintedError::err(format!("invalid name `{text}`"), hint)
}

/// One line of text, or a path.
fn read_text_line(text: &str) -> Result<TextLine, HintedError> {
    if text.is_empty() || text.chars().count() > 1_000 || text.chars().any(is_non_printing) {
        return HintedError::err(
            "invalid text: empty, longer than 1000 characters, or with control characters",
            "write one line of plain text",
        );
    }
    Ok(TextLine(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_number_is_read_as_the_schema_allows() {
        assert_eq!(PositiveInt::from_text("5"), Ok(PositiveInt(5)));
        assert_eq!(PositiveInt::from_text("999999"), Ok(PositiveInt(999_999)));
        for text in ["0", "+5", "007", "1000000", "-1", ""] {
            let message = format!("`{text}` is not a whole number above zero");
            assert_eq!(PositiveInt::from_text(text), HintedError::err(message, "write a number such as `5`"));
        }
    }
}

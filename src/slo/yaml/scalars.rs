//! The single values of definitions, each checked where it is read, so that a wrong one is known by its place.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::scalar::FromText;
use crate::rational::{Rational, parse_decimal, parse_percent};
use crate::slo::problem::Explained;
use crate::time::{Period, parse_duration};

/// The most minutes a window may have: 400 days, a year and some.
const WINDOW_MINUTES_MAX: u32 = 400 * 1_440;

/// The longest threshold of a latency: two minutes. Beyond it the load balancer's own timeouts decide.
const THRESHOLD_US_MAX: u32 = 120_000_000;

/// A whole number above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct PositiveInt(pub(in crate::slo) u32);

impl FromText for PositiveInt {
    const PATTERN: &'static str = "^[1-9][0-9]{0,5}$";
    const NOUN: &'static str = "a whole number";
    const EXAMPLE: &'static str = "5";
    const TYPES: &'static [&'static str] = &["string", "integer"];

    fn from_bare(text: &str) -> Result<Self, Explained> {
        Self::from_text(text)
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        let number = text.parse().ok().filter(|number| (1..1_000_000).contains(number));
        number.map(Self).ok_or_else(|| {
            Explained::new(format!("`{text}` is not a whole number above zero"), "write a number such as `5`")
        })
    }
}

/// A percentile, as the share of answers that it leaves at or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Percentile(pub(in crate::slo) Rational);

impl FromText for Percentile {
    const PATTERN: &'static str = r"^p[0-9]{1,2}(\.[0-9]{1,4})?$";
    const NOUN: &'static str = "a percentile";
    const EXAMPLE: &'static str = "p99";

    fn bare_value_error(text: &str) -> Explained {
        Explained::new(format!("invalid percentile `{text}`"), format!("did you mean `p{text}`?"))
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        let share = text.strip_prefix('p').and_then(parse_decimal).map(|number| number / Rational::from_integer(100));
        let is_between_0_and_1 =
            |share: &Rational| *share > Rational::from_integer(0) && *share < Rational::from_integer(1);
        share.filter(is_between_0_and_1).map(Self).ok_or_else(|| {
            Explained::new(format!("invalid percentile `{text}`"), "write a percentile such as `p50`, `p99` or `p99.9`")
        })
    }
}

/// A share in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Percent {
    pub(in crate::slo) share: Rational,
    pub(in crate::slo) text: String,
}

impl FromText for Percent {
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? *%$";
    const NOUN: &'static str = "a percentage";
    const EXAMPLE: &'static str = "99.9%";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let one = Rational::from_integer(1);
        match parse_percent(text) {
            Some(share) if share <= one => Ok(Self { share, text: text.replace(' ', "") }),
            Some(_) => Err(Explained::new(format!("`{text}` is more than 100%"), "write at most `100%`")),
            None if parse_decimal(text).is_some() => Err(Self::bare_value_error(text)),
            None => {
                let suggestion = format!("{}%", text.trim_end_matches('%').trim_end().replacen(',', ".", 1));
                let hint = match parse_percent(&suggestion) {
                    Some(_) => format!("did you mean `{suggestion}`?"),
                    None => "write a number of at most 12 digits and `%`, such as `99.95%`".to_owned(),
                };
                Err(Explained::new(format!("invalid percentage `{text}`"), hint))
            }
        }
    }

    fn bare_value_error(text: &str) -> Explained {
        let message = format!("`{text}` has no `%`");
        match parse_decimal(text) {
            Some(number) if number > Rational::from_integer(0) && number < Rational::from_integer(1) => {
                let percent = decimal_text(number * Rational::from_integer(100));
                Explained::new(message, format!("did you mean `{percent}%`?"))
            }
            Some(number) if number == Rational::from_integer(1) => Explained::new(
                message,
                format!("did you mean `100%` or `1%`? shares are written as percentages, such as `{}`", Self::EXAMPLE),
            ),
            _ => Explained::new(message, format!("did you mean `{text}%`?")),
        }
    }
}

/// A number with few enough digits that it ends, as plain decimal text; else its first four digits after the point.
pub(in crate::slo) fn decimal_text(number: Rational) -> String {
    let whole = number.to_integer();
    let mut rest = number - Rational::from_integer(whole);
    let mut text = whole.to_string();
    for digit in 0..6 {
        if rest == Rational::from_integer(0) {
            break;
        }
        if digit == 0 {
            text.push('.');
        }
        rest *= Rational::from_integer(10);
        text.push_str(&rest.to_integer().to_string());
        rest -= Rational::from_integer(rest.to_integer());
    }
    text
}

/// A length of whole minutes, at most 400 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Minutes(pub(in crate::slo) u32);

impl FromText for Minutes {
    const PATTERN: &'static str = "^[0-9]{1,6}[mhdw]$";
    const NOUN: &'static str = "a duration";
    const EXAMPLE: &'static str = "6h";

    fn bare_value_error(text: &str) -> Explained {
        missing_unit(text, "m")
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        let minutes = parse_duration(text).ok_or_else(|| {
            Explained::new(
                format!("invalid duration `{text}`"),
                suggest_duration(text).map_or_else(
                    || "write a whole number and `m`, `h`, `d` or `w`, such as `5m` or `30d`".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                ),
            )
        })?;
        if minutes > WINDOW_MINUTES_MAX {
            return Err(Explained::new(format!("`{text}` is longer than 400 days"), "write at most `400d`"));
        }
        Ok(Self(minutes))
    }
}

/// A window as typed; a calendar window still lacks its time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) enum WindowYaml {
    Rolling(u32),
    Calendar(Period),
}

/// The hint for a number without a unit.
fn missing_unit(text: &str, unit: &str) -> Explained {
    Explained::new(
        format!("`{text}` has no unit"),
        format!("add the unit `m`, `h`, `d` or `w`, such as `{text}{unit}`"),
    )
}

impl FromText for WindowYaml {
    const PATTERN: &'static str = "^(0*[1-9][0-9]{0,5}[mhdw]|week|month|quarter|year)$";
    const NOUN: &'static str = "a window";
    const EXAMPLE: &'static str = "30d";

    fn bare_value_error(text: &str) -> Explained {
        missing_unit(text, "d")
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        match text {
            "week" => return Ok(Self::Calendar(Period::Week)),
            "month" => return Ok(Self::Calendar(Period::Month)),
            "quarter" => return Ok(Self::Calendar(Period::Quarter)),
            "year" => return Ok(Self::Calendar(Period::Year)),
            _ => {}
        }
        match parse_duration(text) {
            Some(0) => Err(Explained::new(format!("invalid window `{text}`: it is empty"), "write at least `1m`")),
            Some(minutes) if minutes <= WINDOW_MINUTES_MAX => Ok(Self::Rolling(minutes)),
            Some(_) => Err(Explained::new(
                format!("the window `{text}` is longer than 400 days"),
                "write at most `400d`, or `year` for the calendar year",
            )),
            None => Err(Explained::new(format!("invalid window `{text}`"), window_hint(text))),
        }
    }
}

/// The duration that a number with the name of a unit stands for: `30 days`, `5 min`.
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
    Some(format!("{number}{unit}"))
}

/// What was probably meant by a text that is no window.
fn window_hint(text: &str) -> String {
    if let Some(meant) = suggest_duration(text) {
        return format!("did you mean `{meant}`?");
    }
    let lower = text.to_ascii_lowercase();
    for (word, period, days) in
        [("month", "month", 30), ("quarter", "quarter", 90), ("year", "year", 365), ("week", "week", 7)]
    {
        if lower.contains(word)
            || (word == "month" && lower.ends_with("mo"))
            || (word == "year" && lower.ends_with('y'))
        {
            return format!("write `{period}` for the calendar {period}, or `{days}d` for a rolling window");
        }
    }
    "write a rolling window such as `30d`, or `week`, `month`, `quarter` or `year` for a calendar window".to_owned()
}

/// The threshold of a latency, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Threshold(pub(in crate::slo) u64);

impl FromText for Threshold {
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)?(us|ms|s)$";
    const NOUN: &'static str = "a latency threshold";
    const EXAMPLE: &'static str = "300ms";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let (digits, scale) = [("us", 1), ("ms", 1_000), ("s", 1_000_000)]
            .into_iter()
            .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))
            .ok_or_else(|| Self::bare_value_error(text))?;
        let microseconds =
            parse_decimal(digits).ok_or_else(|| Self::bare_value_error(text))? * Rational::from_integer(scale);
        if microseconds == Rational::from_integer(0) {
            return Err(Explained::new(
                format!("the threshold `{text}` is zero"),
                "write a duration above zero, such as `300ms`",
            ));
        }
        if microseconds > Rational::from_integer(i128::from(THRESHOLD_US_MAX)) {
            return Err(Explained::new(format!("the threshold `{text}` is above two minutes"), "write at most `120s`"));
        }
        match u64::try_from(microseconds.to_integer()) {
            Ok(whole) if microseconds.is_integer() => Ok(Self(whole)),
            _ => Err(Explained::new(
                format!("the threshold `{text}` is more precise than a microsecond"),
                "write milliseconds, such as `300ms`",
            )),
        }
    }

    fn bare_value_error(text: &str) -> Explained {
        let is_number = parse_decimal(text).is_some();
        let hint = if is_number {
            format!("add the unit: `{text}ms` or `{text}s`")
        } else {
            "write a duration such as `300ms` or `1.5s`".to_owned()
        };
        let message = if is_number { format!("`{text}` has no unit") } else { format!("invalid threshold `{text}`") };
        Explained::new(message, hint)
    }
}

/// An IANA time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct TimeZoneName(pub(in crate::slo) TimeZone);

impl FromText for TimeZoneName {
    const PATTERN: &'static str = "^[A-Za-z0-9_+/-]{1,64}$";
    const NOUN: &'static str = "a time zone";
    const EXAMPLE: &'static str = "Europe/Berlin";

    fn from_text(text: &str) -> Result<Self, Explained> {
        parse_time_zone(text).map(Self)
    }
}

/// The time zone of a name. Systems leave out older names (`CET`, `US/Eastern`), so those that come with this program
/// count as well: what is sound on a desk is sound in a container.
pub(super) fn parse_time_zone(name: &str) -> Result<TimeZone, Explained> {
    const ZONE_HINT: &str = "write an IANA time zone such as `Europe/Berlin`, or `UTC`";
    let is_one_of = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    if is_one_of(&["localtime", "posixrules"]) {
        return Err(Explained::new(format!("the time zone `{name}` depends on the machine"), ZONE_HINT));
    }
    if is_one_of(&["Factory", "Etc/Unknown"]) {
        return Err(Explained::new(format!("`{name}` is not a valid time zone"), ZONE_HINT));
    }
    TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).map_err(|_| {
        let is_abbreviation = (3..=5).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_offset = name.contains(|char: char| char.is_ascii_digit());
        let reason = match (is_abbreviation, is_offset) {
            (true, _) => ": abbreviations are ambiguous",
            (_, true) => ": offsets do not follow daylight saving time",
            _ => "",
        };
        Explained::new(format!("unknown time zone `{name}`"), format!("{ZONE_HINT}{reason}"))
    })
}

//! The single values of definitions, each checked where it is read, so that a wrong one is known by its place.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::typed::FromText;
use crate::exact::{Exact, decimal, percent};
use crate::minute::{Period, length};
use crate::slo::problem::Refusal;

/// The most minutes a window may have: 400 days, a year and some.
const WINDOW_MINUTES_MAX: u32 = 400 * 1_440;

/// The longest threshold of a latency: two minutes. Beyond it the load balancer's own timeouts decide.
const THRESHOLD_US_MAX: u32 = 120_000_000;

/// A whole number above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Whole(pub(in crate::slo) u32);

impl FromText for Whole {
    const PATTERN: &'static str = "^[1-9][0-9]{0,5}$";
    const NOUN: &'static str = "a whole number";
    const EXAMPLE: &'static str = "5";
    const TYPES: &'static [&'static str] = &["string", "integer"];

    fn from_bare(text: &str) -> Result<Self, Refusal> {
        Self::from_text(text)
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let number = text.parse().ok().filter(|number| (1..1_000_000).contains(number));
        number.map(Self).ok_or_else(|| {
            Refusal::new(format!("`{text}` is not a whole number above zero"), "write a number such as `5`")
        })
    }
}

/// A percentile, as the share of answers that it leaves at or below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Percentile(pub(in crate::slo) Exact);

impl FromText for Percentile {
    const PATTERN: &'static str = r"^p[0-9]{1,2}(\.[0-9]{1,4})?$";
    const NOUN: &'static str = "a percentile";
    const EXAMPLE: &'static str = "p99";

    fn bare(text: &str) -> Refusal {
        Refusal::new(format!("invalid percentile `{text}`"), format!("did you mean `p{text}`?"))
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let share = text.strip_prefix('p').and_then(decimal).map(|number| number / Exact::from_integer(100));
        let inside = |share: &Exact| *share > Exact::from_integer(0) && *share < Exact::from_integer(1);
        share.filter(inside).map(Self).ok_or_else(|| {
            Refusal::new(format!("invalid percentile `{text}`"), "write a percentile such as `p50`, `p99` or `p99.9`")
        })
    }
}

/// A share in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Percent {
    pub(in crate::slo) share: Exact,
    pub(in crate::slo) text: String,
}

impl FromText for Percent {
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? *%$";
    const NOUN: &'static str = "a percentage";
    const EXAMPLE: &'static str = "99.9%";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let one = Exact::from_integer(1);
        match percent(text) {
            Some(share) if share <= one => Ok(Self { share, text: text.replace(' ', "") }),
            Some(_) => Err(Refusal::new(format!("`{text}` is more than 100%"), "write at most `100%`")),
            None if decimal(text).is_some() => Err(Self::bare(text)),
            None => {
                let meant = format!("{}%", text.trim_end_matches('%').trim_end().replacen(',', ".", 1));
                let hint = match percent(&meant) {
                    Some(_) => format!("did you mean `{meant}`?"),
                    None => "write a number of at most 12 digits and `%`, such as `99.95%`".to_owned(),
                };
                Err(Refusal::new(format!("invalid percentage `{text}`"), hint))
            }
        }
    }

    fn bare(text: &str) -> Refusal {
        let message = format!("`{text}` has no `%`");
        match decimal(text) {
            Some(number) if number > Exact::from_integer(0) && number < Exact::from_integer(1) => {
                let percent = decimal_text(number * Exact::from_integer(100));
                Refusal::new(message, format!("did you mean `{percent}%`?"))
            }
            Some(number) if number == Exact::from_integer(1) => Refusal::new(
                message,
                format!("did you mean `100%` or `1%`? shares are written as percentages, such as `{}`", Self::EXAMPLE),
            ),
            _ => Refusal::new(message, format!("did you mean `{text}%`?")),
        }
    }
}

/// A number with few enough digits that it ends, as plain decimal text; else its first four digits after the point.
pub(in crate::slo) fn decimal_text(number: Exact) -> String {
    let whole = number.to_integer();
    let mut rest = number - Exact::from_integer(whole);
    let mut text = whole.to_string();
    for place in 0..6 {
        if rest == Exact::from_integer(0) {
            break;
        }
        if place == 0 {
            text.push('.');
        }
        rest *= Exact::from_integer(10);
        text.push_str(&rest.to_integer().to_string());
        rest -= Exact::from_integer(rest.to_integer());
    }
    text
}

/// A length of whole minutes, at most 400 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Length(pub(in crate::slo) u32);

impl FromText for Length {
    const PATTERN: &'static str = "^[0-9]{1,6}[mhdw]$";
    const NOUN: &'static str = "a duration";
    const EXAMPLE: &'static str = "6h";

    fn bare(text: &str) -> Refusal {
        without_unit(text, "m")
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let minutes = length(text).ok_or_else(|| {
            Refusal::new(
                format!("invalid duration `{text}`"),
                meant_duration(text).map_or_else(
                    || "write a whole number and `m`, `h`, `d` or `w`, such as `5m` or `30d`".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                ),
            )
        })?;
        if minutes > WINDOW_MINUTES_MAX {
            return Err(Refusal::new(format!("`{text}` is longer than 400 days"), "write at most `400d`"));
        }
        Ok(Self(minutes))
    }
}

/// A window as typed; a calendar window still lacks its time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) enum WindowText {
    Rolling(u32),
    Calendar(Period),
}

/// The hint for a number without a unit.
fn without_unit(text: &str, unit: &str) -> Refusal {
    Refusal::new(format!("`{text}` has no unit"), format!("add the unit `m`, `h`, `d` or `w`, such as `{text}{unit}`"))
}

impl FromText for WindowText {
    const PATTERN: &'static str = "^(0*[1-9][0-9]{0,5}[mhdw]|week|month|quarter|year)$";
    const NOUN: &'static str = "a window";
    const EXAMPLE: &'static str = "30d";

    fn bare(text: &str) -> Refusal {
        without_unit(text, "d")
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        match text {
            "week" => return Ok(Self::Calendar(Period::Week)),
            "month" => return Ok(Self::Calendar(Period::Month)),
            "quarter" => return Ok(Self::Calendar(Period::Quarter)),
            "year" => return Ok(Self::Calendar(Period::Year)),
            _ => {}
        }
        match length(text) {
            Some(0) => Err(Refusal::new(format!("invalid window `{text}`: it is empty"), "write at least `1m`")),
            Some(minutes) if minutes <= WINDOW_MINUTES_MAX => Ok(Self::Rolling(minutes)),
            Some(_) => Err(Refusal::new(
                format!("the window `{text}` is longer than 400 days"),
                "write at most `400d`, or `year` for the calendar year",
            )),
            None => Err(Refusal::new(format!("invalid window `{text}`"), window_hint(text))),
        }
    }
}

/// The duration that a number with the name of a unit stands for: `30 days`, `5 min`.
fn meant_duration(text: &str) -> Option<String> {
    let unit_at = text.find(|char: char| !char.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at).filter(|(number, _)| (1..=6).contains(&number.len()))?;
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
    if let Some(meant) = meant_duration(text) {
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

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let (digits, scale) = [("us", 1), ("ms", 1_000), ("s", 1_000_000)]
            .into_iter()
            .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))
            .ok_or_else(|| Self::bare(text))?;
        let us = decimal(digits).ok_or_else(|| Self::bare(text))? * Exact::from_integer(scale);
        if us == Exact::from_integer(0) {
            return Err(Refusal::new(
                format!("the threshold `{text}` is zero"),
                "write a duration above zero, such as `300ms`",
            ));
        }
        if us > Exact::from_integer(i128::from(THRESHOLD_US_MAX)) {
            return Err(Refusal::new(format!("the threshold `{text}` is above two minutes"), "write at most `120s`"));
        }
        match u64::try_from(us.to_integer()) {
            Ok(whole) if us.is_integer() => Ok(Self(whole)),
            _ => Err(Refusal::new(
                format!("the threshold `{text}` is more precise than a microsecond"),
                "write milliseconds, such as `300ms`",
            )),
        }
    }

    fn bare(text: &str) -> Refusal {
        let number = decimal(text).is_some();
        let hint = if number {
            format!("add the unit: `{text}ms` or `{text}s`")
        } else {
            "write a duration such as `300ms` or `1.5s`".to_owned()
        };
        let message = if number { format!("`{text}` has no unit") } else { format!("invalid threshold `{text}`") };
        Refusal::new(message, hint)
    }
}

/// An IANA time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Zone(pub(in crate::slo) TimeZone);

impl FromText for Zone {
    const PATTERN: &'static str = "^[A-Za-z0-9_+/-]{1,64}$";
    const NOUN: &'static str = "a time zone";
    const EXAMPLE: &'static str = "Europe/Berlin";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        zone_of(text).map(Self)
    }
}

/// The time zone of a name. Systems leave out older names (`CET`, `US/Eastern`), so those that come with this program
/// count as well: what is sound on a desk is sound in a container.
pub(super) fn zone_of(name: &str) -> Result<TimeZone, Refusal> {
    const CITY: &str = "write an IANA time zone such as `Europe/Berlin`, or `UTC`";
    let is_one_of = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    if is_one_of(&["localtime", "posixrules"]) {
        return Err(Refusal::new(format!("the time zone `{name}` depends on the machine"), CITY));
    }
    if is_one_of(&["Factory", "Etc/Unknown"]) {
        return Err(Refusal::new(format!("`{name}` is not a valid time zone"), CITY));
    }
    TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).map_err(|_| {
        let is_abbreviation = (3..=5).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_offset = name.contains(|char: char| char.is_ascii_digit());
        let why = match (is_abbreviation, is_offset) {
            (true, _) => ": abbreviations are ambiguous",
            (_, true) => ": offsets do not follow daylight saving time",
            _ => "",
        };
        Refusal::new(format!("unknown time zone `{name}`"), format!("{CITY}{why}"))
    })
}

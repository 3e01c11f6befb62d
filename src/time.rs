//! The only unit of time: whole UTC minutes, half-open spans of them, days, and the windows that SLOs are evaluated
//! over.
//!
//! Absent on purpose: the clock. Only `main` reads it; everything here is arithmetic on a minute that was handed in.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use jiff::civil::Weekday;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::Serialize;

use crate::serialization::serialize_as_text;

/// Minutes in a UTC day. UTC has no daylight saving, and leap seconds do not exist in Unix time.
pub const MINUTES_PER_DAY: i32 = 1_440;

/// A UTC minute, counted from 1970-01-01T00:00Z. It names the sixty seconds that start there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub i32);

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// A half-open run of minutes: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    pub start: Minute,
    pub end: Minute,
}

/// Why a text is not a UTC minute such as `2026-10-31T23:50Z` or a UTC day such as `2026-10-31`, with a hint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseTimeError {
    #[error("{0}")]
    Malformed(String),
    /// Too far from 1970 to be a [`Minute`], or a day of them.
    #[error("{0}")]
    OutOfRange(String),
}

impl Minute {
    /// The minute that contains this Unix time in seconds; the first or last one there is if it lies beyond.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self::try_from_unix_seconds(seconds).unwrap_or(Self(if seconds < 0 { i32::MIN } else { i32::MAX }))
    }

    fn try_from_unix_seconds(seconds: i64) -> Option<Self> {
        i32::try_from(seconds.div_euclid(60)).ok().map(Self)
    }

    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(MINUTES_PER_DAY))
    }

    /// How many minutes of its day have passed before it: 0 to 1,439.
    pub const fn minute_of_day(self) -> usize {
        self.0.rem_euclid(MINUTES_PER_DAY).unsigned_abs() as usize
    }

    pub const fn plus(self, minutes: i32) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// The minute that the clock of a time zone showed so many weeks earlier; after a time that it skipped, the next.
    pub fn weeks_earlier(self, weeks: i32, zone: &TimeZone) -> Self {
        let earlier = self.timestamp().to_zoned(zone.clone()).checked_sub(weeks.weeks());
        earlier.map_or(Self(i32::MIN), |moment| Self::from_unix_seconds(moment.timestamp().as_second()))
    }

    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0) * 60).unwrap_or(Timestamp::MAX)
    }

    /// Reads civil fields that a log line carries; `None` if they are no date.
    pub fn from_civil(year: i32, month: u32, day: u32, hour: u32, minute: u32) -> Option<Self> {
        if hour > 23 || minute > 59 {
            return None;
        }
        let day = Day::from_civil(year, month, day)?;
        Some(day.start().plus(i32::try_from(hour * 60 + minute).ok()?))
    }
}

impl Day {
    /// The first and the last day of which all minutes can be counted.
    const FIRST: Self = Self(i32::MIN / MINUTES_PER_DAY);
    const LAST: Self = Self(i32::MAX / MINUTES_PER_DAY - 1);

    pub const fn start(self) -> Minute {
        Minute(self.0.saturating_mul(MINUTES_PER_DAY))
    }

    pub const fn span(self) -> Span {
        Span { start: self.start(), end: self.plus(1).start() }
    }

    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// A day of the calendar; `None` if there is no such day.
    pub fn from_civil(year: i32, month: u32, day: u32) -> Option<Self> {
        let (year, month, day) = (i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let date = jiff::civil::Date::new(year, month, day).ok()?;
        let midnight = date.to_zoned(TimeZone::UTC).ok()?;
        Some(Minute::from_unix_seconds(midnight.timestamp().as_second()).day())
    }
}

impl Span {
    /// The span from `start` up to, not including, `end`; empty if they are out of order.
    pub fn new(start: Minute, end: Minute) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The `minutes` minutes that end before `end`.
    pub fn ending_at(end: Minute, minutes: i32) -> Self {
        Self { start: end.plus(-minutes), end }
    }

    pub const fn minutes(self) -> u32 {
        self.end.0.abs_diff(self.start.0)
    }

    /// Its minutes as indices into tables of its day; it lies within one.
    pub fn slots(self) -> Range<usize> {
        let start = self.start.minute_of_day();
        start..start + self.minutes() as usize
    }

    pub const fn is_empty(self) -> bool {
        self.end.0 <= self.start.0
    }

    pub const fn contains(self, minute: Minute) -> bool {
        self.start.0 <= minute.0 && minute.0 < self.end.0
    }

    pub fn intersect(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end).max(self.start.max(other.start)))
    }

    /// The same minutes as the fewest spans, in order, none touching the next.
    pub fn merged(mut spans: Vec<Self>) -> Vec<Self> {
        spans.sort_unstable();
        let mut merged: Vec<Self> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        merged
    }

    pub fn days(self) -> impl DoubleEndedIterator<Item = Day> + Clone {
        let end = if self.is_empty() { self.start.day().0 } else { self.end.plus(-1).day().0 + 1 };
        (self.start.day().0..end).map(Day)
    }
}

/// What an SLO is evaluated over: the newest minutes, or a period of the calendar so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    Rolling {
        /// At most 400 days.
        minutes: u32,
    },
    Calendar {
        period: Period,
        zone: TimeZone,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// Monday to Sunday (ISO 8601).
    Week,
    Month,
    /// Three months from January, April, July or October.
    Quarter,
    Year,
}

impl Window {
    /// The minutes it covers when it is looked at at `at`: a rolling window ends there, a calendar window starts with
    /// its period and ends there.
    pub fn span_at(&self, at: Minute) -> Span {
        Span::new(self.full_span_at(at).start, at)
    }

    /// The whole of it, for a calendar window including the minutes that are still to come.
    ///
    /// At the very instant a period ends, that period is still the one looked at: `at` is the first minute not seen.
    pub fn full_span_at(&self, at: Minute) -> Span {
        match self {
            Self::Rolling { minutes } => Span::ending_at(at, i32::try_from(*minutes).unwrap_or(i32::MAX)),
            Self::Calendar { period, zone } => {
                let last_minute = at.plus(-1).timestamp().to_zoned(zone.clone());
                let (start, end) = period.bounds(&last_minute).unwrap_or((last_minute.clone(), last_minute));
                Span::new(
                    Minute::from_unix_seconds(start.timestamp().as_second()),
                    Minute::from_unix_seconds(end.timestamp().as_second()),
                )
            }
        }
    }

    /// The most minutes it can cover.
    pub const fn max_minutes(&self) -> u32 {
        match self {
            Self::Rolling { minutes } => *minutes,
            Self::Calendar { period, .. } => {
                // Two hours more than the days: a period may hold the repeated hours of a clock change, two in
                // Antarctica/Troll.
                120 + 1_440
                    * match period {
                        Period::Week => 7,
                        Period::Month => 31,
                        Period::Quarter => 92,
                        Period::Year => 366,
                    }
            }
        }
    }
}

impl Period {
    /// Start of the period that holds `moment`, and start of the next.
    fn bounds(self, moment: &Zoned) -> Result<(Zoned, Zoned), jiff::Error> {
        let date = moment.date();
        let (first, length) = match self {
            Self::Week => {
                let days_since_monday = date.weekday().since(Weekday::Monday);
                (date.checked_sub(i64::from(days_since_monday).days())?, 1.week())
            }
            Self::Month => (date.first_of_month(), 1.month()),
            Self::Quarter => {
                let month = (date.month() - 1) / 3 * 3 + 1;
                (jiff::civil::Date::new(date.year(), month, 1)?, 3.months())
            }
            Self::Year => (date.first_of_year(), 1.year()),
        };
        let zone = moment.time_zone();
        Ok((first.to_zoned(zone.clone())?, first.checked_add(length)?.to_zoned(zone.clone())?))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rolling { minutes } => f.write_str(&format_duration(*minutes)),
            Self::Calendar { period, .. } => period.fmt(f),
        }
    }
}

/// A length in the largest unit that divides it: `5m`, `6h`, `30d`, `90m`.
pub fn format_duration(minutes: u32) -> String {
    match minutes {
        0 => "0m".to_owned(),
        m if m % 1_440 == 0 => format!("{}d", m / 1_440),
        m if m % 60 == 0 => format!("{}h", m / 60),
        m => format!("{m}m"),
    }
}

/// Reads what `format_duration` writes, and weeks: whole minutes, hours, days or weeks.
pub fn parse_duration(text: &str) -> Option<u32> {
    let unit = text.chars().next_back()?;
    let unit_minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 1_440,
        'w' => 10_080,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || number.len() > 6 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u32>().ok()?.checked_mul(unit_minutes)
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp().strftime("%Y-%m-%dT%H:%MZ"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.start().timestamp().strftime("%Y-%m-%d"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

serialize_as_text!(Minute, Day);

impl FromStr for Minute {
    type Err = ParseTimeError;

    /// Reads `2026-10-31T23:50Z`, `2026-10-31T23:50:00Z` or a time with another offset; seconds are cut off. A day
    /// alone is its first minute.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let out_of_range = || {
            let (first, last) = (Self(i32::MIN).timestamp(), Self(i32::MAX).timestamp());
            ParseTimeError::OutOfRange(format!("`{text}` is out of range\nhint: use a time from {first} to {last}"))
        };
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Self::try_from_unix_seconds(timestamp.as_second()).ok_or_else(out_of_range);
        }
        match text.parse::<Day>() {
            Ok(day) => return Ok(day.start()),
            Err(ParseTimeError::OutOfRange(_)) => return Err(out_of_range()),
            Err(ParseTimeError::Malformed(_)) => {}
        }
        // Text with date, time and offset is not a timestamp only if it is out of range.
        if Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some()) {
            return Err(out_of_range());
        }
        Err(ParseTimeError::Malformed(format!("`{text}` is not a valid time\nhint: write it as `2026-10-31T23:50Z`")))
    }
}

impl FromStr for Day {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed =
            || ParseTimeError::Malformed(format!("`{text}` is not a valid date\nhint: write it as `2026-10-31`"));
        // A time behind the day would be passed over in silence.
        let date_text = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
        let date: jiff::civil::Date = date_text.and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
        let day = date.duration_since(jiff::civil::Date::constant(1970, 1, 1)).as_hours() / 24;
        let day = i32::try_from(day).map(Self).ok().filter(|day| (Self::FIRST..=Self::LAST).contains(day));
        day.ok_or_else(|| {
            let (first, last) = (Self::FIRST, Self::LAST);
            ParseTimeError::OutOfRange(format!("`{text}` is out of range\nhint: use a date from {first} to {last}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> Minute {
        text.parse().unwrap()
    }

    #[test]
    fn impossible_dates_are_rejected() {
        for (year, month, day) in
            [(2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (1900, 2, 29), (2026, 1, 0)]
        {
            assert_eq!(Day::from_civil(year, month, day), None);
        }
    }

    #[test]
    fn minute_display_and_parse_round_trip() {
        for text in ["2026-10-31T23:50Z", "1970-01-01T00:00Z", "1969-12-31T23:59Z", "2024-02-29T12:00Z"] {
            assert_eq!(minute(text).to_string(), text);
        }
        assert_eq!(minute("2026-10-31T23:50:59.9Z"), minute("2026-10-31T23:50Z"));
    }

    #[test]
    fn out_of_range_time_is_distinguished_from_malformed_time() {
        let last = "6053-01-23T02:07:00Z";
        assert_eq!(minute(last), Minute(i32::MAX));
        assert_eq!(minute("-002114-12-08T21:52:00Z"), Minute(i32::MIN));
        assert_eq!(minute("6053-01-22").day(), Day::LAST);
        let rejected = |text: &str| text.parse::<Minute>().unwrap_err();
        for text in ["6053-01-23T02:08Z", "9999-12-31T23:59Z", "9999-12-31", "6053-01-23", "-005000-01-01"] {
            assert!(matches!(rejected(text), ParseTimeError::OutOfRange(_)), "{text}");
        }
        for text in ["2026-02-30T00:00Z", "2026-10-31T23:50", "9999-12-31T23:59", "23:59Z", "now"] {
            assert!(matches!(rejected(text), ParseTimeError::Malformed(_)), "{text}");
        }
        assert!(rejected("9999-12-31T23:59Z").to_string().ends_with(&format!(" to {last}")));
    }

    #[test]
    fn calendar_month_starts_at_local_midnight_and_is_one_hour_short_at_dst_start() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let window = Window::Calendar { period: Period::Month, zone };
        let full_span = window.full_span_at(minute("2026-03-20T10:00Z"));
        assert_eq!(full_span.to_string(), "2026-03-01T05:00Z to 2026-04-01T04:00Z");
        assert_eq!(full_span.minutes(), 31 * 1_440 - 60);
        assert_eq!(
            window.full_span_at(minute("2026-04-01T04:00Z")),
            full_span,
            "the end still looks at the month that ends"
        );
        assert_eq!(window.span_at(minute("2026-03-01T05:01Z")).minutes(), 1);
    }

    #[test]
    fn span_days_exclude_the_day_that_starts_at_its_end() {
        let span = Span::new(minute("2026-10-30T23:59Z"), minute("2026-11-01T00:00Z"));
        assert_eq!(span.days().map(|day| day.to_string()).collect::<Vec<_>>(), ["2026-10-30", "2026-10-31"]);
        assert_eq!(Span::new(span.end, span.end).days().count(), 0);
    }
}

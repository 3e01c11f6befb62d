//! A time on the command line: absolute, or relative to the current time, which is known only later.

use std::str::FromStr;

use jiff::fmt::temporal::Pieces;

use crate::time::{MINUTES_PER_DAY, Minute, ParseTimeError, parse_duration};

/// The largest offset from UTC in use: that of the Line Islands.
const OFFSET_SECONDS_MAX: u32 = 14 * 3_600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    At(Minute),
    /// This many minutes before now.
    Ago(i32),
}

const FORMATS: &str = "not a valid time\nhint: use `2026-10-31T23:50Z`, `2026-10-31 23:50` (UTC), `2026-10-31` (midnight UTC), an \
                       offset as in `2026-11-01T01:50+02:00`, `now`, `yesterday`, or a time before now such as `-30m`, `-1h` or \
                       `-2d`";

impl Time {
    pub fn resolve(self, now: Minute) -> Minute {
        match self {
            Self::At(minute) => minute,
            Self::Ago(minutes) => now.plus(-minutes),
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "now" => return Ok(Self::Ago(0)),
            "yesterday" => return Ok(Self::Ago(MINUTES_PER_DAY)),
            _ => {}
        }
        let ago = text.strip_prefix('-').and_then(parse_duration);
        if let Some(minutes) = ago {
            return i32::try_from(minutes).map(Self::Ago).map_err(|_| FORMATS.to_owned());
        }
        let offset = Pieces::parse(text).ok().and_then(|pieces| pieces.to_numeric_offset());
        if offset.is_some_and(|offset| offset.seconds().unsigned_abs() > OFFSET_SECONDS_MAX) {
            return Err(
                "the offset from UTC is out of range\nhint: use an offset from `-14:00` to `+14:00`, or `Z` for UTC"
                    .to_owned(),
            );
        }
        // A time without offset is in UTC. One with the name of a time zone is refused: the name would be ignored.
        let is_local = Pieces::parse(text).is_ok_and(|pieces| {
            pieces.time().is_some() && pieces.offset().is_none() && pieces.time_zone_annotation().is_none()
        });
        let parsed = if is_local { format!("{text}Z").parse() } else { text.parse() };
        parsed.map(Self::At).map_err(|error| match error {
            ParseTimeError::Malformed(_) => FORMATS.to_owned(),
            ParseTimeError::OutOfRange(_) => error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_relative_to_now() {
        let now: Minute = "2026-11-01T12:34Z".parse().unwrap();
        for (text, minute) in [
            ("2026-10-31T23:50Z", "2026-10-31T23:50Z"),
            ("2026-11-01", "2026-11-01T00:00Z"),
            ("2026-11-01 10:00", "2026-11-01T10:00Z"),
            ("2026-11-01T10:00", "2026-11-01T10:00Z"),
            ("2026-11-01T10:00:59", "2026-11-01T10:00Z"),
            ("2026-11-01T10:00+02:00", "2026-11-01T08:00Z"),
            ("2026-11-01 10:00-05:00", "2026-11-01T15:00Z"),
            ("now", "2026-11-01T12:34Z"),
            ("yesterday", "2026-10-31T12:34Z"),
            ("-1h", "2026-11-01T11:34Z"),
            ("-30m", "2026-11-01T12:04Z"),
            ("-2d", "2026-10-30T12:34Z"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().resolve(now).to_string(), minute, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_accepted_formats() {
        for text in
            ["", "tomorrow", "1h", "+1h", "-h", "23:50", "2026-02-30", "2026-11-01T10:00[Europe/Berlin]", "--format"]
        {
            let error = text.parse::<Time>().unwrap_err();
            assert!(error == FORMATS, "{text}: {error}");
        }
        for text in ["2026-11-01T10:00+25:00", "2026-11-01 10:00-14:01"] {
            assert!(text.parse::<Time>().unwrap_err().starts_with("the offset from UTC is out of range"), "{text}");
        }
        let out_of_range = "9999-12-31T23:59".parse::<Time>().unwrap_err();
        assert!(out_of_range != FORMATS, "{out_of_range}");
    }
}

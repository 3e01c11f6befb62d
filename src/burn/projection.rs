//! The budget of a window that is not full yet: the first month of an SLO, and a calendar period that has not ended.
//!
//! What is missing of a day is taken to have the mean traffic of the same day a week earlier, or more where that is
//! still to come as well; without such a day the mean traffic of the window so far. Whole days need no minutes. A
//! window of which less than a hundredth is missing counts as full.

use crate::counts::Sums;
use crate::time::{Day, Minute, Span, Window};

/// A window of which one minute in so many is missing, or fewer, is not projected.
const MISSING_MINUTES_DIVISOR: u32 = 100;

/// How many weeks earlier may be compared: as many as a month has.
const EARLIER_WEEKS: i32 = 5;

/// The events to expect in a window once it is full. `first_day`: the day of the first known minute.
pub fn projected_events(window: &Window, at: Minute, first_day: Option<Day>, sums_in: &dyn Fn(Span) -> Sums) -> u64 {
    let full = window.full_span_at(at);
    let seen = sums_in(Span::new(full.start, at));
    let Some(first_day) = first_day.filter(|_| seen.known > 0) else { return seen.total };
    let missing_before = missing_minutes_before(full.start, at, first_day, sums_in);
    let missing = missing_before + Span::new(at, full.end.max(at)).minutes();
    if missing.saturating_mul(MISSING_MINUTES_DIVISOR) < full.minutes() {
        return seen.total;
    }
    let to_come = days_to_come(window, at).map(|(day, minutes)| {
        let earlier = earlier_day(day, at).map(|day| sums_in(day.span())).filter(|sums| sums.known > 0);
        scale(earlier.unwrap_or(seen), minutes)
    });
    seen.total + scale(seen, missing_before) + to_come.sum::<u64>()
}

/// The days that [`projected_events`] reads besides the window.
pub fn compared_days(window: &Window, at: Minute) -> impl Iterator<Item = Day> {
    days_to_come(window, at).filter_map(move |(day, _)| earlier_day(day, at))
}

/// Minutes of a window before the first known minute.
fn missing_minutes_before(start: Minute, at: Minute, first_day: Day, sums_in: &dyn Fn(Span) -> Sums) -> u32 {
    let first_span = Span::new(first_day.start().max(start), first_day.span().end.min(at));
    if first_day < start.day() || first_span.is_empty() {
        return 0;
    }
    let before = Span::new(start, first_span.start).minutes();
    before + first_span.minutes().saturating_sub(sums_in(first_span).known)
}

/// The rest of a period: each UTC day with its minutes that are to come; nothing of a rolling window.
fn days_to_come(window: &Window, at: Minute) -> impl Iterator<Item = (Day, u32)> + use<> {
    let rest = Span::new(at, window.full_span_at(at).end.max(at));
    rest.days().map(move |day| (day, day.span().intersect(rest).minutes())).filter(|(_, minutes)| *minutes > 0)
}

/// The same day in the newest earlier week in which it is over.
fn earlier_day(day: Day, at: Minute) -> Option<Day> {
    (1..=EARLIER_WEEKS).map(|weeks| day.plus(-7 * weeks)).find(|day| day.span().end <= at)
}

/// The events of so many minutes at the rate of the known ones.
fn scale(sums: Sums, minutes: u32) -> u64 {
    let events = u128::from(sums.total) * u128::from(minutes) / u128::from(sums.known.max(1));
    u64::try_from(events).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    use crate::time::Period;

    /// Ten events a minute from a minute on.
    fn sums_from(first: Minute, now: Minute, span: Span) -> Sums {
        let minutes = span.intersect(Span::new(first, now)).minutes();
        Sums { total: u64::from(minutes) * 10, bad: 0, known: minutes }
    }

    fn project(window: &Window, first: &str, at: &str) -> u64 {
        let (first, at): (Minute, Minute) = (first.parse().unwrap(), at.parse().unwrap());
        projected_events(window, at, Some(first.day()), &|span| sums_from(first, at, span))
    }

    #[test]
    fn constant_traffic_fills_every_window_exactly() {
        let month = Window::Calendar { period: Period::Month, zone: TimeZone::UTC };
        let rolling = Window::Rolling { minutes: 30 * 1_440 };
        let (november, thirty_days) = (30 * 1_440 * 10, 30 * 1_440 * 10);
        for at in ["2026-11-01T00:31Z", "2026-11-09T12:00Z", "2026-11-28T12:00Z"] {
            assert_eq!(project(&month, "2026-09-03T00:00Z", at), november, "{at}");
            assert_eq!(project(&month, "2026-10-31T13:17Z", at), november, "{at}");
            assert_eq!(project(&rolling, "2026-09-03T00:00Z", at), thirty_days, "{at}");
            assert_eq!(project(&rolling, "2026-10-31T13:17Z", at), thirty_days, "{at}");
        }
        assert_eq!(project(&month, "2026-11-05T13:17Z", "2026-11-09T12:00Z"), november);
        assert_eq!(project(&month, "2026-09-03T00:00Z", "2026-11-30T23:59Z"), november - 10, "all but full");
        assert_eq!(project(&month, "2026-09-03T00:00Z", "2026-12-01T00:00Z"), november, "full");
    }

    #[test]
    fn rest_of_week_follows_week_before() {
        // Events only on the Saturday, of which none has come yet.
        let week = Window::Calendar { period: Period::Week, zone: TimeZone::UTC };
        let (at, saturday): (Minute, Day) = ("2026-11-04T10:00Z".parse().unwrap(), "2026-10-31".parse().unwrap());
        let sums_in = |span: Span| Sums {
            total: u64::from(span.intersect(saturday.span()).minutes()),
            bad: 0,
            known: span.minutes(),
        };
        assert_eq!(projected_events(&week, at, Some(saturday.plus(-30)), &sums_in), 1_440);
    }

    #[test]
    fn without_data_nothing_is_projected() {
        let rolling = Window::Rolling { minutes: 1_440 };
        assert_eq!(projected_events(&rolling, Minute(100_000), None, &|_| Sums::default()), 0);
    }
}

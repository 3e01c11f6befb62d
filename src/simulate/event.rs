//! What goes wrong in the thirty days, and when: one table, the same for every seed.
//!
//! **Invariant:** every event here leaves its mark in the logs and nothing else breaks a promise on purpose.

use crate::minute::{Day, Minute, Span};

use super::fleet::{Balancer, Service};

/// 2026-10-02, the first simulated day: 20,728 days after 1970-01-01.
const FIRST: Day = Day(20_728);

/// Thirty days: 2026-10-02T00:00Z to 2026-11-01T00:00Z.
#[must_use]
pub const fn thirty_days() -> Span {
    Span { start: FIRST.start(), end: FIRST.plus(30).start() }
}

/// Something that happens to a service or a balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A short name: `outage`.
    pub name: &'static str,
    /// Whom it strikes: a service, or a balancer as `app/name`.
    pub whom: &'static str,
    /// When it can be seen.
    pub span: Span,
    /// What happens, in one line.
    pub text: &'static str,
}

/// A stretch that starts at this time of this day of October 2026.
const fn october(day: i32, hour: i32, minute: i32, minutes: i32) -> Span {
    let start = FIRST.plus(day - 2).start().0 + hour * 60 + minute;
    Span { start: Minute(start), end: Minute(start + minutes) }
}

const SWITCH: Minute = october(13, 12, 0, 0).start;
const GAP: Span = october(18, 3, 0, 180);
const LATE: Span = october(20, 10, 0, 60);
const LATE_BY_DAYS: i32 = 2;
const REGRESSION: Span = october(24, 9, 0, 8 * 1_440 - 540);
const SLOW_BURN: Span = october(26, 0, 0, 6 * 1_440);
const OUTAGE: Span = october(27, 14, 5, 25);

/// Minutes in which the quiet service answers one request with a 500.
const SINGLE_ERRORS: [Minute; 4] = [
    october(6, 9, 41, 0).start,
    october(12, 15, 8, 0).start,
    october(21, 11, 27, 0).start,
    october(29, 13, 52, 0).start,
];

/// All events, in order of time.
#[must_use]
pub fn events() -> Vec<Event> {
    let event = |name, whom, span, text| Event { name, whom, span, text };
    let one = |minute: Minute| Span::new(minute, minute.plus(1));
    let mut events = vec![
        event("switch", "checkout", one(SWITCH), "moves from target group `checkout-blue` to `checkout-green`"),
        event("gap", "app/partners", GAP, "log files are never delivered"),
        event("late objects", "app/accounts", LATE, "log files arrive two days later"),
        event("latency regression", "profile", REGRESSION, "4% of responses take more than 300 ms, up from 0.3%"),
        event("slow burn", "search", SLOW_BURN, "0.35% of requests fail, up from 0.012%"),
        event("outage", "checkout", OUTAGE, "the load balancer answers every request with 503"),
    ];
    events.extend(SINGLE_ERRORS.map(|minute| event("single error", "backoffice", one(minute), "one request fails")));
    events.sort_by_key(|event| event.span);
    events
}

/// The target group a service is behind at that minute.
pub(super) fn target_group(service: &Service, minute: Minute) -> &'static str {
    match service.name {
        "checkout" if minute < SWITCH => "checkout-blue",
        "checkout" => "checkout-green",
        name => name,
    }
}

/// Whether the service has no healthy target.
pub(super) fn is_out(service: &Service, minute: Minute) -> bool {
    service.name == "checkout" && OUTAGE.contains(minute)
}

/// The share of failing requests, in millionths.
pub(super) fn failing(service: &Service, minute: Minute) -> u32 {
    if service.name == "search" && SLOW_BURN.contains(minute) { 3_500 } else { service.failing }
}

/// The share of slow answers, in millionths.
pub(super) fn slow(service: &Service, minute: Minute) -> u32 {
    if service.name == "profile" && REGRESSION.contains(minute) { 40_000 } else { service.slow }
}

/// Minutes of this stretch in which one more request comes, and fails.
pub(super) fn single_errors(service: &Service, stretch: Span) -> impl Iterator<Item = Minute> {
    let quiet = service.name == "backoffice";
    SINGLE_ERRORS.into_iter().filter(move |minute| quiet && stretch.contains(*minute))
}

/// When the file of this interval is delivered; `None` if never. A file comes at the end of its interval.
pub(super) fn delivery(balancer: &Balancer, interval: Span) -> Option<Minute> {
    let end = interval.end;
    if balancer.name.starts_with("app/partners/") && GAP.contains(interval.start) {
        None
    } else if balancer.name.starts_with("app/accounts/") && LATE.contains(interval.start) {
        Some(end.plus(LATE_BY_DAYS * crate::minute::MINUTES_PER_DAY))
    } else {
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_happen_when_the_table_says() {
        assert_eq!(thirty_days().to_string(), "2026-10-02T00:00Z to 2026-11-01T00:00Z");
        assert_eq!(OUTAGE.to_string(), "2026-10-27T14:05Z to 2026-10-27T14:30Z");
        assert_eq!(SWITCH.to_string(), "2026-10-13T12:00Z");
        assert_eq!(REGRESSION.to_string(), "2026-10-24T09:00Z to 2026-11-01T00:00Z");
        assert_eq!(SLOW_BURN.to_string(), "2026-10-26T00:00Z to 2026-11-01T00:00Z");
        assert_eq!(GAP.to_string(), "2026-10-18T03:00Z to 2026-10-18T06:00Z");
        assert!(events().iter().all(|event| event.span.intersect(thirty_days()) == event.span));
    }
}

//! What goes wrong in the thirty days, and when: one table, the same for every seed.
//!
//! **Invariant:** every event here leaves its mark in the logs and nothing else violates an SLO on purpose.

use crate::time::{Day, MINUTES_PER_DAY, Minute, Span};

use super::fleet::{Balancer, Service};

/// 2026-10-02, the first simulated day: 20,728 days after 1970-01-01.
const FIRST: Day = Day(20_728);

/// Thirty days: 2026-10-02T00:00Z to 2026-11-01T00:00Z.
#[must_use]
pub const fn thirty_days() -> Span {
    Span { start: FIRST.start(), end: FIRST.plus(30).start() }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioEvent {
    /// Such as `outage`.
    pub name: &'static str,
    /// A service, or a balancer as `app/name`.
    pub affected: &'static str,
    pub span: Span,
    pub description: &'static str,
}

/// A stretch that starts at this time of this day of October 2026.
const fn october_span(day: i32, hour: i32, minute: i32, minutes: i32) -> Span {
    let start = FIRST.plus(day - 2).start().0 + hour * 60 + minute;
    Span { start: Minute(start), end: Minute(start + minutes) }
}

const TARGET_GROUP_SWITCH: Minute = october_span(13, 12, 0, 0).start;
const LOG_GAP: Span = october_span(18, 3, 0, 180);
const LATE_DELIVERY: Span = october_span(20, 10, 0, 60);
const LATE_DELIVERY_DAYS: i32 = 2;
const REGRESSION: Span = october_span(24, 9, 0, 8 * 1_440 - 540);
const SLOW_BURN: Span = october_span(26, 0, 0, 6 * 1_440);
const OUTAGE: Span = october_span(27, 14, 5, 25);

/// Minutes in which the quiet service answers one request with a 500.
const SINGLE_ERRORS: [Minute; 4] = [
    october_span(6, 9, 41, 0).start,
    october_span(12, 15, 8, 0).start,
    october_span(21, 11, 27, 0).start,
    october_span(29, 13, 52, 0).start,
];

/// In order of time.
#[must_use]
pub fn events() -> Vec<ScenarioEvent> {
    let event = |name, whom, span, text| ScenarioEvent { name, affected: whom, span, description: text };
    let one_minute = |minute: Minute| Span::new(minute, minute.plus(1));
    let switch = one_minute(TARGET_GROUP_SWITCH);
    let mut events = vec![
        event("switch", "checkout", switch, "moves from target group `checkout-blue` to `checkout-green`"),
        event("gap", "app/partners", LOG_GAP, "log files are never delivered"),
        event("late objects", "app/accounts", LATE_DELIVERY, "log files arrive two days later"),
        event("latency regression", "profile", REGRESSION, "4% of responses take more than 300 ms, up from 0.3%"),
        event("slow burn", "search", SLOW_BURN, "0.35% of requests fail, up from 0.012%"),
        event("outage", "checkout", OUTAGE, "the load balancer answers every request with 503"),
    ];
    events.extend(
        SINGLE_ERRORS.map(|minute| event("single error", "backoffice", one_minute(minute), "one request fails")),
    );
    events.sort_by_key(|event| event.span);
    events
}

pub(super) fn target_group(service: &'static Service, minute: Minute) -> &'static str {
    match service.name.as_str() {
        "checkout" if minute < TARGET_GROUP_SWITCH => "checkout-blue",
        "checkout" => "checkout-green",
        name => name,
    }
}

/// Whether the service has no healthy target.
pub(super) fn is_down(service: &Service, minute: Minute) -> bool {
    service.name == "checkout" && OUTAGE.contains(minute)
}

pub(super) fn error_ppm(service: &Service, minute: Minute) -> u32 {
    if service.name == "search" && SLOW_BURN.contains(minute) { 3_500 } else { service.error_ppm }
}

pub(super) fn slow_ppm(service: &Service, minute: Minute) -> u32 {
    if service.name == "profile" && REGRESSION.contains(minute) { 40_000 } else { service.slow_ppm }
}

/// Minutes of this stretch in which one more request comes, and fails.
pub(super) fn single_errors(service: &Service, span: Span) -> impl Iterator<Item = Minute> {
    let is_quiet = service.name == "backoffice";
    SINGLE_ERRORS.into_iter().filter(move |minute| is_quiet && span.contains(*minute))
}

/// When the file of this interval is delivered; `None` if never. A file comes at the end of its interval.
pub(super) fn delivery(balancer: &Balancer, interval: Span) -> Option<Minute> {
    match balancer.name.split('/').nth(1) {
        Some("partners") if LOG_GAP.contains(interval.start) => None,
        Some("accounts") if LATE_DELIVERY.contains(interval.start) => {
            Some(interval.end.plus(LATE_DELIVERY_DAYS * MINUTES_PER_DAY))
        }
        _ => Some(interval.end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenario_events_match_documented_times() {
        assert_eq!(thirty_days().to_string(), "2026-10-02T00:00Z to 2026-11-01T00:00Z");
        assert_eq!(OUTAGE.to_string(), "2026-10-27T14:05Z to 2026-10-27T14:30Z");
        assert_eq!(TARGET_GROUP_SWITCH.to_string(), "2026-10-13T12:00Z");
        assert_eq!(REGRESSION.to_string(), "2026-10-24T09:00Z to 2026-11-01T00:00Z");
        assert_eq!(SLOW_BURN.to_string(), "2026-10-26T00:00Z to 2026-11-01T00:00Z");
        assert_eq!(LOG_GAP.to_string(), "2026-10-18T03:00Z to 2026-10-18T06:00Z");
        assert!(events().iter().all(|event| event.span.intersect(thirty_days()) == event.span));
    }
}

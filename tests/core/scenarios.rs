//! What must not page and what must: traffic over weeks, minute by minute.

use crate::counts::Sums;
use crate::evaluation::{CountsView, Downgrade, SloEvaluation, SloState, evaluate};
use crate::slo::{DefinitionFile, Slo, Urgency};
use crate::time::{Minute, Span};
use jiff::tz::TimeZone;

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

/// An availability SLO with an objective of 99.9% and additions.
fn slo(additions: &str) -> Slo {
    let text = format!(
        "service: checkout\nload_balancer: app/mart/50dc6c495c0c9188\nslos:\n  latency: none\n  \
         availability: {{ objective: 99.9%{additions} }}\n"
    );
    let file = DefinitionFile { path: "mart/checkout.yaml".to_owned(), text };
    let (catalog, problems) = crate::slo::read(&[file], minute("2026-12-01"));
    assert_eq!(problems, []);
    catalog.services[0].slos[0].clone()
}

/// Minutes of the past as running sums: `total` and `bad` of each.
struct History {
    start: Minute,
    cumulative: Vec<Sums>,
}

impl History {
    fn new(start: Minute, end: Minute, events: impl Fn(Minute) -> (u64, u64)) -> Self {
        let mut cumulative = vec![Sums::default()];
        for at in (start.0..end.0).map(Minute) {
            let (total, bad) = events(at);
            let mut sums = cumulative[cumulative.len() - 1];
            sums.add(Sums { total, bad, known: 1 });
            cumulative.push(sums);
        }
        Self { start, cumulative }
    }

    fn sums(&self, span: Span) -> Sums {
        let index =
            |at: Minute| usize::try_from(at.0 - self.start.0).unwrap_or_default().min(self.cumulative.len() - 1);
        self.cumulative[index(span.end)].minus(self.cumulative[index(span.start)])
    }

    fn evaluate(&self, slo: &Slo, at: Minute) -> SloEvaluation {
        let counts = |span: Span| self.sums(span);
        evaluate(slo, at, &CountsView { budget_counts: &counts, event_counts: &counts, excluded: &[] })
    }

    /// The highest urgency from minute to minute within a span.
    fn peak(&self, slo: &Slo, span: Span) -> Option<Urgency> {
        (span.start.0..span.end.0).filter_map(|at| self.evaluate(slo, Minute(at)).state.urgency()).max()
    }
}

fn is_open(at: Minute, zone: &TimeZone, from: i8, until: i8) -> bool {
    let local = at.timestamp().to_zoned(zone.clone());
    (from..until).contains(&local.hour())
}

/// The days after both clock changes of a year in three zones: Berlin, New York and Sydney.
const CLOCK_CHANGES: [(&str, &str); 6] = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Sydney", "2026-04-05"),
    ("Australia/Sydney", "2026-10-04"),
];

#[test]
fn clock_change_is_no_traffic_drop() {
    for (name, day) in CLOCK_CHANGES {
        let zone = TimeZone::get(name).unwrap();
        let change = minute(&format!("{day}T00:00Z"));
        // An office with a sharp opening, and a batch of half an hour at 04:00.
        for (from, until) in [(9, 18), (4, 5)] {
            let history = History::new(change.plus(-35 * 1_440), change.plus(8 * 1_440), |at| {
                (if is_open(at, &zone, from, until) { 500 } else { 0 }, 0)
            });
            // With the zone or without: clocks change by an hour.
            for hours in [format!(", working_hours: Mon-Fri 09:00-18:00 {name}"), String::new()] {
                let slo = slo(&format!(", tiers: none{hours}"));
                let week = Span::new(change, change.plus(8 * 1_440));
                assert_eq!(history.peak(&slo, week), None, "{name} {day} {from}:00 {hours}");
            }
        }
    }
}

#[test]
fn drop_to_zero_is_found_at_every_hour_of_business() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let slo = slo(", tiers: none, working_hours: Mon-Fri 09:00-18:00 Europe/Berlin");
    let start = minute("2026-10-20");
    for gone in ["2026-10-27T09:30Z", "2026-10-27T12:00Z", "2026-10-27T15:00Z"].map(minute) {
        let history = History::new(start, gone.plus(120), |at| {
            (if at < gone && is_open(at, &berlin, 9, 18) { 500 } else { 0 }, 0)
        });
        // One earlier week is known. The newest 15 minutes have less than a tenth after 14 of them.
        assert_eq!(history.evaluate(&slo, gone.plus(13)).state, SloState::Ok, "{gone}");
        assert_eq!(history.evaluate(&slo, gone.plus(15)).state.urgency(), Some(Urgency::Severe), "{gone}");
    }
}

#[test]
fn traffic_drop_ends_with_the_hours_of_business() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let slo = slo(", tiers: none, working_hours: Mon-Fri 09:00-18:00 Europe/Berlin");
    let gone = minute("2026-10-27T15:00Z");
    let history = History::new(minute("2026-10-20"), gone.plus(10 * 60), |at| {
        (if at < gone && is_open(at, &berlin, 9, 18) { 500 } else { 0 }, 0)
    });
    // An hour before 18:00, the hour around includes times without traffic.
    assert!(matches!(history.evaluate(&slo, minute("2026-10-27T15:59Z")).state, SloState::TrafficDrop { .. }));
    assert_eq!(history.peak(&slo, Span::new(minute("2026-10-27T16:20Z"), gone.plus(10 * 60))), None);
}

#[test]
fn first_failures_of_the_morning_are_a_ticket() {
    let slo = slo("");
    let morning = minute("2026-10-28T07:00Z");
    for spacing in [1, 2] {
        let history = |failing: i32| {
            History::new(morning.plus(-30 * 1_440), morning.plus(240), move |at| {
                let since = (at.0 - morning.0).rem_euclid(1_440);
                let total = u64::from(since < 600 && since % spacing == 0);
                (total, if at >= morning && since < failing * spacing { total } else { 0 })
            })
        };
        let span = Span::new(morning, morning.plus(240));
        assert_eq!(history(6).peak(&slo, span), Some(Urgency::Ticket), "six requests fail, one in {spacing} minutes");
        assert!(history(30).peak(&slo, span) >= Some(Urgency::Page), "30 requests fail, one in {spacing} minutes");
    }
}

#[test]
fn broken_client_at_night_is_a_ticket() {
    let slo = slo("");
    let night = minute("2026-10-28T02:00Z");
    // Usually 0.3 requests a minute.
    let history = |broken: u64, minutes: i32, is_service_down: bool| {
        History::new(night.plus(-30 * 1_440), night.plus(120), move |at| {
            let usual = u64::from(at.0 % 10 < 3);
            let is_broken = at >= night && at < night.plus(minutes);
            let bad = if is_broken { broken + if is_service_down { usual } else { 0 } } else { 0 };
            (usual + if is_broken { broken } else { 0 }, bad)
        })
    };
    let span = Span::new(night, night.plus(120));
    assert_eq!(history(3, 20, false).peak(&slo, span), Some(Urgency::Ticket), "3 a minute for 20 minutes");
    assert_eq!(history(2, 3, false).peak(&slo, span), Some(Urgency::Ticket), "6 retries in 3 minutes");
    assert!(history(20, 30, false).peak(&slo, span) >= Some(Urgency::Page), "600 failures");
    let first = history(3, 20, false).evaluate(&slo, night.plus(20));
    assert!(matches!(first.tiers[0].downgrade, Some(Downgrade::ExtraTraffic { .. })), "{first:?}");
}

#[test]
fn short_restart_of_small_service_is_a_ticket_and_outage_of_it_pages() {
    let slo = slo("");
    let noon = minute("2026-10-28T12:00Z");
    let history = |per_minute: u64, minutes: i32| {
        History::new(noon.plus(-30 * 1_440), noon.plus(240), move |at| {
            (per_minute, if at >= noon && at < noon.plus(minutes) { per_minute } else { 0 })
        })
    };
    let span = Span::new(noon, noon.plus(240));
    assert_eq!(history(3, 2).peak(&slo, span), Some(Urgency::Ticket));
    assert_eq!(history(3, 5).peak(&slo, span), Some(Urgency::Severe));
    assert_eq!(history(1, 15).peak(&slo, span), Some(Urgency::Severe));
}

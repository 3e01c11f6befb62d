//! Evaluation: significance against scipy's tables, calendar periods against Python's zoneinfo, downgraded pages,
//! severe urgency, and corrections.

use std::path::Path;
use std::process::Command;

use crate::burn::{is_significant, p_value};
use crate::counts::Sums;
use crate::evaluation::{CountsView, Downgrade, SloEvaluation, SloState, evaluate};
use crate::rational::Rational;
use crate::slo::{Catalog, DefinitionFile, Exclusions, Slo, Urgency};
use crate::time::{Minute, Period, Span, Window};
use jiff::tz::TimeZone;

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn rows(path: &Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).unwrap().records().map(Result::unwrap).collect()
}

fn sums(total: u64, bad: u64) -> Sums {
    Sums { total, bad, known: 60 }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

/// The exact share for a table's decimal; 14/3000 has no finite decimal.
#[expect(clippy::cast_possible_truncation, reason = "a share in thirds of 1e-12")]
fn ratio(text: &str) -> Rational {
    Rational::new((number(text) * 3e12).round() as i128, 3_000_000_000_000)
}

#[test]
fn p_values_match_closed_forms() {
    let share = Rational::new(18, 1_250);
    assert!((p_value(sums(1, 1), share) - 0.0144).abs() < 1e-15);
    assert!((p_value(sums(2, 2), share) - 0.0144_f64.powi(2)).abs() < 1e-15);
    assert!((p_value(sums(50, 1), share) - (1.0 - (1.0 - 0.0144_f64).powi(50))).abs() < 1e-12);
    assert!((p_value(sums(10, 0), share) - 1.0).abs() < 1e-15);
    assert!(p_value(sums(10, 1), Rational::from_integer(0)).abs() < 1e-15, "nothing may be bad");
    assert!((p_value(sums(10, 10), Rational::from_integer(1)) - 1.0).abs() < 1e-15);
}

#[test]
fn p_values_agree_with_scipy() {
    let Some(path) = super::support::shared("oracle/tables/binomial_tail.csv") else { return };
    let mut seen = 0;
    for row in rows(&path) {
        let (share, bad, total) = (ratio(&row[1]), row[2].parse().unwrap(), row[3].parse().unwrap());
        let (ours, theirs) = (p_value(sums(total, bad), share), number(&row[4]));
        // For a million events the library is accurate to eight digits; below 1e-290 the tail underflows doubles.
        assert!((ours - theirs).abs() <= 1e-7 * theirs + 1e-290, "{row:?}: {ours}");
        seen += 1;
    }
    assert!(seen > 3_000);
}

#[test]
fn min_significant_bad_events_agree_with_scipy() {
    let Some(path) = super::support::shared("oracle/tables/min_bad_for_evidence.csv") else { return };
    let mut seen = 0;
    for row in rows(&path) {
        let (share, total, chance_max): (_, u64, _) = (ratio(&row[1]), row[2].parse().unwrap(), number(&row[3]));
        let least = (1..=total).find(|bad| is_significant(p_value(sums(total, *bad), share), chance_max));
        assert_eq!(least.map_or_else(|| "none".to_owned(), |bad| bad.to_string()), row[4], "{row:?}");
        seen += 1;
    }
    assert!(seen > 700);
}

#[test]
fn p_value_at_limit_is_clopper_pearson_bound() {
    let Some(path) = super::support::shared("oracle/tables/binomial_bounds.csv") else { return };
    let mut seen = 0;
    for row in rows(&path) {
        let (bad, total, confidence): (u64, u64, f64) =
            (row[0].parse().unwrap(), row[1].parse().unwrap(), number(&row[2]));
        let bound = number(&row[11]);
        if bad == 0 || !(1e-8..1.0).contains(&bound) {
            continue;
        }
        // The bound in steps of 1e-12: the p-value there is one minus the confidence.
        #[expect(clippy::cast_possible_truncation, reason = "a share in steps of 1e-12")]
        let share = Rational::new((bound * 1e12).round() as i128, 1_000_000_000_000);
        let ours = p_value(sums(total, bad), share);
        assert!((ours / (1.0 - confidence) - 1.0).abs() < 1e-3, "{row:?}: {ours}");
        seen += 1;
    }
    assert!(seen > 700, "{seen}");
}

#[test]
fn calendar_periods_agree_with_zoneinfo() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/calendars.py");
    let output = Command::new("python3").arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    let mut seen = 0;
    for line in table.lines() {
        let [zone, period, at, first, next] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let period = match period {
            "week" => Period::Week,
            "month" => Period::Month,
            "quarter" => Period::Quarter,
            _ => Period::Year,
        };
        let window = Window::Calendar { period, zone: TimeZone::get(zone).unwrap() };
        let whole = window.full_span_at(minute(at));
        assert_eq!((whole.start.to_string().as_str(), whole.end.to_string().as_str()), (first, next), "{line}");
        assert!(whole.minutes() <= window.max_minutes(), "{line}");
        seen += 1;
    }
    assert!(seen > 15_000);
}

/// A catalog of one service `checkout` with additions to its only SLO.
fn catalog(slo: &str, corrections: &[&str]) -> Catalog {
    let text = format!(
        "service: checkout\nload_balancer: app/mart/50dc6c495c0c9188\nlabels: {{ area: web }}\nslos:\n  latency: none\n  \
         availability: {{ objective: 99.9%{slo} }}\n"
    );
    let mut files = vec![DefinitionFile { path: "mart/checkout.yaml".to_owned(), text }];
    for (place, text) in corrections.iter().enumerate() {
        let text = format!("id: c{place}\nreason: x\ncategory: planned\nauthor: x\n{text}");
        files.push(DefinitionFile { path: format!("corrections/c{place}.yaml"), text });
    }
    let (catalog, problems) = crate::slo::read(&files, minute("2026-12-01"));
    assert_eq!(problems, []);
    catalog
}

fn slo(text: &str) -> Slo {
    catalog(text, &[]).services[0].slos[0].clone()
}

/// The evaluation at a Wednesday noon over known minutes with these counts.
fn evaluate_counts(slo: &Slo, at: &str, counts: impl Fn(i32) -> (u64, u64)) -> SloEvaluation {
    let at = minute(at);
    let over = |span: Span| {
        let mut sums = Sums { known: span.minutes(), ..Sums::default() };
        for age in (span.start.0..span.end.0).map(|minute| at.0 - minute) {
            let (total, bad) = counts(age);
            sums.add(Sums { total, bad, known: 0 });
        }
        sums
    };
    evaluate(slo, at, &CountsView { budget_counts: &over, event_counts: &over, excluded: &[] })
}

const NOON: &str = "2026-10-28T12:00Z";

#[test]
fn insignificant_page_is_downgraded_to_ticket() {
    let quiet = slo(", severe: none");
    let requests = |bad: &'static [i32]| move |age: i32| (u64::from(age % 20 == 1), u64::from(bad.contains(&age)));
    let few = evaluate_counts(&quiet, NOON, requests(&[1, 21]));
    assert_eq!(few.state, SloState::Firing { tier: 0, urgency: Urgency::Ticket });
    assert_eq!(few.tiers[0].downgrade, Some(Downgrade::FewBadEvents { bad_events: 2, min_bad_events: 5 }));
    let one = evaluate_counts(&quiet, NOON, requests(&[1]));
    assert_eq!(one.state, SloState::Ok, "a single bad event does not fire, whatever burn rate it is");

    let unsure = slo(", severe: none, significance: { min_bad_events: 1, confidence: 99.9% }");
    let failing = [1, 21, 41];
    let chance = evaluate_counts(&unsure, NOON, |age| (2, u64::from(failing.contains(&age))));
    assert_eq!(chance.state.urgency(), Some(Urgency::Ticket));
    let Some(Downgrade::NotSignificant { p_value: chance, max_p_value: chance_max }) = chance.tiers[0].downgrade else {
        panic!("{chance:?}")
    };
    // At least 3 of 120, each with half of 1.44%.
    let (share, others) = (0.0072_f64, 1.0 - 0.0072_f64);
    let at_most_two = others.powi(120) + 120.0 * share * others.powi(119) + 7_140.0 * share.powi(2) * others.powi(118);
    assert!((chance - (1.0 - at_most_two)).abs() < 1e-12 && (chance_max - 0.001).abs() < 1e-12);

    let none = slo(", severe: none, significance: none");
    let page = evaluate_counts(&none, NOON, |age| (u64::from(age % 20 == 1), u64::from(age == 1)));
    assert_eq!(page.state, SloState::Firing { tier: 0, urgency: Urgency::Page });
}

#[test]
fn first_minute_of_outage_pages_after_busy_hour() {
    // 1,000 requests per minute an hour ago, 900 now: a minute of failures is 1.5% of the hour, above the threshold of
    // 1.44%.
    let busy = slo(", severe: none");
    let check = |failing: i32, bad: u64| {
        let counts = |age| (if age > 5 { 1_000 } else { 900 }, if age <= failing { bad } else { 0 });
        evaluate_counts(&busy, NOON, counts).state.urgency()
    };
    assert_eq!(check(1, 900), Some(Urgency::Page));
    assert_eq!(check(60, 15), Some(Urgency::Page), "1.5% for an hour");
    assert_eq!(check(60, 14), None);
}

#[test]
fn page_needs_bad_events_in_three_minutes_or_thirty() {
    let busy = slo(", severe: none");
    let check = |ages: &[i32], bad: u64| {
        let state = evaluate_counts(&busy, NOON, |age| (3, if ages.contains(&age) { bad } else { 0 })).state;
        state.urgency()
    };
    let (page, ticket) = (Some(Urgency::Page), Some(Urgency::Ticket));
    assert_eq!(check(&[1, 2], 14), ticket, "28 bad events in two minutes");
    assert_eq!(check(&[1, 2], 15), page, "30 bad events in two minutes");
    assert_eq!(check(&[1, 2, 4], 2), ticket, "a client that retries for four minutes");
    assert_eq!(check(&[1, 2, 3, 4, 5], 1), page, "five minutes");
    assert_eq!(check(&[1, 2, 30, 31], 2), ticket, "two bursts");
    assert_eq!(check(&[1, 20, 40], 2), page, "three minutes");
}

#[test]
fn significance_of_timeslices_counts_requests() {
    let slices = slo(", severe: none, budgeting: timeslices, slice: 15m, slice_target: 95%");
    let at = minute(NOON);
    let evaluated = |bad_per_minute: u64| {
        let budget = |span: Span| Sums { total: u64::from(span.minutes() / 15), bad: 1, known: span.minutes() };
        let events = |span: Span| {
            let failing = span.intersect(Span::ending_at(at, 15)).minutes();
            Sums {
                total: u64::from(span.minutes()) * 10,
                bad: u64::from(failing) * bad_per_minute,
                known: span.minutes(),
            }
        };
        let counts = CountsView { budget_counts: &budget, event_counts: &events, excluded: &[] };
        evaluate(&slices, at, &counts).state.urgency()
    };
    assert_eq!(evaluated(10), Some(Urgency::Page), "one bad timeslice of 150 failed requests");
    assert_eq!(evaluated(0), None);
}

#[test]
fn low_traffic_service_that_keeps_failing_pages() {
    // One request every ten minutes, all failing: an hour has six, and the fifth triggers the page.
    let quiet = slo(", severe: none");
    for (failing, urgency) in [(35, Urgency::Ticket), (45, Urgency::Page)] {
        let result =
            evaluate_counts(&quiet, NOON, |age| (u64::from(age % 10 == 1), u64::from(age % 10 == 1 && age <= failing)));
        assert_eq!(result.state.urgency(), Some(urgency), "failing for {failing} minutes: {result:?}");
    }
}

#[test]
fn page_outside_working_hours_is_downgraded_to_ticket() {
    let office = slo(
        ", severe: none, working_hours: Mon-Fri 09:00-18:00 Europe/Berlin, tiers: { page_fast: { only: working_hours }, \
         page_slow: none, ticket_fast: none, ticket_slow: none }",
    );
    assert_eq!(office.tiers.len(), 1);
    for (at, urgency) in [
        ("2026-10-28T12:00Z", Urgency::Page),
        ("2026-10-28T17:30Z", Urgency::Ticket),
        ("2026-10-31T12:00Z", Urgency::Ticket),
    ] {
        let result = evaluate_counts(&office, at, |_| (100, 50));
        assert_eq!(result.state, SloState::Firing { tier: 0, urgency }, "{at}");
    }
}

#[test]
fn outage_is_severe_and_needs_min_bad_events() {
    let plain = slo("");
    let out = evaluate_counts(&plain, NOON, |age| (100, if age <= 5 { 91 } else { 0 }));
    assert_eq!(out.state, SloState::Outage { minutes: 5, sums: Sums { total: 500, bad: 455, known: 5 } });
    assert_eq!(out.state.urgency(), Some(Urgency::Severe));
    let mostly = evaluate_counts(&plain, NOON, |age| (100, if age <= 5 { 89 } else { 0 }));
    assert_eq!(mostly.state, SloState::Firing { tier: 0, urgency: Urgency::Page });
    let lone = evaluate_counts(&plain, NOON, |age| (u64::from(age == 2), u64::from(age == 2)));
    assert_eq!(lone.state, SloState::Ok, "one failed request is not an outage");
    let check = |per_minute: u64, minutes: i32| {
        let failing = |age| (per_minute, if age <= minutes { per_minute } else { 0 });
        evaluate_counts(&plain, NOON, |age| if age <= minutes { failing(age) } else { (u64::from(age % 10 == 0), 0) })
            .state
            .urgency()
    };
    assert_eq!(check(3, 2), Some(Urgency::Ticket), "six failed requests in two minutes");
    assert_eq!(check(3, 5), Some(Urgency::Severe), "five minutes that each have a failed request");
    assert_eq!(check(10, 2), Some(Urgency::Severe), "20 failed requests");
    let off = evaluate_counts(&slo(", severe: none"), NOON, |age| (100, if age <= 5 { 100 } else { 0 }));
    assert_eq!(off.state.urgency(), Some(Urgency::Page));
}

#[test]
fn traffic_drop_is_compared_with_quietest_earlier_week() {
    let plain = slo("");
    let week = 7 * 1_440;
    let usual = |now: u64, quietest: u64| {
        move |age: i32| match age {
            1..=15 => (now, 0),
            _ if (1..=15).contains(&(age - 2 * week)) => (quietest, 0),
            _ => (200, 0),
        }
    };
    let check = |now, quietest| evaluate_counts(&plain, NOON, usual(now, quietest)).state;
    assert_eq!(check(9, 100), SloState::TrafficDrop { minutes: 15, events: 135, expected: 1_500 });
    assert_eq!(check(10, 100), SloState::Ok, "a tenth of the traffic is not a traffic drop");
    assert_eq!(check(0, 6), SloState::Ok, "an earlier week had nearly as little traffic");
    assert_eq!(check(0, 7), SloState::TrafficDrop { minutes: 15, events: 0, expected: 105 });
    let off = evaluate_counts(&slo(", severe: { traffic_drop: none }"), NOON, usual(0, 100));
    assert_eq!(off.state, SloState::Ok);
}

#[test]
fn unknown_or_excluded_minutes_are_no_traffic_drop() {
    let plain = slo("");
    let at = minute(NOON);
    let now = Span::ending_at(at, 15);
    let counts = |unknown: Option<Span>| {
        move |span: Span| {
            let gone = unknown.map_or(0, |gone| gone.intersect(span).minutes());
            let traffic = span.minutes() - now.intersect(span).minutes();
            Sums { total: u64::from(traffic) * 100, bad: 0, known: span.minutes() - gone }
        }
    };
    let evaluated = |over: &dyn Fn(Span) -> Sums, excluded: &[Span]| {
        evaluate(&plain, at, &CountsView { budget_counts: over, event_counts: over, excluded }).state
    };
    assert!(matches!(evaluated(&counts(None), &[]), SloState::TrafficDrop { .. }));
    let gap = Span::ending_at(at.plus(-3), 1);
    assert_eq!(evaluated(&counts(Some(gap)), &[]), SloState::Ok, "an unknown minute");
    assert_eq!(evaluated(&counts(None), &[gap]), SloState::Ok, "an excluded minute");
    let week = |weeks: i32| Span::ending_at(at.plus(-weeks * 7 * 1_440), 15);
    assert!(
        matches!(evaluated(&counts(None), &[week(1), week(2)]), SloState::TrafficDrop { .. }),
        "two weeks are left"
    );
    let all_weeks = [week(4), week(3), week(2), week(1)];
    assert!(matches!(evaluated(&counts(None), &all_weeks[1..]), SloState::TrafficDrop { .. }), "one week is enough");
    assert_eq!(evaluated(&counts(None), &all_weeks), SloState::Ok, "no earlier week is known");
}

#[test]
fn objective_of_100_percent_pages_at_fifth_bad_event() {
    let all = catalog("", &[]).services[0].slos[0].clone();
    let mut all = all;
    all.objective = crate::slo::Objective { share: Rational::from_integer(1), text: "100%".to_owned() };
    (all.severe.outage_minutes, all.severe.traffic_drop_minutes) = (None, None);
    let two = evaluate_counts(&all, NOON, |age| (1_000, u64::from(age <= 2)));
    assert_eq!(two.state, SloState::Firing { tier: 0, urgency: Urgency::Ticket });
    assert_eq!(two.tiers[0].long_burn_rate, None, "no burn rate is defined without a budget");
    let five = evaluate_counts(&all, NOON, |age| (1_000, u64::from(age <= 5)));
    assert_eq!(five.state, SloState::Firing { tier: 0, urgency: Urgency::Page });
    assert_eq!(evaluate_counts(&all, NOON, |_| (1_000, 0)).state, SloState::Ok);
}

#[test]
fn recurring_corrections_follow_wall_clock_and_apply_only_to_scope() {
    let weekly = "scope: { service: checkout, labels: { area: web } }\nstart: 2026-10-04T02:30\nend: 2026-10-04T04:00\n\
                  time_zone: Europe/Berlin\nrepeat: FREQ=WEEKLY;BYDAY=SU\n";
    let once = "scope: { team: mart, slo: availability }\nstart: 2026-10-18T01:00Z\nend: 2026-10-18T05:00Z\n";
    let other =
        "scope: { labels: { area: web }, slo: availability }\nstart: 2026-10-18T04:59Z\nend: 2026-10-18T05:30Z\n";
    let catalog = catalog("", &[weekly, once, other]);
    let (service, slo) = (&catalog.services[0], &catalog.services[0].slos[0]);
    let excluded = Exclusions::for_span(&catalog, Span::new(minute("2026-10-01"), minute("2026-11-02")));
    let spans: Vec<String> = excluded.spans(service, slo).iter().map(ToString::to_string).collect();
    assert_eq!(
        spans,
        [
            "2026-10-04T00:30Z to 2026-10-04T02:00Z",
            "2026-10-11T00:30Z to 2026-10-11T02:00Z",
            "2026-10-18T00:30Z to 2026-10-18T05:30Z",
            // 02:30 happens twice on the last Sunday of October: the first counts.
            "2026-10-25T00:30Z to 2026-10-25T02:00Z",
            "2026-11-01T01:30Z to 2026-11-01T03:00Z",
        ]
    );
    let mut stranger = service.clone();
    stranger.labels.clear();
    stranger.team = "other".to_owned();
    assert!(excluded.spans(&stranger, slo).is_empty());
}

//! The burn core against slow, straightforward reference models.

use crate::burn::{Condition, ErrorBudget, ExhaustionForecast, PrefixSums, Threshold, burn_rate};
use crate::counts::{MinuteColumns, SLOTS_PER_DAY, Sums};
use crate::rational::{Rational, parse_percent};
use crate::slo::{Objective, Tier, Urgency};
use crate::time::{Minute, Span, Window};
use proptest::prelude::*;

fn objective(text: &str) -> Objective {
    Objective { share: parse_percent(text).unwrap(), text: text.to_owned() }
}

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn tier(factor: Rational, long_minutes: u32, short_minutes: u32) -> Tier {
    let budget_share = Rational::new(1, 50);
    Tier {
        name: "page".to_owned(),
        urgency: Urgency::Page,
        budget_share,
        long_minutes,
        short_minutes,
        factor,
        working_hours: None,
    }
}

/// Three days of one series; `None` is an unknown minute.
#[derive(Clone, Debug)]
struct Traffic {
    minutes: Vec<Option<(u32, u32)>>,
    /// A day without any stored data.
    absent: Option<usize>,
    /// Running sums of the counts.
    span: Span,
}

const DAYS: usize = 3;

/// The first of the three days.
fn midnight() -> Minute {
    minute("2026-10-01T00:00Z")
}

fn minute_index(at: Minute) -> usize {
    usize::try_from(at.0 - midnight().0).unwrap()
}

impl Traffic {
    /// The same counts in all minutes of the three days.
    fn even(total: u32, bad: u32) -> Self {
        let span = Span::new(midnight(), midnight().day().plus(3).start());
        Self { minutes: vec![Some((total, bad)); DAYS * SLOTS_PER_DAY], absent: None, span }
    }

    /// The counts of a minute, if known.
    fn counts_at(&self, at: Minute) -> Option<(u32, u32)> {
        if !self.span.contains(at) || self.absent == Some(minute_index(at) / SLOTS_PER_DAY) {
            return None;
        }
        self.minutes[minute_index(at)]
    }

    /// Calls `test` with the running sums.
    fn with_window_sums<R>(&self, test: impl FnOnce(&PrefixSums<'_>) -> R) -> R {
        // Unknown minutes hold garbage here, because they must not be read.
        let column = |count: fn((u32, u32)) -> u32| -> Vec<u32> {
            self.minutes.iter().map(|minute| minute.map_or(77, count)).collect()
        };
        let (total, bad) = (column(|counts| counts.0), column(|counts| counts.1));
        let known: Vec<u8> = self.minutes.iter().map(|minute| u8::from(minute.is_some())).collect();
        let days = (0..DAYS).map(|place| {
            let range = place * SLOTS_PER_DAY..(place + 1) * SLOTS_PER_DAY;
            let slice = MinuteColumns { total: &total[range.clone()], bad: &bad[range.clone()], known: &known[range] };
            let day = midnight().day().plus(i32::try_from(place).unwrap());
            (day, (self.absent != Some(place)).then_some(slice))
        });
        test(&PrefixSums::new(self.span, days))
    }

    /// Sums minute by minute.
    fn sum_minutes(&self, span: Span) -> Sums {
        let mut sums = Sums::default();
        let span = span.intersect(self.span);
        for (total, bad) in (span.start.0..span.end.0).filter_map(|at| self.counts_at(Minute(at))) {
            sums.add(Sums { total: total.into(), bad: bad.into(), known: 1 });
        }
        sums
    }

    /// The minutes of a span at which a condition holds, evaluated one by one with sliding window sums.
    fn firing_by_model(&self, condition: &Condition, above: impl Fn(Sums) -> bool, span: Span) -> Vec<Minute> {
        let mut windows = [condition.long_minutes, condition.short_minutes].map(|minutes| {
            let minutes = i32::try_from(minutes).unwrap();
            (minutes, self.sum_minutes(Span::ending_at(span.start, minutes)))
        });
        let mut firing = Vec::new();
        for at in (span.start.0..span.end.0).map(Minute) {
            if windows.iter().all(|(_, sums)| above(*sums)) {
                firing.push(at);
            }
            for (minutes, sums) in &mut windows {
                let (total, bad) = self.counts_at(at).unwrap_or_default();
                let (total_left, bad_left) = self.counts_at(at.plus(-*minutes)).unwrap_or_default();
                sums.total = sums.total + u64::from(total) - u64::from(total_left);
                sums.bad = sums.bad + u64::from(bad) - u64::from(bad_left);
            }
        }
        firing
    }
}

/// Traffic, idle and unknown minutes, or traffic alone; small counts or counts whose hourly sum exceeds 32 bits; all
/// days or a part; with or without a missing day.
fn traffic() -> impl Strategy<Value = Traffic> {
    // A weight must be below 1; this is practically 1.
    let known = prop_oneof![Just(0.999_999), Just(0.9)];
    let scale = prop_oneof![2 => Just(1_u32), 1 => Just(1 << 20), 1 => Just(u32::MAX / 60)];
    let ends = (0..SLOTS_PER_DAY * 2, 0..SLOTS_PER_DAY * 2, prop::bool::ANY, prop::option::weighted(0.2, 0..DAYS));
    (known, scale, ends).prop_flat_map(|(known, scale, (start, length, is_whole, absent))| {
        let run = (1..400_usize, prop::option::weighted(known, (0..50_u32, 0..20_u32)));
        prop::collection::vec(run, 10..60).prop_map(move |runs| {
            let runs = runs.into_iter().flat_map(|(length, counts)| {
                (0..length).map(move |place| {
                    let varied = |number: u32| number + u32::try_from(place % 3).unwrap_or(0);
                    let scaled = |(total, bad): (u32, u32)| {
                        if total < 5 { (0, 0) } else { (varied(total) * scale, bad.min(total) * scale) }
                    };
                    counts.map(scaled)
                })
            });
            let mut traffic = Traffic { absent, ..Traffic::even(0, 0) };
            let runs: Vec<_> = runs.take(DAYS * SLOTS_PER_DAY).collect();
            traffic.minutes.splice(..runs.len(), runs);
            if !is_whole {
                let minutes = |number: usize| i32::try_from(number).unwrap_or(0);
                let start = midnight().plus(minutes(start));
                traffic.span = traffic.span.intersect(Span::new(start, start.plus(minutes(length))));
            }
            traffic
        })
    })
}

/// A long and a short window: of any length, of whole hours, or longer than there is traffic.
fn windows() -> impl Strategy<Value = (u32, u32)> {
    let long = prop_oneof![2..400_u32, (1..30_u32).prop_map(|hours| hours * 60), 4_000..10_000_u32];
    (long, 1..60_u32, prop::bool::ANY)
        .prop_map(|(long, short, is_near)| (long, if is_near { long - 1 } else { short.min(long - 1) }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn firing_minutes_match_minute_by_minute_model(
        traffic in traffic(),
        (long, short) in windows(),
        share in 1..40_i128,
        slo_text in 0..5_usize,
        before in -70..70_i32,
        after in -70..70_i32,
    ) {
        // The fractions of the last two exceed 32 bits, which must not fail.
        let objective = objective(["99.5%", "90%", "50%", "99.99999999%", "100%"][slo_text]);
        let condition = Condition::new(&tier(Rational::new(share, 3), long, short), &objective);
        let budget = Rational::new(share, 3) * objective.budget();
        // Without traffic there are no bad events either.
        let above = |sums: Sums| i128::from(sums.bad) * budget.denom() > i128::from(sums.total) * budget.numer();
        let span = Span::new(traffic.span.start.plus(before), traffic.span.end.plus(after));
        // The model reads the three days and their surroundings.
        let span = span.intersect(Span::new(midnight(), midnight().plus(3 * 1_440)));
        let firing = traffic.with_window_sums(|running| condition.firing_spans(running, span));
        let minutes: Vec<Minute> =
            firing.iter().flat_map(|span| span.start.0..span.end.0).map(Minute).collect();
        prop_assert_eq!(minutes, traffic.firing_by_model(&condition, above, span));
        prop_assert!(firing.windows(2).all(|pair| pair[0].end < pair[1].start), "spans neither touch nor overlap");
    }

    #[test]
    fn window_sums_match_sums_of_minutes_and_nest(
        traffic in traffic(),
        windows in prop::collection::vec((-100..5_000_i32, 0..5_000_i32, 0..500_i32), 1..20),
    ) {
        traffic.with_window_sums(|running| {
            for (end, long, short) in windows {
                let end = midnight().plus(end);
                let (long, short) = (Span::ending_at(end, long), Span::ending_at(end, short.min(long)));
                let sums = (running.sums_in(long), running.sums_in(short));
                prop_assert_eq!(sums, (traffic.sum_minutes(long), traffic.sum_minutes(short)));
                prop_assert!(sums.1.bad <= sums.0.bad && sums.1.total <= sums.0.total && sums.1.known <= sums.0.known);
            }
            Ok(())
        })?;
    }

    #[test]
    fn comparisons_match_exact_rational_arithmetic(
        total in 0..u64::from(u32::MAX) * 60_000,
        part in 0.0..0.1_f64,
        factor in 1..2_000_i128,
        places in 0..6_usize,
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "any number does")]
        let bad = (total as f64 * part) as u64;
        let objective = objective(["50%", "99%", "99.5%", "99.9%", "99.95%", "99.999%"][places]);
        let factor = Rational::new(factor, 100);
        let exact = total > 0 && Rational::new(bad.into(), total.into()) > factor * objective.budget();
        prop_assert_eq!(Threshold::new(factor, &objective).is_exceeded(total, bad), exact);
    }
}

#[test]
fn burn_rate_equal_to_factor_does_not_fire() {
    let threshold = Threshold::new(Rational::new(144, 10), &objective("99.9%"));
    assert!(!threshold.is_exceeded(10_000, 144));
    assert!(threshold.is_exceeded(10_000, 145));
    assert!(!threshold.is_exceeded(0, 0), "no traffic, no burn");
    // The same with more than 32 bits of events, where products exceed 64 bits.
    assert!(!threshold.is_exceeded(10_000 << 40, 144 << 40));
    assert!(threshold.is_exceeded(10_000 << 40, (144 << 40) + 1));
}

/// Traffic exactly at the threshold does not fire. One more bad event fires exactly where both windows contain it: at
/// block and day boundaries, for windows of whole blocks or not, and for sums beyond 32 bits.
#[test]
fn one_event_over_threshold_fires_where_both_windows_contain_it() {
    let all = Span::new(midnight().plus(1_000), midnight().plus(3 * 1_440));
    for (total, bad) in [(1_000, 5), (4_000_000_000, 20_000_000)] {
        for (long, short) in [(60, 5), (64, 16), (65, 15), (360, 30), (1_000, 999), (1_440, 120), (9_000, 48), (2, 1)] {
            let condition = Condition::new(&tier(Rational::from_integer(1), long, short), &objective("99.5%"));
            let even = Traffic::even(total, bad);
            assert_eq!(even.with_window_sums(|running| condition.firing_spans(running, all)), []);
            for place in (1_424..1_458).chain([1_007, 2_880]) {
                let mut traffic = even.clone();
                traffic.minutes[usize::try_from(place).unwrap()] = Some((total, bad + 1));
                let seen = midnight().plus(place + 1);
                let expected = [Span::new(seen, seen.plus(i32::try_from(short).unwrap())).intersect(all)];
                let firing = traffic.with_window_sums(|running| condition.firing_spans(running, all));
                assert_eq!(firing, expected, "{long} and {short} minutes, minute {place}");
            }
        }
    }
}

/// A long window drops falling traffic minute by minute: sums of one window must not be reused for later ones.
#[test]
fn long_window_drops_busy_day_minute_by_minute() {
    let mut traffic = Traffic::even(1, 1);
    traffic.minutes[..SLOTS_PER_DAY].fill(Some((1_000, 0)));
    for (long, short) in [(1_440, 120), (1_000, 7), (720, 719)] {
        let condition = Condition::new(&tier(Rational::from_integer(1), long, short), &objective("99.5%"));
        let above = |sums: Sums| sums.bad * 200 > sums.total;
        let firing = traffic.with_window_sums(|running| condition.firing_spans(running, traffic.span));
        let minutes: Vec<Minute> = firing.iter().flat_map(|span| span.start.0..span.end.0).map(Minute).collect();
        assert_eq!(minutes, traffic.firing_by_model(&condition, above, traffic.span));
        assert_eq!(firing.len(), 1, "from some minute of the second day on");
    }
}

#[test]
fn no_burn_rate_exceeds_share_of_one() {
    let traffic = Traffic::even(7, 7);
    for factor in [2, 3, 1_000] {
        let condition = Condition::new(&tier(Rational::from_integer(factor), 60, 5), &objective("50%"));
        assert_eq!(traffic.with_window_sums(|running| condition.firing_spans(running, traffic.span)), []);
    }
}

#[test]
fn error_budget_is_counted_in_events() {
    let budget = ErrorBudget::new(Sums { total: 2_000_000, bad: 500, known: 0 }, &objective("99.9%"));
    assert_eq!(budget.allowed(), Some(Rational::from_integer(2_000)));
    assert_eq!(budget.consumed(), Some(Rational::new(1, 4)));
    assert_eq!(budget.remaining(), Some(Rational::new(3, 4)));
    assert_eq!(ErrorBudget::new(Sums::default(), &objective("99.9%")).remaining(), None, "no traffic, no budget");
    let rate = burn_rate(Sums { total: 1_000, bad: 14, known: 0 }, &objective("99.9%"));
    assert!((rate.unwrap() - 14.0).abs() < 1e-12);
}

/// The forecast of 99.9% over 30 days at 100 events per minute: 0.1x, an hour some days ago that consumed a percentage
/// of the 4,320-event budget, and the burn of the last three days in hundredths.
fn forecast(spent_percent: u64, days_ago: i32, burn: u64) -> ExhaustionForecast {
    let at = minute("2026-10-31T00:00Z");
    let start = at.plus(-days_ago * 1_440);
    let hour = Span::new(start, start.plus(60));
    let bad_millionths = |at_minute: Minute| {
        if hour.contains(at_minute) {
            spent_percent * 7_200
        } else if ExhaustionForecast::recent_span(at).contains(at_minute) {
            burn * 10
        } else {
            100
        }
    };
    let over = |span: Span| {
        let bad: u64 = (span.start.0..span.end.0).map(|at| bad_millionths(Minute(at)) * 100).sum();
        Sums { total: u64::from(span.minutes()) * 100, bad: bad / 1_000_000, known: span.minutes() }
    };
    forecast_from(at, &over)
}

fn forecast_from(at: Minute, over: &dyn Fn(Span) -> Sums) -> ExhaustionForecast {
    let window = Window::Rolling { minutes: 43_200 };
    let budget = ErrorBudget::new(over(window.span_at(at)), &objective("99.9%"));
    ExhaustionForecast::new(&window, at, &budget, over)
}

/// Tenths of days until the budget is exhausted; -1 for any other forecast.
fn tenths_of_day(forecast: ExhaustionForecast) -> i32 {
    let ExhaustionForecast::ExhaustedAt(when) = forecast else { return -1 };
    (when.0 - minute("2026-10-31T00:00Z").0) / 144
}

#[test]
fn forecast_accounts_for_events_leaving_the_window() {
    assert_eq!(forecast(0, 10, 50), ExhaustionForecast::NotWithinPeriod, "half the budget a period lasts");
    assert_eq!(forecast(0, 10, 100), ExhaustionForecast::NotWithinPeriod, "exactly the budget a period lasts");
    assert_eq!(forecast(90, 5, 500), ExhaustionForecast::AlreadyExhausted);
    // Figures from a minute-by-minute slide under the same assumption.
    assert_eq!(tenths_of_day(forecast(60, 5, 90)), 82, "a recent outage stays, so even 0.9x spends the rest");
    assert_eq!(tenths_of_day(forecast(80, 5, 50)), 45);
    assert_eq!(tenths_of_day(forecast(60, 5, 200)), 17);
    assert_eq!(tenths_of_day(forecast(60, 29, 200)), 112, "an old outage leaves tomorrow and gives its share back");
    let nothing = |_: Span| Sums::default();
    assert_eq!(forecast_from(minute("2026-10-31T00:00Z"), &nothing), ExhaustionForecast::Unknown);
}

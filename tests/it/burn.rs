//! The burn core against models that are too slow to be wrong in the same way.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use proptest::prelude::*;
use slowburn::burn::{Budget, Condition, Forecast, Running, Threshold, burn_rate};
use slowburn::counts::{DaySlice, SLOTS, Sums};
use slowburn::exact::{Exact, percent};
use slowburn::minute::{Minute, Span, Window};
use slowburn::slo::{Objective, Tier, Urgency};

fn objective(text: &str) -> Objective {
    Objective { share: percent(text).unwrap(), text: text.to_owned() }
}

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn tier(factor: Exact, long_minutes: u32, short_minutes: u32) -> Tier {
    let budget_share = Exact::new(1, 50);
    Tier {
        name: "page".to_owned(),
        urgency: Urgency::Page,
        budget_share,
        long_minutes,
        short_minutes,
        factor,
        hours: None,
    }
}

/// A few days of one series; `None` is an unknown minute.
#[derive(Debug)]
struct Traffic {
    start: Minute,
    minutes: Vec<Option<(u32, u32)>>,
}

impl Traffic {
    fn columns(&self) -> (Vec<u32>, Vec<u32>, Vec<u8>) {
        let total = self.minutes.iter().map(|minute| minute.map_or(0, |counts| counts.0)).collect();
        let bad = self.minutes.iter().map(|minute| minute.map_or(0, |counts| counts.1)).collect();
        (total, bad, self.minutes.iter().map(|minute| u8::from(minute.is_some())).collect())
    }

    fn span(&self) -> Span {
        Span::new(self.start, self.start.plus(i32::try_from(self.minutes.len()).unwrap()))
    }

    fn running(&self) -> Running {
        let (total, bad, known) = self.columns();
        let days = self.span().days().enumerate().map(|(place, day)| {
            let range = place * SLOTS..(place + 1) * SLOTS;
            (day, Some(DaySlice { total: &total[range.clone()], bad: &bad[range.clone()], known: &known[range] }))
        });
        Running::of(self.span(), days)
    }

    /// Sums minute by minute.
    fn slowly(&self, span: Span) -> Sums {
        let mut sums = Sums::default();
        for at in (span.start.0..span.end.0).map(Minute).filter(|at| self.span().contains(*at)) {
            if let Some((total, bad)) = self.minutes[usize::try_from(at.0 - self.start.0).unwrap()] {
                sums.add(Sums { total: total.into(), bad: bad.into(), known: 1 });
            }
        }
        sums
    }
}

/// Two days with runs of traffic, silence and unknown minutes.
fn traffic() -> impl Strategy<Value = Traffic> {
    let run = (1..200_usize, prop::option::weighted(0.9, (0..50_u32, 0..20_u32)));
    prop::collection::vec(run, 5..60).prop_map(|runs| {
        let runs = runs.into_iter().flat_map(|(length, counts)| {
            (0..length).map(move |place| {
                let varied = |number: u32| number + u32::try_from(place % 3).unwrap_or(0);
                counts.map(|(total, bad)| {
                    (if total < 5 { 0 } else { varied(total) }, if total < 5 { 0 } else { bad.min(total) })
                })
            })
        });
        let mut minutes: Vec<_> = runs.take(2 * SLOTS).collect();
        minutes.resize(2 * SLOTS, None);
        Traffic { start: minute("2026-10-01T00:00Z"), minutes }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn firing_minutes_are_those_of_a_minute_by_minute_model(
        traffic in traffic(),
        long in 2..400_u32,
        short in 1..60_u32,
        share in 1..40_i128,
    ) {
        let objective = objective("99.5%");
        let condition = Condition::new(&tier(Exact::new(share, 3), long, short.min(long - 1)), &objective);
        let (running, span) = (traffic.running(), traffic.span());
        let spans = condition.firing(&running, span);
        for at in (span.start.0..span.end.0).step_by(7).map(Minute) {
            let (long, short) = condition.windows(at);
            let (long, short) = (traffic.slowly(long), traffic.slowly(short));
            prop_assert_eq!(running.over(condition.windows(at).0), long);
            prop_assert!(short.bad <= long.bad && short.total <= long.total, "windows nest");
            let above = |sums: Sums| {
                sums.total > 0
                    && Exact::new(sums.bad.into(), sums.total.into()) > Exact::new(share, 3) * objective.budget()
            };
            prop_assert_eq!(spans.iter().any(|span| span.contains(at)), above(long) && above(short), "at {}", at);
        }
        prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start), "spans neither touch nor overlap");
    }

    #[test]
    fn comparisons_are_those_of_rational_numbers(
        total in 0..u64::from(u32::MAX) * 60_000,
        part in 0.0..0.1_f64,
        factor in 1..2_000_i128,
        places in 0..6_usize,
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "any number does")]
        let bad = (total as f64 * part) as u64;
        let objective = objective(["50%", "99%", "99.5%", "99.9%", "99.95%", "99.999%"][places]);
        let factor = Exact::new(factor, 100);
        let exact = total > 0 && Exact::new(bad.into(), total.into()) > factor * objective.budget();
        prop_assert_eq!(Threshold::new(factor, &objective).exceeded(total, bad), exact);
    }
}

#[test]
fn exactly_at_the_threshold_is_not_above_it() {
    let threshold = Threshold::new(Exact::new(144, 10), &objective("99.9%"));
    assert!(!threshold.exceeded(10_000, 144));
    assert!(threshold.exceeded(10_000, 145));
    assert!(!threshold.exceeded(0, 0), "without traffic there is no burn");
    // The same beyond 32 bits of events, where products need more than 64.
    assert!(!threshold.exceeded(10_000 << 40, 144 << 40));
    assert!(threshold.exceeded(10_000 << 40, (144 << 40) + 1));
}

#[test]
fn a_budget_is_counted_in_events() {
    let budget = Budget::of(Sums { total: 2_000_000, bad: 500, known: 0 }, &objective("99.9%"));
    assert_eq!(budget.allowed(), Some(Exact::from_integer(2_000)));
    assert_eq!(budget.consumed(), Some(Exact::new(1, 4)));
    assert_eq!(budget.remaining(), Some(Exact::new(3, 4)));
    assert_eq!(Budget::of(Sums::default(), &objective("99.9%")).remaining(), None, "no traffic, no budget");
    let rate = burn_rate(Sums { total: 1_000, bad: 14, known: 0 }, &objective("99.9%"));
    assert!((rate.unwrap() - 14.0).abs() < 1e-12);
}

/// The forecast of 99.9% over 30 days at 100 events a minute: 0.1x, an hour some days ago that spent so many percent of the
/// budget of 4,320 events, and the burn of the last three days in hundredths.
fn forecast(spent_percent: u64, days_ago: i32, burn: u64) -> Forecast {
    let at = minute("2026-10-31T00:00Z");
    let start = at.plus(-days_ago * 1_440);
    let hour = Span::new(start, start.plus(60));
    let bad_millionths = |at_minute: Minute| {
        if hour.contains(at_minute) {
            spent_percent * 7_200
        } else if Forecast::recent(at).contains(at_minute) {
            burn * 10
        } else {
            100
        }
    };
    let over = |span: Span| {
        let bad: u64 = (span.start.0..span.end.0).map(|at| bad_millionths(Minute(at)) * 100).sum();
        Sums { total: u64::from(span.minutes()) * 100, bad: bad / 1_000_000, known: span.minutes() }
    };
    Forecast::of(&Window::Rolling { minutes: 43_200 }, at, &objective("99.9%"), &over)
}

/// Tenths of days until the budget is spent; -1 if that is not what is forecast.
fn tenths(forecast: Forecast) -> i32 {
    let Forecast::ExhaustedAt(when) = forecast else { return -1 };
    (when.0 - minute("2026-10-31T00:00Z").0) / 144
}

#[test]
fn a_forecast_knows_what_leaves_the_window_and_when() {
    assert_eq!(forecast(0, 10, 50), Forecast::NotWithinPeriod, "half the budget a period lasts");
    assert_eq!(forecast(0, 10, 100), Forecast::NotWithinPeriod, "exactly the budget a period lasts");
    assert_eq!(forecast(90, 5, 500), Forecast::AlreadyExhausted);
    // Figures of a slide minute by minute under the same assumption.
    assert_eq!(tenths(forecast(60, 5, 90)), 82, "a recent outage stays, so even 0.9x spends the rest");
    assert_eq!(tenths(forecast(80, 5, 50)), 45);
    assert_eq!(tenths(forecast(60, 5, 200)), 17);
    assert_eq!(tenths(forecast(60, 29, 200)), 112, "an old outage leaves tomorrow and gives its share back");
    let nothing = |_: Span| Sums::default();
    let (window, at) = (Window::Rolling { minutes: 43_200 }, minute("2026-10-31T00:00Z"));
    assert_eq!(Forecast::of(&window, at, &objective("99.9%"), &nothing), Forecast::Unknown);
}

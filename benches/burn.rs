//! The burn core over a fleet: 1,683 SLOs x 43,200 minutes, every window and tier condition, beside the time of only reading
//! the columns. Ratios within one run are what counts; the machine's own speed cancels out.
//!
//!     cargo bench --bench burn
#![expect(clippy::print_stdout, reason = "figures are its output")]

use std::hint::black_box;
use std::time::Instant;

use slowburn::burn::{Condition, Running};
use slowburn::counts::{DaySlice, SLOTS};
use slowburn::exact::Exact;
use slowburn::minute::{Day, Minute, Span};
use slowburn::slo::{Objective, Tier, Urgency};

const DAYS: i32 = 30;

/// One day's columns of all SLOs, as the ledger holds them: SLO by SLO, minute by minute.
struct Columns {
    total: Vec<u32>,
    bad: Vec<u32>,
    known: Vec<u8>,
}

impl Columns {
    fn of(&self, slo: usize) -> Option<DaySlice<'_>> {
        let range = slo * SLOTS..(slo + 1) * SLOTS;
        let (total, bad) = (self.total.get(range.clone())?, self.bad.get(range.clone())?);
        Some(DaySlice { total, bad, known: self.known.get(range)? })
    }
}

/// A small generator is enough: traffic with a daily rhythm, errors around the budget, and hours of burn.
fn columns(slos: usize, day: i32) -> Columns {
    let rows = slos * SLOTS;
    let mut columns = Columns { total: Vec::with_capacity(rows), bad: Vec::with_capacity(rows), known: vec![1; rows] };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(day.unsigned_abs()) + 1);
    for slo in 0..slos {
        for minute in 0..SLOTS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let noise = u32::try_from(state >> 44).unwrap_or(0);
            let total = 200 + noise % 100 + u32::try_from(minute.abs_diff(720) / 4).unwrap_or(0);
            let burning = slo % 17 == 3 && minute / 60 == 13;
            columns.total.push(total);
            columns.bad.push(if burning { total / 20 } else { u32::from(noise % 11 == 0) });
        }
    }
    columns
}

fn tiers(objective: &Objective) -> Vec<Condition> {
    let tier = |urgency: Urgency, share: i128, long: u32, short: u32| Tier {
        name: urgency.to_string(),
        hours: None,
        urgency,
        budget_share: Exact::new(share, 100),
        long_minutes: long,
        short_minutes: short,
        factor: Exact::new(share, 100) * Exact::new(43_200, i128::from(long)),
    };
    [
        tier(Urgency::Page, 2, 60, 5),
        tier(Urgency::Page, 5, 360, 30),
        tier(Urgency::Ticket, 10, 1_440, 120),
        tier(Urgency::Ticket, 10, 4_320, 360),
    ]
    .iter()
    .map(|tier| Condition::new(tier, objective))
    .collect()
}

/// The best of a few runs in seconds, and what it gave.
fn timed<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut best = f64::INFINITY;
    let mut result = None;
    for _ in 0..3 {
        let start = Instant::now();
        let given = black_box(work());
        best = best.min(start.elapsed().as_secs_f64());
        result = Some(given);
    }
    match result {
        Some(result) => (best, result),
        None => unreachable!("it ran three times"),
    }
}

fn main() {
    let objective = Objective { share: Exact::new(999, 1000), text: "99.9%".to_owned() };
    let conditions = tiers(&objective);
    let start = Minute(29_000_160).day();
    let span = Span::new(start.start(), start.plus(DAYS).start());
    for slos in [420, 1_683, 6_732] {
        let days: Vec<(Day, Columns)> = (0..DAYS).map(|day| (start.plus(day), columns(slos, day))).collect();
        let (read, sums) = timed(|| {
            let mut sums = (0_u64, 0_u64);
            for (_, columns) in &days {
                sums.0 += columns.total.iter().map(|count| u64::from(*count)).sum::<u64>();
                sums.1 += columns.bad.iter().map(|count| u64::from(*count)).sum::<u64>();
            }
            sums
        });
        let running = |slo: usize| Running::of(span, days.iter().map(|(day, columns)| (*day, columns.of(slo))));
        let (prefix, _) = timed(|| (0..slos).map(|slo| running(slo).over(span).bad).sum::<u64>());
        let (all, firing) = timed(|| {
            let minutes = |slo: usize| {
                let running = running(slo);
                let firing = |condition: &Condition| {
                    condition.firing(&running, span).iter().map(|span| u64::from(span.minutes())).sum::<u64>()
                };
                conditions.iter().map(firing).sum::<u64>()
            };
            (0..slos).map(minutes).sum::<u64>()
        });
        println!(
            "{slos:>6} SLOs x {} minutes: read {:.0} ms; prefix sums {:.1}x; all windows and conditions {:.1}x = {:.0} ms ({} events, {} bad, {firing} firing minutes)",
            span.minutes(),
            read * 1e3,
            prefix / read,
            all / read,
            all * 1e3,
            sums.0,
            sums.1,
        );
    }
}

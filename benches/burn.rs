//! The burn core over a fleet: 43,200 minutes of up to 10,000 SLOs, every window and tier condition, compared with the
//! time to read the columns. Single-threaded. Only ratios within one run are comparable; the speed of the machine
//! cancels out.
//!
//!     cargo bench --bench burn                             four sizes of fleet, and two that are hard
//!     cargo bench --bench burn -- --columns DIRECTORY
//!         1,683 SLOs only, whose columns are written there for benches/burn_peers.py
#![expect(clippy::print_stdout, reason = "figures are its output")]

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use slowburn::internals::{
    Condition, Day, Minute, MinuteColumns, Objective, PrefixSums, Rational, SLOTS_PER_DAY, Span, Tier, Urgency,
};

const DAYS: i32 = 30;
/// One in this many SLOs burns for an hour a day.
const BURNING_ONE_IN: usize = 17;

/// The columns of one day of all SLOs, in the layout of the ledger: by SLO, then by minute.
struct Columns {
    total: Vec<u32>,
    bad: Vec<u32>,
    known: Vec<u8>,
}

type Days = Vec<(Day, Columns)>;

impl Columns {
    fn of(&self, slo: usize) -> Option<MinuteColumns<'_>> {
        let range = slo * SLOTS_PER_DAY..(slo + 1) * SLOTS_PER_DAY;
        let (total, bad) = (self.total.get(range.clone())?, self.bad.get(range.clone())?);
        Some(MinuteColumns { total, bad, known: self.known.get(range)? })
    }
}

/// Generates traffic with a daily rhythm, errors around the budget, and hours of burn.
fn columns(slos: usize, day: i32, burning_one_in: usize) -> Columns {
    let rows = slos * SLOTS_PER_DAY;
    let mut columns = Columns { total: Vec::with_capacity(rows), bad: Vec::with_capacity(rows), known: vec![1; rows] };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(day.unsigned_abs()) + 1);
    for slo in 0..slos {
        for minute in 0..SLOTS_PER_DAY {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let noise = u32::try_from(state >> 44).unwrap_or(0);
            let total = 200 + noise % 100 + u32::try_from(minute.abs_diff(720) / 4).unwrap_or(0);
            let burning = slo % burning_one_in == 3 % burning_one_in && minute / 60 == 13;
            columns.total.push(total);
            columns.bad.push(if burning { total / 20 } else { u32::from(noise % 11 == 0) });
        }
    }
    columns
}

fn first_day() -> Day {
    Minute(29_000_160).day()
}

fn days(slos: usize, burning_one_in: usize) -> Days {
    (0..DAYS).map(|day| (first_day().plus(day), columns(slos, day, burning_one_in))).collect()
}

/// Sums total and bad events with four parallel streams, two halves of two columns. Sequential columns take 1.8 times
/// as long, two streams 1.3 times; more than four gain nothing.
fn read(total: &[u32], bad: &[u32]) -> (u64, u64) {
    let halves = |column| <[u32]>::split_at(column, column.len() / 2);
    let ((total, total_later), (bad, bad_later)) = (halves(total), halves(bad));
    let blocks = |column| <[u32]>::as_chunks::<16>(column).0.iter();
    let rest = |column| sum(<[u32]>::as_chunks::<16>(column).1);
    let mut sums = (rest(total) + rest(total_later), rest(bad) + rest(bad_later));
    for (((total, total_later), bad), bad_later) in
        blocks(total).zip(blocks(total_later)).zip(blocks(bad)).zip(blocks(bad_later))
    {
        sums = (sums.0 + sum(total) + sum(total_later), sums.1 + sum(bad) + sum(bad_later));
    }
    sums
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|count| u64::from(*count)).sum()
}

fn conditions() -> Vec<Condition> {
    let objective = Objective { share: Rational::new(999, 1000), text: "99.9%".to_owned() };
    let tier = |urgency: Urgency, share: i128, long: u32, short: u32| Tier {
        name: urgency.to_string(),
        working_hours: None,
        urgency,
        budget_share: Rational::new(share, 100),
        long_minutes: long,
        short_minutes: short,
        factor: Rational::new(share, 100) * Rational::new(43_200, i128::from(long)),
    };
    [
        tier(Urgency::Page, 2, 60, 5),
        tier(Urgency::Page, 5, 360, 30),
        tier(Urgency::Ticket, 10, 1_440, 120),
        tier(Urgency::Ticket, 10, 4_320, 360),
    ]
    .iter()
    .map(|tier| Condition::new(tier, &objective))
    .collect()
}

/// The best time of a few runs in seconds, and the result.
fn timed<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    let mut best = f64::INFINITY;
    let mut result = None;
    for _ in 0..5 {
        let start = Instant::now();
        let given = black_box(work());
        best = best.min(start.elapsed().as_secs_f64());
        result = Some(given);
    }
    match result {
        Some(result) => (best, result),
        None => unreachable!("it ran several times"),
    }
}

/// Times one fleet and prints a line.
fn measure(name: &str, slos: usize, days: &Days) {
    let conditions = conditions();
    let span = Span::new(first_day().start(), first_day().plus(DAYS).start());
    let (limit, sums) = timed(|| {
        let mut sums = (0, 0);
        for (_, columns) in days {
            let day = read(&columns.total, &columns.bad);
            sums = (sums.0 + day.0, sums.1 + day.1);
        }
        sums
    });
    let running = |slo: usize| PrefixSums::new(span, days.iter().map(|(day, columns)| (*day, columns.of(slo))));
    let (summed, _) = timed(|| (0..slos).map(|slo| running(slo).sums_in(span).bad).sum::<u64>());
    let (all, firing) = timed(|| {
        let mut firing = vec![0; conditions.len()];
        for slo in 0..slos {
            let running = running(slo);
            for (minutes, condition) in firing.iter_mut().zip(&conditions) {
                *minutes +=
                    condition.firing_spans(&running, span).iter().map(|span| u64::from(span.minutes())).sum::<u64>();
            }
        }
        firing
    });
    println!(
        "{slos:>6} SLOs{name}: read {:.1} ms; running sums {:.1}x; all windows and conditions {:.1}x = {:.1} ms = {:.1} us an SLO ({} events, {} bad, {firing:?} firing minutes)",
        limit * 1e3,
        summed / limit,
        all / limit,
        all * 1e3,
        all * 1e6 / f64::from(u32::try_from(slos).unwrap_or(u32::MAX)),
        sums.0,
        sums.1,
    );
}

/// Writes the columns as little-endian numbers: day by day, in each SLO by SLO, minute by minute.
fn write(directory: &Path, days: &Days) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let (mut total, mut bad) = (file(directory, "total.u32")?, file(directory, "bad.u32")?);
    for (_, columns) in days {
        columns.total.iter().try_for_each(|count| total.write_all(&count.to_le_bytes()))?;
        columns.bad.iter().try_for_each(|count| bad.write_all(&count.to_le_bytes()))?;
    }
    total.flush()?;
    bad.flush()
}

fn file(directory: &Path, name: &str) -> std::io::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 20, File::create(directory.join(name))?))
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip_while(|argument| argument != "--columns").collect();
    if let Some(directory) = arguments.get(1) {
        let days = days(1_683, BURNING_ONE_IN);
        write(Path::new(directory), &days)?;
        measure("", 1_683, &days);
        return Ok(());
    }
    for slos in [420, 1_683, 5_000, 10_000] {
        measure("", slos, &days(slos, BURNING_ONE_IN));
    }
    measure(", all of which burn for an hour a day", 1_683, &days(1_683, 1));
    let mut days = days(1_683, BURNING_ONE_IN);
    for (_, columns) in &mut days {
        columns.known.iter_mut().step_by(SLOTS_PER_DAY).for_each(|known| *known = 0);
    }
    measure(", each with an unknown minute a day", 1_683, &days);
    Ok(())
}

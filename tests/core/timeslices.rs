//! Timeslices: cached sums equal sums recomputed from minutes, with late data, corrections and changed settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::support::wait;
use crate::counts::{Counts, DayCounts, MinuteCount, Sums};
use crate::engine::{self, RunOptions};
use crate::evaluation::status::{FleetStatus, compute_status};
use crate::ledger::Partition;
use crate::queries;
use crate::series::SeriesKey;
use crate::slo::{Catalog, DefinitionFile, Exclusions, Service, Slo};
use crate::source::FetchContext;
use crate::store::{BlobError, BlobStore, LedgerStore, LoadRequest, MemoryStore, Version};
use crate::time::{Day, Minute, Span};
use proptest::prelude::*;

/// Daylight saving time changes in Berlin on day 11, and in St. John's on day 18.
const FIRST: &str = "2026-10-15";
const DAYS: i32 = 20;

fn first() -> Day {
    FIRST.parse().unwrap()
}

/// An in-memory blob store that records reads.
#[derive(Clone, Default)]
struct CountingBlobStore {
    blobs: Arc<MemoryStore>,
    read: Arc<Mutex<Vec<String>>>,
}

impl CountingBlobStore {
    /// Number of reads of files of a kind since the last call, repeated reads included.
    fn reads_of(&self, kind: &str) -> usize {
        std::mem::take(&mut *self.read.lock().unwrap()).iter().filter(|name| name.contains(kind)).count()
    }
}

#[async_trait::async_trait]
impl BlobStore for CountingBlobStore {
    fn location(&self) -> String {
        self.blobs.location()
    }
    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, BlobError> {
        self.read.lock().unwrap().push(name.to_owned());
        self.blobs.get(name).await
    }
    fn is_exclusive(&self) -> bool {
        self.blobs.is_exclusive()
    }
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        self.blobs.put(name, bytes).await
    }
    async fn compare_and_swap(
        &self,
        name: &str,
        expected: Option<&Version>,
        bytes: &[u8],
    ) -> Result<Version, BlobError> {
        self.blobs.compare_and_swap(name, expected, bytes).await
    }
    async fn list(&self) -> Result<Vec<String>, BlobError> {
        self.blobs.list().await
    }
    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        self.blobs.delete(name).await
    }
}

/// Counted minutes of one response: series, first minute, length and counts.
#[derive(Clone, Debug)]
struct CountedInterval {
    file: usize,
    start: i32,
    minutes: i32,
    total: u32,
    bad: u32,
}

/// The timeslice setting of one SLO.
type TimesliceSetting = (&'static str, &'static str, bool, usize);

/// An excluded interval, for one SLO or for all.
type Correction = (i32, i32, Option<usize>, bool);

#[derive(Clone, Debug)]
struct TestCase {
    cuts: Vec<TimesliceSetting>,
    corrections: Vec<Correction>,
    /// Each is merged and then evaluated at a minute.
    rounds: Vec<(Vec<CountedInterval>, i32)>,
}

fn test_case() -> impl Strategy<Value = TestCase> {
    let slice = prop::sample::select(vec!["1m", "4m", "5m", "9m", "1h", "96m", "8h", "1d"]);
    let target = prop::sample::select(vec!["50%", "90%", "99%", "99.9%"]);
    let cuts = prop::collection::vec((slice, target, any::<bool>(), 0..3_usize), 1..4);
    let correction = (0..DAYS * 1_440, 1..3_000, prop::option::of(0..3_usize), any::<bool>());
    let stretch = (
        0..3_usize,
        0..DAYS * 1_440,
        prop::sample::select(vec![1, 5, 7, 300, 1_440, 5_000, 20_000]),
        0..50_u32,
        0..9_u32,
    );
    let stretch = stretch.prop_map(|(file, start, minutes, total, bad)| CountedInterval {
        file,
        start,
        minutes: minutes.min(DAYS * 1_440 - start),
        total,
        bad: bad.min(total),
    });
    let round = (prop::collection::vec(stretch, 1..5), 2_000..DAYS * 1_440);
    let rounds = prop::collection::vec(round, 1..5);
    (cuts, prop::collection::vec(correction, 0..4), rounds).prop_map(|(cuts, corrections, rounds)| TestCase {
        cuts,
        corrections,
        rounds,
    })
}

fn catalog(cuts: &[TimesliceSetting], corrections: &[Correction]) -> Catalog {
    let zones = ["Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"];
    let mut text = "service: shop\nslos:\n".to_owned();
    for (place, (slice, target, idle_good, zone)) in cuts.iter().enumerate() {
        let idle = if *idle_good { ", idle: good" } else { "" };
        text.push_str(&format!(
            "  s{place}: {{ indicator: counts, file: {place}.csv, objective: 90%, budgeting: timeslices, slice: {slice}, \
             slice_target: {target}{idle}, windows: [30d, 2d, week, month], time_zone: {}, tiers: none }}\n  \
             t{place}: {{ indicator: counts, file: 0.csv, objective: 95%, budgeting: timeslices, slice: {slice}, \
             slice_target: {target}{idle}, windows: [7d] }}\n",
            zones[*zone]
        ));
    }
    text.push_str("  plain: { indicator: counts, file: 0.csv, objective: 99% }\n");
    let fleet = "sources:\n  files: { counts: counts }\n";
    let mut files = vec![("fleet.yaml".to_owned(), fleet.to_owned()), ("mart/shop.yaml".to_owned(), text)];
    for (place, (start, minutes, slo, weekly)) in corrections.iter().enumerate() {
        let start = first().start().plus(*start);
        let slo = slo.filter(|slo| *slo < cuts.len()).map_or_else(String::new, |slo| format!(", slo: s{slo}"));
        let repeat = if *weekly { "repeat: FREQ=WEEKLY\n" } else { "" };
        let text = format!(
            "id: c{place}\nreason: x\ncategory: planned\nauthor: x\nscope: {{ service: shop{slo} }}\nstart: {start}\nend: \
             {}\n{repeat}",
            start.plus(*minutes)
        );
        files.push((format!("corrections/c{place}.yaml"), text));
    }
    let files: Vec<DefinitionFile> = files.into_iter().map(|(path, text)| DefinitionFile { path, text }).collect();
    let (catalog, problems) = crate::slo::read(&files, first().plus(DAYS).start());
    assert_eq!(problems, [], "{files:?}");
    catalog
}

fn series(file: usize) -> SeriesKey {
    SeriesKey::new(&format!("files {file}.csv counts"))
}

/// All counted minutes.
type Minutes = BTreeMap<(SeriesKey, Minute), MinuteCount>;

async fn absorb(store: &mut LedgerStore, stretches: &[CountedInterval], stderr: &mut Minutes) {
    let mut counts = Counts::new();
    for CountedInterval { file, start, minutes, total, bad } in stretches {
        for step in *start..start + minutes {
            let minute = first().start().plus(step);
            // Some minutes have no traffic or a higher failure rate.
            let spread = u32::try_from(step % 7).unwrap();
            let total = if spread == 3 { 0 } else { total + spread };
            let count = MinuteCount { total, bad: (bad * spread / 3).min(total) };
            let day: &mut DayCounts = counts.entry((series(*file), minute.day())).or_default();
            day.0[minute.minute_of_day()] = Some(count);
            stderr.insert((series(*file), minute), count);
        }
    }
    let days: BTreeSet<Day> = counts.keys().map(|(_, day)| *day).collect();
    let mut ledger = store.load(&LoadRequest::for_days(days, [])).await.unwrap();
    ledger.merge_counts(&counts).unwrap();
    store.commit(&mut ledger).await.unwrap();
    store.publish().await.unwrap();
}

async fn run(catalog: &Catalog, store: &mut LedgerStore, at: Minute) -> FleetStatus {
    let context = FetchContext {
        catalog,
        at,
        now: at,
        queries: Path::new("queries"),
        max_cost: None,
        threads: 1,
        stop: Arc::default(),
        progress: &|_, _| {},
    };
    let job = RunOptions { context, days: None, offline: true, notify_options: None };
    engine::run(&job, store).await.unwrap().status
}

/// Sums by timeslice and minute, following the definition of a timeslice.
fn sum_by_hand(slo: &Slo, excluded: &[Span], stderr: &Minutes, span: Span) -> Sums {
    let slices = slo.timeslices.as_ref().unwrap();
    let series = slo.indicator.series();
    let length = i32::try_from(slices.minutes).unwrap();
    let mut sums = Sums::default();
    let mut start = span.start.plus(-span.start.0.rem_euclid(length));
    while start < span.end {
        let slice = Span::new(start, start.plus(length));
        let (mut total, mut bad, mut known) = (0, 0, true);
        let so_far = Span::new(slice.start, slice.end.min(span.end));
        for minute in (so_far.start.0..so_far.end.0).map(Minute) {
            if excluded.iter().any(|out| out.contains(minute)) {
                continue;
            }
            match stderr.get(&(series.clone(), minute)) {
                Some(count) => (total, bad) = (total + i128::from(count.total), bad + i128::from(count.bad)),
                None => known = false,
            }
        }
        if known {
            sums.known += slice.intersect(span).minutes();
            let is_excluded =
                (slice.start.0..slice.end.0).all(|at| excluded.iter().any(|out| out.contains(Minute(at))));
            // One that has not ended counts once it is bad at its present rate.
            if so_far != slice {
                let (elapsed, length) = (i128::from(so_far.minutes()), i128::from(slices.minutes));
                let is_lost = bad * elapsed * slices.budget.denom() > total * length * slices.budget.numer();
                sums.total += u64::from(is_lost);
                sums.bad += u64::from(is_lost);
            } else if span.contains(slice.end.plus(-1)) && (total > 0 || (slices.is_idle_good && !is_excluded)) {
                sums.total += 1;
                sums.bad += u64::from(bad * slices.budget.denom() > total * slices.budget.numer());
            }
        }
        start = slice.end;
    }
    sums
}

fn check(catalog: &Catalog, stderr: &Minutes, status: &FleetStatus) {
    let excluded = Exclusions::for_span(catalog, Span::ending_at(status.at, 60 * 1_440));
    let slos = |service: &'static str| -> Vec<(&Service, &Slo)> {
        let services = catalog.services.iter().filter(move |found| found.name == service);
        services.flat_map(|service| service.slos.iter().map(move |slo| (service, slo))).collect()
    };
    for (service, slo) in slos("shop").into_iter().filter(|(_, slo)| slo.timeslices.is_some()) {
        for window in &slo.windows {
            let mut rows = status.rows.iter();
            let row = rows.find(|row| row.slo == slo.name() && row.window == window.to_string()).unwrap();
            let span = window.span_at(row.evaluated_at);
            let out = excluded.spans(service, slo);
            assert_eq!(row.sums, sum_by_hand(slo, &out, stderr, span), "{} {window} at {}", slo.id, status.at);
            assert_eq!(row.raw, sum_by_hand(slo, &[], stderr, span), "{} {window} raw at {}", slo.id, status.at);
        }
    }
}

/// The status computed from a ledger with all minutes in memory and no caches.
async fn status_from_minutes(catalog: &Catalog, store: &LedgerStore, at: Minute) -> FleetStatus {
    let days = (0..DAYS).map(|day| first().plus(day));
    compute_status(catalog, &store.load(&LoadRequest::for_days(days, [])).await.unwrap(), at).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn cached_timeslices_match_minutes(story in test_case()) {
        wait(async {
            let blobs = CountingBlobStore::default();
            let mut store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
            let mut stderr = Minutes::new();
            let whole = catalog(&story.cuts, &story.corrections);
            // SLOs and corrections are added later, to a ledger that has a past.
            let less = catalog(&story.cuts[..1], &[]);
            for (round, (stretches, at)) in story.rounds.iter().enumerate() {
                let at = first().start().plus(*at);
                absorb(&mut store, stretches, &mut stderr).await;
                let catalog = if round == 0 { &less } else { &whole };
                for _ in 0..2 {
                    let status = run(catalog, &mut store, at).await;
                    check(catalog, &stderr, &status);
                    let by_minutes = status_from_minutes(catalog, &store, at).await;
                    assert_eq!(format!("{status:?}"), format!("{by_minutes:?}"));
                }
                // Another process computes the same.
                store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
                let status = queries::evaluate(catalog, &store, at).await.unwrap();
                check(catalog, &stderr, &status);
            }
        });
    }
}

#[test]
fn past_days_are_read_once_per_timeslice_setting() {
    wait(async {
        let blobs = CountingBlobStore::default();
        let mut store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
        let mut stderr = Minutes::new();
        let all = |file| CountedInterval { file, start: 0, minutes: DAYS * 1_440 - 700, total: 40, bad: 1 };
        absorb(&mut store, &[all(0), all(1)], &mut stderr).await;
        let at = first().start().plus(DAYS * 1_440 - 700);
        let hours = catalog(&[("1h", "90%", false, 0)], &[]);
        let read = async |catalog: &Catalog| {
            // A separate run with nothing in memory.
            let mut store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
            blobs.reads_of("");
            check(catalog, &stderr, &Box::pin(run(catalog, &mut store, at)).await);
            blobs.reads_of("/minutes-")
        };
        let parts = usize::try_from(DAYS * 6 - 2).unwrap();
        assert_eq!(read(&hours).await, parts, "every part, once");
        let tick = read(&hours).await;
        assert!(tick <= 20, "only those that windows begin or end in, not {tick}");
        let quarters = catalog(&[("1h", "90%", false, 0), ("15m", "90%", false, 0)], &[]);
        assert_eq!(read(&quarters).await, parts);
        assert_eq!(read(&quarters).await, tick);
        let corrected = catalog(&[("1h", "90%", false, 0), ("15m", "90%", false, 0)], &[(7_000, 100, None, false)]);
        let once = read(&corrected).await;
        assert!(once > tick && once <= tick + 12, "the corrected day: {once} after {tick}");
        let again = read(&corrected).await;
        assert!(again <= tick + 2, "of the plain SLO, the parts that the correction begins and ends in: {again}");

        let names = blobs.list().await.unwrap();
        let of_month =
            |name: &String| name.starts_with("timeslices-").then(|| name.rsplit_once('-').unwrap().0.to_owned());
        let months: Vec<String> = names.iter().filter_map(of_month).collect();
        // Files replaced by the newest run are kept for concurrent readers.
        assert!(months.len() <= 4 && months.iter().collect::<BTreeSet<_>>().len() == 2, "two months: {names:?}");
        let mut store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
        let late = CountedInterval { file: 0, start: 3 * 1_440 + 5, minutes: 1, total: 900, bad: 9 };
        absorb(&mut store, &[late], &mut stderr).await;
        let changed = queries::evaluate(&quarters, &store, at).await.unwrap();
        check(&quarters, &stderr, &changed);
        let part = Partition::containing(first().start().plus(3 * 1_440));
        assert!(blobs.read.lock().unwrap().iter().any(|name| name.starts_with(&part.day().to_string())));
    });
}

#[test]
fn run_reads_daily_sums_once() {
    wait(async {
        let blobs = CountingBlobStore::default();
        let mut stderr = Minutes::new();
        let of_day = |day: i32| CountedInterval { file: 0, start: day * 1_440 + 60, minutes: 90, total: 40, bad: 1 };
        let mut store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
        absorb(&mut store, &[of_day(1), of_day(18)], &mut stderr).await;
        let catalog = catalog(&[("1h", "90%", false, 0)], &[]);
        let at = first().plus(DAYS).start();
        let mut store = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
        blobs.reads_of("");
        for day in [1, 2, 3, 19] {
            absorb(&mut store, &[of_day(day)], &mut stderr).await;
        }
        let status = run(&catalog, &mut store, at).await;
        assert_eq!(blobs.reads_of("sums-"), 2, "one for each of two months");
        check(&catalog, &stderr, &status);
        let recreated = LedgerStore::open(Box::new(blobs.clone())).await.unwrap();
        let recreated = queries::evaluate(&catalog, &recreated, at).await.unwrap();
        assert_eq!(format!("{status:?}"), format!("{recreated:?}"), "state in memory equals stored state");
    });
}

#[test]
fn slo_is_evaluated_before_first_known_minute_of_day() {
    wait(async {
        let mut store = LedgerStore::open(Box::new(MemoryStore::default())).await.unwrap();
        let mut stderr = Minutes::new();
        let at = |start: i32| CountedInterval { file: 0, start, minutes: 1, total: 5, bad: 1 };
        absorb(&mut store, &[at(100), at(5 * 1_440 + 900)], &mut stderr).await;
        let catalog = catalog(&[("1m", "90%", false, 0)], &[]);
        let status = run(&catalog, &mut store, first().plus(5).start().plus(600)).await;
        check(&catalog, &stderr, &status);
        assert_eq!(status.rows[0].watermark, Some(first().start().plus(101)));
    });
}

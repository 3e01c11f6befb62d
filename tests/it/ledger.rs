//! The ledger on disk: the same responses give the same bytes for any order, batching or crash.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::wait;
use proptest::prelude::*;
use slowburn::internals::{
    Counts, CrashPoints, Day, DayCounts, DirectoryStore, Ledger, LedgerStore, ListedObject, LoadRequest, Minute,
    MinuteCount, ObjectCounts, ObjectRecord, Plan, SLOTS_PER_DAY, SeriesKey, Span, write_logs,
};

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

/// Every file below a folder except the lock, with its bytes, sorted.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "lock" {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The manifest without the lists of replaced files and cleanup times.
pub(crate) fn manifest_without_volatile_fields(manifest: &[u8]) -> serde_json::Value {
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    for history in ["retired", "swept"] {
        manifest.as_object_mut().unwrap().remove(history);
    }
    manifest
}

/// Every data file of a ledger, with its bytes.
pub(crate) fn data_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(folder);
    let manifest = found.get_mut(Path::new("manifest.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    *manifest = manifest_without_volatile_fields(manifest).to_string().into_bytes();
    let retired = whole.get("retired").and_then(|names| names.as_object()).cloned().unwrap_or_default();
    found.retain(|name, _| !retired.contains_key(name.to_str().unwrap()));
    found
}

/// An object of one balancer with a few events in two series.
#[derive(Clone, Debug)]
struct Sample {
    record: ObjectRecord,
    counts: Vec<(SeriesKey, Minute, MinuteCount)>,
}

fn series(name: &str) -> SeriesKey {
    SeriesKey::new(&format!("logs app/shop/1 {name}"))
}

fn sample(place: i32, node: u32, lines: u32) -> Sample {
    let start = minute("2026-10-01T23:00Z").plus(place * 5);
    let interval = Span::new(start, start.plus(5));
    let record = ObjectRecord {
        key: format!("AWSLogs/123456789012/elasticloadbalancing/us-east-1/{start}_{node}"),
        size: 100,
        lines: u64::from(lines),
        unparsed: 0,
        load_balancer: "app/shop/1".into(),
        interval,
        counted: Arc::new(["availability", "latency"].map(series).into()),
        uncounted: Arc::default(),
    };
    let count = |name, at: i32, bad| (series(name), start.plus(at), MinuteCount { total: lines, bad });
    let counts = vec![count("availability", 0, 1), count("latency", 4, 0), count("latency", 0, lines)];
    Sample { record, counts }
}

/// A response with some objects, counted for some series.
fn object_counts(samples: &[&Sample], wanted: &BTreeSet<SeriesKey>) -> ObjectCounts {
    let mut answer = ObjectCounts::default();
    for sample in samples {
        answer.objects.push(ObjectRecord { counted: Arc::new(wanted.clone()), ..sample.record.clone() });
        for (series, at, count) in sample.counts.iter().filter(|(series, ..)| wanted.contains(series)) {
            let empty = || vec![MinuteCount::default(); SLOTS_PER_DAY].into_boxed_slice();
            answer.counts.entry((series.clone(), at.day())).or_insert_with(empty)[at.minute_of_day()].add(*count);
        }
    }
    answer
}

fn load_request(answer: &ObjectCounts) -> LoadRequest {
    let days: BTreeSet<Day> =
        answer.objects.iter().flat_map(|object| (-2..=2).map(|near| object.day().plus(near))).collect();
    LoadRequest::for_days(days.clone(), days)
}

/// The ledger files after these responses, each in its own commit.
fn folder_after(answers: &[ObjectCounts]) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    wait(async {
        let blobs = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
        let mut store = LedgerStore::open(Box::new(blobs)).await.unwrap();
        for answer in answers {
            let mut ledger = store.load(&load_request(answer)).await.unwrap();
            ledger.merge_objects(answer).unwrap();
            store.commit(&mut ledger).await.unwrap();
        }
        store.collect_garbage("2026-10-03".parse().unwrap()).await.unwrap();
    });
    data_files(folder.path())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn ledger_is_independent_of_order_and_batching(
        places in prop::collection::btree_set((0..40_i32, 0..2_u32), 1..25),
        shuffle in prop::collection::vec(any::<u32>(), 25),
        cut in 1..6_usize,
    ) {
        let all: BTreeSet<SeriesKey> = ["availability", "latency"].map(series).into();
        let samples: Vec<Sample> =
            places.iter().map(|(place, node)| sample(*place, *node, 1 + place.unsigned_abs() % 30)).collect();
        let whole = folder_after(&[object_counts(&samples.iter().collect::<Vec<_>>(), &all)]);
        let mut mixed: Vec<(u32, &Sample)> = shuffle.iter().copied().zip(&samples).collect();
        mixed.sort_by_key(|(key, _)| *key);
        let mixed: Vec<&Sample> = mixed.into_iter().map(|(_, sample)| sample).collect();
        let batches: Vec<ObjectCounts> = mixed.chunks(cut).map(|batch| object_counts(batch, &all)).collect();
        prop_assert!(folder_after(&batches) == whole, "another order gave other bytes");
        // A series added later and backfilled from the same objects gets the same state as one present from the start.
        let one: Vec<BTreeSet<SeriesKey>> = all.iter().map(|series| [series.clone()].into()).collect();
        let later: Vec<ObjectCounts> =
            one.iter().flat_map(|wanted| mixed.chunks(cut).map(|batch| object_counts(batch, wanted))).collect();
        prop_assert!(folder_after(&later) == whole, "a series that came later has other bytes");
    }
}

#[test]
fn object_is_added_once() {
    let all: BTreeSet<SeriesKey> = ["availability", "latency"].map(series).into();
    let one = sample(3, 0, 7);
    let mut ledger = Ledger::default();
    ledger.merge_objects(&object_counts(&[&one], &all)).unwrap();
    let wanted = BTreeMap::from([("app/shop/1".to_owned(), all.clone())]);
    let ObjectRecord { key, load_balancer, interval, .. } = &one.record;
    let listed = ListedObject { key, size: 0, load_balancer, interval: *interval };
    assert!(ledger.unread_objects(&[listed], &wanted).is_empty());
    assert!(ledger.merge_objects(&object_counts(&[&one], &all)).is_err());
    let sums = ledger.sums(&series("availability"), one.record.interval).unwrap();
    assert_eq!((sums.total, sums.bad, sums.known), (7, 1, 5));
}

#[test]
fn plausible_silence_is_no_traffic_and_a_gap_is_unknown() {
    let all: BTreeSet<SeriesKey> = [series("availability")].into();
    let known = |lines: u32| {
        // An hour of objects, an hour without, an hour of objects.
        let samples: Vec<Sample> = (0..12).chain(24..36).map(|place| sample(place, 0, lines)).collect();
        let mut ledger = Ledger::default();
        ledger.merge_objects(&object_counts(&samples.iter().collect::<Vec<_>>(), &all)).unwrap();
        ledger
            .sums(&series("availability"), Span::new(minute("2026-10-01T23:00Z"), minute("2026-10-02T02:00Z")))
            .unwrap()
    };
    assert_eq!(known(2).known, 180, "two requests in five minutes: none in an hour is plausible");
    assert_eq!(known(50).known, 120, "fifty requests in five minutes: none in an hour is a gap in delivery");
}

#[test]
fn new_counts_replace_old_ones_idempotently() {
    let folder = tempfile::tempdir().unwrap();
    let day: Day = "2026-10-01".parse().unwrap();
    let mut minutes = DayCounts::default();
    minutes.0[0] = Some(MinuteCount { total: 5, bad: 1 });
    minutes.0[1] = Some(MinuteCount { total: 0, bad: 0 });
    let counts: Counts = BTreeMap::from([((series("counts"), day), minutes)]);
    let absorb = || {
        wait(async {
            let blobs = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
            let mut store = LedgerStore::open(Box::new(blobs)).await.unwrap();
            let needs = LoadRequest::for_days([day], []);
            let mut ledger = store.load(&needs).await.unwrap();
            ledger.merge_counts(&counts).unwrap();
            store.commit(&mut ledger).await.unwrap();
            let ledger = store.load(&needs).await.unwrap();
            store.publish().await.unwrap();
            (ledger.sums(&series("counts"), day.span()).unwrap(), files(folder.path()))
        })
    };
    let (sums, once) = absorb();
    assert_eq!((sums.total, sums.bad, sums.known), (5, 1, 2), "a zero row is known, an absent row is not");
    assert_eq!(absorb().1, once);
}

#[test]
fn response_replaces_all_minutes_of_its_ranges() {
    let day: Day = "2026-10-01".parse().unwrap();
    let counts = |counts: &[(usize, u32)]| -> Counts {
        let mut minutes = DayCounts::default();
        for (slot, total) in counts {
            minutes.0[*slot] = Some(MinuteCount { total: *total, bad: 1 });
        }
        BTreeMap::from([((series("counts"), day), minutes)])
    };
    let span = |from: i32, end: i32| Span::new(day.start().plus(from), day.start().plus(end));
    let mut ledger = Ledger::default();
    ledger.merge_counts(&counts(&[(0, 5), (1, 6), (239, 7), (240, 8), (600, 9)])).unwrap();
    // Within one partition, across two partitions, and for a series without data.
    let replaced =
        BTreeMap::from([(series("counts"), vec![span(1, 2), span(200, 300)]), (series("other"), vec![span(0, 9)])]);
    ledger.replace_counts(&counts(&[(240, 3)]), &replaced).unwrap();
    let sums = |ledger: &Ledger| {
        let sums = ledger.day_sums(&series("counts"), day);
        (sums.total, sums.bad, sums.known)
    };
    assert_eq!(sums(&ledger), (5 + 3 + 9, 3, 3));
    assert!(!ledger.has_series(&series("other")));
    ledger.replace_counts(&Counts::new(), &BTreeMap::from([(series("counts"), vec![span(-60, 5_000)])])).unwrap();
    assert_eq!(sums(&ledger), (0, 0, 0));
    assert!(!ledger.has_series(&series("counts")));
}

#[test]
fn damaged_ledger_files_are_reported_with_hint() {
    let all: BTreeSet<SeriesKey> = [series("availability")].into();
    for damage in [|bytes: &mut Vec<u8>| bytes.truncate(20), |bytes: &mut Vec<u8>| bytes[9] ^= 0x40] {
        let folder = tempfile::tempdir().unwrap();
        wait(async {
            let blobs = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
            let mut store = LedgerStore::open(Box::new(blobs)).await.unwrap();
            let mut ledger = Ledger::default();
            let one = sample(20, 0, 7);
            ledger.merge_objects(&object_counts(&[&one], &all)).unwrap();
            store.commit(&mut ledger).await.unwrap();
            for (name, mut bytes) in files(folder.path()) {
                damage(&mut bytes);
                fs::write(folder.path().join(name), bytes).unwrap();
            }
            let days = load_request(&object_counts(&[&one], &all));
            let text = store.load(&days).await.err().unwrap().to_string();
            assert!(text.contains(".parquet` in the ledger is damaged") && text.contains("hint:"), "{text}");
            drop(store);
            let blobs = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
            let text = LedgerStore::open(Box::new(blobs)).await.err().unwrap().to_string();
            assert!(text.contains("manifest.json") && text.contains("hint:"), "{text}");
        });
    }
}

#[test]
fn ledger_of_other_format_is_reported_with_hint() {
    let folder = tempfile::tempdir().unwrap();
    let opened = |format: u32| {
        fs::write(folder.path().join("manifest.json"), format!("{{\"format\": {format}, \"parts\": {{}}}}")).unwrap();
        let blobs = DirectoryStore::open(folder.path(), CrashPoints::default()).unwrap();
        wait(LedgerStore::open(Box::new(blobs))).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(opened(5), Ok(()));
    let place = folder.path().display();
    assert_eq!(
        opened(4).unwrap_err(),
        format!(
            "the ledger `{place}` has format 4, but this version reads format 5\nhint: fill a new ledger: set \
             `--ledger` to a new folder, and run `slowburn run`"
        )
    );
    let newer = opened(6).unwrap_err();
    assert!(
        newer.contains("has format 6, but this version reads format 5") && newer.contains("that wrote it"),
        "{newer}"
    );
}

/// Starts the slowburn binary and kills it with SIGKILL at its n-th ledger write. Returns `false` if it ended before.
fn run_killed_at(point: u64, logs: &Path, ledger: &Path) -> bool {
    let mut child = run(logs, ledger).env("SLOWBURN_STOP_AT_WRITE", point.to_string()).spawn().unwrap();
    let mut stderr_lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let stopped = stderr_lines.any(|line| line.unwrap() == format!("stopped at write point {point}"));
    if stopped {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    stopped
}

fn run(logs: &Path, ledger: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
    command.args(["run", "--quiet", "--at", "2026-10-02T02:00Z"]).env_clear();
    command.arg("--slos").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("slos"));
    command.arg("--logs").arg(logs).arg("--ledger").arg(ledger).stderr(Stdio::piped());
    command
}

#[test]
fn run_killed_at_any_write_is_completed_to_same_bytes_by_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let span = Span::new(minute("2026-10-01T22:00Z"), minute("2026-10-02T02:00Z"));
    let logs = folder.path().join("logs");
    write_logs(&Plan { span, ..Plan::default() }, &logs, 0).unwrap();
    let undisturbed = folder.path().join("undisturbed");
    assert!(run(&logs, &undisturbed).status().unwrap().success());
    let expected = data_files(&undisturbed);
    let mut points = 0;
    for point in 1.. {
        let ledger = folder.path().join(format!("killed-{point}"));
        if !run_killed_at(point, &logs, &ledger) {
            break;
        }
        points = point;
        assert!(run(&logs, &ledger).status().unwrap().success());
        assert!(data_files(&ledger) == expected, "killed at write point {point}, the ledger differs");
    }
    assert!(points > 20, "only {points} write points were passed");
    println!("{points} write points");
}

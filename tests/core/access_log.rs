//! Access logs against real lines, independent counts, and damaged files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use super::support::{FILE_NAME_PREFIX, FOLDER, alb_line, gzip, write_object};
use super::support::{shared, wait};
use crate::access_log::alb::{Decoder, OptionalFields};
use crate::access_log::classic;
use crate::access_log::router::SeriesRouter;
use crate::access_log::unparsed_line::{LineKind, detect_line_kind};
use crate::counts::MinuteCount;
use crate::series::SeriesKey;
use crate::slo::{Indicator, LatencyBasis, LatencyErrors, ListenerResponse, Measure, Traffic};
use crate::source::access_logs::{Batch, ListError, LogFile, LogRoot, LogTree, ScanResult, scan};
use crate::time::{Day, Minute, Span};

pub(super) const ALL_TIME: Span = Span { start: Minute(0), end: Minute(100_000_000) };

fn traffic(load_balancer: &str) -> Traffic {
    Traffic {
        load_balancer: load_balancer.to_owned(),
        included_responses: ListenerResponse::ALL.into(),
        ..Traffic::default()
    }
}

pub(super) fn indicator(load_balancer: &str, measure: Measure) -> Indicator {
    Indicator::Requests { source: "logs".to_owned(), traffic: traffic(load_balancer), measure }
}

fn latency(under_ms: u64, errors: LatencyErrors) -> Measure {
    Measure::Latency {
        under_us: under_ms * 1_000,
        basis: LatencyBasis::Total,
        errors,
        timeouts: false,
        gave_up_after_us: None,
    }
}

/// All objects of a span, and the listing statistics.
fn list_objects(root: &Path, span: Span) -> Result<(Vec<LogFile>, LogTree), ListError> {
    let mut tree = wait(LogTree::open(LogRoot::Directory(root.to_owned()), span, 60))?;
    let days: Vec<Day> = tree.folders.keys().copied().collect();
    let mut objects: Vec<LogFile> = days.into_iter().flat_map(|day| wait(tree.list_objects(day))).collect();
    objects.sort_by(|a, b| (&a.load_balancer, &a.key).cmp(&(&b.load_balancer, &b.key)));
    Ok((objects, tree))
}

/// Objects by balancer, in that order.
fn by_balancer(objects: &[LogFile]) -> Vec<&[LogFile]> {
    objects.chunk_by(|a, b| a.load_balancer == b.load_balancer).collect()
}

fn scan_root(root: &Path, measures: &[Measure], threads: usize) -> ScanResult {
    let (objects, tree) = list_objects(root, ALL_TIME).unwrap();
    assert_eq!(tree.report.unreadable, []);
    let groups = by_balancer(&objects);
    let routes: Vec<SeriesRouter> = groups
        .iter()
        .map(|objects| {
            let name = &*objects[0].load_balancer;
            let indicators: Vec<_> = measures.iter().map(|measure| indicator(name, measure.clone())).collect();
            SeriesRouter::new(name, &indicators)
        })
        .collect();
    let batches: Vec<_> =
        groups.iter().zip(&routes).map(|(objects, routes)| Batch { objects, router: routes }).collect();
    scan(&LogRoot::Directory(root.to_owned()), &batches, threads, &AtomicBool::new(false))
}

fn count_at(
    counts: &BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    indicator: &Indicator,
    minute: Minute,
) -> MinuteCount {
    counts.get(&(indicator.series(), minute.day())).map_or(MinuteCount::default(), |day| day[minute.minute_of_day()])
}

/// Compares every cell of `golden/per_minute.csv` and checks that nothing else was counted.
fn check_golden(root: &Path) {
    const THRESHOLDS_MS: [u64; 8] = [50, 100, 200, 300, 500, 1_000, 2_000, 5_000];
    let mut measures = vec![Measure::SERVER_ERRORS];
    for under_ms in THRESHOLDS_MS {
        measures.push(latency(under_ms, LatencyErrors::Counted));
        measures.push(latency(under_ms, LatencyErrors::Bad));
    }
    let result = scan_root(root, &measures, 2);
    assert!(result.failed.is_empty() && !result.is_cancelled);
    assert!(result.read.iter().all(|object| object.unparsed == 0 && object.trailing_bytes == 0));
    let names: BTreeMap<String, String> = list_objects(root, ALL_TIME)
        .unwrap()
        .0
        .iter()
        .map(|file| (file.load_balancer.split('/').nth(1).unwrap().to_owned(), file.load_balancer.to_string()))
        .collect();
    let mut reader = csv::Reader::from_path(root.join("golden/per_minute.csv")).unwrap();
    let headers = reader.headers().unwrap().clone();
    let mut total = 0;
    for row in reader.records() {
        let row: BTreeMap<_, _> =
            headers.iter().map(str::to_owned).zip(row.unwrap().iter().map(str::to_owned)).collect();
        let minute: Minute = row["minute_utc"].parse().unwrap();
        let number = |column: &str| row[column].parse::<u32>().unwrap();
        let name = &names[&row["lb"]];
        let found = |measure: Measure| count_at(&result.counts, &indicator(name, measure), minute);
        let expected = MinuteCount { total: number("total"), bad: number("err5xx") };
        assert_eq!(found(Measure::SERVER_ERRORS), expected, "{row:?}");
        for under_ms in THRESHOLDS_MS {
            let events = number("n_lat");
            let within = MinuteCount { total: events, bad: events - number(&format!("le_{under_ms}")) };
            assert_eq!(found(latency(under_ms, LatencyErrors::Counted)), within, "{under_ms} {row:?}");
            let good = MinuteCount { total: events, bad: events - number(&format!("good_{under_ms}")) };
            assert_eq!(found(latency(under_ms, LatencyErrors::Bad)), good, "{under_ms} {row:?}");
        }
        total += u64::from(expected.total);
    }
    let lines: u64 = result.read.iter().map(|object| object.lines).sum();
    assert!(total > 0 && total == lines, "every line is in one row: {total} {lines}");
}

#[test]
fn petshop_counts_match_independent_counts_in_every_row() {
    if let Some(root) = shared("data/petshop") {
        check_golden(&root);
    }
}

#[test]
fn nezha_counts_match_independent_counts_in_every_row() {
    let Some(archive) = shared("data/nezha.tar") else { return };
    let folder = tempfile::tempdir().unwrap();
    let done = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(done.success());
    check_golden(&folder.path().join("nezha"));
}

#[test]
fn every_real_line_is_parsed_or_its_kind_detected() {
    let Some(folder) = shared("data/elb_lines") else { return };
    let mut seen: BTreeMap<LineKind, u32> = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = match name.split('_').next().unwrap() {
            "alb" => LineKind::Alb,
            "clb" => LineKind::Classic,
            "nlb" => LineKind::NlbTls,
            _ => continue,
        };
        for line in fs::read(&path).unwrap().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let text = String::from_utf8_lossy(line);
            assert_eq!(detect_line_kind(line), expected, "{name}: {text}");
            let decoded = Decoder::new(OptionalFields::ALL).decode(line);
            assert_eq!(decoded.is_ok(), expected == LineKind::Alb, "{name}: {decoded:?}: {text}");
            let record = classic::decode(line);
            assert_eq!(record.is_ok(), expected == LineKind::Classic, "{name}: {record:?}: {text}");
            *seen.entry(expected).or_default() += 1;
        }
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), 3);
}

/// A directory with one object of the shop's balancer for 23:55 to 00:00, delivered on the next day.
fn directory_with_object(name: &str, bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_object(
        folder.path(),
        &format!("{FOLDER}/{FILE_NAME_PREFIX}app.shop.0a1b_20261101T0000Z_192.0.2.1_{name}"),
        bytes,
    );
    folder
}

/// `lines/unparsed/trailing: total in 23:58, total in 23:59`, or the error of the object.
fn scan_outcome(root: &Path) -> String {
    let result = scan_root(root, &[Measure::SERVER_ERRORS], 1);
    if let Some(object) = result.failed.first() {
        assert!(result.counts.is_empty(), "a faulty object leaves no counts");
        return object.error.to_string();
    }
    let object = &result.read[0];
    assert_eq!(object.size, fs::metadata(root.join(&*object.key)).unwrap().len());
    let shop = indicator("app/shop/0a1b", Measure::SERVER_ERRORS);
    let count = |minute: &str| count_at(&result.counts, &shop, minute.parse().unwrap()).total;
    let (first, second) = (count("2026-10-31T23:58Z"), count("2026-10-31T23:59Z"));
    format!("{}/{}/{}: {first}, {second}", object.lines, object.unparsed, object.trailing_bytes)
}

#[test]
fn damaged_object_leaves_no_counts() {
    let first = alb_line("2026-10-31T23:58", 200);
    let second = alb_line("2026-10-31T23:59", 502);
    let both = format!("{first}{second}");
    let (head, tail) = both.split_at(first.len() + 100);
    let check = |name: &str, bytes: Vec<u8>, expected: &str| {
        assert_eq!(scan_outcome(directory_with_object(name, &bytes).path()), expected, "{name}");
    };
    check("plain.log", both.clone().into_bytes(), "2/0/0: 1, 1");
    check("plain.log.gz", both.clone().into_bytes(), "2/0/0: 1, 1");
    check("packed.log", gzip(&both), "2/0/0: 1, 1");
    check("one.log.gz", gzip(&both), "2/0/0: 1, 1");
    check("no-end.log.gz", gzip(both.trim_end()), "2/0/0: 1, 1");
    check("crlf.log.gz", gzip(&both.replace('\n', "\r\n")), "2/0/0: 1, 1");
    check("members.log.gz", [gzip(&first), gzip(""), gzip(&second)].concat(), "2/0/0: 1, 1");
    check("torn-line.log.gz", [gzip(head), gzip(tail)].concat(), "2/0/0: 1, 1");
    check("padded.log.gz", [gzip(&both), vec![0; 512]].concat(), "2/0/512: 1, 1");
    check("garbage.log.gz", [gzip(&both), b"garbage".to_vec()].concat(), "2/0/7: 1, 1");
    check("nothing.log.gz", gzip(""), "0/0/0: 0, 0");
    check("empty.log", vec![], "0/0/0: 0, 0");
    check("empty.log.gz", vec![], "0/0/0: 0, 0");
    let packed = gzip(&both);
    for length in 2..packed.len() {
        check("cut.log.gz", packed[..length].to_vec(), "is truncated: its gzip stream has no end");
    }
    let mut damaged = packed.clone();
    let place = packed.len() - 6;
    damaged[place] ^= 1;
    check("crc.log.gz", damaged, "is damaged: corrupt gzip stream does not have a matching checksum");
    check(
        "second-cut.log.gz",
        [packed.clone(), packed[..packed.len() / 2].to_vec()].concat(),
        "is truncated: its gzip stream has no end",
    );
    check("cipher.log.gz", [b"x\0y".to_vec(), vec![7; 100]].concat(), "is neither gzip nor text");
}

#[test]
fn lines_that_are_not_requests_are_counted_and_sampled() {
    let good = alb_line("2026-10-31T23:58", 200);
    let strange =
        "2026-10-31T23:58:00.000000Z shop 198.51.100.7:1 10.0.0.1:80 0 0 0 200 200 1 2 \"GET http://h:80/ HTTP/1.1\"";
    let text = [
        &good,
        strange,
        "\n",
        &good.replace("0.020", "soon"),
        &good.replace("app/shop", "app/cart"),
        &good.replace("2026-10-31T23:58", "2026-09-30T23:58"),
        &good,
    ];
    let folder = directory_with_object("odd.log.gz", &gzip(&text.map(str::to_owned).concat()));
    assert_eq!(scan_outcome(folder.path()), "6/4/0: 2, 0");
    let result = scan_root(folder.path(), &[Measure::SERVER_ERRORS], 1);
    let samples: Vec<_> =
        result.read[0].samples.iter().map(|s| format!("{}: {}: {}", s.number, s.kind, s.error)).collect();
    assert_eq!(
        samples,
        [
            "2: a Classic Load Balancer line: invalid field `time`: `shop`",
            "3: an Application Load Balancer line: invalid field `target_processing_time`: `soon`",
            "4: an Application Load Balancer line: field `elb` does not match the file name: `app/cart/0a1b`",
        ]
    );
    assert!(result.read[0].samples.iter().all(|sample| sample.text.len() <= 200));
}

#[test]
fn classic_load_balancer_log_is_read_record_by_record() {
    let record = |time: &str, tail: &str| {
        format!("2026-10-31T{time}Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 {tail}\n")
    };
    let agent = |agent: &str| format!("200 200 0 29 \"GET http://shop:80/ HTTP/1.1\" \"{agent}\" - -");
    let text = [
        record("23:00:00.000000", &agent("curl")),
        record("23:58:00.000000", &agent(r#"odd \"quoted\" agent"#)),
        record("23:58:59.999500", &agent("two\nlines")),
        record("23:59:00.000000", "502 0 0 29 \"GET http://shop:80/ HTTP/1.1\""),
        record("23:59:30.000000", "- - 57 502 \"- - - \" \"-\" ECDHE-ECDSA-AES128-GCM-SHA256 TLSv1.2"),
        record("23:59:30.000000", &agent("cut")).replace("\" - -", ""),
        record("23:59:40.000000", &agent("-")).replace(" shop ", " cart "),
        record("23:59:50.000000", &agent("last")),
    ]
    .concat();
    let folder = tempfile::tempdir().unwrap();
    write_object(
        folder.path(),
        &format!("{FOLDER}/{FILE_NAME_PREFIX}shop_20261101T0000Z_192.0.2.1_a.log"),
        text.as_bytes(),
    );
    let result = scan_root(folder.path(), &[Measure::SERVER_ERRORS, latency(1, LatencyErrors::Counted)], 1);
    let read = &result.read[0];
    assert_eq!(
        (read.lines, read.connections, read.unparsed),
        (8, 1, 1),
        "a record that is cut behind its request counts"
    );
    let faults: Vec<_> = read.samples.iter().map(|sample| format!("{}: {}", sample.number, sample.error)).collect();
    assert_eq!(faults, ["7: field `elb` does not match the file name: `cart`"]);
    let shop = indicator("classic/shop", Measure::SERVER_ERRORS);
    let count = |minute: &str| count_at(&result.counts, &shop, minute.parse().unwrap());
    assert_eq!(count("2026-10-31T23:00Z"), MinuteCount { total: 1, bad: 0 });
    assert_eq!(count("2026-10-31T23:58Z"), MinuteCount { total: 1, bad: 0 });
    assert_eq!(count("2026-10-31T23:59Z"), MinuteCount { total: 4, bad: 1 }, "a request counts when it was answered");
    let slow = indicator("classic/shop", latency(1, LatencyErrors::Counted));
    assert_eq!(count_at(&result.counts, &slow, "2026-10-31T23:58Z".parse().unwrap()), MinuteCount { total: 1, bad: 1 });
}

#[test]
fn large_object_is_streamed_with_same_counts() {
    let text = alb_line("2026-10-31T23:59", 200).repeat(100_000);
    let long = format!("{text}{}\n{}", "x".repeat(3 << 20), alb_line("2026-10-31T23:58", 200));
    let packed = directory_with_object("long.log.gz", &gzip(&long));
    assert_eq!(scan_outcome(packed.path()), "100002/1/0: 1, 100000");
    let plain = directory_with_object("long.log", long.as_bytes());
    assert_eq!(scan_outcome(plain.path()), "100002/1/0: 1, 100000");
    let two = directory_with_object("two.log.gz", &[gzip(&long), gzip(&long), b"tail".to_vec()].concat());
    assert_eq!(scan_outcome(two.path()), "200004/2/4: 2, 200000");
}

#[test]
fn scan_result_is_independent_of_threads_and_cancellation_stops_it() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..40 {
        let key = format!("{FOLDER}/{FILE_NAME_PREFIX}app.shop.0a1b_20261101T0000Z_192.0.2.1_{number:03}.log.gz");
        let bytes =
            if number == 7 { b"\x1f\x8bxx".to_vec() } else { gzip(&alb_line("2026-10-31T23:59", 200).repeat(number)) };
        write_object(folder.path(), &key, &bytes);
    }
    let alone = scan_root(folder.path(), &[Measure::SERVER_ERRORS], 1);
    for threads in [2, 3, 64] {
        let many = scan_root(folder.path(), &[Measure::SERVER_ERRORS], threads);
        assert_eq!((&many.read, &many.counts), (&alone.read, &alone.counts));
        assert_eq!(many.failed.len(), 1);
    }
    let (objects, _) = list_objects(folder.path(), ALL_TIME).unwrap();
    let shop = indicator("app/shop/0a1b", Measure::SERVER_ERRORS);
    let routes = SeriesRouter::new("app/shop/0a1b", [&shop]);
    let batches = [Batch { objects: &objects, router: &routes }];
    let result = scan(&LogRoot::Directory(folder.path().to_owned()), &batches, 2, &AtomicBool::new(true));
    assert!(result.is_cancelled && result.read.is_empty() && result.counts.is_empty());
    let (old, new) = objects.split_at(20);
    let batches = [Batch { objects: old, router: &routes }, Batch { objects: new, router: &routes }];
    let halves = scan(&LogRoot::Directory(folder.path().to_owned()), &batches, 2, &AtomicBool::new(false));
    assert_eq!((halves.read, halves.counts), (alone.read, alone.counts), "batches of one series add up");
}

#[test]
fn listing_accounts_for_every_file_in_day_folders() {
    let folder = directory_with_object("a.log.gz", b"");
    let root = folder.path();
    for key in [
        "AWSLogs/123456789012/ELBAccessLogTestFile".to_owned(),
        format!("{FOLDER}/{FILE_NAME_PREFIX}app.shop.0a1b_20261101T1200Z_192.0.2.1_b.log.gz"),
        format!("{FOLDER}/{FILE_NAME_PREFIX}net.shop.0a1b_20261101T0000Z_b.log.gz"),
        format!("{FOLDER}/{FILE_NAME_PREFIX}shop_20261101T0000Z_192.0.2.1_b.log"),
        format!("{FOLDER}/conn_log.{FILE_NAME_PREFIX}app.shop.0a1b_20261101T0000Z_192.0.2.1_b.log.gz"),
        format!("{FOLDER}/notes.txt"),
        "AWSLogs/123456789012/CloudTrail/eu-west-1/2026/11/01/x.json.gz".to_owned(),
        format!(
            "{}/{FILE_NAME_PREFIX}app.shop.0a1b_20261031T2355Z_192.0.2.1_late.log.gz",
            FOLDER.replace("11/01", "11/03")
        ),
        format!(
            "{}/{FILE_NAME_PREFIX}app.shop.0a1b_20261031T2355Z_192.0.2.1_later.log.gz",
            FOLDER.replace("11/01", "11/04")
        ),
    ] {
        write_object(root, &key, b"");
    }
    let day: Day = "2026-10-31".parse().unwrap();
    let span = Span::new(day.start(), day.plus(1).start().plus(-1));
    let (objects, tree) = list_objects(root, span).unwrap();
    let names: Vec<_> = objects.iter().map(|file| file.key.rsplit('_').next().unwrap()).collect();
    assert_eq!(names, ["a.log.gz", "late.log.gz", "b.log"], "a Classic Load Balancer's hour is read too");
    let others: Vec<_> = tree.report.skipped.iter().map(|(kind, others)| format!("{}: {kind}", others.count)).collect();
    assert_eq!(
        others,
        [
            "1: ELB test file",
            "1: Network Load Balancer log",
            "1: connection log",
            "1: the name does not end in `.log.gz` or `.log`",
        ]
    );
    let above = tempfile::tempdir().unwrap();
    fs::create_dir_all(above.path().join("bucket/prefix")).unwrap();
    fs::rename(root.join("AWSLogs"), above.path().join("bucket/prefix/AWSLogs")).unwrap();
    let (objects, _) = list_objects(above.path(), span).unwrap();
    assert_eq!(objects.len(), 3);
    assert!(objects.iter().all(|file| file.key.starts_with("bucket/prefix/AWSLogs/")));
    assert!(matches!(list_objects(root, span), Err(ListError::NoLogs(_))));
    let inside = list_objects(&above.path().join("bucket/prefix/AWSLogs/123456789012"), span);
    let fix = format!("`--logs {}`", above.path().join("bucket/prefix").display());
    assert!(matches!(inside, Err(ListError::InsideLogs { fix: found, .. }) if found.starts_with(&fix)));
    assert!(matches!(list_objects(&root.join("nowhere"), span), Err(ListError::Unreadable(..))));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_line_decoder(bytes: Vec<u8>) {
        assert_decoders_agree(&bytes);
    }

    #[test]
    fn damaged_line_never_panics_decoder(
        places in proptest::collection::vec((0_usize..700, proptest::sample::select(b" \"\\-\n0:./[\xff\0Z".to_vec())), 1..6),
        end in 0_usize..800,
    ) {
        let mut bytes = alb_line("2026-10-31T23:59", 200).into_bytes();
        for (place, byte) in places {
            let length = bytes.len();
            bytes[place % length] = byte;
        }
        bytes.truncate(end);
        assert_decoders_agree(&bytes);
    }

    #[test]
    fn arbitrary_name_never_panics_key_parser(name in ".{0,80}", place in 0_usize..200) {
        let key = format!("{FOLDER}/{FILE_NAME_PREFIX}app.shop.0a1b_20261101T0000Z_192.0.2.1_x.log.gz");
        let (head, tail) = key.split_at(place % key.len());
        for key in [name.clone(), format!("{head}{name}{tail}"), format!("{head}{name}")] {
            drop(crate::access_log::object_key::parse_key(&key));
        }
    }
}

/// Parses a line with all fields and with none: both must agree on whether it is valid.
fn assert_decoders_agree(bytes: &[u8]) {
    let kind = detect_line_kind(bytes);
    let all = Decoder::new(OptionalFields::ALL).decode(bytes).map(|request| (request.minute, request.status));
    let few = Decoder::new(OptionalFields::NONE).decode(bytes).map(|request| (request.minute, request.status));
    assert_eq!(all, few);
    assert!(all.is_err() || kind != LineKind::Blank);
    let shop = indicator("app/shop/0a1b", latency(300, LatencyErrors::Bad));
    if let Ok(request) = Decoder::new(OptionalFields::ALL).decode(bytes) {
        SeriesRouter::new("app/shop/0a1b", [&shop]).classify(&request, |slot, _| assert_eq!(slot, 0));
    }
}

#[test]
fn damaged_gzip_never_panics_and_leaves_no_counts() {
    let packed = gzip(&alb_line("2026-10-31T23:59", 200).repeat(50));
    for place in 0..packed.len() {
        let mut bytes = packed.clone();
        bytes[place] ^= 0x55;
        let folder = directory_with_object("x.log.gz", &bytes);
        let result = scan_root(folder.path(), &[Measure::SERVER_ERRORS], 1);
        assert_eq!(result.read.len() + result.failed.len(), 1);
        assert_eq!(result.failed.is_empty(), result.read.iter().any(|object| object.lines > 0), "{place}");
    }
}

//! The simulator: deterministic logs per seed, in AWS's format, containing every announced event.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use slowburn::internals::{Minute, Object, Plan, ScenarioEvent, Span, events, write_logs};

/// Splits a line independently of production code: a space ends a field unless quotes are open.
fn fields(line: &str) -> Vec<String> {
    let (mut all, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => all.push(std::mem::take(&mut field)),
            _ => field.push(letter),
        }
    }
    assert!(!quoted, "an open quote: {line}");
    all.push(field);
    all
}

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn objects(plan: &Plan) -> Vec<Object> {
    plan.objects().filter_map(|object| object.render()).collect()
}

fn plan_between(from: &str, to: &str) -> Plan {
    Plan { span: Span::new(minute(from), minute(to)), ..Plan::default() }
}

/// Every line of the plan as fields.
fn lines(plan: &Plan) -> Vec<Vec<String>> {
    objects(plan).iter().flat_map(object_lines).collect()
}

fn object_lines(object: &Object) -> Vec<Vec<String>> {
    String::from_utf8(object.text.clone()).unwrap().lines().map(fields).collect()
}

fn event(name: &str) -> ScenarioEvent {
    events().into_iter().find(|event| event.name == name).unwrap()
}

/// Total, 5xx and responses slower than 300 ms of a service (by target group) in a span.
fn counts(service: &str, span: Span) -> (u32, u32, u32) {
    let (mut total, mut bad, mut slow) = (0, 0, 0);
    let plan = Plan { span, ..Plan::default() };
    let theirs = plan.objects().filter(|object| object.balancer.services.iter().any(|one| one.name == service));
    for line in theirs.filter_map(|object| object.render()).flat_map(|object| object_lines(&object)) {
        if !line[16].contains(&format!("targetgroup/{service}")) {
            continue;
        }
        total += 1;
        bad += u32::from(line[8].starts_with('5'));
        slow += u32::from(line[6].parse::<f64>().unwrap() > 0.3);
    }
    (total, bad, slow)
}

#[test]
fn same_seed_gives_same_objects_and_other_seed_differs() {
    let plan = plan_between("2026-10-05T12:00Z", "2026-10-05T13:00Z");
    assert_eq!(objects(&plan), objects(&plan));
    assert_ne!(objects(&plan), objects(&Plan { seed: 2, ..plan }));
}

#[test]
fn partial_span_gives_same_objects_as_full_span() {
    let whole = objects(&plan_between("2026-10-20T08:58Z", "2026-10-20T11:00Z"));
    let part = objects(&plan_between("2026-10-20T09:57Z", "2026-10-20T10:32Z"));
    assert!(part.len() > 6 * 5, "{}", part.len());
    assert!(part.iter().all(|object| whole.contains(object)));
    assert!(objects(&plan_between("2026-10-20T10:01Z", "2026-10-20T10:06Z")).is_empty(), "no whole interval");
}

#[test]
fn keys_are_unique_and_follow_aws_layout() {
    let objects = objects(&plan_between("2026-10-02T23:50Z", "2026-10-03T01:00Z"));
    let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys.len(), objects.len());
    let midnight = "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026/10/03/\
         123456789012_elasticloadbalancing_us-east-1_app.shop.5f1c0e7a9b2d4c68_20261003T0000Z_203.0.113.21_";
    let object = objects.iter().find(|object| object.key.starts_with(midnight)).unwrap();
    let random = object.key.strip_prefix(midnight).unwrap().strip_suffix(".log.gz").unwrap();
    assert!(random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{random}");
    for line in object_lines(object) {
        let answered = minute(&line[1]);
        assert!(Span::new(minute("2026-10-02T23:55Z"), minute("2026-10-03T00:00Z")).contains(answered), "{answered}");
        assert_eq!(line[33], "203.0.113.21");
    }
}

#[test]
fn every_line_has_34_consistent_fields() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for line in lines(&plan_between("2026-10-06T06:00Z", "2026-10-06T18:00Z")) {
        assert_eq!(line.len(), 34, "{line:?}");
        let (answered, created) =
            (line[1].parse::<jiff::Timestamp>().unwrap(), line[21].parse::<jiff::Timestamp>().unwrap());
        let elapsed_us = answered.as_microsecond() - created.as_microsecond();
        let times: Vec<f64> = line[5..8].iter().map(|time| time.parse().unwrap()).collect();
        if times.iter().all(|time| *time >= 0.0) && line[8] != "101" {
            let sum_us = times.iter().sum::<f64>() * 1e6;
            let rest = f64::from(i32::try_from(elapsed_us).unwrap()) - sum_us;
            assert!((-1.0..1_000.0).contains(&rest), "{rest} of {line:?}");
        }
        assert!(elapsed_us >= 0);
        assert_eq!(line[9] == "-", times[1] < 0.0, "a target time comes with a target status: {line:?}");
        assert_eq!(line[0] == "http", line[14] == "-", "{line:?}");
        assert!(line[29].starts_with("TID_") && line[29].len() == 36);
        for name in [format!("type {}", line[0]), format!("status {}", line[8]), format!("action {}", line[22])] {
            *seen.entry(name).or_default() += 1;
        }
        let marks = [("\\x22", "escaped quote"), ("<script>", "hostile agent"), ("2001:db8:", "IPv6")];
        for (mark, name) in marks {
            *seen.entry(name.to_owned()).or_default() +=
                u32::from(line[12].contains(mark) || line[13].contains(mark) || line[3].contains(mark));
        }
    }
    for name in [
        "type http",
        "type https",
        "type h2",
        "type grpcs",
        "type wss",
        "status 200",
        "status 201",
        "status 204",
        "status 301",
        "status 304",
        "status 400",
        "status 404",
        "status 460",
        "status 101",
        "action forward",
        "action redirect",
        "action fixed-response",
        "action -",
        "escaped quote",
        "hostile agent",
        "IPv6",
    ] {
        assert!(seen.get(name).is_some_and(|count| *count > 0), "no {name} in {seen:?}");
    }
}

#[test]
fn outage_slow_burn_and_regression_appear_in_counts() {
    let outage = event("outage").span;
    let (total, bad, _) = counts("checkout", outage);
    assert!(total > 60 && bad == total, "{bad} of {total}");
    assert_eq!(counts("checkout", Span::ending_at(outage.start, 60)).1, 0);
    let day = |from: &str| Span::new(minute(from), minute(from).plus(1_440));
    let (total, bad, _) = counts("search", day("2026-10-28T00:00Z"));
    assert!((10..70).contains(&bad), "{bad} of {total}");
    let (total, bad, _) = counts("search", day("2026-10-21T00:00Z"));
    assert!(bad < 8, "{bad} of {total}");
    let (total, _, slow) = counts("profile", day("2026-10-24T09:00Z"));
    assert!((300..500).contains(&(slow * 10_000 / total)), "{slow} of {total}");
    let (total, _, slow) = counts("profile", day("2026-10-23T09:00Z"));
    assert!(slow * 10_000 / total < 80, "{slow} of {total}");
}

#[test]
fn checkout_switches_target_group_once() {
    let span = Span::new(minute("2026-10-13T11:00Z"), minute("2026-10-13T13:00Z"));
    let switch = event("switch").span.start;
    for line in lines(&Plan { span, ..Plan::default() }) {
        let Some((_, group)) = line[16].split_once("targetgroup/checkout-") else { continue };
        assert_eq!(group.starts_with("green"), minute(&line[1]) >= switch, "{line:?}");
    }
}

#[test]
fn low_traffic_service_has_four_single_errors() {
    let mut all = 0;
    for event in events().iter().filter(|event| event.name == "single error") {
        let hour = Span::new(event.span.start.plus(-60), event.span.start.plus(60));
        let (total, bad, _) = counts("backoffice", hour);
        assert!(bad == 1 && total < 20, "{bad} of {total}");
        all += bad;
    }
    assert_eq!(all, 4);
}

#[test]
fn late_objects_are_in_delivery_day_folder_and_lost_ones_missing() {
    let hour = objects(&plan_between("2026-10-20T10:00Z", "2026-10-20T11:00Z"));
    for object in &hour {
        let late = object.key.contains("app.accounts.");
        assert_eq!(object.key.contains("/2026/10/22/"), late, "{}", object.key);
        assert_eq!(object.key.contains("/2026/10/20/"), !late, "{}", object.key);
    }
    assert!(hour.iter().any(|object| object.key.contains("app.accounts.")));
    let partners = |span| {
        let plan = Plan { span, ..Plan::default() };
        objects(&plan).iter().filter(|object| object.key.contains("app.partners.")).count()
    };
    let gap = event("gap").span;
    assert_eq!(partners(gap), 0);
    assert_eq!(partners(Span::ending_at(gap.start, 60)), 12);
    assert_eq!(partners(Span::new(gap.end, gap.end.plus(60))), 12);
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.to_string_lossy().into_owned(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn written_files_match_objects_for_any_thread_count() {
    let plan = plan_between("2026-10-02T00:00Z", "2026-10-02T02:00Z");
    let folder = tempfile::tempdir().unwrap();
    let written = write_logs(&plan, folder.path(), 2).unwrap();
    let first = files(folder.path());
    let expected = objects(&plan);
    assert_eq!(first.len(), expected.len());
    for object in &expected {
        let mut text = Vec::new();
        let gz = fs::File::open(folder.path().join(&object.key)).unwrap();
        flate2::read::MultiGzDecoder::new(gz).read_to_end(&mut text).unwrap();
        assert_eq!(text, object.text);
    }
    assert_eq!(written.objects, expected.len() as u64);
    assert_eq!(written.lines, expected.iter().map(|object| object.lines).sum::<u64>());
    assert_eq!(written.bytes, first.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    write_logs(&plan, folder.path(), 1).unwrap();
    assert_eq!(files(folder.path()), first);
}

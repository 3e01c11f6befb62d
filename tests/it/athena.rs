//! Counts from Athena, through the real SDK against a fake that executes the SQL.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slowburn::internals::{Plan, Span, write_logs};

use crate::peers::{Peer, packages};

const FLEET: &str = "sources:
  lake:
    athena: elb_logs.alb
    region: eu-west-1
    logs: s3://elb-logs/a/prefix
    accounts: \"123456789012\"
    since: 2026-09-01
classes:
  standard:
    slos:
      availability: 99.9%
      latency: { objective: 99%, under: 300ms }
    windows: [7d]
";
const SHOP: &str = "service: shop\nload_balancer: app/shop/00000000000000aa\n";
const NOW: &str = "2026-10-31T12:00Z";
const FOLDER: &str = "elb-logs/a/prefix/AWSLogs/123456789012/elasticloadbalancing/eu-west-1";

/// A fake with buckets in a folder, and definitions.
struct Scene {
    peer: Peer,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(fleet: &str, services: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let buckets = folder.path().join("buckets");
        fs::create_dir(&buckets).unwrap();
        let peer = Peer::start_with("athena_server.py", "{}", &["--managed", "--root", buckets.to_str().unwrap()]);
        let scene = Self { peer, folder };
        scene.write("slos/fleet.yaml", fleet);
        for (name, text) in services {
            scene.write(&format!("slos/shop/{name}.yaml"), text);
        }
        scene
    }

    /// A shop with its table; its load balancer answers two requests per minute, one of ten with a 500.
    fn with_shop() -> Self {
        let scene = Self::new(FLEET, &[("shop", SHOP)]);
        scene.write_hours("2026/10/31", 8..12);
        scene.create_tables();
        scene
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        fs::write(self.path(file), text).unwrap();
    }

    /// A log object of the five minutes that end at `HH:MM`.
    fn object(&self, day: &str, end: &str, lines: &[String]) {
        let text: String = lines.concat();
        let name = format!(
            "buckets/{FOLDER}/{day}/123456789012_elasticloadbalancing_eu-west-1_app.shop.00000000000000aa_{}T{}Z_192.0.2.7_1a2b.log.gz",
            day.replace('/', ""),
            end.replace(':', "")
        );
        fs::create_dir_all(self.path(&name).parent().unwrap()).unwrap();
        let mut packed =
            flate2::write::GzEncoder::new(fs::File::create(self.path(&name)).unwrap(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap();
    }

    fn write_hours(&self, day: &str, hours: std::ops::Range<usize>) {
        for start in (hours.start * 60..hours.end * 60).step_by(5) {
            let lines: Vec<String> = (0..10)
                .map(|number| {
                    let minute = start + number / 2;
                    let status = if number == 3 { 500 } else { 200 };
                    line(&format!("{}T{:02}:{:02}", day.replace('/', "-"), minute / 60, minute % 60), status, "/cart")
                })
                .collect();
            let end = start + 5;
            self.object(day, &format!("{:02}:{:02}", end / 60, end % 60), &lines);
        }
    }

    fn slowburn(&self, task: &str, at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.arg(task).arg("--slos").arg(self.path("slos"));
        command.current_dir(self.folder.path()).env_clear().envs([
            ("AWS_ENDPOINT_URL_ATHENA", self.peer.url.as_str()),
            ("AWS_ENDPOINT_URL_STS", &self.peer.url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("SLOWBURN_CLOCK", at),
            ("SLOWBURN_AT", at),
        ]);
        command
    }

    fn create_tables(&self) {
        let output = self.slowburn("tables", NOW).arg("--create").output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }

    /// The stderr and exit code of a run.
    fn run_stderr(&self, at: &str) -> String {
        stderr(&self.slowburn("run", at).output().unwrap())
    }

    fn export(&self, ledger: &str) -> BTreeMap<(String, String), (u64, u64)> {
        let output = self.slowburn("export", NOW).args(["--ledger", ledger]).output().unwrap();
        let rows = csv::Reader::from_reader(&*output.stdout).into_deserialize::<(String, String, u64, u64)>();
        rows.map(|row| row.unwrap()).map(|(slo, minute, total, bad)| ((slo, minute), (total, bad))).collect()
    }

    /// Known minutes and their sums, by SLO: `60 minutes, 6000 total, 180 bad`.
    fn known(&self) -> BTreeMap<String, String> {
        let mut sums: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
        for ((slo, _), (total, bad)) in self.export("ledger") {
            let sum = sums.entry(slo).or_default();
            *sum = (sum.0 + 1, sum.1 + total, sum.2 + bad);
        }
        let text = |(minutes, total, bad)| format!("{minutes} minutes, {total} total, {bad} bad");
        sums.into_iter().map(|(slo, sum)| (slo, text(sum))).collect()
    }

    /// Started queries; a repeated idempotency token starts none.
    fn queries(&self) -> Vec<serde_json::Value> {
        let queries: Vec<serde_json::Value> = serde_json::from_str(&self.peer.post("/_queries", "{}")).unwrap();
        queries.into_iter().filter(|query| !query["query"].as_str().unwrap().starts_with("CREATE")).collect()
    }
}

fn stderr(output: &Output) -> String {
    format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn line(minute: &str, status: u16, path: &str) -> String {
    format!(
        "https {minute}:10.500000Z app/shop/00000000000000aa 198.51.100.7:2817 10.0.0.1:80 0.001 0.020 0.000 {status} {status} 34 366 \
         \"GET https://shop.example.com:443{path} HTTP/2.0\" \"curl/8\" - TLSv1.3 \
         arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/0b \"Root=1-0\" \"shop.example.com\" \"-\" 1 \
         {minute}:10.479000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"{status}\" \"-\" \"-\"\n"
    )
}

fn known(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(slo, sums)| ((*slo).to_owned(), (*sums).to_owned())).collect()
}

/// The fake assigns random query IDs.
fn assert_snapshot_of(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(true);
    let id = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    let word = |text: &str| text.trim_matches(|sign: char| !sign.is_ascii_alphanumeric()).to_owned();
    let ids: Vec<String> = text.split_whitespace().map(word).filter(|word| id(&word.as_str())).collect();
    let text = ids.iter().fold(text.to_owned(), |text, id| text.replace(id.as_str(), "ID"));
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Four hours; the last 15 minutes are too recent.
const ALL: [(&str, &str); 2] =
    [("shop/availability", "225 minutes, 450 total, 45 bad"), ("shop/latency", "225 minutes, 450 total, 0 bad")];

#[test]
fn simulated_fleet_has_same_counts_from_files_and_athena() {
    let scene = Scene::new("", &[]);
    let logs = scene.path("buckets/elb-logs/a/prefix");
    let span = Span::new("2026-10-15T20:00Z".parse().unwrap(), "2026-10-16T06:00Z".parse().unwrap());
    write_logs(&Plan { span, ..Plan::default() }, &logs, 0).unwrap();
    let slos = Path::new(env!("CARGO_MANIFEST_DIR")).join("slos");
    let copied = Command::new("cp").arg("-r").arg(&slos).arg(scene.folder.path()).status().unwrap();
    assert!(copied.success());
    let fleet = fs::read_to_string(slos.join("fleet.yaml")).unwrap();
    let (_, rest) = fleet.split_once("\ndefault_class").unwrap();
    let run = |source: &str, ledger: &str| {
        scene.write("slos/fleet.yaml", &format!("{source}\ndefault_class{rest}"));
        let mut run = scene.slowburn("run", "2026-10-16T06:20Z");
        stderr(&run.args(["--days", "2", "--ledger", ledger]).output().unwrap())
    };
    let athena_source = FLEET.split_once("classes:").unwrap().0.replace("since", "regions: us-east-1\n    since");
    scene.write("slos/fleet.yaml", &format!("{athena_source}\ndefault_class{rest}"));
    scene.create_tables();
    let by_athena = run(&athena_source.replacen("region", "delay: 15m\n    every: 5m\n    region", 1), "lake");
    let by_files = run(&format!("sources: {{ lake: {{ access_logs: {}, delay: 15m }} }}\n", logs.display()), "files");
    assert!(by_files.starts_with("exit 0\n"), "{by_files}");
    assert_snapshot_of("simulated", &by_athena);
    let (ours, theirs) = (scene.export("files"), scene.export("lake"));
    let differing: Vec<_> = ours.iter().filter(|(minute, counts)| theirs.get(*minute) != Some(*counts)).collect();
    assert!(
        differing.is_empty(),
        "{} of {} differ, such as {:?}",
        differing.len(),
        ours.len(),
        &differing[..10.min(differing.len())]
    );
    let more: Vec<_> = theirs.keys().filter(|minute| !ours.contains_key(*minute)).collect();
    assert!(more.is_empty(), "{} more, such as {:?}", more.len(), &more[..10.min(more.len())]);
    assert!(ours.len() > 10_000);
}

#[test]
fn table_is_scanned_once_for_all_series_and_minutes_until_settled() {
    let scene = Scene::with_shop();
    let cost = || String::from_utf8(scene.slowburn("cost", NOW).output().unwrap().stdout).unwrap();
    // The scan limit of a run, at 24 runs a day; then the minimum billed per query.
    assert_snapshot_of("cost_unknown", &cost());
    assert_snapshot_of("first_run", &scene.run_stderr(NOW));
    assert_snapshot_of("cost_known", &cost());
    assert_eq!(scene.known(), known(&ALL));
    // The newest day alone, because the cost of a day is unknown; then the week before it, and the rest.
    assert_eq!(scene.queries().len(), 3);
    assert!(
        scene
            .run_stderr("2026-10-31T12:10Z")
            .starts_with("exit 0\n`lake` is already fetched up to 2026-10-31T11:45Z\n")
    );
    assert_eq!(scene.queries().len(), 3);
    scene.write_hours("2026/10/31", 12..13);
    assert!(scene.run_stderr("2026-10-31T13:05Z").contains("queried `lake`: 2 SLIs, 1 query"), "an hour later");
    let last = &scene.queries()[3]["query"];
    assert!(last.as_str().unwrap().contains("< '2026-10-31T12:45'"), "{last}");
}

#[test]
fn failed_query_is_reported_with_hint_and_never_stored_as_zero() {
    for (name, settings) in [
        (
            "missing_table",
            r#"{"queries": [{"reason": "TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.elb_logs.alb' does not exist"}]}"#,
        ),
        ("no_permission", r#"{"queries": [{"reason": "Access denied when reading s3://elb-logs/a/prefix/AWSLogs/"}]}"#),
        ("workgroup_limit", r#"{"scan_limit": 100}"#),
        ("exhausted", r#"{"queries": [{"reason": "Query exhausted resources at this scale factor"}]}"#),
        ("cancelled", r#"{"queries": [{"state": "CANCELLED", "reason": "Query cancelled by user"}]}"#),
        (
            "broken",
            r#"{"queries": [{"reason": "GENERIC_INTERNAL_ERROR: out of luck", "category": 1, "retryable": true, "times": 9}]}"#,
        ),
        ("expired", r#"{"faults": [{"action": "*", "code": "ExpiredTokenException", "times": 100}]}"#),
        ("throttled", r#"{"faults": [{"action": "GetQueryExecution", "code": "ThrottlingException", "times": 100}]}"#),
        (
            "second_page",
            r#"{"faults": [{"action": "GetQueryResults", "code": "InternalServerException", "status": 500, "times": 100}]}"#,
        ),
    ] {
        let scene = Scene::with_shop();
        // Observed while it runs, so that it is not taken for a query of an earlier run.
        scene.peer.post("/_control", &settings.replacen('{', r#"{"delay_s": 0.2, "#, 1));
        let text = scene.run_stderr(NOW);
        assert_snapshot_of(&format!("fault_{name}"), &text);
        assert!(scene.known().is_empty(), "{name}: {:?}", scene.known());
        assert!(text.starts_with("exit 3\n"), "{name}: {text}");
        scene.peer.post("/_reset", "{}");
        assert!(scene.run_stderr(NOW).starts_with("exit 0\n"), "{name} is not mended by the next run");
        assert_eq!(scene.known(), known(&ALL), "{name}");
    }
}

/// A shop with enough latency thresholds that the rows of the newest day fill two pages of a thousand: one row per
/// threshold and hour.
fn scene_with_two_pages() -> Scene {
    let scene = Scene::with_shop();
    let latencies =
        (1..=300).map(|under| format!("  l{under:03}: {{ indicator: latency, objective: 99%, under: {under}ms }}\n"));
    let latencies: String = latencies.collect();
    scene.write("slos/fleet.yaml", &format!("{FLEET}  bare: {{}}\n"));
    scene.write("slos/shop/shop.yaml", &format!("{SHOP}class: bare\nwindows: [7d]\nslos:\n{latencies}"));
    scene
}

#[test]
fn all_result_pages_are_counted_and_broken_response_is_not_zero() {
    let scene = scene_with_two_pages();
    let fault =
        r#"{"action": "GetQueryResults", "code": "InternalServerException", "status": 500, "after": 1, "times": 100}"#;
    scene.peer.post("/_control", &format!("{{\"delay_s\": 0.2, \"faults\": [{fault}]}}"));
    let text = scene.run_stderr(NOW);
    assert!(text.starts_with("exit 3\n") && text.contains("InternalServerException"), "{text}");
    let counted = |name: &str| scene.peer.counters()["counters"][name].as_u64().unwrap();
    assert_eq!((counted("pages"), counted("rows")), (1, 1_000), "the first page was answered");
    assert_eq!(scene.known(), BTreeMap::new());
    scene.peer.post("/_reset", "{}");
    let text = scene.run_stderr(NOW);
    assert!(text.starts_with("exit 0\n"), "{text}");
    // Four hours of 300 latencies and of all lines, after the header row; then a past without lines.
    assert_eq!((counted("pages"), counted("rows")), (3, 1 + 4 * 301 + 1));
    let all = scene.known();
    assert_eq!(all.len(), 300);
    for (slo, sums) in &all {
        // A response takes 20 ms, which is within a threshold of 20 ms.
        let bad = if slo.as_str() < "shop/l020" { 450 } else { 0 };
        assert_eq!(*sums, format!("225 minutes, 450 total, {bad} bad"), "{slo}");
    }
}

#[test]
fn other_account_is_queried_with_role_of_source() {
    let scene = Scene::with_shop();
    let role = "role_arn: arn:aws:iam::999988887777:role/slo\n    external_id: abc";
    scene.write("slos/fleet.yaml", &FLEET.replace("    since", &format!("    {role}\n    since")));
    scene.peer.post("/_reset", "{}");
    let text = scene.run_stderr(NOW);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert_eq!(scene.known(), known(&ALL));
    let requests: Vec<serde_json::Value> = serde_json::from_str(&scene.peer.requests()).unwrap();
    assert!(requests.len() > 5 && requests.iter().all(|request| request["account"] == "999988887777"), "{requests:?}");
    let roles = &scene.peer.counters()["counters"]["roles"];
    assert_eq!(*roles, serde_json::json!([["arn:aws:iam::999988887777:role/slo", "abc"]]));
    // The tables are created with that role too.
    scene.peer.post("/_reset", "{}");
    scene.create_tables();
    assert!(scene.peer.requests().contains("999988887777"));
}

#[test]
fn transient_errors_are_retried() {
    for settings in [
        r#"{"faults": [{"action": "StartQueryExecution", "code": "TooManyRequestsException", "times": 2}]}"#,
        r#"{"faults": [{"action": "GetQueryExecution", "drop": true, "times": 2}]}"#,
        r#"{"faults": [{"action": "GetQueryResults", "code": "InternalServerException", "status": 500, "times": 2}]}"#,
        r#"{"queries": [{"reason": "GENERIC_INTERNAL_ERROR: out of luck", "category": 1, "retryable": true, "times": 1}]}"#,
        r#"{"latency_s": 0.2, "delay_s": 1.0}"#,
    ] {
        let scene = Scene::with_shop();
        scene.peer.post("/_control", settings);
        let text = scene.run_stderr(NOW);
        assert!(text.starts_with("exit 0\n"), "{settings}: {text}");
        assert_eq!(scene.known(), known(&ALL), "{settings}");
    }
}

#[test]
fn unparsed_lines_are_reported_and_their_intervals_are_unknown() {
    let scene = Scene::with_shop();
    let broken = |minute: &str| line(minute, 200, "/cart").replace(" 0.020 ", " fast ");
    // One line of ten; then an interval with no other lines.
    let mut lines: Vec<String> = (0..9).map(|_| line("2026-10-31T09:01", 200, "/cart")).collect();
    lines.push(broken("2026-10-31T09:01"));
    scene.object("2026/10/31", "09:05", &lines);
    scene.object("2026/10/31", "09:10", &[broken("2026-10-31T09:06"), "garbage \u{1b}[31m\n".to_owned()]);
    assert_snapshot_of("unparsed", &scene.run_stderr(NOW));
    assert_eq!(
        scene.known(),
        known(&[
            ("shop/availability", "220 minutes, 439 total, 43 bad"),
            ("shop/latency", "220 minutes, 439 total, 0 bad")
        ])
    );
}

#[test]
fn hostile_values_are_escaped_in_queries() {
    let paths = ["/it's*", "/a';DROP--", "/\\d+{id}", "/(a|b)?", "/%27{id}*"];
    let slo = |(place, path): (usize, &&str)| {
        let path = path.replace('\'', "''");
        format!("  s{place}: {{ indicator: availability, objective: 99%, where: {{ path: '{path}' }} }}\n")
    };
    let slos: Vec<String> = paths.iter().enumerate().map(slo).collect();
    let text = format!("{SHOP}class: bare\nwindows: [7d]\nslos:\n{}", slos.concat());
    let scene = Scene::new(&format!("{FLEET}  bare: {{}}\n"), &[("shop", &text)]);
    let lines = ["/it's", "/a';DROP--", "/\\d+7", "/(a|b)c", "/49", "/ad"];
    scene.object("2026/10/31", "11:05", &lines.map(|path| line("2026-10-31T11:01", 200, path)));
    scene.create_tables();
    let text = scene.run_stderr(NOW);
    assert!(text.starts_with("exit 0\n"), "{text}");
    let totals: BTreeMap<String, u64> =
        scene.export("ledger").into_iter().fold(BTreeMap::new(), |mut sums, ((slo, _), (total, _))| {
            *sums.entry(slo).or_default() += total;
            sums
        });
    let found: Vec<u64> = (0..paths.len()).map(|place| totals[&format!("shop/s{place}")]).collect();
    // A pattern matches exactly as in production matching: quotes and special characters of SQL, regular expressions
    // and templates have no effect.
    let wanted: Vec<u64> = paths
        .iter()
        .map(|path| {
            let pattern = slowburn::internals::WildcardPattern::for_path(path);
            lines.iter().filter(|line| pattern.matches(line.as_bytes())).count() as u64
        })
        .collect();
    assert_eq!((&found, found.iter().sum()), (&wanted, 4));
}

#[test]
fn query_over_scan_limit_is_not_started() {
    let scene = Scene::with_shop();
    // A query is billed 10 MB at least: only the newest day and one more query are within the limit.
    scene.write("slos/fleet.yaml", &FLEET.replace("    since", "    scan_limit: 15MB\n    since"));
    assert_snapshot_of("too_much", &scene.run_stderr(NOW));
    assert_eq!((scene.queries().len(), scene.known()), (1, known(&ALL)));
    // The newest minutes are still queried.
    scene.write_hours("2026/10/31", 12..13);
    assert!(scene.run_stderr("2026-10-31T13:05Z").contains("queried `lake`: 2 SLIs, 1 query"));
    assert_eq!(scene.queries().len(), 2);
}

#[test]
fn table_of_unknown_size_is_queried_only_if_scan_limit_fits_cost_limit() {
    let scene = Scene::with_shop();
    let run = |more: &[&str]| stderr(&scene.slowburn("run", NOW).args(more).output().unwrap());
    assert_snapshot_of("size_unknown", &run(&["--max-cost", "0.10"]));
    assert_eq!(scene.queries().len(), 0);
    scene.write("slos/fleet.yaml", &FLEET.replace("    since", "    scan_limit: 20GB\n    since"));
    let text = run(&["--max-cost", "0.10"]);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert_eq!(scene.known(), known(&ALL));
}

#[test]
fn query_that_exceeds_scan_limit_is_stopped_and_not_retried() {
    let scene = Scene::with_shop();
    scene.write("slos/fleet.yaml", &FLEET.replace("    since", "    scan_limit: 20GB\n    since"));
    scene.peer.post("/_control", r#"{"delay_s": 20, "scanned": 21000000000}"#);
    assert_snapshot_of("scans_too_much", &scene.run_stderr(NOW));
    assert_eq!((scene.queries().len(), &scene.queries()[0]["state"]), (1, &"CANCELLED".into()));
    scene.peer.post("/_reset", "{}");
    let text = scene.run_stderr(NOW);
    assert!(text.contains("fetching it would scan about") && text.contains("scan_limit: "), "{text}");
    assert_eq!((scene.queries().len(), scene.known()), (1, BTreeMap::new()));
}

#[test]
fn query_is_paid_for_once_and_cancelled_when_run_is_stopped() {
    let scene = Scene::with_shop();
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    let requested = scene.queries().len();
    // After the loss of a ledger the results are still available.
    fs::remove_dir_all(scene.path("ledger")).unwrap();
    let text = scene.run_stderr(NOW);
    assert!(text.contains("0 queries, 0 bytes scanned"), "{text}");
    assert_eq!((scene.queries().len(), scene.known()), (requested, known(&ALL)));

    fs::remove_dir_all(scene.path("ledger")).unwrap();
    scene.write_hours("2026/10/31", 12..13);
    scene.peer.post("/_control", r#"{"delay_s": 60}"#);
    let mut run = scene.slowburn("run", "2026-10-31T13:05Z");
    let child = run.stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Polling takes a while; a minute of polls is more than a run needs.
    let began = std::time::Instant::now();
    while scene.queries().len() == requested && began.elapsed().as_secs() < 60 {}
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_snapshot_of("stopped", &stderr(&child.wait_with_output().unwrap()));
    assert_eq!(scene.queries()[requested]["state"], "CANCELLED");
    assert!(scene.known().is_empty());
    scene.peer.post("/_reset", "{}");
    assert!(scene.run_stderr("2026-10-31T13:05Z").starts_with("exit 0\n"));
    assert_eq!(scene.known()["shop/availability"], "240 minutes, 480 total, 48 bad");
}

#[test]
fn table_with_wrong_location_is_reported_and_queried_again() {
    let scene = Scene::new(&FLEET.replace("s3://elb-logs/a/prefix", "s3://elb-logs/elsewhere"), &[("shop", SHOP)]);
    scene.create_tables();
    assert_snapshot_of("no_lines", &scene.run_stderr(NOW));
    scene.write("slos/shop/other.yaml", "service: other\nload_balancer: app/other/00000000000000bb\n");
    let there = Scene::with_shop();
    there.write("slos/shop/other.yaml", "service: other\nload_balancer: app/other/00000000000000bb\n");
    assert_snapshot_of("missing_balancer", &there.run_stderr(NOW));
}

#[test]
fn only_few_of_many_load_balancers_without_lines_are_named() {
    let scene = Scene::with_shop();
    for number in 1..=9 {
        scene.write(
            &format!("slos/shop/s{number}.yaml"),
            &format!("service: s{number}\nload_balancer: app/s{number}\n"),
        );
    }
    let stderr = scene.run_stderr(NOW);
    assert!(stderr.contains("has no rows for app/s1, app/s2, app/s3, app/s4, app/s5 and 4 more from "), "{stderr}");
}

#[test]
fn tables_command_prints_and_creates_tables() {
    let scene = Scene::new(FLEET, &[("shop", SHOP)]);
    let printed = scene.slowburn("tables", NOW).output().unwrap();
    assert_snapshot_of("tables", &String::from_utf8(printed.stdout).unwrap());
    assert_snapshot_of("tables_made", &stderr(&scene.slowburn("tables", NOW).arg("--create").output().unwrap()));
    scene.write("slos/fleet.yaml", "sources: { lake: { athena: elb_logs.alb } }\n");
    assert_snapshot_of("tables_of_nothing", &stderr(&scene.slowburn("tables", NOW).output().unwrap()));
    scene.write("slos/fleet.yaml", "sources: { logs: { access_logs: ./logs } }\n");
    assert_snapshot_of("tables_without_source", &stderr(&scene.slowburn("tables", NOW).output().unwrap()));
}

const QUERY: &str = "SELECT substr(time, 1, 16) AS minute, count(*) AS total, count_if(elb_status_code < '500') AS good \
     FROM elb_logs.alb WHERE day BETWEEN {{ first_day | literal }} AND {{ last_day | literal }} \
     AND substr(time, 1, 16) >= {{ from | literal }} AND substr(time, 1, 16) < {{ until | literal }} GROUP BY 1;";

/// A shop with an SLO based on a custom query.
fn scene_with_custom_query() -> Scene {
    let scene = Scene::with_shop();
    let text = "service: shop\nclass: bare\nslos:\n  own: { indicator: query, objective: 99%, file: own.sql, windows: [7d] }\n";
    scene.write("slos/fleet.yaml", &format!("{FLEET}  bare: {{}}\n"));
    scene.write("slos/shop/shop.yaml", text);
    scene
}

#[test]
fn changed_custom_query_refetches_window_and_never_mixes_counts() {
    let scene = scene_with_custom_query();
    let known = |scene: &Scene| scene.known()["shop/own"].clone();
    scene.write("queries/own.sql", QUERY);
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    let first = scene.queries().len();
    assert_eq!(known(&scene), "11565 minutes, 450 total, 45 bad");
    // Line endings are not a change.
    scene.write("queries/own.sql", &format!("{QUERY}\r\n"));
    assert!(scene.run_stderr(NOW).contains("is already fetched up to"));
    scene.write("queries/own.sql", &QUERY.replace("'500'", "'600'"));
    scene.peer.post(
        "/_control",
        r#"{"queries": [{"reason": "Query exhausted resources at this scale factor"}], "delay_s": 0.2}"#,
    );
    assert!(scene.run_stderr(NOW).starts_with("exit 3\n"));
    assert_eq!(scene.known().get("shop/own"), None, "counts of another query text are not used");
    scene.peer.post("/_reset", "{}");
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    assert_eq!(known(&scene), "11565 minutes, 450 total, 0 bad");
    assert!(scene.queries().len() >= 2 * first, "{} after {first}", scene.queries().len());
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(scene.path("ledger/manifest.json")).unwrap()).unwrap();
    assert_eq!(
        manifest["scanned_bytes_per_day"].as_object().unwrap().len(),
        1,
        "what the first text scanned says nothing of this one"
    );
    // The counts of the first query text are retained.
    let requested = scene.queries().len();
    scene.write("queries/own.sql", QUERY);
    assert!(scene.run_stderr(NOW).contains("is already fetched up to"));
    assert_eq!((known(&scene).as_str(), scene.queries().len()), ("11565 minutes, 450 total, 45 bad", requested));
    // A reader with another folder of queries gets the reason for unknown minutes.
    let status = scene.slowburn("status", NOW).args(["--queries", "elsewhere"]).output().unwrap();
    let text = format!("{}{}", stderr(&status), String::from_utf8_lossy(&status.stdout));
    assert_snapshot_of("own_elsewhere", &text.replace(scene.folder.path().to_str().unwrap(), ""));
}

#[test]
fn custom_query_counts_are_stored() {
    let scene = scene_with_custom_query();
    // Definition paths are relative to the working directory, which differs for each test.
    let plain = |text: String| text.replace(scene.folder.path().to_str().unwrap(), "");
    assert_snapshot_of("own_missing", &plain(scene.run_stderr(NOW)));
    let mut check = scene.slowburn("check", NOW);
    check.env_remove("SLOWBURN_AT");
    let check = check.output().unwrap();
    assert_snapshot_of(
        "own_missing_checked",
        &plain(format!("{}{}", stderr(&check), String::from_utf8_lossy(&check.stdout))),
    );
    for (name, from, to) in [
        ("own_column", "AS good", "AS fine"),
        ("own_half", ", count_if(elb_status_code < '500') AS good", ""),
        ("own_minute", "substr(time, 1, 16) AS minute", "substr(time, 1, 13) AS minute"),
        ("own_null", "count_if(elb_status_code < '500') AS good", "CASE WHEN count(*) > 2 THEN 1 END AS good"),
        ("own_template", "until", "end"),
    ] {
        scene.write("queries/own.sql", &QUERY.replace(from, to));
        assert_snapshot_of(name, &scene.run_stderr(NOW));
        drop(fs::remove_dir_all(scene.path("ledger")));
    }
    // A permanent failure is queried once, and once more if it failed so soon that it may belong to an earlier run.
    let before = scene.queries().len();
    scene.write("queries/own.sql", &QUERY.replace("elb_logs.alb", "shop.orders"));
    assert_snapshot_of("own_table", &scene.run_stderr(NOW));
    let requested = scene.queries().len() - before;
    assert!((1..=2).contains(&requested), "{requested} queries");
    drop(fs::remove_dir_all(scene.path("ledger")));
    scene.write("queries/own.sql", QUERY);
    let text = scene.run_stderr(NOW);
    assert!(text.starts_with("exit 0\n"), "{text}");
    // It covers the whole requested range: minutes without a row had no events.
    assert_eq!(scene.known(), known(&[("shop/own", "11565 minutes, 450 total, 45 bad")]));
}

#[test]
fn latest_custom_query_result_replaces_earlier_counts() {
    let scene = scene_with_custom_query();
    let good = "count_if(elb_status_code < '500') AS good";
    let sql = QUERY.replace(
        good,
        "CASE WHEN count_if(elb_status_code = '599') = 0 THEN count_if(elb_status_code < '500') END AS good",
    );
    scene.write("queries/own.sql", &sql);
    // A range that ends in the future is queried up to now.
    let future = scene.slowburn("run", "2026-10-31T16:00Z").env("SLOWBURN_CLOCK", NOW).output().unwrap();
    assert!(
        stderr(&future).starts_with("exit 0\n") && stderr(&future).contains("is in the future"),
        "{}",
        stderr(&future)
    );
    let wanted = |sums: &str| known(&[("shop/own", sums)]);
    assert_eq!(scene.known(), wanted("11565 minutes, 450 total, 45 bad"));
    // A late line makes its minute unknown.
    scene.object("2026/10/31", "11:43", &[line("2026-10-31T11:42", 599, "/cart")]);
    assert!(scene.run_stderr("2026-10-31T13:05Z").starts_with("exit 3\n"));
    assert_eq!(scene.known(), wanted("11579 minutes, 478 total, 48 bad"));
}

#[test]
fn every_query_parses_in_athena_dialect() {
    let queries = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
    for command in ["parse", "lint"] {
        let mut fluff = Command::new("python3");
        fluff.args(["-m", "sqlfluff", command, "."]).current_dir(&queries).env("PYTHONPATH", packages());
        let output = fluff.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn load_balancer_name_matches_every_id() {
    let named = "service: named\nload_balancer: app/shop\n";
    let scene = Scene::new(FLEET, &[("shop", SHOP), ("named", named)]);
    scene.write_hours("2026/10/31", 8..12);
    // From eleven on the load balancer has another ID.
    let folder = scene.path(&format!("buckets/{FOLDER}/2026/10/31"));
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in files.filter(|name| name.contains("aa_20261031T11") && !name.contains("T1100Z")) {
        let mut text = String::new();
        let file = fs::File::open(folder.join(&name)).unwrap();
        flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
        let again = |text: &str| text.replace("00000000000000aa", "00000000000000bb");
        let file = fs::File::create(folder.join(again(&name))).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        packed.write_all(again(&text).as_bytes()).unwrap();
        packed.finish().unwrap();
        fs::remove_file(folder.join(&name)).unwrap();
    }
    scene.create_tables();
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    let known = scene.known();
    // Counted like one load balancer that answered all the time.
    let whole = Scene::with_shop();
    assert!(whole.run_stderr(NOW).starts_with("exit 0\n"));
    assert_eq!(known["named/availability"], whole.known()["shop/availability"]);
    assert_ne!(known["shop/availability"], known["named/availability"]);
}

//! Counts from CloudWatch, through the real SDK against a fake of its API.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail loudly, and cuts ASCII")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use slowburn::internals::{Day, Minute};

use crate::peers::{Peer, ministack_python, packages};

const FLEET: &str = "\
sources:
  metrics: { cloudwatch: eu-west-1 }
classes:
  standard:
    slos:
      availability: 99.9%
      latency: { objective: 99%, under: 300ms }
    windows: [7d]
";
/// The same without latency.
const AVAILABILITY: &str = "\
sources:
  metrics: { cloudwatch: eu-west-1 }
classes:
  standard: { slos: { availability: 99.9% }, windows: [7d] }
";
const NOW: &str = "2026-10-31T12:00Z";

/// A fake with metrics of one load balancer, and definitions of its service.
struct Scene {
    peer: Peer,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(fleet: &str, services: &[(&str, &str)]) -> Self {
        let peer = Peer::start("cloudwatch_server.py", &format!(r#"{{"now": "{NOW}"}}"#));
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { peer, folder };
        scene.define("fleet.yaml", fleet);
        for (name, text) in services {
            scene.define(&format!("shop/{name}.yaml"), text);
        }
        scene
    }

    fn with_shop() -> Self {
        let scene = Self::new(FLEET, &[("shop", "service: shop\nload_balancer: app/shop/00000000000000aa\n")]);
        scene.traffic("app/shop/00000000000000aa", "123456789012");
        scene
    }

    /// An hour at 100 requests per minute: three errors, one by the load balancer; 20 of 97 responses are slow.
    fn traffic(&self, balancer: &str, account: &str) {
        let metric = |name: &str, minute: &str| {
            let minutes = vec![minute; 60].join(",");
            let what = if name == "TargetResponseTime" { "samples" } else { "sums" };
            format!(
                r#"{{"namespace": "AWS/ApplicationELB", "metric": "{name}", "dimensions": {{"LoadBalancer": "{balancer}"}},
                "account": "{account}", "region": "eu-west-1", "start": "2026-10-31T10:57Z", "{what}": [{minutes}]}}"#
            )
        };
        let metrics = [
            metric("HTTPCode_Target_2XX_Count", "97"),
            metric("HTTPCode_Target_5XX_Count", "2"),
            metric("HTTPCode_ELB_5XX_Count", "1"),
            metric("TargetResponseTime", "[[0.1, 77], [0.3, 2], [0.301, 20]]"),
        ];
        self.peer.post("/_series", &format!("[{}]", metrics.join(",")));
    }

    fn define(&self, file: &str, text: &str) {
        let path = self.folder.path().join("slos").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn slowburn(&self, task: &str, at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.arg(task).arg("--ledger").arg(self.folder.path().join("ledger"));
        command.arg("--slos").arg(self.folder.path().join("slos")).args(["--at", at]);
        command.env_clear().envs([
            ("AWS_ENDPOINT_URL_CLOUDWATCH", self.peer.url.as_str()),
            ("AWS_ENDPOINT_URL_STS", &self.peer.url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("SLOWBURN_CLOCK", at),
        ]);
        command
    }

    fn run(&self, at: &str) -> Output {
        self.slowburn("run", at).output().unwrap()
    }

    /// The stderr and exit code of a run.
    fn run_stderr(&self, at: &str) -> String {
        let output = self.run(at);
        format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Known minutes and their sums, by SLO: `60 minutes, 6000 total, 180 bad`.
    fn known(&self) -> BTreeMap<String, String> {
        let output = self.slowburn("export", NOW).output().unwrap();
        crate::peers::parse_known_minutes(&output.stdout)
    }

    /// Sets the requests in each minute of a load balancer from a time on.
    fn requests(&self, balancer: &str, start: &str, counts: &[u32]) {
        let sums: Vec<String> = counts.iter().map(u32::to_string).collect();
        let series = format!(
            r#"[{{"namespace": "AWS/ApplicationELB", "metric": "HTTPCode_Target_2XX_Count", "account": "123456789012",
            "dimensions": {{"LoadBalancer": "{balancer}"}}, "region": "eu-west-1", "start": "{start}", "sums": [{}]}}]"#,
            sums.join(",")
        );
        self.peer.post("/_series", &series);
    }

    /// Requests of each known minute of an SLO, as spans with equal counts: `11:31-11:45 0`.
    fn minutes(&self, slo: &str) -> Vec<String> {
        let output = self.slowburn("export", "2026-10-31T23:00Z").output().unwrap();
        let mut runs: Vec<(Minute, Minute, u32)> = Vec::new();
        for row in csv::Reader::from_reader(&*output.stdout).deserialize::<(String, String, u32, u32)>() {
            let (of, minute, total, _) = row.unwrap();
            let minute: Minute = minute.parse().unwrap();
            match runs.last_mut() {
                _ if of != slo => {}
                Some((_, end, count)) if (*end, *count) == (minute, total) => *end = minute.plus(1),
                _ => runs.push((minute, minute.plus(1), total)),
            }
        }
        let day = "2026-10-31".parse::<Day>().unwrap();
        let text = |minute: Minute| {
            let text = minute.to_string();
            if minute.day() == day { text[11..16].to_owned() } else { text }
        };
        runs.into_iter().map(|(from, end, count)| format!("{}-{} {count}", text(from), text(end))).collect()
    }

    /// A counter of the fake: `metrics_billed` or `requests`.
    fn billed_requests(&self, what: &str) -> u64 {
        let counters = &self.peer.counters()["counters"];
        let counter = if what == "requests" { &counters[what]["GetMetricData"] } else { &counters[what] };
        counter.as_u64().unwrap_or(0)
    }

    fn set_faults(&self, settings: &str) {
        self.peer.post("/_control", settings);
    }
}

fn known(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(slo, sums)| ((*slo).to_owned(), (*sums).to_owned())).collect()
}

fn snapshot(name: &str, text: &str) {
    insta::assert_snapshot!(name, text);
}

/// The hour with values; whether the load balancer existed before is unknown.
const ALL: [(&str, &str); 2] =
    [("shop/availability", "60 minutes, 6000 total, 180 bad"), ("shop/latency", "60 minutes, 5940 total, 1200 bad")];

#[test]
fn minute_is_fetched_once_and_recent_minutes_again() {
    let scene = Scene::with_shop();
    let forecast = scene.slowburn("cost", NOW).output().unwrap();
    let forecast = String::from_utf8(forecast.stdout).unwrap();
    assert!(forecast.contains("windows, once: 7 CloudWatch metrics, $0.00007\n"), "{forecast}");
    snapshot("first_run", &scene.run_stderr(NOW));
    let forecast = scene.slowburn("cost", NOW).output().unwrap();
    assert!(!String::from_utf8(forecast.stdout).unwrap().contains("first run"));
    assert_eq!(scene.known(), known(&ALL));
    let requested = scene.billed_requests("requests");
    // Seven metrics; response times have two statistics.
    assert_eq!(scene.billed_requests("metrics_billed"), 7);
    // No new data within the next five minutes.
    assert!(
        scene
            .run_stderr("2026-10-31T12:04Z")
            .starts_with("exit 0\n`metrics` is already fetched up to 2026-10-31T11:57Z\n")
    );
    assert_eq!(scene.billed_requests("requests"), requested);
    assert!(scene.run_stderr("2026-10-31T12:05Z").starts_with("exit 0\nqueried `metrics`: 7 metrics, 1 request,"));
    let last = scene.peer.requests();
    assert!(last.contains("2026-10-31T10:00") && last.contains("2026-10-31T12:02"), "two hours once more: {last}");
}

#[test]
fn incomplete_responses_are_not_stored() {
    for (name, settings, stored) in [
        ("forbidden", r#"{"results": [{"code": "Forbidden"}]}"#, vec![]),
        ("partial", r#"{"results": [{"metric": "TargetResponseTime", "code": "PartialData"}]}"#, vec![ALL[0]]),
        (
            "message",
            r#"{"messages": [{"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}]}"#,
            vec![],
        ),
        ("internal", r#"{"results": [{"metric": "HTTPCode_ELB_5XX_Count", "code": "InternalError"}]}"#, vec![ALL[1]]),
        (
            "second_page",
            r#"{"page": 30, "faults": [{"action": "GetMetricData", "code": "InternalServiceFault", "status": 500, "after": 1, "times": 100}]}"#,
            vec![],
        ),
        (
            "expired",
            r#"{"faults": [{"action": "GetMetricData", "code": "ExpiredToken", "status": 403, "times": 100}]}"#,
            vec![],
        ),
    ] {
        let scene = Scene::with_shop();
        scene.set_faults(settings);
        snapshot(name, &scene.run_stderr(NOW));
        assert_eq!(scene.known(), known(&stored), "{name}");
        // The next run fetches only the missing ranges.
        scene.peer.post("/_reset", "");
        scene.set_faults(&format!(r#"{{"now": "{NOW}"}}"#));
        assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
        assert_eq!(scene.known(), known(&ALL), "{name}");
        let requested = if stored.is_empty() { 7 } else { 8 - scene_metrics(&stored) };
        assert!(scene.billed_requests("metrics_billed") <= requested, "{name}");
    }
}

/// The number of metrics that are not fetched again.
fn scene_metrics(stored: &[(&str, &str)]) -> u64 {
    stored.iter().map(|(slo, _)| if slo.ends_with("latency") { 1 } else { 6 }).sum()
}

#[test]
fn throttling_and_lost_connections_are_retried() {
    for settings in [
        r#"{"faults": [{"action": "GetMetricData", "code": "ThrottlingException", "status": 400, "times": 3}]}"#,
        r#"{"faults": [{"action": "GetMetricData", "code": "InternalServiceFault", "status": 500, "times": 2}]}"#,
        r#"{"faults": [{"action": "GetMetricData", "drop": true, "times": 2}]}"#,
        r#"{"page": 30}"#,
        r#"{"latency_s": 0.2}"#,
    ] {
        let scene = Scene::with_shop();
        scene.set_faults(settings);
        let started = Instant::now();
        let stderr = scene.run_stderr(NOW);
        assert!(stderr.starts_with("exit 0\n"), "{settings}: {stderr}");
        assert!(started.elapsed() < Duration::from_secs(20), "{settings}: {:?}", started.elapsed());
        assert_eq!(scene.known(), known(&ALL), "{settings}");
    }
}

#[test]
fn access_denied_in_one_account_does_not_affect_others() {
    let fleet = "\
sources:
  one: { cloudwatch: eu-west-1, account: 111111111111 }
  two: { cloudwatch: eu-west-1, account: 222222222222 }
  three: { cloudwatch: eu-west-1, role_arn: arn:aws:iam::333333333333:role/slowburn, external_id: ours }
default_source: one
classes:
  standard: { slos: { availability: 99.9% }, windows: [7d] }
";
    let service = |name: &str| {
        let text = format!("service: {name}\nsource: {name}\nload_balancer: app/{name}/00000000000000aa\n");
        (name.to_owned(), text)
    };
    let services = ["one", "two", "three"].map(service);
    let services: Vec<(&str, &str)> = services.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let scene = Scene::new(fleet, &services);
    for (name, account) in [("one", "111111111111"), ("two", "222222222222"), ("three", "333333333333")] {
        scene.traffic(&format!("app/{name}/00000000000000aa"), account);
    }
    scene.set_faults(r#"{"results": [{"account": "222222222222", "code": "Forbidden"}]}"#);
    snapshot("three_accounts", &scene.run_stderr(NOW));
    let sums = "60 minutes, 6000 total, 180 bad";
    assert_eq!(scene.known(), known(&[("one/availability", sums), ("three/availability", sums)]));
}

#[test]
fn role_that_cannot_be_assumed_is_reported_with_hint() {
    let fleet = "\
sources:
  ours: { cloudwatch: eu-west-1 }
  theirs: { cloudwatch: eu-west-1, role_arn: arn:aws:iam::333333333333:role/slowburn, external_id: other }
default_source: ours
classes:
  standard: { slos: { availability: 99.9% }, windows: [7d] }
";
    let theirs = "service: theirs\nsource: theirs\nload_balancer: app/theirs/00000000000000aa\n";
    let ours = "service: ours\nload_balancer: app/ours/00000000000000aa\n";
    let scene = Scene::new(fleet, &[("ours", ours), ("theirs", theirs)]);
    scene.traffic("app/ours/00000000000000aa", "123456789012");
    scene.set_faults(
        r#"{"faults": [{"action": "AssumeRole", "code": "AccessDenied", "status": 403, "times": 9, "message":
        "User: arn:aws:sts::123456789012:assumed-role/task/1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::333333333333:role/slowburn"}]}"#,
    );
    snapshot("role_refused", &scene.run_stderr(NOW));
    assert_eq!(scene.known(), known(&[("ours/availability", "60 minutes, 6000 total, 180 bad")]));
}

#[test]
fn missing_credentials_are_not_reported_as_unavailable_service() {
    let scene = Scene::with_shop();
    let mut run = scene.slowburn("run", NOW);
    run.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    run.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/slowburn").env("AWS_WEB_IDENTITY_TOKEN_FILE", "/not/there");
    let stderr = String::from_utf8(run.output().unwrap().stderr).unwrap();
    assert!(stderr.contains("no AWS credentials found: No such file or directory"), "{stderr}");
    assert!(stderr.contains("\nhint: give the task a role"), "{stderr}");
}

#[test]
fn load_balancer_without_data_is_reported_unless_only_window_grew() {
    let scene = Scene::with_shop();
    for number in 1..=7 {
        let text = format!("service: typo{number}\nload_balancer: app/typo{number}/00000000000000ab\n");
        scene.define(&format!("shop/typo{number}.yaml"), &text);
    }
    snapshot("never_balancer", &scene.run_stderr(NOW));
    assert_eq!(scene.known(), known(&ALL));
    for number in 1..=7 {
        std::fs::remove_file(scene.folder.path().join(format!("slos/shop/typo{number}.yaml"))).unwrap();
    }
    scene.define("fleet.yaml", &FLEET.replace("[7d]", "[13d]"));
    let stderr = scene.run_stderr("2026-10-31T12:05Z");
    assert!(stderr.starts_with("exit 0\n") && !stderr.contains("no value"), "{stderr}");
    assert!(scene.billed_requests("metrics_billed") > 7);
}

#[test]
fn ratio_names_with_spaces_are_distinguished_and_hint_is_shell_quoted() {
    let slo = |name: &str, namespace: &str, total: &str, bad: &str| {
        format!(
            "  {name}:\n    indicator: ratio\n    objective: 99%\n    total: {{ namespace: {namespace}, metric: {total} }}\n    \
             bad: {{ namespace: {namespace}, metric: {bad} }}\n"
        )
    };
    let slos =
        [slo("one", "Shop A", "B", "E"), slo("other", "Shop", "A B", "A E"), slo("none", "It's", "A; B", "C")].concat();
    let scene = Scene::new(FLEET, &[("orders", &format!("service: orders\nslos:\n{slos}"))]);
    let series = [("Shop A", "B", 100), ("Shop A", "E", 1), ("Shop", "A B", 7), ("Shop", "A E", 3)].map(
        |(namespace, name, sum)| {
            format!(
                r#"{{"namespace": "{namespace}", "metric": "{name}", "dimensions": {{}}, "account": "123456789012",
            "region": "eu-west-1", "start": "2026-10-31T11:00Z", "sums": [{sum}]}}"#
            )
        },
    );
    scene.peer.post("/_series", &format!("[{}]", series.join(",")));
    let stderr = scene.run_stderr(NOW);
    assert!(stderr.contains(r#"--namespace "It's" --metric-name 'A; B'` lists"#), "{stderr}");
    let (one, other) = ("1 minutes, 100 total, 1 bad", "1 minutes, 7 total, 3 bad");
    assert_eq!(scene.known(), known(&[("orders/one", one), ("orders/other", other)]));
}

#[test]
fn ratio_of_custom_metrics_is_counted() {
    let service = "\
service: orders
slos:
  placed:
    indicator: ratio
    objective: 99%
    total: { namespace: Shop, metric: Orders, dimensions: { Stage: prod } }
    bad: { namespace: Shop, metric: Failed, dimensions: { Stage: prod } }
";
    let scene = Scene::new(FLEET, &[("orders", service)]);
    let metric = |name: &str, sums: &str| {
        format!(
            r#"{{"namespace": "Shop", "metric": "{name}", "dimensions": {{"Stage": "prod"}}, "account": "123456789012",
            "region": "eu-west-1", "start": "2026-10-31T11:00Z", "sums": [{sums}]}}"#
        )
    };
    // The third minute has a failed order but no orders.
    let series = format!("[{}, {}]", metric("Orders", "10, 20, null, 5"), metric("Failed", "1, null, 1, 5"));
    scene.peer.post("/_series", &series);
    snapshot("ratio", &scene.run_stderr(NOW));
    assert_eq!(scene.known(), known(&[("orders/placed", "3 minutes, 35 total, 6 bad")]));
}

#[test]
fn metric_without_data_is_reported_and_yields_no_counts() {
    for (name, total, evaluated, published, wanted) in [
        // An error counter without data may be zero; this is reported.
        ("bad", "Orders", "bad: Failde", ["Orders", "Failed"], Some("4 minutes, 35 total, 0 bad")),
        ("total", "Ordesr", "bad: Failed", ["Orders", "Failed"], None),
        ("good", "Orders", "good: Fulfiled", ["Orders", "Fulfilled"], None),
        ("all", "Ordesr", "bad: Failde", ["Orders", "Failed"], None),
    ] {
        let metric = |text: &str| {
            let (what, name) = text.split_once(": ").unwrap();
            format!("    {what}: {{ namespace: Shop, metric: {name}, dimensions: {{ Stage: prod }} }}\n")
        };
        let slo = [format!("total: {total}"), evaluated.to_owned()].map(|text| metric(&text)).concat();
        let slo = format!("service: orders\nslos:\n  placed:\n    indicator: ratio\n    objective: 99%\n{slo}");
        let scene = Scene::new(FLEET, &[("orders", &slo)]);
        let [all, some] = published.map(|name| {
            let sums = if name == "Orders" { "10, 20, null, 5" } else { "1, 2, null, 5" };
            format!(
                r#"{{"namespace": "Shop", "metric": "{name}", "dimensions": {{"Stage": "prod"}}, "account": "123456789012",
                "region": "eu-west-1", "start": "2026-10-31T11:00Z", "sums": [{sums}]}}"#
            )
        });
        scene.peer.post("/_series", &format!("[{all}, {some}]"));
        snapshot(&format!("never_{name}"), &scene.run_stderr(NOW));
        let wanted = wanted.map(|sums| ("orders/placed", sums));
        assert_eq!(scene.known(), known(wanted.as_slice()), "{name}");
        // The next run fetches only a few minutes without a value and keeps earlier ones.
        let next = scene.run_stderr("2026-10-31T12:05Z");
        assert_eq!(next.contains("counts as zero"), name == "bad", "{next}");
        assert_eq!(next.contains("without it the SLO has no data"), name != "bad", "{next}");
    }
}

#[test]
fn run_stays_within_cost_limit() {
    let scene = Scene::with_shop();
    let output = scene.slowburn("run", NOW).args(["--max-cost", "0.00006"]).output().unwrap();
    let stderr = format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap());
    snapshot("too_dear", &stderr);
    assert_eq!(scene.billed_requests("metrics_billed"), 0);
    let output = scene.slowburn("run", NOW).args(["--offline"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("is empty"), "{stderr}");
    assert_eq!((output.status.code(), scene.billed_requests("metrics_billed")), (Some(4), 0));
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    let billed = scene.billed_requests("metrics_billed");
    let output = scene.slowburn("run", NOW).args(["--offline"]).output().unwrap();
    assert_eq!((output.status.code(), scene.billed_requests("metrics_billed")), (Some(0), billed));
    assert!(Path::new(scene.folder.path()).join("ledger").exists());
}

#[test]
fn backfill_over_cost_limit_does_not_block_recent_minutes() {
    let scene = Scene::with_shop();
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    scene.define("shop/new.yaml", "service: new\nload_balancer: app/new/00000000000000bb\n");
    scene.traffic("app/new/00000000000000bb", "123456789012");
    let before = scene.billed_requests("metrics_billed");
    let at = "2026-10-31T12:05Z";
    let output = scene.slowburn("run", at).args(["--max-cost", "0.00008"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr.contains("queried `metrics`: 7 metrics, 1 request, data for 2 SLIs"), "{stderr}");
    assert!(stderr.contains("skipped `metrics` to stay within `--max-cost`: "), "{stderr}");
    assert_eq!(scene.billed_requests("metrics_billed") - before, 7);
    assert!(scene.known().keys().all(|slo| slo.starts_with("shop/")));
}

#[test]
fn run_at_future_time_fetches_up_to_now_and_sends_no_notification() {
    let scene = Scene::with_shop();
    let book = scene.folder.path().join("ledger/alerts.json");
    for at in ["2026-10-31T12:30Z", "2026-10-31T16:00Z"] {
        let mut run = scene.slowburn("run", at);
        let output = run.env("SLOWBURN_CLOCK", NOW).args(["--metrics", "SLO"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(stderr.contains(&format!("warning: {at} is in the future: no notification is sent")), "{stderr}");
        assert_eq!(scene.known(), known(&ALL), "counts of {at} are unknown");
        assert!(!book.exists(), "alerts of {at} are not evaluated");
    }
    let requests: Vec<serde_json::Value> = serde_json::from_str(&scene.peer.requests()).unwrap();
    let beyond = |request: &&serde_json::Value| {
        request["action"] != "GetMetricData" || request["end"].as_str() > Some("2026-10-31T11:57:00Z")
    };
    assert_eq!(requests.iter().find(beyond), None);
    // Later data is not lost.
    scene.requests("app/shop/00000000000000aa", "2026-10-31T11:57Z", &[50; 10]);
    assert!(!scene.run_stderr("2026-10-31T12:10Z").contains("in the future"));
    assert_eq!(scene.minutes("shop/availability"), ["10:57-11:57 100", "11:57-12:07 50"]);
    assert!(book.exists());
}

#[test]
fn state_recorded_for_future_time_is_discarded() {
    let scene = Scene::with_shop();
    // The clock is four and a half hours fast.
    assert!(scene.run_stderr("2026-10-31T16:30Z").starts_with("exit 0\n"));
    assert_eq!(scene.minutes("shop/availability"), ["10:57-11:57 100", "11:57-14:30 0"]);
    scene.requests("app/shop/00000000000000aa", "2026-10-31T11:57Z", &[50; 15]);
    let stderr = scene.run_stderr("2026-10-31T12:05Z");
    assert!(
        stderr
            .starts_with("exit 0\ndiscarded data from `metrics` that an earlier run recorded for a time in the future"),
        "{stderr}"
    );
    assert_eq!(scene.minutes("shop/availability"), ["10:57-11:57 100", "11:57-12:02 50"]);
    let stderr = scene.run_stderr("2026-10-31T12:15Z");
    assert!(!stderr.contains("an earlier run"), "{stderr}");
    assert_eq!(scene.minutes("shop/availability"), ["10:57-11:57 100", "11:57-12:12 50"]);
}

#[test]
fn late_values_are_unknown_until_they_arrive_and_never_no_traffic() {
    let one = "service: one\nload_balancer: app/one/00000000000000aa\n";
    let other = "service: other\nload_balancer: app/other/00000000000000bb\n";
    let scene = Scene::new(AVAILABILITY, &[("one", one), ("other", other)]);
    let deliver = |start: &str, minutes: usize| {
        for balancer in ["app/one/00000000000000aa", "app/other/00000000000000bb"] {
            scene.requests(balancer, start, &vec![300; minutes]);
        }
    };
    // CloudWatch is twenty minutes late for most of an hour and then catches up.
    for (at, start, minutes, known) in [
        ("2026-10-31T12:00Z", "2026-10-31T10:00Z", 100, "10:00-11:40 300"),
        ("2026-10-31T12:05Z", "2026-10-31T11:40Z", 5, "10:00-11:45 300"),
        ("2026-10-31T12:30Z", "2026-10-31T11:45Z", 25, "10:00-12:10 300"),
        ("2026-10-31T12:40Z", "2026-10-31T12:10Z", 10, "10:00-12:20 300"),
        ("2026-10-31T12:45Z", "2026-10-31T12:20Z", 22, "10:00-12:42 300"),
    ] {
        deliver(start, minutes);
        assert!(scene.run_stderr(at).starts_with("exit 0\n"));
        for slo in ["one/availability", "other/availability"] {
            assert_eq!(scene.minutes(slo), [known], "{slo} at {at}");
        }
    }
}

#[test]
fn missing_value_is_no_traffic_beside_other_values_or_after_two_hours() {
    let quiet = "service: quiet\nload_balancer: app/quiet/00000000000000aa\n";
    let busy = "service: busy\nload_balancer: app/busy/00000000000000bb\n";
    let scene = Scene::new(AVAILABILITY, &[("quiet", quiet), ("busy", busy)]);
    scene.requests("app/quiet/00000000000000aa", "2026-10-31T11:10Z", &[5]);
    scene.requests("app/busy/00000000000000bb", "2026-10-31T11:00Z", &[300; 57]);
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    assert_eq!(scene.minutes("quiet/availability"), ["11:10-11:11 5", "11:11-11:45 0"]);
    // A late value replaces the idle minute.
    scene.requests("app/quiet/00000000000000aa", "2026-10-31T11:20Z", &[7]);
    assert!(scene.run_stderr("2026-10-31T12:05Z").starts_with("exit 0\n"));
    let known = ["11:10-11:11 5", "11:11-11:20 0", "11:20-11:21 7", "11:21-11:50 0"];
    assert_eq!(scene.minutes("quiet/availability"), known);
    // Later no series has values, and minutes idle by values of other series stay so.
    for (at, end) in [("2026-10-31T13:00Z", "11:57"), ("2026-10-31T14:05Z", "12:05")] {
        assert!(scene.run_stderr(at).starts_with("exit 0\n"));
        let known = [known[0], known[1], known[2], &format!("11:21-{end} 0")];
        assert_eq!(scene.minutes("quiet/availability"), known, "{at}");
    }
    assert_eq!(scene.minutes("busy/availability"), ["11:00-11:57 300", "11:57-12:05 0"]);
}

#[test]
fn minutes_before_first_value_are_unknown_and_weeks_of_silence_are_known() {
    let young = "service: young\nload_balancer: app/young/00000000000000aa\n";
    let rare = "service: rare\nload_balancer: app/rare/00000000000000bb\n";
    let scene = Scene::new(&AVAILABILITY.replace("[7d]", "[30d]"), &[("young", young), ("rare", rare)]);
    scene.requests("app/young/00000000000000aa", "2026-10-09T12:00Z", &vec![10; 22 * 1_440 - 3]);
    scene.requests("app/rare/00000000000000bb", "2026-10-10T12:00Z", &[1; 60]);
    let output = scene.slowburn("run", NOW).args(["--format", "json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let known_minutes = |service: &str| {
        let mut rows = status["slos"].as_array().unwrap().iter();
        let row = rows.find(|row| row["service"] == service).unwrap();
        (row["known_minutes"].as_u64().unwrap(), row["minutes"].as_u64().unwrap(), row["total"].as_u64().unwrap())
    };
    assert_eq!(known_minutes("young"), (22 * 1_440 - 3, 30 * 1_440, 10 * (22 * 1_440 - 3)));
    // Known since its first value, up to the age at which missing values may still be late.
    assert_eq!(known_minutes("rare"), (21 * 1_440 - 15, 30 * 1_440, 60));
    // The next run fetches two empty hours, which are then known to be idle.
    scene.requests("app/young/00000000000000aa", "2026-10-31T11:57Z", &[10; 5]);
    assert!(scene.run_stderr("2026-10-31T12:05Z").starts_with("exit 0\n"));
    assert_eq!(scene.minutes("rare/availability").last().unwrap().rsplit_once('-').unwrap().1, "11:50 0");
}

#[test]
fn series_with_earlier_data_is_refetched_for_gap_after_it() {
    let scene = Scene::with_shop();
    scene.requests("app/shop/00000000000000aa", "2026-10-21T12:00Z", &[5; 60]);
    assert!(scene.run_stderr(NOW).starts_with("exit 0\n"));
    assert_eq!(scene.minutes("shop/availability"), ["10:57-11:57 100"]);
    scene.define("fleet.yaml", &FLEET.replace("[7d]", "[13d]"));
    for at in ["2026-10-31T12:05Z", "2026-10-31T12:10Z"] {
        assert!(scene.run_stderr(at).starts_with("exit 0\n"));
    }
    let known = ["2026-10-21T12:00Z-2026-10-21T13:00Z 5", "2026-10-21T13:00Z-10:57 0", "10:57-11:57 100"];
    assert_eq!(scene.minutes("shop/availability"), known);
    let billed = scene.billed_requests("metrics_billed");
    assert!(scene.run_stderr("2026-10-31T12:15Z").starts_with("exit 0\n"));
    assert_eq!(scene.billed_requests("metrics_billed"), billed + 7, "once is enough");
}

#[test]
fn second_emulator_returns_same_counts() {
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakes/cloudwatch_wire_check.py");
    let mut python = Command::new("python3");
    python.arg(check).arg("--ministack").arg(ministack_python()).args(["--slowburn", env!("CARGO_BIN_EXE_slowburn")]);
    let output = python.env("PYTHONPATH", packages()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

//! Counts from CloudWatch, through the real SDK against a peer that speaks its protocol.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use crate::peers::{Peer, ministack, packages};

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
const NOW: &str = "2026-10-31T12:00Z";

/// A peer with metrics of one balancer, and definitions of its service.
struct Scene {
    peer: Peer,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(fleet: &str, services: &[(&str, &str)]) -> Self {
        let peer = Peer::start("cloudwatch_peer.py", &format!(r#"{{"now": "{NOW}"}}"#));
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

    /// An hour of 100 requests a minute, three of them errors, one made by the balancer; 20 of 97 answers are slow.
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
        self.slowburn("run", at).arg("--quiet").output().unwrap()
    }

    /// What a run said, with its exit code.
    fn said(&self, at: &str) -> String {
        let output = self.run(at);
        format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Known minutes and their sums, by SLO: `60 minutes, 6000 total, 180 bad`.
    fn known(&self) -> BTreeMap<String, String> {
        let output = self.slowburn("export", NOW).output().unwrap();
        crate::peers::known(&output.stdout)
    }

    /// What the peer has counted: `metrics_billed`, or its `requests`.
    fn billed(&self, what: &str) -> u64 {
        let counters = &self.peer.counters()["counters"];
        let counter = if what == "requests" { &counters[what]["GetMetricData"] } else { &counters[what] };
        counter.as_u64().unwrap_or(0)
    }

    fn control(&self, settings: &str) {
        self.peer.post("/_control", settings);
    }
}

fn known(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(slo, sums)| ((*slo).to_owned(), (*sums).to_owned())).collect()
}

fn snapshot(name: &str, text: &str) {
    insta::assert_snapshot!(name, text);
}

/// Seven days are known but for the last minutes: before the first value there was no traffic.
const ALL: [(&str, &str); 2] = [
    ("shop/availability", "11577 minutes, 6000 total, 180 bad"),
    ("shop/latency", "11577 minutes, 5940 total, 1200 bad"),
];

#[test]
fn a_minute_is_asked_for_once_and_a_young_one_again() {
    let scene = Scene::with_shop();
    let forecast = scene.slowburn("cost", NOW).output().unwrap();
    let forecast = String::from_utf8(forecast.stdout).unwrap();
    assert!(forecast.contains("windows, once: 7 metrics of CloudWatch, $0.00007\n"), "{forecast}");
    snapshot("first_run", &scene.said(NOW));
    let forecast = scene.slowburn("cost", NOW).output().unwrap();
    assert!(!String::from_utf8(forecast.stdout).unwrap().contains("first run"));
    assert_eq!(scene.known(), known(&ALL));
    let asked = scene.billed("requests");
    // Seven metrics, of which the times have two statistics.
    assert_eq!(scene.billed("metrics_billed"), 7);
    // Before the next five minutes there is nothing new.
    assert!(scene.said("2026-10-31T12:04Z").starts_with("exit 0\n`metrics` has been asked up to 2026-10-31T11:57Z\n"));
    assert_eq!(scene.billed("requests"), asked);
    assert!(scene.said("2026-10-31T12:05Z").starts_with("exit 0\nasked `metrics` for 7 metrics in 1 request;"));
    let last = scene.peer.requests();
    assert!(last.contains("2026-10-31T11:45") && last.contains("2026-10-31T12:02"), "{last}");
}

#[test]
fn nothing_that_was_not_answered_whole_is_stored() {
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
        scene.control(settings);
        snapshot(name, &scene.said(NOW));
        assert_eq!(scene.known(), known(&stored), "{name}");
        // The next run asks for what is missing, and for nothing that is there.
        scene.peer.post("/_reset", "");
        scene.control(&format!(r#"{{"now": "{NOW}"}}"#));
        assert!(scene.said(NOW).starts_with("exit 0\n"));
        assert_eq!(scene.known(), known(&ALL), "{name}");
        let asked = if stored.is_empty() { 7 } else { 8 - scene_metrics(&stored) };
        assert!(scene.billed("metrics_billed") <= asked, "{name}");
    }
}

/// Metrics that need not be asked for again.
fn scene_metrics(stored: &[(&str, &str)]) -> u64 {
    stored.iter().map(|(slo, _)| if slo.ends_with("latency") { 1 } else { 6 }).sum()
}

#[test]
fn throttling_errors_and_lost_connections_are_tried_again() {
    for settings in [
        r#"{"faults": [{"action": "GetMetricData", "code": "ThrottlingException", "status": 400, "times": 2}]}"#,
        r#"{"faults": [{"action": "GetMetricData", "code": "InternalServiceFault", "status": 500, "times": 2}]}"#,
        r#"{"faults": [{"action": "GetMetricData", "drop": true, "times": 2}]}"#,
        r#"{"page": 30}"#,
        r#"{"latency_s": 0.2}"#,
    ] {
        let scene = Scene::with_shop();
        scene.control(settings);
        let said = scene.said(NOW);
        assert!(said.starts_with("exit 0\n"), "{settings}: {said}");
        assert_eq!(scene.known(), known(&ALL), "{settings}");
    }
}

#[test]
fn a_forbidden_account_blinds_nobody_else() {
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
    scene.control(r#"{"results": [{"account": "222222222222", "code": "Forbidden"}]}"#);
    snapshot("three_accounts", &scene.said(NOW));
    let sums = "11577 minutes, 6000 total, 180 bad";
    assert_eq!(scene.known(), known(&[("one/availability", sums), ("three/availability", sums)]));
}

#[test]
fn a_role_that_may_not_be_assumed_is_named_with_what_it_takes() {
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
    scene.control(
        r#"{"faults": [{"action": "AssumeRole", "code": "AccessDenied", "status": 403, "times": 9, "message":
        "User: arn:aws:sts::123456789012:assumed-role/task/1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::333333333333:role/slowburn"}]}"#,
    );
    snapshot("role_refused", &scene.said(NOW));
    assert_eq!(scene.known(), known(&[("ours/availability", "11577 minutes, 6000 total, 180 bad")]));
}

#[test]
fn credentials_that_cannot_be_had_are_not_told_as_a_service_that_is_away() {
    let scene = Scene::with_shop();
    let mut run = scene.slowburn("run", NOW);
    run.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").arg("--quiet");
    run.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/slowburn").env("AWS_WEB_IDENTITY_TOKEN_FILE", "/not/there");
    let said = String::from_utf8(run.output().unwrap().stderr).unwrap();
    assert!(said.contains("there were no credentials to ask with: No such file or directory"), "{said}");
    assert!(said.contains("\nhint: there are no credentials: give the task a role"), "{said}");
}

#[test]
fn a_balancer_that_never_had_a_value_is_named_and_one_whose_window_grew_is_not() {
    let scene = Scene::with_shop();
    for number in 1..=7 {
        let text = format!("service: typo{number}\nload_balancer: app/typo{number}/00000000000000ab\n");
        scene.define(&format!("shop/typo{number}.yaml"), &text);
    }
    snapshot("never_balancer", &scene.said(NOW));
    assert_eq!(scene.known(), known(&ALL));
    for number in 1..=7 {
        std::fs::remove_file(scene.folder.path().join(format!("slos/shop/typo{number}.yaml"))).unwrap();
    }
    scene.define("fleet.yaml", &FLEET.replace("[7d]", "[13d]"));
    let said = scene.said("2026-10-31T12:05Z");
    assert!(said.starts_with("exit 0\n") && !said.contains("no value"), "{said}");
    assert!(scene.billed("metrics_billed") > 7);
}

#[test]
fn ratios_of_names_with_spaces_are_told_apart_and_their_remedy_can_be_pasted() {
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
    let said = scene.said(NOW);
    assert!(said.contains(r#"--namespace "It's" --metric-name 'A; B'` lists"#), "{said}");
    let (one, other) = ("11565 minutes, 100 total, 1 bad", "11565 minutes, 7 total, 3 bad");
    assert_eq!(scene.known(), known(&[("orders/one", one), ("orders/other", other)]));
}

#[test]
fn a_ratio_counts_what_any_metrics_say() {
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
    // The third minute has no orders and yet a failed one.
    let series = format!("[{}, {}]", metric("Orders", "10, 20, null, 5"), metric("Failed", "1, null, 1, 5"));
    scene.peer.post("/_series", &series);
    snapshot("ratio", &scene.said(NOW));
    assert_eq!(scene.known(), known(&[("orders/placed", "11564 minutes, 35 total, 6 bad")]));
}

#[test]
fn a_metric_that_never_was_is_named_and_never_makes_a_number_by_itself() {
    for (name, total, judged, published, wanted) in [
        // A counter of errors may not have had any yet: zero, said aloud.
        ("bad", "Orders", "bad: Failde", ["Orders", "Failed"], Some("11565 minutes, 35 total, 0 bad")),
        ("total", "Ordesr", "bad: Failed", ["Orders", "Failed"], None),
        ("good", "Orders", "good: Fulfiled", ["Orders", "Fulfilled"], None),
        ("all", "Ordesr", "bad: Failde", ["Orders", "Failed"], None),
    ] {
        let metric = |text: &str| {
            let (what, name) = text.split_once(": ").unwrap();
            format!("    {what}: {{ namespace: Shop, metric: {name}, dimensions: {{ Stage: prod }} }}\n")
        };
        let slo = [format!("total: {total}"), judged.to_owned()].map(|text| metric(&text)).concat();
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
        snapshot(&format!("never_{name}"), &scene.said(NOW));
        let wanted = wanted.map(|sums| ("orders/placed", sums));
        assert_eq!(scene.known(), known(wanted.as_slice()), "{name}");
        // The next run asks for a few minutes without a value, and remembers what there was.
        let next = scene.said("2026-10-31T12:05Z");
        assert_eq!(next.contains("counts as zero"), name == "bad", "{next}");
        assert_eq!(next.contains("without it nothing is known"), name != "bad", "{next}");
    }
}

#[test]
fn a_run_costs_no_more_than_it_may() {
    let scene = Scene::with_shop();
    let output = scene.slowburn("run", NOW).args(["--quiet", "--max-cost", "0.00006"]).output().unwrap();
    let said = format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap());
    snapshot("too_dear", &said);
    assert_eq!(scene.billed("metrics_billed"), 0);
    let output = scene.slowburn("run", NOW).args(["--quiet", "--offline"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no ledger at") && said.contains("without `--offline`"), "{said}");
    assert_eq!((output.status.code(), scene.billed("metrics_billed")), (Some(4), 0));
    assert!(scene.said(NOW).starts_with("exit 0\n"));
    let billed = scene.billed("metrics_billed");
    let output = scene.slowburn("run", NOW).args(["--quiet", "--offline"]).output().unwrap();
    assert_eq!((output.status.code(), scene.billed("metrics_billed")), (Some(0), billed));
    assert!(Path::new(scene.folder.path()).join("ledger").exists());
}

#[test]
fn a_past_that_is_too_dear_takes_nothing_from_the_present() {
    let scene = Scene::with_shop();
    assert!(scene.said(NOW).starts_with("exit 0\n"));
    scene.define("shop/new.yaml", "service: new\nload_balancer: app/new/00000000000000bb\n");
    scene.traffic("app/new/00000000000000bb", "123456789012");
    let before = scene.billed("metrics_billed");
    let at = "2026-10-31T12:05Z";
    let output = scene.slowburn("run", at).args(["--quiet", "--max-cost", "0.00008"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(said.contains("asked `metrics` for 7 metrics in 1 request; 2 SLIs answered"), "{said}");
    assert!(said.contains("`metrics` is not asked: 7 metrics of CloudWatch would cost"), "{said}");
    assert_eq!(scene.billed("metrics_billed") - before, 7);
    assert!(scene.known().keys().all(|slo| slo.starts_with("shop/")));
}

#[test]
fn another_emulator_speaks_the_same_bytes() {
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/wire_check.py");
    let mut python = Command::new("python3");
    python.arg(check).arg("--ministack").arg(ministack()).args(["--slowburn", env!("CARGO_BIN_EXE_slowburn")]);
    let output = python.env("PYTHONPATH", packages()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

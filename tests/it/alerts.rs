//! Alerts end to end: the slowburn binary, a real ledger, and strict fakes of PagerDuty and Slack.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use slowburn::internals::{Minute, Span};

use crate::peers::Peer;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const WEBHOOK_PATH: &str = "/services/T0SECRET/B0SECRET/hush-hush-hush";

const FLEET: &str = "\
sources: { given: { counts: ./counts, delay: 1m } }
teams:
  shop: { pages: 'pagerduty:${KEY}', tickets: 'slack:${HOOK}' }
  sre: { pages: 'pagerduty:${SRE_KEY}', tickets: 'slack:${HOOK}' }
alerts: { team: sre, stale_after: none }
classes: { standard: { slos: {} } }
";

/// A fleet with given counts, and a fake that receives notifications.
struct Scene {
    folder: tempfile::TempDir,
    peer: Peer,
}

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

impl Scene {
    fn new(services: &[&str]) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), peer: Peer::start("channels_server.py", "{}") };
        scene.write("slos/fleet.yaml", FLEET);
        for service in services {
            let text = format!(
                "service: {service}\nrunbook: https://wiki.example.com/{service}\nslos:\n  orders:\n    indicator: counts\n    \
                 file: {service}.csv\n    objective: 99.9%\n    severe: {{ outage: 5m }}\n"
            );
            scene.write(&format!("slos/shop/{service}.yaml"), &text);
        }
        scene
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a hundred events per minute from midnight on, with bad events in some spans.
    fn counts(&self, service: &str, end: Minute, bad: &[(Span, u32)]) {
        let mut text = "minute,total,bad\n".to_owned();
        for at in (minute("2026-10-01T00:00Z").0..end.0).map(Minute) {
            let bad = bad.iter().find(|(span, _)| span.contains(at)).map_or(0, |(_, bad)| *bad);
            writeln!(text, "{at},100,{bad}").unwrap();
        }
        self.write(&format!("counts/{service}.csv"), &text);
    }

    fn command(&self, ledger: &str, at: Minute) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(["run", "--quiet", "--ledger", ledger, "--at", &at.to_string()]).env_clear();
        command.current_dir(self.folder.path()).env("SLOWBURN_CLOCK", at.to_string()).env("NO_COLOR", "1");
        command.env("SLOWBURN_PAGERDUTY_URL", &self.peer.url).env("KEY", KEY).env("SRE_KEY", KEY.replace('0', "f"));
        command.env("HOOK", format!("{}{WEBHOOK_PATH}", self.peer.url));
        command
    }

    /// Runs and returns stderr.
    fn run(&self, ledger: &str, at: Minute) -> String {
        let output = self.command(ledger, at).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        stderr
    }

    /// Kills a run at its n-th write or delivery. Returns `false` if it ended before.
    fn killed_at(&self, point: u64, ledger: &str, at: Minute) -> bool {
        let mut command = self.command(ledger, at);
        command.env("SLOWBURN_STOP_AT_WRITE", point.to_string()).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let stopped = lines.any(|line| line.unwrap() == format!("stopped at write point {point}"));
        if stopped {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        stopped
    }

    fn sent_alerts(&self) -> Vec<Value> {
        serde_json::from_str(&self.peer.post("/_alerts", "")).unwrap()
    }

    fn requests(&self) -> Vec<Value> {
        serde_json::from_str(&self.peer.requests()).unwrap()
    }
}

const fn span(start: Minute, minutes: i32) -> Span {
    Span { start, end: start.plus(minutes) }
}

#[test]
fn run_killed_at_any_step_sends_each_notification_once() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    let outage = [(span(noon, 20), 100)];
    let mut points = 0;
    for point in 1.. {
        let ledger = format!("ledger-{point}");
        scene.peer.post("/_reset", "");
        scene.counts("checkout", noon, &[]);
        scene.run(&ledger, noon.plus(1));
        scene.counts("checkout", noon.plus(10), &outage);
        let stopped = scene.killed_at(point, &ledger, noon.plus(11));
        scene.run(&ledger, noon.plus(11));
        scene.counts("checkout", noon.plus(1_000), &outage);
        scene.run(&ledger, noon.plus(1_001));
        let alerts = scene.sent_alerts();
        assert_eq!(alerts.len(), 1, "killed at point {point}: {alerts:?}");
        assert_eq!(alerts[0]["status"], "resolved", "killed at point {point}: {alerts:?}");
        assert_eq!(alerts[0]["severities"][0], "critical", "killed at point {point}: {alerts:?}");
        if !stopped {
            break;
        }
        points = point;
    }
    assert!(points > 12, "only {points} points were passed");
    println!("{points} points");
}

#[test]
fn page_contains_what_on_call_needs() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    let bad = [(span(noon, 30), 40)];
    let (mut stderr, mut requests) = (Vec::new(), Vec::new());
    for at in [0, 6, 20, 60, 300, 700, 1_000] {
        scene.counts("checkout", noon.plus(at), &bad);
        stderr.push(scene.run("ledger", noon.plus(at + 1)));
        // Destinations are notified at the same time, so their order within a run is chance.
        let mut new_requests = scene.requests().split_off(requests.len());
        new_requests.sort_by_key(|request| request["action"].to_string());
        requests.append(&mut new_requests);
    }
    insta::assert_snapshot!("alerts_run", stderr.join("--\n"));
    let bodies = requests.into_iter().map(|request| {
        let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
        format!("{} {}\n{body:#}", request["action"].as_str().unwrap(), request["status"])
    });
    insta::assert_snapshot!("alerts_sent", bodies.collect::<Vec<_>>().join("\n\n"));
    let explain = Command::new(env!("CARGO_BIN_EXE_slowburn"))
        .args(["explain", "checkout/orders", "--ledger", "ledger", "--at", "2026-10-01T12:15Z"])
        .current_dir(scene.folder.path())
        .env_clear()
        .output()
        .unwrap();
    insta::assert_snapshot!("alerts_explained", String::from_utf8_lossy(&explain.stdout));
}

#[test]
fn shared_outage_is_one_incident_for_platform_team() {
    let services = ["one", "two", "three", "four", "five", "six"];
    let scene = Scene::new(&services);
    let noon = minute("2026-10-01T12:00Z");
    for service in services {
        scene.counts(service, noon, &[]);
    }
    scene.run("ledger", noon.plus(1));
    for (late, service) in (0..).zip(services) {
        scene.counts(service, noon.plus(12), &[(span(noon.plus(late), 60), 100)]);
    }
    let stderr = scene.run("ledger", noon.plus(13));
    let alerts = scene.sent_alerts();
    assert_eq!(alerts.len(), 1, "{stderr}\n{alerts:?}");
    assert!(alerts[0]["name"][1].as_str().unwrap().contains("given@"), "{alerts:?}");
    let slack = scene.requests().iter().filter(|request| request["action"] == "slack").count();
    assert_eq!(slack, services.len(), "every team gets a ticket: {stderr}");
}

#[test]
fn tickets_upgraded_to_pages_together_form_one_group() {
    let services = ["one", "two", "three", "four", "five"];
    let scene = Scene::new(&services);
    let noon = minute("2026-10-01T12:00Z");
    // Enough for a ticket, but not for a page.
    let count = |end: Minute| {
        let bad =
            [(span(noon, 600), 100), (Span { start: noon.plus(-120), end: noon }, 1), (span(noon.plus(-600), 300), 1)];
        for service in services {
            scene.counts(service, end, &bad);
        }
    };
    count(noon);
    scene.run("ledger", noon.plus(1));
    let tickets = scene.requests().len();
    assert!(tickets >= services.len() && scene.sent_alerts().is_empty(), "{:?}", scene.requests());
    count(noon.plus(12));
    let stderr = scene.run("ledger", noon.plus(13));
    let alerts = scene.sent_alerts();
    assert_eq!(alerts.len(), 1, "{stderr}\n{alerts:?}");
    assert!(alerts[0]["name"][1].as_str().unwrap().contains("given@"), "{alerts:?}");
}

#[test]
fn outage_beside_group_pages_its_own_team_and_group_closes_with_members() {
    let shared = ["one", "two", "three", "four", "five"];
    let scene = Scene::new(&shared);
    let file = fs::read_to_string(scene.folder.path().join("slos/shop/one.yaml")).unwrap();
    scene.write("slos/shop/other.yaml", &file.replace("one", "other"));
    let noon = minute("2026-10-01T12:00Z");
    let count = |end: Minute| {
        for service in shared {
            scene.counts(service, end, &[(span(noon, 3_000), 100)]);
        }
        scene.counts("other", end, &[(span(noon.plus(130), 3_000), 100)]);
    };
    count(noon);
    scene.run("ledger", noon.plus(1));
    count(noon.plus(12));
    scene.run("ledger", noon.plus(13));
    count(noon.plus(150));
    let stderr = scene.run("ledger", noon.plus(151));
    let names = |alerts: Vec<Value>, status: &str| {
        let alerts = alerts.into_iter().filter(|alert| alert["status"] == status);
        alerts.map(|alert| alert["name"][1].as_str().unwrap().split('@').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(scene.sent_alerts(), "triggered"), ["sourcegiven", "other/orders"], "{stderr}");
    for service in shared {
        fs::remove_file(scene.folder.path().join(format!("slos/shop/{service}.yaml"))).unwrap();
    }
    count(noon.plus(155));
    scene.run("ledger", noon.plus(156));
    assert_eq!(names(scene.sent_alerts(), "triggered"), ["other/orders"]);
    assert_eq!(names(scene.sent_alerts(), "resolved"), ["sourcegiven"]);
}

#[test]
fn failed_destination_is_retried_without_delaying_others() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    let bad = [(span(noon, 400), 100)];
    scene.counts("checkout", noon, &[]);
    scene.run("ledger", noon.plus(1));
    scene.counts("checkout", noon.plus(10), &bad);
    scene.peer.post("/_control", r#"{"faults": [{"action": "enqueue", "status": 503}, {"action": "enqueue", "status": 429, "headers": {"Retry-After": "120"}}]}"#);
    let down = scene.command("ledger", noon.plus(11)).output().unwrap();
    assert_eq!(down.status.code(), Some(3));
    let busy = scene.command("ledger", noon.plus(13)).output().unwrap();
    assert_eq!(busy.status.code(), Some(3), "{}", String::from_utf8_lossy(&busy.stderr));
    // Not before the requested `Retry-After`.
    let waiting = scene.command("ledger", noon.plus(14)).output().unwrap();
    assert_eq!(waiting.status.code(), Some(3), "a quiet run before the next attempt is not complete either");
    let warning = String::from_utf8_lossy(&waiting.stderr).into_owned();
    assert!(warning.contains("has not been notified of checkout/orders@2026-10-01T12:01Z"), "{warning}");
    assert_eq!(scene.sent_alerts().len(), 0);
    let status = Command::new(env!("CARGO_BIN_EXE_slowburn"))
        .args(["status", "--ledger", "ledger", "--at", &noon.plus(14).to_string()])
        .current_dir(scene.folder.path())
        .env_clear()
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(table.contains("1 notification not delivered yet, will retry"), "{table}");
    scene.run("ledger", noon.plus(16));
    assert_eq!(scene.sent_alerts().len(), 1);
    let book = fs::read_to_string(scene.folder.path().join("ledger/alerts.json")).unwrap();
    let stderr = String::from_utf8_lossy(&down.stderr).into_owned() + &book;
    assert!(!stderr.contains(KEY) && !stderr.contains("hush"), "{stderr}");
    insta::assert_snapshot!("alerts_channel_down", String::from_utf8_lossy(&down.stderr));
}

#[test]
fn platform_team_is_notified_of_undelivered_page_and_its_delivery() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    let outage = [(span(noon, 3_000), 100)];
    scene.counts("checkout", noon, &[]);
    scene.run("ledger", noon.plus(1));
    scene.counts("checkout", noon.plus(10), &outage);
    let sre = KEY.replace('0', "f");
    scene.peer.post("/_control", &format!(r#"{{"keys": ["{sre}"]}}"#));
    assert_eq!(scene.command("ledger", noon.plus(11)).output().unwrap().status.code(), Some(3));
    let alerts = scene.sent_alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((&alerts[0]["name"][0], &alerts[0]["severities"][0]), (&sre.clone().into(), &"critical".into()));
    let summary = alerts[0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("could not notify team shop: checkout/orders"), "{summary}");
    scene.peer.post("/_control", r#"{"keys": []}"#);
    scene.run("ledger", noon.plus(50));
    let statuses: Vec<(bool, Value)> =
        scene.sent_alerts().into_iter().map(|one| (one["name"][0] == sre.as_str(), one["status"].clone())).collect();
    assert_eq!(statuses, [(true, "resolved".into()), (false, "triggered".into())]);
}

#[test]
fn platform_team_is_notified_when_retry_after_is_one_day() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    scene.counts("checkout", noon, &[]);
    scene.run("ledger", noon.plus(1));
    scene.counts("checkout", noon.plus(10), &[(span(noon, 3_000), 100)]);
    let busy = r#"{"faults": [{"action": "enqueue", "status": 429, "headers": {"Retry-After": "86400"}, "times": 1}]}"#;
    scene.peer.post("/_control", busy);
    assert_eq!(scene.command("ledger", noon.plus(11)).output().unwrap().status.code(), Some(3));
    let alerts = scene.sent_alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["name"][0], KEY.replace('0', "f"), "{alerts:?}");
}

#[test]
fn unresponsive_destination_does_not_delay_pages_to_others() {
    let services: Vec<String> = (0..12).map(|number| format!("a{number:02}")).collect();
    let names: Vec<&str> = services.iter().map(String::as_str).collect();
    let scene = Scene::new(&names);
    let noon = minute("2026-10-01T12:00Z");
    // It accepts connections and never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let fleet = FLEET.replace("pages: 'pagerduty:${KEY}'", "pages: 'slack:${SILENT}'");
    scene.write("slos/fleet.yaml", &fleet.replace("stale_after: none", "stale_after: none, shared_cause: none"));
    let file = fs::read_to_string(scene.folder.path().join("slos/shop/a00.yaml")).unwrap();
    scene.write("slos/sre/zebra.yaml", &file.replace("a00", "zebra"));
    let count = |end: Minute, bad: &[(Span, u32)]| {
        names.iter().chain(&["zebra"]).for_each(|service| scene.counts(service, end, bad));
    };
    count(noon, &[]);
    scene.run("ledger", noon.plus(1));
    count(noon.plus(10), &[(span(noon, 600), 100)]);
    let mut command = scene.command("ledger", noon.plus(11));
    command.env("SILENT", format!("http://{}/services/x", silent.local_addr().unwrap()));
    let mut run = command.stderr(Stdio::null()).spawn().unwrap();
    let began = std::time::Instant::now();
    while scene.sent_alerts().is_empty() && began.elapsed().as_secs() < 8 {
        std::thread::yield_now();
    }
    let alerts = scene.sent_alerts();
    run.kill().unwrap();
    run.wait().unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0]["name"][1].as_str().unwrap().starts_with("zebra"), "{alerts:?}");
}

#[test]
fn past_wrong_clock_does_not_delay_notifications() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    scene.counts("checkout", noon, &[]);
    scene.run("ledger", noon.plus(1));
    scene.counts("checkout", noon.plus(10), &[(span(noon, 600), 100)]);
    scene.peer.post("/_control", r#"{"faults": [{"action": "enqueue", "status": 503, "times": 1}]}"#);
    let years_later = minute("2029-10-01T12:00Z");
    assert_eq!(scene.command("ledger", years_later).output().unwrap().status.code(), Some(3));
    scene.run("ledger", noon.plus(16));
    assert_eq!(scene.sent_alerts().len(), 1);
}

#[test]
fn undelivered_notices_do_not_repeat_when_all_destinations_fail() {
    let scene = Scene::new(&["checkout"]);
    let both = "sre: { pages: ['pagerduty:${SRE_KEY}', 'slack:${HOOK}'] }";
    scene.write(
        "slos/fleet.yaml",
        &FLEET.replace("sre: { pages: 'pagerduty:${SRE_KEY}', tickets: 'slack:${HOOK}' }", both),
    );
    let noon = minute("2026-10-01T12:00Z");
    scene.counts("checkout", noon, &[]);
    scene.run("ledger", noon.plus(1));
    scene.counts("checkout", noon.plus(300), &[(span(noon, 600), 100)]);
    scene.peer.post("/_control", r#"{"faults": [{"action": "*", "status": 400, "times": 9999}]}"#);
    let mut kept = Vec::new();
    for at in [11, 42, 73, 104, 135] {
        assert_eq!(scene.command("ledger", noon.plus(at)).output().unwrap().status.code(), Some(3));
        let book: Value =
            serde_json::from_slice(&fs::read(scene.folder.path().join("ledger/alerts.json")).unwrap()).unwrap();
        kept.push(book["outbox"].as_array().unwrap().len());
    }
    // The page, and one notice of its failed delivery to each destination of the platform team.
    assert_eq!(kept, [3; 5]);
}

#[test]
fn silence_suppresses_notifications_and_removed_slo_closes_incident() {
    let scene = Scene::new(&["checkout", "search"]);
    let noon = minute("2026-10-01T12:00Z");
    let bad = [(span(noon, 600), 100)];
    scene.write(
        "slos/corrections/quiet.yaml",
        "id: quiet\nreason: the old shop is switched off\ncategory: silence\nauthor: jane@example.com\nscope: { service: checkout }\n\
         start: 2026-10-01T11:00Z\nend: 2026-10-01T12:30Z\n",
    );
    for (at, alerts) in [(0, 0), (10, 1), (25, 1), (40, 2)] {
        for service in ["checkout", "search"] {
            scene.counts(service, noon.plus(at), &bad);
        }
        let stderr = scene.run("ledger", noon.plus(at + 1));
        assert_eq!(scene.sent_alerts().len(), alerts, "minute {at}: {stderr}");
    }
    fs::remove_file(scene.folder.path().join("slos/shop/search.yaml")).unwrap();
    scene.run("ledger", noon.plus(45));
    let search: Vec<Value> = scene
        .sent_alerts()
        .into_iter()
        .filter(|alert| alert["name"][1].as_str().unwrap().starts_with("search"))
        .collect();
    assert_eq!(search[0]["status"], "resolved");
}

#[test]
fn slo_that_became_invalid_is_reported_and_keeps_its_incident() {
    let scene = Scene::new(&["checkout", "search"]);
    let noon = minute("2026-10-01T12:00Z");
    let count = |end| ["checkout", "search"].map(|service| scene.counts(service, end, &[(span(noon, 600), 100)]));
    count(noon.plus(10));
    scene.run("ledger", noon.plus(11));
    let opened = scene.sent_alerts().len();
    let file = scene.folder.path().join("slos/shop/search.yaml");
    let sound = fs::read_to_string(&file).unwrap();
    fs::write(&file, sound.replace("99.9%", "99.9")).unwrap();
    let slack = || scene.requests().into_iter().filter(|one| one["path"] == WEBHOOK_PATH).collect::<Vec<_>>();
    for at in [15, 16] {
        count(noon.plus(at));
        let output = scene.command("ledger", noon.plus(at + 1)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        let delivered = slack();
        assert_eq!(delivered.len(), 1, "{stderr}");
        let body = delivered[0]["body"].as_str().unwrap();
        assert!(body.contains("1 SLO of team shop cannot be evaluated: invalid definitions"), "{body}");
        assert!(body.contains("search/orders"), "{body}");
    }
    fs::write(&file, sound).unwrap();
    count(noon.plus(20));
    scene.run("ledger", noon.plus(21));
    assert!(slack()[1]["body"].as_str().unwrap().contains("resolved: all SLOs of team shop are evaluated again"));
    let alerts = scene.sent_alerts();
    assert_eq!(alerts.len(), opened, "{alerts:#?}");
    assert!(alerts.iter().all(|alert| alert["status"] == "triggered"), "{alerts:#?}");
}

#[test]
fn removed_service_closes_incident_despite_invalid_files_of_other_team() {
    let scene = Scene::new(&["checkout", "search"]);
    let file = |place: &str| scene.folder.path().join(format!("slos/{place}.yaml"));
    fs::create_dir(scene.folder.path().join("slos/sre")).unwrap();
    fs::rename(file("shop/search"), file("sre/search")).unwrap();
    let noon = minute("2026-10-01T12:00Z");
    let count = |end| ["checkout", "search"].map(|service| scene.counts(service, end, &[(span(noon, 600), 100)]));
    count(noon.plus(10));
    scene.run("ledger", noon.plus(11));
    fs::remove_file(file("shop/checkout")).unwrap();
    let sound = fs::read_to_string(file("sre/search")).unwrap();
    fs::write(file("sre/search"), sound.replace("99.9%", "99.9")).unwrap();
    scene.write("slos/sre/third.yaml", &sound.replace("search", "third"));
    scene.counts("third", noon.plus(15), &[]);
    assert_eq!(scene.command("ledger", noon.plus(16)).output().unwrap().status.code(), Some(3));
    let statuses = scene.sent_alerts().into_iter().map(|one| (one["name"][1].clone(), one["status"].clone()));
    let key = |service: &str| Value::from(format!("{service}/orders@2026-10-01T12:10Z"));
    let expected = [(key("checkout"), "resolved".into()), (key("search"), "triggered".into())];
    let mut statuses: Vec<(Value, Value)> = statuses.collect();
    statuses.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(statuses, expected);
    let slack: Vec<Value> = scene.requests().into_iter().filter(|one| one["path"] == WEBHOOK_PATH).collect();
    assert_eq!(slack.len(), 1, "{slack:?}");
    assert!(slack[0]["body"].as_str().unwrap().contains("1 SLO of team sre cannot be evaluated"), "{slack:?}");
}

#[test]
fn new_owner_of_service_is_notified_of_open_incident() {
    let scene = Scene::new(&["checkout"]);
    let noon = minute("2026-10-01T12:00Z");
    scene.counts("checkout", noon.plus(10), &[(span(noon, 600), 100)]);
    scene.run("ledger", noon.plus(11));
    fs::create_dir(scene.folder.path().join("slos/sre")).unwrap();
    let place = |team: &str| scene.folder.path().join(format!("slos/{team}/checkout.yaml"));
    fs::rename(place("shop"), place("sre")).unwrap();
    scene.counts("checkout", noon.plus(20), &[(span(noon, 600), 100)]);
    scene.run("ledger", noon.plus(21));
    let requests = scene.requests();
    let sent = requests.iter().filter_map(|one| serde_json::from_str::<Value>(one["body"].as_str()?).ok());
    // Messages to several destinations are sent concurrently.
    let mut sent: Vec<String> =
        sent.map(|event| format!("{} {}", event["routing_key"].as_str().unwrap(), event["event_action"])).collect();
    sent.sort_unstable();
    let sre = KEY.replace('0', "f");
    let expected = [(KEY, "resolve"), (KEY, "trigger"), (&sre, "trigger")];
    assert_eq!(sent, expected.map(|(key, action)| format!("{key} \"{action}\"")), "{requests:#?}");
}

#[test]
fn timeslice_cut_by_newest_minute_is_not_late_data() {
    let scene = Scene::new(&["checkout"]);
    scene.write(
        "slos/shop/checkout.yaml",
        "service: checkout\nslos:\n  orders: { indicator: counts, file: checkout.csv, objective: 99%, budgeting: timeslices, slice: \
         30m, slice_target: 99% }\n",
    );
    let noon = minute("2026-10-01T12:00Z");
    let missing = noon.plus(67).to_string();
    let count = |at: i32, is_late_here: bool| {
        scene.counts("checkout", noon.plus(at), &[(span(noon, 600), 100)]);
        let file = scene.folder.path().join("counts/checkout.csv");
        let text = fs::read_to_string(&file).unwrap();
        let kept = text.lines().filter(|line| is_late_here || !line.starts_with(&missing));
        fs::write(&file, kept.collect::<Vec<_>>().join("\n")).unwrap();
    };
    let corrected = || -> Vec<bool> {
        let book: Value =
            serde_json::from_slice(&fs::read(scene.folder.path().join("ledger/alerts.json")).unwrap()).unwrap();
        let incidents = book["incidents"].as_array().unwrap().iter();
        incidents.map(|incident| incident["corrected"].as_bool().unwrap_or(false)).collect()
    };
    for at in (0..=150).step_by(5) {
        count(at, false);
        scene.run("ledger", noon.plus(at + 1));
    }
    assert_eq!(corrected(), [false], "every minute came in its turn");
    count(155, true);
    scene.run("ledger", noon.plus(156));
    assert_eq!(corrected(), [true], "a minute of an hour ago has come");
}

#[test]
fn demo_sends_expected_notifications() {
    let folder = tempfile::tempdir().unwrap();
    let slos = Path::new(env!("CARGO_MANIFEST_DIR")).join("slos");
    let output = Command::new(env!("CARGO_BIN_EXE_slowburn"))
        .args(["run", "--demo", "--slos"])
        .arg(slos)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let story: Vec<&str> = stderr.lines().filter(|line| line.starts_with("dry run: would notify ")).collect();
    insta::assert_snapshot!("alerts_demo", story.join("\n"));
}

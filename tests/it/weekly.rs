//! The weekly report: its content, immutable dated reports, and exactly-once delivery.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fmt::Write;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use slowburn::internals::{Minute, Span};

use crate::notify::{LOGIN, Mailbox, header};
use crate::peers::Peer;

const FLEET: &str = "\
sources: { given: { counts: ./counts, delay: 1m } }
teams:
  mart: { reports: ['slack:${HOOK}', 'webhook:${URL}'] }
  fleet: { reports: ['webhook:${URL}'] }
  sre: { reports: ['webhook:${URL}'] }
  quiet: { tickets: 'mailto:quiet@example.com' }
  stuck: { tickets: 'webhook:${URL}' }
alerts: { team: sre, stale_after: none }
classes:
  strict:
    slos: {}
    policy:
      75%: '<script>alert(1)</script> [x](javascript:alert(1))'
      100%: { then: only what repairs is deployed, blocks: deploys }
";

/// Five weeks at a hundred events per minute, up to the Monday after week 47. One service always fails, one has no
/// events.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    peer: Peer,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), peer: Peer::start("channels_server.py", "{}") };
        scene.write("slos/fleet.yaml", FLEET);
        let minute = |text: &str| text.parse::<Minute>().unwrap();
        let span = Span::new(minute("2026-10-19T00:00Z"), minute("2026-11-23T00:00Z"));
        let outage = minute("2026-11-18T12:00Z");
        let before = minute("2026-11-10T12:00Z");
        // 7 days x 1,440 x 100 events x 0.1% may fail: 1,008.
        for (team, service, bad, back) in [
            ("mart", "checkout", 1_500, 0),
            ("mart", "search", 800, 0),
            ("fleet", "edge", 0, 1_500),
            ("quiet", "batch", 0, 0),
            ("quiet", "idle", 0, 0),
            ("stuck", "legacy", 0, 0),
            ("unowned", "orphan", 0, 0),
        ] {
            let file = format!(
                "service: {service}\nclass: strict\nslos:\n  orders:\n    indicator: counts\n    file: {service}.csv\n    objective: \
                 99.9%\n    windows: [7d]\n"
            );
            scene.write(&format!("slos/{team}/{service}.yaml"), &file);
            let mut text = "minute,total,bad\n".to_owned();
            for at in (span.start.0..span.end.0).map(Minute) {
                let failed = |from: Minute, all: i32| (all - 100 * (at.0 - from.0).max(0)).clamp(0, 100);
                let failed = if at >= outage {
                    failed(outage, bad)
                } else if at >= before {
                    failed(before, back)
                } else {
                    0
                };
                let (total, failed) = match service {
                    "idle" => (0, 0),
                    "legacy" => (100, i32::from(at.0 % 5 == 0)),
                    _ => (100, failed),
                };
                writeln!(text, "{at},{total},{failed}").unwrap();
            }
            scene.write(&format!("counts/{service}.csv"), &text);
        }
        let correction = "id: reindex\nreason: the <b>index</b> is rebuilt\ncategory: planned\nauthor: jane@example.com\nscope: { service: \
                          search }\nstart: 2026-11-17T02:00\nend: 2026-11-17T03:30\ntime_zone: UTC\n";
        scene.write("slos/corrections/reindex.yaml", correction);
        scene.run_ok(&["run", "--quiet", "--silent"], "2026-11-23T00:10Z");
        let take = ["gate", "checkout", "--override", "fixes the leak", "--by", "jane"];
        scene.run_ok(&take, "2026-11-20T10:00Z");
        scene
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str], at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").env("SLOWBURN_AT", at).current_dir(self.folder.path());
        command.env("HOOK", format!("{}/services/T0SECRET/B0SECRET/hush-hush-hush", self.peer.url));
        command.env("URL", format!("{}/hook/token-that-nobody-sees", self.peer.url));
        command
    }

    pub(crate) fn slowburn(&self, arguments: &[&str], at: &str) -> Output {
        self.command(arguments, at).output().unwrap()
    }

    pub(crate) fn run_ok(&self, arguments: &[&str], at: &str) -> String {
        let output = self.slowburn(arguments, at);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn requests(&self) -> Vec<Value> {
        serde_json::from_str(&self.peer.requests()).unwrap()
    }
}

#[test]
fn weekly_report_covers_team_and_fleet() {
    let scene = Scene::new();
    let mut text = scene.run_ok(&["weekly", "--team", "mart"], "2026-11-23T08:00Z");
    text.push_str(&scene.run_ok(&["weekly"], "2026-11-23T08:00Z"));
    let unescaped = text.replace("\\<", "").replace("\\]", "");
    assert!(!unescaped.contains('<') && !unescaped.contains("]("), "{text}");
    text.push_str(&scene.run_ok(&["weekly", "--team", "fleet", "--format", "json"], "2026-11-23T08:00Z"));
    insta::assert_snapshot!("weekly", text);
    let later = scene.run_ok(&["weekly", "--team", "mart"], "2026-11-29T23:00Z");
    assert!(text.starts_with(&later), "it says the same on whatever day it is made");
    let unknown = scene.slowburn(&["weekly", "--team", "sre"], "2026-11-23T08:00Z");
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn dated_reports_are_immutable_and_latest_is_updated() {
    let scene = Scene::new();
    let read = |name: &str| fs::read_to_string(scene.folder.path().join("reports").join(name)).unwrap();
    assert_eq!(scene.run_ok(&["weekly", "--out", "reports"], "2026-11-23T08:00Z"), "");
    let (team, fleet) = (read("2026-W47/fleet.md"), read("2026-W47/_fleet.md"));
    assert!(
        team.contains("edge/orders") && !team.contains("checkout") && fleet.contains("checkout/orders"),
        "{team}{fleet}"
    );
    assert_eq!(read("latest/mart.json"), read("2026-W47/mart.json"));
    assert_eq!(read("latest/_fleet.html"), scene.run_ok(&["weekly", "--format", "html"], "2026-11-23T09:00Z"));
    let loose = FLEET.replace("strict:", "strict:\n    max_unknown: 30%").replace("only what repairs", "nothing");
    scene.write("slos/fleet.yaml", &loose);
    scene.run_ok(&["weekly", "--out", "reports"], "2026-11-24T08:00Z");
    assert_eq!((read("2026-W47/fleet.md"), read("2026-W47/_fleet.md")), (team, fleet));
    assert!(read("latest/mart.md").contains("nothing is deployed"));
    scene.run_ok(&["weekly", "--out", "reports"], "2026-12-01T08:00Z");
    assert!(read("2026-W48/mart.md").contains("SLO week 48") && read("latest/mart.md").contains("SLO week 48"));
    scene.run_ok(&["weekly", "--out", "reports"], "2026-11-17T08:00Z");
    assert!(read("2026-W46/mart.md").contains("SLO week 46") && read("latest/mart.md").contains("SLO week 48"));
}

#[test]
fn each_report_is_sent_once_and_failures_are_retried() {
    let scene = Scene::new();
    let actions = || -> Vec<String> {
        let action = |one: &Value| format!("{} {}", one["action"].as_str().unwrap(), one["status"]);
        scene.requests().iter().map(action).collect()
    };
    let first = scene.command(&["weekly", "--send"], "2026-11-23T08:00Z").env_remove("HOOK").output().unwrap();
    let stderr = String::from_utf8_lossy(&first.stderr).into_owned();
    assert_eq!(first.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("no weekly report for quiet: `reports` of team `quiet` is not set"), "{stderr}");
    assert!(stderr.contains("cannot send the weekly report for mart to `slack:${HOOK}`"), "{stderr}");
    assert!(stderr.contains("no weekly report for stuck: `reports` of team `stuck` is not set"), "{stderr}");
    assert_eq!(actions(), ["hook 204"; 4], "a team, another, the fleet, and an escalation");
    let nudge: Value = serde_json::from_str(scene.requests().pop().unwrap()["body"].as_str().unwrap()).unwrap();
    assert_eq!(nudge["title"], "SLO week 47 · stuck: 1 SLO is still exhausted or at risk");
    assert_eq!(nudge["kind"], "note");
    assert_eq!(
        nudge["paragraphs"][0],
        "legacy/orders has been exhausted for at least 4 weeks: 200% of the error budget used. Policy: only what repairs is deployed"
    );
    scene.run_ok(&["weekly", "--send"], "2026-11-23T08:05Z");
    assert_eq!(actions(), ["hook 204", "hook 204", "hook 204", "hook 204", "slack 200"]);
    scene.run_ok(&["run", "--quiet", "--silent"], "2026-11-23T08:10Z");
    scene.run_ok(&["weekly", "--send"], "2026-11-23T09:00Z");
    assert_eq!(actions().len(), 5, "nothing is sent again");
    let digest = scene.requests().pop().unwrap();
    assert_eq!(digest["links"].as_array().map(Vec::len), Some(0), "{digest}");
    assert!(digest["body"].to_string().contains("SLO week 47 · mart: 1 exhausted, 1 at risk"), "{digest}");
}

#[test]
fn weekly_email_is_self_contained() {
    let scene = Scene::new();
    scene.write("slos/fleet.yaml", &FLEET.replace("['slack:${HOOK}', 'webhook:${URL}']", "'mailto:mart@example.com'"));
    let mailbox = Mailbox::start(&[]);
    let send = || {
        let mut command = scene.command(&["weekly", "--send"], "2026-11-23T08:00Z");
        command.env("SLOWBURN_SMTP_URL", format!("smtp://{LOGIN}@{}?tls=required", mailbox.server.url));
        command.env("SSL_CERT_FILE", mailbox.folder.path().join("ca.pem"));
        command.env("SLOWBURN_MAIL_FROM", "slowburn <slowburn@example.com>").output().unwrap()
    };
    let first = send();
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    let (letter, envelope) = mailbox.emails().pop().unwrap();
    assert_eq!(envelope["tls"], true);
    assert_eq!(header(&letter, "List-Id").as_deref(), Some("<mart.weekly.example.com>"));
    assert!(header(&letter, "Subject").is_some_and(|subject| subject.starts_with("SLO week 47 ")), "{letter}");
    let ids: Vec<&str> = letter.lines().filter_map(|line| line.strip_prefix("Content-ID: ")).collect();
    assert_eq!(ids, ["<days-0>", "<days-1>"]);
    for part in ["multipart/alternative", "multipart/related", "text/plain", "text/html", "image/png"] {
        assert!(letter.contains(&format!("Content-Type: {part}")), "{part}: {letter}");
    }
    // A report without a delivery record is sent again with the same Message-ID, so mail clients deduplicate it.
    fs::remove_file(scene.folder.path().join("ledger/weekly.json")).unwrap();
    send();
    let letters = mailbox.emails();
    assert_eq!(letters.len(), 2);
    assert_eq!(header(&letters[0].0, "Message-ID"), header(&letters[1].0, "Message-ID"));
}

#[test]
fn weekly_page_is_small_and_escaped_for_any_content() {
    let scene = Scene::new();
    let name = "x".repeat(50);
    let policy = "<b>&\"'".repeat(30);
    let fleet = FLEET
        .replace("'<script>alert(1)</script> [x](javascript:alert(1))'", &format!("'{}'", policy.replace('\'', "''")));
    scene.write("slos/fleet.yaml", &fleet);
    for number in 0..80 {
        let file = format!(
            "service: {name}-{number}\nclass: strict\nslos:\n  orders:\n    indicator: counts\n    file: search.csv\n    objective: 99.9%\n    windows: [7d]\n"
        );
        scene.write(&format!("slos/mart/many-{number}.yaml"), &file);
    }
    scene.run_ok(&["run", "--quiet", "--silent"], "2026-11-23T00:10Z");
    let html = scene.run_ok(&["weekly", "--team", "mart", "--format", "html"], "2026-11-23T08:00Z");
    let without_pictures: usize = html
        .split("data:image/png;base64,")
        .map(|part| part.split_once('"').map_or(part.len(), |(_, rest)| rest.len()))
        .sum();
    assert!(without_pictures < 100_000, "{without_pictures} bytes");
    assert!(!html.contains("<b>&\"") && !html.contains("<script"), "{html}");
    assert!(html.contains("more not shown"), "{html}");
}

#[test]
fn invalid_slos_missing_from_report_are_listed() {
    let scene = Scene::new();
    scene.write("slos/mart/broken.yaml", "service: broken\nclass: strict\nslos: { orders: { objective: 199% } }\n");
    let reported = |arguments: &[&str]| {
        let output = scene.slowburn(arguments, "2026-11-23T08:00Z");
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for team in [&["--team", "mart"][..], &[]] {
        let text = reported(&[&["weekly"], team].concat());
        assert!(text.contains("## Not evaluated: invalid definitions"), "{text}");
        assert!(text.contains("slos/mart/broken.yaml:3"), "{text}");
    }
    assert!(!reported(&["weekly", "--team", "quiet"]).contains("broken"));
    reported(&["report", "--out", "site"]);
    for (page, is_named) in [("index", true), ("teams/mart", true), ("teams/quiet", false)] {
        let page = fs::read_to_string(scene.path(&format!("site/{page}.html"))).unwrap();
        assert_eq!(page.contains("slos&#x2f;mart&#x2f;broken.yaml:3"), is_named, "{page}");
    }
}

#[test]
fn concurrent_weekly_runs_send_each_report_once() {
    let scene = Scene::new();
    let start = || {
        let mut command = scene.command(&["weekly", "--send"], "2026-11-23T08:00Z");
        command.spawn().unwrap()
    };
    for mut child in [start(), start(), start()] {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    // Two reports for mart, one for fleet, the fleet report, and an escalation.
    assert_eq!(scene.requests().len(), 5);
}

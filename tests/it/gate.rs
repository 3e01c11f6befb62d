//! The deployment gate: exit codes, reasons, and stored overrides.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fmt::Write;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use slowburn::internals::{Minute, Span};

const FLEET: &str = "\
sources: { given: { counts: ./counts, delay: 1m } }
teams: { shop: { tickets: 'mailto:shop@example.com' } }
alerts: { stale_after: none }
classes:
  strict:
    slos: {}
    policy:
      50%: the team looks for the cause
      75.5%: '<script>alert(1)</script> [x](javascript:alert(1)) | everything that may wait does'
      100%: { then: only what repairs is deployed, blocks: deploys }
  loose: { slos: {} }
  words: { slos: {}, policy: { 50%: the team investigates } }
";
const AT: &str = "2026-10-08T00:00Z";

/// A week at a hundred events per minute with a given number of bad events.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        scene.write("slos/fleet.yaml", FLEET);
        // 7 days x 1,440 x 100 events x 0.1% may fail: 1,008.
        for (service, class, bad, end) in [
            ("good", "strict", 302, AT),
            ("used", "strict", 800, AT),
            ("broken", "strict", 1_009, AT),
            ("exact", "strict", 1_008, AT),
            ("stale", "strict", 10, "2026-10-07T12:00Z"),
            ("loose", "loose", 5_000, AT),
            ("words", "words", 5_000, AT),
        ] {
            scene.write(
                &format!("slos/shop/{service}.yaml"),
                &format!(
                    "service: {service}\nclass: {class}\nslos:\n  orders:\n    indicator: counts\n    file: {service}.csv\n    \
                     objective: 99.9%\n    windows: [7d]\n"
                ),
            );
            let minute = |text: &str| text.parse::<Minute>().unwrap();
            let span = Span::new(minute("2026-10-01T00:00Z"), minute(end));
            let mut text = "minute,total,bad\n".to_owned();
            for at in (span.start.0..span.end.0).map(Minute) {
                let place = at.0 - span.start.0;
                writeln!(text, "{at},100,{}", if place < 100 { bad / 100 + i32::from(place < bad % 100) } else { 0 })
                    .unwrap();
            }
            scene.write(&format!("counts/{service}.csv"), &text);
        }
        let run = scene.slowburn(&["run", "--quiet", "--silent"]);
        assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
        scene
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").env("SLOWBURN_AT", AT).current_dir(self.0.path());
        command
    }

    fn slowburn(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Exit code, stdout and stderr in one text.
    fn transcript(&self, arguments: &[&str]) -> String {
        let output = self.slowburn(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or(-1);
        format!("$ {}\nexit {code}\n{}{}\n", arguments.join(" "), text(&output.stdout), text(&output.stderr))
    }

    fn overrides(&self) -> Vec<Value> {
        let report = self.slowburn(&["report", "--format", "json"]);
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        report["overrides"].as_array().unwrap().clone()
    }
}

#[test]
fn gate_returns_exit_code_and_reason() {
    let scene = Scene::new();
    let mut text = String::new();
    for service in ["good", "used", "exact", "broken", "stale", "loose", "words", "none", "<b>\u{202e}"] {
        text.push_str(&scene.transcript(&["gate", service]));
    }
    text.push_str(&scene.transcript(&["gate", "broken", "--format", "json"]));
    text.push_str(&scene.transcript(&["gate", "broken", "--override", "because"]));
    text.push_str(&scene.transcript(&["gate", "broken", "--override", " ", "--by", "jane"]));
    insta::assert_snapshot!("gate", text);
    assert_eq!(scene.overrides(), Vec::<Value>::new());
}

#[test]
fn invalid_policy_step_does_not_open_gate() {
    let scene = Scene::new();
    scene.write("slos/fleet.yaml", &FLEET.replace("blocks: deploys", "blocks: deploy"));
    let text = scene.transcript(&["gate", "broken"]) + &scene.transcript(&["gate", "loose"]);
    insta::assert_snapshot!("gate_faulty", text);
    // An unreadable definition does not open the gate either.
    scene.write("slos/fleet.yaml", FLEET);
    for definition in
        ["service: used\nslos: [\n", "service: used\nclass: strict\nslos: { orders: { objective: 199% } }\n"]
    {
        scene.write("slos/shop/used.yaml", definition);
        let requested = scene.slowburn(&["gate", "used"]);
        let stderr = String::from_utf8_lossy(&requested.stdout).into_owned();
        assert_eq!(requested.status.code(), Some(3), "{stderr}");
        assert!(stderr.starts_with("cannot decide whether used may be deployed: "), "{stderr}");
    }
}

#[test]
fn override_is_stored_shown_and_used_once() {
    let scene = Scene::new();
    let deploy =
        ["gate", "broken", "--override", "fixes the <b>leak</b>\r\n# owned \u{202e}", "--by", "jane|doe@example.com"];
    let mut text = scene.transcript(&deploy).replace("\r\n", "\\r\\n");
    text.push_str(&scene.transcript(&["gate", "broken"]));
    text.push_str(&scene.transcript(&["gate", "stale", "--override", "the source is down", "--by", "jo"]));
    text.push_str("-- not needed\n");
    text.push_str(&scene.transcript(&["gate", "good", "--override", "just in case", "--by", "jo"]));
    let report = String::from_utf8(scene.slowburn(&["report"]).stdout).unwrap();
    let from = report.find("## Error-budget policy").unwrap();
    let until = report.find("\n## shop").unwrap();
    text.push_str(report.get(from..until).unwrap());
    text.push_str(report.get(report.find("\n## Policy overrides").unwrap()..).unwrap());
    insta::assert_snapshot!("gate_override", text);
    assert_eq!(scene.overrides().len(), 2);
    // The cleanup of a run deletes unreferenced blobs but keeps overrides.
    scene.slowburn(&["run", "--quiet", "--silent"]);
    assert_eq!(scene.overrides().len(), 2);
}

#[test]
fn concurrent_overrides_are_all_stored() {
    let scene = Scene::new();
    let start = |number: usize| {
        let mut command = scene.command(&["gate", "broken", "--by", "jo", "--override"]);
        command.arg(number.to_string()).spawn().unwrap()
    };
    let running: Vec<_> = (0..8).map(start).collect();
    assert!(running.into_iter().all(|mut child| child.wait().unwrap().success()));
    let mut reasons: Vec<String> =
        scene.overrides().iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    assert_eq!(reasons, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

//! Whole commands as a user runs them: exit code, stdout and stderr together, on logs of slowburn's own simulator.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slowburn::command::simulate::write;
use slowburn::minute::{Minute, Span};
use slowburn::simulate::Plan;

/// Six hours in which checkout's outage lies, and the moment they end.
const FROM: &str = "2026-10-27T12:00Z";
const TO: &str = "2026-10-27T18:00Z";

/// A folder of its own with simulated logs, the project's definitions, and a ledger to be.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let minute = |text: &str| text.parse::<Minute>().unwrap();
        let plan = Plan { span: Span::new(minute(FROM), minute(TO)), ..Plan::default() };
        write(&plan, &folder.path().join("logs"), 0).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs slowburn here, with the definitions of the project unless others are named.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").current_dir(self.folder.path());
        command.env("SLOWBURN_SLOS", Path::new(env!("CARGO_MANIFEST_DIR")).join("slos"));
        command.env("SLOWBURN_LEDGER", self.path("ledger")).env("SLOWBURN_AT", TO);
        command.output().unwrap()
    }

    /// Exit code, stdout and stderr in one text, with the folder's name taken out.
    fn transcript(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .replace(&*self.folder.path().to_string_lossy(), "PLACE")
                .replace(env!("CARGO_MANIFEST_DIR"), "PROJECT")
        };
        format!("exit {}\n-- stdout\n{}-- stderr\n{}", code(&output), text(&output.stdout), text(&output.stderr))
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// Every file below a folder with its bytes, sorted.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_reads_logs_and_shows_how_promises_stand() {
    let place = Place::new();
    insta::assert_snapshot!("run", place.transcript(&["run", "--logs", "logs"]));
}

#[test]
fn a_second_run_reads_nothing_and_changes_no_byte() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let before = snapshot(&place.path("ledger"));
    let again = place.transcript(&["run", "--logs", "logs", "--quiet"]);
    assert_eq!(snapshot(&place.path("ledger")), before);
    insta::assert_snapshot!("run_again", again);
}

#[test]
fn status_and_report_come_from_the_ledger_alone() {
    let place = Place::new();
    let run = place.run(&["run", "--logs", "logs", "--format", "json"]);
    fs::remove_dir_all(place.path("logs/AWSLogs")).unwrap();
    let status = place.run(&["status", "--format", "json"]);
    assert_eq!(run.stdout, status.stdout);
    insta::assert_snapshot!("report", place.transcript(&["report"]));
}

#[test]
fn replay_names_the_minutes_of_the_outage() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let line = ["replay", "checkout/availability", "--raw", "--from", FROM, "--to", TO];
    insta::assert_snapshot!("replay", place.transcript(&line));
}

#[test]
fn definitions_in_a_bucket_are_refused_with_the_way_to_copy_them() {
    let place = Place::new();
    for line in [["check", "s3://ours/slos", "--format=text"], ["status", "--queries", "s3://ours/queries"]] {
        let output = place.run(&line);
        let speech = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) == 2 && speech.contains("copy it first, as by `aws s3 sync s3://ours/"), "{speech}");
    }
}

#[test]
fn logs_that_are_not_there_are_named_with_the_remedy() {
    let place = Place::new();
    insta::assert_snapshot!("no_logs", place.transcript(&["run", "--logs", "elsewhere"]));
}

#[test]
fn one_damaged_file_is_named_and_the_rest_is_read() {
    let place = Place::new();
    let logs = snapshot(&place.path("logs/AWSLogs"));
    let (path, bytes) = logs.iter().find(|(path, _)| path.to_string_lossy().contains("app.shop")).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.run(&["run", "--logs", "logs", "--quiet"]);
    assert_eq!(code(&output), 3);
    let speech = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(speech.contains(&*path.file_name().unwrap().to_string_lossy()), "{speech}");
    let known = |place: &Place| {
        place.run(&["export", "--slo", "storefront/availability"]).stdout.split(|b| *b == b'\n').count()
    };
    let before = known(&place);
    // Once the file is whole, the next run reads just that one, and its five minutes are known at last.
    fs::write(path, bytes).unwrap();
    let output = place.run(&["run", "--logs", "logs"]);
    assert_eq!(code(&output), 0);
    let speech = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(speech.contains("read 1 log file"), "{speech}");
    assert_eq!(known(&place), before + 5, "minutes of a file that cannot be read are unknown");
}

#[test]
fn a_copy_of_a_log_is_not_counted_again() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let before = snapshot(&place.path("ledger"));
    fs::create_dir_all(place.path("copy/bucket")).unwrap();
    fs::rename(place.path("logs/AWSLogs"), place.path("copy/bucket/AWSLogs")).unwrap();
    assert_eq!(code(&place.run(&["run", "--logs", "copy", "--quiet"])), 0);
    assert_eq!(snapshot(&place.path("ledger")), before);
}

#[test]
fn a_target_group_that_no_request_names_is_shown_as_no_traffic() {
    let place = Place::new();
    fs::create_dir_all(place.path("mine/mart")).unwrap();
    let text = "service: login\nload_balancer: app/accounts/81d3f6c05ab94e27\ntarget_group: lgoin\n";
    fs::write(place.path("mine/mart/login.yaml"), text).unwrap();
    let output = place.run(&["run", "--slos", "mine", "--logs", "logs", "--format", "csv"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(table.matches(",no_traffic,").count(), 2, "{table}");
}

#[test]
fn data_without_a_manifest_is_a_loss_and_not_a_beginning() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    fs::remove_file(place.path("ledger/manifest.json")).unwrap();
    let before = snapshot(&place.path("ledger"));
    let output = place.run(&["run", "--logs", "logs", "--quiet"]);
    assert_eq!(code(&output), 4);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no `manifest.json`"));
    assert_eq!(snapshot(&place.path("ledger")), before);
}

#[test]
fn a_two_line_service_file_is_enough() {
    let place = Place::new();
    fs::create_dir_all(place.path("mine/mart")).unwrap();
    fs::write(place.path("mine/mart/login.yaml"), "service: login\nload_balancer: app/accounts/81d3f6c05ab94e27\n")
        .unwrap();
    insta::assert_snapshot!("two_lines", place.transcript(&["run", "--slos", "mine", "--logs", "logs"]));
}

#[test]
fn the_definitions_in_the_readme_are_sound() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let default_sources = "sources:\n  logs: { access_logs: . }\n  batch: { counts: . }\ndefault_source: logs\n";
    let classes = "classes:\n  standard: { slos: { availability: 99.9% } }\n  critical: { slos: { availability: 99.95% } }\n\
                   default_class: standard\n";
    let (mut fleets, mut newest, mut services) = (0, default_sources, "");
    for block in &blocks {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("mart")).unwrap();
        fs::create_dir(place.path().join("corrections")).unwrap();
        let (fleet, service) = if let Some((_, below)) = block.split_once("sources:\n  ") {
            (fleets, newest) = (fleets + 1, block);
            let source = below.split_once(':').unwrap().0;
            (
                (*block).to_owned(),
                format!("service: checkout\nsource: {source}\nload_balancer: app/mart/50dc6c495c0c9188\n"),
            )
        } else if block.starts_with("teams:") {
            let service = "service: checkout\nload_balancer: app/mart/50dc6c495c0c9188\n";
            ([block, default_sources].concat(), service.to_owned())
        } else if block.starts_with("classes:") {
            let service =
                "service: checkout\nload_balancer: app/mart/50dc6c495c0c9188\nslos: { availability: 99.9% }\n";
            (default_sources.to_owned(), service.to_owned())
        } else if block.starts_with("id:") {
            // A correction is of what the block before it promises.
            fs::write(place.path().join("corrections/reindex.yaml"), block).unwrap();
            (default_sources.to_owned(), services.to_owned())
        } else {
            services = block;
            // A service that names its source has it from the fleet before.
            (if block.contains("\nsource:") { newest } else { default_sources }.to_owned(), (*block).to_owned())
        };
        let classes = if block.starts_with("classes:") { block } else { classes };
        fs::write(place.path().join("fleet.yaml"), fleet + classes).unwrap();
        fs::write(place.path().join("mart/service.yaml"), service).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        let output =
            command.arg("check").arg(place.path()).args(["--at", "2026-11-01T00:00Z"]).env_clear().output().unwrap();
        assert_eq!(
            code(&output),
            0,
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!((blocks.len(), fleets), (11, 3));
}

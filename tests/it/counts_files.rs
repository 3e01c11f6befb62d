//! Counts files: which ones are read, how often, and what a run killed during the merge leaves behind.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use slowburn::internals::Minute;

const AT: &str = "2026-10-04T00:00Z";

/// Services with one counts file each.
struct Scene {
    folder: tempfile::TempDir,
}

/// The stderr and exit code of a run.
struct RunResult {
    code: i32,
    stderr: String,
}

impl Scene {
    fn new(services: &[&str]) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap() };
        scene.write("slos/fleet.yaml", "sources: { given: { counts: counts } }\n");
        for service in services {
            scene.define(service);
        }
        scene
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn define(&self, service: &str) {
        let slo = format!("{{ indicator: counts, file: {service}.csv, objective: 99%, windows: [7d] }}");
        self.write(&format!("slos/shop/{service}.yaml"), &format!("service: {service}\nslos: {{ orders: {slo} }}\n"));
    }

    /// Writes a counts file with a modification time `age` seconds before the run.
    fn counts(&self, service: &str, text: &str, age: u64) {
        let path = self.write(&format!("counts/{service}.csv"), text);
        let at = u64::try_from(AT.parse::<Minute>().unwrap().0).unwrap() * 60;
        let modified = UNIX_EPOCH + Duration::from_secs(at - age);
        File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    fn command(&self, ledger: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(["run", "--silent", "--ledger", ledger, "--at", AT]).env_clear();
        command.current_dir(self.folder.path()).env("SLOWBURN_CLOCK", AT).env("NO_COLOR", "1");
        command
    }

    fn run(&self) -> RunResult {
        let output = self.command("ledger").output().unwrap();
        RunResult { code: output.status.code().unwrap(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Total and bad events of a service's window.
    fn sums(&self, service: &str) -> (u64, u64) {
        let output = Command::new(env!("CARGO_BIN_EXE_slowburn"))
            .args(["status", "--format", "json", "--ledger", "ledger", "--at", AT])
            .env_clear()
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = status["slos"].as_array().unwrap().iter().find(|row| row["service"] == service).unwrap().clone();
        (row["total"].as_u64().unwrap_or(0), row["bad"].as_u64().unwrap_or(0))
    }

    /// All ledger files except the lock, with their bytes.
    fn files(&self, ledger: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        crate::ledger::data_files(&self.folder.path().join(ledger))
    }

    /// The day partitions in the ledger.
    fn parts(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = self.files("ledger");
        files.retain(|name, _| name.components().count() > 1);
        files
    }
}

const HEADER: &str = "minute,total,bad\n";
/// Three days of two rows each, all of the same length.
fn rows(total: u32, bad: u32) -> String {
    let mut text = HEADER.to_owned();
    for day in 1..4 {
        for at in ["07:00", "19:30"] {
            writeln!(text, "2026-10-0{day}T{at}Z,{total},{bad}").unwrap();
        }
    }
    text
}

/// Bytes of the same length as `rows` that are not a valid table.
fn invalid_rows(rows: &str) -> String {
    "x".repeat(rows.len())
}

const OLD: u64 = 3_600;

#[test]
fn unchanged_file_is_not_opened_again() {
    let scene = Scene::new(&["a", "b"]);
    for service in ["a", "b"] {
        scene.counts(service, &rows(10, 1), OLD);
    }
    assert_eq!(scene.run().code, 0);
    assert_eq!((scene.sums("a"), scene.sums("b")), ((60, 6), (60, 6)));
    // A run that opened the file would report the invalid rows.
    scene.counts("a", &invalid_rows(&rows(10, 1)), OLD);
    let ran = scene.run();
    assert_eq!((ran.code, ran.stderr.contains("a.csv")), (0, false), "{}", ran.stderr);
    let parts = scene.parts();
    scene.counts("a", &rows(20, 2), OLD - 1);
    assert_eq!(scene.run().code, 0);
    assert_eq!((scene.sums("a"), scene.sums("b")), ((120, 12), (60, 6)));
    assert_eq!(scene.parts().keys().filter(|name| parts.contains_key(*name)).count(), 0, "each part has another row");
    scene.counts("a", &invalid_rows(&rows(20, 2)), OLD - 2);
    for _ in 0..2 {
        let ran = scene.run();
        assert_eq!(
            (ran.code, ran.stderr.contains("`counts/a.csv` needs exactly one column `minute`")),
            (3, true),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(scene.sums("a"), (120, 12), "known minutes stay known");
}

#[test]
fn rewritten_file_with_same_content_changes_nothing() {
    let scene = Scene::new(&["a"]);
    scene.counts("a", &rows(10, 1), OLD);
    assert_eq!(scene.run().code, 0);
    let parts = scene.parts();
    scene.counts("a", &rows(10, 1), OLD / 2);
    assert_eq!(scene.run().code, 0);
    assert_eq!(scene.parts(), parts);
    scene.counts("a", &invalid_rows(&rows(10, 1)), OLD / 2);
    assert_eq!(scene.run().code, 0, "its new time is known");
}

#[test]
fn file_with_invalid_rows_is_reported_by_every_run() {
    let scene = Scene::new(&["a"]);
    scene.counts("a", &(rows(10, 1) + "2026-10-03T20:00Z,1,2\n"), OLD);
    for _ in 0..3 {
        let ran = scene.run();
        assert_eq!(ran.code, 3);
        assert!(ran.stderr.contains("line 8: invalid `bad` `2`: greater than the `total` of 1"), "{}", ran.stderr);
        assert_eq!(scene.sums("a"), (60, 6));
    }
    scene.counts("a", &rows(10, 1), OLD);
    assert_eq!(scene.run().code, 0);
    fs::remove_file(scene.folder.path().join("counts/a.csv")).unwrap();
    for _ in 0..2 {
        let ran = scene.run();
        assert_eq!((ran.code, ran.stderr.contains("cannot read `counts/a.csv`")), (3, true), "{}", ran.stderr);
    }
}

#[test]
fn file_modified_within_last_minute_is_read_again() {
    let scene = Scene::new(&["a"]);
    for (total, bad) in [(10, 1), (20, 2), (30, 3)] {
        scene.counts("a", &rows(total, bad), 59);
        assert_eq!(scene.run().code, 0);
        assert_eq!(scene.sums("a"), (u64::from(total) * 6, u64::from(bad) * 6));
    }
    scene.counts("a", &rows(40, 4), 60);
    assert_eq!(scene.run().code, 0);
    scene.counts("a", &rows(50, 5), 60);
    assert_eq!(scene.run().code, 0);
    assert_eq!(scene.sums("a"), (240, 24), "a minute later nothing writes to it without a new time");
}

#[test]
fn unchanged_file_is_read_for_new_series() {
    let scene = Scene::new(&["a"]);
    scene.counts("a", &rows(10, 1), OLD);
    assert_eq!(scene.run().code, 0);
    scene.write("slos/fleet.yaml", "sources: { renamed: { counts: counts } }\n");
    assert_eq!(scene.sums("a"), (0, 0));
    assert_eq!(scene.run().code, 0);
    assert_eq!(scene.sums("a"), (60, 6));
}

#[test]
fn files_read_in_parallel_give_same_ledger_as_in_sequence() {
    let services: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = services.iter().map(String::as_str).collect();
    let scene = Scene::new(&names);
    for (number, service) in (10..).zip(&services) {
        scene.counts(service, &rows(number, number % 7), OLD);
    }
    assert_eq!(scene.run().code, 0);
    let at_once = scene.parts();
    assert_eq!(at_once.len(), 6, "one part for each of two rows of three days: {:?}", at_once.keys());
    let one_by_one = Scene::new(&[]);
    for (number, service) in (10..50).zip(&services).rev() {
        one_by_one.define(service);
        one_by_one.counts(service, &rows(number, number % 7), OLD);
        assert_eq!(one_by_one.run().code, 0);
    }
    assert!(one_by_one.parts() == at_once, "another order gave other bytes");
}

/// Kills a run at its n-th write. Returns `false` if the run ended before.
fn is_killed_at(point: u64, mut run: Command) -> bool {
    run.env("SLOWBURN_STOP_AT_WRITE", point.to_string()).stderr(Stdio::piped());
    let mut child = run.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_stopped = stderr.any(|line| line.unwrap() == format!("stopped at write point {point}"));
    if is_stopped {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    is_stopped
}

#[test]
fn run_killed_at_any_write_loses_no_file() {
    let scene = Scene::new(&["a", "b", "c"]);
    let all = |total| ["a", "b", "c"].map(|service| scene.counts(service, &rows(total, 1), OLD - u64::from(total)));
    let run = |ledger: &str| assert!(scene.command(ledger).status().unwrap().success());
    all(10);
    run("undisturbed");
    all(20);
    run("undisturbed");
    let expected = scene.files("undisturbed");
    let mut points = 0;
    for point in 1.. {
        let ledger = format!("killed-{point}");
        all(10);
        run(&ledger);
        all(20);
        if !is_killed_at(point, scene.command(&ledger)) {
            break;
        }
        points = point;
        run(&ledger);
        assert!(scene.files(&ledger) == expected, "killed at write point {point}, the ledger differs");
    }
    assert!(points > 10, "only {points} write points were passed");
    assert!(Path::new(&scene.folder.path().join("undisturbed")).exists());
}

//! Commands on counts that can be verified by hand: timeslices, corrections, an objective of 100%.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use slowburn::internals::Minute;

const AT: &str = "2026-10-11T00:00Z";

/// Ten days at ten events per minute. On day 3 half of the events between 01:00 and 03:00 fail; on the last day two
/// fail in the first minute of every hour.
fn counts() -> String {
    let mut text = "minute,total,bad\n".to_owned();
    for step in 0..14_400 {
        let minute = "2026-10-01".parse::<Minute>().unwrap().plus(step);
        let bad = match step {
            2_940..3_060 => 5,
            12_960.. if step % 60 == 0 => 2,
            _ => 0,
        };
        writeln!(text, "{minute},10,{bad}").unwrap();
    }
    text
}

fn scene(slos: &str, corrections: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("counts/orders.csv", &counts());
    write(
        "slos/fleet.yaml",
        "sources:\n  files: { counts: counts }\nclasses:\n  bare: { windows: [10d, 1d] }\ndefault_class: bare\n",
    );
    write("slos/mart/orders.yaml", &format!("service: orders\nslos:\n{slos}"));
    for (name, text) in corrections {
        write(&format!("slos/corrections/{name}.yaml"), text);
    }
    assert_eq!(run(folder.path(), &["run", "--quiet"]).status.code(), Some(0));
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
    command.args(arguments).args(["--at", AT]).env_clear().env("NO_COLOR", "1").current_dir(folder);
    command.output().unwrap()
}

/// The rows of the status as JSON, by SLO and window.
fn rows(folder: &Path) -> impl Fn(&str, &str) -> serde_json::Value {
    let output = run(folder, &["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    move |slo, window| {
        let mut rows = status["slos"].as_array().unwrap().iter();
        rows.find(|row| row["slo"] == slo && row["window"] == window).unwrap().clone()
    }
}

const MOVE: &str = "id: orders-move\nreason: moving the orders database\ncategory: planned\nauthor: jane@example.com\n\
                    scope: { service: orders, slo: plain }\nstart: 2026-10-03T03:00\nend: 2026-10-03T05:00\n\
                    time_zone: Europe/Berlin\n";

#[test]
fn reports_show_raw_and_corrected_budgets() {
    let slos = "  plain: { indicator: counts, file: orders.csv, objective: 99% }\n  \
                whole: { indicator: counts, file: orders.csv, objective: 99% }\n";
    let hourly = "id: hourly\nreason: restarts\ncategory: measurement\nauthor: ops\nscope: { team: mart, slo: plain }\n\
                  start: 2026-10-09T00:00Z\nend: 2026-10-09T00:01Z\nrepeat: FREQ=HOURLY\n";
    let folder = scene(slos, &[("move", MOVE), ("hourly", hourly)]);
    let row = rows(folder.path());
    let plain = row("plain", "10d");
    // 600 bad events in the two hours, 48 in the first minutes of the hours of the last day; the hourly correction
    // excludes 48 minutes.
    assert_eq!((&plain["raw"]["total"], &plain["raw"]["bad"]), (&144_000.into(), &648.into()));
    assert_eq!((&plain["total"], &plain["bad"]), (&(144_000 - 1_200 - 480).into(), &0.into()));
    assert_eq!(plain["excluded_minutes"], 120 + 48);
    assert_eq!(plain["corrections"], serde_json::json!(["hourly", "orders-move"]));
    assert_eq!(plain["coverage"], 1.0);
    let whole = row("whole", "10d");
    assert_eq!((&whole["total"], &whole["bad"], &whole["excluded_minutes"]), (&144_000.into(), &648.into(), &0.into()));
    assert_eq!(row("plain", "1d")["corrections"], serde_json::json!(["hourly"]));
    let table = String::from_utf8(run(folder.path(), &["status"]).stdout).unwrap();
    let markdown = String::from_utf8(run(folder.path(), &["report"]).stdout).unwrap();
    let csv = String::from_utf8(run(folder.path(), &["status", "--format", "csv"]).stdout).unwrap();
    insta::assert_snapshot!("corrected", format!("{table}\n{csv}\n{markdown}"));
}

#[test]
fn error_budget_of_timeslices_counts_timeslices() {
    let slos = "  minutes: { indicator: counts, file: orders.csv, objective: 99%, budgeting: timeslices, slice_target: 90%, \
                tiers: none }\n  \
                hours: { indicator: counts, file: orders.csv, objective: 99%, budgeting: timeslices, slice: 1h, slice_target: \
                99%, tiers: none }\n";
    let folder = scene(slos, &[]);
    let row = rows(folder.path());
    // A minute with two bad of ten is bad; an hour with two bad of six hundred is good.
    assert_eq!((&row("minutes", "10d")["total"], &row("minutes", "10d")["bad"]), (&14_400.into(), &(120 + 24).into()));
    assert_eq!((&row("minutes", "1d")["total"], &row("minutes", "1d")["bad"]), (&1_440.into(), &24.into()));
    assert_eq!((&row("hours", "10d")["total"], &row("hours", "10d")["bad"]), (&240.into(), &2.into()));
    assert_eq!(row("hours", "10d")["unit"], "timeslices of 1h");
    assert_eq!(row("minutes", "10d")["coverage"], 1.0);
}

#[test]
fn replay_excludes_same_minutes_as_tiers() {
    let slos = "  plain: { indicator: counts, file: orders.csv, objective: 99% }\n  \
                whole: { indicator: counts, file: orders.csv, objective: 99% }\n  \
                hours: { indicator: counts, file: orders.csv, objective: 99%, budgeting: timeslices, slice: 1h, slice_target: \
                99%, tiers: none }\n";
    let folder = scene(slos, &[("move", MOVE)]);
    let replay = |slo: &str, more: &[&str]| {
        let span = ["--raw", "--from", "2026-10-03T00:00Z", "--to", "2026-10-03T06:00Z"];
        let output = run(folder.path(), &[&["replay", slo], &span[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let paged = |slo: &str| {
        let replay: serde_json::Value = serde_json::from_str(&replay(slo, &["--format", "json"])).unwrap();
        replay["page"].as_array().unwrap().len()
    };
    assert_eq!((paged("orders/whole"), paged("orders/plain")), (1, 0), "excluded minutes do not burn the budget");
    let hours = replay("orders/hours", &["--windows", "6h", "--format", "csv"]);
    assert!(hours.contains("\n2026-10-03T05:00Z,2,6,360,"), "{hours}");
}

#[test]
fn objective_of_100_percent_has_full_or_exceeded_budget() {
    let slos = "  all: { indicator: counts, file: orders.csv, objective: 100% }\n";
    let folder = scene(slos, &[]);
    let row = rows(folder.path())("all", "10d");
    assert_eq!(row["budget"]["exceeded"], true);
    assert_eq!(row["budget"]["remaining"], serde_json::Value::Null);
    // The newest bad minute is an hour old: enough for a ticket, not for a page.
    assert_eq!((&row["status"], &row["urgency"]), (&"exhausted".into(), &"ticket".into()));
    let table = String::from_utf8(run(folder.path(), &["status"]).stdout).unwrap();
    assert!(
        table.contains("exhausted, ticket: 48 failed in 1d, 4 failed in 2h ") && table.contains(" exceeded "),
        "{table}"
    );
}

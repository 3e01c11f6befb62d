//! Commands as a user runs them: exit code, stdout and stderr, on simulated logs.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use slowburn::internals::{Minute, Plan, Span, write_logs};

/// Six hours that contain checkout's outage, and their end.
const FROM: &str = "2026-10-27T12:00Z";
const TO: &str = "2026-10-27T18:00Z";

/// A temporary folder with simulated logs, the project's definitions, and no ledger yet.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let minute = |text: &str| text.parse::<Minute>().unwrap();
        let plan = Plan { span: Span::new(minute(FROM), minute(TO)), ..Plan::default() };
        write_logs(&plan, &folder.path().join("logs"), 0).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in this folder, with the project's definitions unless others are given.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(arguments).env_clear().env("NO_COLOR", "1").current_dir(self.folder.path());
        command.env("SLOWBURN_SLOS", Path::new(env!("CARGO_MANIFEST_DIR")).join("slos"));
        command.env("SLOWBURN_LEDGER", self.path("ledger")).env("SLOWBURN_AT", TO);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Exit code, stdout and stderr in one text, with the folder name redacted.
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
fn read_tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
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
fn run_reads_logs_and_prints_slo_status() {
    let place = Scene::new();
    insta::assert_snapshot!("run", place.transcript(&["run", "--logs", "logs"]));
}

#[test]
fn second_run_reads_nothing_and_changes_no_byte() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let before = read_tree(&place.path("ledger"));
    let again = place.transcript(&["run", "--logs", "logs", "--quiet"]);
    assert_eq!(read_tree(&place.path("ledger")), before);
    insta::assert_snapshot!("run_again", again);
}

#[test]
fn status_and_report_need_only_the_ledger() {
    let place = Scene::new();
    let run = place.run(&["run", "--logs", "logs", "--format", "json"]);
    fs::remove_dir_all(place.path("logs/AWSLogs")).unwrap();
    let status = place.run(&["status", "--format", "json"]);
    assert_eq!(run.stdout, status.stdout);
    insta::assert_snapshot!("report", place.transcript(&["report"]));
}

#[test]
fn replay_lists_minutes_of_outage() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let line = ["replay", "checkout/availability", "--from", FROM, "--to", TO];
    assert_eq!(place.run(&line).stdout, place.run(&[&line[..], &["--raw"]].concat()).stdout);
    insta::assert_snapshot!("replay", place.transcript(&line));
}

#[test]
fn definitions_in_bucket_are_rejected_with_copy_command() {
    let place = Scene::new();
    for line in [["check", "s3://ours/slos", "--format=text"], ["status", "--queries", "s3://ours/queries"]] {
        let output = place.run(&line);
        let lines = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) == 2 && lines.contains("copy it first with `aws s3 sync s3://ours/"), "{lines}");
    }
}

#[test]
fn missing_logs_are_reported_with_hint() {
    let place = Scene::new();
    insta::assert_snapshot!("no_logs", place.transcript(&["run", "--logs", "elsewhere"]));
}

#[test]
fn damaged_log_file_is_reported_and_others_are_read() {
    let place = Scene::new();
    let logs = read_tree(&place.path("logs/AWSLogs"));
    let (path, bytes) = logs.iter().find(|(path, _)| path.to_string_lossy().contains("app.shop")).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    let output = place.run(&["run", "--logs", "logs", "--quiet"]);
    assert_eq!(code(&output), 3);
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(lines.contains(&*path.file_name().unwrap().to_string_lossy()), "{lines}");
    let known = |place: &Scene| place.run(&["export", "storefront/availability"]).stdout.split(|b| *b == b'\n').count();
    let before = known(&place);
    // Once the file is complete, the next run reads only that file, and its five minutes are known.
    fs::write(path, bytes).unwrap();
    let output = place.run(&["run", "--logs", "logs"]);
    assert_eq!(code(&output), 0);
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(lines.contains("read 1 log file"), "{lines}");
    assert_eq!(known(&place), before + 5, "minutes of a file that cannot be read are unknown");
}

#[test]
fn copy_of_log_is_not_counted_again() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let before = read_tree(&place.path("ledger"));
    fs::create_dir_all(place.path("copy/bucket")).unwrap();
    fs::rename(place.path("logs/AWSLogs"), place.path("copy/bucket/AWSLogs")).unwrap();
    assert_eq!(code(&place.run(&["run", "--logs", "copy", "--quiet"])), 0);
    assert_eq!(read_tree(&place.path("ledger")), before);
}

#[test]
fn target_group_without_requests_has_no_traffic() {
    let place = Scene::new();
    fs::create_dir_all(place.path("mine/mart")).unwrap();
    let text = "service: login\nload_balancer: app/accounts/81d3f6c05ab94e27\ntarget_group: lgoin\n";
    fs::write(place.path("mine/mart/login.yaml"), text).unwrap();
    let output = place.run(&["run", "--slos", "mine", "--logs", "logs", "--format", "csv"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(table.matches(",no_traffic,").count(), 2, "{table}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("service `login`: no request matched target group `lgoin`; the newest logs of "), "{text}");
    assert!(text.contains(" contain: `login`, `profile`\nhint: did you mean `login`?\n"), "{text}");
}

#[test]
fn data_files_without_manifest_are_an_error() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    fs::remove_file(place.path("ledger/manifest.json")).unwrap();
    let before = read_tree(&place.path("ledger"));
    let output = place.run(&["run", "--logs", "logs", "--quiet"]);
    assert_eq!(code(&output), 4);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no `manifest.json`"));
    assert_eq!(read_tree(&place.path("ledger")), before);
}

#[test]
fn two_line_service_file_is_sufficient() {
    let place = Scene::new();
    fs::create_dir_all(place.path("mine/mart")).unwrap();
    fs::write(place.path("mine/mart/login.yaml"), "service: login\nload_balancer: app/accounts/81d3f6c05ab94e27\n")
        .unwrap();
    insta::assert_snapshot!("two_lines", place.transcript(&["run", "--slos", "mine", "--logs", "logs"]));
}

#[test]
fn status_is_filtered_by_team_service_and_slo() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let slos = |arguments: &[&str]| -> Vec<String> {
        let output = place.run(&[&["status", "--format", "csv"], arguments].concat());
        assert_eq!(code(&output), 0, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let names = text.lines().skip(1).map(|line| line.split(',').skip(1).take(2).collect::<Vec<_>>().join("/"));
        let mut slos: Vec<String> = names.collect();
        slos.sort();
        slos.dedup();
        slos
    };
    let all = slos(&[]);
    let of = |service: &str| -> Vec<String> {
        all.iter().filter(|slo| slo.starts_with(&format!("{service}/"))).cloned().collect()
    };
    assert!(!of("checkout").is_empty() && of("checkout").len() < all.len(), "{all:?}");
    assert_eq!(slos(&["checkout"]), of("checkout"));
    assert_eq!(slos(&["search/availability"]), ["search/availability"]);
    assert_eq!(slos(&["--team", "accounts"]), [of("login"), of("profile")].concat());
    assert_eq!(slos(&["--team", "accounts", "login"]), of("login"));
    for (arguments, message) in [
        (&["chekcout"][..], "unknown service `chekcout`\nhint: did you mean `checkout`?"),
        (&["checkout/availabilty"], "unknown SLO `checkout/availabilty`\nhint: did you mean `checkout/availability`?"),
        (&["xyz/latency"], "`slowburn status` lists all SLOs"),
        (&["--team", "acounts"], "unknown team `acounts`\nhint: did you mean `accounts`?"),
        (&["--team", "accounts", "checkout"], "team `accounts` does not own `checkout`"),
    ] {
        let output = place.run(&[&["status"], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) == 2 && stderr.contains(message), "{stderr}");
    }
}

#[test]
fn renamed_environment_variable_is_an_error() {
    let place = Scene::new();
    let output = place.command(&["run", "--logs", "logs"]).env("SLOWBURN_NOTIFY", "paper:out").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 2 && stderr.contains("set `SLOWBURN_DRY_RUN` instead"), "{stderr}");
    assert!(!place.path("ledger").exists());
}

#[test]
fn an_slo_whose_definition_is_invalid_is_not_unknown() {
    let place = Scene::new();
    fs::create_dir_all(place.path("mine/mart")).unwrap();
    fs::write(place.path("mine/mart/cart.yaml"), "service: cart\nload_balancre: app/shop\n").unwrap();
    fs::write(place.path("mine/mart/login.yaml"), "service: login\nload_balancer: app/accounts/81d3f6c05ab94e27\n")
        .unwrap();
    for (line, code_, message) in [
        (
            &["explain", "cart/latency"][..],
            4,
            "the definition of service `cart` is invalid\nhint: run `slowburn check`",
        ),
        (&["status", "cart"], 4, "the definition of service `cart` is invalid\nhint: run `slowburn check`"),
        (&["explain", "login"], 2, "unknown SLO `login`\nhint: SLOs of `login`: `login/availability`"),
        (&["gate", "login/availability"], 2, "unknown service `login/availability`\nhint: did you mean `login`?"),
    ] {
        let output = place.run(&[line, &["--slos", "mine"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) == code_ && stderr.contains(message), "{line:?}: {stderr}");
    }
}

#[test]
fn boolean_variables_accept_common_spellings_and_empty_is_ignored() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = place.command(&[&["run", "--quiet"], arguments].concat());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (code(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for on in ["1", "yes", "on", "true"] {
        let (code, stderr) = run(&[("SLOWBURN_OFFLINE", on), ("SLOWBURN_SILENT", on)], &[]);
        assert_eq!(code, 0, "{on}: {stderr}");
    }
    for off in ["", "0", "no", "off", "False"] {
        let (code, stderr) =
            run(&[("SLOWBURN_SILENT", off), ("SLOWBURN_SLO_METRICS", off)], &["--offline", "--dry-run", "dry"]);
        assert_eq!(code, 0, "{off}: {stderr}");
    }
    for name in ["DRY_RUN", "LOGS", "DAYS", "THREADS", "MAX_COST", "METRICS", "REPORT", "FORMAT", "LOG", "QUERIES"] {
        let (code, stderr) = run(&[(&format!("SLOWBURN_{name}"), "")], &["--offline"]);
        assert_eq!(code, 0, "{name}: {stderr}");
    }
    let (code, stderr) = run(&[("SLOWBURN_SILENT", "maybe")], &["--offline"]);
    assert!(code == 2 && stderr.contains("the environment variable `SLOWBURN_SILENT`"), "{stderr}");
}

#[test]
fn empty_time_ranges_are_rejected_or_reported() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let output = place.run(&["export", "--from", TO, "--to", FROM]);
    assert!(code(&output) == 2 && output.stdout.is_empty());
    let output = place.run(&["replay", "checkout/availability", "--from", "2026-10-01", "--to", "2026-10-02"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(code(&output) == 0 && text.contains("no data: no minute in this range is known"), "{text}");
}

#[test]
fn simulate_writes_nothing_if_an_existing_file_differs() {
    let place = Scene::new();
    let line = ["simulate", "--out", "fleet", "--days", "1", "--scale", "0.01"];
    let first = place.run(&line);
    let all = read_tree(&place.path("fleet"));
    assert_eq!(code(&first), 0);
    // The same plan again adds missing files and changes no others.
    fs::remove_file(&all[0].0).unwrap();
    let again = place.run(&line);
    assert_eq!((code(&again), again.stderr), (0, first.stderr));
    assert_eq!(read_tree(&place.path("fleet")), all);
    let (path, _) = all.last().unwrap();
    fs::remove_dir_all(place.path("fleet")).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "mine").unwrap();
    let refused = place.run(&line);
    assert!(code(&refused) == 4 && String::from_utf8_lossy(&refused.stderr).contains("empty or new folder"));
    assert_eq!(read_tree(&place.path("fleet")).len(), 1);
}

#[test]
fn times_relative_to_now_are_accepted() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["run", "--logs", "logs", "--quiet"])), 0);
    let status = |at: &str| place.run(&["status", "--format", "json", "--at", at]);
    assert_eq!(status("2026-10-27 18:00").stdout, status(TO).stdout);
    for at in ["-1h", "yesterday", "now"] {
        assert_eq!(code(&status(at)), 0, "{at}");
    }
    let refused = status("tomorrow");
    assert!(code(&refused) == 2 && String::from_utf8_lossy(&refused.stderr).contains("`yesterday`"));
}

#[test]
fn demo_checks_definitions_before_simulating_logs() {
    let place = Scene::new();
    let mut command = place.command(&["run", "--demo", "--slos", "missing"]);
    let output = command.env_remove("SLOWBURN_AT").output().unwrap();
    assert_eq!((code(&output), place.path("target").exists()), (4, false));
}

/// Completions that a shell offers for the last word.
fn completions(place: &Scene, words: &[&str]) -> Vec<String> {
    let mut command = place.command(&[]);
    command.arg("--").arg("slowburn").args(words).env("SLOWBURN_COMPLETE", "bash").env("_CLAP_IFS", "\n");
    let output = command.env("_CLAP_COMPLETE_INDEX", words.len().to_string()).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn shell_completion_offers_names_from_definitions() {
    let place = Scene::new();
    let slos = completions(&place, &["explain", "checkout/"]);
    assert!(slos.contains(&"checkout/availability".to_owned()) && !slos.iter().any(|slo| slo.starts_with("search")));
    assert!(completions(&place, &["gate", ""]).contains(&"checkout".to_owned()));
    assert_eq!(completions(&place, &["man", "repl"]), ["replay"]);
    for words in [&["check", ""][..], &["run", "--slos", ""], &["run", "--queries", ""]] {
        fs::write(place.path("file"), "").unwrap();
        let found = completions(&place, words);
        assert!(found.contains(&"logs/".to_owned()) && !found.contains(&"file".to_owned()), "{found:?}");
    }
    assert!(completions(&place, &["weekly", "--team", ""]).contains(&"accounts".to_owned()));
    assert!(completions(&place, &["status", "search/av"]).contains(&"search/availability".to_owned()));
    // Invalid definitions yield no completions and no message.
    let none = completions(&place, &["explain", "--slos", "missing", ""]);
    assert!(!none.iter().any(|name| name.contains('/')), "{none:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = place.run(&["completions", shell]);
        assert!(code(&output) == 0 && String::from_utf8_lossy(&output.stdout).contains("SLOWBURN_COMPLETE"), "{shell}");
    }
}

#[test]
fn man_pages_are_written_for_every_command() {
    let place = Scene::new();
    assert_eq!(code(&place.run(&["man", "--out", "man"])), 0);
    for page in ["slowburn.1", "slowburn-run.1", "slowburn-status.1", "slowburn-man.1"] {
        let text = fs::read_to_string(place.path("man").join(page)).unwrap();
        let title = format!(
            ".TH {} 1 \"\" \"slowburn {}\" \"slowburn manual\"\n",
            page.trim_end_matches(".1"),
            env!("CARGO_PKG_VERSION")
        );
        assert!(text.contains(&title) && text.contains(".SH EXAMPLES"), "{page}: {text}");
    }
    let text = fs::read_to_string(place.path("man/slowburn-run.1")).unwrap();
    assert!(text.contains("SLOWBURN_DRY_RUN") && text.contains("<DIR>"), "{text}");
    let page = fs::read(place.path("man/slowburn-run.1")).unwrap();
    assert_eq!(place.run(&["man", "run"]).stdout, page);
    assert_eq!(code(&place.run(&["man", "rnu"])), 2);
}

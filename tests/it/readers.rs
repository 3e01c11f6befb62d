//! Readers concurrent with a run: the ledger is readable at any time, and failed cleanup loses nothing.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use slowburn::internals::{Minute, Span};

use crate::peers::{Moto, Peer};
use crate::scene::{Scene, stderr};

const FROM: &str = "2026-10-02T08:00Z";

/// A folder with definitions and some hours of logs.
fn scene(hours: i32) -> Scene {
    let from: Minute = FROM.parse().unwrap();
    let fleet = "sources: { logs: { access_logs: logs, delay: 0m } }\n";
    Scene::new(Span::new(from, from.plus(hours * 60)), fleet)
}

/// Known minutes and their sums, by SLO.
fn known(scene: &Scene, ledger: &str) -> BTreeMap<String, String> {
    let export = scene.slowburn(&["export", "--ledger", ledger, "--at", "2026-10-05T00:00Z"]).output().unwrap();
    crate::peers::parse_known_minutes(&export.stdout)
}

/// Every log file below a folder.
fn log_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn run_without_logs_creates_empty_ledger() {
    let scene = scene(1);
    let run = |arguments: &[&str]| {
        let all = [arguments, &["--at", "2026-10-02T09:00Z"]].concat();
        stderr(&scene.slowburn(&all).output().unwrap())
    };
    assert!(run(&["status"]).contains("no ledger at `ledger`"), "{}", run(&["status"]));
    let inside = run(&["run", "--quiet", "--silent", "--logs", "logs/AWSLogs"]);
    assert!(inside.contains("`logs/AWSLogs` is the AWSLogs folder itself"), "{inside}");
    assert!(inside.contains("\nhint: use the folder that contains `AWSLogs/`: `--logs logs`"), "{inside}");
    let empty = run(&["status"]);
    assert!(empty.contains("the ledger `ledger` is empty: the last run read no logs"), "{empty}");
}

#[test]
fn status_and_gate_succeed_during_concurrent_runs() {
    let scene = scene(6);
    let from: Minute = FROM.parse().unwrap();
    let at = |tick: i32| from.plus(15 + tick * 5).to_string();
    let run = |tick: i32| scene.slowburn(&["run", "--quiet", "--silent", "--at", &at(tick)]).output().unwrap();
    assert!(run(0).status.success());
    let calls = std::thread::scope(|scope| {
        let ticks = scope.spawn(|| {
            for tick in 1..60 {
                let output = run(tick);
                assert!(output.status.success(), "{}", stderr(&output));
            }
        });
        let mut calls = 0;
        while !ticks.is_finished() {
            for arguments in
                [&["status", "--at", "2026-10-02T13:00Z"][..], &["gate", "shop", "--at", "2026-10-02T13:00Z"]]
            {
                let output = scene.slowburn(arguments).output().unwrap();
                assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{arguments:?}: {}", stderr(&output));
                assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
                calls += 1;
            }
        }
        ticks.join().unwrap();
        calls
    });
    assert!(calls > 60, "only {calls} calls beside the ticks");
}

#[test]
fn damaged_copy_does_not_hide_intact_one() {
    let scene = scene(1);
    assert!(
        scene.slowburn(&["run", "--quiet", "--silent", "--at", "2026-10-02T09:00Z"]).output().unwrap().status.success()
    );
    let packed =
        log_files(&scene.path("logs")).into_iter().find(|path| path.to_string_lossy().contains("app.shop")).unwrap();
    let plain = packed.with_extension("");
    // The remains of a killed `gunzip -k`, and a copy that has not started.
    for broken in [&b"https 2026-10-02T08:"[..], b""] {
        fs::write(&plain, broken).unwrap();
        fs::remove_dir_all(scene.path("again")).ok();
        let mut run = scene.slowburn(&["run", "--silent", "--at", "2026-10-02T09:00Z", "--ledger", "again"]);
        for _ in 0..2 {
            let output = run.output().unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
            assert_eq!(known(&scene, "again"), known(&scene, "ledger"));
        }
    }
    // The reverse: the packed copy is truncated, the plain one is complete.
    let mut text = String::new();
    let bytes = fs::read(&packed).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut text).unwrap();
    fs::write(&plain, text).unwrap();
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_dir_all(scene.path("again")).unwrap();
    let mut run = scene.slowburn(&["run", "--silent", "--at", "2026-10-02T09:00Z", "--ledger", "again"]);
    let output = run.output().unwrap();
    assert!(output.status.success() && stderr(&output).contains("is truncated"), "{}", stderr(&output));
    assert_eq!(known(&scene, "again"), known(&scene, "ledger"));
    let output = run.output().unwrap();
    assert!(output.status.success() && !stderr(&output).contains("warning"), "{}", stderr(&output));
}

#[test]
fn output_to_device_is_not_replaced_and_output_into_ledger_is_rejected() {
    let scene = scene(1);
    let at = ["--at", "2026-10-02T09:00Z"];
    assert!(scene.slowburn(&["run", "--quiet", "--silent"]).args(at).output().unwrap().status.success());
    let manifest = fs::read(scene.path("ledger/manifest.json")).unwrap();
    let inside = scene.slowburn(&["export", "--out", "ledger/manifest.json"]).args(at).output().unwrap();
    assert!(stderr(&inside).contains("one contains the other"), "{}", stderr(&inside));
    assert_eq!(fs::read(scene.path("ledger/manifest.json")).unwrap(), manifest);
    fs::write(scene.path("target.csv"), "").unwrap();
    std::os::unix::fs::symlink(scene.path("target.csv"), scene.path("link.csv")).unwrap();
    for out in ["link.csv", "plain.csv"] {
        assert!(scene.slowburn(&["export", "--out", out]).args(at).output().unwrap().status.success());
    }
    assert!(fs::symlink_metadata(scene.path("link.csv")).unwrap().is_symlink());
    assert_eq!(fs::read(scene.path("target.csv")).unwrap(), fs::read(scene.path("plain.csv")).unwrap());
}

#[test]
fn unreadable_log_makes_its_interval_unknown() {
    let scene = scene(1);
    let run = || scene.slowburn(&["run", "--silent", "--at", "2026-10-02T09:00Z"]).output().unwrap();
    let logs = log_files(&scene.path("logs"));
    let of_shop: Vec<&PathBuf> =
        logs.iter().filter(|path| path.to_string_lossy().contains("shop.5f1c0e7a9b2d4c68_20261002T0830Z")).collect();
    assert_eq!(of_shop.len(), 2, "two nodes");
    let bytes = fs::read(of_shop[0]).unwrap();
    fs::remove_file(of_shop[0]).unwrap();
    std::os::unix::fs::symlink("/nowhere/x", of_shop[0]).unwrap();
    assert_eq!(run().status.code(), Some(3));
    assert!(known(&scene, "ledger")["shop/availability"].starts_with("55 minutes"), "{:?}", known(&scene, "ledger"));
    fs::remove_file(of_shop[0]).unwrap();
    fs::write(of_shop[0], bytes).unwrap();
    assert!(run().status.success());
    assert!(known(&scene, "ledger")["shop/availability"].starts_with("60 minutes"));
}

#[test]
fn same_named_classic_load_balancers_in_two_accounts_are_distinguished() {
    let scene = scene(1);
    let line = |minute: i32, status: u16| {
        let at: Minute = FROM.parse().unwrap();
        let at = at.plus(minute).to_string();
        let at = at.trim_end_matches('Z');
        format!(
            "{at}:10.500000Z mart 198.51.100.7:2817 10.0.0.1:80 0.001 0.020 0.000 {status} {status} 0 366 \"GET http://m:80/ HTTP/1.1\" \
             \"curl/8\" - -\n"
        )
    };
    for (account, status) in [("111111111111", 200), ("222222222222", 500)] {
        let folder = scene.path(account).join(format!("AWSLogs/{account}/elasticloadbalancing/eu-west-1/2026/10/02"));
        fs::create_dir_all(&folder).unwrap();
        for interval in 0..12 {
            let end: Minute = FROM.parse().unwrap();
            let end = end.plus(interval * 5 + 5).to_string().replace(['-', ':'], "");
            let name = format!("{account}_elasticloadbalancing_eu-west-1_mart_{end}_192.0.2.1_r{interval}.log");
            let text: String = (0..50).map(|number| line(interval * 5 + number % 5, status)).collect();
            fs::write(folder.join(name), text).unwrap();
        }
    }
    scene.define(
        "fleet.yaml",
        "sources:\n  one: { access_logs: '111111111111', delay: 0m, classic_interval: 5m }\n  two: { access_logs: '222222222222', delay: \
         0m, classic_interval: 5m }\n",
    );
    fs::remove_file(scene.path("slos/mart/shop.yaml")).unwrap();
    for source in ["one", "two"] {
        let text = format!(
            "service: {source}\nsource: {source}\nload_balancer: classic/mart\nslos: {{ availability: 99% }}\n"
        );
        scene.define(&format!("mart/{source}.yaml"), &text);
    }
    let output = scene.slowburn(&["run", "--silent", "--at", "2026-10-02T09:00Z"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let known = known(&scene, "ledger");
    assert_eq!(known["one/availability"], "60 minutes, 600 total, 0 bad");
    assert_eq!(known["two/availability"], "60 minutes, 600 total, 600 bad");
}

#[test]
fn failed_cleanup_does_not_prevent_notifications() {
    let scene = scene(1);
    let (moto, runtime) = (Moto::start(), tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    let front = Peer::start("s3_proxy.py", &format!(r#"{{"upstream": "{}"}}"#, moto.endpoint));
    let place = aws_sdk_s3::types::BucketLocationConstraint::EuWest1;
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
    runtime.block_on(moto.s3().create_bucket().bucket("bucket").create_bucket_configuration(place).send()).unwrap();
    let run = |at: &str| {
        let notify = ["--dry-run", "told", "--since", FROM, "--ledger", "s3://bucket/ledger"];
        let mut run = scene.slowburn(&["run", "--quiet", "--at", at]);
        run.args(notify).envs(moto.environment()).env("AWS_ENDPOINT_URL_S3", &front.url).env("SLOWBURN_CLOCK", at);
        run.output().unwrap()
    };
    let evaluated = || {
        let object = moto.s3().get_object().bucket("bucket").key("ledger/alerts-dry-run.json").send();
        let bytes = runtime.block_on(async { object.await.unwrap().body.collect().await.unwrap().to_vec() });
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["last_run"].as_str().unwrap().to_owned()
    };
    for at in ["2026-10-02T08:30Z", "2026-10-02T08:35Z"] {
        let output = run(at);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    for action in ["DeleteObject", "ListObjectsV2"] {
        let fault = format!(r#"{{"action": "{action}", "code": "AccessDenied", "status": 403, "times": 1000}}"#);
        front.post("/_control", &format!(r#"{{"faults": [{fault}]}}"#));
        // The first run of a day deletes orphans left by crashes.
        let at = if action == "DeleteObject" { "2026-10-02T08:40Z" } else { "2026-10-03T00:10Z" };
        let output = run(at);
        assert_eq!(output.status.code(), Some(3), "{action}: {}", stderr(&output));
        assert!(stderr(&output).contains("AccessDenied"), "{action}: {}", stderr(&output));
        assert_eq!(evaluated(), at, "incidents were evaluated, whatever became of the rest");
        front.post("/_control", r#"{"faults": []}"#);
    }
}

#[test]
fn empty_file_is_pending_for_an_hour_and_then_empty() {
    let scene = scene(1);
    scene.define("mart/partners.yaml", "service: partners\nload_balancer: app/partners/c4a79e1350f8b26d\n");
    let run = |ledger: &str| {
        let output =
            scene.slowburn(&["run", "--silent", "--at", "2026-10-02T09:00Z", "--ledger", ledger]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        (known(&scene, ledger), stderr(&output))
    };
    let (whole, _) = run("whole");
    let logs = log_files(&scene.path("logs"));
    let of = |part: &str| logs.iter().find(|path| path.to_string_lossy().contains(part)).unwrap();
    let (alone, bytes) = (
        of("partners.c4a79e1350f8b26d_20261002T0830Z"),
        fs::read(of("partners.c4a79e1350f8b26d_20261002T0830Z")).unwrap(),
    );
    // The shop has two nodes; a third node that is being replaced writes only empty files.
    let third = of("shop.5f1c0e7a9b2d4c68_20261002T0830Z").to_string_lossy().replace("_203.0.113.", "_198.51.100.");
    fs::write(third, "").unwrap();
    fs::write(alone, "").unwrap();
    let (new, lines) = run("empty");
    assert_eq!(new["shop/availability"], whole["shop/availability"], "nothing that other nodes wrote is hidden");
    assert!(new["partners/availability"].starts_with("55 minutes"), "{new:?}");
    assert!(lines.contains("skipped 2 new empty log files"), "{lines}");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
    fs::File::options().write(true).open(alone).unwrap().set_modified(old).unwrap();
    let (old, lines) = run("empty");
    assert!(old["partners/availability"].starts_with("60 minutes") && old != whole, "{old:?}");
    assert!(lines.contains("skipped 1 new empty log file"), "{lines}");
    fs::write(alone, bytes).unwrap();
    assert_eq!(run("empty").0, whole, "a file that is filled later is counted");
}

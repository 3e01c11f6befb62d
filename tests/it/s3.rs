//! The ledger in S3, through the real SDK against moto with conditional writes.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use slowburn::internals::{BlobError, BlobStore, CrashPoints, Plan, S3Store, Span, write_logs};

use crate::peers::{Moto, Peer};

const BUCKET: &str = "ledgers";

/// A server with a bucket, a runtime to call it, and a folder with four hours of logs.
struct Scene {
    moto: Moto,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    logs: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let moto = Moto::start();
        let place = BucketLocationConstraint::EuWest1;
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        let create = moto.s3().create_bucket().bucket(BUCKET).create_bucket_configuration(place);
        runtime.block_on(create.send()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let span = Span::new("2026-10-01T22:00Z".parse().unwrap(), "2026-10-02T02:00Z".parse().unwrap());
        write_logs(&Plan { span, ..Plan::default() }, &logs, 0).unwrap();
        Self { moto, runtime, folder, logs }
    }

    fn blob_store(&self, prefix: &str) -> S3Store {
        S3Store::new(self.moto.s3(), BUCKET, prefix, CrashPoints::default())
    }

    fn slowburn(&self, task: &str, ledger: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args([task, "--ledger", ledger]).env_clear().envs(self.moto.environment());
        command.env("SLOWBURN_AT", "2026-10-02T02:00Z");
        command.arg("--slos").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("slos"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, ledger: &str) -> Command {
        self.run_on(&self.logs, ledger)
    }

    fn run_on(&self, logs: impl AsRef<OsStr>, ledger: &str) -> Command {
        let mut command = self.slowburn("run", ledger);
        command.arg("--logs").arg(logs);
        command
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        let put = self.moto.s3().put_object().bucket(BUCKET).key(key).body(bytes.into());
        self.runtime.block_on(put.send()).unwrap();
    }

    /// The log files of the folder by their keys.
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.logs.join("AWSLogs")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&self.logs).unwrap().to_str().unwrap();
                    found.insert(key.to_owned(), std::fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// The ledger as a reader sees it, and its manifest.
    fn ledger_content(&self, prefix: &str) -> (Vec<u8>, serde_json::Value) {
        let status = self.slowburn("status", &format!("s3://{BUCKET}/{prefix}")).args(["--format", "json"]).output();
        (stdout_of_success(&status.unwrap()), self.manifest(prefix))
    }

    /// The manifest without volatile fields.
    fn manifest(&self, prefix: &str) -> serde_json::Value {
        let (manifest, _) = self.runtime.block_on(self.blob_store(prefix).get("manifest.json")).unwrap().unwrap();
        crate::ledger::manifest_without_volatile_fields(&manifest)
    }
}

fn stdout_of_success(output: &Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.clone()
}

#[test]
fn bucket_store_behaves_like_directory_store() {
    let scene = Scene::new();
    let blobs = scene.blob_store("of/us");
    scene.runtime.block_on(async {
        assert!(blobs.get("a").await.unwrap().is_none());
        let first = blobs.compare_and_swap("a", None, b"1").await.unwrap();
        assert!(matches!(blobs.compare_and_swap("a", None, b"2").await, Err(BlobError::Conflict(_))));
        let second = blobs.compare_and_swap("a", Some(&first), b"2").await.unwrap();
        assert!(matches!(blobs.compare_and_swap("a", Some(&first), b"3").await, Err(BlobError::Conflict(_))));
        // Writing the same bytes again is the retry after a lost response.
        assert_eq!(blobs.compare_and_swap("a", Some(&first), b"2").await.unwrap(), second);
        assert_eq!(blobs.get("a").await.unwrap(), Some((b"2".to_vec(), second)));
        blobs.put("2026-10-01/b", b"x").await.unwrap();
        blobs.put("sums-c", b"x").await.unwrap();
        scene.blob_store("of/others").put("sums-c", b"x").await.unwrap();
        // Keys without the prefix of data files are not listed: there may be many, and they do not belong to the
        // ledger.
        assert_eq!(blobs.list().await.unwrap(), ["2026-10-01/b", "sums-c"]);
        // A recent object may be about to be referenced by another run.
        assert!(blobs.orphans(&["sums-c"].into()).await.unwrap().is_empty());
        assert!(blobs.first_entry().await.unwrap().is_some());
        blobs.delete("2026-10-01/b").await.unwrap();
        blobs.delete("2026-10-01/b").await.unwrap();
        assert_eq!(blobs.list().await.unwrap(), ["sums-c"]);
        assert_eq!(scene.blob_store("of/nobody").first_entry().await.unwrap(), None);
    });
}

#[test]
fn ledger_in_bucket_gives_same_results_as_in_folder() {
    let scene = Scene::new();
    let folder = scene.folder.path().join("ledger");
    stdout_of_success(&scene.run(folder.to_str().unwrap()).output().unwrap());
    stdout_of_success(&scene.run("s3://ledgers/of/us").output().unwrap());
    let (seen, manifest) = scene.ledger_content("of/us");
    let status = scene.slowburn("status", folder.to_str().unwrap()).args(["--format", "json"]).output().unwrap();
    assert!(seen == stdout_of_success(&status), "the bucket and the folder tell different things");
    assert_eq!(
        manifest,
        crate::ledger::manifest_without_volatile_fields(&std::fs::read(folder.join("manifest.json")).unwrap())
    );

    let error = |ledger: &str| {
        let output = scene.slowburn("status", ledger).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    insta::assert_snapshot!("no_bucket", format!("{:?}", error("s3://missing/x")));
    insta::assert_snapshot!("no_ledger_in_bucket", format!("{:?}", error("s3://ledgers/none")));
    let output = scene.slowburn("status", "s3://ledgers/of/us").env_remove("AWS_ACCESS_KEY_ID").output().unwrap();
    insta::assert_snapshot!("no_credentials", String::from_utf8(output.stderr).unwrap());
}

#[test]
fn interrupted_ledger_download_is_retried() {
    let scene = Scene::new();
    stdout_of_success(&scene.run("s3://ledgers/cut").output().unwrap());
    let front = Peer::start("s3_proxy.py", &format!(r#"{{"upstream": "{}"}}"#, scene.moto.endpoint));
    let cut = |times: u32| {
        let fault = format!(r#"{{"action": "GetObject", "contains": "sums-", "cut": 10, "times": {times}}}"#);
        front.post("/_control", &format!(r#"{{"faults": [{fault}]}}"#));
        let mut status = scene.slowburn("status", "s3://ledgers/cut");
        status.env("AWS_ENDPOINT_URL_S3", &front.url).output().unwrap()
    };
    stdout_of_success(&cut(2));
    let output = cut(3);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(4) && stderr.contains("cannot read `s3://ledgers/cut/sums-2026-10-"),
        "{stderr}"
    );
    assert!(
        stderr.contains("end of file before message length reached\nhint: run again: the connection was interrupted"),
        "{stderr}"
    );
}

#[test]
fn run_that_cannot_save_counts_records_usage_and_usage_error_is_not_fatal() {
    let scene = Scene::new();
    let front = Peer::start("s3_proxy.py", &format!(r#"{{"upstream": "{}"}}"#, scene.moto.endpoint));
    let refused = |part: &str| {
        let fault =
            format!(r#"{{"action": "PutObject", "contains": "{part}", "code": "AccessDenied", "status": 403}}"#);
        front.post("/_control", &format!(r#"{{"faults": [{fault}]}}"#));
        let mut run = scene.run("s3://ledgers/refused");
        let output = run.env("AWS_ENDPOINT_URL_S3", &front.url).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = refused("minutes-");
    assert!(code == Some(4) && stderr.starts_with("AWS usage: ") && stderr.contains("error: cannot write"), "{stderr}");
    let (code, stderr) = refused("usage-");
    assert!(code == Some(3) && stderr.contains("warning: cannot write `s3://ledgers/refused/usage-"), "{stderr}");
    let (seen, _) = scene.ledger_content("refused");
    stdout_of_success(&scene.run("s3://ledgers/undisturbed").output().unwrap());
    assert!(seen == scene.ledger_content("undisturbed").0);
}

#[test]
fn logs_in_bucket_count_like_logs_in_folder_even_if_late() {
    let scene = Scene::new();
    let ledgers = tempfile::tempdir().unwrap();
    let (ours, theirs) = (ledgers.path().join("bucket"), ledgers.path().join("folder"));
    let read_at =
        |at: &str, logs: &str| scene.run_on(logs, ours.to_str().unwrap()).env("SLOWBURN_AT", at).output().unwrap();
    let read = |logs: &str| read_at("2026-10-02T02:00Z", logs);
    let stderr = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let objects = scene.objects();
    let (late, soon): (Vec<_>, Vec<_>) = objects.iter().enumerate().partition(|(place, _)| place % 10 == 0);
    for (_, (key, bytes)) in soon {
        scene.put(&format!("a/prefix/{key}"), bytes.clone());
    }
    scene.put("a/prefix/AWSLogs/123456789012/ELBAccessLogTestFile", b"Enable AccessLog for ELB".to_vec());
    // A truncated object: its minutes are unknown until it is complete.
    let (_, (cut, whole)) = late.iter().find(|(_, (key, _))| key.contains("/2026/10/01/")).unwrap();
    scene.put(&format!("a/prefix/{cut}"), whole[..whole.len() / 2].to_vec());
    // Objects in a day's folder were delivered on that day or within an hour after it.
    let first = read_at("2026-10-02T00:50Z", "s3://ledgers/a/prefix");
    assert_eq!(first.status.code(), Some(3), "{}", stderr(&first));
    assert!(stderr(&first).contains("is truncated") && stderr(&first).contains("ELB test file"), "{}", stderr(&first));
    for (_, (key, bytes)) in &late {
        scene.put(&format!("a/prefix/{key}"), (*bytes).clone());
    }
    stdout_of_success(&read("s3://ledgers/a/prefix"));
    assert!(stderr(&read("s3://ledgers/a/prefix")).contains("no new log files"));
    stdout_of_success(&scene.run_on(&scene.logs, theirs.to_str().unwrap()).output().unwrap());
    let manifest = |ledger: &Path| {
        let mut manifest =
            crate::ledger::manifest_without_volatile_fields(&std::fs::read(ledger.join("manifest.json")).unwrap());
        // The listing cache is used only for buckets.
        manifest.as_object_mut().unwrap().remove("listed_days");
        manifest.as_object_mut().unwrap().remove("listed_folders");
        manifest
    };
    assert!(manifest(&ours) == manifest(&theirs), "the bucket and the folder give different ledgers");

    insta::assert_snapshot!("no_bucket_of_logs", stderr(&read("s3://missing/logs")));
    insta::assert_snapshot!("no_logs_in_bucket", stderr(&read("s3://ledgers/elsewhere")));
    insta::assert_snapshot!("no_such_place", stderr(&read("gs://ledgers/elsewhere")));
}

#[test]
fn plain_object_without_final_newline_is_complete_in_bucket() {
    let scene = Scene::new();
    let ledger = scene.folder.path().join("ledger");
    let objects = scene.objects();
    let (key, packed) = objects.first_key_value().unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    scene.put(key.trim_end_matches(".gz"), text.trim_end().as_bytes().to_vec());
    let stderr = scene.run_on("s3://ledgers", ledger.to_str().unwrap()).output().unwrap().stderr;
    let expected = format!("read 1 log file with {} lines", text.lines().count());
    assert!(String::from_utf8_lossy(&stderr).contains(&expected), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn day_folders_of_past_days_are_relisted_by_first_run_of_day() {
    let scene = Scene::new();
    let ledger = scene.folder.path().join("ledger");
    let objects = scene.objects();
    let (late, bytes) = objects.iter().find(|(key, _)| key.contains("/2026/10/01/")).unwrap();
    for (key, bytes) in objects.iter().filter(|(key, _)| *key != late) {
        scene.put(key, bytes.clone());
    }
    let read = |at: &str| {
        let output = scene.run_on("s3://ledgers", ledger.to_str().unwrap()).env("SLOWBURN_AT", at).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    read("2026-10-05T00:10Z");
    scene.put(late, bytes[..bytes.len() / 2].to_vec());
    assert!(read("2026-10-05T00:15Z").contains("no new log files"));
    assert!(read("2026-10-06T00:10Z").contains("is truncated"));
    // Unreadable objects are retried by every run.
    scene.put(late, bytes.clone());
    assert!(read("2026-10-06T00:15Z").contains("read 1 log file"));
}

#[test]
fn run_killed_at_any_bucket_write_is_repaired_by_next_run() {
    let scene = Scene::new();
    stdout_of_success(&scene.run("s3://ledgers/undisturbed").output().unwrap());
    let expected = scene.manifest("undisturbed");
    let mut points = 0;
    // Odd points are before a write, even ones after it, which is before the next write.
    for point in (1..).step_by(2) {
        let ledger = format!("s3://ledgers/killed-{point}");
        let mut child = scene.run(&ledger).env("SLOWBURN_STOP_AT_WRITE", point.to_string()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let stopped = lines.any(|line| line.unwrap() == format!("stopped at write point {point}"));
        if stopped {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        if !stopped {
            break;
        }
        points = point;
        stdout_of_success(&scene.run(&ledger).output().unwrap());
        assert!(
            scene.manifest(&format!("killed-{point}")) == expected,
            "killed at write point {point}, the ledger differs"
        );
    }
    assert!(points > 10, "only {points} write points were passed");
}

#[test]
fn concurrent_runs_neither_lose_nor_duplicate_counts() {
    let scene = Scene::new();
    stdout_of_success(&scene.run("s3://ledgers/undisturbed").output().unwrap());
    let expected = scene.ledger_content("undisturbed");
    let mut races = 0;
    // On a busy machine the two runs may not overlap.
    for round in 0..20 {
        let prefix = format!("raced-{round}");
        let ledger = format!("s3://ledgers/{prefix}");
        let runs: Vec<_> = (0..6).map(|_| scene.run(&ledger).spawn().unwrap()).collect();
        let ended: Vec<Output> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
        for output in ended.iter().filter(|output| !output.status.success()) {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains("was changed by another run"), "{stderr}");
        }
        assert!(ended.iter().any(|output| output.status.success()), "none of the runs won");
        races += ended.iter().filter(|output| String::from_utf8_lossy(&output.stderr).contains("another run")).count();
        stdout_of_success(&scene.run(&ledger).output().unwrap());
        assert!(scene.ledger_content(&prefix) == expected, "after round {round} the ledger differs");
        if round >= 2 && races > 0 {
            break;
        }
    }
    assert!(races > 0, "no two runs met");
}

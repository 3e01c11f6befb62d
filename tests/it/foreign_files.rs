//! Foreign files beside, inside or in place of a ledger, site, report or dry run: any sequence of commands keeps all of
//! their bytes and links.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use proptest::prelude::*;
use slowburn::internals::Span;

use crate::peers::Moto;
use crate::scene::{Scene, stderr};

const HASH: &str = "0123456789abcdef0123456789abcdef";

/// Names of foreign files; some resemble slowburn's own.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "notes.txt",
        "photos/cat.jpg",
        ".git/HEAD",
        "2026-10-02/mine.txt",
        "2026-10-02/minutes-08.parquet",
        "2026-09-01/empty/x",
        "backup/manifest.json",
        "manifest.json.bak",
        "alerts.json.tmp",
        "usage-2026-10.json.old",
        ".slowburn-7.tmp",
        "index.html.tmp",
        "mart/theirs.html",
        "latest/theirs.md",
        "sums-2026-10.parquet",
    ]
    .map(str::to_owned)
    .into();
    names.extend([
        format!("2026-10-02/minutes-08-{HASH}.parquet"),
        format!("2026-10-02/objects-08-{HASH}.parquet.tmp"),
        format!("sums-2026-10-{HASH}.parquet"),
        format!("timeslices-2026-10-{HASH}.parquet"),
        format!("fetched-{HASH}.json"),
        format!("asked-{HASH}.json"),
        format!("slices-2026-10-{HASH}.parquet"),
    ]);
    names
}

/// All foreign content below some folders: files with their bytes, links with their targets.
type Foreign = BTreeMap<PathBuf, Result<Vec<u8>, PathBuf>>;

fn foreign(paths: &[PathBuf]) -> Foreign {
    let read = |path: &PathBuf| {
        let about = fs::symlink_metadata(path).unwrap();
        let held = if about.is_symlink() { Err(fs::read_link(path).unwrap()) } else { Ok(fs::read(path).unwrap()) };
        (path.clone(), held)
    };
    paths.iter().map(read).collect()
}

/// A folder with definitions and ninety minutes of logs.
fn scene() -> Scene {
    let span = Span::new("2026-10-02T08:00Z".parse().unwrap(), "2026-10-02T09:30Z".parse().unwrap());
    let team = "teams: { mart: { pages: [mailto:mart@example.com], reports: [mailto:mart@example.com] } }";
    Scene::new(span, &format!("sources: {{ logs: {{ access_logs: logs }} }}\n{team}\n"))
}

/// Puts a foreign file into a location, or a link to an outside folder of foreign files.
fn put(scene: &Scene, place: &str, name: &str, is_link: bool) -> Option<PathBuf> {
    let path = scene.path(place).join(name);
    fs::create_dir_all(path.parent().unwrap()).ok()?;
    if fs::symlink_metadata(&path).is_ok() {
        return None;
    }
    if is_link {
        let elsewhere = scene.path("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious.txt"), "precious").unwrap();
        symlink(elsewhere, &path).ok()?;
    } else {
        fs::write(&path, format!("theirs: {name}")).ok()?;
    }
    Some(path)
}

/// Commands, one group for each location that they write to.
fn commands(at: &str) -> Vec<Vec<String>> {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    [
        format!("run --quiet --silent --at {at}"),
        format!("run --quiet --at {at} --dry-run told --since 2026-10-02T08:00Z"),
        format!("run --quiet --silent --at {at} --report report"),
        format!("report --at {at} --out site"),
        format!("report --at {at} --out report"),
        "weekly --at 2026-10-05T00:30Z --out weekly".to_owned(),
        "weekly --at 2026-10-12T00:30Z --out weekly".to_owned(),
        format!("weekly --at {at} --send --dry-run told"),
        format!("status --at {at} --format csv --out status.csv"),
        format!("export --at {at} --out minutes.csv"),
        format!("gate shop --at {at}"),
    ]
    .map(|text| words(&text))
    .into()
}

const PLACES: [&str; 6] = ["ledger", "site", "told", "report", "weekly", "."];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_command_sequence_changes_foreign_files(
        steps in prop::collection::vec(
            (
                prop::collection::vec((0..PLACES.len(), any::<prop::sample::Index>(), prop::bool::weighted(0.2)), 0..6),
                any::<prop::sample::Index>(),
                0..3_usize,
            ),
            3..8,
        ),
        is_started in prop::bool::weighted(0.8),
    ) {
        let scene = scene();
        if is_started {
            let run = scene.slowburn(&["run", "--quiet", "--silent", "--at", "2026-10-02T08:30Z"]).output().unwrap();
            prop_assert!(run.status.success(), "{}", stderr(&run));
        }
        let mut paths: Vec<PathBuf> = Vec::new();
        for (files, command, moment) in &steps {
            for (place, name, is_link) in files {
                let all = names();
                paths.extend(put(&scene, PLACES[*place], name.get::<String>(&all), *is_link));
            }
            let before = foreign(&paths);
            let elsewhere = fs::read_to_string(scene.path("elsewhere/precious.txt")).ok();
            let all = commands(["2026-10-02T08:35Z", "2026-10-02T09:00Z", "2026-10-03T00:10Z"][*moment]);
            let command: Vec<&str> = command.get(&all).iter().map(String::as_str).collect();
            let output = scene.slowburn(&command).output().unwrap();
            prop_assert!(matches!(output.status.code(), Some(0 | 1 | 3 | 4)), "{command:?}: {}", stderr(&output));
            prop_assert!(foreign(&paths) == before, "{command:?} changed a foreign file: {}", stderr(&output));
            let now = fs::read_to_string(scene.path("elsewhere/precious.txt")).ok();
            prop_assert!(now == elsewhere, "{command:?} followed a link");
            prop_assert_eq!(scene.path("elsewhere").read_dir().map_or(1, Iterator::count), 1);
        }
    }
}

#[test]
fn ledger_is_created_only_in_empty_location() {
    let scene = scene();
    let foreign_file = |place: &str, name: &str| put(&scene, place, name, false).unwrap();
    let paths = [
        foreign_file("data", "photos/cat.jpg"),
        foreign_file("data", "report.csv"),
        foreign_file("checkout", ".git/HEAD"),
        foreign_file("checkout", "manifest.json"),
        foreign_file("locked", "lock"),
    ];
    let before = foreign(&paths);
    for place in ["data", "checkout", "locked", "."] {
        let output =
            scene.slowburn(&["run", "--silent", "--at", "2026-10-02T08:30Z", "--ledger", place]).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{place}: {}", stderr(&output));
        assert!(stderr(&output).contains("hint: "), "{place}: {}", stderr(&output));
        assert_eq!(foreign(&paths), before);
    }
    let refused = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--at", "2026-10-02T08:30Z"]);
        let output = scene.slowburn(&all).output().unwrap();
        (stderr(&output), fs::read_dir(scene.path("data")).unwrap().count())
    };
    insta::assert_snapshot!("ledger_beside_photos", refused(&["run", "--ledger", "data"]).0);
    insta::assert_snapshot!("ledger_around_logs", refused(&["run", "--ledger", "logs/ledger"]).0);
    insta::assert_snapshot!("report_in_ledger", refused(&["run", "--report", "ledger/report"]).0);
    insta::assert_snapshot!("dry_run_around_ledger", refused(&["run", "--dry-run", "."]).0);
    assert_eq!(refused(&["run", "--ledger", "data/ledger"]).1, 3, "a subfolder is created beside foreign files");
    insta::assert_snapshot!("site_around_ledger", refused(&["report", "--out", "data", "--ledger", "data/ledger"]).0);
}

#[test]
fn site_is_not_written_over_foreign_files() {
    let scene = scene();
    let ran = scene.slowburn(&["run", "--quiet", "--silent", "--at", "2026-10-02T09:00Z"]).output().unwrap();
    assert!(ran.status.success(), "{}", stderr(&ran));
    let theirs = put(&scene, "public", "report.json", false).unwrap();
    let report = || scene.slowburn(&["report", "--at", "2026-10-02T09:00Z", "--out", "public"]).output().unwrap();
    insta::assert_snapshot!("site_beside_report", stderr(&report()));
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs: report.json");
    assert_eq!(fs::read_dir(scene.path("public")).unwrap().count(), 1, "nothing was written before that was found");
    fs::remove_file(&theirs).unwrap();
    assert!(report().status.success());
    assert!(report().status.success(), "its own pages are written again");
}

#[test]
fn crash_leaves_no_orphans_and_replaced_files_are_deleted() {
    let scene = scene();
    let run = |at: &str| {
        let mut command = scene.slowburn(&["run", "--quiet", "--silent", "--at", at]);
        command.env("SLOWBURN_CLOCK", at);
        command
    };
    let data_files = || {
        let mut names: Vec<String> = Vec::new();
        for folder in [scene.path("ledger"), scene.path("ledger/2026-10-02")] {
            let found = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name());
            names.extend(
                found
                    .map(|name| name.into_string().unwrap())
                    .filter(|name| name.contains(".parquet") || name.contains(".tmp")),
            );
        }
        names.sort();
        names
    };
    assert!(run("2026-10-02T08:30Z").output().unwrap().status.success());
    let first = data_files();
    // Killed after writing new files and before the manifest references them.
    let mut killed = run("2026-10-02T08:40Z").env("SLOWBURN_STOP_AT_WRITE", "4").spawn().unwrap();
    let stderr = killed.stderr.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    assert!(lines.any(|line| line.unwrap().contains("stopped at write point")));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(data_files().len() > first.len());
    assert!(run("2026-10-02T08:50Z").output().unwrap().status.success());
    let second = data_files();
    assert!(first.iter().all(|name| second.contains(name)), "readers may still be at the manifest before: {second:?}");
    assert!(!second.iter().any(|name| name.contains(".tmp")), "{second:?}");
    assert!(run("2026-10-02T09:00Z").output().unwrap().status.success());
    let third = data_files();
    assert!(!first.iter().any(|name| third.contains(name)), "{third:?}");
    // The first run of the next day finds the orphans of the killed run. Three files are referenced, and this run
    // replaced three.
    assert!(run("2026-10-03T00:10Z").output().unwrap().status.success());
    assert!(run("2026-10-03T00:15Z").output().unwrap().status.success());
    let named = fs::read_to_string(scene.path("ledger/manifest.json")).unwrap();
    let unnamed = |name: &&String| !name.rsplit(['-', '.']).nth(1).is_some_and(|hash| named.contains(hash));
    let left = data_files();
    assert_eq!(left.iter().filter(unnamed).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn foreign_objects_in_bucket_are_kept() {
    let scene = scene();
    let moto = Moto::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = moto.s3();
    let place = aws_sdk_s3::types::BucketLocationConstraint::EuWest1;
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(place).build();
    runtime.block_on(client.create_bucket().bucket("bucket").create_bucket_configuration(place).send()).unwrap();
    let put = |key: &str| {
        let put = client.put_object().bucket("bucket").key(key).body(format!("theirs: {key}").into_bytes().into());
        runtime.block_on(put.send()).unwrap();
    };
    let run = |arguments: &[&str]| scene.slowburn(arguments).envs(moto.environment()).output().unwrap();
    put("AWSLogs/123456789012/precious.log.gz");
    let root = run(&["run", "--silent", "--at", "2026-10-02T08:30Z", "--ledger", "s3://bucket"]);
    insta::assert_snapshot!("ledger_in_used_bucket", stderr(&root));
    let ours = ["--at", "2026-10-02T08:30Z", "--ledger", "s3://bucket/ours"];
    let with = |words: &[&str]| words.iter().copied().chain(ours).map(str::to_owned).collect::<Vec<String>>();
    let command = |words: &[&str]| run(&with(words).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(command(&["run", "--quiet", "--silent"]).status.success());
    let foreign: Vec<String> =
        names().into_iter().flat_map(|name| [format!("ours/{name}"), format!("site/{name}")]).collect();
    for key in &foreign {
        put(key);
    }
    for words in [
        &["run", "--quiet", "--silent"][..],
        &["report", "--out", "s3://bucket/site"],
        &["report", "--out", "s3://bucket/site"],
        &["status"],
        &["run", "--quiet", "--silent"],
    ] {
        let output = command(words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    }
    let inside =
        run(&["report", "--at", "2026-10-02T08:30Z", "--ledger", "s3://bucket/ours", "--out", "s3://bucket/ours/site"]);
    assert!(stderr(&inside).contains("one contains the other"), "{}", stderr(&inside));
    for key in &foreign {
        let object = runtime.block_on(client.get_object().bucket("bucket").key(key).send()).unwrap();
        let bytes = runtime.block_on(object.body.collect()).unwrap().to_vec();
        assert_eq!(bytes, format!("theirs: {key}").into_bytes());
    }
}

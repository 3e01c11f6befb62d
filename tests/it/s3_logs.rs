//! Access logs from S3, through the real SDK: requests, credentials, and refused objects.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail loudly, and cuts ASCII")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use slowburn::internals::{Plan, Span, write_logs};

use crate::peers::{Moto, Peer};

const BUCKET: &str = "elb-logs";
const SHOP: &str = "app/shop/5f1c0e7a9b2d4c68";
const PARTNERS: &str = "app/partners/c4a79e1350f8b26d";
const NOW: &str = "2026-10-02T11:10Z";
/// The key of one of the shop's objects.
const ONE_OBJECT: &str = "5f1c0e7a9b2d4c68_20261002T1030Z";

/// Logs in a bucket behind a proxy that can inject faults, definitions, and one ledger per test.
struct Scene {
    moto: Moto,
    front: Peer,
    runtime: tokio::runtime::Runtime,
    folder: tempfile::TempDir,
    /// By key below the prefix.
    objects: BTreeMap<String, Vec<u8>>,
}

impl Scene {
    /// A bucket with the logs of a span and a page size for listings.
    fn new((from, to): (&str, &str), keys: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let moto = Moto::with_page_size(keys);
        let front = Peer::start("s3_proxy.py", &format!(r#"{{"upstream": "{}"}}"#, moto.endpoint));
        let place = BucketLocationConstraint::EuWest1;
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        let create = moto.s3().create_bucket().bucket(BUCKET).create_bucket_configuration(place);
        runtime.block_on(create.send()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let span = Span::new(from.parse().unwrap(), to.parse().unwrap());
        write_logs(&Plan { span, ..Plan::default() }, &logs, 0).unwrap();
        let objects = files_below(&logs);
        let scene = Self { moto, front, runtime, folder, objects };
        for (key, bytes) in &scene.objects {
            scene.put(key, bytes.clone());
        }
        scene
    }

    /// One hour of logs and definitions of two services.
    fn one_hour() -> Self {
        let scene = Self::new(("2026-10-02T10:00Z", "2026-10-02T11:00Z"), 1_000);
        scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
        scene.service("shop", SHOP);
        scene.service("partners", PARTNERS);
        scene
    }

    fn define(&self, file: &str, text: &str) {
        let path = self.folder.path().join("slos").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn fleet(&self, source: &str, windows: &str) {
        let classes = format!("classes: {{ standard: {{ slos: {{ availability: 99.9% }}, windows: {windows} }} }}");
        self.define("fleet.yaml", &format!("sources:\n  logs: {source}\n{classes}\n"));
    }

    fn service(&self, name: &str, load_balancer: &str) {
        self.define(&format!("mart/{name}.yaml"), &format!("service: {name}\nload_balancer: {load_balancer}\n"));
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        let put = self.moto.s3().put_object().bucket(BUCKET).key(format!("a/{key}")).body(bytes.into());
        self.runtime.block_on(put.send()).unwrap();
    }

    fn set_faults(&self, faults: &str) {
        self.front.post("/_control", &format!(r#"{{"faults": [{faults}]}}"#));
    }

    fn slowburn(&self, task: &str, ledger: &str, at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.arg(task).arg("--ledger").arg(self.folder.path().join(ledger));
        command.arg("--slos").arg(self.folder.path().join("slos")).args(["--at", at]);
        command.env_clear().envs(self.moto.environment());
        command.env("AWS_ENDPOINT_URL_S3", &self.front.url).env("AWS_ENDPOINT_URL_STS", &self.front.url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The stderr and exit code of a run.
    fn run(&self, ledger: &str, at: &str) -> String {
        stderr_text(&self.slowburn("run", ledger, at).output().unwrap())
    }

    /// Known minutes and their sums by SLO: `60 minutes, 6000 total, 180 bad`.
    fn known(&self, ledger: &str) -> BTreeMap<String, String> {
        let output = self.slowburn("export", ledger, "2026-10-05T00:00Z").output().unwrap();
        crate::peers::parse_known_minutes(&output.stdout)
    }

    /// Requests since the last call: account, region, action and path.
    fn sent_requests(&self) -> Vec<(String, String, String, String)> {
        let all: Vec<BTreeMap<String, serde_json::Value>> = serde_json::from_str(&self.front.requests()).unwrap();
        let text =
            |request: &BTreeMap<String, serde_json::Value>, field: &str| request[field].as_str().unwrap().to_owned();
        let requests = all.iter().map(|request| {
            (text(request, "account"), text(request, "region"), text(request, "action"), text(request, "path"))
        });
        let requests = requests.collect();
        self.front.post("/_reset", "");
        requests
    }

    /// Pages of listings of a day's folders since the last call.
    fn listed(&self, day: &str) -> usize {
        let of_day = |path: &str| path.contains("list-type=2") && path.contains(&format!("/{day}/"));
        self.sent_requests().iter().filter(|(_, _, _, path)| of_day(path)).count()
    }
}

fn stderr_text(output: &Output) -> String {
    format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr))
}

fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        let paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(key) = path.strip_prefix(root) {
                found.insert(key.to_str().unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The messages of a run with a fault and its known minutes; without the fault, the next run knows all minutes.
#[test]
fn refused_objects_are_reported_and_unknown_and_others_count() {
    let scene = Scene::one_hour();
    assert!(scene.run("whole", NOW).starts_with("exit 0\n"));
    let whole = scene.known("whole");
    let object = |fault: &str| format!(r#"{{"action": "GetObject", "contains": "{ONE_OBJECT}", {fault}}}"#);
    let denied = r#""code": "AccessDenied", "status": 403, "message": "Access Denied""#;
    let kms = "User: arn:aws:sts::123456789012:assumed-role/slowburn/x is not authorized to perform: kms:Decrypt on resource: \
               arn:aws:kms:eu-west-1:123456789012:key/1 because no identity-based policy allows the kms:Decrypt action";
    let slow = r#""code": "SlowDown", "status": 503, "message": "Please reduce your request rate.""#;
    for (name, fault) in [
        ("denied", object(denied)),
        ("kms_denied", object(&format!(r#""code": "AccessDenied", "status": 403, "message": "{kms}""#))),
        (
            "kms_disabled",
            object(
                r#""code": "KMS.DisabledException", "message": "arn:aws:kms:eu-west-1:123456789012:key/1 is disabled.""#,
            ),
        ),
        (
            "expired",
            r#"{"action": "GetObject", "code": "ExpiredToken", "message": "The provided token has expired."}"#
                .to_owned(),
        ),
        ("slowed_down", object(slow)),
        ("cut", object(r#""cut": 100"#)),
        ("folder_denied", format!(r#"{{"action": "ListObjectsV2", "contains": "2026/10/02", {denied}}}"#)),
        ("bucket_denied", format!(r#"{{"action": "ListObjectsV2", {denied}}}"#)),
    ] {
        scene.set_faults(&fault);
        let stderr = scene.run(name, NOW);
        insta::assert_snapshot!(name, format!("{stderr}\n{:#?}", scene.known(name)));
        scene.set_faults("");
        let fixed = scene.run(name, NOW);
        assert!(fixed.starts_with("exit 0\n"), "{name}: {fixed}");
        assert_eq!(scene.known(name), whole, "{name}");
    }
}

#[test]
fn transient_s3_errors_are_retried() {
    let scene = Scene::one_hour();
    let quiet = scene.run("calm", NOW);
    assert!(quiet.starts_with("exit 0\n"), "{quiet}");
    for (name, fault) in [
        ("burst", r#""code": "SlowDown", "status": 503, "times": 3"#),
        ("error", r#""code": "InternalError", "status": 500, "times": 2"#),
        ("dropped", r#""drop": true, "times": 2"#),
        ("cut", r#""cut": 100, "times": 2"#),
        ("slow", r#""pieces": 5, "pace_s": 0.2"#),
    ] {
        scene.set_faults(&format!(r#"{{"action": "GetObject", "contains": "{ONE_OBJECT}", {fault}}}"#));
        let stderr = scene.run(name, NOW);
        assert!(stderr.starts_with("exit 0\n"), "{name}: {stderr}");
        assert_eq!(scene.known(name), scene.known("calm"), "{name}");
    }
}

#[test]
fn frequent_s3_throttling_delays_run_but_loses_no_minute() {
    let scene = Scene::new(("2026-10-02T08:00Z", "2026-10-02T11:00Z"), 1_000);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
    for (name, balancer) in [("shop", SHOP), ("partners", PARTNERS), ("internal", "app/internal/2e90b7d4863f1ca5")] {
        scene.service(name, balancer);
    }
    let timed = |ledger: &str| {
        let started = Instant::now();
        let stderr = scene.run(ledger, NOW);
        assert!(stderr.starts_with("exit 0\n"), "{ledger}: {stderr}");
        started.elapsed()
    };
    let quiet = timed("calm");
    for (ledger, rate) in [("few", 0.01), ("many", 0.3)] {
        let slow = r#""code": "SlowDown", "status": 503, "message": "Please reduce your request rate.""#;
        scene.set_faults(&format!(r#"{{"action": "GetObject", "rate": {rate}, {slow}}}"#));
        let took = timed(ledger);
        println!("{took:?} instead of {quiet:?} where {rate} is refused");
        assert!(took < quiet + Duration::from_secs(15), "{took:?} instead of {quiet:?} where {rate} is refused");
        assert_eq!(scene.known(ledger), scene.known("calm"), "{ledger}");
    }
}

#[test]
fn object_deleted_after_listing_stays_unknown() {
    let scene = Scene::one_hour();
    let gone = r#""code": "NoSuchKey", "status": 404, "message": "The specified key does not exist.""#;
    scene.set_faults(&format!(r#"{{"action": "GetObject", "contains": "{ONE_OBJECT}", {gone}}}"#));
    let stderr = scene.run("ledger", NOW);
    insta::assert_snapshot!("gone", format!("{stderr}\n{:#?}", scene.known("ledger")));
    for key in scene.objects.keys().filter(|key| key.contains(ONE_OBJECT)) {
        let delete = scene.moto.s3().delete_object().bucket(BUCKET).key(format!("a/{key}"));
        scene.runtime.block_on(delete.send()).unwrap();
    }
    let before = scene.known("ledger");
    scene.run("ledger", NOW);
    assert_eq!(scene.known("ledger"), before);
}

#[test]
fn key_invalid_in_xml_does_not_hide_others() {
    let scene = Scene::one_hour();
    let stderr = scene.run("calm", NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    let (key, _) = scene.objects.iter().find(|(key, _)| key.contains(ONE_OBJECT)).unwrap();
    let (folder, _) = key.rsplit_once('/').unwrap();
    scene.put(&format!("{folder}/a+b c%2B\u{1b}[31m.txt"), b"x".to_vec());
    let stderr = scene.run("hostile", NOW);
    assert!(stderr.starts_with("exit 0\n") && stderr.contains("/a+b c%2B\\u{1b}[31m.txt`"), "{stderr}");
    assert_eq!(scene.known("hostile"), scene.known("calm"));
}

#[test]
fn unassumable_role_is_not_reported_as_missing_bucket_permission() {
    let scene = Scene::one_hour();
    scene.fleet("{ access_logs: s3://elb-logs/a, role_arn: arn:aws:iam::333333333333:role/slowburn }", "[7d]");
    scene.set_faults(r#"{"action": "AssumeRole", "code": "AccessDenied", "status": 403, "message": "not authorized to perform: sts:AssumeRole"}"#);
    let stderr = scene.run("ledger", NOW);
    assert!(
        stderr.contains("cannot read `s3://elb-logs/a`: cannot get AWS credentials: AccessDenied: not authorized"),
        "{stderr}"
    );
    assert!(stderr.contains("hint: allow the caller") && !stderr.contains("s3:ListBucket"), "{stderr}");
}

#[test]
fn other_region_or_requester_pays_bucket_names_missing_field() {
    let scene = Scene::one_hour();
    let moved = r#""unless": {"region": "eu-central-1"}, "code": "PermanentRedirect", "status": 301,
        "headers": {"x-amz-bucket-region": "eu-central-1"},
        "message": "The bucket you are attempting to access must be addressed using the specified endpoint.""#;
    let paid = r#""unless": {"header": "x-amz-request-payer"}, "code": "AccessDenied", "status": 403, "message": "Access Denied""#;
    for (name, fault, field) in
        [("moved", moved, "region: eu-central-1"), ("requester_pays", paid, "requester_pays: true")]
    {
        scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
        scene.set_faults(&format!("{{{}}}", fault.replace('\n', " ")));
        let stderr = scene.run(name, NOW);
        insta::assert_snapshot!(name, stderr);
        assert!(stderr.contains(&format!("`{field}`")), "{stderr}");
        scene.fleet(&format!("{{ access_logs: s3://elb-logs/a, {field} }}"), "[7d]");
        let stderr = scene.run(name, NOW);
        assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    }
}

#[test]
fn sources_in_several_accounts_and_regions_are_read_together() {
    let scene = Scene::one_hour();
    let role = |account: &str| format!("role_arn: \"arn:aws:iam::{account}:role/slowburn\", external_id: abc");
    let (one, other) = (role("111111111111"), role("222222222222"));
    scene.define(
        "fleet.yaml",
        &format!(
            "default_source: one\nsources:\n  one: {{ access_logs: s3://elb-logs/a, region: eu-central-1, {one} }}\n  other: {{ access_logs: \
             s3://elb-logs/a, region: us-east-1, {other} }}\nclasses: {{ standard: {{ slos: {{ availability: 99.9% }}, windows: \
             [7d] }} }}\n"
        ),
    );
    let service = |name: &str, source: &str, balancer: &str| {
        scene.define(
            &format!("mart/{name}.yaml"),
            &format!("service: {name}\nsource: {source}\nload_balancer: {balancer}\n"),
        );
    };
    service("shop", "one", SHOP);
    service("partners", "other", PARTNERS);
    let stderr = scene.run("ledger", NOW);
    assert!(stderr.starts_with("exit 0\n`one`: read 24 log files with "), "{stderr}");
    assert_eq!(scene.front.counters()["counters"]["roles_assumed"], 2);
    let requests = scene.sent_requests();
    let requested: BTreeSet<(&str, &str)> =
        requests.iter().map(|(account, region, ..)| (&**account, &**region)).collect();
    assert_eq!(requested, BTreeSet::from([("111111111111", "eu-central-1"), ("222222222222", "us-east-1")]));
    let as_whom = |balancer: &str| {
        let reads = requests.iter().filter(|(_, _, action, path)| action == "GetObject" && path.contains(balancer));
        reads.map(|(account, ..)| account.as_str()).collect::<BTreeSet<_>>()
    };
    assert_eq!(as_whom("app.shop."), BTreeSet::from(["111111111111"]));
    assert_eq!(as_whom("app.partners."), BTreeSet::from(["222222222222"]));
    // A refused source does not prevent reading the other.
    scene.set_faults(r#"{"contains": "app.shop.", "code": "AccessDenied", "status": 403, "message": "Access Denied"}"#);
    let stderr = scene.run("fresh", NOW);
    assert!(stderr.starts_with("exit 3\n"), "{stderr}");
    assert_eq!(scene.known("fresh")["partners/availability"], scene.known("ledger")["partners/availability"]);
}

#[test]
fn past_day_is_listed_once_more_and_then_nightly() {
    let scene = Scene::new(("2026-10-02T22:00Z", "2026-10-03T00:30Z"), 1_000);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
    scene.service("shop", SHOP);
    let mut looks = Vec::new();
    for at in [
        "2026-10-02T23:50Z",
        "2026-10-03T00:30Z",
        "2026-10-03T00:35Z",
        "2026-10-03T01:00Z",
        "2026-10-03T01:05Z",
        "2026-10-03T23:00Z",
        "2026-10-04T00:05Z",
        "2026-10-04T00:10Z",
        "2026-10-04T01:10Z",
    ] {
        let stderr = scene.run("ledger", at);
        assert!(stderr.starts_with("exit 0\n"), "{stderr}");
        looks.push(scene.listed("2026/10/02"));
    }
    assert_eq!(looks, [1, 1, 1, 1, 0, 0, 1, 0, 0]);
    // Days older than a week are listed only if a longer window needs them.
    scene.run("ledger", "2026-10-06T02:00Z");
    scene.sent_requests();
    scene.run("ledger", "2026-10-06T02:05Z");
    assert_eq!(scene.listed("2026/10/02"), 0);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[14d]");
    scene.run("ledger", "2026-10-06T02:10Z");
    assert_eq!(scene.listed("2026/10/02"), 1, "a longer window looks into a settled day again");
    scene.run("ledger", "2026-10-06T02:15Z");
    assert_eq!(scene.listed("2026/10/02"), 0);
}

#[test]
fn parent_folders_are_listed_hourly_and_after_definition_changes() {
    let scene = Scene::new(("2026-10-02T08:00Z", "2026-10-02T13:00Z"), 1_000);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
    scene.service("shop", SHOP);
    let run = |at: &str| {
        let output = scene.slowburn("run", "ledger", at).env("SLOWBURN_CLOCK", at).output().unwrap();
        let stderr = stderr_text(&output);
        assert!(stderr.starts_with("exit 0\n"), "{stderr}");
        let lists = scene.sent_requests().into_iter().filter(|(.., path)| path.contains("list-type=2"));
        lists.filter(|(.., path)| !path.contains("/2026/10/02/")).count()
    };
    // The prefix, `AWSLogs`, account, service, region, year, month.
    assert_eq!(
        ["2026-10-02T10:20Z", "2026-10-02T10:25Z", "2026-10-02T10:59Z", "2026-10-02T11:05Z"].map(run),
        [7, 0, 0, 7]
    );
    // New objects in a known folder are found at once, another region within the hour.
    let shop = |sums: &str| assert_eq!(scene.known("ledger")["shop/availability"], sums);
    let (key, packed) =
        scene.objects.iter().find(|(key, _)| key.contains("app.shop.") && key.contains("T1100Z")).unwrap();
    assert_eq!(run("2026-10-02T11:06Z"), 0);
    let before = scene.known("ledger")["shop/availability"].clone();
    let other = key.replace("us-east-1", "eu-central-1").replace(".log.gz", "zz.log.gz");
    scene.put(&other, packed.clone());
    assert_eq!(run("2026-10-02T11:07Z"), 0);
    shop(&before);
    assert_eq!(run("2026-10-02T12:00Z"), 10, "and the years, months and days of that region");
    let fresh = scene.slowburn("run", "fresh", "2026-10-02T12:00Z").output().unwrap();
    assert!(fresh.status.success() && scene.sent_requests().iter().any(|(.., path)| path.contains("eu-central-1")));
    shop(&scene.known("fresh")["shop/availability"]);
    // A new service is found immediately.
    scene.service("partners", PARTNERS);
    assert_eq!(["2026-10-02T12:05Z", "2026-10-02T12:10Z"].map(run), [10, 0]);
    assert!(scene.known("ledger").contains_key("partners/availability"));
}

#[test]
fn only_wanted_load_balancers_are_listed_in_large_folder() {
    let scene = Scene::new(("2026-10-02T08:00Z", "2026-10-02T12:00Z"), 20);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
    for name in ["0.txt", "readme.txt"] {
        scene
            .put(&format!("AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026/10/02/{name}"), b"a note".to_vec());
    }
    let at = "2026-10-02T12:10Z";
    let count = |what: &str| scene.objects.keys().filter(|key| key.contains(what)).count();
    let (all, partners) = (count("2026/10/02/") + 2, count("app.partners."));
    let looked = |ledger: &str| {
        let stderr = scene.run(ledger, at);
        (stderr, scene.listed("2026/10/02"))
    };

    scene.service("partners", PARTNERS);
    let (stderr, few) = looked("few");
    // The first page, and those of the load balancer; the last one shows that there are no more.
    assert!(
        few <= 1 + partners.div_ceil(20) + 1 && few < all.div_ceil(20) / 2,
        "{few} pages of {all} objects: {stderr}"
    );
    insta::assert_snapshot!("few_of_many", stderr);

    // An unknown load balancer costs one page more and is reported.
    scene.service("nobody", "app/nobody/0000000000000000");
    let (stderr, more) = looked("nobody");
    assert!(
        more <= few + 1 && stderr.contains("has no logs for app/nobody/0000000000000000"),
        "{more} pages: {stderr}"
    );
    std::fs::remove_file(scene.folder.path().join("slos/mart/nobody.yaml")).unwrap();

    // Where all are wanted, the number of pages is the same.
    for (name, balancer) in
        [("shop", SHOP), ("internal", "app/internal/2e90b7d4863f1ca5"), ("accounts", "app/accounts/81d3f6c05ab94e27")]
    {
        scene.service(name, balancer);
    }
    let (stderr, pages) = looked("all");
    assert!(
        stderr.contains("skipped 2 objects") && pages <= all.div_ceil(20),
        "{pages} pages of {all} objects: {stderr}"
    );
    // A local folder gives the same result.
    scene.fleet("{ access_logs: ./elsewhere }", "[7d]");
    let mut run = scene.slowburn("run", "folder", at);
    let output = run.arg("--logs").arg(scene.folder.path().join("logs")).output().unwrap();
    assert!(output.status.success(), "{}", stderr_text(&output));
    assert_eq!(scene.known("all"), scene.known("folder"));
    assert_eq!(scene.known("few")["partners/availability"], scene.known("folder")["partners/availability"]);
}

/// The memory limit of a run, whatever it reads.
const MEMORY_MAX_KB: u64 = 150 << 10;

#[test]
#[cfg(target_os = "linux")]
fn large_object_is_read_in_chunks_of_one_version() {
    let scene = Scene::one_hour();
    let (key, packed) = scene.objects.iter().find(|(key, _)| key.contains(ONE_OBJECT)).unwrap();
    let unpacked = |packed: &[u8]| {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
        text
    };
    let (text, mut member) = (unpacked(packed), Vec::new());
    let mut writer = flate2::write::GzEncoder::new(&mut member, flate2::Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap();
    let times = 100_000_000 / member.len();
    scene.put(key, member.repeat(times));
    let mut child = scene.slowburn("run", "ledger", NOW).spawn().unwrap();
    let mut memory_kb = 0;
    while child.try_wait().unwrap().is_none() {
        let about = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = about.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        memory_kb = memory_kb.max(peak.unwrap_or(0));
        #[expect(clippy::disallowed_methods, reason = "nothing tells when another process needs more memory")]
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let stderr = stderr_text(&child.wait_with_output().unwrap());
    println!("{memory_kb} kB at most: {stderr}");
    assert!((1..MEMORY_MAX_KB).contains(&memory_kb), "{memory_kb} kB: {stderr}");
    let others: usize = scene
        .objects
        .iter()
        .filter(|(other, _)| *other != key && (other.contains("app.shop.") || other.contains("app.partners.")))
        .map(|(_, packed)| unpacked(packed).lines().count())
        .sum();
    let lines = text.lines().count() * times;
    assert!(
        stderr.replace(',', "").contains(&format!("with {} lines", others + lines)),
        "{others} + {lines}: {stderr}"
    );
    // One chunk of another version makes the whole object unknown.
    let changed = r#""after": 2, "code": "PreconditionFailed", "status": 412, "message": "At least one of the pre-conditions you specified did not hold""#;
    scene.set_faults(&format!(r#"{{"action": "GetObject", "contains": "{ONE_OBJECT}", {changed}}}"#));
    let stderr = scene.run("changed", NOW);
    assert!(stderr.starts_with("exit 3\n") && stderr.contains("changed while it was read"), "{stderr}");
}

/// The logs of a load balancer that was deleted at half past ten and recreated under the same name.
fn recreated_load_balancer_objects(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let new = |key: &String, bytes: &Vec<u8>| {
        let at = key.split("_20261002T").nth(1).map_or("", |rest| &rest[..4]);
        if !key.contains("app.shop.") || at <= "1030" {
            return (key.clone(), bytes.clone());
        }
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.replace("5f1c0e7a9b2d4c68", NEW).as_bytes()).unwrap();
        (key.replace("5f1c0e7a9b2d4c68", NEW), packed.finish().unwrap())
    };
    scene.objects.iter().map(|(key, bytes)| new(key, bytes)).collect()
}

const NEW: &str = "00000000000000ff";

#[test]
fn recreated_load_balancer_continues_under_its_name() {
    // Pages of ten keys: keys between the wanted names are skipped.
    let scene = Scene::new(("2026-10-02T10:00Z", "2026-10-02T11:00Z"), 10);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
    scene.service("shop", SHOP);
    assert!(scene.run("with_id", NOW).starts_with("exit 0\n"));
    let whole = scene.known("with_id");
    scene.service("shop", "app/shop");
    let stderr = scene.run("by_name", NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    assert_eq!(scene.known("by_name"), whole, "a name is as good as an id");
    let pages = scene.sent_requests().iter().filter(|(.., path)| path.contains("list-type=2")).count();
    for key in scene.objects.keys() {
        let delete = scene.moto.s3().delete_object().bucket(BUCKET).key(format!("a/{key}"));
        scene.runtime.block_on(delete.send()).unwrap();
    }
    let (first, second): (BTreeMap<_, _>, BTreeMap<_, _>) =
        recreated_load_balancer_objects(&scene).into_iter().partition(|(key, _)| !key.contains(NEW));
    assert!(second.len() > 3, "{}", second.len());
    for (key, bytes) in first {
        scene.put(&key, bytes);
    }
    scene.run("anew", "2026-10-02T10:45Z");
    assert_ne!(scene.known("anew"), whole);
    for (key, bytes) in second {
        scene.put(&key, bytes);
    }
    drop(scene.sent_requests());
    let stderr = scene.run("anew", NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    assert_eq!(scene.known("anew"), whole, "no minute is lost or counted twice");
    let listed = scene.sent_requests().iter().filter(|(.., path)| path.contains("list-type=2")).count();
    assert!(listed <= pages + 1, "{listed} pages after {pages}");
    // All at once, as for a ledger that is filled again.
    assert!(scene.run("at_once", NOW).starts_with("exit 0\n"));
    assert_eq!(scene.known("at_once"), whole);
}

#[test]
fn run_stops_at_cost_limit_and_next_run_continues() {
    let scene = Scene::one_hour();
    assert!(scene.run("whole", NOW).starts_with("exit 0\n"));
    let export = |ledger: &str| {
        let rows = scene.slowburn("export", ledger, "2026-10-05T00:00Z").output().unwrap().stdout;
        String::from_utf8(rows).unwrap().lines().map(str::to_owned).collect::<BTreeSet<String>>()
    };
    // In nanodollars, by list price.
    let cost = |requests: &[(String, String, String, String)]| {
        let price = |action: &str| if action == "GetObject" { 400 } else { 5_000 };
        requests.iter().map(|(_, _, action, _)| price(action)).sum::<u64>()
    };
    let run = |ledger: &str, most: &str| {
        scene.sent_requests();
        let output = scene.slowburn("run", ledger, NOW).args(["--max-cost", most]).output().unwrap();
        (stderr_text(&output), cost(&scene.sent_requests()))
    };
    // Not enough to find the folders of days.
    let (stderr, paid) = run("little", "0.00002");
    insta::assert_snapshot!("too_dear_to_list", stderr);
    assert!(paid <= 20_000 && export("little").len() <= 1, "{paid}");
    let whole = export("whole");
    let (stderr, paid) = run("some", "0.00005");
    insta::assert_snapshot!("too_dear", stderr);
    assert!((40_000..=50_000).contains(&paid), "{paid}");
    assert!(export("some").is_subset(&whole), "unread minutes are unknown, not zero");
    let mut runs = 1;
    while !run("some", "0.00005").0.starts_with("exit 0\n") {
        runs += 1;
        assert!(runs < 20 && export("some").is_subset(&whole));
    }
    assert_eq!(export("some"), whole);
}

#[test]
fn stopped_run_saves_progress_and_sends_no_notification() {
    let scene = Scene::one_hour();
    let whole = |ledger: &str| {
        let exit = scene.run(ledger, NOW);
        assert!(exit.starts_with("exit 0"), "{exit}");
        scene.known(ledger)
    };
    let expected = whole("whole");
    // Every second node responds slowly, so that the run is stopped in the middle of a day.
    scene.set_faults(
        r#"{"action": "GetObject", "contains": "_203.0.113.21_", "pieces": 4, "pace_s": 2, "times": 1000}"#,
    );
    let slow = scene.objects.keys().filter(|key| key.contains("_203.0.113.21_")).count();
    assert!(slow > 0 && slow < scene.objects.len(), "{slow} of {}", scene.objects.len());
    let sent_to = scene.folder.path().join("told");
    let mut run = scene.slowburn("run", "stopped", NOW);
    run.arg("--dry-run").arg(&sent_to);
    let child = run.args(["--since", "2026-10-02T10:00Z"]).spawn().unwrap();
    while !scene.front.requests().contains("GetObject") {
        wait_until_past_minute();
    }
    wait_until_past_minute();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr_lines = stderr_text(&output);
    assert!(
        stderr_lines.starts_with("exit 3") && stderr_lines.contains("stopped before all logs were read"),
        "{stderr_lines}"
    );
    assert!(stderr_lines.contains("stopped before alerts were evaluated: no notification was sent"), "{stderr_lines}");
    assert!(!sent_to.exists(), "no notification is sent for an incomplete day");
    scene.set_faults("");
    let stopped = scene.slowburn("export", "stopped", "2026-10-05T00:00Z").output().unwrap();
    let all = scene.slowburn("export", "whole", "2026-10-05T00:00Z").output().unwrap();
    let all: BTreeSet<&[u8]> = all.stdout.split(|byte| *byte == b'\n').collect();
    for row in stopped.stdout.split(|byte| *byte == b'\n') {
        assert!(all.contains(row), "known with other counts: {}", String::from_utf8_lossy(row));
    }
    assert_eq!(whole("stopped"), expected);
}

/// Waits briefly for another process.
fn wait_until_past_minute() {
    #[expect(clippy::disallowed_methods, reason = "nothing tells how far another process has come")]
    std::thread::sleep(std::time::Duration::from_millis(200));
}

#[test]
fn minutes_of_unlisted_objects_are_unknown_not_idle() {
    // Two hours around midnight: the folder of the second day cannot be listed.
    let scene = Scene::new(("2026-10-02T22:00Z", "2026-10-03T02:00Z"), 1_000);
    scene.fleet("{ access_logs: s3://elb-logs/a }", "[7d]");
    scene.service("partners", PARTNERS);
    let at = "2026-10-03T02:10Z";
    let expected = {
        assert!(scene.run("whole", at).starts_with("exit 0"));
        scene.known("whole")
    };
    // Objects of the next day follow the gap.
    let (late, bytes) = scene.objects.iter().rfind(|(key, _)| key.contains("partners")).unwrap();
    let late = late.replace("2026/10/03", "2026/10/04").replace("20261003T", "20261004T");
    scene.put(&late, bytes.clone());
    scene.set_faults(
        r#"{"action": "ListObjectsV2", "contains": "/2026/10/03/", "code": "InternalError", "status": 500, "times": 1000}"#,
    );
    let at = "2026-10-04T02:10Z";
    let stderr = scene.run("gap", at);
    assert!(stderr.starts_with("exit 3") && stderr.contains("cannot access"), "{stderr}");
    let known = scene.slowburn("export", "gap", at).output().unwrap().stdout;
    let of_day = |day: &str| String::from_utf8_lossy(&known).lines().filter(|line| line.contains(day)).count();
    assert_eq!(of_day("2026-10-03T"), 0, "the day that was not listed is unknown");
    assert!(of_day("2026-10-02T") > 0);
    scene.set_faults("");
    assert!(scene.run("gap", at).starts_with("exit 0"));
    let healed = scene.slowburn("export", "gap", "2026-10-03T02:10Z").output().unwrap();
    let rows =
        |export: &[u8]| String::from_utf8_lossy(export).lines().filter(|line| line.contains("2026-10-0")).count();
    let whole = scene.slowburn("export", "whole", "2026-10-03T02:10Z").output().unwrap();
    assert!(rows(&healed.stdout) >= rows(&whole.stdout), "{expected:?}");
}

#[test]
fn empty_object_in_bucket_has_no_lines() {
    let scene = Scene::one_hour();
    let whole = {
        assert!(scene.run("whole", NOW).starts_with("exit 0"));
        scene.known("whole")
    };
    for (key, _) in scene.objects.iter().filter(|(key, _)| key.contains(ONE_OBJECT)) {
        scene.put(&key.replace("_203.0.113.", "_198.51.100."), Vec::new());
        scene.put(&key.replace("_203.0.113.", "_198.51.100.").replace(".log.gz", "x.log"), Vec::new());
    }
    let stderr = scene.run("empty", NOW);
    assert!(stderr.starts_with("exit 0"), "{stderr}");
    assert_eq!(scene.known("empty"), whole);
}

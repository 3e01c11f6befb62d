//! Contributors of failures, end to end: logs in a directory or bucket, the slowburn binary, and the PagerDuty payload.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use slowburn::internals::{Minute, Span};

use crate::peers::{Moto, Peer};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const BUCKET: &str = "elb-logs";
/// The client whose requests fail; its address must not appear in notifications.
const SECRET: &str = "4111111111111111";
const CLIENT: &str = "198.51.100.77";

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

/// A line of an Application Load Balancer; requests rotate over the targets.
fn line(balancer: &str, at: Minute, number: usize, statuses: &str, request: &str) -> String {
    let second = number % 60;
    let time = at.timestamp().strftime("%Y-%m-%dT%H:%M:");
    let target = if statuses.ends_with('-') { "-".to_owned() } else { format!("10.0.1.{}:8080", number % 7 + 1) };
    format!(
        "https {time}{second:02}.500000Z {balancer} {CLIENT}:2817 {target} 0.001 0.020 0.000 {statuses} 34 366 \
         \"{request} HTTP/2.0\" \"curl/8\" TLS_AES_128_GCM_SHA256 TLSv1.3 \
         arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0b \"Root=1-0\" \"shop.example.com\" \"-\" 1 \
         {time}{second:02}.479000Z \"forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\" TID_0d\n"
    )
}

/// Seventy requests in one minute of the shop; the seventh target fails from noon on.
fn shop(at: Minute, noon: Minute) -> String {
    (0..70).fold(String::new(), |mut text, number| {
        let statuses = if at >= noon && number % 7 == 6 { "500 500" } else { "200 200" };
        let request = format!("GET https://shop.example.com:443/cart/{}", number * 91);
        text.push_str(&line("app/shop/5f1c0e7a9b2d4c68", at, number, statuses, &request));
        text
    })
}

/// Requests of the bank; from noon on payments are answered by the load balancer.
fn bank(at: Minute, noon: Minute) -> String {
    (0..70).fold(String::new(), |mut text, number| {
        let (statuses, request) = if number % 5 == 2 {
            let statuses = if at >= noon { "502 -" } else { "200 200" };
            (statuses, format!("POST https://bank.example.com:443/pay/{number}77/`<!channel>`?card={SECRET}"))
        } else {
            ("200 200", "GET https://bank.example.com:443/".to_owned())
        };
        text.push_str(&line("app/bank/81d3f6c05ab94e27", at, number, statuses, &request));
        text
    })
}

/// Writes the lines of one minute of a fleet that fails from noon on.
type LineWriter = fn(Minute, Minute) -> String;

/// The objects of a span by key; two load balancers write one each every five minutes.
fn objects(span: Span, noon: Minute) -> BTreeMap<String, String> {
    let mut objects = BTreeMap::new();
    let lines: [(&str, LineWriter); 2] = [("app.shop.5f1c0e7a9b2d4c68", shop), ("app.bank.81d3f6c05ab94e27", bank)];
    for start in (span.start.0..span.end.0).step_by(5).map(Minute) {
        for (name, lines) in lines {
            let text: String = (0..5).map(|after| lines(start.plus(after), noon)).collect();
            let end = start.plus(5).timestamp();
            let (folder, stamp) = (end.strftime("%Y/%m/%d"), end.strftime("%Y%m%dT%H%MZ"));
            let key = format!(
                "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/{folder}/123456789012_elasticloadbalancing_eu-west-1_{name}_{stamp}_\
                 203.0.113.21_{}.log",
                start.0
            );
            objects.insert(key, text);
        }
    }
    objects
}

struct Scene {
    folder: tempfile::TempDir,
    peer: Peer,
}

impl Scene {
    fn new(place: &str) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), peer: Peer::start("channels_server.py", "{}") };
        let mut fleet = format!("sources: {{ logs: {{ access_logs: '{place}', delay: 10m }} }}\n");
        writeln!(fleet, "teams: {{ ops: {{ pages: 'pagerduty:${{KEY}}', tickets: 'pagerduty:${{KEY}}' }} }}").unwrap();
        writeln!(fleet, "classes: {{ standard: {{ slos: {{ availability: 99.9% }} }} }}").unwrap();
        scene.write("slos/fleet.yaml", &fleet);
        for name in ["shop", "bank"] {
            scene.write(&format!("slos/ops/{name}.yaml"), &format!("service: {name}\nload_balancer: app/{name}\n"));
        }
        scene
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, at: Minute) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.args(["run", "--ledger", "ledger", "--at", &at.to_string()]).env_clear();
        command.current_dir(self.folder.path()).env("SLOWBURN_CLOCK", at.to_string()).env("NO_COLOR", "1");
        command.env("SLOWBURN_PAGERDUTY_URL", &self.peer.url).env("KEY", KEY);
        command
    }

    /// Every received event, by service.
    fn sent_contributors(&self) -> BTreeMap<String, String> {
        let requests: Vec<Value> = serde_json::from_str(&self.peer.requests()).unwrap();
        let bodies = requests.iter().map(|request| request["body"].as_str().unwrap().to_owned());
        let service = |body: &str| if body.contains("shop/availability") { "shop" } else { "bank" };
        bodies.map(|body| (service(&body).to_owned(), body)).collect()
    }
}

fn run_stderr(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    stderr
}

const SHOP_CONTRIBUTORS: &str = "Of the 100 requests that failed in the last 1h, all were answered with 500 by the target. \
                       All went to target `10.0.1.7:8080`, which received 14% of all requests.";
const BANK_CONTRIBUTORS: &str = "Of the 140 requests that failed in the last 1h, all were answered with 502 by the load balancer instead of a target. \
                       All requested `POST /pay/{id}/%60%3C!channel%3E%60`, which received 20% of all requests.";

#[test]
fn page_names_failing_target_and_route() {
    let scene = Scene::new("./logs");
    let noon = minute("2026-10-01T12:00Z");
    let write = |span| objects(span, noon).iter().for_each(|(key, text)| scene.write(&format!("logs/{key}"), text));
    write(Span::new(noon.plus(-120), noon));
    run_stderr(&mut scene.command(noon.plus(10)));
    assert!(scene.sent_contributors().is_empty());
    write(Span::new(noon, noon.plus(10)));
    let words = run_stderr(&mut scene.command(noon.plus(20)));
    let sent = scene.sent_contributors();
    assert!(sent["shop"].contains(SHOP_CONTRIBUTORS), "{words}\n{sent:#?}");
    assert!(sent["bank"].contains(BANK_CONTRIBUTORS), "{words}\n{sent:#?}");
    let events = scene.peer.requests();
    let kept = fs::read_to_string(scene.folder.path().join("ledger/alerts.json")).unwrap();
    for text in sent.values().chain([&kept]) {
        assert!(!text.contains(SECRET) && !text.contains(CLIENT) && !text.contains("<!channel>"), "{text}");
    }
    assert!(!words.contains("contributor analysis is incomplete"), "{words}");
    // Later site pages contain the contributors too.
    let mut report = Command::new(env!("CARGO_BIN_EXE_slowburn"));
    report.args(["report", "--ledger", "ledger", "--out", "site", "--at", &noon.plus(20).to_string()]).env_clear();
    assert!(report.current_dir(scene.folder.path()).output().unwrap().status.success());
    for (service, words) in [("shop", SHOP_CONTRIBUTORS), ("bank", BANK_CONTRIBUTORS)] {
        let page = fs::read_to_string(scene.folder.path().join(format!("site/services/ops/{service}.html"))).unwrap();
        let page = page.replace("&#x2f;", "/").replace("&lt;", "<").replace("&amp;", "&");
        assert!(page.contains(words), "{words}: {page}");
    }
    // An unchanged incident is not analysed again.
    write(Span::new(noon.plus(10), noon.plus(15)));
    run_stderr(&mut scene.command(noon.plus(25)));
    assert_eq!(scene.peer.requests(), events);
}

/// The same logs in a bucket behind a proxy that counts and rejects requests.
struct Bucket {
    moto: Moto,
    front: Peer,
    runtime: tokio::runtime::Runtime,
    scene: Scene,
}

impl Bucket {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let moto = Moto::start();
        let front = Peer::start("s3_proxy.py", &format!(r#"{{"upstream": "{}"}}"#, moto.endpoint));
        let bucket = Self { moto, front, runtime, scene: Scene::new("s3://elb-logs") };
        let place = aws_sdk_s3::types::CreateBucketConfiguration::builder();
        let place = place.location_constraint(aws_sdk_s3::types::BucketLocationConstraint::EuWest1).build();
        let create = bucket.moto.s3().create_bucket().bucket(BUCKET).create_bucket_configuration(place);
        bucket.runtime.block_on(create.send()).unwrap();
        bucket
    }

    fn put(&self, span: Span, noon: Minute) -> usize {
        let objects = objects(span, noon);
        for (key, text) in &objects {
            let put = self.moto.s3().put_object().bucket(BUCKET).key(key).body(text.clone().into_bytes().into());
            self.runtime.block_on(put.send()).unwrap();
        }
        objects.len()
    }

    fn run(&self, at: Minute) -> String {
        let mut command = self.scene.command(at);
        run_stderr(command.envs(self.moto.environment()).env("AWS_ENDPOINT_URL_S3", &self.front.url))
    }

    /// Number of object reads and folder listings since the last call.
    fn request_counts(&self) -> (usize, usize) {
        let all: Vec<Value> = serde_json::from_str(&self.front.requests()).unwrap();
        self.front.post("/_reset", "");
        let of = |action: &str| all.iter().filter(|request| request["action"] == action).count();
        (of("GetObject"), of("ListObjectsV2"))
    }
}

#[test]
fn contributor_scan_reads_one_hour_and_never_delays_a_page() {
    let bucket = Bucket::new();
    let noon = minute("2026-10-01T12:00Z");
    bucket.put(Span::new(noon.plus(-60), noon), noon);
    bucket.run(noon.plus(10));
    bucket.request_counts();
    let new = bucket.put(Span::new(noon, noon.plus(10)), noon);
    // Twelve five-minute objects are one hour of one node; no listing is needed.
    let started = Instant::now();
    let words = bucket.run(noon.plus(20));
    let (fetched, listed) = bucket.request_counts();
    assert_eq!(fetched, new + 2 * 12, "{words}");
    println!("{fetched} objects fetched, {new} of them new, {listed} listings, {:?}", started.elapsed());
    let sent = bucket.scene.sent_contributors();
    assert!(sent["shop"].contains(SHOP_CONTRIBUTORS) && sent["bank"].contains(BANK_CONTRIBUTORS), "{words}\n{sent:#?}");
}

#[test]
fn objects_not_read_before_deadline_are_left_out() {
    let noon = minute("2026-10-01T12:00Z");
    let check = |fault: &str, seconds: std::ops::Range<u64>| {
        let bucket = Bucket::new();
        bucket.put(Span::new(noon.plus(-60), noon), noon);
        bucket.run(noon.plus(10));
        let new = bucket.put(Span::new(noon, noon.plus(10)), noon);
        let faults = format!(r#"{{"faults": [{{"action": "GetObject", "after": {new}, {fault}}}]}}"#);
        bucket.front.post("/_control", &faults);
        let started = Instant::now();
        let words = bucket.run(noon.plus(20));
        let took = started.elapsed();
        assert!((seconds.start..seconds.end).contains(&took.as_secs()), "{took:?}: {words}");
        assert!(words.contains("contributor analysis is incomplete for 2 incidents"), "{words}");
        let sent = bucket.scene.sent_contributors();
        assert_eq!(sent.len(), 2, "{words}");
        assert!(sent.values().all(|body| !body.contains("requests that failed")), "{sent:#?}");
    };
    check(r#""code": "AccessDenied", "status": 403"#, 0..10);
    check(r#""pieces": 2, "pace_s": 60"#, 10..Duration::from_secs(25).as_secs());
}

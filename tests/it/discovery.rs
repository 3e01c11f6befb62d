//! Load balancers by name and tags, through the real SDKs: requests, caching, and recreated load balancers.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use crate::peers::{Moto, Peer};

const NOW: &str = "2026-10-31T12:00Z";
const FLEET: &str = "\
sources:
  metrics: { cloudwatch: eu-west-1 }
classes:
  standard: { slos: { availability: 99.9% }, windows: [7d] }
";

/// An account with load balancers, their metrics, and definitions.
struct Scene {
    _moto: Moto,
    elb: Peer,
    metrics: Peer,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(fleet: &str, services: &[(&str, &str)]) -> Self {
        let moto = Moto::start();
        let elb = Peer::start("elb_proxy.py", &format!(r#"{{"upstream": "{}", "page": 2}}"#, moto.endpoint));
        let metrics = Peer::start("cloudwatch_server.py", &format!(r#"{{"now": "{NOW}"}}"#));
        let scene = Self { _moto: moto, elb, metrics, folder: tempfile::tempdir().unwrap() };
        scene.define("fleet.yaml", fleet);
        for (name, text) in services {
            scene.define(&format!("shop/{name}.yaml"), &format!("service: {name}\n{text}"));
        }
        scene
    }

    fn define(&self, file: &str, text: &str) {
        let path = self.folder.path().join("slos").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Creates a load balancer with target groups, each tagged `service`. Returns `app/name/id` and the groups'
    /// `name/id`.
    fn create(&self, balancer: &str, service: &str, groups: &[&str]) -> (String, Vec<String>) {
        let tags = format!(r#"{{"service": "{service}"}}"#);
        let groups: Vec<String> = groups.iter().map(|name| format!(r#""{name}": {tags}"#)).collect();
        let groups = groups.join(",");
        let requested = format!(r#"{{"balancer": "{balancer}", "tags": {tags}, "groups": {{{groups}}}}}"#);
        let made: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&self.elb.post("/_create", &requested)).unwrap();
        let groups = made["groups"].as_array().unwrap().iter().map(|group| group.as_str().unwrap().to_owned());
        (made["balancer"].as_str().unwrap().to_owned(), groups.collect())
    }

    fn delete(&self, balancer: &str) {
        self.elb.post("/_delete", &format!(r#"{{"balancer": "{balancer}"}}"#));
    }

    /// Sets the requests of consecutive minutes.
    fn traffic(&self, dimensions: &str, start: &str, minutes: usize, count: u32) {
        let of = |name: &str, what: &str, value: &str| {
            let values = vec![value; minutes].join(",");
            format!(
                r#"{{"namespace": "AWS/ApplicationELB", "metric": "{name}", "dimensions": {{{dimensions}}},
                "account": "123456789012", "region": "eu-west-1", "start": "2026-10-31T{start}Z", "{what}": [{values}]}}"#
            )
        };
        let metrics = [
            of("HTTPCode_Target_2XX_Count", "sums", &count.to_string()),
            of("TargetResponseTime", "samples", &format!("[[0.1, {count}]]")),
        ];
        self.metrics.post("/_series", &format!("[{}]", metrics.join(",")));
    }

    fn slowburn(&self, task: &str, at: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command.arg(task).arg("--ledger").arg(self.folder.path().join("ledger"));
        command.arg("--slos").arg(self.folder.path().join("slos"));
        command.env_clear().envs([
            ("AWS_ENDPOINT_URL_CLOUDWATCH", self.metrics.url.as_str()),
            ("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", &self.elb.url),
            ("AWS_ENDPOINT_URL_RESOURCE_GROUPS_TAGGING_API", &self.elb.url),
            ("AWS_ENDPOINT_URL_STS", &self.elb.url),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // For logs in a directory, which has no region.
            ("AWS_REGION", "eu-west-1"),
            ("SLOWBURN_CLOCK", at),
        ]);
        command
    }

    /// The stderr and exit code of a run.
    fn run(&self, at: &str) -> String {
        stderr(&self.slowburn("run", at).args(["--at", at]).output().unwrap())
    }

    /// Counts of each known minute from a time on, by SLO.
    fn minutes(&self, from: &str) -> BTreeMap<String, Vec<(String, u64)>> {
        let output = self.slowburn("export", NOW).args(["--at", "2026-10-31T23:00Z"]).output().unwrap();
        let mut minutes: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
        for row in csv::Reader::from_reader(&*output.stdout).deserialize::<BTreeMap<String, String>>() {
            let row = row.unwrap();
            let of = minutes.entry(row["slo"].clone()).or_default();
            if row["minute"].as_str() >= from {
                of.push((row["minute"].clone(), row["total"].parse().unwrap()));
            }
        }
        minutes
    }

    /// Asserts that every minute of a range is known with this number of requests.
    fn assert_each(&self, slo: &str, (from, until): (&str, &str), count: u64) {
        let minutes = self.minutes(from).remove(slo).unwrap_or_default();
        let [first, last] = [from, until].map(|minute| minute.parse::<slowburn::internals::Minute>().unwrap());
        let expected: Vec<(String, u64)> =
            (first.0..last.0).map(|minute| (slowburn::internals::Minute(minute).to_string(), count)).collect();
        assert_eq!(minutes, expected);
    }

    /// Requests to Elastic Load Balancing and the tagging API since the last call.
    fn lookup_requests(&self) -> Vec<(String, u64)> {
        let counters = self.elb.counters();
        let requests = counters["counters"]["requests"].as_object().unwrap();
        let counted = requests.iter().map(|(action, count)| (action.clone(), count.as_u64().unwrap())).collect();
        self.elb.post("/_reset", "");
        counted
    }

    /// The latest requests to CloudWatch.
    fn requested_paths(&self) -> String {
        let all: Vec<serde_json::Value> = serde_json::from_str(&self.metrics.requests()).unwrap();
        all.last().unwrap().to_string()
    }
}

fn stderr(output: &Output) -> String {
    format!("exit {}\n{}", output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr))
}

fn requests(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    pairs.iter().map(|(action, count)| ((*action).to_owned(), *count)).collect()
}

/// The dimensions of a balancer, or of a target group behind it.
fn dimensions(balancer: &str, group: Option<&str>) -> String {
    let group = group.map_or_else(String::new, |group| format!(r#""TargetGroup": "targetgroup/{group}", "#));
    format!(r#"{group}"LoadBalancer": "{balancer}""#)
}

#[test]
fn name_is_looked_up_across_pages_and_cached() {
    let scene = Scene::new(FLEET, &[("mart", "load_balancer: app/mart\n")]);
    for name in ["cart", "mart-2", "orders"] {
        let (other, _) = scene.create(name, name, &[]);
        scene.traffic(&dimensions(&other, None), "10:00", 120, 7);
    }
    let (balancer, _) = scene.create("mart", "mart", &[]);
    scene.traffic(&dimensions(&balancer, None), "11:00", 60, 100);
    let stderr = scene.run(NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    // Four load balancers, two per page; tags and target groups are listed only if definitions select by them.
    assert_eq!(scene.lookup_requests(), requests(&[("DescribeLoadBalancers", 2)]));
    scene.assert_each("mart/availability", ("2026-10-31T11:00Z", "2026-10-31T11:57Z"), 100);
    for at in ["2026-10-31T12:05Z", "2026-10-31T12:10Z"] {
        assert!(scene.run(at).starts_with("exit 0\n"));
    }
    assert_eq!(scene.lookup_requests(), [], "lookups are cached");
    assert!(scene.run("2026-10-31T12:15Z").starts_with("exit 0\n"));
    assert_eq!(scene.lookup_requests(), requests(&[("DescribeLoadBalancers", 2)]));
    let offline = scene.slowburn("run", "2026-10-31T14:00Z").args(["--offline"]).output().unwrap();
    assert_eq!((offline.status.code(), scene.lookup_requests()), (Some(0), vec![]));
}

#[test]
fn recreated_load_balancer_continues_its_slo() {
    let scene = Scene::new(FLEET, &[("mart", "load_balancer: app/mart\n")]);
    let (old, _) = scene.create("mart", "mart", &[]);
    scene.traffic(&dimensions(&old, None), "11:00", 67, 100);
    assert!(scene.run(NOW).starts_with("exit 0\n"));
    scene.delete("mart");
    let (new, _) = scene.create("mart", "mart", &[]);
    assert_ne!(old, new);
    // Both answered in the same minute.
    scene.traffic(&dimensions(&old, None), "12:07", 1, 40);
    scene.traffic(&dimensions(&new, None), "12:07", 1, 60);
    scene.traffic(&dimensions(&new, None), "12:08", 60, 100);
    // The cached lookup is still valid, so the requests of the new one are missing for now.
    assert!(scene.run("2026-10-31T12:12Z").starts_with("exit 0\n"));
    assert!(scene.run("2026-10-31T12:20Z").starts_with("exit 0\n"));
    let requested = scene.requested_paths();
    assert!(requested.contains(&old) && requested.contains(&new), "{requested}");
    scene.assert_each("mart/availability", ("2026-10-31T11:00Z", "2026-10-31T12:17Z"), 100);
    assert!(scene.run("2026-10-31T12:45Z").starts_with("exit 0\n"));
    for at in ["2026-10-31T14:35Z", "2026-10-31T14:40Z"] {
        assert!(scene.run(at).starts_with("exit 0\n"));
    }
    let requested = scene.requested_paths();
    assert!(!requested.contains(&old) && requested.contains(&new), "deleted metrics are still requested: {requested}");
    scene.assert_each("mart/availability", ("2026-10-31T11:00Z", "2026-10-31T13:08Z"), 100);
    let ledger = scene.folder.path().join("ledger");
    assert!(std::fs::read_to_string(ledger.join("discovery.json")).unwrap().contains(&old));
}

#[test]
fn replacement_missed_by_failed_lookup_is_backfilled() {
    let scene = Scene::new(FLEET, &[("mart", "load_balancer: app/mart\n")]);
    let (old, _) = scene.create("mart", "mart", &[]);
    scene.traffic(&dimensions(&old, None), "11:00", 67, 100);
    assert!(scene.run(NOW).starts_with("exit 0\n"));
    scene.delete("mart");
    let (new, _) = scene.create("mart", "mart", &[]);
    scene.traffic(&dimensions(&new, None), "12:07", 180, 100);
    let denied = r#"{"faults": [{"action": "DescribeLoadBalancers", "code": "AccessDenied", "status": 403, "times": 9,
        "message": "User: slowburn is not authorized to perform: elasticloadbalancing:DescribeLoadBalancers"}]}"#;
    scene.elb.post("/_control", denied);
    let stderr = scene.run("2026-10-31T12:30Z");
    insta::assert_snapshot!("denied", stderr.replace(&old, "app/mart/OLD"));
    assert!(scene.run("2026-10-31T13:30Z").starts_with("exit 3\n"));
    scene.elb.post("/_reset", "");
    assert!(scene.run("2026-10-31T13:45Z").starts_with("exit 0\n"));
    scene.assert_each("mart/availability", ("2026-10-31T11:00Z", "2026-10-31T13:42Z"), 100);
}

#[test]
fn tag_selects_every_tagged_resource() {
    let fleet = FLEET.replace("availability: 99.9%", "latency: { objective: 99%, under: 300ms }");
    let text = "load_balancer: app/mart\ntarget_group: { tags: { service: checkout } }\n";
    let whole = "load_balancer: { tags: { service: mart } }\n";
    let scene = Scene::new(&fleet, &[("checkout", text), ("mart", whole)]);
    let (one, groups) = scene.create("mart", "mart", &[]);
    assert_eq!(groups, [""; 0]);
    scene.delete("mart");
    let (mart, groups) = scene.create("mart", "checkout", &["blue", "green"]);
    assert_ne!(one, mart);
    let (north, _) = scene.create("north", "mart", &[]);
    let (south, _) = scene.create("south", "mart", &[]);
    for (place, count) in [
        (dimensions(&mart, Some(&groups[0])), 30),
        (dimensions(&mart, Some(&groups[1])), 12),
        (dimensions(&mart, None), 50),
        (dimensions(&north, None), 3),
        (dimensions(&south, None), 4),
    ] {
        scene.traffic(&place, "11:00", 60, count);
    }
    let stderr = scene.run(NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    let expected = [("DescribeLoadBalancers", 2), ("DescribeTargetGroups", 1), ("GetResources", 3)];
    assert_eq!(scene.lookup_requests(), requests(&expected), "one lookup serves all selectors");
    scene.assert_each("checkout/latency", ("2026-10-31T11:00Z", "2026-10-31T11:57Z"), 42);
    scene.assert_each("mart/latency", ("2026-10-31T11:00Z", "2026-10-31T11:57Z"), 7);
}

#[test]
fn unresolved_selector_is_reported_and_unknown() {
    let absent = "load_balancer: app/absent\n";
    let untagged = "load_balancer: { tags: { service: absent } }\n";
    let grouped = "load_balancer: app/mart\ntarget_group: idle\nslos: { availability: { objective: 99.9%, elb_5xx: excluded } }\n";
    let scene = Scene::new(
        FLEET,
        &[("absent", absent), ("untagged", untagged), ("grouped", grouped), ("mart", "load_balancer: app/mart\n")],
    );
    let (mart, _) = scene.create("mart", "mart", &[]);
    scene.traffic(&dimensions(&mart, None), "11:00", 60, 100);
    insta::assert_snapshot!("nothing_found", scene.run(NOW));
    assert_eq!(scene.minutes("2026-10-31T11:00Z").into_keys().collect::<Vec<_>>(), ["mart/availability"]);
    drop(scene.lookup_requests());
    // The lookup is repeated until it is found.
    let (new, _) = scene.create("absent", "absent", &[]);
    scene.traffic(&dimensions(&new, None), "12:00", 5, 9);
    assert!(scene.run("2026-10-31T12:05Z").starts_with("exit 3\n"));
    scene.assert_each("absent/availability", ("2026-10-31T12:00Z", "2026-10-31T12:02Z"), 9);
    // After its deletion its minutes are unknown.
    scene.delete("absent");
    assert!(scene.run("2026-10-31T12:25Z").contains("`app/absent` (missing since 2026-10-31T12:25Z)"));
    assert!(scene.run("2026-10-31T13:25Z").contains("`app/absent` (missing since 2026-10-31T12:25Z)"));
    let last = scene.minutes("2026-10-31T12:00Z")["absent/availability"].last().unwrap().0.clone();
    assert!(last.as_str() < "2026-10-31T12:30Z", "{last}");
}

#[test]
fn transient_errors_are_retried_and_cost_is_checked_first() {
    let scene = Scene::new(FLEET, &[("mart", "load_balancer: app/mart\n")]);
    let cost = || {
        let output = scene.slowburn("cost", NOW).args(["--format", "json"]).output().unwrap();
        let forecast: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let source = &forecast["sources"][0];
        (source["metrics"].as_u64().unwrap(), source["assumed"].as_bool().unwrap())
    };
    assert_eq!(cost(), (6 * 288, true), "a name is taken for one balancer");
    let table = String::from_utf8(scene.slowburn("cost", NOW).output().unwrap().stdout).unwrap();
    assert!(
        table.contains("\n* estimate until a run has completed discovery") && !table.contains("two nodes"),
        "{table}"
    );
    let (mart, _) = scene.create("mart", "mart", &[]);
    scene.traffic(&dimensions(&mart, None), "11:00", 60, 100);
    let faults = r#"{"faults": [{"action": "DescribeLoadBalancers", "code": "Throttling", "status": 400, "times": 2},
        {"action": "DescribeLoadBalancers", "drop": true, "times": 1}]}"#;
    scene.elb.post("/_control", faults);
    let stderr = scene.run(NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    scene.assert_each("mart/availability", ("2026-10-31T11:00Z", "2026-10-31T11:57Z"), 100);
    assert_eq!(cost(), (6 * 288, false));
}

/// The lines of one minute: two requests to a target group.
fn lines(minute: &str, group: &str) -> String {
    let line = format!(
        "https {minute}:10.500000Z app/shop/00000000000000aa 198.51.100.7:2817 10.0.0.1:80 0.001 0.020 0.000 200 200 34 366 \
         \"GET https://shop.example.com:443/cart HTTP/2.0\" \"curl/8\" - TLSv1.3 \
         arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{group}/0b \"Root=1-0\" \"shop.example.com\" \"-\" 1 \
         {minute}:10.479000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\"\n"
    );
    line.repeat(2)
}

#[test]
fn tagged_minutes_before_discovery_are_unknown_not_idle() {
    let text = "source: logs\nload_balancer: app/shop\ntarget_group: { tags: { service: checkout } }\n";
    let scene = Scene::new(FLEET, &[("checkout", text)]);
    let logs = scene.folder.path().join("logs");
    let source = format!("sources:\n  logs: {{ access_logs: {} }}\n", logs.display());
    scene.define("fleet.yaml", &FLEET.replace("sources:\n", &source));
    scene.create("shop", "checkout", &["blue"]);
    let write_as = |balancer: &str, logs: &Path, from: i32, until: i32| {
        for end in (from + 5..=until).step_by(5) {
            // The group that served until eleven was deleted, and its tags are not known.
            let group = if end <= 11 * 60 { "old" } else { "blue" };
            // It has no requests from half past eleven on.
            let group = if end > 11 * 60 + 30 { "red" } else { group };
            let minute = |minute: i32| format!("2026-10-31T{:02}:{:02}", minute / 60, minute % 60);
            let text: String = (end - 5..end).map(|at| lines(&minute(at), group)).collect();
            let text = text.replace("app/shop/00000000000000aa", balancer);
            let folder = logs.join("AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/10/31");
            std::fs::create_dir_all(&folder).unwrap();
            let end = minute(end).replace(['-', ':'], "");
            let balancer = balancer.replace('/', ".");
            let name = format!("123456789012_elasticloadbalancing_eu-west-1_{balancer}_{end}Z_192.0.2.7_1a2b.log");
            std::fs::write(folder.join(name), text).unwrap();
        }
    };
    let write = |from: i32, until: i32| write_as("app/shop/00000000000000aa", &logs, from, until);
    let check = |until: &str| {
        let known = scene.minutes("2026-10-31T00:00Z").remove("checkout/availability").unwrap_or_default();
        let first = known.first().map(|(minute, _)| minute.as_str());
        assert_eq!(first, Some("2026-10-31T11:00Z"));
        assert_eq!(known.iter().filter(|(_, total)| *total == 2).count(), 30);
        assert_eq!(known.last().map(|(minute, total)| (minute.as_str(), *total)), Some((until, 0)));
    };
    write(9 * 60, 12 * 60);
    let stderr = scene.run(NOW);
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    check("2026-10-31T11:59Z");
    write(12 * 60, 12 * 60 + 30);
    assert!(scene.run("2026-10-31T12:35Z").starts_with("exit 0\n"));
    check("2026-10-31T12:29Z");
    // Logs of another source for the same day, account and region do not show which groups had the tag.
    let more = scene.folder.path().join("more");
    let other = "app/other/00000000000000bb";
    write_as(other, &more, 9 * 60, 12 * 60 + 30);
    let source = format!("sources:\n  more: {{ access_logs: {} }}\n  logs:", more.display());
    let fleet = std::fs::read_to_string(scene.folder.path().join("slos/fleet.yaml")).unwrap();
    scene.define("fleet.yaml", &fleet.replace("sources:\n  logs:", &source));
    scene.define("mart/other.yaml", &format!("service: other\nsource: more\nload_balancer: {other}\n"));
    let stderr = scene.run("2026-10-31T12:40Z");
    assert!(stderr.starts_with("exit 0\n"), "{stderr}");
    check("2026-10-31T12:29Z");
}

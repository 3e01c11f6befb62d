//! Generates a fleet for measurements: definitions, a filled ledger, and the log objects of the newest five minutes.
//!
//!     cargo bench --bench fleet -- target/tick services=561 days=30
//!
//! Simulating a month of log lines of such a fleet takes too long, so the ledger is filled through its own interface
//! with the resulting counts. Traffic has a daily rhythm, noise and errors; a service has three SLOs, one for errors
//! and two for latency, which share their traffic as in production. `tick.py` measures on it.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench speaks to a person and may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slowburn::internals::{
    Catalog, Counts, CrashPoints, Day, DayCounts, DirectoryStore, Indicator, LedgerStore, LoadRequest, Measure, Minute,
    MinuteCount, ObjectCounts, ObjectRecord, SLOTS_PER_DAY, SeriesKey, Span, load, object_identity, read,
};

/// The end of the ledger's data; the newest objects cover the five minutes after it.
const KNOWN_UNTIL: &str = "2026-10-31T12:00Z";
const NODES: [&str; 2] = ["192.0.2.7", "192.0.2.130"];

/// The parameters of a fleet.
struct Plan {
    folder: PathBuf,
    services: u64,
    /// Load balancers, shared by several services with a target group each.
    balancers: u64,
    /// Days in the ledger.
    days: i32,
    /// The newest days whose log objects are in the ledger too; earlier days are counts only.
    object_days: i32,
    window: String,
    /// Minutes before now whose recorded objects still lie in the log directory.
    listed_minutes: i32,
    /// Lines of each new object.
    lines: u64,
}

impl Plan {
    fn of(arguments: impl Iterator<Item = String>) -> Self {
        let mut plan = Self {
            folder: PathBuf::from("target/tick"),
            services: 561,
            balancers: 0,
            days: 30,
            object_days: 3,
            window: "30d".to_owned(),
            listed_minutes: 5,
            lines: 20,
        };
        for argument in arguments.filter(|argument| argument != "--bench") {
            match argument.split_once('=') {
                None => plan.folder = PathBuf::from(argument),
                Some(("services", number)) => plan.services = number.parse().unwrap(),
                Some(("balancers", number)) => plan.balancers = number.parse().unwrap(),
                Some(("days", number)) => plan.days = number.parse().unwrap(),
                Some(("object_days", number)) => plan.object_days = number.parse().unwrap(),
                Some(("window", length)) => length.clone_into(&mut plan.window),
                Some(("listed_minutes", number)) => plan.listed_minutes = number.parse().unwrap(),
                Some(("lines", number)) => plan.lines = number.parse().unwrap(),
                Some((name, _)) => unreachable!("there is no `{name}`"),
            }
        }
        if plan.balancers == 0 {
            plan.balancers = plan.services.div_ceil(2);
        }
        plan
    }

    fn balancer(&self, service: u64) -> u64 {
        service % self.balancers
    }
}

/// `app/name/id` of a balancer.
fn balancer_name(balancer: u64) -> String {
    format!("app/alb-{balancer:04}/{:016x}", Numbers::of(&[7, balancer]).next())
}

fn main() {
    let plan = Plan::of(std::env::args().skip(1));
    let until: Minute = KNOWN_UNTIL.parse().unwrap();
    write_definitions(&plan);
    let (files, _) = load(&plan.folder.join("slos")).unwrap();
    let (catalog, problems) = read(&files, until);
    assert!(problems.is_empty(), "{problems:?}");
    write_logs(&plan, until);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let objects = runtime.block_on(fill(&plan, &catalog, until));
    let sizes = sizes(&plan.folder.join("ledger"));
    let slos: usize = catalog.services.iter().map(|service| service.slos.len()).sum();
    println!("{slos} SLOs, {} days, {objects} log objects recorded", plan.days);
    for (kind, bytes) in sizes {
        println!("{kind}: {bytes} bytes");
    }
}

/// Bytes of the ledger's files by kind.
fn sizes(folder: &Path) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            for (kind, bytes) in self::sizes(&entry.path()) {
                *sizes.entry(kind).or_default() += bytes;
            }
        } else {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = name.split(['-', '.']).next().unwrap().to_owned();
            *sizes.entry(kind).or_default() += entry.metadata().unwrap().len();
        }
    }
    sizes
}

fn write_definitions(plan: &Plan) {
    let slos = plan.folder.join("slos");
    let logs = fs::canonicalize(".").unwrap().join(plan.folder.join("logs"));
    let fleet = format!(
        "sources:\n  logs:\n    access_logs: {}\n    delay: 5m\ndefault_class: standard\nclasses:\n  standard:\n    slos:\n      \
         availability: 99.9%\n      latency: {{ objective: 99%, under: 500ms }}\n      \
         slow: {{ indicator: latency, objective: 99.9%, under: 1s }}\n    windows: [{}]\n",
        logs.display(),
        plan.window
    );
    write(&slos.join("fleet.yaml"), fleet.as_bytes());
    for service in 0..plan.services {
        let text = format!(
            "service: service-{service:04}\nload_balancer: {}\ntarget_group: service-{service:04}\n",
            balancer_name(plan.balancer(service))
        );
        write(&slos.join(format!("team-{:02}/service-{service:04}.yaml", service % 40)), text.as_bytes());
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The name of a log object without its folder.
fn object_name(balancer: u64, end: Minute, node: usize) -> String {
    let mut numbers = Numbers::of(&[11, balancer, u64::from(end.0.unsigned_abs()), node as u64]);
    let letters = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let random: String = (0..8).map(|_| char::from(letters[usize::try_from(numbers.below(36)).unwrap()])).collect();
    let stamp = end.to_string().replace([':', '-'], "");
    let name = balancer_name(balancer).replace('/', ".");
    format!("123456789012_elasticloadbalancing_eu-west-1_{name}_{stamp}_{}_{random}.log.gz", NODES[node])
}

/// Writes the log directory: new objects, and recorded ones that still lie there.
fn write_logs(plan: &Plan, until: Minute) {
    for back in (-5..plan.listed_minutes).step_by(5) {
        let end = until.plus(-back);
        let day = end.day().to_string().replace('-', "/");
        let folder = plan.folder.join(format!("logs/AWSLogs/123456789012/elasticloadbalancing/eu-west-1/{day}"));
        for balancer in 0..plan.balancers {
            for node in 0..NODES.len() {
                let text = if back < 0 { log_text(plan, balancer, end) } else { Vec::new() };
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
                writer.write_all(&text).unwrap();
                write(&folder.join(object_name(balancer, end, node)), &writer.finish().unwrap());
            }
        }
    }
}

fn log_text(plan: &Plan, balancer: u64, end: Minute) -> Vec<u8> {
    let mut text = Vec::new();
    let mut numbers = Numbers::of(&[13, balancer]);
    let services: Vec<u64> = (0..plan.services).filter(|service| plan.balancer(*service) == balancer).collect();
    for line in 0..plan.lines {
        let minute = end.plus(-5 + i32::try_from(line * 5 / plan.lines).unwrap()).to_string();
        let minute = minute.trim_end_matches('Z');
        let service = services[usize::try_from(line).unwrap() % services.len()];
        writeln!(
            text,
            "h2 {minute}:30.000000Z {} 203.0.113.{}:40000 10.1.2.3:8080 0.000 0.{:03} 0.000 200 200 300 4000 \
             \"GET https://www.example.com:443/v1/items/{} HTTP/2.0\" \"okhttp/4.12.0\" TLS_AES_128_GCM_SHA256 TLSv1.3 \
             arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/service-{service:04}/73e2d6bc24d8a067 \
             \"Root=1-{:08x}-{:024x}\" \"www.example.com\" \"-\" 1 {minute}:30.000000Z \"forward\" \"-\" \"-\" \
             \"10.1.2.3:8080\" \"200\" \"-\" \"-\" TID_{:032x}",
            balancer_name(balancer),
            numbers.below(250),
            numbers.below(900),
            numbers.below(9_000_000),
            numbers.below(1 << 32),
            numbers.next(),
            numbers.next(),
        )
        .unwrap();
    }
    text
}

/// Fills the ledger day by day. Returns the number of objects.
async fn fill(plan: &Plan, catalog: &Catalog, until: Minute) -> usize {
    let blobs = DirectoryStore::open(&plan.folder.join("ledger"), CrashPoints::default()).unwrap();
    let mut store = LedgerStore::open(Box::new(blobs)).await.unwrap();
    let today = until.day();
    let mut recorded = 0;
    for day in (0..plan.days).rev().map(|back| today.plus(-back)) {
        let minutes = Span::new(day.start(), until.min(day.plus(1).start())).minutes() as usize;
        let counts = day_counts(plan, catalog, day, minutes);
        if day.0 + plan.object_days <= today.0 {
            let mut ledger = store.load(&LoadRequest::for_days([day], [])).await.unwrap();
            ledger.merge_counts(&whole(&counts, minutes)).unwrap();
            store.commit(&mut ledger).await.unwrap();
            continue;
        }
        let objects = day_objects(catalog, &counts, day, minutes);
        recorded += objects.len();
        let near = |reach: i32| (-reach..=reach).map(move |near| day.plus(near));
        let needs = LoadRequest::for_days(near(1), near(2));
        let objects_today = LoadRequest::for_days([], [day]).objects;
        let needs = LoadRequest { delivered_intervals: needs.objects, objects: objects_today, ..needs };
        let mut ledger = store.load(&needs).await.unwrap();
        ledger.merge_objects(&ObjectCounts { objects, counts, ..ObjectCounts::default() }).unwrap();
        store.commit(&mut ledger).await.unwrap();
    }
    store.collect_garbage(today).await.unwrap();
    recorded
}

/// All counts, from a source that knows every minute.
fn whole(counts: &BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>, minutes: usize) -> Counts {
    let known = |counts: &[MinuteCount]| {
        let mut day = DayCounts::default();
        day.0.iter_mut().zip(counts).take(minutes).for_each(|(slot, count)| *slot = Some(*count));
        day
    };
    counts.iter().map(|(place, counts)| (place.clone(), known(counts))).collect()
}

/// The counts of a day's lines.
fn day_counts(
    plan: &Plan,
    catalog: &Catalog,
    day: Day,
    minutes: usize,
) -> BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>> {
    let mut counts = BTreeMap::new();
    for (place, service) in (0..).zip(&catalog.services) {
        let traffic = traffic(plan, place, day);
        for slo in &service.slos {
            let mut numbers = Numbers::of(&[17, place, u64::from(day.0.unsigned_abs())]);
            let mut slots = vec![MinuteCount::default(); SLOTS_PER_DAY].into_boxed_slice();
            for (slot, all) in slots.iter_mut().zip(&traffic).take(minutes) {
                // A few requests get no target response and have no latency.
                let answered = all - share(&mut numbers, *all, 0.000_3);
                let (late, slow) = (share(&mut numbers, answered, 0.004), share(&mut numbers, answered, 0.000_4));
                *slot = match &slo.indicator {
                    Indicator::Requests { measure: Measure::Availability { .. }, .. } => {
                        MinuteCount { total: *all, bad: share(&mut numbers, *all, 0.000_5) }
                    }
                    Indicator::Requests { measure: Measure::Latency { under_us: 500_000, .. }, .. } => {
                        MinuteCount { total: answered, bad: (late + slow).min(answered) }
                    }
                    _ => MinuteCount { total: answered, bad: slow },
                };
            }
            counts.insert((slo.indicator.series(), day), slots);
        }
    }
    counts
}

/// Requests of a service in each minute, with a daily rhythm: few services have much traffic, most have little.
fn traffic(plan: &Plan, service: u64, day: Day) -> Vec<u32> {
    let mut fixed = Numbers::of(&[19, service, plan.services]);
    let mean = 60.0 * (1.3 * fixed.normal()).exp();
    let (swing, peak) = (0.3 + 0.5 * fixed.unit(), 720.0 + 200.0 * fixed.normal());
    let mut numbers = Numbers::of(&[23, service, u64::from(day.0.unsigned_abs())]);
    let minute = |slot: usize| {
        let angle = (f64::from(u32::try_from(slot).unwrap()) - peak) / 1_440.0 * std::f64::consts::TAU;
        let expected = mean * (1.0 + swing * angle.cos());
        let drawn = expected + expected.sqrt() * numbers.normal();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small and not below zero")]
        let drawn = drawn.round().max(0.0) as u32;
        drawn
    };
    (0..SLOTS_PER_DAY).map(minute).collect()
}

/// A random number of events out of `all` with this expected share.
fn share(numbers: &mut Numbers, all: u32, share: f64) -> u32 {
    let expected = f64::from(all) * share;
    let mut found = 0;
    // Poisson by waiting times, because the share is small.
    let mut waited = -numbers.unit().max(1e-300).ln();
    while waited < expected && found < all {
        found += 1;
        waited -= numbers.unit().max(1e-300).ln();
    }
    found
}

/// The records of a day's objects, two nodes each five minutes and balancer.
fn day_objects(
    catalog: &Catalog,
    counts: &BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    day: Day,
    minutes: usize,
) -> Vec<ObjectRecord> {
    let mut balancers: BTreeMap<String, (BTreeSet<SeriesKey>, Vec<u64>)> = BTreeMap::new();
    for slo in catalog.services.iter().flat_map(|service| &service.slos) {
        let Indicator::Requests { traffic, measure, .. } = &slo.indicator else { continue };
        let (series, lines) =
            balancers.entry(traffic.load_balancer.clone()).or_insert_with(|| (BTreeSet::new(), vec![0; SLOTS_PER_DAY]));
        series.insert(slo.indicator.series());
        if matches!(measure, Measure::Availability { .. }) {
            let counts = &counts[&(slo.indicator.series(), day)];
            lines.iter_mut().zip(counts).for_each(|(lines, count)| *lines += u64::from(count.total));
        }
    }
    let mut objects = Vec::new();
    for (balancer, (name, (series, lines))) in (0..).zip(balancers) {
        let (name, series): (Arc<str>, _) = (Arc::from(name), Arc::new(series));
        for start in (0..minutes).step_by(5) {
            let start_minute = day.start().plus(i32::try_from(start).unwrap());
            for node in 0..NODES.len() {
                let all: u64 = lines[start..start + 5].iter().sum();
                objects.push(ObjectRecord {
                    key: object_identity(&object_name(balancer, start_minute.plus(5), node)).to_owned(),
                    size: all * 55 + 300,
                    lines: if node == 0 { all.div_ceil(2) } else { all / 2 },
                    unparsed: 0,
                    load_balancer: Arc::clone(&name),
                    interval: Span::new(start_minute, start_minute.plus(5)),
                    counted: Arc::clone(&series),
                    uncounted: Arc::default(),
                });
            }
        }
    }
    objects
}

/// A small pseudorandom number generator: splitmix64.
struct Numbers(u64);

impl Numbers {
    fn of(seeds: &[u64]) -> Self {
        let mut numbers = Self(0);
        for seed in seeds {
            numbers.0 ^= *seed;
            numbers.0 = numbers.next();
        }
        numbers
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 32) % limit
    }

    #[expect(clippy::cast_precision_loss, reason = "it is random anyway")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Approximately normal, as the sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

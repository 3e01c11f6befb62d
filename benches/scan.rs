//! The cost of a scan of access logs relative to only inflating them or only finding their newlines.
//!
//! It generates deterministic logs below `target/`. Only ratios within one run are comparable.
//!
//!     cargo bench --bench scan
//!     cargo bench --bench scan -- 'scan gz'                     one of its works, once, for a profiler to look at
//!     cargo bench --bench scan -- write DIRECTORY FILES LINES
//!         logs for benches/peers.py: packed below packed/, plain below plain/
//!     cargo bench --bench scan -- inflate DIRECTORY             libdeflate alone on the packed ones
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench speaks to a person and may fail loudly")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use slowburn::internals::{
    Batch, Day, Decoder, Indicator, LatencyBasis, LatencyErrors, LogFile, LogRoot, LogTree, Measure, Minute,
    SeriesRouter, Span, Traffic, scan,
};

const FILES: u32 = 240;
const INTERVALS: u32 = 287;
const LINES_PER_FILE: u32 = 1_150;
const SERVICES: u64 = 8;
const BALANCER: &str = "app/mart/50dc6c495c0c9188";
const ROUNDS: usize = 7;
/// Runs per measurement, since the system counts CPU time in ticks of some milliseconds.
const REPEATS: u32 = 4;

type Work<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["write", folder, files, lines] => {
            let (packed, plain) = (Path::new(folder).join("packed"), Path::new(folder).join("plain"));
            return write_logs(&packed, &plain, files.parse().unwrap(), lines.parse().unwrap());
        }
        ["inflate", folder] => return inflate_alone(Path::new(folder), &objects(Path::new(folder))),
        _ => {}
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-logs");
    let (packed, plain) = (folder.join("packed"), folder.join("plain"));
    if !folder.join("complete").exists() {
        write_logs(&packed, &plain, FILES, LINES_PER_FILE);
        fs::write(folder.join("complete"), "").unwrap();
    }
    let few = routes(SERVICES);
    let many = routes(1_000);
    let packed_objects = objects(&packed);
    let plain_objects = objects(&plain);
    let count = |root: &Path, objects: &[LogFile], routes: &SeriesRouter| {
        let result = scan(
            &LogRoot::Directory(root.to_owned()),
            &[Batch { objects, router: routes }],
            1,
            &AtomicBool::new(false),
        );
        assert_eq!(result.read.iter().map(|object| object.lines).sum::<u64>(), u64::from(FILES * LINES_PER_FILE));
        assert!(result.read.iter().all(|object| object.unparsed == 0));
    };
    let cold: Vec<_> = plain_objects.iter().map(|object| fs::read(plain.join(&*object.key)).unwrap()).collect();
    let mut works: Vec<Work<'_>> = vec![
        ("inflate alone", Box::new(|| inflate_alone(&packed, &packed_objects))),
        ("scan gz", Box::new(|| count(&packed, &packed_objects, &few))),
        ("scan gz, 1,000 services", Box::new(|| count(&packed, &packed_objects, &many))),
        ("newlines alone", Box::new(|| newlines_alone(&plain, &plain_objects))),
        ("scan plain", Box::new(|| count(&plain, &plain_objects, &few))),
        ("scan plain, 1,000 services", Box::new(|| count(&plain, &plain_objects, &many))),
        ("decode from memory", Box::new(|| decode_alone(&cold, &few))),
    ];
    if let Some(wanted) = arguments.first() {
        works.iter_mut().filter(|(name, _)| name == wanted).for_each(|(_, work)| work());
        return;
    }
    let mut seconds = vec![Vec::new(); works.len()];
    for _ in 0..ROUNDS {
        for ((_, work), seconds) in works.iter_mut().zip(&mut seconds) {
            let start = cpu_seconds();
            (0..REPEATS).for_each(|_| work());
            seconds.push((cpu_seconds() - start) / f64::from(REPEATS));
        }
    }
    let medians: Vec<f64> = seconds.iter_mut().map(|seconds| median(seconds)).collect();
    let lines = f64::from(FILES * LINES_PER_FILE);
    println!("{:<28} {:>9} {:>16} {:>17}", "work", "ns a line", "x inflate alone", "x newlines alone");
    for ((name, _), median) in works.iter().zip(&medians) {
        let ns = median * 1e9 / lines;
        println!("{name:<28} {ns:>9.0} {:>16.2} {:>17.2}", median / medians[0], median / medians[3]);
    }
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// CPU time of this thread where the system reports it, otherwise wall-clock time.
fn cpu_seconds() -> f64 {
    let sent = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = sent.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    ns.map_or_else(
        || {
            static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
            START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
        },
        |ns| ns / 1e9,
    )
}

fn objects(root: &Path) -> Vec<LogFile> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (place, all_time) = (LogRoot::Directory(root.to_owned()), Span { start: Minute(0), end: Minute(100_000_000) });
    let mut tree = runtime.block_on(LogTree::open(place, all_time, 60)).unwrap();
    let days: Vec<Day> = tree.folders.keys().copied().collect();
    days.into_iter().flat_map(|day| runtime.block_on(tree.list_objects(day))).collect()
}

/// Availability and latency SLIs of `services` services, each with its own target group.
fn routes(services: u64) -> SeriesRouter {
    let mut indicators = Vec::new();
    for service in 0..services {
        let traffic = Traffic {
            load_balancer: BALANCER.to_owned(),
            target_groups: vec![format!("mart-service-{service}")],
            ..Traffic::default()
        };
        let latency = Measure::Latency {
            under_us: 300_000,
            basis: LatencyBasis::Target,
            errors: LatencyErrors::Counted,
            timeouts: false,
            gave_up_after_us: Some(10_000_000),
        };
        for measure in [Measure::SERVER_ERRORS, latency] {
            indicators.push(Indicator::Requests { source: "logs".to_owned(), traffic: traffic.clone(), measure });
        }
    }
    SeriesRouter::new(BALANCER, &indicators)
}

/// Calls libdeflate directly: each file is one member of known length.
#[expect(unsafe_code, reason = "the library has a C interface")]
fn inflate_alone(root: &Path, objects: &[LogFile]) {
    let mut plain = vec![0_u8; 2 << 20];
    // SAFETY: the function has no precondition.
    let inflater = unsafe { libdeflate_sys::libdeflate_alloc_decompressor() };
    assert!(!inflater.is_null());
    for object in objects {
        let packed = fs::read(root.join(&*object.key)).unwrap();
        let mut written = 0;
        // SAFETY: both pointers come with the lengths of their buffers, and the decompressor is alive.
        let result = unsafe {
            libdeflate_sys::libdeflate_gzip_decompress(
                inflater,
                packed.as_ptr().cast(),
                packed.len(),
                plain.as_mut_ptr().cast(),
                plain.len(),
                &raw mut written,
            )
        };
        assert!(result == 0 && written > 0);
    }
    // SAFETY: it came from the matching `alloc` and is freed once.
    unsafe { libdeflate_sys::libdeflate_free_decompressor(inflater) }
}

fn newlines_alone(root: &Path, objects: &[LogFile]) {
    let found: usize = objects
        .iter()
        .map(|object| memchr::memchr_iter(b'\n', &fs::read(root.join(&*object.key)).unwrap()).count())
        .sum();
    assert_eq!(found, (FILES * LINES_PER_FILE) as usize);
}

/// Parses and routes lines in memory without counting.
fn decode_alone(files: &[Vec<u8>], routes: &SeriesRouter) {
    let mut decoder = Decoder::new(routes.optional_fields);
    let mut events = 0_u64;
    for file in files {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', file) {
            routes.classify(&decoder.decode(&file[start..end]).unwrap(), |_, _| events += 1);
            start = end + 1;
        }
    }
    assert!(events > 0);
}

/// A small pseudorandom number generator: xorshift64*.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 32) % limit
    }
}

fn write_logs(packed: &Path, plain: &Path, files: u32, lines: u32) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let day: Day = "2026-10-31".parse().unwrap();
    // A day has 288 intervals; additional files belong to additional nodes.
    for file in 0..files {
        let end = day.start().plus(5 * i32::try_from(file % INTERVALS).unwrap() + 5);
        let text = log_text(&mut numbers, end, lines);
        let name = key(end, file / INTERVALS);
        write(&plain.join(format!("{name}.log")), &text);
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        writer.write_all(&text).unwrap();
        write(&packed.join(format!("{name}.log.gz")), &writer.finish().unwrap());
    }
}

fn write(path: &PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn key(end: Minute, node: u32) -> String {
    let stamp = end.to_string().replace([':', '-'], "");
    let day = end.day().to_string().replace('-', "/");
    format!(
        "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/{day}/\
         123456789012_elasticloadbalancing_eu-west-1_app.mart.50dc6c495c0c9188_{stamp}_10.0.{}.{}_1a2b3c4d",
        node / 256,
        node % 256,
    )
}

/// Five minutes of requests in the current format: 34 fields in about 770 bytes, 110 when packed.
fn log_text(numbers: &mut Numbers, end: Minute, lines: u32) -> Vec<u8> {
    const AGENTS: [&str; 4] = [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
        "okhttp/4.12.0",
        "MartApp/7.31 (Android 15; \\x22Pixel 9\\x22)",
    ];
    let mut text = Vec::new();
    for line in 0..lines {
        let second = u64::from(line * 300 / lines);
        let minute = end.plus(-5 + i32::try_from(second / 60).unwrap()).to_string();
        let minute = minute.trim_end_matches('Z');
        let seconds = second % 60;
        let service = numbers.below(SERVICES);
        let target_ms = 3 + numbers.below(60) + if numbers.below(50) == 0 { numbers.below(900) } else { 0 };
        let status = if numbers.below(500) == 0 { 502 } else { 200 };
        let client = format!("203.0.113.{}:{}", numbers.below(250), 1_024 + numbers.below(60_000));
        let target = format!("10.1.{}.{}:8080", service, numbers.below(6));
        writeln!(
            text,
            "h2 {minute}:{seconds:02}.{us:06}Z {BALANCER} {client} {target} 0.000 {sec}.{ms:03} 0.000 {status} {status} {rx} {tx} \
             \"GET https://service-{service}.mart.example.com:443/v1/recipes/{id}?page={page}&locale=ja&visit={visit:016x}&after={after:016x} HTTP/2.0\" \"{agent}\" \
             TLS_AES_128_GCM_SHA256 TLSv1.3 \
             arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/mart-service-{service}/73e2d6bc24d8a067 \
             \"Root=1-{a:08x}-{b:024x}\" \"service-{service}.mart.example.com\" \
             \"arn:aws:acm:eu-west-1:123456789012:certificate/12345678-1234-1234-1234-123456789012\" {rule} \
             {minute}:{seconds:02}.{us2:06}Z \"waf,forward\" \"-\" \"-\" \"{target}\" \"{status}\" \"-\" \"-\" TID_{c:032x} \
             \"-\" \"-\" \"-\" 192.0.2.7",
            us = numbers.below(1_000_000),
            us2 = numbers.below(1_000_000),
            sec = target_ms / 1_000,
            ms = target_ms % 1_000,
            rx = 100 + numbers.below(900),
            tx = 200 + numbers.below(40_000),
            id = numbers.below(9_000_000),
            page = numbers.below(9),
            visit = numbers.next(),
            after = numbers.next(),
            agent = AGENTS[usize::try_from(numbers.below(4)).unwrap()],
            a = 0x6900_0000 + numbers.below(1 << 24),
            b = u128::from(numbers.next()) << 32 | u128::from(numbers.below(1 << 32)),
            c = u128::from(numbers.next()) << 64 | u128::from(numbers.next()),
            rule = 10 + service,
        )
        .unwrap();
    }
    text
}

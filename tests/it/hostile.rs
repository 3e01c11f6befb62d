//! Runs on damaged logs: every bad object is reported with its location, and readable data beside it counts.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{FILE_NAME_PREFIX, FOLDER, gzip, write_object};

const AT: &str = "2026-11-01T00:00Z";
/// The hour before `NOW`, in which a second node of the shop's load balancer writes ten good lines every five minutes.
const OTHER_NODE_LINES: u64 = 120;

fn line(minute: &str, status: u16) -> String {
    crate::support::alb_line(minute, status).replace("app/shop/0a1b", "app/shop/50dc6c495c0c9188")
}

/// A folder with definitions, logs of one good node, and no ledger yet.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| {
            let path = place.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "slos/fleet.yaml",
            "sources:\n  logs: { access_logs: logs, delay: 0m }\ndefault_source: logs\ndefault_class: bare\n\
             classes:\n  bare: { windows: [10d], tiers: none, slos: { availability: 90% } }\n",
        );
        write("slos/mart/shop.yaml", "service: shop\nload_balancer: app/shop/50dc6c495c0c9188\n");
        for step in 0..12 {
            let end = "2026-10-31T23:05Z".parse::<slowburn::internals::Minute>().unwrap().plus(5 * step);
            let minute = end.plus(-1).to_string();
            let lines = line(minute.trim_end_matches('Z'), 200).repeat(10);
            let name = end.to_string().replace(['-', ':'], "");
            let folder = if step == 11 { FOLDER.to_owned() } else { FOLDER.replace("11/01", "10/31") };
            let key = format!("{folder}/{FILE_NAME_PREFIX}app.shop.50dc6c495c0c9188_{name}_192.0.2.2_good.log.gz");
            write_object(&place.path("logs"), &key, &gzip(&lines));
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of the first node's object for the last five minutes.
    fn object(&self, ending: &str) -> PathBuf {
        self.path("logs").join(FOLDER).join(shop(ending))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slowburn"));
        command
            .args(["run", "--silent", "--at", AT, "--format", "json"])
            .env_clear()
            .env("NO_COLOR", "1")
            .current_dir(&self.0);
        command
    }

    /// Exit code, known and counted minutes, and stderr.
    fn run_outcome(&self) -> String {
        stderr(&self.command().output().unwrap())
    }
}

fn shop(ending: &str) -> String {
    format!("{FILE_NAME_PREFIX}app.shop.50dc6c495c0c9188_20261101T0000Z_192.0.2.1_{ending}")
}

fn stderr(output: &Output) -> String {
    let stderr_lines = String::from_utf8(output.stderr.clone()).unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &status["slos"][0];
    let known = row["coverage"].as_f64().unwrap() * 14_400.0;
    let of_bad_node = row["total"].as_u64().unwrap().saturating_sub(OTHER_NODE_LINES);
    format!(
        "exit {}: {known:.0} minutes known, {of_bad_node} lines counted\n{stderr_lines}",
        output.status.code().unwrap()
    )
}

/// Test cases: the name and the bytes of the first node's object.
fn cases() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let good = || line("2026-10-31T23:58", 200);
    let with = |odd: &str| format!("{}{odd}\n{}", good(), good());
    let packed = gzip(&good().repeat(40));
    let damaged = |place: usize, bits: u8| {
        let mut bytes = packed.clone();
        bytes[place] ^= bits;
        bytes
    };
    let agent = |bytes: &[u8]| {
        let text = good();
        let at = text.find("curl/8").unwrap();
        [good().as_bytes(), &text.as_bytes()[..at], bytes, &text.as_bytes()[at..], good().as_bytes()].concat()
    };
    let broken = |bytes: &[u8]| {
        [good().as_bytes(), b"https ", bytes, b" app/shop/50dc6c495c0c9188\n", good().as_bytes()].concat()
    };
    let noise: Vec<u8> = (0..4_000_u32).map(|step| (step.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let classic = "2026-10-31T23:58:00.186641Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 \
                   \"GET http://shop:80/ HTTP/1.1\" \"curl\" - -";
    let tls = "tls 2.0 2026-10-31T23:58:00 net/shop/0a1b 0b 198.51.100.7:51341 10.0.0.1:443 5 2 98 246 - arn - -";
    let connection =
        "2026-10-31T23:58:00.186641Z 198.51.100.7 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 \"-\" - - -";
    let health = "http 2026-10-31T23:58:00.186641Z 0.019333 10.0.0.1:80 shop PASS 200 -";
    vec![
        ("gz that is cut short", "a.log.gz", packed[..packed.len() / 2].to_vec()),
        ("gz whose checksum is wrong", "a.log.gz", damaged(packed.len() - 6, 1)),
        ("gz whose length is wrong", "a.log.gz", damaged(packed.len() - 2, 1)),
        ("gz with a bad block", "a.log.gz", damaged(10, 0x06)),
        ("gz with garbage behind it", "a.log.gz", [packed.clone(), b"garbage".to_vec()].concat()),
        ("gz that is empty", "a.log.gz", vec![]),
        ("plain text that ends within a line", "a.log", good().repeat(3).as_bytes()[..1_000].to_vec()),
        ("plain text that ends in zeros", "a.log", [good().into_bytes(), vec![0; 700]].concat()),
        ("encrypted", "a.log.gz", noise.clone()),
        ("zeros", "a.log", vec![0; 4_096]),
        ("Network Load Balancer lines", "a.log.gz", gzip(&format!("{tls}\n{tls}\n"))),
        ("connection lines", "a.log.gz", gzip(&format!("{connection}\n"))),
        ("health checks", "a.log.gz", gzip(&format!("{health}\n"))),
        ("Classic lines", "a.log", format!("{classic}\n{classic}\n").into_bytes()),
        ("JSON records", "a.log.gz", gzip("{\"type\":\"http\",\"elb\":\"app/shop/50dc6c495c0c9188\"}\n")),
        ("W3C form", "a.log", b"#Version: 1.0\n#Fields: date time\n".to_vec()),
        ("one Classic line among others", "a.log.gz", gzip(&with(classic))),
        ("lines of another balancer", "a.log.gz", gzip(&with(good().replace("app/shop", "app/cart").trim_end()))),
        ("lines of another year", "a.log.gz", gzip(&with(line("2025-10-31T23:58", 200).trim_end()))),
        ("NUL bytes in a user agent", "a.log", agent(b"\0\0")),
        ("NUL bytes in a time", "a.log", broken(b"2026-10-31T23:58\0")),
        ("a line of NUL bytes before all others", "a.log", [&[0; 100][..], b"\n", good().as_bytes()].concat()),
        ("no UTF-8 in a user agent", "a.log", agent(b"\xff\xfe\xc3")),
        ("no UTF-8 in a time", "a.log", broken(b"\xff\xfe\xc3")),
        ("escape sequences in a user agent", "a.log", agent(b"\x1b[2J\x1b]0;x\x07")),
        ("escape sequences in a time", "a.log", broken(b"\x1b[2J\x1b]0;x\x07\xc2\x9b1m\xe2\x80\xae")),
        ("escape sequences in a name", "a\x1b[31m\nwarning: all is well.log", b"x\n".to_vec()),
        ("a line of 3 MB", "a.log.gz", gzip(&with(&"x".repeat(3 << 20)))),
        ("a plain line of 3 MB", "a.log", with(&"x".repeat(3 << 20)).into_bytes()),
    ]
}

#[test]
fn every_bad_object_is_reported_and_others_count() {
    let mut table = String::new();
    for (case, ending, bytes) in cases() {
        let place = Scene::new();
        fs::write(place.object(ending), bytes).unwrap();
        let outcome = place.run_outcome();
        assert!(!outcome.contains(|char: char| char.is_control() && char != '\n'), "{case}: {outcome:?}");
        writeln!(table, "## {case}\n{outcome}").unwrap();
    }
    insta::assert_snapshot!("bad_objects", table);
}

/// A change to a folder before the run.
type Damage<'a> = &'a dyn Fn(&Scene);

#[test]
fn every_bad_name_and_folder_is_reported_and_others_count() {
    let two = gzip(&line("2026-10-31T23:58", 200).repeat(2));
    let link = |to: &str, at: PathBuf| std::os::unix::fs::symlink(to, at);
    let logs = |key: &str| format!("logs/{key}");
    let moved = |from: &str, to: &str| format!("{}/{}", FOLDER.replace(from, to), shop("a.log.gz"));
    let cases: [(&str, Damage<'_>); 9] = [
        ("a folder with the name of an object", &|place| fs::create_dir(place.object("a.log.gz")).unwrap()),
        ("a link to an object that is gone", &|place| link("nowhere", place.object("a.log.gz")).unwrap()),
        ("a link in a circle", &|place| link(&shop("a.log.gz"), place.object("a.log.gz")).unwrap()),
        ("a folder of a day that is gone", &|place| {
            link("nowhere", place.path(&logs(&FOLDER.replace("11/01", "11/02")))).unwrap();
        }),
        ("a folder of another account", &|place| {
            write_object(&place.path("logs"), &moved("123456789012/", "999999999999/"), &two);
        }),
        ("a folder of another month", &|place| write_object(&place.path("logs"), &moved("11/01", "10/25"), &two)),
        ("a name of another month", &|place| {
            fs::write(place.object("a.log.gz").with_file_name(shop("a.log.gz").replace("20261101", "20260901")), &two)
                .unwrap();
        }),
        ("a name of another time of the day", &|place| {
            fs::write(
                place.object("a.log.gz").with_file_name(shop("a.log.gz").replace("20261101T0000", "20261031T2305")),
                &two,
            )
            .unwrap();
        }),
        ("a name of no time", &|place| {
            fs::write(
                place.object("a.log.gz").with_file_name(shop("a.log.gz").replace("20261101T", "20261301T")),
                &two,
            )
            .unwrap();
        }),
    ];
    let mut table = String::new();
    for (case, make) in cases {
        let place = Scene::new();
        make(&place);
        writeln!(table, "## {case}\n{}", place.run_outcome()).unwrap();
    }
    insta::assert_snapshot!("bad_names", table);
}

#[test]
fn named_pipe_is_reported_and_not_waited_for() {
    let place = Scene::new();
    let made = Command::new("mkfifo").arg(place.object("a.log.gz")).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(place.run_outcome().contains("a.log.gz` cannot be read: not a regular file"));
    }
}

#[test]
fn object_changed_after_counting_is_reported() {
    let one = line("2026-10-31T23:58", 200);
    let two = one.repeat(2);
    let mut table = String::new();
    let mut check = |case: &str, first: (&str, Vec<u8>), then: (&str, Vec<u8>)| {
        let place = Scene::new();
        fs::write(place.object(first.0), first.1).unwrap();
        assert!(place.run_outcome().starts_with("exit 0: 60 minutes known"));
        fs::remove_file(place.object(first.0)).unwrap();
        fs::write(place.object(then.0), then.1).unwrap();
        let outcome = place.run_outcome();
        assert_eq!(place.run_outcome(), outcome, "{case}: reported as long as it lasts");
        writeln!(table, "## {case}\n{outcome}").unwrap();
    };
    let plain = |text: &str| ("a.log", text.as_bytes().to_vec());
    check("grown plain text", plain(&one), plain(&two));
    check("grown gz", ("a.log.gz", gzip(&one)), ("a.log.gz", [gzip(&one), gzip(&one)].concat()));
    check("shrunk plain text", plain(&two), plain(&one));
    check("shrunk to nothing", ("a.log.gz", gzip(&two)), ("a.log.gz", vec![]));
    check("cut gz", ("a.log.gz", gzip(&two)), ("a.log.gz", gzip(&two)[..100].to_vec()));
    check("unpacked", ("a.log.gz", gzip(&two)), plain(&two));
    check("packed", plain(&two), ("a.log.gz", gzip(&two)));
    check("the same", plain(&two), plain(&two));
    insta::assert_snapshot!("changed_objects", table);
}

#[test]
fn late_lines_count_in_their_own_file() {
    let place = Scene::new();
    let one = line("2026-10-31T23:58", 200);
    fs::write(place.object("a.log"), &one).unwrap();
    assert!(place.run_outcome().starts_with("exit 0: 60 minutes known, 1 lines counted"));
    fs::write(place.object("a.log"), one.repeat(3)).unwrap();
    assert!(place.run_outcome().contains("move the later lines to a new file"));
    fs::write(place.object("amore.log"), one.repeat(2)).unwrap();
    fs::write(place.object("a.log"), &one).unwrap();
    assert_eq!(place.run_outcome(), "exit 0: 60 minutes known, 3 lines counted\nread 1 log file with 2 lines\n");
}

#[test]
fn file_ending_mid_line_counts_once_compressed() {
    let place = Scene::new();
    let text = line("2026-10-31T23:58", 200).repeat(2);
    fs::write(place.object("a.log"), text.trim_end()).unwrap();
    let outcome = place.run_outcome();
    assert!(outcome.starts_with("exit 3: 55 minutes known, 0 lines counted"), "{outcome}");
    assert!(outcome.contains("if it is complete, compress it with `gzip`"), "{outcome}");
    fs::remove_file(place.object("a.log")).unwrap();
    fs::write(place.object("a.log.gz"), gzip(text.trim_end())).unwrap();
    assert_eq!(place.run_outcome(), "exit 0: 60 minutes known, 2 lines counted\nread 1 log file with 2 lines\n");
}

#[test]
fn growing_object_is_counted_once() {
    let place = Scene::new();
    let packed = gzip(&line("2026-10-31T23:58", 200).repeat(40));
    // An empty file does not hide lines of the other node.
    fs::write(place.object("a.log.gz"), b"").unwrap();
    assert!(place.run_outcome().starts_with("exit 0: 60 minutes known, 0 lines counted"), "{}", place.run_outcome());
    for length in [1, 10, packed.len() / 2, packed.len() - 1] {
        fs::write(place.object("a.log.gz"), &packed[..length]).unwrap();
        let outcome = place.run_outcome();
        assert!(outcome.starts_with("exit 3: 55 minutes known, 0 lines counted"), "{length}: {outcome}");
    }
    for stderr in ["read 1 log file with 40 lines\n", "no new log files\n"] {
        fs::write(place.object("a.log.gz"), &packed).unwrap();
        assert_eq!(place.run_outcome(), format!("exit 0: 60 minutes known, 40 lines counted\n{stderr}"));
    }
}

/// The memory limit of a run, whatever it reads.
const MEMORY_MAX_KB: u64 = 150 << 10;

#[test]
#[cfg(target_os = "linux")]
fn gigabyte_line_uses_bounded_memory() {
    let place = Scene::new();
    let good = line("2026-10-31T23:58", 200);
    let mut file = GzEncoder::new(fs::File::create(place.object("a.log.gz")).unwrap(), Compression::fast());
    file.write_all(good.as_bytes()).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..1 << 10 {
        file.write_all(&piece).unwrap();
    }
    file.write_all(format!("\n{good}").as_bytes()).unwrap();
    file.finish().unwrap().sync_all().unwrap();
    let mut child = place.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut memory_kb = 0;
    while child.try_wait().unwrap().is_none() {
        let about = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = about.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        memory_kb = memory_kb.max(peak.unwrap_or(0));
        #[expect(clippy::disallowed_methods, reason = "nothing tells when another process needs more memory")]
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let outcome = stderr(&child.wait_with_output().unwrap());
    println!("{memory_kb} kB at most");
    assert!((1..MEMORY_MAX_KB).contains(&memory_kb), "{memory_kb} kB");
    insta::assert_snapshot!("gigabyte", outcome);
}

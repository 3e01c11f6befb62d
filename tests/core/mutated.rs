//! Randomly damaged lines of every kind and format version: nothing panics, every line is counted or reported, and
//! chunking does not matter.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use crate::access_log::alb::{Decoder, OptionalFields};
use crate::access_log::classic::{self, Record, RecordAssembler};
use crate::access_log::object_key;
use crate::access_log::router::SeriesRouter;
use crate::access_log::simd::run_portable;
use crate::access_log::unparsed_line::{LineKind, detect_line_kind};
use crate::slo::Measure;
use crate::source::access_logs::{Batch, LogFile, LogRoot, ScanResult, scan};
use crate::time::{Minute, Span};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::access_log::indicator;
use super::support::{FILE_NAME_PREFIX, FOLDER, alb_line, gzip};

/// Our own lines of every kind and format version, and real ones where available.
static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let whole = alb_line("2026-10-31T23:58", 200);
    let head = whole.split(" \"curl").next().unwrap_or_default();
    let words: Vec<&str> = whole.trim_end().split(' ').collect();
    let mut lines: Vec<String> = vec![
        whole.trim_end().to_owned(),
        head.to_owned(),
        words[..words.len() - 8].join(" "),
        words[..words.len() - 18].join(" "),
        whole.trim_end().replace("https ", "wss "),
        whole.trim_end().replace("10.0.0.1:80 0.001 0.020 0.000 200 200", "- -1 -1 -1 503 -"),
        whole.trim_end().replace("0.020 0.000 200 200", "-1 -1 504 -").replace("forward", "waf,forward"),
        whole.trim_end().replace("10.0.0.1:80 0.001", "- 0.001").replace("\"forward\"", "\"fixed-response\""),
        whole.trim_end().replace("0.001 0.020 0.000", "0.000913 12.020111 0.000001"),
        whole.trim_end().replace("198.51.100.7:2817", "2001:db8::7:2817"),
    ];
    lines.extend(
        [
            "2026-10-31T23:58:00.186641Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 \"GET \
             http://shop:80/ HTTP/1.1\" \"odd \\\"agent\\\"\" DHE-RSA-AES128-SHA TLSv1.2",
            "2026-10-31T23:58:00.186641Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 502 0 0 29 \"GET \
             http://shop:80/ HTTP/1.1\"",
            "2026-10-31T23:58:00.186641Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 - - 57 502 \"- - - \" \
             \"-\" ECDHE-ECDSA-AES128-GCM-SHA256 TLSv1.2",
            "tls 2.0 2026-10-31T23:58:00 net/shop/0a1b 0b 198.51.100.7:51341 10.0.0.1:443 5 2 98 246 - arn:aws:acm - - - - -",
            "2026-10-31T23:58:00.186641Z 198.51.100.7 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 \"CN=x,O=y\" - - -",
            "http 2026-10-31T23:58:00.186641Z 0.019333 10.0.0.1:80 shop PASS 200 -",
            "Enable AccessLog for ELB: shop at 2026-10-31T23:58:00.186Z",
            "{\"type\":\"http\",\"elb\":\"app/shop/0a1b\"}",
            "#Fields: date time",
            "",
        ]
        .map(str::to_owned),
    );
    let mut lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
    let mut files: Vec<_> = super::support::shared("data/elb_lines")
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()))
        .collect();
    files.sort();
    for file in files {
        lines.extend(fs::read(file).unwrap().split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
    }
    lines
});

/// A mutation of a line.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// The tail of another line replaces the rest.
    Splice(Index, Index, Index),
    Cut(Index),
}

impl Damage {
    fn apply(&self, line: &mut Vec<u8>) {
        let place = |index: &Index| index.index(line.len() + 1);
        match self {
            Self::Flip(at, bits) => {
                let at = place(at);
                line.get_mut(at..).unwrap_or_default().iter_mut().take(1).for_each(|byte| *byte ^= bits);
            }
            Self::Insert(at, bytes) => drop(line.splice(place(at)..place(at), bytes.iter().copied())),
            Self::Remove(at, length) => {
                let start = place(at);
                line.drain(start..(start + length).min(line.len()));
            }
            Self::Splice(at, other, from) => {
                let other = &LINES[other.index(LINES.len())];
                line.truncate(place(at));
                line.extend(&other[from.index(other.len() + 1)..]);
            }
            Self::Cut(at) => line.truncate(place(at)),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let special = proptest::sample::select(b" \"\\-\n\r0:./[\xff\0Zz,{#\t\x1b".to_vec());
    let bytes = prop_oneof![vec(special, 1..4), vec(any::<u8>(), 1..12)];
    prop_oneof![
        (any::<Index>(), 1_u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (any::<Index>(), 1_usize..40).prop_map(|(at, length)| Damage::Remove(at, length)),
        (any::<Index>(), any::<Index>(), any::<Index>()).prop_map(|(at, other, from)| Damage::Splice(at, other, from)),
        any::<Index>().prop_map(Damage::Cut),
    ]
}

/// A line with zero to four mutations.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), vec(damage(), 0..5)).prop_map(|(which, damages)| {
        let mut line = LINES[which.index(LINES.len())].clone();
        for damage in &damages {
            damage.apply(&mut line);
        }
        line
    })
}

/// Scans one object with these bytes.
fn scan_bytes(root: &Path, load_balancer: &str, bytes: &[u8]) -> ScanResult {
    fs::write(root.join("object"), bytes).unwrap();
    let end: Minute = "2026-11-01T00:00Z".parse().unwrap();
    let file = LogFile {
        key: "object".into(),
        size: bytes.len() as u64,
        load_balancer: load_balancer.into(),
        interval: Span::ending_at(end, 5),
        is_pending: false,
    };
    let indicator = indicator(load_balancer, Measure::SERVER_ERRORS);
    let routes = SeriesRouter::new(load_balancer, [&indicator]);
    scan(
        &LogRoot::Directory(root.to_owned()),
        &[Batch { objects: &[file], router: &routes }],
        1,
        &AtomicBool::new(false),
    )
}

/// `(lines, unparsed, connections)` of the records of a text, read one at a time.
fn decode_one_by_one(load_balancer: &str, text: &[u8]) -> (u64, u64, u64) {
    let (mut lines, mut unparsed, mut connections) = (0, 0, 0);
    let end: Minute = "2026-11-01T00:00Z".parse().unwrap();
    let plausible = Span::new(end.plus(-5 - 1_440), end.plus(1_440));
    let fits = |request: &crate::access_log::alb::Request<'_>| {
        let name = load_balancer.trim_start_matches("classic/");
        request.load_balancer == name.as_bytes() && plausible.contains(request.minute)
    };
    let whole = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let whole = whole.filter(|line| !line.is_empty());
    if load_balancer.starts_with("classic/") {
        let mut records = RecordAssembler::default();
        let mut each = |record: &[u8]| {
            lines += 1;
            match classic::decode(record) {
                Ok(Record::Connection) => connections += 1,
                Ok(Record::Request(request)) if fits(&request) => {}
                _ => unparsed += 1,
            }
        };
        whole.for_each(|line| records.push_line(line, &mut each));
        records.finish(&mut each);
    } else {
        for line in whole {
            lines += 1;
            let decoded = Decoder::new(OptionalFields::NONE).decode(line);
            unparsed += u64::from(!decoded.is_ok_and(|request| fits(&request)));
        }
    }
    (lines, unparsed, connections)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_line_is_read_alike_by_both_decoders(line in damaged()) {
        let kind = detect_line_kind(&line);
        let all = Decoder::new(OptionalFields::ALL).decode(&line).map(|request| (request.minute, request.status));
        let few = Decoder::new(OptionalFields::NONE).decode(&line).map(|request| (request.minute, request.status));
        prop_assert_eq!(&all, &few);
        prop_assert!(all.is_err() || !matches!(kind, LineKind::Blank | LineKind::Classic | LineKind::NlbTls));
        prop_assert!(classic::decode(&line).is_err() || !matches!(kind, LineKind::Blank | LineKind::Alb));
    }

    #[test]
    fn damaged_key_never_panics_or_escapes_its_folder(damages in vec(damage(), 1..4), classic: bool) {
        let balancer = if classic { "shop" } else { "app.shop.0a1b" };
        let mut name = format!("{FOLDER}/{FILE_NAME_PREFIX}{balancer}_20261101T0000Z_192.0.2.1_x.log.gz").into_bytes();
        for damage in &damages {
            damage.apply(&mut name);
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        prop_assert!(!object_key::object_identity(&name).contains('/'));
        if let Ok(object) = object_key::parse_key(&name) {
            let stamp = object.interval_end.to_string().replace([':', '-'], "");
            prop_assert!(name.contains(&stamp), "{name} is not of {stamp}");
            prop_assert!(!object.load_balancer.contains('.'));
        }
    }
}

#[test]
fn recorded_lines_have_the_same_counts_without_simd() {
    let folder = tempfile::tempdir().unwrap();
    // Lines of several kinds follow each other in every order, with enough bytes after each for the fast path.
    let (forward, backward) = (LINES.iter(), LINES.iter().rev());
    let text =
        forward.chain(backward).flat_map(|line| [line, b"\n".as_slice()]).flatten().copied().collect::<Vec<u8>>();
    for load_balancer in ["app/shop/0a1b", "classic/shop"] {
        for bytes in [text.clone(), gzip(&text)] {
            let wide = scan_bytes(folder.path(), load_balancer, &bytes);
            let portable = run_portable(|| scan_bytes(folder.path(), load_balancer, &bytes));
            assert!(wide.read[0].lines > wide.read[0].unparsed, "{load_balancer}");
            assert_eq!((&portable.read, &portable.counts), (&wide.read, &wide.counts), "{load_balancer}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_lines_are_counted_or_reported_for_any_chunking(
        lines in vec(damaged(), 1..12),
        cuts in vec(any::<Index>(), 0..4),
        load_balancer in proptest::sample::select(vec!["app/shop/0a1b", "classic/shop"]),
    ) {
        // Plain text starts with a valid line, so that it is not detected as another format.
        let mut text = alb_line("2026-10-31T23:59", 200).into_bytes();
        for line in &lines {
            text.extend(line);
            text.push(b'\n');
        }
        let folder = tempfile::tempdir().unwrap();
        let expected = decode_one_by_one(load_balancer, &text);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
        places.sort_unstable();
        let member = |from: usize, to: usize| gzip(&text[from..to]);
        let members: Vec<u8> = places.windows(2).flat_map(|ends| member(ends[0], ends[1])).collect();
        let mut before = None;
        for (form, bytes) in [("plain", text.clone()), ("gz", gzip(&text)), ("members", members)] {
            let result = scan_bytes(folder.path(), load_balancer, &bytes);
            prop_assert!(result.failed.is_empty(), "{}: {:?}", form, result.failed);
            let object = &result.read[0];
            prop_assert_eq!((object.lines, object.unparsed, object.connections), expected, "{}", form);
            let total: u64 = result.counts.values().flatten().map(|count| u64::from(count.total)).sum();
            prop_assert_eq!(total, object.lines - object.unparsed - object.connections, "{}", form);
            prop_assert_eq!(object.samples.len() as u64, object.unparsed.min(3));
            let portable = run_portable(|| scan_bytes(folder.path(), load_balancer, &bytes));
            prop_assert_eq!((&portable.read, &portable.counts), (&result.read, &result.counts), "{}", form);
            let found = (object.samples.clone(), result.counts);
            prop_assert_eq!(before.get_or_insert_with(|| found.clone()), &found, "{}", form);
        }
    }
}

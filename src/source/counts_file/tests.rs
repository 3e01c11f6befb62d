//! Small files and what they say.

use std::io::Write;
use std::path::PathBuf;

use flate2::{Compression, write::GzEncoder};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use polars_io::parquet::write::ParquetWriter;
use proptest::prelude::*;

use super::rows::InvalidRows;
use super::*;
use crate::counts::{DayCounts, MinuteCount};
use crate::diagnostics::SAMPLES_MAX;
use crate::time::{Minute, Span};

fn read_bytes(name: &str, bytes: &[u8]) -> Result<ParsedCounts, HintedError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

/// The count of a minute as `total/bad`, `?` where unknown.
fn count_at(read: &ParsedCounts, minute: &str) -> String {
    let minute: Minute = minute.parse().unwrap();
    let day = read.days.get(&minute.day()).map(PackedDay::unpack);
    match day.and_then(|day| day.0[minute.minute_of_day()]) {
        Some(MinuteCount { total, bad }) => format!("{total}/{bad}"),
        None => "?".to_owned(),
    }
}

#[test]
fn absent_row_is_unknown_and_zero_row_is_no_traffic() {
    let text = "\u{feff}host,bad, total ,minute_utc\na,1,500,2026-02-16T00:00Z\nb,0,0,2026-02-16T00:02Z\n";
    let read = read_bytes("orders.csv", text.as_bytes()).unwrap();
    assert_eq!((read.rows, read.invalid_rows.count), (2, 0));
    assert_eq!(count_at(&read, "2026-02-16T00:00Z"), "500/1");
    assert_eq!(count_at(&read, "2026-02-16T00:01Z"), "?");
    assert_eq!(count_at(&read, "2026-02-16T00:02Z"), "0/0");
}

#[test]
fn minute_is_accepted_in_every_rfc3339_form() {
    for text in [
        "2026-02-16T00:05Z",
        "2026-02-16T00:05:00Z",
        "2026-02-16T00:05:00.000Z",
        "2026-02-16 00:05:00+00:00",
        "2026-02-16T01:05+01:00",
        "2026-02-15T18:35:00-05:30",
        " 2026-02-16T00:05Z ",
        "\"2026-02-16T00:05Z\"",
    ] {
        let read = read_bytes("a.csv", format!("minute,total,bad\n{text},7,3\r\n").as_bytes()).unwrap();
        assert_eq!(
            (count_at(&read, "2026-02-16T00:05Z").as_str(), read.invalid_rows.count),
            ("7/3", 0),
            "{text}: {:?}",
            read.invalid_rows
        );
    }
}

/// What is said of the second of three rows; the first and third must count, its minute must not.
#[track_caller]
fn check_invalid_row(row: &str, expected: &str) {
    let text = format!("minute,total,bad\n2026-02-16T00:00Z,5,1\n{row}\n2026-02-16T00:02Z,6,2\n");
    let read = read_bytes("a.csv", text.as_bytes()).unwrap();
    assert_eq!((read.rows, read.invalid_rows.count), (3, 1), "{row}");
    let message = &read.invalid_rows.samples[0];
    assert!(message.contains(&format!("a.csv`, line 3: {expected}\nhint: ")), "{message}");
    assert_eq!(count_at(&read, "2026-02-16T00:00Z"), "5/1");
    assert_eq!(count_at(&read, "2026-02-16T00:01Z"), "?");
    assert_eq!(count_at(&read, "2026-02-16T00:02Z"), "6/2");
}

#[test]
fn invalid_row_is_skipped_and_reported() {
    check_invalid_row("2026-02-16T00:01Z,5,6", "invalid `bad` `6`: greater than the `total` of 5");
    check_invalid_row("2026-02-16T00:01Z,5,-1", "invalid `bad` `-1`: negative");
    check_invalid_row("2026-02-16T00:01Z,5.5,1", "invalid `total` `5.5`: not a whole number");
    check_invalid_row("2026-02-16T00:01Z,1e3,1", "invalid `total` `1e3`: not a whole number");
    check_invalid_row("2026-02-16T00:01Z,4294967296,1", "invalid `total` `4294967296`: greater than 4294967295");
    check_invalid_row("2026-02-16T00:01Z,,1", "missing `total`");
    check_invalid_row("2026-02-16T00:01Z,5", "missing `bad`");
    check_invalid_row("2026-02-16T00:01:30Z,5,1", "invalid `minute` `2026-02-16T00:01:30Z`: not the start of a minute");
    check_invalid_row("2026-02-30T00:01Z,5,1", "invalid `minute` `2026-02-30T00:01Z`: not a valid time");
    check_invalid_row("2026-02-16T00:61Z,5,1", "invalid `minute` `2026-02-16T00:61Z`: not a valid time");
    check_invalid_row("2026-02-16T00:01,5,1", "invalid `minute` `2026-02-16T00:01`: not a valid time");
    check_invalid_row("9999-01-01T00:00Z,5,1", "invalid `minute` `9999-01-01T00:00Z`: not a valid time");
    check_invalid_row("1771200060,5,1", "invalid `minute` `1771200060`: not a valid time");
    check_invalid_row("\u{1b}[31mred,5,1", "invalid `minute` `\\u{1b}[31mred`: not a valid time");
}

#[test]
fn whole_number_with_a_zero_fraction_is_accepted() {
    let read = read_bytes("a.csv", b"minute,total,bad\n2026-02-16T00:00Z,500.0,4294967.00\n").unwrap();
    let message = &read.invalid_rows.samples[0];
    assert!(message.contains("invalid `bad` `4294967`: greater than the `total` of 500\n"), "{message}");
    let read = read_bytes("a.csv", b"minute,total,bad\n2026-02-16T00:00Z,4294967295.0,0.0\n").unwrap();
    assert_eq!(count_at(&read, "2026-02-16T00:00Z"), "4294967295/0");
}

#[test]
fn a_contradicted_minute_is_unknown_in_any_order_of_rows() {
    let (a, b) = ("2026-02-16T00:00Z,5,1\n", "2026-02-16T00:00Z,5,2\n");
    for (rows, faults, expected) in [
        ([a, a, a], 0, "5/1"),
        ([a, b, a], 2, "?"),
        ([a, a, b], 1, "?"),
        ([b, a, a], 2, "?"),
        ([b, "2026-03-01T00:00Z,1,0\n", b], 0, "5/2"),
        ([b, "2026-03-01T00:00Z,1,0\n", a], 1, "?"),
    ] {
        let read = read_bytes("a.csv", format!("minute,total,bad\n{}", rows.concat()).as_bytes()).unwrap();
        assert_eq!(
            (read.invalid_rows.count, count_at(&read, "2026-02-16T00:00Z").as_str()),
            (faults, expected),
            "{rows:?}"
        );
    }
}

#[test]
fn invalid_row_samples_are_limited_but_every_invalid_row_is_counted() {
    let text = format!("minute,total,bad\n{}2026-02-16T00:00Z,5,1\n", "x,1,1\n".repeat(1_000));
    let read = read_bytes("a.csv", text.as_bytes()).unwrap();
    assert_eq!((read.invalid_rows.count, read.invalid_rows.samples.len()), (1_000, SAMPLES_MAX));
    assert_eq!(count_at(&read, "2026-02-16T00:00Z"), "5/1");
}

#[test]
fn multi_member_gzip_file_is_read_whole_and_truncated_one_is_damaged() {
    let member = |text: &str| {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap()
    };
    let bytes = [member("minute,total,bad\n2026-02-16T00:00Z,5,1\n"), member("2026-02-16T00:01Z,6,1\n")].concat();
    let read = read_bytes("a.csv.gz", &bytes).unwrap();
    assert_eq!(
        (count_at(&read, "2026-02-16T00:00Z"), count_at(&read, "2026-02-16T00:01Z")),
        ("5/1".to_owned(), "6/1".to_owned())
    );
    let cut = read_bytes("a.csv.gz", &bytes[..bytes.len() - 9]);
    assert!(cut.unwrap_err().message.contains("is damaged: "));
    // The rows are read while they are unpacked: a wrong header is found before the damage after it.
    let wrong = member(&format!("minute,total\n{}", "2026-02-16T00:00Z,5\n".repeat(100_000)));
    let cut = read_bytes("a.csv.gz", &wrong[..wrong.len() - 9]);
    assert!(cut.unwrap_err().message.contains("needs exactly one column `bad`"));
}

#[test]
fn file_without_counts_is_an_error_with_a_hint() {
    for (name, text, expected) in [
        ("a.csv", "minute,total\n", "needs exactly one column `bad`; it has: `minute`, `total`"),
        ("a.csv", "minute,minute_utc,total,bad\n", "needs exactly one column `minute`; it has: "),
        ("a.csv", "minute,total,bad\n", "has no rows"),
        ("a.csv", "", "has no rows"),
        ("a.csv.gz", "minute,total,bad\n", "is damaged: "),
        ("a.parquet", "minute,total,bad\n", "is damaged: "),
        ("a.parquet", "", "is damaged: "),
        ("a.json", "{}", "has an unknown file type"),
    ] {
        let said = read_bytes(name, text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("\nhint: "), "{said}");
    }
    let said = read(Path::new("no-such-folder/a.csv")).unwrap_err().to_string();
    assert!(said.starts_with("cannot read `no-such-folder/a.csv`: "), "{said}");
}

/// What the CSV parser alone makes of a text.
fn parse_with_csv_parser(text: &[u8]) -> Option<ParsedCounts> {
    let mut intake = CountsBuilder::new(Path::new("a.csv"), "line");
    csv_rows::read_stream(text, &mut intake).ok()?;
    intake.finish().ok()
}

proptest! {
    #[test]
    fn plain_lines_give_the_same_counts_as_the_csv_parser(
        header in prop::sample::select(vec![
            "minute,total,bad", "\u{feff}minute,total,bad", "host,bad, total ,minute_utc", "\"minute\",total,bad", "minute,total",
            "\nminute,total,bad", "minute,total,bad\r",
        ]),
        lines in prop::collection::vec(
            prop_oneof![
                10 => (0..60_u32, 0..900_u32, 0..3_u32).prop_map(|(at, total, bad)| format!("2026-02-16T00:{at:02}Z,{total},{bad}")),
                1 => prop::sample::select(vec![
                    "", "", " ", ",", ",,", "2026-02-16T00:01Z,5,6", "2026-02-16T00:01Z,5", "2026-02-16T00:01Z, +5 ,5.0,x", "\r",
                    "2026-02-16T00:01Z,4294967296,1", "2026-02-16T00:01Z,0000000005,1", "\u{feff}2026-02-16T00:01Z,5,1",
                ]).prop_map(str::to_owned),
                1 => prop::sample::select(vec![
                    "2026-02-16T00:01Z,5,1\r", "\"2026-02-16T00:01Z\",5,1", "\"2026-02-16\nT00:01Z\",5,1", "\"",
                ]).prop_map(str::to_owned),
            ],
            0..60,
        ),
        plain in 0..2_usize,
        is_cut in any::<bool>(),
    ) {
        let rows = "2026-02-16T00:03Z,7,1\n".repeat(plain * 1_000);
        let text = format!("{header}\n{rows}{}{}", lines.join("\n"), if is_cut { "" } else { "\n" });
        let mut read = read_bytes("a.csv", text.as_bytes()).ok();
        if let Some(read) = &mut read {
            prop_assert_eq!(&read.hash, &format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes())));
            (read.hash, read.state) = (String::new(), None);
            for sample in &mut read.invalid_rows.samples {
                *sample = format!("`{}", sample.split_off(sample.find("a.csv`").unwrap()));
            }
        }
        prop_assert_eq!(read, parse_with_csv_parser(text.as_bytes()));
    }
}

#[test]
fn file_is_opened_if_its_state_differs_and_parsed_if_its_content_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let write = |text: &str, seconds: u64| {
        std::fs::write(&path, text).unwrap();
        let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
    };
    write("minute,total,bad\n2026-02-16T00:00Z,5,1\n", 1_000);
    let FileChange::Changed(ParsedCounts { hash, state: Some(state), .. }) = read_if_changed(&path, None).unwrap()
    else {
        panic!("it is new");
    };
    assert_eq!(state.modified_ns, 1_000_000_000_000);
    let before = ImportedFile { path: path.to_string_lossy().into_owned(), state, hash };
    let compared = || read_if_changed(&path, Some(&before)).unwrap();
    assert_eq!(compared(), FileChange::Unchanged);
    write("minute,total,bad\n2026-02-16T00:00Z,6,1\n", 1_000);
    assert_eq!(compared(), FileChange::Unchanged, "it was not opened");
    write("minute,total,bad\n2026-02-16T00:00Z,5,1\n", 2_000);
    assert_eq!(compared(), FileChange::SameContent(FileState { modified_ns: 2_000_000_000_000, ..state }));
    for (text, seconds) in
        [("minute,total,bad\n2026-02-16T00:00Z,6,1\n", 2_000), ("minute,total,bad\n2026-02-16T00:00Z,50,1\n", 1_000)]
    {
        write(text, seconds);
        assert!(matches!(compared(), FileChange::Changed(read) if read.rows == 1), "{text}");
    }
    assert!(matches!(
        read_if_changed(&path, Some(&ImportedFile { path: String::new(), ..before.clone() })),
        Ok(FileChange::Changed(_))
    ));
    std::fs::remove_file(&path).unwrap();
    let said = read_if_changed(&path, Some(&before)).unwrap_err().to_string();
    assert!(said.starts_with("cannot read `") && said.contains("a.csv`: "), "{said}");
}

fn parquet_bytes(columns: Vec<Series>) -> Vec<u8> {
    let mut frame = DataFrame::new_infer_height(columns.into_iter().map(Column::from).collect()).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_row_group_size(Some(2)).finish(&mut frame).unwrap();
    bytes
}

#[test]
fn parquet_rows_are_validated_like_csv_rows() {
    let minutes = Series::new(
        "minute".into(),
        ["2026-02-16T00:00Z", "2026-02-16T00:01:00Z", "2026-02-16T00:02Z", "2026-02-16T00:03Z", "soon"],
    );
    let total = Series::new("total".into(), [Some(5_i64), Some(0), None, Some(-1), Some(1)]);
    let bad = Series::new("bad".into(), [1.0, 0.0, 0.0, 0.0, 0.5]);
    let bytes = parquet_bytes(vec![bad.clone(), minutes.clone(), total]);
    let read = read_bytes("a.parquet", &bytes).unwrap();
    assert_eq!(
        (count_at(&read, "2026-02-16T00:00Z"), count_at(&read, "2026-02-16T00:01Z")),
        ("5/1".to_owned(), "0/0".to_owned())
    );
    let expected = ["missing `total`", "invalid `total` `-1`: negative", "invalid `minute` `soon`: not a valid time"];
    for ((sample, row), problem) in read.invalid_rows.samples.iter().zip(3..).zip(expected) {
        assert!(sample.contains(&format!("a.parquet`, row {row}: {problem}\nhint: ")), "{sample}");
    }
    assert_eq!(read.invalid_rows.count, 3);
    for cut in [8, 60, bytes.len() / 2, bytes.len() - 1] {
        assert!(read_bytes("a.parquet", &bytes[..cut]).unwrap_err().message.contains("is damaged: "));
    }
    let said = read_bytes("a.parquet", &parquet_bytes(vec![bad.clone(), minutes.clone()])).unwrap_err().to_string();
    assert!(said.contains("needs exactly one column `total`"), "{said}");
    let text = Series::new("total".into(), ["5", "5", "5", "5", "5"]);
    let said = read_bytes("a.parquet", &parquet_bytes(vec![bad, minutes, text])).unwrap_err().to_string();
    assert!(said.contains("column `total` has the unsupported type"), "{said}");
}

#[test]
fn parquet_timestamps_of_every_unit_are_read() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/counts"));
    for name in ["pandas_ms", "pandas_us", "pandas_ns", "duckdb_sum"] {
        let read = read(&folder.join(format!("{name}.parquet"))).unwrap();
        let found =
            ["2026-02-16T00:00Z", "2026-02-16T00:01Z", "2026-02-16T00:02Z"].map(|minute| count_at(&read, minute));
        assert_eq!(found, ["5/1", "0/0", "?"], "{name}");
        let said = &read.invalid_rows.samples[0];
        assert!(said.contains("row 3: invalid `minute` `2026-02-16T00:02:30Z`: not the start of a minute"), "{said}");
    }
}

/// Sums of a file of shared data.
fn sums(read: &ParsedCounts) -> (u64, u64) {
    let days: Vec<DayCounts> = read.days.values().map(PackedDay::unpack).collect();
    days.iter()
        .flat_map(|day| day.0.iter().flatten())
        .fold((0, 0), |(total, bad), count| (total + u64::from(count.total), bad + u64::from(count.bad)))
}

/// The folder of shared data, if this machine has it.
fn shared_data() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test may be told where the shared data is")]
    let configured = std::env::var_os("SLOWBURN_SHARED").map(PathBuf::from);
    let folder = configured.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    folder.is_dir().then_some(folder)
}

#[test]
fn recorded_scenarios_have_their_documented_sums() {
    let Some(folder) = shared_data().map(|shared| shared.join("oracle")) else {
        println!("left out: no shared data here; SLOWBURN_SHARED names its folder");
        return;
    };
    let listed = std::fs::read_to_string(folder.join("scenarios.json")).unwrap();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), 12);
    for scenario in listed {
        let name = scenario["name"].as_str().unwrap();
        let read = read(&folder.join(format!("scenarios/{name}.csv.gz"))).unwrap();
        let number = |field: &str| scenario[field].as_u64().unwrap();
        assert_eq!(read.invalid_rows, InvalidRows::default(), "{name}");
        assert_eq!((read.rows, sums(&read)), (number("rows"), (number("total"), number("bad"))), "{name}");
        let first: Minute = scenario["first_minute"].as_str().unwrap().parse().unwrap();
        let span = Span::new(first, first.plus(i32::try_from(number("minutes")).unwrap()));
        assert!(read.days.keys().all(|day| span.days().any(|known| known == *day)), "{name}");
    }
}

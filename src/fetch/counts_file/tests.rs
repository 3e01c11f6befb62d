//! Small files and what they say.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use polars_io::parquet::write::ParquetWriter;

use super::*;
use crate::minute::Span;

fn key() -> SeriesKey {
    SeriesKey::new("own orders.csv counts")
}

fn read_bytes(name: &str, bytes: &[u8]) -> Result<CountsRead, CountsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    read(&path, &key())
}

/// The count of a minute as `total/bad`, `?` where unknown.
fn at(read: &CountsRead, minute: &str) -> String {
    let minute: Minute = minute.parse().unwrap();
    let day = read.counts.get(&(key(), minute.day()));
    match day.and_then(|day| day.0[minute.of_day()]) {
        Some(Count { total, bad }) => format!("{total}/{bad}"),
        None => "?".to_owned(),
    }
}

#[test]
fn an_absent_row_is_unknown_and_a_zero_row_is_no_traffic() {
    let text = "\u{feff}host,bad, total ,minute_utc\na,1,500,2026-02-16T00:00Z\nb,0,0,2026-02-16T00:02Z\n";
    let read = read_bytes("orders.csv", text.as_bytes()).unwrap();
    assert_eq!((read.rows, read.faults.count), (2, 0));
    assert_eq!(at(&read, "2026-02-16T00:00Z"), "500/1");
    assert_eq!(at(&read, "2026-02-16T00:01Z"), "?");
    assert_eq!(at(&read, "2026-02-16T00:02Z"), "0/0");
}

#[test]
fn minutes_may_be_written_in_several_ways() {
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
            (at(&read, "2026-02-16T00:05Z").as_str(), read.faults.count),
            ("7/3", 0),
            "{text}: {:?}",
            read.faults
        );
    }
}

/// What is said of the second of three rows; the first and third must count, its minute must not.
#[track_caller]
fn check_fault(row: &str, expected: &str) {
    let text = format!("minute,total,bad\n2026-02-16T00:00Z,5,1\n{row}\n2026-02-16T00:02Z,6,2\n");
    let read = read_bytes("a.csv", text.as_bytes()).unwrap();
    assert_eq!((read.rows, read.faults.count), (3, 1), "{row}");
    let said = read.faults.samples[0].to_string();
    assert!(said.contains(&format!("a.csv`, line 3: {expected}\nhint: ")), "{said}");
    assert_eq!(at(&read, "2026-02-16T00:00Z"), "5/1");
    assert_eq!(at(&read, "2026-02-16T00:01Z"), "?");
    assert_eq!(at(&read, "2026-02-16T00:02Z"), "6/2");
}

#[test]
fn a_faulty_row_is_set_aside_and_named() {
    check_fault("2026-02-16T00:01Z,5,6", "`bad` is `6`: more than the `total` of 5");
    check_fault("2026-02-16T00:01Z,5,-1", "`bad` is `-1`: below zero");
    check_fault("2026-02-16T00:01Z,5.5,1", "`total` is `5.5`: no whole number");
    check_fault("2026-02-16T00:01Z,1e3,1", "`total` is `1e3`: no whole number");
    check_fault("2026-02-16T00:01Z,4294967296,1", "`total` is `4294967296`: above 4294967295");
    check_fault("2026-02-16T00:01Z,,1", "`total` is ``: nothing is there");
    check_fault("2026-02-16T00:01Z,5", "`bad` is ``: nothing is there");
    check_fault("2026-02-16T00:01:30Z,5,1", "`minute` is `2026-02-16T00:01:30Z`: not the start of a minute");
    check_fault("2026-02-30T00:01Z,5,1", "`minute` is `2026-02-30T00:01Z`: no time that can be read");
    check_fault("2026-02-16T00:61Z,5,1", "`minute` is `2026-02-16T00:61Z`: no time that can be read");
    check_fault("2026-02-16T00:01,5,1", "`minute` is `2026-02-16T00:01`: no time that can be read");
    check_fault("9999-01-01T00:00Z,5,1", "`minute` is `9999-01-01T00:00Z`: no time that can be read");
    check_fault("1771200060,5,1", "`minute` is `1771200060`: no time that can be read");
    check_fault("\u{1b}[31mred,5,1", "`minute` is `\\u{1b}[31mred`: no time that can be read");
}

#[test]
fn whole_numbers_with_a_zero_fraction_are_whole() {
    let read = read_bytes("a.csv", b"minute,total,bad\n2026-02-16T00:00Z,500.0,4294967.00\n").unwrap();
    assert_eq!(read.faults.samples[0].problem, RowProblem::MoreThan { total: 500 });
    let read = read_bytes("a.csv", b"minute,total,bad\n2026-02-16T00:00Z,4294967295.0,0.0\n").unwrap();
    assert_eq!(at(&read, "2026-02-16T00:00Z"), "4294967295/0");
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
        assert_eq!((read.faults.count, at(&read, "2026-02-16T00:00Z").as_str()), (faults, expected), "{rows:?}");
    }
}

#[test]
fn samples_of_faults_are_bounded_and_their_count_is_not() {
    let text = format!("minute,total,bad\n{}2026-02-16T00:00Z,5,1\n", "x,1,1\n".repeat(1_000));
    let read = read_bytes("a.csv", text.as_bytes()).unwrap();
    assert_eq!((read.faults.count, read.faults.samples.len()), (1_000, FAULT_SAMPLES));
    assert_eq!(at(&read, "2026-02-16T00:00Z"), "5/1");
}

#[test]
fn a_gzip_file_of_several_members_is_read_whole_and_a_cut_one_is_damaged() {
    let member = |text: &str| {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap()
    };
    let bytes = [member("minute,total,bad\n2026-02-16T00:00Z,5,1\n"), member("2026-02-16T00:01Z,6,1\n")].concat();
    let read = read_bytes("a.csv.gz", &bytes).unwrap();
    assert_eq!((at(&read, "2026-02-16T00:00Z"), at(&read, "2026-02-16T00:01Z")), ("5/1".to_owned(), "6/1".to_owned()));
    let cut = read_bytes("a.csv.gz", &bytes[..bytes.len() - 9]);
    assert!(matches!(cut, Err(CountsError::Damaged { .. })), "{cut:?}");
}

#[test]
fn a_file_that_says_nothing_is_an_error_with_a_hint() {
    for (name, text, expected) in [
        ("a.csv", "minute,total\n", "needs one column `bad`; it has: `minute`, `total`"),
        ("a.csv", "minute,minute_utc,total,bad\n", "needs one column `minute`; it has: "),
        ("a.csv", "minute,total,bad\n", "has no rows"),
        ("a.csv", "", "has no rows"),
        ("a.csv.gz", "minute,total,bad\n", "is damaged: "),
        ("a.parquet", "minute,total,bad\n", "is damaged: "),
        ("a.parquet", "", "is damaged: "),
        ("a.json", "{}", "is of an unknown kind"),
    ] {
        let said = read_bytes(name, text.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains("\nhint: "), "{said}");
    }
    let said = read(Path::new("no-such-folder/a.csv"), &key()).unwrap_err().to_string();
    assert!(said.starts_with("cannot read `no-such-folder/a.csv`: "), "{said}");
}

fn parquet_bytes(columns: Vec<Series>) -> Vec<u8> {
    let mut frame = DataFrame::new_infer_height(columns.into_iter().map(Column::from).collect()).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).with_row_group_size(Some(2)).finish(&mut frame).unwrap();
    bytes
}

#[test]
fn a_parquet_table_says_the_same_as_the_text() {
    let minutes = Series::new(
        "minute".into(),
        ["2026-02-16T00:00Z", "2026-02-16T00:01:00Z", "2026-02-16T00:02Z", "2026-02-16T00:03Z", "soon"],
    );
    let total = Series::new("total".into(), [Some(5_i64), Some(0), None, Some(-1), Some(1)]);
    let bad = Series::new("bad".into(), [1.0, 0.0, 0.0, 0.0, 0.5]);
    let bytes = parquet_bytes(vec![bad.clone(), minutes.clone(), total]);
    let read = read_bytes("a.parquet", &bytes).unwrap();
    assert_eq!((at(&read, "2026-02-16T00:00Z"), at(&read, "2026-02-16T00:01Z")), ("5/1".to_owned(), "0/0".to_owned()));
    let problems: Vec<_> = read.faults.samples.iter().map(|fault| (fault.place, fault.problem)).collect();
    let expected = [(3, RowProblem::Missing), (4, RowProblem::Negative), (5, RowProblem::NoMinute)];
    assert_eq!(problems, expected.map(|(row, problem)| (Place::Row(row), problem)));
    for cut in [8, 60, bytes.len() / 2, bytes.len() - 1] {
        assert!(matches!(read_bytes("a.parquet", &bytes[..cut]), Err(CountsError::Damaged { .. })));
    }
    let said = read_bytes("a.parquet", &parquet_bytes(vec![bad.clone(), minutes.clone()])).unwrap_err().to_string();
    assert!(said.contains("needs one column `total`"), "{said}");
    let text = Series::new("total".into(), ["5", "5", "5", "5", "5"]);
    let said = read_bytes("a.parquet", &parquet_bytes(vec![bad, minutes, text])).unwrap_err().to_string();
    assert!(said.contains("column `total` has the type"), "{said}");
}

#[test]
fn timestamps_of_every_unit_are_read_as_other_programs_write_them() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/counts"));
    for name in ["pandas_ms", "pandas_us", "pandas_ns", "duckdb_sum"] {
        let read = read(&folder.join(format!("{name}.parquet")), &key()).unwrap();
        let found = ["2026-02-16T00:00Z", "2026-02-16T00:01Z", "2026-02-16T00:02Z"].map(|minute| at(&read, minute));
        assert_eq!(found, ["5/1", "0/0", "?"], "{name}");
        let said = read.faults.samples[0].to_string();
        assert!(said.contains("row 3: `minute` is `2026-02-16T00:02:30Z`: not the start of a minute"), "{said}");
    }
}

/// Sums of a file of shared data.
fn sums(read: &CountsRead) -> (u64, u64) {
    read.counts
        .values()
        .flat_map(|day| day.0.iter().flatten())
        .fold((0, 0), |(total, bad), count| (total + u64::from(count.total), bad + u64::from(count.bad)))
}

/// The folder of shared data, if this machine has it.
fn shared() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test may be told where the shared data is")]
    let told = std::env::var_os("SLOWBURN_SHARED").map(PathBuf::from);
    let folder = told.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    folder.is_dir().then_some(folder)
}

#[test]
fn recorded_scenarios_have_the_sums_that_are_written_down_for_them() {
    let Some(folder) = shared().map(|shared| shared.join("oracle")) else {
        println!("left out: no shared data here; SLOWBURN_SHARED names its folder");
        return;
    };
    let listed = std::fs::read_to_string(folder.join("scenarios.json")).unwrap();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.len(), 12);
    for scenario in listed {
        let name = scenario["name"].as_str().unwrap();
        let read = read(&folder.join(format!("scenarios/{name}.csv.gz")), &key()).unwrap();
        let number = |field: &str| scenario[field].as_u64().unwrap();
        assert_eq!(read.faults, RowFaults::default(), "{name}");
        assert_eq!((read.rows, sums(&read)), (number("rows"), (number("total"), number("bad"))), "{name}");
        let first: Minute = scenario["first_minute"].as_str().unwrap().parse().unwrap();
        let span = Span::new(first, first.plus(i32::try_from(number("minutes")).unwrap()));
        assert!(read.counts.keys().all(|(_, day)| span.days().any(|known| known == *day)), "{name}");
    }
}

//! A team's own query: an SQL file with the columns `minute`, `total`, and `good` or `bad`.
//!
//! A minute without a row had no events, so the query must cover the whole span. A row with NULL makes its minute
//! unknown.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::custom_query_error;
use super::response::{AthenaResponse, LineCounts};
use super::run_query::{AthenaSession, read_rows, run_query};
use super::templates::{render_custom, span_variables};
use crate::counts::MinuteCount;
use crate::diagnostics::SAMPLES_MAX;
use crate::hinted_error::HintedError;
use crate::series::SeriesKey;
use crate::slo::Sql;
use crate::text::escape_non_printing;
use crate::time::{Minute, Span};

#[derive(Debug)]
pub struct CustomQuery<'a> {
    session: AthenaSession<'a>,
    pub(super) series: &'a SeriesKey,
    /// The path of the file from the working directory.
    path: String,
    pub(super) sql: &'a Sql,
}

pub fn read_sql(queries: &Path, file: &str) -> Result<Sql, HintedError> {
    let path = queries.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        HintedError::new(
            format!("cannot read `{}`: {error}", escape_non_printing(&path.display().to_string())),
            "set `file` to a path in the `--queries` folder",
        )
    })?;
    // Other line ends, or an empty line at the end, do not make another query.
    let normalized = text.trim_end().replace("\r\n", "\n");
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(normalized.as_bytes()));
    Ok(Sql { text: text.into(), hash: hash.into() })
}

impl<'a> CustomQuery<'a> {
    pub(super) fn new(
        session: AthenaSession<'a>,
        series: &'a SeriesKey,
        queries: &Path,
        file: &str,
        sql: &'a Sql,
    ) -> Self {
        Self { session, series, path: escape_non_printing(&queries.join(file).display().to_string()), sql }
    }

    pub(super) async fn fetch_counts(&self, span: Span) -> AthenaResponse {
        let text = match render_custom(&self.path, &self.sql.text, span_variables(span, span)) {
            Ok(text) => text,
            Err(error) => return AthenaResponse { error: Some(error), ..AthenaResponse::default() },
        };
        let mut finished = run_query(&self.session, text.trim().trim_end_matches(';'), false).await;
        finished.id = finished.id.map_err(|error| custom_query_error(error, &self.path));
        let mut rows = CustomRows::new(&self.path, span);
        let names = read_rows(&self.session, &finished, |names, row| rows.add_row(names, row)).await;
        let CustomRows { counts, lines, .. } = rows;
        let mut response = AthenaResponse { lines, ..AthenaResponse::default() };
        response.record_query(&finished);
        // A result without rows counts as well, if it has the right columns.
        match names.and_then(|names| find_columns(&self.path, &names)) {
            Ok(_) => response.add_counts(self.series, [span], |minute| {
                counts.get(&minute).copied().unwrap_or(Some(MinuteCount::default()))
            }),
            Err(error) => response.error = Some(error),
        }
        response
    }
}

#[derive(Clone, Copy)]
struct Columns {
    minute: usize,
    total: usize,
    good_or_bad: usize,
    is_good: bool,
}

fn find_columns(path: &str, names: &[String]) -> Result<Columns, HintedError> {
    let column_error = |problem: String| {
        HintedError::new(format!("`{path}` {problem}"), "select only `minute`, `total`, and `good` or `bad`")
    };
    let index_of = |wanted: &str| names.iter().position(|name| name == wanted);
    let required = |name: &str| index_of(name).ok_or_else(|| column_error(format!("returns no column `{name}`")));
    if let Some(other) = names.iter().find(|name| !["minute", "total", "good", "bad"].contains(&name.as_str())) {
        return Err(column_error(format!("returns an unknown column `{}`", escape_non_printing(other))));
    }
    if let Some((_, name)) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        return Err(column_error(format!("returns column `{name}` twice")));
    }
    let (minute, total) = (required("minute")?, required("total")?);
    match (index_of("good"), index_of("bad")) {
        (Some(good_or_bad), None) => Ok(Columns { minute, total, good_or_bad, is_good: true }),
        (None, Some(good_or_bad)) => Ok(Columns { minute, total, good_or_bad, is_good: false }),
        (None, None) => Err(column_error("returns neither `good` nor `bad`".to_owned())),
        (Some(_), Some(_)) => Err(column_error("returns both `good` and `bad`".to_owned())),
    }
}

/// The rows of a result. A minute with an invalid row or several rows is unknown.
struct CustomRows<'a> {
    path: &'a str,
    span: Span,
    columns: Option<Columns>,
    counts: BTreeMap<Minute, Option<MinuteCount>>,
    lines: LineCounts,
}

impl<'a> CustomRows<'a> {
    fn new(path: &'a str, span: Span) -> Self {
        Self { path, span, columns: None, counts: BTreeMap::new(), lines: LineCounts::default() }
    }

    fn add_row(&mut self, names: &[String], row: &[Option<&str>]) -> Result<(), HintedError> {
        let columns = match self.columns {
            Some(columns) => columns,
            None => *self.columns.insert(find_columns(self.path, names)?),
        };
        let cell = |index: usize| row.get(index).copied().flatten();
        let cell_text = |index: usize| escape_non_printing(cell(index).unwrap_or("NULL"));
        let Some(minute) = cell(columns.minute).and_then(parse_minute) else {
            return Err(HintedError::new(
                format!("`{}` returns a row where `minute` is `{}`", self.path, cell_text(columns.minute)),
                "return whole minutes in UTC, as `2026-10-31T23:50` or a timestamp: use `date_trunc('minute', ...)`",
            ));
        };
        if !self.span.contains(minute) {
            self.lines.rows_outside_span += 1;
            return Ok(());
        }
        let column_name = if columns.is_good { "good" } else { "bad" };
        let [total, good_or_bad] =
            [columns.total, columns.good_or_bad].map(|index| cell(index).and_then(parse_whole_number));
        let problem = match (total, good_or_bad) {
            _ if self.counts.contains_key(&minute) => "two rows".to_owned(),
            (Some(total), Some(good_or_bad)) if good_or_bad <= total => {
                let bad = if columns.is_good { total - good_or_bad } else { good_or_bad };
                self.counts.insert(minute, Some(MinuteCount { total, bad }));
                return Ok(());
            }
            (None, _) => format!("`total` is `{}`", cell_text(columns.total)),
            (_, None) => format!("`{column_name}` is `{}`", cell_text(columns.good_or_bad)),
            (Some(_), Some(_)) => {
                let (good_or_bad, total) = (cell_text(columns.good_or_bad), cell_text(columns.total));
                format!("`{column_name}` is {good_or_bad}, but `total` is {total}")
            }
        };
        if self.counts.insert(minute, None) != Some(None) {
            self.lines.invalid_minutes += 1;
        }
        if self.lines.samples.len() < SAMPLES_MAX {
            self.lines.samples.push(format!("{minute}: {problem}"));
        }
        Ok(())
    }
}

/// Parses `2026-10-31T23:50`, or a timestamp as Athena returns it: `2026-10-31 23:50:00.000`, with ` UTC` appended if
/// it has a zone.
fn parse_minute(text: &str) -> Option<Minute> {
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let minute = text.get(..16)?;
    let rest = text.get(16..)?;
    let is_whole = rest.is_empty() || (rest.starts_with(":00") && rest.bytes().all(|byte| b":0.".contains(&byte)));
    let is_spelt = minute.as_bytes().get(10).is_some_and(|sign| b"T ".contains(sign));
    (is_whole && is_spelt).then(|| format!("{}Z", minute.replace(' ', "T")).parse().ok()).flatten()
}

/// Parses a whole number as SQL returns it: `12`, `12.00`, `1.2E1`.
fn parse_whole_number(text: &str) -> Option<u32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    let whole = (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u32);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_numbers_in_athena_formats_are_parsed() {
        let at = |text: &str| parse_minute(text).map(|minute| minute.to_string());
        let expected = Some("2026-10-31T23:50Z".to_owned());
        for text in
            ["2026-10-31T23:50", "2026-10-31 23:50:00.000", "2026-10-31 23:50:00.000 UTC", "2026-10-31T23:50:00Z"]
        {
            assert_eq!(at(text), expected, "{text}");
        }
        for text in [
            "2026-10-31",
            "2026-10-31 23:50:01.000",
            "2026-10-31T23:50+02:00",
            "ä026-10-31T23:5",
            "",
            "2026-10-31 23:50:00.000 Europe/Berlin",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
        assert_eq!(["12", "12.00", "1.2E1", "0"].map(parse_whole_number), [Some(12), Some(12), Some(12), Some(0)]);
        assert_eq!(["-1", "1.5", "NaN", "5e9", ""].map(parse_whole_number), [None; 5]);
    }

    #[test]
    fn unexpected_columns_are_rejected_by_name() {
        let result = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            find_columns("q.sql", &names).map_or_else(|error| error.message, |columns| columns.is_good.to_string())
        };
        assert_eq!(result(&["minute", "total", "good"]), "true");
        assert_eq!(result(&["bad", "minute", "total"]), "false");
        assert_eq!(result(&["minute", "total"]), "`q.sql` returns neither `good` nor `bad`");
        assert_eq!(result(&["minute", "total", "good", "bad"]), "`q.sql` returns both `good` and `bad`");
        assert_eq!(result(&["minute", "good"]), "`q.sql` returns no column `total`");
        assert_eq!(result(&["minute", "total", "bad", "p99"]), "`q.sql` returns an unknown column `p99`");
        assert_eq!(result(&["minute", "minute", "total", "bad"]), "`q.sql` returns column `minute` twice");
    }

    #[test]
    fn row_without_valid_counts_makes_its_minute_unknown() {
        let names = ["minute", "total", "good"].map(str::to_owned);
        let span = Span::new("2026-10-31T23:00Z".parse().unwrap(), "2026-11-01T00:00Z".parse().unwrap());
        let mut rows = CustomRows::new("q.sql", span);
        let mut add = |row: [Option<&str>; 3]| rows.add_row(&names, &row);
        add([Some("2026-10-31T23:01"), Some("10"), Some("9")]).unwrap();
        add([Some("2026-10-31T23:02"), None, Some("9")]).unwrap();
        add([Some("2026-10-31T23:03"), Some("10"), Some("11")]).unwrap();
        add([Some("2026-10-31T23:04"), Some("10"), Some("-1")]).unwrap();
        add([Some("2026-10-31T23:05"), Some("10"), Some("1")]).unwrap();
        add([Some("2026-10-31T23:05"), Some("10"), Some("1")]).unwrap();
        add([Some("2026-11-01T00:00"), Some("10"), Some("1")]).unwrap();
        assert!(add([None, Some("10"), Some("1")]).unwrap_err().message.contains("`minute` is `NULL`"));
        let known: Vec<Option<MinuteCount>> = rows.counts.into_values().collect();
        assert_eq!(known, [Some(MinuteCount { total: 10, bad: 1 }), None, None, None, None]);
        assert_eq!((rows.lines.invalid_minutes, rows.lines.rows_outside_span), (4, 1));
        assert_eq!(rows.lines.samples[1], "2026-10-31T23:03Z: `good` is 11, but `total` is 10");
    }
}

//! A team's own query: an SQL file with columns `minute`, `total`, and `good` or `bad`.
//!
//! It answers for all minutes that it was asked for: one without a row had no events. So a query must not leave out
//! minutes that it knows nothing of; a row with NULL makes its minute unknown.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::count_query::{day_folder, day_folder_range, minute_text};
use super::templates::render_custom;
use super::{
    AthenaResponse, AthenaSession, QueryError, SAMPLES_MAX, ScanUsage, add_known_minutes, get_query_results,
    start_query,
};
use crate::counts::MinuteCount;
use crate::series::SeriesKey;
use crate::slo::Sql;
use crate::text::escape_non_printing;
use crate::time::{Minute, Span};

/// A query as it was read.
#[derive(Debug)]
pub struct CustomQuery<'a> {
    series: &'a SeriesKey,
    /// The file as it can be opened from here.
    path: String,
    sql: &'a Sql,
}

#[derive(Serialize)]
struct Context {
    from: String,
    until: String,
    first_day: String,
    last_day: String,
}

/// Where the columns are.
struct Columns {
    minute: usize,
    total: usize,
    good_or_bad: usize,
    is_good: bool,
}

/// Reads the file of a query below a folder.
///
/// # Errors
/// When it is not there.
pub fn read_sql(queries: &Path, file: &str) -> Result<Sql, QueryError> {
    let path = queries.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        QueryError::new(
            format!("cannot read `{}`: {error}", escape_non_printing(&path.display().to_string())),
            "set `file` to a path in the `--queries` folder",
        )
    })?;
    // Another end of lines, or a line at the end, is not another query.
    let normalized = text.trim_end().replace("\r\n", "\n");
    let hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(normalized.as_bytes()));
    Ok(Sql { text: text.into(), hash: hash.into() })
}

impl<'a> CustomQuery<'a> {
    /// Gets ready to ask the query of a file below a folder.
    #[must_use]
    pub fn new(queries: &Path, file: &str, sql: &'a Sql, series: &'a SeriesKey) -> Self {
        Self { series, path: escape_non_printing(&queries.join(file).display().to_string()), sql }
    }

    /// What its text is known by.
    #[must_use]
    pub fn text_hash(&self) -> &str {
        &self.sql.hash
    }

    /// Asks for the minutes of a span.
    pub async fn fetch_counts(&self, session: &AthenaSession<'_>, span: Span) -> AthenaResponse {
        let mut response = AthenaResponse::default();
        match self.run(session, span, &mut response).await {
            Ok(()) => response.complete_series.push(self.series.clone()),
            Err(error) => response.error = Some(error),
        }
        response
    }

    async fn run(
        &self,
        session: &AthenaSession<'_>,
        span: Span,
        response: &mut AthenaResponse,
    ) -> Result<(), QueryError> {
        let (first_day, last_day) = day_folder_range(span);
        let context = Context {
            from: minute_text(span.start),
            until: minute_text(span.end),
            first_day: day_folder(first_day),
            last_day: day_folder(last_day),
        };
        let text = render_custom(&self.path, &self.sql.text, context)?;
        let finished = start_query::run_query(session, text.trim().trim_end_matches(';'), false).await;
        response.usage.add(ScanUsage::from_query(&finished));
        response.scan_size = finished.scan_size();
        let id = finished.id.map_err(|error| error.for_custom_query(&self.path))?;
        let mut counts: BTreeMap<Minute, Option<MinuteCount>> = BTreeMap::new();
        let mut columns: Option<Columns> = None;
        let names = get_query_results::read_rows(session, &id, |names, row| {
            let columns = match &columns {
                Some(columns) => columns,
                None => columns.insert(self.find_columns(names)?),
            };
            self.add_row(columns, row, span, (&mut counts, response))
        });
        let names = names.await?;
        // No row at all is an answer too, if it is one of such columns.
        self.find_columns(&names)?;
        let unknown: Vec<Minute> =
            counts.iter().filter(|(_, count)| count.is_none()).map(|(minute, _)| *minute).collect();
        let events: Vec<(Minute, MinuteCount)> =
            counts.iter().filter_map(|(minute, count)| Some((*minute, (*count)?))).collect();
        add_known_minutes(&mut response.counts, self.series, ([span].iter(), span), &events);
        for minute in unknown {
            if let Some(day) = response.counts.get_mut(&(self.series.clone(), minute.day())) {
                day.0[minute.minute_of_day()] = None;
            }
        }
        Ok(())
    }

    fn find_columns(&self, names: &[String]) -> Result<Columns, QueryError> {
        const HINT: &str = "select only `minute`, `total`, and `good` or `bad`";
        let column_error = |problem: String| QueryError::new(format!("`{}` {problem}", self.path), HINT);
        let index_of = |wanted: &str| names.iter().position(|name| name == wanted);
        if let Some(other) = names.iter().find(|name| !["minute", "total", "good", "bad"].contains(&name.as_str())) {
            return Err(column_error(format!("returns an unknown column `{}`", escape_non_printing(other))));
        }
        if let Some(duplicate) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(column_error(format!("returns column `{}` twice", duplicate.1)));
        }
        let required = |name: &str| index_of(name).ok_or_else(|| column_error(format!("returns no column `{name}`")));
        let (minute, total) = (required("minute")?, required("total")?);
        match (index_of("good"), index_of("bad")) {
            (Some(good_or_bad), None) => Ok(Columns { minute, total, good_or_bad, is_good: true }),
            (None, Some(good_or_bad)) => Ok(Columns { minute, total, good_or_bad, is_good: false }),
            (None, None) => Err(column_error("returns neither `good` nor `bad`".to_owned())),
            (Some(_), Some(_)) => Err(column_error("returns both `good` and `bad`".to_owned())),
        }
    }

    /// Adds a row. A minute with a row that holds no counts, or with two rows, is unknown.
    fn add_row(
        &self,
        columns: &Columns,
        row: &[Option<&str>],
        span: Span,
        (counts, response): (&mut BTreeMap<Minute, Option<MinuteCount>>, &mut AthenaResponse),
    ) -> Result<(), QueryError> {
        let cell = |index: usize| row.get(index).copied().flatten();
        let text = cell(columns.minute);
        let Some(minute) = text.and_then(parse_minute) else {
            let message = format!(
                "`{}` returns a row where `minute` is `{}`",
                self.path,
                escape_non_printing(text.unwrap_or("NULL"))
            );
            let hint =
                "return whole minutes in UTC, as `2026-10-31T23:50` or a timestamp: use `date_trunc('minute', ...)`";
            return Err(QueryError::new(message, hint));
        };
        if !span.contains(minute) {
            response.rows_outside_span += 1;
            return Ok(());
        }
        let column_name = if columns.is_good { "good" } else { "bad" };
        let cell_text = |index: usize| escape_non_printing(cell(index).unwrap_or("NULL"));
        let problem = match (
            cell(columns.total).and_then(parse_whole_number),
            cell(columns.good_or_bad).and_then(parse_whole_number),
        ) {
            _ if counts.contains_key(&minute) => "two rows".to_owned(),
            (Some(total), Some(good_or_bad)) if good_or_bad <= total => {
                let bad = if columns.is_good { total - good_or_bad } else { good_or_bad };
                counts.insert(minute, Some(MinuteCount { total, bad }));
                return Ok(());
            }
            (None, _) => format!("`total` is `{}`", cell_text(columns.total)),
            (_, None) => format!("`{column_name}` is `{}`", cell_text(columns.good_or_bad)),
            _ => format!(
                "`{column_name}` is {}, but `total` is {}",
                cell_text(columns.good_or_bad),
                cell_text(columns.total)
            ),
        };
        if counts.insert(minute, None) != Some(None) {
            response.invalid_minutes += 1;
        }
        if response.samples.len() < SAMPLES_MAX {
            response.samples.push(format!("{minute}: {problem}"));
        }
        Ok(())
    }
}

/// `2026-10-31T23:50`, or what Athena makes of a timestamp: `2026-10-31 23:50:00.000`, with `UTC` behind it if it has a
/// zone.
fn parse_minute(text: &str) -> Option<Minute> {
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let minute = text.get(..16)?;
    let rest = text.get(16..)?;
    let is_whole = rest.is_empty() || (rest.starts_with(":00") && rest.bytes().all(|byte| b":0.".contains(&byte)));
    let is_spelt = minute.as_bytes().get(10).is_some_and(|sign| b"T ".contains(sign));
    (is_whole && is_spelt).then(|| format!("{}Z", minute.replace(' ', "T")).parse().ok()).flatten()
}

/// A whole number, however SQL has it: `12`, `12.00`, `1.2E1`.
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
        let sql = Sql { text: "".into(), hash: "".into() };
        let query = CustomQuery { series: &SeriesKey::new("s"), path: "q.sql".to_owned(), sql: &sql };
        let result = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            query.find_columns(&names).map_or_else(|fault| fault.message, |columns| columns.is_good.to_string())
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
        let sql = Sql { text: "".into(), hash: "".into() };
        let query = CustomQuery { series: &SeriesKey::new("s"), path: "q.sql".to_owned(), sql: &sql };
        let columns = Columns { minute: 0, total: 1, good_or_bad: 2, is_good: true };
        let span = Span::new("2026-10-31T23:00Z".parse().unwrap(), "2026-11-01T00:00Z".parse().unwrap());
        let (mut counts, mut response) = (BTreeMap::new(), AthenaResponse::default());
        let mut add = |row: [Option<&str>; 3]| query.add_row(&columns, &row, span, (&mut counts, &mut response));
        add([Some("2026-10-31T23:01"), Some("10"), Some("9")]).unwrap();
        add([Some("2026-10-31T23:02"), None, Some("9")]).unwrap();
        add([Some("2026-10-31T23:03"), Some("10"), Some("11")]).unwrap();
        add([Some("2026-10-31T23:04"), Some("10"), Some("-1")]).unwrap();
        add([Some("2026-10-31T23:05"), Some("10"), Some("1")]).unwrap();
        add([Some("2026-10-31T23:05"), Some("10"), Some("1")]).unwrap();
        add([Some("2026-11-01T00:00"), Some("10"), Some("1")]).unwrap();
        assert!(add([None, Some("10"), Some("1")]).unwrap_err().message.contains("`minute` is `NULL`"));
        let known: Vec<Option<MinuteCount>> = counts.into_values().collect();
        assert_eq!(known, [Some(MinuteCount { total: 10, bad: 1 }), None, None, None, None]);
        assert_eq!((response.invalid_minutes, response.rows_outside_span), (4, 1));
        assert_eq!(response.samples[1], "2026-10-31T23:03Z: `good` is 11, but `total` is 10");
    }
}

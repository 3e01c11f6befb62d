//! A team's own query: an SQL file with columns `minute`, `total`, and `good` or `bad`.
//!
//! It answers for all minutes that it was asked for: one without a row had no events. So a query must not leave out
//! minutes that it knows nothing of; a row with NULL makes its minute unknown.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::rules::{folder, folders, minute_text};
use super::templates::render_own;
use super::{Access, Answer, Fault, SAMPLES, Spent, execution, rows, tell};
use crate::counts::Count;
use crate::minute::{Minute, Span};
use crate::series::SeriesKey;
use crate::slo::Sql;
use crate::visible::visible;

/// A query as it was read.
#[derive(Debug)]
pub struct OwnQuery<'a> {
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
    judged: usize,
    is_good: bool,
}

/// Reads the file of a query below a folder.
///
/// # Errors
/// When it is not there.
pub fn read_sql(queries: &Path, file: &str) -> Result<Sql, Fault> {
    let path = queries.join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Fault::new(
            format!("cannot read `{}`: {error}", visible(&path.display().to_string())),
            "set `file` to a path in the `--queries` folder",
        )
    })?;
    // Another end of lines, or a line at the end, is not another query.
    let same = text.trim_end().replace("\r\n", "\n");
    let mark = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(same.as_bytes()));
    Ok(Sql { text: text.into(), mark: mark.into() })
}

impl<'a> OwnQuery<'a> {
    /// Gets ready to ask the query of a file below a folder.
    #[must_use]
    pub fn new(queries: &Path, file: &str, sql: &'a Sql, series: &'a SeriesKey) -> Self {
        Self { series, path: visible(&queries.join(file).display().to_string()), sql }
    }

    /// What its text is known by.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.sql.mark
    }

    /// Asks for the minutes of a span.
    pub async fn count(&self, access: &Access<'_>, span: Span) -> Answer {
        let mut answer = Answer::default();
        match self.ask(access, span, &mut answer).await {
            Ok(()) => answer.answered.push(self.series.clone()),
            Err(fault) => answer.fault = Some(fault),
        }
        answer
    }

    async fn ask(&self, access: &Access<'_>, span: Span, answer: &mut Answer) -> Result<(), Fault> {
        let (first_day, last_day) = folders(span);
        let context = Context {
            from: minute_text(span.start),
            until: minute_text(span.end),
            first_day: folder(first_day),
            last_day: folder(last_day),
        };
        let text = render_own(&self.path, &self.sql.text, context)?;
        let ended = execution::run(access, text.trim().trim_end_matches(';'), false).await;
        answer.spent.add(Spent::of(&ended));
        answer.scan = ended.scan();
        let id = ended.id.map_err(|fault| fault.of_own_query(&self.path))?;
        let mut found: BTreeMap<Minute, Option<Count>> = BTreeMap::new();
        let mut columns: Option<Columns> = None;
        let names = rows::read(access, &id, |names, row| {
            let columns = match &columns {
                Some(columns) => columns,
                None => columns.insert(self.columns(names)?),
            };
            self.add(columns, row, span, (&mut found, answer))
        });
        let names = names.await?;
        // No row at all is an answer too, if it is one of such columns.
        self.columns(&names)?;
        let unknown: Vec<Minute> =
            found.iter().filter(|(_, count)| count.is_none()).map(|(minute, _)| *minute).collect();
        let events: Vec<(Minute, Count)> =
            found.iter().filter_map(|(minute, count)| Some((*minute, (*count)?))).collect();
        tell(&mut answer.counts, self.series, ([span].iter(), span), &events);
        for minute in unknown {
            if let Some(day) = answer.counts.get_mut(&(self.series.clone(), minute.day())) {
                day.0[minute.of_day()] = None;
            }
        }
        Ok(())
    }

    fn columns(&self, names: &[String]) -> Result<Columns, Fault> {
        const HINT: &str = "select only `minute`, `total`, and `good` or `bad`";
        let wrong = |said: String| Fault::new(format!("`{}` {said}", self.path), HINT);
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        if let Some(other) = names.iter().find(|name| !["minute", "total", "good", "bad"].contains(&name.as_str())) {
            return Err(wrong(format!("returns an unknown column `{}`", visible(other))));
        }
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(wrong(format!("returns column `{}` twice", twice.1)));
        }
        let needed = |name: &str| place(name).ok_or_else(|| wrong(format!("returns no column `{name}`")));
        let (minute, total) = (needed("minute")?, needed("total")?);
        match (place("good"), place("bad")) {
            (Some(judged), None) => Ok(Columns { minute, total, judged, is_good: true }),
            (None, Some(judged)) => Ok(Columns { minute, total, judged, is_good: false }),
            (None, None) => Err(wrong("returns neither `good` nor `bad`".to_owned())),
            (Some(_), Some(_)) => Err(wrong("returns both `good` and `bad`".to_owned())),
        }
    }

    /// Adds a row. A minute with a row that holds no counts, or with two rows, is unknown.
    fn add(
        &self,
        columns: &Columns,
        row: &[Option<&str>],
        span: Span,
        (found, answer): (&mut BTreeMap<Minute, Option<Count>>, &mut Answer),
    ) -> Result<(), Fault> {
        let value = |place: usize| row.get(place).copied().flatten();
        let text = value(columns.minute);
        let Some(minute) = text.and_then(whole_minute) else {
            let said = format!("`{}` returns a row where `minute` is `{}`", self.path, visible(text.unwrap_or("NULL")));
            let hint =
                "return whole minutes in UTC, as `2026-10-31T23:50` or a timestamp: use `date_trunc('minute', ...)`";
            return Err(Fault::new(said, hint));
        };
        if !span.contains(minute) {
            answer.outside += 1;
            return Ok(());
        }
        let judged = if columns.is_good { "good" } else { "bad" };
        let shown = |place: usize| visible(value(place).unwrap_or("NULL"));
        let why = match (value(columns.total).and_then(whole), value(columns.judged).and_then(whole)) {
            _ if found.contains_key(&minute) => "two rows".to_owned(),
            (Some(total), Some(judged)) if judged <= total => {
                let bad = if columns.is_good { total - judged } else { judged };
                found.insert(minute, Some(Count { total, bad }));
                return Ok(());
            }
            (None, _) => format!("`total` is `{}`", shown(columns.total)),
            (_, None) => format!("`{judged}` is `{}`", shown(columns.judged)),
            _ => format!("`{judged}` is {}, but `total` is {}", shown(columns.judged), shown(columns.total)),
        };
        if found.insert(minute, None) != Some(None) {
            answer.wrong += 1;
        }
        if answer.samples.len() < SAMPLES {
            answer.samples.push(format!("{minute}: {why}"));
        }
        Ok(())
    }
}

/// `2026-10-31T23:50`, or what Athena makes of a timestamp: `2026-10-31 23:50:00.000`, with `UTC` behind it if it has a
/// zone.
fn whole_minute(text: &str) -> Option<Minute> {
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text);
    let minute = text.get(..16)?;
    let rest = text.get(16..)?;
    let is_whole = rest.is_empty() || (rest.starts_with(":00") && rest.bytes().all(|byte| b":0.".contains(&byte)));
    let is_spelt = minute.as_bytes().get(10).is_some_and(|sign| b"T ".contains(sign));
    (is_whole && is_spelt).then(|| format!("{}Z", minute.replace(' ', "T")).parse().ok()).flatten()
}

/// A whole number, however SQL has it: `12`, `12.00`, `1.2E1`.
fn whole(text: &str) -> Option<u32> {
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
    fn minutes_and_numbers_are_read_as_athena_writes_them() {
        let at = |text: &str| whole_minute(text).map(|minute| minute.to_string());
        let wanted = Some("2026-10-31T23:50Z".to_owned());
        for text in
            ["2026-10-31T23:50", "2026-10-31 23:50:00.000", "2026-10-31 23:50:00.000 UTC", "2026-10-31T23:50:00Z"]
        {
            assert_eq!(at(text), wanted, "{text}");
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
        assert_eq!(["12", "12.00", "1.2E1", "0"].map(whole), [Some(12), Some(12), Some(12), Some(0)]);
        assert_eq!(["-1", "1.5", "NaN", "5e9", ""].map(whole), [None; 5]);
    }

    #[test]
    fn columns_are_the_ones_that_counts_are_made_of() {
        let sql = Sql { text: "".into(), mark: "".into() };
        let query = OwnQuery { series: &SeriesKey::new("s"), path: "q.sql".to_owned(), sql: &sql };
        let said = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            query.columns(&names).map_or_else(|fault| fault.said, |columns| columns.is_good.to_string())
        };
        assert_eq!(said(&["minute", "total", "good"]), "true");
        assert_eq!(said(&["bad", "minute", "total"]), "false");
        assert_eq!(said(&["minute", "total"]), "`q.sql` returns neither `good` nor `bad`");
        assert_eq!(said(&["minute", "total", "good", "bad"]), "`q.sql` returns both `good` and `bad`");
        assert_eq!(said(&["minute", "good"]), "`q.sql` returns no column `total`");
        assert_eq!(said(&["minute", "total", "bad", "p99"]), "`q.sql` returns an unknown column `p99`");
        assert_eq!(said(&["minute", "minute", "total", "bad"]), "`q.sql` returns column `minute` twice");
    }

    #[test]
    fn a_minute_whose_row_holds_no_counts_is_unknown() {
        let sql = Sql { text: "".into(), mark: "".into() };
        let query = OwnQuery { series: &SeriesKey::new("s"), path: "q.sql".to_owned(), sql: &sql };
        let columns = Columns { minute: 0, total: 1, judged: 2, is_good: true };
        let span = Span::new("2026-10-31T23:00Z".parse().unwrap(), "2026-11-01T00:00Z".parse().unwrap());
        let (mut found, mut answer) = (BTreeMap::new(), Answer::default());
        let mut add = |row: [Option<&str>; 3]| query.add(&columns, &row, span, (&mut found, &mut answer));
        add([Some("2026-10-31T23:01"), Some("10"), Some("9")]).unwrap();
        add([Some("2026-10-31T23:02"), None, Some("9")]).unwrap();
        add([Some("2026-10-31T23:03"), Some("10"), Some("11")]).unwrap();
        add([Some("2026-10-31T23:04"), Some("10"), Some("-1")]).unwrap();
        add([Some("2026-10-31T23:05"), Some("10"), Some("1")]).unwrap();
        add([Some("2026-10-31T23:05"), Some("10"), Some("1")]).unwrap();
        add([Some("2026-11-01T00:00"), Some("10"), Some("1")]).unwrap();
        assert!(add([None, Some("10"), Some("1")]).unwrap_err().said.contains("`minute` is `NULL`"));
        let known: Vec<Option<Count>> = found.into_values().collect();
        assert_eq!(known, [Some(Count { total: 10, bad: 1 }), None, None, None, None]);
        assert_eq!((answer.wrong, answer.outside), (4, 1));
        assert_eq!(answer.samples[1], "2026-10-31T23:03Z: `good` is 11, but `total` is 10");
    }
}

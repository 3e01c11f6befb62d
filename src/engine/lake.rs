//! The stretch of the line that tables of Athena walk: what is missing is asked for piece by piece, newest first, and
//! kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use super::begun::leave_unseen;
use super::spans::{affordable, keep};
use super::{EngineError, Job};
use crate::aws::Aws;
use crate::cost::Usage;
use crate::demand::{Ask, AskedOf, SpanQuestion, remember};
use crate::fetch::athena::{Access, Answer, Cap, Fault, OwnQuery, Price, Rule, Table, pieces};
use crate::ledger::Ledger;
use crate::minute::{MINUTES_PER_DAY, Span};
use crate::outcome::{LakeRead, Said};
use crate::series::SeriesKey;
use crate::slo::{Indicator, Lake, Reach, TableOfLogs};
use crate::store::{LedgerStore, Needs};

/// A balancer that had lines within as many days, or a part of that, is not missing.
const HEARD_DAYS: i32 = 14;
/// Hexadecimal digits of the mark of a query's text.
const MARK_LENGTH: usize = 32;

/// What is scanned by itself: a table for all of its series, or a team's own query.
enum Part<'a> {
    Table(Box<Table<'a>>, BTreeMap<&'a SeriesKey, Rule<'a>>),
    Own(OwnQuery<'a>, Access<'a>, &'a SeriesKey),
}

/// Asks one source for what the ledger lacks.
pub(super) async fn read_lake(
    job: &Job<'_>,
    (question, asks): (&SpanQuestion, &[Ask]),
    (reach, lake): (&Reach, &Lake),
    (asked, store): (&mut BTreeMap<SeriesKey, AskedOf>, &mut LedgerStore),
    said: &mut Said,
) -> Result<(), EngineError> {
    let aws = Aws::reach().await.of(reach).await;
    let client = aws.athena();
    let room = AtomicU64::new(u64::MAX);
    let access = Access { client: &client, lake, moment: question.end, stop: &job.stop, room: &room };
    let sums = store.load(&Needs::default()).await?;
    let mut read = LakeRead::new(job.catalog, &question.source);
    let cap = Cap::new(lake, question.end, job.now);
    let mut run = Run { job, aws: &aws, question, asks, sums, cap, room: &room };
    for (name, part) in parts(job, question, access) {
        match part {
            Ok(part) => run.read(&name, part, (asked, store), &mut read).await?,
            Err(fault) => read.fault(&name, &fault),
        }
    }
    read.tell(said);
    Ok(())
}

/// What the series of a question are read from, by its name.
fn parts<'a>(job: &Job<'a>, question: &'a SpanQuestion, access: Access<'a>) -> Vec<(String, Result<Part<'a>, Fault>)> {
    let mut rules: BTreeMap<bool, BTreeMap<&SeriesKey, Rule<'_>>> = BTreeMap::new();
    let mut parts = Vec::new();
    for (series, (indicator, _)) in &question.series {
        match indicator {
            Indicator::Requests { traffic, measure, .. } => {
                let is_classic = traffic.load_balancer.starts_with("classic/");
                rules.entry(is_classic).or_default().insert(series, Rule { series, traffic, measure });
            }
            Indicator::Query { file, sql: Some(sql), .. } => {
                let query = OwnQuery::new(job.queries, file, sql, series);
                parts.push((file.clone(), Ok(Part::Own(query, access, series))));
            }
            // Who read the definitions has named a file that is not there, and an indicator that does not fit its
            // source.
            Indicator::Query { sql: None, .. } | Indicator::Ratio { .. } | Indicator::Counts { .. } => {}
        }
    }
    let limit = super::unparsed_limit(job.catalog, &question.source);
    let tables = rules.into_iter().filter_map(|(is_classic, rules)| {
        let table: &TableOfLogs = if is_classic { access.lake.classic_table.as_ref()? } else { &access.lake.table };
        Some((table.to_string(), Table::new(access, table, limit).map(|table| Part::Table(Box::new(table), rules))))
    });
    tables.chain(parts).collect()
}

/// What one source is asked in the course of a run.
struct Run<'a> {
    job: &'a Job<'a>,
    aws: &'a Aws,
    question: &'a SpanQuestion,
    asks: &'a [Ask],
    sums: Ledger,
    cap: Cap,
    /// What queries in flight may scan.
    room: &'a AtomicU64,
}

impl Run<'_> {
    /// Reads a part, so that memory and what a crash can lose stay bounded, until all is there or something is in the
    /// way.
    async fn read(
        &mut self,
        name: &str,
        mut part: Part<'_>,
        (asked, store): (&mut BTreeMap<SeriesKey, AskedOf>, &mut LedgerStore),
        read: &mut LakeRead,
    ) -> Result<(), EngineError> {
        let mut left = pieces(self.asks, |series| part.has(series));
        let minutes: u32 = left.iter().map(|piece| piece.span.minutes()).sum();
        left.reverse();
        let place = format!("{} {name}", self.question.source);
        let key = part.text_mark().map_or_else(|| place.clone(), |mark| format!("{place} {mark}"));
        let whole = left.first().zip(left.last()).map(|(first, last)| Span::new(first.span.start, last.span.end));
        while let Some(piece) = left.pop() {
            let done = minutes - left.iter().map(|piece| piece.span.minutes()).sum::<u32>() - piece.span.minutes();
            (self.job.progress)(done as usize, minutes as usize);
            if self.job.stop.load(Ordering::Relaxed) {
                read.fault(name, &Fault::stopped());
                return Ok(());
            }
            let Some(span) = self.next(&part, &piece, (name, store.scanned().get(&key).copied()), read) else {
                return Ok(());
            };
            let mut answer = part.ask(span, &piece.series).await;
            self.aws.note_scanned(answer.spent.billed.0);
            leave_unseen(self.question, (&self.sums, &mut answer.counts), store);
            keep(&answer.counts, &part.replaced(&answer, span), store).await?;
            if part.is_believed() {
                for series in &answer.answered {
                    remember(asked, self.question, series, span);
                }
                store.keep_asked(asked).await?;
            }
            if let Some(day_bytes) = self.cap.spend(&answer, span) {
                let mut scanned = store.scanned().clone();
                // What an earlier text of a query scanned says nothing of this one.
                scanned.retain(|of, _| !is_of(of, &place));
                scanned.insert(key.clone(), day_bytes);
                store.keep_scanned(scanned);
            }
            // It is paid for: a run that is killed must not ask for it again.
            store.publish().await?;
            read.add(name, &answer);
            if answer.fault.is_some() {
                return Ok(());
            }
            let rest = Span::new(piece.span.start, span.start);
            if !rest.is_empty() {
                left.push(Ask { span: rest, ..piece });
            }
        }
        if let Some(whole) = whole {
            read.missing(name, whole, &part.missing(&self.sums, whole));
        }
        Ok(())
    }

    /// What of a piece is asked for next, if it may be.
    fn next(
        &self,
        part: &Part<'_>,
        piece: &Ask,
        (of, day_bytes): (&str, Option<u64>),
        read: &mut LakeRead,
    ) -> Option<Span> {
        let next = part.queries(piece).and_then(|queries| {
            let price = Price { queries, day_bytes };
            let span = self.cap.next(piece, price)?;
            Ok((span, self.cap.most(span, price)))
        });
        let (span, most) = next.map_err(|fault| read.fault(of, &fault)).ok()?;
        let usage = Usage { athena_bytes: most.0, ..Usage::default() };
        match affordable(self.job, &self.question.source, &usage) {
            Ok(()) => {
                // A guess may be a little too low, and what is all but done has been paid for. Where there is none, the
                // limit holds.
                self.room.store(if day_bytes.is_some() { u64::MAX } else { most.0 }, Ordering::Relaxed);
                return Some(span);
            }
            Err(refused) if day_bytes.is_some() => read.refused(refused),
            Err(_) => {
                let cost = (Aws::used().price(), self.job.max_cost.unwrap_or_default());
                read.fault(of, &self.cap.too_dear(of, most, cost));
            }
        }
        None
    }
}

/// Whether a place whose size is known is this one, with whatever mark of its text.
fn is_of(known: &str, place: &str) -> bool {
    let rest = known.strip_prefix(place).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
    rest.is_some_and(|mark| mark.bytes().all(|byte| byte.is_ascii_hexdigit()) && [0, MARK_LENGTH].contains(&mark.len()))
}

/// The source, and the table or file, that a place whose size is known is of.
pub(super) fn part_of(known: &str) -> Option<(String, String)> {
    let (source, part) = known.split_once(' ')?;
    let part = part
        .rsplit_once(' ')
        .filter(|(part, _)| is_of(known, &format!("{source} {part}")))
        .map_or(part, |(part, _)| part);
    Some((source.to_owned(), part.to_owned()))
}

impl Part<'_> {
    fn has(&self, series: &SeriesKey) -> bool {
        match self {
            Self::Table(_, rules) => rules.contains_key(series),
            Self::Own(_, _, own) => series == *own,
        }
    }

    fn rules(&self, series: &[SeriesKey]) -> Vec<Rule<'_>> {
        match self {
            Self::Table(_, rules) => series.iter().filter_map(|series| rules.get(series).copied()).collect(),
            Self::Own(..) => Vec::new(),
        }
    }

    fn queries(&self, piece: &Ask) -> Result<u64, Fault> {
        match self {
            Self::Table(table, _) => table.queries(piece.span, &self.rules(&piece.series)),
            Self::Own(..) => Ok(1),
        }
    }

    async fn ask(&mut self, span: Span, series: &[SeriesKey]) -> Answer {
        match self {
            Self::Table(table, rules) => {
                let rules: Vec<Rule<'_>> = series.iter().filter_map(|series| rules.get(series).copied()).collect();
                table.count(span, &rules).await
            }
            Self::Own(query, access, _) => query.count(access, span).await,
        }
    }

    /// The spans in which an answer replaces all that was known. Lines of a table that come late are added to those
    /// that were there, and a team's own query says all there is.
    fn replaced(&self, answer: &Answer, span: Span) -> BTreeMap<SeriesKey, Vec<Span>> {
        match self {
            Self::Table(..) => BTreeMap::new(),
            Self::Own(..) => answer.answered.iter().map(|series| (series.clone(), vec![span])).collect(),
        }
    }

    /// What tells the text of a team's own query from an earlier one.
    fn text_mark(&self) -> Option<&str> {
        match self {
            Self::Table(..) => None,
            Self::Own(query, ..) => Some(query.mark()),
        }
    }

    /// Whether an answer may be taken for one. A table that looks in the wrong place has no lines, and no error either:
    /// it is asked again until it has.
    const fn is_believed(&self) -> bool {
        match self {
            Self::Table(table, _) => table.has_lines(),
            Self::Own(..) => true,
        }
    }

    /// Balancers without a line, now and in the past; a few silent hours are nothing to speak of. `None` if there is no
    /// line at all.
    fn missing(&self, sums: &Ledger, span: Span) -> Option<Vec<String>> {
        let Self::Table(table, rules) = self else { return Some(Vec::new()) };
        if !table.has_lines() {
            return None;
        }
        let is_known = |series: &SeriesKey| {
            (-HEARD_DAYS..=0).any(|back| sums.day_sums(series, span.end.day().plus(back)).known > 0)
        };
        let silent = rules.values().filter(|rule| !table.hears(rule) && !is_known(rule.series));
        let silent = silent.map(|rule| rule.traffic.load_balancer.clone());
        let silent: BTreeSet<String> = silent.collect();
        if span.minutes() < MINUTES_PER_DAY.unsigned_abs() {
            Some(Vec::new())
        } else {
            Some(silent.into_iter().collect())
        }
    }
}

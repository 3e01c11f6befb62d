//! Which minutes an answer tells: those of intervals with lines, and those of silences that are plausible. The rule is
//! that of access logs, `ledger/silence.rs`; what is special here is that an answer ends somewhere, and that nothing is
//! known of what lies beyond.

use std::collections::BTreeMap;

use super::rules::INTERVAL_MINUTES;
use crate::exact::Exact;
use crate::ledger::heard;
use crate::minute::{Minute, Span};

/// Beyond what was asked for, a balancer may be as busy as it likes: silence is not believed because of an hour that
/// was not looked at.
const BUSY: u64 = 1 << 40;
const HOUR: i32 = 60;

/// What was heard of the balancers of a table in the course of a run, which goes from the newest span to the oldest.
#[derive(Debug, Default)]
pub(super) struct Heard {
    balancers: BTreeMap<String, Ear>,
    /// The end of the newest interval with a line of anybody.
    newest: Option<Minute>,
}

#[derive(Debug)]
struct Ear {
    /// What was asked for.
    asked: Span,
    /// Lines of intervals, and those of them that could not be read, by the intervals' first minutes.
    intervals: BTreeMap<Minute, (u64, u64)>,
    /// Up to which minute a silence may end that could not be judged before this answer.
    open: Minute,
}

/// Minutes that are known now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Those of the span that was asked for, with lines or without.
    pub(super) now: Vec<Span>,
    /// Silent ones of what was asked for before.
    pub(super) before: Vec<Span>,
}

impl Heard {
    /// Adds the lines of a balancer in the minutes `asked`, which tell those of `span`.
    pub(super) fn add(&mut self, balancer: &str, (asked, span): (Span, Span), lines: &BTreeMap<Minute, (u64, u64)>) {
        let fresh = || Ear { asked, intervals: BTreeMap::new(), open: span.end };
        let ear = self.balancers.entry(balancer.to_owned()).or_insert_with(fresh);
        let is_older = asked.start <= ear.asked.start && ear.asked.start <= asked.end;
        if !is_older {
            *ear = fresh();
        } else if ear.asked != asked {
            let judged = ear.asked.start.plus(HOUR + INTERVAL_MINUTES).max(span.end);
            ear.open = ear.intervals.range(judged..).next().map_or(ear.asked.end, |(start, _)| *start).max(span.end);
            ear.asked = Span::new(asked.start, ear.asked.end.max(asked.end));
        }
        let mut intervals: BTreeMap<Minute, (u64, u64)> = BTreeMap::new();
        for (minute, (total, unparsed)) in lines {
            let sums = intervals.entry(minute.plus(-minute.0.rem_euclid(INTERVAL_MINUTES))).or_default();
            sums.0 += total;
            sums.1 += unparsed;
        }
        let newest = intervals.last_key_value().map(|(start, _)| start.plus(INTERVAL_MINUTES));
        self.newest = self.newest.max(newest);
        ear.intervals.extend(intervals);
    }

    /// Whether anything was heard of anybody.
    pub(super) const fn anything(&self) -> bool {
        self.newest.is_some()
    }

    /// Whether anything was heard of a balancer.
    pub(super) fn hears(&self, balancer: &str) -> bool {
        self.balancers.get(balancer).is_some_and(|ear| !ear.intervals.is_empty())
    }

    /// What is known of a balancer after its lines of `span` were added. An interval of nothing but lines that cannot
    /// be read is as good as an object that cannot, where no more than a share of `limit` may be so.
    pub(super) fn told(&self, balancer: &str, span: Span, limit: Exact) -> Told {
        let (Some(ear), Some(newest)) = (self.balancers.get(balancer), self.newest) else { return Told::default() };
        let interval = |start: Minute| Span::new(start, start.plus(INTERVAL_MINUTES));
        let is_strange = |lines: &(u64, u64)| lines.0 == lines.1 && limit < Exact::from_integer(1);
        let read = ear.intervals.iter().filter(|(_, lines)| !is_strange(lines));
        let read: Vec<(Span, u64)> = read.map(|(start, (total, _))| (interval(*start), *total)).collect();
        let Some((first, _)) = read.first().copied() else { return Told::default() };
        let beyond = |start: Minute| (0..HOUR).step_by(5).map(move |past| (interval(start.plus(past)), BUSY));
        let before = beyond(ear.asked.start.plus(-HOUR));
        let all: Vec<(Span, u64)> = before.chain(read.iter().copied()).chain(beyond(ear.asked.end)).collect();
        let within = Span::new(first.start, newest);
        let known = Span::joined(heard(&all, None).into_iter().map(|known| known.intersect(within)).collect());
        let strange = ear.intervals.iter().filter(|(_, lines)| is_strange(lines)).map(|(start, _)| interval(*start));
        let known = without(known, strange);
        let part = |of: Span| known.iter().map(move |known| known.intersect(of)).filter(|known| !known.is_empty());
        let silent = without(part(Span::new(span.end, ear.open)).collect(), read.iter().map(|(interval, _)| *interval));
        Told { now: part(span).collect(), before: silent }
    }
}

/// Spans without parts of them, all in order.
fn without(spans: Vec<Span>, parts: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut left = spans;
    for part in parts {
        left = left
            .into_iter()
            .flat_map(|span| {
                [Span::new(span.start, span.end.min(part.start)), Span::new(span.start.max(part.end), span.end)]
            })
            .filter(|span| !span.is_empty())
            .collect();
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[(i32, u64, u64)]) -> BTreeMap<Minute, (u64, u64)> {
        of.iter().map(|(at, total, unparsed)| (Minute(*at), (*total, *unparsed))).collect()
    }

    fn spans(spans: &[Span]) -> Vec<(i32, i32)> {
        spans.iter().map(|span| (span.start.0, span.end.0)).collect()
    }

    fn span(start: i32, end: i32) -> Span {
        Span::new(Minute(start), Minute(end))
    }

    const LIMIT: Exact = Exact::new_raw(1, 1_000);

    #[test]
    fn silence_is_believed_where_it_is_quiet_and_never_beyond_the_newest_line() {
        let mut heard = Heard::default();
        let asked = (span(0, 1_000), span(65, 1_000));
        heard.add("quiet", asked, &lines(&[(100, 3, 0), (200, 1, 0), (600, 1, 0)]));
        heard.add("busy", asked, &lines(&[(100, 500, 0), (107, 500, 0), (130, 500, 0), (900, 500, 0)]));
        // Nothing is known before the first line; behind the last one silence goes on until the newest line of anybody.
        assert_eq!(spans(&heard.told("quiet", span(65, 1_000), LIMIT).now), [(100, 905)]);
        assert_eq!(spans(&heard.told("busy", span(65, 1_000), LIMIT).now), [(100, 110), (130, 135), (900, 905)]);
        assert_eq!(heard.told("nobody", span(65, 1_000), LIMIT), Told::default());
    }

    #[test]
    fn an_hour_that_was_not_looked_at_makes_no_silence_plausible() {
        let mut heard = Heard::default();
        heard.add("a", (span(0, 400), span(0, 400)), &lines(&[(0, 1, 0), (390, 1, 0), (395, 1, 0)]));
        assert_eq!(spans(&heard.told("a", span(0, 400), LIMIT).now), [(0, 5), (390, 400)]);
        // What came before tells that it was quiet.
        heard.add("a", (span(-300, 0), span(-300, 0)), &lines(&[(-200, 1, 0)]));
        let told = heard.told("a", span(-300, 0), LIMIT);
        assert_eq!((spans(&told.now), spans(&told.before)), (vec![(-200, 0)], vec![(5, 390)]));
    }

    #[test]
    fn a_silence_at_the_edge_is_told_when_its_other_end_is_heard() {
        let mut heard = Heard::default();
        heard.add("a", (span(0, 400), span(0, 400)), &lines(&[(300, 1, 0)]));
        heard.add("b", (span(0, 400), span(0, 400)), &lines(&[]));
        assert_eq!(spans(&heard.told("a", span(0, 400), LIMIT).now), [(300, 305)]);
        for name in ["a", "b"] {
            heard.add(name, (span(-300, 0), span(-300, 0)), &lines(&[(-150, 2, 0)]));
        }
        let told = heard.told("a", span(-300, 0), LIMIT);
        assert_eq!((spans(&told.now), spans(&told.before)), (vec![(-150, 0)], vec![(0, 300)]));
        assert_eq!(spans(&heard.told("b", span(-300, 0), LIMIT).before), [(0, 305)]);
    }

    #[test]
    fn an_interval_of_strange_lines_is_unknown_within_a_silence_too() {
        let mut heard = Heard::default();
        let asked = (span(0, 1_000), span(0, 1_000));
        heard.add("a", asked, &lines(&[(100, 1, 0), (150, 7, 7), (200, 1, 0), (300, 2, 1), (301, 1, 1)]));
        assert_eq!(spans(&heard.told("a", span(0, 1_000), LIMIT).now), [(100, 150), (155, 305)]);
        assert_eq!(spans(&heard.told("a", span(0, 1_000), Exact::from_integer(1)).now), [(100, 305)]);
    }

    #[test]
    fn spans_that_do_not_touch_know_nothing_of_one_another() {
        let mut heard = Heard::default();
        heard.add("a", (span(900, 1_000), span(900, 1_000)), &lines(&[(950, 1, 0)]));
        heard.add("a", (span(0, 400), span(0, 400)), &lines(&[(100, 1, 0)]));
        let told = heard.told("a", span(0, 400), LIMIT);
        assert_eq!((spans(&told.now), spans(&told.before)), (vec![(100, 400)], vec![]));
    }
}

//! Which minutes a result makes known: those of intervals with lines, and those of plausible gaps. The rule is that of
//! access logs (`ledger::known_spans`). Here a result has edges, and nothing is known beyond them.

use std::collections::BTreeMap;

use super::count_query::{INTERVAL_MINUTES, interval_start};
use crate::counts::MinuteCount;
use crate::ledger::known_spans;
use crate::rational::Rational;
use crate::time::{Minute, Span};

/// The assumed lines of each interval beyond what was queried, so that no gap is plausible because of an hour that was
/// not queried.
const BUSY_LINES: u64 = 1 << 40;
const HOUR_MINUTES: i32 = 60;

/// The lines of all balancers of a table so far. Spans are queried from the newest to the oldest.
#[derive(Debug, Default)]
pub(super) struct LineCoverage {
    balancers: BTreeMap<String, BalancerCoverage>,
    /// The end of the newest interval with a line of any balancer.
    newest_line_end: Option<Minute>,
}

#[derive(Debug)]
struct BalancerCoverage {
    queried: Span,
    /// All lines and unparsed lines by the first minute of their interval.
    intervals: BTreeMap<Minute, (u64, u64)>,
    /// The end of the gap at the start of the newer spans, which could not be decided before this result.
    undecided_until: Minute,
}

impl LineCoverage {
    /// Adds the lines of a balancer in `queried`, which decide the minutes of `span`. Unparsed lines are `bad`.
    pub(super) fn add_lines(
        &mut self,
        balancer: &str,
        queried: Span,
        span: Span,
        lines: &BTreeMap<Minute, MinuteCount>,
    ) {
        let new_coverage = || BalancerCoverage { queried, intervals: BTreeMap::new(), undecided_until: span.end };
        let coverage = self.balancers.entry(balancer.to_owned()).or_insert_with(new_coverage);
        let is_adjacent_and_older = queried.start <= coverage.queried.start && coverage.queried.start <= queried.end;
        if !is_adjacent_and_older {
            *coverage = new_coverage();
        } else if coverage.queried != queried {
            let decided_from = coverage.queried.start.plus(HOUR_MINUTES + INTERVAL_MINUTES).max(span.end);
            let first_decided = coverage.intervals.range(decided_from..).next().map(|(start, _)| *start);
            coverage.undecided_until = first_decided.unwrap_or(coverage.queried.end).max(span.end);
            coverage.queried = Span::new(queried.start, coverage.queried.end.max(queried.end));
        }
        let mut intervals: BTreeMap<Minute, (u64, u64)> = BTreeMap::new();
        for (minute, lines) in lines {
            let sums = intervals.entry(interval_start(*minute)).or_default();
            sums.0 += u64::from(lines.total);
            sums.1 += u64::from(lines.bad);
        }
        let newest = intervals.last_key_value().map(|(start, _)| start.plus(INTERVAL_MINUTES));
        self.newest_line_end = self.newest_line_end.max(newest);
        coverage.intervals.extend(intervals);
    }

    pub(super) const fn has_lines(&self) -> bool {
        self.newest_line_end.is_some()
    }

    pub(super) fn has_lines_for(&self, balancer: &str) -> bool {
        self.balancers.get(balancer).is_some_and(|coverage| !coverage.intervals.is_empty())
    }

    /// What is known of a balancer after its lines of `span` were added: minutes of `span`, and gaps of spans that were
    /// added before. An interval with only unparsed lines counts as unreadable unless all lines may be unparsed.
    pub(super) fn known_spans(&self, balancer: &str, span: Span, unparsed_limit: Rational) -> Vec<Span> {
        let (Some(coverage), Some(newest)) = (self.balancers.get(balancer), self.newest_line_end) else {
            return Vec::new();
        };
        let (mut parsed, mut unparsed) = (Vec::new(), Vec::new());
        for (start, (total, unparsed_lines)) in &coverage.intervals {
            if total == unparsed_lines && unparsed_limit < Rational::from_integer(1) {
                unparsed.push(interval(*start));
            } else {
                parsed.push((interval(*start), *total));
            }
        }
        let Some((first, _)) = parsed.first().copied() else { return Vec::new() };
        let mut lines: Vec<(Span, u64)> = busy_hour(coverage.queried.start.plus(-HOUR_MINUTES)).collect();
        lines.extend(&parsed);
        lines.extend(busy_hour(coverage.queried.end));
        let within = Span::new(first.start, newest);
        let known = Span::merged(known_spans(&lines, None).into_iter().map(|known| known.intersect(within)).collect());
        let known = subtract(known, unparsed);
        let known_within = |range: Span| -> Vec<Span> {
            known.iter().map(|known| known.intersect(range)).filter(|known| !known.is_empty()).collect()
        };
        let undecided = known_within(Span::new(span.end, coverage.undecided_until));
        let earlier_gaps = subtract(undecided, parsed.into_iter().map(|(interval, _)| interval));
        [known_within(span), earlier_gaps].concat()
    }
}

fn interval(start: Minute) -> Span {
    Span::new(start, start.plus(INTERVAL_MINUTES))
}

fn busy_hour(start: Minute) -> impl Iterator<Item = (Span, u64)> {
    (0..HOUR_MINUTES / INTERVAL_MINUTES).map(move |index| (interval(start.plus(index * INTERVAL_MINUTES)), BUSY_LINES))
}

/// The parts of some spans outside of others, all in order.
fn subtract(spans: Vec<Span>, parts: impl IntoIterator<Item = Span>) -> Vec<Span> {
    parts.into_iter().fold(spans, |spans, part| {
        let split = |span: Span| {
            [Span::new(span.start, span.end.min(part.start)), Span::new(span.start.max(part.end), span.end)]
        };
        spans.into_iter().flat_map(split).filter(|span| !span.is_empty()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(entries: &[(i32, u32, u32)]) -> BTreeMap<Minute, MinuteCount> {
        entries.iter().map(|(at, total, bad)| (Minute(*at), MinuteCount { total: *total, bad: *bad })).collect()
    }

    fn spans(spans: &[Span]) -> Vec<(i32, i32)> {
        spans.iter().map(|span| (span.start.0, span.end.0)).collect()
    }

    fn span(start: i32, end: i32) -> Span {
        Span::new(Minute(start), Minute(end))
    }

    const LIMIT: Rational = Rational::new_raw(1, 1_000);

    #[test]
    fn gap_is_no_traffic_only_between_quiet_hours_and_up_to_the_newest_line() {
        let mut coverage = LineCoverage::default();
        let (queried, requested) = (span(0, 1_000), span(65, 1_000));
        coverage.add_lines("quiet", queried, requested, &lines(&[(100, 3, 0), (200, 1, 0), (600, 1, 0)]));
        coverage.add_lines(
            "busy",
            queried,
            requested,
            &lines(&[(100, 500, 0), (107, 500, 0), (130, 500, 0), (900, 500, 0)]),
        );
        // Nothing is known before the first line; behind the last one silence goes on until the newest line of anybody.
        assert_eq!(spans(&coverage.known_spans("quiet", span(65, 1_000), LIMIT)), [(100, 905)]);
        assert_eq!(spans(&coverage.known_spans("busy", span(65, 1_000), LIMIT)), [(100, 110), (130, 135), (900, 905)]);
        assert_eq!(coverage.known_spans("nobody", span(65, 1_000), LIMIT), []);
    }

    #[test]
    fn gap_beside_an_hour_that_was_not_queried_stays_unknown() {
        let mut coverage = LineCoverage::default();
        coverage.add_lines("a", span(0, 400), span(0, 400), &lines(&[(0, 1, 0), (390, 1, 0), (395, 1, 0)]));
        assert_eq!(spans(&coverage.known_spans("a", span(0, 400), LIMIT)), [(0, 5), (390, 400)]);
        // What came before tells that it was quiet.
        coverage.add_lines("a", span(-300, 0), span(-300, 0), &lines(&[(-200, 1, 0)]));
        let known = coverage.known_spans("a", span(-300, 0), LIMIT);
        assert_eq!(spans(&known), [(-200, 0), (5, 390)]);
    }

    #[test]
    fn gap_at_span_edge_becomes_known_once_neighbouring_span_is_read() {
        let mut coverage = LineCoverage::default();
        coverage.add_lines("a", span(0, 400), span(0, 400), &lines(&[(300, 1, 0)]));
        coverage.add_lines("b", span(0, 400), span(0, 400), &lines(&[]));
        assert_eq!(spans(&coverage.known_spans("a", span(0, 400), LIMIT)), [(300, 305)]);
        for name in ["a", "b"] {
            coverage.add_lines(name, span(-300, 0), span(-300, 0), &lines(&[(-150, 2, 0)]));
        }
        let known = coverage.known_spans("a", span(-300, 0), LIMIT);
        assert_eq!(spans(&known), [(-150, 0), (0, 300)]);
        assert_eq!(spans(&coverage.known_spans("b", span(-300, 0), LIMIT)), [(-150, 0), (0, 305)]);
    }

    #[test]
    fn interval_with_only_unparsed_lines_is_unknown_within_a_gap() {
        let mut coverage = LineCoverage::default();
        let (queried, requested) = (span(0, 1_000), span(0, 1_000));
        coverage.add_lines(
            "a",
            queried,
            requested,
            &lines(&[(100, 1, 0), (150, 7, 7), (200, 1, 0), (300, 2, 1), (301, 1, 1)]),
        );
        assert_eq!(spans(&coverage.known_spans("a", span(0, 1_000), LIMIT)), [(100, 150), (155, 305)]);
        assert_eq!(spans(&coverage.known_spans("a", span(0, 1_000), Rational::from_integer(1))), [(100, 305)]);
    }

    #[test]
    fn spans_that_do_not_touch_do_not_decide_each_others_gaps() {
        let mut coverage = LineCoverage::default();
        coverage.add_lines("a", span(900, 1_000), span(900, 1_000), &lines(&[(950, 1, 0)]));
        coverage.add_lines("a", span(0, 400), span(0, 400), &lines(&[(100, 1, 0)]));
        let known = coverage.known_spans("a", span(0, 400), LIMIT);
        assert_eq!(spans(&known), [(100, 400)]);
    }
}

//! Which minutes of a log series are known: where all objects that are there were read, and where silence is plausible.
//!
//! A node of a load balancer writes no object when it had no traffic
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>), so a missing
//! object is either silence or a gap in delivery. The rule looks at recorded objects of one day to each side only.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ledger, ObjectRecord};
use crate::minute::{Day, Minute, Span};
use crate::series::SeriesKey;

/// Where a balancer has at least this many lines in five minutes, silence is not believed: with a mean of 8 requests the
/// chance of none is e^-8 = 0.03% (Poisson), and a silence that lasts is less likely still.
const QUIET_LINES: u64 = 8;

/// The lines of how many minutes on each side tell how busy a balancer is around a silence. One interval alone would be too
/// uneven, and a whole day would miss the evening in which an office falls silent.
const AROUND_MINUTES: i32 = 60;

/// Account and region at the start of an object's name, `ACCOUNT_elasticloadbalancing_REGION`: what is delivered together.
fn area(key: &str) -> &str {
    key.match_indices('_').nth(2).and_then(|(at, _)| key.get(..at)).unwrap_or_default()
}

/// Intervals with their lines, and the newest end of the area.
#[derive(Default)]
struct Delivered {
    lines: BTreeMap<Span, u64>,
    /// Intervals with an object that was not counted.
    unread: BTreeSet<Span>,
    newest: Option<Minute>,
}

impl Delivered {
    /// Runs of minutes that are known, traffic or not, but for the unread intervals within them.
    fn known(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = self.lines.keys().copied().collect();
        let gaps = self.lines.keys().zip(self.lines.keys().skip(1)).filter(|(left, right)| left.end < right.start);
        for (left, right) in gaps {
            let around =
                [Span::before(left.end, AROUND_MINUTES), Span::new(right.start, right.start.plus(AROUND_MINUTES))];
            if around.into_iter().any(|span| self.is_quiet(span)) {
                spans.push(Span::new(left.end, right.start));
            }
        }
        if let (Some((last, _)), Some(newest)) = (self.lines.last_key_value(), self.newest)
            && self.is_quiet(Span::before(last.end, AROUND_MINUTES))
        {
            spans.push(Span::new(last.end, newest));
        }
        spans
    }

    /// Whether the intervals within a span have, on average over the whole of it, fewer than [`QUIET_LINES`] in five minutes.
    fn is_quiet(&self, span: Span) -> bool {
        let first = Span::new(span.start, span.start);
        let inside = self.lines.range(first..).take_while(|(interval, _)| interval.end <= span.end);
        inside.map(|(_, lines)| lines * 5).sum::<u64>() < QUIET_LINES * u64::from(span.minutes())
    }
}

impl Ledger {
    /// Decides anew which minutes of the days are known, for every log series with objects near them.
    pub(super) fn cover(&mut self, days: &BTreeSet<Day>) {
        for day in days {
            for (series, delivered) in self.delivered(*day) {
                let table = self.minutes.entry(*day).or_default().entry(series).or_default();
                table.known.fill(0);
                let known = delivered.known().into_iter().map(|span| (span, 1));
                for (span, value) in known.chain(delivered.unread.into_iter().map(|span| (span, 0))) {
                    let part = span.intersect(day.span());
                    let slots = table.known.iter_mut().skip(part.start.of_day()).take(part.minutes() as usize);
                    slots.for_each(|known| *known = value);
                }
            }
        }
    }

    fn delivered(&self, day: Day) -> BTreeMap<SeriesKey, Delivered> {
        let near: Vec<&ObjectRecord> =
            self.objects.range(day.plus(-1)..=day.plus(1)).flat_map(|(_, objects)| objects.values()).collect();
        let mut newest: BTreeMap<&str, Minute> = BTreeMap::new();
        for object in &near {
            let end = newest.entry(area(&object.key)).or_insert(object.interval.end);
            *end = (*end).max(object.interval.end);
        }
        let mut delivered: BTreeMap<&SeriesKey, Delivered> = BTreeMap::new();
        for object in &near {
            for series in &object.counted {
                let entry = delivered.entry(series).or_default();
                *entry.lines.entry(object.interval).or_default() += object.lines;
                entry.newest = newest.get(area(&object.key)).copied();
            }
        }
        // An interval of which an object is there but not counted is not known, whatever the other nodes wrote.
        let mut of_balancer: BTreeMap<&str, BTreeSet<SeriesKey>> = BTreeMap::new();
        for object in &near {
            of_balancer.entry(&object.load_balancer).or_default().extend(object.counted.iter().cloned());
        }
        for object in near {
            let all = of_balancer.get(&*object.load_balancer).filter(|all| all.len() > object.counted.len());
            for series in all.into_iter().flat_map(|all| all.difference(&object.counted)) {
                if let Some(delivered) = delivered.get_mut(series) {
                    delivered.unread.insert(object.interval);
                }
            }
        }
        delivered.into_iter().map(|(series, delivered)| (series.clone(), delivered)).collect()
    }
}

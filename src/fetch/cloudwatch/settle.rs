//! Values of metrics to counts of minutes: what is zero, what is no traffic, and what is unknown.
//!
//! A load balancer reports a metric only when it has something to say, so that a missing value beside one of the same
//! minute is zero. When nothing at all is there, it is either silence or a gap
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).

use std::collections::BTreeMap;

use super::Wanted;
use super::plan::Piece;
use crate::counts::{Count, DayCounts};
use crate::minute::{Day, Minute, Span};
use crate::slo::{Judged, MetricCount};

/// Counts of one series.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) days: BTreeMap<Day, DayCounts>,
    /// Minutes whose good or bad events outnumber all of them, and that therefore are unknown.
    pub(super) absurd: u32,
}

/// What decides whether a minute without a value had no traffic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Before this minute nothing is known: there may have been nothing that could have a value.
    pub(super) from: Minute,
    /// Minutes before this no longer change.
    pub(super) settled: Minute,
    /// Minutes before this have usually been delivered.
    pub(super) expected_until: Minute,
    /// The newest minute that any metric of the source had a value of.
    pub(super) watermark: Option<Minute>,
}

impl Bounds {
    /// Whether a span without a value had no traffic. CloudWatch that is late is silent too, and tells of nobody then.
    fn is_silence(&self, span: Span) -> bool {
        let is_delivered = self.watermark.is_some_and(|newest| newest >= span.start);
        span.start >= self.from && (span.end <= self.settled || (span.end <= self.expected_until && is_delivered))
    }
}

/// What is known of a series in a piece. A value of five minutes or an hour is kept in the first of its minutes in
/// which there was something to tell of, and nothing in the others, so that sums over whole ones are exact.
pub(super) fn settle<'a>(
    wanted: &Wanted,
    bounds: &Bounds,
    piece: &Piece,
    values: impl Fn(&MetricCount) -> &'a [(Minute, f64)],
) -> Settled {
    let mut sums: BTreeMap<Minute, (f64, f64)> = BTreeMap::new();
    let (is_good, judged) = match &wanted.counts.judged {
        Judged::Good(judged) => (true, judged),
        Judged::Bad(judged) => (false, judged),
    };
    for (minute, value) in wanted.counts.total.iter().flat_map(&values) {
        sums.entry(*minute).or_default().0 += value;
    }
    for (minute, value) in judged.iter().flat_map(&values) {
        sums.entry(*minute).or_default().1 += value;
    }
    let mut found = Settled::default();
    let mut minute = piece.span.start;
    while minute < piece.span.end {
        let span = Span::new(minute, minute.plus(piece.period));
        let count = match sums.get(&minute) {
            Some(_) if minute < bounds.from => None,
            Some((total, judged)) => {
                let count = count(*total, *judged, is_good);
                found.absurd += if count.is_none() { piece.period.unsigned_abs() } else { 0 };
                count
            }
            None => bounds.is_silence(span).then(Count::default),
        };
        if let Some(mut count) = count {
            let minutes = (minute.0..span.end.0.min(piece.span.end.0)).map(Minute);
            for at in minutes.filter(|at| is_lived(&wanted.lived, *at)) {
                found.days.entry(at.day()).or_default().0[at.of_day()] = Some(std::mem::take(&mut count));
            }
        }
        minute = span.end;
    }
    found
}

fn is_lived(lived: &[Span], minute: Minute) -> bool {
    lived.iter().any(|span| span.contains(minute))
}

/// Sums are whole numbers up to how floating point adds them. `None` where they cannot be counts.
fn count(total: f64, judged: f64, is_good: bool) -> Option<Count> {
    let [total, judged] = [total.round(), judged.round()];
    if !(0.0..=f64::from(u32::MAX)).contains(&total) || !(0.0..=total).contains(&judged) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked above")]
    let [total, judged] = [total as u32, judged as u32];
    Some(Count { total, bad: if is_good { total - judged } else { judged } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::SeriesKey;
    use crate::slo::{Metric, MetricCounts, Statistic};

    fn metric(name: &str) -> MetricCount {
        let metric = Metric { namespace: "N".to_owned(), name: name.to_owned(), dimensions: BTreeMap::new() };
        MetricCount { metric, statistic: Statistic::Sum }
    }

    /// A question whose minutes no longer change before the fifth.
    fn bounds() -> Bounds {
        Bounds { from: Minute(i32::MIN), settled: Minute(5), expected_until: Minute(5), watermark: None }
    }

    /// Minutes 0 to 6 as `total/bad`, `-` where nothing is known.
    fn settled(good: bool, period: i32, ok: &[(i32, f64)], judged: &[(i32, f64)]) -> (String, u32) {
        settled_with(bounds(), Span::new(Minute(0), Minute(6)), (good, period), ok, judged)
    }

    fn settled_with(
        bounds: Bounds,
        lived: Span,
        (good, period): (bool, i32),
        ok: &[(i32, f64)],
        judged: &[(i32, f64)],
    ) -> (String, u32) {
        let counts = MetricCounts {
            total: vec![metric("ok"), metric("judged")],
            judged: if good { Judged::Good(vec![metric("judged")]) } else { Judged::Bad(vec![metric("judged")]) },
        };
        let wanted =
            Wanted { series: SeriesKey::new("s"), counts, had_traffic: false, lived: vec![lived], began: None };
        let of = |values: &[(i32, f64)]| values.iter().map(|(at, value)| (Minute(*at), *value)).collect::<Vec<_>>();
        let (ok, judged) = (of(ok), of(judged));
        let piece = Piece { span: Span::new(Minute(0), Minute(6)), period };
        let found = settle(&wanted, &bounds, &piece, |query| if query.metric.name == "ok" { &ok } else { &judged });
        let text = (0..6).map(|slot| match found.days.get(&Day(0)).and_then(|day| day.0[slot]) {
            Some(Count { total, bad }) => format!("{total}/{bad}"),
            None => "-".to_owned(),
        });
        (text.collect::<Vec<_>>().join(" "), found.absurd)
    }

    #[test]
    fn a_missing_value_is_zero_beside_another_and_silence_is_no_traffic_once_it_is_settled() {
        assert_eq!(settled(false, 1, &[(0, 9.0), (2, 1.0)], &[(0, 1.0), (3, 2.0)]).0, "10/1 0/0 1/0 2/2 0/0 -");
        assert_eq!(settled(true, 1, &[(5, 3.0)], &[(5, 7.0)]).0, "0/0 0/0 0/0 0/0 0/0 10/3");
    }

    #[test]
    fn a_silence_that_is_not_settled_is_no_traffic_only_up_to_where_cloudwatch_delivers() {
        let silent = |expected_until: i32, watermark: Option<i32>| {
            let bounds = Bounds {
                settled: Minute(1),
                expected_until: Minute(expected_until),
                watermark: watermark.map(Minute),
                ..bounds()
            };
            settled_with(bounds, Span::new(Minute(0), Minute(6)), (false, 1), &[(2, 7.0)], &[]).0
        };
        assert_eq!(silent(5, None), "0/0 - 7/0 - - -");
        assert_eq!(silent(5, Some(3)), "0/0 0/0 7/0 0/0 - -");
        assert_eq!(silent(5, Some(9)), "0/0 0/0 7/0 0/0 0/0 -", "what is younger may be late though others are not");
    }

    #[test]
    fn nothing_is_known_before_there_could_be_a_value() {
        let (ok, good) = ([(0, 9.0), (2, 9.0)], [(2, 9.0)]);
        let bounds = Bounds { from: Minute(2), ..bounds() };
        let found = settled_with(bounds, Span::new(Minute(0), Minute(6)), (true, 1), &ok, &good);
        assert_eq!(found, ("- - 18/9 0/0 0/0 -".to_owned(), 0));
    }

    #[test]
    fn what_stands_for_several_minutes_is_kept_in_the_first_that_it_can_be_of() {
        assert_eq!(settled(false, 5, &[(0, 100.0)], &[]).0, "100/0 0/0 0/0 0/0 0/0 -");
        let lived = Span::new(Minute(2), Minute(6));
        assert_eq!(settled_with(bounds(), lived, (false, 5), &[(0, 100.0)], &[]).0, "- - 100/0 0/0 0/0 -");
    }

    #[test]
    fn numbers_that_are_no_counts_are_unknown() {
        let values = [(0, -1.0), (1, f64::NAN), (2, 5e9), (3, 1.0)];
        assert_eq!(settled(false, 1, &values, &[]), ("- - - 1/0 0/0 -".to_owned(), 3));
        // More bad events than there are events.
        assert_eq!(settled(false, 1, &[(0, -3.0)], &[(0, 5.0)]), ("- 0/0 0/0 0/0 0/0 -".to_owned(), 1));
    }
}

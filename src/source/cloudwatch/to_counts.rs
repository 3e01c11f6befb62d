//! Converts values of metrics to counts of minutes: what is zero, no traffic, or unknown.
//!
//! A load balancer reports a metric only if there is a nonzero value, so a missing value is zero if another metric has
//! a value in that minute. A minute without any value had no traffic, or is missing
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html>).

use std::collections::BTreeMap;

use super::plan_requests::PeriodSpan;
use crate::counts::{DayCounts, MinuteCount};
use crate::slo::{MetricRole, MetricStatistic, RatioMetrics};
use crate::time::{Day, Minute, Span};

/// The values of metrics in order of time.
pub(super) type MetricValues<'a> = BTreeMap<&'a MetricStatistic, Vec<(Minute, f64)>>;

#[derive(Debug, Default)]
pub(super) struct ConvertedCounts {
    pub(super) days: BTreeMap<Day, DayCounts>,
    /// Minutes that are unknown because their good or bad events outnumber all events.
    pub(super) invalid_minutes: u32,
}

/// Decides whether a minute without a value had no traffic.
#[derive(Clone, Copy, Debug)]
pub struct NoTrafficBounds {
    /// Before this minute nothing is known: the metrics may not have existed.
    pub known_from: Minute,
    /// Minutes before this no longer change.
    pub settled: Minute,
    /// Minutes before this have usually been delivered. They have if `watermark` shows it.
    pub expected_until: Minute,
    /// The newest minute of this run in which any metric of the source had a value.
    pub watermark: Option<Minute>,
}

impl NoTrafficBounds {
    /// Whether a span without a value had no traffic. If CloudWatch is late, no metric has a value.
    fn is_no_traffic(&self, span: Span) -> bool {
        let is_delivered = self.watermark.is_some_and(|newest| newest >= span.start);
        span.start >= self.known_from && (span.end <= self.settled || (span.end <= self.expected_until && is_delivered))
    }
}

/// The known minutes of a series. A value of five minutes or an hour is stored in the first of its minutes in which the
/// metrics existed, and zero in the others, so that sums over whole periods are exact.
pub(super) fn to_counts(
    counts: &RatioMetrics,
    lifetimes: &[Span],
    bounds: NoTrafficBounds,
    PeriodSpan { span, period_minutes }: PeriodSpan,
    values: &MetricValues<'_>,
) -> ConvertedCounts {
    let mut sums: BTreeMap<Minute, (f64, f64)> = BTreeMap::new();
    let (is_good, good_or_bad) = match &counts.numerator {
        MetricRole::Good(good) => (true, good),
        MetricRole::Bad(bad) => (false, bad),
    };
    for (minute, value) in counts.total.iter().filter_map(|metric| values.get(metric)).flatten() {
        sums.entry(*minute).or_default().0 += value;
    }
    for (minute, value) in good_or_bad.iter().filter_map(|metric| values.get(metric)).flatten() {
        sums.entry(*minute).or_default().1 += value;
    }
    let mut converted = ConvertedCounts::default();
    for start in (span.start.0..span.end.0).step_by(period_minutes.unsigned_abs() as usize).map(Minute) {
        let period = Span::new(start, start.plus(period_minutes));
        let count = match sums.get(&start) {
            Some(_) if start < bounds.known_from => None,
            Some((total, good_or_bad)) => {
                let count = to_count(*total, *good_or_bad, is_good);
                converted.invalid_minutes += if count.is_none() { period_minutes.unsigned_abs() } else { 0 };
                count
            }
            None => bounds.is_no_traffic(period).then(MinuteCount::default),
        };
        let Some(mut count) = count else { continue };
        let is_alive = |at: &Minute| lifetimes.iter().any(|lifetime| lifetime.contains(*at));
        for at in (start.0..period.end.0.min(span.end.0)).map(Minute).filter(is_alive) {
            converted.days.entry(at.day()).or_default().0[at.minute_of_day()] = Some(std::mem::take(&mut count));
        }
    }
    converted
}

/// Rounds sums of floating point numbers. `None` if they cannot be counts.
fn to_count(total: f64, good_or_bad: f64, is_good: bool) -> Option<MinuteCount> {
    let [total, counted] = [total.round(), good_or_bad.round()];
    if !(0.0..=f64::from(u32::MAX)).contains(&total) || !(0.0..=total).contains(&counted) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked above")]
    let [total, counted] = [total as u32, counted as u32];
    Some(MinuteCount { total, bad: if is_good { total - counted } else { counted } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{Metric, Statistic};

    fn metric(name: &str) -> MetricStatistic {
        let metric = Metric { namespace: "N".to_owned(), name: name.to_owned(), dimensions: BTreeMap::new() };
        MetricStatistic { metric, statistic: Statistic::Sum }
    }

    /// A question whose minutes no longer change before the fifth.
    fn bounds() -> NoTrafficBounds {
        NoTrafficBounds { known_from: Minute(i32::MIN), settled: Minute(5), expected_until: Minute(5), watermark: None }
    }

    /// Minutes 0 to 6 as `total/bad`, `-` where nothing is known.
    fn convert(good: bool, period: i32, ok: &[(i32, f64)], counted: &[(i32, f64)]) -> (String, u32) {
        convert_with(bounds(), Span::new(Minute(0), Minute(6)), (good, period), ok, counted)
    }

    fn convert_with(
        bounds: NoTrafficBounds,
        lifetime: Span,
        (good, period): (bool, i32),
        ok: &[(i32, f64)],
        counted: &[(i32, f64)],
    ) -> (String, u32) {
        let counts = RatioMetrics {
            total: vec![metric("ok"), metric("counted")],
            numerator: if good {
                MetricRole::Good(vec![metric("counted")])
            } else {
                MetricRole::Bad(vec![metric("counted")])
            },
        };
        let points = |values: &[(i32, f64)]| values.iter().map(|(at, value)| (Minute(*at), *value)).collect::<Vec<_>>();
        let metrics = [metric("ok"), metric("counted")];
        let values = metrics.iter().zip([points(ok), points(counted)]).collect();
        let period_span = PeriodSpan { span: Span::new(Minute(0), Minute(6)), period_minutes: period };
        let converted = to_counts(&counts, &[lifetime], bounds, period_span, &values);
        let text = (0..6).map(|slot| match converted.days.get(&Day(0)).and_then(|day| day.0[slot]) {
            Some(MinuteCount { total, bad }) => format!("{total}/{bad}"),
            None => "-".to_owned(),
        });
        (text.collect::<Vec<_>>().join(" "), converted.invalid_minutes)
    }

    #[test]
    fn missing_value_beside_another_is_zero_and_settled_gap_is_no_traffic() {
        assert_eq!(convert(false, 1, &[(0, 9.0), (2, 1.0)], &[(0, 1.0), (3, 2.0)]).0, "10/1 0/0 1/0 2/2 0/0 -");
        assert_eq!(convert(true, 1, &[(5, 3.0)], &[(5, 7.0)]).0, "0/0 0/0 0/0 0/0 0/0 10/3");
    }

    #[test]
    fn unsettled_gap_is_no_traffic_only_up_to_the_watermark() {
        let with_watermark = |expected_until: i32, watermark: Option<i32>| {
            let bounds = NoTrafficBounds {
                settled: Minute(1),
                expected_until: Minute(expected_until),
                watermark: watermark.map(Minute),
                ..bounds()
            };
            convert_with(bounds, Span::new(Minute(0), Minute(6)), (false, 1), &[(2, 7.0)], &[]).0
        };
        assert_eq!(with_watermark(5, None), "0/0 - 7/0 - - -");
        assert_eq!(with_watermark(5, Some(3)), "0/0 0/0 7/0 0/0 - -");
        assert_eq!(
            with_watermark(5, Some(9)),
            "0/0 0/0 7/0 0/0 0/0 -",
            "what is younger may be late though others are not"
        );
    }

    #[test]
    fn minutes_before_the_first_datapoint_are_unknown() {
        let (ok, good) = ([(0, 9.0), (2, 9.0)], [(2, 9.0)]);
        let bounds = NoTrafficBounds { known_from: Minute(2), ..bounds() };
        let found = convert_with(bounds, Span::new(Minute(0), Minute(6)), (true, 1), &ok, &good);
        assert_eq!(found, ("- - 18/9 0/0 0/0 -".to_owned(), 0));
    }

    #[test]
    fn value_of_several_minutes_is_stored_in_the_first_minute_of_the_lifetime() {
        assert_eq!(convert(false, 5, &[(0, 100.0)], &[]).0, "100/0 0/0 0/0 0/0 0/0 -");
        let lifetime = Span::new(Minute(2), Minute(6));
        assert_eq!(convert_with(bounds(), lifetime, (false, 5), &[(0, 100.0)], &[]).0, "- - 100/0 0/0 0/0 -");
    }

    #[test]
    fn values_that_are_not_counts_are_unknown() {
        let values = [(0, -1.0), (1, f64::NAN), (2, 5e9), (3, 1.0)];
        assert_eq!(convert(false, 1, &values, &[]), ("- - - 1/0 0/0 -".to_owned(), 3));
        // More bad events than there are events.
        assert_eq!(convert(false, 1, &[(0, -3.0)], &[(0, 5.0)]), ("- 0/0 0/0 0/0 0/0 -".to_owned(), 1));
    }
}

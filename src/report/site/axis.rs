//! What stands beside a picture: texts at places along its edges, so that a picture may be stretched and its words are
//! not.

use serde::Serialize;

use super::time::format_day;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// Marks along the time axis that have room on a phone.
const MAX_LABELS: i32 = 6;

/// Minutes between marks.
const LABEL_INTERVALS: [i32; 15] =
    [5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2 * 1_440, 5 * 1_440, 7 * 1_440, 14 * 1_440, 30 * 1_440];

/// A text at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct AxisLabel {
    /// `12.5%` of the way along.
    pub(super) at: String,
    pub(super) text: String,
}

impl AxisLabel {
    /// A text at a share of the way.
    pub(super) fn new(share: f64, text: String) -> Self {
        Self { at: format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0), text }
    }
}

/// Moments along a span that are worth naming.
pub(super) fn label_times(span: Span) -> Vec<Minute> {
    let minutes = i32::try_from(span.minutes()).unwrap_or(i32::MAX);
    let interval = LABEL_INTERVALS.into_iter().find(|distance| minutes / distance <= MAX_LABELS).unwrap_or(60 * 1_440);
    // Days are counted back from the newest, so that the marks do not jump about from one month to the next.
    let first = if interval > MINUTES_PER_DAY {
        let last_midnight = span.end.day().start();
        last_midnight.plus(-(last_midnight.0 - span.start.0) / interval * interval)
    } else {
        Minute((span.start.0 + interval - 1).div_euclid(interval) * interval)
    };
    let all = (0..).map(move |step: i32| first.plus(step.saturating_mul(interval)));
    all.take_while(|at| *at < span.end).filter(|at| *at >= span.start).collect()
}

/// The same as marks. What would not have room at an edge is left out.
pub(super) fn time_labels(span: Span) -> Vec<AxisLabel> {
    let total_minutes = f64::from(span.minutes().max(1));
    let position_and_text = |at: Minute| {
        let share = f64::from(Span::new(span.start, at).minutes()) / total_minutes;
        let text = if span.minutes() > 2 * MINUTES_PER_DAY.unsigned_abs() {
            format_day(at)
        } else {
            at.timestamp().strftime("%H:%M").to_string()
        };
        (share, text)
    };
    let marks = label_times(span).into_iter().map(position_and_text);
    marks.filter(|(share, _)| (0.04..=0.96).contains(share)).map(|(share, text)| AxisLabel::new(share, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label_texts(start: &str, end: &str) -> Vec<String> {
        let marks = time_labels(Span::new(start.parse().unwrap(), end.parse().unwrap()));
        marks.into_iter().map(|mark| format!("{} {}", mark.at, mark.text)).collect()
    }

    #[test]
    fn month_axis_has_day_labels_and_day_axis_has_hour_labels() {
        let month = label_texts("2026-10-02T00:00Z", "2026-11-01T00:00Z");
        assert_eq!(month, ["16.7% 7 Oct", "33.3% 12 Oct", "50.0% 17 Oct", "66.7% 22 Oct", "83.3% 27 Oct"]);
        let day = label_texts("2026-10-31T00:00Z", "2026-11-01T00:00Z");
        assert_eq!(day, ["25.0% 06:00", "50.0% 12:00", "75.0% 18:00"]);
        assert!(label_texts("2026-10-31T00:00Z", "2026-10-31T00:00Z").is_empty());
    }
}

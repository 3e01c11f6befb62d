//! Charts of the past of an SLO: its error budget, its failures, its traffic, and the burn rate that each tier saw.

use std::cmp::Reverse;
use std::ops::Range;

use minijinja::{Value, context};

use super::definition::EventWords;
use crate::burn::{ErrorBudget, burn_rate};
use crate::counts::Sums;
use crate::format::{capitalize, format_number, format_percent, with_thousands_separators};
use crate::rational::{quotient, to_f64};
use crate::report::chart::{AltText, Chart, ChartColor, Shape, format_day, label_times, snap_to_pixels, time_labels};
use crate::report::history::{History, TimeBucket};
use crate::slo::{Objective, Slo, Tier, Urgency};
use crate::time::{Minute, Span, Window, format_duration};

const WIDTH: u32 = 1_200;
const TALL_HEIGHT: u32 = 240;
const LOW_HEIGHT: u32 = 120;
const SPARKLINE_SIZE: (u32, u32) = (96, 28);
const SPARKLINE_MAX_POINTS: usize = 30;

/// The time axis that figures share, and what each of them shows along it.
pub(super) struct Timeline<'a> {
    pub(super) slo: &'a Slo,
    /// The beginning of the ids of the figures, unique within the page.
    pub(super) id: String,
    pub(super) span: Span,
    pub(super) excluded: &'a [Span],
    pub(super) incidents: Vec<(Span, Urgency)>,
}

impl Timeline<'_> {
    fn x(&self, at: Minute) -> f64 {
        f64::from(at.0) - f64::from(self.span.start.0)
    }

    fn range(&self) -> Range<f64> {
        0.0..f64::from(self.span.minutes().max(1))
    }

    fn rectangle(&self, span: Span, y: &Range<f64>, color: ChartColor) -> Option<Shape> {
        let span = span.intersect(self.span);
        // What is shorter than a pixel stays visible.
        let min_width = f64::from(self.span.minutes()) / f64::from(WIDTH) * 2.0;
        let start = self.x(span.start);
        let x = start..self.x(span.end).max(start + min_width);
        (!span.is_empty()).then(|| Shape::Rectangle { x, y: y.clone(), color })
    }

    /// The value of each bucket at its middle, and at both ends of the axis.
    fn midpoints(&self, buckets: &[TimeBucket], value: impl Fn(Sums) -> f64) -> Vec<(f64, f64)> {
        let middle = |span: Span| f64::midpoint(self.x(span.start), self.x(span.end));
        let mut points: Vec<(f64, f64)> =
            buckets.iter().map(|bucket| (middle(bucket.span), value(bucket.raw))).collect();
        if let (Some((_, first)), Some((_, last))) = (points.first().copied(), points.last().copied()) {
            points.insert(0, (0.0, first));
            points.push((self.range().end, last));
        }
        points
    }

    /// The share of the error budget that is left at the end of each bucket; `None` without a budget.
    fn remaining(&self, buckets: &[TimeBucket], sums: impl Fn(&TimeBucket) -> Sums) -> Option<Vec<(f64, f64)>> {
        let total: u64 = buckets.iter().map(|bucket| sums(bucket).total).sum();
        let allowed = quotient(total.into(), 1) * to_f64(self.slo.objective.budget());
        let mut bad = 0;
        let mut points = vec![(0.0, 1.0)];
        for bucket in buckets {
            bad += sums(bucket).bad;
            points.push((self.x(bucket.span.end), 1.0 - quotient(bad.into(), 1) / allowed));
        }
        (allowed > 0.0).then_some(points)
    }
}

struct Figure<'a> {
    timeline: &'a Timeline<'a>,
    chart: Chart,
    legend: Vec<Value>,
    heights: Vec<Value>,
}

impl<'a> Figure<'a> {
    fn new(timeline: &'a Timeline<'a>, height: u32, y: Range<f64>) -> Self {
        let chart = Chart { width: WIDTH, height, x: timeline.range(), y, shapes: Vec::new() };
        Self { timeline, chart, legend: Vec::new(), heights: Vec::new() }
    }

    fn area(&mut self, points: &[(f64, f64)], base: f64, color: ChartColor) {
        let points = snap_to_pixels(points, &self.chart.y, self.chart.height);
        self.chart.shapes.push(Shape::Area { points, base, color });
    }

    fn line(&mut self, points: &[(f64, f64)], color: ChartColor, width: u32) {
        let points = snap_to_pixels(points, &self.chart.y, self.chart.height);
        self.chart.shapes.push(Shape::Line { points, color, width });
    }

    fn limit(&mut self, level: f64) {
        let points = vec![(self.chart.x.start, level), (self.chart.x.end, level)];
        self.chart.shapes.push(Shape::Line { points, color: ChartColor::Limit, width: 1 });
    }

    fn legend(&mut self, key: &str, text: &str) {
        self.legend.push(context! { key, text });
    }

    fn label(&mut self, level: f64, text: String) {
        let Range { start, end } = self.chart.y;
        self.heights.push(axis_label((end - level) / (end - start), text));
    }

    /// Fills spans over a range of heights; `false` if none is on the time axis.
    fn fill(&mut self, spans: &[Span], y: &Range<f64>, color: ChartColor) -> bool {
        let before = self.chart.shapes.len();
        self.chart.shapes.extend(spans.iter().filter_map(|span| self.timeline.rectangle(*span, y, color)));
        self.chart.shapes.len() > before
    }

    /// Time without data, time that is excluded, and lines that guide the eye.
    fn background(&mut self, unknown: &[Span]) {
        let (timeline, y) = (self.timeline, self.chart.y.clone());
        self.fill(unknown, &y, ChartColor::Unknown);
        // What is too narrow to be seen needs no explanation.
        let minutes: u32 = unknown.iter().map(|span| span.minutes()).sum();
        if minutes > 0 && minutes * 200 >= timeline.span.minutes() {
            self.legend("unknown", "no data");
        }
        if self.fill(timeline.excluded, &y, ChartColor::Grid) {
            self.legend("excluded", "excluded");
        }
        self.chart.shapes.extend(label_times(timeline.span).into_iter().map(|at| Shape::Line {
            points: vec![(timeline.x(at), y.start), (timeline.x(at), y.end)],
            color: ChartColor::Grid,
            width: 1,
        }));
    }

    /// The incidents as bars along the bottom, the most urgent in front.
    fn incidents(&mut self, y: &Range<f64>) {
        let mut incidents = self.timeline.incidents.clone();
        incidents.sort_by_key(|(span, urgency)| (*urgency, *span));
        incidents.retain(|(span, urgency)| {
            self.fill(&[*span], y, if *urgency == Urgency::Ticket { ChartColor::Warn } else { ChartColor::Bad })
        });
        let is_visible = |urgency: Urgency| incidents.iter().any(|(_, other)| *other == urgency);
        match (is_visible(Urgency::Severe), is_visible(Urgency::Page)) {
            (true, true) => self.legend("page", "page or severe"),
            (true, false) => self.legend("page", "severe"),
            (false, true) => self.legend("page", "page"),
            (false, false) => {}
        }
        if is_visible(Urgency::Ticket) {
            self.legend("ticket", "ticket");
        }
    }

    /// The figure for templates. `note` says briefly what there is to see, `description` in full to those who do not
    /// see it.
    fn finish(self, name: &str, title: &str, note: String, description: &str) -> Value {
        let Timeline { id, span, .. } = self.timeline;
        let alt_title = format!("{title}, {} to {}", format_day(span.start), format_day(span.end));
        let alt = AltText { id: &format!("{id}-{name}"), title: &alt_title, description };
        context! {
            title,
            note,
            size => if self.chart.height == TALL_HEIGHT { "tall" } else { "low" },
            svg => self.chart.to_svg(Some(&alt)),
            heights => Value::from_iter(self.heights),
            times => time_labels(*span).into_iter().map(|(share, text)| axis_label(share, text)).collect::<Value>(),
            legend => Value::from_iter(self.legend),
        }
    }
}

pub(super) fn window_figures(timeline: &Timeline<'_>, window: &Window, history: &History) -> Value {
    let words = EventWords::new(timeline.slo);
    // Traffic and failures vary all the time, where a budget only falls: fewer buckets say as much.
    let wide_buckets = history.wide_buckets(window);
    let traffic =
        [failure_figure(timeline, &wide_buckets, &words), traffic_figure(timeline, &wide_buckets, words.events)];
    budget_figure(timeline, &history.buckets(window)).into_iter().chain(traffic).collect()
}

/// The error budget over a window; `None` without a budget.
fn budget_figure(timeline: &Timeline<'_>, buckets: &[TimeBucket]) -> Option<Value> {
    let corrected = timeline.remaining(buckets, |bucket| bucket.sums)?;
    let raw = timeline.remaining(buckets, |bucket| bucket.raw).filter(|raw| *raw != corrected);
    let min_level = |points: &[(f64, f64)]| points.iter().map(|(_, level)| *level).fold(0.0, f64::min);
    let min_remaining = min_level(&corrected).min(raw.as_deref().map_or(0.0, min_level));
    let bar_height = (1.0 - min_remaining) * 0.09;
    let y = min_remaining - 1.6 * bar_height..1.0 + 0.25 * bar_height;
    let mut figure = Figure::new(timeline, TALL_HEIGHT, y.clone());
    let line = snap_to_pixels(&corrected, &y, TALL_HEIGHT);
    let clamped =
        |from: f64, to: f64| -> Vec<(f64, f64)> { line.iter().map(|(x, level)| (*x, level.clamp(from, to))).collect() };
    // The background covers the area: without data nothing is known of the budget.
    figure.area(&clamped(0.0, 1.0), 0.0, ChartColor::LineFill);
    if min_level(&corrected) < 0.0 {
        figure.area(&clamped(min_remaining, 0.0), 0.0, ChartColor::BadFill);
    }
    figure.background(&unknown_spans(buckets));
    figure.limit(0.0);
    if let Some(raw) = raw {
        figure.line(&raw, ChartColor::Raw, 1);
        figure.legend("raw", "raw, without corrections");
    }
    figure.line(&line, ChartColor::Line, 2);
    figure.incidents(&(y.start..y.start + 0.8 * bar_height));
    figure.label(1.0, "100%".to_owned());
    figure.label(0.0, "0%".to_owned());
    if min_remaining < -0.25 {
        figure.label(min_remaining, format_percent(min_remaining, 0));
    }
    let now = format_percent(corrected.last().map_or(1.0, |(_, level)| *level), 1);
    let worst_day = worst_day_sentence(buckets, &timeline.slo.objective);
    let description = format!("The error budget goes from 100% to {now}.{worst_day}");
    Some(figure.finish("budget", "Error budget left", format!("{now} now"), &description))
}

fn worst_day_sentence(buckets: &[TimeBucket], objective: &Objective) -> String {
    let total: u64 = buckets.iter().map(|bucket| bucket.sums.total).sum();
    let days = buckets.chunk_by(|bucket, next| bucket.span.start.day() == next.span.start.day());
    let bad_by_day =
        days.filter_map(|day| Some((day.first()?.span.start, day.iter().map(|bucket| bucket.sums.bad).sum::<u64>())));
    let worst = bad_by_day.max_by_key(|(start, bad)| (*bad, Reverse(*start)));
    worst.filter(|(_, bad)| *bad > 0).map_or_else(String::new, |(at, bad)| {
        let budget = ErrorBudget::new(Sums { total, bad, known: 1 }, objective);
        let share = budget.consumed().map_or_else(String::new, |used| format_percent(to_f64(used), 0));
        format!(" The highest consumption in one day is {share}, on {}.", format_day(at))
    })
}

fn traffic_figure(timeline: &Timeline<'_>, buckets: &[TimeBucket], events: &str) -> Value {
    let rates = timeline.midpoints(buckets, |sums| match sums.known {
        0 => 0.0,
        known => quotient(sums.total.into(), known.into()),
    });
    let top = max_level(&rates);
    let mut figure = Figure::new(timeline, LOW_HEIGHT, 0.0..if top > 0.0 { top * 1.08 } else { 1.0 });
    figure.background(&unknown_spans(buckets));
    figure.area(&rates, 0.0, ChartColor::Raw);
    figure.label(top, format_number(top));
    figure.label(0.0, "0".to_owned());
    let total = with_thousands_separators(buckets.iter().map(|bucket| bucket.raw.total).sum());
    let description = format!("{total} {events} in total, at most {} per minute.", format_number(top));
    let title = format!("Traffic: {events} per minute");
    figure.finish("traffic", &title, format!("{total} in total"), &description)
}

fn failure_figure(timeline: &Timeline<'_>, buckets: &[TimeBucket], words: &EventWords) -> Value {
    let allowed = to_f64(timeline.slo.objective.budget());
    let shares = timeline.midpoints(buckets, |sums| match sums.total {
        0 => 0.0,
        total => quotient(sums.bad.into(), total.into()),
    });
    let top = max_level(&shares);
    let end = (top * 1.08).max(allowed * 3.0).max(1e-6);
    let mut figure = Figure::new(timeline, LOW_HEIGHT, 0.0..end);
    figure.background(&unknown_spans(buckets));
    figure.area(&shares, 0.0, ChartColor::Bad);
    figure.limit(allowed);
    figure.legend("limit", "allowed by the objective");
    let decimals = if end < 0.01 { 3 } else { 1 };
    figure.label(end / 1.08, format_percent(end / 1.08, decimals));
    figure.label(0.0, "0%".to_owned());
    if allowed / end > 0.2 && allowed / end < 0.75 {
        figure.label(allowed, format_percent(allowed, decimals));
    }
    let description = format!(
        "The highest average is {}; single minutes can be higher. The objective allows {} over the whole window.",
        format_percent(top, decimals),
        format_percent(allowed, decimals)
    );
    let title = format!("Share of {} that {}", words.events, words.were_bad);
    figure.finish("bad", &title, format!("highest average {}", format_percent(top, decimals)), &description)
}

pub(super) fn tier_figures(timeline: &Timeline<'_>, history: &History) -> Value {
    let tiers = timeline.slo.tiers.iter();
    tiers.filter_map(|tier| tier_figure(timeline, tier, &history.tier_samples(tier.long_minutes))).collect()
}

fn tier_figure(timeline: &Timeline<'_>, tier: &Tier, samples: &[(Minute, Sums)]) -> Option<Value> {
    let factor = to_f64(tier.factor);
    let rate = |sums: Sums| burn_rate(sums, &timeline.slo.objective).unwrap_or(0.0);
    let rates: Vec<(f64, f64)> = samples.iter().map(|(at, sums)| (timeline.x(*at), rate(*sums))).collect();
    if factor <= 0.0 || rates.is_empty() {
        return None;
    }
    // A sample with too little data makes the time before it unknown.
    let intervals = samples.iter().zip(samples.iter().skip(1));
    let unknown = intervals.filter(|(_, (_, sums))| sums.known * 2 < tier.long_minutes);
    let unknown: Vec<Span> = unknown.map(|((from, _), (at, _))| Span::new(*from, *at)).collect();
    let is_unknown = unknown.len() + 1 == samples.len();
    let top = max_level(&rates);
    let y = 0.0..(top * 1.08).clamp(1.5 * factor, 6.0 * factor);
    let mut figure = Figure::new(timeline, LOW_HEIGHT, y.clone());
    figure.background(&Span::merged(unknown));
    let line = snap_to_pixels(&rates, &y, LOW_HEIGHT);
    if top > factor {
        let above: Vec<(f64, f64)> = line.iter().map(|(x, rate)| (*x, rate.max(factor))).collect();
        figure.area(&above, factor, ChartColor::BadFill);
    }
    figure.limit(factor);
    figure.line(&line, ChartColor::Line, 2);
    figure.label(factor, format!("{factor:.1}x"));
    figure.label(0.0, "0".to_owned());
    let note = match top {
        _ if is_unknown => "no data".to_owned(),
        top if top > y.end => format!("peak {top:.0}x, cut off"),
        top => format!("peak {top:.1}x"),
    };
    let title = format!("{}: burn rate over {}", tier.name, format_duration(tier.long_minutes));
    let description = format!("{}; threshold {factor:.1}x.", capitalize(&note));
    Some(figure.finish(&tier.name, &title, note, &description))
}

/// The error budget so small that it fits into a cell of a table.
pub(super) fn sparkline(slo: &Slo, span: Span, buckets: &[TimeBucket]) -> Option<String> {
    let timeline = Timeline { slo, id: String::new(), span, excluded: &[], incidents: Vec::new() };
    let points = timeline.remaining(buckets, |bucket| bucket.sums)?;
    let stride = points.len().div_ceil(SPARKLINE_MAX_POINTS).max(1);
    let newest = points.len() - 1;
    let sampled = points.into_iter().enumerate().filter(|(index, _)| (newest - index).is_multiple_of(stride));
    let sampled: Vec<(f64, f64)> = sampled.map(|(_, point)| point).collect();
    let min_remaining = sampled.iter().map(|(_, level)| *level).fold(0.0, f64::min);
    let margin = 0.04 * (1.0 - min_remaining);
    let (width, height) = SPARKLINE_SIZE;
    let y = min_remaining - margin..1.0 + margin;
    let mut figure = Figure::new(&timeline, height, y.clone());
    figure.fill(&unknown_spans(buckets), &y, ChartColor::Unknown);
    figure.limit(0.0);
    figure.line(&sampled, if min_remaining < 0.0 { ChartColor::Bad } else { ChartColor::Line }, 2);
    Some(Chart { width, ..figure.chart }.to_svg(None))
}

/// Spans of which less than half is known.
fn unknown_spans(buckets: &[TimeBucket]) -> Vec<Span> {
    let is_unknown = |bucket: &&TimeBucket| bucket.sums.known * 2 < bucket.span.minutes();
    Span::merged(buckets.iter().filter(is_unknown).map(|bucket| bucket.span).collect())
}

fn max_level(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|(_, level)| *level).fold(0.0, f64::max)
}

/// A text at a share of the way along an axis. Labels are text of the page: a chart may be stretched, a text may not.
fn axis_label(share: f64, text: String) -> Value {
    context! { at => format!("{:.1}%", share.clamp(0.0, 1.0) * 100.0), text }
}

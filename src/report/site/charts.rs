//! Pictures of the past of a promise: its budget going down, its traffic, what failed of it, and what its tiers saw.

use std::ops::Range;

use serde::Serialize;

use super::axis::{AxisLabel, label_times, time_labels};
use super::time::format_day;
use crate::burn::burn_rate;
use crate::counts::Sums;
use crate::format::{capitalize, format_percent, with_thousands_separators};
use crate::rational::to_f64;
use crate::report::chart::{AltText, Chart, ChartColor, Shape, snap_to_pixels};
use crate::report::history::TimeBucket;
use crate::slo::{Objective, Urgency};
use crate::time::{Minute, Span};

/// How wide and high pictures are drawn, in dots.
const WIDTH: u32 = 1_200;
const TALL_HEIGHT: u32 = 240;
const LOW_HEIGHT: u32 = 120;

/// A picture with what stands around it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChartFigure {
    title: String,
    /// What there is to see, in a few words.
    note: String,
    /// `tall` or `low`.
    size: &'static str,
    svg: String,
    /// Along its height, from the top.
    heights: Vec<AxisLabel>,
    /// Along its width.
    times: Vec<AxisLabel>,
    legend: Vec<LegendEntry>,
}

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct LegendEntry {
    key: &'static str,
    text: &'static str,
}

/// What is drawn behind and below all pictures of a promise.
#[derive(Clone, Debug, Default)]
pub(super) struct Backdrop {
    /// Minutes that do not count.
    pub(super) excluded: Vec<Span>,
    /// When it was an incident of which urgency.
    pub(super) incidents: Vec<(Span, Urgency)>,
}

/// What identifies a picture within its page, and what its time axis is.
pub(super) struct Canvas<'a> {
    pub(super) id: String,
    pub(super) span: Span,
    pub(super) backdrop: &'a Backdrop,
}

impl Canvas<'_> {
    fn x(&self, at: Minute) -> f64 {
        f64::from(at.0) - f64::from(self.span.start.0)
    }

    fn range(&self) -> Range<f64> {
        0.0..f64::from(self.span.minutes().max(1))
    }

    fn rectangle(&self, span: Span, y: &Range<f64>, ink: ChartColor) -> Option<Shape> {
        let span = span.intersect(self.span);
        // What is shorter than a dot is seen all the same.
        let min_width = f64::from(self.span.minutes()) / f64::from(WIDTH) * 2.0;
        let start = self.x(span.start);
        let x = start..self.x(span.end).max(start + min_width);
        (!span.is_empty()).then(|| Shape::Rectangle { x, y: y.clone(), color: ink })
    }

    /// What is unknown and what does not count, and lines that help the eye.
    fn background(&self, buckets: &[TimeBucket], y: &Range<f64>) -> (Vec<Shape>, Vec<LegendEntry>) {
        let (mut layers, mut legend) = (Vec::new(), Vec::new());
        let unknown_spans = unknown_spans(buckets);
        layers.extend(unknown_spans.iter().filter_map(|span| self.rectangle(*span, y, ChartColor::Unknown)));
        // What is too narrow to be seen needs no explanation.
        let minutes: u32 = unknown_spans.iter().map(|span| span.minutes()).sum();
        let is_seen = minutes > 0 && minutes * 200 >= self.span.minutes();
        legend.extend(is_seen.then_some(LegendEntry { key: "unknown", text: "no data" }));
        let before = layers.len();
        layers.extend(self.backdrop.excluded.iter().filter_map(|span| self.rectangle(*span, y, ChartColor::Grid)));
        legend.extend((layers.len() > before).then_some(LegendEntry { key: "excluded", text: "excluded" }));
        layers.extend(label_times(self.span).into_iter().map(|at| Shape::Line {
            points: vec![(self.x(at), y.start), (self.x(at), y.end)],
            color: ChartColor::Grid,
            width: 1,
        }));
        (layers, legend)
    }

    /// A lane of incidents along the bottom.
    fn incident_lane(&self, y: &Range<f64>) -> (Vec<Shape>, Vec<LegendEntry>) {
        let mut incidents = self.backdrop.incidents.clone();
        incidents.sort_by_key(|(span, urgency)| (*urgency, *span));
        let ink = |urgency: Urgency| if urgency == Urgency::Ticket { ChartColor::Warn } else { ChartColor::Bad };
        let visible_shapes: Vec<(Urgency, Shape)> = incidents
            .iter()
            .filter_map(|(span, urgency)| Some((*urgency, self.rectangle(*span, y, ink(*urgency))?)))
            .collect();
        let has = |urgency| visible_shapes.iter().any(|(shown, _)| *shown == urgency);
        let red_label = match (has(Urgency::Severe), has(Urgency::Page)) {
            (true, true) => Some("page or severe"),
            (true, false) => Some("severe"),
            (false, true) => Some("page"),
            (false, false) => None,
        };
        let mut legend: Vec<LegendEntry> =
            red_label.map(|text| LegendEntry { key: "page", text }).into_iter().collect();
        legend.extend(has(Urgency::Ticket).then_some(LegendEntry { key: "ticket", text: "ticket" }));
        (visible_shapes.into_iter().map(|(_, layer)| layer).collect(), legend)
    }

    fn render(&self, parts: FigureParts) -> ChartFigure {
        let FigureParts { title, note, description: desc, height, y, shapes: layers, heights, legend } = parts;
        let alt_title = format!("{title}, {}", format_day_range(self.span));
        let alt = AltText { id: &self.id, title: &alt_title, description: &desc };
        let picture = Chart { width: WIDTH, height, x: self.range(), y: y.clone(), shapes: layers };
        let share = |level: f64| (y.end - level) / (y.end - y.start);
        ChartFigure {
            svg: picture.to_svg(&alt),
            title,
            note,
            size: if height == TALL_HEIGHT { "tall" } else { "low" },
            heights: heights.into_iter().map(|(level, text)| AxisLabel::new(share(level), text)).collect(),
            times: time_labels(self.span),
            legend,
        }
    }
}

/// A picture before it is one.
struct FigureParts {
    title: String,
    note: String,
    description: String,
    height: u32,
    y: Range<f64>,
    shapes: Vec<Shape>,
    heights: Vec<(f64, String)>,
    legend: Vec<LegendEntry>,
}

/// How the budget of a window went. `None` where there is none to go.
pub(super) fn budget_figure(canvas: &Canvas<'_>, buckets: &[TimeBucket], objective: &Objective) -> Option<ChartFigure> {
    let corrected = remaining_points(canvas, buckets, objective, |piece| piece.sums)?;
    let raw = remaining_points(canvas, buckets, objective, |piece| piece.raw).filter(|raw| *raw != corrected);
    let min_level = |points: &[(f64, f64)]| points.iter().map(|(_, level)| *level).fold(0.0, f64::min);
    let min_remaining = min_level(&corrected).min(raw.as_deref().map_or(0.0, min_level));
    let lane_height = (1.0 - min_remaining) * 0.09;
    let y = min_remaining - 1.6 * lane_height..1.0 + 0.25 * lane_height;
    // What is left of a budget is only what was seen of it: where nothing was, there is no area.
    let (background, mut legend) = canvas.background(buckets, &y);
    let mut layers = Vec::new();
    let corrected_line = snap_to_pixels(&corrected, &y, TALL_HEIGHT);
    let clamped = |from: f64, to: f64| -> Vec<(f64, f64)> {
        snap_to_pixels(
            &corrected_line.iter().map(|(x, level)| (*x, level.clamp(from, to))).collect::<Vec<_>>(),
            &y,
            TALL_HEIGHT,
        )
    };
    layers.push(Shape::Area { points: clamped(0.0, 1.0), base: 0.0, color: ChartColor::LineFill });
    if min_level(&corrected) < 0.0 {
        layers.push(Shape::Area { points: clamped(min_remaining, 0.0), base: 0.0, color: ChartColor::BadFill });
    }
    layers.extend(background);
    layers.push(Shape::HorizontalLine { y: 0.0, color: ChartColor::Limit });
    if let Some(raw) = raw {
        layers.push(Shape::Line { points: snap_to_pixels(&raw, &y, TALL_HEIGHT), color: ChartColor::Raw, width: 1 });
        legend.push(LegendEntry { key: "raw", text: "raw, without corrections" });
    }
    layers.push(Shape::Line { points: corrected_line, color: ChartColor::Line, width: 2 });
    let (incidents, incident_legend) = canvas.incident_lane(&(y.start..y.start + 0.8 * lane_height));
    layers.extend(incidents);
    legend.extend(incident_legend);
    let remaining_now = corrected.last().map_or(1.0, |(_, level)| *level);
    let mut heights = vec![(1.0, "100%".to_owned()), (0.0, "0%".to_owned())];
    if min_remaining < -0.25 {
        heights.push((min_remaining, format_percent(min_remaining, 0)));
    }
    Some(canvas.render(FigureParts {
        title: "Error budget left".to_owned(),
        note: format!("{} now", format_percent(remaining_now, 1)),
        description: format!(
            "The error budget goes from 100% to {}.{}",
            format_percent(remaining_now, 1),
            worst_day_sentence(buckets, objective)
        ),
        height: TALL_HEIGHT,
        y,
        shapes: layers,
        heights,
        legend,
    }))
}

/// The share of the budget that is left at the end of each piece.
#[expect(clippy::cast_precision_loss, reason = "a picture is where exactness ends")]
fn remaining_points(
    canvas: &Canvas<'_>,
    buckets: &[TimeBucket],
    objective: &Objective,
    sums: impl Fn(&TimeBucket) -> Sums,
) -> Option<Vec<(f64, f64)>> {
    let total: u64 = buckets.iter().map(|piece| sums(piece).total).sum();
    let allowed = total as f64 * to_f64(objective.budget());
    let mut bad = 0;
    let mut points = vec![(0.0, 1.0)];
    for piece in buckets {
        bad += sums(piece).bad;
        points.push((canvas.x(piece.span.end), 1.0 - bad as f64 / allowed));
    }
    (allowed > 0.0).then_some(points)
}

/// The day that took most, in words.
fn worst_day_sentence(buckets: &[TimeBucket], objective: &Objective) -> String {
    let mut days: Vec<(Minute, u64)> = Vec::new();
    for piece in buckets {
        let start = piece.span.start.day().start();
        match days.last_mut() {
            Some((day, bad)) if *day == start => *bad += piece.sums.bad,
            _ => days.push((start, piece.sums.bad)),
        }
    }
    let total: u64 = buckets.iter().map(|piece| piece.sums.total).sum();
    let worst = days.into_iter().max_by_key(|(day, bad)| (*bad, std::cmp::Reverse(*day)));
    worst.filter(|(_, bad)| *bad > 0).map_or_else(String::new, |(at, bad)| {
        let budget = crate::burn::ErrorBudget::new(Sums { total, bad, known: 1 }, objective);
        let share = budget.consumed().map_or_else(String::new, |used| format_percent(to_f64(used), 0));
        format!(" The highest consumption in one day is {share}, on {}.", format_day(at))
    })
}

/// Events over time.
#[expect(clippy::cast_precision_loss, reason = "a picture is where exactness ends")]
pub(super) fn traffic_figure(canvas: &Canvas<'_>, buckets: &[TimeBucket], events: &str) -> ChartFigure {
    let rate = |sums: Sums| if sums.known == 0 { 0.0 } else { sums.total as f64 / f64::from(sums.known) };
    let rates: Vec<(f64, f64)> = midpoints(canvas, buckets, |piece| rate(piece.raw));
    let top = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let y = 0.0..if top > 0.0 { top * 1.08 } else { 1.0 };
    let (mut layers, legend) = canvas.background(buckets, &y);
    layers.push(Shape::Area { points: snap_to_pixels(&rates, &y, LOW_HEIGHT), base: 0.0, color: ChartColor::Raw });
    let total: u64 = buckets.iter().map(|piece| piece.raw.total).sum();
    canvas.render(FigureParts {
        title: format!("Traffic: {events} per minute"),
        note: format!("{} in total", with_thousands_separators(total)),
        description: format!(
            "{} {events} in total, at most {} per minute.",
            with_thousands_separators(total),
            format_number(top)
        ),
        height: LOW_HEIGHT,
        y,
        shapes: layers,
        heights: vec![(top, format_number(top)), (0.0, "0".to_owned())],
        legend,
    })
}

/// The share of events that were bad.
pub(super) fn failure_figure(
    canvas: &Canvas<'_>,
    buckets: &[TimeBucket],
    objective: &Objective,
    title: String,
) -> ChartFigure {
    let allowed_share = to_f64(objective.budget());
    let shares = midpoints(canvas, buckets, |piece| bad_share(piece.raw));
    let top = shares.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let y = 0.0..(top * 1.08).max(allowed_share * 3.0).max(1e-6);
    let (mut layers, mut legend) = canvas.background(buckets, &y);
    layers.push(Shape::Area { points: snap_to_pixels(&shares, &y, LOW_HEIGHT), base: 0.0, color: ChartColor::Bad });
    layers.push(Shape::HorizontalLine { y: allowed_share, color: ChartColor::Limit });
    legend.push(LegendEntry { key: "limit", text: "allowed by the objective" });
    let decimals = if y.end < 0.01 { 3 } else { 1 };
    let mut heights = vec![(y.end / 1.08, format_percent(y.end / 1.08, decimals)), (0.0, "0%".to_owned())];
    if allowed_share / y.end > 0.2 && allowed_share / y.end < 0.75 {
        heights.push((allowed_share, format_percent(allowed_share, decimals)));
    }
    canvas.render(FigureParts {
        title,
        note: format!("highest average {}", format_percent(top, decimals)),
        description: format!(
            "The highest average is {}; single minutes can be higher. The objective allows {} over the whole window.",
            format_percent(top, decimals),
            format_percent(allowed_share, decimals)
        ),
        height: LOW_HEIGHT,
        y,
        shapes: layers,
        heights,
        legend,
    })
}

/// What the long window of a tier saw.
pub(super) fn tier_figure(
    canvas: &Canvas<'_>,
    samples: &[(Minute, Sums)],
    objective: &Objective,
    (factor, minutes, title): (f64, u32, String),
) -> Option<ChartFigure> {
    let rates: Vec<(f64, f64)> =
        samples.iter().map(|(at, sums)| (canvas.x(*at), burn_rate(*sums, objective).unwrap_or(0.0))).collect();
    if factor <= 0.0 || rates.is_empty() {
        return None;
    }
    // A look that saw too little is as unknown as the time up to it.
    let sampled = samples.iter().zip(samples.iter().skip(1)).map(|((from, _), (at, sums))| {
        let span = Span::new(*from, *at);
        let known = if sums.known * 2 < minutes { 0 } else { span.minutes() };
        let sums = Sums { known, ..Sums::default() };
        TimeBucket { span, sums, raw: sums }
    });
    let sample_buckets: Vec<TimeBucket> = sampled.collect();
    let top = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let y = 0.0..(top * 1.08).clamp(1.5 * factor, 6.0 * factor);
    let (mut layers, legend) = canvas.background(&sample_buckets, &y);
    let line = snap_to_pixels(&rates, &y, LOW_HEIGHT);
    let above_factor: Vec<(f64, f64)> = line.iter().map(|(x, rate)| (*x, rate.max(factor))).collect();
    if top > factor {
        layers.push(Shape::Area {
            points: snap_to_pixels(&above_factor, &y, LOW_HEIGHT),
            base: factor,
            color: ChartColor::BadFill,
        });
    }
    layers.push(Shape::HorizontalLine { y: factor, color: ChartColor::Limit });
    layers.push(Shape::Line { points: line, color: ChartColor::Line, width: 2 });
    let note = match top {
        _ if sample_buckets.iter().all(|piece| piece.sums.known == 0) => "no data".to_owned(),
        top if top > y.end => format!("peak {top:.0}x, cut off"),
        top => format!("peak {top:.1}x"),
    };
    Some(canvas.render(FigureParts {
        title,
        description: format!("{}; threshold {factor:.1}x.", capitalize(&note)),
        note,
        height: LOW_HEIGHT,
        heights: vec![(factor, format!("{factor:.1}x")), (0.0, "0".to_owned())],
        y,
        shapes: layers,
        legend,
    }))
}

/// What is left of a budget, so small that it stands in a line of a table.
pub(super) fn sparkline(span: Span, buckets: &[TimeBucket], objective: &Objective) -> Option<String> {
    const SIZE: (u32, u32) = (96, 28);
    const MAX_POINTS: usize = 30;
    let backdrop = Backdrop::default();
    let canvas = Canvas { id: String::new(), span, backdrop: &backdrop };
    let points = remaining_points(&canvas, buckets, objective, |piece| piece.sums)?;
    let stride = points.len().div_ceil(MAX_POINTS).max(1);
    let newest = points.len() - 1;
    let sampled_points: Vec<(f64, f64)> = points
        .into_iter()
        .enumerate()
        .filter(|(place, _)| (newest - place).is_multiple_of(stride))
        .map(|(_, point)| point)
        .collect();
    let min_remaining = sampled_points.iter().map(|(_, level)| *level).fold(0.0, f64::min);
    let margin = 0.04 * (1.0 - min_remaining);
    let y = min_remaining - margin..1.0 + margin;
    let line = snap_to_pixels(&sampled_points, &y, SIZE.1);
    let mut layers: Vec<Shape> =
        unknown_spans(buckets).into_iter().filter_map(|span| canvas.rectangle(span, &y, ChartColor::Unknown)).collect();
    layers.push(Shape::HorizontalLine { y: 0.0, color: ChartColor::Limit });
    let ink = if min_remaining < 0.0 { ChartColor::Bad } else { ChartColor::Line };
    layers.push(Shape::Line { points: line, color: ink, width: 2 });
    Some(Chart { width: SIZE.0, height: SIZE.1, x: canvas.range(), y, shapes: layers }.to_decorative_svg())
}

/// Spans of which less than half was observed.
fn unknown_spans(buckets: &[TimeBucket]) -> Vec<Span> {
    let is_unknown = |piece: &&TimeBucket| piece.sums.known * 2 < piece.span.minutes();
    Span::merged(buckets.iter().filter(is_unknown).map(|piece| piece.span).collect())
}

/// A level for each piece, at its middle, and at both ends of the whole.
fn midpoints(canvas: &Canvas<'_>, buckets: &[TimeBucket], level: impl Fn(&TimeBucket) -> f64) -> Vec<(f64, f64)> {
    let middle = |piece: &TimeBucket| f64::midpoint(canvas.x(piece.span.start), canvas.x(piece.span.end));
    let mut points: Vec<(f64, f64)> = buckets.iter().map(|piece| (middle(piece), level(piece))).collect();
    if let (Some((_, first)), Some((_, last))) = (points.first().copied(), points.last().copied()) {
        points.insert(0, (0.0, first));
        points.push((canvas.range().end, last));
    }
    points
}

#[expect(clippy::cast_precision_loss, reason = "a picture is where exactness ends")]
fn bad_share(sums: Sums) -> f64 {
    if sums.total == 0 { 0.0 } else { sums.bad as f64 / sums.total as f64 }
}

fn format_number(number: f64) -> String {
    crate::format::format_number(number)
}

fn format_day_range(span: Span) -> String {
    format!("{} to {}", format_day(span.start), format_day(span.end))
}

//! Pictures of the past of a promise: its budget going down, its traffic, what failed of it, and what its tiers saw.

use std::ops::Range;

use serde::Serialize;

use super::axis::{Mark, moments, times};
use super::when::day;
use crate::burn::burn_rate;
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, Span};
use crate::report::chart::{Alt, Ink, Layer, Picture, snapped};
use crate::report::history::Piece;
use crate::report::status::percent;
use crate::report::words::capital;
use crate::slo::{Objective, Urgency};

/// How wide and high pictures are drawn, in dots.
const WIDTH: u32 = 1_200;
const TALL: u32 = 240;
const LOW: u32 = 120;

/// A picture with what stands around it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    title: String,
    /// What there is to see, in a few words.
    note: String,
    /// `tall` or `low`.
    size: &'static str,
    svg: String,
    /// Along its height, from the top.
    heights: Vec<Mark>,
    /// Along its width.
    times: Vec<Mark>,
    legend: Vec<Sign>,
}

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Sign {
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

    fn band(&self, span: Span, y: &Range<f64>, ink: Ink) -> Option<Layer> {
        let span = span.intersect(self.span);
        // What is shorter than a dot is seen all the same.
        let least = f64::from(self.span.minutes()) / f64::from(WIDTH) * 2.0;
        let start = self.x(span.start);
        let x = start..self.x(span.end).max(start + least);
        (!span.is_empty()).then(|| Layer::Band { x, y: y.clone(), ink })
    }

    /// What is unknown and what does not count, and lines that help the eye.
    fn behind(&self, pieces: &[Piece], y: &Range<f64>) -> (Vec<Layer>, Vec<Sign>) {
        let (mut layers, mut legend) = (Vec::new(), Vec::new());
        let unknown = unknown(pieces);
        layers.extend(unknown.iter().filter_map(|span| self.band(*span, y, Ink::Unknown)));
        // What is too narrow to be seen needs no explanation.
        let minutes: u32 = unknown.iter().map(|span| span.minutes()).sum();
        let is_seen = minutes > 0 && minutes * 200 >= self.span.minutes();
        legend.extend(is_seen.then_some(Sign { key: "unknown", text: "no data" }));
        let before = layers.len();
        layers.extend(self.backdrop.excluded.iter().filter_map(|span| self.band(*span, y, Ink::Grid)));
        legend.extend((layers.len() > before).then_some(Sign { key: "excluded", text: "excluded" }));
        layers.extend(moments(self.span).into_iter().map(|at| Layer::Line {
            points: vec![(self.x(at), y.start), (self.x(at), y.end)],
            ink: Ink::Grid,
            width: 1,
        }));
        (layers, legend)
    }

    /// A lane of incidents along the bottom.
    fn lane(&self, y: &Range<f64>) -> (Vec<Layer>, Vec<Sign>) {
        let mut incidents = self.backdrop.incidents.clone();
        incidents.sort_by_key(|(span, urgency)| (*urgency, *span));
        let ink = |urgency: Urgency| if urgency == Urgency::Ticket { Ink::Warn } else { Ink::Bad };
        let shown: Vec<(Urgency, Layer)> = incidents
            .iter()
            .filter_map(|(span, urgency)| Some((*urgency, self.band(*span, y, ink(*urgency))?)))
            .collect();
        let has = |urgency| shown.iter().any(|(shown, _)| *shown == urgency);
        let red = match (has(Urgency::Severe), has(Urgency::Page)) {
            (true, true) => Some("page or severe"),
            (true, false) => Some("severe"),
            (false, true) => Some("page"),
            (false, false) => None,
        };
        let mut legend: Vec<Sign> = red.map(|text| Sign { key: "page", text }).into_iter().collect();
        legend.extend(has(Urgency::Ticket).then_some(Sign { key: "ticket", text: "ticket" }));
        (shown.into_iter().map(|(_, layer)| layer).collect(), legend)
    }

    fn figure(&self, drawn: Drawn) -> Figure {
        let Drawn { title, note, desc, height, y, layers, heights, legend } = drawn;
        let alt_title = format!("{title}, {}", day_range(self.span));
        let alt = Alt { id: &self.id, title: &alt_title, desc: &desc };
        let picture = Picture { width: WIDTH, height, x: self.range(), y: y.clone(), layers };
        let share = |level: f64| (y.end - level) / (y.end - y.start);
        Figure {
            svg: picture.svg(&alt),
            title,
            note,
            size: if height == TALL { "tall" } else { "low" },
            heights: heights.into_iter().map(|(level, text)| Mark::new(share(level), text)).collect(),
            times: times(self.span),
            legend,
        }
    }
}

/// A picture before it is one.
struct Drawn {
    title: String,
    note: String,
    desc: String,
    height: u32,
    y: Range<f64>,
    layers: Vec<Layer>,
    heights: Vec<(f64, String)>,
    legend: Vec<Sign>,
}

/// How the budget of a window went. `None` where there is none to go.
pub(super) fn budget(canvas: &Canvas<'_>, pieces: &[Piece], objective: &Objective) -> Option<Figure> {
    let corrected = left(canvas, pieces, objective, |piece| piece.sums)?;
    let raw = left(canvas, pieces, objective, |piece| piece.raw).filter(|raw| *raw != corrected);
    let lowest = |points: &[(f64, f64)]| points.iter().map(|(_, level)| *level).fold(0.0, f64::min);
    let floor = lowest(&corrected).min(raw.as_deref().map_or(0.0, lowest));
    let lane = (1.0 - floor) * 0.09;
    let y = floor - 1.6 * lane..1.0 + 0.25 * lane;
    // What is left of a budget is only what was seen of it: where nothing was, there is no area.
    let (behind, mut legend) = canvas.behind(pieces, &y);
    let mut layers = Vec::new();
    let corrected_line = snapped(&corrected, &y, TALL);
    let clamped = |from: f64, to: f64| -> Vec<(f64, f64)> {
        snapped(&corrected_line.iter().map(|(x, level)| (*x, level.clamp(from, to))).collect::<Vec<_>>(), &y, TALL)
    };
    layers.push(Layer::Area { points: clamped(0.0, 1.0), base: 0.0, ink: Ink::Wash });
    if lowest(&corrected) < 0.0 {
        layers.push(Layer::Area { points: clamped(floor, 0.0), base: 0.0, ink: Ink::BadWash });
    }
    layers.extend(behind);
    layers.push(Layer::Across { y: 0.0, ink: Ink::Limit });
    if let Some(raw) = raw {
        layers.push(Layer::Line { points: snapped(&raw, &y, TALL), ink: Ink::Raw, width: 1 });
        legend.push(Sign { key: "raw", text: "raw, without corrections" });
    }
    layers.push(Layer::Line { points: corrected_line, ink: Ink::Line, width: 2 });
    let (incidents, signs) = canvas.lane(&(y.start..y.start + 0.8 * lane));
    layers.extend(incidents);
    legend.extend(signs);
    let now = corrected.last().map_or(1.0, |(_, level)| *level);
    let mut heights = vec![(1.0, "100%".to_owned()), (0.0, "0%".to_owned())];
    if floor < -0.25 {
        heights.push((floor, percent(floor, 0)));
    }
    Some(canvas.figure(Drawn {
        title: "Error budget left".to_owned(),
        note: format!("{} now", percent(now, 1)),
        desc: format!("The error budget goes from 100% to {}.{}", percent(now, 1), steepest(pieces, objective)),
        height: TALL,
        y,
        layers,
        heights,
        legend,
    }))
}

/// The share of the budget that is left at the end of each piece.
#[expect(clippy::cast_precision_loss, reason = "a picture is where exactness ends")]
fn left(
    canvas: &Canvas<'_>,
    pieces: &[Piece],
    objective: &Objective,
    sums: impl Fn(&Piece) -> Sums,
) -> Option<Vec<(f64, f64)>> {
    let total: u64 = pieces.iter().map(|piece| sums(piece).total).sum();
    let allowed = total as f64 * to_f64(objective.budget());
    let mut bad = 0;
    let mut points = vec![(0.0, 1.0)];
    for piece in pieces {
        bad += sums(piece).bad;
        points.push((canvas.x(piece.span.end), 1.0 - bad as f64 / allowed));
    }
    (allowed > 0.0).then_some(points)
}

/// The day that took most, in words.
fn steepest(pieces: &[Piece], objective: &Objective) -> String {
    let mut days: Vec<(Minute, u64)> = Vec::new();
    for piece in pieces {
        let start = piece.span.start.day().start();
        match days.last_mut() {
            Some((day, bad)) if *day == start => *bad += piece.sums.bad,
            _ => days.push((start, piece.sums.bad)),
        }
    }
    let total: u64 = pieces.iter().map(|piece| piece.sums.total).sum();
    let worst = days.into_iter().max_by_key(|(day, bad)| (*bad, std::cmp::Reverse(*day)));
    worst.filter(|(_, bad)| *bad > 0).map_or_else(String::new, |(at, bad)| {
        let budget = crate::burn::Budget::of(Sums { total, bad, known: 1 }, objective);
        let share = budget.consumed().map_or_else(String::new, |used| percent(to_f64(used), 0));
        format!(" The highest consumption in one day is {share}, on {}.", day(at))
    })
}

/// Events over time.
#[expect(clippy::cast_precision_loss, reason = "a picture is where exactness ends")]
pub(super) fn traffic(canvas: &Canvas<'_>, pieces: &[Piece], events: &str) -> Figure {
    let rate = |sums: Sums| if sums.known == 0 { 0.0 } else { sums.total as f64 / f64::from(sums.known) };
    let rates: Vec<(f64, f64)> = middles(canvas, pieces, |piece| rate(piece.raw));
    let top = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let y = 0.0..if top > 0.0 { top * 1.08 } else { 1.0 };
    let (mut layers, legend) = canvas.behind(pieces, &y);
    layers.push(Layer::Area { points: snapped(&rates, &y, LOW), base: 0.0, ink: Ink::Raw });
    let total: u64 = pieces.iter().map(|piece| piece.raw.total).sum();
    canvas.figure(Drawn {
        title: format!("Traffic: {events} per minute"),
        note: format!("{} in total", grouped(total)),
        desc: format!("{} {events} in total, at most {} per minute.", grouped(total), few(top)),
        height: LOW,
        y,
        layers,
        heights: vec![(top, few(top)), (0.0, "0".to_owned())],
        legend,
    })
}

/// The share of events that were bad.
pub(super) fn failures(canvas: &Canvas<'_>, pieces: &[Piece], objective: &Objective, title: String) -> Figure {
    let may = to_f64(objective.budget());
    let shares = middles(canvas, pieces, |piece| share(piece.raw));
    let top = shares.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let y = 0.0..(top * 1.08).max(may * 3.0).max(1e-6);
    let (mut layers, mut legend) = canvas.behind(pieces, &y);
    layers.push(Layer::Area { points: snapped(&shares, &y, LOW), base: 0.0, ink: Ink::Bad });
    layers.push(Layer::Across { y: may, ink: Ink::Limit });
    legend.push(Sign { key: "limit", text: "allowed by the objective" });
    let decimals = if y.end < 0.01 { 3 } else { 1 };
    let mut heights = vec![(y.end / 1.08, percent(y.end / 1.08, decimals)), (0.0, "0%".to_owned())];
    if may / y.end > 0.2 && may / y.end < 0.75 {
        heights.push((may, percent(may, decimals)));
    }
    canvas.figure(Drawn {
        title,
        note: format!("highest average {}", percent(top, decimals)),
        desc: format!(
            "The highest average is {}; single minutes can be higher. The objective allows {} over the whole window.",
            percent(top, decimals),
            percent(may, decimals)
        ),
        height: LOW,
        y,
        layers,
        heights,
        legend,
    })
}

/// What the long window of a tier saw.
pub(super) fn looks(
    canvas: &Canvas<'_>,
    looks: &[(Minute, Sums)],
    objective: &Objective,
    (factor, minutes, title): (f64, u32, String),
) -> Option<Figure> {
    let rates: Vec<(f64, f64)> =
        looks.iter().map(|(at, sums)| (canvas.x(*at), burn_rate(*sums, objective).unwrap_or(0.0))).collect();
    if factor <= 0.0 || rates.is_empty() {
        return None;
    }
    // A look that saw too little is as unknown as the time up to it.
    let unseen = looks.iter().zip(looks.iter().skip(1)).map(|((from, _), (at, sums))| {
        let span = Span::new(*from, *at);
        let known = if sums.known * 2 < minutes { 0 } else { span.minutes() };
        let sums = Sums { known, ..Sums::default() };
        Piece { span, sums, raw: sums }
    });
    let unseen: Vec<Piece> = unseen.collect();
    let top = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let y = 0.0..(top * 1.08).clamp(1.5 * factor, 6.0 * factor);
    let (mut layers, legend) = canvas.behind(&unseen, &y);
    let line = snapped(&rates, &y, LOW);
    let over: Vec<(f64, f64)> = line.iter().map(|(x, rate)| (*x, rate.max(factor))).collect();
    if top > factor {
        layers.push(Layer::Area { points: snapped(&over, &y, LOW), base: factor, ink: Ink::BadWash });
    }
    layers.push(Layer::Across { y: factor, ink: Ink::Limit });
    layers.push(Layer::Line { points: line, ink: Ink::Line, width: 2 });
    let note = match top {
        _ if unseen.iter().all(|piece| piece.sums.known == 0) => "no data".to_owned(),
        top if top > y.end => format!("peak {top:.0}x, cut off"),
        top => format!("peak {top:.1}x"),
    };
    Some(canvas.figure(Drawn {
        title,
        desc: format!("{}; threshold {factor:.1}x.", capital(&note)),
        note,
        height: LOW,
        heights: vec![(factor, format!("{factor:.1}x")), (0.0, "0".to_owned())],
        y,
        layers,
        legend,
    }))
}

/// What is left of a budget, so small that it stands in a line of a table.
pub(super) fn spark(span: Span, pieces: &[Piece], objective: &Objective) -> Option<String> {
    const DOTS: (u32, u32) = (96, 28);
    const POINTS: usize = 30;
    let backdrop = Backdrop::default();
    let canvas = Canvas { id: String::new(), span, backdrop: &backdrop };
    let points = left(&canvas, pieces, objective, |piece| piece.sums)?;
    let every = points.len().div_ceil(POINTS).max(1);
    let newest = points.len() - 1;
    let few: Vec<(f64, f64)> = points
        .into_iter()
        .enumerate()
        .filter(|(place, _)| (newest - place).is_multiple_of(every))
        .map(|(_, point)| point)
        .collect();
    let floor = few.iter().map(|(_, level)| *level).fold(0.0, f64::min);
    let edge = 0.04 * (1.0 - floor);
    let y = floor - edge..1.0 + edge;
    let line = snapped(&few, &y, DOTS.1);
    let mut layers: Vec<Layer> =
        unknown(pieces).into_iter().filter_map(|span| canvas.band(span, &y, Ink::Unknown)).collect();
    layers.push(Layer::Across { y: 0.0, ink: Ink::Limit });
    let ink = if floor < 0.0 { Ink::Bad } else { Ink::Line };
    layers.push(Layer::Line { points: line, ink, width: 2 });
    Some(Picture { width: DOTS.0, height: DOTS.1, x: canvas.range(), y, layers }.ornament())
}

/// Spans of which less than half was observed.
fn unknown(pieces: &[Piece]) -> Vec<Span> {
    let is_unknown = |piece: &&Piece| piece.sums.known * 2 < piece.span.minutes();
    Span::joined(pieces.iter().filter(is_unknown).map(|piece| piece.span).collect())
}

/// A level for each piece, at its middle, and at both ends of the whole.
fn middles(canvas: &Canvas<'_>, pieces: &[Piece], level: impl Fn(&Piece) -> f64) -> Vec<(f64, f64)> {
    let middle = |piece: &Piece| f64::midpoint(canvas.x(piece.span.start), canvas.x(piece.span.end));
    let mut points: Vec<(f64, f64)> = pieces.iter().map(|piece| (middle(piece), level(piece))).collect();
    if let (Some((_, first)), Some((_, last))) = (points.first().copied(), points.last().copied()) {
        points.insert(0, (0.0, first));
        points.push((canvas.range().end, last));
    }
    points
}

#[expect(clippy::cast_precision_loss, reason = "a picture is where exactness ends")]
fn share(sums: Sums) -> f64 {
    if sums.total == 0 { 0.0 } else { sums.bad as f64 / sums.total as f64 }
}

fn few(number: f64) -> String {
    crate::report::words::few(number)
}

fn day_range(span: Span) -> String {
    format!("{} to {}", day(span.start), day(span.end))
}

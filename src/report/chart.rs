//! Charts of numbers as SVG, and as PNG for mail: areas, lines and rectangles, without text.
//!
//! Absent on purpose: axes with text. A chart is stretched to the width of its page, and letters in it would be
//! stretched with it; labels are text of the page, beside the chart. A title and a description say what a chart shows.
//!
//! SVG coordinates are whole numbers, so charts are drawn several times as large as they are shown.

use std::error::Error;
use std::ops::Range;

use minijinja::HtmlEscape;
use plotters::prelude::*;

use crate::evaluation::status::DailyBurn;
use crate::format::pluralize;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// The burn rate at which a daily bar is cut off. At 1 the day used its even share of the budget.
const MAX_BAR_RATE: f64 = 4.0;
/// The height of the bar of a day without failures.
const MIN_BAR_HEIGHT: f64 = 0.18;
/// Pixels of a day, and of the chart of daily bars.
const DAY_WIDTH: u32 = 12;
const DAYS_HEIGHT: u32 = 64;

const MAX_LABELS: i32 = 6;
const LABEL_INTERVALS: [i32; 15] =
    [5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2 * 1_440, 5 * 1_440, 7 * 1_440, 14 * 1_440, 30 * 1_440];

/// A colour. A style sheet selects elements by it, `[stroke="#2A6B9C"]`, to replace it on a dark page; without a style
/// sheet it is right on white.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChartColor {
    /// Lines that only guide the eye.
    Grid = 0xD5_D9_DD,
    /// A limit that should not be crossed.
    Limit = 0x5B_64_70,
    /// The number that matters.
    Line = 0x2A_6B_9C,
    LineFill = 0xD3_E3_EF,
    Bad = 0xB3_26_1E,
    BadFill = 0xF2_CF_CC,
    Warn = 0x9A_5B_00,
    /// Numbers without corrections, or for comparison.
    Raw = 0x8A_92_9A,
    Unknown = 0xE4_E0_EE,
}

impl ChartColor {
    fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = (self as u32).to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// An element of a chart, in the coordinates of its ranges; what lies outside them is cut off.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// The area between points, from left to right, and a base line.
    Area {
        points: Vec<(f64, f64)>,
        base: f64,
        color: ChartColor,
    },
    /// A line through points, from left to right, and its width in pixels.
    Line {
        points: Vec<(f64, f64)>,
        color: ChartColor,
        width: u32,
    },
    Rectangle {
        x: Range<f64>,
        y: Range<f64>,
        color: ChartColor,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) width: u32,
    pub(super) height: u32,
    /// The values of its left and right edges.
    pub(super) x: Range<f64>,
    /// The values of its bottom and top.
    pub(super) y: Range<f64>,
    pub(super) shapes: Vec<Shape>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct AltText<'a> {
    /// Unique in the document.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
}

impl Chart {
    /// The chart as an SVG element of class `chart` that fills its parent. Without a text it is decorative: the text
    /// beside it says as much.
    pub(super) fn to_svg(&self, alt: Option<&AltText<'_>>) -> String {
        let (accessibility, title) = match alt {
            None => ("aria-hidden=\"true\"".to_owned(), String::new()),
            Some(alt) => {
                let (id, title, description) = (HtmlEscape(alt.id), HtmlEscape(alt.title), HtmlEscape(alt.description));
                let title = format!("<title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>");
                (format!("role=\"img\" aria-labelledby=\"{id}-t {id}-d\""), title)
            }
        };
        format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" \
             preserveAspectRatio=\"none\" {accessibility}>{title}{}</svg>",
            self.width,
            self.height,
            self.svg_body()
        )
    }

    /// The elements that plotters draws, without the `svg` element around them.
    fn svg_body(&self) -> String {
        let mut svg = String::new();
        if self.draw(SVGBackend::with_string(&mut svg, (self.width, self.height))).is_err() {
            // Writing into a string does not fail; if it did, the title and description would still be there.
            return String::new();
        }
        let body = svg.split_once('>').map_or("", |(_, body)| body);
        let body = body.trim_end().strip_suffix("</svg>").unwrap_or(body);
        // Attributes that repeat the default only make a page longer.
        body.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace(" \"/>", "\"/>").replace('\n', "")
    }

    /// The chart as a PNG file, on white; `None` if it has no extent. Most mail programs show no SVG
    /// (<https://www.caniemail.com/features/image-svg/>).
    pub(super) fn to_png(&self) -> Option<Vec<u8>> {
        let mut pixels = vec![u8::MAX; 3 * self.width as usize * self.height as usize];
        self.draw(BitMapBackend::with_buffer(&mut pixels, (self.width, self.height))).ok()?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&pixels).ok()?;
        writer.finish().ok()?;
        Some(file)
    }

    fn draw<B: DrawingBackend<ErrorType: 'static>>(&self, backend: B) -> Result<(), Box<dyn Error>> {
        let area = backend.into_drawing_area();
        let mut chart = ChartBuilder::on(&area).build_cartesian_2d(self.x.clone(), self.y.clone())?;
        let clamp = |(x, y): (f64, f64)| (x.clamp(self.x.start, self.x.end), y.clamp(self.y.start, self.y.end));
        for shape in &self.shapes {
            match shape {
                Shape::Area { points, base, color } => {
                    let points = points.iter().copied().map(clamp);
                    chart.draw_series(AreaSeries::new(points, *base, color.rgb().filled()))?;
                }
                Shape::Line { points, color, width } => {
                    let points = points.iter().copied().map(clamp);
                    chart.draw_series(LineSeries::new(points, color.rgb().stroke_width(*width)))?;
                }
                Shape::Rectangle { x, y, color } => {
                    let corners = [(x.start, y.end), (x.end, y.start)].map(clamp);
                    chart.draw_series([Rectangle::new(corners, color.rgb().filled())])?;
                }
            }
        }
        drop(chart);
        area.present()?;
        Ok(())
    }
}

/// The same line with heights rounded to whole pixels of a chart, and without the points inside level stretches: most
/// of a month without incidents is level.
pub(super) fn snap_to_pixels(points: &[(f64, f64)], y: &Range<f64>, height: u32) -> Vec<(f64, f64)> {
    let pixel = (y.end - y.start) / f64::from(height.max(1));
    let snap = |level: f64| if pixel > 0.0 { y.start + ((level - y.start) / pixel).round() * pixel } else { level };
    let points: Vec<(f64, f64)> = points.iter().map(|(x, level)| (*x, snap(*level))).collect();
    let is_level = |one: (f64, f64), other: (f64, f64)| (one.1 - other.1).abs() < f64::EPSILON;
    let is_inside = |index: usize| {
        let neighbours = index.checked_sub(1).and_then(|before| points.get(before)).zip(points.get(index + 1));
        neighbours.is_some_and(|(before, after)| is_level(*before, points[index]) && is_level(points[index], *after))
    };
    (0..points.len()).filter(|index| !is_inside(*index)).map(|index| points[index]).collect()
}

/// A bar for each day, the newest last: a day above the line used more than its even share of the budget.
pub(super) fn daily_burn_chart(daily_burn: &[DailyBurn]) -> Chart {
    let days = u32::try_from(daily_burn.len().max(1)).unwrap_or(1);
    let x = 0.0..f64::from(days);
    let mut shapes: Vec<Shape> = (0_u32..).zip(daily_burn).map(|(day, burn)| bar(f64::from(day), *burn)).collect();
    shapes.push(Shape::Line { points: vec![(x.start, 1.0), (x.end, 1.0)], color: ChartColor::Limit, width: 1 });
    Chart { width: DAY_WIDTH * days, height: DAYS_HEIGHT, x, y: 0.0..MAX_BAR_RATE, shapes }
}

fn bar(day: f64, burn: DailyBurn) -> Shape {
    let (top, color) = match burn {
        DailyBurn::Unknown => (MAX_BAR_RATE, ChartColor::Unknown),
        DailyBurn::NoTraffic => (MIN_BAR_HEIGHT, ChartColor::Grid),
        DailyBurn::Rate(rate) if rate > 1.0 => (rate.min(MAX_BAR_RATE), ChartColor::Bad),
        DailyBurn::Rate(rate) => (rate.max(MIN_BAR_HEIGHT), ChartColor::Line),
    };
    Shape::Rectangle { x: day + 0.1..day + 0.9, y: 0.0..top, color }
}

pub(super) fn describe_daily_burn(daily_burn: &[DailyBurn]) -> String {
    let rates = daily_burn.iter().filter_map(|bar| if let DailyBurn::Rate(rate) = bar { Some(*rate) } else { None });
    let above = rates.clone().filter(|rate| *rate > 1.0).count();
    let unknown = daily_burn.iter().filter(|bar| **bar == DailyBurn::Unknown).count();
    let worst = rates.fold(0.0, f64::max);
    let rates = match above {
        0 => "never above 1x".to_owned(),
        above if worst.is_finite() => format!("above 1x on {}, highest {worst:.1}x", pluralize(above, "day")),
        above => format!("failures on {}, with no error budget", pluralize(above, "day")),
    };
    let unknown = if unknown > 0 { format!("; no data on {}", pluralize(unknown, "day")) } else { String::new() };
    format!("Daily burn rate over {}: {rates}{unknown}", pluralize(daily_burn.len(), "day"))
}

pub(super) fn label_times(span: Span) -> Vec<Minute> {
    let minutes = i32::try_from(span.minutes()).unwrap_or(i32::MAX);
    let interval = LABEL_INTERVALS.into_iter().find(|interval| minutes / interval <= MAX_LABELS).unwrap_or(60 * 1_440);
    // Days are counted back from the newest, so that the labels do not move from one month to the next.
    let first = if interval > MINUTES_PER_DAY {
        let last_midnight = span.end.day().start();
        last_midnight.plus(-(last_midnight.0 - span.start.0) / interval * interval)
    } else {
        Minute((span.start.0 + interval - 1).div_euclid(interval) * interval)
    };
    let all = (0..).map(move |step: i32| first.plus(step.saturating_mul(interval)));
    all.take_while(|at| *at < span.end).filter(|at| *at >= span.start).collect()
}

/// The labels of a time axis by their share of the way; those that do not fit at an edge are left out.
pub(super) fn time_labels(span: Span) -> Vec<(f64, String)> {
    let total_minutes = f64::from(span.minutes().max(1));
    let label = |at: Minute| {
        let share = f64::from(Span::new(span.start, at).minutes()) / total_minutes;
        let is_long = span.minutes() > 2 * MINUTES_PER_DAY.unsigned_abs();
        (share, if is_long { format_day(at) } else { at.timestamp().strftime("%H:%M").to_string() })
    };
    label_times(span).into_iter().map(label).filter(|(share, _)| (0.04..=0.96).contains(share)).collect()
}

/// `31 Oct`.
pub(super) fn format_day(at: Minute) -> String {
    at.timestamp().strftime("%-d %b").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn svg_has_title_and_description_and_no_inline_style() {
        let chart = Chart {
            width: 300,
            height: 100,
            x: 0.0..3.0,
            y: 0.0..1.0,
            shapes: vec![
                Shape::Area { points: vec![(0.0, 1.0), (3.0, 0.5)], base: 0.0, color: ChartColor::LineFill },
                Shape::Line { points: vec![(0.0, 1.0), (3.0, 9.0)], color: ChartColor::Line, width: 2 },
                Shape::Rectangle { x: 1.0..2.0, y: 0.0..1.0, color: ChartColor::Bad },
            ],
        };
        let svg = chart.to_svg(Some(&AltText { id: "a", title: "<b>", description: "\"quoted\"" }));
        assert!(svg.contains("<title id=\"a-t\">&lt;b&gt;</title><desc id=\"a-d\">&quot;quoted&quot;</desc>"), "{svg}");
        assert!(svg.contains("stroke=\"#2A6B9C\" stroke-width=\"2\" points=\"0,0 299,0\""), "{svg}");
        assert!(svg.contains("<polygon fill=\"#D3E3EF\""), "{svg}");
        assert!(!svg.contains("style=") && !svg.contains("<text") && svg.matches("<svg").count() == 1, "{svg}");
        assert!(chart.to_svg(None).contains("aria-hidden"));
    }

    #[test]
    fn level_interval_keeps_only_its_end_points() {
        let points = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 0.5), (4.0, 0.5)];
        assert_eq!(snap_to_pixels(&points, &(0.0..1.0), 100), [(0.0, 1.0), (2.0, 1.0), (3.0, 0.5), (4.0, 0.5)]);
        assert!(snap_to_pixels(&[], &(0.0..1.0), 100).is_empty());
    }

    #[test]
    fn daily_burn_is_described_and_drawn_in_colours() {
        let bars = [
            DailyBurn::Unknown,
            DailyBurn::NoTraffic,
            DailyBurn::Rate(0.0),
            DailyBurn::Rate(2.5),
            DailyBurn::Rate(9.0),
        ];
        assert_eq!(
            describe_daily_burn(&bars),
            "Daily burn rate over 5 days: above 1x on 2 days, highest 9.0x; no data on 1 day"
        );
        let file = daily_burn_chart(&bars).to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (60, 64));
        let at = |x: usize, y: usize| &pixels[3 * (y * 60 + x)..][..3];
        assert_eq!((at(6, 5), at(54, 5)), (&[0xE4, 0xE0, 0xEE][..], &[0xB3, 0x26, 0x1E][..]));
        assert_eq!((at(42, 5), at(30, 40)), (&[0xFF; 3][..], &[0xFF; 3][..]));
        assert!(daily_burn_chart(&[]).to_png().is_some());
    }

    fn label_texts(start: &str, end: &str) -> Vec<String> {
        let labels = time_labels(Span::new(start.parse().unwrap(), end.parse().unwrap()));
        labels.into_iter().map(|(share, text)| format!("{:.1}% {text}", share * 100.0)).collect()
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

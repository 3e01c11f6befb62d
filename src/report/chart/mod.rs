//! Pictures of numbers as SVG, and as PNG for mail: areas, lines, bands and bars, without a word in them.
//!
//! Absent on purpose: axes with text. A picture is stretched to the width that a page has, and letters in it would be
//! stretched with it; labels are text of the page. What it shows is told in its title and description, for whoever does
//! not see it.
//!
//! Coordinates are whole numbers in what is drawn, so pictures are drawn several times as large as they are shown.

mod daily_bars;
mod png_image;
mod simplify;

use std::ops::Range;

use minijinja::HtmlEscape;
use plotters::prelude::*;

pub use daily_bars::{daily_burn_chart, describe_daily_burn};
pub use simplify::snap_to_pixels;

/// What something is drawn with. A style sheet finds each by its colour, `[stroke="#2A6B9C"]`, and gives it another on
/// a dark page; where there is no style sheet the colour is right on white.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChartColor {
    /// Lines that only help the eye.
    Grid,
    /// A limit that should not be crossed.
    Limit,
    /// The number that matters.
    Line,
    /// The area below it.
    LineFill,
    /// What failed.
    Bad,
    /// The area below that.
    BadFill,
    /// What may come to be bad.
    Warn,
    /// What would be without corrections, or is there to compare with.
    Raw,
    /// Where nothing is known.
    Unknown,
}

impl ChartColor {
    const fn rgb(self) -> RGBColor {
        match self {
            Self::Grid => RGBColor(0xD5, 0xD9, 0xDD),
            Self::Limit => RGBColor(0x5B, 0x64, 0x70),
            Self::Line => RGBColor(0x2A, 0x6B, 0x9C),
            Self::LineFill => RGBColor(0xD3, 0xE3, 0xEF),
            Self::Bad => RGBColor(0xB3, 0x26, 0x1E),
            Self::BadFill => RGBColor(0xF2, 0xCF, 0xCC),
            Self::Warn => RGBColor(0x9A, 0x5B, 0x00),
            Self::Raw => RGBColor(0x8A, 0x92, 0x9A),
            Self::Unknown => RGBColor(0xE4, 0xE0, 0xEE),
        }
    }
}

/// One thing that is drawn, over those before it. Coordinates are those of the picture's ranges; what lies outside is
/// cut off.
#[derive(Clone, Debug)]
pub enum Shape {
    /// The area between points and a height.
    Area {
        /// From left to right.
        points: Vec<(f64, f64)>,
        /// The height.
        base: f64,
        /// With what.
        color: ChartColor,
    },
    /// A line through points.
    Line {
        /// From left to right.
        points: Vec<(f64, f64)>,
        /// With what.
        color: ChartColor,
        /// How wide, in points of the screen.
        width: u32,
    },
    /// A line from left to right at a height.
    HorizontalLine {
        /// The height.
        y: f64,
        /// With what.
        color: ChartColor,
    },
    /// A filled rectangle.
    Rectangle {
        /// From left to right.
        x: Range<f64>,
        /// From bottom to top.
        y: Range<f64>,
        /// With what.
        color: ChartColor,
    },
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Chart {
    /// How wide it is drawn.
    pub width: u32,
    /// How high it is drawn.
    pub height: u32,
    /// What its left and right edges stand for.
    pub x: Range<f64>,
    /// What its bottom and top stand for.
    pub y: Range<f64>,
    /// What it shows, the hindmost first.
    pub shapes: Vec<Shape>,
}

/// What a picture shows, in words.
#[derive(Clone, Copy, Debug)]
pub struct AltText<'a> {
    /// Unique in the document that holds the picture.
    pub id: &'a str,
    /// What it is a picture of.
    pub title: &'a str,
    /// What there is to see.
    pub description: &'a str,
}

impl Chart {
    /// The picture as an SVG element of class `chart`, as wide and high as what it stands in.
    #[must_use]
    pub fn to_svg(&self, alt: &AltText<'_>) -> String {
        let id = HtmlEscape(alt.id);
        format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" \
             role=\"img\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>{}</svg>",
            self.width,
            self.height,
            HtmlEscape(alt.title),
            HtmlEscape(alt.description),
            self.svg_body()
        )
    }

    /// The same where the text beside it says all that there is to see.
    #[must_use]
    pub fn to_decorative_svg(&self) -> String {
        format!(
            "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" \
             aria-hidden=\"true\">{}</svg>",
            self.width,
            self.height,
            self.svg_body()
        )
    }

    /// What plotters draws, without the element around it.
    fn svg_body(&self) -> String {
        let mut svg = String::new();
        if self.draw(SVGBackend::with_string(&mut svg, (self.width, self.height))).is_err() {
            // Nothing refuses to be written into a string; if it did, the words would still be there.
            return String::new();
        }
        let body = svg.split_once('>').map_or("", |(_, body)| body);
        let body = body.trim_end().strip_suffix("</svg>").unwrap_or(body);
        // What each element would be without saying so.
        body.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").replace(" \"/>", "\"/>").replace('\n', "")
    }

    /// Draws it with any of the backends of plotters.
    fn draw<B: DrawingBackend>(&self, backend: B) -> Result<(), String> {
        let to_message = |error: &dyn std::fmt::Display| error.to_string();
        let area = backend.into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .build_cartesian_2d(self.x.clone(), self.y.clone())
            .map_err(|error| to_message(&error))?;
        for layer in &self.shapes {
            match layer {
                Shape::Area { points, base, color: ink } => {
                    let points = points.iter().map(|point| self.clamp_point(*point));
                    let series = AreaSeries::new(points, *base, ink.rgb().filled());
                    chart.draw_series(series).map_err(|error| to_message(&error))?;
                }
                Shape::Line { points, color: ink, width } => {
                    let points = points.iter().map(|point| self.clamp_point(*point));
                    let series = LineSeries::new(points, ink.rgb().stroke_width(*width));
                    chart.draw_series(series).map_err(|error| to_message(&error))?;
                }
                Shape::HorizontalLine { y, color: ink } => {
                    let points = [(self.x.start, *y), (self.x.end, *y)].map(|point| self.clamp_point(point));
                    chart.draw_series(LineSeries::new(points, ink.rgb())).map_err(|error| to_message(&error))?;
                }
                Shape::Rectangle { x, y, color: ink } => {
                    let corners = [(x.start, y.end), (x.end, y.start)].map(|point| self.clamp_point(point));
                    let rectangle = Rectangle::new(corners, ink.rgb().filled());
                    chart.draw_series(std::iter::once(rectangle)).map_err(|error| to_message(&error))?;
                }
            }
        }
        drop(chart);
        area.present().map_err(|error| to_message(&error))?;
        Ok(())
    }

    fn clamp_point(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.x.start, self.x.end), y.clamp(self.y.start, self.y.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn svg_has_title_and_description_and_no_inline_style() {
        let picture = Chart {
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
        let svg = picture.to_svg(&AltText { id: "a", title: "<b>", description: "\"quoted\"" });
        assert!(svg.contains("<title id=\"a-t\">&lt;b&gt;</title><desc id=\"a-d\">&quot;quoted&quot;</desc>"), "{svg}");
        assert!(svg.contains("stroke=\"#2A6B9C\" stroke-width=\"2\" points=\"0,0 299,0\""), "{svg}");
        assert!(svg.contains("<polygon fill=\"#D3E3EF\""), "{svg}");
        assert!(!svg.contains("style=") && !svg.contains("<text") && svg.matches("<svg").count() == 1, "{svg}");
        assert!(picture.to_decorative_svg().contains("aria-hidden"));
    }
}

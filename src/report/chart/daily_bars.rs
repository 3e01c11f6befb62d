//! The burn of days as bars, for where there is room for a picture and none for a page.

use super::{Chart, ChartColor, Shape};
use crate::format::pluralize;
use crate::report::model::DailyBurn;

/// How high the highest bar stands, in burn rates: what is above is as high. At the height of 1 a day used its even
/// share.
const MAX_RATE: f64 = 4.0;
/// A day without a bar still leaves a mark of this height.
const MIN_BAR_HEIGHT: f64 = 0.18;
/// Pixels of a day and of a bar's height.
const DAY_WIDTH: u32 = 12;
const HEIGHT: u32 = 64;

/// Days from left to right, the newest last: above the line a day used more than its even share of the budget.
#[must_use]
pub fn daily_burn_chart(daily_burn: &[DailyBurn]) -> Chart {
    let width = DAY_WIDTH * u32::try_from(daily_burn.len().max(1)).unwrap_or(1);
    let mut layers: Vec<Shape> = (0_u32..).zip(daily_burn).map(|(day, bar)| bar_shape(f64::from(day), *bar)).collect();
    layers.push(Shape::HorizontalLine { y: 1.0, color: ChartColor::Limit });
    Chart { width, height: HEIGHT, x: 0.0..f64::from(width / DAY_WIDTH), y: 0.0..MAX_RATE, shapes: layers }
}

fn bar_shape(day: f64, burn: DailyBurn) -> Shape {
    let (top, color) = match burn {
        DailyBurn::Unknown => (MAX_RATE, ChartColor::Unknown),
        DailyBurn::NoTraffic => (MIN_BAR_HEIGHT, ChartColor::Grid),
        DailyBurn::Rate(rate) if rate > 1.0 => (rate.min(MAX_RATE), ChartColor::Bad),
        DailyBurn::Rate(rate) => (rate.max(MIN_BAR_HEIGHT), ChartColor::Line),
    };
    Shape::Rectangle { x: day + 0.1..day + 0.9, y: 0.0..top, color }
}

/// What there is to see, for whoever does not see it.
#[must_use]
pub fn describe_daily_burn(daily_burn: &[DailyBurn]) -> String {
    let rates = daily_burn.iter().filter_map(|bar| if let DailyBurn::Rate(rate) = bar { Some(*rate) } else { None });
    let above = rates.clone().filter(|rate| *rate > 1.0).count();
    let unknown = daily_burn.iter().filter(|bar| **bar == DailyBurn::Unknown).count();
    let worst = rates.fold(0.0, f64::max);
    let mut words = format!("Daily burn rate over {}: ", pluralize(daily_burn.len(), "day"));
    words.push_str(&match above {
        0 => "never above 1x".to_owned(),
        above if worst.is_finite() => {
            format!("above 1x on {}, highest {worst:.1}x", pluralize(above, "day"))
        }
        above => format!("failures on {}, with no error budget", pluralize(above, "day")),
    });
    if unknown > 0 {
        words.push_str(&format!("; no data on {}", pluralize(unknown, "day")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

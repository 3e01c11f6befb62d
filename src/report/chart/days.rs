//! The burn of days as bars, for where there is room for a picture and none for a page.

use super::{Ink, Layer, Picture};
use crate::report::model::Bar;

/// How high the highest bar stands, in burn rates: what is above is as high. At the height of 1 a day used its even
/// share.
const RATE_MAX: f64 = 4.0;
/// A day without a bar still leaves a mark of this height.
const MARK: f64 = 0.18;
/// Pixels of a day and of a bar's height.
const DAY: u32 = 12;
const HEIGHT: u32 = 64;

/// Days from left to right, the newest last: above the line a day used more than its even share of the budget.
#[must_use]
pub fn days(bars: &[Bar]) -> Picture {
    let width = DAY * u32::try_from(bars.len().max(1)).unwrap_or(1);
    let mut layers: Vec<Layer> = (0_u32..).zip(bars).map(|(day, bar)| layer(f64::from(day), *bar)).collect();
    layers.push(Layer::Across { y: 1.0, ink: Ink::Limit });
    Picture { width, height: HEIGHT, x: 0.0..f64::from(width / DAY), y: 0.0..RATE_MAX, layers }
}

fn layer(day: f64, bar: Bar) -> Layer {
    let (top, ink) = match bar {
        Bar::Unknown => (RATE_MAX, Ink::Unknown),
        Bar::Silent => (MARK, Ink::Grid),
        Bar::Burn(rate) if rate > 1.0 => (rate.min(RATE_MAX), Ink::Bad),
        Bar::Burn(rate) => (rate.max(MARK), Ink::Line),
    };
    Layer::Band { x: day + 0.1..day + 0.9, y: 0.0..top, ink }
}

/// What there is to see, for whoever does not see it.
#[must_use]
pub fn days_in_words(bars: &[Bar]) -> String {
    let rates = bars.iter().filter_map(|bar| if let Bar::Burn(rate) = bar { Some(*rate) } else { None });
    let above = rates.clone().filter(|rate| *rate > 1.0).count();
    let unknown = bars.iter().filter(|bar| **bar == Bar::Unknown).count();
    let worst = rates.fold(0.0, f64::max);
    let mut words = format!("Daily burn rate over {}: ", crate::report::counted(bars.len(), "day"));
    words.push_str(&match above {
        0 => "never above 1x".to_owned(),
        above if worst.is_finite() => {
            format!("above 1x on {}, highest {worst:.1}x", crate::report::counted(above, "day"))
        }
        above => format!("failures on {}, with no error budget", crate::report::counted(above, "day")),
    });
    if unknown > 0 {
        words.push_str(&format!("; no data on {}", crate::report::counted(unknown, "day")));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_told_in_words_and_drawn_in_colours() {
        let bars = [Bar::Unknown, Bar::Silent, Bar::Burn(0.0), Bar::Burn(2.5), Bar::Burn(9.0)];
        assert_eq!(
            days_in_words(&bars),
            "Daily burn rate over 5 days: above 1x on 2 days, highest 9.0x; no data on 1 day"
        );
        let file = days(&bars).png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((frame.width, frame.height), (60, 64));
        let at = |x: usize, y: usize| &pixels[3 * (y * 60 + x)..][..3];
        assert_eq!((at(6, 5), at(54, 5)), (&[0xE4, 0xE0, 0xEE][..], &[0xB3, 0x26, 0x1E][..]));
        assert_eq!((at(42, 5), at(30, 40)), (&[0xFF; 3][..], &[0xFF; 3][..]));
        assert!(days(&[]).png().is_some());
    }
}

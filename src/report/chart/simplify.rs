//! Lines through points, with no more points than can be seen.

use std::ops::Range;

/// The same line without the points that lie on a level stretch: nobody sees them, and most of a calm month is level.
#[must_use]
pub fn remove_level_points(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let level = |one: f64, other: f64| (one - other).abs() < f64::EPSILON;
    let is_needed =
        |index: usize| match (index.checked_sub(1).and_then(|before| points.get(before)), points.get(index + 1)) {
            (Some(before), Some(after)) => !(level(before.1, points[index].1) && level(points[index].1, after.1)),
            _ => true,
        };
    (0..points.len()).filter(|place| is_needed(*place)).map(|place| points[place]).collect()
}

/// The same line with heights that are whole dots of a picture so many dots high, and without what is level then.
#[must_use]
pub fn snap_to_pixels(points: &[(f64, f64)], y: &Range<f64>, height: u32) -> Vec<(f64, f64)> {
    let pixel = (y.end - y.start) / f64::from(height.max(1));
    let snap_level =
        |level: f64| if pixel > 0.0 { y.start + ((level - y.start) / pixel).round() * pixel } else { level };
    remove_level_points(&points.iter().map(|(x, level)| (*x, snap_level(*level))).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_interval_keeps_only_its_end_points() {
        let points = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 0.5), (4.0, 0.5)];
        assert_eq!(remove_level_points(&points), [(0.0, 1.0), (2.0, 1.0), (3.0, 0.5), (4.0, 0.5)]);
        assert!(remove_level_points(&[]).is_empty());
    }
}

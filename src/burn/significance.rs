//! Whether so many bad events can be chance: the one-sided binomial test behind a page.
//!
//! If every event were bad with the probability p of the tier's threshold, at least k of n would be bad with the chance
//! `I_p(k, n - k + 1)`, the regularised incomplete beta function (<https://dlmf.nist.gov/8.17#E5>). That the chance is
//! at most alpha is the same as that the lower Clopper-Pearson bound of k / n with confidence 1 - alpha is not below p.

use statrs::function::beta::checked_beta_reg;
use statrs::function::gamma::checked_gamma_ur;

use crate::counts::Sums;
use crate::rational::{Rational, to_f64};

/// Whether a chance is at most what it may be. A hair above is rounding: floating point knows a chance to about nine
/// digits.
pub fn is_significant(p_value: f64, max_p_value: f64) -> bool {
    p_value <= max_p_value * (1.0 + 1e-9)
}

/// The chance of at least as many bad events, if each is bad with the probability `share`. 1 without bad events, 0
/// where nothing may be bad.
#[expect(clippy::cast_precision_loss, reason = "2^53 events are more than any window has")]
pub fn p_value(sums: Sums, share: Rational) -> f64 {
    let share = to_f64(share);
    if sums.bad == 0 || share >= 1.0 {
        return 1.0;
    }
    if share <= 0.0 {
        return 0.0;
    }
    let (bad, good) = (sums.bad as f64, sums.total.saturating_sub(sums.bad) as f64);
    checked_beta_reg(bad, good + 1.0, share).unwrap_or(1.0)
}

/// The probability of at most so many events with this mean (Poisson): the regularised upper incomplete gamma function
/// `Q(events + 1, mean)` (<https://dlmf.nist.gov/8.11#E10>).
#[expect(clippy::cast_precision_loss, reason = "2^53 events are more than any window has")]
pub fn poisson_cdf(events: u64, mean: f64) -> f64 {
    if mean <= 0.0 { 1.0 } else { checked_gamma_ur(events as f64 + 1.0, mean).unwrap_or(1.0) }
}

//! Chance that can be repeated: a counter-based generator and the few distributions that traffic needs.
//!
//! Absent on purpose: the mathematical library of the platform. Its last digits differ between machines, and the same
//! seed must give the same bytes everywhere, so only sums, products and roots that IEEE 754 fixes exactly are used.

/// The golden-ratio step of splitmix64.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers: splitmix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
/// OOPSLA 2014; the constants of mix13 are David Stafford's).
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// The stream that belongs to these numbers and to no others.
    pub(super) fn from_seeds(numbers: &[u64]) -> Self {
        Self(numbers.iter().fold(GOLDEN_GAMMA, |state, number| mix(state ^ mix(number.wrapping_add(GOLDEN_GAMMA)))))
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// A whole number from 0 up to, not including, `end`; 0 if `end` is 0.
    pub(super) fn next_below(&mut self, end: u64) -> u64 {
        // The high half of a product is fair to within end / 2^64 (Lemire, "Fast Random Integer Generation", 2019).
        u64::try_from((u128::from(self.next_u64()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// Whether an event of this chance, in millionths, happens.
    pub(super) fn draw_ppm(&mut self, ppm: u32) -> bool {
        self.next_below(1_000_000) < u64::from(ppm)
    }

    pub(super) fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.next_below(choices.len() as u64);
        usize::try_from(index).ok().and_then(|index| choices.get(index))
    }

    /// Evenly from 0 up to, not including, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// Roughly normal with mean 0 and deviation 1: twelve even numbers of 16 bits, added up.
    #[expect(clippy::cast_precision_loss, reason = "twelve times 16 bits fit a double exactly")]
    fn normal(&mut self) -> f64 {
        let sum: u64 =
            (0..3).map(|_| self.next_u64()).map(|bits| (0..4).map(|n| (bits >> (16 * n)) & 0xFFFF).sum::<u64>()).sum();
        sum as f64 / 65_536.0 - 6.0
    }

    /// Log-normal: `median` is its middle, `spread` the deviation of its logarithm.
    pub(super) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        median * exp(spread * self.normal())
    }

    /// How many arrivals there are when `mean` are expected: Poisson by counting (Knuth), by its normal limit above 30.
    pub(super) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return floor(mean + mean.sqrt() * self.normal() + 0.5);
        }
        let threshold = exp(-mean);
        let mut product = self.uniform();
        let mut count = 0;
        while product > threshold {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// Spreads every bit over all bits.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// e^x by (1 + x/2^20)^(2^20): good to about five digits for the exponents of traffic (|x| below 40).
fn exp(exponent: f64) -> f64 {
    (0..20).fold(1.0 + exponent / 1_048_576.0, |power, _| power * power)
}

/// The whole part; 0 for what is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast to an integer cuts off and saturates"
)]
pub(super) const fn floor(number: f64) -> u64 {
    number as u64
}

pub(super) fn text_to_seed(text: &str) -> u64 {
    text.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(257).wrapping_add(byte.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_yields_published_splitmix64_values() {
        let mut chance = Rng(0);
        // The first outputs of splitmix64 from state 0.
        assert_eq!(chance.next_u64(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(chance.next_u64(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn neighbouring_seeds_give_different_streams() {
        let firsts: std::collections::BTreeSet<u64> =
            (0..40).flat_map(|a| (0..40).map(move |b| Rng::from_seeds(&[7, a, b]).next_u64())).collect();
        assert_eq!(firsts.len(), 1_600);
    }

    #[test]
    fn distributions_have_expected_means() {
        let mut chance = Rng::from_seeds(&[1]);
        for mean in [0.3, 8.0, 29.0, 120.0] {
            let sum: u64 = (0..20_000).map(|_| chance.poisson(mean)).sum();
            let found = f64::from(u32::try_from(sum).unwrap()) / 20_000.0;
            assert!((found / mean - 1.0).abs() < 0.03, "{found} for {mean}");
        }
        let above = (0..20_000).filter(|_| chance.log_normal(80.0, 0.5) > 80.0).count();
        assert!((9_700..10_300).contains(&above), "{above} of 20,000 above the median");
        assert!((exp(-29.0) / (-29.0_f64).exp() - 1.0).abs() < 0.001);
    }
}

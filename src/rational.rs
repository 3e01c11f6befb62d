//! Exact numbers of objectives and budgets: `99.9%` leaves a budget of 1/1000, not of `1.0 - 0.999`.
//!
//! Absent on purpose: floating point. Reports turn an `Exact` into `f64` when they print it, never before they
//! compare.

pub type Rational = num_rational::Ratio<i128>;

/// The most digits a number in a definition may have. It keeps every later product inside `i128`.
const DIGITS_MAX: usize = 12;

/// Reads a plain decimal number: digits, optionally a point and more digits. No sign, exponent, or separators.
///
/// Returns `None` for anything else, and for numbers of more than 12 digits.
pub fn parse_decimal(text: &str) -> Option<Rational> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.len() + fraction.len();
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits || digits > DIGITS_MAX || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(Rational::new(number, scale))
}

/// Reads a share written in percent, `99.9%`, as a number between 0 and 1 where it is one: 999/1000.
pub fn parse_percent(text: &str) -> Option<Rational> {
    Some(parse_decimal(text.strip_suffix('%')?.trim_end())? / Rational::from_integer(100))
}

#[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
pub fn to_f64(number: Rational) -> f64 {
    *number.numer() as f64 / *number.denom() as f64
}

/// `numerator / denominator` as [`to_f64`] gives it for printing, and a good deal faster for numbers of ordinary size.
pub fn quotient(numerator: i128, denominator: i128) -> f64 {
    match (u64::try_from(numerator), u64::try_from(denominator)) {
        #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
        (Ok(numerator), Ok(denominator)) if denominator > 0 => {
            let reduced = num_rational::Ratio::new(numerator, denominator);
            *reduced.numer() as f64 / *reduced.denom() as f64
        }
        _ => to_f64(Rational::new(numerator, denominator)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotient_equals_f64_of_exact_rational() {
        let numbers =
            [0, 1, 2, 3, 7, 12, 1_000, 99_991, 1 << 40, (1 << 53) + 1, i128::from(u64::MAX), i128::from(u64::MAX) + 2];
        for numerator in numbers {
            for denominator in &numbers[1..] {
                let exact = to_f64(Rational::new(numerator, *denominator));
                assert!(quotient(numerator, *denominator).to_bits() == exact.to_bits(), "{numerator}/{denominator}");
            }
        }
    }

    #[test]
    fn percentage_parses_exactly() {
        assert_eq!(parse_percent("99.9%"), Some(Rational::new(999, 1000)));
        assert_eq!(parse_percent("99.95 %"), Some(Rational::new(9995, 10_000)));
        assert_eq!(parse_percent("100%"), Some(Rational::from_integer(1)));
        assert_eq!(Rational::from_integer(1) - parse_percent("99.9%").unwrap(), Rational::new(1, 1000));
    }

    #[test]
    fn malformed_percentage_is_rejected() {
        for text in ["99.9", "%", ".5%", "1.%", "-1%", "1e3%", "99,9%", "99.9999999999999%", "½%", "+1%"] {
            assert_eq!(parse_percent(text), None, "{text}");
        }
    }
}

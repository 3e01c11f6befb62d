//! Numbers as people picture them: `1 in 4`, `all`, `300 ms`.

use crate::cost::grouped;
use crate::counts::Sums;

/// `1 in 4`, `all`, `3 in 1,000`: what people can picture.
pub(super) fn ratio(sums: Sums) -> String {
    if sums.total == 0 || sums.bad == 0 {
        return "no".to_owned();
    }
    if sums.bad == sums.total {
        return "all".to_owned();
    }
    let times = sums.total.div_ceil(sums.bad);
    if times >= 2 && sums.total >= sums.bad * 2 {
        format!("1 in {}", grouped((sums.total + sums.bad / 2) / sums.bad))
    } else {
        format!("{} in 10", (sums.bad * 10 + sums.total / 2) / sums.total)
    }
}

/// How many may fail; of few it matters whether it is a whole one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a printed number, and never negative")]
pub(super) fn few(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { grouped(number as u64) }
}

/// As short as it can be exactly: `300 ms`, `2 s`.
pub(super) fn time_text(microseconds: u64) -> String {
    match microseconds {
        us if us % 1_000_000 == 0 => format!("{} s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{} ms", us / 1_000),
        us => format!("{us} us"),
    }
}

//! What queries scan and cost, and what they will: a query scans whole days of its table, however little of them is
//! asked for.

use std::fmt;

use super::count_query::day_folder_range;
pub(super) use crate::cost::{ATHENA_MEGABYTE as MEGABYTE, ATHENA_QUERY_BYTES_MIN as QUERY_BYTES_MIN};
use crate::cost::{NanoDollars, Usage, athena_billed_bytes};
use crate::time::{MINUTES_PER_DAY, Minute, Span};

const TERABYTE: u64 = 1_000_000 * MEGABYTE;

/// An amount of data, shown with its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(TERABYTE, "TB"), (1_000 * MEGABYTE, "GB"), (MEGABYTE, "MB"), (1_000, "kB")];
        match units.iter().find(|(size, _)| self.0 >= *size) {
            // Rounded up: a cap of what is shown has room for it.
            Some((size, unit)) => {
                let tenths = self.0.saturating_mul(10).div_ceil(*size);
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl Bytes {
    /// What a query that scanned so much is paid for.
    #[must_use]
    pub fn billed(self) -> Self {
        Self(athena_billed_bytes(self.0))
    }

    /// What an amount of money pays for by list price: whole megabytes.
    #[must_use]
    pub fn affordable_with(money: NanoDollars) -> Self {
        let megabyte = Self(MEGABYTE).price().0.max(1);
        Self((money.0 / megabyte).saturating_mul(MEGABYTE))
    }

    /// Its list price.
    #[must_use]
    pub fn price(self) -> NanoDollars {
        Usage { athena_bytes: self.0, ..Usage::default() }.price()
    }
}

/// Minutes of logs that are in the folders which a query over a span reads: those of the future are empty.
#[must_use]
pub(super) fn folder_minutes(span: Span, now: Minute) -> u64 {
    let (first, last) = day_folder_range(span);
    u64::from(Span::new(first.start(), last.plus(1).start().min(now)).minutes())
}

/// Bytes of a day, out of what a query over a span scanned. `None` if it read too little of a day to tell.
#[must_use]
pub(super) fn day_bytes(scanned: u64, span: Span, now: Minute) -> Option<u64> {
    let minutes = folder_minutes(span, now);
    let day = u64::from(MINUTES_PER_DAY.unsigned_abs());
    (minutes >= day / 4).then(|| scanned.saturating_mul(day).div_ceil(minutes.max(1)))
}

/// What queries over some spans will be paid for, by the bytes of a day and how many queries a span needs.
#[must_use]
pub(super) fn expected_bytes(spans: impl IntoIterator<Item = (Span, u64)>, day_bytes: u64, now: Minute) -> Bytes {
    let day = u64::from(MINUTES_PER_DAY.unsigned_abs());
    let query_bytes = |(span, queries): (Span, u64)| {
        let scanned = u128::from(day_bytes) * u128::from(folder_minutes(span, now)) / u128::from(day);
        Bytes(u64::try_from(scanned).unwrap_or(u64::MAX)).billed().0.saturating_mul(queries)
    };
    Bytes(spans.into_iter().map(query_bytes).fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_a_unit_and_a_price() {
        let shown = |bytes: u64| format!("{} {}", Bytes(bytes), Bytes(bytes).price());
        assert_eq!(shown(999), "999 bytes < $0.00001");
        assert_eq!(shown(10_000_000), "10.0 MB $0.00005");
        assert_eq!(shown(100_000_000_001), "100.1 GB $0.500");
        assert_eq!(shown(2_500_000_000_000), "2.5 TB $12.50");
        assert_eq!([0, 10_000_001].map(|bytes| Bytes(bytes).billed().0), [10_000_000, 11_000_000]);
    }

    #[test]
    fn scan_estimate_covers_whole_day_folders_up_to_now() {
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let now = at("2026-10-31T12:00Z");
        let hour = Span::new(at("2026-10-31T11:00Z"), now);
        let past = Span::new(at("2026-10-01T11:00Z"), at("2026-10-03T11:00Z"));
        assert_eq!([hour, past].map(|span| folder_minutes(span, now)), [720, 4 * 1_440]);
        assert_eq!(day_bytes(1_000, hour, now), Some(2_000));
        assert_eq!(day_bytes(1_000, hour, at("2026-10-31T00:30Z")), None);
        assert_eq!(expected_bytes([(hour, 1), (past, 2)], 1_000_000_000, now), Bytes(500_000_000 + 8_000_000_000));
        assert_eq!(expected_bytes([(past, 1)], 0, now), Bytes(10_000_000));
    }
}

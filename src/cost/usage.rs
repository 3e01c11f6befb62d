//! AWS usage and its list price.
//!
//! Prices are those of most regions in US dollars, without free tiers, discounts and data transfer:
//! <https://aws.amazon.com/s3/pricing/>, <https://aws.amazon.com/cloudwatch/pricing/>,
//! <https://aws.amazon.com/athena/pricing/>.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::format::with_thousands_separators;

/// GET and HEAD of an object: $0.0004 for 1,000.
const S3_READ_PRICE: u64 = 400;
/// PUT and LIST: $0.005 for 1,000. DELETE is free.
const S3_WRITE_PRICE: u64 = 5_000;
/// A metric of `GetMetricData`: $0.01 for 1,000; it has no free tier.
const CLOUDWATCH_METRIC_PRICE: u64 = 10_000;
/// Data that Athena scans: $5 for 1 TB, here 10^12 bytes.
const ATHENA_MEGABYTE_PRICE: u64 = 5_000;

/// Athena bills whole megabytes, and at least ten of them per query (<https://aws.amazon.com/athena/pricing/>).
pub const ATHENA_MEGABYTE: u64 = 1_000_000;
pub const ATHENA_QUERY_BYTES_MIN: u64 = 10 * ATHENA_MEGABYTE;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_000_000 * ATHENA_MEGABYTE, "TB"),
            (1_000 * ATHENA_MEGABYTE, "GB"),
            (ATHENA_MEGABYTE, "MB"),
            (1_000, "kB"),
        ];
        match units.iter().find(|(size, _)| self.0 >= *size) {
            // Rounded up, so that a limit of the number shown suffices.
            Some((size, unit)) => {
                let tenths = self.0.saturating_mul(10).div_ceil(*size);
                write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl Bytes {
    /// What a query that scanned so much is billed for.
    pub fn billed(self) -> Self {
        Self(self.0.div_ceil(ATHENA_MEGABYTE).saturating_mul(ATHENA_MEGABYTE).max(ATHENA_QUERY_BYTES_MIN))
    }

    /// The whole megabytes that an amount of money pays for by list price.
    pub fn affordable_with(money: NanoDollars) -> Self {
        let megabyte = Self(ATHENA_MEGABYTE).price().0.max(1);
        Self((money.0 / megabyte).saturating_mul(ATHENA_MEGABYTE))
    }

    pub fn price(self) -> NanoDollars {
        Usage { athena_bytes: self.0, ..Usage::default() }.price()
    }
}

/// An amount of money in billionths of a dollar, so that sums are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NanoDollars(pub u64);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// GET and HEAD requests to S3.
    pub s3_reads: u64,
    /// PUT and LIST requests to S3.
    pub s3_writes: u64,
    pub metrics: u64,
    /// Bytes that Athena bills.
    pub athena_bytes: u64,
}

impl Usage {
    pub fn from_request_counts(request_counts: &BTreeMap<(String, String), u64>) -> Self {
        let mut usage = Self::default();
        for ((service, operation), count) in request_counts {
            match (service.as_str(), operation.as_str()) {
                ("S3", "GetObject" | "HeadObject") => usage.s3_reads += count,
                ("S3", "PutObject" | "ListObjectsV2") => usage.s3_writes += count,
                ("CloudWatch", "metrics") => usage.metrics += count,
                ("Athena", "bytes") => usage.athena_bytes += count,
                _ => {}
            }
        }
        usage
    }

    pub const fn add(&mut self, other: &Self) {
        self.s3_reads += other.s3_reads;
        self.s3_writes += other.s3_writes;
        self.metrics += other.metrics;
        self.athena_bytes += other.athena_bytes;
    }

    pub const fn price(&self) -> NanoDollars {
        let scanned = self.athena_bytes.div_ceil(ATHENA_MEGABYTE);
        NanoDollars(
            self.s3_reads * S3_READ_PRICE
                + self.s3_writes * S3_WRITE_PRICE
                + self.metrics * CLOUDWATCH_METRIC_PRICE
                + scanned * ATHENA_MEGABYTE_PRICE,
        )
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count_text = |number: u64, one: &str, many: &str| {
            (number > 0)
                .then(|| format!("{} {}", with_thousands_separators(number), if number == 1 { one } else { many }))
        };
        let parts = [
            count_text(self.metrics, "CloudWatch metric", "CloudWatch metrics"),
            count_text(self.athena_bytes.div_ceil(ATHENA_MEGABYTE), "MB scanned by Athena", "MB scanned by Athena"),
            count_text(self.s3_reads, "S3 read", "S3 reads"),
            count_text(self.s3_writes, "S3 write or list", "S3 writes and lists"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("no billed requests") } else { f.write_str(&parts.join(", ")) }
    }
}

/// Cents, or more digits of small amounts.
impl fmt::Display for NanoDollars {
    #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.0 as f64 / 1e9;
        match self.0 {
            0 => f.write_str("$0"),
            1..10_000 => f.write_str("< $0.00001"),
            10_000..10_000_000 => write!(f, "${dollars:.5}"),
            10_000_000..1_000_000_000 => write!(f, "${dollars:.3}"),
            _ => write!(f, "${dollars:.2}"),
        }
    }
}

impl std::str::FromStr for NanoDollars {
    type Err = String;

    /// Parses `1.50` or `$1.50`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim_start_matches('$').starts_with('-') {
            return Err("must not be negative".to_owned());
        }
        let invalid = || "must be an amount in US dollars, such as `1.50`".to_owned();
        let digits = text.strip_prefix('$').unwrap_or(text);
        let amount = crate::rational::parse_decimal(digits).ok_or_else(invalid)?;
        let nanos = (amount * crate::rational::Rational::from_integer(1_000_000_000)).to_integer();
        u64::try_from(nanos).map(Self).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_match_the_aws_price_list() {
        let price = |usage: Usage| usage.price().to_string();
        let none = Usage::default();
        // The example of the price list: 561 services with seven metrics, every five minutes for a month.
        assert_eq!(price(Usage { metrics: 561 * 7 * 288 * 30, ..none }), "$339.29");
        assert_eq!(price(Usage { metrics: 3_927, ..none }), "$0.039");
        assert_eq!(price(Usage { athena_bytes: 1_000_000_000_000, ..none }), "$5.00");
        assert_eq!(price(Usage { s3_reads: 1_000_000, s3_writes: 1_000_000, ..none }), "$5.40");
        assert_eq!(price(Usage { s3_reads: 30, s3_writes: 2, ..none }), "$0.00002");
        assert_eq!(price(none), "$0");
    }

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
    fn dollar_amounts_are_parsed_with_and_without_a_sign() {
        assert_eq!("1.50".parse(), Ok(NanoDollars(1_500_000_000)));
        assert_eq!("$0.0394".parse(), Ok(NanoDollars(39_400_000)));
        for text in ["", "-1", "1,50", "five", "$"] {
            assert!(text.parse::<NanoDollars>().is_err(), "{text}");
        }
    }

    #[test]
    fn usage_is_formatted_with_units() {
        let usage = Usage { metrics: 3_927, s3_reads: 1_200_000, s3_writes: 3, athena_bytes: 0 };
        assert_eq!(usage.to_string(), "3,927 CloudWatch metrics, 1,200,000 S3 reads, 3 S3 writes and lists");
        assert_eq!(Usage::default().to_string(), "no billed requests");
    }
}

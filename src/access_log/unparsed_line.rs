//! Why a line of a log was not counted, and what it is instead of a request.
//!
//! Sources: the access-log, connection-log and health-check-log pages of the three ELB user guides.

use std::fmt;

use crate::access_log::fields::Fields;
use crate::access_log::timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnparsedLine {
    /// Its number among the lines that are not empty, from 1.
    pub number: u64,
    /// Its start.
    pub text: String,
    pub kind: LineKind,
    pub error: LineError,
}

impl UnparsedLine {
    pub fn new(number: u64, line: &[u8], error: LineError) -> Self {
        /// Bytes shown of the line.
        const TEXT_BYTES_MAX: usize = 200;
        let start = line.get(..TEXT_BYTES_MAX).unwrap_or(line);
        Self { number, text: String::from_utf8_lossy(start).into_owned(), kind: detect_line_kind(line), error }
    }
}

/// Why a line is not counted: which field, by AWS's name, and the start of what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line ends before this field, or inside it because its quote is never closed.
    #[error("the line ends before or inside field `{field}`")]
    Missing { field: &'static str },
    #[error("invalid field `{field}`: `{value}`")]
    Invalid { field: &'static str, value: Box<str> },
    /// The field is valid, and differs from the object's name.
    #[error("field `{field}` does not match the file name: `{value}`")]
    Mismatch { field: &'static str, value: Box<str> },
    #[error("the line is longer than {bytes_max} bytes")]
    TooLong { bytes_max: usize },
}

/// The most bytes of a value that an error quotes.
const VALUE_BYTES_MAX: usize = 60;

impl LineError {
    pub(super) fn invalid(field: &'static str, value: &[u8]) -> Self {
        Self::Invalid { field, value: excerpt(value) }
    }

    pub fn mismatch(field: &'static str, value: &[u8]) -> Self {
        Self::Mismatch { field, value: excerpt(value) }
    }
}

fn excerpt(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value.get(..VALUE_BYTES_MAX).unwrap_or(value)).into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKind {
    /// Whole or cut short.
    Alb,
    Classic,
    NlbTls,
    /// A client connection at an Application Load Balancer.
    Connection,
    HealthCheck,
    /// The line that AWS writes to test a bucket.
    TestFile,
    /// A record of the newer, configurable delivery through CloudWatch, as JSON.
    VendedJson,
    /// A header of that delivery in W3C form.
    VendedW3c,
    Blank,
    Unknown,
}

impl fmt::Display for LineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alb => "an Application Load Balancer line",
            Self::Classic => "a Classic Load Balancer line",
            Self::NlbTls => "a Network Load Balancer line",
            Self::Connection => "a connection log line",
            Self::HealthCheck => "a health check log line",
            Self::TestFile => "the text of an ELB test file",
            Self::VendedJson => "a JSON record",
            Self::VendedW3c => "a W3C header",
            Self::Blank => "a blank line",
            Self::Unknown => "not a load balancer log line",
        })
    }
}

pub fn detect_line_kind(line: &[u8]) -> LineKind {
    match line.trim_ascii() {
        b"" => return LineKind::Blank,
        text if text.starts_with(b"Enable AccessLog for ELB") => return LineKind::TestFile,
        text if text.starts_with(b"{") => return LineKind::VendedJson,
        text if text.starts_with(b"#") => return LineKind::VendedW3c,
        _ => {}
    }
    let mut fields = Fields::new(line);
    let mut next = || fields.next_unquoted().unwrap_or_default();
    let (first, second, third, fourth) = (next(), next(), next(), next());
    if first == b"tls" && is_duration(second) {
        return LineKind::NlbTls;
    }
    if timestamp::parse_minute(first).is_some() {
        // A Classic line goes on with balancer, client:port; a connection line with address, port, port.
        return match (second, third) {
            (b"", _) | (_, b"") => LineKind::Unknown,
            _ if is_digits(third) && is_digits(fourth) => LineKind::Connection,
            _ => LineKind::Classic,
        };
    }
    if !first.is_empty() && first.iter().all(u8::is_ascii_alphanumeric) && timestamp::parse_minute(second).is_some() {
        // A health check has its latency where a request has its balancer, whose name may be a number, but in no
        // vintage one with a point.
        return if third.contains(&b'.') && is_duration(third) { LineKind::HealthCheck } else { LineKind::Alb };
    }
    LineKind::Unknown
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn is_duration(text: &[u8]) -> bool {
    matches!(timestamp::parse_duration_us(text), Ok(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_kind_is_detected() {
        let check = |line: &str, kind| assert_eq!(detect_line_kind(line.as_bytes()), kind, "{line}");
        let request = "198.51.100.7:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 \"GET http://h:80/ HTTP/1.1\"";
        check(&format!("http 2026-10-31T23:50:00.186641Z app/shop/0a {request} \"-\" - -"), LineKind::Alb);
        check("https 2026-10-31T23:50:00.186641Z app/sh", LineKind::Alb);
        check("quic3 2026-10-31T23:50:00.186641Z app/shop/0a", LineKind::Alb);
        check(&format!("2026-10-31T23:50:00.186641Z shop {request}"), LineKind::Classic);
        check("tls 2.0 2026-10-31T23:50:00 net/shop/0a 0b 198.51.100.7:51341 10.0.0.1:443 5 2", LineKind::NlbTls);
        check(
            "2026-10-31T23:50:00.186641Z 198.51.100.7 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 \"-\" - - -",
            LineKind::Connection,
        );
        check("http 2026-10-31T23:50:00.186641Z 0.019333 10.0.0.1:80 shop PASS 200 -", LineKind::HealthCheck);
        check("Enable AccessLog for ELB: shop at 2026-10-31T23:50:00.186Z", LineKind::TestFile);
        check("{\"type\":\"http\"}", LineKind::VendedJson);
        check("#Version: 1.0", LineKind::VendedW3c);
        check("  ", LineKind::Blank);
        for unknown in ["a", "hello world", "2026-10-31T23:50:00.186641Z", "\"", "http 2026 x", "\u{fffd}\0"] {
            check(unknown, LineKind::Unknown);
        }
    }
}

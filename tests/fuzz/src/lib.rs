//! The pure modules of slowburn that read text from outside, compiled by themselves: a fuzzer instruments all that it
//! builds, and Polars, which these modules do not need, would take a quarter of an hour.
#![allow(dead_code, reason = "other modules use the rest")]

#[path = "../../../src/access_log/mod.rs"]
pub mod access_log;
pub mod burn;
#[path = "../../../src/counts.rs"]
pub mod counts;
#[path = "../../../src/hinted_error.rs"]
pub mod hinted_error;
#[path = "../../../src/location.rs"]
pub mod location;
#[path = "../../../src/rational.rs"]
pub mod rational;
pub mod report;
#[path = "../../../src/serialization.rs"]
mod serialization;
#[path = "../../../src/series.rs"]
pub mod series;
#[path = "../../../src/slo/mod.rs"]
pub mod slo;
#[path = "../../../src/text.rs"]
pub mod text;
#[path = "../../../src/time.rs"]
pub mod time;

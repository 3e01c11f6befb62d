//! The pure rooms of slowburn that read what others wrote, compiled by themselves: a fuzzer instruments all that it builds,
//! and with Polars, which no such room needs, that would take a quarter of an hour.
#![allow(dead_code, reason = "other rooms use the rest")]

#[path = "../../../src/access_log/mod.rs"]
pub mod access_log;
pub mod burn;
#[path = "../../../src/counts.rs"]
pub mod counts;
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

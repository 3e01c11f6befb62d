//! Sources of counts.

pub mod access_logs;
pub mod athena;
pub mod cloudwatch;
pub mod counts_file;
pub mod definitions;
pub mod discovery;

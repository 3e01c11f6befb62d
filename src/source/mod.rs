//! Sources of counts. Each implements `CountSource`.

pub mod access_logs;
pub mod athena;
pub mod cloudwatch;
mod count_source;
pub mod counts_file;
pub mod definitions;
pub mod discovery;

#[cfg(test)]
pub use count_source::pack_counts;
pub use count_source::{
    AnsweredRange, CountSource, FetchContext, Fetched, FetchedObjects, PackedCounts, RangeFetch, SourceSummary,
};

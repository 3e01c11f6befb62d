//! AWS usage and its list price, and the usage to be expected.

mod estimate;
mod usage;

pub use estimate::{CostAssumptions, CostEstimate, CostLine, estimate};
pub use usage::{ATHENA_MEGABYTE, ATHENA_QUERY_BYTES_MIN, Bytes, NanoDollars, Usage};

//! The AWS resources that the names and tags of definitions select: their IDs, and when they existed.
//!
//! An ID changes when a load balancer or target group is recreated. Logs and tables hold the name beside the ID, so
//! only tags have to be looked up for them; metrics are by ID.
//!
//! A resource that was ever found stays known with its lifetime, so that a recreated load balancer continues the
//! series: each ID counts for its own lifetime, and at the change-over none is left out.

mod requests;
mod resolution;
mod resource;

pub use requests::{Unresolved, affected_series, due_requests, is_needed, unresolved};
pub use resolution::{Discovery, ResolvedTraffic};
pub use resource::{DiscoveryRequest, Inventory, Selector};

#[cfg(test)]
pub use {
    resolution::{Lifetime, Resolution, ScopedSelector},
    resource::ResourceId,
};

#[cfg(test)]
mod tests;

//! What is told to whom, and when: incidents, the book that remembers them, and the outbox that delivers.
//!
//! **Invariant:** the same minutes give the same incidents, however often slowburn runs.

mod message;

pub use message::{Link, Message, Phase};

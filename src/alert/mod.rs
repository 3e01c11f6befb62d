//! What is told to whom, and when: incidents, the book that remembers them, and the outbox that delivers.
//!
//! What minutes say ([`Beat`]) moves the [`Course`] of an SLO; [`advance`] takes whole rounds of them into the
//! [`AlertBook`]; [`decide`] says who has to be told what; and the outbox holds it until it is confirmed.
//!
//! **Invariant:** the same minutes give the same incidents, however often slowburn runs.

mod advance;
mod book;
mod course;
mod decide;
mod hear;
mod incident;
mod message;
mod outbox;
mod shared;

pub use advance::{Due, Faulty, Heard, Newest, Rewritten, Round, advance, due, resolve_after, seen_span};
pub use book::{AlertBook, Earlier, Watch};
pub use course::{Beat, Course, SILENCE_MINUTES, calm_minutes};
pub use decide::{Routes, Telling, decide};
pub use hear::{Audience, Later};
pub use incident::{Incident, IncidentKey, Owner, Place, Sent, Subject, Why};
pub use message::{Link, Message, Phase};
pub use outbox::{CLAIM_MINUTES, Entry, Fate, Tried};

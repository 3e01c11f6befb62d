//! Reads requests out of the lines of ELB access logs and counts them, and parses the keys of log objects.
//!
//! `lines` cuts bytes into lines, `request_reader` reads requests from them with `alb` or `classic`, and
//! `router` says which series each is an event of and whether it is good or bad.
//!
//! **Invariant:** no bytes make anything here panic, and whether a line parses does not depend on what is asked of it.
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

pub mod alb;
pub mod classic;
pub mod contributors;
pub mod fast_path;
pub mod fields;
pub mod lines;
pub mod newlines;
pub mod object_counts;
pub mod object_key;
pub mod path_template;
pub mod request_reader;
pub mod router;
pub(crate) mod simd;
pub mod target_group;
pub mod timestamp;
pub mod unparsed_line;
pub mod wildcard;

//! One line of an ELB access log becomes a request, and an object key tells what the object holds.
//!
//! The way of a line: [`recognise`] names what it is, [`alb`] reads the fields that are wanted, [`route`] finds the
//! series it belongs to, [`judge`] says what it is to each: good, bad, or no event.
//!
//! **Invariant:** no bytes make anything here panic, and whether a line parses does not depend on what is asked of it.

pub mod alb;
pub mod classic;
pub mod classify;
pub mod contributors;
pub mod fast_path;
mod field_offsets;
pub mod fields;
pub mod line_kind;
pub mod newlines;
pub mod object_key;
pub mod path_template;
pub mod request_line;
pub mod router;
mod simd;
pub mod target_group;
pub mod timestamp;
pub mod wildcard;

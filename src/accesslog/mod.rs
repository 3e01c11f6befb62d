//! One line of an ELB access log becomes a request, and an object key tells what the object holds.
//!
//! The way of a line: [`recognise`] names what it is, [`alb`] reads the fields that are wanted, [`route`] finds the
//! series it belongs to, [`judge`] says what it is to each: good, bad, or no event.
//!
//! **Invariant:** no bytes make anything here panic, and whether a line parses does not depend on what is asked of it.

pub mod alb;
mod blocks;
pub mod classic;
pub mod contributors;
pub mod ends;
pub mod fields;
pub mod group;
pub mod judge;
pub mod key;
pub mod pattern;
mod places;
pub mod recognise;
pub mod request_line;
pub mod route;
pub mod template;
pub mod time;
pub mod usual;

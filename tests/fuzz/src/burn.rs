//! The significance test, which the contributors of errors need; the other burn-rate maths reads no text.

#[path = "../../../src/burn/significance.rs"]
mod significance;

pub(crate) use significance::p_value;

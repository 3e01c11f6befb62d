//! How likely so many bad events are by chance, which tells who stands out; other arithmetic is not about what others wrote.

#[path = "../../../src/burn/significance.rs"]
mod significance;

pub(crate) use significance::p_value;

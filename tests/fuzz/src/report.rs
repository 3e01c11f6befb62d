//! Problems in words, which hostile definitions must not break either; other reports are not about what others wrote.

#[path = "../../../src/report/problems.rs"]
pub mod problems;

//! Words from data.

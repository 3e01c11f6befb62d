//! The straight line as one function.

//! Deterministic access logs to try things on.

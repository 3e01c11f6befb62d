//! Numbers against promises.

//! Access logs below a directory.

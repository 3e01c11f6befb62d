//! All known minutes of all series.

//! The points at which a test may kill the process: before and after each write.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts write points, and halts for good at the one that a test asked for (from 1, in debug builds).
#[derive(Clone, Debug, Default)]
pub struct WritePoints {
    stop_at: Option<u64>,
    passed: Arc<AtomicU64>,
}

impl WritePoints {
    /// Halts at this point; never for `None`.
    #[must_use]
    pub fn stop_at(stop_at: Option<u64>) -> Self {
        Self { stop_at, passed: Arc::default() }
    }

    /// One more point.
    pub fn pass(&self) {
        let point = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        if cfg!(debug_assertions) && self.stop_at == Some(point) {
            writeln!(std::io::stderr(), "stopped at write point {point}").ok();
            loop {
                std::thread::park();
            }
        }
    }
}

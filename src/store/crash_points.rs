//! The points at which a test may kill the process: before and after each write.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts write points, and halts for good at the one that a test asked for (from 1, in debug builds).
#[derive(Clone, Debug, Default)]
pub struct CrashPoints {
    halt_at: Option<u64>,
    reached: Arc<AtomicU64>,
}

impl CrashPoints {
    /// Halts at this point; never for `None`.
    #[must_use]
    pub fn halting_at(halt_at: Option<u64>) -> Self {
        Self { halt_at, reached: Arc::default() }
    }

    /// One more point.
    pub fn reach(&self) {
        let point = self.reached.fetch_add(1, Ordering::Relaxed) + 1;
        if cfg!(debug_assertions) && self.halt_at == Some(point) {
            writeln!(std::io::stderr(), "stopped at write point {point}").ok();
            loop {
                std::thread::park();
            }
        }
    }
}

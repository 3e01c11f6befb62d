//! The minutes of a ledger as CSV: what was counted, before any promise is held against it.

use crate::ledger::{Ledger, NotLoaded};
use crate::slo::Slo;
use crate::time::{Minute, Span};

/// The first line of the file. Unknown minutes have no line; a minute without traffic has zeros.
pub const HEADER: &str = "slo,minute,total,bad\n";

/// The lines of a span within one day.
///
/// # Errors
/// When the day is kept in the ledger but was not loaded.
pub fn csv(slos: &[&Slo], ledger: &Ledger, span: Span) -> Result<String, NotLoaded> {
    let mut text = String::new();
    for slo in slos {
        let Some(day) = ledger.day_columns(&slo.indicator.series(), span.start.day())? else { continue };
        for minute in (span.start.0..span.end.0).map(Minute) {
            let index = minute.minute_of_day();
            if day.known.get(index) == Some(&1) {
                // An id has no comma or quote: definitions allow neither in names.
                text.push_str(&format!("{},{minute},{},{}\n", slo.id, day.total[index], day.bad[index]));
            }
        }
    }
    Ok(text)
}

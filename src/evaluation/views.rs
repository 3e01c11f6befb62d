//! An SLO's views of the ledger, and their sums as input of an evaluation.

use std::cell::RefCell;
use std::sync::Arc;

use super::CountsView;
use crate::counts::Sums;
use crate::ledger::{Ledger, NotLoaded, View, ViewSums};
use crate::slo::Slo;
use crate::time::Span;

#[derive(Debug)]
pub struct SloViews {
    /// What consumes the error budget.
    pub corrected: Arc<View>,
    /// The same without corrections.
    pub raw: Arc<View>,
    /// Single events, without excluded minutes.
    pub events: Arc<View>,
}

impl SloViews {
    pub fn new(slo: &Slo, excluded: Vec<Span>) -> Self {
        let series = slo.indicator.series();
        let view = |timeslices, excluded| Arc::new(View { series: series.clone(), timeslices, excluded });
        Self {
            raw: view(slo.timeslices.clone(), Vec::new()),
            events: view(None, excluded.clone()),
            corrected: view(slo.timeslices.clone(), excluded),
        }
    }

    /// Computes with sums from a ledger. They are read in many places: a missing partition is reported at the end.
    pub fn with_counts<T>(&self, ledger: &Ledger, compute: impl FnOnce(&CountsView<'_>) -> T) -> Result<T, NotLoaded> {
        let missing = RefCell::new(None);
        let sums_or_missing = |view: &ViewSums<'_>, span: Span| {
            view.sum_span(span).unwrap_or_else(|partitions| {
                missing.replace(Some(partitions));
                Sums::default()
            })
        };
        let [corrected, events] = [&self.corrected, &self.events].map(|view| ViewSums::new(ledger, view));
        let result = compute(&CountsView {
            budget_counts: &|span| sums_or_missing(&corrected, span),
            event_counts: &|span| sums_or_missing(&events, span),
            excluded: &self.corrected.excluded,
        });
        missing.into_inner().map_or(Ok(result), Err)
    }
}

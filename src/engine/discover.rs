//! The stretch of the line before all questions: names and tags of definitions are looked up where sources know ids
//! only.

use std::collections::BTreeMap;

use super::{EngineError, RunOptions};
use crate::aws::Aws;
use crate::discovery::{self, Discovery};
use crate::fetch_plan::invalidate;
use crate::outcome::Diagnostics;
use crate::source;
use crate::store::LedgerStore;

/// Looks up what is due, and keeps it. Where AWS refuses, what was found before goes on.
pub(super) async fn discover(
    options: &RunOptions<'_>,
    store: &mut LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<Discovery, EngineError> {
    if !discovery::is_needed(options.catalog) {
        return Ok(Discovery::default());
    }
    let (previous, version) = store.discovery().await?;
    let mut discovery = previous.clone();
    for request in discovery::due_requests(options.catalog, &discovery, options.now) {
        let aws = Aws::shared().await.for_scope(&request.scope).await;
        let (inventory, errors) = source::discovery::fetch_inventory(&aws, &request).await;
        diagnostics.add_discovery_errors(&request, &discovery, &errors);
        let additions = discovery.update(&request, &inventory, options.now);
        if additions.is_empty() {
            continue;
        }
        // Before the discovery is kept: whoever comes after a crash finds the same anew.
        let mut fetched = store.fetched_ranges().await?;
        let series: BTreeMap<_, _> = discovery::affected_series(options.catalog, &request, &additions);
        for (series, from) in &series {
            invalidate(&mut fetched, series, *from);
        }
        store.save_fetched_ranges(&fetched).await?;
    }
    if discovery != previous {
        store.save_discovery(&discovery, version.as_ref()).await?;
    }
    diagnostics.add_unresolved(&discovery::unresolved(options.catalog, &discovery));
    Ok(discovery)
}

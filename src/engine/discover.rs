//! Discovery before anything is planned: names and tags of definitions are resolved where sources know IDs only.

use super::{EngineError, RunOptions};
use crate::aws::Aws;
use crate::discovery::{self, Discovery};
use crate::fetch_plan::invalidate;
use crate::source::discovery::{discovery_errors, fetch_inventory, unresolved_selectors};
use crate::store::LedgerStore;

/// Fetches and stores what is due. Where AWS refuses, earlier results remain. Returns the warnings too.
pub(super) async fn discover(
    options: &RunOptions<'_>,
    store: &mut LedgerStore,
) -> Result<(Discovery, Vec<String>), EngineError> {
    if !discovery::is_needed(options.context.catalog) {
        return Ok((Discovery::default(), Vec::new()));
    }
    let (previous, version) = store.discovery().await?;
    let (mut discovery, mut warnings) = (previous.clone(), Vec::new());
    for request in discovery::due_requests(options.context.catalog, &discovery, options.context.now) {
        let aws = Aws::shared().await.for_scope(&request.scope).await;
        let (inventory, errors) = fetch_inventory(&aws, &request).await;
        warnings.extend(discovery_errors(&request, &discovery, &errors));
        let additions = discovery.update(&request, &inventory, options.context.now);
        if additions.is_empty() {
            continue;
        }
        // Before the discovery is stored: a run after a crash finds the same again.
        let mut fetched = store.fetched_ranges().await?;
        for (series, from) in &discovery::affected_series(options.context.catalog, &request, &additions) {
            invalidate(&mut fetched, series, *from);
        }
        store.save_fetched_ranges(&fetched).await?;
    }
    if discovery != previous {
        store.save_discovery(&discovery, version.as_ref()).await?;
    }
    warnings.extend(unresolved_selectors(&discovery::unresolved(options.context.catalog, &discovery)));
    Ok((discovery, warnings))
}

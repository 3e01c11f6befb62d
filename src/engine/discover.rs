//! Discovery before anything is planned: names and tags of definitions are resolved where sources know IDs only.

use crate::aws::Aws;
use crate::discovery::{self, Discovery};
use crate::fetch_plan::invalidate;
use crate::queries::LedgerError;
use crate::source::FetchContext;
use crate::source::discovery::{discovery_errors, fetch_inventory, unresolved_selectors};
use crate::store::LedgerStore;

/// Fetches and stores what is due. Where AWS refuses, earlier results remain. Returns the warnings too.
pub(super) async fn discover(
    context: &FetchContext<'_>,
    store: &mut LedgerStore,
) -> Result<(Discovery, Vec<String>), LedgerError> {
    if !discovery::is_needed(context.catalog) {
        return Ok((Discovery::default(), Vec::new()));
    }
    let (previous, version) = store.discovery().await?;
    let (mut discovery, mut warnings) = (previous.clone(), Vec::new());
    for request in discovery::due_requests(context.catalog, &discovery, context.now) {
        let aws = Aws::shared().await.for_scope(&request.scope).await;
        let (inventory, errors) = fetch_inventory(&aws, &request).await;
        warnings.extend(discovery_errors(&request, &discovery, &errors));
        let additions = discovery.update(&request, &inventory, context.now);
        if additions.is_empty() {
            continue;
        }
        // Before the discovery is stored: a run after a crash finds the same again.
        let mut fetched = store.fetched_ranges().await?;
        for (series, from) in &discovery::affected_series(context.catalog, &request, &additions) {
            invalidate(&mut fetched, series, *from);
        }
        store.save_fetched_ranges(&fetched).await?;
    }
    if discovery != previous {
        store.save_discovery(&discovery, version.as_ref()).await?;
    }
    warnings.extend(unresolved_selectors(&discovery::unresolved(context.catalog, &discovery)));
    Ok((discovery, warnings))
}

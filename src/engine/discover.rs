//! The stretch of the line before all questions: names and tags of definitions are looked up where sources know ids
//! only.

use std::collections::BTreeMap;

use super::{EngineError, Job};
use crate::aws::Aws;
use crate::demand::forget;
use crate::discovery::{self, Discovery};
use crate::fetch;
use crate::outcome::Said;
use crate::store::LedgerStore;

/// Looks up what is due, and keeps it. Where AWS refuses, what was found before goes on.
pub(super) async fn discover(
    job: &Job<'_>,
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<Discovery, EngineError> {
    if !discovery::is_needed(job.catalog) {
        return Ok(Discovery::default());
    }
    let (before, version) = store.discovered().await?;
    let mut discovery = before.clone();
    for look_up in discovery::due(job.catalog, &discovery, job.now) {
        let aws = Aws::reach().await.of(&look_up.reach).await;
        let (seen, refused) = fetch::discovery::look(&aws, &look_up).await;
        said.unlisted(&look_up, &discovery, &refused);
        let grown = discovery.learn(&look_up, &seen, job.now);
        if grown.is_empty() {
            continue;
        }
        // Before the discovery is kept: whoever comes after a crash finds the same anew.
        let mut asked = store.asked().await?;
        let series: BTreeMap<_, _> = discovery::series_of(job.catalog, &look_up, &grown);
        for (series, from) in &series {
            forget(&mut asked, series, *from);
        }
        store.keep_asked(&asked).await?;
    }
    if discovery != before {
        store.keep_discovered(&discovery, version.as_ref()).await?;
    }
    said.lost(&discovery::lost(job.catalog, &discovery));
    Ok(discovery)
}

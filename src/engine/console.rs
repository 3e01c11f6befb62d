//! The past of every promise out of the ledger, a day at a time: memory holds the minutes of one day, and the sums that
//! pages show.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::EngineError;
use crate::ledger::NotLoaded;
use crate::minute::{Day, Minute, Span};
use crate::report::history::{Draft, History};
use crate::report::model::{REACH_MINUTES, judged_at};
use crate::slo::{Catalog, Excluded, SloId};
use crate::store::{LedgerStore, Needs};

/// Reads the past that the pages of a moment show.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn histories(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
) -> Result<BTreeMap<SloId, History>, EngineError> {
    let mut sums = store.load(&Needs::default()).await?;
    store.load_slices(&mut sums).await?;
    let excluded = Excluded::within(catalog, Span::before(at, REACH_MINUTES));
    let draft = |(service, slo)| Draft::of(service, slo, &excluded, judged_at(catalog, slo, at));
    let mut drafts: Vec<Draft> = catalog.slos().map(draft).collect();
    // Of days before the ledger begins nothing is known.
    let first = store.first_day();
    let days: BTreeSet<Day> = drafts.iter().flat_map(Draft::days).filter(|day| Some(*day) >= first).collect();
    for day in days {
        let take = |draft: &'_ mut Draft| draft.take_sums(&sums, day);
        let left: Vec<&mut Draft> =
            drafts.par_iter_mut().filter_map(|draft| if take(draft) { None } else { Some(draft) }).collect();
        if left.is_empty() {
            continue;
        }
        let minutes = store.load(&Needs::of_days([day], [])).await?;
        left.into_par_iter().map(|draft| draft.take_minutes(&minutes, day)).collect::<Result<(), NotLoaded>>()?;
    }
    Ok(drafts.into_iter().map(Draft::done).map(|history| (history.id.clone(), history)).collect())
}

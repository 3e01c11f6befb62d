//! The history of every SLO from the ledger, a day at a time: memory holds the minutes of one day, and the sums that
//! pages show.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::EngineError;
use crate::ledger::NotLoaded;
use crate::report::history::{History, HistoryBuilder};
use crate::slo::{Catalog, Exclusions, SloId};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Day, Minute};

/// Reads the past that the pages of a moment show.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn load_histories(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
) -> Result<BTreeMap<SloId, History>, EngineError> {
    let mut sums = store.load(&LoadRequest::default()).await?;
    store.load_timeslices(&mut sums).await?;
    let excluded = Exclusions::for_evaluation(catalog, at);
    let new_builder = |(service, slo)| HistoryBuilder::new(service, slo, &excluded, catalog.evaluation_time(slo, at));
    let mut builders: Vec<HistoryBuilder> = catalog.slos().map(new_builder).collect();
    // Of days before the ledger begins nothing is known.
    let first = store.first_day();
    let days: BTreeSet<Day> =
        builders.iter().flat_map(HistoryBuilder::days).filter(|day| Some(*day) >= first).collect();
    for day in days {
        let add_sums = |builder: &'_ mut HistoryBuilder| builder.add_day_sums(&sums, day);
        let unfinished: Vec<&mut HistoryBuilder> =
            builders.par_iter_mut().filter_map(|draft| if add_sums(draft) { None } else { Some(draft) }).collect();
        if unfinished.is_empty() {
            continue;
        }
        let minutes = store.load(&LoadRequest::for_days([day], [])).await?;
        unfinished
            .into_par_iter()
            .map(|draft| draft.add_day_minutes(&minutes, day))
            .collect::<Result<(), NotLoaded>>()?;
    }
    Ok(builders.into_iter().map(HistoryBuilder::build).map(|history| (history.id.clone(), history)).collect())
}

//! The history of every SLO from the ledger, a day at a time: memory holds the minutes of one day, and the sums that
//! pages show.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::{LedgerError, load_sums};
use crate::ledger::NotLoaded;
use crate::report::history::History;
use crate::slo::{Catalog, Exclusions, SloId};
use crate::store::{LedgerStore, LoadRequest};
use crate::time::{Day, Minute};

pub async fn load_histories(
    catalog: &Catalog,
    store: &LedgerStore,
    at: Minute,
) -> Result<BTreeMap<SloId, History>, LedgerError> {
    let sums = load_sums(store).await?;
    let excluded = Exclusions::for_evaluation(catalog, at);
    let new_history = |(service, slo)| History::new(service, slo, &excluded, catalog.evaluation_time(slo, at));
    let mut histories: Vec<History> = catalog.slos().map(new_history).collect();
    // Of days before the ledger begins nothing is known.
    let first = store.first_day();
    let days: BTreeSet<Day> = histories.iter().flat_map(History::days).filter(|day| Some(*day) >= first).collect();
    for day in days {
        let unfinished: Vec<&mut History> = histories
            .par_iter_mut()
            .filter_map(|history| (!history.add_day_sums(&sums, day)).then_some(history))
            .collect();
        if unfinished.is_empty() {
            continue;
        }
        let minutes = store.load(&LoadRequest::for_days([day], [])).await?;
        unfinished
            .into_par_iter()
            .map(|history| history.add_day_minutes(&minutes, day))
            .collect::<Result<(), NotLoaded>>()?;
    }
    Ok(catalog.slos().map(|(_, slo)| slo.id.clone()).zip(histories).collect())
}

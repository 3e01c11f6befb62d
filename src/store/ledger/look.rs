//! Minutes that are looked at and let go: what is wanted of them is small, and they need not be in memory together.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{LedgerStore, coded};
use crate::ledger::{DayMinutes, Extracts, Ledger, Part, SlicedSums, Wanted};
use crate::minute::Day;
use crate::store::StoreError;
use crate::store::codec::{self, Lists};

impl LedgerStore {
    /// Takes what is wanted from minutes that are not kept in memory. Their files are read on all cores, a few at a
    /// time.
    pub(super) async fn look_through(
        &self,
        ledger: &mut Ledger,
        wanted: &Wanted,
        lists: &mut Lists,
    ) -> Result<(), StoreError> {
        ledger.extracts.add(Extracts::of(wanted));
        let (parts, sliced) = (wanted.parts(), wanted.sliced_parts());
        let all: Vec<Part> = (&(&parts | &sliced) | &wanted.known).into_iter().collect();
        for some in whole_days(&all, 2 * rayon::current_num_threads()) {
            let files = self.minutes_files(some, lists).await?;
            let lists = &*lists;
            let look = |(part, name, bytes): &(Part, &String, Vec<u8>)| {
                let (mut found, mut rows) = (Extracts::default(), None);
                if parts.contains(part) || sliced.contains(part) {
                    let minutes = coded(name, codec::decode_minutes(bytes, part.slots().len(), lists))?;
                    let columns = coded(name, minutes.columns())?;
                    if parts.contains(part) {
                        found = Extracts::look(wanted, *part, &minutes.series, &columns);
                    }
                    rows = sliced.contains(part).then(|| {
                        let series = wanted.sliced_series(part.day());
                        (*part, DayMinutes::picked(part.slots(), series, &minutes.series, &columns))
                    });
                }
                if wanted.known.contains(part) && ledger.minutes_left.contains(part) {
                    let (series, known) = coded(name, codec::decode_known(bytes, part.slots().len(), lists))?;
                    found.add_known(*part, series, known);
                }
                Ok((found, rows))
            };
            let found = files.par_iter().map(look).collect::<Result<Vec<_>, StoreError>>()?;
            let (found, rows): (Vec<Extracts>, Vec<_>) = found.into_iter().unzip();
            for found in found {
                ledger.extracts.add(found);
            }
            let rows = rows.into_iter().flatten().collect();
            let mut days: Vec<Day> = some.iter().map(|part| part.day()).collect();
            days.dedup();
            let cut: Vec<SlicedSums> =
                days.par_iter().map(|day| SlicedSums::cut(&wanted.sliced, *day, &rows)).collect();
            for cut in cut {
                ledger.sliced.add(cut);
            }
        }
        Ok(())
    }

    /// The files of the minutes of some parts, and the lists of series that they point to.
    pub(super) async fn minutes_files(
        &self,
        parts: &[Part],
        lists: &mut Lists,
    ) -> Result<Vec<(Part, &String, Vec<u8>)>, StoreError> {
        let named = |part: &Part| Some((*part, self.manifest.parts.get(part)?.minutes.as_ref()?));
        let named: Vec<(Part, &String)> = parts.iter().filter_map(named).collect();
        let files = self.files(named.iter().map(|(_, name)| *name)).await?;
        let files = named.into_iter().zip(files).map(|((part, name), (_, bytes))| (part, name, bytes));
        files
            .map(|(part, name, bytes)| {
                coded(name, codec::learn_list(&bytes, lists))?;
                Ok((part, name, bytes))
            })
            .collect()
    }
}

/// Parts in runs of about as many as said, those of a day together: a slice may lie in several.
fn whole_days(parts: &[Part], about: usize) -> Vec<&[Part]> {
    let (mut runs, mut start, mut end) = (Vec::new(), 0, 0);
    for day in parts.chunk_by(|one, other| one.day() == other.day()) {
        end += day.len();
        if end - start >= about {
            runs.push(&parts[start..end]);
            start = end;
        }
    }
    runs.push(&parts[start..]);
    runs
}

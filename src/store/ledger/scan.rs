//! Minutes that are looked at and let go: what is wanted of them is small, and they need not be in memory together.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{LedgerStore, with_file_name};
use crate::ledger::{DayMinutes, Ledger, PartialSums, PartialSumsRequest, Partition, TimesliceSums};
use crate::store::StoreError;
use crate::store::codec::{self, SeriesLists};
use crate::time::Day;

impl LedgerStore {
    /// Takes what is wanted from minutes that are not kept in memory. Their files are read on all cores, a few at a
    /// time.
    pub(super) async fn load_partial_sums(
        &self,
        ledger: &mut Ledger,
        request: &PartialSumsRequest,
        series_lists: &mut SeriesLists,
    ) -> Result<(), StoreError> {
        ledger.partial_sums.merge(PartialSums::new(request));
        let (sum_partitions, timeslice_partitions) = (request.sum_partitions(), request.timeslice_partitions());
        let partitions: Vec<Partition> =
            (&(&sum_partitions | &timeslice_partitions) | &request.known_partitions).into_iter().collect();
        for batch in day_batches(&partitions, 2 * rayon::current_num_threads()) {
            let files = self.read_minutes_files(batch, series_lists).await?;
            let lists = &*series_lists;
            let process_file = |(part, name, bytes): &(Partition, &String, Vec<u8>)| {
                let (mut partial, mut timeslice_minutes) = (PartialSums::default(), None);
                if sum_partitions.contains(part) || timeslice_partitions.contains(part) {
                    let minutes = with_file_name(name, codec::decode_minutes(bytes, part.slots().len(), lists))?;
                    let columns = with_file_name(name, minutes.columns())?;
                    if sum_partitions.contains(part) {
                        partial = PartialSums::from_partition(request, *part, &minutes.series, &columns);
                    }
                    timeslice_minutes = timeslice_partitions.contains(part).then(|| {
                        let series = request.timeslice_series(part.day());
                        (*part, DayMinutes::select_series(part.slots(), series, &minutes.series, &columns))
                    });
                }
                if request.known_partitions.contains(part) && ledger.unloaded_minutes.contains(part) {
                    let (series, known) = with_file_name(name, codec::decode_known(bytes, part.slots().len(), lists))?;
                    partial.insert_known(*part, series, known);
                }
                Ok((partial, timeslice_minutes))
            };
            let processed = files.par_iter().map(process_file).collect::<Result<Vec<_>, StoreError>>()?;
            let (partials, timeslice_minutes): (Vec<PartialSums>, Vec<_>) = processed.into_iter().unzip();
            for partial in partials {
                ledger.partial_sums.merge(partial);
            }
            let minutes_by_partition = timeslice_minutes.into_iter().flatten().collect();
            let mut days: Vec<Day> = batch.iter().map(|part| part.day()).collect();
            days.dedup();
            let timeslices: Vec<TimesliceSums> = days
                .par_iter()
                .map(|day| TimesliceSums::evaluate_day(&request.timeslices, *day, &minutes_by_partition))
                .collect();
            for sums in timeslices {
                ledger.timeslices.merge(sums);
            }
        }
        Ok(())
    }

    /// The files of the minutes of some parts, and the lists of series that they point to.
    pub(super) async fn read_minutes_files(
        &self,
        partitions: &[Partition],
        series_lists: &mut SeriesLists,
    ) -> Result<Vec<(Partition, &String, Vec<u8>)>, StoreError> {
        let named_file = |part: &Partition| Some((*part, self.manifest.partitions.get(part)?.minutes.as_ref()?));
        let named_files: Vec<(Partition, &String)> = partitions.iter().filter_map(named_file).collect();
        let files = self.read_files(named_files.iter().map(|(_, name)| *name)).await?;
        let files = named_files.into_iter().zip(files).map(|((part, name), (_, bytes))| (part, name, bytes));
        files
            .map(|(part, name, bytes)| {
                with_file_name(name, codec::read_series_list(&bytes, series_lists))?;
                Ok((part, name, bytes))
            })
            .collect()
    }
}

/// Parts in runs of about as many as said, those of a day together: a slice may lie in several.
fn day_batches(partitions: &[Partition], min_batch_size: usize) -> Vec<&[Partition]> {
    let (mut batches, mut start, mut end) = (Vec::new(), 0, 0);
    for day in partitions.chunk_by(|one, other| one.day() == other.day()) {
        end += day.len();
        if end - start >= min_batch_size {
            batches.push(&partitions[start..end]);
            start = end;
        }
    }
    batches.push(&partitions[start..]);
    batches
}

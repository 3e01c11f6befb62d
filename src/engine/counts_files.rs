//! The stretch of the line that files of counts walk: those that have changed are read once, packed, and absorbed a day
//! at a time.
//!
//! All files together hold the same days. Day by day for each file, every part of every day would be written as often
//! as there are files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::{EngineError, RunOptions, cloudwatch};
use crate::counts::Counts;
use crate::fetch_plan::{CountsFileRequest, ImportedFile};
use crate::outcome::Diagnostics;
use crate::series::SeriesKey;
use crate::source::counts_file::{CountsError, FileChange, PackedDay, ParsedCounts, read_if_changed};
use crate::store::LedgerStore;
use crate::time::{Day, Minute};

/// Files that are read before anybody looks at what they held.
const FILES_PER_BATCH: usize = 16;
/// Packed counts that wait to be absorbed at most: a month of some 1,500 series. All together then takes less than 300
/// MB.
const PENDING_BYTES_MAX: usize = 96 << 20;

/// What was read and is not in the ledger yet.
#[derive(Default)]
struct PendingCounts {
    days: BTreeMap<Day, Vec<(SeriesKey, PackedDay)>>,
    bytes: usize,
    /// The files that it was read from, as far as they need not be read again.
    files: BTreeMap<SeriesKey, ImportedFile>,
}

/// Reads the files of counts that have changed; their minutes replace what the ledger held.
pub(super) async fn read_counts_files(
    options: &RunOptions<'_>,
    requests: &[CountsFileRequest],
    store: &mut LedgerStore,
    diagnostics: &mut Diagnostics,
) -> Result<(), EngineError> {
    if requests.is_empty() {
        return Ok(());
    }
    let wanted: BTreeSet<&SeriesKey> = requests.iter().map(|question| &question.series).collect();
    let mut files = store.counts_files().await?;
    files.retain(|series, _| wanted.contains(series));
    let mut pending = PendingCounts::default();
    for (batch_index, batch) in requests.chunks(FILES_PER_BATCH).enumerate() {
        if options.stop.load(Ordering::Relaxed) {
            let hint = "run again to read the rest";
            diagnostics.warnings.push(format!("stopped before all counts files were read\nhint: {hint}"));
            break;
        }
        let compare = |request: &CountsFileRequest| read_if_changed(&file_path(request), files.get(&request.series));
        let compared: Vec<Result<FileChange, CountsError>> = batch.par_iter().map(compare).collect();
        for (request, compared) in batch.iter().zip(compared) {
            add_result(request, compared, options.now, (&mut files, &mut pending), diagnostics);
        }
        (options.progress)((batch_index * FILES_PER_BATCH + batch.len()).min(requests.len()), requests.len());
        if pending.bytes > PENDING_BYTES_MAX {
            pending.flush(&mut files, store).await?;
        }
    }
    pending.flush(&mut files, store).await
}

/// Takes what became of one file.
fn add_result(
    request: &CountsFileRequest,
    compared: Result<FileChange, CountsError>,
    now: Minute,
    (files, pending): (&mut BTreeMap<SeriesKey, ImportedFile>, &mut PendingCounts),
    diagnostics: &mut Diagnostics,
) {
    let series = &request.series;
    let read = match compared {
        Ok(FileChange::Unchanged) => return,
        Ok(FileChange::SameContent(state)) => {
            // Until it is settled, it is compared by its content.
            if let Some(file) = files.get_mut(series).filter(|_| state.is_settled(now)) {
                file.state = state;
            }
            return;
        }
        Ok(FileChange::Changed(read)) => Ok(read),
        Err(error) => Err(error),
    };
    files.remove(series);
    match read {
        Ok(read) => {
            diagnostics.add_row_errors(&file_path(request), &read.invalid_rows);
            pending.add(request, read, now);
        }
        Err(error) => diagnostics.warnings.push(error.to_string()),
    }
}

impl PendingCounts {
    /// Takes what a file held. What has faulty rows is read and reported by the next run again.
    fn add(&mut self, request: &CountsFileRequest, read: ParsedCounts, now: Minute) {
        let state = read.state.filter(|state| read.invalid_rows.count == 0 && state.is_settled(now));
        let path = || file_path(request).to_string_lossy().into_owned();
        let file = state.map(|state| ImportedFile { path: path(), state, hash: read.hash });
        self.files.extend(file.map(|file| (request.series.clone(), file)));
        for (day, packed) in read.days {
            self.bytes += packed.byte_size();
            self.days.entry(day).or_default().push((request.series.clone(), packed));
        }
    }

    /// Takes all that waits into the ledger, a day at a time, and notes of which files it is.
    async fn flush(
        &mut self,
        files: &mut BTreeMap<SeriesKey, ImportedFile>,
        store: &mut LedgerStore,
    ) -> Result<(), EngineError> {
        // Whenever this ends early, no file counts as read of which only some days are in the ledger.
        store.save_counts_files(files).await?;
        while let Some((day, packed)) = self.days.pop_first() {
            let unpack = |(series, packed): (SeriesKey, PackedDay)| ((series, day), packed.unpack());
            let counts: Counts = packed.into_par_iter().map(unpack).collect();
            cloudwatch::store_day(day, &counts, &BTreeMap::new(), store).await?;
        }
        files.append(&mut self.files);
        self.bytes = 0;
        Ok(store.save_counts_files(files).await?)
    }
}

fn file_path(request: &CountsFileRequest) -> PathBuf {
    Path::new(&request.location).join(&request.file)
}

//! The stretch of the line that files of counts walk: those that have changed are read once, packed, and absorbed a day
//! at a time.
//!
//! All files together hold the same days. Day by day for each file, every part of every day would be written as often
//! as there are files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::{EngineError, Job, spans};
use crate::counts::Counts;
use crate::demand::{CountsQuestion, FileRead};
use crate::fetch::counts_file::{Compared, CountsError, CountsRead, PackedDay, read_if_changed};
use crate::minute::{Day, Minute};
use crate::outcome::Said;
use crate::series::SeriesKey;
use crate::store::LedgerStore;

/// Files that are read before anybody looks at what they held.
const READ_TOGETHER: usize = 16;
/// Packed counts that wait to be absorbed at most: a month of some 1,500 series. All together then takes less than 300
/// MB.
const WAITING_BYTES_MAX: usize = 96 << 20;

/// What was read and is not in the ledger yet.
#[derive(Default)]
struct Waiting {
    days: BTreeMap<Day, Vec<(SeriesKey, PackedDay)>>,
    bytes: usize,
    /// The files that it was read from, as far as they need not be read again.
    files: BTreeMap<SeriesKey, FileRead>,
}

/// Reads the files of counts that have changed; their minutes replace what the ledger held.
pub(super) async fn read_counts(
    job: &Job<'_>,
    questions: &[CountsQuestion],
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<(), EngineError> {
    if questions.is_empty() {
        return Ok(());
    }
    let wanted: BTreeSet<&SeriesKey> = questions.iter().map(|question| &question.series).collect();
    let mut files = store.counts_files().await?;
    files.retain(|series, _| wanted.contains(series));
    let mut waiting = Waiting::default();
    for (group, some) in questions.chunks(READ_TOGETHER).enumerate() {
        if job.stop.load(Ordering::Relaxed) {
            let hint = "run again to read the rest";
            said.faults.push(format!("stopped before all counts files were read\nhint: {hint}"));
            break;
        }
        let compare = |question: &CountsQuestion| read_if_changed(&path_of(question), files.get(&question.series));
        let compared: Vec<Result<Compared, CountsError>> = some.par_iter().map(compare).collect();
        for (question, compared) in some.iter().zip(compared) {
            take(question, compared, job.now, (&mut files, &mut waiting), said);
        }
        (job.progress)((group * READ_TOGETHER + some.len()).min(questions.len()), questions.len());
        if waiting.bytes > WAITING_BYTES_MAX {
            waiting.absorb(&mut files, store).await?;
        }
    }
    waiting.absorb(&mut files, store).await
}

/// Takes what became of one file.
fn take(
    question: &CountsQuestion,
    compared: Result<Compared, CountsError>,
    now: Minute,
    (files, waiting): (&mut BTreeMap<SeriesKey, FileRead>, &mut Waiting),
    said: &mut Said,
) {
    let series = &question.series;
    let read = match compared {
        Ok(Compared::Unchanged) => return,
        Ok(Compared::SameContent(state)) => {
            // Until it is settled, it is compared by its content.
            if let Some(file) = files.get_mut(series).filter(|_| state.is_settled(now)) {
                file.state = state;
            }
            return;
        }
        Ok(Compared::Read(read)) => Ok(read),
        Err(error) => Err(error),
    };
    files.remove(series);
    match read {
        Ok(read) => {
            said.row_faults(&path_of(question), &read.faults);
            waiting.take(question, read, now);
        }
        Err(error) => said.faults.push(error.to_string()),
    }
}

impl Waiting {
    /// Takes what a file held. What has faulty rows is read and reported by the next run again.
    fn take(&mut self, question: &CountsQuestion, read: CountsRead, now: Minute) {
        let state = read.state.filter(|state| read.faults.count == 0 && state.is_settled(now));
        let path = || path_of(question).to_string_lossy().into_owned();
        let file = state.map(|state| FileRead { path: path(), state, hash: read.hash });
        self.files.extend(file.map(|file| (question.series.clone(), file)));
        for (day, packed) in read.days {
            self.bytes += packed.size();
            self.days.entry(day).or_default().push((question.series.clone(), packed));
        }
    }

    /// Takes all that waits into the ledger, a day at a time, and notes of which files it is.
    async fn absorb(
        &mut self,
        files: &mut BTreeMap<SeriesKey, FileRead>,
        store: &mut LedgerStore,
    ) -> Result<(), EngineError> {
        // Whenever this ends early, no file counts as read of which only some days are in the ledger.
        store.keep_counts_files(files).await?;
        while let Some((day, packed)) = self.days.pop_first() {
            let unpack = |(series, packed): (SeriesKey, PackedDay)| ((series, day), packed.unpack());
            let counts: Counts = packed.into_par_iter().map(unpack).collect();
            spans::keep_day(day, &counts, &BTreeMap::new(), store).await?;
        }
        files.append(&mut self.files);
        self.bytes = 0;
        Ok(store.keep_counts_files(files).await?)
    }
}

fn path_of(question: &CountsQuestion) -> PathBuf {
    Path::new(&question.location).join(&question.file)
}

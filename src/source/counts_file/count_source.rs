//! Reads the counts files that have changed since an earlier run.
//!
//! All files together hold the same days. Merged file by file, every partition of every day would be written as often
//! as there are files, so a batch holds as many files as fit into memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::rows::{InvalidRows, ParsedCounts};
use super::{FileChange, read_if_changed};
use crate::diagnostics::Diagnostics;
use crate::fetch_plan::{CountsFileRequest, ImportedFile};
use crate::format::pluralize;
use crate::hinted_error::HintedError;
use crate::ledger::Ledger;
use crate::series::SeriesKey;
use crate::source::count_source::{CountSource, CountsFileStates, FetchContext, Fetched, SourceSummary};

/// Files that are read in parallel.
const FILES_PER_CHUNK: usize = 16;
/// Packed counts of a batch: a month of some 1,500 series. Merging them takes less than 300 MB.
const BATCH_BYTES_MAX: usize = 96 << 20;

pub struct CountsFileSource<'a> {
    context: &'a FetchContext<'a>,
    requests: &'a [CountsFileRequest],
    /// How many of the requests are done.
    done: usize,
    is_finished: bool,
    /// The files whose counts are in the ledger.
    imported: BTreeMap<SeriesKey, ImportedFile>,
    diagnostics: Diagnostics,
}

#[async_trait(?Send)]
impl<'a> CountSource<'a> for CountsFileSource<'a> {
    async fn fetch_next(&mut self, _: Ledger) -> Option<Fetched<'a>> {
        if self.is_finished {
            return None;
        }
        let (mut fetched, mut newly_imported, mut bytes) = (Fetched::default(), BTreeMap::new(), 0);
        while bytes <= BATCH_BYTES_MAX {
            let chunk = self.requests.iter().skip(self.done).take(FILES_PER_CHUNK).collect::<Vec<_>>();
            let is_stopped = !chunk.is_empty() && self.context.is_stopped();
            if is_stopped {
                let warning = "stopped before all counts files were read\nhint: run again to read the rest";
                self.diagnostics.warnings.push(warning.to_owned());
            }
            self.is_finished = chunk.is_empty() || is_stopped;
            if self.is_finished {
                break;
            }
            self.done += chunk.len();
            (self.context.progress)(self.done, self.requests.len());
            for (request, parsed) in self.read_changed(&chunk) {
                newly_imported.extend(self.imported_file(request, &parsed).map(|file| (request.series.clone(), file)));
                for (day, packed) in parsed.days {
                    bytes += packed.byte_size();
                    fetched.counts.entry(day).or_default().push((request.series.clone(), packed));
                }
            }
        }
        let while_merging = self.imported.clone();
        self.imported.append(&mut newly_imported);
        fetched.counts_files = Some(CountsFileStates { while_merging, merged: self.imported.clone() });
        Some(fetched)
    }

    fn progress(&self) -> (usize, usize) {
        (self.done, self.requests.len())
    }

    fn finish(self: Box<Self>) -> SourceSummary<'a> {
        SourceSummary { diagnostics: self.diagnostics, recent_logs: None }
    }
}

impl<'a> CountsFileSource<'a> {
    /// Opens the requested files. `imported` are the files whose counts are in the ledger.
    pub fn new(
        context: &'a FetchContext<'a>,
        requests: &'a [CountsFileRequest],
        mut imported: BTreeMap<SeriesKey, ImportedFile>,
    ) -> Self {
        let requested: BTreeSet<&SeriesKey> = requests.iter().map(|request| &request.series).collect();
        imported.retain(|series, _| requested.contains(series));
        Self { context, requests, done: 0, is_finished: false, imported, diagnostics: Diagnostics::default() }
    }

    /// Reads what has changed of some files. What cannot be read no longer counts as imported.
    fn read_changed(&mut self, requests: &[&'a CountsFileRequest]) -> Vec<(&'a CountsFileRequest, ParsedCounts)> {
        let read =
            |request: &&CountsFileRequest| read_if_changed(&file_path(request), self.imported.get(&request.series));
        let results: Vec<Result<FileChange, HintedError>> = requests.par_iter().map(read).collect();
        let mut changed = Vec::new();
        for (request, result) in requests.iter().zip(results) {
            let series = &request.series;
            match result {
                Ok(FileChange::Unchanged) => {}
                Ok(FileChange::SameContent(state)) => {
                    // Until the file is settled, it is compared by its content.
                    if let Some(file) = self.imported.get_mut(series).filter(|_| state.is_settled(self.context.now)) {
                        file.state = state;
                    }
                }
                Ok(FileChange::Changed(parsed)) => {
                    self.imported.remove(series);
                    self.diagnostics.warnings.extend(row_warnings(&file_path(request), &parsed.invalid_rows));
                    changed.push((*request, parsed));
                }
                Err(error) => {
                    self.imported.remove(series);
                    self.diagnostics.warnings.push(error.to_string());
                }
            }
        }
        changed
    }

    /// A file with invalid rows is read and reported again by the next run.
    fn imported_file(&self, request: &CountsFileRequest, parsed: &ParsedCounts) -> Option<ImportedFile> {
        let is_final = parsed.invalid_rows.count == 0;
        let state = parsed.state.filter(|state| is_final && state.is_settled(self.context.now))?;
        let path = file_path(request).to_string_lossy().into_owned();
        Some(ImportedFile { path, state, hash: parsed.hash.clone() })
    }
}

/// Names the rows of a file that were skipped.
fn row_warnings(path: &Path, invalid: &InvalidRows) -> Vec<String> {
    if invalid.count == 0 {
        return Vec::new();
    }
    let skipped = format!("skipped {} of `{}`", pluralize(invalid.count, "row"), path.display());
    std::iter::once(skipped).chain(invalid.samples.iter().cloned()).collect()
}

fn file_path(request: &CountsFileRequest) -> PathBuf {
    Path::new(&request.location).join(&request.file)
}

//! `slowburn simulate`: writes the objects of a plan below a directory, as AWS would lay them out in a bucket.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use rayon::prelude::*;

use super::{CommandError, ExitStatus, eprint_line};
use crate::cli::simulate::SimulateArgs;
use crate::simulate::{Object, ObjectPlan, Plan};
use crate::store::{has_content, write_new_file};
use crate::time::Span;

pub(super) fn simulate(arguments: &SimulateArgs) -> Result<ExitStatus, CommandError> {
    let last = arguments.from.plus(i32::from(arguments.days));
    let span = Span::new(arguments.from.start(), last.start());
    let plan = Plan { span, seed: arguments.seed, scale: arguments.scale };
    let written = write_logs(&plan, &arguments.out, 0).map_err(|error| CommandError::new(error.to_string()))?;
    eprint_line(&format!("wrote {written} to `{}`", arguments.out.display()));
    Ok(ExitStatus::Success)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    pub objects: u64,
    pub lines: u64,
    /// Bytes of the lines before compression.
    pub bytes_plain: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl fmt::Display for WriteSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} log files with {} requests, {} MB", self.objects, self.lines, self.bytes / 1_000_000)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("cannot write `{path}`: {source}\nhint: use a writable folder with about 350 MB of free space")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "cannot write `{path}`: a different file with this name exists\nhint: specify an empty or new folder with `--out`"
    )]
    Conflict { path: PathBuf },
    #[error("cannot start threads: {0}\nhint: raise the process limit (`ulimit -u`)")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl WriteSummary {
    const fn for_object(object: &Object, bytes: u64) -> Self {
        Self { objects: 1, lines: object.lines, bytes_plain: object.text.len() as u64, bytes }
    }

    const fn combine(self, other: Self) -> Self {
        Self {
            objects: self.objects + other.objects,
            lines: self.lines + other.lines,
            bytes_plain: self.bytes_plain + other.bytes_plain,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// Writes all objects of the plan below `out`, which then holds an `AWSLogs` folder, with so many threads (0: as many
/// as there are cores). Files that are there already stay as they are, and if one of them differs from the plan,
/// nothing is written. An interruption leaves no half-written log.
///
/// # Errors
/// The first file or folder that could not be written; files written before it stay.
pub fn write_logs(plan: &Plan, out: &Path, threads: usize) -> Result<WriteSummary, SimulateError> {
    let mut objects: Vec<ObjectPlan> = plan.objects().collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut existing = WriteSummary::default();
    if out.join("AWSLogs").exists() {
        let find_object = |object: &ObjectPlan| find_existing(object, out);
        let existing_objects: Vec<Option<WriteSummary>> =
            pool.install(|| objects.par_iter().map(find_object).collect::<Result<_, _>>())?;
        existing = existing_objects.iter().flatten().fold(existing, |all, one| all.combine(*one));
        let mut is_missing = existing_objects.iter().map(Option::is_none);
        objects.retain(|_| is_missing.next().unwrap_or(true));
    }
    let days: BTreeSet<_> = objects.iter().map(|object| object.delivered_at.day()).collect();
    for day in days {
        let Some(object) = objects.iter().find(|object| object.delivered_at.day() == day) else { continue };
        let folder = out.join(object.folder());
        fs::create_dir_all(&folder).map_err(|source| SimulateError::File { path: folder, source })?;
    }
    let empty = WriteSummary::default;
    let new = pool.install(|| {
        objects.par_iter().map(|object| write_object(object, out)).try_reduce(empty, |a, b| Ok(a.combine(b)))
    });
    new.map(|new| existing.combine(new))
}

/// What is there of one object: all of it, or `None` if it has to be written.
fn find_existing(plan: &ObjectPlan, out: &Path) -> Result<Option<WriteSummary>, SimulateError> {
    let Some(object) = plan.render() else { return Ok(Some(WriteSummary::default())) };
    let path = out.join(&object.key);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    match compress(&object.text) {
        Ok(bytes) if has_content(&path, &bytes) => Ok(Some(WriteSummary::for_object(&object, bytes.len() as u64))),
        Ok(_) => Err(SimulateError::Conflict { path }),
        Err(source) => Err(SimulateError::File { path, source }),
    }
}

fn write_object(plan: &ObjectPlan, out: &Path) -> Result<WriteSummary, SimulateError> {
    let Some(object) = plan.render() else { return Ok(WriteSummary::default()) };
    let path = out.join(&object.key);
    let written = compress(&object.text).and_then(|bytes| Ok((write_new_file(&path, &bytes)?, bytes)));
    match written {
        Ok((is_new, bytes)) if is_new || has_content(&path, &bytes) => {
            Ok(WriteSummary::for_object(&object, bytes.len() as u64))
        }
        Ok(_) => Err(SimulateError::Conflict { path }),
        Err(source) => Err(SimulateError::File { path, source }),
    }
}

/// One gzip member without a time in it, so that the same lines give the same bytes.
fn compress(text: &[u8]) -> io::Result<Vec<u8>> {
    let buffer = Vec::with_capacity(text.len() / 4 + 64);
    let mut gz = GzBuilder::new().mtime(0).write(buffer, Compression::fast());
    gz.write_all(text)?;
    gz.finish()
}

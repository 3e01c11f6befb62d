//! `slowburn simulate`: writes the objects of a plan below a directory, as AWS would lay them out in a bucket.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use rayon::prelude::*;

use super::{Ended, Failure, say};
use crate::cli::simulate::SimulateArgs;
use crate::minute::Span;
use crate::simulate::{Object, ObjectPlan, Plan};
use crate::store::{AtomicFile, is_file_with};

/// Writes what was asked for and says how much it was.
pub(super) fn simulate(arguments: &SimulateArgs) -> Result<Ended, Failure> {
    let last = arguments.from.plus(i32::from(arguments.days));
    let span = Span::new(arguments.from.start(), last.start());
    let plan = Plan { span, seed: arguments.seed, scale: arguments.scale };
    let written = write(&plan, &arguments.out, 0).map_err(|error| Failure::new(error.to_string()))?;
    say(&format!("wrote {written} to `{}`", arguments.out.display()));
    Ok(Ended::Done)
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Log files.
    pub objects: u64,
    /// Lines in them.
    pub lines: u64,
    /// Bytes of the lines before compression.
    pub bytes_plain: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} log files with {} requests, {} MB", self.objects, self.lines, self.bytes / 1_000_000)
    }
}

/// The logs could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A file or folder could not be made.
    #[error("cannot write `{path}`: {source}\nhint: use a writable folder with about 350 MB of free space")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another file has the name of a log.
    #[error(
        "cannot write `{path}`: a different file with this name exists\nhint: specify an empty or new folder with `--out`"
    )]
    Taken {
        /// Which.
        path: PathBuf,
    },
    /// The threads could not be started.
    #[error("cannot start threads: {0}\nhint: raise the process limit (`ulimit -u`)")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl Written {
    /// One object.
    const fn of(object: &Object, bytes: u64) -> Self {
        Self { objects: 1, lines: object.lines, bytes_plain: object.text.len() as u64, bytes }
    }

    /// Adds up.
    const fn and(self, other: Self) -> Self {
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
pub fn write(plan: &Plan, out: &Path, threads: usize) -> Result<Written, SimulateError> {
    let mut objects: Vec<ObjectPlan> = plan.objects().collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut held = Written::default();
    if out.join("AWSLogs").exists() {
        let find = |object: &ObjectPlan| find(object, out);
        let found: Vec<Option<Written>> = pool.install(|| objects.par_iter().map(find).collect::<Result<_, _>>())?;
        held = found.iter().flatten().fold(held, |all, one| all.and(*one));
        let mut is_missing = found.iter().map(Option::is_none);
        objects.retain(|_| is_missing.next().unwrap_or(true));
    }
    let days: BTreeSet<_> = objects.iter().map(|object| object.delivered.day()).collect();
    for day in days {
        let Some(object) = objects.iter().find(|object| object.delivered.day() == day) else { continue };
        let folder = out.join(object.folder());
        fs::create_dir_all(&folder).map_err(|source| SimulateError::File { path: folder, source })?;
    }
    let none = Written::default;
    let new =
        pool.install(|| objects.par_iter().map(|object| write_one(object, out)).try_reduce(none, |a, b| Ok(a.and(b))));
    new.map(|new| held.and(new))
}

/// What is there of one object: all of it, or `None` if it has to be written.
fn find(plan: &ObjectPlan, out: &Path) -> Result<Option<Written>, SimulateError> {
    let Some(object) = plan.render() else { return Ok(Some(Written::default())) };
    let path = out.join(&object.key);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    match compress(&object.text) {
        Ok(bytes) if is_file_with(&path, &bytes) => Ok(Some(Written::of(&object, bytes.len() as u64))),
        Ok(_) => Err(SimulateError::Taken { path }),
        Err(source) => Err(SimulateError::File { path, source }),
    }
}

/// Writes one object under its key.
fn write_one(plan: &ObjectPlan, out: &Path) -> Result<Written, SimulateError> {
    let Some(object) = plan.render() else { return Ok(Written::default()) };
    let path = out.join(&object.key);
    let written = compress(&object.text).and_then(|bytes| {
        let mut file = AtomicFile::create(&path)?;
        file.write(&bytes)?;
        if !file.place_new()? && !is_file_with(&path, &bytes) {
            return Ok(None);
        }
        Ok(Some(bytes.len() as u64))
    });
    let bytes = match written {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(SimulateError::Taken { path }),
        Err(source) => return Err(SimulateError::File { path, source }),
    };
    Ok(Written::of(&object, bytes))
}

/// One gzip member without a time in it, so that the same lines give the same bytes.
fn compress(text: &[u8]) -> io::Result<Vec<u8>> {
    let room = Vec::with_capacity(text.len() / 4 + 64);
    let mut gz = GzBuilder::new().mtime(0).write(room, Compression::fast());
    gz.write_all(text)?;
    gz.finish()
}

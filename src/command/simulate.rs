//! `slowburn simulate`: writes the objects of a plan below a directory, as AWS would lay them out in a bucket.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use flate2::{Compression, GzBuilder};
use rayon::prelude::*;

use super::output::print_message;
use super::shared_arguments::{DATA, OUTPUT, parse_days};
use super::{CommandError, ExitStatus};
use crate::simulate::{ObjectPlan, Plan};
use crate::store::{has_content, write_new_file};
use crate::time::{Day, Span};

const EXAMPLES: &str = "\
Examples:
  slowburn simulate --out logs
  slowburn simulate --out logs --from 2026-10-24 --days 7 --scale 0.5";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SimulateArgs {
    /// First day, in UTC
    #[arg(long, value_name = "DATE", default_value = "2026-10-02", help_heading = DATA)]
    pub from: Day,
    /// Number of days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = parse_days, allow_hyphen_values = true,
          help_heading = DATA)]
    pub days: u16,
    /// Seed for the random numbers; the same seed produces identical files
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = DATA)]
    pub seed: u64,
    /// Traffic as a multiple of the default
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = parse_scale, allow_hyphen_values = true,
          help_heading = DATA)]
    pub scale: f64,
    /// Folder to write `AWSLogs/` to
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: PathBuf,
}

fn parse_scale(text: &str) -> Result<f64, String> {
    let scale = text.parse().ok().filter(|scale| (0.001..=1_000.0).contains(scale));
    scale.ok_or_else(|| "must be a number from 0.001 to 1000".to_owned())
}

pub fn simulate(arguments: &SimulateArgs) -> Result<ExitStatus, CommandError> {
    let last = arguments.from.plus(i32::from(arguments.days));
    let span = Span::new(arguments.from.start(), last.start());
    let plan = Plan { span, seed: arguments.seed, scale: arguments.scale };
    let written = write_logs(&plan, &arguments.out, 0).map_err(CommandError::new)?;
    print_message(format!("wrote {written} to `{}`", arguments.out.display()));
    Ok(ExitStatus::Success)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteSummary {
    pub objects: u64,
    pub lines: u64,
    /// Compressed size.
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

/// Writes all objects of the plan below `out`, which then holds an `AWSLogs` folder, with so many threads (0: as many
/// as there are cores). Files that are there already stay as they are, and if one of them differs from the plan,
/// nothing is written. An interruption leaves no half-written log. After an error, files written before it stay.
pub fn write_logs(plan: &Plan, out: &Path, threads: usize) -> Result<WriteSummary, SimulateError> {
    let objects: Vec<ObjectPlan> = plan.objects().collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    if out.join("AWSLogs").exists() {
        pool.install(|| objects.par_iter().try_for_each(|object| write_object(object, out, false).map(drop)))?;
    }
    let folders: BTreeSet<PathBuf> = objects.iter().map(|object| out.join(object.folder())).collect();
    for folder in folders {
        fs::create_dir_all(&folder).map_err(|source| SimulateError::File { path: folder, source })?;
    }
    let combine = |one: WriteSummary, other: WriteSummary| {
        Ok(WriteSummary {
            objects: one.objects + other.objects,
            lines: one.lines + other.lines,
            bytes: one.bytes + other.bytes,
        })
    };
    pool.install(|| {
        objects.par_iter().map(|object| write_object(object, out, true)).try_reduce(WriteSummary::default, combine)
    })
}

/// Compares an object that exists with the plan, or writes it if `may_write`.
fn write_object(plan: &ObjectPlan, out: &Path, may_write: bool) -> Result<WriteSummary, SimulateError> {
    let Some(object) = plan.render() else { return Ok(WriteSummary::default()) };
    let path = out.join(&object.key);
    let exists = fs::symlink_metadata(&path).is_ok();
    if !exists && !may_write {
        return Ok(WriteSummary::default());
    }
    let written = compress(&object.text).and_then(|bytes| Ok((!exists && write_new_file(&path, &bytes)?, bytes)));
    match written {
        Ok((is_new, bytes)) if is_new || has_content(&path, &bytes) => {
            Ok(WriteSummary { objects: 1, lines: object.lines, bytes: bytes.len() as u64 })
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

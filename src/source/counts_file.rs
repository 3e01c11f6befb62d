//! Counts from other systems: a CSV or Parquet file with the columns `minute`, `total` and `bad`.
//!
//! A minute without a row is unknown; a row of zeros is a minute without traffic. An invalid row is skipped and
//! reported, and its minute stays unknown. **Invariant:** the order of rows does not matter.

mod count_source;
mod csv_rows;
mod packed;
mod parquet;
mod rows;

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

use xxhash_rust::xxh3::xxh3_128;

use crate::fetch_plan::{FileState, ImportedFile};
use crate::hinted_error::HintedError;
use rows::{CountsBuilder, ParsedCounts};

pub use count_source::CountsFileSource;
pub use packed::PackedDay;

/// A file compared with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// Its state is the same, so it was not opened.
    Unchanged,
    /// It was written again with the same content.
    SameContent(FileState),
    Changed(ParsedCounts),
}

/// Reads a file unless it is the same as when it was read before.
pub fn read_if_changed(path: &Path, known: Option<&ImportedFile>) -> Result<FileChange, HintedError> {
    let name = path.to_string_lossy();
    let state = || fs::metadata(path).ok().as_ref().and_then(file_state);
    if let Some((known, current)) = known.filter(|known| known.path == name).zip(state()) {
        if known.is_unchanged(&name, current) {
            return Ok(FileChange::Unchanged);
        }
        // Hashing a file is much faster than parsing it.
        if known.state.size == current.size && fs::read(path).is_ok_and(|bytes| hash(&bytes) == known.hash) {
            return Ok(FileChange::SameContent(current));
        }
    }
    read(path).map(FileChange::Changed)
}

/// Reads a `.csv`, `.csv.gz` or `.parquet` file.
///
/// CSV needs a header. Columns may be in any order, `minute` may be called `minute_utc`, and other columns are ignored.
/// A minute is RFC 3339 with or without seconds, in UTC or with an offset, or in Parquet a timestamp, in UTC if it has
/// no time zone. Counts are whole numbers up to `u32::MAX`.
///
/// A file without any counts is an error. Invalid rows are not: they are in [`ParsedCounts::invalid_rows`].
fn read(path: &Path) -> Result<ParsedCounts, HintedError> {
    let file_name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().to_ascii_lowercase());
    let kind = [".csv", ".csv.gz", ".parquet"].into_iter().find(|end| file_name.ends_with(end));
    let Some(kind) = kind else {
        return HintedError::err(
            format!("`{}` has an unknown file type", path.display()),
            "use a name that ends in `.csv`, `.csv.gz` or `.parquet`",
        );
    };
    let file_error = |error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        HintedError::new(message, "set the SLO's `file` to a path in its source's `counts` folder")
    };
    let mut builder = CountsBuilder::new(path, if kind == ".parquet" { "row" } else { "line" });
    let mut file = File::open(path).map_err(file_error)?;
    // Any later change of the file changes its time as well.
    let state = file.metadata().ok().as_ref().and_then(file_state);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| match kind {
        ".parquet" => file_error(error),
        _ => builder.damaged_error(&error),
    })?;
    match kind {
        ".csv" => csv_rows::read(&bytes, &mut builder)?,
        ".csv.gz" => csv_rows::read_stream(flate2::read::MultiGzDecoder::new(&*bytes), &mut builder)?,
        _ => parquet::read(&bytes, &mut builder)?,
    }
    Ok(ParsedCounts { state, hash: hash(&bytes), ..builder.finish()? })
}

/// The state of a file; `None` if its size and time say nothing about its content, as for a pipe.
fn file_state(metadata: &Metadata) -> Option<FileState> {
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let modified_ns = u64::try_from(modified.as_nanos()).ok()?;
    metadata.is_file().then_some(FileState { size: metadata.len(), modified_ns })
}

fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

#[cfg(test)]
mod tests;

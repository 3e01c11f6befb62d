//! Loads the texts of the definitions folder.
//!
//! Nothing outside the folder is read: a symbolic link that leaves it is a problem.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::hinted_error::HintedError;
use crate::slo::{DefinitionFile, FILE_BYTES_MAX, Problem, nearest};

/// A service file is one folder deep.
const DEPTH_MAX: usize = 8;
const ENTRIES_MAX: usize = 100_000;
const HINT: &str = "specify the folder that contains `fleet.yaml` and the team folders";

fn load_error(folder: &Path, error: &io::Error) -> HintedError {
    let name = folder.display();
    match error.kind() {
        io::ErrorKind::NotADirectory if folder.is_file() => {
            HintedError::new(format!("`{name}` is a file"), "specify the definitions folder")
        }
        io::ErrorKind::NotFound => {
            let suggestion = nearest_sibling(folder).map(|meant| format!("did you mean `{meant}`?").into());
            HintedError::new(format!("`{name}` does not exist"), suggestion.unwrap_or(Cow::Borrowed(HINT)))
        }
        _ => HintedError::new(format!("cannot read the definitions in `{name}`: {error}"), HINT),
    }
}

/// The folder with the most similar name to a missing one.
fn nearest_sibling(folder: &Path) -> Option<String> {
    let parent = folder.parent()?;
    let name = folder.file_name()?.to_str()?;
    let entries = sorted_entries(&Path::new(".").join(parent)).ok()?;
    let folders = entries.into_iter().map(|(entry, _)| entry).filter(|entry| entry.is_dir());
    let names: Vec<String> = folders.filter_map(|entry| Some(entry.file_name()?.to_str()?.to_owned())).collect();
    let suggestion = nearest(name, names.iter().map(String::as_str))?;
    Some(parent.join(suggestion).display().to_string())
}

/// Loads every `.yaml` and `.yml` file below a folder, sorted by path. Names that start with a dot are skipped.
/// A file that cannot be read is a [`Problem`].
pub fn load(folder: &Path) -> Result<(Vec<DefinitionFile>, Vec<Problem>), HintedError> {
    let load_error = |error| load_error(folder, &error);
    let root = folder.canonicalize().map_err(load_error)?;
    let mut walk = FolderWalk { root: &root, files: Vec::new(), problems: Vec::new(), entry_count: 0 };
    let entries = sorted_entries(&root).map_err(load_error)?;
    walk.visit_entries(entries, "", 0);
    walk.files.sort_by(|one, other| one.path.cmp(&other.path));
    walk.problems.sort_by(|one, other| one.file.cmp(&other.file));
    Ok((walk.files, walk.problems))
}

/// The entries of a folder by path, and whether each is a regular file. The path of `folder` contains no links, so only
/// other entries than regular files have to be resolved.
fn sorted_entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let to_entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.path(), entry.file_type().is_ok_and(|kind| kind.is_file())))
    };
    let mut entries = fs::read_dir(folder)?.map(to_entry).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

struct FolderWalk<'a> {
    root: &'a Path,
    files: Vec<DefinitionFile>,
    problems: Vec<Problem>,
    entry_count: usize,
}

impl FolderWalk<'_> {
    fn add_problem(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::for_file(path, message, hint));
    }

    fn visit_entries(&mut self, entries: Vec<(PathBuf, bool)>, parent: &str, depth: usize) {
        for (entry, is_regular_file) in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy();
            let path = format!("{parent}{name}");
            self.entry_count += 1;
            if self.entry_count == ENTRIES_MAX {
                let hint = "split the folder: entries after this one are not read";
                self.add_problem(&path, "the folder has too many entries", hint);
            }
            if self.entry_count >= ENTRIES_MAX || name.starts_with('.') {
                continue;
            }
            if let Err(error) = self.visit_entry(&entry, is_regular_file, &path, depth) {
                let hint = "check its permissions and the targets of symbolic links";
                self.add_problem(&path, format!("cannot read the file: {error}"), hint);
            }
        }
    }

    fn visit_entry(&mut self, entry: &Path, is_regular_file: bool, path: &str, depth: usize) -> io::Result<()> {
        let resolved = if is_regular_file { entry.to_owned() } else { entry.canonicalize()? };
        if !resolved.starts_with(self.root) {
            let hint = "copy the file into the folder: files outside it are not read";
            self.add_problem(path, "the symbolic link points outside the definitions folder", hint);
        } else if !is_regular_file && resolved.is_dir() {
            if depth >= DEPTH_MAX {
                let hint = "move service files to `<team>/<service>.yaml`";
                self.add_problem(path, "folders are nested too deeply", hint);
            } else {
                self.visit_entries(sorted_entries(&resolved)?, &format!("{path}/"), depth + 1);
            }
        } else if is_regular_file || resolved.is_file() {
            match entry.extension().and_then(OsStr::to_str) {
                Some("yaml" | "yml") => self.add_file(&resolved, path)?,
                Some(other) if ["yaml", "yml"].iter().any(|known| other.eq_ignore_ascii_case(known)) => {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    let hint = format!("rename it to `{}.yaml`", name.trim_end_matches(other).trim_end_matches('.'));
                    self.add_problem(path, format!("`{name}` is not read"), hint);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_file(&mut self, file: &Path, path: &str) -> io::Result<()> {
        let mut bytes = Vec::new();
        fs::File::open(file)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > FILE_BYTES_MAX {
            self.add_problem(path, "the file is larger than 1 MiB", "split the file by service");
            return Ok(());
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.files.push(DefinitionFile { path: path.to_owned(), text }),
            Err(error) => {
                let valid_bytes = error.utf8_error().valid_up_to();
                let line = error.as_bytes().iter().take(valid_bytes).filter(|byte| **byte == b'\n').count() + 1;
                let message = format!("the file is not valid UTF-8: invalid bytes on line {line}");
                self.add_problem(path, message, "save the file as UTF-8");
            }
        }
        Ok(())
    }
}

//! Places that must not lie inside one another: the ledger, what a command writes, and the data that it reads.

use std::path::{Component, Path, PathBuf};

use super::CommandError;
use crate::location::Location;
use crate::slo::{Catalog, SourceKind};

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Ledger,
    Output,
    Data,
}

/// The places of a command.
#[derive(Debug)]
pub(super) struct DisjointLocations(Vec<(Purpose, String, Location)>);

impl DisjointLocations {
    /// The ledger, and the data of a catalogue's sources.
    pub(super) fn new(ledger: &Location, catalog: &Catalog) -> Self {
        let data = catalog.sources.iter().filter_map(|(name, source)| match &source.kind {
            SourceKind::AccessLogs { location, .. } => Some((format!("the logs of source `{name}`"), location)),
            SourceKind::Counts { location } => Some((format!("the counts of source `{name}`"), location)),
            SourceKind::CloudWatch { .. } | SourceKind::Athena { .. } => None,
        });
        // An invalid location is reported where it is read.
        let data = data.filter_map(|(what, location)| Some((Purpose::Data, what, location.parse().ok()?)));
        Self([(Purpose::Ledger, "the ledger".to_owned(), ledger.clone())].into_iter().chain(data).collect())
    }

    /// A place that the command writes to, if it does.
    pub(super) fn with_output(mut self, what: &str, location: Option<Location>) -> Self {
        self.0.extend(location.map(|place| (Purpose::Output, what.to_owned(), place)));
        self
    }

    /// The same for a folder or a file.
    pub(super) fn with_output_folder(self, what: &str, folder: Option<&PathBuf>) -> Self {
        self.with_output(what, folder.map(|folder| Location::Directory(folder.clone())))
    }

    /// Refuses places of which one lies inside the other, unless both are for the same.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        for (index, (purpose, what, location)) in self.0.iter().enumerate() {
            for (_, other, other_location) in self.0.iter().skip(index + 1).filter(|(other, ..)| other != purpose) {
                if overlaps(location, other_location) {
                    return Err(CommandError::new(format!(
                        "cannot use `{location}` for {what} and `{other_location}` for {other}: one contains the other\nhint: use a separate \
                         folder or prefix for each"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Whether two places are the same, or one lies inside the other.
fn overlaps(one: &Location, other: &Location) -> bool {
    match (one, other) {
        (Location::Directory(one), Location::Directory(other)) => {
            let (one, other) = (canonical_path(one), canonical_path(other));
            one.starts_with(&other) || other.starts_with(&one)
        }
        (Location::S3 { bucket: one, prefix }, Location::S3 { bucket: other, prefix: inside }) => {
            let (prefix, inside) = (Path::new(prefix), Path::new(inside));
            one == other && (prefix.starts_with(inside) || inside.starts_with(prefix))
        }
        _ => false,
    }
}

/// A path without links, as far as it exists.
fn canonical_path(path: &Path) -> PathBuf {
    let mut whole = std::env::current_dir().unwrap_or_default().join(path);
    let mut missing: Vec<PathBuf> = Vec::new();
    loop {
        if let Ok(found) = whole.canonicalize() {
            return missing.iter().rev().fold(found, |path, part| path.join(part));
        }
        match whole.components().next_back() {
            Some(Component::Normal(name)) => missing.push(name.into()),
            // `missing/..` is where `missing` would be.
            Some(Component::ParentDir) => drop(whole.pop()),
            _ => return missing.iter().rev().fold(whole, |path, part| path.join(part)),
        }
        whole.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_locations_are_found_through_links_and_dots() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("data/logs")).unwrap();
        std::os::unix::fs::symlink(root.join("data"), root.join("link")).unwrap();
        let overlap = |one: &str, other: &str| {
            let location = |text: &str| match text.strip_prefix("s3:") {
                Some(_) => text.parse().unwrap(),
                None => Location::Directory(root.join(text)),
            };
            (overlaps(&location(one), &location(other)), overlaps(&location(other), &location(one)))
        };
        for (one, other) in [
            ("data", "data"),
            ("data", "data/logs"),
            ("data", "link/logs"),
            ("link", "data/new/ledger"),
            ("data/new/../ledger", "data/ledger"),
            ("s3://b", "s3://b/ledger"),
            ("s3://b/a", "s3://b/a/c"),
        ] {
            assert_eq!(overlap(one, other), (true, true), "{one} {other}");
        }
        for (one, other) in [
            ("data/logs", "data/ledger"),
            ("data", "data-2"),
            ("s3://b/a", "s3://b/ab"),
            ("s3://b", "s3://c"),
            ("data", "s3://data"),
        ] {
            assert_eq!(overlap(one, other), (false, false), "{one} {other}");
        }
    }
}

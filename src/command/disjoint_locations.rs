//! Locations that must not lie inside one another: the ledger, what a command writes, and the data that it reads.

use std::path::{Component, Path, PathBuf};

use super::CommandError;
use crate::location::Location;
use crate::slo::{Catalog, SourceKind};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Ledger,
    Data,
    Output,
}

/// Refuses locations of which one lies inside another of a different purpose. Each output has a name for the message.
pub fn check_disjoint<'a>(
    ledger: &Location,
    catalog: &Catalog,
    outputs: impl IntoIterator<Item = (&'a str, Option<Location>)>,
) -> Result<(), CommandError> {
    let mut locations = vec![(Purpose::Ledger, "the ledger".to_owned(), ledger.clone())];
    for (name, source) in &catalog.sources {
        let (what, location) = match &source.kind {
            SourceKind::AccessLogs { location, .. } => ("logs", location),
            SourceKind::Counts { location } => ("counts", location),
            SourceKind::CloudWatch { .. } | SourceKind::Athena { .. } => continue,
        };
        // An invalid location is reported where it is read.
        let location = location.parse().ok();
        locations.extend(location.map(|location| (Purpose::Data, format!("the {what} of source `{name}`"), location)));
    }
    for (what, location) in outputs {
        locations.extend(location.map(|location| (Purpose::Output, what.to_owned(), location)));
    }
    for (index, (purpose, what, location)) in locations.iter().enumerate() {
        for (_, other, other_location) in locations.iter().skip(index + 1).filter(|(other, ..)| other != purpose) {
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

/// Whether two locations are the same, or one lies inside the other.
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

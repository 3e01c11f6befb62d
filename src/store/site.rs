//! Pages in a folder or a bucket: each is written whole, and pages of an earlier run that are not written again are
//! removed.
//!
//! A list beside the pages says which of them slowburn wrote. It names a page before that is written and until it is
//! removed, so that an interrupted run leaves no page that no later run removes.
//!
//! **Invariant:** what the list does not name is neither replaced nor removed, and no link is followed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::atomic_file::{create_parent_folders, replace_file};
use super::{BlobError, BlobStore, CrashPoints, DirectoryStore, S3Store};
use crate::location::Location;

const LIST: &str = "slowburn-pages.json";
const CONCURRENT_WRITES: usize = 16;
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// The path below the site, with `/` between its parts.
    pub name: String,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(
        "cannot write to `{0}`: it contains `{1}`, which slowburn did not write\nhint: use an empty folder or prefix"
    )]
    ForeignPage(Location, String),
    #[error(
        "cannot write to `{0}`: it is a file, not a folder\nhint: use a folder for `--out` or `--report`; for a single \
         document, redirect stdout: `slowburn report > FILE`"
    )]
    NotAFolder(Location),
    #[error("cannot read `{LIST}` in `{0}`: {1}\nhint: use another folder")]
    InvalidList(Location, serde_json::Error),
    #[error(
        "`{LIST}` in `{0}` has format {1}, which is newer than this version\nhint: use the version of slowburn that \
         wrote it"
    )]
    NewerList(Location, u32),
}

#[derive(Deserialize, Serialize)]
struct PageList {
    format: u32,
    pages: BTreeSet<String>,
}

/// What happens to pages of an earlier run that are not written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StalePages {
    Remove,
    Keep,
}

enum SiteTarget {
    Directory(DirectoryStore, PathBuf),
    Bucket(S3Store),
}

pub struct SiteWriter {
    target: SiteTarget,
    previous: BTreeSet<String>,
    current: BTreeSet<String>,
}

impl SiteWriter {
    pub async fn begin(
        location: &Location,
        mut names: BTreeSet<String>,
        stale_pages: StalePages,
    ) -> Result<Self, SiteError> {
        let target = match location {
            Location::Directory(path) if path.is_file() => return Err(SiteError::NotAFolder(location.clone())),
            Location::Directory(path) => SiteTarget::Directory(DirectoryStore::read_only(path), path.clone()),
            Location::S3 { bucket, prefix } => {
                SiteTarget::Bucket(S3Store::open(bucket, prefix, CrashPoints::default()).await)
            }
        };
        let previous = match target.blobs().get(LIST).await? {
            Some((bytes, _)) => match serde_json::from_slice::<PageList>(&bytes) {
                Ok(list) if list.format > FORMAT => return Err(SiteError::NewerList(location.clone(), list.format)),
                Ok(list) => list.pages.into_iter().filter(|name| is_safe_name(name)).collect(),
                Err(error) => return Err(SiteError::InvalidList(location.clone(), error)),
            },
            None => BTreeSet::new(),
        };
        if let Some(name) = target.first_foreign(names.difference(&previous)).await? {
            return Err(SiteError::ForeignPage(location.clone(), name));
        }
        if stale_pages == StalePages::Keep {
            names.extend(previous.iter().cloned());
        }
        let pages = Self { target, previous, current: names };
        pages.write_list(pages.previous.union(&pages.current).cloned().collect()).await?;
        Ok(pages)
    }

    pub async fn write_all(
        location: &Location,
        pages: Vec<SiteFile>,
        stale_pages: StalePages,
    ) -> Result<(), SiteError> {
        let site = Self::begin(location, pages.iter().map(|page| page.name.clone()).collect(), stale_pages).await?;
        site.put(pages).await?;
        site.finish().await
    }

    pub async fn put(&self, pages: Vec<SiteFile>) -> Result<(), SiteError> {
        let put = pages.into_iter().map(async |page| self.target.put(&page.name, page.text).await);
        Ok(stream::iter(put).buffer_unordered(CONCURRENT_WRITES).try_collect().await?)
    }

    pub async fn finish(self) -> Result<(), SiteError> {
        for stale in self.previous.difference(&self.current) {
            self.target.blobs().delete(stale).await?;
        }
        self.write_list(self.current.clone()).await
    }

    async fn write_list(&self, pages: BTreeSet<String>) -> Result<(), SiteError> {
        // A list of names always is JSON.
        let text = serde_json::to_string_pretty(&PageList { format: FORMAT, pages }).unwrap_or_default();
        Ok(self.target.put(LIST, text + "\n").await?)
    }
}

impl SiteTarget {
    async fn first_foreign(&self, names: impl Iterator<Item = &String>) -> Result<Option<String>, BlobError> {
        match self {
            Self::Directory(_, root) => {
                let mut names = names.filter(|name| fs::symlink_metadata(root.join(name)).is_ok());
                Ok(names.next().cloned())
            }
            // A new prefix is empty, so that a site of hundreds of pages takes one request.
            Self::Bucket(bucket) if bucket.first_entry().await?.is_none() => Ok(None),
            Self::Bucket(bucket) => {
                let existing = names.map(async |name| Ok(bucket.get(name).await?.map(|_| name.clone())));
                let existing: Vec<Option<String>> =
                    stream::iter(existing).buffered(CONCURRENT_WRITES).try_collect().await?;
                Ok(existing.into_iter().flatten().next())
            }
        }
    }

    fn blobs(&self) -> &dyn BlobStore {
        match self {
            Self::Directory(folder, _) => folder,
            Self::Bucket(bucket) => bucket,
        }
    }

    async fn put(&self, name: &str, text: String) -> Result<(), BlobError> {
        match self {
            Self::Bucket(bucket) => bucket.put_page(name, text.into_bytes(), content_type(name)).await,
            Self::Directory(_, root) => {
                let written =
                    create_parent_folders(root, name).and_then(|()| replace_file(&root.join(name), text.as_bytes()));
                let name = root.join(name).display().to_string();
                written.map_err(|source| BlobError::Io { action: "write", name, source })
            }
        }
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("md") => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a name of the list lies below the site, however the list was changed.
fn is_safe_name(name: &str) -> bool {
    let is_safe_component =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    name.split('/').all(is_safe_component) && content_type(name) != "application/octet-stream"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> SiteFile {
        SiteFile { name: name.to_owned(), text: format!("this is {name}") }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// Every file below a folder, sorted.
    fn files_below(folder: &std::path::Path) -> Vec<String> {
        let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(next) = folders.pop() {
            for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn stale_pages_are_deleted_and_foreign_files_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let location = Location::Directory(site.clone());
        let write = |wanted: &[&str], others: StalePages| -> Result<(), SiteError> {
            wait(async {
                let pages = SiteWriter::begin(&location, names(wanted), others).await?;
                pages.put(wanted.iter().map(|name| page(name)).collect()).await?;
                pages.finish().await
            })
        };
        write(&["index.html", "a/b/one.html", "a/two.html"], StalePages::Remove).unwrap();
        fs::write(site.join("a/theirs.html"), "theirs").unwrap();
        fs::write(site.join("index.html.tmp"), "theirs").unwrap();
        fs::write(folder.path().join("outside.html"), "theirs").unwrap();
        let all = ["a/b/one.html", "a/theirs.html", "a/two.html", "index.html", "index.html.tmp", LIST];
        assert_eq!(files_below(&site), all);
        write(&["report.md"], StalePages::Keep).unwrap();
        assert_eq!(files_below(&site).len(), all.len() + 1);
        let list = site.join(LIST);
        let hostile = fs::read_to_string(&list)
            .unwrap()
            .replace("\"pages\": [", "\"pages\": [\"../outside.html\", \"/etc/x.html\",");
        fs::write(&list, hostile).unwrap();
        write(&["index.html", "a/two.html"], StalePages::Remove).unwrap();
        assert_eq!(files_below(&site), ["a/theirs.html", "a/two.html", "index.html", "index.html.tmp", LIST]);
        assert_eq!(fs::read_to_string(site.join("index.html.tmp")).unwrap(), "theirs");
        assert!(folder.path().join("outside.html").exists());
        let foreign = write(&["index.html", "a/theirs.html"], StalePages::Remove).unwrap_err().to_string();
        assert!(foreign.contains("it contains `a/theirs.html`, which slowburn did not write"), "{foreign}");
        assert_eq!(fs::read_to_string(site.join("a/theirs.html")).unwrap(), "theirs");
        fs::remove_file(&list).unwrap();
        let taken = write(&["index.html"], StalePages::Remove).unwrap_err().to_string();
        assert!(taken.contains("it contains `index.html`"), "{taken}");
        std::os::unix::fs::symlink(folder.path(), site.join("mart")).unwrap();
        assert!(write(&["mart/checkout.html"], StalePages::Remove).is_err(), "no page is written through a link");
        assert!(!folder.path().join("checkout.html").exists());
    }
}

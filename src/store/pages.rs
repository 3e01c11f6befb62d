//! Pages for people, in a folder or a bucket: each is put there whole, and what was there before and is no more is taken away.
//!
//! A list beside the pages says which of them slowburn wrote. It names a page before that is written and until it is gone, so that
//! whatever stops in between leaves nothing that nobody would ever take away, and nothing is taken away that others put there.
//!
//! Absent on purpose: syncing to the disk. Pages are made anew from the ledger at any time.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::{DirectoryShelf, S3Shelf, Shelf, ShelfError, WritePoints};
use crate::aws::Aws;
use crate::location::Location;

/// The list of what slowburn wrote.
const LIST: &str = "slowburn-pages.json";
/// The page that everything begins with.
const FIRST: &str = "index.html";
/// Pages that are written to a bucket at the same time.
const WRITE_TOGETHER: usize = 16;
const FORMAT: u32 = 1;

/// A page by its name below the site, with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// Why pages could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// The place refused.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// Something else lies there.
    #[error("`{0}` holds an `{FIRST}` that slowburn did not write\nhint: name an empty folder")]
    Taken(Location),
    /// A file lies where the folder should be.
    #[error(
        "`{0}` is a file\nhint: `--out` names a folder; for one document, let the shell write it: `slowburn report > FILE`"
    )]
    File(Location),
    /// The list is not what it should be.
    #[error("`{LIST}` in `{0}` cannot be read: {1}\nhint: remove the folder, and write all pages anew")]
    List(Location, serde_json::Error),
    /// The list is from a newer program.
    #[error("`{LIST}` in `{0}` has format {1}\nhint: use the newer slowburn that wrote it")]
    Newer(Location, u32),
}

#[derive(Deserialize, Serialize)]
struct List {
    format: u32,
    /// Sorted.
    pages: BTreeSet<String>,
}

/// Where pages are.
enum Place {
    Directory(DirectoryShelf, PathBuf),
    Bucket(S3Shelf),
}

/// A site that is being written.
pub struct Pages {
    place: Place,
    before: BTreeSet<String>,
    now: BTreeSet<String>,
}

impl Pages {
    /// Begins to write pages of these names, and no others.
    ///
    /// # Errors
    /// When the place cannot be written to, or is somebody else's.
    pub async fn begin(location: &Location, names: BTreeSet<String>) -> Result<Self, PagesError> {
        let place = match location {
            Location::Directory(path) if path.is_file() => return Err(PagesError::File(location.clone())),
            Location::Directory(path) => Place::Directory(DirectoryShelf::read_only(path), path.clone()),
            Location::S3 { bucket, prefix } => {
                Place::Bucket(S3Shelf::new(Aws::reach().await.s3(), bucket, prefix, WritePoints::default()))
            }
        };
        let before = match place.shelf().get(LIST).await? {
            Some((bytes, _)) => match serde_json::from_slice::<List>(&bytes) {
                Ok(list) if list.format > FORMAT => return Err(PagesError::Newer(location.clone(), list.format)),
                Ok(list) => list.pages.into_iter().filter(|name| is_below(name)).collect(),
                Err(error) => return Err(PagesError::List(location.clone(), error)),
            },
            None if place.shelf().get(FIRST).await?.is_some() => return Err(PagesError::Taken(location.clone())),
            None => BTreeSet::new(),
        };
        let pages = Self { place, before, now: names };
        pages.keep_list(pages.before.union(&pages.now).cloned().collect()).await?;
        Ok(pages)
    }

    /// Writes some pages.
    ///
    /// # Errors
    /// When the place refuses.
    pub async fn put(&self, pages: Vec<Page>) -> Result<(), PagesError> {
        let put = pages.into_iter().map(async |page| self.place.put(&page.name, page.text).await);
        Ok(stream::iter(put).buffer_unordered(WRITE_TOGETHER).try_collect().await?)
    }

    /// Takes away what is there no more.
    ///
    /// # Errors
    /// When the place refuses.
    pub async fn finish(self) -> Result<(), PagesError> {
        for gone in self.before.difference(&self.now) {
            self.place.shelf().delete(gone).await?;
        }
        self.keep_list(self.now.clone()).await
    }

    async fn keep_list(&self, pages: BTreeSet<String>) -> Result<(), PagesError> {
        // A list of names always is JSON.
        let text = serde_json::to_string_pretty(&List { format: FORMAT, pages }).unwrap_or_default();
        Ok(self.place.put(LIST, text + "\n").await?)
    }
}

impl Place {
    fn shelf(&self) -> &dyn Shelf {
        match self {
            Self::Directory(folder, _) => folder,
            Self::Bucket(bucket) => bucket,
        }
    }

    async fn put(&self, name: &str, text: String) -> Result<(), ShelfError> {
        match self {
            Self::Bucket(bucket) => bucket.put_page(name, text.into_bytes(), kind(name)).await,
            Self::Directory(_, root) => {
                let path = root.join(name);
                // What stays as it is keeps its time, so that a copy of the site is quick.
                if fs::read(&path).is_ok_and(|held| held == text.as_bytes()) {
                    return Ok(());
                }
                let aside = root.join(format!("{name}.tmp"));
                let made = path.parent().map_or(Ok(()), fs::create_dir_all);
                let written = made.and_then(|()| fs::write(&aside, text)).and_then(|()| fs::rename(&aside, &path));
                let name = path.display().to_string();
                written.map_err(|source| ShelfError::Disk { action: "write", name, source })
            }
        }
    }
}

/// What a browser is told of a page.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("md") => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Whether a name of the list lies below the site, whatever somebody has done to the list.
fn is_below(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    name.split('/').all(is_part) && kind(name) != "application/octet-stream"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> Page {
        Page { name: name.to_owned(), text: format!("this is {name}") }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn what_is_gone_is_taken_away_and_what_others_put_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = Location::Directory(folder.path().join("site"));
        let write = |wanted: &[&str]| -> Result<(), PagesError> {
            wait(async {
                let pages = Pages::begin(&place, names(wanted)).await?;
                pages.put(wanted.iter().map(|name| page(name)).collect()).await?;
                pages.finish().await
            })
        };
        let there = || {
            let shelf = DirectoryShelf::read_only(&folder.path().join("site"));
            wait(shelf.list()).unwrap()
        };
        write(&["index.html", "a/b/one.html", "a/two.html"]).unwrap();
        fs::write(folder.path().join("site/a/theirs.html"), "theirs").unwrap();
        fs::write(folder.path().join("outside.html"), "theirs").unwrap();
        assert_eq!(there(), ["a/b/one.html", "a/theirs.html", "a/two.html", "index.html", LIST]);
        let list = folder.path().join("site").join(LIST);
        let hostile = fs::read_to_string(&list)
            .unwrap()
            .replace("\"pages\": [", "\"pages\": [\"../outside.html\", \"/etc/x.html\",");
        fs::write(&list, hostile).unwrap();
        write(&["index.html", "a/two.html"]).unwrap();
        assert_eq!(there(), ["a/theirs.html", "a/two.html", "index.html", LIST]);
        assert!(folder.path().join("outside.html").exists());
        fs::remove_file(&list).unwrap();
        let taken = write(&["index.html"]).unwrap_err().to_string();
        assert!(taken.contains("holds an `index.html` that slowburn did not write"), "{taken}");
    }
}

//! Where a ledger is, as a person writes it: a directory, or `s3://bucket/prefix`.

use std::path::PathBuf;
use std::str::FromStr;

use super::points::WritePoints;
use super::{DirectoryShelf, S3Shelf, Shelf, ShelfError};
use crate::aws::Aws;

/// A place to keep a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A bucket, and a prefix without slashes at its ends; it may be empty.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix.
        prefix: String,
    },
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some((scheme, _)) => {
                    Err(format!("`{scheme}://` is no place for a ledger: name a directory or `s3://bucket/prefix`"))
                }
                None => Ok(Self::Directory(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("`s3://` lacks the name of the bucket: `s3://bucket/prefix`".to_owned());
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl Location {
    /// A shelf to write to. A directory is made and locked; a bucket is not.
    ///
    /// # Errors
    /// [`ShelfError::Held`] if another process has the directory, [`ShelfError::Disk`] if the disk refuses.
    pub async fn writable(&self, points: WritePoints) -> Result<Box<dyn Shelf>, ShelfError> {
        Ok(match self {
            Self::Directory(path) => Box::new(DirectoryShelf::open(path, points)?),
            Self::S3 { bucket, prefix } => Box::new(S3Shelf::new(Aws::reach().await.s3(), bucket, prefix, points)),
        })
    }

    /// A shelf to read from, also while others write.
    pub async fn readable(&self) -> Box<dyn Shelf> {
        match self {
            Self::Directory(path) => Box::new(DirectoryShelf::read_only(path)),
            Self::S3 { bucket, prefix } => {
                Box::new(S3Shelf::new(Aws::reach().await.s3(), bucket, prefix, WritePoints::default()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_bucket() {
        let place = |text: &str| text.parse::<Location>();
        assert_eq!(place("ledger/of:us"), Ok(Location::Directory("ledger/of:us".into())));
        for (text, prefix) in [("s3://b", ""), ("s3://b/", ""), ("s3://b/a/c/", "a/c")] {
            assert_eq!(place(text), Ok(Location::S3 { bucket: "b".to_owned(), prefix: prefix.to_owned() }));
        }
        assert_eq!(place("s3://b/a/").unwrap().to_string(), "s3://b/a");
        assert!(place("s3:///a").unwrap_err().contains("bucket"));
        assert!(place("gs://b/a").unwrap_err().contains("gs://"));
    }
}

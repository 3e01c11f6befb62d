//! Opens the shelf of a place that a person wrote.

use super::crash_points::CrashPoints;
use super::{BlobError, BlobStore, DirectoryStore, S3Store};
use crate::aws::Aws;
use crate::location::Location;

/// A shelf to write to. A directory is made and locked; a bucket is not.
///
/// # Errors
/// [`ShelfError::Held`] if another process has the directory, [`ShelfError::Disk`] if the disk refuses.
pub async fn open_writable(location: &Location, crash_points: CrashPoints) -> Result<Box<dyn BlobStore>, BlobError> {
    Ok(match location {
        Location::Directory(path) => Box::new(DirectoryStore::open(path, crash_points)?),
        Location::S3 { bucket, prefix } => {
            Box::new(S3Store::new(Aws::shared().await.s3(), bucket, prefix, crash_points))
        }
    })
}

/// A shelf to read from, also while others write.
pub async fn open_readable(location: &Location) -> Box<dyn BlobStore> {
    match location {
        Location::Directory(path) => Box::new(DirectoryStore::read_only(path)),
        Location::S3 { bucket, prefix } => {
            Box::new(S3Store::new(Aws::shared().await.s3(), bucket, prefix, CrashPoints::default()))
        }
    }
}

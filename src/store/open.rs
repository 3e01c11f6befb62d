//! Opens the shelf of a place that a person wrote.

use super::points::WritePoints;
use super::{DirectoryShelf, S3Shelf, Shelf, ShelfError};
use crate::aws::Aws;
use crate::location::Location;

/// A shelf to write to. A directory is made and locked; a bucket is not.
///
/// # Errors
/// [`ShelfError::Held`] if another process has the directory, [`ShelfError::Disk`] if the disk refuses.
pub async fn writable(location: &Location, points: WritePoints) -> Result<Box<dyn Shelf>, ShelfError> {
    Ok(match location {
        Location::Directory(path) => Box::new(DirectoryShelf::open(path, points)?),
        Location::S3 { bucket, prefix } => Box::new(S3Shelf::new(Aws::reach().await.s3(), bucket, prefix, points)),
    })
}

/// A shelf to read from, also while others write.
pub async fn readable(location: &Location) -> Box<dyn Shelf> {
    match location {
        Location::Directory(path) => Box::new(DirectoryShelf::read_only(path)),
        Location::S3 { bucket, prefix } => {
            Box::new(S3Shelf::new(Aws::reach().await.s3(), bucket, prefix, WritePoints::default()))
        }
    }
}

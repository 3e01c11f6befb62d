//! Access logs below a directory or in a bucket: [`LogTree`] says which objects there are, `scan` counts their lines.
//!
//! **Invariant:** an object is counted whole or not at all, and every object and line that is not counted is named.

mod contributors;
mod folder;
mod folders;
mod inflate;
mod listing;
mod object;
mod root;
mod s3;
mod scan;

pub use contributors::{ContributorScan, scan_contributors};
#[cfg(test)]
pub use folders::ListError;
pub use listing::{ListingReport, LogFile, LogFolders, LogTree, SkippedObjects};
pub use object::ObjectError;
pub use root::LogRoot;
pub use scan::{Batch, FailedObject, ObjectRead, ScanResult, scan};

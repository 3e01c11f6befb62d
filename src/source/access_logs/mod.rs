//! Access logs below a directory or in a bucket: [`LogTree`] says which objects there are, `scan` counts their lines.
//!
//! **Invariant:** an object is counted whole or not at all, and every object and line that is not counted is named.

mod contributors;
mod count_source;
mod folder;
mod folders;
mod inflate;
mod listed_objects;
mod listing;
mod listing_plan;
mod read_object;
mod root;
mod s3;
mod scan;
mod summary;

pub use contributors::{ContributorScan, RECENT_MINUTES, RecentLogs, scan_contributors};
pub use count_source::AccessLogSource;
#[cfg(test)]
pub use folders::ListError;
pub use listing::{ListingReport, LogFile, LogFolders, LogTree, SkippedObjects};
pub use read_object::ObjectError;
pub use root::LogRoot;
pub use scan::{Batch, ObjectRead, ScanResult, scan};

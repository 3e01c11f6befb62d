//! Access logs below a directory or in a bucket: [`LogTree`] says which objects there are, [`scan`] counts their lines.
//!
//! **Invariant:** an object is counted whole or not at all, and every object and line that is not counted is named.

mod bucket;
mod buffer;
mod counter;
mod folders;
mod inflate;
mod lines;
mod listing;
mod object;
mod place;
mod reread;
mod scan;
mod tally;

pub use folders::ListError;
pub use listing::{LogFile, LogFolders, LogTree, Others, Unread};
pub use object::ObjectFault;
pub use place::Place;
pub use reread::{Again, reread};
pub use scan::{Batch, FaultyObject, ObjectRead, ScanResult, UnparsedLine, scan};

//! Reads a few objects again, within a deadline, for where their bad events come from. Counts do not depend on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

use super::listing::LogFile;
use super::read_object::{ObjectError, ObjectReader, ObjectSize};
use super::root::LogRoot;
use crate::access_log::alb::OptionalFields;
use crate::access_log::contributors::{ContributorCounter, Contributors};
use crate::access_log::request_reader::RequestReader;
use crate::access_log::router::SeriesRouter;
use crate::fetch_plan::AccessLogRequest;

/// Objects of one balancer: an hour of twenty nodes. By list price they cost $0.0001.
const OBJECTS_MAX: usize = 256;
/// Their compressed bytes: some 300 MB of lines.
const BYTES_MAX: u64 = 32 << 20;

/// The newest minutes whose objects are read; longer windows contain more than is needed.
pub const RECENT_MINUTES: u32 = 60;

/// The access logs of a source that contain its newest minutes.
pub struct RecentLogs<'a> {
    pub request: &'a AccessLogRequest,
    pub root: LogRoot,
    pub files: Vec<LogFile>,
}

#[derive(Clone, Copy, Debug)]
pub struct ContributorScan<'a> {
    /// Objects of one balancer.
    pub objects: &'a [&'a LogFile],
    pub router: &'a SeriesRouter,
    /// The minutes of each series, in the router's order.
    pub contributors: &'a [Contributors],
    pub deadline: Instant,
    pub cancel: &'a AtomicBool,
}

/// The contributors of each series, in the router's order, by the newest objects that can be read in time.
pub async fn scan_contributors(root: &LogRoot, scan: &ContributorScan<'_>) -> Vec<Contributors> {
    let mut newest = scan.objects.to_vec();
    newest.sort_by(|a, b| (b.interval.end, &a.key).cmp(&(a.interval.end, &b.key)));
    let mut bytes = 0_u64;
    let within_limits = newest.iter().take(OBJECTS_MAX).take_while(|file| {
        bytes = bytes.saturating_add(file.size);
        bytes <= BYTES_MAX
    });
    let selected: Vec<&LogFile> = within_limits.copied().collect();
    let contributors = scan.contributors.to_vec();
    let mut reader = ContributorReader { scan, contributors, object_reader: ObjectReader::new(1), objects_read: 0 };
    match root {
        LogRoot::Directory(root) => block_in_place(|| {
            for file in &selected {
                let path = root.join(&*file.key);
                if !reader.try_read_object(true, |reader, lines| reader.read_file(&path, lines)) {
                    break;
                }
            }
        }),
        LogRoot::Bucket(bucket) => {
            let objects = selected.iter().map(|file| (Arc::clone(&file.key), file.size)).collect();
            let mut fetched_objects = bucket.prefetch(objects);
            while let Ok(Some(fetched)) = timeout_at(scan.deadline, fetched_objects.recv()).await {
                let Ok(body) = fetched.body else { continue };
                let (body, is_whole) = body.into_first_chunk();
                if !block_in_place(|| reader.try_read_object(is_whole, |reader, lines| reader.read(body, lines))) {
                    break;
                }
            }
        }
    }
    if reader.objects_read < scan.objects.len() {
        reader.contributors.iter_mut().for_each(|found| found.is_complete = false);
    }
    reader.contributors
}

struct ContributorReader<'a> {
    scan: &'a ContributorScan<'a>,
    contributors: Vec<Contributors>,
    object_reader: ObjectReader,
    /// Objects that were read whole.
    objects_read: usize,
}

impl ContributorReader<'_> {
    /// Reads an object or its first chunk, and adds what it contains; `false` if the scan was cancelled meanwhile.
    fn try_read_object(
        &mut self,
        is_whole: bool,
        read: impl FnOnce(
            &mut ObjectReader,
            &mut RequestReader<'_, ContributorCounter<'_>>,
        ) -> Result<ObjectSize, ObjectError>,
    ) -> bool {
        let ContributorScan { router, contributors, deadline, cancel, .. } = *self.scan;
        let is_cancelled = || cancel.load(Ordering::Relaxed) || Instant::now() >= deadline;
        let optional_fields = router.optional_fields.union(OptionalFields::TARGET_GROUP);
        let counter = ContributorCounter::new(router, contributors, &is_cancelled);
        let mut lines = RequestReader::new(router, optional_fields, counter);
        let result = read(&mut self.object_reader, &mut lines);
        if is_cancelled() {
            return false;
        }
        self.objects_read += usize::from(is_whole && result.is_ok());
        // The lines of a large object's first chunk are as good as any.
        if result.is_ok() || (!is_whole && matches!(result, Err(ObjectError::Truncated))) {
            let (counter, _) = lines.into_parts();
            self.contributors.iter_mut().zip(&counter.contributors).for_each(|(sum, found)| sum.merge(found));
        }
        true
    }
}

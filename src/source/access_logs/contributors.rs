//! Reads a few objects again, within a deadline, for where their bad events come from. Counts do not depend on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

use super::listing::LogFile;
use super::object::{ObjectError, ObjectReader};
use super::root::LogRoot;
use super::s3::Bucket;
use crate::access_log::alb::{OptionalFields, Request};
use crate::access_log::contributors::{ContributorCounter, Contributors};
use crate::access_log::lines::LineSink;
use crate::access_log::request_reader::{RequestReader, RequestSink};
use crate::access_log::router::SeriesRouter;
use crate::time::Minute;

/// Objects of one balancer: an hour of twenty nodes. By list price they cost $0.0001.
const OBJECTS_MAX: usize = 256;
/// Their compressed bytes: some 300 MB of lines.
const BYTES_MAX: u64 = 32 << 20;

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

impl<'a> ContributorScan<'a> {
    /// Reads one object. Other lines than requests within the spans are skipped.
    fn reader(&'a self) -> RequestReader<'a, ContributorSink<'a>> {
        let optional_fields = self.router.optional_fields().union(OptionalFields::TARGET_GROUP);
        let counter = ContributorCounter::for_series(self.contributors);
        RequestReader::new(self.router, optional_fields, ContributorSink { scan: self, counter })
    }
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
    let mut reader = ContributorReader {
        scan,
        contributors: scan.contributors.to_vec(),
        object_reader: ObjectReader::new(1),
        objects_read: 0,
    };
    match root {
        LogRoot::Directory(root) => block_in_place(|| reader.read_files(root, &selected)),
        LogRoot::Bucket(bucket) => reader.read_bucket(bucket, &selected).await,
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
    fn read_files(&mut self, root: &Path, selected: &[&LogFile]) {
        for file in selected {
            let mut lines = self.scan.reader();
            let read = self.object_reader.read_file(&root.join(&*file.key), &mut lines);
            if lines.is_cancelled() {
                return;
            }
            self.merge_object(read.is_ok(), read.is_ok(), &lines.into_parts().0.counter);
        }
    }

    async fn read_bucket(&mut self, bucket: &Arc<Bucket>, selected: &[&LogFile]) {
        let objects = selected.iter().map(|file| (Arc::clone(&file.key), file.size)).collect();
        let mut fetched_objects = bucket.prefetch(objects);
        while let Ok(Some(fetched)) = timeout_at(self.scan.deadline, fetched_objects.recv()).await {
            let (Ok(body), true) = (fetched.body, fetched.index < selected.len()) else { continue };
            let (body, is_whole) = body.into_first_chunk();
            let mut lines = self.scan.reader();
            let read = block_in_place(|| self.object_reader.read(body, &mut lines));
            if lines.is_cancelled() {
                return;
            }
            // The lines of a large object's first chunk are as good as any.
            let is_sound = read.is_ok() || (!is_whole && matches!(read, Err(ObjectError::Truncated)));
            self.merge_object(is_sound, is_whole && read.is_ok(), &lines.into_parts().0.counter);
        }
    }

    fn merge_object(&mut self, is_usable: bool, is_complete: bool, counter: &ContributorCounter) {
        self.objects_read += usize::from(is_complete);
        if is_usable {
            self.contributors.iter_mut().zip(&counter.contributors).for_each(|(sum, found)| sum.merge(found));
        }
    }
}

/// Takes the requests of one object. Lines that are not requests of this balancer were reported when the object was
/// counted.
struct ContributorSink<'a> {
    scan: &'a ContributorScan<'a>,
    counter: ContributorCounter,
}

impl RequestSink for ContributorSink<'_> {
    fn restart(&mut self) {
        self.counter.reset();
    }

    fn includes(&self, minute: Minute) -> bool {
        self.counter.includes(minute)
    }

    fn count(&mut self, request: &Request<'_>, line: &[u8]) {
        self.counter.add_request(self.scan.router, request, line);
    }

    fn is_cancelled(&self) -> bool {
        self.scan.cancel.load(Ordering::Relaxed) || Instant::now() >= self.scan.deadline
    }
}

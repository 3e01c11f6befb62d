//! Reads a few objects once more, to see where their bad events come from, for so long and not longer.
//!
//! What cannot be read in that time is left out: nobody waits for it, and nothing is counted by it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

use super::line_counter::LineFormat;
use super::lines::{Line, LineSink, for_each_line};
use super::listing::LogFile;
use super::object::{ObjectError, ObjectReader};
use super::root::LogRoot;
use super::s3::Bucket;
use crate::access_log::alb::{Decoder, OptionalFields, Request};
use crate::access_log::classic::{self, Record};
use crate::access_log::contributors::{ContributorCounter, Contributors, TargetResponse};
use crate::access_log::router::SeriesRouter;

/// Objects that are read again of one balancer: an hour of twenty nodes. By list price they cost $0.0001.
const OBJECTS_MAX: usize = 256;
/// Bytes of them as they lie there, some 300 MB of lines.
const BYTES_MAX: u64 = 32 << 20;

/// What to read once more.
#[derive(Clone, Copy, Debug)]
pub struct ContributorScan<'a> {
    /// The objects of one balancer that are of interest.
    pub objects: &'a [&'a LogFile],
    /// The series that are of interest.
    pub router: &'a SeriesRouter,
    /// What is wanted of each series, in the order of the routes' slots.
    pub contributors: &'a [Contributors],
    /// Nothing is read after this.
    pub deadline: Instant,
    /// Raised when all should end.
    pub cancel: &'a AtomicBool,
}

/// Where events of some series come from, in the order of the routes' slots, by the newest objects that can be read in
/// time.
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
            let mut lines = ContributorSink::new(self.scan);
            let read = self.object_reader.read_file(&root.join(&*file.key), &mut lines);
            if lines.is_cancelled() {
                return;
            }
            self.merge_object(read.is_ok(), read.is_ok(), &lines.counter);
        }
    }

    async fn read_bucket(&mut self, bucket: &Arc<Bucket>, selected: &[&LogFile]) {
        let objects = selected.iter().map(|file| (Arc::clone(&file.key), file.size)).collect();
        let mut fetched_objects = bucket.prefetch(objects);
        while let Ok(Some(fetched)) = timeout_at(self.scan.deadline, fetched_objects.recv()).await {
            let (Ok(body), true) = (fetched.body, fetched.index < selected.len()) else { continue };
            let (body, is_whole) = body.into_first_chunk();
            let mut lines = ContributorSink::new(self.scan);
            let read = block_in_place(|| self.object_reader.read(body, &mut lines));
            if lines.is_cancelled() {
                return;
            }
            // Where a large object was begun only, its lines up to there are as good as any.
            let is_sound = read.is_ok() || (!is_whole && matches!(read, Err(ObjectError::Truncated)));
            self.merge_object(is_sound, is_whole && read.is_ok(), &lines.counter);
        }
    }

    fn merge_object(&mut self, is_usable: bool, is_complete: bool, counter: &ContributorCounter) {
        self.objects_read += usize::from(is_complete);
        if is_usable {
            self.contributors.iter_mut().zip(&counter.contributors).for_each(|(sum, found)| sum.merge(found));
        }
    }
}

/// Takes the lines of one object.
struct ContributorSink<'a> {
    scan: &'a ContributorScan<'a>,
    format: LineFormat,
    load_balancer: &'a [u8],
    counter: ContributorCounter,
}

impl<'a> ContributorSink<'a> {
    fn new(scan: &'a ContributorScan<'a>) -> Self {
        let (format, load_balancer) =
            LineFormat::for_router(scan.router, scan.router.optional_fields().union(OptionalFields::TARGET_GROUP));
        Self { scan, format, load_balancer, counter: ContributorCounter::for_series(scan.contributors) }
    }

    /// What is no request of this balancer was named when the object was counted.
    fn add_line(&mut self, line: &[u8], decoder: &mut Decoder) {
        if let Ok(request) = decoder.decode(line) {
            self.add_request(&request, || TargetResponse::from_alb_line(line));
        }
    }

    fn add_record(&mut self, record: &[u8]) {
        if let Ok(Record::Request(request)) = classic::decode(record) {
            self.add_request(&request, || TargetResponse::from_classic_record(record));
        }
    }

    fn add_request<'l>(&mut self, request: &Request<'l>, response: impl FnOnce() -> Option<TargetResponse<'l>>) {
        if request.load_balancer == self.load_balancer && self.counter.includes(request.minute) {
            self.counter.add_request(self.scan.router, request, response().as_ref());
        }
    }
}

impl LineSink for ContributorSink<'_> {
    fn restart(&mut self) {
        self.counter.reset();
        (self.format, _) = LineFormat::for_router(
            self.scan.router,
            self.scan.router.optional_fields().union(OptionalFields::TARGET_GROUP),
        );
    }

    fn accept_lines(&mut self, text: &[u8], start: usize, line_ends: &[u32]) {
        for_each_line(text, start, line_ends, |line| self.accept_line(line));
    }

    fn accept_line(&mut self, line: Line<'_>) {
        match (line, &mut self.format) {
            (Line::Whole(line), LineFormat::Alb(decoder)) => {
                let mut decoder = *decoder;
                self.add_line(line, &mut decoder);
            }
            (Line::Whole(line), LineFormat::Classic(records)) => {
                let mut records = std::mem::take(records);
                records.push_line(line, |record| self.add_record(record));
                self.format = LineFormat::Classic(records);
            }
            (Line::TooLong(_), _) => {}
        }
    }

    fn finish(&mut self) {
        if let LineFormat::Classic(records) = &mut self.format {
            std::mem::take(records).finish(|record| self.add_record(record));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.scan.cancel.load(Ordering::Relaxed) || Instant::now() >= self.scan.deadline
    }
}

//! Counts the lines of many objects on all cores, in bounded memory.
//!
//! Objects are independent: each thread takes the next one off the list, counts it on its own, and adds the counts of
//! the whole object to the sum in one step. So the sum holds exactly the objects that are reported as read.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;

use tokio::sync::mpsc;

use super::listing::LogFile;
use super::object::{ObjectError, ObjectReader, ObjectSize};
use super::root::LogRoot;
use super::s3::FetchedObject;
use crate::access_log::lines::LineSink;
use crate::access_log::object_counts::{BatchCounts, EventCounter, ObjectTally, empty_day};
use crate::access_log::request_reader::{LineStatistics, RequestReader};
use crate::access_log::router::SeriesRouter;
use crate::access_log::unparsed_line::UnparsedLine;
use crate::counts::MinuteCount;
use crate::rational::Rational;
use crate::series::SeriesKey;
use crate::time::Day;

#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Objects of the router's balancer.
    pub objects: &'a [LogFile],
    pub router: &'a SeriesRouter,
}

#[derive(Debug, Default)]
pub struct ScanResult {
    /// In the order of the batches.
    pub read: Vec<ObjectRead>,
    pub failed: Vec<FailedObject>,
    /// Counts by series and day, one for each minute, zero where the objects have no event. Whether a minute is known
    /// depends on the objects that were read.
    pub counts: BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    /// Some objects are in neither list.
    pub is_cancelled: bool,
}

impl ScanResult {
    pub fn merge(&mut self, other: Self) {
        self.read.extend(other.read);
        self.failed.extend(other.failed);
        self.is_cancelled |= other.is_cancelled;
        for (key, counts) in other.counts {
            add_counts(self.counts.entry(key).or_insert_with(empty_day), &counts);
        }
    }
}

/// An object that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRead {
    pub key: Arc<str>,
    pub size: u64,
    pub lines: u64,
    /// Lines that are not a request of this balancer at about this time.
    pub unparsed: u64,
    pub samples: Vec<UnparsedLine>,
    /// Connections of a Classic Load Balancer's TCP listeners among the lines.
    pub connections: u64,
    /// Bytes behind the last gzip member: padding, or the rest of a damaged copy.
    pub trailing_bytes: u64,
}

impl ObjectRead {
    /// Whether it has lines and none of them is of its balancer and time, unless all lines may be unparsed.
    pub fn has_only_unparsed_lines(&self, max_unparsed: Rational) -> bool {
        self.lines > 0 && self.unparsed == self.lines && max_unparsed < Rational::from_integer(1)
    }
}

#[derive(Debug)]
pub struct FailedObject {
    pub key: Arc<str>,
    pub error: ObjectError,
}

/// Reads all objects of the batches on up to this many threads, and ends within a chunk of an object if cancelled.
/// Objects of a bucket are fetched meanwhile, so that it must be called within a runtime of several threads.
pub fn scan(root: &LogRoot, batches: &[Batch<'_>], threads: usize, cancel: &AtomicBool) -> ScanResult {
    let objects = batches.iter().enumerate();
    let objects: Vec<_> =
        objects.flat_map(|(batch_index, batch)| batch.objects.iter().map(move |file| (batch_index, file))).collect();
    let source = match root {
        LogRoot::Directory(root) => ObjectSource::Directory(root, AtomicUsize::new(0)),
        LogRoot::Bucket(bucket) => {
            let wanted = objects.iter().map(|(_, file)| (Arc::clone(&file.key), file.size)).collect();
            ObjectSource::Bucket(Mutex::new(bucket.prefetch(wanted)))
        }
    };
    let shared = ScanContext {
        source,
        batches,
        objects,
        batch_counts: batches.iter().map(|_| Mutex::default()).collect(),
        cancel,
    };
    let threads = threads.clamp(1, shared.objects.len().max(1));
    let mut outcomes: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(|| shared.run_worker(threads))).collect();
        let own_outcomes = shared.run_worker(threads);
        // The sum has counts whose outcomes were lost with a thread that panicked, so the result is invalid.
        let join =
            |thread: ScopedJoinHandle<'_, Vec<Outcome>>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        handles.into_iter().flat_map(join).chain(own_outcomes).collect()
    });
    outcomes.sort_by_key(|(place, _)| *place);
    let mut result = ScanResult { is_cancelled: outcomes.len() < shared.objects.len(), ..ScanResult::default() };
    for (_, outcome) in outcomes {
        match outcome {
            Ok(read) => result.read.push(read),
            Err(faulty) => result.failed.push(faulty),
        }
    }
    for (batch, sum) in batches.iter().zip(shared.batch_counts) {
        merge_named(
            &mut result.counts,
            batch.router.series(),
            sum.into_inner().unwrap_or_else(PoisonError::into_inner),
        );
    }
    result
}

fn add_counts(sums: &mut [MinuteCount], counts: &[MinuteCount]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        sum.add(*count);
    }
}

/// Replaces series indexes by keys; two batches may have the same series.
fn merge_named(counts: &mut BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>, series: &[SeriesKey], batch: BatchCounts) {
    for ((slot, day), minutes) in batch.0 {
        let Some(series) = series.get(slot) else { continue };
        add_counts(counts.entry((series.clone(), day)).or_insert_with(empty_day), &minutes);
    }
}

type Outcome = (usize, Result<ObjectRead, FailedObject>);

enum ObjectSource<'a> {
    /// A directory, and the index of the next file.
    Directory(&'a Path, AtomicUsize),
    /// Fetched objects of a bucket.
    Bucket(Mutex<mpsc::Receiver<FetchedObject>>),
}

impl ObjectSource<'_> {
    /// The index of the next object, and its bytes if they had to be fetched.
    fn next(&self) -> Option<(usize, Option<FetchedObject>)> {
        match self {
            Self::Directory(_, next) => Some((next.fetch_add(1, Ordering::Relaxed), None)),
            Self::Bucket(objects) => {
                let fetched = objects.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()?;
                Some((fetched.index, Some(fetched)))
            }
        }
    }
}

/// What all threads share.
struct ScanContext<'a> {
    source: ObjectSource<'a>,
    batches: &'a [Batch<'a>],
    /// All objects with the index of their batch.
    objects: Vec<(usize, &'a LogFile)>,
    batch_counts: Vec<Mutex<BatchCounts>>,
    cancel: &'a AtomicBool,
}

impl ScanContext<'_> {
    /// Reads the next object until there is none.
    fn run_worker(&self, threads: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut reader = ObjectReader::new(threads);
        let mut tally = ObjectTally::default();
        while !self.cancel.load(Ordering::Relaxed) {
            let Some((index, fetched)) = self.source.next() else { break };
            let Some((batch, file)) = self.objects.get(index) else { break };
            let (Some(batch), Some(sum)) = (self.batches.get(*batch), self.batch_counts.get(*batch)) else { break };
            let counter = EventCounter::new(batch.router, file.interval, &mut tally, self.cancel);
            let mut sink = RequestReader::new(batch.router, batch.router.optional_fields(), counter);
            let result = match (&self.source, fetched) {
                (ObjectSource::Directory(root, _), _) => reader.read_file(&root.join(&*file.key), &mut sink),
                (_, Some(FetchedObject { body: Ok(body), .. })) => reader.read(body, &mut sink),
                (_, Some(FetchedObject { body: Err(error), .. })) => Err(error),
                (_, None) => break,
            };
            if sink.is_cancelled() {
                break;
            }
            let (_, LineStatistics { lines, unparsed, samples, connections }) = sink.into_parts();
            let key = Arc::clone(&file.key);
            let outcome = match result {
                Ok(ObjectSize { bytes: size, trailing_bytes, .. }) => {
                    tally.merge_into(&mut sum.lock().unwrap_or_else(PoisonError::into_inner));
                    Ok(ObjectRead { key, size, lines, unparsed, samples, connections, trailing_bytes })
                }
                Err(error) => Err(FailedObject { key, error }),
            };
            outcomes.push((index, outcome));
        }
        outcomes
    }
}

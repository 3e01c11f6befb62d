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

/// Objects of one load balancer and the series that they are to be counted for.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The objects; each must be of the balancer that the routes are for.
    pub objects: &'a [LogFile],
    /// All or some of the balancer's series.
    pub router: &'a SeriesRouter,
}

/// What became of the objects, and the counts of those that were read.
#[derive(Debug, Default)]
pub struct ScanResult {
    /// Objects that were read to their end, in the order of the batches.
    pub read: Vec<ObjectRead>,
    /// Objects that were not counted at all, and why.
    pub failed: Vec<FailedObject>,
    /// Counts by series and day: a slot a minute, zero where the objects have no event. What is known is for the
    /// reader to decide, by the objects that were read.
    pub counts: BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>,
    /// The flag was raised: some objects are in neither list.
    pub is_cancelled: bool,
}

impl ScanResult {
    /// Adds what came of other objects.
    pub fn merge(&mut self, other: Self) {
        self.read.extend(other.read);
        self.failed.extend(other.failed);
        self.is_cancelled |= other.is_cancelled;
        for (key, counts) in other.counts {
            let held = self.counts.entry(key).or_insert_with(empty_day);
            for (to, from) in held.iter_mut().zip(counts) {
                to.add(from);
            }
        }
    }
}

/// An object that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRead {
    /// Its identity.
    pub key: Arc<str>,
    /// Bytes that were read.
    pub size: u64,
    /// Lines that are not empty.
    pub lines: u64,
    /// Those among them that are no request of this balancer at about this time.
    pub unparsed: u64,
    /// The first few of those.
    pub samples: Vec<UnparsedLine>,
    /// Connections of a Classic Load Balancer's TCP listeners among the lines: they are no requests.
    pub connections: u64,
    /// Bytes behind the last gzip member that belong to none: padding, or the rest of a damaged copy.
    pub trailing_bytes: u64,
}

impl ObjectRead {
    /// Whether it has lines and none of them is of its balancer and time, where no more than this share of lines may be
    /// so.
    pub fn has_only_unparsed_lines(&self, max_unparsed: Rational) -> bool {
        self.lines > 0 && self.unparsed == self.lines && max_unparsed < Rational::from_integer(1)
    }
}

/// An object that was not counted.
#[derive(Debug)]
pub struct FailedObject {
    /// Its identity.
    pub key: Arc<str>,
    /// Why.
    pub error: ObjectError,
}

/// Reads all objects of the batches, on up to this many threads. Raising the flag ends it within a piece of an object.
/// Objects of a bucket are fetched meanwhile, so there it must be called within a runtime of several threads.
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
        // A thread that panicked took outcomes with it whose counts are in the sum: there is no honest result then.
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

/// Gives the slots their names; two batches may fill the same series.
fn merge_named(counts: &mut BTreeMap<(SeriesKey, Day), Box<[MinuteCount]>>, series: &[SeriesKey], batch: BatchCounts) {
    for ((slot, day), minutes) in batch.0 {
        let Some(series) = series.get(slot) else { continue };
        let held = counts.entry((series.clone(), day)).or_insert_with(empty_day);
        for (to, from) in held.iter_mut().zip(minutes) {
            to.add(from);
        }
    }
}

type Outcome = (usize, Result<ObjectRead, FailedObject>);

/// Where the threads have their next object from.
enum ObjectSource<'a> {
    /// The files of a directory, and the place of the next one.
    Directory(&'a Path, AtomicUsize),
    /// What was fetched from a bucket.
    Bucket(Mutex<mpsc::Receiver<FetchedObject>>),
}

impl ObjectSource<'_> {
    /// The place of the next object, and its bytes if they had to be fetched.
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

/// What all threads see.
struct ScanContext<'a> {
    source: ObjectSource<'a>,
    batches: &'a [Batch<'a>],
    /// All objects with the place of their batch.
    objects: Vec<(usize, &'a LogFile)>,
    batch_counts: Vec<Mutex<BatchCounts>>,
    cancel: &'a AtomicBool,
}

impl ScanContext<'_> {
    /// Takes objects off the list until it is empty.
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

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
use super::read_object::{ObjectError, ObjectReader, ObjectSize};
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
        for ((series, day), counts) in other.counts {
            self.add_counts(series, day, &counts);
        }
    }

    fn add_counts(&mut self, series: SeriesKey, day: Day, counts: &[MinuteCount]) {
        let sums = self.counts.entry((series, day)).or_insert_with(empty_day);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| sum.add(*count));
    }
}

/// An object that was read to its end; its lines as in [`LineStatistics`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRead {
    pub key: Arc<str>,
    pub size: u64,
    pub lines: u64,
    pub unparsed: u64,
    pub samples: Vec<UnparsedLine>,
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
    let batch_counts: Vec<Mutex<BatchCounts>> = batches.iter().map(|_| Mutex::default()).collect();
    let batches_with_counts = batches.iter().zip(&batch_counts);
    let objects: Vec<ScanObject<'_>> = batches_with_counts
        .flat_map(|(Batch { objects, router }, counts)| {
            objects.iter().map(move |file| ScanObject { file, router, counts })
        })
        .collect();
    let source = match root {
        LogRoot::Directory(root) => ObjectSource::Directory(root, AtomicUsize::new(0)),
        LogRoot::Bucket(bucket) => {
            let wanted = objects.iter().map(|object| (Arc::clone(&object.file.key), object.file.size)).collect();
            ObjectSource::Bucket(Mutex::new(bucket.prefetch(wanted)))
        }
    };
    let shared = ScanContext { source, objects, cancel };
    let threads = threads.clamp(1, shared.objects.len().max(1));
    let mut outcomes: Vec<_> = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(|| shared.run_worker(threads))).collect();
        let own_outcomes = shared.run_worker(threads);
        // The sum has counts whose outcomes were lost with a thread that panicked, so the result is invalid.
        let join =
            |thread: ScopedJoinHandle<'_, Vec<Outcome>>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        handles.into_iter().flat_map(join).chain(own_outcomes).collect()
    });
    outcomes.sort_by_key(|(index, _)| *index);
    let mut result = ScanResult { is_cancelled: outcomes.len() < shared.objects.len(), ..ScanResult::default() };
    for (_, outcome) in outcomes {
        match outcome {
            Ok(read) => result.read.push(read),
            Err(failed) => result.failed.push(failed),
        }
    }
    for (batch, counts) in batches.iter().zip(batch_counts) {
        let BatchCounts(counts) = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        for ((series_index, day), minutes) in counts {
            // Two batches may have the same series.
            if let Some(series) = batch.router.series.get(series_index) {
                result.add_counts(series.clone(), day, &minutes);
            }
        }
    }
    result
}

type Outcome = (usize, Result<ObjectRead, FailedObject>);

enum ObjectSource<'a> {
    /// A directory, and the index of the next file.
    Directory(&'a Path, AtomicUsize),
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

struct ScanContext<'a> {
    source: ObjectSource<'a>,
    objects: Vec<ScanObject<'a>>,
    cancel: &'a AtomicBool,
}

struct ScanObject<'a> {
    file: &'a LogFile,
    router: &'a SeriesRouter,
    /// The sum of its batch.
    counts: &'a Mutex<BatchCounts>,
}

impl ScanContext<'_> {
    fn run_worker(&self, threads: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut reader = ObjectReader::new(threads);
        let mut tally = ObjectTally::default();
        while !self.cancel.load(Ordering::Relaxed) {
            let Some((index, fetched)) = self.source.next() else { break };
            let Some(ScanObject { file, router, counts }) = self.objects.get(index) else { break };
            let counter = EventCounter::new(router, file.interval, &mut tally, self.cancel);
            let mut sink = RequestReader::new(router, router.optional_fields, counter);
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
                    tally.merge_into(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
                    Ok(ObjectRead { key, size, lines, unparsed, samples, connections, trailing_bytes })
                }
                Err(error) => Err(FailedObject { key, error }),
            };
            outcomes.push((index, outcome));
        }
        outcomes
    }
}

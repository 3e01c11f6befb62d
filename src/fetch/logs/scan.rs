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

use super::bucket::Fetched;
use super::counter::Counter;
use super::lines::LineSink;
use super::listing::LogFile;
use super::object::{ObjectFault, ObjectReader};
use super::place::Place;
use super::tally::{Sum, Tally, empty_day};
use crate::accesslog::alb::LineFault;
use crate::accesslog::recognise::LineKind;
use crate::accesslog::route::Routes;
use crate::counts::Count;
use crate::exact::Exact;
use crate::minute::Day;
use crate::series::SeriesKey;

/// Objects of one load balancer and the series that they are to be counted for.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The objects; each must be of the balancer that the routes are for.
    pub objects: &'a [LogFile],
    /// All or some of the balancer's series.
    pub routes: &'a Routes,
}

/// What became of the objects, and the counts of those that were read.
#[derive(Debug, Default)]
pub struct ScanResult {
    /// Objects that were read to their end, in the order of the batches.
    pub read: Vec<ObjectRead>,
    /// Objects that were not counted at all, and why.
    pub faulty: Vec<FaultyObject>,
    /// Counts by series and day: a slot a minute, zero where the objects have no event. What is known is for the
    /// reader to decide, by the objects that were read.
    pub counts: BTreeMap<(SeriesKey, Day), Box<[Count]>>,
    /// The flag was raised: some objects are in neither list.
    pub cancelled: bool,
}

impl ScanResult {
    /// Adds what came of other objects.
    pub fn add(&mut self, other: Self) {
        self.read.extend(other.read);
        self.faulty.extend(other.faulty);
        self.cancelled |= other.cancelled;
        for (of, counts) in other.counts {
            let held = self.counts.entry(of).or_insert_with(empty_day);
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
    pub trailing: u64,
}

impl ObjectRead {
    /// Whether it has lines and none of them is of its balancer and time, where no more than this share of lines may be
    /// so.
    #[must_use]
    pub fn is_strange(&self, limit: Exact) -> bool {
        self.lines > 0 && self.unparsed == self.lines && limit < Exact::from_integer(1)
    }
}

/// A line that was not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnparsedLine {
    /// Its number among the lines that are not empty, from 1.
    pub number: u64,
    /// How it starts.
    pub text: String,
    /// What it looks like.
    pub kind: LineKind,
    /// Why it was not counted.
    pub fault: LineFault,
}

/// An object that was not counted.
#[derive(Debug)]
pub struct FaultyObject {
    /// Its identity.
    pub key: Arc<str>,
    /// Why.
    pub fault: ObjectFault,
}

/// Reads all objects of the batches, on up to this many threads. Raising the flag ends it within a piece of an object.
/// Objects of a bucket are fetched meanwhile, so there it must be called within a runtime of several threads.
#[must_use]
pub fn scan(place: &Place, batches: &[Batch<'_>], threads: usize, cancel: &AtomicBool) -> ScanResult {
    let objects = batches.iter().enumerate();
    let objects: Vec<_> =
        objects.flat_map(|(place, batch)| batch.objects.iter().map(move |file| (place, file))).collect();
    let source = match place {
        Place::Directory(root) => Source::Directory(root, AtomicUsize::new(0)),
        Place::Bucket(bucket) => {
            let wanted = objects.iter().map(|(_, file)| (Arc::clone(&file.key), file.size)).collect();
            Source::Bucket(Mutex::new(bucket.fetch_ahead(wanted)))
        }
    };
    let shared = Shared { source, batches, objects, sums: batches.iter().map(|_| Mutex::default()).collect(), cancel };
    let threads = threads.clamp(1, shared.objects.len().max(1));
    let mut outcomes: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| shared.work(threads))).collect();
        let mine = shared.work(threads);
        // A thread that panicked took outcomes with it whose counts are in the sum: there is no honest result then.
        let join =
            |thread: ScopedJoinHandle<'_, Vec<Outcome>>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        others.into_iter().flat_map(join).chain(mine).collect()
    });
    outcomes.sort_by_key(|(place, _)| *place);
    let mut result = ScanResult { cancelled: outcomes.len() < shared.objects.len(), ..ScanResult::default() };
    for (_, outcome) in outcomes {
        match outcome {
            Ok(read) => result.read.push(read),
            Err(faulty) => result.faulty.push(faulty),
        }
    }
    for (batch, sum) in batches.iter().zip(shared.sums) {
        add_named(&mut result.counts, batch.routes.series(), sum.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    result
}

/// Gives the slots their names; two batches may fill the same series.
fn add_named(counts: &mut BTreeMap<(SeriesKey, Day), Box<[Count]>>, series: &[SeriesKey], sum: Sum) {
    for ((slot, day), minutes) in sum.0 {
        let Some(series) = series.get(slot) else { continue };
        let held = counts.entry((series.clone(), day)).or_insert_with(empty_day);
        for (to, from) in held.iter_mut().zip(minutes) {
            to.add(from);
        }
    }
}

type Outcome = (usize, Result<ObjectRead, FaultyObject>);

/// Where the threads have their next object from.
enum Source<'a> {
    /// The files of a directory, and the place of the next one.
    Directory(&'a Path, AtomicUsize),
    /// What was fetched from a bucket.
    Bucket(Mutex<mpsc::Receiver<Fetched>>),
}

impl Source<'_> {
    /// The place of the next object, and its bytes if they had to be fetched.
    fn next(&self) -> Option<(usize, Option<Fetched>)> {
        match self {
            Self::Directory(_, next) => Some((next.fetch_add(1, Ordering::Relaxed), None)),
            Self::Bucket(fetched) => {
                let fetched = fetched.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()?;
                Some((fetched.place, Some(fetched)))
            }
        }
    }
}

/// What all threads see.
struct Shared<'a> {
    source: Source<'a>,
    batches: &'a [Batch<'a>],
    /// All objects with the place of their batch.
    objects: Vec<(usize, &'a LogFile)>,
    sums: Vec<Mutex<Sum>>,
    cancel: &'a AtomicBool,
}

impl Shared<'_> {
    /// Takes objects off the list until it is empty.
    fn work(&self, threads: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut reader = ObjectReader::new(threads);
        let mut tally = Tally::default();
        while !self.cancel.load(Ordering::Relaxed) {
            let Some((place, fetched)) = self.source.next() else { break };
            let Some((batch, file)) = self.objects.get(place) else { break };
            let (Some(batch), Some(sum)) = (self.batches.get(*batch), self.sums.get(*batch)) else { break };
            let mut sink = Counter::new(batch.routes, file, &mut tally, self.cancel);
            let result = match (&self.source, fetched) {
                (Source::Directory(root, _), _) => reader.read_file(&root.join(&*file.key), &mut sink),
                (_, Some(Fetched { body: Ok(body), .. })) => reader.read(body, &mut sink),
                (_, Some(Fetched { body: Err(fault), .. })) => Err(fault),
                (_, None) => break,
            };
            if sink.is_cancelled() {
                break;
            }
            outcomes.push((
                place,
                match result {
                    Ok(extent) => {
                        sink.tally.pour_into(&mut sum.lock().unwrap_or_else(PoisonError::into_inner));
                        Ok(ObjectRead {
                            key: Arc::clone(&file.key),
                            size: extent.size,
                            lines: sink.lines,
                            unparsed: sink.unparsed,
                            samples: sink.samples,
                            connections: sink.connections,
                            trailing: extent.trailing,
                        })
                    }
                    Err(fault) => Err(FaultyObject { key: Arc::clone(&file.key), fault }),
                },
            ));
        }
        outcomes
    }
}

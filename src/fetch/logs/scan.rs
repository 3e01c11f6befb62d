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
use super::lines::{LINE_BYTES_MAX, Line, LineSink, whole};
use super::listing::LogFile;
use super::object::{ObjectFault, ObjectReader};
use super::place::Place;
use super::tally::{Sum, Tally, empty_day};
use crate::accesslog::alb::{Decoder, LineFault, Request};
use crate::accesslog::classic::{self, Record, Records};
use crate::accesslog::recognise::{LineKind, recognise};
use crate::accesslog::route::Routes;
use crate::accesslog::usual::LineEnds;
use crate::counts::Count;
use crate::exact::Exact;
use crate::minute::{Day, MINUTES_PER_DAY, Span};
use crate::series::SeriesKey;

/// Unparsed lines shown of each object.
const SAMPLES: usize = 3;
/// Bytes whose lines are found at once, so that they are still in the nearest cache when they are read.
const NEAR_BYTES: usize = 16 << 10;
/// Bytes shown of an unparsed line.
const SAMPLE_BYTES: usize = 200;

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
    /// Whether it has lines and none of them is of its balancer and time, where no more than this share of lines may be so.
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

/// Reads all objects of the batches, on up to this many threads. Raising the flag ends it within a piece of an object. Objects of
/// a bucket are fetched meanwhile, so there it must be called within a runtime of several threads.
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
        let (mut tally, mut ends) = (Tally::default(), LineEnds::default());
        while !self.cancel.load(Ordering::Relaxed) {
            let Some((place, fetched)) = self.source.next() else { break };
            let Some((batch, file)) = self.objects.get(place) else { break };
            let (Some(batch), Some(sum)) = (self.batches.get(*batch), self.sums.get(*batch)) else { break };
            let mut sink = Counter::new(batch.routes, file, &mut tally, &mut ends, self.cancel);
            let result = match (&self.source, fetched) {
                (Source::Directory(root, _), _) => reader.read_file(&root.join(&*file.key), &mut sink),
                (_, Some(Fetched { bytes: Ok(bytes), .. })) => reader.read(&*bytes, Path::new(&*file.key), &mut sink),
                (_, Some(Fetched { bytes: Err(fault), .. })) => Err(fault),
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

/// Counts the lines of one object.
struct Counter<'a> {
    routes: &'a Routes,
    form: Form,
    /// The balancer as lines name it.
    load_balancer: &'a [u8],
    interval: Span,
    /// Minutes that its lines may lie in: a day to either side, so that a lying clock cannot touch any day it likes.
    plausible: Span,
    tally: &'a mut Tally,
    ends: &'a mut LineEnds,
    lines: u64,
    unparsed: u64,
    samples: Vec<UnparsedLine>,
    connections: u64,
    cancel: &'a AtomicBool,
}

/// How the balancer writes its lines.
enum Form {
    Alb(Decoder),
    Classic(Records),
}

impl<'a> Counter<'a> {
    fn new(
        routes: &'a Routes,
        file: &LogFile,
        tally: &'a mut Tally,
        ends: &'a mut LineEnds,
        cancel: &'a AtomicBool,
    ) -> Self {
        let interval = file.interval;
        let plausible = Span::new(interval.start.plus(-MINUTES_PER_DAY), interval.end.plus(MINUTES_PER_DAY));
        let (form, load_balancer) = match routes.load_balancer().strip_prefix("classic/") {
            Some(name) => (Form::Classic(Records::default()), name),
            None => (Form::Alb(Decoder::new(routes.wants())), routes.load_balancer()),
        };
        let (samples, load_balancer) = (Vec::new(), load_balancer.as_bytes());
        Self {
            routes,
            form,
            load_balancer,
            interval,
            plausible,
            tally,
            ends,
            lines: 0,
            unparsed: 0,
            samples,
            connections: 0,
            cancel,
        }
    }

    #[inline]
    fn count(&mut self, request: &Request<'_>) -> Result<(), LineFault> {
        if request.load_balancer != self.load_balancer {
            return Err(LineFault::misplaced("elb", request.load_balancer));
        }
        if !self.plausible.contains(request.minute) {
            return Err(LineFault::misplaced("time", request.minute.to_string().as_bytes()));
        }
        let tally = &mut *self.tally;
        let place = tally.at(request.minute);
        self.routes.judge(request, |slot, event| tally.add(slot, place, event));
        Ok(())
    }

    /// Counts the lines of an Application Load Balancer in the first `length` bytes of a text.
    fn requests(&mut self, text: &[u8], length: usize, decoder: &mut Decoder) {
        let mut ends = std::mem::take(self.ends);
        decoder.usual_lines(
            text,
            length,
            &mut ends,
            self.load_balancer,
            #[inline(always)]
            |decoder, line, request| match request {
                Some(request) if self.plausible.contains(request.minute) => {
                    self.lines += 1;
                    let tally = &mut *self.tally;
                    let place = tally.at(request.minute);
                    self.routes.judge(request, |slot, event| tally.add(slot, place, event));
                }
                _ => match whole(text.get(line).unwrap_or_default()) {
                    Some(Line::Whole(line)) => self.request(line, decoder),
                    Some(too_long) => self.line(too_long),
                    None => {}
                },
            },
        );
        *self.ends = ends;
    }

    fn request(&mut self, line: &[u8], decoder: &mut Decoder) {
        self.lines += 1;
        if let Err(fault) = decoder.decode(line).and_then(|request| self.count(&request)) {
            self.note(line, fault);
        }
    }

    fn record(&mut self, record: &[u8]) {
        self.lines += 1;
        let counted = classic::decode(record).and_then(|record| match record {
            Record::Request(request) => self.count(&request),
            Record::Connection => {
                self.connections += 1;
                Ok(())
            }
        });
        if let Err(fault) = counted {
            self.note(record, fault);
        }
    }

    #[cold]
    fn note(&mut self, line: &[u8], fault: LineFault) {
        self.unparsed += 1;
        if self.samples.len() < SAMPLES {
            let start = line.get(..SAMPLE_BYTES).unwrap_or(line);
            let text = String::from_utf8_lossy(start).into_owned();
            self.samples.push(UnparsedLine { number: self.lines, text, kind: recognise(line), fault });
        }
    }
}

impl LineSink for Counter<'_> {
    fn restart(&mut self) {
        self.tally.start(self.routes.series().len(), self.interval);
        (self.lines, self.unparsed, self.connections) = (0, 0, 0);
        self.samples.clear();
        if let Form::Classic(records) = &mut self.form {
            *records = Records::default();
        }
    }

    fn lines(&mut self, text: &[u8]) {
        let Form::Alb(mut decoder) = self.form else {
            return text.split(|byte| *byte == b'\n').filter_map(whole).for_each(|line| self.line(line));
        };
        let mut rest = text;
        while !rest.is_empty() {
            let near = rest.get(..NEAR_BYTES).unwrap_or(rest);
            // A line that is longer than that is read on its own.
            let end = memchr::memrchr(b'\n', near).or_else(|| memchr::memchr(b'\n', rest));
            let length = end.map_or(rest.len(), |end| end + 1);
            self.requests(rest, length, &mut decoder);
            rest = rest.get(length..).unwrap_or_default();
        }
        self.form = Form::Alb(decoder);
    }

    fn line(&mut self, line: Line<'_>) {
        match (line, &mut self.form) {
            (Line::Whole(line), Form::Alb(decoder)) => {
                let mut decoder = *decoder;
                self.request(line, &mut decoder);
            }
            (Line::Whole(line), Form::Classic(records)) => {
                let mut records = std::mem::take(records);
                records.line(line, |record| self.record(record));
                self.form = Form::Classic(records);
            }
            (Line::TooLong(start), _) => {
                self.finish();
                self.lines += 1;
                self.note(start, LineFault::TooLong { bytes_max: LINE_BYTES_MAX });
            }
        }
    }

    fn finish(&mut self) {
        if let Form::Classic(records) = &mut self.form {
            std::mem::take(records).finish(|record| self.record(record));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

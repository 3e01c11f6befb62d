//! Reads a few objects once more, to see where their bad events come from, for so long and not longer.
//!
//! What cannot be read in that time is left out: nobody waits for it, and nothing is counted by it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::block_in_place;
use tokio::time::{Instant, timeout_at};

use super::bucket::Bucket;
use super::counter::Form;
use super::lines::{Line, LineSink, each_line};
use super::listing::LogFile;
use super::object::{ObjectFault, ObjectReader};
use super::place::Place;
use crate::accesslog::alb::{Decoder, Request, Wants};
use crate::accesslog::classic::{self, Record};
use crate::accesslog::contributors::{Answer, Contributors, Gathering};
use crate::accesslog::route::Routes;

/// Objects that are read again of one balancer: an hour of twenty nodes. By list price they cost $0.0001.
const OBJECTS_MAX: usize = 256;
/// Bytes of them as they lie there, some 300 MB of lines.
const BYTES_MAX: u64 = 32 << 20;

/// What to read once more.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// The objects of one balancer that are of interest.
    pub objects: &'a [&'a LogFile],
    /// The series that are of interest.
    pub routes: &'a Routes,
    /// What is wanted of each series, in the order of the routes' slots.
    pub wanted: &'a [Contributors],
    /// Nothing is read after this.
    pub end: Instant,
    /// Raised when all should end.
    pub stop: &'a AtomicBool,
}

/// Where events of some series come from, in the order of the routes' slots, by the newest objects that can be read in
/// time.
pub async fn reread(place: &Place, again: &Again<'_>) -> Vec<Contributors> {
    let mut newest = again.objects.to_vec();
    newest.sort_by(|a, b| (b.interval.end, &a.key).cmp(&(a.interval.end, &b.key)));
    let mut bytes = 0_u64;
    let wanted = newest.iter().take(OBJECTS_MAX).take_while(|file| {
        bytes = bytes.saturating_add(file.size);
        bytes <= BYTES_MAX
    });
    let chosen: Vec<&LogFile> = wanted.copied().collect();
    let mut reading = Reading { again, found: again.wanted.to_vec(), reader: ObjectReader::new(1), read: 0 };
    match place {
        Place::Directory(root) => block_in_place(|| reading.files(root, &chosen)),
        Place::Bucket(bucket) => reading.fetched(bucket, &chosen).await,
    }
    if reading.read < again.objects.len() {
        reading.found.iter_mut().for_each(|found| found.whole = false);
    }
    reading.found
}

struct Reading<'a> {
    again: &'a Again<'a>,
    found: Vec<Contributors>,
    reader: ObjectReader,
    /// Objects that were read whole.
    read: usize,
}

impl Reading<'_> {
    fn files(&mut self, root: &Path, chosen: &[&LogFile]) {
        for file in chosen {
            let mut lines = Lines::new(self.again);
            let read = self.reader.read_file(&root.join(&*file.key), &mut lines);
            if lines.is_cancelled() {
                return;
            }
            self.take(read.is_ok(), read.is_ok(), &lines.gathering);
        }
    }

    async fn fetched(&mut self, bucket: &Arc<Bucket>, chosen: &[&LogFile]) {
        let objects = chosen.iter().map(|file| (Arc::clone(&file.key), file.size)).collect();
        let mut coming = bucket.fetch_ahead(objects);
        while let Ok(Some(fetched)) = timeout_at(self.again.end, coming.recv()).await {
            let (Ok(body), true) = (fetched.body, fetched.place < chosen.len()) else { continue };
            let (body, is_whole) = body.begun();
            let mut lines = Lines::new(self.again);
            let read = block_in_place(|| self.reader.read(body, &mut lines));
            if lines.is_cancelled() {
                return;
            }
            // Where a large object was begun only, its lines up to there are as good as any.
            let is_sound = read.is_ok() || (!is_whole && matches!(read, Err(ObjectFault::Truncated)));
            self.take(is_sound, is_whole && read.is_ok(), &lines.gathering);
        }
    }

    fn take(&mut self, is_sound: bool, is_whole: bool, gathering: &Gathering) {
        self.read += usize::from(is_whole);
        if is_sound {
            self.found.iter_mut().zip(&gathering.found).for_each(|(sum, found)| sum.merge(found));
        }
    }
}

/// Takes the lines of one object.
struct Lines<'a> {
    again: &'a Again<'a>,
    form: Form,
    load_balancer: &'a [u8],
    gathering: Gathering,
}

impl<'a> Lines<'a> {
    fn new(again: &'a Again<'a>) -> Self {
        let (form, load_balancer) = Form::of(again.routes, again.routes.wants().and(Wants::TARGET_GROUP));
        Self { again, form, load_balancer, gathering: Gathering::of(again.wanted) }
    }

    /// What is no request of this balancer was named when the object was counted.
    fn request(&mut self, line: &[u8], decoder: &mut Decoder) {
        if let Ok(request) = decoder.decode(line) {
            self.add(&request, || Answer::of_alb(line));
        }
    }

    fn record(&mut self, record: &[u8]) {
        if let Ok(Record::Request(request)) = classic::decode(record) {
            self.add(&request, || Answer::of_classic(record));
        }
    }

    fn add<'l>(&mut self, request: &Request<'l>, answer: impl FnOnce() -> Option<Answer<'l>>) {
        if request.load_balancer == self.load_balancer && self.gathering.is_wanted(request.minute) {
            self.gathering.add(self.again.routes, request, answer().as_ref());
        }
    }
}

impl LineSink for Lines<'_> {
    fn restart(&mut self) {
        self.gathering.restart();
        (self.form, _) = Form::of(self.again.routes, self.again.routes.wants().and(Wants::TARGET_GROUP));
    }

    fn lines(&mut self, text: &[u8], start: usize, ends: &[u32]) {
        each_line(text, start, ends, |line| self.line(line));
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
            (Line::TooLong(_), _) => {}
        }
    }

    fn finish(&mut self) {
        if let Form::Classic(records) = &mut self.form {
            std::mem::take(records).finish(|record| self.record(record));
        }
    }

    fn is_cancelled(&self) -> bool {
        self.again.stop.load(Ordering::Relaxed) || Instant::now() >= self.again.end
    }
}

//! The stretch of the line that access logs walk: listed, compared with the ledger, read, absorbed, kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::block_in_place;

use super::begun::{first_requests, note_first_requests};
use super::contributors::Recent;
use super::listing_plan::{ListingPlan, unmark};
use super::{EngineError, Job, unparsed_limit};
use crate::accesslog::key::identity;
use crate::accesslog::route::Routes;
use crate::aws::Aws;
use crate::cost::Usage;
use crate::demand::LogsQuestion;
use crate::fetch::logs::{self, Batch, LogFile, LogTree, Place, ScanResult};
use crate::ledger::{AbsorbError, Ledger, ListedObject, NotLoaded, ObjectRecord, ObjectsAnswer, filed_under};
use crate::minute::Day;
use crate::outcome::{LogsRead, Said};
use crate::series::SeriesKey;
use crate::store::{LedgerStore, Needs};

/// What all sources of access logs share in a run.
pub(super) struct Shared<'a> {
    /// Series of target groups by tags.
    pub(super) tagged: &'a BTreeSet<SeriesKey>,
    /// Days of which minutes would be known but for a folder that was not listed when it was decided.
    pub(super) held_back: BTreeSet<Day>,
}

/// One source of access logs, a day of delivery at a time, so that memory and what a crash can lose stay bounded. Gives
/// what it saw of the newest hour.
pub(super) async fn read_logs<'q>(
    job: &Job<'_>,
    mut plan: ListingPlan<'q>,
    shared: &mut Shared<'_>,
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<Option<Recent<'q>>, EngineError> {
    let question = plan.question;
    let mut tree = match plan.tree(store).await {
        Ok(tree) => tree,
        Err(error) => {
            said.faults.push(error);
            return Ok(None);
        }
    };
    unmark(question, &tree, None, store);
    let mut read = LogsRead::new(matches!(tree.place(), Place::Bucket(_)));
    let mut recent = Recent::new(question, tree.place().clone());
    let days = tree.days();
    // By balancers with their ids: a name may stand for several.
    let mut series: BTreeMap<String, BTreeSet<SeriesKey>> = BTreeMap::new();
    for (done, day) in days.iter().enumerate() {
        (job.progress)(done, days.len());
        if plan.may_leave_out(store, *day) {
            continue;
        }
        let Some(objects) = affordable_objects(job, &mut tree, *day).await else {
            read.too_dear(0, days.len() - done);
            plan.leave(store, days.get(done..).unwrap_or_default());
            break;
        };
        unmark(question, &tree, Some(*day), store);
        for object in &objects {
            if !series.contains_key(&*object.load_balancer) {
                series.insert(object.load_balancer.to_string(), question.series_of(&object.load_balancer));
            }
        }
        let is_wanted = |object: &&LogFile| series.get(&*object.load_balancer).is_some_and(|series| !series.is_empty());
        let listed = Listed::of(objects.iter().filter(is_wanted));
        recent.note(job, &listed.objects);
        let day_read = DayRead { job, question, series: &series, place: tree.place(), listed: &listed };
        if day_read.run(shared, store, &mut read).await? {
            plan.list_again(*day);
        }
        if job.stop.load(Ordering::Relaxed) {
            said.faults.push("stopped before all logs were read\nhint: run again to read the rest".to_owned());
            break;
        }
    }
    let seen = !job.stop.load(Ordering::Relaxed) && tree.unreadable.is_empty();
    said.listing(question, &tree, seen && plan.is_whole() && !read.is_too_dear());
    if seen {
        plan.keep(tree.above, store);
    }
    read.tell_too_dear(&question.source, (Aws::used().price(), job.max_cost.unwrap_or_default()), said);
    read.tell(unparsed_limit(job.catalog, &question.source), said);
    Ok(Some(recent))
}

/// The objects of a day, unless to list them would cost more than the run may: half a listing would look like silence.
async fn affordable_objects(job: &Job<'_>, tree: &mut LogTree, day: Day) -> Option<Vec<LogFile>> {
    let has_room = |pages: usize| Aws::has_room(job.max_cost, &Usage { s3_writes: pages as u64, ..Usage::default() });
    if matches!(tree.place(), Place::Directory(_)) {
        return Some(tree.objects(day).await);
    }
    if !has_room(tree.folders(day)) {
        return None;
    }
    let before = tree.unreadable.len();
    let objects = tree.objects(day).await;
    if tree.unreadable.len() > before && !has_room(1) {
        tree.unreadable.truncate(before);
        return None;
    }
    Some(objects)
}

/// The objects of a day of delivery, each once.
struct Listed<'l> {
    /// The copy of each that is read.
    objects: Vec<&'l LogFile>,
    /// Other copies, by identity: packed and unpacked, or of two folders. They are read where the first one is faulty.
    copies: BTreeMap<&'l str, Vec<&'l LogFile>>,
}

impl<'l> Listed<'l> {
    fn of(found: impl Iterator<Item = &'l LogFile>) -> Self {
        let mut listed = Self { objects: Vec::new(), copies: BTreeMap::new() };
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for file in found {
            match places.get(identity(&file.key)).and_then(|place| listed.objects.get_mut(*place)) {
                None => {
                    places.insert(identity(&file.key), listed.objects.len());
                    listed.objects.push(file);
                }
                // A file without a byte has nothing to say beside one with some.
                Some(first) if first.size == 0 && file.size > 0 => *first = file,
                Some(_) if file.size == 0 => {}
                // Only of a packed file it can be told whether it is whole.
                Some(first) if !is_packed(first) && is_packed(file) => {
                    let plain = std::mem::replace(first, file);
                    listed.copies.entry(identity(&file.key)).or_default().push(plain);
                }
                Some(_) => listed.copies.entry(identity(&file.key)).or_default().push(file),
            }
        }
        listed
    }
}

fn is_packed(file: &LogFile) -> bool {
    Path::new(&*file.key).extension().is_some_and(|extension| extension == "gz")
}

/// Objects by identity, each with the series that it was not counted for yet.
type Unread<'l> = BTreeMap<&'l str, (&'l LogFile, Arc<BTreeSet<SeriesKey>>)>;

/// One day of delivery of one source.
struct DayRead<'d> {
    job: &'d Job<'d>,
    question: &'d LogsQuestion,
    series: &'d BTreeMap<String, BTreeSet<SeriesKey>>,
    place: &'d Place,
    listed: &'d Listed<'d>,
}

impl DayRead<'_> {
    /// What is new of a day is read, absorbed and kept. Tells whether any of it could not be read.
    async fn run(
        &self,
        shared: &mut Shared<'_>,
        store: &mut LedgerStore,
        logs_read: &mut LogsRead,
    ) -> Result<bool, EngineError> {
        let objects: Vec<ListedObject<'_>> = self.listed.objects.iter().map(|object| listed_object(object)).collect();
        let parts = objects.iter().map(|object| filed_under(object.interval)).collect();
        let mut ledger = store.load(&Needs { objects: parts, ..Needs::default() }).await?;
        self.compare(&ledger.changed_since_read(&objects), logs_read);
        let mut unread: Unread<'_> = ledger
            .unread(&objects, self.series)
            .into_iter()
            .filter_map(|(place, series)| Some((objects.get(place)?.key, (*self.listed.objects.get(place)?, series))))
            .collect();
        if unread.is_empty() {
            return Ok(false);
        }
        let all = unread.clone();
        unread.retain(|_, (object, _)| !object.is_pending);
        logs_read.pending(all.values().map(|(object, _)| *object).filter(|object| object.is_pending));
        let left = left_out(self.job, self.place, &mut unread);
        logs_read.too_dear(left, 0);
        let scanned = self.scan(&unread, logs_read);
        let limit = unparsed_limit(self.job.catalog, &self.question.source);
        logs_read.add(&scanned, limit);
        let mut records: BTreeMap<&str, ObjectRecord> = BTreeMap::new();
        for read in &scanned.read {
            let Some((key, (object, series))) = all.get_key_value(identity(&read.key)) else { continue };
            // A log of nothing but strange lines is as good as one that cannot be read.
            let (counted, unread) = if read.is_strange(limit) {
                (Arc::default(), Arc::clone(series))
            } else {
                (Arc::clone(series), Arc::default())
            };
            let read = ObjectRecord { size: read.size, lines: read.lines, unparsed: read.unparsed, ..record(object) };
            records.insert(key, ObjectRecord { counted, unread, ..read });
        }
        // An object that is there and was not read is recorded too: what it would have said is unknown, and not
        // silence.
        let is_whole = records.len() == all.len();
        for (key, (object, series)) in &all {
            let unread = || ObjectRecord { unread: Arc::clone(series), ..record(object) };
            records.entry(*key).or_insert_with(unread);
        }
        note_first_requests(self.question, &ledger, &scanned.counts, store);
        let (objects, counts) = (records.into_values().collect(), scanned.counts);
        let began = first_requests(shared.tagged, store);
        let answer = ObjectsAnswer { objects, counts, began, days: BTreeSet::new() };
        shared.held_back.extend(absorb(store, &mut ledger, &answer).await?);
        Ok(!is_whole)
    }

    /// Counts objects. Where one is faulty and there is another copy of it, that one is read.
    fn scan(&self, unread: &Unread<'_>, logs_read: &mut LogsRead) -> ScanResult {
        let mut scanned = self.scan_once(unread);
        let mut copies = self.listed.copies.clone();
        loop {
            let mut again: Unread<'_> = BTreeMap::new();
            for faulty in &scanned.faulty {
                let Some((key, (_, series))) = unread.get_key_value(identity(&faulty.key)) else { continue };
                if let Some(copy) = copies.get_mut(key).and_then(Vec::pop) {
                    logs_read.other_copy(faulty, copy);
                    again.insert(*key, (copy, Arc::clone(series)));
                }
            }
            if again.is_empty() || scanned.cancelled {
                return scanned;
            }
            scanned.faulty.retain(|faulty| !again.contains_key(identity(&faulty.key)));
            scanned.add(self.scan_once(&again));
        }
    }

    fn scan_once(&self, unread: &Unread<'_>) -> ScanResult {
        let mut files: BTreeMap<(&str, &BTreeSet<SeriesKey>), Vec<LogFile>> = BTreeMap::new();
        // Neighbours mostly share one set, and to compare all series for every object would cost more than to count it.
        let objects: Vec<_> = unread.values().collect();
        for alike in objects.chunk_by(|(one, _), (other, _)| one.load_balancer == other.load_balancer) {
            for alike in alike.chunk_by(|(_, one), (_, other)| Arc::ptr_eq(one, other)) {
                let Some((object, series)) = alike.first() else { continue };
                let same = files.entry((&object.load_balancer, series)).or_default();
                same.extend(alike.iter().map(|(object, _)| (*object).clone()));
            }
        }
        let routed: Vec<(Routes, Vec<LogFile>)> = files
            .into_iter()
            .map(|((balancer, series), files)| {
                let requests = series.iter().filter_map(|series| {
                    let (traffic, measure) = self.question.requests.get(series)?;
                    Some((series.clone(), (traffic, measure)))
                });
                (Routes::of(balancer, requests), files)
            })
            .collect();
        let batches: Vec<Batch<'_>> = routed.iter().map(|(routes, files)| Batch { objects: files, routes }).collect();
        block_in_place(|| logs::scan(self.place, &batches, self.job.threads, &self.job.stop))
    }

    /// Objects that had another size when they were counted are read once more, without being counted, to see whether
    /// their lines are the same.
    fn compare(&self, changed: &[&ObjectRecord], logs_read: &mut LogsRead) {
        let before: BTreeMap<&str, &ObjectRecord> = changed.iter().map(|record| (&*record.key, *record)).collect();
        // Another copy of it may be the one that was counted.
        let is_there = |key: &str, size: u64| {
            self.listed.copies.get(key).is_some_and(|copies| copies.iter().any(|copy| copy.size == size))
        };
        let again = self.listed.objects.iter().filter(|object| {
            let key = identity(&object.key);
            before.get(key).is_some_and(|record| !is_there(key, record.size))
        });
        let mut again: BTreeMap<&str, (&LogFile, ())> = again.map(|object| (&*object.key, (*object, ()))).collect();
        // What the run cannot afford is compared by a later one.
        left_out(self.job, self.place, &mut again);
        let mut files: Vec<LogFile> = again.into_values().map(|(object, ())| object.clone()).collect();
        files.sort_by(|one, other| one.load_balancer.cmp(&other.load_balancer));
        if files.is_empty() {
            return;
        }
        let balancers = files.chunk_by(|a, b| a.load_balancer == b.load_balancer);
        let routed: Vec<(Routes, &[LogFile])> = balancers
            .map(|files| (Routes::new(files.first().map_or("", |file| &file.load_balancer), []), files))
            .collect();
        let batches: Vec<Batch<'_>> = routed.iter().map(|(routes, objects)| Batch { objects, routes }).collect();
        let scanned = block_in_place(|| logs::scan(self.place, &batches, self.job.threads, &self.job.stop));
        let record = |key: &str| before.get(identity(key)).copied();
        logs_read.compare(&scanned, record);
    }
}

/// Decides anew which minutes of some days are known: folders were listed that had not been when that was decided last.
pub(super) async fn decide_again(
    tagged: &BTreeSet<SeriesKey>,
    days: BTreeSet<Day>,
    store: &mut LedgerStore,
) -> Result<(), EngineError> {
    let mut ledger = store.load(&Needs::default()).await?;
    let began = first_requests(tagged, store);
    let answer = ObjectsAnswer { began, days, ..ObjectsAnswer::default() };
    absorb(store, &mut ledger, &answer).await?;
    Ok(())
}

/// Takes out the objects that would cost more than the run may; tells how many.
fn left_out<T>(job: &Job<'_>, place: &Place, unread: &mut BTreeMap<&str, (&LogFile, T)>) -> usize {
    let (mut reads, before) = (0, unread.len());
    unread.retain(|_, (object, _)| {
        let more = reads + place.reads(object.size);
        let has_room = Aws::has_room(job.max_cost, &Usage { s3_reads: more, ..Usage::default() });
        reads = if has_room { more } else { reads };
        has_room
    });
    before - unread.len()
}

/// Adds an answer to the days it touches, with as many neighbours as coverage looks at. Gives the days of which some
/// minutes are held back because a folder was not listed.
async fn absorb(
    store: &mut LedgerStore,
    ledger: &mut Ledger,
    answer: &ObjectsAnswer,
) -> Result<BTreeSet<Day>, EngineError> {
    let near = |reach: i32| {
        let days = answer.objects.iter().map(ObjectRecord::day).chain(answer.days.iter().copied());
        days.flat_map(move |day| (-reach..=reach).map(move |near| day.plus(near))).collect::<BTreeSet<Day>>()
    };
    let mut needs = Needs::of_days([], near(2));
    needs.deliveries = std::mem::take(&mut needs.objects);
    needs.wanted.known = Needs::of_days(near(1), []).minutes;
    needs.minutes = answer.parts();
    store.load_more(ledger, &needs).await?;
    // That more minutes are decided anew than those of the answer is rare: where a gap closes, or at the end of a part.
    let held_back = match ledger.absorb_objects(answer) {
        Err(AbsorbError::NotLoaded(NotLoaded(minutes))) => {
            store.load_more(ledger, &Needs { minutes, ..Needs::default() }).await?;
            ledger.absorb_objects(answer)?
        }
        absorbed => absorbed?,
    };
    store.commit(ledger).await?;
    Ok(held_back)
}

/// A listed object as the ledger asks for it.
fn listed_object(listed: &LogFile) -> ListedObject<'_> {
    let LogFile { key, size, load_balancer, interval, .. } = listed;
    ListedObject { key: identity(key), size: *size, load_balancer, interval: *interval }
}

/// A listed object before anything was counted in it.
fn record(listed: &LogFile) -> ObjectRecord {
    ObjectRecord {
        key: identity(&listed.key).to_owned(),
        size: listed.size,
        lines: 0,
        unparsed: 0,
        load_balancer: Arc::clone(&listed.load_balancer),
        interval: listed.interval,
        counted: Arc::default(),
        unread: Arc::default(),
    }
}

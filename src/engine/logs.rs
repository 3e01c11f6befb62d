//! The stretch of the line that access logs walk: listed, compared with the ledger, read, absorbed, kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::block_in_place;

use super::begun::began;
use super::contributors::Recent;
use super::{EngineError, Job, unparsed_limit};
use crate::accesslog::key::identity;
use crate::accesslog::route::Routes;
use crate::aws::Aws;
use crate::cost::Usage;
use crate::demand::LogsQuestion;
use crate::fetch::logs::{self, Batch, LogFile, LogFolders, LogTree, Place};
use crate::ledger::{AbsorbError, Ledger, ListedObject, NotLoaded, ObjectRecord, ObjectsAnswer, filed_under};
use crate::minute::{Day, Minute};
use crate::outcome::{LogsRead, Said};
use crate::series::SeriesKey;
use crate::store::{LedgerStore, Looked, Needs, Walked, version_of};

/// One source of access logs, a day of delivery at a time, so that memory and what a crash can lose stay bounded. Gives what it
/// saw of the newest hour.
pub(super) async fn read_logs<'q>(
    job: &Job<'_>,
    question: &'q LogsQuestion,
    store: &mut LedgerStore,
    said: &mut Said,
) -> Result<Option<Recent<'q>>, EngineError> {
    let opened = match question.location.parse() {
        Ok(location) => {
            let place = Place::of(&location, &question.access, job.max_cost).await;
            let looks = Looks::new(job, question, &place);
            looks.tree(place, store).await.map(|tree| (looks, tree.of_balancers(question.series.keys())))
        }
        Err(error) => Err(error),
    };
    let (mut looks, mut tree) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            said.faults.push(error);
            return Ok(None);
        }
    };
    let mut read = LogsRead::new(matches!(tree.place(), Place::Bucket(_)));
    let mut recent = Recent::new(question, tree.place().clone());
    let days = tree.days();
    // By balancers with their ids: a name may stand for several.
    let mut series: BTreeMap<String, BTreeSet<SeriesKey>> = BTreeMap::new();
    for (done, day) in days.iter().enumerate() {
        (job.progress)(done, days.len());
        if looks.may_leave_out(store, *day) {
            continue;
        }
        let Some(objects) = affordable_objects(job, &mut tree, *day).await else {
            read.too_dear(0, days.len() - done);
            looks.leave(store, days.get(done..).unwrap_or_default());
            break;
        };
        // A directory may hold an object twice, packed and unpacked or in two copies of a bucket: one of them is read.
        let mut seen = BTreeSet::new();
        for object in &objects {
            if !series.contains_key(&*object.load_balancer) {
                series.insert(object.load_balancer.to_string(), question.series_of(&object.load_balancer));
            }
        }
        let is_wanted = |object: &&LogFile| series.get(&*object.load_balancer).is_some_and(|series| !series.is_empty());
        let wanted = objects.iter().filter(is_wanted);
        let listed: Vec<&LogFile> = wanted.filter(|object| seen.insert(identity(&object.key))).collect();
        recent.note(job, &listed);
        let faulty = read_day(job, (question, &series), (tree.place(), &listed), store, &mut read).await?;
        if faulty {
            looks.again(*day);
        }
        if job.stop.load(Ordering::Relaxed) {
            said.faults.push("stopped before all logs were read\nhint: run again to read the rest".to_owned());
            break;
        }
    }
    let seen = !job.stop.load(Ordering::Relaxed) && tree.unreadable.is_empty();
    said.listing(question, &tree, seen && looks.left_out == 0 && !read.is_too_dear());
    if seen {
        looks.keep(tree.above, store).await?;
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

/// Which folders of a bucket are looked into. The folder of a day holds what was delivered on that day, so it is looked into by
/// every run until that day is over, by the first run thereafter, for a week by the first run of each day, and later once for
/// each set of definitions. A directory costs nothing to list, and is looked into as a whole.
struct Looks<'a> {
    /// The source and its bucket: two sources of one bucket ask for different balancers.
    place: Option<String>,
    /// The hash of all that is asked.
    asked: String,
    at: Minute,
    now: Minute,
    today: Day,
    /// The newest day whose folder gets nothing more.
    over: Day,
    days: BTreeMap<Day, Looked>,
    left_out: usize,
    question: &'a LogsQuestion,
}

/// Days that the first run of a day looks back to.
const NIGHTLY_DAYS: i32 = 7;
/// How long the folders above those of days are known: a new account or region shows within as long. There may be hundreds of
/// folders, and each is a request.
const WALK_MINUTES: i32 = 60;
/// How long after the end of a day its folder may still get what was delivered on it: clocks differ, and an object appears only
/// when the last of it was written.
const LATE_MINUTES: i32 = 60;

impl<'a> Looks<'a> {
    fn new(job: &Job<'_>, question: &'a LogsQuestion, place: &Place) -> Self {
        let place = matches!(place, Place::Bucket(_)).then(|| format!("{}: {place}", question.source));
        let named = question.series.iter().flat_map(|(name, series)| series.iter().map(move |series| (name, series)));
        let asked: Vec<String> = named.map(|(name, series)| format!("{name} {series}")).collect();
        let asked = version_of(asked.join("\n").as_bytes()).0;
        // What lies in a bucket depends on what time it is, and a ledger of an earlier moment has less of it still.
        let at = job.at.min(job.now);
        let over = at.plus(-LATE_MINUTES).day().plus(-1);
        Self { place, asked, at, now: job.now, today: at.day(), over, days: BTreeMap::new(), left_out: 0, question }
    }

    /// The folders as they were found within the same hour for the same question.
    fn known<'s>(&self, store: &'s LedgerStore) -> Option<&'s Walked> {
        let hour = |at: Minute| at.0.div_euclid(WALK_MINUTES);
        store.walked(self.place.as_ref()?).filter(|known| {
            let is_same = known.asked == self.asked && known.from <= self.question.span.start;
            is_same && hour(known.at) == hour(self.at) && hour(known.now) == hour(self.now)
        })
    }

    /// The folders of days: as they are known, else looked for.
    async fn tree(&self, place: Place, store: &LedgerStore) -> Result<LogTree, String> {
        let LogsQuestion { span, classic_minutes, .. } = self.question;
        match self.known(store) {
            Some(Walked { regions, days, .. }) => {
                let above = LogFolders { regions: regions.clone(), days: days.iter().cloned().collect() };
                Ok(LogTree::of_folders(place, *span, *classic_minutes, above, self.today))
            }
            None => LogTree::open(place, *span, *classic_minutes).await.map_err(|error| error.to_string()),
        }
    }

    /// Whether nothing new can be in the folder of a day; otherwise it is taken to be looked into now.
    fn may_leave_out(&mut self, store: &LedgerStore, day: Day) -> bool {
        let Some(place) = self.place.as_ref().filter(|_| day <= self.over) else { return false };
        let looked = store.looked(place, day).filter(|looked| looked.asked == self.asked);
        let from = self.question.span.start;
        let is_settled =
            |looked: &&Looked| looked.from <= from && (looked.on == self.today || day < self.today.plus(-NIGHTLY_DAYS));
        let settled = looked.filter(is_settled);
        self.left_out += usize::from(settled.is_some());
        let now = Looked { asked: self.asked.clone(), from, on: self.today };
        self.days.insert(day, settled.cloned().unwrap_or(now));
        settled.is_some()
    }

    /// Something in the folder of a day could not be read, and may be by the next run.
    fn again(&mut self, day: Day) {
        self.days.remove(&day);
    }

    /// Days that were not looked into are known as they were.
    fn leave(&mut self, store: &LedgerStore, days: &[Day]) {
        let Some(place) = &self.place else { return };
        for day in days {
            self.days.remove(day);
            self.days.extend(store.looked(place, *day).map(|looked| (*day, looked.clone())));
        }
    }

    async fn keep(self, above: LogFolders, store: &mut LedgerStore) -> Result<(), EngineError> {
        let Some(place) = &self.place else { return Ok(()) };
        // Where there are no logs yet, the first may come at any moment.
        let is_kept = self.known(store).is_some() || above.days.is_empty();
        store.keep_looked(place, self.days).await?;
        if is_kept {
            return Ok(());
        }
        let (from, days) = (self.question.span.start, above.days.into_iter().collect());
        let walked = Walked { asked: self.asked, from, at: self.at, now: self.now, regions: above.regions, days };
        Ok(store.keep_walked(place, walked).await?)
    }
}

/// The objects of one day of delivery: what is new of them is read, absorbed and kept. Tells whether any could not be read.
async fn read_day(
    job: &Job<'_>,
    (question, series): (&LogsQuestion, &BTreeMap<String, BTreeSet<SeriesKey>>),
    (place, listed): (&Place, &[&LogFile]),
    store: &mut LedgerStore,
    logs_read: &mut LogsRead,
) -> Result<bool, EngineError> {
    let objects: Vec<ListedObject<'_>> = listed.iter().map(|object| listed_object(object)).collect();
    let parts = objects.iter().map(|object| filed_under(object.interval)).collect();
    let mut ledger = store.load(&Needs { objects: parts, ..Needs::default() }).await?;
    compare(job, (place, listed), &ledger.changed_since_read(&objects), logs_read);
    let mut unread: BTreeMap<&str, (&LogFile, Arc<BTreeSet<SeriesKey>>)> = ledger
        .unread(&objects, series)
        .into_iter()
        .filter_map(|(place, series)| Some((objects.get(place)?.key, (*listed.get(place)?, series))))
        .collect();
    if unread.is_empty() {
        return Ok(false);
    }
    let left = left_out(job, place, &mut unread);
    logs_read.too_dear(left.len(), 0);
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
                let (traffic, measure) = question.requests.get(series)?;
                Some((series.clone(), (traffic, measure)))
            });
            (Routes::of(balancer, requests), files)
        })
        .collect();
    let batches: Vec<Batch<'_>> = routed.iter().map(|(routes, files)| Batch { objects: files, routes }).collect();
    let scanned = block_in_place(|| logs::scan(place, &batches, job.threads, &job.stop));
    let limit = unparsed_limit(job.catalog, &question.source);
    logs_read.add(&scanned, limit);
    let read = scanned.read.iter().filter_map(|read| {
        let (object, series) = unread.get(identity(&read.key))?;
        // A log of nothing but strange lines is as good as one that cannot be read.
        let counted = if read.is_strange(limit) { Arc::default() } else { Arc::clone(series) };
        Some(ObjectRecord { size: read.size, lines: read.lines, unparsed: read.unparsed, counted, ..record(object) })
    });
    // An object that is there but cannot be read is recorded too: what it would have said is unknown, and not silence.
    let faulty = scanned.faulty.iter().filter_map(|faulty| Some(record(unread.get(identity(&faulty.key))?.0)));
    let left_out = left.iter().map(|object| record(object));
    let began = began(question, (&ledger, &scanned.counts), store).await?;
    let answer = ObjectsAnswer { objects: read.chain(faulty).chain(left_out).collect(), counts: scanned.counts, began };
    absorb(store, &mut ledger, &answer).await?;
    Ok(!scanned.faulty.is_empty() || !left.is_empty())
}

/// Takes out the objects that would cost more than the run may.
fn left_out<'l, T>(job: &Job<'_>, place: &Place, unread: &mut BTreeMap<&str, (&'l LogFile, T)>) -> Vec<&'l LogFile> {
    let (mut reads, mut left) = (0, Vec::new());
    unread.retain(|_, (object, _)| {
        let more = reads + place.reads(object.size);
        let has_room = Aws::has_room(job.max_cost, &Usage { s3_reads: more, ..Usage::default() });
        if has_room {
            reads = more;
        } else {
            left.push(*object);
        }
        has_room
    });
    left
}

/// Objects that had another size when they were counted are read once more, without being counted, to see whether their
/// lines are the same.
fn compare(job: &Job<'_>, (place, listed): (&Place, &[&LogFile]), changed: &[&ObjectRecord], logs_read: &mut LogsRead) {
    let before: BTreeMap<&str, &ObjectRecord> = changed.iter().map(|record| (&*record.key, *record)).collect();
    let again = listed.iter().filter(|object| before.contains_key(identity(&object.key)));
    let mut again: BTreeMap<&str, (&LogFile, ())> = again.map(|object| (&*object.key, (*object, ()))).collect();
    // What the run cannot afford is compared by a later one.
    left_out(job, place, &mut again);
    let mut files: Vec<LogFile> = again.into_values().map(|(object, ())| object.clone()).collect();
    files.sort_by(|one, other| one.load_balancer.cmp(&other.load_balancer));
    if files.is_empty() {
        return;
    }
    let balancers = files.chunk_by(|a, b| a.load_balancer == b.load_balancer);
    let routed: Vec<(Routes, &[LogFile])> =
        balancers.map(|files| (Routes::new(files.first().map_or("", |file| &file.load_balancer), []), files)).collect();
    let batches: Vec<Batch<'_>> = routed.iter().map(|(routes, objects)| Batch { objects, routes }).collect();
    let scanned = block_in_place(|| logs::scan(place, &batches, job.threads, &job.stop));
    let record = |key: &str| before.get(identity(key)).copied();
    logs_read.compare(&scanned, record);
}

/// Adds an answer to the days it touches, with as many neighbours as coverage looks at.
async fn absorb(store: &mut LedgerStore, ledger: &mut Ledger, answer: &ObjectsAnswer) -> Result<(), EngineError> {
    let near = |reach: i32| {
        let days = answer.objects.iter().map(ObjectRecord::day);
        days.flat_map(move |day| (-reach..=reach).map(move |near| day.plus(near))).collect::<BTreeSet<Day>>()
    };
    let mut needs = Needs::of_days([], near(2));
    needs.deliveries = std::mem::take(&mut needs.objects);
    needs.wanted.known = Needs::of_days(near(1), []).minutes;
    needs.minutes = answer.parts();
    store.load_more(ledger, &needs).await?;
    // That more minutes are decided anew than those of the answer is rare: where a gap closes, or at the end of a part.
    match ledger.absorb_objects(answer) {
        Err(AbsorbError::NotLoaded(NotLoaded(minutes))) => {
            store.load_more(ledger, &Needs { minutes, ..Needs::default() }).await?;
            ledger.absorb_objects(answer)?;
        }
        absorbed => absorbed?,
    }
    Ok(store.commit(ledger).await?)
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
    }
}

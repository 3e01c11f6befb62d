//! Which folders of days are listed for a source of access logs, and which need not be.
//!
//! The folder of a day holds what was delivered on that day, so it is listed by every run until that day is over, by
//! the first run thereafter, for a week by the first run of each day, and later once for each set of definitions. A
//! directory costs nothing to list, and is listed as a whole.

use std::collections::BTreeMap;

use super::Job;
use crate::accesslog::key::LATE_DAYS;
use crate::demand::LogsQuestion;
use crate::fetch::logs::{LogFolders, LogTree, Place};
use crate::minute::{Day, Minute, Span};
use crate::store::{LedgerStore, Looked, Walked, version_of};

/// Days that the first run of a day looks back to.
const NIGHTLY_DAYS: i32 = 7;
/// How long the folders above those of days are known: a new account or region shows within as long. There may be
/// hundreds of folders, and each is a request.
const WALK_MINUTES: i32 = 60;
/// How long after the end of a day its folder may still get what was delivered on it: clocks differ, and an object
/// appears only when the last of it was written.
const LATE_MINUTES: i32 = 60;

/// What is listed of one source.
pub(super) struct ListingPlan<'q> {
    pub(super) question: &'q LogsQuestion,
    pub(super) place: Place,
    /// The source and its bucket: two sources of one bucket ask for different balancers.
    bucket: Option<String>,
    /// The hash of all that is asked.
    asked: String,
    at: Minute,
    now: Minute,
    today: Day,
    /// The newest day whose folder gets nothing more.
    over: Day,
    days: BTreeMap<Day, Looked>,
    left_out: usize,
}

impl<'q> ListingPlan<'q> {
    /// Plans the listing of a source, and marks all folders that it needs as not listed yet: until then, no gap in what
    /// other folders hold is taken for silence.
    pub(super) async fn new(
        job: &Job<'_>,
        question: &'q LogsQuestion,
        store: &mut LedgerStore,
    ) -> Result<Self, String> {
        let place = match question.location.parse() {
            Ok(location) => Place::of(&location, &question.access, job.max_cost).await,
            Err(error) => {
                mark(question, |_| false, store);
                return Err(error);
            }
        };
        let bucket = matches!(place, Place::Bucket(_)).then(|| format!("{}: {place}", question.source));
        let named = question.series.iter().flat_map(|(name, series)| series.iter().map(move |series| (name, series)));
        let asked: Vec<String> = named.map(|(name, series)| format!("{name} {series}")).collect();
        let asked = version_of(asked.join("\n").as_bytes()).0;
        // What lies in a bucket depends on what time it is, and a ledger of an earlier moment has less of it still.
        let at = job.at.min(job.now);
        let over = at.plus(-LATE_MINUTES).day().plus(-1);
        let (now, today) = (job.now, at.day());
        let plan = Self { question, place, bucket, asked, at, now, today, over, days: BTreeMap::new(), left_out: 0 };
        let settled: Vec<Day> = days(question).filter(|day| plan.settled(store, *day).is_some()).collect();
        mark(question, |day| settled.contains(&day), store);
        Ok(plan)
    }

    /// The folders as they were found within the same hour for the same question.
    fn known<'s>(&self, store: &'s LedgerStore) -> Option<&'s Walked> {
        let hour = |at: Minute| at.0.div_euclid(WALK_MINUTES);
        store.walked(self.bucket.as_ref()?).filter(|known| {
            let is_same = known.asked == self.asked && known.from <= self.question.span.start;
            is_same && hour(known.at) == hour(self.at) && hour(known.now) == hour(self.now)
        })
    }

    /// The folders of days: as they are known, else looked for.
    pub(super) async fn tree(&self, store: &LedgerStore) -> Result<LogTree, String> {
        let LogsQuestion { span, classic_minutes, .. } = self.question;
        let place = self.place.clone();
        let tree = match self.known(store) {
            Some(Walked { regions, days, .. }) => {
                let above = LogFolders { regions: regions.clone(), days: days.iter().cloned().collect() };
                LogTree::of_folders(place, *span, *classic_minutes, above, self.today)
            }
            None => LogTree::open(place, *span, *classic_minutes).await.map_err(|error| error.to_string())?,
        };
        Ok(tree.of_balancers(self.question.series.keys()).at(self.now))
    }

    /// How the folder of a day was looked into, where nothing new can be in it.
    fn settled<'s>(&self, store: &'s LedgerStore, day: Day) -> Option<&'s Looked> {
        let bucket = self.bucket.as_ref().filter(|_| day <= self.over)?;
        if store.unlisted().has(&self.question.source, day) {
            return None;
        }
        let looked = store.looked(bucket, day).filter(|looked| looked.asked == self.asked)?;
        let is_recent = looked.on == self.today || day < self.today.plus(-NIGHTLY_DAYS);
        (looked.from <= self.question.span.start && is_recent).then_some(looked)
    }

    /// Whether nothing new can be in the folder of a day; otherwise it is taken to be listed now.
    pub(super) fn may_leave_out(&mut self, store: &LedgerStore, day: Day) -> bool {
        let settled = self.settled(store, day).cloned();
        let is_settled = settled.is_some();
        self.left_out += usize::from(is_settled);
        if self.bucket.is_some() && day <= self.over {
            let from = self.question.span.start;
            let now = Looked { asked: self.asked.clone(), from, on: self.today };
            self.days.insert(day, settled.unwrap_or(now));
        }
        is_settled
    }

    /// Whether every folder was listed, as far as this plan left none out.
    pub(super) const fn is_whole(&self) -> bool {
        self.left_out == 0
    }

    /// Something in the folder of a day could not be read, and may be by the next run.
    pub(super) fn list_again(&mut self, day: Day) {
        self.days.remove(&day);
    }

    /// Days that were not listed are known as they were.
    pub(super) fn leave(&mut self, store: &LedgerStore, days: &[Day]) {
        let Some(bucket) = &self.bucket else { return };
        for day in days {
            self.days.remove(day);
            self.days.extend(store.looked(bucket, *day).map(|looked| (*day, looked.clone())));
        }
    }

    /// Keeps what was listed.
    pub(super) fn keep(self, above: LogFolders, store: &mut LedgerStore) {
        let Some(bucket) = &self.bucket else { return };
        // Where there are no logs yet, the first may come at any moment.
        let is_kept = self.known(store).is_some() || above.days.is_empty();
        store.keep_looked(bucket, self.days);
        if !is_kept {
            let (from, days) = (self.question.span.start, above.days.into_iter().collect());
            let walked = Walked { asked: self.asked, from, at: self.at, now: self.now, regions: above.regions, days };
            store.keep_walked(bucket, walked);
        }
    }
}

/// The days in whose folders the objects of a question lie.
fn days(question: &LogsQuestion) -> impl Iterator<Item = Day> {
    let Span { start, end } = question.span;
    Span::new(start.day().start(), end.day().plus(LATE_DAYS + 1).start()).days()
}

/// Marks the folders of all days as not listed, but for those that need not be.
fn mark(question: &LogsQuestion, is_settled: impl Fn(Day) -> bool, store: &mut LedgerStore) {
    for day in days(question).filter(|day| !is_settled(*day)) {
        store.unlisted_mut().add(&question.source, day, "");
    }
}

/// Takes the marks from days that were listed, and leaves them where a folder could not be: of the days given, or of
/// all that have no folder.
pub(super) fn unmark(question: &LogsQuestion, tree: &LogTree, listed: Option<Day>, store: &mut LedgerStore) {
    let marked: Vec<Day> = match listed {
        Some(day) => vec![day],
        None => store.unlisted().days(&question.source).filter(|day| tree.folders(*day) == 0).collect(),
    };
    let failed = tree.unlisted_areas();
    for day in marked {
        store.unlisted_mut().remove(&question.source, day);
        let date = day.to_string().replace('-', "/");
        for (area, below) in &failed {
            if date.starts_with(below) {
                store.unlisted_mut().add(&question.source, day, area);
            }
        }
    }
}

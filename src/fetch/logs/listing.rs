//! Which log objects lie below a place: everything found is either read or accounted for by name.
//!
//! Folders of days are days of delivery. An object of 23:55 to 00:00 lies in the next day's folder and a late one later
//! still, so a span is looked for in its own days and a few more.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::folders::{ListError, area_of, find_logs, not_before};
use super::place::{Entry, Folder, Place, Unseen};
use crate::accesslog::key::{self, INTERVAL_MINUTES, LATE_DAYS, ObjectKind};
use crate::minute::{Day, Minute, Span};

/// How long a file without a byte may still be filled: a copy that takes longer writes some of it meanwhile.
const PENDING_MINUTES: i32 = 60;
/// Keys shown of each kind of object that is not read.
const SAMPLES: usize = 3;

/// The log object of an Application or Classic Load Balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Path below the root, with `/` between its parts; its identity.
    pub key: Arc<str>,
    /// Bytes as it lies there.
    pub size: u64,
    /// `app/name/id`, or `classic/name`.
    pub load_balancer: Arc<str>,
    /// The minutes that its name says it covers.
    pub interval: Span,
    /// The day it was delivered.
    pub delivery_day: Day,
    /// A file without a byte that is so new that its copy may still go on.
    pub is_pending: bool,
}

/// The folders in which those of days lie, and the days that any of them has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFolders {
    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION`.
    pub regions: Vec<String>,
    /// `2026/10/31`.
    pub days: BTreeSet<String>,
}

/// Objects that are not read, of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// How many.
    pub count: u64,
    /// The first few keys.
    pub samples: Vec<String>,
}

impl Others {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(key);
        }
    }
}

/// The folders of days below a root, whose objects are listed a day at a time: a large fleet writes some hundred
/// thousand a day.
#[derive(Debug)]
pub struct LogTree {
    place: Place,
    span: Span,
    classic_minutes: i32,
    folders: BTreeMap<Day, Vec<String>>,
    /// What they were found in.
    pub above: LogFolders,
    /// The balancers that are wanted; all, if there are none.
    wanted: Vec<String>,
    /// What time it is: a file without a byte may be new.
    now: Minute,
    /// Each balancer's name once: a day has thousands of objects of each.
    balancers: BTreeMap<String, Arc<str>>,
    /// What is there and is not read, by what it is.
    pub others: BTreeMap<String, Others>,
    /// Folders of a bucket hold more than was looked at: there are at least so many others.
    pub passed_over: bool,
    /// What is read although its folder says otherwise than its name, by what that is.
    pub doubtful: BTreeMap<String, Others>,
    /// The newest day of delivery of any folder, whether or not it can hold the span.
    pub newest_day: Option<Day>,
    /// Folders and files that could not be looked at, and why.
    pub unreadable: Vec<Unread>,
    /// A Classic Load Balancer's object whose name shows that it writes more often than `classic_interval` says.
    pub more_often: Option<String>,
}

/// A folder or file that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Its path below the root.
    pub key: String,
    /// Why.
    pub said: String,
    /// What can be done.
    pub remedy: Cow<'static, str>,
}

/// Whether this is the name of a log that is read.
fn is_log(key: &str) -> bool {
    matches!(key::read(key), ObjectKind::Alb(_) | ObjectKind::ClassicElb(_))
}

impl LogTree {
    /// Finds the folders of days that can hold an object whose interval has a minute of the span. `classic_minutes` is
    /// how often Classic Load Balancers write, 5 or 60.
    ///
    /// # Errors
    /// If the root cannot be read or holds no `AWSLogs`. What fails further down is part of the tree.
    pub async fn open(place: Place, span: Span, classic_minutes: i32) -> Result<Self, ListError> {
        let bases = find_logs(&place).await?;
        let mut tree = Self::bare(place, span, classic_minutes);
        for base in bases {
            tree.accounts(&base).await;
        }
        Ok(tree)
    }

    /// The same out of folders that were found before, and of a day that each may have got since: nothing is looked
    /// into.
    #[must_use]
    pub fn of_folders(place: Place, span: Span, classic_minutes: i32, above: LogFolders, newest: Day) -> Self {
        let mut tree = Self::bare(place, span, classic_minutes);
        tree.newest_day = above.days.iter().filter_map(|day| key::day_of_folder(&format!("/{day}"))).max();
        let days = above.days.iter().cloned().chain([newest.to_string().replace('-', "/")]);
        for day in days.collect::<BTreeSet<String>>() {
            for region in &above.regions {
                let folder = format!("{region}/{day}");
                if let Some(day) = key::day_of_folder(&folder).filter(|day| tree.may_hold_the_span(*day)) {
                    tree.folders.entry(day).or_default().push(folder);
                }
            }
        }
        tree.above = above;
        tree
    }

    const fn bare(place: Place, span: Span, classic_minutes: i32) -> Self {
        Self {
            place,
            span,
            classic_minutes,
            folders: BTreeMap::new(),
            above: LogFolders { regions: Vec::new(), days: BTreeSet::new() },
            wanted: Vec::new(),
            now: Minute(i32::MIN),
            balancers: BTreeMap::new(),
            others: BTreeMap::new(),
            passed_over: false,
            doubtful: BTreeMap::new(),
            newest_day: None,
            unreadable: Vec::new(),
            more_often: None,
        }
    }

    /// The tree for somebody who wants objects of these balancers only: where a folder of a bucket is long, others are
    /// passed over.
    #[must_use]
    pub fn of_balancers<'b>(mut self, wanted: impl Iterator<Item = &'b String>) -> Self {
        self.wanted = wanted.cloned().collect();
        self
    }

    /// The tree as it is looked at by a clock.
    #[must_use]
    pub const fn at(mut self, now: Minute) -> Self {
        self.now = now;
        self
    }

    /// Folders that could not be listed: how the areas begin that lie there, `ACCOUNT_elasticloadbalancing_REGION`, and
    /// how their days do, `2026/10/31`.
    #[must_use]
    pub fn unlisted_areas(&self) -> Vec<(String, String)> {
        self.unreadable.iter().filter_map(|unread| area_of(&unread.key)).collect()
    }

    /// The days of delivery, oldest first.
    #[must_use]
    pub fn days(&self) -> Vec<Day> {
        self.folders.keys().copied().collect()
    }

    /// How many folders a day of delivery has.
    #[must_use]
    pub fn folders(&self, day: Day) -> usize {
        self.folders.get(&day).map_or(0, Vec::len)
    }

    /// The balancers that an object was seen of.
    pub fn balancers(&self) -> impl Iterator<Item = &str> {
        self.balancers.keys().map(String::as_str)
    }

    /// The objects of a day of delivery whose interval has a minute of the span, in order of balancer, then key.
    pub async fn objects(&mut self, day: Day) -> Vec<LogFile> {
        let mut objects = Vec::new();
        for folder in self.folders.get(&day).cloned().unwrap_or_default() {
            let wanted = self.wanted.iter().filter_map(|balancer| key::start_of_names(&folder, balancer));
            let mut starts: Vec<String> = wanted.collect();
            starts.sort();
            for odd in self.look_into(&folder, &starts, &mut objects).await {
                self.other("folder among the logs of a day", odd);
            }
        }
        objects.sort_by(|a, b| (&a.load_balancer, &a.key).cmp(&(&b.load_balancer, &b.key)));
        objects
    }

    /// Where the objects lie.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/`; logs of other AWS services beside it are none of ours.
    async fn accounts(&mut self, base: &str) {
        for account in self.folders_in(base).await {
            for service in self.folders_in(&account).await {
                if service.ends_with("/elasticloadbalancing") {
                    for region in self.folders_in(&service).await {
                        self.find_days(&region).await;
                        self.above.regions.push(region);
                    }
                }
            }
        }
    }

    /// Walks `yyyy/mm/dd`, and leaves out the days that cannot hold the span.
    async fn find_days(&mut self, region: &str) {
        let mut days = Vec::new();
        let first = self.span.start.day().to_string().replace('-', "/");
        for year in not_before(&first, self.folders_in(region).await) {
            for month in not_before(&first, self.folders_in(&year).await) {
                days.extend(self.folders_in(&month).await);
            }
        }
        for folder in days {
            let day = key::day_of_folder(&folder);
            self.newest_day = self.newest_day.max(day);
            match day {
                Some(day) if self.may_hold_the_span(day) => {
                    self.above.days.extend(folder.get(region.len() + 1..).map(str::to_owned));
                    self.folders.entry(day).or_default().push(folder);
                }
                Some(_) => {}
                None => self.other("folder that is not a day", folder),
            }
        }
    }

    fn may_hold_the_span(&self, day: Day) -> bool {
        let last = self.span.end.day().plus(LATE_DAYS);
        !self.span.is_empty() && self.span.start.day() <= day && day <= last
    }

    /// The folders above those of days; no object has its place there.
    async fn folders_in(&mut self, folder: &str) -> Vec<String> {
        let mut objects = Vec::new();
        let folders = self.look_into(folder, &[], &mut objects).await;
        for object in objects {
            self.other("outside a day folder", object.key.to_string());
        }
        folders
    }

    /// Takes note of a folder's files and gives its folders.
    async fn look_into(&mut self, folder: &str, starts: &[String], objects: &mut Vec<LogFile>) -> Vec<String> {
        let Folder { entries, is_whole } = match self.place.look_into(folder, starts).await {
            Ok(seen) => seen,
            Err(Unseen { said, remedy }) => {
                self.unreadable.push(Unread { key: folder.to_owned(), said, remedy });
                return Vec::new();
            }
        };
        self.passed_over |= !is_whole;
        // What has the name of a log is one, though it may turn out that it cannot be read: its minutes are unknown
        // then.
        let (folders, files): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.is_folder && !is_log(&entry.key));
        for file in files {
            objects.extend(self.object(file));
        }
        folders.into_iter().map(|entry| entry.key).collect()
    }

    fn object(&mut self, file: Entry) -> Option<LogFile> {
        let text = file.key;
        let (kind, object) = match key::read(&text) {
            ObjectKind::Alb(object) => ("", Some((object, INTERVAL_MINUTES))),
            ObjectKind::ClassicElb(object) => {
                let minutes = self.classic_minutes;
                let fits = object.interval_end.0 % minutes == 0;
                if !fits {
                    self.more_often.get_or_insert_with(|| text.clone());
                }
                ("", Some((object, if fits { minutes } else { INTERVAL_MINUTES })))
            }
            ObjectKind::NetworkLb => ("Network Load Balancer log", None),
            ObjectKind::ConnectionLog => ("connection log", None),
            ObjectKind::HealthCheckLog => ("health check log", None),
            ObjectKind::TestFile => ("ELB test file", None),
            ObjectKind::Foreign(why) => (why, None),
        };
        let Some((object, minutes)) = object else {
            match &file.fault {
                Some(error) => {
                    let remedy = "check that it exists and is readable".into();
                    self.unreadable.push(Unread { key: text, said: error.to_string(), remedy });
                }
                None => self.other(kind, text),
            }
            return None;
        };
        let interval = Span::before(object.interval_end, minutes);
        let is_wanted = !interval.intersect(self.span).is_empty();
        if let Some(doubt) = object.doubt {
            let kind = if is_wanted { &mut self.doubtful } else { &mut self.others };
            kind.entry(doubt.to_owned()).or_default().add(text.clone());
        }
        if !is_wanted {
            return None;
        }
        let delivery_day = object.delivery_day;
        let is_new = file.changed.is_some_and(|changed| changed > self.now.plus(-PENDING_MINUTES));
        let is_pending = file.size == 0 && is_new;
        let shared =
            self.balancers.entry(object.load_balancer).or_insert_with_key(|name| Arc::from(name.as_str())).clone();
        let (key, size) = (Arc::from(text.as_str()), file.size);
        Some(LogFile { key, size, load_balancer: shared, interval, delivery_day, is_pending })
    }

    fn other(&mut self, kind: &str, key: String) {
        self.others.entry(kind.to_owned()).or_default().add(key);
    }
}

//! Which log objects lie below a place: everything found is either read or accounted for by name.
//!
//! Folders of days are days of delivery. An object of 23:55 to 00:00 lies in the next day's folder and a late one later
//! still, so a span is looked for in its own days and a few more.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::folders::{ListError, find_awslogs_folders, parse_area, retain_recent};
use super::root::{FolderEntry, FolderListing, ListingError, LogRoot};
use crate::access_log::object_key::{self, INTERVAL_MINUTES, LATE_DELIVERY_DAYS, ObjectKind};
use crate::time::{Day, Minute, Span};

/// How long a file without a byte may still be filled: a copy that takes longer writes some of it meanwhile.
const PENDING_MINUTES: i32 = 60;
/// Keys shown of each kind of object that is not read.
const SAMPLES_MAX: usize = 3;

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
pub struct SkippedObjects {
    /// How many.
    pub count: u64,
    /// The first few keys.
    pub samples: Vec<String>,
}

impl SkippedObjects {
    fn add(&mut self, key: String) {
        self.count += 1;
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(key);
        }
    }
}

/// The folders of days below a root, whose objects are listed a day at a time: a large fleet writes some hundred
/// thousand a day.
#[derive(Debug)]
pub struct LogTree {
    root: LogRoot,
    span: Span,
    classic_minutes: i32,
    folders: BTreeMap<Day, Vec<String>>,
    /// What they were found in.
    pub parent_folders: LogFolders,
    /// The balancers that are wanted; all, if there are none.
    wanted_balancers: Vec<String>,
    /// What time it is: a file without a byte may be new.
    now: Minute,
    /// Each balancer's name once: a day has thousands of objects of each.
    balancers: BTreeMap<String, Arc<str>>,
    /// What is there and is not read, by what it is.
    pub skipped: BTreeMap<String, SkippedObjects>,
    /// Folders of a bucket hold more than was looked at: there are at least so many others.
    pub is_partial: bool,
    /// What is read although its folder says otherwise than its name, by what that is.
    pub mismatched: BTreeMap<String, SkippedObjects>,
    /// The newest day of delivery of any folder, whether or not it can hold the span.
    pub newest_day: Option<Day>,
    /// Folders and files that could not be looked at, and why.
    pub unreadable: Vec<UnreadablePath>,
    /// A Classic Load Balancer's object whose name shows that it writes more often than `classic_interval` says.
    pub short_interval_sample: Option<String>,
}

/// A folder or file that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadablePath {
    /// Its path below the root.
    pub key: String,
    /// Why.
    pub message: String,
    /// What can be done.
    pub hint: Cow<'static, str>,
}

/// Whether this is the name of a log that is read.
fn is_log(key: &str) -> bool {
    matches!(object_key::parse_key(key), ObjectKind::Alb(_) | ObjectKind::ClassicElb(_))
}

impl LogTree {
    /// Finds the folders of days that can hold an object whose interval has a minute of the span. `classic_minutes` is
    /// how often Classic Load Balancers write, 5 or 60.
    ///
    /// # Errors
    /// If the root cannot be read or holds no `AWSLogs`. What fails further down is part of the tree.
    pub async fn open(root: LogRoot, span: Span, classic_minutes: i32) -> Result<Self, ListError> {
        let bases = find_awslogs_folders(&root).await?;
        let mut tree = Self::empty(root, span, classic_minutes);
        for base in bases {
            tree.find_regions(&base).await;
        }
        Ok(tree)
    }

    /// The same out of folders that were found before, and of a day that each may have got since: nothing is looked
    /// into.
    pub fn from_folders(
        root: LogRoot,
        span: Span,
        classic_minutes: i32,
        parent_folders: LogFolders,
        newest_day: Day,
    ) -> Self {
        let mut tree = Self::empty(root, span, classic_minutes);
        tree.newest_day =
            parent_folders.days.iter().filter_map(|day| object_key::parse_folder_day(&format!("/{day}"))).max();
        let days = parent_folders.days.iter().cloned().chain([newest_day.to_string().replace('-', "/")]);
        for day in days.collect::<BTreeSet<String>>() {
            for region in &parent_folders.regions {
                let folder = format!("{region}/{day}");
                if let Some(day) = object_key::parse_folder_day(&folder).filter(|day| tree.can_contain_span(*day)) {
                    tree.folders.entry(day).or_default().push(folder);
                }
            }
        }
        tree.parent_folders = parent_folders;
        tree
    }

    const fn empty(root: LogRoot, span: Span, classic_minutes: i32) -> Self {
        Self {
            root: root,
            span,
            classic_minutes,
            folders: BTreeMap::new(),
            parent_folders: LogFolders { regions: Vec::new(), days: BTreeSet::new() },
            wanted_balancers: Vec::new(),
            now: Minute(i32::MIN),
            balancers: BTreeMap::new(),
            skipped: BTreeMap::new(),
            is_partial: false,
            mismatched: BTreeMap::new(),
            newest_day: None,
            unreadable: Vec::new(),
            short_interval_sample: None,
        }
    }

    /// The tree for somebody who wants objects of these balancers only: where a folder of a bucket is long, others are
    /// passed over.
    pub fn with_balancers<'b>(mut self, balancers: impl Iterator<Item = &'b String>) -> Self {
        self.wanted_balancers = balancers.cloned().collect();
        self
    }

    /// The tree as it is looked at by a clock.
    pub const fn with_now(mut self, now: Minute) -> Self {
        self.now = now;
        self
    }

    /// Folders that could not be listed: how the areas begin that lie there, `ACCOUNT_elasticloadbalancing_REGION`, and
    /// how their days do, `2026/10/31`.
    pub fn unlisted_areas(&self) -> Vec<(String, String)> {
        self.unreadable.iter().filter_map(|unread| parse_area(&unread.key)).collect()
    }

    /// The days of delivery, oldest first.
    pub fn days(&self) -> Vec<Day> {
        self.folders.keys().copied().collect()
    }

    /// How many folders a day of delivery has.
    pub fn folder_count(&self, day: Day) -> usize {
        self.folders.get(&day).map_or(0, Vec::len)
    }

    /// The balancers that an object was seen of.
    pub fn balancers(&self) -> impl Iterator<Item = &str> {
        self.balancers.keys().map(String::as_str)
    }

    /// The objects of a day of delivery whose interval has a minute of the span, in order of balancer, then key.
    pub async fn list_objects(&mut self, day: Day) -> Vec<LogFile> {
        let mut objects = Vec::new();
        for folder in self.folders.get(&day).cloned().unwrap_or_default() {
            let wanted =
                self.wanted_balancers.iter().filter_map(|balancer| object_key::file_name_prefix(&folder, balancer));
            let mut name_prefixes: Vec<String> = wanted.collect();
            name_prefixes.sort();
            for subfolder in self.list_folder(&folder, &name_prefixes, &mut objects).await {
                self.add_skipped("folder among the logs of a day", subfolder);
            }
        }
        objects.sort_by(|a, b| (&a.load_balancer, &a.key).cmp(&(&b.load_balancer, &b.key)));
        objects
    }

    /// Where the objects lie.
    pub const fn root(&self) -> &LogRoot {
        &self.root
    }

    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/`; logs of other AWS services beside it are none of ours.
    async fn find_regions(&mut self, base: &str) {
        for account in self.list_parent_folder(base).await {
            for service in self.list_parent_folder(&account).await {
                if service.ends_with("/elasticloadbalancing") {
                    for region in self.list_parent_folder(&service).await {
                        self.find_days(&region).await;
                        self.parent_folders.regions.push(region);
                    }
                }
            }
        }
    }

    /// Walks `yyyy/mm/dd`, and leaves out the days that cannot hold the span.
    async fn find_days(&mut self, region: &str) {
        let mut days = Vec::new();
        let first = self.span.start.day().to_string().replace('-', "/");
        for year in retain_recent(&first, self.list_parent_folder(region).await) {
            for month in retain_recent(&first, self.list_parent_folder(&year).await) {
                days.extend(self.list_parent_folder(&month).await);
            }
        }
        for folder in days {
            let day = object_key::parse_folder_day(&folder);
            self.newest_day = self.newest_day.max(day);
            match day {
                Some(day) if self.can_contain_span(day) => {
                    self.parent_folders.days.extend(folder.get(region.len() + 1..).map(str::to_owned));
                    self.folders.entry(day).or_default().push(folder);
                }
                Some(_) => {}
                None => self.add_skipped("folder that is not a day", folder),
            }
        }
    }

    fn can_contain_span(&self, day: Day) -> bool {
        let last = self.span.end.day().plus(LATE_DELIVERY_DAYS);
        !self.span.is_empty() && self.span.start.day() <= day && day <= last
    }

    /// The folders above those of days; no object has its place there.
    async fn list_parent_folder(&mut self, folder: &str) -> Vec<String> {
        let mut objects = Vec::new();
        let folders = self.list_folder(folder, &[], &mut objects).await;
        for object in objects {
            self.add_skipped("outside a day folder", object.key.to_string());
        }
        folders
    }

    /// Takes note of a folder's files and gives its folders.
    async fn list_folder(&mut self, folder: &str, name_prefixes: &[String], objects: &mut Vec<LogFile>) -> Vec<String> {
        let FolderListing { entries, is_complete: is_whole } = match self.root.list_folder(folder, name_prefixes).await
        {
            Ok(seen) => seen,
            Err(ListingError { message: said, hint: remedy }) => {
                self.unreadable.push(UnreadablePath { key: folder.to_owned(), message: said, hint: remedy });
                return Vec::new();
            }
        };
        self.is_partial |= !is_whole;
        // What has the name of a log is one, though it may turn out that it cannot be read: its minutes are unknown
        // then.
        let (folders, files): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.is_folder && !is_log(&entry.key));
        for file in files {
            objects.extend(self.parse_file(file));
        }
        folders.into_iter().map(|entry| entry.key).collect()
    }

    fn parse_file(&mut self, file: FolderEntry) -> Option<LogFile> {
        let key = file.key;
        let (kind, object) = match object_key::parse_key(&key) {
            ObjectKind::Alb(object) => ("", Some((object, INTERVAL_MINUTES))),
            ObjectKind::ClassicElb(object) => {
                let minutes = self.classic_minutes;
                let fits = object.interval_end.0 % minutes == 0;
                if !fits {
                    self.short_interval_sample.get_or_insert_with(|| key.clone());
                }
                ("", Some((object, if fits { minutes } else { INTERVAL_MINUTES })))
            }
            ObjectKind::NetworkLb => ("Network Load Balancer log", None),
            ObjectKind::ConnectionLog => ("connection log", None),
            ObjectKind::HealthCheckLog => ("health check log", None),
            ObjectKind::TestFile => ("ELB test file", None),
            ObjectKind::Unrecognized(why) => (why, None),
        };
        let Some((object, minutes)) = object else {
            match &file.error {
                Some(error) => {
                    let remedy = "check that it exists and is readable".into();
                    self.unreadable.push(UnreadablePath { key, message: error.to_string(), hint: remedy });
                }
                None => self.add_skipped(kind, key),
            }
            return None;
        };
        let interval = Span::ending_at(object.interval_end, minutes);
        let is_wanted = !interval.intersect(self.span).is_empty();
        if let Some(doubt) = object.mismatch {
            let kind = if is_wanted { &mut self.mismatched } else { &mut self.skipped };
            kind.entry(doubt.to_owned()).or_default().add(key.clone());
        }
        if !is_wanted {
            return None;
        }
        let delivery_day = object.delivery_day;
        let is_new = file.modified.is_some_and(|changed| changed > self.now.plus(-PENDING_MINUTES));
        let is_pending = file.size == 0 && is_new;
        let shared =
            self.balancers.entry(object.load_balancer).or_insert_with_key(|name| Arc::from(name.as_str())).clone();
        let (key, size) = (Arc::from(key.as_str()), file.size);
        Some(LogFile { key, size, load_balancer: shared, interval, delivery_day, is_pending })
    }

    fn add_skipped(&mut self, kind: &str, key: String) {
        self.skipped.entry(kind.to_owned()).or_default().add(key);
    }
}

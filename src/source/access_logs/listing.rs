//! Which log objects there are below a root: everything found is either read or reported by name.
//!
//! Folders are by day of delivery. An object of 23:55 to 00:00 is in the next day's folder and a late one later still,
//! so a span is searched in its own days and a few more.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::folder::{FolderEntry, FolderListing, ListingError};
use super::folders::{ListError, find_awslogs_folders, parse_area, retain_recent};
use super::root::LogRoot;
use crate::access_log::object_key::{self, INTERVAL_MINUTES, LATE_DELIVERY_DAYS, ObjectKind};
use crate::time::{Day, Minute, Span};

/// How long a file without a byte may still be filled: a copy that takes longer writes some of it meanwhile.
const PENDING_MINUTES: i32 = 60;
/// Keys shown of each kind of skipped object.
const SAMPLES_MAX: usize = 3;

/// The log object of an Application or Classic Load Balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Path below the root.
    pub key: Arc<str>,
    /// Bytes, compressed.
    pub size: u64,
    /// `app/name/id`, or `classic/name`.
    pub load_balancer: Arc<str>,
    /// The minutes that it covers by its name.
    pub interval: Span,
    pub delivery_day: Day,
    /// An empty file that is so new that it may still be copied.
    pub is_pending: bool,
}

/// The folders that contain those of days, and the days that any of them has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFolders {
    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION`.
    pub regions: Vec<String>,
    /// `2026/10/31`.
    pub days: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedObjects {
    pub count: u64,
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

/// The folders of days below a root. Their objects are listed a day at a time: a large fleet writes some hundred
/// thousand a day.
#[derive(Debug)]
pub struct LogTree {
    root: LogRoot,
    span: Span,
    classic_minutes: i32,
    folders: BTreeMap<Day, Vec<String>>,
    pub parent_folders: LogFolders,
    /// Empty for all.
    wanted_balancers: Vec<String>,
    now: Minute,
    /// Each name once: a day has thousands of objects of each.
    balancers: BTreeMap<String, Arc<str>>,
    /// Objects that are not read, by what they are.
    pub skipped: BTreeMap<String, SkippedObjects>,
    /// Folders of a bucket contain more than was listed, so that `skipped` is a lower bound.
    pub is_partial: bool,
    /// Objects that are read although their folder contradicts their name, by how.
    pub mismatched: BTreeMap<String, SkippedObjects>,
    /// The newest day of delivery, also outside the span.
    pub newest_day: Option<Day>,
    pub unreadable: Vec<UnreadablePath>,
    /// A Classic Load Balancer's object whose name shows a shorter interval than `classic_interval`.
    pub short_interval_sample: Option<String>,
}

/// A folder or file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadablePath {
    /// Its path below the root.
    pub key: String,
    pub message: String,
    pub hint: Cow<'static, str>,
}

fn is_log(key: &str) -> bool {
    matches!(object_key::parse_key(key), ObjectKind::Alb(_) | ObjectKind::ClassicElb(_))
}

impl LogTree {
    /// Finds the folders of days that may have an object whose interval has a minute of the span. `classic_minutes` is
    /// how often Classic Load Balancers write, 5 or 60.
    ///
    /// # Errors
    /// If the root cannot be read or has no `AWSLogs`. Failures below are part of the tree.
    pub async fn open(root: LogRoot, span: Span, classic_minutes: i32) -> Result<Self, ListError> {
        let bases = find_awslogs_folders(&root).await?;
        let mut tree = Self::empty(root, span, classic_minutes);
        for base in bases {
            tree.find_regions(&base).await;
        }
        Ok(tree)
    }

    /// The same from folders that were found before, and of a day that each may have got since, without any listing.
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
            root,
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

    /// Restricts the tree to these balancers: in a long folder of a bucket, others are skipped.
    pub fn with_balancers<'b>(mut self, balancers: impl Iterator<Item = &'b String>) -> Self {
        self.wanted_balancers = balancers.cloned().collect();
        self
    }

    pub const fn with_now(mut self, now: Minute) -> Self {
        self.now = now;
        self
    }

    /// Areas, `ACCOUNT_elasticloadbalancing_REGION`, and days, `2026/10/31`, or the starts of them, whose folders could
    /// not be listed.
    pub fn unlisted_areas(&self) -> Vec<(String, String)> {
        self.unreadable.iter().filter_map(|unread| parse_area(&unread.key)).collect()
    }

    /// Days of delivery, oldest first.
    pub fn days(&self) -> Vec<Day> {
        self.folders.keys().copied().collect()
    }

    pub fn folder_count(&self, day: Day) -> usize {
        self.folders.get(&day).map_or(0, Vec::len)
    }

    /// The balancers of all objects that were listed.
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

    pub const fn root(&self) -> &LogRoot {
        &self.root
    }

    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/`, next to which are logs of other AWS services.
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

    /// Lists `yyyy/mm/dd`, without the days that cannot contain the span.
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

    /// Lists a folder above those of days, where no objects belong.
    async fn list_parent_folder(&mut self, folder: &str) -> Vec<String> {
        let mut objects = Vec::new();
        let folders = self.list_folder(folder, &[], &mut objects).await;
        for object in objects {
            self.add_skipped("outside a day folder", object.key.to_string());
        }
        folders
    }

    /// Adds a folder's files to the objects, and returns its folders.
    async fn list_folder(&mut self, folder: &str, name_prefixes: &[String], objects: &mut Vec<LogFile>) -> Vec<String> {
        let FolderListing { entries, is_complete } = match self.root.list_folder(folder, name_prefixes).await {
            Ok(listing) => listing,
            Err(ListingError { message, hint }) => {
                self.unreadable.push(UnreadablePath { key: folder.to_owned(), message, hint });
                return Vec::new();
            }
        };
        self.is_partial |= !is_complete;
        // A folder with the name of a log is taken for one that cannot be read: its minutes are unknown.
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
                    let hint = "check that it exists and is readable".into();
                    self.unreadable.push(UnreadablePath { key, message: error.to_string(), hint });
                }
                None => self.add_skipped(kind, key),
            }
            return None;
        };
        let interval = Span::ending_at(object.interval_end, minutes);
        let is_wanted = !interval.intersect(self.span).is_empty();
        if let Some(mismatch) = object.mismatch {
            let kind = if is_wanted { &mut self.mismatched } else { &mut self.skipped };
            kind.entry(mismatch.to_owned()).or_default().add(key.clone());
        }
        if !is_wanted {
            return None;
        }
        let is_new = file.modified.is_some_and(|changed| changed > self.now.plus(-PENDING_MINUTES));
        let name = self.balancers.entry(object.load_balancer).or_insert_with_key(|name| Arc::from(name.as_str()));
        Some(LogFile {
            key: Arc::from(key.as_str()),
            size: file.size,
            load_balancer: Arc::clone(name),
            interval,
            delivery_day: object.delivery_day,
            is_pending: file.size == 0 && is_new,
        })
    }

    fn add_skipped(&mut self, kind: &str, key: String) {
        self.skipped.entry(kind.to_owned()).or_default().add(key);
    }
}

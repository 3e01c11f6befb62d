//! Which log objects there are below a root: everything found is either read or reported by name.
//!
//! Folders are by day of delivery. An object of 23:55 to 00:00 is in the next day's folder and a late one later still,
//! so a span is searched in its own days and a few more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::folder::{FolderEntry, FolderListing};
use super::folders::{ListError, find_awslogs_folders, parse_area, retain_recent};
use super::root::LogRoot;
use crate::access_log::object_key::{self, INTERVAL_MINUTES, LATE_DELIVERY_DAYS, LogObject};
use crate::hinted_error::HintedError;
use crate::time::{Day, Minute, Span};

/// How long a file without a byte may still be filled: a copy that takes longer writes some of it meanwhile.
const PENDING_MINUTES: i32 = 60;

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

/// The folders of days below a root. Their objects are listed a day at a time: a large fleet writes some hundred
/// thousand a day.
#[derive(Debug)]
pub struct LogTree {
    pub root: LogRoot,
    span: Span,
    /// How often Classic Load Balancers write: 5 or 60.
    classic_minutes: i32,
    /// By day of delivery.
    pub folders: BTreeMap<Day, Vec<String>>,
    pub parent_folders: LogFolders,
    /// Empty for all: in a long folder of a bucket, others are skipped.
    pub wanted_balancers: Vec<String>,
    pub now: Minute,
    pub report: ListingReport,
}

#[derive(Debug, Default)]
pub struct ListingReport {
    /// Of all objects that were listed. Each name once: a day has thousands of objects of each.
    pub balancers: BTreeSet<Arc<str>>,
    /// Objects that are not read, by what they are.
    pub skipped: BTreeMap<String, SkippedObjects>,
    /// Folders of a bucket contain more than was listed, so that `skipped` is a lower bound.
    pub is_partial: bool,
    /// Objects that are read although their folder contradicts their name, by how.
    pub mismatched: BTreeMap<String, SkippedObjects>,
    /// The newest day of delivery, also outside the span.
    pub newest_day: Option<Day>,
    /// Paths below the root of folders and files that could not be read.
    pub unreadable: Vec<(String, HintedError)>,
    /// A Classic Load Balancer's object whose name shows a shorter interval than `classic_interval`.
    pub short_interval_sample: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkippedObjects {
    pub count: u64,
    /// The first key.
    pub example: String,
}

impl SkippedObjects {
    pub(super) fn add(&mut self, key: String) {
        if self.count == 0 {
            self.example = key;
        }
        self.count += 1;
    }
}

impl LogTree {
    /// Finds the folders of days that may have an object whose interval has a minute of the span. Fails if the root
    /// cannot be read or has no `AWSLogs`; failures below are part of the report.
    pub async fn open(root: LogRoot, span: Span, classic_minutes: i32) -> Result<Self, ListError> {
        let bases = find_awslogs_folders(&root).await?;
        let mut tree = Self::new(root, span, classic_minutes);
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
        let mut tree = Self::new(root, span, classic_minutes);
        let parse_day = |day: &String| object_key::parse_folder_day(&format!("/{day}"));
        tree.report.newest_day = parent_folders.days.iter().filter_map(parse_day).max();
        let mut days = parent_folders.days.clone();
        days.insert(newest_day.to_string().replace('-', "/"));
        for folder_day in days {
            if let Some(day) = parse_day(&folder_day).filter(|day| tree.can_contain_span(*day)) {
                for region in &parent_folders.regions {
                    tree.folders.entry(day).or_default().push(format!("{region}/{folder_day}"));
                }
            }
        }
        tree.parent_folders = parent_folders;
        tree
    }

    fn new(root: LogRoot, span: Span, classic_minutes: i32) -> Self {
        Self {
            root,
            span,
            classic_minutes,
            folders: BTreeMap::new(),
            parent_folders: LogFolders::default(),
            wanted_balancers: Vec::new(),
            now: Minute(i32::MIN),
            report: ListingReport::default(),
        }
    }

    /// Areas, `ACCOUNT_elasticloadbalancing_REGION`, and days, `2026/10/31`, or the starts of them, whose folders could
    /// not be listed.
    pub fn unlisted_areas(&self) -> Vec<(String, String)> {
        self.report.unreadable.iter().filter_map(|(key, _)| parse_area(key)).collect()
    }

    /// The objects of a day of delivery whose interval has a minute of the span, in order of balancer, then key.
    pub async fn list_objects(&mut self, day: Day) -> Vec<LogFile> {
        let mut objects = Vec::new();
        for folder in self.folders.get(&day).cloned().unwrap_or_default() {
            let wanted = self.wanted_balancers.iter();
            let mut name_prefixes: Vec<String> =
                wanted.filter_map(|balancer| object_key::file_name_prefix(&folder, balancer)).collect();
            name_prefixes.sort();
            for subfolder in self.list_folder(&folder, &name_prefixes, &mut objects).await {
                self.add_skipped("folder among the logs of a day", subfolder);
            }
        }
        objects.sort_by(|a, b| (&a.load_balancer, &a.key).cmp(&(&b.load_balancer, &b.key)));
        objects
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
            let Some(day) = object_key::parse_folder_day(&folder) else {
                self.add_skipped("folder that is not a day", folder);
                continue;
            };
            self.report.newest_day = self.report.newest_day.max(Some(day));
            if self.can_contain_span(day) {
                self.parent_folders.days.extend(folder.get(region.len() + 1..).map(str::to_owned));
                self.folders.entry(day).or_default().push(folder);
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
            Err(error) => {
                self.report.unreadable.push((folder.to_owned(), error));
                return Vec::new();
            }
        };
        self.report.is_partial |= !is_complete;
        let mut folders = Vec::new();
        for entry in entries {
            match object_key::parse_key(&entry.key) {
                // A folder with the name of a log is taken for one that cannot be read: its minutes are unknown.
                Ok(object) => objects.extend(self.select_log_file(entry, object)),
                Err(_) if entry.is_folder => folders.push(entry.key),
                Err(kind) => match entry.error {
                    Some(error) => {
                        let error = HintedError::new(error.to_string(), "check that it exists and is readable");
                        self.report.unreadable.push((entry.key, error));
                    }
                    None => self.add_skipped(kind, entry.key),
                },
            }
        }
        folders
    }

    /// The file, if its interval has a minute of the span.
    fn select_log_file(
        &mut self,
        FolderEntry { key, size, modified, .. }: FolderEntry,
        object: LogObject,
    ) -> Option<LogFile> {
        let report = &mut self.report;
        let is_short = object.is_classic() && object.interval_end.0 % self.classic_minutes != 0;
        if is_short {
            report.short_interval_sample.get_or_insert_with(|| key.clone());
        }
        let minutes = if object.is_classic() && !is_short { self.classic_minutes } else { INTERVAL_MINUTES };
        let interval = Span::ending_at(object.interval_end, minutes);
        let is_wanted = !interval.intersect(self.span).is_empty();
        if let Some(mismatch) = object.mismatch {
            let kind = if is_wanted { &mut report.mismatched } else { &mut report.skipped };
            kind.entry(mismatch.to_owned()).or_default().add(key.clone());
        }
        if !is_wanted {
            return None;
        }
        let is_new = modified.is_some_and(|changed| changed > self.now.plus(-PENDING_MINUTES));
        let known = report.balancers.get(object.load_balancer.as_str()).cloned();
        let load_balancer = known.unwrap_or_else(|| Arc::from(object.load_balancer));
        report.balancers.insert(Arc::clone(&load_balancer));
        Some(LogFile { key: Arc::from(key), size, load_balancer, interval, is_pending: size == 0 && is_new })
    }

    fn add_skipped(&mut self, kind: &str, key: String) {
        self.report.skipped.entry(kind.to_owned()).or_default().add(key);
    }
}

//! Which log objects lie below a directory: everything found is either read or accounted for by name.
//!
//! Folders of days are days of delivery. An object of 23:55 to 00:00 lies in the next day's folder and a late one later
//! still, so a span is looked for in its own days and a few more.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::accesslog::key::{self, INTERVAL_MINUTES, LATE_DAYS, ObjectKind};
use crate::minute::{Day, Span};

/// How many folders of a bucket's prefix may stand above `AWSLogs`.
const PREFIX_DEPTH: usize = 4;
/// Keys shown of each kind of object that is not read.
const SAMPLES: usize = 3;

/// The directory cannot serve as a source.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Nothing there looks like AWS's layout.
    #[error(
        "`{0}` holds no folder `AWSLogs`\nhint: name the folder that holds `AWSLogs/`, or one at most {PREFIX_DEPTH} above"
    )]
    NoLogs(PathBuf),
    /// The directory itself cannot be read.
    #[error("`{0}` cannot be read: {1}\nhint: check that the folder exists and may be read")]
    Unreadable(PathBuf, io::Error),
}

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

/// The folders of days below a root, whose objects are listed a day at a time: a large fleet writes some hundred thousand a day.
#[derive(Debug)]
pub struct LogTree {
    root: PathBuf,
    span: Span,
    classic_minutes: i32,
    folders: BTreeMap<Day, Vec<PathBuf>>,
    /// Each balancer's name once: a day has thousands of objects of each.
    balancers: BTreeMap<String, Arc<str>>,
    /// What is there and is not read, by what it is.
    pub others: BTreeMap<String, Others>,
    /// What is read although its folder says otherwise than its name, by what that is.
    pub doubtful: BTreeMap<String, Others>,
    /// The newest day of delivery of any folder, whether or not it can hold the span.
    pub newest_day: Option<Day>,
    /// Folders and files that could not be looked at, and why.
    pub unreadable: Vec<(String, String)>,
    /// A Classic Load Balancer's object whose name shows that it writes more often than `classic_interval` says.
    pub more_often: Option<String>,
}

/// All folders `AWSLogs` near the root, sorted.
fn find_logs(root: &Path) -> Result<Vec<PathBuf>, ListError> {
    fs::read_dir(root).map_err(|error| ListError::Unreadable(root.to_owned(), error))?;
    let mut found = Vec::new();
    let mut level = vec![root.to_owned()];
    for _ in 0..=PREFIX_DEPTH {
        let mut below = Vec::new();
        for folder in &level {
            let logs = folder.join("AWSLogs");
            if logs.is_dir() {
                found.push(logs);
            } else if let Ok(entries) = entries(folder) {
                below.extend(entries.into_iter().filter(|entry| entry.is_folder).map(|entry| entry.path));
            }
        }
        level = below;
    }
    found.sort();
    if found.is_empty() { Err(ListError::NoLogs(root.to_owned())) } else { Ok(found) }
}

struct Entry {
    name: String,
    path: PathBuf,
    is_folder: bool,
    size: u64,
    /// Why nothing can be said of it: a link leads nowhere, or in a circle.
    fault: Option<io::Error>,
}

/// Whether this is the name of a log that is read.
fn is_log(key: &str) -> bool {
    matches!(key::read(key), ObjectKind::Alb(_) | ObjectKind::ClassicElb(_))
}

/// What a folder holds, sorted by name. Links are followed; names that are no UTF-8 are no log's name.
fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (is_folder, size, fault) = match fs::metadata(&path) {
            Ok(about) => (about.is_dir(), about.len(), None),
            Err(error) => (false, 0, Some(error)),
        };
        found.push(Entry { name, path, is_folder, size, fault });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl LogTree {
    /// Finds the folders of days that can hold an object whose interval has a minute of the span. `classic_minutes` is how
    /// often Classic Load Balancers write, 5 or 60.
    ///
    /// # Errors
    /// If the root cannot be read or holds no `AWSLogs`. What fails further down is part of the tree.
    pub fn open(root: &Path, span: Span, classic_minutes: i32) -> Result<Self, ListError> {
        let bases = find_logs(root)?;
        let mut tree = Self {
            root: root.to_owned(),
            span,
            classic_minutes,
            folders: BTreeMap::new(),
            balancers: BTreeMap::new(),
            others: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            newest_day: None,
            unreadable: Vec::new(),
            more_often: None,
        };
        for base in bases {
            tree.accounts(&base);
        }
        Ok(tree)
    }

    /// The days of delivery, oldest first.
    #[must_use]
    pub fn days(&self) -> Vec<Day> {
        self.folders.keys().copied().collect()
    }

    /// The balancers that an object was seen of.
    pub fn balancers(&self) -> impl Iterator<Item = &str> {
        self.balancers.keys().map(String::as_str)
    }

    /// The objects of a day of delivery whose interval has a minute of the span, in order of balancer, then key.
    pub fn objects(&mut self, day: Day) -> Vec<LogFile> {
        let mut objects = Vec::new();
        for folder in self.folders.get(&day).cloned().unwrap_or_default() {
            for odd in self.look_into(&folder, &mut objects) {
                self.other("a folder where objects should be", &odd);
            }
        }
        objects.sort_by(|a, b| (&a.load_balancer, &a.key).cmp(&(&b.load_balancer, &b.key)));
        objects
    }

    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/`; logs of other AWS services beside it are none of ours.
    fn accounts(&mut self, base: &Path) {
        for account in self.folders_in(base) {
            for service in self.folders_in(&account) {
                if service.ends_with("elasticloadbalancing") {
                    for region in self.folders_in(&service) {
                        self.find_days(&region, 3);
                    }
                }
            }
        }
    }

    /// Walks `yyyy/mm/dd`, and leaves out the days that cannot hold the span.
    fn find_days(&mut self, folder: &Path, levels_below: usize) {
        for below in self.folders_in(folder) {
            if levels_below > 1 {
                self.find_days(&below, levels_below - 1);
                continue;
            }
            let day = key::day_of_folder(&self.key_of(&below));
            self.newest_day = self.newest_day.max(day);
            match day {
                Some(day) if self.may_hold_the_span(day) => self.folders.entry(day).or_default().push(below),
                Some(_) => {}
                None => self.other("a folder that is no day", &below),
            }
        }
    }

    fn may_hold_the_span(&self, day: Day) -> bool {
        let last = self.span.end.day().plus(LATE_DAYS);
        !self.span.is_empty() && self.span.start.day() <= day && day <= last
    }

    /// The folders above those of days; no object has its place there.
    fn folders_in(&mut self, folder: &Path) -> Vec<PathBuf> {
        let mut objects = Vec::new();
        let folders = self.look_into(folder, &mut objects);
        for object in objects {
            self.other("an object outside the folder of its day", &self.root.join(&*object.key));
        }
        folders
    }

    /// Takes note of a folder's files and gives its folders.
    fn look_into(&mut self, folder: &Path, objects: &mut Vec<LogFile>) -> Vec<PathBuf> {
        let entries = entries(folder).unwrap_or_else(|error| {
            self.unreadable.push((self.key_of(folder), error.to_string()));
            Vec::new()
        });
        // What has the name of a log is one, though it may turn out that it cannot be read: its minutes are unknown then.
        let (folders, files): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.is_folder && !is_log(&self.key_of(&entry.path)));
        for file in files {
            objects.extend(self.object(&file));
        }
        folders.into_iter().map(|entry| entry.path).collect()
    }

    fn object(&mut self, file: &Entry) -> Option<LogFile> {
        let text = self.key_of(&file.path);
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
            ObjectKind::NetworkLb => ("a Network Load Balancer's log", None),
            ObjectKind::ConnectionLog => ("a connection log", None),
            ObjectKind::HealthCheckLog => ("a health check log", None),
            ObjectKind::TestFile => ("a test file", None),
            ObjectKind::Foreign(why) => (why, None),
        };
        let Some((object, minutes)) = object else {
            match &file.fault {
                Some(error) => self.unreadable.push((text, error.to_string())),
                None => self.other(kind, &file.path),
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
        let shared =
            self.balancers.entry(object.load_balancer).or_insert_with_key(|name| Arc::from(name.as_str())).clone();
        Some(LogFile { key: Arc::from(text.as_str()), size: file.size, load_balancer: shared, interval, delivery_day })
    }

    fn other(&mut self, kind: &str, path: &Path) {
        let key = self.key_of(path);
        self.others.entry(kind.to_owned()).or_default().add(key);
    }

    fn key_of(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

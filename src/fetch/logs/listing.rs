//! Which log objects lie below a directory: everything found is either read or accounted for by name.
//!
//! Folders of days are days of delivery. An object of 23:55 to 00:00 lies in the next day's folder and a late one later
//! still, so a span is looked for in its own days and a few more.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::accesslog::key::{self, ObjectKind};
use crate::minute::{Day, Span};

/// Days after the last day of a span in whose folders its objects are looked for.
pub const LATE_DAYS: i32 = 3;
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

/// An Application Load Balancer's log object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Path below the root, with `/` between its parts; its identity.
    pub key: Arc<str>,
    /// Bytes as it lies there.
    pub size: u64,
    /// `app/name/id`.
    pub load_balancer: Arc<str>,
    /// The five minutes that its name says it covers.
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

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What can be read, in order of balancer, then key.
    pub objects: Vec<LogFile>,
    /// What is there and is not read, by what it is.
    pub others: BTreeMap<String, Others>,
    /// The newest day of delivery of any folder, whether or not it can hold the span.
    pub newest_day: Option<Day>,
    /// Folders and files that could not be looked at, and why.
    pub unreadable: Vec<(String, String)>,
}

/// Lists the objects whose interval has a minute of the span.
///
/// # Errors
/// If the root cannot be read or holds no `AWSLogs`. What fails further down is part of the listing.
pub fn list(root: &Path, span: Span) -> Result<Listing, ListError> {
    let bases = find_logs(root)?;
    let mut walk = Walk { root, span, found: Listing::default(), balancers: BTreeMap::new() };
    for base in bases {
        walk.accounts(&base);
    }
    let mut found = walk.found;
    found.objects.sort_by(|a, b| (&a.load_balancer, &a.key).cmp(&(&b.load_balancer, &b.key)));
    found.unreadable.sort();
    Ok(found)
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
    is_file: bool,
    size: u64,
}

/// What a folder holds, sorted by name. Links are followed; names that are no UTF-8 are no log's name.
fn entries(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A link that leads nowhere has no metadata; it is named like everything else that is no file.
        let about = fs::metadata(&path).ok();
        let is = |kind: fn(&fs::Metadata) -> bool| about.as_ref().is_some_and(kind);
        let size = about.as_ref().map_or(0, fs::Metadata::len);
        found.push(Entry { is_folder: is(fs::Metadata::is_dir), is_file: is(fs::Metadata::is_file), name, path, size });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

struct Walk<'r> {
    root: &'r Path,
    span: Span,
    found: Listing,
    /// Each balancer's name once: a day has thousands of objects of each.
    balancers: BTreeMap<String, Arc<str>>,
}

impl Walk<'_> {
    /// `AWSLogs/ACCOUNT/elasticloadbalancing/REGION/`; logs of other AWS services beside it are none of ours.
    fn accounts(&mut self, base: &Path) {
        for account in self.look_into(base) {
            for service in self.look_into(&account) {
                if service.ends_with("elasticloadbalancing") {
                    for region in self.look_into(&service) {
                        self.days(&region, 3);
                    }
                }
            }
        }
    }

    /// Walks `yyyy/mm/dd`, and leaves out the days that cannot hold the span.
    fn days(&mut self, folder: &Path, levels_below: usize) {
        for below in self.look_into(folder) {
            if levels_below > 1 {
                self.days(&below, levels_below - 1);
            } else {
                let day = key::day_of_folder(&self.key_of(&below));
                self.found.newest_day = self.found.newest_day.max(day);
                match day {
                    Some(day) if self.may_hold_the_span(day) => {
                        for odd in self.look_into(&below) {
                            self.other("a folder where objects should be", &odd);
                        }
                    }
                    Some(_) => {}
                    None => self.other("a folder that is no day", &below),
                }
            }
        }
    }

    fn may_hold_the_span(&self, day: Day) -> bool {
        let last = self.span.end.day().plus(LATE_DAYS);
        !self.span.is_empty() && self.span.start.day() <= day && day <= last
    }

    /// Takes note of a folder's files and gives its folders.
    fn look_into(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = entries(folder).unwrap_or_else(|error| {
            self.found.unreadable.push((self.key_of(folder), error.to_string()));
            Vec::new()
        });
        let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.is_folder);
        for file in files {
            self.file(&file);
        }
        folders.into_iter().map(|entry| entry.path).collect()
    }

    fn file(&mut self, file: &Entry) {
        if !file.is_file {
            return self.other("neither a file nor a folder", &file.path);
        }
        let text = self.key_of(&file.path);
        let kind = match key::read(&text) {
            ObjectKind::Alb(object) => {
                let interval = object.interval();
                if !interval.intersect(self.span).is_empty() {
                    let name = object.load_balancer;
                    let shared = self.balancers.entry(name).or_insert_with_key(|name| Arc::from(name.as_str()));
                    self.found.objects.push(LogFile {
                        load_balancer: Arc::clone(shared),
                        key: Arc::from(text.as_str()),
                        size: file.size,
                        interval,
                        delivery_day: object.delivery_day,
                    });
                }
                return;
            }
            ObjectKind::ClassicElb => "a Classic Load Balancer's log",
            ObjectKind::NetworkLb => "a Network Load Balancer's log",
            ObjectKind::ConnectionLog => "a connection log",
            ObjectKind::HealthCheckLog => "a health check log",
            ObjectKind::TestFile => "a test file",
            ObjectKind::Foreign(why) => why,
        };
        self.other(kind, &file.path);
    }

    fn other(&mut self, kind: &str, path: &Path) {
        let key = self.key_of(path);
        let others = self.found.others.entry(kind.to_owned()).or_default();
        others.count += 1;
        if others.samples.len() < SAMPLES {
            others.samples.push(key);
        }
    }

    fn key_of(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.root).unwrap_or(path);
        let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

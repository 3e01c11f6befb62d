//! Log objects in a bucket of S3: listed folder by folder, and fetched ahead of those who read them.

use std::io;
use std::sync::Arc;

use aws_sdk_s3::Client;
use futures_util::stream::{self, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::object::ObjectFault;
use super::place::{Entry, Unseen, below};
use crate::aws::Refusal;

/// Objects that are fetched at the same time: most are small, so that the way there and back is what takes long.
const FETCHED_TOGETHER: usize = 32;
/// What all fetched objects may hold in memory until they have been read, in units of 64 KiB. A larger object comes alone.
const ROOM: u32 = 1_024;
const UNIT_BYTES: u64 = 64 << 10;

/// The objects below a prefix.
#[derive(Debug)]
pub struct Bucket {
    client: Client,
    name: String,
    /// Empty, or with a slash at its end.
    prefix: String,
}

/// An object that was fetched, or why it was not, and the room it takes until it is dropped.
pub(super) struct Fetched {
    pub(super) place: usize,
    pub(super) bytes: Result<Vec<u8>, ObjectFault>,
    _room: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.prefix.trim_end_matches('/'))
    }
}

impl Bucket {
    /// A prefix without slashes at its ends.
    pub(super) fn new(client: Client, name: &str, prefix: &str) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { client, name: name.to_owned(), prefix }
    }

    /// What a folder holds: keys up to their next slash are folders.
    pub(super) async fn look_into(&self, folder: &str) -> Result<Vec<Entry>, Unseen> {
        let above = if folder.is_empty() { self.prefix.clone() } else { format!("{}{folder}/", self.prefix) };
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(&above).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                let refusal = Refusal::of(&error);
                Unseen { remedy: refusal.remedy(), said: refusal.said }
            })?;
            let folders = page.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix);
            found.extend(folders.filter_map(|path| {
                let name = path.strip_prefix(&above)?.trim_end_matches('/');
                Some(Entry { key: below(folder, name), is_folder: true, size: 0, fault: None })
            }));
            found.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                // A key that ends with a slash is what consoles make so that an empty folder can be seen.
                let name = object.key.as_deref()?.strip_prefix(&above).filter(|name| !name.is_empty())?;
                let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                Some(Entry { key: below(folder, name), is_folder: false, size, fault: None })
            }));
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    async fn fetch(&self, key: &str) -> Result<Vec<u8>, ObjectFault> {
        let unreadable = |said: String| ObjectFault::Unreadable(io::Error::other(said));
        let get = self.client.get_object().bucket(&self.name).key(format!("{}{key}", self.prefix));
        let object = get.send().await.map_err(|error| {
            let refusal = Refusal::of(&error);
            unreadable(format!("{} ({})", refusal.said, refusal.remedy()))
        })?;
        let bytes = object.body.collect().await.map_err(|error| unreadable(error.to_string()))?;
        Ok(bytes.to_vec())
    }

    /// Fetches objects in any order, ahead of the readers but never more than there is room for. It ends when they have all been
    /// taken, or when nobody takes them any more.
    pub(super) fn fetch_ahead(self: &Arc<Self>, objects: Vec<(Arc<str>, u64)>) -> mpsc::Receiver<Fetched> {
        let (sender, receiver) = mpsc::channel(FETCHED_TOGETHER);
        let bucket = Arc::clone(self);
        let room = Arc::new(Semaphore::new(ROOM as usize));
        tokio::spawn(async move {
            let fetches = objects.into_iter().enumerate().map(|(place, (key, size))| {
                let (bucket, room) = (Arc::clone(&bucket), Arc::clone(&room));
                async move {
                    let units = u32::try_from(size.div_ceil(UNIT_BYTES)).unwrap_or(ROOM).clamp(1, ROOM);
                    let permit = room.acquire_many_owned(units).await.ok();
                    Fetched { place, bytes: bucket.fetch(&key).await, _room: permit }
                }
            });
            // In order, one that waits for room could wait for others that wait for their turn.
            let mut fetches = stream::iter(fetches).buffer_unordered(FETCHED_TOGETHER);
            while let Some(fetched) = fetches.next().await {
                if sender.send(fetched).await.is_err() {
                    break;
                }
            }
        });
        receiver
    }
}

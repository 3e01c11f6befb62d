//! Log objects in a bucket of S3: listed folder by folder, and fetched ahead of those who read them.

mod body;
mod refused;

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, RequestPayer};
use futures_util::stream::{self, StreamExt};
use percent_encoding::percent_decode_str;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::object::ObjectFault;
use super::place::{Entry, Folder, Unseen, below};
use crate::aws::{Aws, Refusal};
use crate::cost::{Dollars, Usage};
use crate::location::Keys;
pub(super) use body::Body;

/// Objects that are fetched at the same time: most are small, so that the way there and back is what takes long.
const FETCHED_TOGETHER: usize = 32;
/// What all fetched objects may hold in memory until they have been read, in units of 64 KiB.
const ROOM: usize = 1_024;
const UNIT_BYTES: u64 = 64 << 10;
/// How often the bytes of an object may break off; the SDK tries again only until they begin to come.
const TRIES: u32 = 3;

/// The objects below a prefix.
#[derive(Debug)]
pub struct Bucket {
    client: Client,
    keys: Keys,
    requester_pays: bool,
    /// What all that AWS is asked may cost.
    most: Option<Dollars>,
}

/// An object that was fetched, or why it was not, and the room it takes until it is dropped.
pub(super) struct Fetched {
    pub(super) place: usize,
    pub(super) body: Result<Body, ObjectFault>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Where a listing goes on.
enum Next {
    Page(String),
    After(String),
    Nowhere,
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.keys.fmt(f)
    }
}

impl Bucket {
    pub(super) const fn new(client: Client, keys: Keys, requester_pays: bool, most: Option<Dollars>) -> Self {
        Self { client, keys, requester_pays, most }
    }

    /// How many requests an object takes.
    pub(super) fn reads(size: u64) -> u64 {
        size.div_ceil(body::PIECE_BYTES).max(1)
    }

    fn payer(&self) -> Option<RequestPayer> {
        self.requester_pays.then_some(RequestPayer::Requester)
    }

    /// What a folder holds: keys up to their next slash are folders. If it holds more than a page and only names are
    /// wanted that start in one of these ways, in order, what lies between them is passed over.
    ///
    /// Keys come in the order of their bytes
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>), so no more pages are asked for than
    /// there are.
    pub(super) async fn look_into(&self, folder: &str, starts: &[String]) -> Result<Folder, Unseen> {
        let above = self.keys.key(&if folder.is_empty() { String::new() } else { format!("{folder}/") });
        let (mut entries, mut is_whole) = (Vec::new(), true);
        let mut next = None;
        loop {
            if !Aws::has_room(self.most, &Usage { s3_writes: 1, ..Usage::default() }) {
                let most = self.most.unwrap_or_default();
                return Err(Unseen {
                    said: format!("another request would exceed `--max-cost` {most}"),
                    remedy: "raise `--max-cost`".into(),
                });
            }
            // XML cannot hold every key that S3 can, and one of those would make a page unreadable
            // (`encoding-type`, <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>).
            let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(&above).delimiter("/");
            let request = request.encoding_type(EncodingType::Url);
            let request = match next {
                Some(Next::Nowhere) => break,
                Some(Next::Page(token)) => request.continuation_token(token),
                Some(Next::After(key)) => request.start_after(key),
                None => request,
            };
            let sent = request.set_request_payer(self.payer()).send().await;
            let mut page = sent.map_err(|error| {
                let refusal = Refusal::of(&error);
                Unseen { remedy: self.remedy(&refusal, "s3:ListBucket", &error), said: refusal.said }
            })?;
            let token = page.next_continuation_token.take();
            let before = entries.len();
            entries.extend(entries_of(page, &above, folder));
            let last = entries.get(before..).unwrap_or_default().iter().map(|entry| name_of(&entry.key)).max();
            next = Some(match token {
                None => Next::Nowhere,
                Some(token) => go_on(token, last, starts).unwrap_or_else(|start| {
                    is_whole = false;
                    start.map_or(Next::Nowhere, |start| Next::After(format!("{above}{start}")))
                }),
            });
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Folder { entries, is_whole })
    }

    /// An object, or so many bytes of it from some place on; all of it must be of the same version.
    async fn get(&self, key: &str, range: Option<String>, e_tag: Option<&str>) -> Result<Got, ObjectFault> {
        let mut tries = 1;
        loop {
            let get = self.client.get_object().bucket(&self.keys.bucket).key(self.keys.key(key));
            let get = get.set_range(range.clone()).set_if_match(e_tag.map(str::to_owned));
            let mut object = get.set_request_payer(self.payer()).send().await.map_err(|error| self.fault(&error))?;
            match bytes_of(&mut object).await {
                Ok(bytes) => return Ok(Got { bytes, range: object.content_range, e_tag: object.e_tag }),
                Err(_) if tries < TRIES => tries += 1,
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Fetches objects in any order, ahead of the readers but never more than there is room for. It ends when they have
    /// all been taken, or when nobody takes them any more.
    pub(super) fn fetch_ahead(self: &Arc<Self>, objects: Vec<(Arc<str>, u64)>) -> mpsc::Receiver<Fetched> {
        let (sender, receiver) = mpsc::channel(FETCHED_TOGETHER);
        let bucket = Arc::clone(self);
        let room = Arc::new(Semaphore::new(ROOM));
        let runtime = Handle::current();
        tokio::spawn(async move {
            let fetches = objects.into_iter().enumerate().map(|(place, (key, size))| {
                let (bucket, room, runtime) = (Arc::clone(&bucket), Arc::clone(&room), runtime.clone());
                async move {
                    let units = size.min(body::PIECE_BYTES).div_ceil(UNIT_BYTES).max(1);
                    let permit = room.acquire_many_owned(u32::try_from(units).unwrap_or(1)).await.ok();
                    Fetched { place, body: Body::begin(bucket, key, size, runtime).await, _room: permit }
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

/// What came of an object.
struct Got {
    bytes: Vec<u8>,
    /// Which bytes these are, if not all: `bytes 0-9/100`.
    range: Option<String>,
    e_tag: Option<String>,
}

async fn bytes_of(object: &mut GetObjectOutput) -> Result<Vec<u8>, ObjectFault> {
    let length = object.content_length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(length.min(1 << 24));
    while let Some(piece) = object.body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| refused::broken(&error))?);
    }
    Ok(bytes)
}

/// The next page; or, where what follows the last name is of no interest, the next start that is.
fn go_on<'s>(token: String, last: Option<&str>, starts: &'s [String]) -> Result<Next, Option<&'s String>> {
    match last {
        Some(last) if !starts.is_empty() && !starts.iter().any(|start| last.starts_with(start.as_str())) => {
            Err(starts.iter().find(|start| start.as_str() > last))
        }
        _ => Ok(Next::Page(token)),
    }
}

fn name_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn entries_of(page: ListObjectsV2Output, above: &str, folder: &str) -> Vec<Entry> {
    let is_encoded = page.encoding_type == Some(EncodingType::Url);
    let plain = |key: String| if is_encoded { decoded(&key) } else { key };
    let folders = page.common_prefixes.unwrap_or_default().into_iter().filter_map(|folder| folder.prefix);
    let folders = folders.map(plain).filter_map(|path| {
        let name = path.strip_prefix(above)?.trim_end_matches('/');
        Some(Entry { key: below(folder, name), is_folder: true, size: 0, changed: None, fault: None })
    });
    let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
        // A key that ends with a slash is what consoles make so that an empty folder can be seen.
        let key = plain(object.key?);
        let name = key.strip_prefix(above).filter(|name| !name.is_empty())?;
        let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        Some(Entry { key: below(folder, name), is_folder: false, size, changed: None, fault: None })
    });
    folders.chain(objects).collect()
}

/// A key as it is, where a space was written as `+`.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_passes_over_what_nobody_wants() {
        let starts = ["b_".to_owned(), "d_".to_owned()];
        let next = |last: Option<&str>, starts: &[String]| match go_on("page".to_owned(), last, starts) {
            Ok(Next::Page(page)) => page,
            Ok(_) => unreachable!("a page was there"),
            Err(start) => start.cloned().unwrap_or_else(|| "end".to_owned()),
        };
        for (last, expected) in
            [("a_9", "b_"), ("b", "b_"), ("b_", "page"), ("b_9", "page"), ("ba", "d_"), ("d_1", "page"), ("e", "end")]
        {
            assert_eq!(next(Some(last), &starts), expected, "{last}");
        }
        assert_eq!((next(None, &starts), next(Some("a"), &[])), ("page".to_owned(), "page".to_owned()));
    }
}

//! Log objects in a bucket of S3: listed folder by folder, and fetched ahead of those who read them.

use std::borrow::Cow;
use std::error::Error;
use std::io::{self, Cursor, Read};
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, RequestPayer};
use futures_util::stream::{self, StreamExt};
use percent_encoding::percent_decode_str;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::folder::{FolderEntry, FolderListing, join_key};
use super::read_object::ObjectError;
use crate::aws::{Aws, AwsError, connection_message};
use crate::cost::{NanoDollars, Usage};
use crate::hinted_error::HintedError;
use crate::location::S3Prefix;

/// Objects that are fetched at the same time: most are small, so that latency dominates.
const CONCURRENT_FETCHES_MAX: usize = 32;
/// Limit of all fetched objects that have not been read yet, in units of 64 KiB.
const MEMORY_UNITS: usize = 1_024;
const MEMORY_UNIT_BYTES: u64 = 64 << 10;
/// Attempts to receive a body; the SDK itself retries only until the response begins.
const ATTEMPTS_MAX: u32 = 3;

#[derive(Debug)]
pub struct Bucket {
    pub(super) client: Client,
    pub(super) keys: S3Prefix,
    pub(super) requester_pays: bool,
    /// Of all AWS requests.
    pub(super) cost_limit: Option<NanoDollars>,
}

pub(super) struct FetchedObject {
    pub(super) index: usize,
    pub(super) body: Result<ObjectBody, ObjectError>,
    _memory_permit: Option<OwnedSemaphorePermit>,
}

impl Bucket {
    fn request_payer(&self) -> Option<RequestPayer> {
        self.requester_pays.then_some(RequestPayer::Requester)
    }

    /// Lists a folder; keys up to their next slash are folders. If it has more than a page, names between those with
    /// the given prefixes, which are sorted, are skipped. Keys come in the order of their bytes
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>), so this takes no extra pages.
    pub(super) async fn list_folder(
        &self,
        folder: &str,
        name_prefixes: &[String],
    ) -> Result<FolderListing, HintedError> {
        let folder_prefix = self.keys.key(&if folder.is_empty() { String::new() } else { format!("{folder}/") });
        // XML cannot represent every key of S3, and one of those would make a page unreadable (`encoding-type`).
        let all = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(&folder_prefix).delimiter("/");
        let all = all.encoding_type(EncodingType::Url).set_request_payer(self.request_payer());
        let (mut entries, mut is_complete) = (Vec::new(), true);
        let mut next_request = Some(all.clone());
        loop {
            if !Aws::is_within_cost_limit(self.cost_limit, &Usage { s3_writes: 1, ..Usage::default() }) {
                let limit = self.cost_limit.unwrap_or_default();
                let message = format!("another request would exceed `--max-cost` {limit}");
                return HintedError::err(message, "raise `--max-cost`");
            }
            let Some(request) = next_request.take() else { break };
            let mut page = request.send().await.map_err(|error| {
                let refusal = AwsError::from_sdk_error(&error);
                HintedError { hint: self.hint(&refusal, "s3:ListBucket", &error), message: refusal.message }
            })?;
            let token = page.next_continuation_token.take();
            let first_of_page = entries.len();
            entries.extend(parse_page(page, &folder_prefix, folder));
            if let Some(token) = token {
                let names = entries.iter().skip(first_of_page).map(|entry: &FolderEntry| file_name(&entry.key));
                let next_page = next_page(names.max(), name_prefixes);
                is_complete &= next_page == NextPage::Following;
                next_request = match next_page {
                    NextPage::Following => Some(all.clone().continuation_token(token)),
                    NextPage::StartAfter(prefix) => Some(all.clone().start_after(format!("{folder_prefix}{prefix}"))),
                    NextPage::None => None,
                };
            }
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(FolderListing { entries, is_complete })
    }

    /// An object or a range of it, in the version of `e_tag` if given.
    async fn get_object(
        &self,
        key: &str,
        range: Option<String>,
        e_tag: Option<&str>,
    ) -> Result<ObjectBytes, ObjectError> {
        let mut attempts = 1;
        loop {
            let get = self.client.get_object().bucket(&self.keys.bucket).key(self.keys.key(key));
            let get = get.set_range(range.clone()).set_if_match(e_tag.map(str::to_owned));
            let mut object =
                get.set_request_payer(self.request_payer()).send().await.map_err(|error| self.object_error(&error))?;
            match collect_body(&mut object).await {
                Ok(bytes) => return Ok(ObjectBytes { bytes, range: object.content_range, e_tag: object.e_tag }),
                Err(_) if attempts < ATTEMPTS_MAX => attempts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Fetches objects in any order, ahead of the readers within the memory limit, until all have been received or the
    /// receiver is dropped.
    pub(super) fn prefetch(self: &Arc<Self>, objects: Vec<(Arc<str>, u64)>) -> mpsc::Receiver<FetchedObject> {
        let (sender, receiver) = mpsc::channel(CONCURRENT_FETCHES_MAX);
        let bucket = Arc::clone(self);
        let memory = Arc::new(Semaphore::new(MEMORY_UNITS));
        let runtime = Handle::current();
        tokio::spawn(async move {
            let fetches = objects.into_iter().enumerate().map(|(index, (key, size))| {
                let (bucket, memory, runtime) = (Arc::clone(&bucket), Arc::clone(&memory), runtime.clone());
                async move {
                    let units = size.min(CHUNK_BYTES).div_ceil(MEMORY_UNIT_BYTES).max(1);
                    let permit = memory.acquire_many_owned(u32::try_from(units).unwrap_or(1)).await.ok();
                    FetchedObject {
                        index,
                        body: ObjectBody::open(bucket, key, size, runtime).await,
                        _memory_permit: permit,
                    }
                }
            });
            // In order, one that waits for memory could wait for others that wait for their turn.
            let mut fetches = stream::iter(fetches).buffer_unordered(CONCURRENT_FETCHES_MAX);
            while let Some(fetched) = fetches.next().await {
                if sender.send(fetched).await.is_err() {
                    break;
                }
            }
        });
        receiver
    }
}

struct ObjectBytes {
    bytes: Vec<u8>,
    /// `bytes 0-9/100`, if not all.
    range: Option<String>,
    e_tag: Option<String>,
}

async fn collect_body(object: &mut GetObjectOutput) -> Result<Vec<u8>, ObjectError> {
    let length = object.content_length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(length.min(1 << 24));
    while let Some(chunk) = object.body.next().await {
        let chunk = chunk.map_err(|error| {
            let hint = "run again: the connection was interrupted";
            ObjectError::Refused(HintedError::new(connection_message(&error), hint))
        })?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextPage<'p> {
    Following,
    /// No wanted name can follow the last one directly.
    StartAfter(&'p str),
    None,
}

fn next_page<'p>(last_name: Option<&str>, name_prefixes: &'p [String]) -> NextPage<'p> {
    let is_wanted = |name: &str| name_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
    match last_name {
        Some(last) if !name_prefixes.is_empty() && !is_wanted(last) => {
            let next = name_prefixes.iter().find(|prefix| prefix.as_str() > last);
            next.map_or(NextPage::None, |prefix| NextPage::StartAfter(prefix))
        }
        _ => NextPage::Following,
    }
}

fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn parse_page(page: ListObjectsV2Output, folder_prefix: &str, folder: &str) -> Vec<FolderEntry> {
    let is_encoded = page.encoding_type == Some(EncodingType::Url);
    let plain = |key: String| if is_encoded { url_decode(&key) } else { key };
    let entry = |name: &str, is_folder, size| {
        Some(FolderEntry { key: join_key(folder, name), is_folder, size, modified: None, error: None })
    };
    let folders = page.common_prefixes.unwrap_or_default().into_iter().filter_map(|common| {
        let path = plain(common.prefix?);
        entry(path.strip_prefix(folder_prefix)?.trim_end_matches('/'), true, 0)
    });
    let objects = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
        // Consoles create a key that ends with a slash to show an empty folder.
        let key = plain(object.key?);
        let name = key.strip_prefix(folder_prefix).filter(|name| !name.is_empty())?;
        entry(name, false, object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0))
    });
    folders.chain(objects).collect()
}

/// Decodes a key in which a space is `+`.
fn url_decode(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Bytes of one request: so many that the price of the requests, $0.0004 for 8 GB, is negligible.
pub(super) const CHUNK_BYTES: u64 = 8 << 20;

/// The bytes of an object, in one chunk for most. More chunks of larger ones are requested as they are read, so that
/// neither all of it is in memory nor a connection waits while another chunk is counted.
pub(super) struct ObjectBody {
    chunk: Cursor<Vec<u8>>,
    remaining: Option<Remaining>,
}

/// What has not been requested yet.
struct Remaining {
    bucket: Arc<Bucket>,
    key: Arc<str>,
    /// All chunks must be of one version.
    e_tag: Option<String>,
    offset: u64,
    size: u64,
    runtime: Handle,
}

impl ObjectBody {
    /// Fetches the first chunk of an object that was listed with this size.
    async fn open(bucket: Arc<Bucket>, key: Arc<str>, size: u64, runtime: Handle) -> Result<Self, ObjectError> {
        let range = (size > CHUNK_BYTES).then(|| range_header(0));
        let ObjectBytes { bytes, range, e_tag } = bucket.get_object(&key, range, None).await?;
        // The object may have another size than when it was listed.
        let size = range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse::<u64>().ok());
        let offset = bytes.len() as u64;
        let remaining =
            size.filter(|size| offset < *size).map(|size| Remaining { bucket, key, e_tag, offset, size, runtime });
        Ok(Self { chunk: Cursor::new(bytes), remaining })
    }

    /// Only what was fetched, so that reading never waits, and whether that is all of it.
    pub(super) fn into_first_chunk(self) -> (Self, bool) {
        let is_complete = self.remaining.is_none();
        (Self { remaining: None, ..self }, is_complete)
    }
}

fn range_header(offset: u64) -> String {
    format!("bytes={offset}-{}", offset + CHUNK_BYTES - 1)
}

impl Read for ObjectBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.chunk.read(buffer)?;
        let Some(rest) =
            self.remaining.as_mut().filter(|rest| length == 0 && !buffer.is_empty() && rest.offset < rest.size)
        else {
            return Ok(length);
        };
        // The old chunk is freed before the new one comes.
        self.chunk = Cursor::default();
        let get = rest.bucket.get_object(&rest.key, Some(range_header(rest.offset)), rest.e_tag.as_deref());
        let got = rest.runtime.block_on(get).map_err(io::Error::other)?;
        rest.offset += got.bytes.len() as u64;
        self.chunk = Cursor::new(got.bytes);
        self.chunk.read(buffer)
    }
}

/// S3 names a bucket's region where a request fails because of it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>).
const REGION_HEADER: &str = "x-amz-bucket-region";

impl Bucket {
    /// What to do about a failed request that needs this permission.
    fn hint<E>(&self, refusal: &AwsError, permission: &str, error: &SdkError<E, HttpResponse>) -> Cow<'static, str> {
        match refusal.code.as_str() {
            _ if refusal.is_missing_credentials || refusal.is_kms_error() => refusal.s3_hint().into(),
            "AccessDenied" | "AllAccessDisabled" => {
                let hint = format!("grant the role `{permission}` on bucket `{}`", self.keys.bucket);
                if self.requester_pays {
                    return hint.into();
                }
                format!("{hint}; if it is a requester-pays bucket, set `requester_pays: true` for the source").into()
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                let region = error.raw_response().and_then(|response| response.headers().get(REGION_HEADER));
                match region.map(crate::text::escape_non_printing) {
                    Some(region) => format!("set `region: {region}`, the bucket's region, for the source").into(),
                    None => "set `region` for the source to the bucket's region".into(),
                }
            }
            _ => refusal.s3_hint().into(),
        }
    }

    fn object_error<E>(&self, error: &SdkError<E, HttpResponse>) -> ObjectError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let refusal = AwsError::from_sdk_error(error);
        match refusal.code.as_str() {
            "NoSuchKey" => ObjectError::Deleted,
            "PreconditionFailed" => ObjectError::Changed,
            _ => {
                let hint = self.hint(&refusal, "s3:GetObject", error);
                ObjectError::Refused(HintedError { message: refusal.message, hint })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_skips_names_without_wanted_prefix() {
        let starts = ["b_".to_owned(), "d_".to_owned()];
        for (last, expected) in [
            ("a_9", NextPage::StartAfter("b_")),
            ("b", NextPage::StartAfter("b_")),
            ("b_", NextPage::Following),
            ("b_9", NextPage::Following),
            ("ba", NextPage::StartAfter("d_")),
            ("d_1", NextPage::Following),
            ("e", NextPage::None),
        ] {
            assert_eq!(next_page(Some(last), &starts), expected, "{last}");
        }
        assert_eq!(next_page(None, &starts), NextPage::Following);
        assert_eq!(next_page(Some("a"), &[]), NextPage::Following);
    }
}

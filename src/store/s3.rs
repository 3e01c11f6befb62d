//! A blob store in an S3 bucket: two runs may write at the same time, and only one of them swaps the manifest.
//!
//! A swap is a conditional write: `If-Match` with the `ETag` that was read, or `If-None-Match: *`
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>). Nothing is locked, so a task that
//! was killed leaves nothing that another would have to wait for.

use std::collections::BTreeSet;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::manifest::{DATA_FILE_PREFIXES, MANIFEST};
use super::{BlobError, BlobStore, CrashPoints, Version};
use crate::aws::{Aws, AwsError, connection_message};
use crate::location::S3Prefix;

/// Age from which no run can be about to name a file in its manifest: no run lasts a day.
const ORPHAN_MIN_AGE_SECONDS: i64 = 24 * 60 * 60;

/// How often the bytes of an object may break off; the SDK tries again only until they begin to come.
const MAX_READ_ATTEMPTS: u32 = 3;

#[derive(Debug)]
pub struct S3Store {
    client: Client,
    keys: S3Prefix,
    crash_points: CrashPoints,
}

impl S3Store {
    pub(super) async fn open(bucket: &str, prefix: &str, crash_points: CrashPoints) -> Self {
        Self::new(Aws::shared().await.s3(), bucket, prefix, crash_points)
    }

    /// A prefix has no slashes at its ends.
    pub fn new(client: Client, bucket: &str, prefix: &str, crash_points: CrashPoints) -> Self {
        Self { client, keys: S3Prefix::new(bucket, prefix), crash_points }
    }

    fn aws_error<E>(&self, action: &'static str, name: &str, error: &E) -> BlobError
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        let refusal = AwsError::from_sdk_error(error);
        let name = format!("s3://{}/{}", self.keys.bucket, self.keys.key(name));
        let hint = if refusal.is_missing_region() { "set AWS_REGION" } else { refusal.s3_hint() };
        BlobError::Aws { action, name, hint, message: refusal.message }
    }

    fn interrupted_error(&self, name: &str, error: &(dyn std::error::Error + 'static)) -> BlobError {
        let name = format!("s3://{}/{}", self.keys.bucket, self.keys.key(name));
        let message = connection_message(error);
        BlobError::Aws { action: "read", name, message, hint: "run again: the connection was interrupted" }
    }

    /// Writes a page for browsers, which revalidate it each time.
    pub(super) async fn put_page(&self, name: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), BlobError> {
        let put = self.client.put_object().bucket(&self.keys.bucket).key(self.keys.key(name)).body(bytes.into());
        let sent = put.content_type(content_type).cache_control("no-cache").send().await;
        sent.map(drop).map_err(|error| self.aws_error("write", name, &error))
    }

    /// Names of data files and others that start as they do, with the time of their last change. Other objects below
    /// the prefix are not listed: there may be many.
    async fn list_with_times(&self) -> Result<Vec<(String, Option<DateTime>)>, BlobError> {
        let mut names = Vec::new();
        for start in DATA_FILE_PREFIXES {
            let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(self.keys.key(start));
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                for object in page.map_err(|error| self.aws_error("list", "", &error))?.contents.unwrap_or_default() {
                    let name = object.key.as_deref().and_then(|key| self.keys.relative_key(key));
                    names.extend(name.map(|name| (name.to_owned(), object.last_modified)));
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// The time of the last write of the manifest, by the clock of S3.
    async fn manifest_last_modified(&self) -> Result<Option<DateTime>, BlobError> {
        let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(self.keys.key(MANIFEST));
        let page = request.max_keys(1).send().await.map_err(|error| self.aws_error("list", MANIFEST, &error))?;
        Ok(page.contents.unwrap_or_default().first().and_then(|object| object.last_modified))
    }
}

#[async_trait::async_trait]
impl BlobStore for S3Store {
    fn location(&self) -> String {
        format!("s3://{}/{}", self.keys.bucket, self.keys.key("")).trim_end_matches('/').to_owned()
    }

    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, BlobError> {
        let mut attempt = 1;
        loop {
            let key = self.keys.key(name);
            let object = match self.client.get_object().bucket(&self.keys.bucket).key(key).send().await {
                Ok(object) => object,
                Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => {
                    return Ok(None);
                }
                Err(error) => return Err(self.aws_error("read", name, &error)),
            };
            let version = Version(object.e_tag.unwrap_or_default());
            match object.body.collect().await {
                Ok(bytes) => return Ok(Some((bytes.to_vec(), version))),
                Err(_) if attempt < MAX_READ_ATTEMPTS => attempt += 1,
                Err(error) => return Err(self.interrupted_error(name, &error)),
            }
        }
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.client.put_object().bucket(&self.keys.bucket).key(self.keys.key(name)).body(body);
        self.crash_points.reach();
        put.send().await.map_err(|error| self.aws_error("write", name, &error))?;
        self.crash_points.reach();
        Ok(())
    }

    async fn compare_and_swap(
        &self,
        name: &str,
        expected: Option<&Version>,
        bytes: &[u8],
    ) -> Result<Version, BlobError> {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.client.put_object().bucket(&self.keys.bucket).key(self.keys.key(name)).body(body);
        let put = match expected {
            Some(version) => put.if_match(&version.0),
            None => put.if_none_match("*"),
        };
        self.crash_points.reach();
        let result = put.send().await;
        self.crash_points.reach();
        match result {
            Ok(put) => Ok(Version(put.e_tag.unwrap_or_default())),
            // A conflict is a race that S3 itself could not order; a missing name was deleted since.
            Err(error)
                if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey")) =>
            {
                // If a response was lost, the retry finds what the first attempt wrote.
                match self.get(name).await? {
                    Some((held, version)) if held == bytes => Ok(version),
                    _ => Err(BlobError::Conflict(name.to_owned())),
                }
            }
            Err(error) => Err(self.aws_error("write", name, &error)),
        }
    }

    async fn list(&self) -> Result<Vec<String>, BlobError> {
        Ok(self.list_with_times().await?.into_iter().map(|(name, _)| name).collect())
    }

    async fn first_entry(&self) -> Result<Option<String>, BlobError> {
        // A console makes an empty object of the prefix itself to show it as a folder.
        let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(self.keys.key("")).max_keys(2);
        let page = request.send().await.map_err(|error| self.aws_error("list", "", &error))?;
        let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        let names: Vec<String> = keys.filter_map(|key| self.keys.relative_key(&key).map(str::to_owned)).collect();
        Ok(names.into_iter().find(|name| !name.is_empty()))
    }

    async fn orphans(&self, referenced: &BTreeSet<&str>) -> Result<Vec<String>, BlobError> {
        let newest = self.manifest_last_modified().await?;
        // Objects that another run has just written are not in its manifest yet.
        let is_old = |last_modified: &Option<DateTime>| {
            last_modified
                .as_ref()
                .zip(newest)
                .is_some_and(|(changed, newest)| newest.secs() - changed.secs() > ORPHAN_MIN_AGE_SECONDS)
        };
        let listed = self.list_with_times().await?.into_iter();
        let unused = listed.filter(|(name, changed)| !referenced.contains(name.as_str()) && is_old(changed));
        Ok(unused.map(|(name, _)| name).collect())
    }

    fn is_exclusive(&self) -> bool {
        false
    }

    async fn delete(&self, name: &str) -> Result<(), BlobError> {
        let delete = self.client.delete_object().bucket(&self.keys.bucket).key(self.keys.key(name));
        delete.send().await.map_err(|error| self.aws_error("delete", name, &error))?;
        self.crash_points.reach();
        Ok(())
    }
}

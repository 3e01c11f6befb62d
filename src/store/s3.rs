//! A shelf in a bucket of S3: two runs may write to it at once, and only one of them swaps the manifest.
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

use super::manifest::MANIFEST;
use super::points::WritePoints;
use super::{Shelf, ShelfError, Version, names};
use crate::aws::Refusal;
use crate::location::Keys;

/// Seconds after which nobody can be about to name a file any more that no manifest names: no run lasts a day.
const SPARED_SECONDS: i64 = 24 * 60 * 60;

/// How often the bytes of an object may break off; the SDK tries again only until they begin to come.
const TRIES: u32 = 3;

/// Objects below a prefix of a bucket.
#[derive(Debug)]
pub struct S3Shelf {
    client: Client,
    keys: Keys,
    points: WritePoints,
}

impl S3Shelf {
    /// A shelf below a prefix without slashes at its ends.
    #[must_use]
    pub fn new(client: Client, bucket: &str, prefix: &str, points: WritePoints) -> Self {
        Self { client, keys: Keys::below(bucket, prefix), points }
    }

    fn refused<E>(&self, action: &'static str, name: &str, error: &E) -> ShelfError
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        let refusal = Refusal::of(error);
        let name = format!("s3://{}/{}", self.keys.bucket, self.keys.key(name));
        let remedy = if refusal.lacks_region() { "set AWS_REGION" } else { refusal.remedy_of_s3() };
        ShelfError::Refused { action, name, remedy, said: refusal.said }
    }

    /// The bytes of an object stopped coming.
    fn broken(&self, name: &str, error: &(dyn std::error::Error + 'static)) -> ShelfError {
        let name = format!("s3://{}/{}", self.keys.bucket, self.keys.key(name));
        let said = Refusal::of_connection(error).said;
        ShelfError::Refused { action: "read", name, said, remedy: "run again: the connection was interrupted" }
    }

    /// Writes a page for browsers, which ask each time whether it is still the same.
    pub(super) async fn put_page(&self, name: &str, bytes: Vec<u8>, kind: &str) -> Result<(), ShelfError> {
        let put = self.client.put_object().bucket(&self.keys.bucket).key(self.keys.key(name)).body(bytes.into());
        let sent = put.content_type(kind).cache_control("no-cache").send().await;
        sent.map(drop).map_err(|error| self.refused("write", name, &error))
    }

    /// Names of data files and others that start as they do, with the time of their last change. What else lies below
    /// the prefix is passed over: it may be large, and is not the ledger's.
    async fn listed(&self) -> Result<Vec<(String, Option<DateTime>)>, ShelfError> {
        let mut found = Vec::new();
        for start in names::STARTS {
            let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(self.keys.key(start));
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                for object in page.map_err(|error| self.refused("list", "", &error))?.contents.unwrap_or_default() {
                    let name = object.key.as_deref().and_then(|key| self.keys.name(key));
                    found.extend(name.map(|name| (name.to_owned(), object.last_modified)));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// When the manifest was written last, by the clock of S3.
    async fn manifest_time(&self) -> Result<Option<DateTime>, ShelfError> {
        let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(self.keys.key(MANIFEST));
        let page = request.max_keys(1).send().await.map_err(|error| self.refused("list", MANIFEST, &error))?;
        Ok(page.contents.unwrap_or_default().first().and_then(|object| object.last_modified))
    }
}

#[async_trait::async_trait]
impl Shelf for S3Shelf {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.keys.bucket, self.keys.key("")).trim_end_matches('/').to_owned()
    }

    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Version)>, ShelfError> {
        let mut tries = 1;
        loop {
            let key = self.keys.key(name);
            let object = match self.client.get_object().bucket(&self.keys.bucket).key(key).send().await {
                Ok(object) => object,
                Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => {
                    return Ok(None);
                }
                Err(error) => return Err(self.refused("read", name, &error)),
            };
            let version = Version(object.e_tag.unwrap_or_default());
            match object.body.collect().await {
                Ok(bytes) => return Ok(Some((bytes.to_vec(), version))),
                Err(_) if tries < TRIES => tries += 1,
                Err(error) => return Err(self.broken(name, &error)),
            }
        }
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ShelfError> {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.client.put_object().bucket(&self.keys.bucket).key(self.keys.key(name)).body(body);
        self.points.pass();
        put.send().await.map_err(|error| self.refused("write", name, &error))?;
        self.points.pass();
        Ok(())
    }

    async fn swap(&self, name: &str, expected: Option<&Version>, bytes: &[u8]) -> Result<Version, ShelfError> {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.client.put_object().bucket(&self.keys.bucket).key(self.keys.key(name)).body(body);
        let put = match expected {
            Some(version) => put.if_match(&version.0),
            None => put.if_none_match("*"),
        };
        self.points.pass();
        let swapped = put.send().await;
        self.points.pass();
        match swapped {
            Ok(put) => Ok(Version(put.e_tag.unwrap_or_default())),
            // A conflict is a race that S3 itself could not order; a missing name was deleted since.
            Err(error)
                if matches!(error.code(), Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey")) =>
            {
                // An answer that was lost on its way makes the next attempt find what the first one wrote.
                match self.get(name).await? {
                    Some((held, version)) if held == bytes => Ok(version),
                    _ => Err(ShelfError::Lost(name.to_owned())),
                }
            }
            Err(error) => Err(self.refused("write", name, &error)),
        }
    }

    async fn list(&self) -> Result<Vec<String>, ShelfError> {
        Ok(self.listed().await?.into_iter().map(|(name, _)| name).collect())
    }

    async fn first_entry(&self) -> Result<Option<String>, ShelfError> {
        // A console makes an empty object of the prefix itself to show it as a folder.
        let request = self.client.list_objects_v2().bucket(&self.keys.bucket).prefix(self.keys.key("")).max_keys(2);
        let page = request.send().await.map_err(|error| self.refused("list", "", &error))?;
        let keys = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
        let names: Vec<String> = keys.filter_map(|key| self.keys.name(&key).map(str::to_owned)).collect();
        Ok(names.into_iter().find(|name| !name.is_empty()))
    }

    async fn unused(&self, named: &BTreeSet<&str>) -> Result<Vec<String>, ShelfError> {
        let newest = self.manifest_time().await?;
        // What another run has just written is not named yet.
        let is_old = |changed: &Option<DateTime>| {
            changed
                .as_ref()
                .zip(newest)
                .is_some_and(|(changed, newest)| newest.secs() - changed.secs() > SPARED_SECONDS)
        };
        let listed = self.listed().await?.into_iter();
        let unused = listed.filter(|(name, changed)| !named.contains(name.as_str()) && is_old(changed));
        Ok(unused.map(|(name, _)| name).collect())
    }

    fn is_alone(&self) -> bool {
        false
    }

    async fn delete(&self, name: &str) -> Result<(), ShelfError> {
        let delete = self.client.delete_object().bucket(&self.keys.bucket).key(self.keys.key(name));
        delete.send().await.map_err(|error| self.refused("delete", name, &error))?;
        self.points.pass();
        Ok(())
    }
}

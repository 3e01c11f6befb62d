//! The root of log objects: a directory or a prefix of a bucket, both listed as folders.

use std::path::PathBuf;
use std::sync::Arc;

use super::folder::{FolderListing, read_directory};
use super::s3::{Bucket, CHUNK_BYTES};
use crate::aws::Aws;
use crate::cost::NanoDollars;
use crate::hinted_error::HintedError;
use crate::location::{Location, S3Prefix};
use crate::slo::BucketAccess;

#[derive(Clone, Debug)]
pub enum LogRoot {
    Directory(PathBuf),
    Bucket(Arc<Bucket>),
}

impl LogRoot {
    /// Opens a location. A bucket is listed until the cost limit of all AWS requests is reached.
    pub async fn open(location: &Location, access: &BucketAccess, cost_limit: Option<NanoDollars>) -> Self {
        match location {
            Location::Directory(path) => Self::Directory(path.clone()),
            Location::S3 { bucket, prefix } => {
                let client = Aws::shared().await.for_scope(&access.aws).await.s3();
                let keys = S3Prefix::new(bucket, prefix);
                Self::Bucket(Arc::new(Bucket { client, keys, requester_pays: access.requester_pays, cost_limit }))
            }
        }
    }

    /// The key under which the ledger keeps its listings: two sources of one bucket request different load balancers.
    pub fn listing_key(&self, source: &str) -> String {
        format!("{source}: {self}")
    }

    /// How many paid requests an object takes.
    pub fn request_count(&self, size: u64) -> u64 {
        match self {
            Self::Directory(_) => 0,
            Self::Bucket(_) => size.div_ceil(CHUNK_BYTES).max(1),
        }
    }

    /// Lists a folder; the root is the folder "". Links are followed, and a name that is not UTF-8 cannot be a log's.
    /// In a bucket, only names with one of these sorted prefixes, if any, are listed beyond the first page.
    pub(super) async fn list_folder(
        &self,
        folder: &str,
        name_prefixes: &[String],
    ) -> Result<FolderListing, HintedError> {
        match self {
            Self::Directory(root) => read_directory(root, folder)
                .map_err(|error| HintedError::new(error.to_string(), "check that the folder exists and is readable")),
            Self::Bucket(bucket) => bucket.list_folder(folder, name_prefixes).await,
        }
    }
}

impl std::fmt::Display for LogRoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket(bucket) => write!(f, "{}", bucket.keys),
        }
    }
}

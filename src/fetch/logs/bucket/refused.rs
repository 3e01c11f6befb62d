//! Why S3 did not list or give something, and what can be done: which permission, key, region or setting is missing.

use std::borrow::Cow;
use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Bucket;
use crate::aws::Refusal;
use crate::fetch::logs::object::ObjectFault;

/// S3 names a bucket's region wherever it refuses for it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>).
const REGION_HEADER: &str = "x-amz-bucket-region";

impl Bucket {
    /// What can be done about a refusal of what needs this permission.
    pub(super) fn remedy<E>(
        &self,
        refusal: &Refusal,
        permission: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Cow<'static, str> {
        match refusal.code.as_str() {
            _ if refusal.lacks_credentials || refusal.is_of_kms() => refusal.remedy_of_s3().into(),
            "AccessDenied" | "AllAccessDisabled" => {
                let pays = if self.requester_pays {
                    ""
                } else {
                    "; if it is a requester-pays bucket, set `requester_pays: true` for the source"
                };
                format!("grant the role `{permission}` on bucket `{}`{pays}", self.keys.bucket).into()
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                let region = error.raw_response().and_then(|response| response.headers().get(REGION_HEADER));
                match region.map(crate::visible::visible) {
                    Some(region) => format!("set `region: {region}`, the bucket's region, for the source").into(),
                    None => "set `region` for the source to the bucket's region".into(),
                }
            }
            _ => refusal.remedy_of_s3().into(),
        }
    }

    /// Why an object was not given.
    pub(super) fn fault<E>(&self, error: &SdkError<E, HttpResponse>) -> ObjectFault
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let refusal = Refusal::of(error);
        match refusal.code.as_str() {
            "NoSuchKey" => ObjectFault::Gone,
            "PreconditionFailed" => ObjectFault::Rewritten,
            _ => ObjectFault::Refused { remedy: self.remedy(&refusal, "s3:GetObject", error), said: refusal.said },
        }
    }
}

/// The bytes of an object stopped coming.
pub(super) fn broken(error: &(dyn Error + 'static)) -> ObjectFault {
    ObjectFault::Refused {
        said: Refusal::of_connection(error).said,
        remedy: "run again: the connection was interrupted".into(),
    }
}

//! Why S3 did not list or give something, and what can be done: which permission, key, region or setting is missing.

use std::borrow::Cow;
use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::Bucket;
use crate::aws::AwsError;
use crate::source::access_logs::object::ObjectError;

/// S3 names a bucket's region wherever it refuses for it
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html>).
const REGION_HEADER: &str = "x-amz-bucket-region";

impl Bucket {
    /// What can be done about a refusal of what needs this permission.
    pub(super) fn hint<E>(
        &self,
        refusal: &AwsError,
        permission: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Cow<'static, str> {
        match refusal.code.as_str() {
            _ if refusal.is_missing_credentials || refusal.is_kms_error() => refusal.s3_hint().into(),
            "AccessDenied" | "AllAccessDisabled" => {
                let requester_pays_hint = if self.requester_pays {
                    ""
                } else {
                    "; if it is a requester-pays bucket, set `requester_pays: true` for the source"
                };
                format!("grant the role `{permission}` on bucket `{}`{requester_pays_hint}", self.keys.bucket).into()
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

    /// Why an object was not given.
    pub(super) fn object_error<E>(&self, error: &SdkError<E, HttpResponse>) -> ObjectError
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let refusal = AwsError::from_sdk_error(error);
        match refusal.code.as_str() {
            "NoSuchKey" => ObjectError::Deleted,
            "PreconditionFailed" => ObjectError::Changed,
            _ => ObjectError::Refused { hint: self.hint(&refusal, "s3:GetObject", error), message: refusal.message },
        }
    }
}

/// The bytes of an object stopped coming.
pub(super) fn connection_error(error: &(dyn Error + 'static)) -> ObjectError {
    ObjectError::Refused {
        message: AwsError::from_connection_error(error).message,
        hint: "run again: the connection was interrupted".into(),
    }
}

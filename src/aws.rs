//! Clients of AWS services, with one configuration, HTTP client and retry policy for all of them.
//!
//! Region, credentials and endpoints are configured as for every AWS tool: `AWS_REGION`, `AWS_PROFILE`, web identity,
//! the credentials of an ECS task, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3` and so on
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>).

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use crate::cost::{NanoDollars, Usage};
use crate::slo::AwsScope;

/// With the backoff below, these attempts take ten seconds on average. If 30% of attempts fail, one of 170,000 requests
/// fails.
const ATTEMPTS_MAX: u32 = 10;
/// The longest pause before the first retry. It doubles with each retry, and the part of it that is used is random, so
/// that requests that failed together are not retried together.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A retry takes 5 tokens, or 10 if the connection failed. A successful retry returns its tokens, and a request without
/// a retry returns 1. So retries go on while 30% of requests fail, and end after 500 if all do.
const RETRY_TOKENS: usize = 2_500;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From the first byte of a request to the last header of its response.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// All attempts with their backoff.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(2);

/// The session name of assumed roles, which `CloudTrail` shows.
const ROLE_SESSION_NAME: &str = "slowburn";

/// Replaces the messages of the SDKs that contain one of these texts.
const NO_REGION_MESSAGE: &str = "no AWS region is set";
const NO_REGION_ERRORS: [&str; 2] = ["region must be set", "Missing Region"];

static SHARED: OnceCell<Aws> = OnceCell::const_new();

/// The configuration builder of a service's client. Each SDK crate has a type of its own for it.
macro_rules! client_config {
    ($aws:ident, $sdk:ident) => {
        $sdk::config::Builder::from(&$aws.config)
            .interceptor($aws.request_counter.clone())
            .retry_partition($aws.retry_partition.clone())
    };
}

#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    request_counter: RequestCounter,
    retry_partition: RetryPartition,
}

impl Aws {
    /// The configuration of the environment, read once, so that credentials, connections and retries are shared.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::from_env).await
    }

    async fn from_env() -> Self {
        let client = Builder::new().build_with_connector_fn(|settings, components| {
            // Unlike the default client of the SDK, this one uses the proxy of the environment.
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
        });
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        // After one throttled request, the adaptive mode slows down all requests to a service for minutes.
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_initial_backoff(INITIAL_BACKOFF)
            .with_max_backoff(BACKOFF_MAX);
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(retries)
            .timeout_config(timeouts);
        let (config, request_counter) = (loader.load().await, RequestCounter::default());
        Self { config, request_counter, retry_partition: retry_partition() }
    }

    /// The same AWS in another region or with another role. Requests are counted together, and retries are limited
    /// separately.
    pub async fn for_scope(&self, scope: &AwsScope) -> Self {
        let mut config = self.config.to_builder();
        if let Some(region) = &scope.region {
            config = config.region(Region::new(region.clone()));
        }
        let mut config = config.build();
        if let Some(role) = &scope.role_arn {
            let mut provider = AssumeRoleProvider::builder(role).session_name(ROLE_SESSION_NAME).configure(&config);
            if let Some(id) = &scope.external_id {
                provider = provider.external_id(id);
            }
            let provider = SharedCredentialsProvider::new(provider.build().await);
            config = config.into_builder().credentials_provider(provider).build();
        }
        Self { config, request_counter: self.request_counter.clone(), retry_partition: retry_partition() }
    }

    /// Requests of this process by service and operation, including retries. Billed metrics and bytes are among them.
    pub fn request_counts() -> BTreeMap<(String, String), u64> {
        SHARED.get().map(|aws| aws.request_counter.lock().clone()).unwrap_or_default()
    }

    pub fn usage() -> Usage {
        Usage::from_request_counts(&Self::request_counts())
    }

    /// Whether the list price of this process stays within a limit with some more usage.
    pub fn is_within_cost_limit(cost_limit: Option<NanoDollars>, usage: &Usage) -> bool {
        let price = usage.price();
        price == NanoDollars(0)
            || cost_limit.is_none_or(|cost_limit| Self::usage().price().0.saturating_add(price.0) <= cost_limit.0)
    }

    pub fn record_metrics(&self, count: u64) {
        self.request_counter.record("CloudWatch", "metrics", count);
    }

    /// Records bytes that Athena scanned, as it bills them.
    pub fn record_scanned_bytes(&self, bytes: u64) {
        self.request_counter.record("Athena", "bytes", bytes);
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        // Other servers with the API of S3 often have no host name for each bucket.
        let path_style = self.custom_endpoint("S3").is_some();
        let config = client_config!(self, aws_sdk_s3).force_path_style(path_style);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::from_conf(client_config!(self, aws_sdk_cloudwatch).build())
    }

    pub fn athena(&self) -> aws_sdk_athena::Client {
        aws_sdk_athena::Client::from_conf(client_config!(self, aws_sdk_athena).build())
    }

    pub fn elbv2(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        aws_sdk_elasticloadbalancingv2::Client::from_conf(client_config!(self, aws_sdk_elasticloadbalancingv2).build())
    }

    pub fn tagging(&self) -> aws_sdk_resourcegroupstagging::Client {
        aws_sdk_resourcegroupstagging::Client::from_conf(client_config!(self, aws_sdk_resourcegroupstagging).build())
    }

    fn custom_endpoint(&self, service: &str) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        let service_endpoint = key.ok().and_then(|key| self.config.service_config()?.load_config(key));
        service_endpoint.or_else(|| self.config.endpoint_url().map(str::to_owned))
    }
}

/// The retry tokens of one source, which limit retries during an outage.
fn retry_partition() -> RetryPartition {
    RetryPartition::custom("slowburn").token_bucket(TokenBucket::new(RETRY_TOKENS)).build()
}

/// Counts requests by service and operation. Clones share their counts.
#[derive(Clone, Debug, Default)]
struct RequestCounter(Arc<Mutex<BTreeMap<(String, String), u64>>>);

impl RequestCounter {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, service: &str, operation: &str, count: u64) {
        *self.lock().entry((service.to_owned(), operation.to_owned())).or_default() += count;
    }
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "RequestCounter"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(operation) = settings.load::<Metadata>() {
            self.record(operation.service(), operation.name(), 1);
        }
        Ok(())
    }
}

/// Why a request to AWS failed. [`AwsError::hint`] says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// The error code, such as `AccessDenied`; empty without a response.
    pub code: String,
    /// One line.
    pub message: String,
    /// Whether the request was not sent because there were no credentials.
    pub is_missing_credentials: bool,
}

impl<E, R> From<SdkError<E, R>> for AwsError
where
    E: Error + ProvideErrorMetadata + 'static,
    R: Debug,
{
    fn from(error: SdkError<E, R>) -> Self {
        Self::from_sdk_error(&error)
    }
}

impl AwsError {
    pub fn from_sdk_error<E>(error: &E) -> Self
    where
        E: Error + ProvideErrorMetadata,
    {
        let causes = causes(error);
        let is_missing_credentials = causes.iter().any(|cause| cause.is::<CredentialsError>());
        // If a role cannot be assumed, the error of STS is the last cause, and has no readable message.
        let sts_error = causes.last().and_then(|cause| cause.downcast_ref::<ErrorMetadata>());
        let (code, message) = match (error.code(), sts_error) {
            (None, Some(sts_error)) => (sts_error.code(), sts_error.message()),
            (code, _) => (code, error.message()),
        };
        let code = code.unwrap_or_default().to_owned();
        let message = match message {
            Some(message) if !code.is_empty() => format!("{code}: {message}"),
            _ if !code.is_empty() => code.clone(),
            _ => root_cause(error).lines().next().unwrap_or_default().to_owned(),
        };
        // The SDK appends the places where it looked for credentials.
        let message = crate::text::escape_non_printing(message.trim_end_matches(" Attempted:"));
        let message = match (is_missing_credentials, code.as_str()) {
            (true, "") if message.contains("no credentials found in chain") => "no AWS credentials found".to_owned(),
            (true, "") => format!("no AWS credentials found: {message}"),
            (true, _) => format!("cannot get AWS credentials: {message}"),
            (false, "") if NO_REGION_ERRORS.iter().any(|text| message.contains(text)) => NO_REGION_MESSAGE.to_owned(),
            _ => message,
        };
        Self { code, message, is_missing_credentials }
    }

    pub fn is_missing_region(&self) -> bool {
        self.message == NO_REGION_MESSAGE
    }

    /// Whether it is about the key of an encrypted object: S3 passes on the error of KMS
    /// (<https://repost.aws/knowledge-center/s3-access-denied-error-kms>).
    pub fn is_kms_error(&self) -> bool {
        self.code.starts_with("KMS.") || self.message.contains("kms:")
    }

    pub fn s3_hint(&self) -> &'static str {
        match self.code.as_str() {
            _ if self.is_missing_credentials => self.hint(),
            "AccessDenied" | "AllAccessDisabled" if self.message.contains("kms:GenerateDataKey") => {
                "grant the role `kms:GenerateDataKey` and `kms:Decrypt` on the bucket's KMS key, in the role's policy and in the key policy"
            }
            "AccessDenied" | "AllAccessDisabled" if self.is_kms_error() => {
                "grant the role `kms:Decrypt` on the object's KMS key, in the role's policy and in the key policy"
            }
            _ if self.is_kms_error() => "enable the object's KMS key, or cancel its deletion",
            "NoSuchBucket" => "check the bucket name; slowburn does not create buckets",
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                "set AWS_REGION to the bucket's region"
            }
            _ => self.hint(),
        }
    }

    pub fn hint(&self) -> &'static str {
        match self.code.as_str() {
            "AccessDenied" if self.is_missing_credentials => {
                "allow the caller (`aws sts get-caller-identity`) to assume the role: the role's trust policy must allow the caller and match `external_id`, and the caller's policy must allow `sts:AssumeRole`"
            }
            "AccessDenied" | "AccessDeniedException" | "Forbidden" | "AllAccessDisabled" => {
                "grant this task's role the permission named in the message"
            }
            "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => {
                "renew the credentials, which are invalid or expired: check with `aws sts get-caller-identity`"
            }
            "SlowDown" | "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
                "run again later: AWS throttled this account's requests"
            }
            "" if self.is_missing_credentials
                || self.message.contains("credentials")
                || self.message.contains("IMDS") =>
            {
                "give the task a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            "" if self.is_missing_region() => "set AWS_REGION, or `region` for the source in fleet.yaml",
            "" if self.message.contains("region") => "set AWS_REGION",
            _ => "run again; if it persists, check the network, region and credentials",
        }
    }
}

/// The causes of an error, the root cause last.
fn causes(error: &dyn Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

/// Why a connection failed, in one line.
pub fn connection_message(error: &(dyn Error + 'static)) -> String {
    crate::text::escape_non_printing(&root_cause(error))
}

/// The root cause: the errors before it only say that something failed.
fn root_cause(error: &dyn Error) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kms_hint_is_given_only_for_errors_that_name_a_key() {
        let error = |code: &str, message: &str| AwsError {
            code: code.to_owned(),
            message: message.to_owned(),
            is_missing_credentials: false,
        };
        let denied = error("AccessDenied", "AccessDenied: not authorized to perform: cloudwatch:GetMetricData");
        assert!(!denied.hint().contains("KMS") && denied.s3_hint() == denied.hint());
        let read = error("AccessDenied", "AccessDenied: not authorized to perform: kms:Decrypt on resource");
        let write = error("AccessDenied", "AccessDenied: not authorized to perform: kms:GenerateDataKey on resource");
        assert!(read.s3_hint().contains("`kms:Decrypt`") && write.s3_hint().contains("`kms:GenerateDataKey`"));
        for text in ["A region must be set when sending requests to S3.", "Invalid Configuration: Missing Region"] {
            assert!(NO_REGION_ERRORS.iter().any(|known| text.contains(known)), "{text}");
        }
        assert!(error("", NO_REGION_MESSAGE).s3_hint().starts_with("set AWS_REGION, or `region`"));
        assert!(error("KMS.DisabledException", "is disabled").s3_hint().contains("enable the object's KMS key"));
    }
}

//! How AWS is reached: one configuration, one HTTP client and one way of retrying for all its services.
//!
//! Region, credentials and endpoints come the way every AWS tool takes them: `AWS_REGION`, `AWS_PROFILE`, web identity,
//! the credentials of an ECS task, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_S3` and so on
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>).

mod request_counter;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::sdk_config::SharedCredentialsProvider;
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use crate::cost::{NanoDollars, Usage};
use crate::slo::AwsScope;
use request_counter::RequestCounter;

/// Attempts at one request before it has failed. With the pauses below that is ten seconds on average, and an error
/// that meets three requests of ten fails one of 170,000.
const ATTEMPTS_MAX: u32 = 10;
/// The longest pause before the first repetition. It doubles with each one, and what is taken of it is random, so that
/// requests that were refused together do not come back together.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
/// The longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// What repetitions take from: 5 for each that was refused, 10 where the connection failed. One that succeeds gives its
/// own back, and each request that needs none gives 1. So three refusals of ten go on for ever, and where everything is
/// refused 500 repetitions are the end.
const RETRY_TOKENS: usize = 2_500;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One attempt, from its first byte out to the last header in.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// All attempts with the pauses between them.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(2);

/// How this program calls itself where a role is assumed; AWS shows it in its trail of events.
const ROLE_SESSION_NAME: &str = "slowburn";

/// What is shown in place of the various words of the SDKs.
const NO_REGION_MESSAGE: &str = "no AWS region is set";

static SHARED: OnceCell<Aws> = OnceCell::const_new();

/// AWS, ready to be asked.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    request_counter: RequestCounter,
    retry_partition: RetryPartition,
}

impl Aws {
    /// AWS as the environment configures it: read once, so that credentials, connections and the pace of retries are
    /// shared.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::from_env).await
    }

    /// Takes the configuration from where AWS tools have it. Nothing is asked yet.
    async fn from_env() -> Self {
        let client = Builder::new().build_with_connector_fn(|settings, components| {
            // Unlike the client that the SDK would make, it goes through the proxy of the environment.
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
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(retry_config())
            .timeout_config(timeouts);
        Self {
            config: loader.load().await,
            request_counter: RequestCounter::default(),
            retry_partition: retry_partition(),
        }
    }

    /// The same AWS in another region or as another role. Requests are still counted together, and what is refused
    /// there takes no repetition from others.
    #[must_use]
    pub async fn for_scope(&self, scope: &AwsScope) -> Self {
        let mut config = self.config.to_builder();
        if let Some(region) = &scope.region {
            config = config.region(Region::new(region.clone()));
        }
        let config = config.build();
        let (request_counter, retry_partition) = (self.request_counter.clone(), retry_partition());
        let Some(role) = &scope.role_arn else { return Self { config, request_counter, retry_partition } };
        let mut provider = AssumeRoleProvider::builder(role).session_name(ROLE_SESSION_NAME).configure(&config);
        if let Some(id) = &scope.external_id {
            provider = provider.external_id(id);
        }
        let provider = SharedCredentialsProvider::new(provider.build().await);
        Self { config: config.into_builder().credentials_provider(provider).build(), request_counter, retry_partition }
    }

    /// Requests of this process so far by service and operation, retries included; metrics and bytes that are paid for
    /// stand among them.
    #[must_use]
    pub fn request_counts() -> BTreeMap<(String, String), u64> {
        SHARED.get().map(|aws| aws.request_counter.counts()).unwrap_or_default()
    }

    /// What of that is paid for.
    #[must_use]
    pub fn usage() -> Usage {
        Usage::from_request_counts(&Self::request_counts())
    }

    /// Whether something may be asked beside all that was, where all of it may cost so much by list price.
    #[must_use]
    pub fn is_within_cost_limit(cost_limit: Option<NanoDollars>, usage: &Usage) -> bool {
        let price = usage.price();
        price == NanoDollars(0)
            || cost_limit.is_none_or(|cost_limit| Self::usage().price().0.saturating_add(price.0) <= cost_limit.0)
    }

    /// Notes metrics that CloudWatch was asked for.
    pub fn record_metrics(&self, count: u64) {
        self.request_counter.record("CloudWatch", "metrics", count);
    }

    /// Notes bytes that Athena scanned, as it bills them.
    pub fn record_scanned_bytes(&self, bytes: u64) {
        self.request_counter.record("Athena", "bytes", bytes);
    }

    /// A client for S3.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        // Other servers that speak S3 seldom have a name for each bucket.
        let path_style = self.custom_endpoint("S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config).interceptor(self.request_counter.clone());
        let config = config.retry_partition(self.retry_partition.clone());
        aws_sdk_s3::Client::from_conf(config.force_path_style(path_style).build())
    }

    /// A client for CloudWatch.
    #[must_use]
    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        let config = aws_sdk_cloudwatch::config::Builder::from(&self.config).interceptor(self.request_counter.clone());
        aws_sdk_cloudwatch::Client::from_conf(config.retry_partition(self.retry_partition.clone()).build())
    }

    /// A client for Athena.
    #[must_use]
    pub fn athena(&self) -> aws_sdk_athena::Client {
        let config = aws_sdk_athena::config::Builder::from(&self.config).interceptor(self.request_counter.clone());
        aws_sdk_athena::Client::from_conf(config.retry_partition(self.retry_partition.clone()).build())
    }

    /// A client for Elastic Load Balancing.
    #[must_use]
    pub fn elbv2(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        let config = aws_sdk_elasticloadbalancingv2::config::Builder::from(&self.config)
            .interceptor(self.request_counter.clone());
        aws_sdk_elasticloadbalancingv2::Client::from_conf(config.retry_partition(self.retry_partition.clone()).build())
    }

    /// A client for the tags of resources.
    #[must_use]
    pub fn tagging(&self) -> aws_sdk_resourcegroupstagging::Client {
        let config = aws_sdk_resourcegroupstagging::config::Builder::from(&self.config)
            .interceptor(self.request_counter.clone());
        aws_sdk_resourcegroupstagging::Client::from_conf(config.retry_partition(self.retry_partition.clone()).build())
    }

    /// The endpoint that somebody set for a service or for all of them.
    fn custom_endpoint(&self, service: &str) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        let service_endpoint = key.ok().and_then(|key| self.config.service_config()?.load_config(key));
        service_endpoint.or_else(|| self.config.endpoint_url().map(str::to_owned))
    }
}

/// How often and when a request is tried again. The adaptive mode of the SDK is no choice: after one refusal it slows
/// down all that is asked of a service, for minutes.
fn retry_config() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(INITIAL_BACKOFF)
        .with_max_backoff(BACKOFF_MAX)
}

/// What the repetitions of one source take from, so that an outage is not met with a storm of requests.
fn retry_partition() -> RetryPartition {
    RetryPartition::custom("slowburn").token_bucket(TokenBucket::new(RETRY_TOKENS)).build()
}

/// Why AWS did not do what it was asked, for a person, and what that person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    /// AWS's own word, such as `AccessDenied`; empty if it never answered.
    pub code: String,
    /// What it said, on one line.
    pub message: String,
    /// Whether it never came to the question, because there were no credentials to ask with.
    pub is_missing_credentials: bool,
}

impl AwsError {
    /// Reads an error of any service.
    pub fn from_sdk_error<E>(error: &E) -> Self
    where
        E: Error + ProvideErrorMetadata,
    {
        let causes = causes(error);
        let is_missing_credentials = causes.iter().any(|cause| cause.is::<CredentialsError>());
        // Where a role was to be assumed, what STS said is the cause of all others, and no text for people.
        let sts_error = causes.last().and_then(|cause| cause.downcast_ref::<ErrorMetadata>());
        let (code, message) = match (error.code(), sts_error) {
            (None, Some(sts_error)) => (sts_error.code(), sts_error.message()),
            (code, _) => (code, error.message()),
        };
        let code = code.unwrap_or_default().to_owned();
        let message = match message {
            Some(message) if !code.is_empty() => format!("{code}: {message}"),
            _ if !code.is_empty() => code.clone(),
            _ => first_cause(error).lines().next().unwrap_or_default().to_owned(),
        };
        // The SDK lists below it where it looked for credentials.
        let message = crate::text::escape_non_printing(message.trim_end_matches(" Attempted:"));
        let message = match (is_missing_credentials, code.as_str()) {
            (true, "") if message.contains("no credentials found in chain") => "no AWS credentials found".to_owned(),
            (true, "") => format!("no AWS credentials found: {message}"),
            (true, _) => format!("cannot get AWS credentials: {message}"),
            // Each SDK has words of its own for it.
            (false, "") if is_missing_region_message(&message) => NO_REGION_MESSAGE.to_owned(),
            _ => message,
        };
        Self { code, message, is_missing_credentials }
    }

    /// Reads what broke a connection.
    pub fn from_connection_error(error: &(dyn Error + 'static)) -> Self {
        Self {
            code: String::new(),
            message: crate::text::escape_non_printing(&first_cause(error)),
            is_missing_credentials: false,
        }
    }

    /// Whether no region is configured.
    #[must_use]
    pub fn is_missing_region(&self) -> bool {
        self.message == NO_REGION_MESSAGE
    }

    /// Whether it is about a key that an object is encrypted with: S3 passes on what KMS said
    /// (<https://repost.aws/knowledge-center/s3-access-denied-error-kms>).
    #[must_use]
    pub fn is_kms_error(&self) -> bool {
        self.code.starts_with("KMS.") || self.message.contains("kms:")
    }

    /// What can be done where S3 refused.
    #[must_use]
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

    /// What can be done about it, whichever service refused.
    #[must_use]
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

/// Whether an SDK says that it has no region to send a request to.
fn is_missing_region_message(message: &str) -> bool {
    message.contains("region must be set") || message.contains("Missing Region")
}

/// What stands behind an error, the first cause last.
fn causes(error: &dyn Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

/// The first cause of an error: what stands before it says only that something failed.
fn first_cause(error: &dyn Error) -> String {
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
        assert!(is_missing_region_message("A region must be set when sending requests to S3."));
        assert!(is_missing_region_message("Invalid Configuration: Missing Region"));
        assert!(error("", NO_REGION_MESSAGE).s3_hint().starts_with("set AWS_REGION, or `region`"));
        assert!(error("KMS.DisabledException", "is disabled").s3_hint().contains("enable the object's KMS key"));
    }
}

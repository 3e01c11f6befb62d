//! How AWS is reached: one configuration, one HTTP client and one way of retrying for all its services.
//!
//! Region, credentials and endpoints come the way every AWS tool takes them: `AWS_REGION`, `AWS_PROFILE`, web identity,
//! the credentials of an ECS task, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_S3` and so on
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>).

mod requests;

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

use crate::cost::{Dollars, Usage};
use crate::slo::Reach;
use requests::Requests;

/// Attempts at one request before it has failed. With the pauses below that is ten seconds on average, and an error
/// that meets three requests of ten fails one of 170,000.
const ATTEMPTS: u32 = 10;
/// The longest pause before the first repetition. It doubles with each one, and what is taken of it is random, so that
/// requests that were refused together do not come back together.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// What repetitions take from: 5 for each that was refused, 10 where the connection failed. One that succeeds gives its
/// own back, and each request that needs none gives 1. So three refusals of ten go on for ever, and where everything is
/// refused 500 repetitions are the end.
const RETRY_TOKENS: usize = 2_500;
const CONNECT: Duration = Duration::from_secs(5);
/// One attempt, from its first byte out to the last header in.
const ATTEMPT: Duration = Duration::from_secs(30);
/// All attempts with the pauses between them.
const OPERATION: Duration = Duration::from_mins(2);

/// How this program calls itself where a role is assumed; AWS shows it in its trail of events.
const SESSION: &str = "slowburn";

/// What is shown in place of the various words of the SDKs.
const NO_REGION: &str = "no AWS region is set";

static REACHED: OnceCell<Aws> = OnceCell::const_new();

/// AWS, ready to be asked.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    requests: Requests,
    retries: RetryPartition,
}

impl Aws {
    /// AWS as the environment configures it: read once, so that credentials, connections and the pace of retries are
    /// shared.
    pub async fn reach() -> &'static Self {
        REACHED.get_or_init(Self::configured).await
    }

    /// Takes the configuration from where AWS tools have it. Nothing is asked yet.
    async fn configured() -> Self {
        let client = Builder::new().build_with_connector_fn(|settings, components| {
            // Unlike the client that the SDK would make, it goes through the proxy of the environment.
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
        });
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            .retry_config(retry_config())
            .timeout_config(timeouts);
        Self { config: loader.load().await, requests: Requests::default(), retries: retries() }
    }

    /// The same AWS in another region or as another role. Requests are still counted together, and what is refused
    /// there takes no repetition from others.
    #[must_use]
    pub async fn of(&self, reach: &Reach) -> Self {
        let mut config = self.config.to_builder();
        if let Some(region) = &reach.region {
            config = config.region(Region::new(region.clone()));
        }
        let config = config.build();
        let (requests, retries) = (self.requests.clone(), retries());
        let Some(role) = &reach.role_arn else { return Self { config, requests, retries } };
        let mut provider = AssumeRoleProvider::builder(role).session_name(SESSION).configure(&config);
        if let Some(id) = &reach.external_id {
            provider = provider.external_id(id);
        }
        let provider = SharedCredentialsProvider::new(provider.build().await);
        Self { config: config.into_builder().credentials_provider(provider).build(), requests, retries }
    }

    /// Requests of this process so far by service and operation, retries included; metrics and bytes that are paid for
    /// stand among them.
    #[must_use]
    pub fn sent() -> BTreeMap<(String, String), u64> {
        REACHED.get().map(|aws| aws.requests.sent()).unwrap_or_default()
    }

    /// What of that is paid for.
    #[must_use]
    pub fn used() -> Usage {
        Usage::of(&Self::sent())
    }

    /// Whether something may be asked beside all that was, where all of it may cost so much by list price.
    #[must_use]
    pub fn has_room(most: Option<Dollars>, usage: &Usage) -> bool {
        let price = usage.price();
        price == Dollars(0) || most.is_none_or(|most| Self::used().price().0.saturating_add(price.0) <= most.0)
    }

    /// Notes metrics that CloudWatch was asked for.
    pub fn note_metrics(&self, count: u64) {
        self.requests.note("CloudWatch", "metrics", count);
    }

    /// Notes bytes that Athena scanned, as it bills them.
    pub fn note_scanned(&self, bytes: u64) {
        self.requests.note("Athena", "bytes", bytes);
    }

    /// A client for S3.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        // Other servers that speak S3 seldom have a name for each bucket.
        let path_style = self.endpoint_of("S3").is_some();
        let config = aws_sdk_s3::config::Builder::from(&self.config).interceptor(self.requests.clone());
        let config = config.retry_partition(self.retries.clone());
        aws_sdk_s3::Client::from_conf(config.force_path_style(path_style).build())
    }

    /// A client for CloudWatch.
    #[must_use]
    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        let config = aws_sdk_cloudwatch::config::Builder::from(&self.config).interceptor(self.requests.clone());
        aws_sdk_cloudwatch::Client::from_conf(config.retry_partition(self.retries.clone()).build())
    }

    /// A client for Athena.
    #[must_use]
    pub fn athena(&self) -> aws_sdk_athena::Client {
        let config = aws_sdk_athena::config::Builder::from(&self.config).interceptor(self.requests.clone());
        aws_sdk_athena::Client::from_conf(config.retry_partition(self.retries.clone()).build())
    }

    /// A client for Elastic Load Balancing.
    #[must_use]
    pub fn balancers(&self) -> aws_sdk_elasticloadbalancingv2::Client {
        let config =
            aws_sdk_elasticloadbalancingv2::config::Builder::from(&self.config).interceptor(self.requests.clone());
        aws_sdk_elasticloadbalancingv2::Client::from_conf(config.retry_partition(self.retries.clone()).build())
    }

    /// A client for the tags of resources.
    #[must_use]
    pub fn tags(&self) -> aws_sdk_resourcegroupstagging::Client {
        let config =
            aws_sdk_resourcegroupstagging::config::Builder::from(&self.config).interceptor(self.requests.clone());
        aws_sdk_resourcegroupstagging::Client::from_conf(config.retry_partition(self.retries.clone()).build())
    }

    /// The endpoint that somebody set for a service or for all of them.
    fn endpoint_of(&self, service: &str) -> Option<String> {
        let key =
            ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        let own = key.ok().and_then(|key| self.config.service_config()?.load_config(key));
        own.or_else(|| self.config.endpoint_url().map(str::to_owned))
    }
}

/// How often and when a request is tried again. The adaptive mode of the SDK is no choice: after one refusal it slows
/// down all that is asked of a service, for minutes.
fn retry_config() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(PAUSE).with_max_backoff(PAUSE_MAX)
}

/// What the repetitions of one source take from, so that an outage is not met with a storm of requests.
fn retries() -> RetryPartition {
    RetryPartition::custom("slowburn").token_bucket(TokenBucket::new(RETRY_TOKENS)).build()
}

/// Why AWS did not do what it was asked, for a person, and what that person can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's own word, such as `AccessDenied`; empty if it never answered.
    pub code: String,
    /// What it said, on one line.
    pub said: String,
    /// Whether it never came to the question, because there were no credentials to ask with.
    pub lacks_credentials: bool,
}

impl Refusal {
    /// Reads an error of any service.
    pub fn of<E>(error: &E) -> Self
    where
        E: Error + ProvideErrorMetadata,
    {
        let causes = causes(error);
        let lacks_credentials = causes.iter().any(|cause| cause.is::<CredentialsError>());
        // Where a role was to be assumed, what STS said is the cause of all others, and no text for people.
        let of_sts = causes.last().and_then(|cause| cause.downcast_ref::<ErrorMetadata>());
        let (code, message) = match (error.code(), of_sts) {
            (None, Some(said)) => (said.code(), said.message()),
            (code, _) => (code, error.message()),
        };
        let code = code.unwrap_or_default().to_owned();
        let said = match message {
            Some(message) if !code.is_empty() => format!("{code}: {message}"),
            _ if !code.is_empty() => code.clone(),
            _ => first_cause(error).lines().next().unwrap_or_default().to_owned(),
        };
        // The SDK lists below it where it looked for credentials.
        let said = crate::visible::visible(said.trim_end_matches(" Attempted:"));
        let said = match (lacks_credentials, code.as_str()) {
            (true, "") if said.contains("no credentials found in chain") => "no AWS credentials found".to_owned(),
            (true, "") => format!("no AWS credentials found: {said}"),
            (true, _) => format!("cannot get AWS credentials: {said}"),
            // Each SDK has words of its own for it.
            (false, "") if is_missing_region(&said) => NO_REGION.to_owned(),
            _ => said,
        };
        Self { code, said, lacks_credentials }
    }

    /// Reads what broke a connection.
    pub fn of_connection(error: &(dyn Error + 'static)) -> Self {
        Self { code: String::new(), said: crate::visible::visible(&first_cause(error)), lacks_credentials: false }
    }

    /// Whether no region is configured.
    #[must_use]
    pub fn lacks_region(&self) -> bool {
        self.said == NO_REGION
    }

    /// Whether it is about a key that an object is encrypted with: S3 passes on what KMS said
    /// (<https://repost.aws/knowledge-center/s3-access-denied-error-kms>).
    #[must_use]
    pub fn is_of_kms(&self) -> bool {
        self.code.starts_with("KMS.") || self.said.contains("kms:")
    }

    /// What can be done where S3 refused.
    #[must_use]
    pub fn remedy_of_s3(&self) -> &'static str {
        match self.code.as_str() {
            _ if self.lacks_credentials => self.remedy(),
            "AccessDenied" | "AllAccessDisabled" if self.said.contains("kms:GenerateDataKey") => {
                "grant the role `kms:GenerateDataKey` and `kms:Decrypt` on the bucket's KMS key, in the role's policy and in the key policy"
            }
            "AccessDenied" | "AllAccessDisabled" if self.is_of_kms() => {
                "grant the role `kms:Decrypt` on the object's KMS key, in the role's policy and in the key policy"
            }
            _ if self.is_of_kms() => "enable the object's KMS key, or cancel its deletion",
            "NoSuchBucket" => "check the bucket name; slowburn does not create buckets",
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
                "set AWS_REGION to the bucket's region"
            }
            _ => self.remedy(),
        }
    }

    /// What can be done about it, whichever service refused.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.code.as_str() {
            "AccessDenied" if self.lacks_credentials => {
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
            "" if self.lacks_credentials || self.said.contains("credentials") || self.said.contains("IMDS") => {
                "give the task a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            }
            "" if self.lacks_region() => "set AWS_REGION, or `region` for the source in fleet.yaml",
            "" if self.said.contains("region") => "set AWS_REGION",
            _ => "run again; if it persists, check the network, region and credentials",
        }
    }
}

/// Whether an SDK says that it has no region to send a request to.
fn is_missing_region(said: &str) -> bool {
    said.contains("region must be set") || said.contains("Missing Region")
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
    fn only_where_a_key_is_spoken_of_it_is_the_remedy() {
        let refusal =
            |code: &str, said: &str| Refusal { code: code.to_owned(), said: said.to_owned(), lacks_credentials: false };
        let denied = refusal("AccessDenied", "AccessDenied: not authorized to perform: cloudwatch:GetMetricData");
        assert!(!denied.remedy().contains("KMS") && denied.remedy_of_s3() == denied.remedy());
        let read = refusal("AccessDenied", "AccessDenied: not authorized to perform: kms:Decrypt on resource");
        let write = refusal("AccessDenied", "AccessDenied: not authorized to perform: kms:GenerateDataKey on resource");
        assert!(
            read.remedy_of_s3().contains("`kms:Decrypt`") && write.remedy_of_s3().contains("`kms:GenerateDataKey`")
        );
        assert!(is_missing_region("A region must be set when sending requests to S3."));
        assert!(is_missing_region("Invalid Configuration: Missing Region"));
        assert!(refusal("", NO_REGION).remedy_of_s3().starts_with("set AWS_REGION, or `region`"));
        assert!(refusal("KMS.DisabledException", "is disabled").remedy_of_s3().contains("enable the object's KMS key"));
    }
}

//! A source of event counts, as typed in `fleet.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::identifier::TextLine;
use super::location::LocationYaml;
use super::region::Region;
use super::scalar::{FromText, OneOrMany, Scalar};
use super::scalars::{Minutes, Percent};
use crate::slo::problem::Explained;
use crate::time::Day;

/// A source: exactly one of `access_logs`, `cloudwatch`, `athena` and `counts`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    { "required": ["access_logs"] }, { "required": ["cloudwatch"] }, { "required": ["athena"] }, { "required": ["counts"] },
]))]
#[schemars(rename = "Source")]
pub(in crate::slo) struct SourceYaml {
    /// Folder or `s3://<bucket>/<prefix>` that contains `AWSLogs/` with access logs of Application or Classic Load
    /// Balancers.
    pub(in crate::slo) access_logs: Option<Scalar<LocationYaml>>,
    /// For access logs: publishing interval of Classic Load Balancers. Default: 60m, as in AWS.
    pub(in crate::slo) classic_interval: Option<ClassicIntervalYaml>,
    /// Region of the CloudWatch metrics: `eu-west-1`.
    pub(in crate::slo) cloudwatch: Option<Scalar<Region>>,
    /// For CloudWatch in a monitoring account: account that owns the metrics.
    pub(in crate::slo) account: Option<Scalar<AccountId>>,
    /// Athena table of Application Load Balancer access logs: `<database>.<table>`.
    pub(in crate::slo) athena: Option<Scalar<TableName>>,
    /// For Athena: table of Classic Load Balancer access logs.
    pub(in crate::slo) classic_table: Option<Scalar<TableName>>,
    /// For Athena: workgroup of the queries. Default: primary.
    pub(in crate::slo) workgroup: Option<Scalar<Workgroup>>,
    /// For Athena: location of query results, `s3://<bucket>/<prefix>`. Not needed if the workgroup sets it or manages
    /// results.
    pub(in crate::slo) results: Option<Scalar<LocationYaml>>,
    /// For Athena: maximum amount of data that one run may scan. Default: 100GB.
    pub(in crate::slo) scan_limit: Option<Scalar<DataSize>>,
    /// For `slowburn tables`: location of the access logs, `s3://<bucket>/<prefix>`, which contains `AWSLogs/`.
    pub(in crate::slo) logs: Option<Scalar<LocationYaml>>,
    /// For `slowburn tables`: accounts of the access logs.
    pub(in crate::slo) accounts: Option<OneOrMany<Scalar<AccountId>>>,
    /// For `slowburn tables`: regions of the access logs. Default: `region`.
    pub(in crate::slo) regions: Option<OneOrMany<Scalar<Region>>>,
    /// For `slowburn tables`: first day of the access logs. Default: 2016-01-01.
    pub(in crate::slo) since: Option<Scalar<DayYaml>>,
    /// For access logs in a bucket and Athena: region. Default: from the environment.
    pub(in crate::slo) region: Option<Scalar<Region>>,
    /// For access logs in a bucket, CloudWatch and Athena: IAM role to assume.
    pub(in crate::slo) role_arn: Option<Scalar<RoleArn>>,
    /// External ID that the trust policy of the role requires.
    pub(in crate::slo) external_id: Option<Scalar<TextLine>>,
    /// For access logs in a bucket: whether the bucket is a Requester Pays bucket. Default: false.
    pub(in crate::slo) requester_pays: Option<bool>,
    /// Folder of counts files with the columns `minute,total,bad`.
    pub(in crate::slo) counts: Option<Scalar<LocationYaml>>,
    /// Age at which the counts of a minute are complete. Default: 10m for access logs, 3m for CloudWatch, 15m for
    /// Athena, 0m for counts.
    pub(in crate::slo) delay: Option<Scalar<Minutes>>,
    /// For CloudWatch and Athena: minimum interval between fetches, which AWS charges for. Default: 5m and 1h.
    pub(in crate::slo) every: Option<Scalar<Minutes>>,
    /// For access logs and Athena: share of lines that may fail to parse; above it a run ends as incomplete. Default:
    /// 0.1%.
    pub(in crate::slo) unparsed_limit: Option<Scalar<Percent>>,
}

/// Publishing interval of Classic Load Balancer access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "ClassicInterval")]
pub(in crate::slo) enum ClassicIntervalYaml {
    /// Every five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Every hour.
    #[serde(rename = "60m")]
    Hour,
}

/// An AWS account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct AccountId(pub(in crate::slo) String);

impl FromText for AccountId {
    const PATTERN: &'static str = "^[0-9]{12}$";
    const NOUN: &'static str = "an AWS account ID";
    const EXAMPLE: &'static str = "111122223333";
    const TYPES: &'static [&'static str] = &["string", "integer"];

    fn from_bare(text: &str) -> Result<Self, Explained> {
        Self::from_text(text)
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "write 12 digits, in quotes if the first is zero: `\"012345678901\"`";
        Err(Explained::new(format!("invalid AWS account ID `{text}`"), hint))
    }
}

/// A role that can be assumed (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct RoleArn(pub(in crate::slo) String);

impl FromText for RoleArn {
    const PATTERN: &'static str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$";
    const NOUN: &'static str = "a role ARN";
    const EXAMPLE: &'static str = "arn:aws:iam::111122223333:role/slowburn";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let is_valid = match parts.as_slice() {
            ["arn", partition, "iam", "", account, resource] => {
                partition.starts_with("aws")
                    && partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                    && AccountId::from_text(account).is_ok()
                    && resource.strip_prefix("role/").is_some_and(|name| {
                        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&byte);
                        (1..=512).contains(&name.len()) && name.bytes().all(is_allowed)
                    })
            }
            _ => false,
        };
        if is_valid {
            return Ok(Self(text.to_owned()));
        }
        let hint = "write `arn:aws:iam::<account>:role/<name>`, as printed by `aws iam get-role`";
        Err(Explained::new(format!("invalid role ARN `{text}`"), hint))
    }
}

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct DayYaml(pub(in crate::slo) Day);

impl FromText for DayYaml {
    const PATTERN: &'static str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
    const NOUN: &'static str = "a date";
    const EXAMPLE: &'static str = "2026-01-31";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let hint = "write the year, month and day, such as `2026-01-31`";
        text.parse().map(Self).map_err(|_| Explained::new(format!("invalid date `{text}`"), hint))
    }
}

/// A table of Athena with its database.
///
/// Names in the Glue catalogue are folded to lower case, and Athena takes letters, digits and underscores
/// (<https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct TableName(pub(in crate::slo) String, pub(in crate::slo) String);

impl FromText for TableName {
    const PATTERN: &'static str = r"^[a-z0-9_]{1,255}\.[a-z0-9_]{1,255}$";
    const NOUN: &'static str = "an Athena table";
    const EXAMPLE: &'static str = "elb_logs.alb";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let is_valid_name = |name: &str| {
            let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            (1..=255).contains(&name.len()) && name.bytes().all(is_allowed)
        };
        match text.split_once('.') {
            Some((database, table)) if is_valid_name(database) && is_valid_name(table) => {
                Ok(Self(database.to_owned(), table.to_owned()))
            }
            _ => Err(Explained::new(
                format!("invalid Athena table `{text}`"),
                "write `<database>.<table>` in lowercase letters, digits and `_`, such as `elb_logs.alb`",
            )),
        }
    }
}

/// A workgroup of Athena (<https://docs.aws.amazon.com/athena/latest/APIReference/API_CreateWorkGroup.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Workgroup(pub(in crate::slo) String);

impl FromText for Workgroup {
    const PATTERN: &'static str = "^[a-zA-Z0-9._-]{1,128}$";
    const NOUN: &'static str = "an Athena workgroup";
    const EXAMPLE: &'static str = "primary";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(is_allowed) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "use at most 128 letters, digits, `.`, `_` and `-`";
        Err(Explained::new(format!("invalid workgroup name `{text}`"), hint))
    }
}

/// An amount of data; units are decimal, as in AWS's price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct DataSize(pub(in crate::slo) u64);

impl FromText for DataSize {
    const PATTERN: &'static str = "^[1-9][0-9]{0,5}(MB|GB|TB)$";
    const NOUN: &'static str = "an amount of data";
    const EXAMPLE: &'static str = "100GB";

    fn bare_value_error(text: &str) -> Explained {
        Explained::new(format!("`{text}` has no unit"), format!("write `{text}GB`, or use `MB` or `TB`"))
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        let amount =
            [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)].iter().find_map(|(unit, size)| {
                let number: u64 =
                    text.strip_suffix(unit)?.parse().ok().filter(|number| (1..1_000_000).contains(number))?;
                Some(Self(number * size))
            });
        amount.ok_or_else(|| {
            Explained::new(
                format!("invalid amount of data `{text}`"),
                "write a whole number with a unit, such as `100GB`",
            )
        })
    }
}

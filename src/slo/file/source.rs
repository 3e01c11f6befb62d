//! A source of counts, as typed in `fleet.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::Words;
use super::typed::{FromText, OneOrMany, Typed};
use super::values::{Length, Percent};
use crate::minute::Day;
use crate::slo::problem::Refusal;

/// A source: exactly one of `access_logs`, `cloudwatch`, `athena` and `counts`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    { "required": ["access_logs"] }, { "required": ["cloudwatch"] }, { "required": ["athena"] }, { "required": ["counts"] },
]))]
pub(in crate::slo) struct SourceText {
    /// A directory, or `s3://<bucket>/<prefix>`, with access logs of application or classic load balancers: it holds `AWSLogs/`.
    pub(in crate::slo) access_logs: Option<Typed<Words>>,
    /// For access logs: how often Classic Load Balancers write. Default: 60m, as AWS has it.
    pub(in crate::slo) classic_interval: Option<IntervalText>,
    /// The region whose CloudWatch metrics are asked: `eu-west-1`.
    pub(in crate::slo) cloudwatch: Option<Typed<Region>>,
    /// For CloudWatch in a monitoring account: the account that the metrics belong to.
    pub(in crate::slo) account: Option<Typed<AccountId>>,
    /// The Athena table over access logs of application load balancers: `<database>.<table>`.
    pub(in crate::slo) athena: Option<Typed<TableName>>,
    /// For Athena: the table over access logs of Classic Load Balancers.
    pub(in crate::slo) classic_table: Option<Typed<TableName>>,
    /// For Athena: the workgroup that queries run in. Default: primary.
    pub(in crate::slo) workgroup: Option<Typed<Workgroup>>,
    /// For Athena: where results go, `s3://<bucket>/<prefix>`; not needed where the workgroup says it or manages results.
    pub(in crate::slo) results: Option<Typed<Words>>,
    /// For Athena: how much one run may scan before it is refused. Default: 100GB.
    pub(in crate::slo) scan_limit: Option<Typed<Bytes>>,
    /// For `slowburn tables`: the bucket of access logs, `s3://<bucket>/<prefix>`, which holds `AWSLogs/`.
    pub(in crate::slo) logs: Option<Typed<Words>>,
    /// For `slowburn tables`: the accounts whose logs lie there.
    pub(in crate::slo) accounts: Option<OneOrMany<Typed<AccountId>>>,
    /// For `slowburn tables`: the regions whose logs lie there. Default: `region`.
    pub(in crate::slo) regions: Option<OneOrMany<Typed<Region>>>,
    /// For `slowburn tables`: the first day of logs. Default: 2016-01-01.
    pub(in crate::slo) since: Option<Typed<DayText>>,
    /// For access logs in a bucket and Athena: the region. Default: that of the environment.
    pub(in crate::slo) region: Option<Typed<Region>>,
    /// For access logs in a bucket, CloudWatch and Athena: the role that is assumed to ask.
    pub(in crate::slo) role_arn: Option<Typed<RoleArn>>,
    /// The external id that the role's trust policy asks for.
    pub(in crate::slo) external_id: Option<Typed<Words>>,
    /// For access logs in a bucket: whether who reads pays, and not who owns the bucket. Default: false.
    pub(in crate::slo) requester_pays: Option<bool>,
    /// A directory with files of `minute,total,bad`.
    pub(in crate::slo) counts: Option<Typed<Words>>,
    /// How old a minute must be before its counts are complete. Default: 10m for access logs, 3m for CloudWatch, 15m for
    /// Athena, 0m for counts.
    pub(in crate::slo) delay: Option<Typed<Length>>,
    /// For CloudWatch and Athena: how often at most they are asked, since each time costs. Default: 5m and 1h.
    pub(in crate::slo) every: Option<Typed<Length>>,
    /// For access logs and Athena: the share of lines that may fail to parse before a run is done in part. Default: 0.1%.
    pub(in crate::slo) unparsed_limit: Option<Typed<Percent>>,
}

/// How often a Classic Load Balancer writes its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::slo) enum IntervalText {
    /// Every five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Every hour.
    #[serde(rename = "60m")]
    Hour,
}

/// A region of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Region(pub(in crate::slo) String);

impl FromText for Region {
    const PATTERN: &'static str = "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$";
    const NOUN: &'static str = "a region of AWS";
    const EXAMPLE: &'static str = "eu-west-1";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let mut parts = text.split('-');
        let number = parts.next_back().unwrap_or_default();
        let words: Vec<&str> = parts.collect();
        let lower = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let sound = words.len() >= 2
            && words.iter().all(lower)
            && words.first().is_some_and(|area| (2..=4).contains(&area.len()))
            && (1..=2).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit());
        if sound {
            return Ok(Self(text.to_owned()));
        }
        let hint = match text.char_indices().next_back() {
            Some((at, letter))
                if letter.is_ascii_lowercase() && Self::from_text(text.get(..at).unwrap_or("")).is_ok() =>
            {
                format!("that is an availability zone; its region is `{}`", text.get(..at).unwrap_or(""))
            }
            _ => "write its code, such as `eu-west-1`".to_owned(),
        };
        Err(Refusal::new(format!("`{text}` is no region of AWS"), hint))
    }
}

/// An account of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct AccountId(pub(in crate::slo) String);

impl FromText for AccountId {
    const PATTERN: &'static str = "^[0-9]{12}$";
    const NOUN: &'static str = "an account of AWS";
    const EXAMPLE: &'static str = "111122223333";
    const TYPES: &'static [&'static str] = &["string", "integer"];

    fn from_bare(text: &str) -> Result<Self, Refusal> {
        Self::from_text(text)
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "write its twelve digits; in quotes if they begin with zero: `\"012345678901\"`";
        Err(Refusal::new(format!("`{text}` is no account of AWS"), hint))
    }
}

/// A role that can be assumed (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct RoleArn(pub(in crate::slo) String);

impl FromText for RoleArn {
    const PATTERN: &'static str = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$";
    const NOUN: &'static str = "the ARN of a role";
    const EXAMPLE: &'static str = "arn:aws:iam::111122223333:role/slowburn";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let sound = match parts.as_slice() {
            ["arn", partition, "iam", "", account, resource] => {
                partition.starts_with("aws")
                    && partition.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                    && AccountId::from_text(account).is_ok()
                    && resource.strip_prefix("role/").is_some_and(|name| {
                        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&byte);
                        (1..=512).contains(&name.len()) && name.bytes().all(fits)
                    })
            }
            _ => false,
        };
        if sound {
            return Ok(Self(text.to_owned()));
        }
        let hint = "write `arn:aws:iam::<account>:role/<name>`; `aws iam get-role` prints it";
        Err(Refusal::new(format!("`{text}` is no ARN of a role"), hint))
    }
}

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct DayText(pub(in crate::slo) Day);

impl FromText for DayText {
    const PATTERN: &'static str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
    const NOUN: &'static str = "a day";
    const EXAMPLE: &'static str = "2026-01-31";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let hint = "write year, month and day: `2026-01-31`";
        text.parse().map(Self).map_err(|_| Refusal::new(format!("`{text}` is no day"), hint))
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
    const NOUN: &'static str = "a table with its database";
    const EXAMPLE: &'static str = "elb_logs.alb";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let fits = |name: &str| {
            let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            (1..=255).contains(&name.len()) && name.bytes().all(sound)
        };
        match text.split_once('.') {
            Some((database, table)) if fits(database) && fits(table) => Ok(Self(database.to_owned(), table.to_owned())),
            _ => Err(Refusal::new(
                format!("`{text}` is no table with its database"),
                "write `<database>.<table>` with lower-case letters, digits and `_`: `elb_logs.alb`",
            )),
        }
    }
}

/// A workgroup of Athena (<https://docs.aws.amazon.com/athena/latest/APIReference/API_CreateWorkGroup.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Workgroup(pub(in crate::slo) String);

impl FromText for Workgroup {
    const PATTERN: &'static str = "^[a-zA-Z0-9._-]{1,128}$";
    const NOUN: &'static str = "a workgroup";
    const EXAMPLE: &'static str = "primary";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=128).contains(&text.len()) && text.bytes().all(sound) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "write at most 128 letters, digits, `.`, `_` and `-`";
        Err(Refusal::new(format!("`{text}` is no workgroup"), hint))
    }
}

/// An amount of data; units are decimal, as in AWS's price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Bytes(pub(in crate::slo) u64);

impl FromText for Bytes {
    const PATTERN: &'static str = "^[1-9][0-9]{0,5}(MB|GB|TB)$";
    const NOUN: &'static str = "an amount of data";
    const EXAMPLE: &'static str = "100GB";

    fn bare(text: &str) -> Refusal {
        Refusal::new(format!("`{text}` has no unit"), format!("write `{text}GB`, or with `MB` or `TB`"))
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let amount =
            [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)].iter().find_map(|(unit, size)| {
                let number: u64 =
                    text.strip_suffix(unit)?.parse().ok().filter(|number| (1..1_000_000).contains(number))?;
                Some(Self(number * size))
            });
        amount.ok_or_else(|| {
            Refusal::new(format!("`{text}` is no amount of data"), "write a whole number with its unit: `100GB`")
        })
    }
}

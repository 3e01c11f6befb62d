//! A source of event counts in `fleet.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{FromText, OneOrMany, Scalar, check_pattern, impl_from_text, text_types};
use super::region::Region;
use super::scalars::{Minutes, Percent, TextLine};
use crate::hinted_error::HintedError;
use crate::slo::source::LogTable;
use crate::time::Day;

text_types!(AccountId, LocationYaml, RoleArn, Workgroup);

impl_from_text! {
    RoleArn: "a role ARN", "arn:aws:iam::111122223333:role/slowburn",
        "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$", read_role_arn;
    Workgroup: "an Athena workgroup", "primary", "^[a-zA-Z0-9._-]{1,128}$", read_workgroup;
    Day: "a date", "2026-01-31", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", read_day;
    LogTable: "an Athena table", "elb_logs.alb", r"^[a-z0-9_]{1,255}\.[a-z0-9_]{1,255}$", read_log_table;
    DataSize: "an amount of data", "100GB", "^[1-9][0-9]{0,5}(MB|GB|TB)$", read_size, explain_bare_size;
    LocationYaml: "a folder or an S3 location", "s3://my-logs/prefix",
        r"^(s3://[a-z0-9.-]{3,63}(/[^\u0000-\u001f\u007f-\u009f]{0,990})?|(?![A-Za-z][A-Za-z0-9+.-]+:/|arn:|[sS]3(:|//))[^\u0000-\u001f\u007f-\u009f]{1,1000})$",
        read_location;
}

/// A source: exactly one of `access_logs`, `cloudwatch`, `athena` and `counts`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Source", deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [
    { "required": ["access_logs"] }, { "required": ["cloudwatch"] }, { "required": ["athena"] }, { "required": ["counts"] },
]))]
pub(crate) struct SourceYaml {
    /// Folder or `s3://<bucket>/<prefix>` that contains `AWSLogs/` with access logs of Application or Classic Load
    /// Balancers.
    pub(crate) access_logs: Option<Scalar<LocationYaml>>,
    /// For access logs: publishing interval of Classic Load Balancers. Default: 60m, as in AWS.
    pub(crate) classic_interval: Option<ClassicIntervalYaml>,
    /// Region of the CloudWatch metrics: `eu-west-1`.
    pub(crate) cloudwatch: Option<Scalar<Region>>,
    /// For CloudWatch in a monitoring account: account that owns the metrics.
    pub(crate) account: Option<Scalar<AccountId>>,
    /// Athena table of Application Load Balancer access logs: `<database>.<table>`.
    pub(crate) athena: Option<Scalar<LogTable>>,
    /// For Athena: table of Classic Load Balancer access logs.
    pub(crate) classic_table: Option<Scalar<LogTable>>,
    /// For Athena: workgroup of the queries. Default: primary.
    pub(crate) workgroup: Option<Scalar<Workgroup>>,
    /// For Athena: location of query results, `s3://<bucket>/<prefix>`. Not needed if the workgroup sets it or manages
    /// results.
    pub(crate) results: Option<Scalar<LocationYaml>>,
    /// For Athena: maximum amount of data that one run may scan. Default: 100GB.
    pub(crate) scan_limit: Option<Scalar<DataSize>>,
    /// For `slowburn tables`: location of the access logs, `s3://<bucket>/<prefix>`, which contains `AWSLogs/`.
    pub(crate) logs: Option<Scalar<LocationYaml>>,
    /// For `slowburn tables`: accounts of the access logs.
    pub(crate) accounts: Option<OneOrMany<Scalar<AccountId>>>,
    /// For `slowburn tables`: regions of the access logs. Default: `region`.
    pub(crate) regions: Option<OneOrMany<Scalar<Region>>>,
    /// For `slowburn tables`: first day of the access logs. Default: 2016-01-01.
    pub(crate) since: Option<Scalar<Day>>,
    /// For access logs in a bucket and Athena: region. Default: from the environment.
    pub(crate) region: Option<Scalar<Region>>,
    /// For access logs in a bucket, CloudWatch and Athena: IAM role to assume.
    pub(crate) role_arn: Option<Scalar<RoleArn>>,
    /// External ID that the trust policy of the role requires.
    pub(crate) external_id: Option<Scalar<TextLine>>,
    /// For access logs in a bucket: whether the bucket is a Requester Pays bucket. Default: false.
    pub(crate) requester_pays: Option<bool>,
    /// Folder of counts files with the columns `minute,total,bad`.
    pub(crate) counts: Option<Scalar<LocationYaml>>,
    /// Age at which the counts of a minute are complete. Default: 10m for access logs, 3m for CloudWatch, 15m for
    /// Athena, 0m for counts.
    pub(crate) delay: Option<Scalar<Minutes>>,
    /// For CloudWatch and Athena: minimum interval between fetches, which AWS charges for. Default: 5m and 1h.
    pub(crate) every: Option<Scalar<Minutes>>,
    /// For access logs and Athena: share of lines that may fail to parse; above it a run ends as incomplete. Default:
    /// 0.1%.
    pub(crate) unparsed_limit: Option<Scalar<Percent>>,
}

/// Publishing interval of Classic Load Balancer access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "ClassicInterval")]
pub(crate) enum ClassicIntervalYaml {
    /// Every five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Every hour.
    #[serde(rename = "60m")]
    Hour,
}

impl FromText for AccountId {
    const NOUN: &'static str = "an AWS account ID";
    const EXAMPLE: &'static str = "111122223333";
    const PATTERN: &'static str = "^[0-9]{12}$";
    const IS_INTEGER: bool = true;

    fn from_text(text: &str) -> Result<Self, HintedError> {
        let hint = "write 12 digits, in quotes if the first is zero: `\"012345678901\"`";
        check_pattern::<Self>(text, format!("invalid AWS account ID `{text}`"), hint).map(Self)
    }
}

/// A role that can be assumed (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
fn read_role_arn(text: &str) -> Result<RoleArn, HintedError> {
    let hint = "write `arn:aws:iam::<account>:role/<name>`, as printed by `aws iam get-role`";
    check_pattern::<RoleArn>(text, format!("invalid role ARN `{text}`"), hint).map(RoleArn)
}

/// A workgroup of Athena (<https://docs.aws.amazon.com/athena/latest/APIReference/API_CreateWorkGroup.html>).
fn read_workgroup(text: &str) -> Result<Workgroup, HintedError> {
    let hint = "use at most 128 letters, digits, `.`, `_` and `-`";
    check_pattern::<Workgroup>(text, format!("invalid workgroup name `{text}`"), hint).map(Workgroup)
}

fn read_day(text: &str) -> Result<Day, HintedError> {
    let hint = "write the year, month and day, such as `2026-01-31`";
    text.parse().map_err(|_| HintedError::new(format!("invalid date `{text}`"), hint))
}

/// Names in the Glue catalogue are folded to lower case, and Athena takes letters, digits and underscores
/// (<https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html>).
fn read_log_table(text: &str) -> Result<LogTable, HintedError> {
    match text.split_once('.').filter(|_| LogTable::matches(text)) {
        Some((database, name)) => Ok(LogTable { database: database.to_owned(), name: name.to_owned() }),
        None => HintedError::err(
            format!("invalid Athena table `{text}`"),
            "write `<database>.<table>` in lowercase letters, digits and `_`, such as `elb_logs.alb`",
        ),
    }
}

/// An amount of data; units are decimal, as in AWS's price list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataSize(pub(crate) u64);

fn read_size(text: &str) -> Result<DataSize, HintedError> {
    let units: [(&str, u64); 3] = [("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];
    let parsed = units.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?.parse::<u64>().ok()?, size)));
    match parsed.filter(|_| DataSize::matches(text)) {
        Some((number, size)) => Ok(DataSize(number * size)),
        None => HintedError::err(
            format!("invalid amount of data `{text}`"),
            "write a whole number with a unit, such as `100GB`",
        ),
    }
}

fn explain_bare_size(text: &str) -> HintedError {
    HintedError::new(format!("`{text}` has no unit"), format!("write `{text}GB`, or use `MB` or `TB`"))
}

fn read_location(text: &str) -> Result<LocationYaml, HintedError> {
    TextLine::from_text(text)?;
    let invalid = |hint: String| HintedError::err(format!("`{text}` is not a valid location"), hint);
    if text.starts_with("arn:") {
        let object = text.split_once(":s3:::").map_or("<bucket>/<prefix>", |(_, object)| object);
        return invalid(format!("write `s3://{object}`"));
    }
    if let Some((scheme, path)) = split_scheme(text) {
        match scheme.to_ascii_lowercase().as_str() {
            "s3" if text.starts_with("s3:///") || path.is_empty() => {
                return HintedError::err(format!("`{text}` has no bucket name"), "write `s3://<bucket>/<prefix>`");
            }
            "s3" if text.strip_prefix("s3://") == Some(path) => check_s3_location(text, path)?,
            "s3" | "s3a" | "s3n" => return invalid(format!("did you mean `s3://{path}`?")),
            "file" => return invalid(format!("did you mean `/{path}`?")),
            _ => {
                let message = format!("`{scheme}:` locations are not supported");
                return HintedError::err(message, "use a folder or `s3://<bucket>/<prefix>`");
            }
        }
    }
    Ok(LocationYaml(text.to_owned()))
}

/// Refuses a bucket, or a prefix in front of `AWSLogs/`, that cannot exist.
fn check_s3_location(text: &str, path: &str) -> Result<(), HintedError> {
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_allowed) {
        let hint = "a bucket name has 3 to 63 lowercase letters, digits, `.` and `-`";
        return HintedError::err(format!("invalid bucket name `{bucket}`"), hint);
    }
    // Load balancers add `AWSLogs` themselves, and refuse a prefix that contains it.
    let Some(folder_depth) = prefix.split('/').position(|part| part == "AWSLogs") else { return Ok(()) };
    let parts: Vec<&str> = [bucket].into_iter().chain(prefix.split('/').take(folder_depth)).collect();
    HintedError::err(
        format!("`{text}` contains `AWSLogs`, which is added to the prefix"),
        format!("omit it: `s3://{}`", parts.join("/")),
    )
}

/// The scheme of what looks like a URL, or like one of S3 without its colon or slashes, and what follows. A drive of
/// Windows is none.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let is_s3 = |(scheme, rest): &(&str, &str)| {
        scheme.eq_ignore_ascii_case("s3") && (rest.starts_with(':') || rest.starts_with("//"))
    };
    if let Some((scheme, rest)) = text.split_at_checked(2).filter(is_s3) {
        return Some((scheme, rest.trim_start_matches([':', '/'])));
    }
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    (is_scheme && rest.starts_with('/')).then(|| (scheme, rest.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amount_of_data_is_read_as_the_schema_allows() {
        assert_eq!(DataSize::from_text("100GB"), Ok(DataSize(100_000_000_000)));
        assert_eq!(DataSize::from_text("999999TB"), Ok(DataSize(999_999_000_000_000_000)));
        for text in ["0GB", "+5GB", "007GB", "1000000MB", "5", "5 GB"] {
            let hint = "write a whole number with a unit, such as `100GB`";
            assert_eq!(DataSize::from_text(text), HintedError::err(format!("invalid amount of data `{text}`"), hint));
        }
    }

    #[test]
    fn mistyped_location_is_explained() {
        for text in ["./logs", "/var/log:x", "logs/of:us", "s3://bucket", "s3://bucket/a/b/", "C:/logs", "s3/x"] {
            assert!(LocationYaml::from_text(text).is_ok(), "{text}");
        }
        for (text, message, hint) in [
            ("s3:/bucket/x", "`s3:/bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("S3://bucket/x", "`S3://bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("s3//bucket/x", "`s3//bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("s3:bucket/x", "`s3:bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            (
                "s3://My_Bucket",
                "invalid bucket name `My_Bucket`",
                "a bucket name has 3 to 63 lowercase letters, digits, `.` and `-`",
            ),
            (
                "s3://bucket/a/AWSLogs/123",
                "`s3://bucket/a/AWSLogs/123` contains `AWSLogs`, which is added to the prefix",
                "omit it: `s3://bucket/a`",
            ),
            ("s3a://bucket/x", "`s3a://bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("s3://", "`s3://` has no bucket name", "write `s3://<bucket>/<prefix>`"),
            ("s3:///x", "`s3:///x` has no bucket name", "write `s3://<bucket>/<prefix>`"),
            ("gs:/bucket", "`gs:` locations are not supported", "use a folder or `s3://<bucket>/<prefix>`"),
            ("file:///logs", "`file:///logs` is not a valid location", "did you mean `/logs`?"),
            ("arn:aws:s3:::bucket/x", "`arn:aws:s3:::bucket/x` is not a valid location", "write `s3://bucket/x`"),
        ] {
            assert_eq!(LocationYaml::from_text(text), HintedError::err(message, hint), "{text}");
        }
    }
}

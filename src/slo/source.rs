//! A place that counts come from, and what a fleet file says of it.

use std::fmt;

use super::problem::Problem;
use super::source_spans::key_path;
use super::yaml::{
    AccountId, ClassicIntervalYaml, DayYaml, LocationYaml, OneOrMany, Region, RoleArn, Scalar, SourceYaml, TableName,
    TextLine, Workgroup, YamlFile,
};
use crate::location::Location;
use crate::rational::Rational;
use crate::time::{Day, Minute, format_duration};

/// A place that counts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What kind of place, and where it is.
    pub kind: SourceKind,
    /// Minutes after which a minute's counts no longer change. Younger minutes are not judged.
    pub delay_minutes: u32,
    /// How often at most it is asked, in minutes; zero where asking costs nothing.
    pub fetch_interval_minutes: u32,
    /// The share of log lines that may fail to parse before a run counts as done in part.
    pub unparsed_limit: Rational,
}

/// The kinds of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Access logs of load balancers below a directory or in a bucket that holds `AWSLogs/`.
    AccessLogs {
        /// The directory or bucket.
        location: String,
        /// How a bucket is read.
        bucket_access: BucketAccess,
        /// How many minutes an object of a Classic Load Balancer covers: 5 or 60.
        classic_minutes: i32,
    },
    /// Metrics of load balancers, and others.
    CloudWatch {
        /// Who is asked, and as whom. There is always a region.
        aws: AwsScope,
        /// In a monitoring account: whose metrics.
        account: Option<String>,
    },
    /// Access logs as tables of Athena.
    Athena {
        /// Who is asked, and as whom.
        aws: AwsScope,
        /// What is asked.
        athena: Box<AthenaSource>,
    },
    /// Files of `minute,total,bad`.
    Counts {
        /// The directory that file names are relative to.
        location: String,
    },
}

/// Where AWS is asked, and as whom; what is not said is taken from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AwsScope {
    /// Such as `eu-west-1`.
    pub region: Option<String>,
    /// The role that is assumed.
    pub role_arn: Option<String>,
    /// What the trust policy of that role asks for.
    pub external_id: Option<String>,
}

/// How a bucket is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketAccess {
    /// Who asks, and where.
    pub aws: AwsScope,
    /// Whether who reads pays, and not who owns the bucket.
    pub requester_pays: bool,
}

/// Tables over access logs, and how queries run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AthenaSource {
    /// The table of application load balancers.
    pub log_table: LogTable,
    /// The table of Classic Load Balancers, if there is one.
    pub classic_table: Option<LogTable>,
    /// The workgroup.
    pub workgroup: String,
    /// Where results go, if the workgroup does not say it.
    pub results: Option<String>,
    /// How many bytes a run may scan.
    pub scan_limit_bytes: u64,
    /// What its tables are made of, if slowburn is to make them.
    pub table_source: Option<LogTableSource>,
}

/// Where the logs are that a table is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTableSource {
    /// `s3://bucket/prefix`, which holds `AWSLogs/`.
    pub logs: String,
    /// Whose logs.
    pub accounts: Vec<String>,
    /// Of which regions.
    pub regions: Vec<String>,
    /// The first day that there may be logs of.
    pub since: Day,
}

/// A table of the Glue catalogue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogTable {
    /// Its database.
    pub database: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for LogTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}

impl Source {
    /// The end of what can be known of it at a moment: minutes younger than its delay are not settled, and what is
    /// asked every hour is known up to the last full hour. It depends on nothing but the moment, however often slowburn
    /// runs.
    #[must_use]
    pub fn settled_until(&self, at: Minute) -> Minute {
        self.last_fetch_at(at).plus(-i32::try_from(self.delay_minutes).unwrap_or(i32::MAX))
    }

    /// When it was last asked, at a moment.
    #[must_use]
    pub fn last_fetch_at(&self, at: Minute) -> Minute {
        let interval = i32::try_from(self.fetch_interval_minutes).unwrap_or(i32::MAX);
        let elapsed = if interval > 0 { at.0.rem_euclid(interval) } else { 0 };
        at.plus(-elapsed)
    }
}

impl SourceKind {
    /// The word that tells it apart in `fleet.yaml`.
    #[must_use]
    pub const fn yaml_key(&self) -> &'static str {
        match self {
            Self::AccessLogs { .. } => "access_logs",
            Self::CloudWatch { .. } => "cloudwatch",
            Self::Athena { .. } => "athena",
            Self::Counts { .. } => "counts",
        }
    }
}

/// What a fleet file means by a source. `None` when it cannot be said; the problems tell why.
pub(super) fn build_source(
    yaml: &YamlFile<'_>,
    name: &str,
    text: &SourceYaml,
    problems: &mut Vec<Problem>,
) -> Option<Source> {
    let Some((kind, delay, every)) = build_kind(text) else {
        problems.push(yaml.key_problem(
            &key_path(&["sources", name]),
            format!("source `{name}` needs exactly one of `access_logs`, `cloudwatch`, `athena` and `counts`"),
            "add `access_logs: ./logs`, `cloudwatch: eu-west-1`, `athena: elb_logs.alb` or `counts: ./counts`",
        ));
        return None;
    };
    let problems_before = problems.len();
    check_fields(yaml, name, text, &kind, problems);
    let every_minutes = text.every.as_ref().map_or(every, |every| every.0.0);
    let delay_minutes = text.delay.as_ref().map_or(delay, |delay| delay.0.0);
    if matches!(kind, SourceKind::CloudWatch { .. }) && delay_minutes < delay {
        let message = format!("CloudWatch metrics are incomplete after only {}", format_duration(delay_minutes));
        problems.push(yaml.value_problem(
            &key_path(&["sources", name, "delay"]),
            message,
            format!("set at least `{delay}m`, or remove the field: counts for newer minutes still change"),
        ));
    }
    let unparsed_limit = text.unparsed_limit.as_ref().map_or(Rational::new(1, 1_000), |limit| limit.0.share);
    (problems.len() == problems_before).then_some(Source {
        kind,
        delay_minutes,
        fetch_interval_minutes: every_minutes,
        unparsed_limit,
    })
}

/// The one kind that is said, with its default delay and how often it is asked.
fn build_kind(text: &SourceYaml) -> Option<(SourceKind, u32, u32)> {
    match (&text.access_logs, &text.cloudwatch, &text.athena, &text.counts) {
        (Some(Scalar(LocationYaml(location))), None, None, None) => {
            let classic_minutes = if text.classic_interval == Some(ClassicIntervalYaml::FiveMinutes) { 5 } else { 60 };
            let aws = build_aws_scope(text, text.region.as_ref().map(|Scalar(region)| region));
            let bucket_access = BucketAccess { aws, requester_pays: text.requester_pays == Some(true) };
            Some((SourceKind::AccessLogs { location: location.clone(), bucket_access, classic_minutes }, 10, 0))
        }
        (None, Some(Scalar(region)), None, None) => {
            let account = text.account.as_ref().map(|Scalar(AccountId(account))| account.clone());
            // Exporters that wait less see counts grow: atlas and telegraf wait two minutes for load balancers.
            Some((SourceKind::CloudWatch { aws: build_aws_scope(text, Some(region)), account }, 3, 5))
        }
        (None, None, Some(Scalar(table)), None) => {
            let to_log_table =
                |TableName(database, name): &TableName| LogTable { database: database.clone(), name: name.clone() };
            let athena = AthenaSource {
                log_table: to_log_table(table),
                classic_table: text.classic_table.as_ref().map(|Scalar(table)| to_log_table(table)),
                workgroup: text.workgroup.as_ref().map_or("primary", |Scalar(Workgroup(name))| name).to_owned(),
                results: text.results.as_ref().map(|Scalar(LocationYaml(location))| location.clone()),
                scan_limit_bytes: text.scan_limit.map_or(100_000_000_000, |limit| limit.0.0),
                table_source: build_table_source(text),
            };
            let region = text.region.as_ref().map(|Scalar(region)| region);
            // A log object is written every five minutes and takes as long to arrive; late ones take longer.
            Some((SourceKind::Athena { aws: build_aws_scope(text, region), athena: Box::new(athena) }, 15, 60))
        }
        (None, None, None, Some(Scalar(LocationYaml(location)))) => {
            Some((SourceKind::Counts { location: location.clone() }, 0, 0))
        }
        _ => None,
    }
}

/// What tables are made of. Before 2016 there were no logs of application load balancers, and a table may begin before
/// its logs do.
fn build_table_source(text: &SourceYaml) -> Option<LogTableSource> {
    let Scalar(LocationYaml(logs)) = text.logs.as_ref()?;
    let Some(OneOrMany(accounts)) = &text.accounts else { return None };
    let regions = match (&text.regions, &text.region) {
        (Some(OneOrMany(regions)), _) => regions.iter().map(|Scalar(Region(region))| region.clone()).collect(),
        (None, Some(Scalar(Region(region)))) => vec![region.clone()],
        (None, None) => Vec::new(),
    };
    Some(LogTableSource {
        logs: logs.clone(),
        accounts: accounts.iter().map(|Scalar(AccountId(account))| account.clone()).collect(),
        regions,
        since: text.since.map_or(Day::from_civil(2016, 1, 1)?, |Scalar(DayYaml(since))| since),
    })
}

fn build_aws_scope(text: &SourceYaml, region: Option<&Region>) -> AwsScope {
    AwsScope {
        region: region.map(|Region(region)| region.clone()),
        role_arn: text.role_arn.as_ref().map(|Scalar(RoleArn(arn))| arn.clone()),
        external_id: text.external_id.as_ref().map(|Scalar(TextLine(id))| id.clone()),
    }
}

/// Fields that another kind has.
fn check_fields(yaml: &YamlFile<'_>, name: &str, text: &SourceYaml, kind: &SourceKind, problems: &mut Vec<Problem>) {
    const LOGS: &[&str] = &["access_logs"];
    const CLOUDWATCH: &[&str] = &["cloudwatch"];
    const ATHENA: &[&str] = &["athena"];
    const WITH_INTERVAL: &[&str] = &["cloudwatch", "athena"];
    const WITH_ROLE: &[&str] = &["access_logs", "cloudwatch", "athena"];
    const WITH_LINES: &[&str] = &["access_logs", "athena"];
    for (key, is_set, owners) in [
        ("classic_interval", text.classic_interval.is_some(), LOGS),
        ("account", text.account.is_some(), CLOUDWATCH),
        ("classic_table", text.classic_table.is_some(), ATHENA),
        ("workgroup", text.workgroup.is_some(), ATHENA),
        ("results", text.results.is_some(), ATHENA),
        ("scan_limit", text.scan_limit.is_some(), ATHENA),
        ("logs", text.logs.is_some(), ATHENA),
        ("accounts", text.accounts.is_some(), ATHENA),
        ("regions", text.regions.is_some(), ATHENA),
        ("since", text.since.is_some(), ATHENA),
        ("region", text.region.is_some(), WITH_LINES),
        ("role_arn", text.role_arn.is_some(), WITH_ROLE),
        ("external_id", text.external_id.is_some(), WITH_ROLE),
        ("requester_pays", text.requester_pays.is_some(), LOGS),
        ("every", text.every.is_some(), WITH_INTERVAL),
        ("unparsed_limit", text.unparsed_limit.is_some(), WITH_LINES),
    ] {
        if is_set && !owners.contains(&kind.yaml_key()) {
            let owners: Vec<String> = owners.iter().map(|owner| format!("`{owner}`")).collect();
            let message = format!("`{key}` is only valid for sources with {}", owners.join(" or "));
            let hint = format!("remove the field: this source has `{}`", kind.yaml_key());
            problems.push(yaml.key_problem(&key_path(&["sources", name, key]), message, hint));
        }
    }
    if let SourceKind::AccessLogs { location, .. } = kind
        && matches!(location.parse(), Ok(Location::Directory(_)))
    {
        for (key, is_set) in [
            ("region", text.region.is_some()),
            ("role_arn", text.role_arn.is_some()),
            ("external_id", text.external_id.is_some()),
            ("requester_pays", text.requester_pays.is_some()),
        ] {
            if is_set {
                let message = format!("`{key}` is only valid for logs in an S3 bucket");
                let hint = format!(
                    "remove the field, or write `access_logs: s3://<bucket>/<prefix>`: `{location}` is a folder"
                );
                problems.push(yaml.key_problem(&key_path(&["sources", name, key]), message, hint));
            }
        }
    }
    if text.external_id.is_some() && text.role_arn.is_none() {
        let hint = "add the `role_arn` whose trust policy requires it, or remove the field";
        problems.push(yaml.key_problem(
            &key_path(&["sources", name, "external_id"]),
            "`external_id` requires `role_arn`",
            hint,
        ));
    }
    for (key, location) in [("results", &text.results), ("logs", &text.logs)] {
        if let Some(Scalar(LocationYaml(location))) = location
            && !matches!(location.parse(), Ok(Location::S3 { .. }))
        {
            let message = format!("`{location}` is not an S3 location");
            problems.push(yaml.value_problem(
                &key_path(&["sources", name, key]),
                message,
                "write `s3://<bucket>/<prefix>`",
            ));
        }
    }
    check_location(yaml, name, kind, problems);
    check_table_source(yaml, name, text, problems);
}

/// Logs may lie in a bucket, counts may not.
fn check_location(yaml: &YamlFile<'_>, name: &str, kind: &SourceKind, problems: &mut Vec<Problem>) {
    let (message, hint) = match kind {
        SourceKind::AccessLogs { location, .. } => match location.parse::<Location>() {
            Ok(_) => return,
            Err(message) => (message, "write `./logs` or `s3://<bucket>/<prefix>`".to_owned()),
        },
        SourceKind::Counts { location } if location.contains("://") => (
            format!("counts files are read from a local folder only, not from `{location}`"),
            "copy them to a local folder before each run, for example with `aws s3 sync`, and write `counts: ./counts`"
                .to_owned(),
        ),
        _ => return,
    };
    problems.push(yaml.value_problem(&key_path(&["sources", name, kind.yaml_key()]), message, hint));
}

/// What `slowburn tables` needs to know is said as a whole or not at all.
fn check_table_source(yaml: &YamlFile<'_>, name: &str, text: &SourceYaml, problems: &mut Vec<Problem>) {
    let is_athena = text.athena.is_some();
    let fields =
        [("accounts", text.accounts.is_some()), ("regions", text.regions.is_some()), ("since", text.since.is_some())];
    if let Some((key, _)) = fields.iter().find(|(_, is_set)| *is_set && is_athena && text.logs.is_none()) {
        let message = format!("`{key}` requires `logs`");
        let hint = "add `logs: s3://<bucket>/<prefix>`, the location that contains `AWSLogs/`, or remove the field";
        problems.push(yaml.key_problem(&key_path(&["sources", name, key]), message, hint));
    }
    if is_athena && text.logs.is_some() && text.accounts.is_none() {
        let hint = "add `accounts: [\"<account id>\"]`, the accounts with a folder under `AWSLogs/`";
        problems.push(yaml.key_problem(&key_path(&["sources", name, "logs"]), "`logs` requires `accounts`", hint));
    }
    if is_athena && text.logs.is_some() && text.regions.is_none() && text.region.is_none() {
        let hint = "add `regions: [eu-west-1]`, or `region` if there is only one";
        problems.push(yaml.key_problem(&key_path(&["sources", name, "logs"]), "`logs` requires `regions`", hint));
    }
}

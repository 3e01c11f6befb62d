//! A source of event counts, as `fleet.yaml` defines it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rational::Rational;
use crate::serialization::is_default;
use crate::time::{Day, Minute};

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
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AwsScope {
    /// Such as `eu-west-1`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub region: Option<String>,
    /// The role that is assumed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role_arn: Option<String>,
    /// What the trust policy of that role asks for.
    #[serde(skip)]
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

//! A source of event counts, as `fleet.yaml` defines it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::rational::Rational;
use crate::serialization::is_default;
use crate::time::{Day, Minute};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub kind: SourceKind,
    /// Age at which the counts of a minute are complete. Younger minutes are not evaluated.
    pub delay_minutes: u32,
    /// The shortest time between two fetches, in minutes; zero where fetching costs nothing.
    pub fetch_interval_minutes: u32,
    /// The share of log lines that may fail to parse; above it a run ends as incomplete.
    pub unparsed_limit: Rational,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Access logs of load balancers below a directory or in a bucket that holds `AWSLogs/`.
    AccessLogs {
        location: String,
        bucket_access: BucketAccess,
        /// The minutes that an object of a Classic Load Balancer covers: 5 or 60.
        classic_minutes: i32,
    },
    CloudWatch {
        /// Always has a region.
        aws: AwsScope,
        /// In a monitoring account: the account that owns the metrics.
        account: Option<String>,
    },
    /// Access logs as Athena tables.
    Athena { aws: AwsScope, athena: Box<AthenaSource> },
    /// Files with the columns `minute,total,bad`.
    Counts {
        /// The directory that file names are relative to.
        location: String,
    },
}

/// The region and credentials of AWS requests; the environment supplies what is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AwsScope {
    #[serde(default, skip_serializing_if = "is_default")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub role_arn: Option<String>,
    /// Required by the trust policy of the role.
    #[serde(skip)]
    pub external_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketAccess {
    pub aws: AwsScope,
    pub requester_pays: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AthenaSource {
    pub log_table: LogTable,
    pub classic_table: Option<LogTable>,
    pub workgroup: String,
    /// The location of query results, if the workgroup does not set it.
    pub results: Option<String>,
    /// The most bytes that one run may scan.
    pub scan_limit_bytes: u64,
    /// The logs behind the tables, for `slowburn tables`.
    pub table_source: Option<LogTableSource>,
}

/// The logs behind a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTableSource {
    /// `s3://bucket/prefix`, which holds `AWSLogs/`.
    pub logs: String,
    pub accounts: Vec<String>,
    pub regions: Vec<String>,
    pub since: Day,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogTable {
    pub database: String,
    pub name: String,
}

impl fmt::Display for LogTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}

impl Source {
    /// The minute before which counts are complete at a moment: newer minutes than its delay are not settled, and an
    /// hourly source is known up to the last full hour. It depends on the moment only, however often slowburn runs.
    pub fn settled_until(&self, at: Minute) -> Minute {
        self.last_fetch_at(at).plus(-i32::try_from(self.delay_minutes).unwrap_or(i32::MAX))
    }

    /// The last fetch that was due at a moment.
    pub fn last_fetch_at(&self, at: Minute) -> Minute {
        let interval = i32::try_from(self.fetch_interval_minutes).unwrap_or(i32::MAX);
        let elapsed = if interval > 0 { at.0.rem_euclid(interval) } else { 0 };
        at.plus(-elapsed)
    }
}

impl SourceKind {
    /// The key that sets the kind in `fleet.yaml`.
    pub const fn yaml_key(&self) -> &'static str {
        match self {
            Self::AccessLogs { .. } => "access_logs",
            Self::CloudWatch { .. } => "cloudwatch",
            Self::Athena { .. } => "athena",
            Self::Counts { .. } => "counts",
        }
    }
}

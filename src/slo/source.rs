//! A place that counts come from, and what a fleet file says of it.

use std::fmt;

use super::file::{
    AccountId, DayText, IntervalText, LocationText, OneOrMany, Page, Region, RoleArn, SourceText, TableName, Typed,
    Words, Workgroup,
};
use super::positions::keys;
use super::problem::Problem;
use crate::exact::Exact;
use crate::location::Location;
use crate::minute::{Day, Minute, length_text};

/// A place that counts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What kind of place, and where it is.
    pub kind: SourceKind,
    /// Minutes after which a minute's counts no longer change. Younger minutes are not judged.
    pub delay_minutes: u32,
    /// How often at most it is asked, in minutes; zero where asking costs nothing.
    pub every_minutes: u32,
    /// The share of log lines that may fail to parse before a run counts as done in part.
    pub unparsed_limit: Exact,
}

/// The kinds of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Access logs of load balancers below a directory or in a bucket that holds `AWSLogs/`.
    AccessLogs {
        /// The directory or bucket.
        location: String,
        /// How a bucket is read.
        access: Access,
        /// How many minutes an object of a Classic Load Balancer covers: 5 or 60.
        classic_minutes: i32,
    },
    /// Metrics of load balancers, and others.
    CloudWatch {
        /// Who is asked, and as whom. There is always a region.
        reach: Reach,
        /// In a monitoring account: whose metrics.
        account: Option<String>,
    },
    /// Access logs as tables of Athena.
    Athena {
        /// Who is asked, and as whom.
        reach: Reach,
        /// What is asked.
        lake: Box<Lake>,
    },
    /// Files of `minute,total,bad`.
    Counts {
        /// The directory that file names are relative to.
        location: String,
    },
}

/// Where AWS is asked, and as whom; what is not said is taken from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reach {
    /// Such as `eu-west-1`.
    pub region: Option<String>,
    /// The role that is assumed.
    pub role_arn: Option<String>,
    /// What the trust policy of that role asks for.
    pub external_id: Option<String>,
}

/// How a bucket is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// Who asks, and where.
    pub reach: Reach,
    /// Whether who reads pays, and not who owns the bucket.
    pub requester_pays: bool,
}

/// Tables over access logs, and how queries run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lake {
    /// The table of application load balancers.
    pub table: TableOfLogs,
    /// The table of Classic Load Balancers, if there is one.
    pub classic_table: Option<TableOfLogs>,
    /// The workgroup.
    pub workgroup: String,
    /// Where results go, if the workgroup does not say it.
    pub results: Option<String>,
    /// How many bytes a run may scan.
    pub scan_limit_bytes: u64,
    /// What its tables are made of, if slowburn is to make them.
    pub made_of: Option<TableSource>,
}

/// Where the logs are that a table is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSource {
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
pub struct TableOfLogs {
    /// Its database.
    pub database: String,
    /// Its name there.
    pub name: String,
}

impl fmt::Display for TableOfLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}

impl Source {
    /// The end of what can be known of it at a moment: minutes younger than its delay are not settled, and what is
    /// asked every hour is known up to the last full hour. It depends on nothing but the moment, however often slowburn
    /// runs.
    #[must_use]
    pub fn judged_at(&self, at: Minute) -> Minute {
        self.asked_at(at).plus(-i32::try_from(self.delay_minutes).unwrap_or(i32::MAX))
    }

    /// When it was last asked, at a moment.
    #[must_use]
    pub fn asked_at(&self, at: Minute) -> Minute {
        let every = i32::try_from(self.every_minutes).unwrap_or(i32::MAX);
        let past = if every > 0 { at.0.rem_euclid(every) } else { 0 };
        at.plus(-past)
    }
}

impl SourceKind {
    /// The word that tells it apart in `fleet.yaml`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::AccessLogs { .. } => "access_logs",
            Self::CloudWatch { .. } => "cloudwatch",
            Self::Athena { .. } => "athena",
            Self::Counts { .. } => "counts",
        }
    }
}

/// What a fleet file means by a source. `None` when it cannot be said; the problems tell why.
pub(super) fn source(page: &Page<'_>, name: &str, text: &SourceText, problems: &mut Vec<Problem>) -> Option<Source> {
    let Some((kind, delay, every)) = kind(text) else {
        problems.push(page.of_key(
            &keys(&["sources", name]),
            format!("source `{name}` needs exactly one of `access_logs`, `cloudwatch`, `athena` and `counts`"),
            "add `access_logs: ./logs`, `cloudwatch: eu-west-1`, `athena: elb_logs.alb` or `counts: ./counts`",
        ));
        return None;
    };
    let before = problems.len();
    check_fields(page, name, text, &kind, problems);
    let every_minutes = text.every.as_ref().map_or(every, |every| every.0.0);
    let delay_minutes = text.delay.as_ref().map_or(delay, |delay| delay.0.0);
    if matches!(kind, SourceKind::CloudWatch { .. }) && delay_minutes < delay {
        let message = format!("CloudWatch metrics are incomplete after only {}", length_text(delay_minutes));
        problems.push(page.of_value(
            &keys(&["sources", name, "delay"]),
            message,
            format!("set at least `{delay}m`, or remove the field: counts for newer minutes still change"),
        ));
    }
    let unparsed_limit = text.unparsed_limit.as_ref().map_or(Exact::new(1, 1_000), |limit| limit.0.share);
    (problems.len() == before).then_some(Source { kind, delay_minutes, every_minutes, unparsed_limit })
}

/// The one kind that is said, with its default delay and how often it is asked.
fn kind(text: &SourceText) -> Option<(SourceKind, u32, u32)> {
    match (&text.access_logs, &text.cloudwatch, &text.athena, &text.counts) {
        (Some(Typed(LocationText(location))), None, None, None) => {
            let classic_minutes = if text.classic_interval == Some(IntervalText::FiveMinutes) { 5 } else { 60 };
            let reach = reach(text, text.region.as_ref().map(|Typed(region)| region));
            let access = Access { reach, requester_pays: text.requester_pays == Some(true) };
            Some((SourceKind::AccessLogs { location: location.clone(), access, classic_minutes }, 10, 0))
        }
        (None, Some(Typed(region)), None, None) => {
            let account = text.account.as_ref().map(|Typed(AccountId(account))| account.clone());
            // Exporters that wait less see counts grow: atlas and telegraf wait two minutes for load balancers.
            Some((SourceKind::CloudWatch { reach: reach(text, Some(region)), account }, 3, 5))
        }
        (None, None, Some(Typed(table)), None) => {
            let named =
                |TableName(database, name): &TableName| TableOfLogs { database: database.clone(), name: name.clone() };
            let lake = Lake {
                table: named(table),
                classic_table: text.classic_table.as_ref().map(|Typed(table)| named(table)),
                workgroup: text.workgroup.as_ref().map_or("primary", |Typed(Workgroup(name))| name).to_owned(),
                results: text.results.as_ref().map(|Typed(LocationText(location))| location.clone()),
                scan_limit_bytes: text.scan_limit.map_or(100_000_000_000, |limit| limit.0.0),
                made_of: made_of(text),
            };
            let region = text.region.as_ref().map(|Typed(region)| region);
            // A log object is written every five minutes and takes as long to arrive; late ones take longer.
            Some((SourceKind::Athena { reach: reach(text, region), lake: Box::new(lake) }, 15, 60))
        }
        (None, None, None, Some(Typed(LocationText(location)))) => {
            Some((SourceKind::Counts { location: location.clone() }, 0, 0))
        }
        _ => None,
    }
}

/// What tables are made of. Before 2016 there were no logs of application load balancers, and a table may begin before
/// its logs do.
fn made_of(text: &SourceText) -> Option<TableSource> {
    let Typed(LocationText(logs)) = text.logs.as_ref()?;
    let Some(OneOrMany(accounts)) = &text.accounts else { return None };
    let regions = match (&text.regions, &text.region) {
        (Some(OneOrMany(regions)), _) => regions.iter().map(|Typed(Region(region))| region.clone()).collect(),
        (None, Some(Typed(Region(region)))) => vec![region.clone()],
        (None, None) => Vec::new(),
    };
    Some(TableSource {
        logs: logs.clone(),
        accounts: accounts.iter().map(|Typed(AccountId(account))| account.clone()).collect(),
        regions,
        since: text.since.map_or(Day::of_civil(2016, 1, 1)?, |Typed(DayText(since))| since),
    })
}

fn reach(text: &SourceText, region: Option<&Region>) -> Reach {
    Reach {
        region: region.map(|Region(region)| region.clone()),
        role_arn: text.role_arn.as_ref().map(|Typed(RoleArn(arn))| arn.clone()),
        external_id: text.external_id.as_ref().map(|Typed(Words(id))| id.clone()),
    }
}

/// Fields that another kind has.
fn check_fields(page: &Page<'_>, name: &str, text: &SourceText, kind: &SourceKind, problems: &mut Vec<Problem>) {
    const LOGS: &[&str] = &["access_logs"];
    const METRICS: &[&str] = &["cloudwatch"];
    const LAKE: &[&str] = &["athena"];
    const ASKED: &[&str] = &["cloudwatch", "athena"];
    const REACHED: &[&str] = &["access_logs", "cloudwatch", "athena"];
    const LINES: &[&str] = &["access_logs", "athena"];
    for (key, said, owners) in [
        ("classic_interval", text.classic_interval.is_some(), LOGS),
        ("account", text.account.is_some(), METRICS),
        ("classic_table", text.classic_table.is_some(), LAKE),
        ("workgroup", text.workgroup.is_some(), LAKE),
        ("results", text.results.is_some(), LAKE),
        ("scan_limit", text.scan_limit.is_some(), LAKE),
        ("logs", text.logs.is_some(), LAKE),
        ("accounts", text.accounts.is_some(), LAKE),
        ("regions", text.regions.is_some(), LAKE),
        ("since", text.since.is_some(), LAKE),
        ("region", text.region.is_some(), LINES),
        ("role_arn", text.role_arn.is_some(), REACHED),
        ("external_id", text.external_id.is_some(), REACHED),
        ("requester_pays", text.requester_pays.is_some(), LOGS),
        ("every", text.every.is_some(), ASKED),
        ("unparsed_limit", text.unparsed_limit.is_some(), LINES),
    ] {
        if said && !owners.contains(&kind.word()) {
            let owners: Vec<String> = owners.iter().map(|owner| format!("`{owner}`")).collect();
            let message = format!("`{key}` is only valid for sources with {}", owners.join(" or "));
            let hint = format!("remove the field: this source has `{}`", kind.word());
            problems.push(page.of_key(&keys(&["sources", name, key]), message, hint));
        }
    }
    if let SourceKind::AccessLogs { location, .. } = kind
        && matches!(location.parse(), Ok(Location::Directory(_)))
    {
        for (key, said) in [
            ("region", text.region.is_some()),
            ("role_arn", text.role_arn.is_some()),
            ("external_id", text.external_id.is_some()),
            ("requester_pays", text.requester_pays.is_some()),
        ] {
            if said {
                let message = format!("`{key}` is only valid for logs in an S3 bucket");
                let hint = format!(
                    "remove the field, or write `access_logs: s3://<bucket>/<prefix>`: `{location}` is a folder"
                );
                problems.push(page.of_key(&keys(&["sources", name, key]), message, hint));
            }
        }
    }
    if text.external_id.is_some() && text.role_arn.is_none() {
        let hint = "add the `role_arn` whose trust policy requires it, or remove the field";
        problems.push(page.of_key(&keys(&["sources", name, "external_id"]), "`external_id` requires `role_arn`", hint));
    }
    for (key, place) in [("results", &text.results), ("logs", &text.logs)] {
        if let Some(Typed(LocationText(place))) = place
            && !matches!(place.parse(), Ok(Location::S3 { .. }))
        {
            let message = format!("`{place}` is not an S3 location");
            problems.push(page.of_value(&keys(&["sources", name, key]), message, "write `s3://<bucket>/<prefix>`"));
        }
    }
    check_place(page, name, kind, problems);
    check_tables(page, name, text, problems);
}

/// Logs may lie in a bucket, counts may not.
fn check_place(page: &Page<'_>, name: &str, kind: &SourceKind, problems: &mut Vec<Problem>) {
    let (message, hint) = match kind {
        SourceKind::AccessLogs { location, .. } => match location.parse::<Location>() {
            Ok(_) => return,
            Err(refused) => (refused, "write `./logs` or `s3://<bucket>/<prefix>`".to_owned()),
        },
        SourceKind::Counts { location } if location.contains("://") => (
            format!("counts files are read from a local folder only, not from `{location}`"),
            "copy them to a local folder before each run, for example with `aws s3 sync`, and write `counts: ./counts`"
                .to_owned(),
        ),
        _ => return,
    };
    problems.push(page.of_value(&keys(&["sources", name, kind.word()]), message, hint));
}

/// What `slowburn tables` needs to know is said as a whole or not at all.
fn check_tables(page: &Page<'_>, name: &str, text: &SourceText, problems: &mut Vec<Problem>) {
    let is_lake = text.athena.is_some();
    let said =
        [("accounts", text.accounts.is_some()), ("regions", text.regions.is_some()), ("since", text.since.is_some())];
    if let Some((key, _)) = said.iter().find(|(_, said)| *said && is_lake && text.logs.is_none()) {
        let message = format!("`{key}` requires `logs`");
        let hint = "add `logs: s3://<bucket>/<prefix>`, the location that contains `AWSLogs/`, or remove the field";
        problems.push(page.of_key(&keys(&["sources", name, key]), message, hint));
    }
    if is_lake && text.logs.is_some() && text.accounts.is_none() {
        let hint = "add `accounts: [\"<account id>\"]`, the accounts with a folder under `AWSLogs/`";
        problems.push(page.of_key(&keys(&["sources", name, "logs"]), "`logs` requires `accounts`", hint));
    }
    if is_lake && text.logs.is_some() && text.regions.is_none() && text.region.is_none() {
        let hint = "add `regions: [eu-west-1]`, or `region` if there is only one";
        problems.push(page.of_key(&keys(&["sources", name, "logs"]), "`logs` requires `regions`", hint));
    }
}

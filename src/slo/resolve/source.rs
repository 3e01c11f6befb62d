//! A source from `fleet.yaml`.

use crate::location::Location;
use crate::rational::Rational;
use crate::slo::problem::Problem;
use crate::slo::source::{AthenaSource, AwsScope, BucketAccess, LogTableSource, Source, SourceKind};
use crate::slo::yaml::{
    AccountId, ClassicIntervalYaml, LocationYaml, OneOrMany, Region, RoleArn, Scalar, SourceYaml, TextLine, Workgroup,
    YamlFile,
};
use crate::time::{Day, format_duration};

/// Builds a source. `None` when it is invalid, for the reasons in `problems`.
pub(super) fn build_source(
    yaml: &YamlFile<'_>,
    name: &str,
    fields: &SourceYaml,
    problems: &mut Vec<Problem>,
) -> Option<Source> {
    let Some((kind, default_delay_minutes, default_interval_minutes)) = build_kind(fields) else {
        problems.push(yaml.key_problem(
            &["sources", name],
            format!("source `{name}` needs exactly one of `access_logs`, `cloudwatch`, `athena` and `counts`"),
            "add `access_logs: ./logs`, `cloudwatch: eu-west-1`, `athena: elb_logs.alb` or `counts: ./counts`",
        ));
        return None;
    };
    let mut check = SourceCheck { yaml, name, fields, problems: Vec::new() };
    check.check_owners(&kind);
    check.check_location(&kind);
    check.check_s3_locations();
    check.check_table_source();
    let delay_minutes = fields.delay.as_ref().map_or(default_delay_minutes, |delay| delay.0.0);
    if matches!(kind, SourceKind::CloudWatch { .. }) && delay_minutes < default_delay_minutes {
        let message = format!("CloudWatch metrics are incomplete after only {}", format_duration(delay_minutes));
        let hint = format!(
            "set at least `{default_delay_minutes}m`, or remove the field: counts for newer minutes still change"
        );
        check.report_value("delay", message, hint);
    }
    let is_valid = check.problems.is_empty();
    problems.extend(check.problems);
    is_valid.then(|| Source {
        kind,
        delay_minutes,
        fetch_interval_minutes: fields.every.as_ref().map_or(default_interval_minutes, |every| every.0.0),
        unparsed_limit: fields.unparsed_limit.as_ref().map_or(Rational::new(1, 1_000), |limit| limit.0.share),
    })
}

/// The kind of source, its default delay and its default fetch interval, in minutes. `None` unless exactly one is set.
fn build_kind(fields: &SourceYaml) -> Option<(SourceKind, u32, u32)> {
    let region = fields.region.as_ref().map(|Scalar(region)| region);
    match (&fields.access_logs, &fields.cloudwatch, &fields.athena, &fields.counts) {
        (Some(Scalar(LocationYaml(location))), None, None, None) => {
            let is_short = fields.classic_interval == Some(ClassicIntervalYaml::FiveMinutes);
            let kind = SourceKind::AccessLogs {
                location: location.clone(),
                bucket_access: BucketAccess {
                    aws: build_aws_scope(fields, region),
                    requester_pays: fields.requester_pays == Some(true),
                },
                classic_minutes: if is_short { 5 } else { 60 },
            };
            Some((kind, 10, 0))
        }
        (None, Some(Scalar(region)), None, None) => {
            let account = fields.account.as_ref().map(|Scalar(AccountId(account))| account.clone());
            // Exporters that wait less see counts grow: atlas and telegraf wait two minutes for load balancers.
            Some((SourceKind::CloudWatch { aws: build_aws_scope(fields, Some(region)), account }, 3, 5))
        }
        (None, None, Some(Scalar(table)), None) => {
            let athena = AthenaSource {
                log_table: table.clone(),
                classic_table: fields.classic_table.as_ref().map(|Scalar(table)| table.clone()),
                workgroup: fields.workgroup.as_ref().map_or("primary", |Scalar(Workgroup(name))| name).to_owned(),
                results: fields.results.as_ref().map(|Scalar(LocationYaml(location))| location.clone()),
                scan_limit_bytes: fields.scan_limit.map_or(100_000_000_000, |limit| limit.0.0),
                table_source: build_table_source(fields),
            };
            // A log object is written every five minutes and takes as long to arrive; late ones take longer.
            Some((SourceKind::Athena { aws: build_aws_scope(fields, region), athena: Box::new(athena) }, 15, 60))
        }
        (None, None, None, Some(Scalar(LocationYaml(location)))) => {
            Some((SourceKind::Counts { location: location.clone() }, 0, 0))
        }
        _ => None,
    }
}

/// The logs behind a table. Before 2016 there were no logs of Application Load Balancers, and a table may begin before
/// its logs do.
fn build_table_source(fields: &SourceYaml) -> Option<LogTableSource> {
    let Scalar(LocationYaml(logs)) = fields.logs.as_ref()?;
    let OneOrMany(accounts) = fields.accounts.as_ref()?;
    let regions = fields.regions.as_ref().map_or(fields.region.as_slice(), |OneOrMany(regions)| regions);
    Some(LogTableSource {
        logs: logs.clone(),
        accounts: accounts.iter().map(|Scalar(AccountId(account))| account.clone()).collect(),
        regions: regions.iter().map(|Scalar(Region(region))| region.clone()).collect(),
        since: fields.since.map_or(Day::from_civil(2016, 1, 1)?, |Scalar(since)| since),
    })
}

fn build_aws_scope(fields: &SourceYaml, region: Option<&Region>) -> AwsScope {
    AwsScope {
        region: region.map(|Region(region)| region.clone()),
        role_arn: fields.role_arn.as_ref().map(|Scalar(RoleArn(arn))| arn.clone()),
        external_id: fields.external_id.as_ref().map(|Scalar(TextLine(id))| id.clone()),
    }
}

const FIELD_OWNERS: [(&[&str], &[&str]); 6] = [
    (&["classic_interval", "requester_pays"], &["access_logs"]),
    (&["account"], &["cloudwatch"]),
    (&["classic_table", "workgroup", "results", "scan_limit", "logs", "accounts", "regions", "since"], &["athena"]),
    (&["region", "unparsed_limit"], &["access_logs", "athena"]),
    (&["every"], &["cloudwatch", "athena"]),
    (&["role_arn", "external_id"], &["access_logs", "cloudwatch", "athena"]),
];

struct SourceCheck<'a> {
    yaml: &'a YamlFile<'a>,
    name: &'a str,
    fields: &'a SourceYaml,
    problems: Vec<Problem>,
}

impl SourceCheck<'_> {
    fn has(&self, key: &str) -> bool {
        self.yaml.contains(&["sources", self.name, key])
    }

    fn report_key(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(self.yaml.key_problem(&["sources", self.name, key], message, hint));
    }

    fn report_value(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(self.yaml.value_problem(&["sources", self.name, key], message, hint));
    }

    /// Refuses fields of another kind of source, or of a bucket where the logs are in a folder.
    fn check_owners(&mut self, kind: &SourceKind) {
        for (keys, owners) in FIELD_OWNERS.iter().filter(|(_, owners)| !owners.contains(&kind.yaml_key())) {
            let hint = format!("remove the field: this source has `{}`", kind.yaml_key());
            self.refuse(keys, &format!("sources with `{}`", owners.join("` or `")), &hint);
        }
        if let SourceKind::AccessLogs { location, .. } = kind
            && matches!(location.parse(), Ok(Location::Directory(_)))
        {
            let hint =
                format!("remove the field, or write `access_logs: s3://<bucket>/<prefix>`: `{location}` is a folder");
            self.refuse(&["region", "role_arn", "external_id", "requester_pays"], "logs in an S3 bucket", &hint);
        }
        if self.has("external_id") && !self.has("role_arn") {
            let hint = "add the `role_arn` whose trust policy requires it, or remove the field";
            self.report_key("external_id", "`external_id` requires `role_arn`", hint);
        }
    }

    fn refuse(&mut self, keys: &[&str], owner: &str, hint: &str) {
        for key in keys {
            if self.has(key) {
                self.report_key(key, format!("`{key}` is only valid for {owner}"), hint);
            }
        }
    }

    /// Logs may be in a bucket, counts files may not.
    fn check_location(&mut self, kind: &SourceKind) {
        match kind {
            SourceKind::AccessLogs { location, .. } => {
                if let Err(message) = location.parse::<Location>() {
                    self.report_value(kind.yaml_key(), message, "write `./logs` or `s3://<bucket>/<prefix>`");
                }
            }
            SourceKind::Counts { location } if location.contains("://") => {
                let message = format!("counts files are read from a local folder only, not from `{location}`");
                let hint = "copy them to a local folder before each run, for example with `aws s3 sync`, and write `counts: ./counts`";
                self.report_value(kind.yaml_key(), message, hint);
            }
            _ => {}
        }
    }

    /// Query results and the logs behind a table are in buckets.
    fn check_s3_locations(&mut self) {
        for (key, location) in [("results", &self.fields.results), ("logs", &self.fields.logs)] {
            let Some(Scalar(LocationYaml(location))) = location else { continue };
            if !matches!(location.parse(), Ok(Location::S3 { .. })) {
                let message = format!("`{location}` is not an S3 location");
                self.report_value(key, message, "write `s3://<bucket>/<prefix>`");
            }
        }
    }

    /// `slowburn tables` needs all of the fields that describe logs, or none.
    fn check_table_source(&mut self) {
        if !self.has("athena") {
            return;
        }
        if !self.has("logs") {
            if let Some(key) = ["accounts", "regions", "since"].into_iter().find(|key| self.has(key)) {
                let hint =
                    "add `logs: s3://<bucket>/<prefix>`, the location that contains `AWSLogs/`, or remove the field";
                self.report_key(key, format!("`{key}` requires `logs`"), hint);
            }
            return;
        }
        if !self.has("accounts") {
            let hint = "add `accounts: [\"<account id>\"]`, the accounts with a folder under `AWSLogs/`";
            self.report_key("logs", "`logs` requires `accounts`", hint);
        }
        if !self.has("regions") && !self.has("region") {
            let hint = "add `regions: [eu-west-1]`, or `region` if there is only one";
            self.report_key("logs", "`logs` requires `regions`", hint);
        }
    }
}

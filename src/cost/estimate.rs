//! The estimated AWS usage of a fleet per day: by source, class and service.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::usage::{Bytes, NanoDollars, Usage};
use crate::discovery::Discovery;
use crate::fetch_plan::{billed_metrics, metric_counts};
use crate::format::pluralize;
use crate::ledger::ObjectsWritten;
use crate::slo::{
    AthenaSource, AwsScope, Catalog, Indicator, MetricStatistic, RatioMetrics, Service, Source, SourceKind,
    matches_load_balancer,
};
use crate::time::{MINUTES_PER_DAY, Window};

/// The nodes of a load balancer without known objects: one in each of at least two zones, and each writes an object
/// every five minutes
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
const ASSUMED_NODES: u64 = 2;
const INTERVALS_PER_DAY: u64 = 288;
const OBJECTS_PER_PAGE: u64 = 1_000;
/// The folders above the day folders: the prefix, `AWSLogs`, account, `elasticloadbalancing`, region, year, month.
const PARENT_FOLDERS: u64 = 7;
const PARENT_LISTINGS_PER_DAY_MAX: u64 = 24;
/// Objects of a ledger in S3 that a run reads and writes, measured with 1,683 SLOs.
const LEDGER_READS_PER_RUN: u64 = 61;
const LEDGER_WRITES_PER_RUN: u64 = 9;

#[derive(Clone, Debug, Default)]
pub struct CostAssumptions {
    pub every_minutes: u32,
    pub ledger_in_s3: bool,
    /// Log objects of the last complete day, by account and region and by load balancer.
    pub objects_per_day: BTreeMap<(String, String), ObjectsWritten>,
    /// Bytes that an Athena query scans for a day, by source and by table or query file.
    pub scanned_bytes: BTreeMap<(String, String), u64>,
    pub discovery: Discovery,
    pub is_first_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostLine {
    /// The source, class or service.
    pub name: String,
    /// The kind of a source, the number of services of a class, or the class of a service.
    pub about: String,
    pub usage: Usage,
    /// Whether a part is assumed, because nothing was measured yet.
    pub is_assumed: bool,
}

impl CostLine {
    fn new(name: &str, about: &str, usage: Usage, is_assumed: bool) -> Self {
        Self { name: name.to_owned(), about: about.to_owned(), usage, is_assumed }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostEstimate {
    /// The ledger is last.
    pub sources: Vec<CostLine>,
    /// The usage of each class alone: what several classes share counts for each of them.
    pub classes: Vec<CostLine>,
    /// The usage of each service alone, the most expensive first.
    pub services: Vec<CostLine>,
    /// Additional usage of the first run, for the history of the longest windows.
    pub first_run: Usage,
}

impl CostEstimate {
    pub fn price(&self) -> NanoDollars {
        NanoDollars(self.sources.iter().map(|line| line.usage.price().0).sum())
    }
}

pub fn estimate(catalog: &Catalog, assumptions: &CostAssumptions) -> CostEstimate {
    let all_services: Vec<&Service> = catalog.services.iter().collect();
    let usage_of =
        |services: &[&Service], name: &str, source: &Source| source_usage(services, name, source, assumptions);
    let mut first_run = Usage::default();
    let mut sources = Vec::new();
    for (name, source) in &catalog.sources {
        let usage = usage_of(&all_services, name, source);
        if assumptions.is_first_run {
            first_run.add(&usage.first_run);
        }
        sources.push(CostLine::new(name, source.kind.yaml_key(), usage.per_day, usage.is_assumed));
    }
    if assumptions.ledger_in_s3 {
        let runs_per_day = runs_per_day(assumptions.every_minutes, 0);
        let (s3_reads, s3_writes) = (runs_per_day * LEDGER_READS_PER_RUN, runs_per_day * LEDGER_WRITES_PER_RUN);
        sources.push(CostLine::new("ledger", "s3", Usage { s3_reads, s3_writes, ..Usage::default() }, false));
    }
    let usage_alone = |services: &[&Service]| {
        let (mut sum, mut is_assumed) = (Usage::default(), false);
        for (name, source) in &catalog.sources {
            let usage = usage_of(services, name, source);
            // Listings include the whole folder, whatever is needed of it.
            sum.add(&Usage { s3_writes: 0, ..usage.per_day });
            is_assumed |= usage.is_assumed;
        }
        (sum, is_assumed)
    };
    let mut by_class: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in &catalog.services {
        by_class.entry(&service.class).or_default().push(service);
    }
    let classes = by_class.into_iter().map(|(class, services)| {
        let (usage, is_assumed) = usage_alone(&services);
        CostLine::new(class, &pluralize(services.len(), "service"), usage, is_assumed)
    });
    let services = catalog.services.iter();
    let mut services: Vec<CostLine> = services
        .map(|service| {
            let (usage, is_assumed) = usage_alone(&[service]);
            CostLine::new(&service.name, &service.class, usage, is_assumed)
        })
        .collect();
    services.sort_by(|one, other| other.usage.price().cmp(&one.usage.price()).then(one.name.cmp(&other.name)));
    CostEstimate { sources, classes: classes.collect(), services, first_run }
}

fn runs_per_day(every_minutes: u32, source_every_minutes: u32) -> u64 {
    let every = every_minutes.max(source_every_minutes).max(1);
    u64::from(MINUTES_PER_DAY.unsigned_abs().div_ceil(every))
}

#[derive(Default)]
struct SourceUsage {
    per_day: Usage,
    first_run: Usage,
    is_assumed: bool,
}

fn source_usage(services: &[&Service], name: &str, source: &Source, assumptions: &CostAssumptions) -> SourceUsage {
    let slos = services.iter().flat_map(|service| &service.slos).filter(|slo| slo.indicator.source() == name);
    let (mut indicators, mut longest_minutes) = (Vec::new(), 0);
    for slo in slos {
        longest_minutes = slo.windows.iter().map(Window::max_minutes).max().unwrap_or(0).max(longest_minutes);
        indicators.push(&slo.indicator);
    }
    if indicators.is_empty() {
        return SourceUsage::default();
    }
    // A day more for late deliveries.
    let days = u64::from(longest_minutes.div_ceil(MINUTES_PER_DAY.unsigned_abs())) + 1;
    let runs_per_day = runs_per_day(assumptions.every_minutes, source.fetch_interval_minutes);
    match &source.kind {
        SourceKind::AccessLogs { location, bucket_access, .. } if location.starts_with("s3://") => {
            let (per_day, is_assumed) = access_log_usage(&indicators, name, &bucket_access.aws, assumptions);
            let first_run = Usage {
                s3_reads: per_day.s3_reads * days,
                s3_writes: per_day.s3_reads.div_ceil(OBJECTS_PER_PAGE) * days + PARENT_FOLDERS,
                ..Usage::default()
            };
            SourceUsage { per_day, first_run, is_assumed }
        }
        SourceKind::CloudWatch { aws: scope, .. } => {
            let (metrics, is_assumed) = metrics_per_run(&indicators, scope, assumptions);
            let usage = |requests: u64| Usage { metrics: metrics * requests, ..Usage::default() };
            // Each resolution of CloudWatch is a request of its own.
            let resolutions = 1 + u64::from(days > 15) + u64::from(days > 63);
            SourceUsage { per_day: usage(runs_per_day), first_run: usage(resolutions), is_assumed }
        }
        SourceKind::Athena { athena, .. } => {
            let (bytes, is_assumed) = scanned_bytes_per_run(&indicators, name, athena, assumptions);
            let usage = |runs: u64| Usage { athena_bytes: bytes.saturating_mul(runs), ..Usage::default() };
            SourceUsage { per_day: usage(runs_per_day), first_run: usage(1), is_assumed }
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => SourceUsage::default(),
    }
}

/// Each object is read once. The folder of today is listed by every run, and is half full on average; the folder of
/// yesterday by every run of the first hour, and those of the last week once a day. The folders above them have less
/// than a page each, and are listed once an hour.
fn access_log_usage(
    indicators: &[&Indicator],
    source: &str,
    scope: &AwsScope,
    assumptions: &CostAssumptions,
) -> (Usage, bool) {
    let mut balancers = BTreeSet::new();
    for indicator in indicators {
        let Indicator::Requests { traffic, .. } = indicator else { continue };
        // An unresolved name counts as one load balancer.
        let resolved = assumptions.discovery.resolve_names(scope, traffic).unwrap_or(Cow::Borrowed(traffic));
        balancers.extend(resolved.load_balancer.split(' ').map(str::to_owned));
    }
    // An account or region that the source does not read may have another load balancer of the same name.
    let is_of_source = |objects: &ObjectsWritten| objects.sources.contains(source);
    let known = assumptions.objects_per_day.iter();
    let areas: BTreeSet<&String> =
        known.clone().filter(|(_, objects)| is_of_source(objects)).map(|((area, _), _)| area).collect();
    let known_objects = |name: &String| {
        let matching =
            known.clone().filter(|((area, balancer), _)| areas.contains(area) && matches_load_balancer(name, balancer));
        matching.map(|(_, objects)| objects.count).reduce(|sum, count| sum + count)
    };
    let known: Vec<Option<u64>> = balancers.iter().map(known_objects).collect();
    let assumed = known.iter().any(Option::is_none);
    let objects = known.iter().map(|known| known.unwrap_or(ASSUMED_NODES * INTERVALS_PER_DAY)).sum::<u64>();
    let (runs_per_day, pages_per_day) =
        (runs_per_day(assumptions.every_minutes, 0), objects.div_ceil(OBJECTS_PER_PAGE));
    let day_folder_pages = (objects / 2).div_ceil(OBJECTS_PER_PAGE) * runs_per_day
        + pages_per_day * runs_per_day.div_ceil(24)
        + 7 * pages_per_day;
    let pages = day_folder_pages + PARENT_FOLDERS * runs_per_day.min(PARENT_LISTINGS_PER_DAY_MAX);
    (Usage { s3_reads: objects, s3_writes: pages, ..Usage::default() }, assumed)
}

/// Billed metrics per run, and whether some names are not resolved yet: each counts as one load balancer or target
/// group.
fn metrics_per_run(indicators: &[&Indicator], scope: &AwsScope, assumptions: &CostAssumptions) -> (u64, bool) {
    let (mut counts, mut assumed) = (Vec::new(), false);
    for indicator in indicators {
        let with_ids = match indicator {
            Indicator::Requests { traffic, .. } => {
                let resolved = assumptions.discovery.resolve_current_ids(scope, traffic);
                assumed |= resolved.is_empty();
                if resolved.is_empty() { vec![traffic.clone()] } else { resolved }
            }
            _ => Vec::new(),
        };
        counts.extend(metric_counts(indicator, &with_ids));
    }
    let queries: BTreeSet<&MetricStatistic> = counts.iter().flat_map(RatioMetrics::distinct_stats).collect();
    (billed_metrics(&queries.into_iter().collect::<Vec<_>>()), assumed)
}

/// Billed bytes per run: a query for each table and file, each of which reads a day of folders on average. While one
/// scan size is unknown, the estimate is the scan limit.
fn scanned_bytes_per_run(
    indicators: &[&Indicator],
    source: &str,
    athena: &AthenaSource,
    assumptions: &CostAssumptions,
) -> (u64, bool) {
    let query_target = |indicator: &&Indicator| match indicator {
        Indicator::Requests { traffic, .. } if traffic.load_balancer.starts_with("classic/") => {
            athena.classic_table.as_ref().map(ToString::to_string)
        }
        Indicator::Requests { .. } => Some(athena.log_table.to_string()),
        Indicator::Query { file, .. } => Some(file.clone()),
        Indicator::Ratio { .. } | Indicator::Counts { .. } => None,
    };
    let query_targets: BTreeSet<String> = indicators.iter().filter_map(query_target).collect();
    let scanned = |target: String| assumptions.scanned_bytes.get(&(source.to_owned(), target)).copied();
    let billed: Option<u64> = query_targets.into_iter().map(|target| Some(Bytes(scanned(target)?).billed().0)).sum();
    billed.map_or((athena.scan_limit_bytes, true), |bytes| (bytes, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::DefinitionFile;
    use crate::time::Minute;

    const FLEET: &str = "sources: { lake: { athena: elb.alb, region: eu-west-1, scan_limit: 20GB } }\n\
                         classes: { standard: { slos: { availability: 99% }, windows: [7d] } }\n";

    /// What a day of Athena is billed for, and whether that is assumed.
    fn athena_usage(scanned: &[(&str, u64)]) -> (u64, bool) {
        let own = "service: own\nslos: { own: { indicator: query, file: own.sql, objective: 99% } }\n";
        let files = [
            ("fleet.yaml", FLEET),
            ("a/shop.yaml", "service: shop\nload_balancer: app/shop\n"),
            ("a/mart.yaml", "service: mart\nload_balancer: app/mart\n"),
            ("a/own.yaml", own),
        ];
        let file = |(path, text): (&str, &str)| DefinitionFile { path: path.to_owned(), text: text.to_owned() };
        let (catalog, problems) = crate::slo::read(&files.map(file), Minute(0));
        assert!(problems.is_empty(), "{problems:?}");
        let scanned = scanned.iter().map(|(part, bytes)| (("lake".to_owned(), (*part).to_owned()), *bytes)).collect();
        let forecast = estimate(
            &catalog,
            &CostAssumptions { every_minutes: 5, scanned_bytes: scanned, ..CostAssumptions::default() },
        );
        (forecast.sources[0].usage.athena_bytes, forecast.sources[0].is_assumed)
    }

    #[test]
    fn athena_estimate_is_the_scan_limit_until_the_size_of_every_query_is_known() {
        let hours = 24;
        assert_eq!(athena_usage(&[]), (20_000_000_000 * hours, true));
        assert_eq!(athena_usage(&[("elb.alb", 160_000)]), (20_000_000_000 * hours, true));
        assert_eq!(
            athena_usage(&[("elb.alb", 160_000), ("own.sql", 11_000_001)]),
            ((10_000_000 + 12_000_000) * hours, false)
        );
    }

    #[test]
    fn classic_load_balancers_of_one_name_in_two_accounts_are_counted_apart() {
        let fleet = "sources: { east: { access_logs: s3://east }, west: { access_logs: s3://west } }\n\
                     classes: { standard: { slos: { availability: 99% }, windows: [7d] } }\n";
        let files = [
            ("fleet.yaml", fleet),
            ("a/shop.yaml", "service: shop\nsource: east\nload_balancer: classic/front\n"),
            ("a/mart.yaml", "service: mart\nsource: west\nload_balancer: classic/front\n"),
        ];
        let file = |(path, text): (&str, &str)| DefinitionFile { path: path.to_owned(), text: text.to_owned() };
        let (catalog, problems) = crate::slo::read(&files.map(file), Minute(0));
        assert!(problems.is_empty(), "{problems:?}");
        let written = |account: &str, source: &str, count| {
            let area = format!("{account}_elasticloadbalancing_eu-west-1");
            let sources = BTreeSet::from([source.to_owned()]);
            ((area, "classic/front".to_owned()), ObjectsWritten { count, sources })
        };
        let objects = BTreeMap::from([written("111111111111", "east", 100), written("222222222222", "west", 7)]);
        let forecast = estimate(
            &catalog,
            &CostAssumptions { every_minutes: 5, objects_per_day: objects, ..CostAssumptions::default() },
        );
        let reads: Vec<(u64, bool)> =
            forecast.sources.iter().map(|line| (line.usage.s3_reads, line.is_assumed)).collect();
        assert_eq!(reads, [(100, false), (7, false)]);
        let of_services: Vec<u64> = forecast.services.iter().map(|line| line.usage.s3_reads).collect();
        assert_eq!(of_services, [100, 7]);
    }

    #[test]
    fn first_run_estimate_includes_the_history_once() {
        let fleet = "sources: { logs: { access_logs: s3://logs }, metrics: { cloudwatch: eu-west-1 } }\n\
                     default_source: logs\n\
                     classes: { standard: { slos: { availability: 99% }, windows: [30d] } }\n";
        let files = [
            ("fleet.yaml", fleet),
            ("a/shop.yaml", "service: shop\nload_balancer: app/shop\n"),
            ("a/mart.yaml", "service: mart\nsource: metrics\nload_balancer: app/mart/00000000000000aa\n"),
        ];
        let file = |(path, text): (&str, &str)| DefinitionFile { path: path.to_owned(), text: text.to_owned() };
        let (catalog, problems) = crate::slo::read(&files.map(file), Minute(0));
        assert!(problems.is_empty(), "{problems:?}");
        let first_run = |is_first_run| {
            estimate(&catalog, &CostAssumptions { every_minutes: 5, is_first_run, ..CostAssumptions::default() })
                .first_run
        };
        let (objects, metrics) = (2 * 288 * 31, 6 * 2);
        assert_eq!(first_run(true), Usage { s3_reads: objects, s3_writes: 31 + 7, metrics, athena_bytes: 0 });
        assert_eq!(first_run(false), Usage::default());
    }
}

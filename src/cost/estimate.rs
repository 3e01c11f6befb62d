//! What a fleet will ask of AWS in a day, before it is asked: by source, class and service.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{NanoDollars, Usage, athena_billed_bytes};
use crate::discovery::Discovery;
use crate::fetch_plan::{billed_metrics, metric_counts};
use crate::format::pluralize;
use crate::ledger::ObjectsWritten;
use crate::slo::{
    AthenaSource, AwsScope, Catalog, Indicator, MetricStatistic, RatioMetrics, Service, Source, SourceKind,
    matches_load_balancer,
};
use crate::time::{MINUTES_PER_DAY, Window};

/// Nodes of a load balancer of which nothing is known yet: it has one in each of at least two zones, and each writes an
/// object every five minutes
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
const ASSUMED_NODES: u64 = 2;
const INTERVALS_PER_DAY: u64 = 288;
/// Objects on a page of a listing.
const OBJECTS_PER_PAGE: u64 = 1_000;
/// Folders above those of days, of one account and region: the prefix, `AWSLogs`, account, `elasticloadbalancing`,
/// region, year, month.
const PARENT_FOLDERS: u64 = 7;
/// How often in a day they are listed at most.
const PARENT_LISTINGS_PER_DAY_MAX: u64 = 24;
/// What a run reads and writes of a ledger in S3, measured with 1,683 SLOs: manifest, sums, parts of days and the alert
/// book; then the newest part, the month's sums, the manifest once for each of them, and the book once.
const LEDGER_READS_PER_RUN: u64 = 61;
const LEDGER_WRITES_PER_RUN: u64 = 9;
/// How slowburn is run, and what is known of the past.
#[derive(Clone, Debug, Default)]
pub struct CostAssumptions {
    /// Minutes between two runs.
    pub every_minutes: u32,
    /// Whether the ledger lies in S3.
    pub ledger_in_s3: bool,
    /// Log objects of the last whole day, by account and region and by load balancer.
    pub objects_per_day: BTreeMap<(String, String), ObjectsWritten>,
    /// Bytes that a query of Athena scans for a day, by source and by table or by file of a query.
    pub scanned_bytes: BTreeMap<(String, String), u64>,
    /// What names and tags stand for, as far as anybody looked.
    pub discovery: Discovery,
    /// Whether nothing was ever kept, so that the first run is still to come.
    pub is_first_run: bool,
}

/// What something will ask in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostLine {
    /// The source, class or service.
    pub name: String,
    /// What it is, such as `cloudwatch`; the number of services of a class; the class of a service.
    pub about: String,
    /// What is asked.
    pub usage: Usage,
    /// Whether a part of it is assumed, because nothing was measured yet.
    pub is_assumed: bool,
}

/// A day of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostEstimate {
    /// By source, the ledger last.
    pub sources: Vec<CostLine>,
    /// By class: what it would ask by itself, so that what is shared counts for each.
    pub classes: Vec<CostLine>,
    /// By service, dearest first; likewise.
    pub services: Vec<CostLine>,
    /// What the first run asks for beside that: the past of the longest windows. Nothing, if there was a run.
    pub first_run: Usage,
}

impl CostEstimate {
    /// The list price of a day.
    #[must_use]
    pub fn price(&self) -> NanoDollars {
        NanoDollars(self.sources.iter().map(|line| line.usage.price().0).sum())
    }
}

/// What a fleet will ask in a day.
#[must_use]
pub fn estimate(catalog: &Catalog, assumptions: &CostAssumptions) -> CostEstimate {
    let usage_of =
        |services: &[&Service], name: &str, source: &Source| daily_usage(services, name, source, assumptions);
    let all_services: Vec<&Service> = catalog.services.iter().collect();
    let runs_per_day = runs_per_day(assumptions.every_minutes, 0);
    let mut sources: Vec<CostLine> = catalog
        .sources
        .iter()
        .map(|(name, source)| {
            let (usage, is_assumed) = usage_of(&all_services, name, source);
            CostLine { name: name.clone(), about: source.kind.yaml_key().to_owned(), usage, is_assumed }
        })
        .collect();
    if assumptions.ledger_in_s3 {
        let usage = Usage {
            s3_reads: runs_per_day * LEDGER_READS_PER_RUN,
            s3_writes: runs_per_day * LEDGER_WRITES_PER_RUN,
            ..Usage::default()
        };
        sources.push(CostLine { name: "ledger".to_owned(), about: "s3".to_owned(), usage, is_assumed: false });
    }
    let own_usage = |services: &[&Service]| {
        let all = catalog.sources.iter().map(|(name, source)| usage_of(services, name, source));
        all.fold((Usage::default(), false), |(mut sum, assumed), (usage, also_assumed)| {
            // Listings are of the whole folder, whoever asks.
            sum.add(&Usage { s3_writes: 0, ..usage });
            (sum, assumed || also_assumed)
        })
    };
    let mut by_class: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in &catalog.services {
        by_class.entry(&service.class).or_default().push(service);
    }
    let classes = by_class.into_iter().map(|(class, services)| {
        let (usage, is_assumed) = own_usage(&services);
        CostLine { name: class.to_owned(), about: pluralize(services.len(), "service"), usage, is_assumed }
    });
    let mut services: Vec<CostLine> = catalog
        .services
        .iter()
        .map(|service| {
            let (usage, is_assumed) = own_usage(&[service]);
            CostLine { name: service.name.clone(), about: service.class.clone(), usage, is_assumed }
        })
        .collect();
    services.sort_by(|one, other| other.usage.price().cmp(&one.usage.price()).then(one.name.cmp(&other.name)));
    let mut first_run = Usage::default();
    for (name, source) in catalog.sources.iter().filter(|_| assumptions.is_first_run) {
        first_run.add(&first_run_usage(&all_services, name, source, assumptions));
    }
    CostEstimate { sources, classes: classes.collect(), services, first_run }
}

/// What the past of the longest window of a source is asked as, once.
fn first_run_usage(services: &[&Service], name: &str, source: &Source, assumptions: &CostAssumptions) -> Usage {
    let slos = services.iter().flat_map(|service| &service.slos).filter(|slo| slo.indicator.source() == name);
    let (mut indicators, mut longest_minutes) = (Vec::new(), 0);
    for slo in slos {
        longest_minutes = slo.windows.iter().map(Window::max_minutes).max().unwrap_or(0).max(longest_minutes);
        indicators.push(&slo.indicator);
    }
    if indicators.is_empty() {
        return Usage::default();
    }
    // A day further back lies what is delivered late.
    let days = u64::from(longest_minutes.div_ceil(MINUTES_PER_DAY.unsigned_abs())) + 1;
    match &source.kind {
        SourceKind::AccessLogs { location, bucket_access: access, .. } if location.starts_with("s3://") => {
            let objects_per_day = access_log_usage(&indicators, (name, &access.aws), assumptions).0.s3_reads;
            Usage {
                s3_reads: objects_per_day * days,
                s3_writes: objects_per_day.div_ceil(OBJECTS_PER_PAGE) * days + PARENT_FOLDERS,
                ..Usage::default()
            }
        }
        SourceKind::CloudWatch { aws: reach, .. } => {
            // Each of the resolutions in which CloudWatch keeps its past is a request of its own.
            let periods = 1 + u64::from(days > 15) + u64::from(days > 63);
            Usage { metrics: metrics_per_run(&indicators, reach, assumptions).0 * periods, ..Usage::default() }
        }
        SourceKind::Athena { athena, .. } => {
            // As long as nobody knows what a day of it scans, that is all that a run may scan.
            Usage {
                athena_bytes: scanned_bytes_per_run(&indicators, (name, athena), assumptions).0,
                ..Usage::default()
            }
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Usage::default(),
    }
}

/// How often in a day something is asked that is asked no more often than every so many minutes.
fn runs_per_day(every_minutes: u32, source_every_minutes: u32) -> u64 {
    let every = every_minutes.max(source_every_minutes).max(1);
    u64::from(MINUTES_PER_DAY.unsigned_abs().div_ceil(every))
}

/// What some services ask of a source in a day, and whether it is assumed.
fn daily_usage(services: &[&Service], name: &str, source: &Source, assumptions: &CostAssumptions) -> (Usage, bool) {
    let slos = services.iter().flat_map(|service| &service.slos).map(|slo| &slo.indicator);
    let indicators: Vec<&Indicator> = slos.filter(|indicator| indicator.source() == name).collect();
    if indicators.is_empty() {
        return (Usage::default(), false);
    }
    match &source.kind {
        SourceKind::AccessLogs { location, bucket_access: access, .. } if location.starts_with("s3://") => {
            access_log_usage(&indicators, (name, &access.aws), assumptions)
        }
        SourceKind::CloudWatch { aws: reach, .. } => {
            let (metrics, assumed) = metrics_per_run(&indicators, reach, assumptions);
            let metrics = metrics * runs_per_day(assumptions.every_minutes, source.fetch_interval_minutes);
            (Usage { metrics, ..Usage::default() }, assumed)
        }
        SourceKind::Athena { athena, .. } => {
            let runs_per_day = runs_per_day(assumptions.every_minutes, source.fetch_interval_minutes);
            let (bytes, assumed) = scanned_bytes_per_run(&indicators, (name, athena), assumptions);
            (Usage { athena_bytes: bytes.saturating_mul(runs_per_day), ..Usage::default() }, assumed)
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => (Usage::default(), false),
    }
}

/// Each object is read once. The folder of today is listed by every run, and is half full on average; that of yesterday
/// by every run of the first hour, and those of the last week once a day. The folders above them hold less than a page
/// each, and are listed once an hour.
fn access_log_usage(
    indicators: &[&Indicator],
    (source, scope): (&str, &AwsScope),
    assumptions: &CostAssumptions,
) -> (Usage, bool) {
    let traffics = indicators.iter().filter_map(|indicator| match indicator {
        Indicator::Requests { traffic, .. } => Some(traffic),
        _ => None,
    });
    // What nobody knows yet is taken for one balancer.
    let resolved =
        traffics.map(|traffic| assumptions.discovery.resolve_names(scope, traffic).unwrap_or(Cow::Borrowed(traffic)));
    let balancers: BTreeSet<String> =
        resolved.flat_map(|traffic| traffic.load_balancer.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    // A load balancer of the same name in an account or region that the source does not read is another one.
    let known_objects =
        || assumptions.objects_per_day.iter().map(|((area, balancer), objects)| (area, balancer, objects));
    let areas: BTreeSet<&String> =
        known_objects().filter(|(.., objects)| objects.sources.contains(source)).map(|(area, ..)| area).collect();
    let known = balancers.iter().map(|name| {
        let matching =
            known_objects().filter(|(area, balancer, _)| areas.contains(area) && matches_load_balancer(name, balancer));
        matching.map(|(.., objects)| objects.count).reduce(|sum, count| sum + count)
    });
    let known: Vec<Option<u64>> = known.collect();
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

/// Metrics as they are billed each time they are asked for, and whether they are those of names that nobody has looked
/// up yet: each is taken for one balancer or target group.
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

/// What one run scans, as it is billed: a query for each table and each file, each of which reads a day of folders on
/// average. As long as nobody knows what one of them scans it is all that a run may scan.
fn scanned_bytes_per_run(
    indicators: &[&Indicator],
    (source, athena): (&str, &AthenaSource),
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
    let known = query_targets
        .into_iter()
        .map(|query_target| assumptions.scanned_bytes.get(&(source.to_owned(), query_target)).copied());
    let known: Option<u64> = known.map(|bytes| bytes.map(athena_billed_bytes)).sum();
    known.map_or((athena.scan_limit_bytes, true), |bytes| (bytes, false))
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

//! What a fleet will ask of AWS in a day, before it is asked: by source, class and service.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Dollars, Usage, athena_billed};
use crate::demand::{billed, metric_counts};
use crate::discovery::Discovery;
use crate::ledger::ObjectsWritten;
use crate::minute::{MINUTES_PER_DAY, Window};
use crate::slo::{
    Catalog, Indicator, Lake, MetricCount, MetricCounts, Reach, Service, Source, SourceKind, names_balancer,
};

/// Nodes of a load balancer of which nothing is known yet: it has one in each of at least two zones, and each writes an
/// object every five minutes
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
const NODES: u64 = 2;
const INTERVALS: u64 = 288;
/// Objects on a page of a listing.
const PAGE: u64 = 1_000;
/// Folders above those of days, of one account and region: the prefix, `AWSLogs`, account, `elasticloadbalancing`,
/// region, year, month.
const FOLDERS_ABOVE: u64 = 7;
/// How often in a day they are listed at most.
const WALKS: u64 = 24;
/// What a run reads and writes of a ledger in S3, measured with 1,683 SLOs: manifest, sums, parts of days and the alert
/// book; then the newest part, the month's sums, the manifest once for each of them, and the book once.
const LEDGER_READS: u64 = 61;
const LEDGER_WRITES: u64 = 9;
/// How slowburn is run, and what is known of the past.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Minutes between two runs.
    pub every_minutes: u32,
    /// Whether the ledger lies in S3.
    pub ledger_in_s3: bool,
    /// Log objects of the last whole day, by account and region and by load balancer.
    pub objects: BTreeMap<(String, String), ObjectsWritten>,
    /// Bytes that a query of Athena scans for a day, by source and by table or by file of a query.
    pub scanned: BTreeMap<(String, String), u64>,
    /// What names and tags stand for, as far as anybody looked.
    pub discovery: Discovery,
    /// Whether nothing was ever kept, so that the first run is still to come.
    pub is_new: bool,
}

/// What something will ask in a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The source, class or service.
    pub name: String,
    /// What it is, such as `cloudwatch`; the number of services of a class; the class of a service.
    pub about: String,
    /// What is asked.
    pub usage: Usage,
    /// Whether a part of it is assumed, because nothing was measured yet.
    pub assumed: bool,
}

/// A day of a fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// By source, the ledger last.
    pub sources: Vec<Line>,
    /// By class: what it would ask by itself, so that what is shared counts for each.
    pub classes: Vec<Line>,
    /// By service, dearest first; likewise.
    pub services: Vec<Line>,
    /// What the first run asks for beside that: the past of the longest windows. Nothing, if there was a run.
    pub past: Usage,
}

impl Forecast {
    /// The list price of a day.
    #[must_use]
    pub fn price(&self) -> Dollars {
        Dollars(self.sources.iter().map(|line| line.usage.price().0).sum())
    }
}

/// What a fleet will ask in a day.
#[must_use]
pub fn forecast(catalog: &Catalog, habits: &Habits) -> Forecast {
    let asked_of = |services: &[&Service], name: &str, source: &Source| asked(services, name, source, habits);
    let every: Vec<&Service> = catalog.services.iter().collect();
    let runs = runs(habits.every_minutes, 0);
    let mut sources: Vec<Line> = catalog
        .sources
        .iter()
        .map(|(name, source)| {
            let (usage, assumed) = asked_of(&every, name, source);
            Line { name: name.clone(), about: source.kind.word().to_owned(), usage, assumed }
        })
        .collect();
    if habits.ledger_in_s3 {
        let usage = Usage { s3_reads: runs * LEDGER_READS, s3_writes: runs * LEDGER_WRITES, ..Usage::default() };
        sources.push(Line { name: "ledger".to_owned(), about: "s3".to_owned(), usage, assumed: false });
    }
    let of = |services: &[&Service]| {
        let all = catalog.sources.iter().map(|(name, source)| asked_of(services, name, source));
        all.fold((Usage::default(), false), |(mut sum, assumed), (usage, also)| {
            // Listings are of the whole folder, whoever asks.
            sum.add(&Usage { s3_writes: 0, ..usage });
            (sum, assumed || also)
        })
    };
    let mut by_class: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in &catalog.services {
        by_class.entry(&service.class).or_default().push(service);
    }
    let classes = by_class.into_iter().map(|(class, services)| {
        let (usage, assumed) = of(&services);
        Line { name: class.to_owned(), about: crate::report::counted(services.len(), "service"), usage, assumed }
    });
    let mut services: Vec<Line> = catalog
        .services
        .iter()
        .map(|service| {
            let (usage, assumed) = of(&[service]);
            Line { name: service.name.clone(), about: service.class.clone(), usage, assumed }
        })
        .collect();
    services.sort_by(|one, other| other.usage.price().cmp(&one.usage.price()).then(one.name.cmp(&other.name)));
    let mut past = Usage::default();
    for (name, source) in catalog.sources.iter().filter(|_| habits.is_new) {
        past.add(&past_of(&every, name, source, habits));
    }
    Forecast { sources, classes: classes.collect(), services, past }
}

/// What the past of the longest window of a source is asked as, once.
fn past_of(services: &[&Service], name: &str, source: &Source, habits: &Habits) -> Usage {
    let slos = services.iter().flat_map(|service| &service.slos).filter(|slo| slo.indicator.source() == name);
    let (mut indicators, mut minutes) = (Vec::new(), 0);
    for slo in slos {
        minutes = slo.windows.iter().map(Window::longest_minutes).max().unwrap_or(0).max(minutes);
        indicators.push(&slo.indicator);
    }
    if indicators.is_empty() {
        return Usage::default();
    }
    // A day further back lies what is delivered late.
    let days = u64::from(minutes.div_ceil(MINUTES_PER_DAY.unsigned_abs())) + 1;
    match &source.kind {
        SourceKind::AccessLogs { location, access, .. } if location.starts_with("s3://") => {
            let of_a_day = objects(&indicators, (name, &access.reach), habits).0.s3_reads;
            Usage {
                s3_reads: of_a_day * days,
                s3_writes: of_a_day.div_ceil(PAGE) * days + FOLDERS_ABOVE,
                ..Usage::default()
            }
        }
        SourceKind::CloudWatch { reach, .. } => {
            // Each of the resolutions in which CloudWatch keeps its past is a request of its own.
            let periods = 1 + u64::from(days > 15) + u64::from(days > 63);
            Usage { metrics: metrics(&indicators, reach, habits).0 * periods, ..Usage::default() }
        }
        SourceKind::Athena { lake, .. } => {
            // As long as nobody knows what a day of it scans, that is all that a run may scan.
            Usage { athena_bytes: scanned(&indicators, (name, lake), habits).0, ..Usage::default() }
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Usage::default(),
    }
}

/// How often in a day something is asked that is asked no more often than every so many minutes.
fn runs(every_minutes: u32, at_most_every: u32) -> u64 {
    let every = every_minutes.max(at_most_every).max(1);
    u64::from(MINUTES_PER_DAY.unsigned_abs().div_ceil(every))
}

/// What some services ask of a source in a day, and whether it is assumed.
fn asked(services: &[&Service], name: &str, source: &Source, habits: &Habits) -> (Usage, bool) {
    let slos = services.iter().flat_map(|service| &service.slos).map(|slo| &slo.indicator);
    let indicators: Vec<&Indicator> = slos.filter(|indicator| indicator.source() == name).collect();
    if indicators.is_empty() {
        return (Usage::default(), false);
    }
    match &source.kind {
        SourceKind::AccessLogs { location, access, .. } if location.starts_with("s3://") => {
            objects(&indicators, (name, &access.reach), habits)
        }
        SourceKind::CloudWatch { reach, .. } => {
            let (metrics, assumed) = metrics(&indicators, reach, habits);
            let metrics = metrics * runs(habits.every_minutes, source.every_minutes);
            (Usage { metrics, ..Usage::default() }, assumed)
        }
        SourceKind::Athena { lake, .. } => {
            let runs = runs(habits.every_minutes, source.every_minutes);
            let (bytes, assumed) = scanned(&indicators, (name, lake), habits);
            (Usage { athena_bytes: bytes.saturating_mul(runs), ..Usage::default() }, assumed)
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => (Usage::default(), false),
    }
}

/// Each object is read once. The folder of today is listed by every run, and is half full on average; that of yesterday
/// by every run of the first hour, and those of the last week once a day. The folders above them hold less than a page
/// each, and are listed once an hour.
fn objects(indicators: &[&Indicator], (source, reach): (&str, &Reach), habits: &Habits) -> (Usage, bool) {
    let traffics = indicators.iter().filter_map(|indicator| match indicator {
        Indicator::Requests { traffic, .. } => Some(traffic),
        _ => None,
    });
    // What nobody knows yet is taken for one balancer.
    let named = traffics.map(|traffic| habits.discovery.by_name(reach, traffic).unwrap_or(Cow::Borrowed(traffic)));
    let balancers: BTreeSet<String> =
        named.flat_map(|traffic| traffic.load_balancer.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    // A load balancer of the same name in an account or region that the source does not read is another one.
    let all = || habits.objects.iter().map(|((area, balancer), objects)| (area, balancer, objects));
    let areas: BTreeSet<&String> =
        all().filter(|(.., objects)| objects.sources.contains(source)).map(|(area, ..)| area).collect();
    let known = balancers.iter().map(|name| {
        let of = all().filter(|(area, balancer, _)| areas.contains(area) && names_balancer(name, balancer));
        of.map(|(.., objects)| objects.count).reduce(|sum, count| sum + count)
    });
    let known: Vec<Option<u64>> = known.collect();
    let assumed = known.iter().any(Option::is_none);
    let objects = known.iter().map(|known| known.unwrap_or(NODES * INTERVALS)).sum::<u64>();
    let (runs, of_a_day) = (runs(habits.every_minutes, 0), objects.div_ceil(PAGE));
    let of_days = (objects / 2).div_ceil(PAGE) * runs + of_a_day * runs.div_ceil(24) + 7 * of_a_day;
    let pages = of_days + FOLDERS_ABOVE * runs.min(WALKS);
    (Usage { s3_reads: objects, s3_writes: pages, ..Usage::default() }, assumed)
}

/// Metrics as they are billed each time they are asked for, and whether they are those of names that nobody has looked
/// up yet: each is taken for one balancer or target group.
fn metrics(indicators: &[&Indicator], reach: &Reach, habits: &Habits) -> (u64, bool) {
    let (mut counts, mut assumed) = (Vec::new(), false);
    for indicator in indicators {
        let with_ids = match indicator {
            Indicator::Requests { traffic, .. } => {
                let found = habits.discovery.located_now(reach, traffic);
                assumed |= found.is_empty();
                if found.is_empty() { vec![traffic.clone()] } else { found }
            }
            _ => Vec::new(),
        };
        counts.extend(metric_counts(indicator, &with_ids));
    }
    let asked: BTreeSet<&MetricCount> = counts.iter().flat_map(MetricCounts::all).collect();
    (billed(&asked.into_iter().collect::<Vec<_>>()), assumed)
}

/// What one run scans, as it is billed: a query for each table and each file, each of which reads a day of folders on
/// average. As long as nobody knows what one of them scans it is all that a run may scan.
fn scanned(indicators: &[&Indicator], (source, lake): (&str, &Lake), habits: &Habits) -> (u64, bool) {
    let part = |indicator: &&Indicator| match indicator {
        Indicator::Requests { traffic, .. } if traffic.load_balancer.starts_with("classic/") => {
            lake.classic_table.as_ref().map(ToString::to_string)
        }
        Indicator::Requests { .. } => Some(lake.table.to_string()),
        Indicator::Query { file, .. } => Some(file.clone()),
        Indicator::Ratio { .. } | Indicator::Counts { .. } => None,
    };
    let parts: BTreeSet<String> = indicators.iter().filter_map(part).collect();
    let known = parts.into_iter().map(|part| habits.scanned.get(&(source.to_owned(), part)).copied());
    let known: Option<u64> = known.map(|bytes| bytes.map(athena_billed)).sum();
    known.map_or((lake.scan_limit_bytes, true), |bytes| (bytes, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minute::Minute;
    use crate::slo::DefinitionFile;

    const FLEET: &str = "sources: { lake: { athena: elb.alb, region: eu-west-1, scan_limit: 20GB } }\n\
                         classes: { standard: { slos: { availability: 99% }, windows: [7d] } }\n";

    /// What a day of Athena is billed for, and whether that is assumed.
    fn lake(scanned: &[(&str, u64)]) -> (u64, bool) {
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
        let forecast = forecast(&catalog, &Habits { every_minutes: 5, scanned, ..Habits::default() });
        (forecast.sources[0].usage.athena_bytes, forecast.sources[0].assumed)
    }

    #[test]
    fn what_athena_scans_is_bounded_by_what_it_may_until_all_of_it_is_known_and_ten_megabytes_a_query_at_least() {
        let hours = 24;
        assert_eq!(lake(&[]), (20_000_000_000 * hours, true));
        assert_eq!(lake(&[("elb.alb", 160_000)]), (20_000_000_000 * hours, true));
        assert_eq!(lake(&[("elb.alb", 160_000), ("own.sql", 11_000_001)]), ((10_000_000 + 12_000_000) * hours, false));
    }

    #[test]
    fn a_classic_load_balancer_of_the_same_name_in_another_account_is_another_one() {
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
        let forecast = forecast(&catalog, &Habits { every_minutes: 5, objects, ..Habits::default() });
        let reads: Vec<(u64, bool)> = forecast.sources.iter().map(|line| (line.usage.s3_reads, line.assumed)).collect();
        assert_eq!(reads, [(100, false), (7, false)]);
        let of_services: Vec<u64> = forecast.services.iter().map(|line| line.usage.s3_reads).collect();
        assert_eq!(of_services, [100, 7]);
    }

    #[test]
    fn the_first_run_asks_for_the_past_once() {
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
        let past = |is_new| forecast(&catalog, &Habits { every_minutes: 5, is_new, ..Habits::default() }).past;
        let (objects, metrics) = (2 * 288 * 31, 6 * 2);
        assert_eq!(past(true), Usage { s3_reads: objects, s3_writes: 31 + 7, metrics, athena_bytes: 0 });
        assert_eq!(past(false), Usage::default());
    }
}

use std::collections::BTreeMap;

use super::*;
use crate::slo::{self, AwsScope, Catalog, DefinitionFile, Source, SourceKind, Traffic};
use crate::time::{Minute, Span};

const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:";

/// Definitions of services that are measured with CloudWatch and, if they say so, with logs.
fn catalog(services: &[(&str, &str)]) -> Catalog {
    let fleet = "\
sources:
  metrics: { cloudwatch: eu-west-1 }
  logs: { access_logs: s3://logs, region: eu-west-1 }
default_source: metrics
classes:
  standard: { slos: { latency: { objective: 99%, under: 300ms } }, windows: [7d] }
";
    let file = |path: String, text: String| DefinitionFile { path, text };
    let services =
        services.iter().map(|(name, text)| file(format!("shop/{name}.yaml"), format!("service: {name}\n{text}")));
    let files: Vec<DefinitionFile> =
        [file("fleet.yaml".to_owned(), fleet.to_owned())].into_iter().chain(services).collect();
    let (catalog, problems) = slo::read(&files, Minute(0));
    assert!(problems.is_empty(), "{problems:?}");
    catalog
}

fn reach(catalog: &Catalog, source: &str) -> AwsScope {
    let Source { kind, .. } = &catalog.sources[source];
    match kind {
        SourceKind::CloudWatch { aws: reach, .. } => reach.clone(),
        SourceKind::AccessLogs { bucket_access: access, .. } => access.aws.clone(),
        _ => unreachable!("{source}"),
    }
}

fn traffic(catalog: &Catalog, service: &str) -> Traffic {
    let service = catalog.services.iter().find(|found| found.name == service).unwrap();
    match &service.slos[0].indicator {
        crate::slo::Indicator::Requests { traffic, .. } => traffic.clone(),
        _ => unreachable!("requests"),
    }
}

/// What AWS lists: balancers as `mart/0a service=mart`, groups as `blue/0c service=mart behind mart/0a`.
fn inventory(balancers: &[&str], groups: &[&str]) -> Inventory {
    let mut tags = BTreeMap::new();
    let mut arn = |kind: &str, text: &str| {
        let mut words = text.split(' ');
        let arn = format!("{ARN}{kind}/{}", words.next().unwrap());
        let of: BTreeMap<String, String> = words
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        tags.insert(arn.clone(), of);
        arn
    };
    let balancers = balancers.iter().map(|text| arn("loadbalancer/app", text)).collect();
    let groups = groups.iter().map(|text| {
        let (name, behind) = text.split_once(" behind ").unwrap_or((text, ""));
        let behind = behind.split(' ').filter(|name| !name.is_empty());
        (arn("targetgroup", name), behind.map(|name| format!("{ARN}loadbalancer/app/{name}")).collect())
    });
    let groups = groups.collect();
    // A network balancer, and one that is gone but still tagged.
    tags.insert(format!("{ARN}loadbalancer/net/mart/0e"), BTreeMap::from([("service".to_owned(), "mart".to_owned())]));
    tags.insert(format!("{ARN}loadbalancer/app/ghost/0f"), BTreeMap::from([("service".to_owned(), "mart".to_owned())]));
    Inventory { load_balancers: Some(balancers), target_groups: Some(groups), tags: Some(tags) }
}

/// Looks at a minute, if that is due; gives the selectors that have grown.
fn discover_at(
    catalog: &Catalog,
    discovery: &mut Discovery,
    at: i32,
    inventory: &Inventory,
) -> Option<Vec<(String, i32)>> {
    let request = due_requests(catalog, discovery, Minute(at)).into_iter().next()?;
    let extended = discovery.update(&request, inventory, Minute(at));
    Some(extended.into_iter().map(|(selector, from)| (selector.text().to_owned(), from.0)).collect())
}

/// What is asked of CloudWatch in a span: `app/mart/0a blue/0c` and the minutes that are told.
fn resolved(
    catalog: &Catalog,
    discovery: &Discovery,
    service: &str,
    span: (i32, i32),
) -> (Vec<String>, Vec<(i32, i32)>) {
    let span = Span::new(Minute(span.0), Minute(span.1));
    let located = discovery.resolve_ids(&reach(catalog, "metrics"), &traffic(catalog, service), span);
    let ids = |traffic: &Traffic| {
        [std::slice::from_ref(&traffic.load_balancer), traffic.target_groups.as_slice()].concat().join(" ")
    };
    (
        located.with_ids.iter().map(ids).collect(),
        located.lifetimes.iter().map(|span| (span.start.0, span.end.0)).collect(),
    )
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn each_id_of_a_recreated_load_balancer_counts_for_its_own_lifetime() {
    let catalog = catalog(&[("mart", "load_balancer: app/mart\n")]);
    let mut discovery = Discovery::default();
    assert_eq!(discover_at(&catalog, &mut discovery, 1_000, &inventory(&["mart/0a", "mart-2/0b"], &[])), Some(vec![]));
    assert_eq!(resolved(&catalog, &discovery, "mart", (0, 999)), (texts(&["app/mart/0a"]), vec![(0, 999)]));
    assert_eq!(discover_at(&catalog, &mut discovery, 1_014, &inventory(&[], &[])), None, "it has just been looked up");
    // What was counted since the last look lacks the new one.
    assert_eq!(
        discover_at(&catalog, &mut discovery, 1_015, &inventory(&["mart/0c"], &[])),
        Some(vec![("app/mart".to_owned(), 995)])
    );
    assert_eq!(resolved(&catalog, &discovery, "mart", (900, 995)), (texts(&["app/mart/0a"]), vec![(900, 995)]));
    assert_eq!(
        resolved(&catalog, &discovery, "mart", (900, 1_100)),
        (texts(&["app/mart/0a", "app/mart/0c"]), vec![(900, 1_100)])
    );
    assert_eq!(resolved(&catalog, &discovery, "mart", (1_020, 1_100)), (texts(&["app/mart/0c"]), vec![(1_020, 1_100)]));
}

#[test]
fn missing_load_balancer_is_not_requested_and_its_minutes_are_unknown() {
    let catalog = catalog(&[("mart", "load_balancer: app/mart\n")]);
    let mut discovery = Discovery::default();
    discover_at(&catalog, &mut discovery, 1_000, &inventory(&["mart/0a"], &[]));
    discover_at(&catalog, &mut discovery, 1_020, &inventory(&[], &[]));
    let unresolved_now: Vec<Unresolved> = unresolved(&catalog, &discovery).into_iter().collect();
    assert_eq!(unresolved_now[0].missing_since, Some(Minute(1_020)));
    assert_eq!(resolved(&catalog, &discovery, "mart", (1_000, 1_100)), (texts(&["app/mart/0a"]), vec![(1_000, 1_025)]));
    assert_eq!(resolved(&catalog, &discovery, "mart", (1_025, 1_100)), (vec![], vec![]));
    // It is looked for by each run, and what lies between stays unknown.
    discover_at(&catalog, &mut discovery, 2_000, &inventory(&[], &[]));
    assert_eq!(
        discover_at(&catalog, &mut discovery, 2_001, &inventory(&["mart/0b"], &[])),
        Some(vec![("app/mart".to_owned(), 1_995)])
    );
    assert_eq!(
        resolved(&catalog, &discovery, "mart", (1_000, 2_100)),
        (texts(&["app/mart/0a", "app/mart/0b"]), vec![(1_000, 1_025), (1_995, 2_100)])
    );
    assert!(unresolved(&catalog, &discovery).is_empty());
    // The same id again, as when a tag comes back.
    discover_at(&catalog, &mut discovery, 2_020, &inventory(&[], &[]));
    assert_eq!(
        discover_at(&catalog, &mut discovery, 2_040, &inventory(&["mart/0b"], &[])),
        Some(vec![("app/mart".to_owned(), 2_015)])
    );
}

#[test]
fn target_group_counts_only_behind_its_own_load_balancer() {
    let text = "load_balancer: app/mart\ntarget_group: [{ tags: { service: mart } }, green]\n";
    let catalog = catalog(&[("mart", text)]);
    let mut discovery = Discovery::default();
    let groups = [
        "blue/0c service=mart behind mart/0a",
        "green/0d behind mart/0a cart/0b",
        "idle/0e service=mart",
        "red/0f behind mart/0a",
    ];
    discover_at(&catalog, &mut discovery, 1_000, &inventory(&["mart/0a", "cart/0b"], &groups));
    assert_eq!(
        resolved(&catalog, &discovery, "mart", (0, 10)),
        (texts(&["app/mart/0a blue/0c green/0d"]), vec![(0, 10)])
    );
    // The balancer is made anew, and the groups move.
    let groups = ["blue/0c service=mart behind mart/0f", "green/0d behind mart/0f"];
    discover_at(&catalog, &mut discovery, 1_015, &inventory(&["mart/0f"], &groups));
    assert_eq!(
        resolved(&catalog, &discovery, "mart", (1_000, 1_100)).0,
        texts(&["app/mart/0a blue/0c green/0d", "app/mart/0f blue/0c green/0d"])
    );
    assert_eq!(resolved(&catalog, &discovery, "mart", (1_020, 1_100)).0, texts(&["app/mart/0f blue/0c green/0d"]));
}

#[test]
fn access_logs_need_discovery_only_for_tags() {
    let text = "load_balancer: { tags: { service: mart } }\nsource: logs\n";
    let grouped = "load_balancer: app/mart\ntarget_group: { tags: { service: mart } }\nsource: logs\n";
    let catalog =
        catalog(&[("tagged", text), ("grouped", grouped), ("named", "load_balancer: app/mart\nsource: logs\n")]);
    let reach = reach(&catalog, "logs");
    let mut discovery = Discovery::default();
    let by_name = |discovery: &Discovery, service: &str| {
        let named = discovery.resolve_names(&reach, &traffic(&catalog, service))?.into_owned();
        Some((named.load_balancer, named.target_groups.join(" ")))
    };
    let pair = |balancer: &str, groups: &str| Some((balancer.to_owned(), groups.to_owned()));
    assert_eq!(by_name(&discovery, "named"), pair("app/mart", ""));
    assert_eq!((by_name(&discovery, "tagged"), by_name(&discovery, "grouped")), (None, None));
    let balancers = ["mart/0a service=mart", "mart/0b service=mart", "cart/0c service=mart", "other/0d"];
    discover_at(&catalog, &mut discovery, 1_000, &inventory(&balancers, &["blue/0e service=mart behind mart/0a"]));
    assert_eq!(by_name(&discovery, "tagged"), pair("app/cart app/mart", ""));
    assert_eq!(by_name(&discovery, "grouped"), pair("app/mart", "blue"));
    // An object is counted once, so target groups are looked up by each run.
    assert_eq!(due_requests(&catalog, &discovery, Minute(1_001)).len(), 1);
}

#[test]
fn failed_listing_changes_nothing() {
    let catalog =
        catalog(&[("mart", "load_balancer: app/mart\n"), ("cart", "load_balancer: { tags: { service: cart } }\n")]);
    let mut discovery = Discovery::default();
    let all = inventory(&["mart/0a", "cart/0b service=cart"], &[]);
    discover_at(&catalog, &mut discovery, 1_000, &all);
    let before = discovery.clone();
    assert_eq!(discover_at(&catalog, &mut discovery, 1_020, &Inventory::default()), Some(vec![]));
    assert_eq!(discovery, before);
    // Without tags, what is named goes on.
    discover_at(&catalog, &mut discovery, 1_020, &Inventory { tags: None, ..inventory(&["mart/0c"], &[]) });
    assert_eq!(resolved(&catalog, &discovery, "mart", (1_100, 1_101)).0, texts(&["app/mart/0c"]));
    assert_eq!(resolved(&catalog, &discovery, "cart", (1_100, 1_101)).0, texts(&["app/cart/0b"]));
    let series = affected_series(
        &catalog,
        &due_requests(&catalog, &discovery, Minute(1_040))[0],
        &BTreeMap::from([(Selector::LoadBalancer("app/mart".to_owned()), Minute(7))]),
    );
    assert_eq!(
        series.into_iter().map(|(series, from)| (series.to_string(), from.0)).collect::<Vec<_>>(),
        [("metrics app/mart latency<=300000us".to_owned(), 7)]
    );
}

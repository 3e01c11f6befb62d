//! Which selectors of the catalogue have to be looked up, which are due, and which were not found.

use std::collections::{BTreeMap, BTreeSet};

use super::resolution::{Discovery, without_external_id};
use super::resource::{DiscoveryRequest, Selector};
use crate::series::SeriesKey;
use crate::slo::{AwsScope, Catalog, Indicator, SourceKind};
use crate::time::Minute;

/// The time between look-ups. CloudWatch counts this young are fetched again anyway, so that the first minutes of a
/// recreated load balancer are fetched once.
const REFRESH_AFTER_MINUTES: i32 = 15;

/// A selector without any resource now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// The source whose account and region were looked at.
    pub source: String,
    pub selector: Selector,
    /// The first look-up without the last of its resources, if there ever was any.
    pub missing_since: Option<Minute>,
}

/// The selectors of an indicator that have to be looked up; never empty.
struct IndicatorSelectors<'a> {
    source: &'a str,
    kind: &'a SourceKind,
    indicator: &'a Indicator,
    scope: &'a AwsScope,
    selectors: BTreeSet<Selector>,
}

fn indicator_selectors(catalog: &Catalog) -> impl Iterator<Item = IndicatorSelectors<'_>> {
    catalog.slos().filter_map(|(_, slo)| {
        let Indicator::Requests { source, traffic, .. } = &slo.indicator else { return None };
        let kind = &catalog.sources.get(source)?.kind;
        let (scope, needs_ids) = match kind {
            SourceKind::CloudWatch { aws, .. } => (aws, true),
            SourceKind::AccessLogs { bucket_access, .. } => (&bucket_access.aws, false),
            SourceKind::Athena { aws, .. } => (aws, false),
            SourceKind::Counts { .. } => return None,
        };
        let groups = traffic.target_groups.iter().map(|text| Selector::TargetGroup(text.clone()));
        let mut selectors: BTreeSet<Selector> = groups.collect();
        selectors.insert(Selector::LoadBalancer(traffic.load_balancer.clone()));
        selectors.retain(|selector| selector.is_tagged() || (needs_ids && selector.lacks_id()));
        let indicator = &slo.indicator;
        (!selectors.is_empty()).then_some(IndicatorSelectors { source, kind, indicator, scope, selectors })
    })
}

pub fn is_needed(catalog: &Catalog) -> bool {
    indicator_selectors(catalog).next().is_some()
}

/// The look-ups that are due: all selectors of an account and region as soon as one of them is due, since one look-up
/// sees all.
pub fn due_requests(catalog: &Catalog, discovery: &Discovery, now: Minute) -> Vec<DiscoveryRequest> {
    let mut requests: BTreeMap<AwsScope, DiscoveryRequest> = BTreeMap::new();
    let mut due_scopes: BTreeSet<AwsScope> = BTreeSet::new();
    for IndicatorSelectors { source, kind, scope, selectors, .. } in indicator_selectors(catalog) {
        let is_due = |selector: &Selector| {
            // A log object is counted once: a target group that is found later would lack its counts.
            let must_refresh =
                matches!(kind, SourceKind::AccessLogs { .. }) && matches!(selector, Selector::TargetGroup(_));
            discovery.resolution(scope, selector).is_none_or(|found| {
                must_refresh || !found.exists_now() || found.discovered_at.plus(REFRESH_AFTER_MINUTES) <= now
            })
        };
        if selectors.iter().any(is_due) {
            due_scopes.insert(without_external_id(scope));
        }
        let request = requests.entry(without_external_id(scope)).or_insert_with(|| DiscoveryRequest {
            scope: scope.clone(),
            selectors: BTreeSet::new(),
            sources: BTreeSet::new(),
        });
        request.selectors.extend(selectors);
        request.sources.insert(source.to_owned());
    }
    requests.into_iter().filter(|(scope, _)| due_scopes.contains(scope)).map(|(_, request)| request).collect()
}

/// The series that depend on selectors of an account and region, each with the earliest minute of its selectors.
pub fn affected_series(
    catalog: &Catalog,
    request: &DiscoveryRequest,
    selectors: &BTreeMap<Selector, Minute>,
) -> BTreeMap<SeriesKey, Minute> {
    let mut series = BTreeMap::new();
    for wanted in indicator_selectors(catalog) {
        let minutes = wanted.selectors.iter().filter_map(|selector| selectors.get(selector));
        if without_external_id(wanted.scope) == without_external_id(&request.scope)
            && let Some(from) = minutes.min()
        {
            let earliest = series.entry(wanted.indicator.series()).or_insert(*from);
            *earliest = *from.min(earliest);
        }
    }
    series
}

pub fn unresolved(catalog: &Catalog, discovery: &Discovery) -> BTreeSet<Unresolved> {
    let mut unresolved = BTreeSet::new();
    for IndicatorSelectors { source, scope, selectors, .. } in indicator_selectors(catalog) {
        for selector in selectors {
            if let Some(resolution) = discovery.resolution(scope, &selector).filter(|found| !found.exists_now()) {
                let missing_since = resolution.lifetimes.values().filter_map(|lifetime| lifetime.missing_since).max();
                unresolved.insert(Unresolved { source: source.to_owned(), selector, missing_since });
            }
        }
    }
    unresolved
}

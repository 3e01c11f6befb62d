//! What has to be looked up, for whom, and what was looked for in vain.

use std::collections::{BTreeMap, BTreeSet};

use super::{Discovery, Selector, target_group_lacks_id, without_external_id};
use crate::series::SeriesKey;
use crate::slo::{AwsScope, Catalog, Indicator, SourceKind, Tags, Traffic, lacks_id};
use crate::time::Minute;

/// How long nobody looks again. Counts of CloudWatch this young are asked for again anyway, so that the first minutes
/// of a balancer that was made anew are asked for once.
const REFRESH_AFTER_MINUTES: i32 = 15;

/// One look at an account and region, for all that is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryRequest {
    /// Where, and as whom.
    pub scope: AwsScope,
    /// What for.
    pub selectors: BTreeSet<Selector>,
    /// Which sources ask for it.
    pub sources: BTreeSet<String>,
}

impl DiscoveryRequest {
    /// Whether load balancers must be listed.
    #[must_use]
    pub fn needs_load_balancers(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::LoadBalancer(_)))
    }

    /// Whether target groups must be listed.
    #[must_use]
    pub fn needs_target_groups(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::TargetGroup(_)))
    }

    /// Whether tags must be listed.
    #[must_use]
    pub fn needs_tags(&self) -> bool {
        self.selectors.iter().any(|selector| Tags::parse(selector.text()).is_some())
    }
}

/// What is there no more, or never was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// The source whose account and region were looked at.
    pub source: String,
    /// What was looked for.
    pub selector: Selector,
    /// When it was first missed, if it was ever there.
    pub missing_since: Option<Minute>,
}

/// What a source needs to have looked up, and with whom.
fn selectors_to_resolve<'k>(kind: &'k SourceKind, traffic: &Traffic) -> Option<(&'k AwsScope, BTreeSet<Selector>)> {
    let is_tagged = |text: &str| Tags::parse(text).is_some();
    let (reach, needs_ids) = match kind {
        SourceKind::CloudWatch { aws: reach, .. } => (reach, true),
        SourceKind::AccessLogs { bucket_access: access, .. } => (&access.aws, false),
        SourceKind::Athena { aws: reach, .. } => (reach, false),
        SourceKind::Counts { .. } => return None,
    };
    let balancers = [&traffic.load_balancer].into_iter();
    let balancers = balancers.filter(|text| is_tagged(text) || (needs_ids && lacks_id(text)));
    let groups =
        traffic.target_groups.iter().filter(|text| is_tagged(text) || (needs_ids && target_group_lacks_id(text)));
    let groups = groups.map(|text| Selector::TargetGroup(text.clone()));
    let selectors: BTreeSet<Selector> =
        balancers.map(|text| Selector::LoadBalancer(text.clone())).chain(groups).collect();
    (!selectors.is_empty()).then_some((reach, selectors))
}

/// What an indicator needs.
struct IndicatorSelectors<'a> {
    source: &'a str,
    kind: &'a SourceKind,
    indicator: &'a Indicator,
    reach: &'a AwsScope,
    selectors: BTreeSet<Selector>,
}

fn indicator_selectors(catalog: &Catalog) -> impl Iterator<Item = IndicatorSelectors<'_>> {
    let slos = catalog.services.iter().flat_map(|service| &service.slos);
    slos.filter_map(|slo| {
        let Indicator::Requests { source, traffic, .. } = &slo.indicator else { return None };
        let kind = &catalog.sources.get(source)?.kind;
        let (reach, selectors) = selectors_to_resolve(kind, traffic)?;
        Some(IndicatorSelectors { source, kind, indicator: &slo.indicator, reach, selectors })
    })
}

/// Whether anything has to be looked up, now or at other times.
#[must_use]
pub fn is_needed(catalog: &Catalog) -> bool {
    indicator_selectors(catalog).next().is_some()
}

/// What has to be looked up now: everything of an account and region as soon as some of it is due, since one look sees
/// all.
#[must_use]
pub fn due_requests(catalog: &Catalog, discovery: &Discovery, now: Minute) -> Vec<DiscoveryRequest> {
    let mut requests: BTreeMap<AwsScope, DiscoveryRequest> = BTreeMap::new();
    let mut due_scopes: BTreeSet<AwsScope> = BTreeSet::new();
    for IndicatorSelectors { source, kind, reach, selectors, .. } in indicator_selectors(catalog) {
        let is_due = |selector: &Selector| {
            // An object of a log is counted once: a target group that is found later has no part in it.
            let must_refresh =
                matches!(kind, SourceKind::AccessLogs { .. }) && matches!(selector, Selector::TargetGroup(_));
            let resolution = discovery.resolution(reach, selector);
            resolution.is_none_or(|found| {
                must_refresh || !found.exists_now() || found.discovered_at.plus(REFRESH_AFTER_MINUTES) <= now
            })
        };
        if selectors.iter().any(is_due) {
            due_scopes.insert(without_external_id(reach));
        }
        let request = requests.entry(without_external_id(reach)).or_insert_with(|| DiscoveryRequest {
            scope: reach.clone(),
            selectors: BTreeSet::new(),
            sources: BTreeSet::new(),
        });
        request.selectors.extend(selectors);
        request.sources.insert(source.to_owned());
    }
    requests.into_iter().filter(|(scope, _)| due_scopes.contains(scope)).map(|(_, request)| request).collect()
}

/// The series that selectors of an account and region belong to, each with the least of their minutes.
#[must_use]
pub fn affected_series(
    catalog: &Catalog,
    request: &DiscoveryRequest,
    selectors: &BTreeMap<Selector, Minute>,
) -> BTreeMap<SeriesKey, Minute> {
    let in_scope = indicator_selectors(catalog)
        .filter(|wanted| without_external_id(wanted.reach) == without_external_id(&request.scope));
    let affected = in_scope.filter_map(|wanted| {
        let from = wanted.selectors.iter().filter_map(|selector| selectors.get(selector)).min()?;
        Some((wanted.indicator.series(), *from))
    });
    let mut series = BTreeMap::new();
    for (key, from) in affected {
        let earliest = series.entry(key).or_insert(from);
        *earliest = from.min(*earliest);
    }
    series
}

/// What the last look at AWS did not find.
#[must_use]
pub fn unresolved(catalog: &Catalog, discovery: &Discovery) -> BTreeSet<Unresolved> {
    let mut unresolved = BTreeSet::new();
    for IndicatorSelectors { source, reach, selectors, .. } in indicator_selectors(catalog) {
        for selector in selectors {
            let Some(resolution) = discovery.resolution(reach, &selector).filter(|found| !found.exists_now()) else {
                continue;
            };
            let missing_since = resolution.lifetimes.values().filter_map(|life| life.missing_since).max();
            unresolved.insert(Unresolved { source: source.to_owned(), selector, missing_since });
        }
    }
    unresolved
}

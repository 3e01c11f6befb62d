//! The resources that selectors select, each with the time in which it existed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::resource::{DiscoveryRequest, Inventory, ResourceId, Selector, is_tagged};
use serde::{Deserialize, Serialize};

use crate::serialization::{is_default, records};
use crate::slo::{AwsScope, Traffic, without_id};
use crate::time::{Minute, Span};

/// Clocks differ, and what AWS lists may be some minutes older than what it measures.
const CLOCK_SLACK_MINUTES: i32 = 5;
/// A resource that has been missing for longer is in no window.
const RETENTION_MINUTES: i32 = 400 * 1_440;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// The last look-up that did not find it; `None` if the first one did.
    #[serde(default, skip_serializing_if = "is_default")]
    pub since: Option<Minute>,
    /// The first look-up after that which no longer found it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missing_since: Option<Minute>,
}

impl Lifetime {
    /// The minutes in which it may have had requests.
    fn span(&self) -> Span {
        let start = self.since.map_or(Minute(i32::MIN), |since| since.plus(-CLOCK_SLACK_MINUTES));
        Span::new(start, self.missing_since.map_or(Minute(i32::MAX), |missing| missing.plus(CLOCK_SLACK_MINUTES)))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    pub discovered_at: Minute,
    /// All resources that were ever found.
    #[serde(rename = "resources", with = "records")]
    pub lifetimes: BTreeMap<ResourceId, Lifetime>,
}

impl Resolution {
    pub(super) fn exists_now(&self) -> bool {
        self.lifetimes.values().any(|lifetime| lifetime.missing_since.is_none())
    }
}

/// A selector in an account and region, seen by a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScopedSelector {
    #[serde(flatten)]
    scope: AwsScope,
    #[serde(flatten)]
    selector: Selector,
}

impl ScopedSelector {
    pub fn new(scope: &AwsScope, selector: &Selector) -> Self {
        Self { scope: without_external_id(scope), selector: selector.clone() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Discovery(#[serde(with = "records")] pub BTreeMap<ScopedSelector, Resolution>);

/// The requests of an indicator with the IDs of their load balancers and target groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedTraffic {
    /// Empty if no resource is known.
    pub with_ids: Vec<Traffic>,
    /// The minutes in which the resources existed, in order.
    pub lifetimes: Vec<Span>,
}

impl Discovery {
    pub(super) fn resolution(&self, scope: &AwsScope, selector: &Selector) -> Option<&Resolution> {
        self.0.get(&ScopedSelector::new(scope, selector))
    }

    /// Whether any resource of a selector was ever found.
    pub fn has_resolved(&self, scope: &AwsScope, selector: &Selector) -> bool {
        self.resolution(scope, selector).is_some_and(|resolution| !resolution.lifetimes.is_empty())
    }

    /// The resources of a selector that were ever found, with the spans in which they existed.
    fn lifetimes<'d>(
        &'d self,
        scope: &AwsScope,
        selector: &Selector,
    ) -> impl Iterator<Item = (&'d ResourceId, Span)> + use<'d> {
        let resolution = self.resolution(scope, selector).into_iter();
        resolution.flat_map(|found| &found.lifetimes).map(|(resource, lifetime)| (resource, lifetime.span()))
    }

    /// Requests with names in place of tags, for sources that know names; several load balancers are separated by a
    /// space. `None` if no resource is known to have the tags.
    pub fn resolve_names<'t>(&self, scope: &AwsScope, traffic: &'t Traffic) -> Option<Cow<'t, Traffic>> {
        if !is_tagged(&traffic.load_balancer) && !traffic.target_groups.iter().any(|group| is_tagged(group)) {
            return Some(Cow::Borrowed(traffic));
        }
        let mut named = traffic.clone();
        if is_tagged(&traffic.load_balancer) {
            let resources = self.lifetimes(scope, &Selector::LoadBalancer(traffic.load_balancer.clone()));
            let load_balancers: BTreeSet<&str> =
                resources.map(|(resource, _)| without_id(&resource.load_balancer)).collect();
            named.load_balancer = load_balancers.into_iter().collect::<Vec<_>>().join(" ");
        }
        let mut groups = BTreeSet::new();
        for group in &traffic.target_groups {
            if is_tagged(group) {
                let resources = self.lifetimes(scope, &Selector::TargetGroup(group.clone()));
                let ids = resources.filter_map(|(resource, _)| resource.target_group.as_ref());
                groups.extend(ids.filter_map(|id| Some(id.split_once('/')?.0.to_owned())));
            } else {
                groups.insert(group.clone());
            }
        }
        // Without any target group, all requests of the load balancer would count.
        let lacks_groups = groups.is_empty() && !traffic.target_groups.is_empty();
        named.target_groups = groups.into_iter().collect();
        (!named.load_balancer.is_empty() && !lacks_groups).then_some(Cow::Owned(named))
    }

    /// Requests with the IDs of the resources that existed in a span.
    pub fn resolve_ids(&self, scope: &AwsScope, traffic: &Traffic, span: Span) -> ResolvedTraffic {
        let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut lifetimes = Vec::new();
        let mut add = |load_balancer: &str, target_group: Option<String>, lifetime: Span| {
            let lifetime = lifetime.intersect(span);
            if !lifetime.is_empty() {
                lifetimes.push(lifetime);
                groups.entry(load_balancer.to_owned()).or_default().extend(target_group);
            }
        };
        let selector = Selector::LoadBalancer(traffic.load_balancer.clone());
        for (load_balancer, lifetime) in
            self.id_lifetimes(scope, &selector, |resource| Some(resource.load_balancer.clone()))
        {
            if traffic.target_groups.is_empty() {
                add(&load_balancer, None, lifetime);
            }
            for group in &traffic.target_groups {
                let selector = Selector::TargetGroup(group.clone());
                let pick = |resource: &ResourceId| {
                    resource.target_group.clone().filter(|_| resource.load_balancer == load_balancer)
                };
                for (group, group_lifetime) in self.id_lifetimes(scope, &selector, pick) {
                    add(&load_balancer, Some(group), group_lifetime.intersect(lifetime));
                }
            }
        }
        let with_ids = groups.into_iter().map(|(load_balancer, groups)| Traffic {
            load_balancer,
            target_groups: groups.into_iter().collect(),
            ..traffic.clone()
        });
        ResolvedTraffic { with_ids: with_ids.collect(), lifetimes: Span::merged(lifetimes) }
    }

    /// Requests with IDs, as of the last look-up.
    pub fn resolve_current_ids(&self, scope: &AwsScope, traffic: &Traffic) -> Vec<Traffic> {
        self.resolve_ids(scope, traffic, Span::ending_at(Minute(i32::MAX), 1)).with_ids
    }

    /// The IDs that `pick` gives for the resources of a selector; an ID that the definition gives is always valid.
    fn id_lifetimes(
        &self,
        scope: &AwsScope,
        selector: &Selector,
        pick: impl Fn(&ResourceId) -> Option<String>,
    ) -> Vec<(String, Span)> {
        if !selector.lacks_id() {
            return vec![(selector.text().to_owned(), Lifetime::default().span())];
        }
        let resources = self.lifetimes(scope, selector);
        resources.filter_map(|(resource, lifetime)| Some((pick(resource)?, lifetime))).collect()
    }

    /// Adds the result of a look-up. Returns the selectors that select more than before, each with the minute from
    /// which on they do: counts since then lack the new resources.
    pub fn update(
        &mut self,
        request: &DiscoveryRequest,
        inventory: &Inventory,
        now: Minute,
    ) -> BTreeMap<Selector, Minute> {
        let mut extended = BTreeMap::new();
        for selector in &request.selectors {
            let Some(listed) = inventory.resources(selector) else { continue };
            let resolution = self
                .0
                .entry(ScopedSelector::new(&request.scope, selector))
                .or_insert_with(|| Resolution { discovered_at: now, lifetimes: BTreeMap::new() });
            // The first resources bring their past along; later ones begin where they were not there yet.
            let previous_discovery = (!resolution.lifetimes.is_empty()).then_some(resolution.discovered_at);
            for resource in &listed {
                let since = if let Some(lifetime) = resolution.lifetimes.get_mut(resource) {
                    lifetime.missing_since.take()
                } else {
                    let lifetime = Lifetime { since: previous_discovery, missing_since: None };
                    resolution.lifetimes.insert(resource.clone(), lifetime);
                    previous_discovery
                };
                if let Some(since) = since {
                    let from = extended.entry(selector.clone()).or_insert(since);
                    *from = since.plus(-CLOCK_SLACK_MINUTES).min(*from);
                }
            }
            resolution.lifetimes.retain(|resource, lifetime| {
                if !listed.contains(resource) {
                    lifetime.missing_since.get_or_insert(now);
                }
                lifetime.missing_since.is_none_or(|missing| now.0.saturating_sub(missing.0) < RETENTION_MINUTES)
            });
            resolution.discovered_at = now;
        }
        let scope = without_external_id(&request.scope);
        self.0
            .retain(|key, found| key.scope != scope || now.0.saturating_sub(found.discovered_at.0) < RETENTION_MINUTES);
        extended
    }
}

/// The key of a look-up: an external ID opens a role, and changes nothing of what it sees.
pub(super) fn without_external_id(scope: &AwsScope) -> AwsScope {
    AwsScope { external_id: None, ..scope.clone() }
}

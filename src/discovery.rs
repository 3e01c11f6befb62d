//! What the names and tags of definitions stand for: which ids they have and had, and when.
//!
//! An id changes when a load balancer or target group is made anew. Logs and tables hold the name beside the id, so by
//! name there is nothing to look up in them; metrics are by id, and tags are in none of them.
//!
//! What was ever found stays known, with the span in which it was there, so that a balancer that was made anew
//! continues the series: each id counts for its own span, and at the change-over none is left out.

mod inventory;
mod requests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::serialization::{is_default, records};
use crate::slo::{AwsScope, Tags, Traffic, lacks_id, matches_load_balancer, matches_target_group, without_id};
use crate::time::{Minute, Span};

pub use inventory::Inventory;
pub use requests::{DiscoveryRequest, Unresolved, affected_series, due_requests, is_needed, unresolved};

/// Clocks differ, and what AWS lists may be some minutes older than what it measures.
const CLOCK_SLACK_MINUTES: i32 = 5;
/// What has been gone for longer is in no window.
const RETENTION_MINUTES: i32 = 400 * 1_440;

/// A text of a definition that has to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// Of a load balancer: `app/name` or `{key=value}`.
    LoadBalancer(String),
    /// Of a target group: `name` or `{key=value}`.
    TargetGroup(String),
}

impl Selector {
    /// As the definition has it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::LoadBalancer(text) | Self::TargetGroup(text) => text,
        }
    }
}

/// A balancer, or a target group behind one, which has metrics of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId {
    /// `app/name/id`.
    pub load_balancer: String,
    /// `name/id`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub target_group: Option<String>,
}

/// When something was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// The last look that did not find it; `None` for what was found first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub since: Option<Minute>,
    /// The first look thereafter that did not find it any more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missing_since: Option<Minute>,
}

impl Lifetime {
    /// The minutes in which it may have had requests.
    fn span(&self) -> Span {
        let start = self.since.map_or(Minute(i32::MIN), |since| since.plus(-CLOCK_SLACK_MINUTES));
        Span::new(start, self.missing_since.map_or(Minute(i32::MAX), |gone| gone.plus(CLOCK_SLACK_MINUTES)))
    }
}

/// What a selector stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// When AWS was asked last.
    pub discovered_at: Minute,
    /// All that was ever found.
    #[serde(rename = "resources", with = "records")]
    pub lifetimes: BTreeMap<ResourceId, Lifetime>,
}

impl Resolution {
    /// Whether anything of it is there now.
    fn exists_now(&self) -> bool {
        self.lifetimes.values().any(|lifetime| lifetime.missing_since.is_none())
    }
}

/// All that was found, by where it was asked for and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<DiscoveryRecord>", into = "Vec<DiscoveryRecord>")]
pub struct Discovery(pub BTreeMap<AwsScope, BTreeMap<Selector, Resolution>>);

/// One selector of one scope, as it is stored.
#[derive(Serialize, Deserialize)]
struct DiscoveryRecord {
    #[serde(flatten)]
    scope: AwsScope,
    #[serde(flatten)]
    selector: Selector,
    #[serde(flatten)]
    resolution: Resolution,
}

impl From<Vec<DiscoveryRecord>> for Discovery {
    fn from(records: Vec<DiscoveryRecord>) -> Self {
        let mut discovery = Self::default();
        for DiscoveryRecord { scope, selector, resolution } in records {
            discovery.0.entry(scope).or_default().insert(selector, resolution);
        }
        discovery
    }
}

impl From<Discovery> for Vec<DiscoveryRecord> {
    fn from(discovery: Discovery) -> Self {
        let scopes = discovery.0.into_iter();
        let records = scopes.flat_map(|(scope, resolutions)| {
            resolutions.into_iter().map(move |(selector, resolution)| DiscoveryRecord {
                scope: scope.clone(),
                selector,
                resolution,
            })
        });
        records.collect()
    }
}

/// The metrics of some requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedTraffic {
    /// The requests with ids; nothing if nothing is known to be what was asked for.
    pub with_ids: Vec<Traffic>,
    /// The minutes of which they tell, in order.
    pub lifetimes: Vec<Span>,
}

impl Discovery {
    fn resolution(&self, scope: &AwsScope, selector: &Selector) -> Option<&Resolution> {
        self.0.get(&without_external_id(scope))?.get(selector)
    }

    /// Whether anything was ever found of a selector.
    #[must_use]
    pub fn has_resolved(&self, scope: &AwsScope, selector: &Selector) -> bool {
        self.resolution(scope, selector).is_some_and(|found| !found.lifetimes.is_empty())
    }

    /// Requests with names in place of tags, for sources that know names; several balancers with a space between.
    /// `None` if nothing is known to have the tags.
    #[must_use]
    pub fn resolve_names<'t>(&self, scope: &AwsScope, traffic: &'t Traffic) -> Option<Cow<'t, Traffic>> {
        let is_tagged = |text: &String| Tags::parse(text).is_some();
        if !is_tagged(&traffic.load_balancer) && !traffic.target_groups.iter().any(is_tagged) {
            return Some(Cow::Borrowed(traffic));
        }
        let mut named = traffic.clone();
        if is_tagged(&traffic.load_balancer) {
            let resolution = self.resolution(scope, &Selector::LoadBalancer(traffic.load_balancer.clone()))?;
            let balancers: BTreeSet<&str> =
                resolution.lifetimes.keys().map(|resource| without_id(&resource.load_balancer)).collect();
            named.load_balancer = balancers.into_iter().collect::<Vec<_>>().join(" ");
        }
        let mut groups = BTreeSet::new();
        for group in &traffic.target_groups {
            if is_tagged(group) {
                let resolution = self.resolution(scope, &Selector::TargetGroup(group.clone()));
                let resources = resolution.into_iter().flat_map(|found| found.lifetimes.keys());
                groups.extend(
                    resources
                        .filter_map(|resource| Some(resource.target_group.as_ref()?.split_once('/')?.0.to_owned())),
                );
            } else {
                groups.insert(group.clone());
            }
        }
        let lacks_groups = groups.is_empty() && !traffic.target_groups.is_empty();
        named.target_groups = groups.into_iter().collect();
        // Without any group all requests would be meant.
        (!named.load_balancer.is_empty() && !lacks_groups).then_some(Cow::Owned(named))
    }

    /// Requests with ids, as far as they lived in a span.
    #[must_use]
    pub fn resolve_ids(&self, scope: &AwsScope, traffic: &Traffic, span: Span) -> ResolvedTraffic {
        let mut resources: BTreeMap<ResourceId, Vec<Span>> = BTreeMap::new();
        for (load_balancer, lifetime) in self.load_balancer_lifetimes(scope, &traffic.load_balancer) {
            if traffic.target_groups.is_empty() {
                let resource = ResourceId { load_balancer: load_balancer.clone(), target_group: None };
                resources.entry(resource).or_default().push(lifetime);
            }
            for group in &traffic.target_groups {
                for (resource, group_lifetime) in self.target_group_lifetimes(scope, group, &load_balancer) {
                    resources.entry(resource).or_default().push(group_lifetime.intersect(lifetime));
                }
            }
        }
        let mut resolved = ResolvedTraffic::default();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (ResourceId { load_balancer, target_group }, lifetimes) in resources {
            let overlapping = lifetimes.into_iter().map(|life| life.intersect(span)).filter(|life| !life.is_empty());
            let before = resolved.lifetimes.len();
            resolved.lifetimes.extend(overlapping);
            if resolved.lifetimes.len() > before {
                groups.entry(load_balancer).or_default().extend(target_group);
            }
        }
        resolved.lifetimes = Span::merged(resolved.lifetimes);
        let with_ids = groups.into_iter().map(|(load_balancer, target_groups)| Traffic {
            load_balancer,
            target_groups,
            ..traffic.clone()
        });
        resolved.with_ids = with_ids.collect();
        resolved
    }

    /// Requests with ids, as the last look found them.
    #[must_use]
    pub fn resolve_current_ids(&self, scope: &AwsScope, traffic: &Traffic) -> Vec<Traffic> {
        self.resolve_ids(scope, traffic, Span::ending_at(Minute(i32::MAX), 1)).with_ids
    }

    /// Balancers with the spans in which they lived.
    fn load_balancer_lifetimes(&self, scope: &AwsScope, selector: &str) -> Vec<(String, Span)> {
        if !lacks_id(selector) {
            return vec![(selector.to_owned(), Lifetime::default().span())];
        }
        let resolution = self.resolution(scope, &Selector::LoadBalancer(selector.to_owned()));
        let lifetimes = resolution.into_iter().flat_map(|found| &found.lifetimes);
        lifetimes.map(|(resource, lifetime)| (resource.load_balancer.clone(), lifetime.span())).collect()
    }

    /// Target groups of a balancer with the spans in which they were behind it.
    fn target_group_lifetimes(&self, scope: &AwsScope, selector: &str, load_balancer: &str) -> Vec<(ResourceId, Span)> {
        if !target_group_lacks_id(selector) {
            let resource =
                ResourceId { load_balancer: load_balancer.to_owned(), target_group: Some(selector.to_owned()) };
            return vec![(resource, Lifetime::default().span())];
        }
        let resolution = self.resolution(scope, &Selector::TargetGroup(selector.to_owned()));
        let lifetimes = resolution
            .into_iter()
            .flat_map(|found| &found.lifetimes)
            .filter(|(resource, _)| resource.load_balancer == load_balancer);
        lifetimes.map(|(resource, lifetime)| (resource.clone(), lifetime.span())).collect()
    }

    /// Takes in what a look at AWS saw at a moment. Gives the selectors that stand for more than before, each with the
    /// minute from which on they do: what was counted since then lacks it.
    pub fn update(
        &mut self,
        request: &DiscoveryRequest,
        inventory: &Inventory,
        now: Minute,
    ) -> BTreeMap<Selector, Minute> {
        let resolutions = self.0.entry(without_external_id(&request.scope)).or_default();
        let mut extended = BTreeMap::new();
        for selector in &request.selectors {
            let Some(listed) = inventory.resources(selector) else { continue };
            // What is found for the first time brings its past along; what joins others begins where it was not there
            // yet.
            let previous_discovery =
                resolutions.get(selector).filter(|found| !found.lifetimes.is_empty()).map(|found| found.discovered_at);
            let resolution = resolutions
                .entry(selector.clone())
                .or_insert_with(|| Resolution { discovered_at: now, lifetimes: BTreeMap::new() });
            for resource in &listed {
                let (lifetime, since) = match resolution.lifetimes.get_mut(resource) {
                    Some(lifetime) if lifetime.missing_since.is_none() => continue,
                    Some(lifetime) => {
                        let missing_since = lifetime.missing_since.take();
                        (*lifetime, missing_since)
                    }
                    None => (Lifetime { since: previous_discovery, missing_since: None }, previous_discovery),
                };
                resolution.lifetimes.insert(resource.clone(), lifetime);
                if let Some(since) = since {
                    let from = extended.entry(selector.clone()).or_insert(since);
                    *from = since.plus(-CLOCK_SLACK_MINUTES).min(*from);
                }
            }
            for (_, lifetime) in resolution.lifetimes.iter_mut().filter(|(place, _)| !listed.contains(*place)) {
                lifetime.missing_since.get_or_insert(now);
            }
            resolution.lifetimes.retain(|_, lifetime| {
                lifetime.missing_since.is_none_or(|gone| now.0.saturating_sub(gone.0) < RETENTION_MINUTES)
            });
            resolution.discovered_at = now;
        }
        resolutions.retain(|_, found| now.0.saturating_sub(found.discovered_at.0) < RETENTION_MINUTES);
        extended
    }
}

/// What a look-up is kept under: an external id opens a role, and changes nothing of what it sees.
fn without_external_id(scope: &AwsScope) -> AwsScope {
    AwsScope { external_id: None, ..scope.clone() }
}

/// Whether it takes a look at AWS to tell the metrics of a target group.
fn target_group_lacks_id(group: &str) -> bool {
    Tags::parse(group).is_some() || !group.contains('/')
}

#[cfg(test)]
mod tests;

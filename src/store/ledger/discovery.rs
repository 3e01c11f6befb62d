//! What names and tags stand for, kept beside the manifest like usage: it says nothing about counts, and whoever looked
//! last is right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::discovery::{Discovery, Lifetime, Resolution, ResourceId, Selector};
use crate::slo::AwsScope;
use crate::store::manifest::text;
use crate::store::{BlobError, StoreError, Version};
use crate::time::Minute;

pub(super) const DISCOVERY: &str = "discovery.json";

/// What one selector stands for.
#[derive(Serialize, Deserialize)]
struct SelectorJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load_balancer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_group: Option<String>,
    #[serde(rename = "discovered_at", with = "text")]
    discovered_at: Minute,
    #[serde(rename = "resources")]
    resources: Vec<ResourceJson>,
}

/// One thing that was found.
#[derive(Serialize, Deserialize)]
struct ResourceJson {
    load_balancer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(default, rename = "missing_since", skip_serializing_if = "Option::is_none")]
    missing_since: Option<String>,
}

impl LedgerStore {
    /// What names and tags stand for, as far as anybody looked, and the version that says so.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn discovery(&self) -> Result<(Discovery, Option<Version>), StoreError> {
        match self.blobs.get(DISCOVERY).await? {
            Some((bytes, version)) => Ok((decode(&bytes)?, Some(version))),
            None => Ok((Discovery::default(), None)),
        }
    }

    /// Keeps what was looked up since a version. Where another run has kept something meanwhile, it has just looked as
    /// well.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn save_discovery(&self, discovery: &Discovery, expected: Option<&Version>) -> Result<(), StoreError> {
        match self.blobs.compare_and_swap(DISCOVERY, expected, &encode(discovery)?).await {
            Ok(_) | Err(BlobError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Discovery, StoreError> {
    let entries: Vec<SelectorJson> = serde_json::from_slice(bytes).map_err(StoreError::Discovery)?;
    let mut discovery = Discovery::default();
    for SelectorJson { region, role_arn, load_balancer, target_group, discovered_at: looked, resources: found } in
        entries
    {
        let selector = match (load_balancer, target_group) {
            (Some(text), None) => Selector::LoadBalancer(text),
            (None, Some(text)) => Selector::TargetGroup(text),
            _ => continue,
        };
        let lifetimes: Result<BTreeMap<ResourceId, Lifetime>, StoreError> =
            found.into_iter().map(decode_resource).collect();
        let scope = AwsScope { region, role_arn, external_id: None };
        discovery
            .0
            .entry(scope)
            .or_default()
            .insert(selector, Resolution { discovered_at: looked, lifetimes: lifetimes? });
    }
    Ok(discovery)
}

fn decode_resource(json: ResourceJson) -> Result<(ResourceId, Lifetime), StoreError> {
    let parse_minute = |text: Option<String>| match text {
        Some(text) => text.parse().map(Some).map_err(|error| StoreError::Discovery(serde::de::Error::custom(error))),
        None => Ok(None),
    };
    let lifetime = Lifetime { since: parse_minute(json.since)?, missing_since: parse_minute(json.missing_since)? };
    Ok((ResourceId { load_balancer: json.load_balancer, target_group: json.target_group }, lifetime))
}

fn encode(discovery: &Discovery) -> Result<Vec<u8>, StoreError> {
    let resolutions = discovery
        .0
        .iter()
        .flat_map(|(reach, found)| found.iter().map(move |(selector, found)| (reach, selector, found)));
    let entries = resolutions.map(|(reach, selector, found)| {
        let (load_balancer, target_group) = match selector {
            Selector::LoadBalancer(text) => (Some(text.clone()), None),
            Selector::TargetGroup(text) => (None, Some(text.clone())),
        };
        let resources = found.lifetimes.iter().map(|(place, life)| ResourceJson {
            load_balancer: place.load_balancer.clone(),
            target_group: place.target_group.clone(),
            since: life.since.map(|since| since.to_string()),
            missing_since: life.missing_since.map(|gone| gone.to_string()),
        });
        SelectorJson {
            region: reach.region.clone(),
            role_arn: reach.role_arn.clone(),
            load_balancer,
            target_group,
            discovered_at: found.discovered_at,
            resources: resources.collect(),
        }
    });
    serde_json::to_vec_pretty(&entries.collect::<Vec<_>>()).map_err(StoreError::Discovery)
}

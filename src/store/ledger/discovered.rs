//! What names and tags stand for, kept beside the manifest like usage: it says nothing about counts, and whoever looked
//! last is right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::discovery::{Discovery, Found, Life, Place, Selector};
use crate::minute::Minute;
use crate::slo::Reach;
use crate::store::manifest::text;
use crate::store::{ShelfError, StoreError, Version};

pub(super) const DISCOVERED: &str = "discovery.json";

/// What one selector stands for.
#[derive(Serialize, Deserialize)]
struct Twin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    load_balancer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_group: Option<String>,
    #[serde(rename = "discovered_at", with = "text")]
    looked: Minute,
    #[serde(rename = "resources")]
    found: Vec<TwinLife>,
}

/// One thing that was found.
#[derive(Serialize, Deserialize)]
struct TwinLife {
    load_balancer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(default, rename = "missing_since", skip_serializing_if = "Option::is_none")]
    gone: Option<String>,
}

impl LedgerStore {
    /// What names and tags stand for, as far as anybody looked, and the version that says so.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn discovered(&self) -> Result<(Discovery, Option<Version>), StoreError> {
        match self.shelf.get(DISCOVERED).await? {
            Some((bytes, version)) => Ok((read(&bytes)?, Some(version))),
            None => Ok((Discovery::default(), None)),
        }
    }

    /// Keeps what was looked up since a version. Where another run has kept something meanwhile, it has just looked as
    /// well.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn keep_discovered(&self, discovery: &Discovery, before: Option<&Version>) -> Result<(), StoreError> {
        match self.shelf.swap(DISCOVERED, before, &write(discovery)?).await {
            Ok(_) | Err(ShelfError::Lost(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Discovery, StoreError> {
    let twins: Vec<Twin> = serde_json::from_slice(bytes).map_err(StoreError::Discovered)?;
    let mut discovery = Discovery::default();
    for Twin { region, role_arn, load_balancer, target_group, looked, found } in twins {
        let selector = match (load_balancer, target_group) {
            (Some(text), None) => Selector::Balancer(text),
            (None, Some(text)) => Selector::Group(text),
            _ => continue,
        };
        let lives: Result<BTreeMap<Place, Life>, StoreError> = found.into_iter().map(life).collect();
        let reach = Reach { region, role_arn, external_id: None };
        discovery.0.entry(reach).or_default().insert(selector, Found { looked, lives: lives? });
    }
    Ok(discovery)
}

fn life(twin: TwinLife) -> Result<(Place, Life), StoreError> {
    let minute = |text: Option<String>| match text {
        Some(text) => text.parse().map(Some).map_err(|error| StoreError::Discovered(serde::de::Error::custom(error))),
        None => Ok(None),
    };
    let life = Life { since: minute(twin.since)?, gone: minute(twin.gone)? };
    Ok((Place { balancer: twin.load_balancer, group: twin.target_group }, life))
}

fn write(discovery: &Discovery) -> Result<Vec<u8>, StoreError> {
    let all = discovery
        .0
        .iter()
        .flat_map(|(reach, found)| found.iter().map(move |(selector, found)| (reach, selector, found)));
    let twins = all.map(|(reach, selector, found)| {
        let (load_balancer, target_group) = match selector {
            Selector::Balancer(text) => (Some(text.clone()), None),
            Selector::Group(text) => (None, Some(text.clone())),
        };
        let lives = found.lives.iter().map(|(place, life)| TwinLife {
            load_balancer: place.balancer.clone(),
            target_group: place.group.clone(),
            since: life.since.map(|since| since.to_string()),
            gone: life.gone.map(|gone| gone.to_string()),
        });
        Twin {
            region: reach.region.clone(),
            role_arn: reach.role_arn.clone(),
            load_balancer,
            target_group,
            looked: found.looked,
            found: lives.collect(),
        }
    });
    serde_json::to_vec_pretty(&twins.collect::<Vec<_>>()).map_err(StoreError::Discovered)
}

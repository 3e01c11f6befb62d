//! Corrections: minutes that do not count because of maintenance, outages of others, or incorrect data.
//!
//! Raw counts stay in the ledger; corrections are applied when they are evaluated.

use std::collections::BTreeMap;
use std::fmt;

use rrule::RRuleSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::{Service, Slo};
use crate::time::{Minute, Span};

/// Spans that do not count for some SLOs, and why.
#[derive(Clone, Debug)]
pub struct Correction {
    pub id: String,
    pub reason: String,
    pub category: Category,
    pub author: String,
    pub scope: Scope,
    pub(super) occurrences: Occurrences,
}

/// Why a period does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "CorrectionCategory", rename_all = "lowercase")]
pub enum Category {
    /// Announced maintenance.
    Planned,
    /// An event outside the team's control, such as the outage of a region.
    Unplanned,
    /// Incorrect data, such as a broken probe or a load test.
    Measurement,
    /// The minutes count, but notifications are silenced.
    Silence,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The SLOs that a correction applies to: all conditions must match, and an empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub teams: Vec<String>,
    pub services: Vec<String>,
    pub slos: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

impl Scope {
    pub fn covers(&self, service: &Service, slo: &Slo) -> bool {
        let matches = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        matches(&self.teams, &service.team)
            && matches(&self.services, &service.name)
            && matches(&self.slos, slo.name())
            && self.labels.iter().all(|(label, value)| service.labels.get(label) == Some(value))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Occurrences {
    pub(super) first: Span,
    pub(super) rule: Option<Box<RRuleSet>>,
}

impl Occurrences {
    /// All occurrences from the first on, in order. The library stops at a rule that finds nothing for long.
    pub(super) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        let minutes = i32::try_from(self.first.minutes()).unwrap_or(i32::MAX);
        let once = self.rule.is_none().then_some(self.first);
        let repeated = self.rule.iter().flat_map(|rule| rule.as_ref().into_iter());
        once.into_iter().chain(repeated.map(move |moment| {
            let start = Minute::from_unix_seconds(moment.timestamp());
            Span::new(start, start.plus(minutes))
        }))
    }
}

impl Correction {
    /// The parts of a span that the correction excludes, in order; they may touch or overlap.
    pub fn spans(&self, within: Span) -> Vec<Span> {
        self.occurrences
            .iter()
            .take_while(|occurrence| occurrence.start < within.end)
            .map(|occurrence| occurrence.intersect(within))
            .filter(|part| !part.is_empty())
            .collect()
    }
}

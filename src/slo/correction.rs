//! Minutes that count for nothing: announced maintenance, outages of others, numbers that are wrong.
//!
//! Raw counts stay as they are in the ledger; a correction is applied when they are looked at.

use std::collections::BTreeMap;
use std::fmt;

use rrule::RRuleSet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::service::{Service, Slo};
use crate::time::{Minute, Span};

/// Spans that do not count, for some SLOs, with somebody's reason.
#[derive(Clone, Debug)]
pub struct Correction {
    /// What reports call it.
    pub id: String,
    /// Why these minutes do not count.
    pub reason: String,
    /// What kind of reason it is.
    pub category: Category,
    /// Who answers for it.
    pub author: String,
    /// Which SLOs it is about.
    pub scope: Scope,
    /// When.
    pub(super) occurrences: Occurrences,
}

/// Why a period does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
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
        f.write_str(match self {
            Self::Planned => "planned",
            Self::Unplanned => "unplanned",
            Self::Measurement => "measurement",
            Self::Silence => "silence",
        })
    }
}

/// Which SLOs a correction is about: all that is said must fit, and an empty list fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Services of these teams.
    pub teams: Vec<String>,
    /// These services.
    pub services: Vec<String>,
    /// SLOs of these names.
    pub slos: Vec<String>,
    /// Services with all of these labels.
    pub labels: BTreeMap<String, String>,
}

impl Scope {
    /// Whether an SLO is meant.
    #[must_use]
    pub fn covers(&self, service: &Service, slo: &Slo) -> bool {
        let matches = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        matches(&self.teams, &service.team)
            && matches(&self.services, &service.name)
            && matches(&self.slos, slo.name())
            && self.labels.iter().all(|(label, value)| service.labels.get(label) == Some(value))
    }
}

/// Once, or again and again with the same length.
#[derive(Clone, Debug)]
pub(super) struct Occurrences {
    pub(super) first: Span,
    pub(super) rule: Option<Box<RRuleSet>>,
}

impl Occurrences {
    /// All occurrences from the first on, in order. The library gives up on a rule that finds nothing for long.
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
    /// The parts of a span that do not count, in order; they may touch or overlap.
    #[must_use]
    pub fn spans(&self, within: Span) -> Vec<Span> {
        self.occurrences
            .iter()
            .take_while(|occurrence| occurrence.start < within.end)
            .map(|occurrence| occurrence.intersect(within))
            .filter(|part| !part.is_empty())
            .collect()
    }
}

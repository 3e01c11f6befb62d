//! Missing traffic: a load balancer, counts file or metric of a team has no events although earlier weeks had some at
//! this local time. Its minutes may be unknown for ever, so that no SLO fires.

use std::collections::{BTreeMap, BTreeSet};

use super::state::signed_minutes;
use super::{
    AlertState, EndReason, EvaluationBatch, Evaluator, Incident, IncidentKey, IncidentSubject, InvalidDefinitions,
    MissingTraffic, Owner,
};
use crate::evaluation::{EXPECTED_EVENTS_MIN, SloViews, expected_events};
use crate::ledger::{Ledger, NotLoaded, ViewSums};
use crate::slo::{Indicator, Service, Slo, SloId, Urgency};
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// After this time the incident ends: no earlier week has traffic to compare with.
const MISSING_MAX_MINUTES: i32 = 8 * MINUTES_PER_DAY;

/// What SLOs of a team read, so that they all miss its traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficScope {
    pub team: String,
    pub source: String,
    pub slos: BTreeSet<SloId>,
    pub traffic: ScopeTraffic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeTraffic {
    Flowing,
    /// None for at least `stale_after`, although it is expected since `started`.
    Missing {
        last_event: Minute,
        started: Minute,
    },
    /// None, and too few are expected to miss them.
    Idle {
        expected_events: u64,
    },
    /// None for so long that it is out of use, or none ever.
    Abandoned,
}

/// By the subject of their missing traffic.
pub type TrafficScopes = BTreeMap<IncidentSubject, TrafficScope>;

/// The subject of the missing traffic of an SLO: what it reads, and whose it is.
fn subject_of(service: &Service, slo: &Slo) -> IncidentSubject {
    let scope = match &slo.indicator {
        Indicator::Requests { traffic, source, .. } => {
            IncidentSubject::for_load_balancer(&traffic.load_balancer, source).to_string()
        }
        Indicator::Ratio { .. } => format!("metrics of {}", slo.id),
        Indicator::Query { file, source, .. } => format!("query {file} of source {source}"),
        Indicator::Counts { file, source } => format!("counts file {file} of source {source}"),
    };
    IncidentSubject::MissingTraffic(format!("{scope} of team {}", service.team))
}

impl Evaluator<'_> {
    /// Whether what the SLOs of each team read has events.
    pub fn find_traffic_scopes(&self, ledger: &Ledger) -> Result<TrafficScopes, NotLoaded> {
        let mut scopes = TrafficScopes::new();
        let Some(after) = self.catalog.alerts.stale_after_minutes else { return Ok(scopes) };
        let after = signed_minutes(after).max(1);
        let mut slos_by_subject: BTreeMap<IncidentSubject, Vec<usize>> = BTreeMap::new();
        for (index, (service, slo)) in self.slos.iter().enumerate() {
            slos_by_subject.entry(subject_of(service, slo)).or_default().push(index);
        }
        for (subject, indices) in slos_by_subject {
            let Some((service, slo)) = indices.first().map(|index| self.slos[*index]) else { continue };
            let scope = TrafficScope {
                team: service.team.clone(),
                source: slo.indicator.source().to_owned(),
                slos: indices.iter().map(|index| self.slos[*index].1.id.clone()).collect(),
                traffic: self.scope_traffic(ledger, &indices, after)?,
            };
            scopes.insert(subject, scope);
        }
        Ok(scopes)
    }

    fn scope_traffic(&self, ledger: &Ledger, indices: &[usize], after: i32) -> Result<ScopeTraffic, NotLoaded> {
        let mut last_event: Option<Minute> = None;
        for (_, slo) in indices.iter().map(|index| self.slos[*index]) {
            let (at, series) = (self.catalog.evaluation_time(slo, self.at), slo.indicator.series());
            let view = SloViews::new(slo, Vec::new()).events;
            if ViewSums::new(ledger, &view).sum_span(Span::ending_at(at, after))?.total > 0 {
                return Ok(ScopeTraffic::Flowing);
            }
            let oldest = at.plus(-MISSING_MAX_MINUTES).day();
            last_event = ledger.last_event(&series, oldest, at)?.max(last_event);
        }
        let Some(last_event) = last_event else { return Ok(ScopeTraffic::Abandoned) };
        let first_missing = last_event.plus(1 + after);
        let mut max_expected = 0;
        for (service, slo) in indices.iter().map(|index| self.slos[*index]) {
            let at = self.catalog.evaluation_time(slo, self.at);
            let views = SloViews::new(slo, self.exclusions.spans(service, slo));
            let expected_before = |at: Minute| {
                views.with_counts(ledger, |counts| expected_events(slo, Span::ending_at(at, after), last_event, counts))
            };
            max_expected = expected_before(at)?.max(max_expected);
            if max_expected >= EXPECTED_EVENTS_MIN {
                let was_expected = expected_before(first_missing)? >= EXPECTED_EVENTS_MIN;
                let started = if was_expected { first_missing } else { at };
                return Ok(ScopeTraffic::Missing { last_event, started });
            }
        }
        Ok(ScopeTraffic::Idle { expected_events: max_expected })
    }
}

/// Opens and ends incidents of missing traffic. A source that is stale has an incident of its own, and so have SLOs
/// that fire because traffic is missing.
pub(super) fn update_missing_traffic(state: &mut AlertState, batch: &EvaluationBatch<'_>) {
    let are_definitions_valid = *batch.invalid_definitions == InvalidDefinitions::default();
    let is_obsolete = |subject: &IncidentSubject| {
        matches!(subject, IncidentSubject::MissingTraffic(_))
            && !batch.traffic_scopes.contains_key(subject)
            && (are_definitions_valid || batch.rules.stale_after_minutes.is_none())
    };
    for key in state.open_incidents(is_obsolete) {
        state.end_incident(&key.subject, batch.at, EndReason::SloRemoved);
    }
    for (subject, scope) in &batch.traffic_scopes {
        match scope.traffic {
            ScopeTraffic::Flowing => state.end_incident(subject, batch.at, EndReason::Recovered),
            ScopeTraffic::Abandoned => state.end_incident(subject, batch.at, EndReason::NoTraffic),
            ScopeTraffic::Idle { .. } => {}
            ScopeTraffic::Missing { last_event, started } => {
                let is_known = state.open_incident(subject).is_some()
                    || state.open_incident(&IncidentSubject::StaleSource(scope.source.clone())).is_some()
                    || scope.slos.iter().any(|slo| fires_without_traffic(state, slo));
                if !is_known {
                    let incident = Incident {
                        missing_traffic: Some(MissingTraffic { last_event, slos: scope.slos.clone() }),
                        ..Incident::new(Owner::fleet(&scope.team), Urgency::Page, started)
                    };
                    state.open_or_reopen(IncidentKey { subject: subject.clone(), started }, incident);
                }
            }
        }
    }
}

/// Whether a source should have new events at this local time. Offices have none at night.
pub(super) fn is_traffic_expected(scopes: &TrafficScopes, source: &str) -> bool {
    let mut expected_events = 0_u64;
    let mut scopes = scopes.values().filter(|scope| scope.source == source).peekable();
    scopes.peek().is_none()
        || scopes.any(|scope| match scope.traffic {
            ScopeTraffic::Idle { expected_events: events } => {
                expected_events = expected_events.saturating_add(events);
                expected_events >= EXPECTED_EVENTS_MIN
            }
            ScopeTraffic::Flowing | ScopeTraffic::Missing { .. } | ScopeTraffic::Abandoned => true,
        })
}

fn fires_without_traffic(state: &AlertState, slo: &SloId) -> bool {
    let checkpoint = state.checkpoints.get(slo);
    checkpoint.is_some_and(|slo| slo.urgency_state.is_traffic_drop && slo.urgency_state.urgency().is_some())
}

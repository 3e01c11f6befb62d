//! Shared causes: when services of one load balancer or one source begin to page within minutes, they form one group
//! incident.
//!
//! Every service of the load balancer that begins to page while the group is open joins it. A source is as wide as an
//! account or the whole fleet: services join such a group only while others keep joining, so that hours later an
//! independent outage is not counted as a part of it.

use std::collections::{BTreeMap, BTreeSet};

use super::state::signed_minutes;
use super::{AlertState, EndReason, Incident, IncidentKey, IncidentSubject, Owner};
use crate::slo::{AlertRules, SloId, Urgency};
use crate::time::Minute;

/// Opens and updates groups after a minute at which an incident was opened, ended or changed.
pub(super) fn update_groups(
    state: &mut AlertState,
    at: Minute,
    rules: &AlertRules,
    groups_by_slo: &BTreeMap<&SloId, &[IncidentSubject]>,
) {
    let (Some((min_services, within_minutes)), Some(team)) = (rules.shared_cause, &rules.team) else { return };
    let mut paging_by_group: BTreeMap<&IncidentSubject, Vec<IncidentKey>> = BTreeMap::new();
    for (key, _) in state.incidents.iter().filter(|(_, incident)| is_paging(incident)) {
        let IncidentSubject::Slo(slo_id) = &key.subject else { continue };
        for scope in groups_by_slo.get(slo_id).into_iter().copied().flatten() {
            paging_by_group.entry(scope).or_default().push(key.clone());
        }
    }
    end_recovered_groups(state, at, Some(min_services));
    // Load balancers come before sources: the narrower scope takes precedence.
    for (scope, paging_keys) in paging_by_group {
        let subject = scope.clone();
        let open_group = state.open_incident(&subject);
        let joins_after = joins_after(state, open_group.as_ref(), at.plus(-signed_minutes(within_minutes)));
        let joining: Vec<(IncidentKey, &Incident)> = paging_keys
            .into_iter()
            .filter_map(|key| state.incidents.get(&key).map(|incident| (key, incident)))
            .filter(|(_, incident)| incident.group.is_none() && incident.last_paged_at() > Some(joins_after))
            .collect();
        let services: BTreeSet<&str> = joining.iter().map(|(_, incident)| incident.owner.service.as_str()).collect();
        if open_group.is_none() && u32::try_from(services.len()).unwrap_or(u32::MAX) < min_services {
            continue;
        }
        let highest_urgency = joining.iter().map(|(_, incident)| incident.urgency()).max();
        let joining_keys: Vec<IncidentKey> = joining.into_iter().map(|(key, _)| key).collect();
        let group_key = open_group.unwrap_or_else(|| {
            let key = IncidentKey { subject, started: at };
            state.open_or_reopen(key.clone(), Incident::new(Owner::fleet(team), Urgency::Page, at));
            key
        });
        let Some(group) = state.incidents.get_mut(&group_key) else { continue };
        group.members.extend(joining_keys.iter().cloned());
        group.change_urgency(highest_urgency.unwrap_or(Urgency::Page).max(group.urgency()), at);
        for key in joining_keys {
            if let Some(incident) = state.incidents.get_mut(&key) {
                incident.group = Some(group_key.clone());
            }
        }
    }
}

fn is_paging(incident: &Incident) -> bool {
    incident.is_open() && incident.urgency() >= Urgency::Page
}

/// An incident joins a group if it began to page after this minute. `recent_start`: the same for a new group.
fn joins_after(state: &AlertState, open_group: Option<&IncidentKey>, recent_start: Minute) -> Minute {
    let Some(open_group) = open_group else { return recent_start };
    let IncidentSubject::SharedSource(_) = open_group.subject else {
        return recent_start.min(open_group.started.plus(-1));
    };
    let members = state.incidents.get(open_group).into_iter().flat_map(|incident| &incident.members);
    let newest_page = members.filter_map(|member| state.incidents.get(member)?.last_paged_at()).max();
    // If no service has joined recently, a new page has another cause.
    if newest_page.is_none_or(|newest_page| newest_page <= recent_start) { Minute(i32::MAX) } else { recent_start }
}

/// Ends groups whose members have ended without an evaluation, and all groups if the rules no longer allow any.
pub(super) fn end_groups(state: &mut AlertState, at: Minute, rules: &AlertRules) {
    let min_services = rules.shared_cause.filter(|_| rules.team.is_some()).map(|(min_services, _)| min_services);
    end_recovered_groups(state, at, min_services);
}

/// A group has the urgency of its most urgent member. It ends when fewer than half of `min_services` members page: the
/// remaining ones then page their own teams. `min_services` is `None` if there are no groups.
fn end_recovered_groups(state: &mut AlertState, at: Minute, min_services: Option<u32>) {
    for key in state.open_incidents(IncidentSubject::is_group) {
        let members = state.incidents.get(&key).map_or_else(BTreeSet::new, |incident| incident.members.clone());
        let member_incidents = members.iter().filter_map(|member| state.incidents.get(member));
        let paging: Vec<Urgency> = member_incidents.filter(|member| is_paging(member)).map(Incident::urgency).collect();
        if let (Some(highest_urgency), Some(group)) = (paging.iter().max(), state.incidents.get_mut(&key)) {
            group.change_urgency(*highest_urgency, at);
        }
        let paging_doubled = u32::try_from(paging.len() * 2).unwrap_or(u32::MAX);
        if min_services.is_some_and(|min_services| paging_doubled >= min_services) {
            continue;
        }
        let reason = if min_services.is_some() { EndReason::Recovered } else { EndReason::SloChanged };
        state.end_incident(&key.subject, at, reason);
        for member in members {
            if let Some(incident) = state.incidents.get_mut(&member).filter(|incident| incident.is_open()) {
                incident.group = None;
            }
        }
    }
}

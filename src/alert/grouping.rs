//! Causes that services share: when many of one load balancer or one source begin to page within minutes, that is one
//! incident.
//!
//! Whatever begins to page behind the same load balancer as long as that goes on is part of it. A source is as wide as
//! an account, or as the whole fleet: there it is part of it only for as long as services keep joining, so that hours
//! later nobody's own outage is taken for a part.

use std::collections::{BTreeMap, BTreeSet};

use super::state_machine::{end_incident, signed_minutes};
use super::{AlertState, EndReason, Incident, IncidentKey, IncidentSubject, Owner, SharedScope};
use crate::slo::{AlertRules, SloId, Urgency};
use crate::time::Minute;

/// Finds shared causes after a minute in which an incident began, ended or changed.
pub(super) fn update_groups(
    state: &mut AlertState,
    at: Minute,
    rules: &AlertRules,
    scopes_by_slo: &BTreeMap<&SloId, &[SharedScope]>,
) {
    let (Some((min_services, within_minutes)), Some(team)) = (rules.shared_cause, &rules.team) else { return };
    let mut paging_by_scope: BTreeMap<&SharedScope, Vec<IncidentKey>> = BTreeMap::new();
    for (key, incident) in &state.incidents {
        let IncidentSubject::Slo(slo_id) = &key.subject else { continue };
        if incident.is_open() && incident.urgency >= Urgency::Page {
            for scope in scopes_by_slo.get(slo_id).into_iter().copied().flatten() {
                paging_by_scope.entry(scope).or_default().push(key.clone());
            }
        }
    }
    end_recovered_groups(state, at, Some(min_services));
    // The narrower place first: what a load balancer explains is not explained by its account too.
    for (scope, paging_keys) in paging_by_scope {
        let subject = IncidentSubject::Group(scope.clone());
        let open_group = state.open_incident(&subject);
        let since_minute = join_after(state, open_group.as_ref(), at.plus(-signed_minutes(within_minutes)));
        let can_join = |incident: &Incident| incident.group.is_none() && incident.last_paged_at() > Some(since_minute);
        let joining: Vec<&IncidentKey> =
            paging_keys.iter().filter(|key| state.incidents.get(key).is_some_and(can_join)).collect();
        let services: BTreeSet<&str> = joining
            .iter()
            .filter_map(|key| state.incidents.get(key))
            .map(|incident| incident.service.as_str())
            .collect();
        if open_group.is_none() && u32::try_from(services.len()).unwrap_or(u32::MAX) < min_services {
            continue;
        }
        let joining_keys: Vec<IncidentKey> = joining.into_iter().cloned().collect();
        let highest_urgency =
            joining_keys.iter().filter_map(|key| state.incidents.get(key)).map(|incident| incident.urgency).max();
        let group_key = open_group.unwrap_or_else(|| {
            let key = IncidentKey { subject, started: at };
            state.open_or_reopen(key.clone(), Incident::new(&Owner::fleet(team), Urgency::Page, at));
            key
        });
        let Some(group) = state.incidents.get_mut(&group_key) else { continue };
        group.members.extend(joining_keys.iter().cloned());
        group.change_urgency(highest_urgency.unwrap_or(Urgency::Page).max(group.urgency), at);
        for key in joining_keys {
            if let Some(incident) = state.incidents.get_mut(&key) {
                incident.group = Some(group_key.clone());
            }
        }
    }
}

/// After which minute an incident must have begun to page to be part of a cause. `recent`: that of a cause that is not
/// open.
fn join_after(state: &AlertState, open_group: Option<&IncidentKey>, recent_start: Minute) -> Minute {
    let Some(open_group) = open_group else { return recent_start };
    let IncidentSubject::Group(SharedScope::Source(_)) = open_group.subject else {
        return recent_start.min(open_group.started.plus(-1));
    };
    let members = state.incidents.get(open_group).into_iter().flat_map(|incident| &incident.members);
    let newest_page = members.filter_map(|member| state.incidents.get(member)?.last_paged_at()).max();
    // Nobody has joined for so long that what begins now is something else.
    if newest_page.is_none_or(|newest_page| newest_page <= recent_start) { Minute(i32::MAX) } else { recent_start }
}

/// Ends shared causes of which parts have gone without any minute that said so, or that nobody wants to hear of any
/// more.
pub(super) fn end_groups(state: &mut AlertState, at: Minute, rules: &AlertRules) {
    end_recovered_groups(
        state,
        at,
        rules.shared_cause.zip(rules.team.as_ref()).map(|((min_services, _), _)| min_services),
    );
}

/// A shared cause is as urgent as the most urgent of its parts. It is over when fewer than half as many burn as it
/// takes: what is left of them is on its own again, and wakes its own team. `services`: how many it takes; `None` if
/// there are no shared causes.
fn end_recovered_groups(state: &mut AlertState, at: Minute, min_services: Option<u32>) {
    let is_open_group =
        |key: &IncidentKey, incident: &Incident| matches!(key.subject, IncidentSubject::Group(_)) && incident.is_open();
    let groups: Vec<IncidentKey> = state
        .incidents
        .iter()
        .filter(|(key, incident)| is_open_group(key, incident))
        .map(|(key, _)| key.clone())
        .collect();
    for key in groups {
        let members = state.incidents.get(&key).map_or_else(BTreeSet::new, |incident| incident.members.clone());
        let paging: Vec<Urgency> = members
            .iter()
            .filter_map(|member| state.incidents.get(member))
            .filter(|member| member.is_open() && member.urgency >= Urgency::Page)
            .map(|member| member.urgency)
            .collect();
        if let (Some(highest_urgency), Some(incident)) = (paging.iter().max(), state.incidents.get_mut(&key)) {
            incident.change_urgency(*highest_urgency, at);
        }
        let paging_doubled = u32::try_from(paging.len() * 2).unwrap_or(u32::MAX);
        if min_services.is_some_and(|min_services| paging_doubled >= min_services) {
            continue;
        }
        end_incident(
            state,
            &key.subject,
            at,
            if min_services.is_some() { EndReason::Recovered } else { EndReason::SloChanged },
        );
        for member in members {
            if let Some(incident) = state.incidents.get_mut(&member).filter(|incident| incident.is_open()) {
                incident.group = None;
            }
        }
    }
}

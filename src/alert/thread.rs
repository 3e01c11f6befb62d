//! Threads: the SLOs of one service that fail together are one alert.
//!
//! The first incident of a service that is notified leads the thread, and its key is that of all notifications of the
//! thread. Incidents of the service that open while the thread is open join it. The thread ends when all of them have.

use std::collections::BTreeMap;

use super::{AlertState, EndReason, Incident, IncidentKey, IncidentSubject};
use crate::slo::Urgency;
use crate::time::Minute;

/// An incident with those that follow it; most have none.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    /// The incident that its notifications describe: of those that are open the most urgent.
    pub(super) subject: IncidentKey,
    /// The other incidents that they name.
    pub(super) others: Vec<IncidentKey>,
    pub(super) urgency: Urgency,
    pub(super) ended: Option<(Minute, EndReason)>,
    /// Whether all of its open incidents are silenced, or after its end all of them.
    pub(super) is_silenced: bool,
}

/// Lets open incidents join the thread of their service.
pub(super) fn update_threads(state: &mut AlertState) {
    let mut leaders: BTreeMap<(String, String), Vec<IncidentKey>> = BTreeMap::new();
    for (key, _) in state.incidents.iter().filter(|(key, incident)| can_lead(state, key, incident)) {
        leaders.entry(service_of(state, key)).or_default().push(key.clone());
    }
    for keys in leaders.values_mut() {
        // Who was notified leads; of those that open at the same time, the most urgent.
        keys.sort_by_key(|key| {
            let incident = &state.incidents[key];
            let is_unnotified = incident.notification_count == 0;
            (is_unnotified, is_unnotified.then(|| std::cmp::Reverse(incident.peak())), key.started)
        });
        let Some((leader, others)) = keys.split_first() else { continue };
        for key in others {
            if let Some(incident) = state.incidents.get_mut(key).filter(|incident| can_follow(incident)) {
                incident.thread = Some(leader.clone());
            }
        }
    }
}

fn service_of(state: &AlertState, key: &IncidentKey) -> (String, String) {
    let owner = state.incidents.get(key).map(|incident| incident.owner.clone()).unwrap_or_default();
    (owner.team, owner.service)
}

/// An incident with a thread of its own that is not over.
fn can_lead(state: &AlertState, key: &IncidentKey, incident: &Incident) -> bool {
    let is_thread_open = || incident.is_open() || followers(state, key).any(|(_, follower)| follower.is_open());
    matches!(key.subject, IncidentSubject::Slo(_)) && incident.thread.is_none() && is_thread_open()
}

/// One that was notified keeps its key: whoever received that must also receive its end.
const fn can_follow(incident: &Incident) -> bool {
    incident.is_open() && incident.notification_count == 0
}

fn followers<'a>(
    state: &'a AlertState,
    leader: &'a IncidentKey,
) -> impl Iterator<Item = (&'a IncidentKey, &'a Incident)> {
    state.incidents.iter().filter(move |(_, incident)| incident.thread.as_ref() == Some(leader))
}

/// All threads by the key of their leader.
pub(super) fn threads(state: &AlertState, is_silenced: impl Fn(&IncidentKey) -> bool) -> BTreeMap<IncidentKey, Thread> {
    let mut members: BTreeMap<&IncidentKey, Vec<(&IncidentKey, &Incident)>> = BTreeMap::new();
    for (key, incident) in &state.incidents {
        let leader = incident.thread.as_ref().filter(|leader| state.incidents.contains_key(leader)).unwrap_or(key);
        members.entry(leader).or_default().push((key, incident));
    }
    let threads = members.into_iter().filter_map(|(leader, members)| {
        let has_paged = state.incidents.get(leader)?.notified.values().any(|notified| *notified >= Urgency::Page);
        // As part of a group, an incident does not page.
        let urgency = |incident: &Incident| {
            if incident.group.is_some() && !has_paged { Urgency::Ticket } else { incident.urgency() }
        };
        let open = || members.iter().filter(|(_, incident)| incident.is_open());
        let is_open = open().next().is_some();
        let ended = members.iter().filter_map(|(_, incident)| incident.ended).max();
        let described = members.iter().filter(|(key, incident)| incident.is_open() == is_open && !is_silenced(key));
        let most_urgent = described.clone().max_by_key(|(key, incident)| (urgency(incident), *key == leader));
        let subject = if is_open { most_urgent.map_or(leader, |(key, _)| key) } else { leader };
        let others = described.filter(|(key, _)| *key != subject).map(|(key, _)| (*key).clone());
        let thread = Thread {
            subject: subject.clone(),
            others: others.collect(),
            urgency: most_urgent.map_or(Urgency::Ticket, |(_, incident)| urgency(incident)),
            ended: ended.filter(|_| !is_open),
            is_silenced: most_urgent.is_none(),
        };
        Some((leader.clone(), thread))
    });
    threads.collect()
}

//! Threads: the SLOs of one service that fail together are one alert.
//!
//! The first incident of a service that is notified leads the thread, and its key is that of all notifications of the
//! thread. Incidents of the service that open while the thread is open join it. The thread ends when all of them have.

use std::collections::{BTreeMap, BTreeSet};

use super::{AlertState, EndReason, Incident, IncidentKey, IncidentSubject, Owner};
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
    let open = state.incidents.values().filter(|incident| incident.is_open());
    let followed: BTreeSet<IncidentKey> = open.filter_map(|incident| incident.thread.clone()).collect();
    let mut leaders: BTreeMap<(String, String), Vec<IncidentKey>> = BTreeMap::new();
    for (key, incident) in &state.incidents {
        let is_thread_open = incident.is_open() || followed.contains(key);
        if matches!(key.subject, IncidentSubject::Slo(_)) && incident.thread.is_none() && is_thread_open {
            let Owner { team, service, .. } = &incident.owner;
            leaders.entry((team.clone(), service.clone())).or_default().push(key.clone());
        }
    }
    for keys in leaders.values_mut() {
        // Who was notified leads; of those that open at the same time, the most urgent.
        keys.sort_by_key(|key| {
            let incident = &state.incidents[key];
            let is_unnotified = incident.notification_count == 0;
            (is_unnotified, is_unnotified.then(|| std::cmp::Reverse(incident.peak())), key.started)
        });
        let Some((leader, others)) = keys.split_first() else { continue };
        for key in others.iter().filter(|key| !followed.contains(key)) {
            if let Some(incident) = state.incidents.get_mut(key).filter(|incident| can_follow(incident)) {
                incident.thread = Some(leader.clone());
            }
        }
    }
}

/// One that was notified keeps its key: each destination that received it must also receive its end.
const fn can_follow(incident: &Incident) -> bool {
    incident.is_open() && incident.notification_count == 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{NotificationKind, NotificationRoutes, PlannedNotification, plan_notifications};
    use crate::slo::{AlertRules, SloId};

    fn open(state: &mut AlertState, service: &str, slo: &str, at: i32, urgency: Urgency) -> IncidentKey {
        let owner = Owner { team: "shop".to_owned(), service: service.to_owned(), class: String::new() };
        let key = IncidentKey { subject: IncidentSubject::Slo(SloId::new(service, slo)), started: Minute(at) };
        state.incidents.insert(key.clone(), Incident::new(owner, urgency, Minute(at)));
        key
    }

    fn plan(state: &mut AlertState, at: i32, silenced: &[&IncidentKey]) -> Vec<PlannedNotification> {
        let routes = NotificationRoutes {
            destinations: &|_, urgency| vec![if urgency >= Urgency::Page { "pages" } else { "tickets" }.to_owned()],
            is_silenced: &|key| silenced.contains(&key),
        };
        plan_notifications(state, Minute(at), &AlertRules::default(), &routes)
    }

    fn end(state: &mut AlertState, key: &IncidentKey, at: i32) {
        state.incidents.get_mut(key).unwrap().ended = Some((Minute(at), EndReason::Recovered));
    }

    #[test]
    fn slos_of_service_are_one_alert_until_all_have_ended() {
        let mut state = AlertState::default();
        let latency = open(&mut state, "checkout", "latency", 10, Urgency::Page);
        let other = open(&mut state, "search", "latency", 10, Urgency::Page);
        let first = plan(&mut state, 10, &[]);
        assert_eq!(first.iter().map(|planned| &planned.key).collect::<Vec<_>>(), [&latency, &other]);
        // A second SLO becomes severe: the same alert, which now describes it.
        let availability = open(&mut state, "checkout", "availability", 12, Urgency::Severe);
        let changed = plan(&mut state, 12, &[]);
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert_eq!((changed[0].kind, changed[0].urgency), (NotificationKind::Changed, Urgency::Severe));
        assert_eq!((&changed[0].key, &changed[0].subject), (&latency, &availability));
        assert_eq!(changed[0].others, std::slice::from_ref(&latency));
        // The leader ends first: the thread goes on under its key.
        end(&mut state, &latency, 20);
        assert_eq!(plan(&mut state, 20, &[]), []);
        end(&mut state, &availability, 30);
        let resolved = plan(&mut state, 30, &[]);
        assert_eq!(resolved.len(), 1, "{resolved:?}");
        assert_eq!((resolved[0].kind, &resolved[0].key), (NotificationKind::Resolved, &latency));
        assert_eq!(plan(&mut state, 31, &[]), []);
        // What opens later is a new alert.
        let later = open(&mut state, "checkout", "availability", 40, Urgency::Page);
        assert_eq!(plan(&mut state, 40, &[])[0].key, later);
    }

    #[test]
    fn silenced_slo_does_not_hide_the_others_of_its_service() {
        let mut state = AlertState::default();
        let silenced = open(&mut state, "checkout", "latency", 10, Urgency::Severe);
        assert_eq!(plan(&mut state, 10, &[&silenced]), []);
        let availability = open(&mut state, "checkout", "availability", 11, Urgency::Page);
        let planned = plan(&mut state, 11, &[&silenced]);
        assert_eq!(planned.len(), 1, "{planned:?}");
        assert_eq!((&planned[0].subject, planned[0].urgency), (&availability, Urgency::Page));
        assert_eq!(planned[0].others, []);
    }
}

//! Who has to be told what: the difference between what each destination was told and what is.
//!
//! It is looked at once a run, so an incident that rose and fell since the last one is told as it is now. What began
//! and ended in between wakes nobody any more: it is a note among the tickets.

use std::collections::{BTreeMap, BTreeSet};

use super::state_machine::signed_minutes;
use super::{AlertState, EndReason, Incident, IncidentKey, NotificationKind};
use crate::slo::{AlertRules, Urgency};
use crate::time::{MINUTES_PER_DAY, Minute};

/// Something to tell, before it has words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedNotification {
    /// What it is about.
    pub key: IncidentKey,
    /// Its number among the messages of the incident.
    pub number: u32,
    /// What it does.
    pub kind: NotificationKind,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Whom to tell.
    pub destinations: Vec<String>,
}

/// Where messages go.
pub struct NotificationRoutes<'a> {
    /// The destinations of a team and class for an urgency.
    pub destinations: &'a dyn Fn(&Incident, Urgency) -> Vec<String>,
    /// Whether somebody asked not to be told of it now.
    pub is_silenced: &'a dyn Fn(&IncidentKey) -> bool,
}

/// Decides what to tell at a moment, and notes in the book that it was decided.
pub fn plan_notifications(
    state: &mut AlertState,
    at: Minute,
    rules: &AlertRules,
    routes: &NotificationRoutes<'_>,
) -> Vec<PlannedNotification> {
    let mut planned = Vec::new();
    // Who has not even got the last message needs no reminder.
    let pending: BTreeSet<(String, String)> = state
        .outbox
        .iter()
        .filter(|entry| !entry.is_abandoned)
        .map(|entry| (entry.notification.key.clone(), entry.destination.clone()))
        .collect();
    for (key, incident) in &mut state.incidents {
        let mut destinations_by_kind: BTreeMap<u8, (NotificationKind, Vec<String>)> = BTreeMap::new();
        let mut add_destination = |kind: NotificationKind, destination: String| {
            destinations_by_kind.entry(kind as u8).or_insert((kind, Vec::new())).1.push(destination)
        };
        let notified_urgency = notification_urgency(incident);
        match incident.ended {
            Some(_) if !incident.notified.is_empty() => {
                for destination in std::mem::take(&mut incident.notified).into_keys() {
                    add_destination(NotificationKind::Resolved, destination);
                }
            }
            Some((ended, why)) if !needs_closing_note(incident, ended, why, at, rules) => {}
            Some(_) | None if (routes.is_silenced)(key) => incident.is_silenced = true,
            Some(_) => {
                for destination in (routes.destinations)(incident, Urgency::Ticket) {
                    add_destination(NotificationKind::Note, destination);
                }
            }
            None => {
                // Who is told that it has become less urgent is told enough.
                let is_downgrade =
                    incident.notified.values().max().is_some_and(|notified| *notified >= notified_urgency);
                let route_destinations = if is_downgrade {
                    incident.notified.keys().cloned().collect()
                } else {
                    (routes.destinations)(incident, notified_urgency)
                };
                let is_due_for_reminder = is_reminder_due(incident, notified_urgency, at, rules);
                let destinations: BTreeSet<&String> =
                    route_destinations.iter().chain(incident.notified.keys()).collect();
                for destination in destinations {
                    match incident.notified.get(destination) {
                        None => add_destination(NotificationKind::Opened, destination.clone()),
                        Some(notified) if *notified != notified_urgency => {
                            add_destination(NotificationKind::Changed, destination.clone())
                        }
                        Some(_)
                            if is_due_for_reminder
                                && route_destinations.contains(destination)
                                && !pending.contains(&(key.to_string(), destination.clone())) =>
                        {
                            add_destination(NotificationKind::Reminder, destination.clone());
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        for (kind, destinations) in destinations_by_kind.into_values() {
            let urgency = if kind == NotificationKind::Note { Urgency::Ticket } else { notified_urgency };
            incident.notification_count += 1;
            incident.last_notified = Some(at);
            if matches!(kind, NotificationKind::Opened | NotificationKind::Changed) {
                incident.notified.extend(destinations.iter().map(|destination| (destination.clone(), urgency)));
            }
            planned.push(PlannedNotification {
                key: key.clone(),
                number: incident.notification_count,
                kind,
                urgency,
                destinations,
            });
        }
    }
    for notification in planned.iter().filter(|notification| notification.kind == NotificationKind::Resolved) {
        state.downgrade_pending(&notification.key.to_string());
    }
    planned
}

/// How urgently an incident speaks. Part of a shared cause, it wakes nobody of its own.
fn notification_urgency(incident: &Incident) -> Urgency {
    let has_paged = incident.notified.values().max().is_some_and(|notified| *notified >= Urgency::Page);
    if incident.group.is_some() && !has_paged { Urgency::Ticket } else { incident.urgency }
}

/// Whether the end of an incident that nobody was told of is worth a word. What may open one is known as late as runs
/// come and minutes arrive; what ended longer ago than that had nobody to tell.
fn needs_closing_note(incident: &Incident, ended: Minute, reason: EndReason, at: Minute, rules: &AlertRules) -> bool {
    incident.notification_count == 0
        && matches!(reason, EndReason::Recovered | EndReason::NoTraffic)
        && ended > at.plus(-signed_minutes(rules.open_within_minutes) - MINUTES_PER_DAY)
        && !incident.is_silenced
        && incident.group.is_none()
}

fn is_reminder_due(incident: &Incident, urgency: Urgency, at: Minute, rules: &AlertRules) -> bool {
    let interval = if urgency >= Urgency::Page { rules.remind_pages_minutes } else { rules.remind_tickets_minutes };
    interval
        .zip(incident.last_notified)
        .is_some_and(|(interval, last_notified)| at >= last_notified.plus(signed_minutes(interval)))
}

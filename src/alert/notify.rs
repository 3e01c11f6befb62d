//! Plans notifications: the difference between what each destination was notified of and the present incidents.
//!
//! It is computed once per run, so an incident that has changed since the last one is notified as it is now. One that
//! was opened and resolved in between does not page: it becomes a note among the tickets.

use std::collections::{BTreeMap, BTreeSet};

use super::state::signed_minutes;
use super::thread::{Thread, threads, update_threads};
use super::{AlertState, EndReason, Incident, IncidentKey, NotificationKind};
use crate::slo::{AlertRules, Urgency};
use crate::time::{MINUTES_PER_DAY, Minute};

/// A notification before it is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedNotification {
    /// The incident that leads the thread.
    pub key: IncidentKey,
    /// The incident that the notification describes.
    pub subject: IncidentKey,
    /// Other incidents of the thread: those that are open, or after its end all of them.
    pub others: Vec<IncidentKey>,
    pub number: u32,
    pub kind: NotificationKind,
    pub urgency: Urgency,
    pub destinations: Vec<String>,
}

pub struct NotificationRoutes<'a> {
    pub destinations: &'a dyn Fn(&Incident, Urgency) -> Vec<String>,
    pub is_silenced: &'a dyn Fn(&IncidentKey) -> bool,
}

type DestinationsByKind = BTreeMap<NotificationKind, Vec<String>>;

/// Plans the notifications of a run, and records that they were planned.
pub fn plan_notifications(
    state: &mut AlertState,
    at: Minute,
    rules: &AlertRules,
    routes: &NotificationRoutes<'_>,
) -> Vec<PlannedNotification> {
    update_threads(state);
    let mut threads = threads(state, routes.is_silenced);
    let mut planned = Vec::new();
    let outbox = &state.outbox;
    for (key, incident) in &mut state.incidents {
        incident.is_silenced |= incident.is_open() && (routes.is_silenced)(key);
        let Some(Thread { subject, others, urgency, ended, is_silenced }) = threads.remove(key) else { continue };
        let destinations_by_kind = match ended {
            Some(_) if !incident.notified.is_empty() => {
                let notified = std::mem::take(&mut incident.notified);
                DestinationsByKind::from([(NotificationKind::Resolved, notified.into_keys().collect())])
            }
            Some((ended, reason)) if !needs_closing_note(incident, ended, reason, at, rules) => continue,
            _ if is_silenced => {
                incident.is_silenced = true;
                continue;
            }
            Some(_) => {
                DestinationsByKind::from([(NotificationKind::Note, (routes.destinations)(incident, Urgency::Ticket))])
            }
            None => {
                let is_due = is_reminder_due(incident, urgency, at, rules);
                // No reminder while an earlier notification to the same destination is pending.
                let needs_reminder = |destination: &str| {
                    let mut pending =
                        outbox.iter().filter(|entry| !entry.is_abandoned && entry.destination == destination);
                    is_due && pending.all(|entry| entry.notification.key != key.to_string())
                };
                open_notifications(incident, urgency, routes, needs_reminder)
            }
        };
        for (kind, destinations) in destinations_by_kind {
            if destinations.is_empty() {
                continue;
            }
            let urgency = if kind == NotificationKind::Note { Urgency::Ticket } else { urgency };
            incident.notification_count += 1;
            incident.last_notified = Some(at);
            match kind {
                NotificationKind::Opened | NotificationKind::Changed => {
                    incident.notified.extend(destinations.iter().map(|destination| (destination.clone(), urgency)));
                }
                NotificationKind::Resolved => incident.notified.retain(|to, _| !destinations.contains(to)),
                NotificationKind::Reminder | NotificationKind::Note | NotificationKind::Test => {}
            }
            let number = incident.notification_count;
            let (subject, others) = (subject.clone(), others.clone());
            planned.push(PlannedNotification {
                key: key.clone(),
                subject,
                others,
                number,
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

/// A destination is notified when the incident opens or becomes more urgent. Once the incident stops being a page, it
/// is resolved where it paged, and what is left is one message to each destination for tickets.
fn open_notifications(
    incident: &Incident,
    urgency: Urgency,
    routes: &NotificationRoutes<'_>,
    needs_reminder: impl Fn(&str) -> bool,
) -> DestinationsByKind {
    let is_page_end = |notified: Urgency| urgency < Urgency::Page && notified >= Urgency::Page;
    let has_stopped_paging = incident.notified.values().any(|notified| is_page_end(*notified));
    let can_open = has_stopped_paging || incident.notified.values().all(|notified| *notified < urgency);
    let recipients: BTreeSet<String> = (routes.destinations)(incident, urgency).into_iter().collect();
    let mut destinations_by_kind = DestinationsByKind::new();
    for destination in recipients.iter().chain(incident.notified.keys()).collect::<BTreeSet<_>>() {
        let is_recipient = recipients.contains(destination);
        let kind = match incident.notified.get(destination) {
            None if can_open => NotificationKind::Opened,
            Some(notified) if is_page_end(*notified) && !is_recipient => NotificationKind::Resolved,
            Some(notified) if *notified < urgency || is_page_end(*notified) => NotificationKind::Changed,
            Some(_) if is_recipient && needs_reminder(destination) => NotificationKind::Reminder,
            _ => continue,
        };
        destinations_by_kind.entry(kind).or_default().push(destination.clone());
    }
    destinations_by_kind
}

/// Whether the end of an incident that was never notified is worth a note. Runs and minutes may be late by
/// `open_within`; an incident that ended earlier was over before any notification was possible.
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

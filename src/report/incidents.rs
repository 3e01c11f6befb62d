//! Incidents as text: the open ones, how often each SLO alerted recently, and which alerts are too sensitive.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::table::markdown_list;
use crate::alert::{AlertState, Delivery, Incident, IncidentKey, IncidentSubject, NotificationKind, OutboxEntry};
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::format::{format_elapsed, format_percent, format_time, pluralize};
use crate::rational::to_f64;
use crate::slo::{Urgency, describe_destination};
use crate::time::{MINUTES_PER_DAY, Minute};

const WEEK_MINUTES: i32 = 7 * MINUTES_PER_DAY;
/// That many incidents within this time are noise if at least this share of the budget is left.
const NOISE_MINUTES: i32 = 2 * WEEK_MINUTES;
const NOISE_MIN_INCIDENTS: usize = 3;
const NOISE_MIN_BUDGET_LEFT: f64 = 0.75;

/// How often an SLO alerted in the last seven days, and a suggestion to reduce it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertNoise {
    /// `service/slo`, or the subject of an incident that concerns more than one SLO.
    pub subject: String,
    pub team: String,
    /// Including severe ones.
    pub pages: usize,
    pub tickets: usize,
    /// Of an SLO, in the last two weeks.
    #[serde(skip)]
    recent_incidents: usize,
    pub suggestion: Option<String>,
}

fn open_incidents(alert_state: &AlertState) -> Vec<(&IncidentKey, &Incident)> {
    let mut open: Vec<_> = alert_state.incidents.iter().filter(|(_, incident)| incident.is_open()).collect();
    open.sort_by_key(|(key, incident)| (Reverse(incident.urgency()), key.started, (*key).clone()));
    open
}

/// One line for each open incident, and one for notifications that cannot be delivered.
pub fn text(alert_state: &AlertState, at: Minute) -> String {
    let mut text = String::new();
    for (key, incident) in open_incidents(alert_state) {
        text.push_str(&format!(
            "{:<7} {} since {} ({}); {}\n",
            incident.urgency().to_string(),
            key.subject,
            format_time(key.started),
            format_elapsed(key.started, at),
            format_notified(alert_state, key, incident)
        ));
    }
    let (abandoned, pending): (Vec<&OutboxEntry>, Vec<&OutboxEntry>) =
        alert_state.outbox.iter().filter(|entry| entry.last_error.is_some()).partition(|entry| entry.is_abandoned);
    for (entries, outlook) in
        [(pending, "not delivered yet, will retry"), (abandoned, "not delivered, no more attempts")]
    {
        if !entries.is_empty() {
            text.push_str(&format!("{} {outlook}\n", pluralize(entries.len(), "notification")));
        }
    }
    text
}

/// The destinations of an incident: `notified: PagerDuty (`KEY`)`, and those whose newest notification is not delivered
/// yet.
fn format_notified(alert_state: &AlertState, key: &IncidentKey, incident: &Incident) -> String {
    if let Some(leader) = &incident.thread {
        return format!("notified together with {}", leader.subject);
    }
    let key = key.to_string();
    let is_pending = |to: &&String| {
        alert_state.outbox.iter().any(|entry| entry.destination == **to && entry.notification.key == key)
    };
    let (pending, delivered): (Vec<&String>, Vec<&String>) = incident.notified.keys().partition(is_pending);
    let describe_group = |(label, destinations): (&str, Vec<&String>)| {
        let names: Vec<String> = destinations.into_iter().map(|to| describe_destination(to, None)).collect();
        (!names.is_empty()).then(|| format!("{label}: {}", names.join(", ")))
    };
    let groups = [("notified", delivered), ("not delivered yet", pending)];
    let groups: Vec<String> = groups.into_iter().filter_map(describe_group).collect();
    if groups.is_empty() { "not notified".to_owned() } else { groups.join("; ") }
}

/// How often each SLO alerted in the last seven days, most pages first.
pub fn alert_noise(alert_state: &AlertState, status: &FleetStatus) -> Vec<AlertNoise> {
    let since = |minutes: i32| status.at.plus(-minutes);
    let mut noise_by_subject: BTreeMap<String, AlertNoise> = BTreeMap::new();
    for (key, incident) in &alert_state.incidents {
        let counts_as_alert = |sent: &&Delivery| {
            sent.at > since(WEEK_MINUTES) && matches!(sent.kind, NotificationKind::Opened | NotificationKind::Changed)
        };
        // An incident with several destinations counts once, at its highest urgency.
        let peak_urgency = incident.deliveries.iter().filter(counts_as_alert).map(|sent| sent.urgency).max();
        let is_recent = key.started > since(NOISE_MINUTES);
        if peak_urgency.is_none() && !is_recent {
            continue;
        }
        let subject = key.subject.to_string();
        let team = &incident.owner.team;
        let noise = noise_by_subject.entry(subject.clone()).or_insert_with(|| AlertNoise {
            subject,
            team: team.clone(),
            ..AlertNoise::default()
        });
        noise.pages += usize::from(peak_urgency >= Some(Urgency::Page));
        noise.tickets += usize::from(peak_urgency == Some(Urgency::Ticket));
        noise.recent_incidents += usize::from(is_recent && matches!(key.subject, IncidentSubject::Slo(_)));
    }
    let mut noisy: Vec<AlertNoise> = noise_by_subject.into_values().collect();
    for noise in &mut noisy {
        let row = status.rows.iter().find(|row| row.id() == noise.subject);
        noise.suggestion = row.and_then(|row| suggest_change(row, noise.recent_incidents));
    }
    noisy.retain(|noise| noise.pages + noise.tickets > 0 || noise.suggestion.is_some());
    // Subjects are sorted already.
    noisy.sort_by_key(|noise| Reverse((noise.pages, noise.tickets)));
    noisy
}

/// What to change about an SLO that alerts repeatedly while its budget is hardly used.
fn suggest_change(row: &SloRow, incidents: usize) -> Option<String> {
    let left = row.budget.remaining().map(to_f64)?;
    (incidents >= NOISE_MIN_INCIDENTS && left >= NOISE_MIN_BUDGET_LEFT).then(|| {
        format!(
            "{incidents} incidents in two weeks while {} of the error budget is left: the alerts are too sensitive. Raise \
             `significance: {{ min_bad_events: ... }}` or the budget share of its tiers, or lower the objective of {}.",
            format_percent(left, 0),
            row.objective
        )
    })
}

/// The sections of the report about incidents; empty if there were none.
pub fn markdown(alert_state: &AlertState, status: &FleetStatus) -> String {
    let mut text = markdown_list("Open incidents", text(alert_state, status.at).lines().map(str::to_owned));
    let noise = alert_noise(alert_state, status);
    if noise.is_empty() {
        return text;
    }
    text.push_str("\n## Alerts in the last seven days\n\n| subject | team | pages | tickets |\n|---|---|---|---|\n");
    for AlertNoise { subject, team, pages, tickets, .. } in &noise {
        text.push_str(&format!("| {subject} | {team} | {pages} | {tickets} |\n"));
    }
    for AlertNoise { subject, suggestion, .. } in &noise {
        text.extend(suggestion.as_ref().map(|suggestion| format!("\n- **{subject}**: {suggestion}\n")));
    }
    text
}

pub fn json(alert_state: &AlertState, status: &FleetStatus) -> Value {
    let incident_json = |(key, incident): (&IncidentKey, &Incident)| {
        json!({
            "key": key.to_string(),
            "subject": key.subject.to_string(),
            "team": incident.owner.team,
            "urgency": incident.urgency().to_string(),
            "started": key.started.to_string(),
            "group": incident.group.as_ref().map(ToString::to_string),
        })
    };
    let open: Vec<Value> = open_incidents(alert_state).into_iter().map(incident_json).collect();
    json!({ "open": open, "last_7_days": alert_noise(alert_state, status) })
}

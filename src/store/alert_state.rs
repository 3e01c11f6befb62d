//! The alert book as JSON. Absent on purpose: secrets; destinations stand there as definitions write them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::manifest::text;
use crate::alert::{
    AlertState, Delivery, EndReason, Incident, IncidentKey, IncidentSubject, Link, Notification, NotificationKind,
    OutboxEntry, PreviousObjective, SharedScope, SloCheckpoint, UrgencyState,
};
use crate::counts::Sums;
use crate::slo::{SloId, Urgency};
use crate::time::Minute;

/// Raised when the file changes so that older programs must not read it. Older formats are not read.
const FORMAT: u32 = 2;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct AlertStateJson {
    format: u32,
    last_run: Option<MinuteText>,
    checkpoints: BTreeMap<String, SloCheckpointJson>,
    incidents: Vec<IncidentJson>,
    outbox: Vec<OutboxEntryJson>,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct MinuteText(#[serde(with = "text")] Minute);

/// Fields with default values are not written, so that SLOs without an open incident take little space.
#[derive(Serialize, Deserialize)]
struct SloCheckpointJson {
    evaluated: MinuteText,
    /// Events, bad events, known minutes.
    recent_counts: (u64, u64, u32),
    /// For ticket, page and severe, like the two arrays below.
    #[serde(default, skip_serializing_if = "is_calm")]
    minutes_to_recovery: [u32; 3],
    #[serde(default, skip_serializing_if = "is_zero")]
    minutes_without_traffic: u32,
    #[serde(default, skip_serializing_if = "is_never")]
    last_recovered: [Option<MinuteText>; 3],
    #[serde(default, skip_serializing_if = "is_new")]
    flapping: [bool; 3],
    fingerprint: String,
    objective: String,
    #[serde(default)]
    team: String,
    /// Until when, and the objective.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous_objectives: Vec<(MinuteText, String)>,
}

fn is_calm(left: &[u32; 3]) -> bool {
    *left == [0; 3]
}

fn is_never(fell: &[Option<MinuteText>; 3]) -> bool {
    fell.iter().all(Option::is_none)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_new(back: &[bool; 3]) -> bool {
    *back == [false; 3]
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Clone, Serialize, Deserialize)]
struct IncidentKeyJson {
    #[serde(flatten)]
    subject: IncidentSubjectJson,
    started: MinuteText,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum IncidentSubjectJson {
    /// `service/slo`.
    Slo(String),
    SharedLoadBalancer(String),
    SharedSource(String),
    StaleSource(String),
    InvalidDefinitions(String),
}

#[derive(Serialize, Deserialize)]
struct IncidentJson {
    #[serde(flatten)]
    key: IncidentKeyJson,
    team: String,
    service: String,
    class: String,
    urgency_changes: Vec<(MinuteText, UrgencyJson)>,
    ended: Option<(MinuteText, CloseReasonJson)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    corrected: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    silenced: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contributors: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<IncidentKeyJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<IncidentKeyJson>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notified: BTreeMap<String, UrgencyJson>,
    last_notified: Option<MinuteText>,
    notifications: u32,
    delivered: Vec<DeliveryJson>,
}

#[derive(Serialize, Deserialize)]
struct DeliveryJson {
    number: u32,
    kind: NotificationKindJson,
    urgency: UrgencyJson,
    destination: String,
    at: MinuteText,
}

#[derive(Serialize, Deserialize)]
struct OutboxEntryJson {
    destination: String,
    decided_at: MinuteText,
    attempts: u32,
    next_attempt: MinuteText,
    last_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported_as: Option<UrgencyJson>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    given_up: bool,
    notification: NotificationJson,
}

#[derive(Serialize, Deserialize)]
struct NotificationJson {
    key: String,
    number: u32,
    kind: NotificationKindJson,
    urgency: UrgencyJson,
    title: String,
    paragraphs: Vec<String>,
    facts: Vec<(String, String)>,
    links: Vec<(String, String)>,
    service: String,
    team: String,
    class: String,
    at: MinuteText,
}

/// Twins of enumerations without data, by their word.
macro_rules! twins {
    ($($twin:ident of $core:ident { $($name:ident),* })*) => { $(
        #[derive(Clone, Copy, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum $twin { $($name),* }

        impl From<$core> for $twin {
            fn from(core: $core) -> Self {
                match core { $($core::$name => Self::$name),* }
            }
        }

        impl From<$twin> for $core {
            fn from(twin: $twin) -> Self {
                match twin { $($twin::$name => Self::$name),* }
            }
        }
    )* };
}

twins! {
    UrgencyJson of Urgency { Ticket, Page, Severe }
    NotificationKindJson of NotificationKind { Opened, Changed, Reminder, Resolved, Note, Test }
    CloseReasonJson of EndReason { Recovered, NoTraffic, SloChanged, SloRemoved, OwnerChanged }
}

/// The bytes of a book.
pub(super) fn encode(file: &'static str, state: &AlertState) -> Result<Vec<u8>, StoreError> {
    let json = AlertStateJson {
        format: FORMAT,
        last_run: state.last_run.map(MinuteText),
        checkpoints: state
            .checkpoints
            .iter()
            .map(|(slo, watch)| (slo.to_string(), checkpoint_to_json(watch)))
            .collect(),
        incidents: state.incidents.iter().map(|(key, incident)| incident_to_json(key, incident)).collect(),
        outbox: state.outbox.iter().map(entry_to_json).collect(),
    };
    serde_json::to_vec(&json).map_err(|source| StoreError::AlertState { file, source })
}

/// The book of these bytes.
pub(super) fn decode(file: &'static str, bytes: &[u8]) -> Result<AlertState, StoreError> {
    let damaged = |source| StoreError::AlertState { file, source };
    // The format comes first: fields of another one would only be reported as missing.
    match serde_json::from_slice::<Format>(bytes).map_err(damaged)?.format {
        FORMAT => {}
        format if format > FORMAT => return Err(StoreError::NewerAlertState { file, format }),
        format => return Err(StoreError::OlderAlertState { file, format, known: FORMAT }),
    }
    let json: AlertStateJson = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(AlertState {
        last_run: json.last_run.map(|at| at.0),
        checkpoints: json
            .checkpoints
            .into_iter()
            .map(|(slo, watch)| (parse_slo_id(&slo), checkpoint_from_json(watch)))
            .collect(),
        incidents: json.incidents.into_iter().map(incident_from_json).collect(),
        outbox: json.outbox.into_iter().map(entry_from_json).collect(),
    })
}

fn parse_slo_id(text: &str) -> SloId {
    let (service, slo) = text.split_once('/').unwrap_or((text, ""));
    SloId::new(service, slo)
}

fn checkpoint_to_json(checkpoint: &SloCheckpoint) -> SloCheckpointJson {
    SloCheckpointJson {
        evaluated: MinuteText(checkpoint.evaluated_at),
        recent_counts: (checkpoint.recent_counts.total, checkpoint.recent_counts.bad, checkpoint.recent_counts.known),
        minutes_to_recovery: checkpoint.urgency_state.minutes_to_recovery,
        minutes_without_traffic: checkpoint.urgency_state.minutes_without_traffic,
        last_recovered: checkpoint.urgency_state.last_recovered.map(|fell| fell.map(MinuteText)),
        flapping: checkpoint.urgency_state.is_flapping,
        fingerprint: checkpoint.fingerprint.clone(),
        objective: checkpoint.objective.clone(),
        team: checkpoint.team.clone(),
        previous_objectives: checkpoint
            .previous_objectives
            .iter()
            .map(|one| (MinuteText(one.until), one.objective.clone()))
            .collect(),
    }
}

fn checkpoint_from_json(json: SloCheckpointJson) -> SloCheckpoint {
    let (total, bad, known) = json.recent_counts;
    SloCheckpoint {
        evaluated_at: json.evaluated.0,
        recent_counts: Sums { total, bad, known },
        urgency_state: UrgencyState {
            minutes_to_recovery: json.minutes_to_recovery,
            minutes_without_traffic: json.minutes_without_traffic,
            last_recovered: json.last_recovered.map(|fell| fell.map(|at| at.0)),
            is_flapping: json.flapping,
        },
        fingerprint: json.fingerprint,
        objective: json.objective,
        team: json.team,
        previous_objectives: json
            .previous_objectives
            .into_iter()
            .map(|(MinuteText(until), objective)| PreviousObjective { until, objective })
            .collect(),
    }
}

fn key_to_json(key: &IncidentKey) -> IncidentKeyJson {
    let subject = match &key.subject {
        IncidentSubject::Slo(slo) => IncidentSubjectJson::Slo(slo.to_string()),
        IncidentSubject::Group(SharedScope::LoadBalancer(name)) => {
            IncidentSubjectJson::SharedLoadBalancer(name.clone())
        }
        IncidentSubject::Group(SharedScope::Source(name)) => IncidentSubjectJson::SharedSource(name.clone()),
        IncidentSubject::StaleSource(name) => IncidentSubjectJson::StaleSource(name.clone()),
        IncidentSubject::InvalidDefinitions(team) => IncidentSubjectJson::InvalidDefinitions(team.clone()),
    };
    IncidentKeyJson { subject, started: MinuteText(key.started) }
}

fn key_from_json(json: IncidentKeyJson) -> IncidentKey {
    let subject = match json.subject {
        IncidentSubjectJson::Slo(slo) => IncidentSubject::Slo(parse_slo_id(&slo)),
        IncidentSubjectJson::SharedLoadBalancer(name) => IncidentSubject::Group(SharedScope::LoadBalancer(name)),
        IncidentSubjectJson::SharedSource(name) => IncidentSubject::Group(SharedScope::Source(name)),
        IncidentSubjectJson::StaleSource(name) => IncidentSubject::StaleSource(name),
        IncidentSubjectJson::InvalidDefinitions(team) => IncidentSubject::InvalidDefinitions(team),
    };
    IncidentKey { subject, started: json.started.0 }
}

fn incident_to_json(key: &IncidentKey, incident: &Incident) -> IncidentJson {
    IncidentJson {
        key: key_to_json(key),
        team: incident.team.clone(),
        service: incident.service.clone(),
        class: incident.class.clone(),
        urgency_changes: incident
            .urgency_changes
            .iter()
            .map(|(at, urgency)| (MinuteText(*at), (*urgency).into()))
            .collect(),
        ended: incident.ended.map(|(at, why)| (MinuteText(at), why.into())),
        late: incident.is_late,
        corrected: incident.is_reevaluated,
        silenced: incident.is_silenced,
        contributors: incident.contributors.clone(),
        group: incident.group.as_ref().map(key_to_json),
        members: incident.members.iter().map(key_to_json).collect(),
        notified: incident.notified.iter().map(|(to, urgency)| (to.clone(), (*urgency).into())).collect(),
        last_notified: incident.last_notified.map(MinuteText),
        notifications: incident.notification_count,
        delivered: incident.deliveries.iter().map(delivery_to_json).collect(),
    }
}

fn incident_from_json(json: IncidentJson) -> (IncidentKey, Incident) {
    let key = key_from_json(json.key);
    let urgency_changes: Vec<(Minute, Urgency)> =
        json.urgency_changes.into_iter().map(|(at, urgency)| (at.0, Urgency::from(urgency))).collect();
    let urgencies = || urgency_changes.iter().map(|(_, urgency)| *urgency);
    let incident = Incident {
        team: json.team,
        service: json.service,
        class: json.class,
        urgency: urgencies().next_back().unwrap_or(Urgency::Ticket),
        peak: urgencies().max().unwrap_or(Urgency::Ticket),
        urgency_changes,
        ended: json.ended.map(|(at, why)| (at.0, why.into())),
        is_late: json.late,
        is_reevaluated: json.corrected,
        is_silenced: json.silenced,
        contributors: json.contributors,
        group: json.group.map(key_from_json),
        members: json.members.into_iter().map(key_from_json).collect::<BTreeSet<_>>(),
        notified: json.notified.into_iter().map(|(to, urgency)| (to, urgency.into())).collect(),
        last_notified: json.last_notified.map(|at| at.0),
        notification_count: json.notifications,
        deliveries: json.delivered.into_iter().map(delivery_from_json).collect(),
    };
    (key, incident)
}

fn delivery_to_json(delivery: &Delivery) -> DeliveryJson {
    let Delivery { number, kind: phase, urgency, destination: to, at } = delivery;
    DeliveryJson {
        number: *number,
        kind: (*phase).into(),
        urgency: (*urgency).into(),
        destination: to.clone(),
        at: MinuteText(*at),
    }
}

fn delivery_from_json(json: DeliveryJson) -> Delivery {
    let DeliveryJson { number, kind, urgency, destination, at } = json;
    Delivery { number, kind: kind.into(), urgency: urgency.into(), destination, at: at.0 }
}

fn entry_to_json(entry: &OutboxEntry) -> OutboxEntryJson {
    OutboxEntryJson {
        destination: entry.destination.clone(),
        decided_at: MinuteText(entry.decided_at),
        attempts: entry.attempts,
        next_attempt: MinuteText(entry.next_attempt),
        last_error: entry.last_error.clone(),
        reported_as: entry.reported_as.map(Into::into),
        given_up: entry.is_abandoned,
        notification: notification_to_json(&entry.notification),
    }
}

fn entry_from_json(json: OutboxEntryJson) -> OutboxEntry {
    OutboxEntry {
        notification: notification_from_json(json.notification),
        destination: json.destination,
        decided_at: json.decided_at.0,
        attempts: json.attempts,
        next_attempt: json.next_attempt.0,
        last_error: json.last_error,
        reported_as: json.reported_as.map(Into::into),
        is_abandoned: json.given_up,
    }
}

fn notification_to_json(message: &Notification) -> NotificationJson {
    let Notification { key, number, kind: phase, urgency, title, paragraphs, facts, links, service, team, class, at } =
        message.clone();
    let links = links.into_iter().map(|link| (link.text, link.url)).collect();
    let (kind, urgency, at) = (phase.into(), urgency.into(), MinuteText(at));
    NotificationJson { key, number, kind, urgency, title, paragraphs, facts, links, service, team, class, at }
}

fn notification_from_json(json: NotificationJson) -> Notification {
    let NotificationJson { key, number, kind, urgency, title, paragraphs, facts, links, service, team, class, at } =
        json;
    let links = links.into_iter().map(|(text, url)| Link { text, url }).collect();
    let (phase, urgency, at) = (kind.into(), urgency.into(), at.0);
    Notification { key, number, kind: phase, urgency, title, paragraphs, facts, links, service, team, class, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_alert_state_formats_are_rejected_with_a_hint() {
        let decode_error = |text: &str| decode("alerts.json", text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(decode_error(r#"{"format":2}"#).unwrap(), AlertState::default());
        assert_eq!(
            decode_error(r#"{"format":1,"ran":"2026-10-01T10:05Z","incidents":[{"slo":"a/b"}]}"#).unwrap_err(),
            "`alerts.json` in the ledger has format 1, but this version reads format 2\nhint: start a new ledger with `--ledger`, or \
             remove `alerts.json` to start with no open incidents"
        );
        assert!(decode_error(r#"{"format":3}"#).unwrap_err().contains("newer than this version"));
        assert!(
            decode_error("{}")
                .unwrap_err()
                .starts_with("cannot read `alerts.json` in the ledger: missing field `format`")
        );
    }
}

//! The alert book as JSON. Absent on purpose: secrets; destinations stand there as definitions write them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::manifest::text;
use crate::alert::{
    AlertBook, Course, Earlier, Entry, Incident, IncidentKey, Link, Message, Phase, Place, Sent, Subject, Watch, Why,
};
use crate::counts::Sums;
use crate::minute::Minute;
use crate::slo::{SloId, Urgency};

/// Raised when the file changes so that older programs must not read it. Older formats are not read.
const FORMAT: u32 = 2;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct BookTwin {
    format: u32,
    last_run: Option<At>,
    checkpoints: BTreeMap<String, WatchTwin>,
    incidents: Vec<IncidentTwin>,
    outbox: Vec<EntryTwin>,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct At(#[serde(with = "text")] Minute);

/// Fields with default values are not written, so that SLOs without an open incident take little space.
#[derive(Serialize, Deserialize)]
struct WatchTwin {
    evaluated: At,
    /// Events, bad events, known minutes.
    recent_counts: (u64, u64, u32),
    /// For ticket, page and severe, like the two arrays below.
    #[serde(default, skip_serializing_if = "is_calm")]
    minutes_to_recovery: [u32; 3],
    #[serde(default, skip_serializing_if = "is_zero")]
    minutes_without_traffic: u32,
    #[serde(default, skip_serializing_if = "is_never")]
    last_recovered: [Option<At>; 3],
    #[serde(default, skip_serializing_if = "is_new")]
    flapping: [bool; 3],
    fingerprint: String,
    objective: String,
    #[serde(default)]
    team: String,
    /// Until when, and the objective.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous_objectives: Vec<(At, String)>,
}

fn is_calm(left: &[u32; 3]) -> bool {
    *left == [0; 3]
}

fn is_never(fell: &[Option<At>; 3]) -> bool {
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
struct KeyTwin {
    #[serde(flatten)]
    subject: SubjectTwin,
    started: At,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectTwin {
    /// `service/slo`.
    Slo(String),
    SharedLoadBalancer(String),
    SharedSource(String),
    StaleSource(String),
    InvalidDefinitions(String),
}

#[derive(Serialize, Deserialize)]
struct IncidentTwin {
    #[serde(flatten)]
    key: KeyTwin,
    team: String,
    service: String,
    class: String,
    urgency_changes: Vec<(At, UrgencyTwin)>,
    ended: Option<(At, WhyTwin)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    corrected: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    silenced: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contributors: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<KeyTwin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    members: Vec<KeyTwin>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notified: BTreeMap<String, UrgencyTwin>,
    last_notified: Option<At>,
    notifications: u32,
    delivered: Vec<SentTwin>,
}

#[derive(Serialize, Deserialize)]
struct SentTwin {
    number: u32,
    kind: PhaseTwin,
    urgency: UrgencyTwin,
    destination: String,
    at: At,
}

#[derive(Serialize, Deserialize)]
struct EntryTwin {
    destination: String,
    decided_at: At,
    attempts: u32,
    next_attempt: At,
    last_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported_as: Option<UrgencyTwin>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    given_up: bool,
    notification: MessageTwin,
}

#[derive(Serialize, Deserialize)]
struct MessageTwin {
    key: String,
    number: u32,
    kind: PhaseTwin,
    urgency: UrgencyTwin,
    title: String,
    paragraphs: Vec<String>,
    facts: Vec<(String, String)>,
    links: Vec<(String, String)>,
    service: String,
    team: String,
    class: String,
    at: At,
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
    UrgencyTwin of Urgency { Ticket, Page, Severe }
    PhaseTwin of Phase { Opened, Changed, Reminder, Resolved, Note, Test }
    WhyTwin of Why { Recovered, NoTraffic, SloChanged, SloRemoved, OwnerChanged }
}

/// The bytes of a book.
pub(super) fn write(file: &'static str, book: &AlertBook) -> Result<Vec<u8>, StoreError> {
    let twin = BookTwin {
        format: FORMAT,
        last_run: book.ran.map(At),
        checkpoints: book.watches.iter().map(|(slo, watch)| (slo.to_string(), watch_twin(watch))).collect(),
        incidents: book.incidents.iter().map(|(key, incident)| incident_twin(key, incident)).collect(),
        outbox: book.outbox.iter().map(entry_twin).collect(),
    };
    serde_json::to_vec(&twin).map_err(|source| StoreError::Book { file, source })
}

/// The book of these bytes.
pub(super) fn read(file: &'static str, bytes: &[u8]) -> Result<AlertBook, StoreError> {
    let damaged = |source| StoreError::Book { file, source };
    // The format comes first: fields of another one would only be reported as missing.
    match serde_json::from_slice::<Format>(bytes).map_err(damaged)?.format {
        FORMAT => {}
        format if format > FORMAT => return Err(StoreError::NewerBook { file, format }),
        format => return Err(StoreError::OlderBook { file, format, known: FORMAT }),
    }
    let twin: BookTwin = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(AlertBook {
        ran: twin.last_run.map(|at| at.0),
        watches: twin.checkpoints.into_iter().map(|(slo, watch)| (id(&slo), watch_of(watch))).collect(),
        incidents: twin.incidents.into_iter().map(incident_of).collect(),
        outbox: twin.outbox.into_iter().map(entry_of).collect(),
    })
}

fn id(text: &str) -> SloId {
    let (service, slo) = text.split_once('/').unwrap_or((text, ""));
    SloId::new(service, slo)
}

fn watch_twin(watch: &Watch) -> WatchTwin {
    WatchTwin {
        evaluated: At(watch.evaluated),
        recent_counts: (watch.seen.total, watch.seen.bad, watch.seen.known),
        minutes_to_recovery: watch.course.left,
        minutes_without_traffic: watch.course.silent,
        last_recovered: watch.course.fell.map(|fell| fell.map(At)),
        flapping: watch.course.is_back,
        fingerprint: watch.promise.clone(),
        objective: watch.objective.clone(),
        team: watch.team.clone(),
        previous_objectives: watch.earlier.iter().map(|one| (At(one.until), one.objective.clone())).collect(),
    }
}

fn watch_of(twin: WatchTwin) -> Watch {
    let (total, bad, known) = twin.recent_counts;
    Watch {
        evaluated: twin.evaluated.0,
        seen: Sums { total, bad, known },
        course: Course {
            left: twin.minutes_to_recovery,
            silent: twin.minutes_without_traffic,
            fell: twin.last_recovered.map(|fell| fell.map(|at| at.0)),
            is_back: twin.flapping,
        },
        promise: twin.fingerprint,
        objective: twin.objective,
        team: twin.team,
        earlier: twin
            .previous_objectives
            .into_iter()
            .map(|(At(until), objective)| Earlier { until, objective })
            .collect(),
    }
}

fn key_twin(key: &IncidentKey) -> KeyTwin {
    let subject = match &key.subject {
        Subject::Slo(slo) => SubjectTwin::Slo(slo.to_string()),
        Subject::Shared(Place::LoadBalancer(name)) => SubjectTwin::SharedLoadBalancer(name.clone()),
        Subject::Shared(Place::Source(name)) => SubjectTwin::SharedSource(name.clone()),
        Subject::Stale(name) => SubjectTwin::StaleSource(name.clone()),
        Subject::Unread(team) => SubjectTwin::InvalidDefinitions(team.clone()),
    };
    KeyTwin { subject, started: At(key.started) }
}

fn key_of(twin: KeyTwin) -> IncidentKey {
    let subject = match twin.subject {
        SubjectTwin::Slo(slo) => Subject::Slo(id(&slo)),
        SubjectTwin::SharedLoadBalancer(name) => Subject::Shared(Place::LoadBalancer(name)),
        SubjectTwin::SharedSource(name) => Subject::Shared(Place::Source(name)),
        SubjectTwin::StaleSource(name) => Subject::Stale(name),
        SubjectTwin::InvalidDefinitions(team) => Subject::Unread(team),
    };
    IncidentKey { subject, started: twin.started.0 }
}

fn incident_twin(key: &IncidentKey, incident: &Incident) -> IncidentTwin {
    IncidentTwin {
        key: key_twin(key),
        team: incident.team.clone(),
        service: incident.service.clone(),
        class: incident.class.clone(),
        urgency_changes: incident.turns.iter().map(|(at, urgency)| (At(*at), (*urgency).into())).collect(),
        ended: incident.ended.map(|(at, why)| (At(at), why.into())),
        late: incident.late,
        corrected: incident.corrected,
        silenced: incident.hushed,
        contributors: incident.came_from.clone(),
        group: incident.part_of.as_ref().map(key_twin),
        members: incident.parts.iter().map(key_twin).collect(),
        notified: incident.told.iter().map(|(to, urgency)| (to.clone(), (*urgency).into())).collect(),
        last_notified: incident.told_at.map(At),
        notifications: incident.messages,
        delivered: incident.sent.iter().map(sent_twin).collect(),
    }
}

fn incident_of(twin: IncidentTwin) -> (IncidentKey, Incident) {
    let key = key_of(twin.key);
    let turns: Vec<(Minute, Urgency)> =
        twin.urgency_changes.into_iter().map(|(at, urgency)| (at.0, Urgency::from(urgency))).collect();
    let urgencies = || turns.iter().map(|(_, urgency)| *urgency);
    let incident = Incident {
        team: twin.team,
        service: twin.service,
        class: twin.class,
        urgency: urgencies().next_back().unwrap_or(Urgency::Ticket),
        peak: urgencies().max().unwrap_or(Urgency::Ticket),
        turns,
        ended: twin.ended.map(|(at, why)| (at.0, why.into())),
        late: twin.late,
        corrected: twin.corrected,
        hushed: twin.silenced,
        came_from: twin.contributors,
        part_of: twin.group.map(key_of),
        parts: twin.members.into_iter().map(key_of).collect::<BTreeSet<_>>(),
        told: twin.notified.into_iter().map(|(to, urgency)| (to, urgency.into())).collect(),
        told_at: twin.last_notified.map(|at| at.0),
        messages: twin.notifications,
        sent: twin.delivered.into_iter().map(sent_of).collect(),
    };
    (key, incident)
}

fn sent_twin(sent: &Sent) -> SentTwin {
    let Sent { number, phase, urgency, to, at } = sent;
    SentTwin {
        number: *number,
        kind: (*phase).into(),
        urgency: (*urgency).into(),
        destination: to.clone(),
        at: At(*at),
    }
}

fn sent_of(twin: SentTwin) -> Sent {
    let SentTwin { number, kind, urgency, destination, at } = twin;
    Sent { number, phase: kind.into(), urgency: urgency.into(), to: destination, at: at.0 }
}

fn entry_twin(entry: &Entry) -> EntryTwin {
    EntryTwin {
        destination: entry.to.clone(),
        decided_at: At(entry.decided),
        attempts: entry.tries,
        next_attempt: At(entry.wait_until),
        last_error: entry.failed.clone(),
        reported_as: entry.reported.map(Into::into),
        given_up: entry.set_aside,
        notification: message_twin(&entry.message),
    }
}

fn entry_of(twin: EntryTwin) -> Entry {
    Entry {
        message: message_of(twin.notification),
        to: twin.destination,
        decided: twin.decided_at.0,
        tries: twin.attempts,
        wait_until: twin.next_attempt.0,
        failed: twin.last_error,
        reported: twin.reported_as.map(Into::into),
        set_aside: twin.given_up,
    }
}

fn message_twin(message: &Message) -> MessageTwin {
    let Message { key, number, phase, urgency, title, paragraphs, facts, links, service, team, class, at } =
        message.clone();
    let links = links.into_iter().map(|link| (link.text, link.url)).collect();
    let (kind, urgency, at) = (phase.into(), urgency.into(), At(at));
    MessageTwin { key, number, kind, urgency, title, paragraphs, facts, links, service, team, class, at }
}

fn message_of(twin: MessageTwin) -> Message {
    let MessageTwin { key, number, kind, urgency, title, paragraphs, facts, links, service, team, class, at } = twin;
    let links = links.into_iter().map(|(text, url)| Link { text, url }).collect();
    let (phase, urgency, at) = (kind.into(), urgency.into(), at.0);
    Message { key, number, phase, urgency, title, paragraphs, facts, links, service, team, class, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_refused_with_what_to_do() {
        let of = |text: &str| read("alerts.json", text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(of(r#"{"format":2}"#).unwrap(), AlertBook::default());
        assert_eq!(
            of(r#"{"format":1,"ran":"2026-10-01T10:05Z","incidents":[{"slo":"a/b"}]}"#).unwrap_err(),
            "`alerts.json` in the ledger has format 1, but this version reads format 2\nhint: start a new ledger with `--ledger`, or \
             remove `alerts.json` to start with no open incidents"
        );
        assert!(of(r#"{"format":3}"#).unwrap_err().contains("newer than this version"));
        assert!(of("{}").unwrap_err().starts_with("cannot read `alerts.json` in the ledger: missing field `format`"));
    }
}

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

/// Raised when the file changes so that older programs must not read it.
const FORMAT: u32 = 1;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct BookTwin {
    format: u32,
    ran: Option<At>,
    watches: BTreeMap<String, WatchTwin>,
    incidents: Vec<IncidentTwin>,
    outbox: Vec<EntryTwin>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct At(#[serde(with = "text")] Minute);

/// Whatever is calm is left out, so that a fleet that sleeps takes little room.
#[derive(Serialize, Deserialize)]
struct WatchTwin {
    evaluated: At,
    /// Events, bad ones, known minutes.
    seen: (u64, u64, u32),
    #[serde(default, skip_serializing_if = "is_calm")]
    left: [u32; 3],
    #[serde(default, skip_serializing_if = "is_zero")]
    silent: u32,
    #[serde(default, skip_serializing_if = "is_never")]
    fell: [Option<At>; 3],
    #[serde(default, skip_serializing_if = "is_new")]
    back: [bool; 3],
    promise: String,
    objective: String,
    #[serde(default)]
    team: String,
    /// Until when, and the objective.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<(At, String)>,
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
    SilentSource(String),
    FaultyDefinitions(String),
}

#[derive(Serialize, Deserialize)]
struct IncidentTwin {
    #[serde(flatten)]
    key: KeyTwin,
    team: String,
    service: String,
    class: String,
    turns: Vec<(At, UrgencyTwin)>,
    ended: Option<(At, WhyTwin)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    late: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    corrected: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    hushed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    came_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part_of: Option<KeyTwin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<KeyTwin>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<String, UrgencyTwin>,
    told_at: Option<At>,
    messages: u32,
    sent: Vec<SentTwin>,
}

#[derive(Serialize, Deserialize)]
struct SentTwin {
    number: u32,
    phase: PhaseTwin,
    urgency: UrgencyTwin,
    to: String,
    at: At,
}

#[derive(Serialize, Deserialize)]
struct EntryTwin {
    to: String,
    decided: At,
    tries: u32,
    wait_until: At,
    failed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported_as: Option<UrgencyTwin>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    set_aside: bool,
    message: MessageTwin,
}

#[derive(Serialize, Deserialize)]
struct MessageTwin {
    key: String,
    number: u32,
    phase: PhaseTwin,
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
    WhyTwin of Why { Calm, Silence, Changed, Removed, Moved }
}

/// The bytes of a book.
pub(super) fn write(book: &AlertBook) -> Result<Vec<u8>, StoreError> {
    let twin = BookTwin {
        format: FORMAT,
        ran: book.ran.map(At),
        watches: book.watches.iter().map(|(slo, watch)| (slo.to_string(), watch_twin(watch))).collect(),
        incidents: book.incidents.iter().map(|(key, incident)| incident_twin(key, incident)).collect(),
        outbox: book.outbox.iter().map(entry_twin).collect(),
    };
    serde_json::to_vec(&twin).map_err(StoreError::Book)
}

/// The book of these bytes.
pub(super) fn read(bytes: &[u8]) -> Result<AlertBook, StoreError> {
    let twin: BookTwin = serde_json::from_slice(bytes).map_err(StoreError::Book)?;
    if twin.format > FORMAT {
        return Err(StoreError::NewerBook(twin.format));
    }
    Ok(AlertBook {
        ran: twin.ran.map(|at| at.0),
        watches: twin.watches.into_iter().map(|(slo, watch)| (id(&slo), watch_of(watch))).collect(),
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
        seen: (watch.seen.total, watch.seen.bad, watch.seen.known),
        left: watch.course.left,
        silent: watch.course.silent,
        fell: watch.course.fell.map(|fell| fell.map(At)),
        back: watch.course.is_back,
        promise: watch.promise.clone(),
        objective: watch.objective.clone(),
        team: watch.team.clone(),
        earlier: watch.earlier.iter().map(|one| (At(one.until), one.objective.clone())).collect(),
    }
}

fn watch_of(twin: WatchTwin) -> Watch {
    let (total, bad, known) = twin.seen;
    Watch {
        evaluated: twin.evaluated.0,
        seen: Sums { total, bad, known },
        course: Course {
            left: twin.left,
            silent: twin.silent,
            fell: twin.fell.map(|fell| fell.map(|at| at.0)),
            is_back: twin.back,
        },
        promise: twin.promise,
        objective: twin.objective,
        team: twin.team,
        earlier: twin.earlier.into_iter().map(|(At(until), objective)| Earlier { until, objective }).collect(),
    }
}

fn key_twin(key: &IncidentKey) -> KeyTwin {
    let subject = match &key.subject {
        Subject::Slo(slo) => SubjectTwin::Slo(slo.to_string()),
        Subject::Shared(Place::LoadBalancer(name)) => SubjectTwin::SharedLoadBalancer(name.clone()),
        Subject::Shared(Place::Source(name)) => SubjectTwin::SharedSource(name.clone()),
        Subject::Stale(name) => SubjectTwin::SilentSource(name.clone()),
        Subject::Unread(team) => SubjectTwin::FaultyDefinitions(team.clone()),
    };
    KeyTwin { subject, started: At(key.started) }
}

fn key_of(twin: KeyTwin) -> IncidentKey {
    let subject = match twin.subject {
        SubjectTwin::Slo(slo) => Subject::Slo(id(&slo)),
        SubjectTwin::SharedLoadBalancer(name) => Subject::Shared(Place::LoadBalancer(name)),
        SubjectTwin::SharedSource(name) => Subject::Shared(Place::Source(name)),
        SubjectTwin::SilentSource(name) => Subject::Stale(name),
        SubjectTwin::FaultyDefinitions(team) => Subject::Unread(team),
    };
    IncidentKey { subject, started: twin.started.0 }
}

fn incident_twin(key: &IncidentKey, incident: &Incident) -> IncidentTwin {
    IncidentTwin {
        key: key_twin(key),
        team: incident.team.clone(),
        service: incident.service.clone(),
        class: incident.class.clone(),
        turns: incident.turns.iter().map(|(at, urgency)| (At(*at), (*urgency).into())).collect(),
        ended: incident.ended.map(|(at, why)| (At(at), why.into())),
        late: incident.late,
        corrected: incident.corrected,
        hushed: incident.hushed,
        came_from: incident.came_from.clone(),
        part_of: incident.part_of.as_ref().map(key_twin),
        parts: incident.parts.iter().map(key_twin).collect(),
        told: incident.told.iter().map(|(to, urgency)| (to.clone(), (*urgency).into())).collect(),
        told_at: incident.told_at.map(At),
        messages: incident.messages,
        sent: incident.sent.iter().map(sent_twin).collect(),
    }
}

fn incident_of(twin: IncidentTwin) -> (IncidentKey, Incident) {
    let key = key_of(twin.key);
    let turns: Vec<(Minute, Urgency)> =
        twin.turns.into_iter().map(|(at, urgency)| (at.0, Urgency::from(urgency))).collect();
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
        hushed: twin.hushed,
        came_from: twin.came_from,
        part_of: twin.part_of.map(key_of),
        parts: twin.parts.into_iter().map(key_of).collect::<BTreeSet<_>>(),
        told: twin.told.into_iter().map(|(to, urgency)| (to, urgency.into())).collect(),
        told_at: twin.told_at.map(|at| at.0),
        messages: twin.messages,
        sent: twin.sent.into_iter().map(sent_of).collect(),
    };
    (key, incident)
}

fn sent_twin(sent: &Sent) -> SentTwin {
    let Sent { number, phase, urgency, to, at } = sent;
    SentTwin { number: *number, phase: (*phase).into(), urgency: (*urgency).into(), to: to.clone(), at: At(*at) }
}

fn sent_of(twin: SentTwin) -> Sent {
    let SentTwin { number, phase, urgency, to, at } = twin;
    Sent { number, phase: phase.into(), urgency: urgency.into(), to, at: at.0 }
}

fn entry_twin(entry: &Entry) -> EntryTwin {
    EntryTwin {
        to: entry.to.clone(),
        decided: At(entry.decided),
        tries: entry.tries,
        wait_until: At(entry.wait_until),
        failed: entry.failed.clone(),
        reported_as: entry.reported.map(Into::into),
        set_aside: entry.set_aside,
        message: message_twin(&entry.message),
    }
}

fn entry_of(twin: EntryTwin) -> Entry {
    Entry {
        message: message_of(twin.message),
        to: twin.to,
        decided: twin.decided.0,
        tries: twin.tries,
        wait_until: twin.wait_until.0,
        failed: twin.failed,
        reported: twin.reported_as.map(Into::into),
        set_aside: twin.set_aside,
    }
}

fn message_twin(message: &Message) -> MessageTwin {
    let message = message.clone();
    MessageTwin {
        key: message.key,
        number: message.number,
        phase: message.phase.into(),
        urgency: message.urgency.into(),
        title: message.title,
        paragraphs: message.paragraphs,
        facts: message.facts,
        links: message.links.into_iter().map(|link| (link.text, link.url)).collect(),
        service: message.service,
        team: message.team,
        class: message.class,
        at: At(message.at),
    }
}

fn message_of(twin: MessageTwin) -> Message {
    Message {
        key: twin.key,
        number: twin.number,
        phase: twin.phase.into(),
        urgency: twin.urgency.into(),
        title: twin.title,
        paragraphs: twin.paragraphs,
        facts: twin.facts,
        links: twin.links.into_iter().map(|(text, url)| Link { text, url }).collect(),
        service: twin.service,
        team: twin.team,
        class: twin.class,
        at: twin.at.0,
    }
}

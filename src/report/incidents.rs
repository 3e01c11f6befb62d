//! Incidents for people: the open ones, how often each SLO alerted recently, and which alerts are too sensitive.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::counted;
use super::model::{Row, Status};
use super::status::percent;
use super::words::{between, clock};
use crate::alert::{AlertBook, Incident, IncidentKey, Phase, Sent, Subject};
use crate::exact::to_f64;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::slo::{Urgency, describe_destination};

const WEEK: i32 = 7 * MINUTES_PER_DAY;
/// How far back incidents count as noise.
const NOISE_MINUTES: i32 = 2 * WEEK;
/// So many incidents in that time are noise if the budget has hardly moved.
const NOISE_MIN: usize = 3;
/// What is left of a budget that has hardly moved.
const NOISE_LEFT: f64 = 0.75;

/// How often an SLO alerted, and a suggestion to reduce it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Whose it is.
    pub team: String,
    /// `service/slo`, or what else an incident was about.
    pub about: String,
    /// Pages of the last seven days, severe ones included.
    pub pages: usize,
    /// Tickets of the last seven days.
    pub tickets: usize,
    /// What the platform team could change.
    pub suggestion: Option<String>,
}

/// The open incidents, the most urgent and oldest first.
fn open(book: &AlertBook) -> Vec<(&IncidentKey, &Incident)> {
    let mut open: Vec<_> = book.incidents.iter().filter(|(_, incident)| incident.is_open()).collect();
    open.sort_by_key(|(key, incident)| (std::cmp::Reverse(incident.urgency), key.started, (*key).clone()));
    open
}

/// One line for each open incident and each message that cannot be delivered; nothing if there are none.
#[must_use]
pub fn text(book: &AlertBook, at: Minute) -> String {
    let mut text = String::new();
    for (key, incident) in open(book) {
        text.push_str(&format!(
            "{:<7} {} since {} ({}); {}\n",
            incident.urgency.to_string(),
            key.subject,
            clock(key.started),
            between(key.started, at),
            notified(book, key, incident)
        ));
    }
    let aside = book.outbox.iter().filter(|entry| entry.set_aside).count();
    if aside > 0 {
        text.push_str(&format!("{} not delivered, no more attempts\n", counted(aside, "notification")));
    }
    text
}

/// The destinations of an incident: `notified: PagerDuty (`KEY`)`, and those whose newest notification is not delivered
/// yet.
fn notified(book: &AlertBook, key: &IncidentKey, incident: &Incident) -> String {
    let key = key.to_string();
    let is_pending = |to: &&String| book.outbox.iter().any(|entry| entry.to == **to && entry.message.key == key);
    let (pending, delivered): (Vec<&String>, Vec<&String>) = incident.told.keys().partition(is_pending);
    let groups = [("notified", delivered), ("not delivered yet", pending)].into_iter().filter(|(_, to)| !to.is_empty());
    let groups: Vec<String> = groups
        .map(|(word, to)| {
            let to: Vec<String> = to.into_iter().map(|to| describe_destination(to, None)).collect();
            format!("{word}: {}", to.join(", "))
        })
        .collect();
    if groups.is_empty() { "not notified".to_owned() } else { groups.join("; ") }
}

/// How often each SLO alerted in the last seven days, most pages first.
#[must_use]
pub fn noise(book: &AlertBook, status: &Status) -> Vec<Noise> {
    let since = |minutes: i32| status.at.plus(-minutes);
    let mut found: BTreeMap<String, (Noise, usize)> = BTreeMap::new();
    for (key, incident) in &book.incidents {
        let opened = |sent: &&Sent| sent.at > since(WEEK) && matches!(sent.phase, Phase::Opened | Phase::Changed);
        // An incident that was told to several counts once, as what it was at most.
        let most = incident.sent.iter().filter(opened).map(|sent| sent.urgency).max();
        let begun = key.started > since(NOISE_MINUTES);
        if most.is_none() && !begun {
            continue;
        }
        let about = key.subject.to_string();
        let empty = Noise { team: incident.team.clone(), about: about.clone(), pages: 0, tickets: 0, suggestion: None };
        let (noise, recent) = found.entry(about).or_insert((empty, 0));
        noise.pages += usize::from(most >= Some(Urgency::Page));
        noise.tickets += usize::from(most == Some(Urgency::Ticket));
        *recent += usize::from(begun && matches!(key.subject, Subject::Slo(_)));
    }
    let mut all: Vec<Noise> = Vec::new();
    for (mut noise, recent) in found.into_values() {
        let row = status.rows.iter().find(|row| format!("{}/{}", row.service, row.slo) == noise.about);
        noise.suggestion = row.and_then(|row| suggestion(row, recent));
        if noise.pages + noise.tickets > 0 || noise.suggestion.is_some() {
            all.push(noise);
        }
    }
    all.sort_by(|one, other| {
        (other.pages, other.tickets).cmp(&(one.pages, one.tickets)).then_with(|| one.about.cmp(&other.about))
    });
    all
}

/// What to change about an SLO that alerts repeatedly while its budget is hardly used.
fn suggestion(row: &Row, incidents: usize) -> Option<String> {
    let left = row.budget.remaining().map(to_f64)?;
    (incidents >= NOISE_MIN && left >= NOISE_LEFT).then(|| {
        format!(
            "{incidents} incidents in two weeks while {} of the error budget is left: the alerts are too sensitive. Raise \
             `significance: {{ min_bad_events: ... }}` or the budget share of its tiers, or lower the objective of {}.",
            percent(left, 0),
            row.objective
        )
    })
}

/// The part of the budget report that is about incidents; nothing if there were none.
#[must_use]
pub fn markdown(book: &AlertBook, status: &Status) -> String {
    let mut text = String::new();
    let open: Vec<String> = self::text(book, status.at).lines().map(|line| format!("- {line}\n")).collect();
    if !open.is_empty() {
        text.push_str(&format!("\n## Open incidents\n\n{}", open.concat()));
    }
    let noise = noise(book, status);
    if noise.is_empty() {
        return text;
    }
    text.push_str("\n## Alerts in the last seven days\n\n| subject | team | pages | tickets |\n|---|---|---|---|\n");
    for one in &noise {
        text.push_str(&format!("| {} | {} | {} | {} |\n", one.about, one.team, one.pages, one.tickets));
    }
    for one in noise.iter().filter(|one| one.suggestion.is_some()) {
        text.push_str(&format!("\n- **{}**: {}\n", one.about, one.suggestion.as_deref().unwrap_or_default()));
    }
    text
}

/// The same for programs: `{"open": [...], "last_7_days": [...]}`.
#[must_use]
pub fn json(book: &AlertBook, status: &Status) -> Value {
    let open: Vec<Value> = open(book)
        .into_iter()
        .map(|(key, incident)| {
            json!({
                "key": key.to_string(),
                "subject": key.subject.to_string(),
                "team": incident.team,
                "urgency": incident.urgency.to_string(),
                "started": key.started.to_string(),
                "group": incident.part_of.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    let noise: Vec<Value> = noise(book, status)
        .into_iter()
        .map(|one| {
            json!({
                "subject": one.about, "team": one.team, "pages": one.pages, "tickets": one.tickets, "suggestion": one.suggestion,
            })
        })
        .collect();
    json!({ "open": open, "last_7_days": noise })
}

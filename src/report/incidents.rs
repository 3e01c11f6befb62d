//! Incidents for people: what is open, how often each promise spoke lately, and which of them speak without need.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::counted;
use super::model::{Row, Status};
use super::status::percent;
use super::words::{between, clock};
use crate::alert::{AlertBook, Incident, IncidentKey, Phase, Sent, Subject};
use crate::exact::to_f64;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::slo::Urgency;

const WEEK: i32 = 7 * MINUTES_PER_DAY;
/// How far back it is looked for promises that speak without need.
const NOISE_MINUTES: i32 = 2 * WEEK;
/// So many incidents in that time are noise if the budget has hardly moved.
const NOISE_MIN: usize = 3;
/// What is left of a budget that has hardly moved.
const NOISE_LEFT: f64 = 0.75;

/// How often a promise woke somebody, and what could be done about it.
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
    /// What those who keep the fleet could change.
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
        let told: Vec<&str> = incident.told.keys().map(String::as_str).collect();
        let told = if told.is_empty() { "nobody is told".to_owned() } else { format!("told: {}", told.join(", ")) };
        text.push_str(&format!(
            "{:<7} {} since {}, for {}; {told}\n",
            incident.urgency.to_string(),
            key.subject,
            clock(key.started),
            between(key.started, at)
        ));
    }
    let aside = book.outbox.iter().filter(|entry| entry.set_aside).count();
    if aside > 0 {
        text.push_str(&format!("{} could not be delivered and will not be tried again\n", counted(aside, "message")));
    }
    text
}

/// How often each promise spoke in the last seven days, loudest first.
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

/// What to change about a promise that speaks again and again while its budget hardly moves.
fn suggestion(row: &Row, incidents: usize) -> Option<String> {
    let left = row.budget.remaining().map(to_f64)?;
    (incidents >= NOISE_MIN && left >= NOISE_LEFT).then(|| {
        format!(
            "{incidents} incidents in two weeks, and {} of the budget is left: what it speaks of does not matter that much. Ask \
             for more evidence (`evidence: {{ bad: ... }}`), a larger share of the budget in its tiers, or a lower objective than {}.",
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
    text.push_str(
        "\n## Who was woken in the last seven days\n\n| about | team | pages | tickets |\n|---|---|---|---|\n",
    );
    for one in &noise {
        text.push_str(&format!("| {} | {} | {} | {} |\n", one.about, one.team, one.pages, one.tickets));
    }
    for one in noise.iter().filter(|one| one.suggestion.is_some()) {
        text.push_str(&format!("\n- **{}**: {}\n", one.about, one.suggestion.as_deref().unwrap_or_default()));
    }
    text
}

/// The same for programs: `{"open": [...], "noise": [...]}`.
#[must_use]
pub fn json(book: &AlertBook, status: &Status) -> Value {
    let open: Vec<Value> = open(book)
        .into_iter()
        .map(|(key, incident)| {
            json!({
                "key": key.to_string(),
                "about": key.subject.to_string(),
                "team": incident.team,
                "urgency": incident.urgency.to_string(),
                "started": key.started.to_string(),
                "part_of": incident.part_of.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    let noise: Vec<Value> = noise(book, status)
        .into_iter()
        .map(|one| {
            json!({
                "about": one.about, "team": one.team, "pages": one.pages, "tickets": one.tickets, "suggestion": one.suggestion,
            })
        })
        .collect();
    json!({ "open": open, "noise": noise })
}

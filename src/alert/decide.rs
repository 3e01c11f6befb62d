//! Who has to be told what: the difference between what each destination was told and what is.
//!
//! It is looked at once a run, so an incident that rose and fell since the last one is told as it is now. What began
//! and ended in between wakes nobody any more: it is a note among the tickets.

use std::collections::{BTreeMap, BTreeSet};

use super::advance::minutes;
use super::{AlertBook, Incident, IncidentKey, Phase, Why};
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::slo::{AlertRules, Urgency};

/// Something to tell, before it has words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What it is about.
    pub key: IncidentKey,
    /// Its number among the messages of the incident.
    pub number: u32,
    /// What it does.
    pub phase: Phase,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Whom to tell.
    pub to: Vec<String>,
}

/// Where messages go.
pub struct Routes<'a> {
    /// The destinations of a team and class for an urgency.
    pub of: &'a dyn Fn(&Incident, Urgency) -> Vec<String>,
    /// Whether somebody asked not to be told of it now.
    pub silenced: &'a dyn Fn(&IncidentKey) -> bool,
}

/// Decides what to tell at a moment, and notes in the book that it was decided.
pub fn decide(book: &mut AlertBook, at: Minute, rules: &AlertRules, routes: &Routes<'_>) -> Vec<Telling> {
    let mut tellings = Vec::new();
    // Who has not even got the last message needs no reminder.
    let waiting: BTreeSet<(String, String)> = book
        .outbox
        .iter()
        .filter(|entry| !entry.set_aside)
        .map(|entry| (entry.message.key.clone(), entry.to.clone()))
        .collect();
    for (key, incident) in &mut book.incidents {
        let mut phases: BTreeMap<u8, (Phase, Vec<String>)> = BTreeMap::new();
        let mut add = |phase: Phase, to: String| phases.entry(phase as u8).or_insert((phase, Vec::new())).1.push(to);
        let urgency = told_urgency(incident);
        match incident.ended {
            Some(_) if !incident.told.is_empty() => {
                for to in std::mem::take(&mut incident.told).into_keys() {
                    add(Phase::Resolved, to);
                }
            }
            Some((ended, why)) if !is_news(incident, ended, why, at, rules) => {}
            Some(_) | None if (routes.silenced)(key) => incident.hushed = true,
            Some(_) => {
                for to in (routes.of)(incident, Urgency::Ticket) {
                    add(Phase::Note, to);
                }
            }
            None => {
                // Who is told that it has become less urgent is told enough.
                let falls = incident.told.values().max().is_some_and(|told| *told >= urgency);
                let route =
                    if falls { incident.told.keys().cloned().collect() } else { (routes.of)(incident, urgency) };
                let remind = is_time_to_remind(incident, urgency, at, rules);
                let all: BTreeSet<&String> = route.iter().chain(incident.told.keys()).collect();
                for to in all {
                    match incident.told.get(to) {
                        None => add(Phase::Opened, to.clone()),
                        Some(told) if *told != urgency => add(Phase::Changed, to.clone()),
                        Some(_)
                            if remind && route.contains(to) && !waiting.contains(&(key.to_string(), to.clone())) =>
                        {
                            add(Phase::Reminder, to.clone());
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        for (phase, to) in phases.into_values() {
            let urgency = if phase == Phase::Note { Urgency::Ticket } else { urgency };
            incident.messages += 1;
            incident.told_at = Some(at);
            if matches!(phase, Phase::Opened | Phase::Changed) {
                incident.told.extend(to.iter().map(|to| (to.clone(), urgency)));
            }
            tellings.push(Telling { key: key.clone(), number: incident.messages, phase, urgency, to });
        }
    }
    for telling in tellings.iter().filter(|telling| telling.phase == Phase::Resolved) {
        book.spare_the_sleeping(&telling.key.to_string());
    }
    tellings
}

/// How urgently an incident speaks. Part of a shared cause, it wakes nobody of its own.
fn told_urgency(incident: &Incident) -> Urgency {
    let woken = incident.told.values().max().is_some_and(|told| *told >= Urgency::Page);
    if incident.part_of.is_some() && !woken { Urgency::Ticket } else { incident.urgency }
}

/// Whether the end of an incident that nobody was told of is worth a word. What may open one is known as late as runs
/// come and minutes arrive; what ended longer ago than that had nobody to tell.
fn is_news(incident: &Incident, ended: Minute, why: Why, at: Minute, rules: &AlertRules) -> bool {
    incident.messages == 0
        && matches!(why, Why::Recovered | Why::NoTraffic)
        && ended > at.plus(-minutes(rules.open_within) - MINUTES_PER_DAY)
        && !incident.hushed
        && incident.part_of.is_none()
}

fn is_time_to_remind(incident: &Incident, urgency: Urgency, at: Minute, rules: &AlertRules) -> bool {
    let pause = if urgency >= Urgency::Page { rules.remind_pages } else { rules.remind_tickets };
    pause.zip(incident.told_at).is_some_and(|(pause, told)| at >= told.plus(minutes(pause)))
}

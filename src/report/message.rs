//! What an incident is, in plain words for whoever was woken by it: what fails, how much, since when, what it costs, what ends it.

use std::collections::BTreeMap;

use super::contributors::{came_from, event_bad};
use super::model::{Row, Status, TierText};
use super::status::percent;
use super::words::{between, clock, few, ratio};
use crate::accesslog::contributors::Contributors;
use crate::alert::{
    AlertBook, Incident, IncidentKey, Link, Message, Phase, Subject, Telling, Why, calm_minutes, resolve_after,
};
use crate::burn::{Forecast, spent_after};
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, length_text};
use crate::slo::{AlertRules, Catalog, Indicator, Service, Slo, Urgency};
use crate::verdict::{Demotion, State, TierReading};

/// What messages are made from.
pub struct Facts<'a> {
    /// The promises.
    pub catalog: &'a Catalog,
    /// The incidents.
    pub book: &'a AlertBook,
    /// How every promise stands.
    pub status: &'a Status,
    /// Where failures come from, of what was looked into.
    pub contributors: &'a BTreeMap<IncidentKey, Contributors>,
}

impl Facts<'_> {
    /// Puts something that was decided into words.
    #[must_use]
    pub fn message(&self, telling: &Telling) -> Message {
        let incident = self.book.incidents.get(&telling.key);
        let mut message = Message {
            key: telling.key.to_string(),
            number: telling.number,
            phase: telling.phase,
            urgency: telling.urgency,
            title: telling.key.subject.to_string(),
            paragraphs: Vec::new(),
            facts: Vec::new(),
            links: Vec::new(),
            service: incident.map_or_else(String::new, |incident| incident.service.clone()),
            team: incident.map_or_else(String::new, |incident| incident.team.clone()),
            class: incident.map_or_else(String::new, |incident| incident.class.clone()),
            at: self.status.at,
        };
        let Some(incident) = incident else { return message };
        match &telling.key.subject {
            Subject::Slo(id) => match self.catalog.slos().find(|(_, slo)| slo.id == *id) {
                Some((service, slo)) => {
                    let row = self.status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name());
                    let (key, rules) = (&telling.key, &self.catalog.alerts);
                    let contributors = self.contributors.get(key);
                    let is_back = self.book.watches.get(id).map_or([false; 3], |watch| watch.course.is_back);
                    let fell = |to: &String| incident.last_sent(to) > Some(telling.urgency);
                    let has_fallen = telling.to.iter().all(fell);
                    About { service, slo, row, incident, key, rules, contributors, is_back, has_fallen }
                        .tell(&mut message);
                }
                None => message.title = format!("over: {id}, which is no longer promised"),
            },
            Subject::Shared(place) => self.shared(&place.to_string(), incident, &telling.key, &mut message),
            Subject::Stale(source) => self.stale(source, incident, &telling.key, &mut message),
            Subject::Unread(team) => self.unread(team, incident, &mut message),
        }
        message
    }
}

/// One promise and its incident.
struct About<'a> {
    service: &'a Service,
    slo: &'a Slo,
    row: Option<&'a Row>,
    incident: &'a Incident,
    key: &'a IncidentKey,
    rules: &'a AlertRules,
    contributors: Option<&'a Contributors>,
    /// For ticket, page and severe: whether it is as urgent again soon after it ceased to be.
    is_back: [bool; 3],
    /// Whether it is less urgent than whoever is told has heard.
    has_fallen: bool,
}

impl About<'_> {
    fn tell(&self, message: &mut Message) {
        let what = self.what();
        message.title = match (self.incident.ended, message.phase) {
            (Some((ended, why)), _) => self.over(ended, why),
            (None, Phase::Reminder) => format!("still, after {}: {what}", between(self.key.started, message.at)),
            (None, Phase::Changed) if self.has_fallen => format!("less urgent now: {what}"),
            (None, _) => what,
        };
        message.paragraphs.extend(self.contributors.and_then(|found| came_from(found, self.slo)));
        message.paragraphs.extend(self.course());
        if self.incident.is_open() {
            message.paragraphs.extend(self.demoted());
        }
        message.paragraphs.extend(self.budget());
        if self.incident.is_open() {
            message.paragraphs.push(self.end());
        }
        message.paragraphs.push(format!("It belongs to team {} (class {}).", self.service.team, self.service.class));
        message.facts = self.facts();
        let link =
            |text: &str, url: &Option<String>| url.as_ref().map(|url| Link { text: text.to_owned(), url: url.clone() });
        message.links = [link("runbook", &self.service.runbook), link("dashboard", &self.service.dashboard)]
            .into_iter()
            .flatten()
            .collect();
    }

    /// What is wrong, in one line: of what it is now, or of what opened it where nothing holds any more.
    fn what(&self) -> String {
        let name = &self.slo.id;
        let Some(row) = self.row else { return format!("{name} fails") };
        match &row.verdict.state {
            State::Outage { minutes, sums } => {
                format!("{name}: {} in the last {}", self.share(*sums), length_text(*minutes))
            }
            State::Collapse { minutes, seen, expected } => format!(
                "{name}: {seen} {} in the last {}, where there are {expected} and more at this time of the week",
                self.events(),
                length_text(*minutes)
            ),
            State::Burning { .. } => self.tier().map_or_else(
                || format!("{name} fails"),
                |(reading, tier)| format!("{name}: {}", self.worse(reading, tier)),
            ),
            State::Blind { unknown_share, minutes } => format!(
                "{name} was failing; {} of the last {} are unknown",
                percent(to_f64(*unknown_share), 0),
                length_text(*minutes)
            ),
            State::Calm => match self.tier() {
                Some((reading, tier)) if reading.long.bad > 0 => {
                    format!("{name}: getting better; {} in the last {}", self.share(reading.long), tier.long)
                }
                _ => format!("{name} was failing"),
            },
        }
    }

    /// The window that says how bad it is: the short one while it is worse than the long one.
    fn worse(&self, reading: &TierReading, tier: &TierText) -> String {
        let (sums, window) = if reading.short_burn > reading.long_burn {
            (reading.short, &tier.short)
        } else {
            (reading.long, &tier.long)
        };
        format!("{} in the last {window}", self.share(sums))
    }

    /// The tier that says most about it: the one that burns, else the quickest.
    fn tier(&self) -> Option<(&TierReading, &TierText)> {
        let row = self.row?;
        let place = if let State::Burning { tier, .. } = row.verdict.state { tier } else { 0 };
        row.verdict.tiers.get(place).zip(row.tiers.get(place))
    }

    /// `1 in 4 requests failed (312 of 1,248)`.
    fn share(&self, sums: Sums) -> String {
        let ratio = ratio(sums);
        format!("{ratio} {} {} ({} of {})", self.events(), self.bad(), grouped(sums.bad), grouped(sums.total))
    }

    fn events(&self) -> &'static str {
        match (&self.slo.slices, &self.slo.indicator) {
            (Some(_), _) => "slices",
            (None, Indicator::Requests { .. }) => "requests",
            (None, _) => "events",
        }
    }

    fn bad(&self) -> String {
        match (&self.slo.slices, &self.slo.indicator) {
            (Some(slices), _) => format!("of {} were bad", length_text(slices.minutes)),
            (None, _) => event_bad(self.slo),
        }
    }

    fn over(&self, ended: Minute, why: Why) -> String {
        let (id, lasted) = (&self.slo.id, between(self.key.started, ended));
        match why {
            Why::Calm => format!("over: {id} has recovered, after {lasted}"),
            Why::Silence => format!("over: {id} has had no {} for a day", self.events()),
            Why::Changed => format!("over: {id} is promised differently now, after {lasted}"),
            Why::Moved => format!("over: {id} belongs to team {} now, after {lasted}", self.service.team),
            Why::Removed => format!("over: {id} is no longer promised, after {lasted}"),
        }
    }

    /// How it went so far.
    fn course(&self) -> Vec<String> {
        let incident = self.incident;
        let mut said = vec![format!("It was noticed at {}.", clock(self.key.started))];
        if incident.turns.len() > 1 {
            let time = |at: Minute| {
                if at.day() == self.key.started.day() {
                    at.timestamp().strftime("%H:%M").to_string()
                } else {
                    clock(at)
                }
            };
            let turns = incident.turns.iter().map(|(at, urgency)| format!("{urgency} from {}", time(*at)));
            said.push(format!("How urgent it was: {}.", turns.collect::<Vec<String>>().join(", ")));
        }
        if incident.late {
            said.push("It was found afterwards: the minutes in question came late.".to_owned());
        }
        if incident.corrected {
            said.push("Minutes that it was judged by have changed since: late data has come.".to_owned());
        }
        if let Some(group) = &incident.part_of {
            said.push(format!(
                "It is part of a larger incident of {}, which is with the people who run the platform.",
                group.subject
            ));
        }
        vec![said.join(" ")]
    }

    /// Why somebody is told by ticket of what would be a page.
    fn demoted(&self) -> Option<String> {
        let row = self.row?;
        let State::Burning { tier, .. } = row.verdict.state else { return None };
        Some(match row.verdict.tiers.get(tier)?.demoted? {
            Demotion::OutsideHours => "It would be a page within working hours.".to_owned(),
            Demotion::FewBad { bad, bad_min } => {
                format!("It is no page because so little failed: {bad}, and a page needs {bad_min}.")
            }
            Demotion::Chance { chance, .. } => format!(
                "It is no page because it may be chance: with so few {} as many failures would come in {} of cases.",
                self.events(),
                percent(chance, 1)
            ),
        })
    }

    fn budget(&self) -> Option<String> {
        let row = self.row?;
        let (allowed, left) = (row.budget.allowed()?, row.budget.remaining()?);
        let used = 1.0 - to_f64(left);
        let mut text = format!(
            "Of the budget for {} {} is used: {} {} were bad, and {} may be.",
            row.window,
            percent(used, 0),
            grouped(row.sums.bad),
            self.events(),
            few(to_f64(allowed))
        );
        // What may be chance has no rate.
        if self.incident.is_open() && self.demoted().is_none() {
            let minutes = self.tier().and_then(|(reading, tier)| {
                let may_fail = to_f64(allowed) * to_f64(left);
                spent_after(may_fail, reading.short.bad, crate::minute::length(&tier.short)?)
            });
            text.push_str(&match (row.budget.is_exceeded(), minutes) {
                (true, _) => " It is spent.".to_owned(),
                (false, Some(minutes)) => {
                    format!(" At this rate it is spent by {}.", clock(row.judged_at.plus(minutes)))
                }
                (false, None) => match row.forecast {
                    Forecast::ExhaustedAt(at) => format!(" As it has gone lately it is spent by {}.", clock(at)),
                    _ => String::new(),
                },
            });
        }
        Some(text)
    }

    /// What ends it.
    fn end(&self) -> String {
        let level = |urgency: Urgency| {
            let tiers = self.slo.tiers.iter().filter(|tier| tier.urgency == urgency);
            let least = tiers.map(|tier| tier.factor * self.slo.objective.budget()).min().map(to_f64);
            let place = urgency as usize;
            let calm = length_text(calm_minutes(resolve_after(self.slo, self.rules)[place], self.is_back[place]));
            match least.filter(|share| *share < 1.0) {
                Some(share) => {
                    format!("{calm} with {} of which no more than {} are bad", self.events(), percent(share, 2))
                }
                None => format!("{calm} without trouble"),
            }
        };
        match self.incident.urgency {
            Urgency::Ticket => format!("It ends by itself after {}.", level(Urgency::Ticket)),
            urgency => format!(
                "It is no longer a {} after {}, and ends by itself after {}.",
                if urgency == Urgency::Severe { "severe page" } else { "page" },
                level(urgency),
                level(Urgency::Ticket)
            ),
        }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("Objective".to_owned(), self.slo.objective.text.clone())];
        let Some(row) = self.row else { return facts };
        facts.push(("Over".to_owned(), row.window.clone()));
        if let Some(left) = row.budget.remaining() {
            facts.push(("Budget left".to_owned(), percent(to_f64(left), 1)));
        }
        if let Some((reading, tier)) = self.tier() {
            for (sums, window) in [(reading.short, &tier.short), (reading.long, &tier.long)] {
                facts.push((format!("Bad in {window}"), format!("{} of {}", grouped(sums.bad), grouped(sums.total))));
            }
        }
        facts.push(("Noticed".to_owned(), clock(self.key.started)));
        facts
    }
}

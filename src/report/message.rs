//! What an incident is, in plain words for whoever was woken by it: what fails, how much, since when, what it costs, what ends it.

use std::collections::BTreeMap;

use super::contributors::sentences;
use super::counted;
use super::model::{Row, Status, TierText};
use super::pictured::{few, ratio, time_text};
use super::status::percent;
use crate::accesslog::contributors::Contributors;
use crate::alert::{
    AlertBook, Entry, Incident, IncidentKey, Link, Message, Phase, Rewritten, Subject, Telling, Why, resolve_after,
};
use crate::burn::{Forecast, spent_after};
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, length_text};
use crate::slo::{AlertRules, Catalog, Indicator, LatencyBasis, Measure, Service, Slo, Urgency};
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
            Subject::Slo(id) => {
                let mut all = self.catalog.services.iter().flat_map(|one| one.slos.iter().map(move |slo| (one, slo)));
                match all.find(|(_, slo)| slo.id == *id) {
                    Some((service, slo)) => {
                        let row =
                            self.status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name());
                        let (key, rules) = (&telling.key, &self.catalog.alerts);
                        let contributors = self.contributors.get(key);
                        About { service, slo, row, incident, key, rules, contributors }.tell(&mut message);
                    }
                    None => message.title = format!("over: {id}, which is no longer promised"),
                }
            }
            Subject::Shared(place) => self.shared(&place.to_string(), incident, &telling.key, &mut message),
            Subject::Stale(source) => self.stale(source, incident, &telling.key, &mut message),
        }
        message
    }

    /// Says that an objective was changed.
    #[must_use]
    pub fn rewritten(&self, change: &Rewritten) -> Message {
        let Rewritten { slo, owner, before, after } = change;
        Message {
            title: format!("{slo}: the objective is {after} now, and was {before}"),
            paragraphs: vec!["Budgets and what is told of it follow the new one from now on.".to_owned()],
            service: owner.service.clone(),
            team: owner.team.clone(),
            class: owner.class.clone(),
            ..note(format!("{slo}@objective {after} {}", self.status.at), self.status.at)
        }
    }

    /// Says that a message can never be delivered.
    #[must_use]
    pub fn undelivered(entry: &Entry, at: Minute) -> Message {
        let message = &entry.message;
        Message {
            title: format!("could not tell team {}: {}", message.team, message.title),
            paragraphs: vec![
                format!("The message to `{}` was given up, tried {}.", entry.to, counted(entry.tries, "time")),
                entry.failed.clone().unwrap_or_default(),
                "It said:".to_owned(),
                message.paragraphs.join(" "),
            ],
            service: "slowburn".to_owned(),
            ..note(format!("undelivered {} to {}", message.key, entry.to), at)
        }
    }

    fn shared(&self, place: &str, incident: &Incident, key: &IncidentKey, message: &mut Message) {
        let mut services: Vec<&str> = incident
            .parts
            .iter()
            .filter_map(|key| self.book.incidents.get(key))
            .map(|part| part.service.as_str())
            .collect();
        services.sort_unstable();
        services.dedup();
        let many = counted(services.len(), "service");
        message.title = match incident.ended {
            Some((ended, _)) => {
                format!("over: {many} of {place} have recovered, after {}", between(key.started, ended))
            }
            None => format!("{many} of {place} fail together since {}", clock(key.started)),
        };
        message.paragraphs.push(format!(
            "Within minutes of {} these services began to fail: {}.",
            clock(key.started),
            services.join(", ")
        ));
        message.paragraphs.push(
            "They most likely have one cause. Their teams are told by ticket, unless they had been paged before."
                .to_owned(),
        );
        message.facts.push(("Began".to_owned(), clock(key.started)));
        message.facts.push(("Services".to_owned(), services.len().to_string()));
    }

    fn stale(&self, source: &str, incident: &Incident, key: &IncidentKey, message: &mut Message) {
        let after = self.catalog.alerts.stale_after.unwrap_or(0);
        let since = key.started.plus(-i32::try_from(after).unwrap_or(0));
        let blind = self.catalog.services.iter().flat_map(|service| &service.slos);
        let blind = blind.filter(|slo| slo.indicator.source() == source).count();
        message.title = match incident.ended {
            Some(_) => format!("over: source {source} delivers again"),
            None => format!("source {source} has been silent since {}", clock(since)),
        };
        message.paragraphs.push(format!(
            "Nothing newer than {} is known of {}. As long as that is so, none of them can wake anybody.",
            clock(since),
            counted(blind, "promise")
        ));
        message.paragraphs.push(
            "See what `slowburn run` says of this source, whether its logs or metrics are still written, and whether slowburn may read them."
                .to_owned(),
        );
    }
}

/// A message that belongs to no incident.
fn note(key: String, at: Minute) -> Message {
    Message {
        key,
        number: 1,
        phase: Phase::Note,
        urgency: Urgency::Ticket,
        title: String::new(),
        paragraphs: Vec::new(),
        facts: Vec::new(),
        links: Vec::new(),
        service: String::new(),
        team: String::new(),
        class: String::new(),
        at,
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
}

impl About<'_> {
    fn tell(&self, message: &mut Message) {
        let what = self.what();
        message.title = match (self.incident.ended, message.phase) {
            (Some((ended, why)), _) => self.over(ended, why),
            (None, Phase::Reminder) => format!("still, after {}: {what}", between(self.key.started, message.at)),
            (None, _) => what,
        };
        message.paragraphs.extend(self.contributors.and_then(|found| sentences(found, &self.event_bad())));
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
                |(reading, tier)| format!("{name}: {} in the last {}", self.share(reading.long), tier.long),
            ),
            State::Calm | State::Blind { .. } => self.tier().map_or_else(
                || format!("{name} was failing"),
                |(reading, tier)| format!("{name}: {} in the last {}, falling", self.share(reading.long), tier.long),
            ),
        }
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
            (None, _) => self.event_bad(),
        }
    }

    /// What is wrong with a single event.
    fn event_bad(&self) -> String {
        match &self.slo.indicator {
            Indicator::Requests { measure: Measure::Latency { under_us, basis, .. }, .. } => {
                let of = if *basis == LatencyBasis::Target { "" } else { " in total" };
                format!("took longer than {}{of}", time_text(*under_us))
            }
            Indicator::Requests { .. } => "failed".to_owned(),
            _ => "were bad".to_owned(),
        }
    }

    fn over(&self, ended: Minute, why: Why) -> String {
        let (id, lasted) = (&self.slo.id, between(self.key.started, ended));
        match why {
            Why::Calm => format!("over: {id} has recovered, after {lasted}"),
            Why::Silence => format!("over: {id} has had no {} for a day", self.events()),
            Why::Changed => format!("over: {id} is promised differently now, after {lasted}"),
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
            "Of the budget for {} {} is used: {} of {} {} that may fail.",
            row.window,
            percent(used, 0),
            grouped(row.sums.bad),
            few(to_f64(allowed)),
            self.events()
        );
        // What may be chance has no rate.
        if self.incident.is_open() && self.demoted().is_none() {
            let rate = self.tier().and_then(|(reading, _)| reading.long_burn);
            let minutes = rate.and_then(|rate| spent_after(to_f64(left), rate, row.minutes));
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
        let tiers = self.slo.tiers.iter().filter(|tier| tier.urgency <= self.incident.urgency.min(Urgency::Page));
        let least = tiers.map(|tier| tier.factor * self.slo.objective.budget()).min();
        let calm = length_text(resolve_after(self.slo, self.rules)[self.incident.urgency as usize]);
        match least.map(to_f64).filter(|share| *share < 1.0) {
            Some(share) => format!(
                "It ends by itself once there have been {calm} with {} of which no more than {} failed.",
                self.events(),
                percent(share, 2)
            ),
            None => format!("It ends by itself after {calm} in which it no longer fails."),
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

/// `10:05 UTC on 31 October`.
fn clock(at: Minute) -> String {
    at.timestamp().strftime("%H:%M UTC on %-d %B").to_string()
}

fn between(from: Minute, to: Minute) -> String {
    match to.0.saturating_sub(from.0).max(0) {
        minutes if minutes >= 2 * 1_440 => format!("{} days", minutes / 1_440),
        minutes if minutes >= 120 => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} minutes"),
    }
}

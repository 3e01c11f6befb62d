//! Notifications of an incident for the person on call: the failing share, the error budget, what resolves it, and
//! since when.

use std::collections::BTreeMap;

use super::contributors::{came_from, event_bad};
use super::counted;
use super::model::{Row, Status, TierText};
use super::status::percent;
use super::words::{between, capital, clock, few, ratio};
use crate::accesslog::contributors::Contributors;
use crate::alert::{
    AlertBook, Incident, IncidentKey, Link, Message, Phase, Subject, Telling, Why, calm_minutes, resolve_after,
};
use crate::burn::{Forecast, spent_after};
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::Minute;
use crate::slo::{AlertRules, Catalog, Indicator, LatencyErrors, Measure, Service, Slo, Urgency};
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
                None => message.title = format!("resolved: {id} was removed"),
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
            (None, Phase::Reminder) => format!("reminder after {}: {what}", between(self.key.started, message.at)),
            (None, Phase::Changed) if self.has_fallen => format!("downgraded to {}: {what}", message.urgency),
            (None, _) => what,
        };
        message.paragraphs.extend(self.contributors.and_then(|found| came_from(found, self.slo)));
        message.paragraphs.extend(self.budget());
        if self.incident.is_open() {
            message.paragraphs.extend(self.demoted());
            message.paragraphs.push(self.end());
        }
        message.paragraphs.push(self.course());
        message.paragraphs.push(format!("Owner: team {} (class {}).", self.service.team, self.service.class));
        message.facts = self.facts();
        let link =
            |text: &str, url: &Option<String>| url.as_ref().map(|url| Link { text: text.to_owned(), url: url.clone() });
        message.links = [link("runbook", &self.service.runbook), link("dashboard", &self.service.dashboard)]
            .into_iter()
            .flatten()
            .collect();
    }

    /// What is wrong, in one line: the present condition, or that of the opening if nothing fires any more.
    fn what(&self) -> String {
        let name = &self.slo.id;
        let Some(row) = self.row else { return format!("{name} is failing") };
        match &row.verdict.state {
            State::Outage { minutes, sums } => {
                format!("{name}: {} in the last {}", self.share(*sums), last(*minutes))
            }
            State::Collapse { minutes, seen, expected } => {
                let few = if *seen == 0 { "no".to_owned() } else { format!("only {}", grouped(*seen)) };
                let (events, minutes, expected) = (self.events(*seen), last(*minutes), grouped(*expected));
                format!(
                    "{name}: {few} {events} in the last {minutes}, normally at least {expected} at this time of the week"
                )
            }
            State::Burning { .. } => self.tier().map_or_else(
                || format!("{name} is failing"),
                |(reading, tier)| format!("{name}: {}", self.worse(reading, tier)),
            ),
            State::Blind { unknown_share, minutes } => format!(
                "{name} was failing, now no data: {} of the last {} is unknown",
                percent(to_f64(*unknown_share), 0),
                last(*minutes)
            ),
            State::Calm => match self.tier() {
                Some((reading, tier)) if reading.long.bad > 0 => {
                    format!("{name} is recovering: {} in the last {}", self.share(reading.long), last_text(&tier.long))
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
        format!("{} in the last {}", self.share(sums), last_text(window))
    }

    /// The tier that says most about it: the one that burns, else the quickest.
    fn tier(&self) -> Option<(&TierReading, &TierText)> {
        let row = self.row?;
        let place = if let State::Burning { tier, .. } = row.verdict.state { tier } else { 0 };
        row.verdict.tiers.get(place).zip(row.tiers.get(place))
    }

    /// `25% of requests failed (312 of 1,248)`.
    fn share(&self, sums: Sums) -> String {
        let bad = if self.slo.slices.is_some() { "were bad".to_owned() } else { event_bad(self.slo) };
        let (failed, all) = (grouped(sums.bad), grouped(sums.total));
        format!("{} {} {bad} ({failed} of {all})", ratio(sums), self.events(2))
    }

    /// What the SLO counts, for so many of them.
    fn events(&self, count: u64) -> String {
        let noun = match (&self.slo.slices, &self.slo.indicator) {
            (Some(slices), _) => format!("{}-minute timeslice", slices.minutes),
            (None, Indicator::Requests { .. }) => "request".to_owned(),
            (None, _) => "event".to_owned(),
        };
        if count == 1 { noun } else { format!("{noun}s") }
    }

    /// What uses up the budget, for so many of them: `failed requests`.
    fn bad_events(&self, count: u64) -> String {
        let noun = match (&self.slo.slices, &self.slo.indicator) {
            (Some(_), _) => "bad timeslice",
            (None, Indicator::Requests { measure: Measure::Latency { errors: LatencyErrors::Bad, .. }, .. }) => {
                "slow or failed request"
            }
            (None, Indicator::Requests { measure: Measure::Latency { .. }, .. }) => "slow request",
            (None, Indicator::Requests { .. }) => "failed request",
            (None, _) => "bad event",
        };
        if count == 1 { noun.to_owned() } else { format!("{noun}s") }
    }

    fn over(&self, ended: Minute, why: Why) -> String {
        let (id, lasted) = (&self.slo.id, between(self.key.started, ended));
        match why {
            Why::Recovered => format!("resolved: {id} recovered after {lasted}"),
            Why::NoTraffic => format!("resolved: {id} had no {} for a day", self.events(0)),
            Why::SloChanged => format!("resolved: the definition of {id} was changed after {lasted}"),
            Why::OwnerChanged => format!("resolved: {id} was moved to team {} after {lasted}", self.service.team),
            Why::SloRemoved => format!("resolved: {id} was removed after {lasted}"),
        }
    }

    /// Since when, and how urgent at which time.
    fn course(&self) -> String {
        let incident = self.incident;
        let mut said = vec![format!("Detected at {}.", clock(self.key.started))];
        if incident.turns.len() > 1 {
            let time = |at: Minute| {
                if at.day() == self.key.started.day() {
                    at.timestamp().strftime("%H:%M").to_string()
                } else {
                    clock(at)
                }
            };
            let turns = incident.turns.iter().map(|(at, urgency)| format!("{urgency} from {}", time(*at)));
            said.push(format!("Urgency: {}.", turns.collect::<Vec<String>>().join(", ")));
        }
        if incident.late {
            said.push("The data for these minutes arrived late.".to_owned());
        }
        if incident.corrected {
            said.push("Late data has changed minutes that were already evaluated.".to_owned());
        }
        if let Some(group) = &incident.part_of {
            said.push(format!(
                "Part of a group with a shared cause, {}; the platform team is notified.",
                group.subject
            ));
        }
        said.join(" ")
    }

    /// Why a page is sent as a ticket.
    fn demoted(&self) -> Option<String> {
        let row = self.row?;
        let State::Burning { tier, .. } = row.verdict.state else { return None };
        Some(match row.verdict.tiers.get(tier)?.demoted? {
            Demotion::OutsideHours => {
                "Sent as a ticket outside working hours; within working hours it would be a page.".to_owned()
            }
            Demotion::FewBad { bad, bad_min } => {
                let (failed, noun) = (grouped(bad), self.bad_events(bad));
                format!("Sent as a ticket: {failed} {noun}; a page needs at least {bad_min}.")
            }
            Demotion::Chance { chance, .. } => format!(
                "Sent as a ticket: not statistically significant. With so few {}, this many {} or more would occur by chance in {} of \
                 cases.",
                self.events(2),
                self.bad_events(2),
                percent(chance, 1)
            ),
        })
    }

    fn budget(&self) -> Option<String> {
        let row = self.row?;
        let (allowed, left) = (row.budget.allowed()?, row.budget.remaining()?);
        let used = 1.0 - to_f64(left);
        let mut text = format!(
            "{} of the {} is used: {} {}, {} allowed.",
            percent(used, 0),
            budget_name(&row.window),
            grouped(row.sums.bad),
            self.bad_events(row.sums.bad),
            few(to_f64(allowed))
        );
        // Failures that may be chance have no rate.
        if self.incident.is_open() && self.demoted().is_none() {
            let minutes = self.tier().and_then(|(reading, tier)| {
                let may_fail = to_f64(allowed) * to_f64(left);
                spent_after(may_fail, reading.short.bad, crate::minute::length(&tier.short)?)
            });
            text.push_str(&match (row.budget.is_exceeded(), minutes) {
                (true, _) => " The error budget is exhausted.".to_owned(),
                (false, Some(minutes)) => {
                    format!(" At the current rate it will be exhausted by {}.", clock(row.judged_at.plus(minutes)))
                }
                (false, None) => match row.forecast {
                    Forecast::ExhaustedAt(at) => format!(" At the recent rate it will be exhausted by {}.", clock(at)),
                    _ => String::new(),
                },
            });
        }
        Some(text)
    }

    /// What resolves it.
    fn end(&self) -> String {
        let level = |urgency: Urgency| {
            let tiers = self.slo.tiers.iter().filter(|tier| tier.urgency == urgency);
            let least = tiers.map(|tier| tier.factor * self.slo.objective.budget()).min().map(to_f64);
            let place = urgency as usize;
            let calm = length_words(calm_minutes(resolve_after(self.slo, self.rules)[place], self.is_back[place]));
            match least.filter(|share| *share < 1.0) {
                Some(share) => {
                    format!("{calm} with traffic and at most {} {}", percent(share, 2), self.bad_events(2))
                }
                None if urgency == Urgency::Severe => {
                    format!("{calm} with traffic and no outage or traffic drop")
                }
                None => format!("{calm} with traffic and no firing alert"),
            }
        };
        let ticket = level(Urgency::Ticket);
        match self.incident.urgency {
            Urgency::Ticket => format!("Resolves automatically after {ticket}."),
            Urgency::Page => {
                format!("No longer a page after {}; resolves automatically after {ticket}.", level(Urgency::Page))
            }
            Urgency::Severe => {
                format!("No longer severe after {}; resolves automatically after {ticket}.", level(Urgency::Severe))
            }
        }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("Objective".to_owned(), self.slo.objective.text.clone())];
        let Some(row) = self.row else { return facts };
        facts.push(("Window".to_owned(), row.window.clone()));
        if let Some(left) = row.budget.remaining() {
            facts.push(("Error budget left".to_owned(), percent(to_f64(left), 1)));
        }
        if let Some((reading, tier)) = self.tier() {
            let label = capital(&self.bad_events(2));
            for (sums, window) in [(reading.short, &tier.short), (reading.long, &tier.long)] {
                facts.push((
                    format!("{label} in {window}"),
                    format!("{} of {}", grouped(sums.bad), grouped(sums.total)),
                ));
            }
        }
        facts.push(("Detected".to_owned(), clock(self.key.started)));
        facts
    }
}

/// A length in its largest unit: `15 minutes`, `2 hours`, `1 day`.
fn length_words(minutes: u32) -> String {
    match minutes {
        minutes if minutes % 1_440 == 0 => counted(minutes / 1_440, "day"),
        minutes if minutes % 60 == 0 => counted(minutes / 60, "hour"),
        minutes => counted(minutes, "minute"),
    }
}

/// A length after `the last`: `hour`, `5 minutes`.
fn last(minutes: u32) -> String {
    match minutes {
        60 => "hour".to_owned(),
        1_440 => "day".to_owned(),
        minutes => length_words(minutes),
    }
}

/// The same for the length of a tier's window: `1h`.
fn last_text(window: &str) -> String {
    crate::minute::length(window).map_or_else(|| window.to_owned(), last)
}

/// The budget of a window: `30-day error budget`, `error budget of this month`.
fn budget_name(window: &str) -> String {
    match crate::minute::length(window) {
        None => format!("error budget of this {window}"),
        Some(minutes) if minutes % 1_440 == 0 => format!("{}-day error budget", minutes / 1_440),
        Some(minutes) if minutes % 60 == 0 => format!("{}-hour error budget", minutes / 60),
        Some(minutes) => format!("{minutes}-minute error budget"),
    }
}

//! Notifications of an incident for the person on call: the failing share, the error budget, what resolves it, and
//! since when.

use std::collections::BTreeMap;

use super::contributors::{bad_event_verb, describe_contributors};
use super::model::{FleetStatus, SloRow, TierSummary};
use crate::access_log::contributors::Contributors;
use crate::alert::{
    AlertState, EndReason, Incident, IncidentKey, IncidentSubject, Link, Notification, NotificationKind,
    PlannedNotification, recovery_minutes, resolve_after,
};
use crate::burn::{ExhaustionForecast, minutes_until_exhausted};
use crate::counts::Sums;
use crate::evaluation::{Downgrade, SloState, TierEvaluation};
use crate::format::{
    capitalize, format_bad_share, format_duration_words, format_elapsed, format_fraction, format_lookback_words,
    format_number, format_percent, format_time, with_thousands_separators,
};
use crate::rational::to_f64;
use crate::slo::{AlertRules, Catalog, Indicator, LatencyErrors, Measure, Service, Slo, Urgency};
use crate::time::Minute;

/// What messages are made from.
pub struct NotificationContext<'a> {
    /// The promises.
    pub catalog: &'a Catalog,
    /// The incidents.
    pub alert_state: &'a AlertState,
    /// How every promise stands.
    pub status: &'a FleetStatus,
    /// Where failures come from, of what was looked into.
    pub contributors: &'a BTreeMap<IncidentKey, Contributors>,
}

impl NotificationContext<'_> {
    /// Puts something that was decided into words.
    #[must_use]
    pub fn build_message(&self, notification: &PlannedNotification) -> Notification {
        let incident = self.alert_state.incidents.get(&notification.key);
        let mut message = Notification {
            key: notification.key.to_string(),
            number: notification.number,
            kind: notification.kind,
            urgency: notification.urgency,
            title: notification.key.subject.to_string(),
            paragraphs: Vec::new(),
            facts: Vec::new(),
            links: Vec::new(),
            service: incident.map_or_else(String::new, |incident| incident.service.clone()),
            team: incident.map_or_else(String::new, |incident| incident.team.clone()),
            class: incident.map_or_else(String::new, |incident| incident.class.clone()),
            at: self.status.at,
        };
        let Some(incident) = incident else { return message };
        match &notification.key.subject {
            IncidentSubject::Slo(id) => match self.catalog.slos().find(|(_, slo)| slo.id == *id) {
                Some((service, slo)) => {
                    let row = self.status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name());
                    let (key, rules) = (&notification.key, &self.catalog.alerts);
                    let contributors = self.contributors.get(key);
                    let is_flapping = self
                        .alert_state
                        .checkpoints
                        .get(id)
                        .map_or([false; 3], |watch| watch.urgency_state.is_flapping);
                    let was_more_urgent =
                        |to: &String| incident.last_delivered_urgency(to) > Some(notification.urgency);
                    let is_downgrade = notification.destinations.iter().all(was_more_urgent);
                    SloMessage { service, slo, row, incident, key, rules, contributors, is_flapping, is_downgrade }
                        .fill(&mut message);
                }
                None => message.title = format!("resolved: {id} was removed"),
            },
            subject @ (IncidentSubject::SharedLoadBalancer(_) | IncidentSubject::SharedSource(_)) => {
                self.fill_group(&subject.to_string(), incident, &notification.key, &mut message)
            }
            IncidentSubject::StaleSource(source) => {
                self.fill_stale_source(source, incident, &notification.key, &mut message)
            }
            IncidentSubject::InvalidDefinitions(team) => self.fill_invalid_definitions(team, incident, &mut message),
        }
        message
    }
}

/// One promise and its incident.
struct SloMessage<'a> {
    service: &'a Service,
    slo: &'a Slo,
    row: Option<&'a SloRow>,
    incident: &'a Incident,
    key: &'a IncidentKey,
    rules: &'a AlertRules,
    contributors: Option<&'a Contributors>,
    /// For ticket, page and severe: whether it is as urgent again soon after it ceased to be.
    is_flapping: [bool; 3],
    /// Whether it is less urgent than whoever is told has heard.
    is_downgrade: bool,
}

impl SloMessage<'_> {
    fn fill(&self, message: &mut Notification) {
        let headline = self.headline();
        message.title = match (self.incident.ended, message.kind) {
            (Some((ended, why)), _) => self.resolved_title(ended, why),
            (None, NotificationKind::Reminder) => {
                format!("reminder after {}: {headline}", format_elapsed(self.key.started, message.at))
            }
            (None, NotificationKind::Changed) if self.is_downgrade => {
                format!("downgraded to {}: {headline}", message.urgency)
            }
            (None, _) => headline,
        };
        message.paragraphs.extend(self.contributors.and_then(|found| describe_contributors(found, self.slo)));
        message.paragraphs.extend(self.budget_paragraph());
        if self.incident.is_open() {
            message.paragraphs.extend(self.downgrade_paragraph());
            message.paragraphs.push(self.resolution_paragraph());
        }
        message.paragraphs.push(self.history_paragraph());
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
    fn headline(&self) -> String {
        let name = &self.slo.id;
        let Some(row) = self.row else { return format!("{name} is failing") };
        match &row.evaluation.state {
            SloState::Outage { minutes, sums } => {
                format!("{name}: {} in the last {}", self.format_bad_share(*sums), format_lookback_words(*minutes))
            }
            SloState::TrafficDrop { minutes, events: seen, expected } => {
                let count =
                    if *seen == 0 { "no".to_owned() } else { format!("only {}", with_thousands_separators(*seen)) };
                let (events, minutes, expected) =
                    (self.event_noun(*seen), format_lookback_words(*minutes), with_thousands_separators(*expected));
                format!(
                    "{name}: {count} {events} in the last {minutes}, normally at least {expected} at this time of the week"
                )
            }
            SloState::Firing { .. } => self.main_tier().map_or_else(
                || format!("{name} is failing"),
                |(reading, tier)| format!("{name}: {}", self.worse_window(reading, tier)),
            ),
            SloState::NoData { unknown_share, minutes } => format!(
                "{name} was failing, now no data: {} of the last {} is unknown",
                format_percent(to_f64(*unknown_share), 0),
                format_lookback_words(*minutes)
            ),
            SloState::Ok => match self.main_tier() {
                Some((reading, tier)) if reading.long.bad > 0 => {
                    format!(
                        "{name} is recovering: {} in the last {}",
                        self.format_bad_share(reading.long),
                        format_window_lookback(&tier.long)
                    )
                }
                _ => format!("{name} was failing"),
            },
        }
    }

    /// The window that says how bad it is: the short one while it is worse than the long one.
    fn worse_window(&self, reading: &TierEvaluation, tier: &TierSummary) -> String {
        let (sums, window) = if reading.short_burn_rate > reading.long_burn_rate {
            (reading.short, &tier.short)
        } else {
            (reading.long, &tier.long)
        };
        format!("{} in the last {}", self.format_bad_share(sums), format_window_lookback(window))
    }

    /// The tier that says most about it: the one that burns, else the quickest.
    fn main_tier(&self) -> Option<(&TierEvaluation, &TierSummary)> {
        let row = self.row?;
        let index = if let SloState::Firing { tier, .. } = row.evaluation.state { tier } else { 0 };
        row.evaluation.tiers.get(index).zip(row.tiers.get(index))
    }

    /// `25% of requests failed (312 of 1,248)`.
    fn format_bad_share(&self, sums: Sums) -> String {
        let bad_verb = if self.slo.timeslices.is_some() { "were bad".to_owned() } else { bad_event_verb(self.slo) };
        let (failed, total) = (with_thousands_separators(sums.bad), with_thousands_separators(sums.total));
        format!("{} {} {bad_verb} ({failed} of {total})", format_bad_share(sums), self.event_noun(2))
    }

    /// What the SLO counts, for so many of them.
    fn event_noun(&self, count: u64) -> String {
        let noun = match (&self.slo.timeslices, &self.slo.indicator) {
            (Some(slices), _) => format!("{}-minute timeslice", slices.minutes),
            (None, Indicator::Requests { .. }) => "request".to_owned(),
            (None, _) => "event".to_owned(),
        };
        if count == 1 { noun } else { format!("{noun}s") }
    }

    /// What uses up the budget, for so many of them: `failed requests`.
    fn bad_event_noun(&self, count: u64) -> String {
        let noun = match (&self.slo.timeslices, &self.slo.indicator) {
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

    fn resolved_title(&self, ended: Minute, reason: EndReason) -> String {
        let (id, elapsed) = (&self.slo.id, format_elapsed(self.key.started, ended));
        match reason {
            EndReason::Recovered => format!("resolved: {id} recovered after {elapsed}"),
            EndReason::NoTraffic => format!("resolved: {id} had no {} for a day", self.event_noun(0)),
            EndReason::SloChanged => format!("resolved: the definition of {id} was changed after {elapsed}"),
            EndReason::OwnerChanged => {
                format!("resolved: {id} was moved to team {} after {elapsed}", self.service.team)
            }
            EndReason::SloRemoved => format!("resolved: {id} was removed after {elapsed}"),
        }
    }

    /// Since when, and how urgent at which time.
    fn history_paragraph(&self) -> String {
        let incident = self.incident;
        let mut sentences = vec![format!("Detected at {}.", format_time(self.key.started))];
        if incident.urgency_changes.len() > 1 {
            let time = |at: Minute| {
                if at.day() == self.key.started.day() {
                    at.timestamp().strftime("%H:%M").to_string()
                } else {
                    format_time(at)
                }
            };
            let changes = incident.urgency_changes.iter().map(|(at, urgency)| format!("{urgency} from {}", time(*at)));
            sentences.push(format!("Urgency: {}.", changes.collect::<Vec<String>>().join(", ")));
        }
        if incident.is_late {
            sentences.push("The data for these minutes arrived late.".to_owned());
        }
        if incident.is_reevaluated {
            sentences.push("Late data has changed minutes that were already evaluated.".to_owned());
        }
        if let Some(group) = &incident.group {
            sentences.push(format!(
                "Part of a group with a shared cause, {}; the platform team is notified.",
                group.subject
            ));
        }
        sentences.join(" ")
    }

    /// Why a page is sent as a ticket.
    fn downgrade_paragraph(&self) -> Option<String> {
        let row = self.row?;
        let SloState::Firing { tier, .. } = row.evaluation.state else { return None };
        Some(match row.evaluation.tiers.get(tier)?.downgrade? {
            Downgrade::OutsideHours => {
                "Sent as a ticket outside working hours; within working hours it would be a page.".to_owned()
            }
            Downgrade::FewBadEvents { bad_events: bad, min_bad_events: bad_min } => {
                let (failed, noun) = (with_thousands_separators(bad), self.bad_event_noun(bad));
                format!("Sent as a ticket: {failed} {noun}; a page needs at least {bad_min}.")
            }
            Downgrade::NotSignificant { p_value: chance, .. } => format!(
                "Sent as a ticket: not statistically significant. With so few {}, this many {} or more would occur by chance in {} of \
                 cases.",
                self.event_noun(2),
                self.bad_event_noun(2),
                format_percent(chance, 1)
            ),
        })
    }

    fn budget_paragraph(&self) -> Option<String> {
        let row = self.row?;
        let (allowed, left) = (row.budget.allowed()?, row.budget.remaining()?);
        let used = 1.0 - to_f64(left);
        let mut text = format!(
            "{} of the {} is used: {} {}, {} allowed.",
            format_percent(used, 0),
            format_budget_name(&row.window),
            with_thousands_separators(row.sums.bad),
            self.bad_event_noun(row.sums.bad),
            format_number(to_f64(allowed))
        );
        // Failures that may be chance have no rate.
        if self.incident.is_open() && self.downgrade_paragraph().is_none() {
            let minutes_to_exhaustion = self.main_tier().and_then(|(reading, tier)| {
                let events_left = to_f64(allowed) * to_f64(left);
                minutes_until_exhausted(events_left, reading.short.bad, crate::time::parse_duration(&tier.short)?)
            });
            text.push_str(&match (row.budget.is_exceeded(), minutes_to_exhaustion) {
                (true, _) => " The error budget is exhausted.".to_owned(),
                (false, Some(minutes)) => {
                    format!(
                        " At the current rate it will be exhausted by {}.",
                        format_time(row.evaluated_at.plus(minutes))
                    )
                }
                (false, None) => match row.forecast {
                    ExhaustionForecast::ExhaustedAt(at) => {
                        format!(" At the recent rate it will be exhausted by {}.", format_time(at))
                    }
                    _ => String::new(),
                },
            });
        }
        Some(text)
    }

    /// What resolves it.
    fn resolution_paragraph(&self) -> String {
        let recovery_condition = |urgency: Urgency| {
            let tiers = self.slo.tiers.iter().filter(|tier| tier.urgency == urgency);
            let lowest_threshold = tiers.map(|tier| tier.factor * self.slo.objective.budget()).min().map(to_f64);
            let index = urgency as usize;
            let recovery_time = format_duration_words(recovery_minutes(
                resolve_after(self.slo, self.rules)[index],
                self.is_flapping[index],
            ));
            match lowest_threshold.filter(|share| *share < 1.0) {
                Some(share) => {
                    format!(
                        "{recovery_time} with traffic and at most {} {}",
                        format_percent(share, 2),
                        self.bad_event_noun(2)
                    )
                }
                None if urgency == Urgency::Severe => {
                    format!("{recovery_time} with traffic and no outage or traffic drop")
                }
                None => format!("{recovery_time} with traffic and no firing alert"),
            }
        };
        let ticket = recovery_condition(Urgency::Ticket);
        match self.incident.urgency() {
            Urgency::Ticket => format!("Resolves automatically after {ticket}."),
            Urgency::Page => {
                format!(
                    "No longer a page after {}; resolves automatically after {ticket}.",
                    recovery_condition(Urgency::Page)
                )
            }
            Urgency::Severe => {
                format!(
                    "No longer severe after {}; resolves automatically after {ticket}.",
                    recovery_condition(Urgency::Severe)
                )
            }
        }
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("Objective".to_owned(), self.slo.objective.text.clone())];
        let Some(row) = self.row else { return facts };
        facts.push(("Window".to_owned(), row.window.clone()));
        if let Some(left) = row.budget.remaining() {
            facts.push(("Error budget left".to_owned(), format_percent(to_f64(left), 1)));
        }
        if let Some((reading, tier)) = self.main_tier() {
            let label = capitalize(&self.bad_event_noun(2));
            for (sums, window) in [(reading.short, &tier.short), (reading.long, &tier.long)] {
                facts.push((format!("{label} in {window}"), format_fraction(sums.bad, sums.total)));
            }
        }
        facts.push(("Detected".to_owned(), format_time(self.key.started)));
        facts
    }
}

/// The same for the length of a tier's window: `1h`.
fn format_window_lookback(window: &str) -> String {
    crate::time::parse_duration(window).map_or_else(|| window.to_owned(), format_lookback_words)
}

/// The budget of a window: `30-day error budget`, `error budget of this month`.
fn format_budget_name(window: &str) -> String {
    match crate::time::parse_duration(window) {
        None => format!("error budget of this {window}"),
        Some(minutes) if minutes % 1_440 == 0 => format!("{}-day error budget", minutes / 1_440),
        Some(minutes) if minutes % 60 == 0 => format!("{}-hour error budget", minutes / 60),
        Some(minutes) => format!("{minutes}-minute error budget"),
    }
}

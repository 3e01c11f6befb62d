//! The notification of an incident of one SLO for the person on call: the failing share, the error budget, what
//! resolves it, and since when.

use std::collections::BTreeMap;

use super::contributors::{bad_event_verb, describe_contributors};
use crate::access_log::contributors::Contributors;
use crate::alert::{
    AlertState, EndReason, Incident, IncidentKey, Notification, NotificationKind, recovery_minutes, resolve_after,
};
use crate::burn::{ExhaustionForecast, minutes_until_exhausted};
use crate::counts::Sums;
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::evaluation::{Downgrade, SloState, TierEvaluation};
use crate::format::{
    capitalize, format_bad_share, format_duration_words, format_elapsed, format_fraction, format_lookback_words,
    format_number, format_percent, format_time, plural, with_thousands_separators,
};
use crate::rational::to_f64;
use crate::slo::{Catalog, Indicator, LatencyErrors, Measure, Service, Slo, Tier, Urgency};
use crate::time::{Minute, format_duration, parse_duration};

pub struct NotificationContext<'a> {
    pub catalog: &'a Catalog,
    pub alert_state: &'a AlertState,
    pub status: &'a FleetStatus,
    /// Of the incidents whose logs were analyzed.
    pub contributors: &'a BTreeMap<IncidentKey, Contributors>,
}

pub(super) struct SloMessage<'a> {
    pub context: &'a NotificationContext<'a>,
    pub key: &'a IncidentKey,
    pub incident: &'a Incident,
    pub service: &'a Service,
    pub slo: &'a Slo,
    pub row: Option<&'a SloRow>,
}

impl SloMessage<'_> {
    pub(super) fn fill(&self, message: &mut Notification) {
        let headline = self.headline();
        let was_page = self.incident.peak() >= Urgency::Page && self.incident.urgency() < Urgency::Page;
        message.title = match (self.incident.ended, message.kind) {
            (Some((ended, reason)), _) => self.resolved_title(ended, reason),
            (None, NotificationKind::Reminder) => {
                format!("reminder after {}: {headline}", format_elapsed(self.key.started, message.at))
            }
            (None, NotificationKind::Resolved) => {
                format!("resolved: {} no longer pages; a ticket stays open", self.slo.id)
            }
            (None, NotificationKind::Opened | NotificationKind::Changed) if was_page => {
                format!("no longer a page: {headline}")
            }
            (None, _) => headline,
        };
        let contributors = self.context.contributors.get(self.key);
        let contributors = contributors.and_then(|found| describe_contributors(found, self.slo));
        message.paragraphs.extend(contributors.into_iter().chain(self.budget_paragraph()));
        if self.incident.is_open() {
            message.paragraphs.extend(self.downgrade_paragraph());
            message.paragraphs.push(self.resolution_paragraph());
        }
        message.paragraphs.push(self.history_paragraph());
        message.paragraphs.push(format!("Owner: team {} (class {}).", self.service.team, self.service.class));
        message.facts = self.facts();
        let links = [("runbook", &self.service.runbook), ("dashboard", &self.service.dashboard)];
        message.links = links.into_iter().filter_map(|(text, url)| Some((text.to_owned(), url.clone()?))).collect();
    }

    /// What is wrong, in one line: the present condition, or that of the opening if nothing fires any more.
    fn headline(&self) -> String {
        let name = &self.slo.id;
        let Some(row) = self.row else { return format!("{name} is failing") };
        match (&row.evaluation.state, self.main_tier()) {
            (SloState::Outage { minutes, sums }, _) => format!("{name}: {}", self.describe_failures(*sums, *minutes)),
            (SloState::TrafficDrop { minutes, events, expected }, _) => {
                let count = match events {
                    0 => "no".to_owned(),
                    events => format!("only {}", with_thousands_separators(*events)),
                };
                format!(
                    "{name}: {count} {} in the last {}, normally at least {} at this time of the week",
                    plural(*events, &self.event_noun()),
                    format_lookback_words(*minutes),
                    with_thousands_separators(*expected)
                )
            }
            // The short window describes it while it is worse than the long one.
            (SloState::Firing { .. }, Some((tier, windows))) if windows.short_burn_rate > windows.long_burn_rate => {
                format!("{name}: {}", self.describe_failures(windows.short, tier.short_minutes))
            }
            (SloState::Firing { .. }, Some((tier, windows))) => {
                format!("{name}: {}", self.describe_failures(windows.long, tier.long_minutes))
            }
            (SloState::Firing { .. }, None) => format!("{name} is failing"),
            (SloState::NoData { unknown_share, minutes }, _) => format!(
                "{name} was failing, now no data: {} of the last {} is unknown",
                format_percent(to_f64(*unknown_share), 0),
                format_lookback_words(*minutes)
            ),
            (SloState::Ok, Some((tier, windows))) if windows.long.bad > 0 => {
                format!("{name} is recovering: {}", self.describe_failures(windows.long, tier.long_minutes))
            }
            (SloState::Ok, _) => format!("{name} was failing"),
        }
    }

    /// The tier to show: the firing one, else the fastest.
    fn main_tier(&self) -> Option<(&Tier, &TierEvaluation)> {
        let evaluation = &self.row?.evaluation;
        let index = if let SloState::Firing { tier, .. } = evaluation.state { tier } else { 0 };
        self.slo.tiers.get(index).zip(evaluation.tiers.get(index))
    }

    /// `25% of requests failed (312 of 1,248) in the last hour`.
    fn describe_failures(&self, sums: Sums, minutes: u32) -> String {
        let bad_verb = if self.slo.timeslices.is_some() { "were bad".to_owned() } else { bad_event_verb(self.slo) };
        format!(
            "{} {}s {bad_verb} ({}) in the last {}",
            format_bad_share(sums),
            self.event_noun(),
            format_fraction(sums.bad, sums.total),
            format_lookback_words(minutes)
        )
    }

    /// What the budget counts.
    fn event_noun(&self) -> String {
        match (&self.slo.timeslices, &self.slo.indicator) {
            (Some(slices), _) => format!("{}-minute timeslice", slices.minutes),
            (None, Indicator::Requests { .. }) => "request".to_owned(),
            (None, _) => "event".to_owned(),
        }
    }

    fn bad_event_noun(&self) -> &'static str {
        match (&self.slo.timeslices, &self.slo.indicator) {
            (Some(_), _) => "bad timeslice",
            (None, Indicator::Requests { measure: Measure::Latency { errors: LatencyErrors::Bad, .. }, .. }) => {
                "slow or failed request"
            }
            (None, Indicator::Requests { measure: Measure::Latency { .. }, .. }) => "slow request",
            (None, Indicator::Requests { .. }) => "failed request",
            (None, _) => "bad event",
        }
    }

    fn resolved_title(&self, ended: Minute, reason: EndReason) -> String {
        let (id, elapsed) = (&self.slo.id, format_elapsed(self.key.started, ended));
        match reason {
            EndReason::Recovered => format!("resolved: {id} recovered after {elapsed}"),
            EndReason::NoTraffic => format!("resolved: {id} had no {}s for a day", self.event_noun()),
            EndReason::SloChanged => format!("resolved: the definition of {id} was changed after {elapsed}"),
            EndReason::OwnerChanged => {
                format!("resolved: {id} was moved to team {} after {elapsed}", self.service.team)
            }
            EndReason::SloRemoved => format!("resolved: {id} was removed after {elapsed}"),
        }
    }

    fn history_paragraph(&self) -> String {
        let incident = self.incident;
        let mut sentences = vec![format!("Detected at {}.", format_time(self.key.started))];
        if incident.urgency_changes.len() > 1 {
            let describe_change = |(at, urgency): &(Minute, Urgency)| {
                let is_same_day = at.day() == self.key.started.day();
                let time = if is_same_day { at.timestamp().strftime("%H:%M").to_string() } else { format_time(*at) };
                format!("{urgency} from {time}")
            };
            let changes: Vec<String> = incident.urgency_changes.iter().map(describe_change).collect();
            sentences.push(format!("Urgency: {}.", changes.join(", ")));
        }
        if incident.is_late {
            sentences.push("The data for these minutes arrived late.".to_owned());
        }
        if incident.is_reevaluated {
            sentences.push("Late data has changed minutes that were already evaluated.".to_owned());
        }
        if let Some(group) = &incident.group {
            let subject = &group.subject;
            sentences.push(format!("Part of a group with a shared cause, {subject}; the platform team is notified."));
        }
        sentences.join(" ")
    }

    fn downgrade_paragraph(&self) -> Option<String> {
        let evaluation = &self.row?.evaluation;
        let SloState::Firing { tier, .. } = evaluation.state else { return None };
        let noun = self.bad_event_noun();
        Some(match evaluation.tiers.get(tier)?.downgrade? {
            Downgrade::OutsideHours => {
                "Sent as a ticket outside working hours; within working hours it would be a page.".to_owned()
            }
            Downgrade::FewBadEvents { bad_events, min_bad_events } => format!(
                "Sent as a ticket: {} {}; a page needs at least {min_bad_events}.",
                with_thousands_separators(bad_events),
                plural(bad_events, noun)
            ),
            Downgrade::Burst { bad_events, min_bad_events } => format!(
                "Sent as a ticket: {} {} within a few minutes; a page needs {min_bad_events}, or failures that last longer.",
                with_thousands_separators(bad_events),
                plural(bad_events, noun)
            ),
            Downgrade::ColdStart { bad_events } => format!(
                "Sent as a ticket: {} {} just after a time without {}s, as when a service starts.",
                with_thousands_separators(bad_events),
                plural(bad_events, noun),
                self.event_noun()
            ),
            Downgrade::ExtraTraffic { bad_events, .. } => format!(
                "Sent as a ticket: the usual traffic is good. {} {} came on top of it, as from one broken client.",
                with_thousands_separators(bad_events),
                plural(bad_events, noun)
            ),
            Downgrade::NotSignificant { p_value, .. } => format!(
                "Sent as a ticket: not statistically significant. With so few {}s, this many {noun}s or more would occur by chance in {} \
                 of cases.",
                self.event_noun(),
                format_percent(p_value, 1)
            ),
        })
    }

    fn budget_paragraph(&self) -> Option<String> {
        let row = self.row?;
        let (allowed, left) = (to_f64(row.budget.allowed()?), to_f64(row.budget.remaining()?));
        let text = format!(
            "{} of the {} is used: {} {}, {} allowed.",
            format_percent(1.0 - left, 0),
            format_budget_name(&row.window),
            with_thousands_separators(row.sums.bad),
            plural(row.sums.bad, self.bad_event_noun()),
            format_number(allowed)
        );
        let minutes_to_exhaustion = self
            .main_tier()
            .and_then(|(tier, windows)| minutes_until_exhausted(allowed * left, windows.short.bad, tier.short_minutes));
        let forecast = match (minutes_to_exhaustion, row.forecast) {
            // Failures that may be chance have no rate.
            _ if !self.incident.is_open() || self.downgrade_paragraph().is_some() => String::new(),
            _ if row.budget.is_exceeded() => " The error budget is exhausted.".to_owned(),
            (Some(minutes), _) => {
                let at = format_time(row.evaluated_at.plus(minutes));
                format!(" At the current rate it will be exhausted by {at}.")
            }
            (None, ExhaustionForecast::ExhaustedAt(at)) => {
                format!(" At the recent rate it will be exhausted by {}.", format_time(at))
            }
            (None, _) => String::new(),
        };
        Some(text + &forecast)
    }

    fn resolution_paragraph(&self) -> String {
        let ticket = self.recovery_condition(Urgency::Ticket);
        let label = match self.incident.urgency() {
            Urgency::Ticket => return format!("Resolves automatically after {ticket}."),
            Urgency::Page => "a page",
            Urgency::Severe => "severe",
        };
        let condition = self.recovery_condition(self.incident.urgency());
        format!("No longer {label} after {condition}; resolves automatically after {ticket}.")
    }

    fn recovery_condition(&self, urgency: Urgency) -> String {
        let tiers = self.slo.tiers.iter().filter(|tier| tier.urgency == urgency);
        let lowest_threshold = tiers.map(|tier| tier.factor * self.slo.objective.budget()).min().map(to_f64);
        let index = urgency as usize;
        let checkpoint = self.context.alert_state.checkpoints.get(&self.slo.id);
        let is_flapping = checkpoint.is_some_and(|checkpoint| checkpoint.urgency_state.is_flapping[index]);
        let minutes = recovery_minutes(resolve_after(self.slo, &self.context.catalog.alerts)[index], is_flapping);
        let condition = match lowest_threshold.filter(|share| *share < 1.0) {
            Some(share) => format!("at most {} {}s", format_percent(share, 2), self.bad_event_noun()),
            None if urgency == Urgency::Severe => "no outage or traffic drop".to_owned(),
            None => "no firing alert".to_owned(),
        };
        format!("{} with traffic and {condition}", format_duration_words(minutes))
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("Objective".to_owned(), self.slo.objective.text.clone())];
        let Some(row) = self.row else { return facts };
        facts.push(("Window".to_owned(), row.window.clone()));
        if let Some(left) = row.budget.remaining() {
            facts.push(("Error budget left".to_owned(), format_percent(to_f64(left), 1)));
        }
        if let Some((tier, windows)) = self.main_tier() {
            let label = capitalize(self.bad_event_noun());
            for (sums, minutes) in [(windows.short, tier.short_minutes), (windows.long, tier.long_minutes)] {
                let name = format!("{label}s in {}", format_duration(minutes));
                facts.push((name, format_fraction(sums.bad, sums.total)));
            }
        }
        facts.push(("Detected".to_owned(), format_time(self.key.started)));
        facts
    }
}

/// The budget of a window: `30-day error budget`, `error budget of this month`.
fn format_budget_name(window: &str) -> String {
    match parse_duration(window) {
        None => format!("error budget of this {window}"),
        Some(minutes) if minutes % 1_440 == 0 => format!("{}-day error budget", minutes / 1_440),
        Some(minutes) if minutes % 60 == 0 => format!("{}-hour error budget", minutes / 60),
        Some(minutes) => format!("{minutes}-minute error budget"),
    }
}

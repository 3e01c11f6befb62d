//! Why an alert did or did not fire: one minute of one SLO with every number and every check, as text and JSON.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde_json::{Value, json};

use super::slo_status::format_unknown_share;
use super::table::{Column, text_table};
use crate::alert::{
    Incident, IncidentKey, MinuteEvaluation, OutboxEntry, UrgencyState, recovery_minutes, resolve_after,
};
use crate::counts::Sums;
use crate::evaluation::{Downgrade, SloEvaluation, SloState, TierEvaluation};
use crate::format::{format_fraction, format_percent, pluralize, with_thousands_separators};
use crate::rational::to_f64;
use crate::slo::{Catalog, Service, Slo, Tier, Urgency, describe_destination};
use crate::time::{Minute, format_duration};

pub struct Explanation<'a> {
    pub catalog: &'a Catalog,
    pub service: &'a Service,
    pub slo: &'a Slo,
    pub at: Minute,
    pub evaluation: SloEvaluation,
    pub minute_evaluation: MinuteEvaluation,
    pub urgency_state: UrgencyState,
    /// The minute up to which runs have evaluated the SLO.
    pub evaluated_until: Option<Minute>,
    pub incident: Option<(IncidentKey, Incident)>,
    pub undelivered: Vec<OutboxEntry>,
}

impl Explanation<'_> {
    pub fn text(&self) -> Result<String, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).build()?);
        environment.add_filter("destination", |destination: String| describe_destination(&destination, None));
        let checks = self.checks().map(|(check, result)| format!("  {:<14} {result}\n", check.replace('_', " ")));
        let context = context! {
            explained => Serde(self.json()),
            objective => self.slo.objective.text.as_str(),
            window => self.slo.windows.first().map(ToString::to_string).unwrap_or_default(),
            team => self.service.team.as_str(),
            class => self.service.class.as_str(),
            minute => self.at.plus(-1).to_string(),
            windows => self.windows_text(),
            checks => checks.concat(),
        };
        environment.render_str(include_str!("explain.txt"), context)
    }

    fn windows_text(&self) -> String {
        let budget = self.slo.objective.budget();
        let tiers = self.slo.tiers.iter().zip(&self.evaluation.tiers);
        let rows: Vec<_> = tiers.map(|(tier, evaluation)| (tier, evaluation, to_f64(tier.factor * budget))).collect();
        let columns: [Column<(&Tier, &TierEvaluation, f64)>; 10] = [
            ("tier", |(tier, ..)| tier.name.clone()),
            ("urgency", |(tier, ..)| tier.urgency.to_string()),
            ("threshold", |(tier, _, share)| format!("{:.1}x = {}", to_f64(tier.factor), format_percent(*share, 3))),
            ("long", |(tier, ..)| format_duration(tier.long_minutes)),
            ("bad of total", |(_, evaluation, _)| format_fraction(evaluation.long.bad, evaluation.long.total)),
            ("burn rate", |(_, evaluation, _)| format_burn_rate(evaluation.long_burn_rate)),
            ("short", |(tier, ..)| format_duration(tier.short_minutes)),
            ("bad of total", |(_, evaluation, _)| format_fraction(evaluation.short.bad, evaluation.short.total)),
            ("burn rate", |(_, evaluation, _)| format_burn_rate(evaluation.short_burn_rate)),
            ("firing", |(_, evaluation, _)| if evaluation.is_firing { "yes" } else { "no" }.to_owned()),
        ];
        let cells = rows.iter().map(|row| columns.map(|(_, value)| value(row)));
        let table = text_table(columns.map(|(name, _)| name), cells, &[]);
        let lines: Vec<String> = table.lines().map(|line| format!("  {line}\n")).collect();
        let state = match &self.evaluation.state {
            SloState::Outage { minutes, sums } => format!(
                "  severe: outage, {} failed in {}; an outage is 9 of 10 or more\n",
                format_fraction(sums.bad, sums.total),
                format_duration(*minutes)
            ),
            SloState::TrafficDrop { minutes, events, expected } => format!(
                "  severe: traffic drop, {} events in {}; each of the last weeks had at least {} at this time\n",
                with_thousands_separators(*events),
                format_duration(*minutes),
                with_thousands_separators(*expected)
            ),
            SloState::NoData { unknown_share, minutes } => format!(
                "  no data: {}, more than `max_unknown` ({})\n",
                format_unknown_share(*unknown_share, *minutes),
                format_percent(to_f64(self.slo.max_unknown), 0)
            ),
            SloState::Ok | SloState::Firing { .. } => String::new(),
        };
        lines.concat() + &state
    }

    fn checks(&self) -> [(&'static str, String); 5] {
        let incident = self.incident.as_ref().map(|(_, incident)| incident);
        let group = match incident.and_then(|incident| incident.group.as_ref().or(incident.thread.as_ref())) {
            Some(group) if group.subject.is_group() => {
                format!("sent as a ticket: part of {group}, for which the platform team is paged")
            }
            Some(leader) => format!("notified together with {leader}"),
            None => "passed: not part of a group".to_owned(),
        };
        let silence = match self.catalog.silence(self.service, self.slo, self.at) {
            Some(silence) => format!("silenced by `{}`: {} ({})", silence.id, silence.reason, silence.author),
            None => "passed: not silenced".to_owned(),
        };
        let [significance, hours] = self.downgrade_checks();
        [
            ("significance", significance),
            ("working_hours", hours),
            ("silence", silence),
            ("group", group),
            ("recovery", self.recovery_check()),
        ]
    }

    fn downgrade_checks(&self) -> [String; 2] {
        let mut tiers = self.slo.tiers.iter().zip(&self.evaluation.tiers);
        let firing = tiers.find(|(tier, evaluation)| evaluation.is_firing && tier.urgency == Urgency::Page);
        let downgrade = firing.and_then(|(_, evaluation)| evaluation.downgrade);
        let significance = match (downgrade, &self.slo.significance) {
            (Some(Downgrade::FewBadEvents { bad_events, min_bad_events }), _) => {
                format!("failed: {}, a page needs {min_bad_events}", pluralize(bad_events, "bad event"))
            }
            (Some(Downgrade::Burst { bad_events, min_bad_events }), _) => format!(
                "failed: {} within a few minutes; a page needs {min_bad_events}, or failures that last longer",
                pluralize(bad_events, "bad event")
            ),
            (Some(Downgrade::ColdStart { bad_events }), _) => {
                format!("failed: {} just after a time without events", pluralize(bad_events, "bad event"))
            }
            (Some(Downgrade::ExtraTraffic { bad_events, usual_events }), _) => format!(
                "failed: {} on top of the usual traffic ({})",
                pluralize(bad_events, "bad event"),
                pluralize(usual_events, "event")
            ),
            (Some(Downgrade::NotSignificant { p_value, max_p_value }), _) => format!(
                "failed: p-value {}, a page needs at most {}",
                format_percent(p_value, 2),
                format_percent(max_p_value, 2)
            ),
            (_, None) => "passed: `significance` is not set".to_owned(),
            (_, Some(_)) if firing.is_none() => "not checked: no page is firing".to_owned(),
            (_, Some(significance)) => format!(
                "passed: at least {} bad events, p-value at most {}",
                significance.min_bad_events,
                format_percent(to_f64(significance.p_value_max), 2)
            ),
        };
        let working_hours = match downgrade {
            Some(Downgrade::OutsideHours) => "failed: outside the working hours of the tier".to_owned(),
            _ => "passed".to_owned(),
        };
        [significance, working_hours]
    }

    fn recovery_check(&self) -> String {
        let Some(urgency) = self.urgency_state.urgency() else { return "nothing open".to_owned() };
        let index = urgency as usize;
        let resolve_after = resolve_after(self.slo, &self.catalog.alerts)[index];
        let recovery_minutes = recovery_minutes(resolve_after, self.urgency_state.is_flapping[index]);
        let minutes_left = self.urgency_state.minutes_to_recovery[index];
        let no_traffic_note = match self.urgency_state.minutes_without_traffic {
            0 => String::new(),
            minutes => format!("; {} without traffic do not count", pluralize(minutes, "minute")),
        };
        format!("{urgency} stays open: {minutes_left} of {recovery_minutes} recovery minutes left{no_traffic_note}")
    }

    fn conclusion(&self) -> String {
        let is_open = |incident: &Incident| incident.ended.is_none_or(|(ended, _)| self.at < ended);
        match (&self.incident, self.urgency_state.urgency(), self.evaluation.state.urgency()) {
            _ if self.evaluated_until.is_none_or(|evaluated| evaluated < self.at) => {
                let until = match self.evaluated_until {
                    None => "not evaluated by a run yet".to_owned(),
                    Some(at) => format!("evaluated by runs only up to {at}"),
                };
                format!("{until}; an evaluation with the current data is below")
            }
            (Some((key, incident)), Some(urgency), _) if is_open(incident) => {
                format!("{urgency}, incident open since {}", key.started)
            }
            (Some((key, incident)), None, _) if is_open(incident) => format!(
                "not firing with the current data; the incident from {} was open, but its minutes have changed since",
                key.started
            ),
            (Some((key, _)), ..) => format!("incident from {} resolved", key.started),
            (None, _, Some(urgency)) if !self.minute_evaluation.is_observed => {
                format!("{urgency} based on earlier minutes, but this minute is unknown or excluded: no incident opens")
            }
            (None, _, Some(_)) if self.minute_evaluation.firing.is_none() => {
                "a single bad event: enough to exceed any burn-rate threshold in a quiet service, but not enough to open an incident"
                    .to_owned()
            }
            (None, _, Some(urgency)) => format!(
                "{urgency} with the current data, but no incident was recorded: these minutes arrived more than {} late, \
                 were evaluated with another definition, or precede the first run with notifications",
                format_duration(self.catalog.alerts.open_within_minutes)
            ),
            (None, _, None) => "nothing is firing, no notifications".to_owned(),
        }
    }

    pub fn json(&self) -> Value {
        let window = |minutes: u32, sums: Sums, burn_rate: Option<f64>| {
            let sums = json!({ "bad": sums.bad, "total": sums.total, "known_minutes": sums.known });
            json!({ "window": format_duration(minutes), "sums": sums, "burn_rate": burn_rate })
        };
        let tier_json = |(tier, evaluation): (&Tier, &TierEvaluation)| {
            json!({
                "tier": tier.name,
                "urgency": tier.urgency,
                "factor": to_f64(tier.factor),
                "long": window(tier.long_minutes, evaluation.long, evaluation.long_burn_rate),
                "short": window(tier.short_minutes, evaluation.short, evaluation.short_burn_rate),
                "firing": evaluation.is_firing,
                "short_window_firing": evaluation.is_short_firing,
                "downgraded": evaluation.downgrade,
            })
        };
        let [ticket, page, severe] = self.urgency_state.minutes_to_recovery;
        json!({
            "slo": self.slo.id.as_str(),
            "at": self.at,
            "conclusion": self.conclusion(),
            "minute_counts": self.minute_evaluation.is_observed,
            "no_traffic": self.minute_evaluation.has_no_traffic,
            "urgency": self.evaluation.state.urgency(),
            "tiers": self.slo.tiers.iter().zip(&self.evaluation.tiers).map(tier_json).collect::<Value>(),
            "checks": self.checks().into_iter().collect::<Value>(),
            "recovery_minutes_left": { "ticket": ticket, "page": page, "severe": severe },
            "incident": self.incident.as_ref().map(|(key, incident)| incident_json(key, incident)),
            "undelivered": self.undelivered.iter().map(undelivered_json).collect::<Value>(),
        })
    }
}

fn format_burn_rate(burn_rate: Option<f64>) -> String {
    burn_rate.map_or_else(|| "-".to_owned(), |burn_rate| format!("{burn_rate:.1}x"))
}

fn undelivered_json(entry: &OutboxEntry) -> Value {
    json!({
        "number": entry.notification.number,
        "destination": entry.destination,
        "attempts": entry.attempts,
        "last_error": entry.last_error,
        "given_up": entry.is_abandoned,
    })
}

fn incident_json(key: &IncidentKey, incident: &Incident) -> Value {
    json!({
        "key": key.to_string(),
        "started": key.started,
        "ended": incident.ended.map(|(at, reason)| json!({ "at": at, "reason": reason })),
        "urgency_changes": incident.urgency_changes,
        "group": incident.group.as_ref().map(ToString::to_string),
        "late": incident.is_late,
        "reevaluated": incident.is_reevaluated,
        "delivered": incident.deliveries,
    })
}

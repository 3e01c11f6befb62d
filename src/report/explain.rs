//! Why an alert did or did not fire: one minute of one SLO with every number and every check, as text and JSON.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::export::DowngradeJson;
use crate::alert::{Incident, IncidentKey, MinuteEvaluation, OutboxEntry, UrgencyState, recovery_minutes};
use crate::counts::Sums;
use crate::evaluation::{Downgrade, SloEvaluation, SloState, TierEvaluation};
use crate::format::{format_fraction, format_lookback, format_percent, pluralize, with_thousands_separators};
use crate::rational::to_f64;
use crate::slo::{Correction, Service, Slo, Tier, Urgency, describe_destination};
use crate::time::{Minute, format_duration};

/// Everything that decides about one SLO at one minute.
pub struct Explanation<'a> {
    /// Whose promise it is.
    pub service: &'a Service,
    /// The promise.
    pub slo: &'a Slo,
    /// The evaluation: it sees the minutes that start before it.
    pub at: Minute,
    /// What the numbers came to.
    pub evaluation: SloEvaluation,
    /// What that minute said.
    pub minute_evaluation: MinuteEvaluation,
    /// Where the SLO stood after it.
    pub urgency_state: UrgencyState,
    /// How many calm minutes end ticket, page and severe.
    pub resolve_after: [u32; 3],
    /// Up to where it was evaluated, if it ever was.
    pub evaluated_until: Option<Minute>,
    /// How late minutes may come and still open an incident.
    pub open_within: u32,
    /// The silence it lay in.
    pub silence: Option<&'a Correction>,
    /// The incident that was open, or ended in this minute.
    pub incident: Option<(IncidentKey, Incident)>,
    /// What is still to be delivered about it.
    pub undelivered: Vec<OutboxEntry>,
}

impl Explanation<'_> {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} at {}: {}\n\n{} over {}; team {}, class {}\n",
            self.slo.id,
            self.at,
            self.conclusion(),
            self.slo.objective.text,
            self.slo.windows.first().map(ToString::to_string).unwrap_or_default(),
            self.service.team,
            self.service.class
        );
        if !self.minute_evaluation.is_observed {
            let minute = self.at.plus(-1);
            text.push_str(&format!("The minute {minute} is unknown or excluded: it opens and resolves no incident.\n"));
        }
        text.push_str(&format!("\nWindows before {}\n{}", self.at, self.windows_text()));
        text.push_str("\nChecks\n");
        for (check, result) in self.checks() {
            text.push_str(&format!("  {:<14} {result}\n", check.replace('_', " ")));
        }
        text.push_str(&format!("\nIncident\n{}", self.incident_text()));
        text
    }

    fn windows_text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "tier",
            "urgency",
            "threshold",
            "long",
            "bad of total",
            "burn rate",
            "short",
            "bad of total",
            "burn rate",
            "firing",
        ]);
        for (tier, reading) in self.slo.tiers.iter().zip(&self.evaluation.tiers) {
            table.add_row(self.tier_cells(tier, reading));
        }
        let lines: Vec<String> = table.lines().map(|line| format!("  {}", line.trim_end())).collect();
        let mut text = lines.join("\n") + "\n";
        match &self.evaluation.state {
            SloState::Outage { minutes, sums } => {
                let (bad, total) = (with_thousands_separators(sums.bad), with_thousands_separators(sums.total));
                text.push_str(&format!(
                    "  severe: outage, {bad} of {total} failed in {}; an outage is 9 of 10 or more\n",
                    format_duration(*minutes)
                ));
            }
            SloState::TrafficDrop { minutes, events: seen, expected } => text.push_str(&format!(
                "  severe: traffic drop, {} events in {}; each of the last weeks had at least {} at this time\n",
                with_thousands_separators(*seen),
                format_duration(*minutes),
                with_thousands_separators(*expected)
            )),
            SloState::NoData { unknown_share, minutes } => text.push_str(&format!(
                "  no data: {} of the last {} unknown, more than `max_unknown` ({})\n",
                format_percent(to_f64(*unknown_share), 0),
                format_lookback(*minutes),
                format_percent(to_f64(self.slo.max_unknown), 0)
            )),
            SloState::Ok | SloState::Firing { .. } => {}
        }
        text
    }

    fn tier_cells(&self, tier: &Tier, reading: &TierEvaluation) -> [String; 10] {
        let sums = |sums: Sums| format_fraction(sums.bad, sums.total);
        let format_burn_rate = |burn: Option<f64>| burn.map_or_else(|| "-".to_owned(), |burn| format!("{burn:.1}x"));
        let threshold_share = tier.factor * self.slo.objective.budget();
        [
            tier.name.clone(),
            tier.urgency.to_string(),
            format!("{:.1}x = {}", to_f64(tier.factor), format_percent(to_f64(threshold_share), 3)),
            format_duration(tier.long_minutes),
            sums(reading.long),
            format_burn_rate(reading.long_burn_rate),
            format_duration(tier.short_minutes),
            sums(reading.short),
            format_burn_rate(reading.short_burn_rate),
            if reading.is_firing { "yes" } else { "no" }.to_owned(),
        ]
    }

    /// Each check with its result, in the order in which they are passed.
    fn checks(&self) -> Vec<(&'static str, String)> {
        let group = match self.incident.as_ref().and_then(|(_, incident)| incident.group.as_ref()) {
            Some(group) => format!("sent as a ticket: part of {group}, for which the platform team is paged"),
            None => "passed: not part of a group".to_owned(),
        };
        let silence = self.silence.map_or_else(
            || "passed: not silenced".to_owned(),
            |silence| format!("silenced by `{}`: {} ({})", silence.id, silence.reason, silence.author),
        );
        let [significance, hours] = self.downgrade_checks();
        vec![
            ("significance", significance),
            ("working_hours", hours),
            ("silence", silence),
            ("group", group),
            ("recovery", self.recovery_check()),
        ]
    }

    /// The two checks that may downgrade a page: significance and working hours.
    fn downgrade_checks(&self) -> [String; 2] {
        let firing = self
            .slo
            .tiers
            .iter()
            .zip(&self.evaluation.tiers)
            .find(|(tier, reading)| reading.is_firing && tier.urgency == Urgency::Page);
        let downgraded = firing.and_then(|(_, reading)| reading.downgrade);
        let significance = match (downgraded, &self.slo.significance) {
            (Some(Downgrade::FewBadEvents { bad_events: bad, min_bad_events: bad_min }), _) => {
                format!("failed: {}, a page needs {bad_min}", pluralize(bad, "bad event"))
            }
            (Some(Downgrade::NotSignificant { p_value: chance, max_p_value: chance_max }), _) => {
                format!(
                    "failed: p-value {}, a page needs at most {}",
                    format_percent(chance, 2),
                    format_percent(chance_max, 2)
                )
            }
            (_, None) => "passed: `significance` is not set".to_owned(),
            (_, Some(_)) if firing.is_none() => "not checked: no page is firing".to_owned(),
            (_, Some(significance)) => format!(
                "passed: at least {} bad events, p-value at most {}",
                significance.min_bad_events,
                format_percent(to_f64(significance.p_value_max), 2)
            ),
        };
        let working_hours = match downgraded {
            Some(Downgrade::OutsideHours) => "failed: outside the working hours of the tier".to_owned(),
            _ => "passed".to_owned(),
        };
        [significance, working_hours]
    }

    fn recovery_check(&self) -> String {
        let Some(urgency) = self.urgency_state.urgency() else { return "nothing open".to_owned() };
        let index = urgency as usize;
        let recovery_minutes = recovery_minutes(self.resolve_after[index], self.urgency_state.is_flapping[index]);
        let minutes_left = self.urgency_state.minutes_to_recovery[index];
        let no_traffic_note = if self.urgency_state.minutes_without_traffic > 0 {
            format!(
                "; {} without traffic do not count",
                pluralize(self.urgency_state.minutes_without_traffic, "minute")
            )
        } else {
            String::new()
        };
        format!("{urgency} stays open: {minutes_left} of {recovery_minutes} recovery minutes left{no_traffic_note}")
    }

    fn incident_text(&self) -> String {
        let Some((key, incident)) = &self.incident else { return "  none\n".to_owned() };
        let mut text = format!("  {key}\n");
        for (at, urgency) in &incident.urgency_changes {
            text.push_str(&format!("  {at}  {urgency}\n"));
        }
        if let Some((at, why)) = incident.ended {
            text.push_str(&format!("  {at}  resolved: {}\n", why.description()));
        }
        if incident.is_late {
            text.push_str("  found late: its minutes were unknown when they were first evaluated\n");
        }
        if incident.is_reevaluated {
            text.push_str("  reevaluated: its minutes have changed since\n");
        }
        text.push_str("\nNotifications\n");
        for sent in &incident.deliveries {
            text.push_str(&format!(
                "  {}  {} {} to {}, number {}\n",
                sent.at,
                sent.urgency,
                sent.kind.as_str(),
                describe_destination(&sent.destination, None),
                sent.number
            ));
        }
        for entry in &self.undelivered {
            let delivery_state = if entry.is_abandoned { "given up" } else { "not delivered yet" };
            let last_error = entry.last_error.as_deref().unwrap_or("no attempt yet");
            text.push_str(&format!(
                "  {delivery_state}: number {} to {}: {last_error}\n",
                entry.notification.number,
                describe_destination(&entry.destination, None)
            ));
        }
        if incident.deliveries.is_empty() && self.undelivered.is_empty() {
            text.push_str("  none\n");
        }
        text
    }

    /// The result in one sentence.
    fn conclusion(&self) -> String {
        let urgency_now = self.evaluation.state.urgency();
        match (&self.incident, self.urgency_state.urgency(), urgency_now) {
            _ if self.evaluated_until.is_none_or(|evaluated| evaluated < self.at) => {
                let until = self.evaluated_until.map_or_else(
                    || "not evaluated by a run yet".to_owned(),
                    |at| format!("evaluated by runs only up to {at}"),
                );
                format!("{until}; an evaluation with the current data is below")
            }
            (Some((key, incident)), Some(urgency), _)
                if incident.is_open() || self.at.0 < incident.ended.map_or(0, |(at, _)| at.0) =>
            {
                format!("{urgency}, incident open since {}", key.started)
            }
            (Some((key, incident)), None, _) if incident.ended.is_none_or(|(ended, _)| self.at < ended) => {
                format!(
                    "not firing with the current data; the incident from {} was open, but its minutes have changed since",
                    key.started
                )
            }
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
                format_duration(self.open_within)
            ),
            (None, _, None) => "nothing is firing, no notifications".to_owned(),
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let sums = |sums: Sums| json!({ "bad": sums.bad, "total": sums.total, "known_minutes": sums.known });
        let tiers = self.slo.tiers.iter().zip(&self.evaluation.tiers).map(|(tier, reading)| {
            json!({
                "tier": tier.name,
                "urgency": tier.urgency.to_string(),
                "factor": to_f64(tier.factor),
                "long": { "window": format_duration(tier.long_minutes), "sums": sums(reading.long), "burn_rate": reading.long_burn_rate },
                "short": { "window": format_duration(tier.short_minutes), "sums": sums(reading.short), "burn_rate": reading.short_burn_rate },
                "firing": reading.is_firing,
                "short_window_firing": reading.is_short_firing,
                "downgraded": reading.downgrade.map(DowngradeJson::new),
            })
        });
        let checks: serde_json::Map<String, Value> =
            self.checks().into_iter().map(|(check, result)| (check.to_owned(), json!(result))).collect();
        json!({
            "slo": self.slo.id.as_str(),
            "at": self.at.to_string(),
            "conclusion": self.conclusion(),
            "minute_counts": self.minute_evaluation.is_observed,
            "no_traffic": self.minute_evaluation.has_no_traffic,
            "urgency": self.evaluation.state.urgency().map(|urgency| urgency.to_string()),
            "tiers": tiers.collect::<Vec<_>>(),
            "checks": checks,
            "recovery_minutes_left": { "ticket": self.urgency_state.minutes_to_recovery[0], "page": self.urgency_state.minutes_to_recovery[1], "severe": self.urgency_state.minutes_to_recovery[2] },
            "incident": self.incident.as_ref().map(|(key, incident)| incident_json(key, incident)),
            "undelivered": self.undelivered.iter().map(|entry| json!({
                "number": entry.notification.number, "destination": entry.destination, "attempts": entry.attempts, "last_error": entry.last_error,
                "given_up": entry.is_abandoned,
            })).collect::<Vec<_>>(),
        })
    }
}

fn incident_json(key: &IncidentKey, incident: &Incident) -> Value {
    json!({
        "key": key.to_string(),
        "started": key.started.to_string(),
        "ended": incident.ended.map(|(at, why)| json!({ "at": at.to_string(), "reason": why.as_str() })),
        "urgency_changes": incident.urgency_changes.iter().map(|(at, urgency)| json!([at.to_string(), urgency.to_string()])).collect::<Vec<_>>(),
        "group": incident.group.as_ref().map(ToString::to_string),
        "late": incident.is_late,
        "reevaluated": incident.is_reevaluated,
        "delivered": incident.deliveries.iter().map(|sent| json!({
            "number": sent.number, "kind": sent.kind.as_str(), "urgency": sent.urgency.to_string(), "destination": sent.destination, "at": sent.at.to_string(),
        })).collect::<Vec<_>>(),
    })
}

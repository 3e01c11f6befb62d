//! Why an alert did or did not fire: one minute of one SLO with every number and every check, as text and JSON.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::data::DowngradeText;
use super::status::percent;
use super::words::last;
use crate::alert::{Beat, Course, Entry, Incident, IncidentKey, calm_minutes};
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, length_text};
use crate::slo::{Correction, Service, Slo, Tier, Urgency, describe_destination};
use crate::verdict::{Demotion, State, TierReading, Verdict};

/// Everything that decides about one SLO at one minute.
pub struct Explanation<'a> {
    /// Whose promise it is.
    pub service: &'a Service,
    /// The promise.
    pub slo: &'a Slo,
    /// The evaluation: it sees the minutes that start before it.
    pub at: Minute,
    /// What the numbers came to.
    pub verdict: Verdict,
    /// What that minute said.
    pub beat: Beat,
    /// Where the SLO stood after it.
    pub course: Course,
    /// How many calm minutes end ticket, page and severe.
    pub resolve_after: [u32; 3],
    /// Up to where it was evaluated, if it ever was.
    pub evaluated: Option<Minute>,
    /// How late minutes may come and still open an incident.
    pub open_within: u32,
    /// The silence it lay in.
    pub silence: Option<&'a Correction>,
    /// The incident that was open, or ended in this minute.
    pub incident: Option<(IncidentKey, Incident)>,
    /// What is still to be delivered about it.
    pub waiting: Vec<Entry>,
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
        if !self.beat.heard {
            let minute = self.at.plus(-1);
            text.push_str(&format!("The minute {minute} is unknown or excluded: it opens and resolves no incident.\n"));
        }
        text.push_str(&format!("\nWindows before {}\n{}", self.at, self.windows()));
        text.push_str("\nChecks\n");
        for (check, result) in self.checks() {
            text.push_str(&format!("  {:<14} {result}\n", check.replace('_', " ")));
        }
        text.push_str(&format!("\nIncident\n{}", self.course_text()));
        text
    }

    fn windows(&self) -> String {
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
        for (tier, reading) in self.slo.tiers.iter().zip(&self.verdict.tiers) {
            table.add_row(self.tier_cells(tier, reading));
        }
        let lines: Vec<String> = table.lines().map(|line| format!("  {}", line.trim_end())).collect();
        let mut text = lines.join("\n") + "\n";
        match &self.verdict.state {
            State::Outage { minutes, sums } => {
                let (bad, total) = (grouped(sums.bad), grouped(sums.total));
                text.push_str(&format!(
                    "  severe: outage, {bad} of {total} failed in {}; an outage is 9 of 10 or more\n",
                    length_text(*minutes)
                ));
            }
            State::Collapse { minutes, seen, expected } => text.push_str(&format!(
                "  severe: traffic drop, {} events in {}; each of the last weeks had at least {} at this time\n",
                grouped(*seen),
                length_text(*minutes),
                grouped(*expected)
            )),
            State::Blind { unknown_share, minutes } => text.push_str(&format!(
                "  no data: {} of the last {} unknown, more than `max_unknown` ({})\n",
                percent(to_f64(*unknown_share), 0),
                last(*minutes),
                percent(to_f64(self.slo.max_unknown), 0)
            )),
            State::Calm | State::Burning { .. } => {}
        }
        text
    }

    fn tier_cells(&self, tier: &Tier, reading: &TierReading) -> [String; 10] {
        let sums = |sums: Sums| format!("{} of {}", grouped(sums.bad), grouped(sums.total));
        let burn = |burn: Option<f64>| burn.map_or_else(|| "-".to_owned(), |burn| format!("{burn:.1}x"));
        let share = tier.factor * self.slo.objective.budget();
        [
            tier.name.clone(),
            tier.urgency.to_string(),
            format!("{:.1}x = {}", to_f64(tier.factor), percent(to_f64(share), 3)),
            length_text(tier.long_minutes),
            sums(reading.long),
            burn(reading.long_burn),
            length_text(tier.short_minutes),
            sums(reading.short),
            burn(reading.short_burn),
            if reading.holds { "yes" } else { "no" }.to_owned(),
        ]
    }

    /// Each check with its result, in the order in which they are passed.
    fn checks(&self) -> Vec<(&'static str, String)> {
        let group = match self.incident.as_ref().and_then(|(_, incident)| incident.part_of.as_ref()) {
            Some(group) => format!("sent as a ticket: part of {group}, for which the platform team is paged"),
            None => "passed: not part of a group".to_owned(),
        };
        let silence = self.silence.map_or_else(
            || "passed: not silenced".to_owned(),
            |silence| format!("silenced by `{}`: {} ({})", silence.id, silence.reason, silence.author),
        );
        let [significance, hours] = self.downgrades();
        vec![
            ("significance", significance),
            ("working_hours", hours),
            ("silence", silence),
            ("group", group),
            ("recovery", self.recovery()),
        ]
    }

    /// The two checks that may downgrade a page: significance and working hours.
    fn downgrades(&self) -> [String; 2] {
        let firing = self
            .slo
            .tiers
            .iter()
            .zip(&self.verdict.tiers)
            .find(|(tier, reading)| reading.holds && tier.urgency == Urgency::Page);
        let downgraded = firing.and_then(|(_, reading)| reading.demoted);
        let significance = match (downgraded, &self.slo.significance) {
            (Some(Demotion::FewBad { bad, bad_min }), _) => {
                format!("failed: {}, a page needs {bad_min}", super::counted(bad, "bad event"))
            }
            (Some(Demotion::Chance { chance, chance_max }), _) => {
                format!("failed: p-value {}, a page needs at most {}", percent(chance, 2), percent(chance_max, 2))
            }
            (_, None) => "passed: `significance` is not set".to_owned(),
            (_, Some(_)) if firing.is_none() => "not checked: no page is firing".to_owned(),
            (_, Some(significance)) => format!(
                "passed: at least {} bad events, p-value at most {}",
                significance.min_bad_events,
                percent(to_f64(significance.chance_max), 2)
            ),
        };
        let hours = match downgraded {
            Some(Demotion::OutsideHours) => "failed: outside the working hours of the tier".to_owned(),
            _ => "passed".to_owned(),
        };
        [significance, hours]
    }

    fn recovery(&self) -> String {
        let Some(urgency) = self.course.urgency() else { return "nothing open".to_owned() };
        let place = urgency as usize;
        let all = calm_minutes(self.resolve_after[place], self.course.is_back[place]);
        let left = self.course.left[place];
        let silent = if self.course.silent > 0 {
            format!("; {} without traffic do not count", super::counted(self.course.silent, "minute"))
        } else {
            String::new()
        };
        format!("{urgency} stays open: {left} of {all} recovery minutes left{silent}")
    }

    fn course_text(&self) -> String {
        let Some((key, incident)) = &self.incident else { return "  none\n".to_owned() };
        let mut text = format!("  {key}\n");
        for (at, urgency) in &incident.turns {
            text.push_str(&format!("  {at}  {urgency}\n"));
        }
        if let Some((at, why)) = incident.ended {
            text.push_str(&format!("  {at}  resolved: {}\n", why.text()));
        }
        if incident.late {
            text.push_str("  found late: its minutes were unknown when they were first evaluated\n");
        }
        if incident.corrected {
            text.push_str("  reevaluated: its minutes have changed since\n");
        }
        text.push_str("\nNotifications\n");
        for sent in &incident.sent {
            text.push_str(&format!(
                "  {}  {} {} to {}, number {}\n",
                sent.at,
                sent.urgency,
                sent.phase.word(),
                describe_destination(&sent.to, None),
                sent.number
            ));
        }
        for entry in &self.waiting {
            let how = if entry.set_aside { "given up" } else { "not delivered yet" };
            let why = entry.failed.as_deref().unwrap_or("no attempt yet");
            text.push_str(&format!(
                "  {how}: number {} to {}: {why}\n",
                entry.message.number,
                describe_destination(&entry.to, None)
            ));
        }
        if incident.sent.is_empty() && self.waiting.is_empty() {
            text.push_str("  none\n");
        }
        text
    }

    /// The result in one sentence.
    fn conclusion(&self) -> String {
        let now = self.verdict.state.urgency();
        match (&self.incident, self.course.urgency(), now) {
            _ if self.evaluated.is_none_or(|evaluated| evaluated < self.at) => {
                let until = self.evaluated.map_or_else(
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
            (None, _, Some(urgency)) if !self.beat.heard => {
                format!("{urgency} based on earlier minutes, but this minute is unknown or excluded: no incident opens")
            }
            (None, _, Some(_)) if self.beat.held.is_none() => {
                "a single bad event: enough to exceed any burn-rate threshold in a quiet service, but not enough to open an incident"
                    .to_owned()
            }
            (None, _, Some(urgency)) => format!(
                "{urgency} with the current data, but no incident was recorded: these minutes arrived more than {} late, \
                 were evaluated with another definition, or precede the first run with notifications",
                length_text(self.open_within)
            ),
            (None, _, None) => "nothing is firing, no notifications".to_owned(),
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let sums = |sums: Sums| json!({ "bad": sums.bad, "total": sums.total, "known_minutes": sums.known });
        let tiers = self.slo.tiers.iter().zip(&self.verdict.tiers).map(|(tier, reading)| {
            json!({
                "tier": tier.name,
                "urgency": tier.urgency.to_string(),
                "factor": to_f64(tier.factor),
                "long": { "window": length_text(tier.long_minutes), "sums": sums(reading.long), "burn_rate": reading.long_burn },
                "short": { "window": length_text(tier.short_minutes), "sums": sums(reading.short), "burn_rate": reading.short_burn },
                "firing": reading.holds,
                "short_window_firing": reading.short_holds,
                "downgraded": reading.demoted.map(DowngradeText::of),
            })
        });
        let checks: serde_json::Map<String, Value> =
            self.checks().into_iter().map(|(check, result)| (check.to_owned(), json!(result))).collect();
        json!({
            "slo": self.slo.id.as_str(),
            "at": self.at.to_string(),
            "conclusion": self.conclusion(),
            "minute_counts": self.beat.heard,
            "no_traffic": self.beat.silent,
            "urgency": self.verdict.state.urgency().map(|urgency| urgency.to_string()),
            "tiers": tiers.collect::<Vec<_>>(),
            "checks": checks,
            "recovery_minutes_left": { "ticket": self.course.left[0], "page": self.course.left[1], "severe": self.course.left[2] },
            "incident": self.incident.as_ref().map(|(key, incident)| incident_json(key, incident)),
            "undelivered": self.waiting.iter().map(|entry| json!({
                "number": entry.message.number, "destination": entry.to, "attempts": entry.tries, "last_error": entry.failed,
                "given_up": entry.set_aside,
            })).collect::<Vec<_>>(),
        })
    }
}

fn incident_json(key: &IncidentKey, incident: &Incident) -> Value {
    json!({
        "key": key.to_string(),
        "started": key.started.to_string(),
        "ended": incident.ended.map(|(at, why)| json!({ "at": at.to_string(), "reason": why.word() })),
        "urgency_changes": incident.turns.iter().map(|(at, urgency)| json!([at.to_string(), urgency.to_string()])).collect::<Vec<_>>(),
        "group": incident.part_of.as_ref().map(ToString::to_string),
        "late": incident.late,
        "reevaluated": incident.corrected,
        "delivered": incident.sent.iter().map(|sent| json!({
            "number": sent.number, "kind": sent.phase.word(), "urgency": sent.urgency.to_string(), "destination": sent.to, "at": sent.at.to_string(),
        })).collect::<Vec<_>>(),
    })
}

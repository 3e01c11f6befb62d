//! Why somebody was told, or not: one minute of one SLO with every number and every gate, as text and JSON.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::status::percent;
use crate::alert::{Beat, Course, Entry, Incident, IncidentKey, calm_minutes};
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, length_text};
use crate::slo::{Correction, Service, Slo, Tier, Urgency};
use crate::verdict::{Demotion, State, TierReading, Verdict};

/// Everything that decided about one SLO at one minute.
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
            text.push_str(&format!(
                "The minute {minute} is not known or does not count, so it neither opens nor ends anything.\n"
            ));
        }
        text.push_str(&format!("\nWindows before {}\n{}", self.at, self.windows()));
        text.push_str("\nGates\n");
        for (gate, says) in self.gates() {
            text.push_str(&format!("  {gate:<11} {says}\n"));
        }
        text.push_str(&format!("\nIncident\n{}", self.course_text()));
        text
    }

    fn windows(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "tier",
            "urgency",
            "must exceed",
            "long",
            "bad of all",
            "burn",
            "short",
            "bad of all",
            "burn",
            "holds",
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
                    "  severe: {bad} of {total} bad in {}, where 9 in 10 are an outage\n",
                    length_text(*minutes)
                ));
            }
            State::Collapse { minutes, seen, expected } => text.push_str(&format!(
                "  severe: {} events in {}, where the quietest of the earlier weeks had {}\n",
                grouped(*seen),
                length_text(*minutes),
                grouped(*expected)
            )),
            State::Blind { unknown_share, minutes } => text.push_str(&format!(
                "  blind: {} of the last {} are unknown, more than {}\n",
                percent(to_f64(*unknown_share), 0),
                length_text(*minutes),
                percent(to_f64(self.slo.blind_above), 0)
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

    /// Each gate with what it says, in the order in which they are passed.
    fn gates(&self) -> Vec<(&'static str, String)> {
        let held = self
            .slo
            .tiers
            .iter()
            .zip(&self.verdict.tiers)
            .find(|(tier, reading)| reading.holds && tier.urgency == Urgency::Page);
        let demoted = held.and_then(|(_, reading)| reading.demoted);
        let evidence = match (demoted, &self.slo.evidence) {
            (Some(Demotion::FewBad { bad, bad_min }), _) => format!("closed: {bad} bad, and a page needs {bad_min}"),
            (Some(Demotion::Chance { chance, chance_max }), _) => format!(
                "closed: as many would be bad by chance in {} of cases, and a page needs at most {}",
                percent(chance, 2),
                percent(chance_max, 2)
            ),
            (_, None) => "open: none is asked for".to_owned(),
            (_, Some(_)) if held.is_none() => "not asked: no page holds".to_owned(),
            (_, Some(evidence)) => {
                format!(
                    "open: at least {} bad, and no chance above {}",
                    evidence.bad_min,
                    percent(to_f64(evidence.chance_max), 2)
                )
            }
        };
        let hours = match demoted {
            Some(Demotion::OutsideHours) => "closed: outside the hours of the tier".to_owned(),
            _ => "open".to_owned(),
        };
        let silence = self.silence.map_or_else(
            || "open: nobody asked not to be told".to_owned(),
            |silence| format!("closed by `{}`: {} ({})", silence.id, silence.reason, silence.author),
        );
        let cause = match self.incident.as_ref().and_then(|(_, incident)| incident.part_of.as_ref()) {
            Some(group) => format!("closed: part of {group}, which wakes whoever runs the platform; this is a ticket"),
            None => "open: no shared cause".to_owned(),
        };
        vec![
            ("evidence", evidence),
            ("hours", hours),
            ("silence", silence),
            ("cause", cause),
            ("hysteresis", self.hysteresis()),
        ]
    }

    fn hysteresis(&self) -> String {
        let Some(urgency) = self.course.urgency() else { return "nothing is open".to_owned() };
        let place = urgency as usize;
        let all = calm_minutes(self.resolve_after[place], self.course.is_back[place]);
        let left = self.course.left[place];
        let silent = if self.course.silent > 0 {
            format!("; {} minutes without an event prove nothing", self.course.silent)
        } else {
            String::new()
        };
        format!("{urgency} goes on: {left} of {all} calm minutes are missing{silent}")
    }

    fn course_text(&self) -> String {
        let Some((key, incident)) = &self.incident else { return "  none\n".to_owned() };
        let mut text = format!("  {key}\n");
        for (at, urgency) in &incident.turns {
            text.push_str(&format!("  {at}  {urgency}\n"));
        }
        if let Some((at, why)) = incident.ended {
            text.push_str(&format!("  {at}  ended: {}\n", why.word()));
        }
        if incident.late {
            text.push_str("  found late: its minutes were not known when they were first judged\n");
        }
        if incident.corrected {
            text.push_str("  corrected: minutes that it was judged by have changed since\n");
        }
        text.push_str("Told\n");
        for sent in &incident.sent {
            text.push_str(&format!(
                "  {}  {} {} to {}, message {}\n",
                sent.at,
                sent.urgency,
                sent.phase.word(),
                sent.to,
                sent.number
            ));
        }
        for entry in &self.waiting {
            let how = if entry.set_aside { "set aside" } else { "not yet delivered" };
            let why = entry.failed.as_deref().unwrap_or("not tried yet");
            text.push_str(&format!("  {how}: message {} to {}: {why}\n", entry.message.number, entry.to));
        }
        if incident.sent.is_empty() && self.waiting.is_empty() {
            text.push_str("  nobody\n");
        }
        text
    }

    /// What came of it, in one sentence.
    fn conclusion(&self) -> String {
        let now = self.verdict.state.urgency();
        match (&self.incident, self.course.urgency(), now) {
            _ if self.evaluated.is_none_or(|evaluated| evaluated < self.at) => {
                let until = self.evaluated.map_or_else(|| "it never was".to_owned(), |at| format!("only up to {at}"));
                format!("not evaluated by any run yet, {until}; what it would say is below")
            }
            (Some((key, incident)), Some(urgency), _)
                if incident.is_open() || self.at.0 < incident.ended.map_or(0, |(at, _)| at.0) =>
            {
                format!("{urgency}, in an incident that began at {}", key.started)
            }
            (Some((key, incident)), None, _) if incident.ended.is_none_or(|(ended, _)| self.at < ended) => {
                format!(
                    "calm by what is known now; the incident that began at {} was open all the same: minutes have changed since",
                    key.started
                )
            }
            (Some((key, _)), ..) => format!("the incident that began at {} has ended", key.started),
            (None, _, Some(urgency)) if !self.beat.heard => {
                format!("{urgency} by older minutes, but this one is not known: nothing opens")
            }
            (None, _, Some(_)) if self.beat.held.is_none() => {
                "one single bad event, which is above any rate in a quiet service and no news".to_owned()
            }
            (None, _, Some(urgency)) => format!(
                "{urgency} by what is known now, and no incident is in the book: these minutes came more than {} late, or were \
                 judged by another promise, or before the first run that tells",
                length_text(self.open_within)
            ),
            (None, _, None) => "nothing holds, so nobody was told".to_owned(),
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
                "long": { "window": length_text(tier.long_minutes), "sums": sums(reading.long), "burn": reading.long_burn },
                "short": { "window": length_text(tier.short_minutes), "sums": sums(reading.short), "burn": reading.short_burn },
                "holds": reading.holds,
                "short_holds": reading.short_holds,
                "demoted": reading.demoted.map(|demotion| format!("{demotion:?}")),
            })
        });
        let gates: serde_json::Map<String, Value> =
            self.gates().into_iter().map(|(gate, says)| (gate.to_owned(), json!(says))).collect();
        json!({
            "slo": self.slo.id.as_str(),
            "at": self.at.to_string(),
            "conclusion": self.conclusion(),
            "heard": self.beat.heard,
            "silent": self.beat.silent,
            "state": self.verdict.state.urgency().map(|urgency| urgency.to_string()),
            "tiers": tiers.collect::<Vec<_>>(),
            "gates": gates,
            "missing_calm_minutes": { "ticket": self.course.left[0], "page": self.course.left[1], "severe": self.course.left[2] },
            "incident": self.incident.as_ref().map(|(key, incident)| incident_json(key, incident)),
            "waiting": self.waiting.iter().map(|entry| json!({
                "number": entry.message.number, "to": entry.to, "tries": entry.tries, "failed": entry.failed, "set_aside": entry.set_aside,
            })).collect::<Vec<_>>(),
        })
    }
}

fn incident_json(key: &IncidentKey, incident: &Incident) -> Value {
    json!({
        "key": key.to_string(),
        "started": key.started.to_string(),
        "ended": incident.ended.map(|(at, why)| json!({ "at": at.to_string(), "why": why.word() })),
        "turns": incident.turns.iter().map(|(at, urgency)| json!([at.to_string(), urgency.to_string()])).collect::<Vec<_>>(),
        "part_of": incident.part_of.as_ref().map(ToString::to_string),
        "late": incident.late,
        "corrected": incident.corrected,
        "sent": incident.sent.iter().map(|sent| json!({
            "number": sent.number, "phase": sent.phase.word(), "urgency": sent.urgency.to_string(), "to": sent.to, "at": sent.at.to_string(),
        })).collect::<Vec<_>>(),
    })
}

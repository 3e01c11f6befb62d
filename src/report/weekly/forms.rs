//! The report as Markdown, JSON, a message and a digest.

use serde_json::{Map, Value, json};

use super::{COVERAGE, EXCLUSIONS, Promise, Section, WEEKLY, Weekly};
use crate::alert::{Message, Phase};
use crate::report::words::marked_down;
use crate::slo::Urgency;

/// Raised when fields of the JSON are removed, renamed or given another meaning.
const SCHEMA: u32 = 1;
/// Lines of a section that are shown; the rest is counted.
const LINES_MAX: usize = 30;
/// Lines of a section in a digest, which is read on a phone.
const DIGEST_LINES: usize = 8;
/// Sections that a digest leaves out.
const DIGEST_WITHOUT: [&str; 2] = [EXCLUSIONS, COVERAGE];

impl Weekly {
    /// Whether it is that of the fleet, and not of a team that is called so.
    #[must_use]
    pub const fn is_of_fleet(&self) -> bool {
        self.is_of_fleet
    }

    /// The name of its files: the team, or `_fleet`, as no team may be called.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.is_of_fleet { "_fleet" } else { &self.of }
    }

    /// What is remembered of it when it was sent: `2026-W47 mart mailto:mart@example.com`.
    #[must_use]
    pub fn line(&self, destination: &str) -> String {
        format!("{} {} {destination}", self.week, self.name())
    }

    /// For a repository, a wiki, or a terminal.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n", marked_down(&self.subject), marked_down(&self.verdict));
        for section in &self.sections {
            text.push_str(&format!("\n## {}\n\n", section.title));
            for line in section.shown(LINES_MAX) {
                text.push_str(&format!("- {}\n", marked_down(&line)));
            }
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts: Map<String, Value> =
            self.counts.iter().map(|(standing, count)| (standing.key().to_owned(), json!(count))).collect();
        let section = |section: &Section| json!({ "title": section.title, "lines": section.lines });
        json!({
            "schema": SCHEMA,
            "week": self.week.to_string(),
            "from": self.week.span.start.to_string(),
            "to": self.week.span.end.to_string(),
            "scope": if self.is_of_fleet { "fleet" } else { "team" },
            "team": (!self.is_of_fleet).then_some(&self.of),
            "subject": self.subject,
            "summary": self.verdict,
            "counts": counts,
            "slos": self.promises.iter().map(promise_json).collect::<Vec<_>>(),
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
        })
    }

    /// For channels: the same report has the same key, whenever it is made.
    #[must_use]
    pub fn message(&self) -> Message {
        self.told(|_| true, LINES_MAX)
    }

    /// The same for a channel that many read in passing.
    #[must_use]
    pub fn digest(&self) -> Message {
        self.told(|section| !DIGEST_WITHOUT.contains(&section.title), DIGEST_LINES)
    }

    fn told(&self, is_told: impl Fn(&Section) -> bool, lines_max: usize) -> Message {
        let section = |section: &Section| format!("{}\n- {}", section.title, section.shown(lines_max).join("\n- "));
        let sections = self.sections.iter().filter(|section| is_told(section)).map(section);
        Message {
            key: format!("{WEEKLY}{}@{}", self.name(), self.week),
            number: 1,
            phase: Phase::Note,
            urgency: Urgency::Ticket,
            title: self.subject.clone(),
            paragraphs: std::iter::once(self.verdict.clone()).chain(sections).collect(),
            facts: Vec::new(),
            links: Vec::new(),
            service: "slowburn".to_owned(),
            team: self.of.clone(),
            class: String::new(),
            at: self.week.span.end,
        }
    }
}

fn promise_json(promise: &Promise) -> Value {
    json!({
        "slo": promise.name,
        "objective": promise.objective,
        "window": promise.window,
        "team": promise.team,
        "status": promise.standing.key(),
        "reason": promise.why,
        "budget_remaining": promise.remaining,
        "budget_remaining_week_ago": promise.week_before,
        "weeks_exhausted_or_at_risk": promise.weeks,
        "policy": promise.policy,
    })
}

impl Section {
    pub(super) fn shown(&self, lines_max: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().take(lines_max).cloned().collect();
        if self.lines.len() > lines_max {
            lines.push(format!("and {} more", self.lines.len() - lines_max));
        }
        lines
    }
}

//! The report as Markdown, JSON, a message and a digest.

use serde_json::{Map, Value, json};

use super::{COVERAGE, EXCLUSIONS, Section, WEEKLY_KEY_PREFIX, WeeklyReport, WeeklySlo};
use crate::alert::{Notification, NotificationKind};
use crate::format::escape_markdown;
use crate::slo::Urgency;

/// Raised when fields of the JSON are removed, renamed or given another meaning.
const SCHEMA_VERSION: u32 = 1;
/// Lines of a section that are shown; the rest is counted.
const MAX_LINES: usize = 30;
/// Lines of a section in a digest, which is read on a phone.
const MAX_DIGEST_LINES: usize = 8;
/// Sections that a digest leaves out.
const DIGEST_OMITTED_SECTIONS: [&str; 2] = [EXCLUSIONS, COVERAGE];

impl WeeklyReport {
    /// Whether it is that of the fleet, and not of a team that is called so.
    #[must_use]
    pub const fn is_fleet(&self) -> bool {
        self.is_fleet
    }

    /// The name of its files: the team, or `_fleet`, as no team may be called.
    #[must_use]
    pub fn file_stem(&self) -> &str {
        if self.is_fleet { "_fleet" } else { &self.owner }
    }

    /// What is remembered of it when it was sent: `2026-W47 mart mailto:mart@example.com`.
    #[must_use]
    pub fn sent_key(&self, destination: &str) -> String {
        format!("{} {} {destination}", self.week, self.file_stem())
    }

    /// For a repository, a wiki, or a terminal.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n", escape_markdown(&self.subject), escape_markdown(&self.summary));
        for section in &self.sections {
            text.push_str(&format!("\n## {}\n\n", section.title));
            for line in section.limited_lines(MAX_LINES) {
                text.push_str(&format!("- {}\n", escape_markdown(&line)));
            }
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts: Map<String, Value> =
            self.status_counts.iter().map(|(slo_status, count)| (slo_status.key().to_owned(), json!(count))).collect();
        let section = |section: &Section| json!({ "title": section.title, "lines": section.lines });
        json!({
            "schema": SCHEMA_VERSION,
            "week": self.week.to_string(),
            "from": self.week.span.start.to_string(),
            "to": self.week.span.end.to_string(),
            "scope": if self.is_fleet { "fleet" } else { "team" },
            "team": (!self.is_fleet).then_some(&self.owner),
            "subject": self.subject,
            "summary": self.summary,
            "counts": counts,
            "slos": self.slos.iter().map(slo_json).collect::<Vec<_>>(),
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
        })
    }

    /// For channels: the same report has the same key, whenever it is made.
    #[must_use]
    pub fn message(&self) -> Notification {
        self.build_message(|_| true, MAX_LINES)
    }

    /// The same for a channel that many read in passing.
    #[must_use]
    pub fn digest(&self) -> Notification {
        self.build_message(|section| !DIGEST_OMITTED_SECTIONS.contains(&section.title), MAX_DIGEST_LINES)
    }

    fn build_message(&self, is_included: impl Fn(&Section) -> bool, max_lines: usize) -> Notification {
        let section =
            |section: &Section| format!("{}\n- {}", section.title, section.limited_lines(max_lines).join("\n- "));
        let sections = self.sections.iter().filter(|section| is_included(section)).map(section);
        Notification {
            key: format!("{WEEKLY_KEY_PREFIX}{}@{}", self.file_stem(), self.week),
            number: 1,
            kind: NotificationKind::Note,
            urgency: Urgency::Ticket,
            title: self.subject.clone(),
            paragraphs: std::iter::once(self.summary.clone()).chain(sections).collect(),
            facts: Vec::new(),
            links: Vec::new(),
            service: "slowburn".to_owned(),
            team: self.owner.clone(),
            class: String::new(),
            at: self.week.span.end,
        }
    }
}

fn slo_json(slo: &WeeklySlo) -> Value {
    json!({
        "slo": slo.name,
        "objective": slo.objective,
        "window": slo.window,
        "team": slo.team,
        "status": slo.status.key(),
        "reason": slo.reason,
        "budget_remaining": slo.remaining,
        "budget_remaining_week_ago": slo.remaining_week_ago,
        "weeks_exhausted_or_at_risk": slo.weeks_in_trouble,
        "policy": slo.policy,
    })
}

impl Section {
    pub(super) fn limited_lines(&self, max_lines: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().take(max_lines).cloned().collect();
        if self.lines.len() > max_lines {
            lines.push(format!("and {} more", self.lines.len() - max_lines));
        }
        lines
    }
}

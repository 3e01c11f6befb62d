//! The report as Markdown, as JSON, as HTML for mail, as notifications of channels, and the escalations.
//!
//! Escalation: what stays exhausted or at risk goes from the team's report to the team's channel, and then to the
//! platform team.
//!
//! | weeks in a row | notified |
//! |---|---|
//! | 1 | the `reports` destinations of the team |
//! | 2 | the team's `tickets` destinations too, as a note without urgency |
//! | 3 and more | the report of the fleet too |

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde_json::{Value, json};

use super::{COVERAGE, EXCLUSIONS, NEEDS_ACTION, Section, WEEKLY_KEY_PREFIX, WeeklyReport, WeeklySlo};
use crate::alert::{Notification, Owner};
use crate::format::{escape_markdown, pluralize};
use crate::report::chart::{daily_burn_chart, describe_daily_burn};
use crate::report::slo_status::{SloStatus, has_insufficient_coverage};
use crate::report::status::format_budget_left_with_raw;
use crate::report::table::markdown_list;
use crate::text::{escape_non_printing, truncate};

/// Raised when fields of the JSON are removed, renamed or given another meaning.
const SCHEMA_VERSION: u32 = 1;
/// Lines of a section that are shown; the rest is counted.
const MAX_LINES: usize = 30;
/// Lines of a section in a digest, which is read on a phone.
const MAX_DIGEST_LINES: usize = 8;
const DIGEST_OMITTED_SECTIONS: [&str; 2] = [EXCLUSIONS, COVERAGE];
/// Gmail shows 102 KB of a mail and hides the rest (<https://www.caniemail.com/>, "Gmail clipping"). A longer report
/// is rendered with fewer lines.
const MAX_HTML_BYTES: usize = 90_000;
/// Rows of SLOs and lines of each section in HTML; the first pair that fits is taken.
const HTML_LIMITS: [(usize, usize); 5] = [(40, 30), (30, 15), (20, 10), (10, 5), (5, 3)];
/// The team's channel is notified after this many weeks in trouble.
const TEAM_ESCALATION_WEEKS: usize = 2;
/// SLOs that an escalation names; the rest is counted.
const MAX_NAMED_SLOS: usize = 10;

/// How HTML refers to its images.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ImageMode {
    /// By content id, as parts of the same mail.
    Attached,
    /// Embedded, so that a file needs no other.
    Inline,
}

/// A page, and the PNG files by content id that are to be attached to it.
pub struct HtmlReport {
    pub html: String,
    pub image_files: Vec<(String, Vec<u8>)>,
}

impl WeeklyReport {
    /// The name of its files: the team, or `_fleet`, as no team may be called.
    pub fn file_stem(&self) -> &str {
        if self.is_fleet { "_fleet" } else { &self.owner }
    }

    /// The record that it was sent: `2026-W47 mart mailto:mart@example.com`.
    pub fn sent_key(&self, destination: &str) -> String {
        format!("{} {} {destination}", self.week, self.file_stem())
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n", escape_markdown(&self.subject), escape_markdown(&self.summary));
        for section in &self.sections {
            let lines = section.limited_lines(MAX_LINES);
            text.push_str(&markdown_list(section.title, lines.iter().map(|line| escape_markdown(line))));
        }
        text
    }

    pub fn json(&self) -> Value {
        let counts: Value = self.status_counts.iter().map(|(status, count)| (status.key(), *count)).collect();
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
            "slos": self.slos.iter().map(WeeklySlo::json).collect::<Vec<_>>(),
            "sections": self.sections,
        })
    }

    /// The report as HTML that mail programs show: inline styles, tables, and images as PNG; never longer than they
    /// show.
    pub fn to_html(&self, image_mode: ImageMode) -> Result<HtmlReport, minijinja::Error> {
        let mut page = HtmlReport { html: String::new(), image_files: Vec::new() };
        for (max_rows, max_lines) in HTML_LIMITS {
            page = self.render_html(image_mode, max_rows, max_lines)?;
            let image_bytes: usize = page.image_files.iter().map(|(_, png)| png.len() * 4 / 3).sum();
            let inline_bytes = if image_mode == ImageMode::Inline { image_bytes } else { 0 };
            if page.html.len() <= MAX_HTML_BYTES + inline_bytes {
                break;
            }
        }
        if image_mode == ImageMode::Inline {
            page.image_files.clear();
        }
        Ok(page)
    }

    fn render_html(
        &self,
        image_mode: ImageMode,
        max_rows: usize,
        max_lines: usize,
    ) -> Result<HtmlReport, minijinja::Error> {
        // The fleet may have hundreds of SLOs that are ok.
        let is_shown =
            |slo: &&WeeklySlo| !self.is_fleet || (slo.status != SloStatus::Ok && !has_insufficient_coverage(&slo.row));
        let shown: Vec<&WeeklySlo> = self.slos.iter().filter(is_shown).collect();
        let mut image_files = Vec::new();
        let mut rows = Vec::new();
        for slo in shown.iter().take(max_rows) {
            let png = daily_burn_chart(&slo.row.daily_burn).to_png().unwrap_or_default();
            let id = format!("days-{}", image_files.len());
            let image = match image_mode {
                ImageMode::Attached => format!("cid:{id}"),
                ImageMode::Inline => format!("data:image/png;base64,{}", STANDARD.encode(&png)),
            };
            rows.push(self.html_row(slo, image));
            image_files.push((id, png));
        }
        let sections = self.sections.iter().filter(|section| section.title != NEEDS_ACTION).map(|section| {
            context! { title => section.title, lines => section.limited_lines(max_lines) }
        });
        let mut environment = Environment::new();
        environment.add_filter("status_label", |status: Serde<SloStatus>| status.label());
        environment.add_filter("status_sign", |status: Serde<SloStatus>| status.sign());
        environment.add_filter("limit", |text: &str, chars: usize| truncate(&escape_non_printing(text), chars));
        // The extension of the name turns on escaping.
        environment.add_template("mail.html", include_str!("mail.html"))?;
        let html = environment.get_template("mail.html")?.render(context! {
            subject => &self.subject,
            week => self.week.number,
            year => self.week.year,
            owner => &self.owner,
            summary => &self.summary,
            counts => Serde(&self.status_counts),
            more => self.slos.len().saturating_sub(rows.len()),
            rows,
            sections => sections.collect::<Vec<_>>(),
            at => Serde(self.week.span.end),
        })?;
        Ok(HtmlReport { html, image_files })
    }

    fn html_row(&self, slo: &WeeklySlo, image: String) -> minijinja::Value {
        let team = if self.is_fleet { format!(" · {}", slo.row.team) } else { String::new() };
        let duration_and_policy = slo.duration_and_policy();
        // Where an SLO is ok, the number next to it is enough.
        let reason =
            if slo.status == SloStatus::Ok && duration_and_policy.is_empty() { String::new() } else { slo.reason() };
        context! {
            status => Serde(slo.status),
            name => slo.row.id(),
            objective => format!("{}{team}", slo.objective_and_window()),
            why => format!("{reason}{duration_and_policy}"),
            left => format_budget_left_with_raw(&slo.row),
            trend => slo.format_trend(),
            image,
            alt => describe_daily_burn(&slo.row.daily_burn),
            width => slo.row.daily_burn.len() * 5,
        }
    }

    /// For channels: the same report has the same key, whenever it is created.
    pub fn message(&self) -> Notification {
        self.to_notification(&[], MAX_LINES)
    }

    pub fn digest(&self) -> Notification {
        self.to_notification(&DIGEST_OMITTED_SECTIONS, MAX_DIGEST_LINES)
    }

    fn to_notification(&self, omitted_sections: &[&str], max_lines: usize) -> Notification {
        let sections = self.sections.iter().filter(|section| !omitted_sections.contains(&section.title));
        let sections =
            sections.map(|section| format!("{}\n- {}", section.title, section.limited_lines(max_lines).join("\n- ")));
        let paragraphs = std::iter::once(self.summary.clone()).chain(sections).collect();
        self.note(self.file_stem(), &self.owner, self.subject.clone(), paragraphs)
    }

    fn note(&self, subject: &str, team: &str, title: String, paragraphs: Vec<String>) -> Notification {
        let key = format!("{WEEKLY_KEY_PREFIX}{subject}@{}", self.week);
        Notification { title, paragraphs, ..Notification::note(key, Owner::fleet(team), self.week.span.end) }
    }

    /// The notifications to channels of teams that follow from the report of the fleet.
    pub fn escalations(&self) -> Vec<Notification> {
        let mut teams: BTreeMap<&str, Vec<&WeeklySlo>> = BTreeMap::new();
        for slo in self.slos.iter().filter(|slo| slo.weeks_in_trouble >= TEAM_ESCALATION_WEEKS) {
            teams.entry(&slo.row.team).or_default().push(slo);
        }
        teams.into_iter().map(|(team, slos)| self.escalation(team, &slos)).collect()
    }

    fn escalation(&self, team: &str, slos: &[&WeeklySlo]) -> Notification {
        let named = slos.iter().take(MAX_NAMED_SLOS).map(|slo| {
            let policy = slo.policy().map_or_else(String::new, |then| format!(" Policy: {then}"));
            let (status, weeks) = (slo.status.label(), slo.format_weeks());
            format!("{} has been {status} for {weeks}: {}.{policy}", slo.row.id(), slo.reason())
        });
        let mut paragraphs: Vec<String> = named.collect();
        if slos.len() > MAX_NAMED_SLOS {
            paragraphs.push(format!("And {} more.", slos.len() - MAX_NAMED_SLOS));
        }
        paragraphs.push(
            "No immediate action is needed. Plan a fix, or lower the objective if it is stricter than users need."
                .to_owned(),
        );
        let verb = if slos.len() == 1 { "is" } else { "are" };
        let title = format!(
            "SLO week {} · {team}: {} {verb} still exhausted or at risk",
            self.week.number,
            pluralize(slos.len(), "SLO")
        );
        self.note(&format!("{team}/escalation"), team, title, paragraphs)
    }
}

impl Section {
    fn limited_lines(&self, max_lines: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().take(max_lines).cloned().collect();
        if self.lines.len() > max_lines {
            lines.push(format!("and {} more", self.lines.len() - max_lines));
        }
        lines
    }
}

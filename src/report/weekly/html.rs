//! The report as a page that a mail program shows: inline styles, tables, and pictures that are PNG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, context};
use serde::Serialize;

use super::{WeeklyReport, WeeklySlo};
use crate::report::chart::{daily_burn_chart, describe_daily_burn};
use crate::report::slo_status::SloStatus;
use crate::text::{escape_non_printing, truncate};

const TEMPLATE_NAME: &str = "mail.html";
/// Gmail shows 102 KB of a mail and hides the rest (<https://www.caniemail.com/>, "Gmail clipping"). What is longer
/// than this is made with fewer lines.
const MAX_BYTES: usize = 90_000;
/// Promises with a row of their own, and lines of each section; the first that fits is taken.
const LAYOUT_LIMITS: [(usize, usize); 5] = [(40, 30), (30, 15), (20, 10), (10, 5), (5, 3)];
/// Characters of a name, and of a line.
const MAX_NAME_CHARS: usize = 80;
const MAX_LINE_CHARS: usize = 400;

/// How a page names its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageMode {
    /// By content id, as parts of the same mail.
    Attached,
    /// Within the page, so that a file needs no other.
    Inline,
}

/// A page and the pictures that are to be attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtmlReport {
    /// HTML.
    pub html: String,
    /// PNG files by content id; none if they are inside.
    pub image_files: Vec<(String, Vec<u8>)>,
}

/// The page cannot be rendered, which no text of a report causes.
#[derive(Debug, thiserror::Error)]
#[error("cannot render the weekly report: {0}")]
pub struct HtmlReportError(#[from] minijinja::Error);

#[derive(Serialize)]
struct RowContext {
    key: &'static str,
    sign: char,
    word: &'static str,
    name: String,
    objective: String,
    why: String,
    left: String,
    trend: String,
    picture: String,
    alt: String,
    width: usize,
}

#[derive(Serialize)]
struct SectionContext {
    title: &'static str,
    lines: Vec<String>,
}

impl WeeklyReport {
    /// The page, never longer than mail programs show.
    ///
    /// # Errors
    /// When the template cannot be filled.
    pub fn to_html(&self, image_mode: ImageMode) -> Result<HtmlReport, HtmlReportError> {
        let mut page = HtmlReport { html: String::new(), image_files: Vec::new() };
        for (rows, lines) in LAYOUT_LIMITS {
            page = self.render(image_mode, rows, lines)?;
            let inline_bytes: usize = if image_mode == ImageMode::Inline {
                page.image_files.iter().map(|(_, png)| png.len() * 4 / 3).sum()
            } else {
                0
            };
            if page.html.len() <= MAX_BYTES + inline_bytes {
                break;
            }
        }
        if image_mode == ImageMode::Inline {
            page.image_files.clear();
        }
        Ok(page)
    }

    fn render(&self, image_mode: ImageMode, max_rows: usize, max_lines: usize) -> Result<HtmlReport, HtmlReportError> {
        // The report of a fleet may have hundreds of SLOs that are ok.
        let is_shown = |promise: &&WeeklySlo| {
            !self.is_fleet || (promise.status != SloStatus::Ok && !promise.has_insufficient_coverage)
        };
        let shown: Vec<&WeeklySlo> = self.slos.iter().filter(is_shown).collect();
        let mut image_files = Vec::new();
        let mut rows = Vec::new();
        for promise in shown.iter().take(max_rows) {
            let png = daily_burn_chart(&promise.daily_burn).to_png().unwrap_or_default();
            let id = format!("days-{}", rows.len());
            let source = match image_mode {
                ImageMode::Attached => format!("cid:{id}"),
                ImageMode::Inline => format!("data:image/png;base64,{}", STANDARD.encode(&png)),
            };
            rows.push(row_context(promise, source, self.is_fleet));
            image_files.push((id, png));
        }
        let section = |section: &super::Section| SectionContext {
            title: section.title,
            lines: section.limited_lines(max_lines).iter().map(|line| sanitize(line, MAX_LINE_CHARS)).collect(),
        };
        let mut environment = Environment::new();
        // The ending of the name is what makes it escape.
        environment.add_template(TEMPLATE_NAME, include_str!("mail.html"))?;
        let html = environment.get_template(TEMPLATE_NAME)?.render(context! {
            subject => sanitize(&self.subject, MAX_LINE_CHARS),
            week => self.week.number,
            year => self.week.year,
            of => sanitize(&self.owner, MAX_NAME_CHARS),
            verdict => sanitize(&self.summary, 2 * MAX_LINE_CHARS),
            counts => self.status_counts.iter().map(|(slo_status, count)| (slo_status.key(), slo_status.sign().to_string(), *count, slo_status.label())).collect::<Vec<_>>(),
            rows => minijinja::value::Serde(rows),
            more => self.slos.len().saturating_sub(max_rows.min(shown.len())),
            sections => minijinja::value::Serde(self.sections.iter().filter(|one| one.title != super::NEEDS_ACTION).map(section).collect::<Vec<_>>()),
            at => self.week.span.end.to_string(),
        })?;
        Ok(HtmlReport { html, image_files })
    }
}

fn row_context(slo: &WeeklySlo, image_source: String, with_team: bool) -> RowContext {
    let team = if with_team { format!(" · {}", slo.team) } else { String::new() };
    let duration_and_policy = slo.duration_and_policy();
    // Where an SLO is ok, the number next to it is enough.
    let why = if slo.status == SloStatus::Ok && duration_and_policy.is_empty() { "" } else { &slo.reason };
    RowContext {
        key: slo.status.key(),
        sign: slo.status.sign(),
        word: slo.status.label(),
        name: sanitize(&slo.name, MAX_NAME_CHARS),
        objective: sanitize(&format!("{}{team}", slo.objective_and_window()), MAX_NAME_CHARS),
        why: sanitize(&format!("{why}{duration_and_policy}"), MAX_LINE_CHARS),
        left: sanitize(&slo.budget_left, MAX_NAME_CHARS),
        trend: slo.format_trend().unwrap_or_default(),
        picture: image_source,
        alt: describe_daily_burn(&slo.daily_burn),
        width: slo.daily_burn.len() * 5,
    }
}

/// Harmless, and of a bounded size.
fn sanitize(text: &str, max_chars: usize) -> String {
    truncate(&escape_non_printing(text), max_chars)
}

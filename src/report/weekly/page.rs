//! The report as a page that a mail program shows: inline styles, tables, and pictures that are PNG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, context};
use serde::Serialize;

use super::{Promise, Weekly};
use crate::report::chart::{days, days_in_words};
use crate::report::standing::Standing;
use crate::visible::{clip, visible};

const PAGE: &str = "mail.html";
/// Gmail shows 102 KB of a mail and hides the rest (<https://www.caniemail.com/>, "Gmail clipping"). What is longer
/// than this is made with fewer lines.
const BYTES_MAX: usize = 90_000;
/// Promises with a row of their own, and lines of each section; the first that fits is taken.
const ROWS: [(usize, usize); 5] = [(40, 30), (30, 15), (20, 10), (10, 5), (5, 3)];
/// Characters of a name, and of a line.
const NAME_CHARS: usize = 80;
const LINE_CHARS: usize = 400;

/// How a page names its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// By content id, as parts of the same mail.
    Attached,
    /// Within the page, so that a file needs no other.
    Inside,
}

/// A page and the pictures that are to be attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// HTML.
    pub html: String,
    /// PNG files by content id; none if they are inside.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// The page cannot be rendered, which no text of a report causes.
#[derive(Debug, thiserror::Error)]
#[error("cannot render the weekly report: {0}")]
pub struct PageError(#[from] minijinja::Error);

#[derive(Serialize)]
struct RowText {
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
struct SectionText {
    title: &'static str,
    lines: Vec<String>,
}

impl Weekly {
    /// The page, never longer than mail programs show.
    ///
    /// # Errors
    /// When the template cannot be filled.
    pub fn page(&self, images: Images) -> Result<Page, PageError> {
        let mut page = Page { html: String::new(), pictures: Vec::new() };
        for (rows, lines) in ROWS {
            page = self.laid_out(images, rows, lines)?;
            let inside: usize =
                if images == Images::Inside { page.pictures.iter().map(|(_, png)| png.len() * 4 / 3).sum() } else { 0 };
            if page.html.len() <= BYTES_MAX + inside {
                break;
            }
        }
        if images == Images::Inside {
            page.pictures.clear();
        }
        Ok(page)
    }

    fn laid_out(&self, images: Images, rows_max: usize, lines_max: usize) -> Result<Page, PageError> {
        // The report of a fleet may have hundreds of SLOs that are ok.
        let is_shown =
            |promise: &&Promise| !self.is_of_fleet || (promise.standing != Standing::Ok && !promise.is_too_early);
        let shown: Vec<&Promise> = self.promises.iter().filter(is_shown).collect();
        let mut pictures = Vec::new();
        let mut rows = Vec::new();
        for promise in shown.iter().take(rows_max) {
            let png = days(&promise.days).png().unwrap_or_default();
            let id = format!("days-{}", rows.len());
            let picture = match images {
                Images::Attached => format!("cid:{id}"),
                Images::Inside => format!("data:image/png;base64,{}", STANDARD.encode(&png)),
            };
            rows.push(row(promise, picture, self.is_of_fleet));
            pictures.push((id, png));
        }
        let section = |section: &super::Section| SectionText {
            title: section.title,
            lines: section.shown(lines_max).iter().map(|line| clipped(line, LINE_CHARS)).collect(),
        };
        let mut environment = Environment::new();
        // The ending of the name is what makes it escape.
        environment.add_template(PAGE, include_str!("mail.html"))?;
        let html = environment.get_template(PAGE)?.render(context! {
            subject => clipped(&self.subject, LINE_CHARS),
            week => self.week.number,
            year => self.week.year,
            of => clipped(&self.of, NAME_CHARS),
            verdict => clipped(&self.verdict, 2 * LINE_CHARS),
            counts => self.counts.iter().map(|(standing, count)| (standing.key(), standing.sign().to_string(), *count, standing.word())).collect::<Vec<_>>(),
            rows => minijinja::value::Serde(rows),
            more => self.promises.len().saturating_sub(rows_max.min(shown.len())),
            sections => minijinja::value::Serde(self.sections.iter().filter(|one| one.title != super::NEEDS_ACTION).map(section).collect::<Vec<_>>()),
            at => self.week.span.end.to_string(),
        })?;
        Ok(Page { html, pictures })
    }
}

fn row(promise: &Promise, picture: String, with_team: bool) -> RowText {
    let team = if with_team { format!(" · {}", promise.team) } else { String::new() };
    let more = promise.duration_and_policy();
    // Where an SLO is ok, the number next to it is enough.
    let why = if promise.standing == Standing::Ok && more.is_empty() { "" } else { &promise.why };
    RowText {
        key: promise.standing.key(),
        sign: promise.standing.sign(),
        word: promise.standing.word(),
        name: clipped(&promise.name, NAME_CHARS),
        objective: clipped(&format!("{}{team}", promise.promised()), NAME_CHARS),
        why: clipped(&format!("{why}{more}"), LINE_CHARS),
        left: clipped(&promise.left, NAME_CHARS),
        trend: promise.trend().unwrap_or_default(),
        picture,
        alt: days_in_words(&promise.days),
        width: promise.days.len() * 5,
    }
}

/// Harmless, and of a bounded size.
fn clipped(text: &str, chars: usize) -> String {
    clip(&visible(text), chars)
}

//! The status for people, as a table for a terminal and as Markdown.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::counted;
use super::model::{Bar, Row, Status};
use super::standing::Standing;
use crate::burn::{Budget, Forecast};
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, length_text};
use crate::slo::Urgency;
use crate::verdict::{Demotion, State};

/// Heights of a day's bar by its burn rate: the third is the last that keeps within the day's share of the budget.
const BARS: [(f64, char); 8] =
    [(0.0, '▁'), (0.5, '▂'), (1.0, '▃'), (2.0, '▄'), (4.0, '▅'), (8.0, '▆'), (16.0, '▇'), (f64::INFINITY, '█')];

/// Days of bars in a Markdown table.
const MARKDOWN_DAYS: usize = 30;

const HEADER: [&str; 9] =
    ["SLO", "team", "objective", "state", "budget left", "SLI", "daily burn", "forecast", "coverage"];

/// The table for a terminal of some columns' width, or as wide as it needs. A table that wraps cannot be scanned, so a
/// narrow one shows fewer days of bars, and leaves out the team and what can be had from `--format json`.
#[must_use]
pub fn table(status: &Status, width: Option<usize>, color: bool) -> String {
    let fits = |text: &String| width.is_none_or(|width| text.lines().all(|line| line.chars().count() <= width));
    let mut layouts = LAYOUTS.iter().map(|layout| lines(status, layout));
    let plain = layouts.find(fits).unwrap_or_else(|| lines(status, &LAYOUTS[LAYOUTS.len() - 1]));
    let mut lines: Vec<String> = plain.lines().map(str::to_owned).collect();
    if color {
        for (line, row) in lines.iter_mut().skip(1).zip(&status.rows) {
            *line = colored(line, row);
        }
    }
    lines.push(String::new());
    lines.push(summary(status));
    lines.join("\n") + "\n"
}

/// Which columns of [`HEADER`] are shown, and how many days of bars.
struct Layout {
    columns: &'static [usize],
    days: usize,
}

const LAYOUTS: [Layout; 5] = [
    Layout { columns: &[0, 1, 2, 3, 4, 5, 6, 7, 8], days: 30 },
    Layout { columns: &[0, 2, 3, 4, 5, 6, 7, 8], days: 14 },
    Layout { columns: &[0, 2, 3, 4, 6, 7], days: 7 },
    Layout { columns: &[0, 2, 3, 4], days: 0 },
    Layout { columns: &[0, 3, 4], days: 0 },
];

fn lines(status: &Status, layout: &Layout) -> String {
    let mut table = Table::new();
    let header = layout.columns.iter().map(|column| HEADER[*column]);
    table.load_style(presets::NOTHING).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    for row in &status.rows {
        let cells = cells(row, layout.days);
        table.add_row(layout.columns.iter().map(|column| Cell::new(&cells[*column])));
    }
    for (place, column) in layout.columns.iter().enumerate() {
        if let (4 | 5 | 8, Some(column)) = (column, table.column_mut(place)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The row's state in its colour; the rest of the line as it is.
fn colored(line: &str, row: &Row) -> String {
    let style = match (row.verdict.state.urgency(), &row.verdict.state) {
        (Some(Urgency::Severe | Urgency::Page), _) => anstyle::AnsiColor::Red.on_default().bold(),
        (Some(Urgency::Ticket), _) => anstyle::AnsiColor::Yellow.on_default(),
        (None, State::Blind { .. }) => anstyle::AnsiColor::Magenta.on_default(),
        (None, _) if row.is_spent() => anstyle::AnsiColor::Yellow.on_default(),
        (None, _) => anstyle::AnsiColor::Green.on_default(),
    };
    let state = state(row);
    line.replacen(&state, &format!("{style}{state}{style:#}"), 1)
}

/// One sentence over all rows: how promises stand, and what burns.
pub(super) fn summary(status: &Status) -> String {
    let count = |wanted: &dyn Fn(&Row) -> bool| status.rows.iter().filter(|row| wanted(row)).count();
    let standing = Standing::ALL.into_iter().map(|one| (one, count(&|row| Standing::of(row) == one)));
    let standing = standing.filter(|(_, count)| *count > 0);
    let standing: Vec<String> = standing.map(|(one, count)| format!("{} {count} {}", one.sign(), one.word())).collect();
    let urgencies =
        [(Urgency::Severe, "severe"), (Urgency::Page, "burning at page"), (Urgency::Ticket, "burning at ticket")];
    let burning = urgencies
        .into_iter()
        .map(|(urgency, words)| (count(&|row| row.verdict.state.urgency() == Some(urgency)), words));
    let blind = (count(&|row| matches!(row.verdict.state, State::Blind { .. })), "blind");
    let burning: Vec<String> = burning
        .chain([blind])
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let burning = if burning.is_empty() { "nothing burns".to_owned() } else { burning.join(", ") };
    format!("{} at {}: {}; {burning}", counted(status.rows.len(), "promise"), status.at, standing.join(", "))
}

/// A Markdown table of all rows, and the sentence over them.
#[must_use]
pub fn markdown(status: &Status) -> String {
    format!("{}\n{}\n", markdown_rows(status.rows.iter()), summary(status))
}

/// A Markdown table of some rows.
pub(super) fn markdown_rows<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let line = |cells: [String; 9]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(HEADER.map(str::to_owned)) + "|" + &"---|".repeat(HEADER.len()) + "\n";
    for row in rows {
        text.push_str(&line(cells(row, MARKDOWN_DAYS).map(|cell| cell.replace('|', "\\|"))));
    }
    text
}

fn cells(row: &Row, days: usize) -> [String; 9] {
    [
        format!("{} {}/{}", Standing::of(row).sign(), row.service, row.slo),
        row.team.clone(),
        format!("{} over {}", row.objective, row.window),
        state(row),
        budget_left(row),
        row.sli.map_or_else(|| "-".to_owned(), |sli| percent(sli, 3)),
        row.bars.iter().skip(row.bars.len().saturating_sub(days)).map(|bar| glyph(*bar)).collect(),
        forecast(row.forecast, row.judged_at),
        percent(row.coverage(), 1),
    ]
}

/// The budget that is left, and beside it what would be if no minute were excluded.
pub(super) fn budget_left(row: &Row) -> String {
    let corrected = left(&row.budget);
    if row.is_corrected() { format!("{corrected} ({} raw)", left(&row.raw_budget)) } else { corrected }
}

/// What is left of a budget.
pub(super) fn left(budget: &Budget) -> String {
    match budget.remaining() {
        Some(left) => percent(to_f64(left), 1),
        None if budget.is_exceeded() => "broken".to_owned(),
        None if budget.allowed().is_some() => "kept".to_owned(),
        None => "-".to_owned(),
    }
}

/// What the tiers say, with both rates where one burns.
#[must_use]
pub fn state(row: &Row) -> String {
    match &row.verdict.state {
        State::Calm if row.sums.known == 0 => "nothing observed".to_owned(),
        State::Calm if row.sums.total == 0 => "no traffic".to_owned(),
        State::Calm if row.is_spent() => "calm, but spent".to_owned(),
        State::Calm => "calm".to_owned(),
        State::Blind { unknown_share, minutes } => {
            format!("blind: {} of {} unknown", percent(to_f64(*unknown_share), 0), length_text(*minutes))
        }
        State::Outage { minutes, sums } => {
            format!("severe: {} of {} bad in {}", sums.bad, sums.total, length_text(*minutes))
        }
        State::Collapse { minutes, seen, expected } => {
            format!("severe: {seen} of {expected} expected in {}", length_text(*minutes))
        }
        State::Burning { tier, urgency } => {
            let words = row.tiers.get(*tier).zip(row.verdict.tiers.get(*tier)).map(|(text, reading)| {
                // Without a budget there is no rate: any bad event is too many.
                let rate = |rate: Option<f64>, sums: Sums| {
                    rate.map_or_else(|| format!("{} bad", sums.bad), |rate| format!("{rate:.1}x"))
                };
                let why = reading.demoted.map_or("", |demotion| match demotion {
                    Demotion::OutsideHours => ", outside hours",
                    Demotion::FewBad { .. } => ", few bad",
                    Demotion::Chance { .. } => ", maybe chance",
                });
                let (long, short) = (rate(reading.long_burn, reading.long), rate(reading.short_burn, reading.short));
                format!("{long} in {}, {short} in {}{why}", text.long, text.short)
            });
            format!("{urgency}: {}", words.unwrap_or_default())
        }
    }
}

/// A share in percent. What is not quite 100% is never printed as 100%, nor a small loss as none.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}%", share * 100.0);
    let whole = format!("{:.decimals$}%", 100.0);
    if text == whole && share < 1.0 {
        let step = 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
        return format!("{:.decimals$}%", 100.0 - step);
    }
    text
}

fn glyph(bar: Bar) -> char {
    match bar {
        Bar::Unknown => '·',
        Bar::Silent => ' ',
        Bar::Burn(rate) => BARS.iter().find(|(limit, _)| rate <= *limit).map_or('█', |(_, glyph)| *glyph),
    }
}

pub(super) fn forecast(forecast: Forecast, judged: Minute) -> String {
    match forecast {
        Forecast::AlreadyExhausted => "spent".to_owned(),
        Forecast::ExhaustedAt(at) => {
            let minutes = at.0.saturating_sub(judged.0).max(0);
            match minutes {
                m if m >= 2_880 => format!("spent in {} days", m / 1_440),
                m if m >= 120 => format!("spent in {} hours", m / 60),
                m => format!("spent in {m} minutes"),
            }
        }
        Forecast::NotWithinPeriod => "lasts".to_owned(),
        Forecast::Unknown => "unknown".to_owned(),
    }
}

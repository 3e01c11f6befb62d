//! The status for people, as a table for a terminal and as Markdown.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::counted;
use super::model::{Bar, Row, Status, TierText};
use super::standing::Standing;
use super::words::{between, last};
use crate::burn::{Budget, Forecast};
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::to_f64;
use crate::minute::{Minute, length_text};
use crate::slo::Urgency;
use crate::verdict::{Demotion, State, TierReading};

/// Heights of a day's bar by its burn rate: the third is the last that keeps within the day's share of the budget.
const BARS: [(f64, char); 8] =
    [(0.0, '▁'), (0.5, '▂'), (1.0, '▃'), (2.0, '▄'), (4.0, '▅'), (8.0, '▆'), (16.0, '▇'), (f64::INFINITY, '█')];

/// Days of bars in a Markdown table.
const MARKDOWN_DAYS: usize = 30;

const HEADER: [&str; 9] =
    ["SLO", "team", "objective", "status", "budget left", "SLI", "daily burn", "forecast", "coverage"];

/// The table for a terminal of some columns' width, or as wide as it needs. A table that wraps cannot be scanned, so a
/// narrow one shows fewer days of bars, then fewer columns, then the status without its details; `--format json` has
/// all.
#[must_use]
pub fn table(status: &Status, width: Option<usize>, color: bool) -> String {
    let fits = |text: &String| width.is_none_or(|width| text.lines().all(|line| line.chars().count() <= width));
    let narrowest = &LAYOUTS[LAYOUTS.len() - 1];
    let layout = LAYOUTS.iter().find(|layout| fits(&lines(status, layout))).unwrap_or(narrowest);
    let mut lines: Vec<String> = lines(status, layout).lines().map(str::to_owned).collect();
    if color {
        for (line, row) in lines.iter_mut().skip(1).zip(&status.rows) {
            *line = colored(line, row, layout);
        }
    }
    lines.push(String::new());
    lines.push(summary(status));
    lines.join("\n") + "\n"
}

/// The columns of [`HEADER`] that are shown, how many days of bars, and whether the status has its details.
struct Layout {
    columns: &'static [usize],
    days: usize,
    is_brief: bool,
}

const LAYOUTS: [Layout; 6] = [
    Layout { columns: &[0, 1, 2, 3, 4, 5, 6, 7, 8], days: 30, is_brief: false },
    Layout { columns: &[0, 2, 3, 4, 5, 6, 7, 8], days: 14, is_brief: false },
    Layout { columns: &[0, 2, 3, 4, 6, 7], days: 7, is_brief: false },
    Layout { columns: &[0, 2, 3, 4], days: 0, is_brief: false },
    Layout { columns: &[0, 2, 3, 4], days: 0, is_brief: true },
    Layout { columns: &[0, 3, 4], days: 0, is_brief: true },
];

/// The column of the status in [`HEADER`].
const STATUS: usize = 3;
/// Data this much older than the evaluation is worth a remark: no source delivers so late.
const OLD_MINUTES: i32 = 120;

fn lines(status: &Status, layout: &Layout) -> String {
    let mut table = Table::new();
    let header = layout.columns.iter().map(|column| HEADER[*column]);
    table.load_style(presets::NOTHING).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    for row in &status.rows {
        let cells = layout.cells(row);
        table.add_row(layout.columns.iter().map(|column| Cell::new(&cells[*column])));
    }
    for (place, column) in layout.columns.iter().enumerate() {
        if let (4 | 5 | 8, Some(column)) = (column, table.column_mut(place)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

impl Layout {
    fn cells(&self, row: &Row) -> [String; 9] {
        let mut cells = cells(row, self.days);
        if self.is_brief {
            cells[STATUS] = brief(row);
        }
        cells
    }
}

/// The sign and the status in their colour; the rest of the line as it is.
fn colored(line: &str, row: &Row, layout: &Layout) -> String {
    let cells = layout.cells(row);
    let style = match (Standing::of(row), row.verdict.state.urgency()) {
        (_, Some(Urgency::Severe | Urgency::Page)) => anstyle::AnsiColor::Red.on_default().bold(),
        (Standing::Exhausted, _) => anstyle::AnsiColor::Red.on_default(),
        (Standing::AtRisk, _) => anstyle::AnsiColor::Yellow.on_default(),
        (Standing::NoData, _) => anstyle::AnsiColor::Magenta.on_default(),
        (Standing::NoTraffic, _) => anstyle::AnsiColor::Cyan.on_default(),
        (Standing::Recovered | Standing::Ok, _) => anstyle::AnsiColor::Green.on_default(),
    };
    let mut left = line;
    let mut text = String::with_capacity(line.len() + 32);
    // Cells stand in this order with only spaces between them, so that an SLO named like a status is not taken for one.
    for column in layout.columns.iter().take_while(|column| **column <= STATUS) {
        let Some((before, after)) = left.split_once(cells[*column].as_str()) else { continue };
        text.push_str(before);
        match (*column, cells[*column].split_once(' ')) {
            (STATUS, _) => text.push_str(&format!("{style}{}{style:#}", cells[STATUS])),
            (0, Some((sign, name))) => text.push_str(&format!("{style}{sign}{style:#} {name}")),
            _ => text.push_str(&cells[*column]),
        }
        left = after;
    }
    text + left
}

/// One sentence over all rows: how many have which status, and what fires.
pub(super) fn summary(status: &Status) -> String {
    let count = |wanted: &dyn Fn(&Row) -> bool| status.rows.iter().filter(|row| wanted(row)).count();
    let statuses = Standing::ALL.into_iter().map(|one| (one, count(&|row| Standing::of(row) == one)));
    let statuses = statuses.filter(|(_, count)| *count > 0);
    let statuses: Vec<String> = statuses.map(|(one, count)| format!("{} {count} {}", one.sign(), one.word())).collect();
    let statuses = if statuses.is_empty() { String::new() } else { format!(": {}", statuses.join(", ")) };
    let firing = |urgency| count(&|row| row.verdict.state.urgency() == Some(urgency));
    let (severe, pages, tickets) = (firing(Urgency::Severe), firing(Urgency::Page), firing(Urgency::Ticket));
    let firing =
        [(severe, format!("{severe} severe")), (pages, counted(pages, "page")), (tickets, counted(tickets, "ticket"))];
    let firing: Vec<String> = firing.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    let firing = if firing.is_empty() { "none".to_owned() } else { firing.join(", ") };
    // Those with the status no data are counted above.
    let is_missing = |row: &Row| matches!(row.verdict.state, State::Blind { .. });
    let missing = count(&|row| is_missing(row) && Standing::of(row) != Standing::NoData);
    let missing =
        if missing > 0 { format!("; {missing} exhausted or at risk without recent data") } else { String::new() };
    let newest = newest(status)
        .map_or_else(String::new, |newest| format!("; newest data {newest}, {} earlier", between(newest, status.at)));
    format!("{} at {}{statuses}; firing: {firing}{missing}{newest}", counted(status.rows.len(), "SLO"), status.at)
}

/// The end of the newest data, if it is so old that a reader has to know: then `--at` of that time shows more.
fn newest(status: &Status) -> Option<Minute> {
    let newest = status.rows.iter().filter_map(|row| row.watermark).max()?;
    (status.at.0.saturating_sub(newest.0) > OLD_MINUTES).then_some(newest)
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
        forecast(row),
        percent(row.coverage(), 1),
    ]
}

/// The budget that is left; in parentheses what would be left if no minute were excluded.
pub(super) fn budget_left(row: &Row) -> String {
    let corrected = left(&row.budget);
    if row.is_corrected() { format!("{corrected} ({} raw)", left(&row.raw_budget)) } else { corrected }
}

/// What is left of a budget: a share; `full` or `exceeded` where the objective allows no failure; `-` without traffic.
pub(super) fn left(budget: &Budget) -> String {
    match budget.remaining() {
        Some(left) => percent(to_f64(left), 1),
        None if budget.is_exceeded() => "exceeded".to_owned(),
        None if budget.allowed().is_some() => "full".to_owned(),
        None => "-".to_owned(),
    }
}

/// The status of a row with its details: `exhausted, ticket: 3.9x in 1d, 3.4x in 2h`.
#[must_use]
pub fn state(row: &Row) -> String {
    let status = Standing::of(row);
    let word = status.word();
    match &row.verdict.state {
        State::Calm if status == Standing::NoData && row.sums.known == 0 => {
            format!("{word}: no known minute in the window")
        }
        State::Calm if status == Standing::NoData => {
            format!("{word}: coverage is only {}", percent(row.coverage(), 1))
        }
        State::Calm => word.to_owned(),
        State::Blind { unknown_share, minutes } => {
            let unknown = format!("{} of the last {} unknown", percent(to_f64(*unknown_share), 0), last(*minutes));
            if status == Standing::NoData { format!("{word}: {unknown}") } else { format!("{word}, {unknown}") }
        }
        State::Outage { minutes, sums } => {
            format!(
                "{word}, severe: outage, {} of {} failed in {}",
                grouped(sums.bad),
                grouped(sums.total),
                length_text(*minutes)
            )
        }
        State::Collapse { minutes, seen, expected } => {
            format!(
                "{word}, severe: traffic drop, {} of {} expected in {}",
                grouped(*seen),
                grouped(*expected),
                length_text(*minutes)
            )
        }
        State::Burning { tier, urgency } => {
            let rates = row.tiers.get(*tier).zip(row.verdict.tiers.get(*tier));
            format!("{word}, {urgency}: {}", rates.map_or_else(String::new, |(text, reading)| burning(text, reading)))
        }
    }
}

/// Both burn rates of a firing tier, and why a page is only a ticket.
fn burning(tier: &TierText, reading: &TierReading) -> String {
    // Without a budget there is no rate: any failure is too many.
    let rate = |rate: Option<f64>, sums: Sums| {
        rate.map_or_else(|| format!("{} failed", sums.bad), |rate| format!("{rate:.1}x"))
    };
    let why = reading.demoted.map_or("", |demotion| match demotion {
        Demotion::OutsideHours => ", outside working hours",
        Demotion::FewBad { .. } => ", few failures",
        Demotion::Chance { .. } => ", not significant",
    });
    let (long, short) = (rate(reading.long_burn, reading.long), rate(reading.short_burn, reading.short));
    format!("{long} in {}, {short} in {}{why}", tier.long, tier.short)
}

/// The status of a row without numbers: `exhausted, ticket`.
fn brief(row: &Row) -> String {
    let status = Standing::of(row);
    match (row.verdict.state.urgency(), &row.verdict.state) {
        (Some(urgency), _) => format!("{}, {urgency}", status.word()),
        (None, State::Blind { .. }) if status != Standing::NoData => format!("{}, no data", status.word()),
        (None, _) => status.word().to_owned(),
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

pub(super) fn forecast(row: &Row) -> String {
    match row.forecast {
        // Too little is known to extrapolate from.
        _ if Standing::of(row) == Standing::NoData => "unknown".to_owned(),
        Forecast::AlreadyExhausted => "exhausted".to_owned(),
        Forecast::ExhaustedAt(at) => format!("exhausted in {}", between(row.judged_at, at)),
        Forecast::NotWithinPeriod => "lasts".to_owned(),
        Forecast::Unknown => "unknown".to_owned(),
    }
}

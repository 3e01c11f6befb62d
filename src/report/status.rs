//! The status for people, as a table for a terminal and as Markdown.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::model::{DailyBurn, FleetStatus, SloRow, TierSummary};
use super::slo_status::SloStatus;
use crate::burn::{ErrorBudget, ExhaustionForecast};
use crate::counts::Sums;
use crate::evaluation::{Downgrade, SloState, TierEvaluation};
use crate::format::{format_elapsed, format_lookback, format_percent, pluralize, with_thousands_separators};
use crate::rational::to_f64;
use crate::slo::Urgency;
use crate::time::{Minute, format_duration};

/// Heights of a day's bar by its burn rate: the third is the last that keeps within the day's share of the budget.
const BURN_GLYPHS: [(f64, char); 8] =
    [(0.0, '▁'), (0.5, '▂'), (1.0, '▃'), (2.0, '▄'), (4.0, '▅'), (8.0, '▆'), (16.0, '▇'), (f64::INFINITY, '█')];

/// Days of bars in a Markdown table.
const MARKDOWN_DAYS: usize = 30;

const HEADER: [&str; 9] =
    ["SLO", "team", "objective", "status", "budget left", "SLI", "daily burn", "forecast", "coverage"];

/// The table for a terminal of some columns' width, or as wide as it needs. A table that wraps cannot be scanned, so a
/// narrow one shows fewer days of bars, then fewer columns, then the status without its details; `--format json` has
/// all.
#[must_use]
pub fn table(status: &FleetStatus, width: Option<usize>, color: bool) -> String {
    let fits = |text: &String| width.is_none_or(|width| text.lines().all(|line| line.chars().count() <= width));
    let narrowest = &LAYOUTS[LAYOUTS.len() - 1];
    let layout = LAYOUTS.iter().find(|layout| fits(&render_table(status, layout))).unwrap_or(narrowest);
    let mut lines: Vec<String> = render_table(status, layout).lines().map(str::to_owned).collect();
    if color {
        for (line, row) in lines.iter_mut().skip(1).zip(&status.rows) {
            *line = colorize_line(line, row, layout);
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
const STATUS_COLUMN: usize = 3;
/// Data this much older than the evaluation is worth a remark: no source delivers so late.
const OLD_DATA_MINUTES: i32 = 120;

fn render_table(status: &FleetStatus, layout: &Layout) -> String {
    let mut table = Table::new();
    let header = layout.columns.iter().map(|column| HEADER[*column]);
    table.load_style(presets::NOTHING).set_header(header).set_content_arrangement(ContentArrangement::Disabled);
    for row in &status.rows {
        let cells = layout.cells(row);
        table.add_row(layout.columns.iter().map(|column| Cell::new(&cells[*column])));
    }
    for (index, column) in layout.columns.iter().enumerate() {
        if let (4 | 5 | 8, Some(column)) = (column, table.column_mut(index)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

impl Layout {
    fn cells(&self, row: &SloRow) -> [String; 9] {
        let mut cells = cells(row, self.days);
        if self.is_brief {
            cells[STATUS_COLUMN] = brief_status(row);
        }
        cells
    }
}

/// The sign and the status in their colour; the rest of the line as it is.
fn colorize_line(line: &str, row: &SloRow, layout: &Layout) -> String {
    let cells = layout.cells(row);
    let style = match (SloStatus::from_row(row), row.evaluation.state.urgency()) {
        (_, Some(Urgency::Severe | Urgency::Page)) => anstyle::AnsiColor::Red.on_default().bold(),
        (SloStatus::Exhausted, _) => anstyle::AnsiColor::Red.on_default(),
        (SloStatus::AtRisk, _) => anstyle::AnsiColor::Yellow.on_default(),
        (SloStatus::NoData, _) => anstyle::AnsiColor::Magenta.on_default(),
        (SloStatus::NoTraffic, _) => anstyle::AnsiColor::Cyan.on_default(),
        (SloStatus::Recovered | SloStatus::Ok, _) => anstyle::AnsiColor::Green.on_default(),
    };
    let mut rest = line;
    let mut text = String::with_capacity(line.len() + 32);
    // Cells stand in this order with only spaces between them, so that an SLO named like a status is not taken for one.
    for column in layout.columns.iter().take_while(|column| **column <= STATUS_COLUMN) {
        let Some((before, after)) = rest.split_once(cells[*column].as_str()) else { continue };
        text.push_str(before);
        match (*column, cells[*column].split_once(' ')) {
            (STATUS_COLUMN, _) => text.push_str(&format!("{style}{}{style:#}", cells[STATUS_COLUMN])),
            (0, Some((sign, name))) => text.push_str(&format!("{style}{sign}{style:#} {name}")),
            _ => text.push_str(&cells[*column]),
        }
        rest = after;
    }
    text + rest
}

/// One sentence over all rows: how many have which status, and what fires.
pub(super) fn summary(status: &FleetStatus) -> String {
    let count = |wanted: &dyn Fn(&SloRow) -> bool| status.rows.iter().filter(|row| wanted(row)).count();
    let statuses = SloStatus::ALL.into_iter().map(|one| (one, count(&|row| SloStatus::from_row(row) == one)));
    let nonzero = statuses.filter(|(_, count)| *count > 0);
    let statuses: Vec<String> = nonzero.map(|(one, count)| format!("{} {count} {}", one.sign(), one.label())).collect();
    let statuses = if statuses.is_empty() { String::new() } else { format!(": {}", statuses.join(", ")) };
    let firing = |urgency| count(&|row| row.evaluation.state.urgency() == Some(urgency));
    let (severe, pages, tickets) = (firing(Urgency::Severe), firing(Urgency::Page), firing(Urgency::Ticket));
    let firing = [
        (severe, format!("{severe} severe")),
        (pages, pluralize(pages, "page")),
        (tickets, pluralize(tickets, "ticket")),
    ];
    let firing: Vec<String> = firing.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    let firing = if firing.is_empty() { "none".to_owned() } else { firing.join(", ") };
    // Those with the status no data are counted above.
    let lacks_recent_data = |row: &SloRow| matches!(row.evaluation.state, SloState::NoData { .. });
    let without_recent_data = count(&|row| lacks_recent_data(row) && SloStatus::from_row(row) != SloStatus::NoData);
    let missing = if without_recent_data > 0 {
        format!("; {without_recent_data} exhausted or at risk without recent data")
    } else {
        String::new()
    };
    let old_data_note = old_watermark(status).map_or_else(String::new, |newest| {
        format!("; newest data {newest}, {} earlier", format_elapsed(newest, status.at))
    });
    format!(
        "{} at {}{statuses}; firing: {firing}{missing}{old_data_note}",
        pluralize(status.rows.len(), "SLO"),
        status.at
    )
}

/// The end of the newest data, if it is so old that a reader has to know: then `--at` of that time shows more.
fn old_watermark(status: &FleetStatus) -> Option<Minute> {
    let newest = status.rows.iter().filter_map(|row| row.watermark).max()?;
    (status.at.0.saturating_sub(newest.0) > OLD_DATA_MINUTES).then_some(newest)
}

/// A Markdown table of all rows, and the sentence over them.
#[must_use]
pub fn markdown(status: &FleetStatus) -> String {
    format!("{}\n{}\n", markdown_rows(status.rows.iter()), summary(status))
}

/// A Markdown table of some rows.
pub(super) fn markdown_rows<'a>(rows: impl Iterator<Item = &'a SloRow>) -> String {
    let line = |cells: [String; 9]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(HEADER.map(str::to_owned)) + "|" + &"---|".repeat(HEADER.len()) + "\n";
    for row in rows {
        text.push_str(&line(cells(row, MARKDOWN_DAYS).map(|cell| cell.replace('|', "\\|"))));
    }
    text
}

fn cells(row: &SloRow, days: usize) -> [String; 9] {
    [
        format!("{} {}/{}", SloStatus::from_row(row).sign(), row.service, row.slo),
        row.team.clone(),
        format!("{} over {}", row.objective, row.window),
        status_details(row),
        format_budget_left_with_raw(row),
        row.sli.map_or_else(|| "-".to_owned(), |sli| format_percent(sli, 3)),
        row.daily_burn.iter().skip(row.daily_burn.len().saturating_sub(days)).map(|bar| burn_glyph(*bar)).collect(),
        format_forecast(row),
        format_percent(row.coverage(), 1),
    ]
}

/// The budget that is left; in parentheses what would be left if no minute were excluded.
pub(super) fn format_budget_left_with_raw(row: &SloRow) -> String {
    let corrected = format_budget_left(&row.budget);
    if row.is_corrected() { format!("{corrected} ({} raw)", format_budget_left(&row.raw_budget)) } else { corrected }
}

/// What is left of a budget: a share; `full` or `exceeded` where the objective allows no failure; `-` without traffic.
pub(super) fn format_budget_left(budget: &ErrorBudget) -> String {
    match budget.remaining() {
        Some(left) => format_percent(to_f64(left), 1),
        None if budget.is_exceeded() => "exceeded".to_owned(),
        None if budget.allowed().is_some() => "full".to_owned(),
        None => "-".to_owned(),
    }
}

/// The status of a row with its details: `exhausted, ticket: 3.9x in 1d, 3.4x in 2h`.
#[must_use]
pub fn status_details(row: &SloRow) -> String {
    let status = SloStatus::from_row(row);
    let word = status.label();
    match &row.evaluation.state {
        SloState::Ok if status == SloStatus::NoData && row.sums.known == 0 => {
            format!("{word}: no known minute in the window")
        }
        SloState::Ok if status == SloStatus::NoData => {
            format!("{word}: coverage is only {}", format_percent(row.coverage(), 1))
        }
        SloState::Ok => word.to_owned(),
        SloState::NoData { unknown_share, minutes } => {
            let unknown = format!(
                "{} of the last {} unknown",
                format_percent(to_f64(*unknown_share), 0),
                format_lookback(*minutes)
            );
            if status == SloStatus::NoData { format!("{word}: {unknown}") } else { format!("{word}, {unknown}") }
        }
        SloState::Outage { minutes, sums } => {
            format!(
                "{word}, severe: outage, {} of {} failed in {}",
                with_thousands_separators(sums.bad),
                with_thousands_separators(sums.total),
                format_duration(*minutes)
            )
        }
        SloState::TrafficDrop { minutes, events: seen, expected } => {
            format!(
                "{word}, severe: traffic drop, {} of {} expected in {}",
                with_thousands_separators(*seen),
                with_thousands_separators(*expected),
                format_duration(*minutes)
            )
        }
        SloState::Firing { tier, urgency } => {
            let rates = row.tiers.get(*tier).zip(row.evaluation.tiers.get(*tier));
            format!(
                "{word}, {urgency}: {}",
                rates.map_or_else(String::new, |(text, reading)| format_burn_rates(text, reading))
            )
        }
    }
}

/// Both burn rates of a firing tier, and why a page is only a ticket.
fn format_burn_rates(tier: &TierSummary, reading: &TierEvaluation) -> String {
    // Without a budget there is no rate: any failure is too many.
    let format_rate = |rate: Option<f64>, sums: Sums| {
        rate.map_or_else(|| format!("{} failed", sums.bad), |rate| format!("{rate:.1}x"))
    };
    let downgrade_note = reading.downgrade.map_or("", |demotion| match demotion {
        Downgrade::OutsideHours => ", outside working hours",
        Downgrade::FewBadEvents { .. } => ", few failures",
        Downgrade::NotSignificant { .. } => ", not significant",
    });
    let (long, short) =
        (format_rate(reading.long_burn_rate, reading.long), format_rate(reading.short_burn_rate, reading.short));
    format!("{long} in {}, {short} in {}{downgrade_note}", tier.long, tier.short)
}

/// The status of a row without numbers: `exhausted, ticket`.
fn brief_status(row: &SloRow) -> String {
    let status = SloStatus::from_row(row);
    match (row.evaluation.state.urgency(), &row.evaluation.state) {
        (Some(urgency), _) => format!("{}, {urgency}", status.label()),
        (None, SloState::NoData { .. }) if status != SloStatus::NoData => format!("{}, no data", status.label()),
        (None, _) => status.label().to_owned(),
    }
}

fn burn_glyph(bar: DailyBurn) -> char {
    match bar {
        DailyBurn::Unknown => '·',
        DailyBurn::NoTraffic => ' ',
        DailyBurn::Rate(rate) => {
            BURN_GLYPHS.iter().find(|(limit, _)| rate <= *limit).map_or('█', |(_, glyph)| *glyph)
        }
    }
}

pub(super) fn format_forecast(row: &SloRow) -> String {
    match row.forecast {
        // Too little is known to extrapolate from.
        _ if SloStatus::from_row(row) == SloStatus::NoData => "unknown".to_owned(),
        ExhaustionForecast::AlreadyExhausted => "exhausted".to_owned(),
        ExhaustionForecast::ExhaustedAt(at) => format!("exhausted in {}", format_elapsed(row.evaluated_at, at)),
        ExhaustionForecast::NotWithinPeriod => "lasts".to_owned(),
        ExhaustionForecast::Unknown => "unknown".to_owned(),
    }
}

//! The status as a table for a terminal and as Markdown.

use super::slo_status::{SloStatus, count_statuses, format_unknown_share, lacks_recent_data};
use super::table::text_table;
use crate::burn::{ErrorBudget, ExhaustionForecast};
use crate::counts::Sums;
use crate::evaluation::status::{DailyBurn, FleetStatus, SloRow};
use crate::evaluation::{Downgrade, SloState, TierEvaluation};
use crate::format::{
    format_elapsed, format_fraction, format_percent, format_percent_down, format_signed_percent, pluralize,
};
use crate::slo::{Tier, Urgency};
use crate::time::format_duration;

/// Heights of a day's bar by its burn rate: the third is the last that keeps within the day's share of the budget.
const BURN_GLYPHS: [(f64, char); 8] =
    [(0.0, '▁'), (0.5, '▂'), (1.0, '▃'), (2.0, '▄'), (4.0, '▅'), (8.0, '▆'), (16.0, '▇'), (f64::INFINITY, '█')];

const HEADER: [&str; 9] =
    ["SLO", "team", "objective", "status", "budget left", "SLI", "daily burn", "forecast", "coverage"];
/// Columns of [`HEADER`].
const SLO_COLUMN: usize = 0;
const STATUS_COLUMN: usize = 3;
const RIGHT_ALIGNED_COLUMNS: [usize; 3] = [4, 5, 8];

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

/// Data this much older than the evaluation is worth a remark: no source delivers so late.
const OLD_DATA_MINUTES: i32 = 120;

/// The table for a terminal with a number of columns, or as wide as it needs. A table that wraps cannot be scanned, so
/// a narrow one shows fewer days of bars, then fewer columns, then the status without its details.
pub fn table(status: &FleetStatus, width: Option<usize>, color: bool) -> String {
    let fits = |text: &String| width.is_none_or(|width| text.lines().all(|line| line.chars().count() <= width));
    let narrowest = &LAYOUTS[LAYOUTS.len() - 1];
    let layout = LAYOUTS.iter().find(|layout| fits(&layout.render(status))).unwrap_or(narrowest);
    let mut lines: Vec<String> = layout.render(status).lines().map(str::to_owned).collect();
    if color {
        for (line, row) in lines.iter_mut().skip(1).zip(&status.rows) {
            *line = layout.colorize_line(line, row);
        }
    }
    lines.extend([String::new(), summary(status)]);
    lines.join("\n") + "\n"
}

impl Layout {
    fn render(&self, status: &FleetStatus) -> String {
        let select = |cells: [String; 9]| self.columns.iter().map(move |column| cells[*column].clone());
        let is_right_aligned = |index: &usize| RIGHT_ALIGNED_COLUMNS.contains(&self.columns[*index]);
        let right_aligned: Vec<usize> = (0..self.columns.len()).filter(is_right_aligned).collect();
        let rows = status.rows.iter().map(|row| select(self.cells(row)));
        text_table(select(HEADER.map(str::to_owned)), rows, &right_aligned)
    }

    fn cells(&self, row: &SloRow) -> [String; 9] {
        [
            format!("{} {}", SloStatus::from_row(row).sign(), row.id()),
            row.team.clone(),
            format!("{} over {}", row.objective, row.window),
            if self.is_brief { brief_status(row) } else { status_details(row) },
            format_budget_left_with_raw(row),
            row.sli.map_or_else(|| "-".to_owned(), |sli| format_percent_down(sli, 3)),
            row.daily_burn
                .iter()
                .skip(row.daily_burn.len().saturating_sub(self.days))
                .copied()
                .map(burn_glyph)
                .collect(),
            format_forecast(row),
            format_percent(row.coverage(), 1),
        ]
    }

    fn colorize_line(&self, line: &str, row: &SloRow) -> String {
        let cells = self.cells(row);
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
        // Cells are searched in order, so that an SLO named like a status is not mistaken for one.
        for column in self.columns.iter().take_while(|column| **column <= STATUS_COLUMN) {
            let Some((before, after)) = rest.split_once(cells[*column].as_str()) else { continue };
            text.push_str(before);
            match (*column, cells[*column].split_once(' ')) {
                (STATUS_COLUMN, _) => text.push_str(&format!("{style}{}{style:#}", cells[STATUS_COLUMN])),
                (SLO_COLUMN, Some((sign, name))) => text.push_str(&format!("{style}{sign}{style:#} {name}")),
                _ => text.push_str(&cells[*column]),
            }
            rest = after;
        }
        text + rest
    }
}

/// One sentence over all rows: how many have which status, and what fires.
pub(super) fn summary(status: &FleetStatus) -> String {
    let statuses: Vec<String> = count_statuses(&status.rows)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{} {count} {}", status.sign(), status.label()))
        .collect();
    let firing = [Urgency::Severe, Urgency::Page, Urgency::Ticket].map(|urgency| {
        match status.rows.iter().filter(|row| row.evaluation.state.urgency() == Some(urgency)).count() {
            0 => None,
            count if urgency == Urgency::Severe => Some(format!("{count} severe")),
            count => Some(pluralize(count, &urgency.to_string())),
        }
    });
    let firing: Vec<String> = firing.into_iter().flatten().collect();
    let mut text = format!(
        "{} at {}{}{}; firing: {}",
        pluralize(status.rows.len(), "SLO"),
        status.at,
        if statuses.is_empty() { "" } else { ": " },
        statuses.join(", "),
        if firing.is_empty() { "none".to_owned() } else { firing.join(", ") }
    );
    // Rows with the status no data are counted above.
    let lacks_data = |row: &&SloRow| lacks_recent_data(row) && SloStatus::from_row(row) != SloStatus::NoData;
    let without_recent_data = status.rows.iter().filter(lacks_data).count();
    if without_recent_data > 0 {
        text.push_str(&format!("; {without_recent_data} exhausted or at risk without recent data"));
    }
    // Evaluated at that time, more would be known.
    let newest = status.rows.iter().filter_map(|row| row.watermark).max();
    if let Some(newest) = newest.filter(|newest| status.at.0.saturating_sub(newest.0) > OLD_DATA_MINUTES) {
        text.push_str(&format!("; newest data {newest}, {} earlier", format_elapsed(newest, status.at)));
    }
    text
}

pub fn markdown(status: &FleetStatus) -> String {
    format!("{}\n{}\n", markdown_rows(status.rows.iter()), summary(status))
}

pub(super) fn markdown_rows<'a>(rows: impl Iterator<Item = &'a SloRow>) -> String {
    let line = |cells: [String; 9]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(HEADER.map(str::to_owned)) + "|" + &"---|".repeat(HEADER.len()) + "\n";
    text.extend(rows.map(|row| line(LAYOUTS[0].cells(row).map(|cell| cell.replace('|', "\\|")))));
    text
}

pub(super) fn format_budget_left_with_raw(row: &SloRow) -> String {
    let corrected = format_budget_left(&row.budget);
    if row.is_corrected() { format!("{corrected} ({} raw)", format_budget_left(&row.raw_budget)) } else { corrected }
}

/// What is left of a budget: a share; `full` or `exceeded` where the objective allows no failure; `-` without traffic.
pub(super) fn format_budget_left(budget: &ErrorBudget) -> String {
    let projected = if budget.is_projected() { " projected" } else { "" };
    match budget.remaining() {
        Some(left) => format!("{}{projected}", format_signed_percent(left, 1)),
        None if budget.is_exceeded() => "exceeded".to_owned(),
        None if budget.allowed().is_some() => "full".to_owned(),
        None => "-".to_owned(),
    }
}

/// The status of a row with its details: `exhausted, ticket: 3.9x in 1d, 3.4x in 2h`.
pub fn status_details(row: &SloRow) -> String {
    let status = SloStatus::from_row(row);
    let label = status.label();
    match &row.evaluation.state {
        SloState::Ok if status == SloStatus::NoData && row.sums.known == 0 => {
            format!("{label}: no known minute in the window")
        }
        SloState::Ok if status == SloStatus::NoData => {
            format!("{label}: coverage is only {}", format_percent(row.coverage(), 1))
        }
        SloState::Ok => label.to_owned(),
        SloState::NoData { unknown_share, minutes } => {
            let separator = if status == SloStatus::NoData { ":" } else { "," };
            format!("{label}{separator} {}", format_unknown_share(*unknown_share, *minutes))
        }
        SloState::Outage { minutes, sums } => format!(
            "{label}, severe: outage, {} failed in {}",
            format_fraction(sums.bad, sums.total),
            format_duration(*minutes)
        ),
        SloState::TrafficDrop { minutes, events, expected } => format!(
            "{label}, severe: traffic drop, {} expected in {}",
            format_fraction(*events, *expected),
            format_duration(*minutes)
        ),
        SloState::Firing { tier, urgency } => {
            let tier = row.tiers.get(*tier).zip(row.evaluation.tiers.get(*tier));
            let rates = tier.map_or_else(String::new, |(tier, evaluation)| format_burn_rates(tier, evaluation));
            format!("{label}, {urgency}: {rates}")
        }
    }
}

/// Both burn rates of a firing tier, and why a page is only a ticket.
fn format_burn_rates(tier: &Tier, evaluation: &TierEvaluation) -> String {
    // Without a budget there is no rate: any failure is too many.
    let format_rate = |rate: Option<f64>, sums: Sums| {
        rate.map_or_else(|| format!("{} failed", sums.bad), |rate| format!("{rate:.1}x"))
    };
    let downgrade_note = evaluation.downgrade.map_or("", |downgrade| match downgrade {
        Downgrade::OutsideHours => ", outside working hours",
        Downgrade::FewBadEvents { .. } => ", few failures",
        Downgrade::Burst { .. } => ", short burst",
        Downgrade::ColdStart { .. } => ", cold start",
        Downgrade::ExtraTraffic { .. } => ", extra traffic",
        Downgrade::NotSignificant { .. } => ", not significant",
    });
    let long = format_rate(evaluation.long_burn_rate, evaluation.long);
    let short = format_rate(evaluation.short_burn_rate, evaluation.short);
    let (long_window, short_window) = (format_duration(tier.long_minutes), format_duration(tier.short_minutes));
    format!("{long} in {long_window}, {short} in {short_window}{downgrade_note}")
}

/// The status of a row without numbers: `exhausted, ticket`.
fn brief_status(row: &SloRow) -> String {
    let status = SloStatus::from_row(row);
    match row.evaluation.state.urgency() {
        Some(urgency) => format!("{}, {urgency}", status.label()),
        None if lacks_recent_data(row) && status != SloStatus::NoData => format!("{}, no data", status.label()),
        None => status.label().to_owned(),
    }
}

fn burn_glyph(burn: DailyBurn) -> char {
    match burn {
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

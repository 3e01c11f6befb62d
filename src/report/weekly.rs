//! The weekly report: of one team about its services, or of the whole fleet for the platform team.
//!
//! It covers the last whole ISO week in UTC before a time, with the status at the end of that week, so that it is the
//! same on every day of the next week. Earlier weeks are evaluated with the current definitions.

mod recommendations;
mod render;
mod sections;

use std::fmt;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};

use super::gate::Override;
use super::problems::error_lines;
use super::slo_status::{
    SloStatus, count_statuses, has_insufficient_coverage, insufficient_coverage_notice, needs_action,
    remaining_now_and_week_ago, status_reason, team_rows,
};
use crate::alert::AlertState;
use crate::cost::Usage;
use crate::evaluation::status::{FleetStatus, SloRow};
use crate::format::pluralize;
use crate::rational::to_f64;
use crate::slo::{Catalog, Problem};
use crate::time::{MINUTES_PER_DAY, Minute, Span};

pub use render::ImageMode;

/// How the keys of weekly reports begin; no incident has such a key.
pub const WEEKLY_KEY_PREFIX: &str = "weekly/";
/// How many weeks before the reported one are evaluated: enough to distinguish a recurring problem from a single one.
pub const PREVIOUS_WEEKS: i32 = 3;

/// Titles of sections that some reports leave out.
const NEEDS_ACTION: &str = "Needs action";
const RECURRING: &str = "Recurring";
const EXCLUSIONS: &str = "Exclusions";
const FOR_PLATFORM_TEAM: &str = "For the platform team";
const COVERAGE: &str = "Coverage";
const AWS_COST: &str = "AWS cost";
const FLEET_SECTIONS: [&str; 3] = [RECURRING, FOR_PLATFORM_TEAM, AWS_COST];

/// A week of the ISO calendar, from Monday on, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// The ISO year, which is not always the year of its days.
    pub year: i16,
    /// From 1 to 53.
    pub number: i8,
    pub span: Span,
}

impl Week {
    pub fn last_before(at: Minute) -> Self {
        let today = at.day();
        let weekday = today.start().timestamp().to_zoned(TimeZone::UTC).weekday().to_monday_zero_offset();
        let end = today.plus(-i32::from(weekday)).start();
        let start = end.plus(-7 * MINUTES_PER_DAY);
        let date = start.timestamp().to_zoned(TimeZone::UTC).date().iso_week_date();
        Self { year: date.year(), number: date.week(), span: Span::new(start, end) }
    }
}

/// `2026-W47`.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-W{:02}", self.year, self.number)
    }
}

pub struct WeeklyContext<'a> {
    pub week: Week,
    pub catalog: &'a Catalog,
    pub problems: &'a [Problem],
    pub status: &'a FleetStatus,
    /// The newest first.
    pub previous_weeks: &'a [FleetStatus],
    pub alert_state: &'a AlertState,
    pub overrides: &'a [Override],
    pub usage: Usage,
}

pub struct WeeklyReport {
    pub week: Week,
    /// The team; `fleet` for all.
    pub owner: String,
    /// Whether it is that of the fleet, and not of a team that is called so.
    pub is_fleet: bool,
    /// One line that decides whether to read on.
    pub subject: String,
    /// One sentence with the most important fact.
    pub summary: String,
    status_counts: Vec<(SloStatus, u32)>,
    slos: Vec<WeeklySlo>,
    sections: Vec<Section>,
}

/// An SLO over one of its windows, with what the weeks before say about it.
pub struct WeeklySlo {
    pub row: SloRow,
    pub status: SloStatus,
    /// The weeks in a row that it has been exhausted or at risk, this one included.
    pub weeks_in_trouble: usize,
}

impl WeeklySlo {
    fn json(&self) -> Value {
        json!({
            "slo": self.row.id(),
            "objective": self.row.objective,
            "window": self.row.window,
            "team": self.row.team,
            "status": self.status,
            "reason": self.reason(),
            "budget_remaining": self.row.budget.remaining().map(to_f64),
            "budget_remaining_week_ago": remaining_now_and_week_ago(&self.row).map(|(_, week_ago)| week_ago),
            "weeks_exhausted_or_at_risk": self.weeks_in_trouble,
            "policy": self.policy(),
        })
    }

    fn reason(&self) -> String {
        status_reason(&self.row)
    }

    fn policy(&self) -> Option<&str> {
        self.row.policy.as_ref().map(|step| step.then.as_str())
    }

    /// `99.9% over 30d`.
    fn objective_and_window(&self) -> String {
        format!("{} over {}", self.row.objective, self.row.window)
    }

    /// `checkout/availability (99.9% over 30d, mart)`.
    fn name_with_details(&self) -> String {
        format!("{} ({}, {})", self.row.id(), self.objective_and_window(), self.row.team)
    }

    fn reason_line(&self) -> String {
        format!("{}: {}", self.name_with_details(), self.reason())
    }

    /// `exhausted, 154% of the error budget used`; a reason that begins with the status stands alone.
    fn status_and_reason(&self) -> String {
        let (label, reason) = (self.status.label(), self.reason());
        if reason.starts_with(label) { reason } else { format!("{label}, {reason}") }
    }

    fn action_line(&self) -> String {
        format!("{}: {}{}", self.name_with_details(), self.status_and_reason(), self.duration_and_policy())
    }

    /// `; exhausted or at risk for 3 weeks; policy: fixes only`.
    fn duration_and_policy(&self) -> String {
        let duration = if self.weeks_in_trouble > 1 {
            format!("; exhausted or at risk for {}", self.format_weeks())
        } else {
            String::new()
        };
        let policy = self.policy().map_or_else(String::new, |then| format!("; policy: {then}"));
        duration + &policy
    }

    /// `3 weeks`; at the limit of what is evaluated, `at least 4 weeks`.
    fn format_weeks(&self) -> String {
        let max_weeks = usize::try_from(PREVIOUS_WEEKS).unwrap_or(0) + 1;
        let prefix = if self.weeks_in_trouble >= max_weeks { "at least " } else { "" };
        format!("{prefix}{}", pluralize(self.weeks_in_trouble, "week"))
    }

    /// The change of the budget in the week, in percentage points: `down 12 points in 7 days`; `None` where there is
    /// none.
    pub fn format_trend(&self) -> Option<String> {
        let (now, week_ago) = remaining_now_and_week_ago(&self.row)?;
        let points_changed = 100.0 * (now - week_ago);
        let direction = if points_changed < 0.0 { "down" } else { "up" };
        let points = format!("{:.0}", points_changed.abs());
        let noun = if points == "1" { "point" } else { "points" };
        (points_changed.abs() >= 0.5).then(|| format!("{direction} {points} {noun} in 7 days"))
    }
}

#[derive(Serialize)]
struct Section {
    title: &'static str,
    lines: Vec<String>,
}

impl WeeklyContext<'_> {
    pub fn report(&self, team: Option<&str>) -> WeeklyReport {
        let is_in_trouble =
            |row: &&&SloRow| matches!(SloStatus::from_row(row), SloStatus::Exhausted | SloStatus::AtRisk);
        let to_weekly_slo = |row: &SloRow| WeeklySlo {
            row: row.clone(),
            status: SloStatus::from_row(row),
            weeks_in_trouble: self.weeks(row).iter().take_while(is_in_trouble).count(),
        };
        let mut slos: Vec<WeeklySlo> = team_rows(self.status, team).map(to_weekly_slo).collect();
        slos.sort_by_key(|slo| slo.status);
        let mut status_counts = count_statuses(slos.iter().map(|slo| &slo.row)).to_vec();
        status_counts.retain(|(_, count)| *count > 0);
        let statuses: Vec<String> =
            status_counts.iter().map(|(status, count)| format!("{count} {}", status.label())).collect();
        let statuses = if statuses.is_empty() { "no SLOs".to_owned() } else { statuses.join(", ") };
        let owner = team.unwrap_or("fleet").to_owned();
        let errors = error_lines(self.problems, team);
        let coverage_notice =
            insufficient_coverage_notice(slos.iter().filter(|slo| has_insufficient_coverage(&slo.row)).count());
        WeeklyReport {
            week: self.week,
            is_fleet: team.is_none(),
            subject: format!("SLO week {} · {owner}: {statuses}", self.week.number),
            owner,
            summary: summary(&slos, errors.len(), coverage_notice.as_deref()),
            status_counts,
            sections: self.sections(team, &slos, errors, coverage_notice),
            slos,
        }
    }

    /// A row and those of the same SLO and window in the weeks before, the newest first.
    fn weeks<'b>(&'b self, row: &'b SloRow) -> Vec<&'b SloRow> {
        let is_same =
            |other: &&SloRow| other.service == row.service && other.slo == row.slo && other.window == row.window;
        let earlier_rows = self.previous_weeks.iter().flat_map(|status| &status.rows);
        std::iter::once(row).chain(earlier_rows.filter(is_same)).collect()
    }

    fn sections(
        &self,
        team: Option<&str>,
        slos: &[WeeklySlo],
        errors: Vec<String>,
        coverage_notice: Option<String>,
    ) -> Vec<Section> {
        let needs_action = slos.iter().filter(|slo| needs_action(&slo.row)).map(WeeklySlo::action_line);
        let recovered = slos.iter().filter(|slo| slo.status == SloStatus::Recovered).map(WeeklySlo::reason_line);
        let mut sections = vec![
            (NEEDS_ACTION, needs_action.chain(coverage_notice).collect()),
            ("Not evaluated: invalid definitions", errors),
            (RECURRING, recommendations::recurring_lines(slos)),
            ("Recovered", recovered.collect()),
            ("Incidents", self.incident_lines(team)),
            ("Objective changes", self.change_lines(team)),
            ("Policy overrides", self.override_lines(team)),
            (EXCLUSIONS, self.correction_lines(team)),
            (FOR_PLATFORM_TEAM, if team.is_none() { self.recommendations() } else { Vec::new() }),
            (COVERAGE, self.coverage_lines(team)),
            (AWS_COST, vec![cost_line(&self.usage)]),
        ];
        sections.retain(|(title, lines)| !lines.is_empty() && (team.is_none() || !FLEET_SECTIONS.contains(title)));
        sections.into_iter().map(|(title, lines)| Section { title, lines }).collect()
    }
}

fn summary(slos: &[WeeklySlo], errors: usize, coverage_notice: Option<&str>) -> String {
    let needs_action: Vec<&WeeklySlo> = slos.iter().filter(|slo| needs_action(&slo.row)).collect();
    let describe = |slo: &WeeklySlo| format!("{} ({})", slo.row.id(), slo.status_and_reason());
    match (needs_action.as_slice(), coverage_notice) {
        ([], _) if errors > 0 => {
            format!("SLOs are missing because of {} in definitions.", pluralize(errors, "problem"))
        }
        ([], None) => "Nothing needs action.".to_owned(),
        ([], Some(notice)) => format!("Nothing needs action. {notice}."),
        ([only], _) => format!("1 SLO needs action. {}.", describe(only)),
        ([first, ..], _) => format!("{} SLOs need action. Most urgent: {}.", needs_action.len(), describe(first)),
    }
}

fn cost_line(usage: &Usage) -> String {
    if *usage == Usage::default() { "$0".to_owned() } else { format!("{} (list price): {usage}", usage.price()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn week_is_the_last_complete_iso_week() {
        let week = |at: &str| Week::last_before(at.parse().unwrap());
        assert_eq!(week("2026-11-23T00:00Z").to_string(), "2026-W47");
        assert_eq!(week("2026-11-29T23:59Z"), week("2026-11-23T00:00Z"));
        assert_eq!(week("2026-11-22T23:59Z").to_string(), "2026-W46");
        assert_eq!(week("2027-01-05T00:00Z").to_string(), "2026-W53");
        assert_eq!(week("2027-01-05T00:00Z").span.to_string(), "2026-12-28T00:00Z to 2027-01-04T00:00Z");
    }
}

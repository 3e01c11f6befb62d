//! The weekly report: of one team about its services, or of the whole fleet for the platform team.
//!
//! It covers the last whole ISO week in UTC before a time, with the status at the end of that week, so that it is the
//! same on every day of the next week. Earlier weeks are evaluated with the current definitions.

mod escalation;
mod html;
mod recommendations;
mod render;
mod sections;
mod slo;

use std::fmt;

use jiff::tz::TimeZone;

use super::gate::Override;
use super::model::FleetStatus;
use super::problems::error_lines;
use super::slo_status::{SloStatus, insufficient_coverage_notice};
use crate::alert::AlertState;
use crate::cost::Usage;
use crate::format::pluralize;
use crate::slo::{Catalog, Problem};
use crate::time::{MINUTES_PER_DAY, Minute, Span};

pub use html::ImageMode;
pub use slo::{PreviousWeeks, WeeklySlo};

/// How the keys of weekly reports begin; no incident has such a key.
pub const WEEKLY_KEY_PREFIX: &str = "weekly/";
/// How many weeks before the reported one are evaluated: enough to distinguish a recurring problem from a single one.
pub const PREVIOUS_WEEKS: i32 = 3;

/// Titles of sections that some forms of the report leave out.
const NEEDS_ACTION: &str = "Needs action";
const EXCLUSIONS: &str = "Exclusions";
const COVERAGE: &str = "Coverage";

/// A week of the ISO calendar, from Monday on, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// Its year, which is not always that of its days.
    pub year: i16,
    /// From 1 to 53.
    pub number: i8,
    /// Its minutes.
    pub span: Span,
}

impl Week {
    /// The last whole week before a moment.
    #[must_use]
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

/// What a weekly report is made of. The status is that of the end of the week.
pub struct WeeklyContext<'a> {
    /// Which week.
    pub week: Week,
    /// The promises.
    pub catalog: &'a Catalog,
    /// What is wrong with definitions.
    pub problems: &'a [Problem],
    /// How promises stood.
    pub status: &'a FleetStatus,
    /// How they stood at the ends of the weeks before.
    pub previous_weeks: PreviousWeeks<'a>,
    /// Incidents with their notifications, and previous objectives.
    pub alert_state: &'a AlertState,
    /// Deploys in spite of the policy.
    pub overrides: &'a [Override],
    /// AWS usage of the week.
    pub usage: Usage,
}

/// A weekly report in words, before it gets a form.
#[derive(Clone, Debug, PartialEq)]
pub struct WeeklyReport {
    /// Which week.
    pub week: Week,
    /// Whose; `fleet` for all.
    pub owner: String,
    is_fleet: bool,
    /// One line that decides whether to read on.
    pub subject: String,
    /// One sentence with the most important fact.
    pub summary: String,
    /// Promises by how they stand, worst first.
    status_counts: Vec<(SloStatus, usize)>,
    /// All of them, worst first.
    slos: Vec<WeeklySlo>,
    sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    title: &'static str,
    lines: Vec<String>,
}

impl WeeklyContext<'_> {
    /// The report of a team, or of the fleet.
    #[must_use]
    pub fn report(&self, team: Option<&str>) -> WeeklyReport {
        let rows = self.status.rows.iter().filter(|row| team.is_none_or(|team| row.team == team));
        let mut slos: Vec<WeeklySlo> = rows.map(|row| WeeklySlo::new(row, &self.previous_weeks)).collect();
        slos.sort_by_key(|promise| promise.status);
        let status_count = |slo_status| slos.iter().filter(|promise| promise.status == slo_status).count();
        let counts: Vec<(SloStatus, usize)> =
            SloStatus::ALL.into_iter().map(|one| (one, status_count(one))).filter(|(_, count)| *count > 0).collect();
        let owner = team.unwrap_or("fleet").to_owned();
        let statuses: Vec<String> =
            counts.iter().map(|(status, count)| format!("{count} {}", status.label())).collect();
        let statuses = if statuses.is_empty() { "no SLOs".to_owned() } else { statuses.join(", ") };
        let error_lines = error_lines(self.problems, team);
        let early_count = slos.iter().filter(|promise| promise.has_insufficient_coverage).count();
        let needs_action: Vec<&WeeklySlo> = slos.iter().filter(|promise| promise.needs_action).collect();
        let summary = match needs_action.first() {
            None if !error_lines.is_empty() => {
                format!("SLOs are missing because of {} in definitions.", pluralize(error_lines.len(), "problem"))
            }
            None => insufficient_coverage_notice(early_count)
                .map_or_else(|| "Nothing needs action.".to_owned(), |early| format!("Nothing needs action. {early}.")),
            Some(first) => {
                let needs = if needs_action.len() == 1 { "needs" } else { "need" };
                let most = if needs_action.len() == 1 { "" } else { "Most urgent: " };
                let first = format!("{most}{} ({})", first.name, first.status_and_reason());
                format!("{} {needs} action. {first}.", pluralize(needs_action.len(), "SLO"))
            }
        };
        let recovered = slos.iter().filter(|promise| promise.status == SloStatus::Recovered);
        let fleet_only = |lines: &dyn Fn() -> Vec<String>| if team.is_none() { lines() } else { Vec::new() };
        let mut sections = vec![
            Section {
                title: NEEDS_ACTION,
                lines: needs_action
                    .iter()
                    .map(|promise| promise.action_line())
                    .chain(insufficient_coverage_notice(early_count))
                    .collect(),
            },
            Section { title: "Not evaluated: invalid definitions", lines: error_lines },
            Section { title: "Recurring", lines: fleet_only(&|| escalation::recurring_lines(&slos)) },
            Section { title: "Recovered", lines: recovered.map(WeeklySlo::reason_line).collect() },
            Section { title: "Incidents", lines: self.incident_lines(team) },
            Section { title: "Objective changes", lines: self.change_lines(team) },
            Section { title: "Policy overrides", lines: self.override_lines(team) },
            Section { title: EXCLUSIONS, lines: self.correction_lines(team) },
            Section { title: "For the platform team", lines: fleet_only(&|| self.recommendations()) },
            Section { title: COVERAGE, lines: self.coverage_lines(team) },
            Section { title: "AWS cost", lines: fleet_only(&|| vec![cost_line(&self.usage)]) },
        ];
        sections.retain(|section| !section.lines.is_empty());
        let subject = format!("SLO week {} · {owner}: {statuses}", self.week.number);
        WeeklyReport {
            week: self.week,
            is_fleet: team.is_none(),
            owner,
            subject,
            summary,
            status_counts: counts,
            slos,
            sections,
        }
    }
}

/// The AWS usage of the week with its list price.
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

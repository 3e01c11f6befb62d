//! The weekly report: of one team about its services, or of the whole fleet for the platform team.
//!
//! It covers the last whole ISO week in UTC before a time, with the status at the end of that week, so that it is the
//! same on every day of the next week. Earlier weeks are evaluated with the current definitions.

mod forms;
mod hygiene;
mod lists;
mod nudge;
mod page;
mod promise;

use std::fmt;

use jiff::tz::TimeZone;

use super::counted;
use super::gate::Override;
use super::model::Status;
use super::problems::leaving_out;
use super::standing::{Standing, too_early};
use crate::alert::AlertBook;
use crate::cost::Usage;
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::slo::{Catalog, Problem};

pub use nudge::Nudge;
pub use page::{Images, Page, PageError};
pub use promise::{Promise, Weeks};

/// How the keys of weekly reports begin; no incident has such a key.
pub const WEEKLY: &str = "weekly/";
/// How many weeks before the reported one are evaluated: enough to distinguish a recurring problem from a single one.
pub const WEEKS_BEFORE: i32 = 3;

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
    pub fn before(at: Minute) -> Self {
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
pub struct Facts<'a> {
    /// Which week.
    pub week: Week,
    /// The promises.
    pub catalog: &'a Catalog,
    /// What is wrong with definitions.
    pub problems: &'a [Problem],
    /// How promises stood.
    pub status: &'a Status,
    /// How they stood at the ends of the weeks before.
    pub weeks: Weeks<'a>,
    /// Incidents with their notifications, and previous objectives.
    pub book: &'a AlertBook,
    /// Deploys in spite of the policy.
    pub overrides: &'a [Override],
    /// AWS usage of the week.
    pub usage: Usage,
}

/// A weekly report in words, before it gets a form.
#[derive(Clone, Debug, PartialEq)]
pub struct Weekly {
    /// Which week.
    pub week: Week,
    /// Whose; `fleet` for all.
    pub of: String,
    is_of_fleet: bool,
    /// One line that decides whether to read on.
    pub subject: String,
    /// One sentence with the most important fact.
    pub verdict: String,
    /// Promises by how they stand, worst first.
    counts: Vec<(Standing, usize)>,
    /// All of them, worst first.
    promises: Vec<Promise>,
    sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    title: &'static str,
    lines: Vec<String>,
}

impl Facts<'_> {
    /// The report of a team, or of the fleet.
    #[must_use]
    pub fn weekly(&self, team: Option<&str>) -> Weekly {
        let rows = self.status.rows.iter().filter(|row| team.is_none_or(|team| row.team == team));
        let mut promises: Vec<Promise> = rows.map(|row| Promise::of(row, &self.weeks)).collect();
        promises.sort_by_key(|promise| promise.standing);
        let count = |standing| promises.iter().filter(|promise| promise.standing == standing).count();
        let counts: Vec<(Standing, usize)> =
            Standing::ALL.into_iter().map(|one| (one, count(one))).filter(|(_, count)| *count > 0).collect();
        let of = team.unwrap_or("fleet").to_owned();
        let statuses: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {}", status.word())).collect();
        let statuses = if statuses.is_empty() { "no SLOs".to_owned() } else { statuses.join(", ") };
        let unread = leaving_out(self.problems, team);
        let early = promises.iter().filter(|promise| promise.is_too_early).count();
        let action: Vec<&Promise> = promises.iter().filter(|promise| promise.needs_action).collect();
        let verdict = match action.first() {
            None if !unread.is_empty() => {
                format!("SLOs are missing because of {} in definitions.", counted(unread.len(), "problem"))
            }
            None => too_early(early)
                .map_or_else(|| "Nothing needs action.".to_owned(), |early| format!("Nothing needs action. {early}.")),
            Some(first) => {
                let needs = if action.len() == 1 { "needs" } else { "need" };
                let most = if action.len() == 1 { "" } else { "Most urgent: " };
                let first = format!("{most}{} ({})", first.name, first.status_and_reason());
                format!("{} {needs} action. {first}.", counted(action.len(), "SLO"))
            }
        };
        let recovered = promises.iter().filter(|promise| promise.standing == Standing::Recovered);
        let of_fleet = |lines: &dyn Fn() -> Vec<String>| if team.is_none() { lines() } else { Vec::new() };
        let mut sections = vec![
            Section {
                title: NEEDS_ACTION,
                lines: action.iter().map(|promise| promise.action()).chain(too_early(early)).collect(),
            },
            Section { title: "Not evaluated: invalid definitions", lines: unread },
            Section { title: "Recurring", lines: of_fleet(&|| nudge::again_and_again(&promises)) },
            Section { title: "Recovered", lines: recovered.map(Promise::line).collect() },
            Section { title: "Incidents", lines: self.incidents(team) },
            Section { title: "Objective changes", lines: self.changes(team) },
            Section { title: "Policy overrides", lines: self.overridden(team) },
            Section { title: EXCLUSIONS, lines: self.corrections(team) },
            Section { title: "For the platform team", lines: of_fleet(&|| self.hygiene()) },
            Section { title: COVERAGE, lines: self.coverage(team) },
            Section { title: "AWS cost", lines: of_fleet(&|| vec![cost(&self.usage)]) },
        ];
        sections.retain(|section| !section.lines.is_empty());
        let subject = format!("SLO week {} · {of}: {statuses}", self.week.number);
        Weekly { week: self.week, is_of_fleet: team.is_none(), of, subject, verdict, counts, promises, sections }
    }
}

/// The AWS usage of the week with its list price.
fn cost(usage: &Usage) -> String {
    if *usage == Usage::default() { "$0".to_owned() } else { format!("{} (list price): {usage}", usage.price()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_the_last_whole_one() {
        let week = |at: &str| Week::before(at.parse().unwrap());
        assert_eq!(week("2026-11-23T00:00Z").to_string(), "2026-W47");
        assert_eq!(week("2026-11-29T23:59Z"), week("2026-11-23T00:00Z"));
        assert_eq!(week("2026-11-22T23:59Z").to_string(), "2026-W46");
        assert_eq!(week("2027-01-05T00:00Z").to_string(), "2026-W53");
        assert_eq!(week("2027-01-05T00:00Z").span.to_string(), "2026-12-28T00:00Z to 2027-01-04T00:00Z");
    }
}

//! What the platform team could do: about SLOs that do not recover, unused ones, and objectives that do not fit.

use std::collections::{BTreeMap, BTreeSet};

use super::{PREVIOUS_WEEKS, WeeklyContext, WeeklySlo};
use crate::evaluation::status::SloRow;
use crate::format::{format_percent, pluralize};
use crate::rational::{Rational, parse_percent, to_f64};
use crate::report::slo_status::SloStatus;
use crate::slo::{Severity, Team, Urgency};

const OBJECTIVES: [&str; 11] =
    ["50%", "80%", "90%", "95%", "98%", "99%", "99.5%", "99.9%", "99.95%", "99.99%", "99.999%"];
/// A budget of which never more than this share is used says that a stricter objective is possible.
const LOW_CONSUMPTION: Rational = Rational::new_raw(1, 20);
/// A stricter objective is suggested if it would have left this share of its budget.
const STRICTER_MAX_CONSUMPTION: Rational = Rational::new_raw(1, 2);
/// An objective under which fewer events may fail is not suggested: that none failed would say little.
const MIN_ALLOWED_EVENTS: i128 = 20;
/// Nothing is recommended from a window of which less is known.
const MIN_COVERAGE: f64 = 0.9;
const MAX_NAMED_TEAMS: usize = 8;

/// The platform team is notified after this many weeks in trouble.
const PLATFORM_ESCALATION_WEEKS: usize = 3;

pub(super) fn recurring_lines(slos: &[WeeklySlo]) -> Vec<String> {
    let persistent = slos.iter().filter(|slo| slo.weeks_in_trouble >= PLATFORM_ESCALATION_WEEKS);
    let line = |slo: &WeeklySlo| {
        let (name, status, weeks) = (slo.name_with_details(), slo.status.label(), slo.format_weeks());
        format!(
            "{name}: {status} for {weeks}; agree with team {} to improve the service or to change its objective",
            slo.row.team
        )
    };
    persistent.map(line).collect()
}

impl WeeklyContext<'_> {
    pub(super) fn recommendations(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.teams_without_destination().into_iter().collect();
        let mut idle_slos = BTreeSet::new();
        for row in &self.status.rows {
            let weeks = self.weeks(row);
            if row.raw.total == 0 && row.coverage() >= MIN_COVERAGE {
                if idle_slos.insert((&row.service, &row.slo)) {
                    let (id, SloRow { team, window, .. }) = (row.id(), row);
                    lines.push(format!("{id} ({team}): no traffic in {window}; remove the SLO if it is unused"));
                }
            } else if usize::try_from(PREVIOUS_WEEKS).is_ok_and(|before| weeks.len() > before) {
                lines.extend(too_loose(&weeks).or_else(|| too_strict(&weeks)));
            }
        }
        let warnings = self.problems.iter().filter(|problem| problem.severity == Severity::Warning);
        let mut by_message: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for problem in warnings {
            by_message.entry(&problem.message).or_default().push(format!("{}:{}", problem.file, problem.line));
        }
        lines.extend(by_message.into_iter().map(|(message, locations)| {
            let more = match locations.len() {
                0 | 1 => String::new(),
                count => format!(" and {}", pluralize(count - 1, "more location")),
            };
            format!("{}{more}: {message}; see `slowburn check`", locations[0])
        }));
        lines
    }

    /// Teams with services whose alerts have no destination, neither of their own nor of the platform team.
    fn teams_without_destination(&self) -> Option<String> {
        let has_ticket_destination = |team: &Team| !team.destinations_for(Urgency::Ticket).is_empty();
        let has_destination = |team: &str| self.catalog.teams.get(team).is_some_and(has_ticket_destination);
        if self.catalog.alerts.team.as_deref().is_some_and(has_destination) {
            return None;
        }
        let unreachable_services = self.catalog.services.iter().filter(|service| !has_destination(&service.team));
        let mut teams: BTreeMap<&str, usize> = BTreeMap::new();
        for service in unreachable_services {
            *teams.entry(&service.team).or_default() += 1;
        }
        let services: usize = teams.values().sum();
        let named: Vec<&str> = teams.into_keys().collect();
        let (first, rest) = named.split_at_checked(MAX_NAMED_TEAMS).unwrap_or((&named, &[]));
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        (services > 0).then(|| {
            format!(
                "alerts of {} have no destination (teams: {}{more}); set destinations for these teams in fleet.yaml, or set `alerts.team`",
                pluralize(services, "service"),
                first.join(", ")
            )
        })
    }
}

/// An SLO that hardly used its budget in any of the weeks.
fn too_loose(weeks: &[&SloRow]) -> Option<String> {
    let row = weeks.first()?;
    let max_consumed = weeks.iter().map(|row| row.budget.consumed()).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let allowed = weeks.iter().filter_map(|row| row.budget.allowed()).min()?;
    if max_consumed > LOW_CONSUMPTION || weeks.iter().any(|row| row.coverage() < MIN_COVERAGE) {
        return None;
    }
    let budget = budget_share(&row.objective)?;
    let fits = |other: Rational| {
        let has_enough_events = allowed * other / budget >= Rational::from_integer(MIN_ALLOWED_EVENTS);
        other < budget && has_enough_events && max_consumed * budget / other <= STRICTER_MAX_CONSUMPTION
    };
    let stricter = OBJECTIVES.iter().rev().find(|text| budget_share(text).is_some_and(fits))?;
    let used = if max_consumed == Rational::from_integer(0) {
        "none".to_owned()
    } else {
        format!("at most {}", format_percent(to_f64(max_consumed), 1))
    };
    Some(format!(
        "{} ({}): {used} of the error budget used in each of the last {} weeks; {} may be too loose, {stricter} would have left at \
         least half of the budget",
        row.id(),
        row.team,
        weeks.len(),
        row.objective
    ))
}

/// An SLO that was exhausted at the end of each of the weeks.
fn too_strict(weeks: &[&SloRow]) -> Option<String> {
    let row = weeks.first()?;
    if weeks.iter().any(|row| SloStatus::from_row(row) != SloStatus::Exhausted || row.coverage() < MIN_COVERAGE) {
        return None;
    }
    let budget = budget_share(&row.objective)?;
    let with_traffic = weeks.iter().filter(|row| row.sums.total > 0);
    let worst_bad_share =
        with_traffic.map(|row| Rational::new(i128::from(row.sums.bad), i128::from(row.sums.total))).max()?;
    let is_met = |other: Rational| other > budget && other >= worst_bad_share;
    let met_objective = OBJECTIVES.iter().rev().find(|text| budget_share(text).is_some_and(is_met));
    let kept =
        met_objective.map_or_else(String::new, |kept| format!(", or lower the objective to {kept}, which it met"));
    Some(format!(
        "{} ({}): {} missed at the end of each of the last {} weeks; improve the service{kept}",
        row.id(),
        row.team,
        row.objective,
        weeks.len()
    ))
}

fn budget_share(objective: &str) -> Option<Rational> {
    parse_percent(objective).map(|objective| Rational::from_integer(1) - objective)
}

//! Recommendations for the platform team.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, WEEKS_BEFORE};
use crate::exact::{Exact, percent, to_f64};
use crate::report::counted;
use crate::report::model::Row;
use crate::report::standing::Standing;
use crate::report::status::percent as shown;
use crate::slo::{Severity, Team, Urgency};

/// Common objectives.
const OBJECTIVES: [&str; 11] =
    ["50%", "80%", "90%", "95%", "98%", "99%", "99.5%", "99.9%", "99.95%", "99.99%", "99.999%"];
/// A budget of which never more than this share is used says that more could be promised.
const HARDLY_USED: Exact = Exact::new_raw(1, 20);
/// A stricter objective is suggested if it would have left this share of its budget.
const ROOM: Exact = Exact::new_raw(1, 2);
/// An objective under which fewer events may fail is not suggested: that none failed would say little.
const ALLOWED_MIN: i128 = 20;
/// A window of which less was observed is no habit.
const COVERAGE_MIN: f64 = 0.9;
/// Teams that are named in one line.
const NAMED_MAX: usize = 8;

impl Facts<'_> {
    pub(super) fn hygiene(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.without_owner().into_iter().collect();
        let mut silent = BTreeSet::new();
        for row in &self.status.rows {
            let weeks: Vec<&Row> = std::iter::once(row).chain(self.weeks.before(row).iter().copied()).collect();
            if row.raw.total == 0 && row.coverage() >= COVERAGE_MIN {
                if silent.insert((&row.service, &row.slo)) {
                    lines.push(format!(
                        "{}/{} ({}): no traffic in {}; remove the SLO if it is unused",
                        row.service, row.slo, row.team, row.window
                    ));
                }
            } else if usize::try_from(WEEKS_BEFORE).is_ok_and(|before| weeks.len() > before) {
                lines.extend(too_loose(&weeks).or_else(|| too_strict(&weeks)));
            }
        }
        let warnings = self.problems.iter().filter(|problem| problem.severity == Severity::Warning);
        let mut by_message: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for problem in warnings {
            by_message.entry(&problem.message).or_default().push(format!("{}:{}", problem.file, problem.line));
        }
        lines.extend(by_message.into_iter().map(|(message, places)| match places.as_slice() {
            [place] => format!("{place}: {message}; see `slowburn check`"),
            [place, ..] => {
                format!("{place} and {}: {message}; see `slowburn check`", counted(places.len() - 1, "more location"))
            }
            [] => String::new(),
        }));
        lines
    }

    /// Teams with services whose alerts have no destination, neither of their own nor of the platform team.
    fn without_owner(&self) -> Option<String> {
        let has_any = |team: &Team| !team.told_of(Urgency::Ticket).is_empty();
        let hears = |team: &str| self.catalog.teams.get(team).is_some_and(has_any);
        if self.catalog.alerts.team.as_deref().is_some_and(hears) {
            return None;
        }
        let deaf = self.catalog.services.iter().filter(|service| !hears(&service.team));
        let mut teams: BTreeMap<&str, usize> = BTreeMap::new();
        for service in deaf {
            *teams.entry(&service.team).or_default() += 1;
        }
        let services: usize = teams.values().sum();
        let named: Vec<&str> = teams.into_keys().collect();
        let (first, rest) = named.split_at_checked(NAMED_MAX).unwrap_or((&named, &[]));
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        (services > 0).then(|| {
            format!(
                "alerts of {} have no destination (teams: {}{more}); set destinations for these teams in fleet.yaml, or set `alerts.team`",
                counted(services, "service"),
                first.join(", ")
            )
        })
    }
}

/// An SLO that hardly used its budget in any of the weeks.
fn too_loose(weeks: &[&Row]) -> Option<String> {
    let row = weeks.first()?;
    let used = weeks.iter().map(|row| row.budget.consumed()).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let allowed = weeks.iter().filter_map(|row| row.budget.allowed()).min()?;
    if used > HARDLY_USED || weeks.iter().any(|row| row.coverage() < COVERAGE_MIN) {
        return None;
    }
    let budget = percent(&row.objective).map(|objective| Exact::from_integer(1) - objective)?;
    let stricter = OBJECTIVES.iter().rev().find(|text| {
        let other = percent(text).map(|objective| Exact::from_integer(1) - objective);
        other.is_some_and(|other| {
            let enough = allowed * other / budget >= Exact::from_integer(ALLOWED_MIN);
            other < budget && enough && used * budget / other <= ROOM
        })
    })?;
    let used =
        if used == Exact::from_integer(0) { "none".to_owned() } else { format!("at most {}", shown(to_f64(used), 1)) };
    Some(format!(
        "{}/{} ({}): {used} of the error budget used in each of the last {} weeks; {} may be too loose, {stricter} would have left at \
         least half of the budget",
        row.service,
        row.slo,
        row.team,
        weeks.len(),
        row.objective
    ))
}

/// An SLO that was exhausted at the end of each of the weeks.
fn too_strict(weeks: &[&Row]) -> Option<String> {
    let row = weeks.first()?;
    if weeks.iter().any(|row| Standing::of(row) != Standing::Exhausted || row.coverage() < COVERAGE_MIN) {
        return None;
    }
    let promised = percent(&row.objective)?;
    let failed = weeks.iter().filter(|row| row.sums.total > 0);
    let worst = failed.map(|row| Exact::new(i128::from(row.sums.bad), i128::from(row.sums.total))).max()?;
    let kept = OBJECTIVES
        .iter()
        .rev()
        .find(|text| percent(text).is_some_and(|other| other < promised && Exact::from_integer(1) - other >= worst));
    let kept = kept.map_or_else(String::new, |kept| format!(", or lower the objective to {kept}, which it met"));
    Some(format!(
        "{}/{} ({}): {} missed at the end of each of the last {} weeks; improve the service{kept}",
        row.service,
        row.slo,
        row.team,
        row.objective,
        weeks.len()
    ))
}

//! One promise in a weekly report: how it stands, how it stood, and for how many weeks it has been so.

use std::collections::HashMap;

use crate::exact::to_f64;
use crate::report::counted;
use crate::report::model::{Bar, Row, Status};
use crate::report::standing::{Standing, in_a_week, why};
use crate::report::status::budget_left;

/// How promises stood at the ends of the weeks before, the newest first.
#[derive(Default)]
pub struct Weeks<'a>(HashMap<[String; 3], Vec<&'a Row>>);

impl<'a> Weeks<'a> {
    /// Of the statuses of those moments, the newest first.
    #[must_use]
    pub fn of(statuses: &'a [Status]) -> Self {
        let mut weeks: HashMap<_, Vec<&Row>> = HashMap::new();
        for row in statuses.iter().flat_map(|status| &status.rows) {
            weeks.entry(names(row)).or_default().push(row);
        }
        Self(weeks)
    }

    /// How a promise stood, the newest week first.
    #[must_use]
    pub fn before(&self, row: &Row) -> &[&'a Row] {
        self.0.get(&names(row)).map_or(&[], Vec::as_slice)
    }
}

fn names(row: &Row) -> [String; 3] {
    [&row.service, &row.slo, &row.window].map(String::clone)
}

/// A promise over one of its windows, in words and numbers for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    /// How it stands.
    pub standing: Standing,
    /// `checkout/availability`.
    pub name: String,
    /// `99.9% over 30d`.
    pub promised: String,
    /// Whose it is.
    pub team: String,
    /// Why it stands as it does: the rest of a sentence that began with its name.
    pub why: String,
    /// The budget that is left, rounded; with the raw one beside it where minutes do not count.
    pub left: String,
    /// The share of the budget that is left; `None` where there is none to be left.
    pub remaining: Option<f64>,
    /// That share a week before, where both weeks are known well enough to be compared.
    pub week_before: Option<f64>,
    /// For how many weeks in a row it has been exhausted or at risk, this one included.
    pub weeks: usize,
    /// What the policy says of it.
    pub policy: Option<String>,
    /// The burn of its newest days, the newest last.
    pub days: Vec<Bar>,
}

impl Promise {
    pub(super) fn of(row: &Row, weeks: &Weeks<'_>) -> Self {
        let in_trouble = |row: &Row| matches!(Standing::of(row), Standing::Exhausted | Standing::AtRisk);
        let before = weeks.before(row).iter().take_while(|row| in_trouble(row)).count();
        Self {
            standing: Standing::of(row),
            name: format!("{}/{}", row.service, row.slo),
            promised: format!("{} over {}", row.objective, row.window),
            team: row.team.clone(),
            why: why(row),
            left: budget_left(row),
            remaining: row.budget.remaining().map(to_f64),
            week_before: in_a_week(row).map(|(_, then)| then),
            weeks: if in_trouble(row) { before + 1 } else { 0 },
            policy: row.policy.as_ref().map(|step| step.then.clone()),
            days: row.bars.clone(),
        }
    }

    /// `checkout/availability (99.9% over 30d, mart)`.
    pub(super) fn named(&self) -> String {
        format!("{} ({}, {})", self.name, self.promised, self.team)
    }

    /// What there is to say of it.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.named(), self.why)
    }

    /// What is the matter, whose it is, for how long, and what the policy says of it.
    pub(super) fn action(&self) -> String {
        let again = if self.weeks > 1 { format!("; so for {} in a row", self.for_weeks()) } else { String::new() };
        let policy = self.policy.as_ref().map_or_else(String::new, |then| format!("; the policy says: {then}"));
        format!("{} {}{again}{policy}", self.standing.word(), self.line())
    }

    /// `3 weeks`; from the number on that is looked back at, `at least 4 weeks`.
    pub(super) fn for_weeks(&self) -> String {
        let all = usize::try_from(super::WEEKS_BEFORE).unwrap_or(0) + 1;
        let least = if self.weeks >= all { "at least " } else { "" };
        format!("{least}{}", counted(self.weeks, "week"))
    }

    /// How the budget moved in the week, in points of a percent of it: `12 points less in a week`; `None` where it did not.
    #[must_use]
    pub fn trend(&self) -> Option<String> {
        let moved = 100.0 * (self.remaining? - self.week_before?);
        let way = if moved < 0.0 { "less" } else { "more" };
        (moved.abs() >= 0.5).then(|| format!("{:.0} points {way} in a week", moved.abs()))
    }
}

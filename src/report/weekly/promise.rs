//! One SLO in a weekly report: its status, its budget a week before, and for how many weeks the status has lasted.

use std::collections::HashMap;

use crate::exact::to_f64;
use crate::report::counted;
use crate::report::model::{Bar, Row, Status};
use crate::report::standing::{Standing, in_a_week, is_too_early, needs_action, why};
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
    /// Whether somebody should do something about it.
    pub needs_action: bool,
    /// Whether too little was observed yet to judge it.
    pub is_too_early: bool,
    /// `checkout/availability`.
    pub name: String,
    /// `99.9%`.
    pub objective: String,
    /// `30d`.
    pub window: String,
    /// Whose it is.
    pub team: String,
    /// The reason for its status.
    pub why: String,
    /// The budget that is left, rounded; with the raw one beside it where minutes do not count.
    pub left: String,
    /// The share of the budget that is left; `None` where there is none to be left.
    pub remaining: Option<f64>,
    /// That share a week before, where both weeks are known well enough to be compared.
    pub week_before: Option<f64>,
    /// For how many weeks in a row it has been exhausted or at risk, this one included.
    pub weeks: usize,
    /// The step of the error-budget policy that applies.
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
            needs_action: needs_action(row),
            is_too_early: is_too_early(row),
            name: format!("{}/{}", row.service, row.slo),
            objective: row.objective.clone(),
            window: row.window.clone(),
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

    /// `99.9% over 30d`.
    pub(super) fn promised(&self) -> String {
        format!("{} over {}", self.objective, self.window)
    }

    /// `checkout/availability (99.9% over 30d, mart)`.
    pub(super) fn named(&self) -> String {
        format!("{} ({}, {})", self.name, self.promised(), self.team)
    }

    /// The SLO with the reason for its status.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.named(), self.why)
    }

    /// `exhausted, 154% of the error budget used`; a reason that begins with the status stands alone.
    pub(super) fn status_and_reason(&self) -> String {
        let word = self.standing.word();
        if self.why.starts_with(word) { self.why.clone() } else { format!("{word}, {}", self.why) }
    }

    /// The SLO with its status, for how long it has lasted, and the policy that applies.
    pub(super) fn action(&self) -> String {
        format!("{}: {}{}", self.named(), self.status_and_reason(), self.duration_and_policy())
    }

    /// `; exhausted or at risk for 3 weeks; policy: fixes only`.
    pub(super) fn duration_and_policy(&self) -> String {
        let weeks =
            if self.weeks > 1 { format!("; exhausted or at risk for {}", self.for_weeks()) } else { String::new() };
        let policy = self.policy.as_ref().map_or_else(String::new, |then| format!("; policy: {then}"));
        weeks + &policy
    }

    /// `3 weeks`; at the limit of what is evaluated, `at least 4 weeks`.
    pub(super) fn for_weeks(&self) -> String {
        let all = usize::try_from(super::WEEKS_BEFORE).unwrap_or(0) + 1;
        let least = if self.weeks >= all { "at least " } else { "" };
        format!("{least}{}", counted(self.weeks, "week"))
    }

    /// The change of the budget in the week, in percentage points: `down 12 points in 7 days`; `None` where there is
    /// none.
    #[must_use]
    pub fn trend(&self) -> Option<String> {
        let moved = 100.0 * (self.remaining? - self.week_before?);
        let way = if moved < 0.0 { "down" } else { "up" };
        let points = format!("{:.0}", moved.abs());
        let noun = if points == "1" { "point" } else { "points" };
        (moved.abs() >= 0.5).then(|| format!("{way} {points} {noun} in 7 days"))
    }
}

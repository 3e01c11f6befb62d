//! How each number was made, with the whole numbers that it was made of, so that anybody can check it.

use serde::Serialize;

use super::definition::{bad_events, events, were};
use crate::burn::Budget;
use crate::cost::grouped;
use crate::counts::Sums;
use crate::exact::{Exact, to_f64};
use crate::minute::length_text;
use crate::report::model::Row;
use crate::report::status::{left, percent};
use crate::slo::Slo;

/// A number, and how it comes about.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    what: &'static str,
    how: String,
}

/// The numbers of a row.
pub(super) fn numbers(slo: &Slo, row: &Row) -> Vec<Made> {
    let Sums { total, bad: failed, known } = row.sums;
    let (all, share) = (grouped(total), slo.objective.budget());
    let mut made = vec![
        Made { what: "Counted", how: format!("{} of {all} {} {}", grouped(failed), events(slo), were(slo)) },
        Made {
            what: "Coverage",
            how: format!(
                "{} of {} minutes are known = {}{}",
                grouped(u64::from(known)),
                grouped(u64::from(row.minutes)),
                percent(row.coverage(), 3),
                row.watermark.map_or_else(String::new, |end| format!("; data until {end}"))
            ),
        },
    ];
    if let Some(sli) = row.sli {
        let how = format!("({all} − {}) / {all} = {}", grouped(failed), percent(sli, 4));
        made.push(Made { what: "SLI", how });
    }
    if let Some(allowed) = row.budget.allowed() {
        let how = format!("(1 − {}) × {all} = {} {}", row.objective, decimal(allowed), events(slo));
        made.push(Made { what: "Budget", how });
        if let Some(used) = row.budget.consumed() {
            let how = format!(
                "{} / {} = {}; {} left",
                grouped(failed),
                decimal(allowed),
                percent(to_f64(used), 2),
                left(&row.budget)
            );
            made.push(Made { what: "Used", how });
        }
    } else {
        made.push(Made { what: "Budget", how: "no events, so no error budget".to_owned() });
    }
    if row.is_corrected() {
        let how = format!(
            "{} excluded by {}; raw: {} of {} {} {}, error budget (1 − {}) × {} = {}{}",
            length_text(row.excluded_minutes),
            row.corrections.join(", "),
            grouped(row.raw.bad),
            grouped(row.raw.total),
            events(slo),
            were(slo),
            row.objective,
            grouped(row.raw.total),
            row.raw_budget.allowed().map_or_else(|| "0".to_owned(), decimal),
            rest(&row.raw_budget)
        );
        made.push(Made { what: "Corrected", how });
    }
    made.push(Made {
        what: "Burn rate",
        how: format!(
            "({} / all {}, in a tier’s window) / {}; at 1x, the error budget lasts exactly one SLO window",
            bad_events(slo),
            events(slo),
            percent(to_f64(share), 4)
        ),
    });
    made
}

/// What is left of a budget, as the end of a sentence: `, 40.4% left` or `, exceeded`.
fn rest(budget: &Budget) -> String {
    match (budget.remaining(), budget.allowed()) {
        (Some(_), _) => format!(", {} left", left(budget)),
        (None, Some(_)) => format!(", {}", left(budget)),
        (None, None) => String::new(),
    }
}

/// A number of events that may fail: whole where it is, else with one decimal more than the eye needs.
fn decimal(number: Exact) -> String {
    if number.is_integer() {
        return u64::try_from(number.to_integer()).map_or_else(|_| number.to_string(), grouped);
    }
    let tenths = (number * Exact::from_integer(10)).round().to_integer();
    let whole = u64::try_from(tenths / 10).map_or_else(|_| String::new(), grouped);
    format!("{whole}.{}", tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shown_as_exactly_as_anybody_needs() {
        assert_eq!(decimal(Exact::from_integer(1_204)), "1,204");
        assert_eq!(decimal(Exact::new(12_043_312, 10_000)), "1,204.3");
        assert_eq!(decimal(Exact::new(1, 3)), "0.3");
    }
}

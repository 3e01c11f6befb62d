//! How each number was made, with the whole numbers that it was made of, so that anybody can check it.

use serde::Serialize;

use super::definition::{bad_event_noun, bad_event_verb, event_noun};
use crate::burn::ErrorBudget;
use crate::counts::Sums;
use crate::format::{format_percent, with_thousands_separators};
use crate::rational::{Rational, to_f64};
use crate::report::model::SloRow;
use crate::report::status::format_budget_left;
use crate::slo::Slo;
use crate::time::format_duration;

/// A number, and how it comes about.
#[derive(Debug, Serialize)]
pub(super) struct Calculation {
    what: &'static str,
    how: String,
}

/// The numbers of a row.
pub(super) fn calculations(slo: &Slo, row: &SloRow) -> Vec<Calculation> {
    let Sums { total, bad: failed, known } = row.sums;
    let (total_text, allowed_share) = (with_thousands_separators(total), slo.objective.budget());
    let mut calculations = vec![
        Calculation {
            what: "Counted",
            how: format!(
                "{} of {total_text} {} {}",
                with_thousands_separators(failed),
                event_noun(slo),
                bad_event_verb(slo)
            ),
        },
        Calculation {
            what: "Coverage",
            how: format!(
                "{} of {} minutes are known = {}{}",
                with_thousands_separators(u64::from(known)),
                with_thousands_separators(u64::from(row.minutes)),
                format_percent(row.coverage(), 3),
                row.watermark.map_or_else(String::new, |end| format!("; data until {end}"))
            ),
        },
    ];
    if let Some(sli) = row.sli {
        let how = format!(
            "({total_text} − {}) / {total_text} = {}",
            with_thousands_separators(failed),
            format_percent(sli, 4)
        );
        calculations.push(Calculation { what: "SLI", how });
    }
    if let Some(allowed) = row.budget.allowed() {
        let how =
            format!("(1 − {}) × {total_text} = {} {}", row.objective, format_exact_count(allowed), event_noun(slo));
        calculations.push(Calculation { what: "Budget", how });
        if let Some(used) = row.budget.consumed() {
            let how = format!(
                "{} / {} = {}; {} left",
                with_thousands_separators(failed),
                format_exact_count(allowed),
                format_percent(to_f64(used), 2),
                format_budget_left(&row.budget)
            );
            calculations.push(Calculation { what: "Used", how });
        }
    } else {
        calculations.push(Calculation { what: "Budget", how: "no events, so no error budget".to_owned() });
    }
    if row.is_corrected() {
        let how = format!(
            "{} excluded by {}; raw: {} of {} {} {}, error budget (1 − {}) × {} = {}{}",
            format_duration(row.excluded_minutes),
            row.corrections.join(", "),
            with_thousands_separators(row.raw.bad),
            with_thousands_separators(row.raw.total),
            event_noun(slo),
            bad_event_verb(slo),
            row.objective,
            with_thousands_separators(row.raw.total),
            row.raw_budget.allowed().map_or_else(|| "0".to_owned(), format_exact_count),
            budget_left_suffix(&row.raw_budget)
        );
        calculations.push(Calculation { what: "Corrected", how });
    }
    calculations.push(Calculation {
        what: "Burn rate",
        how: format!(
            "({} / all {}, in a tier’s window) / {}; at 1x, the error budget lasts exactly one SLO window",
            bad_event_noun(slo),
            event_noun(slo),
            format_percent(to_f64(allowed_share), 4)
        ),
    });
    calculations
}

/// What is left of a budget, as the end of a sentence: `, 40.4% left` or `, exceeded`.
fn budget_left_suffix(budget: &ErrorBudget) -> String {
    match (budget.remaining(), budget.allowed()) {
        (Some(_), _) => format!(", {} left", format_budget_left(budget)),
        (None, Some(_)) => format!(", {}", format_budget_left(budget)),
        (None, None) => String::new(),
    }
}

/// A number of events that may fail: whole where it is, else with one decimal more than the eye needs.
fn format_exact_count(number: Rational) -> String {
    if number.is_integer() {
        return u64::try_from(number.to_integer()).map_or_else(|_| number.to_string(), with_thousands_separators);
    }
    let tenths = (number * Rational::from_integer(10)).round().to_integer();
    let whole = u64::try_from(tenths / 10).map_or_else(|_| String::new(), with_thousands_separators);
    format!("{whole}.{}", tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_counts_have_at_most_one_decimal() {
        assert_eq!(format_exact_count(Rational::from_integer(1_204)), "1,204");
        assert_eq!(format_exact_count(Rational::new(12_043_312, 10_000)), "1,204.3");
        assert_eq!(format_exact_count(Rational::new(1, 3)), "0.3");
    }
}

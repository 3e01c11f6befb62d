//! Budgets day by day as a Parquet file, a row for each day, SLO and window; any Parquet tool reads it.

use polars::prelude::{Column, PolarsResult};

use super::encode;
use crate::report::data_export::{BUDGET_COLUMNS, DailyBudget};
use crate::store::StoreError;

/// The file; days are texts, `2026-10-31`, and unknown values are null.
pub fn budgets_parquet(budgets: &[DailyBudget]) -> Result<Vec<u8>, StoreError> {
    encode_budgets(budgets).map_err(|source| StoreError::Parquet { name: "budgets".to_owned(), source })
}

fn encode_budgets(budgets: &[DailyBudget]) -> PolarsResult<Vec<u8>> {
    let texts = |text_of: fn(&DailyBudget) -> &str| budgets.iter().map(text_of).collect::<Vec<_>>();
    let [day, team, service, slo, class, objective, window, total, bad, coverage, consumed, remaining, status] =
        BUDGET_COLUMNS.map(|(name, _)| name.into());
    let days: Vec<String> = budgets.iter().map(|one| one.day.to_string()).collect();
    let columns = vec![
        Column::new(day, days),
        Column::new(team, texts(|one| &one.team)),
        Column::new(service, texts(|one| &one.service)),
        Column::new(slo, texts(|one| &one.slo)),
        Column::new(class, texts(|one| &one.class)),
        Column::new(objective, texts(|one| &one.objective)),
        Column::new(window, texts(|one| &one.window)),
        Column::new(total, budgets.iter().map(|one| one.total).collect::<Vec<_>>()),
        Column::new(bad, budgets.iter().map(|one| one.bad).collect::<Vec<_>>()),
        Column::new(coverage, budgets.iter().map(|one| one.coverage).collect::<Vec<_>>()),
        Column::new(consumed, budgets.iter().map(|one| one.consumed).collect::<Vec<_>>()),
        Column::new(remaining, budgets.iter().map(|one| one.remaining).collect::<Vec<_>>()),
        Column::new(status, texts(|one| one.status.key())),
    ];
    encode(budgets.len(), columns, &[])
}

//! The status as CloudWatch metrics: a few for the fleet and, on request, one for each SLO.

use std::collections::BTreeMap;

use crate::rational::to_f64;
use crate::report::model::{FleetStatus, SloRow};
use crate::report::slo_status::SloStatus;

/// One number of one moment. Names of definitions are such as CloudWatch takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// What it is.
    pub name: &'static str,
    /// Of what.
    pub dimensions: Vec<(&'static str, String)>,
    /// How much.
    pub value: f64,
    /// Whether it is in percent, or a count.
    pub is_percent: bool,
}

/// That a run was completed, and how many SLOs of each class have which status.
#[must_use]
pub fn fleet_metrics(status: &FleetStatus) -> Vec<Datum> {
    let count = |name, dimensions, value: u32| Datum { name, dimensions, value: value.into(), is_percent: false };
    let mut classes: BTreeMap<(&str, SloStatus), u32> = BTreeMap::new();
    for row in &status.rows {
        for slo_status in SloStatus::ALL {
            *classes.entry((&row.class, slo_status)).or_default() += u32::from(SloStatus::from_row(row) == slo_status);
        }
    }
    let of_class = classes.into_iter().map(|((class, slo_status), number)| {
        count("SloCount", vec![("Class", class.to_owned()), ("Status", slo_status.key().to_owned())], number)
    });
    std::iter::once(count("Runs", Vec::new(), 1)).chain(of_class).collect()
}

/// The error budget that is left of each SLO, in percent, where it is known.
#[must_use]
pub fn slo_metrics(status: &FleetStatus) -> Vec<Datum> {
    let budget_left_metric = |row: &SloRow| {
        let left = row.budget.remaining()?;
        let dimensions = [("Team", &row.team), ("Service", &row.service), ("SLO", &row.slo), ("Window", &row.window)];
        let dimensions = dimensions.map(|(name, text)| (name, text.clone())).to_vec();
        Some(Datum { name: "ErrorBudgetRemaining", dimensions, value: 100.0 * to_f64(left), is_percent: true })
    };
    status.rows.iter().filter_map(budget_left_metric).collect()
}

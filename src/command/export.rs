//! `slowburn export`: the known minutes of the ledger as they were counted, or budgets day by day.

use super::load::{find_slo, load_definitions, open_ledger};
use super::output::Output;
use super::separate_folders::DisjointLocations;
use super::{CommandError, ExitStatus, READ_ATTEMPTS_MAX};
use crate::cli::CommonArgs;
use crate::cli::export::{ExportArgs, ExportFormat, ExportWhat};
use crate::engine::{self, EngineError};
use crate::report::data_export::{self, DailyBudget};
use crate::slo::{Catalog, Service, Slo};
use crate::store::{LedgerStore, StoreError, budgets_parquet};
use crate::time::{Day, Minute, Span};

/// How many days of budgets there are unless others are asked for.
const DEFAULT_BUDGET_DAYS: i32 = 30;

pub(super) async fn export(arguments: ExportArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.evaluation_time(now);
    if arguments.format == ExportFormat::Parquet {
        if arguments.what == ExportWhat::Minutes {
            return Err(CommandError::usage(
                "minutes can be exported as CSV only\nhint: use `--format csv`; the ledger itself stores minutes as Parquet",
            ));
        }
        if arguments.file.out.is_none() {
            return Err(CommandError::usage("cannot write Parquet to stdout\nhint: name a file with `--out FILE`"));
        }
    }
    let (from, to) = (arguments.from.map(|from| from.resolve(now)), arguments.to.map_or(at, |to| to.resolve(now)));
    if let Some(from) = from.filter(|from| *from >= to) {
        return Err(CommandError::usage(format!(
            "no minutes to export from {from} to {to}\nhint: `--from` must be before `--to`, and before `--at` without `--to`"
        )));
    }
    let definitions = load_definitions(&arguments.common, at)?;
    DisjointLocations::new(&arguments.common.ledger, &definitions.catalog)
        .with_output_folder("the output", arguments.file.out.as_ref())
        .check()?;
    let selected = arguments.slo.as_ref().map(|name| find_slo(&definitions, name)).transpose()?;
    let store = open_ledger(&arguments.common).await?;
    let mut output = Output::create(arguments.file.out.as_deref())?;
    match arguments.what {
        ExportWhat::Minutes => {
            let slos: Vec<&Slo> = match selected {
                Some((_, slo)) => vec![slo],
                None => definitions.catalog.slos().map(|(_, slo)| slo).collect(),
            };
            let end = to;
            let start = from.or_else(|| store.first_day().map(Day::start)).unwrap_or(end);
            write_minutes(&mut output, &slos, (&arguments.common, store), Span::new(start, end)).await?;
        }
        ExportWhat::Budgets => {
            let catalog =
                selected.map_or_else(|| definitions.catalog.clone(), |one| restrict_to_slo(&definitions.catalog, one));
            let end = to.day().start();
            let start = from.unwrap_or_else(|| end.day().plus(-DEFAULT_BUDGET_DAYS).start());
            let rows = daily_budgets(&catalog, &store, Span::new(start, end)).await?;
            let bytes = match arguments.format {
                ExportFormat::Csv => {
                    let text = data_export::budgets_csv(&rows);
                    text.map_err(|error| CommandError::with_context("cannot write the budgets as CSV", error))?
                        .into_bytes()
                }
                ExportFormat::Parquet => {
                    budgets_parquet(&rows).map_err(|error| CommandError::new(error.to_string()))?
                }
            };
            output.write(&bytes)?;
        }
    }
    output.finish()?;
    Ok(if definitions.has_errors() { ExitStatus::Partial } else { ExitStatus::Success })
}

async fn write_minutes(
    output: &mut Output,
    slos: &[&Slo],
    (common, mut store): (&CommonArgs, LedgerStore),
    range: Span,
) -> Result<(), CommandError> {
    output.write(data_export::MINUTES_HEADER.as_bytes())?;
    // A day at a time: a ledger of a year need not fit into memory, nor onto the screen before the first line shows.
    for day in range.days() {
        let span = day.span().intersect(range);
        let mut attempts = 1;
        let minutes = loop {
            match engine::load_minutes(&store, span).await {
                Err(EngineError::Store(StoreError::ChangedWhileReading)) if attempts < READ_ATTEMPTS_MAX => {
                    attempts += 1;
                    store = open_ledger(common).await?;
                }
                Err(error) => return Err(CommandError::new(error.to_string())),
                Ok(minutes) => break minutes,
            }
        };
        let text = data_export::minutes_csv(slos, &minutes, span).map_err(|day| CommandError::new(day.to_string()))?;
        output.write(text.as_bytes())?;
    }
    Ok(())
}

/// A day that has not ended is left out: its budget would be another one tomorrow.
async fn daily_budgets(catalog: &Catalog, store: &LedgerStore, span: Span) -> Result<Vec<DailyBudget>, CommandError> {
    let mut rows = Vec::new();
    for day in span.days().filter(|day| day.span().end <= span.end) {
        let status = engine::evaluate(catalog, store, day.span().end).await?;
        rows.extend(data_export::daily_budgets(day, &status));
    }
    Ok(rows)
}

/// The catalogue with one SLO only.
fn restrict_to_slo(catalog: &Catalog, (service, slo): (&Service, &Slo)) -> Catalog {
    let service = Service { slos: vec![slo.clone()], ..service.clone() };
    Catalog { services: vec![service], ..catalog.clone() }
}

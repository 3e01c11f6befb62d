//! `slowburn export`: the known minutes of the ledger as they were counted, or budgets day by day.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::disjoint_locations::check_disjoint;
use super::load::{find_slo, load_definitions, open_ledger};
use super::output::Output;
use super::shared_arguments::{CommonArgs, DATA, OUTPUT, OutFile};
use super::time::Time;
use super::{CommandError, ExitStatus, READ_ATTEMPTS_MAX, completions};
use crate::location::Location;
use crate::queries;
use crate::report::data_export::{self, DailyBudget};
use crate::slo::{Catalog, Service, Slo};
use crate::store::{LedgerStore, LoadRequest, StoreError, budgets_parquet};
use crate::time::{Day, Minute, Span};

const EXAMPLES: &str = "\
Examples:
  slowburn export checkout/availability --from yesterday
  slowburn export --what budgets --out budgets.csv
  slowburn export --what budgets --format parquet --from -90d --out budgets.parquet";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// Only this SLO, as `SERVICE/SLO`
    #[arg(value_name = "SLO", add = ArgValueCandidates::new(completions::slo_candidates))]
    pub slo: Option<String>,
    #[command(flatten)]
    pub common: CommonArgs,
    /// First minute [default: the start of the ledger; for budgets, 30 days ago]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub from: Option<Time>,
    /// Stop before this time [default: the time of `--at`]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub to: Option<Time>,
    /// Data to export
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub what: ExportWhat,
    /// Output format; minutes are available as CSV only
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ExportFormat,
    #[command(flatten)]
    pub file: OutFile,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportWhat {
    /// The counts of every known minute
    #[default]
    Minutes,
    /// The error budget of each window at the end of each UTC day
    Budgets,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated values
    #[default]
    Csv,
    /// A Parquet file
    Parquet,
}

const DEFAULT_BUDGET_DAYS: i32 = 30;

pub async fn export(arguments: &ExportArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.time.evaluation_time(now);
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
    let out = &arguments.file.out;
    check_disjoint(
        &arguments.common.ledger,
        &definitions.catalog,
        [("the output", out.clone().map(Location::Directory))],
    )?;
    let selected = arguments.slo.as_ref().map(|name| find_slo(&definitions, name)).transpose()?;
    let store = open_ledger(&arguments.common).await?;
    let mut output = Output::create(out.as_deref())?;
    match arguments.what {
        ExportWhat::Minutes => {
            let slos: Vec<&Slo> = match selected {
                Some((_, slo)) => vec![slo],
                None => definitions.catalog.slos().map(|(_, slo)| slo).collect(),
            };
            let start = from.or_else(|| store.first_day().map(Day::start)).unwrap_or(to);
            write_minutes(&mut output, &slos, &arguments.common, store, Span::new(start, to)).await?;
        }
        ExportWhat::Budgets => {
            let mut catalog = definitions.catalog.clone();
            if let Some((service, slo)) = selected {
                catalog.services = vec![Service { slos: vec![slo.clone()], ..service.clone() }];
            }
            let end = to.day().start();
            let start = from.unwrap_or_else(|| end.day().plus(-DEFAULT_BUDGET_DAYS).start());
            let rows = daily_budgets(&catalog, &store, Span::new(start, end)).await?;
            let bytes = match arguments.format {
                ExportFormat::Csv => {
                    let text = data_export::budgets_csv(&rows);
                    text.map_err(CommandError::with_context("cannot write the budgets as CSV"))?.into_bytes()
                }
                ExportFormat::Parquet => budgets_parquet(&rows).map_err(CommandError::new)?,
            };
            output.write(&bytes)?;
        }
    }
    output.finish()?;
    Ok(ExitStatus::partial_if(definitions.has_errors()))
}

async fn write_minutes(
    output: &mut Output,
    slos: &[&Slo],
    common: &CommonArgs,
    mut store: LedgerStore,
    range: Span,
) -> Result<(), CommandError> {
    output.write(data_export::MINUTES_HEADER.as_bytes())?;
    // A day at a time: a ledger of a year need not fit into memory, nor onto the screen before the first line shows.
    for day in range.days() {
        let span = day.span().intersect(range);
        let mut attempts = 1;
        let minutes = loop {
            match store.load(&LoadRequest::for_days(span.days(), [])).await {
                Err(StoreError::ChangedWhileReading) if attempts < READ_ATTEMPTS_MAX => {
                    attempts += 1;
                    store = open_ledger(common).await?;
                }
                Err(error) => return Err(CommandError::new(error)),
                Ok(minutes) => break minutes,
            }
        };
        let text = data_export::minutes_csv(slos, &minutes, span).map_err(CommandError::new)?;
        output.write(text.as_bytes())?;
    }
    Ok(())
}

/// A day that has not ended is left out: its budget would be another one tomorrow.
async fn daily_budgets(catalog: &Catalog, store: &LedgerStore, span: Span) -> Result<Vec<DailyBudget>, CommandError> {
    let mut rows = Vec::new();
    for day in span.days().filter(|day| day.span().end <= span.end) {
        let status = queries::evaluate(catalog, store, day.span().end).await?;
        rows.extend(data_export::daily_budgets(day, &status));
    }
    Ok(rows)
}

//! `slowburn export`: the known minutes of the ledger as they were counted, or budgets day by day.

use super::apart::Apart;
use super::open::{ledger, slo, sound_definitions};
use super::output::Output;
use super::{Ended, Failure, READS};
use crate::cli::Place;
use crate::cli::export::{ExportArgs, ExportFormat, ExportWhat};
use crate::engine::{self, EngineError};
use crate::minute::{Day, Minute, Span};
use crate::report::budgets::{self, DayBudget};
use crate::report::minutes;
use crate::slo::{Catalog, Service, Slo};
use crate::store::{LedgerStore, StoreError, budgets_parquet};

/// How many days of budgets there are unless others are asked for.
const BUDGET_DAYS: i32 = 30;

pub(super) async fn export(arguments: ExportArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at(now);
    if arguments.format == ExportFormat::Parquet {
        if arguments.what == ExportWhat::Minutes {
            return Err(Failure::usage(
                "minutes can be exported as CSV only\nhint: use `--format csv`; the ledger itself stores minutes as Parquet",
            ));
        }
        if arguments.file.out.is_none() {
            return Err(Failure::usage("cannot write Parquet to stdout\nhint: name a file with `--out FILE`"));
        }
    }
    let (from, to) = (arguments.from.map(|from| from.resolve(now)), arguments.to.map_or(at, |to| to.resolve(now)));
    if let Some(from) = from.filter(|from| *from >= to) {
        return Err(Failure::usage(format!(
            "no minutes to export from {from} to {to}\nhint: `--from` must be before `--to`, and before `--at` without `--to`"
        )));
    }
    let definitions = sound_definitions(&arguments.place, at)?;
    Apart::of(&arguments.place.ledger, &definitions.catalog)
        .and_folder("the output", arguments.file.out.as_ref())
        .check()?;
    let wanted = arguments.slo.as_ref().map(|name| slo(&definitions, name)).transpose()?;
    let store = ledger(&arguments.place).await?;
    let mut output = Output::to(arguments.file.out.as_deref())?;
    match arguments.what {
        ExportWhat::Minutes => {
            let slos: Vec<&Slo> = match wanted {
                Some((_, slo)) => vec![slo],
                None => definitions.catalog.slos().map(|(_, slo)| slo).collect(),
            };
            let end = to;
            let start = from.or_else(|| store.first_day().map(Day::start)).unwrap_or(end);
            write_minutes(&mut output, &slos, (&arguments.place, store), Span::new(start, end)).await?;
        }
        ExportWhat::Budgets => {
            let catalog = wanted.map_or_else(|| definitions.catalog.clone(), |one| alone(&definitions.catalog, one));
            let end = to.day().start();
            let start = from.unwrap_or_else(|| end.day().plus(-BUDGET_DAYS).start());
            let all = day_by_day(&catalog, &store, Span::new(start, end)).await?;
            let bytes = match arguments.format {
                ExportFormat::Csv => {
                    let text = budgets::csv(&all);
                    text.map_err(|error| Failure::because("cannot write the budgets as CSV", error))?.into_bytes()
                }
                ExportFormat::Parquet => budgets_parquet(&all).map_err(|error| Failure::new(error.to_string()))?,
            };
            output.write(&bytes)?;
        }
    }
    output.finish()?;
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

async fn write_minutes(
    output: &mut Output,
    slos: &[&Slo],
    (place, mut store): (&Place, LedgerStore),
    all: Span,
) -> Result<(), Failure> {
    output.write(minutes::HEADER.as_bytes())?;
    // A day at a time: a ledger of a year need not fit into memory, nor onto the screen before the first line shows.
    for day in all.days() {
        let span = day.span().intersect(all);
        let mut reads = 1;
        let minutes = loop {
            match engine::minutes(&store, span).await {
                Err(EngineError::Store(StoreError::Moved)) if reads < READS => {
                    reads += 1;
                    store = ledger(place).await?;
                }
                Err(error) => return Err(Failure::new(error.to_string())),
                Ok(minutes) => break minutes,
            }
        };
        let text = minutes::csv(slos, &minutes, span).map_err(|day| Failure::new(day.to_string()))?;
        output.write(text.as_bytes())?;
    }
    Ok(())
}

/// A day that has not ended is left out: its budget would be another one tomorrow.
async fn day_by_day(catalog: &Catalog, store: &LedgerStore, span: Span) -> Result<Vec<DayBudget>, Failure> {
    let mut all = Vec::new();
    for day in span.days().filter(|day| day.span().end <= span.end) {
        let status = engine::judge(catalog, store, day.span().end).await?;
        all.extend(budgets::of_day(day, &status));
    }
    Ok(all)
}

/// The catalogue as if it made but one promise.
fn alone(catalog: &Catalog, (service, slo): (&Service, &Slo)) -> Catalog {
    let service = Service { slos: vec![slo.clone()], ..service.clone() };
    Catalog { services: vec![service], ..catalog.clone() }
}

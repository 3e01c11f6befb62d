//! `slowburn report`: the budget report as a document or as pages, from the ledger alone.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum, ValueHint};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::disjoint_locations::check_disjoint;
use super::load::{load_definitions, open_ledger};
use super::output::{print, print_message};
use super::shared_arguments::{CommonArgs, OUTPUT, StateArgs};
use super::{CommandError, ExitStatus};
use crate::alert::AlertState;
use crate::evaluation::status::FleetStatus;
use crate::format::pluralize;
use crate::location::Location;
use crate::queries;
use crate::report::gate::{self, Override};
use crate::report::site::{RenderError, Site, SiteContext, SitePage};
use crate::report::{budget_report, incidents};
use crate::store::{LedgerStore, SiteFile, SiteWriter, StalePages};
use crate::time::{MINUTES_PER_DAY, Minute};

const EXAMPLES: &str = "\
Examples:
  slowburn report
  slowburn report --format json > report.json
  slowburn report --out site
  slowburn report --out s3://example-slo-site --dry-run-state";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub state: StateArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ReportFormat,
    /// Write HTML pages, `report.md` and `report.json` to this folder or `s3://bucket/prefix`
    ///
    /// There is one page with all services, one for each team and one for each service. Nothing is printed to stdout.
    #[arg(long, value_name = "LOCATION", env = "SLOWBURN_REPORT_OUT", conflicts_with = "format",
          value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: Option<Location>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReportFormat {
    /// Markdown
    #[default]
    Markdown,
    /// A JSON document
    Json,
}

/// The most pages that are held in memory.
const PAGES_PER_BATCH: usize = 64;

/// How many days back a report shows deploys in spite of the policy.
const OVERRIDE_DAYS: i32 = 30;

pub async fn report(arguments: &ReportArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.time.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let store = open_ledger(&arguments.common).await?;
    let status = queries::evaluate(&definitions.catalog, &store, at).await?;
    let (alert_state, _) = store.alert_state(arguments.state.kind()).await?;
    let overrides = recent_overrides(&store, at).await?;
    if let Some(location) = &arguments.out {
        check_disjoint(&arguments.common.ledger, &definitions.catalog, [("the pages", Some(location.clone()))])?;
        let histories = queries::load_histories(&definitions.catalog, &store, at).await?;
        let context = SiteContext {
            catalog: &definitions.catalog,
            status: &status,
            histories: &histories,
            alert_state: &alert_state,
            overrides: &overrides,
            problems: &definitions.problems,
        };
        write_site(location, context, documents(&status, &alert_state, &overrides)).await?;
    } else {
        print(render(&status, &alert_state, &overrides, arguments.format))?;
    }
    Ok(ExitStatus::partial_if(definitions.has_errors()))
}

async fn write_site(
    location: &Location,
    context: SiteContext<'_>,
    documents: Vec<SiteFile>,
) -> Result<(), CommandError> {
    let to_render_error = CommandError::with_context::<RenderError>("cannot create a page");
    let site = Site::new(context).map_err(&to_render_error)?;
    let subjects = site.pages();
    let names: BTreeSet<String> =
        subjects.iter().map(SitePage::path).chain(documents.iter().map(|page| page.name.clone())).collect();
    let pages = SiteWriter::begin(location, names, StalePages::Remove).await?;
    for batch in subjects.chunks(PAGES_PER_BATCH) {
        let render_page =
            |subject: &SitePage<'_>| Ok(SiteFile { name: subject.path(), text: site.render_page(*subject)? });
        let written: Result<Vec<SiteFile>, RenderError> = batch.par_iter().map(render_page).collect();
        pages.put(written.map_err(&to_render_error)?).await?;
    }
    pages.put(documents).await?;
    pages.finish().await?;
    print_message(format!("wrote {} to `{location}`: open `index.html`", pluralize(subjects.len(), "page")));
    Ok(())
}

/// `report.md` and `report.json`.
pub fn documents(status: &FleetStatus, alert_state: &AlertState, overrides: &[Override]) -> Vec<SiteFile> {
    [("report.md", ReportFormat::Markdown), ("report.json", ReportFormat::Json)]
        .map(|(name, format)| SiteFile { name: name.to_owned(), text: render(status, alert_state, overrides, format) })
        .into()
}

/// Deploys in spite of the policy in the days before a time.
pub async fn recent_overrides(store: &LedgerStore, at: Minute) -> Result<Vec<Override>, CommandError> {
    let all = store.overrides().await?;
    let since = at.plus(-OVERRIDE_DAYS * MINUTES_PER_DAY);
    Ok(all.into_iter().filter(|one| one.at > since && one.at <= at).collect())
}

fn render(status: &FleetStatus, alert_state: &AlertState, overrides: &[Override], format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => {
            budget_report::markdown(status)
                + &gate::overrides_markdown(overrides)
                + &incidents::markdown(alert_state, status)
        }
        ReportFormat::Json => {
            let mut document = budget_report::json(status);
            if let Some(fields) = document.as_object_mut() {
                fields.insert("incidents".to_owned(), incidents::json(alert_state, status));
                fields.insert("overrides".to_owned(), serde_json::json!(overrides));
            }
            format!("{document:#}\n")
        }
    }
}

//! `slowburn weekly`: the report of the last whole week, printed, kept, or sent to the teams.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;

use super::disjoint_locations::check_disjoint;
use super::load::{Definitions, load_definitions, open_ledger, open_ledger_for_update};
use super::output::{print, print_message, print_warning};
use super::shared_arguments::{ALERTS, ChannelArgs, CommonArgs, DEFINITIONS, OUTPUT, StateArgs};
use super::{CommandError, ExitStatus, completions};
use crate::alert::DeliveryError;
use crate::cost::Usage;
use crate::evaluation::status::FleetStatus;
use crate::location::Location;
use crate::notify::Notifier;
use crate::queries;
use crate::report::weekly::{ImageMode, PREVIOUS_WEEKS, Week, WeeklyContext, WeeklyReport};
use crate::slo::Catalog;
use crate::store::{LedgerStore, SiteFile, SiteWriter, StalePages, StoreError, write_new_file};
use crate::text::escape_non_printing;
use crate::time::{MINUTES_PER_DAY, Minute};

const EXAMPLES: &str = "\
Examples:
  slowburn weekly
  slowburn weekly --team shop --format html > shop.html
  # From cron, on Monday morning
  slowburn weekly --out /var/lib/slowburn/weekly --send";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WeeklyArgs {
    /// The report is about the last complete week before the time of the evaluation, from Monday in UTC.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Print the report of this team instead of the report of the fleet
    #[arg(long, value_name = "TEAM", conflicts_with = "send", help_heading = DEFINITIONS,
          add = ArgValueCandidates::new(completions::team_candidates))]
    pub team: Option<String>,
    #[command(flatten)]
    pub state: StateArgs,
    /// Send each report to the `reports` destinations of its team
    ///
    /// The report of the fleet goes to the platform team (`alerts: { team: ... }`). SLOs at risk for two weeks or more
    /// are also sent to the `tickets` destinations of their team. The ledger records what was sent; nothing is sent
    /// twice.
    #[arg(long, help_heading = ALERTS)]
    pub send: bool,
    #[command(flatten)]
    pub channels: ChannelArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: WeeklyFormat,
    /// Save all reports under this folder, as `WEEK/TEAM.md`, `.json` and `.html`
    ///
    /// The newest week is also saved under `latest`. Existing reports are not changed.
    #[arg(long, value_name = "DIR", env = "SLOWBURN_WEEKLY_OUT", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum WeeklyFormat {
    /// Markdown
    #[default]
    Markdown,
    /// A JSON document
    Json,
    /// The HTML version of the email, in one file
    Html,
}

const EXTENSIONS: [(WeeklyFormat, &str); 3] =
    [(WeeklyFormat::Markdown, "md"), (WeeklyFormat::Json, "json"), (WeeklyFormat::Html, "html")];

pub async fn weekly(arguments: &WeeklyArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let week = Week::last_before(arguments.common.time.evaluation_time(now));
    let definitions = load_definitions(&arguments.common, week.span.end)?;
    let catalog = &definitions.catalog;
    let outputs = [("the reports", &arguments.out), ("the dry run", &arguments.channels.dry_run)]
        .map(|(what, folder)| (what, folder.clone().map(Location::Directory)));
    check_disjoint(&arguments.common.ledger, catalog, outputs)?;
    let teams: BTreeSet<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    if let Some(team) = arguments.team.as_deref().filter(|team| !teams.contains(team)) {
        return Err(CommandError::unknown("team", team, teams));
    }
    let store = open_ledger(&arguments.common).await?;
    let reports = build_reports(&definitions, &store, week, arguments.state, &teams).await?;
    if let Some(folder) = &arguments.out
        && let Err(error) = save(folder, week, &reports).await
    {
        // A full disk must not prevent the report from being sent.
        if !arguments.send {
            return Err(error);
        }
        print_warning(error.message);
    }
    let mut undelivered = 0;
    if arguments.send {
        let sent = store.sent_weekly_reports().await?;
        drop(store);
        undelivered =
            WeeklySender { arguments, catalog, sent, notifier: Notifier::new(arguments.channels.settings(), now), now }
                .send(&reports)
                .await?;
    } else if arguments.out.is_none() || arguments.team.is_some() {
        let is_selected = |report: &&WeeklyReport| match &arguments.team {
            Some(team) => !report.is_fleet && report.owner == *team,
            None => report.is_fleet,
        };
        if let Some(report) = reports.iter().find(is_selected) {
            print(render(report, arguments.format)?)?;
        }
    }
    Ok(ExitStatus::partial_if(definitions.has_errors() || undelivered > 0))
}

/// The reports of all teams, and that of the fleet.
async fn build_reports(
    definitions: &Definitions,
    store: &LedgerStore,
    week: Week,
    state: StateArgs,
    teams: &BTreeSet<&str>,
) -> Result<Vec<WeeklyReport>, CommandError> {
    let catalog = &definitions.catalog;
    let status = queries::evaluate(catalog, store, week.span.end).await?;
    let mut previous: Vec<FleetStatus> = Vec::new();
    for back in 1..=PREVIOUS_WEEKS {
        previous.push(queries::evaluate(catalog, store, week.span.end.plus(-7 * back * MINUTES_PER_DAY)).await?);
    }
    let (alert_state, _) = store.alert_state(state.kind()).await?;
    let overrides = store.overrides().await?;
    let mut usage = Usage::default();
    for day in week.span.days() {
        usage.add(&store.usage(day).await?);
    }
    let context = WeeklyContext {
        week,
        catalog,
        problems: &definitions.problems,
        status: &status,
        previous_weeks: &previous,
        alert_state: &alert_state,
        overrides: &overrides,
        usage,
    };
    Ok(teams.iter().map(|team| context.report(Some(team))).chain([context.report(None)]).collect())
}

fn render(report: &WeeklyReport, format: WeeklyFormat) -> Result<String, CommandError> {
    Ok(match format {
        WeeklyFormat::Markdown => report.markdown(),
        WeeklyFormat::Json => format!("{:#}\n", report.json()),
        WeeklyFormat::Html => {
            let page = report.to_html(ImageMode::Inline);
            page.map_err(CommandError::with_context("cannot render the weekly report"))?.html
        }
    })
}

/// Writes reports that are not there yet, and what they are below `latest`, unless those of a later week are there.
async fn save(folder: &Path, week: Week, reports: &[WeeklyReport]) -> Result<(), CommandError> {
    let to_error = |path: &Path, error| CommandError::new(format!("cannot write `{}`: {error}", path.display()));
    let dated = folder.join(week.to_string());
    std::fs::create_dir_all(&dated).map_err(|error| to_error(&dated, error))?;
    let names = std::fs::read_dir(folder).map_err(|error| to_error(folder, error))?;
    let mut names = names.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    // Weeks sort as their names do.
    let is_week = |name: &String| name.starts_with(|char: char| char.is_ascii_digit());
    let is_latest = names.all(|name| !is_week(&name) || name <= week.to_string());
    let mut pages = Vec::new();
    for (report, (format, extension)) in reports.iter().flat_map(|report| EXTENSIONS.map(|format| (report, format))) {
        let page = SiteFile { name: format!("{}.{extension}", report.file_stem()), text: render(report, format)? };
        let path = dated.join(&page.name);
        write_new_file(&path, page.text.as_bytes()).map_err(|error| to_error(&path, error))?;
        pages.push(page);
    }
    if is_latest {
        let latest = Location::Directory(folder.join("latest"));
        SiteWriter::write_all(&latest, pages, StalePages::Remove).await?;
    }
    Ok(())
}

struct WeeklySender<'a> {
    arguments: &'a WeeklyArgs,
    catalog: &'a Catalog,
    sent: BTreeSet<String>,
    notifier: Notifier,
    now: Minute,
}

impl WeeklySender<'_> {
    /// Sends what was not sent yet; returns how much could not be delivered.
    async fn send(&self, all_reports: &[WeeklyReport]) -> Result<usize, CommandError> {
        let mut undelivered = 0;
        for report in all_reports {
            let owner = if report.is_fleet { self.catalog.alerts.team.as_deref() } else { Some(report.owner.as_str()) };
            let reports = owner.and_then(|team| self.catalog.teams.get(team)).map_or(&[][..], |team| &team.reports);
            if reports.is_empty() {
                let setting = owner.map_or("`alerts.team`".to_owned(), |team| format!("`reports` of team `{team}`"));
                print_message(format!("no weekly report for {}: {setting} is not set in fleet.yaml", report.owner));
            }
            for destination in reports {
                let what = format!("the weekly report for {}", report.owner);
                let sending = self.notifier.send_weekly(destination, report);
                undelivered += self.send_once(&what, destination, report.sent_key(destination), sending).await?;
            }
            for escalation in report.is_fleet.then(|| report.escalations()).into_iter().flatten() {
                let what = format!("the escalation for {}", escalation.team);
                let Some(team) = self.catalog.teams.get(&escalation.team) else { continue };
                // The `reports` destinations get the report of the team anyway.
                for destination in team.tickets.iter().filter(|destination| !team.reports.contains(destination)) {
                    let record = format!("{} {}/escalation {destination}", report.week, escalation.team);
                    let sending = self.notifier.send(destination, &escalation);
                    undelivered += self.send_once(&what, destination, record, sending).await?;
                }
            }
        }
        Ok(undelivered)
    }

    /// Sends something and records it, unless that was done before or another process is doing it. Returns how much
    /// could not be delivered.
    async fn send_once(
        &self,
        what: &str,
        destination: &str,
        record: String,
        sending: impl Future<Output = Result<String, DeliveryError>>,
    ) -> Result<usize, CommandError> {
        let to_error = CommandError::with_context::<StoreError>("cannot record in the ledger what was sent");
        let ledger = &self.arguments.common.ledger;
        // A dry run sends no notification, so it is never recorded.
        let is_live = self.arguments.channels.dry_run.is_none();
        if is_live {
            if self.sent.contains(&record) {
                return Ok(0);
            }
            let store = open_ledger_for_update(ledger).await.map_err(&to_error)?;
            if !store.claim_weekly_report(&record, self.now).await.map_err(&to_error)? {
                return Ok(0);
            }
        }
        let result = sending.await;
        if is_live {
            let store = open_ledger_for_update(ledger).await.map_err(&to_error)?;
            store.settle_weekly_report(&record, result.is_ok()).await.map_err(&to_error)?;
        }
        let Err(error) = result else { return Ok(0) };
        let destination = escape_non_printing(destination);
        print_warning(format!("cannot send {what} to `{destination}`: {error}"));
        Ok(1)
    }
}

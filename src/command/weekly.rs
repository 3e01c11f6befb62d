//! `slowburn weekly`: the report of the last whole week, printed, kept, or sent to the teams.

use std::collections::BTreeSet;
use std::path::Path;

use super::load::{Definitions, load_definitions, open_ledger, open_ledger_for_update};
use super::separate_folders::DisjointLocations;
use super::{CommandError, ExitStatus, alert_state_kind, eprint_line, print, styled};
use crate::alert::DeliveryError;
use crate::cli::StateArgs;
use crate::cli::weekly::{WeeklyArgs, WeeklyFormat};
use crate::cost::Usage;
use crate::engine;
use crate::evaluation::status::FleetStatus;
use crate::location::Location;
use crate::notify::Notifier;
use crate::report::weekly::{ImageMode, PREVIOUS_WEEKS, PreviousWeeks, Week, WeeklyContext, WeeklyReport};
use crate::slo::{Catalog, Team};
use crate::store::{LedgerStore, SiteFile, SiteWriter, StalePages, StoreError, write_new_file};
use crate::text::escape_non_printing;
use crate::time::{MINUTES_PER_DAY, Minute};

const EXTENSIONS: [(WeeklyFormat, &str); 3] =
    [(WeeklyFormat::Markdown, "md"), (WeeklyFormat::Json, "json"), (WeeklyFormat::Html, "html")];

pub(super) async fn weekly(arguments: WeeklyArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let week = Week::last_before(arguments.common.evaluation_time(now));
    let definitions = load_definitions(&arguments.common, week.span.end)?;
    let catalog = &definitions.catalog;
    DisjointLocations::new(&arguments.common.ledger, catalog)
        .with_output_folder("the reports", arguments.out.as_ref())
        .with_output_folder("the dry run", arguments.channels.dry_run.as_ref())
        .check()?;
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
        eprint_line(&format!("{}: {}", styled("warning"), error.message));
    }
    let mut undelivered = 0;
    if arguments.send {
        let sent = store.sent_weekly_reports().await?;
        drop(store);
        undelivered = WeeklySender {
            arguments: &arguments,
            catalog,
            sent,
            notifier: Notifier::new(arguments.channels.settings(), now),
            now,
        }
        .send(&reports)
        .await?;
    } else if arguments.out.is_none() || arguments.team.is_some() {
        let is_selected = |report: &&WeeklyReport| match &arguments.team {
            Some(team) => !report.is_fleet && report.owner == *team,
            None => report.is_fleet,
        };
        if let Some(report) = reports.iter().find(is_selected) {
            print(render(report, arguments.format)?.as_bytes())?;
        }
    }
    Ok(if definitions.has_errors() || undelivered > 0 { ExitStatus::Partial } else { ExitStatus::Success })
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
    let status = engine::evaluate(catalog, store, week.span.end).await?;
    let mut previous: Vec<FleetStatus> = Vec::new();
    for back in 1..=PREVIOUS_WEEKS {
        previous.push(engine::evaluate(catalog, store, week.span.end.plus(-7 * back * MINUTES_PER_DAY)).await?);
    }
    let (alert_state, _) = store.alert_state(alert_state_kind(state)).await?;
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
        previous_weeks: PreviousWeeks::new(&previous),
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
            page.map_err(|error| CommandError::with_context("cannot render the weekly report", error))?.html
        }
    })
}

/// Writes reports that are not there yet, and what they are below `latest`, unless those of a later week are there.
async fn save(folder: &Path, week: Week, reports: &[WeeklyReport]) -> Result<(), CommandError> {
    let to_error =
        |path: &Path, error| CommandError::with_context(&format!("cannot write `{}`", path.display()), error);
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

/// Sends the reports of a week.
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
                eprint_line(&format!("no weekly report for {}: {setting} is not set in fleet.yaml", report.owner));
            }
            for destination in reports {
                let what = format!("the weekly report for {}", report.owner);
                let sending = self.notifier.send_weekly(destination, report);
                undelivered += self.send_once(&what, destination, report.sent_key(destination), sending).await?;
            }
            for escalation in report.is_fleet.then(|| report.escalations()).into_iter().flatten() {
                let what = format!("the escalation for {}", escalation.team);
                let team = self.catalog.teams.get(&escalation.team);
                for destination in &team.map_or_else(Vec::new, ticket_destinations) {
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
        let to_error =
            |error: StoreError| CommandError::with_context("cannot record in the ledger what was sent", error);
        let ledger = &self.arguments.common.ledger;
        // A dry run sends no notification, so it is never recorded.
        let is_live = self.arguments.channels.dry_run.is_none();
        if is_live {
            if self.sent.contains(&record) {
                return Ok(0);
            }
            let store = open_ledger_for_update(ledger).await.map_err(to_error)?;
            if !store.claim_weekly_report(&record, self.now).await.map_err(to_error)? {
                return Ok(0);
            }
        }
        let result = sending.await;
        if is_live {
            let store = open_ledger_for_update(ledger).await.map_err(to_error)?;
            store.settle_weekly_report(&record, result.is_ok()).await.map_err(to_error)?;
        }
        let Err(error) = result else { return Ok(0) };
        let destination = escape_non_printing(destination);
        eprint_line(&format!("{}: cannot send {what} to `{destination}`: {error}", styled("warning")));
        Ok(1)
    }
}

/// The `tickets` destinations of a team, without those that get its report anyway.
fn ticket_destinations(team: &Team) -> Vec<String> {
    team.tickets.iter().filter(|destination| !team.reports.contains(destination)).cloned().collect()
}

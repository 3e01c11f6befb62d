//! `slowburn weekly`: the report of the last whole week, printed, kept, or sent to the teams.

use std::collections::BTreeSet;
use std::path::Path;

use super::apart::Apart;
use super::open::{Definitions, ledger, ledger_to_change, sound_definitions};
use super::{Ended, Failure, book_kind, print, say, styled};
use crate::cli::StateArgs;
use crate::cli::weekly::{WeeklyArgs, WeeklyFormat};
use crate::cost::Usage;
use crate::engine;
use crate::location::Location;
use crate::minute::{MINUTES_PER_DAY, Minute};
use crate::notify::{Postman, Receipt, SendError};
use crate::report::model::Status;
use crate::report::weekly::{Facts, Images, WEEKS_BEFORE, Week, Weekly, Weeks};
use crate::slo::{Catalog, Team};
use crate::store::{AtomicFile, LedgerStore, Others, Page, Pages, PagesError, StoreError};
use crate::visible::visible;

const ENDINGS: [(WeeklyFormat, &str); 3] =
    [(WeeklyFormat::Markdown, "md"), (WeeklyFormat::Json, "json"), (WeeklyFormat::Html, "html")];

pub(super) async fn weekly(arguments: WeeklyArgs, now: Minute) -> Result<Ended, Failure> {
    let week = Week::before(arguments.place.at(now));
    let definitions = sound_definitions(&arguments.place, week.span.end)?;
    let catalog = &definitions.catalog;
    Apart::of(&arguments.place.ledger, catalog)
        .and_folder("the reports", arguments.out.as_ref())
        .and_folder("the dry run", arguments.channels.dry_run.as_ref())
        .check()?;
    let teams: BTreeSet<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    if let Some(team) = arguments.team.as_deref().filter(|team| !teams.contains(team)) {
        return Err(Failure::unknown("team", team, teams));
    }
    let store = ledger(&arguments.place).await?;
    let all = compose(&definitions, &store, (week, arguments.state), &teams).await?;
    let kept = match &arguments.out {
        Some(folder) => keep(folder, week, &all).await,
        None => Ok(()),
    };
    let mut undelivered = 0;
    if let Err(failure) = kept {
        // A full disk is no reason to keep the report from people.
        if !arguments.send {
            return Err(failure);
        }
        say(&format!("{}: {}", styled("warning"), failure.message));
        undelivered += 1;
    }
    if arguments.send {
        let sent = store.sent_weekly().await.map_err(|error| Failure::new(error.to_string()))?;
        drop(store);
        undelivered = Round {
            arguments: &arguments,
            catalog,
            sent,
            postman: Postman::new(arguments.channels.settings(), now),
            now,
        }
        .send(&all)
        .await?;
    } else if arguments.out.is_none() || arguments.team.is_some() {
        let wanted = |one: &&Weekly| match &arguments.team {
            Some(team) => !one.is_of_fleet() && one.of == *team,
            None => one.is_of_fleet(),
        };
        if let Some(one) = all.iter().find(wanted) {
            print(text(one, arguments.format)?.as_bytes())?;
        }
    }
    Ok(if definitions.faulty() || undelivered > 0 { Ended::InPart } else { Ended::Done })
}

/// The reports of all teams, and that of the fleet.
async fn compose(
    definitions: &Definitions,
    store: &LedgerStore,
    (week, state): (Week, StateArgs),
    teams: &BTreeSet<&str>,
) -> Result<Vec<Weekly>, Failure> {
    let catalog = &definitions.catalog;
    let failed = |error: StoreError| Failure::new(error.to_string());
    let status = engine::judge(catalog, store, week.span.end).await?;
    let mut before: Vec<Status> = Vec::new();
    for back in 1..=WEEKS_BEFORE {
        before.push(engine::judge(catalog, store, week.span.end.plus(-7 * back * MINUTES_PER_DAY)).await?);
    }
    let (book, _) = store.book(book_kind(state)).await.map_err(failed)?;
    let overrides = store.overrides().await.map_err(failed)?;
    let mut usage = Usage::default();
    for day in week.span.days() {
        usage.add(&store.usage(day).await.map_err(failed)?);
    }
    let facts = Facts {
        week,
        catalog,
        problems: &definitions.problems,
        status: &status,
        weeks: Weeks::of(&before),
        book: &book,
        overrides: &overrides,
        usage,
    };
    Ok(teams.iter().map(|team| facts.weekly(Some(team))).chain([facts.weekly(None)]).collect())
}

fn text(one: &Weekly, format: WeeklyFormat) -> Result<String, Failure> {
    Ok(match format {
        WeeklyFormat::Markdown => one.markdown(),
        WeeklyFormat::Json => format!("{:#}\n", one.json()),
        WeeklyFormat::Html => one.page(Images::Inside).map_err(|error| Failure::new(error.to_string()))?.html,
    })
}

/// Writes reports that are not there yet, and what they are below `latest`, unless those of a later week are there.
async fn keep(folder: &Path, week: Week, all: &[Weekly]) -> Result<(), Failure> {
    let failed = |path: &Path, error| Failure::because(&format!("cannot write `{}`", path.display()), error);
    let dated = folder.join(week.to_string());
    std::fs::create_dir_all(&dated).map_err(|error| failed(&dated, error))?;
    let names = std::fs::read_dir(folder).map_err(|error| failed(folder, error))?;
    let mut names = names.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    // Weeks sort as their names do.
    let is_week = |name: &String| name.starts_with(|char: char| char.is_ascii_digit());
    let is_latest = names.all(|name| !is_week(&name) || name <= week.to_string());
    let mut pages = Vec::new();
    for (one, (format, ending)) in all.iter().flat_map(|one| ENDINGS.map(|format| (one, format))) {
        // A team may be called as it likes, but for what a folder may not be called.
        let page = Page { name: format!("{}.{ending}", one.name()), text: text(one, format)? };
        let path = dated.join(&page.name);
        let written = AtomicFile::create(&path).and_then(|mut file| {
            file.write(page.text.as_bytes())?;
            file.place_new()
        });
        written.map_err(|error| failed(&path, error))?;
        pages.push(page);
    }
    if is_latest {
        let latest = Location::Directory(folder.join("latest"));
        let failed = |error: PagesError| Failure::new(error.to_string());
        let names = pages.iter().map(|page| page.name.clone()).collect();
        let site = Pages::begin(&latest, names, Others::Remove).await.map_err(failed)?;
        site.put(pages).await.map_err(failed)?;
        site.finish().await.map_err(failed)?;
    }
    Ok(())
}

/// Everything that goes out for a week.
struct Round<'a> {
    arguments: &'a WeeklyArgs,
    catalog: &'a Catalog,
    sent: BTreeSet<String>,
    postman: Postman,
    now: Minute,
}

impl Round<'_> {
    /// Sends what was not sent yet; says how much did not arrive.
    async fn send(&self, all: &[Weekly]) -> Result<usize, Failure> {
        let mut undelivered = 0;
        for one in all {
            let team = if one.is_of_fleet() { self.catalog.alerts.team.as_deref() } else { Some(one.of.as_str()) };
            let reports = team.and_then(|team| self.catalog.teams.get(team)).map_or(&[][..], |team| &team.reports);
            if reports.is_empty() {
                let owner = team.map_or("`alerts.team`".to_owned(), |team| format!("`reports` of team `{team}`"));
                say(&format!("no weekly report for {}: {owner} is not set in fleet.yaml", one.of));
            }
            for destination in reports {
                let posted = self.once(one.line(destination), self.postman.report(destination, one)).await?;
                undelivered += Self::arrived(&format!("the weekly report for {}", one.of), destination, posted);
            }
            for nudge in one.is_of_fleet().then(|| one.nudges()).into_iter().flatten() {
                let channels = self.catalog.teams.get(&nudge.team).map_or_else(Vec::new, channels);
                for destination in &channels {
                    let line = format!("{} {}/escalation {destination}", one.week, nudge.team);
                    let posted = self.once(line, self.postman.send(destination, &nudge.message)).await?;
                    undelivered += Self::arrived(&format!("the escalation for {}", nudge.team), destination, posted);
                }
            }
        }
        Ok(undelivered)
    }

    /// Sends something unless it was sent before or another is at it, and remembers it.
    async fn once(
        &self,
        line: String,
        posting: impl Future<Output = Result<Receipt, SendError>>,
    ) -> Result<Result<(), SendError>, Failure> {
        // A dry run tells nobody, so it is always made anew, and never remembered.
        if self.arguments.channels.dry_run.is_some() {
            return Ok(posting.await.map(drop));
        }
        let failed = |error: StoreError| Failure::because("cannot record in the ledger what was sent", error);
        let place = &self.arguments.place.ledger;
        if self.sent.contains(&line)
            || !ledger_to_change(place).await.map_err(failed)?.claim_weekly(&line, self.now).await.map_err(failed)?
        {
            return Ok(Ok(()));
        }
        let posted = posting.await;
        let store = ledger_to_change(place).await.map_err(failed)?;
        store.settle_weekly(&line, posted.is_ok()).await.map_err(failed)?;
        Ok(posted.map(drop))
    }

    fn arrived(what: &str, destination: &str, posted: Result<(), SendError>) -> usize {
        match posted {
            Ok(()) => 0,
            Err(error) => {
                say(&format!("{}: cannot send {what} to `{}`: {error}", styled("warning"), visible(destination)));
                1
            }
        }
    }
}

/// Where a team hears of low urgencies, but for those that get its report anyway.
fn channels(team: &Team) -> Vec<String> {
    team.tickets.iter().filter(|destination| !team.reports.contains(destination)).cloned().collect()
}

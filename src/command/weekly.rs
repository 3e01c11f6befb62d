//! `slowburn weekly`: the report of the last whole week, printed, kept, or sent to the teams.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use super::open::{ledger, sound_definitions};
use super::{Ended, Failure, print, say, styled};
use crate::cli::weekly::{WeeklyArgs, WeeklyFormat};
use crate::cost::Usage;
use crate::engine;
use crate::minute::Minute;
use crate::notify::Postman;
use crate::report::weekly::{Facts, Week, Weekly};
use crate::slo::Catalog;
use crate::store::{self, BookKind, LedgerStore, StoreError, WritePoints};
use crate::visible::visible;

pub(super) async fn weekly(arguments: WeeklyArgs, now: Minute) -> Result<Ended, Failure> {
    let week = Week::before(arguments.place.at.unwrap_or(now));
    let definitions = sound_definitions(&arguments.place, week.span.end)?;
    let catalog = &definitions.catalog;
    let store = ledger(&arguments.place).await?;
    let failed = |error: StoreError| Failure::new(error.to_string());
    let status = engine::judge(catalog, &store, week.span.end).await?;
    let (book, _) = store.book(BookKind::People).await.map_err(failed)?;
    let overrides = store.overrides().await.map_err(failed)?;
    let mut usage = Usage::default();
    for day in week.span.days() {
        usage.add(&store.usage(day).await.map_err(failed)?);
    }
    let facts = Facts { week, catalog, status: &status, book: &book, overrides: &overrides, usage };
    let teams: BTreeSet<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    if let Some(team) = arguments.team.as_deref().filter(|team| !teams.contains(team)) {
        let known: Vec<&str> = teams.into_iter().collect();
        return Err(Failure::new(format!(
            "the team `{}` has no service\nhint: there are `{}`",
            visible(team),
            known.join("`, `")
        )));
    }
    let all: Vec<Weekly> = teams.iter().map(|team| facts.weekly(Some(team))).chain([facts.weekly(None)]).collect();
    if let Some(folder) = &arguments.out {
        keep(folder, &week, &all)?;
    }
    let mut undelivered = 0;
    if arguments.send {
        let sent = store.sent_weekly().await.map_err(failed)?;
        drop(store);
        undelivered = send(&arguments, catalog, &all, &sent, now).await?;
    } else if arguments.out.is_none() || arguments.team.is_some() {
        let one = facts.weekly(arguments.team.as_deref());
        print(text(&one, arguments.format).as_bytes())?;
    }
    Ok(if definitions.faulty() || undelivered > 0 { Ended::InPart } else { Ended::Done })
}

fn text(one: &Weekly, format: WeeklyFormat) -> String {
    match format {
        WeeklyFormat::Markdown => one.markdown(),
        WeeklyFormat::Json => format!("{:#}\n", one.json()),
    }
}

/// Writes reports that are not there yet, and what they are below `latest`.
fn keep(folder: &Path, week: &Week, all: &[Weekly]) -> Result<(), Failure> {
    let failed = |path: &Path, error| Failure::because(&format!("`{}` could not be written", path.display()), error);
    for (name, dated) in [(week.to_string(), true), ("latest".to_owned(), false)] {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        for (one, (format, ending)) in all
            .iter()
            .flat_map(|one| [(WeeklyFormat::Markdown, "md"), (WeeklyFormat::Json, "json")].map(|format| (one, format)))
        {
            // A team may be called `fleet`; names of teams have no `_` at their beginning.
            let name = if one.is_of_fleet() { "_fleet" } else { one.of.as_str() };
            let path = folder.join(format!("{name}.{ending}"));
            let aside = folder.join(format!("{name}.{ending}.tmp"));
            std::fs::write(&aside, text(one, format)).map_err(|error| failed(&path, error))?;
            let placed = if dated { std::fs::hard_link(&aside, &path) } else { std::fs::copy(&aside, &path).map(drop) };
            std::fs::remove_file(&aside).map_err(|error| failed(&path, error))?;
            match placed {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(&path, error)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Sends what was not sent before; how many could not be.
async fn send(
    arguments: &WeeklyArgs,
    catalog: &Catalog,
    all: &[Weekly],
    sent: &BTreeSet<String>,
    now: Minute,
) -> Result<usize, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::because("what was sent could not be kept", error);
    // On paper nobody was told, so nothing is remembered of it.
    let paper = arguments.channels.paper.is_some();
    let writable = if paper {
        None
    } else {
        let shelf =
            store::writable(&arguments.place.ledger, WritePoints::default()).await.map_err(|error| failed(&error))?;
        Some(LedgerStore::open(shelf).await.map_err(|error| failed(&error))?)
    };
    let postman = Postman::new(arguments.channels.settings(), now);
    let mut undelivered = 0;
    for one in all {
        let team = if one.is_of_fleet() { catalog.alerts.team.as_deref() } else { Some(one.of.as_str()) };
        let reports =
            team.and_then(|team| catalog.teams.get(team)).map(|team| team.reports.as_slice()).unwrap_or_default();
        if reports.is_empty() {
            say(&format!("the report of {} goes to nobody: its team has no `reports` in fleet.yaml", one.of));
        }
        for destination in reports {
            let line = one.line(destination);
            if !paper && sent.contains(&line) {
                continue;
            }
            match postman.send(destination, &one.message()).await {
                Err(error) => {
                    undelivered += 1;
                    say(&format!(
                        "{}: the report of {} did not get to `{}`: {error}",
                        styled("warning"),
                        one.of,
                        visible(destination)
                    ));
                }
                Ok(_) => {
                    if let Some(store) = &writable {
                        store.keep_sent_weekly(&BTreeSet::from([line])).await.map_err(|error| failed(&error))?;
                    }
                }
            }
        }
    }
    Ok(undelivered)
}

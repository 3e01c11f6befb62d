//! `slowburn status`: how every promise stands, from the ledger alone.

use std::collections::BTreeSet;

use super::apart::Apart;
use super::open::{ledger, sound_definitions};
use super::output::Output;
use super::{Ended, Failure, book_kind, print};
use crate::alert::{AlertBook, IncidentKey, Subject};
use crate::cli::status::{StatusArgs, StatusFormat};
use crate::engine;
use crate::minute::Minute;
use crate::report::{data, incidents, model, status as view};
use crate::slo::{Catalog, Service};
use crate::visible::visible;

pub(super) async fn status(arguments: StatusArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let out = arguments.file.out.as_ref();
    Apart::of(&arguments.place.ledger, &definitions.catalog).and_folder("the output", out).check()?;
    arguments.names.iter().try_for_each(|name| definitions.refuse_invalid(name))?;
    let selection = Selection::new(&definitions.catalog, arguments.team.as_deref(), &arguments.names)?;
    let store = ledger(&arguments.place).await?;
    let found = engine::judge(&selection.catalog, &store, at).await.map_err(Failure::from)?;
    let book = store.book(book_kind(arguments.state)).await;
    let book = selection.incidents(book.map_err(|error| Failure::new(error.to_string()))?.0);
    if let Some(out) = out {
        let mut output = Output::to(Some(out))?;
        output.write(anstream::adapter::strip_str(&text(&found, arguments.format)?).to_string().as_bytes())?;
        output.finish()?;
    } else {
        show(&found, arguments.format)?;
        show_incidents(&book, &found, arguments.format)?;
    }
    Ok(if definitions.faulty() { Ended::InPart } else { Ended::Done })
}

/// The part of a fleet that a status is about.
struct Selection {
    catalog: Catalog,
    team: Option<String>,
    is_all: bool,
}

impl Selection {
    /// The SLOs of a team, if one is named, among those that have one of the names, if there are any.
    fn new(all: &Catalog, team: Option<&str>, names: &[String]) -> Result<Self, Failure> {
        let services = || all.services.iter();
        if let Some(team) = team.filter(|team| services().all(|service| service.team != *team)) {
            let teams: BTreeSet<&str> = services().map(|service| service.team.as_str()).collect();
            return Err(Failure::unknown("team", team, teams));
        }
        for name in names {
            let is_known =
                |service: &Service| service.name == *name || service.slos.iter().any(|slo| slo.id.as_str() == name);
            if !services().any(is_known) {
                return Err(if name.contains('/') {
                    Failure::unknown("SLO", name, all.slos().map(|(_, slo)| slo.id.as_str()))
                } else {
                    Failure::unknown("service", name, services().map(|service| service.name.as_str()))
                });
            }
        }
        let mut catalog = all.clone();
        catalog.services.retain(|service| team.is_none_or(|team| service.team == team));
        for service in &mut catalog.services {
            let is_whole = names.is_empty() || names.contains(&service.name);
            service.slos.retain(|slo| is_whole || names.iter().any(|name| slo.id.as_str() == name));
        }
        catalog.services.retain(|service| names.is_empty() || !service.slos.is_empty());
        if let Some(team) = team.filter(|_| catalog.services.is_empty()) {
            return Err(Failure::usage(format!(
                "team `{}` does not own `{}`\nhint: omit `--team`",
                visible(team),
                names.iter().map(|name| visible(name)).collect::<Vec<_>>().join("`, `")
            )));
        }
        Ok(Self { catalog, team: team.map(str::to_owned), is_all: team.is_none() && names.is_empty() })
    }

    /// The incidents of the selected SLOs, and of a selected team those that are about no single SLO.
    fn incidents(&self, mut book: AlertBook) -> AlertBook {
        if self.is_all {
            return book;
        }
        let slos: BTreeSet<&str> = self.catalog.slos().map(|(_, slo)| slo.id.as_str()).collect();
        let is_selected = |key: &IncidentKey| matches!(&key.subject, Subject::Slo(id) if slos.contains(id.as_str()));
        book.incidents.retain(|key, incident| match &key.subject {
            Subject::Slo(_) => is_selected(key),
            _ => self.team.as_ref() == Some(&incident.team) || incident.parts.iter().any(is_selected),
        });
        let keys: BTreeSet<String> = book.incidents.keys().map(ToString::to_string).collect();
        book.outbox.retain(|entry| keys.contains(&entry.message.key));
        book
    }
}

/// Prints a status in a format.
pub(super) fn show(found: &model::Status, format: StatusFormat) -> Result<(), Failure> {
    print(text(found, format)?.as_bytes())
}

fn text(found: &model::Status, format: StatusFormat) -> Result<String, Failure> {
    Ok(match format {
        // Colours are always written; the stream takes them out where nobody would see them.
        StatusFormat::Table => view::table(found, terminal_width(), true),
        StatusFormat::Json => format!("{:#}\n", data::json(found)),
        StatusFormat::Csv => {
            data::csv(found).map_err(|error| Failure::because("cannot write the status as CSV", error))?
        }
        StatusFormat::Markdown => view::markdown(found),
        StatusFormat::Openmetrics => data::openmetrics(found)
            .map_err(|error| Failure::because("cannot write the status as OpenMetrics", error))?,
    })
}

/// Prints what is open below the table.
pub(super) fn show_incidents(book: &AlertBook, found: &model::Status, format: StatusFormat) -> Result<(), Failure> {
    let text = incidents::text(book, found.at);
    match format {
        StatusFormat::Table if !text.is_empty() => print(format!("\n{text}").as_bytes()),
        _ => Ok(()),
    }
}

/// The width of the terminal that stdout is, if it is one.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

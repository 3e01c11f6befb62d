//! The folder `corrections/`: one file, one correction. What is faulty, over, or about nothing is a problem.

use std::collections::BTreeMap;

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::correction::Occurrences;
use super::file::{CategoryText, CorrectionFile, Moment, OneOrMany, Page, ScopeText, Typed, decode, nearest};
use super::positions::{Path, keys};
use super::problem::{Problem, Severity};
use super::recurrence::{RuleFault, rule};
use super::{Category, Correction, Scope, Service, Slo};
use crate::minute::{MINUTES_PER_DAY, Minute, Span};

/// Nothing is looked at that is older than the longest window a definition can have.
pub(super) const REACH_MINUTES: i32 = 400 * MINUTES_PER_DAY;

/// A correction with its page, for problems that show only when all services are known.
pub(super) struct Amended<'a> {
    page: &'a Page<'a>,
    pub(super) correction: Correction,
}

/// Reads the file of a correction. `None` when it has to be left out; the problems say why.
pub(super) fn read_correction<'a>(page: &'a Page<'a>, problems: &mut Vec<Problem>) -> Option<Amended<'a>> {
    let mut found = Vec::new();
    let decoded = decode::<CorrectionFile>(page, |_| false, &mut found);
    let (file, cut) = (decoded.twin, decoded.cut);
    let missing = [
        ("id", file.id.is_some()),
        ("reason", file.reason.is_some()),
        ("category", file.category.is_some()),
        ("author", file.author.is_some()),
        ("scope", file.scope.is_some()),
        ("start", file.start.is_some()),
        ("end", file.end.is_some()),
    ];
    for (key, is_said) in missing {
        if !is_said && !cut.contains(&Path::new()) && !cut.iter().any(|path| path.starts_with(&keys(&[key]))) {
            found.push(page.of_value(&[], format!("the correction has no `{key}`"), hint_of(key)));
        }
    }
    if file.scope.as_ref().is_some_and(ScopeText::is_empty) && cut.is_empty() {
        let hint =
            "name a `team`, a `service`, an `slo` or `labels`; nothing is excluded for a whole fleet by accident";
        found.push(page.of_value(&keys(&["scope"]), "the scope says nothing", hint));
    }
    let correction = if cut.is_empty() { assemble(page, &file, &mut found) } else { None };
    let sound = found.is_empty();
    let subject = file.id.as_ref().map_or_else(String::new, |id| format!("correction {}", id.0.0));
    problems.extend(found.into_iter().map(|problem| Problem { subject: subject.clone(), ..problem }));
    correction.filter(|_| sound).map(|correction| Amended { page, correction })
}

fn hint_of(key: &str) -> &'static str {
    match key {
        "id" => "add a name that reports can show: `id: orders-move-2026-10`",
        "reason" => "add one line for whoever reads the report: `reason: ...`",
        "category" => {
            "add `category: planned`, `unplanned` or `measurement`; `silence` if the minutes count but nobody is to be told"
        }
        "author" => "add who answers for it: `author: jane@example.com`",
        "scope" => "add which SLOs it is about: `scope: { service: checkout }`",
        "start" => "add its first minute: `start: 2026-10-03T01:00`",
        _ => "add the minute it stops before: `end: 2026-10-03T03:00`",
    }
}

fn assemble(page: &Page<'_>, file: &CorrectionFile, found: &mut Vec<Problem>) -> Option<Correction> {
    let zone = file.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.0.clone());
    let start = instant(page, "start", file.start.as_ref()?.0, &zone, found)?;
    let end = instant(page, "end", file.end.as_ref()?.0, &zone, found)?;
    let minute = |moment: &Zoned| Minute::of_unix_seconds(moment.timestamp().as_second());
    if minute(&end) <= minute(&start) {
        let hint = "the correction stops before `end`, so it has to lie after `start`";
        found.push(page.of_value(&keys(&["end"]), "it ends before it starts", hint));
        return None;
    }
    let first = Span::new(minute(&start), minute(&end));
    if first.minutes() > REACH_MINUTES.unsigned_abs() {
        let hint = "no window is longer; if these numbers will never count, remove the SLO";
        found.push(page.of_value(&keys(&["end"]), "it is longer than 400 days", hint));
        return None;
    }
    let rule = match &file.repeat {
        None => None,
        Some(text) => match rule(&text.0.0, &start, &end) {
            Ok(rule) => Some(Box::new(rule)),
            Err(fault) => {
                let (key, refusal) = match fault {
                    RuleFault::Repeat(refusal) => ("repeat", refusal),
                    RuleFault::Start(refusal) => ("start", refusal),
                };
                found.push(page.of_value(&keys(&[key]), refusal.message, refusal.hint));
                return None;
            }
        },
    };
    let names = |many: &Option<OneOrMany<Typed<super::file::Name>>>| {
        many.iter().flat_map(|many| &many.0).map(|name| name.0.0.clone()).collect()
    };
    let scope = file.scope.as_ref()?;
    Some(Correction {
        id: file.id.as_ref()?.0.0.clone(),
        reason: file.reason.as_ref()?.0.0.clone(),
        category: match file.category? {
            CategoryText::Planned => Category::Planned,
            CategoryText::Unplanned => Category::Unplanned,
            CategoryText::Measurement => Category::Measurement,
            CategoryText::Silence => Category::Silence,
        },
        author: file.author.as_ref()?.0.0.clone(),
        scope: Scope {
            teams: names(&scope.team),
            services: names(&scope.service),
            slos: names(&scope.slo),
            labels: scope.labels.iter().flatten().map(|(label, value)| (label.clone(), value.0.0.clone())).collect(),
        },
        occurrences: Occurrences { first, rule },
    })
}

/// A moment in the zone. A local time that a clock change skips or repeats names no single instant.
fn instant(page: &Page<'_>, key: &str, moment: Moment, zone: &TimeZone, found: &mut Vec<Problem>) -> Option<Zoned> {
    let local = match moment {
        Moment::Instant(instant) => return Some(instant.to_zoned(zone.clone())),
        Moment::Local(local) => local,
    };
    let ambiguous = zone.to_ambiguous_zoned(local);
    let what = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => return ambiguous.compatible().ok(),
        AmbiguousOffset::Gap { .. } => "does not exist",
        AmbiguousOffset::Fold { .. } => "happens twice",
    };
    let utc = ambiguous.compatible().map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let message = format!("`{local}` {what} on that day: the clock is changed");
    let hint = format!("write it in UTC: `{}`", utc.strftime("%Y-%m-%dT%H:%MZ"));
    found.push(page.of_value(&keys(&[key]), message, hint));
    None
}

impl Amended<'_> {
    /// What is wrong with it once all services are known: it names nobody, means nobody, or is over.
    pub(super) fn check(&self, services: &[Service], at: Minute) -> Vec<Problem> {
        let correction = &self.correction;
        let subject = format!("correction {}", correction.id);
        let problem = |path: &Path, message: String, hint: String| Problem {
            severity: Severity::Warning,
            subject: subject.clone(),
            ..self.page.of_value(path, message, hint)
        };
        let mut found = Vec::new();
        let teams = services.iter().map(|service| service.team.as_str()).collect();
        let names = services.iter().map(|service| service.name.as_str()).collect();
        let slos = services.iter().flat_map(|service| &service.slos).map(Slo::name).collect();
        let scope = &correction.scope;
        for (key, wanted, known) in
            [("team", &scope.teams, teams), ("service", &scope.services, names), ("slo", &scope.slos, slos)]
        {
            let known: Vec<&str> = known;
            for name in wanted.iter().filter(|name| !known.contains(&name.as_str())) {
                let hint = nearest(name, known.iter().copied()).map_or_else(
                    || format!("remove it, or add that {key}"),
                    |meant| format!("did you mean `{meant}`?"),
                );
                found.push(problem(&keys(&["scope", key]), format!("there is no {key} `{name}`"), hint));
            }
        }
        let is_about = |service: &Service| service.slos.iter().any(|slo| scope.covers(service, slo));
        if found.is_empty() && !services.iter().any(is_about) {
            let hint = "no SLO fits all that it says; look at `scope`";
            found.push(problem(&keys(&["scope"]), "the correction is about no SLO".to_owned(), hint.to_owned()));
        }
        let since = at.plus(-REACH_MINUTES);
        if !correction.occurrences.all().any(|occurrence| occurrence.end > since) {
            let hint = "no window reaches back to it; remove the file".to_owned();
            found.push(problem(&keys(&["end"]), "the correction is over for more than 400 days".to_owned(), hint));
        }
        found
    }

    /// The problem of a second correction of the same name.
    pub(super) fn twice(&self, first: &str) -> Problem {
        let id = &self.correction.id;
        let hint = format!("`{first}` has it already; rename one");
        Problem {
            subject: format!("correction {id}"),
            ..self.page.of_value(&keys(&["id"]), format!("a second correction `{id}`"), hint)
        }
    }
}

impl ScopeText {
    fn is_empty(&self) -> bool {
        let nobody = [&self.team, &self.service, &self.slo].iter().all(|names| names.is_none());
        nobody && self.labels.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

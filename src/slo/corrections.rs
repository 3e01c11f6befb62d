//! The folder `corrections/`: one file, one correction. Reports corrections that are invalid, long over, or match
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use rrule::RRuleSet;

use super::correction::Occurrences;
use super::file::{CategoryText, CorrectionFile, Moment, Name, OneOrMany, Page, ScopeText, Typed, decode};
use super::positions::{Step, keys};
use super::problem::{Problem, Severity};
use super::recurrence::{RuleFault, rule};
use super::suggest::suggestion;
use super::{Category, Correction, Scope, Service, Slo};
use crate::minute::{MINUTES_PER_DAY, Minute, Span};

/// Nothing is looked at that is older than the longest window a definition can have.
pub(super) const REACH_MINUTES: i32 = 400 * MINUTES_PER_DAY;

/// The most unknown names of a scope that are reported.
const UNKNOWN_MAX: usize = 20;

/// Names that scopes may use. Those of invalid definitions count too, so that one mistake is not reported twice.
#[derive(Default)]
pub(super) struct Names {
    pub(super) teams: BTreeSet<String>,
    pub(super) services: BTreeSet<String>,
    /// `None` when classes are invalid, so that not all names are known.
    pub(super) slos: Option<BTreeSet<String>>,
}

/// What corrections are checked against.
pub(super) struct Known<'a> {
    pub(super) names: Names,
    /// All valid services.
    pub(super) services: &'a [Service],
    /// Whether no definition is invalid, so that these are all services.
    pub(super) is_complete: bool,
    /// The minute at which a correction may be over.
    pub(super) at: Minute,
}

/// Reads the file of a correction and reports all of its problems at once. `None` when it has to be left out. `earlier`
/// is the file that already has an id, if any.
pub(super) fn read_correction(
    page: &Page<'_>,
    known: &Known<'_>,
    earlier: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<Correction> {
    let mut found = Vec::new();
    let decoded = decode::<CorrectionFile>(page, |_| false, &mut found);
    let (file, cut) = (decoded.twin, decoded.cut);
    let is_cut = |key: &str| cut.iter().any(|path| path.is_empty() || path.starts_with(&keys(&[key])));
    let missing = [
        ("id", file.id.is_some()),
        ("reason", file.reason.is_some()),
        ("category", file.category.is_some()),
        ("author", file.author.is_some()),
        ("scope", file.scope.is_some()),
        ("start", file.start.is_some()),
        ("end", file.end.is_some()),
    ];
    for (key, is_set) in missing {
        if !is_set && !is_cut(key) {
            found.push(page.of_value(&[], format!("the correction has no `{key}`"), hint_of(key)));
        }
    }
    if let Some((id, first)) = file.id.as_ref().and_then(|id| Some((&id.0.0, earlier(&id.0.0)?))) {
        let hint = format!("`{first}` already uses this id; rename one of the two");
        found.push(page.of_value(&keys(&["id"]), format!("duplicate correction `{id}`"), hint));
    }
    let occurrences = occurrences(page, &file, is_cut("time_zone"), &mut found);
    let has_no_errors = found.iter().all(|problem| problem.severity == Severity::Warning);
    let is_valid = has_no_errors && file.scope.as_ref().is_some_and(|scope| !scope.is_empty());
    if let Some(text) = &file.scope {
        check_scope(page, text, is_cut("scope"), known, &mut found);
    }
    if let Some(occurrences) = &occurrences {
        found.extend(ended_long_ago(page, occurrences, known.at));
    }
    let subject = file.id.as_ref().map_or_else(String::new, |id| format!("correction {}", id.0.0));
    problems.extend(found.into_iter().map(|problem| Problem { subject: subject.clone(), ..problem }));
    if is_valid { assemble(&file, occurrences?) } else { None }
}

fn hint_of(key: &str) -> &'static str {
    match key {
        "id" => "add a name for reports: `id: orders-move-2026-10`",
        "reason" => "add one line that explains it in reports: `reason: ...`",
        "category" => {
            "add `category: planned`, `unplanned` or `measurement`; or `silence` to keep the minutes but send no notifications"
        }
        "author" => "add the person responsible: `author: jane@example.com`",
        "scope" => "add the affected SLOs: `scope: { service: checkout }`",
        "start" => "add the first minute: `start: 2026-10-03T01:00`",
        _ => "add the minute after the last one: `end: 2026-10-03T03:00`",
    }
}

fn assemble(file: &CorrectionFile, occurrences: Occurrences) -> Option<Correction> {
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
        scope: scope_of(scope),
        occurrences,
    })
}

fn scope_of(text: &ScopeText) -> Scope {
    let names = |many: &Option<OneOrMany<Typed<Name>>>| {
        many.iter().flat_map(|many| &many.0).map(|name| name.0.0.clone()).collect()
    };
    Scope {
        teams: names(&text.team),
        services: names(&text.service),
        slos: names(&text.slo),
        labels: text.labels.iter().flatten().map(|(label, value)| (label.clone(), value.0.0.clone())).collect(),
    }
}

/// When the correction applies. Start, end and rule are checked as far as each of them is there.
fn occurrences(
    page: &Page<'_>,
    file: &CorrectionFile,
    is_zone_invalid: bool,
    found: &mut Vec<Problem>,
) -> Option<Occurrences> {
    let zone = file.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.0.clone());
    let mut moment = |key, text: Option<Typed<Moment>>| instant(page, key, text?.0, &zone, found);
    let (start, end) = (moment("start", file.start), moment("end", file.end));
    let span = start.as_ref().zip(end.as_ref()).and_then(|(start, end)| span(page, start, end, found));
    let rule = match (&file.repeat, &start) {
        (Some(text), Some(start)) if !is_zone_invalid => {
            let end = end.as_ref().filter(|_| span.is_some());
            Some(repeat(page, &text.0.0, start, end, found)?)
        }
        _ => None,
    };
    Some(Occurrences { first: span?, rule })
}

fn span(page: &Page<'_>, start: &Zoned, end: &Zoned, found: &mut Vec<Problem>) -> Option<Span> {
    let minute = |moment: &Zoned| Minute::of_unix_seconds(moment.timestamp().as_second());
    if minute(end) <= minute(start) {
        let hint = "set `end` to a minute after `start`; the correction does not include it";
        found.push(page.of_value(&keys(&["end"]), "`end` is not after `start`", hint));
        return None;
    }
    let span = Span::new(minute(start), minute(end));
    if span.minutes() > REACH_MINUTES.unsigned_abs() {
        let hint = "set an earlier `end`: no window is longer; to ignore an SLO permanently, remove it";
        found.push(page.of_value(&keys(&["end"]), "the correction is longer than 400 days", hint));
        return None;
    }
    Some(span)
}

fn repeat(
    page: &Page<'_>,
    text: &str,
    start: &Zoned,
    end: Option<&Zoned>,
    found: &mut Vec<Problem>,
) -> Option<Box<RRuleSet>> {
    let (key, refusal) = match rule(text, start, end) {
        Ok(rule) => return Some(Box::new(rule)),
        Err(RuleFault::Repeat(refusal)) => ("repeat", refusal),
        Err(RuleFault::Start(refusal)) => ("start", refusal),
    };
    found.push(page.of_value(&keys(&[key]), refusal.message, refusal.hint));
    None
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
        AmbiguousOffset::Fold { .. } => "occurs twice",
    };
    let utc = ambiguous.compatible().map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let place = zone.iana_name().unwrap_or("this time zone");
    let message = format!("`{local}` {what} in {place}, because the clocks change");
    let hint = format!("write it in UTC: `{}`", utc.strftime("%Y-%m-%dT%H:%MZ"));
    found.push(page.of_value(&keys(&[key]), message, hint));
    None
}

/// Unknown names are errors, but leave out only themselves: the correction still applies to the others.
fn check_scope(page: &Page<'_>, text: &ScopeText, is_cut: bool, known: &Known<'_>, found: &mut Vec<Problem>) {
    if text.is_empty() {
        if !is_cut {
            let hint = "set `team`, `service`, `slo` or `labels`: an empty scope does not mean the whole fleet";
            found.push(page.of_value(&keys(&["scope"]), "`scope` is empty", hint));
        }
        return;
    }
    let (scope, names) = (scope_of(text), &known.names);
    let before = found.len();
    for (key, noun, wanted, known) in [
        ("team", "team", &scope.teams, Some(&names.teams)),
        ("service", "service", &scope.services, Some(&names.services)),
        ("slo", "SLO", &scope.slos, names.slos.as_ref()),
    ] {
        let Some(known) = known else { continue };
        let unknown = wanted.iter().enumerate().filter(|(_, name)| !known.contains(*name));
        for (index, name) in unknown.take(UNKNOWN_MAX) {
            let hint = suggestion(name, &format!("{noun}s"), known.iter().map(String::as_str))
                .unwrap_or_else(|| format!("remove it, or add that {noun}"));
            let mut path = keys(&["scope", key]);
            path.push(Step::Item(index));
            found.push(page.of_value(&path, format!("unknown {noun} `{name}`"), hint));
        }
    }
    let covers = |service: &Service| service.slos.iter().any(|slo: &Slo| scope.covers(service, slo));
    if found.len() == before && !is_cut && known.is_complete && !known.services.iter().any(covers) {
        let hint = "check `scope`: an SLO must match all of its fields";
        let problem = page.of_value(&keys(&["scope"]), "the correction matches no SLO", hint);
        found.push(Problem { severity: Severity::Warning, ..problem });
    }
}

fn ended_long_ago(page: &Page<'_>, occurrences: &Occurrences, at: Minute) -> Option<Problem> {
    let since = at.plus(-REACH_MINUTES);
    if occurrences.all().any(|occurrence| occurrence.end > since) {
        return None;
    }
    let hint = "remove the file: no window reaches back that far";
    let problem = page.of_value(&keys(&["end"]), "the correction ended more than 400 days ago", hint);
    Some(Problem { severity: Severity::Warning, ..problem })
}

impl ScopeText {
    fn is_empty(&self) -> bool {
        let has_no_name = [&self.team, &self.service, &self.slo].iter().all(|names| names.is_none());
        has_no_name && self.labels.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

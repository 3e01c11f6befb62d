//! The folder `corrections/`: one file, one correction. Reports corrections that are invalid, long over, or match
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};
use rrule::RRuleSet;

use super::correction::Occurrences;
use super::problem::{Problem, Severity};
use super::recurrence::{RuleError, parse_rule};
use super::source_spans::{PathStep, key_path};
use super::suggest::suggestion;
use super::yaml::{CategoryYaml, CorrectionFile, Moment, Name, OneOrMany, Scalar, ScopeYaml, YamlFile, decode};
use super::{Category, Correction, Scope, Service, Slo};
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// Nothing is looked at that is older than the longest window a definition can have.
pub(super) const LONGEST_WINDOW_MINUTES: i32 = 400 * MINUTES_PER_DAY;

/// The most unknown names of a scope that are reported.
const UNKNOWN_MAX: usize = 20;

/// Names that scopes may use. Those of invalid definitions count too, so that one mistake is not reported twice.
#[derive(Default)]
pub(super) struct KnownNames {
    pub(super) teams: BTreeSet<String>,
    pub(super) services: BTreeSet<String>,
    /// `None` when classes are invalid, so that not all names are known.
    pub(super) slos: Option<BTreeSet<String>>,
}

/// What corrections are checked against.
pub(super) struct CorrectionContext<'a> {
    pub(super) names: KnownNames,
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
    yaml: &YamlFile<'_>,
    context: &CorrectionContext<'_>,
    find_duplicate: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<Correction> {
    let mut correction_problems = Vec::new();
    let decoded = decode::<CorrectionFile>(yaml, |_| false, &mut correction_problems);
    let (file, invalid_paths) = (decoded.value, decoded.invalid_paths);
    let is_invalid =
        |key: &str| invalid_paths.iter().any(|path| path.is_empty() || path.starts_with(&key_path(&[key])));
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
        if !is_set && !is_invalid(key) {
            correction_problems.push(yaml.value_problem(
                &[],
                format!("the correction has no `{key}`"),
                missing_field_hint(key),
            ));
        }
    }
    if let Some((id, first)) = file.id.as_ref().and_then(|id| Some((&id.0.0, find_duplicate(&id.0.0)?))) {
        let hint = format!("`{first}` already uses this id; rename one of the two");
        correction_problems.push(yaml.value_problem(&key_path(&["id"]), format!("duplicate correction `{id}`"), hint));
    }
    let occurrences = build_occurrences(yaml, &file, is_invalid("time_zone"), &mut correction_problems);
    let has_no_errors = correction_problems.iter().all(|problem| problem.severity == Severity::Warning);
    let is_valid = has_no_errors && file.scope.as_ref().is_some_and(|scope| !scope.is_empty());
    if let Some(text) = &file.scope {
        check_scope(yaml, text, is_invalid("scope"), context, &mut correction_problems);
    }
    if let Some(occurrences) = &occurrences {
        correction_problems.extend(expired_warning(yaml, occurrences, context.at));
    }
    let subject = file.id.as_ref().map_or_else(String::new, |id| format!("correction {}", id.0.0));
    problems.extend(correction_problems.into_iter().map(|problem| Problem { subject: subject.clone(), ..problem }));
    if is_valid { build_correction(&file, occurrences?) } else { None }
}

fn missing_field_hint(key: &str) -> &'static str {
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

fn build_correction(file: &CorrectionFile, occurrences: Occurrences) -> Option<Correction> {
    let scope = file.scope.as_ref()?;
    Some(Correction {
        id: file.id.as_ref()?.0.0.clone(),
        reason: file.reason.as_ref()?.0.0.clone(),
        category: match file.category? {
            CategoryYaml::Planned => Category::Planned,
            CategoryYaml::Unplanned => Category::Unplanned,
            CategoryYaml::Measurement => Category::Measurement,
            CategoryYaml::Silence => Category::Silence,
        },
        author: file.author.as_ref()?.0.0.clone(),
        scope: build_scope(scope),
        occurrences,
    })
}

fn build_scope(text: &ScopeYaml) -> Scope {
    let names = |values: &Option<OneOrMany<Scalar<Name>>>| {
        values.iter().flat_map(|many| &many.0).map(|name| name.0.0.clone()).collect()
    };
    Scope {
        teams: names(&text.team),
        services: names(&text.service),
        slos: names(&text.slo),
        labels: text.labels.iter().flatten().map(|(label, value)| (label.clone(), value.0.0.clone())).collect(),
    }
}

/// When the correction applies. Start, end and rule are checked as far as each of them is there.
fn build_occurrences(
    yaml: &YamlFile<'_>,
    file: &CorrectionFile,
    is_zone_invalid: bool,
    problems: &mut Vec<Problem>,
) -> Option<Occurrences> {
    let zone = file.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.0.clone());
    let mut resolve = |key, text: Option<Scalar<Moment>>| resolve_moment(yaml, key, text?.0, &zone, problems);
    let (start, end) = (resolve("start", file.start), resolve("end", file.end));
    let span = start.as_ref().zip(end.as_ref()).and_then(|(start, end)| build_span(yaml, start, end, problems));
    let rule = match (&file.repeat, &start) {
        (Some(text), Some(start)) if !is_zone_invalid => {
            let end = end.as_ref().filter(|_| span.is_some());
            Some(build_rule(yaml, &text.0.0, start, end, problems)?)
        }
        _ => None,
    };
    Some(Occurrences { first: span?, rule })
}

fn build_span(yaml: &YamlFile<'_>, start: &Zoned, end: &Zoned, problems: &mut Vec<Problem>) -> Option<Span> {
    let minute = |moment: &Zoned| Minute::from_unix_seconds(moment.timestamp().as_second());
    if minute(end) <= minute(start) {
        let hint = "set `end` to a minute after `start`; the correction does not include it";
        problems.push(yaml.value_problem(&key_path(&["end"]), "`end` is not after `start`", hint));
        return None;
    }
    let span = Span::new(minute(start), minute(end));
    if span.minutes() > LONGEST_WINDOW_MINUTES.unsigned_abs() {
        let hint = "set an earlier `end`: no window is longer; to ignore an SLO permanently, remove it";
        problems.push(yaml.value_problem(&key_path(&["end"]), "the correction is longer than 400 days", hint));
        return None;
    }
    Some(span)
}

fn build_rule(
    yaml: &YamlFile<'_>,
    text: &str,
    start: &Zoned,
    end: Option<&Zoned>,
    problems: &mut Vec<Problem>,
) -> Option<Box<RRuleSet>> {
    let (key, explained) = match parse_rule(text, start, end) {
        Ok(rule) => return Some(Box::new(rule)),
        Err(RuleError::Repeat(refusal)) => ("repeat", refusal),
        Err(RuleError::Start(refusal)) => ("start", refusal),
    };
    problems.push(yaml.value_problem(&key_path(&[key]), explained.message, explained.hint));
    None
}

/// A moment in the zone. A local time that a clock change skips or repeats names no single instant.
fn resolve_moment(
    yaml: &YamlFile<'_>,
    key: &str,
    moment: Moment,
    zone: &TimeZone,
    problems: &mut Vec<Problem>,
) -> Option<Zoned> {
    let local = match moment {
        Moment::Instant(instant) => return Some(instant.to_zoned(zone.clone())),
        Moment::Local(local) => local,
    };
    let ambiguous = zone.to_ambiguous_zoned(local);
    let reason = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => return ambiguous.compatible().ok(),
        AmbiguousOffset::Gap { .. } => "does not exist",
        AmbiguousOffset::Fold { .. } => "occurs twice",
    };
    let utc = ambiguous.compatible().map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let zone_name = zone.iana_name().unwrap_or("this time zone");
    let message = format!("`{local}` {reason} in {zone_name}, because the clocks change");
    let hint = format!("write it in UTC: `{}`", utc.strftime("%Y-%m-%dT%H:%MZ"));
    problems.push(yaml.value_problem(&key_path(&[key]), message, hint));
    None
}

/// Unknown names are errors, but leave out only themselves: the correction still applies to the others.
fn check_scope(
    yaml: &YamlFile<'_>,
    text: &ScopeYaml,
    is_invalid: bool,
    context: &CorrectionContext<'_>,
    problems: &mut Vec<Problem>,
) {
    if text.is_empty() {
        if !is_invalid {
            let hint = "set `team`, `service`, `slo` or `labels`: an empty scope does not mean the whole fleet";
            problems.push(yaml.value_problem(&key_path(&["scope"]), "`scope` is empty", hint));
        }
        return;
    }
    let (scope, names) = (build_scope(text), &context.names);
    let before = problems.len();
    for (key, noun, scope_names, known) in [
        ("team", "team", &scope.teams, Some(&names.teams)),
        ("service", "service", &scope.services, Some(&names.services)),
        ("slo", "SLO", &scope.slos, names.slos.as_ref()),
    ] {
        let Some(known) = known else { continue };
        let unknown = scope_names.iter().enumerate().filter(|(_, name)| !known.contains(*name));
        for (index, name) in unknown.take(UNKNOWN_MAX) {
            let hint = suggestion(name, &format!("{noun}s"), known.iter().map(String::as_str))
                .unwrap_or_else(|| format!("remove it, or add that {noun}"));
            let mut path = key_path(&["scope", key]);
            path.push(PathStep::Item(index));
            problems.push(yaml.value_problem(&path, format!("unknown {noun} `{name}`"), hint));
        }
    }
    let matches_any_slo = |service: &Service| service.slos.iter().any(|slo: &Slo| scope.covers(service, slo));
    if problems.len() == before && !is_invalid && context.is_complete && !context.services.iter().any(matches_any_slo) {
        let hint = "check `scope`: an SLO must match all of its fields";
        let problem = yaml.value_problem(&key_path(&["scope"]), "the correction matches no SLO", hint);
        problems.push(Problem { severity: Severity::Warning, ..problem });
    }
}

fn expired_warning(yaml: &YamlFile<'_>, occurrences: &Occurrences, at: Minute) -> Option<Problem> {
    let cutoff = at.plus(-LONGEST_WINDOW_MINUTES);
    if occurrences.iter().any(|occurrence| occurrence.end > cutoff) {
        return None;
    }
    let hint = "remove the file: no window reaches back that far";
    let problem = yaml.value_problem(&key_path(&["end"]), "the correction ended more than 400 days ago", hint);
    Some(Problem { severity: Severity::Warning, ..problem })
}

impl ScopeYaml {
    fn is_empty(&self) -> bool {
        let has_no_name = [&self.team, &self.service, &self.slo].iter().all(|names| names.is_none());
        has_no_name && self.labels.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

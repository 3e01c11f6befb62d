//! A correction from its file in `corrections/`. Reports corrections that are invalid, long over, or match nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::recurrence::{LONGEST_WINDOW_MINUTES, parse_rule};
use crate::slo::correction::{Correction, Occurrences, Scope};
use crate::slo::problem::{Problem, Severity};
use crate::slo::service::Service;
use crate::slo::source_spans::{PathStep, key_path};
use crate::slo::suggest::suggestion;
use crate::slo::yaml::{CorrectionFile, Moment, Name, OneOrMany, Scalar, ScopeYaml, YamlFile, decode};
use crate::time::{Minute, Span};

const UNKNOWN_MAX: usize = 20;

/// The required fields, each with the hint for a missing one.
const REQUIRED_FIELDS: [(&str, &str); 7] = [
    ("id", "add a name for reports: `id: orders-move-2026-10`"),
    ("reason", "add one line that explains it in reports: `reason: ...`"),
    (
        "category",
        "add `category: planned`, `unplanned` or `measurement`; or `silence` to keep the minutes but send no notifications",
    ),
    ("author", "add the person responsible: `author: jane@example.com`"),
    ("scope", "add the affected SLOs: `scope: { service: checkout }`"),
    ("start", "add the first minute: `start: 2026-10-03T01:00`"),
    ("end", "add the minute after the last one: `end: 2026-10-03T03:00`"),
];

/// Names that scopes may use. Those of invalid definitions count too, so that one mistake is not reported twice.
#[derive(Default)]
pub(in crate::slo) struct KnownNames {
    pub(in crate::slo) teams: BTreeSet<String>,
    pub(in crate::slo) services: BTreeSet<String>,
    /// `None` when classes are invalid, so that not all names are known.
    pub(in crate::slo) slos: Option<BTreeSet<String>>,
}

/// The definitions that corrections are checked against.
pub(in crate::slo) struct CorrectionContext<'a> {
    pub(in crate::slo) names: KnownNames,
    pub(in crate::slo) services: &'a [Service],
    /// Whether no definition is invalid, so that these are all services.
    pub(in crate::slo) is_complete: bool,
    /// The minute at which a correction may be over.
    pub(in crate::slo) at: Minute,
}

/// Reads a correction file and reports all of its problems at once. `None` when the correction has to be left out.
/// `find_duplicate` gives the path of another file that already has an id.
pub(in crate::slo) fn read_correction(
    yaml: &YamlFile<'_>,
    context: &CorrectionContext<'_>,
    find_duplicate: impl Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<Correction> {
    let mut reader = CorrectionReader { yaml, problems: Vec::new() };
    let decoded = decode::<CorrectionFile>(yaml, |_| false, &mut reader.problems);
    let (file, invalid_paths) = (decoded.value, decoded.invalid_paths);
    let is_invalid =
        |key: &str| invalid_paths.iter().any(|path| path.is_empty() || path.starts_with(&key_path(&[key])));
    for (key, hint) in REQUIRED_FIELDS {
        if !yaml.contains(&[key]) && !is_invalid(key) {
            reader.problems.push(yaml.value_problem::<&str>(&[], format!("the correction has no `{key}`"), hint));
        }
    }
    let id = file.id.as_ref().map_or("", |id| id.0.0.as_str());
    if let Some(first) = file.id.as_ref().and_then(|_| find_duplicate(id)) {
        let hint = format!("`{first}` already uses this id; rename one of the two");
        reader.report("id", format!("duplicate correction `{id}`"), hint);
    }
    let occurrences = reader.build_occurrences(&file, is_invalid("time_zone"));
    let has_no_errors = reader.problems.iter().all(|problem| problem.severity == Severity::Warning);
    if let Some(scope) = &file.scope {
        reader.check_scope(scope, is_invalid("scope"), context);
    }
    if let Some(occurrences) = &occurrences {
        reader.check_expiry(occurrences, context.at);
    }
    let subject = if file.id.is_some() { format!("correction {id}") } else { String::new() };
    problems.extend(reader.problems.into_iter().map(|problem| Problem { subject: subject.clone(), ..problem }));
    let scope = file.scope.as_ref().filter(|scope| has_no_errors && !scope.is_empty())?;
    Some(Correction {
        id: file.id.as_ref()?.0.0.clone(),
        reason: file.reason.as_ref()?.0.0.clone(),
        category: file.category?,
        author: file.author.as_ref()?.0.0.clone(),
        scope: build_scope(scope),
        occurrences: occurrences?,
    })
}

fn build_scope(fields: &ScopeYaml) -> Scope {
    let names = |values: &Option<OneOrMany<Scalar<Name>>>| {
        values.iter().flat_map(|many| &many.0).map(|name| name.0.0.clone()).collect()
    };
    Scope {
        teams: names(&fields.team),
        services: names(&fields.service),
        slos: names(&fields.slo),
        labels: fields.labels.iter().flatten().map(|(label, value)| (label.clone(), value.0.0.clone())).collect(),
    }
}

struct CorrectionReader<'a> {
    yaml: &'a YamlFile<'a>,
    problems: Vec<Problem>,
}

impl CorrectionReader<'_> {
    fn report(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(self.yaml.value_problem(&[key], message, hint));
    }

    fn warn(&mut self, key: &str, message: &str, hint: &str) {
        let problem = self.yaml.value_problem(&[key], message, hint);
        self.problems.push(Problem { severity: Severity::Warning, ..problem });
    }

    /// When the correction applies. Start, end and rule are checked as far as each of them is there.
    fn build_occurrences(&mut self, file: &CorrectionFile, is_zone_invalid: bool) -> Option<Occurrences> {
        let zone = file.time_zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.clone());
        let start = file.start.and_then(|moment| self.resolve_moment("start", moment.0, &zone));
        let end = file.end.and_then(|moment| self.resolve_moment("end", moment.0, &zone));
        let span = start.as_ref().zip(end.as_ref()).and_then(|(start, end)| self.build_span(start, end));
        let rule = match (&file.repeat, &start) {
            (Some(repeat), Some(start)) if !is_zone_invalid => {
                let end = end.as_ref().filter(|_| span.is_some());
                match parse_rule(&repeat.0.0, start, end) {
                    Ok(rule) => Some(Box::new(rule)),
                    Err(error) => {
                        self.report(error.key, error.explained.message, error.explained.hint);
                        return None;
                    }
                }
            }
            _ => None,
        };
        Some(Occurrences { first: span?, rule })
    }

    fn build_span(&mut self, start: &Zoned, end: &Zoned) -> Option<Span> {
        let minute = |moment: &Zoned| Minute::from_unix_seconds(moment.timestamp().as_second());
        if minute(end) <= minute(start) {
            let hint = "set `end` to a minute after `start`; the correction does not include it";
            self.report("end", "`end` is not after `start`", hint);
            return None;
        }
        let span = Span::new(minute(start), minute(end));
        if span.minutes() > LONGEST_WINDOW_MINUTES.unsigned_abs() {
            let hint = "set an earlier `end`: no window is longer; to ignore an SLO permanently, remove it";
            self.report("end", "the correction is longer than 400 days", hint);
            return None;
        }
        Some(span)
    }

    /// A moment in the zone. A local time that a clock change skips or repeats does not name one instant.
    fn resolve_moment(&mut self, key: &str, moment: Moment, zone: &TimeZone) -> Option<Zoned> {
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
        self.report(key, message, format!("write it in UTC: `{}`", utc.strftime("%Y-%m-%dT%H:%MZ")));
        None
    }

    /// Reports unknown names, each as an error that leaves out only the name: the correction still applies to the
    /// others.
    fn check_scope(&mut self, fields: &ScopeYaml, is_invalid: bool, context: &CorrectionContext<'_>) {
        if fields.is_empty() {
            if !is_invalid {
                let hint = "set `team`, `service`, `slo` or `labels`: an empty scope does not mean the whole fleet";
                self.report("scope", "`scope` is empty", hint);
            }
            return;
        }
        let (scope, names) = (build_scope(fields), &context.names);
        let before = self.problems.len();
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
                let path = ["scope".into(), key.into(), PathStep::Item(index)];
                self.problems.push(self.yaml.value_problem(&path, format!("unknown {noun} `{name}`"), hint));
            }
        }
        let matches_any_slo = |service: &Service| service.slos.iter().any(|slo| scope.covers(service, slo));
        let is_checked = self.problems.len() == before && !is_invalid && context.is_complete;
        if is_checked && !context.services.iter().any(matches_any_slo) {
            self.warn("scope", "the correction matches no SLO", "check `scope`: an SLO must match all of its fields");
        }
    }

    fn check_expiry(&mut self, occurrences: &Occurrences, at: Minute) {
        let cutoff = at.plus(-LONGEST_WINDOW_MINUTES);
        if !occurrences.iter().any(|occurrence| occurrence.end > cutoff) {
            let hint = "remove the file: no window reaches back that far";
            self.warn("end", "the correction ended more than 400 days ago", hint);
        }
    }
}

impl ScopeYaml {
    fn is_empty(&self) -> bool {
        let has_no_name = [&self.team, &self.service, &self.slo].iter().all(|names| names.is_none());
        has_no_name && self.labels.as_ref().is_none_or(BTreeMap::is_empty)
    }
}

//! Warnings about values that can be used and are hardly meant.

use serde_yaml::Value;

use super::balancer::{looks_like_regex, wildcard_of};
use super::region;
use super::typed::FromText;
use super::values::Percent;
use crate::exact::Exact;
use crate::slo::positions::{Path, Step};
use crate::slo::problem::Refusal;

/// The most warnings of one file.
const WARNINGS_MAX: usize = 20;

/// The doubtful values of a file, each with its path.
pub(super) fn doubts(value: &Value) -> Vec<(Path, Refusal)> {
    let mut found = Vec::new();
    walk(value, &mut Path::new(), &mut found);
    found
}

fn walk(value: &Value, path: &mut Path, found: &mut Vec<(Path, Refusal)>) {
    if found.len() >= WARNINGS_MAX {
        return;
    }
    match value {
        Value::String(text) => found.extend(doubt(path, text).map(|refusal| (path.clone(), refusal))),
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Item(index));
                walk(item, path, found);
                path.pop();
            }
        }
        Value::Mapping(map) => {
            for (key, inner) in map.iter().filter_map(|(key, inner)| Some((key.as_str()?, inner))) {
                path.push(Step::Key(key.to_owned()));
                walk(inner, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn doubt(path: &[Step], text: &str) -> Option<Refusal> {
    let keys = path.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Item(_) => None,
    });
    match keys.collect::<Vec<_>>().as_slice() {
        ["runbook" | "dashboard"] => not_linked(text),
        ["slos" | "classes", .., "where", "path"] => regular_expression(text),
        ["slos", _] | ["slos", _, "objective"] | ["classes", _, "slos", _] | ["classes", _, "slos", _, "objective"] => {
            no_budget(text)
        }
        ["sources", _, "cloudwatch" | "region" | "regions"] => region::doubt(text),
        _ => None,
    }
}

/// A link that no notification and no page will show as one.
fn not_linked(text: &str) -> Option<Refusal> {
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
        ["https", "http"].iter().any(|web| scheme.eq_ignore_ascii_case(web)) && !rest.is_empty()
    });
    (!is_url || text.contains(char::is_whitespace)).then(|| {
        Refusal::new(
            format!("`{text}` is not a URL and will not be linked"),
            "write the full URL, such as `https://wiki.example.com/checkout`",
        )
    })
}

fn no_budget(text: &str) -> Option<Refusal> {
    Percent::from_text(text).ok().filter(|percent| percent.share == Exact::from_integer(1)).map(|_| {
        Refusal::new(
            "an objective of `100%` leaves no error budget: every bad event fires an alert",
            "set an objective below 100%, such as `99.95%`",
        )
    })
}

fn regular_expression(text: &str) -> Option<Refusal> {
    looks_like_regex(text).then(|| {
        let hint = wildcard_of(text).filter(|meant| meant != text).map_or_else(
            || "use `*` for any characters and `?` for one character".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        Refusal::new(format!("`{text}` looks like a regular expression, but is read as a wildcard pattern"), hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubtful_values_are_found_where_they_are_read() {
        let yaml = "runbook: wiki/checkout\ndashboard: https://grafana.example.com/d/x\nslos:\n  a: 100%\n  b: { objective: \
                    100.0%, where: { path: [/v1/.*, /v1/*] } }\n  c: 99.9%\nsources:\n  m: { cloudwatch: eu-west-9, region: eu-west-1 }\n";
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        let found: Vec<(usize, String)> =
            doubts(&value).into_iter().map(|(path, refusal)| (path.len(), refusal.hint)).collect();
        let hints: Vec<&str> = found.iter().map(|(_, hint)| hint.as_str()).collect();
        assert_eq!(
            hints,
            [
                "write the full URL, such as `https://wiki.example.com/checkout`",
                "set an objective below 100%, such as `99.95%`",
                "set an objective below 100%, such as `99.95%`",
                "did you mean `/v1/*`?",
                "check the spelling; ignore this warning if the region is newer than this version of slowburn",
            ]
        );
        assert_eq!(found.iter().map(|(depth, _)| *depth).collect::<Vec<_>>(), [1, 2, 3, 5, 3]);
    }
}

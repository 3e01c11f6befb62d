//! Warnings about valid values that are probably not what was meant.

use serde_yaml::Value;

use super::forms::FromText;
use super::region;
use super::request_pattern::regex_warning;
use super::scalars::Percent;
use crate::hinted_error::HintedError;
use crate::rational::Rational;
use crate::slo::source_spans::{PathStep, YamlPath};

const WARNINGS_MAX: usize = 20;

/// The doubtful values of a file, each with its path.
pub(super) fn find_warnings(value: &Value) -> Vec<(YamlPath, HintedError)> {
    let texts = texts(value, YamlPath::new()).into_iter();
    texts
        .filter_map(|(path, text)| warning_for(&path, text).map(|warning| (path, warning)))
        .take(WARNINGS_MAX)
        .collect()
}

fn texts(value: &Value, path: YamlPath) -> Vec<(YamlPath, &str)> {
    let child_path = |step: PathStep| [path.as_slice(), &[step]].concat();
    match value {
        Value::String(text) => vec![(path, text)],
        Value::Sequence(items) => {
            let items = items.iter().enumerate();
            items.flat_map(|(index, item)| texts(item, child_path(PathStep::Item(index)))).collect()
        }
        Value::Mapping(map) => {
            let entries = map.iter().filter_map(|(key, inner)| Some((key.as_str()?.to_owned(), inner)));
            entries.flat_map(|(key, inner)| texts(inner, child_path(PathStep::Key(key)))).collect()
        }
        _ => Vec::new(),
    }
}

fn warning_for(path: &[PathStep], text: &str) -> Option<HintedError> {
    let keys = path.iter().filter_map(|step| match step {
        PathStep::Key(key) => Some(key.as_str()),
        PathStep::Item(_) => None,
    });
    match keys.collect::<Vec<_>>().as_slice() {
        ["runbook" | "dashboard"] => url_warning(text),
        ["slos" | "classes", .., "where", "path"] => regex_warning(text),
        ["slos", _] | ["slos", _, "objective"] | ["classes", _, "slos", _] | ["classes", _, "slos", _, "objective"] => {
            full_objective_warning(text)
        }
        ["sources", _, "cloudwatch" | "region" | "regions"] => region::unknown_region_warning(text),
        _ => None,
    }
}

fn url_warning(text: &str) -> Option<HintedError> {
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
        ["https", "http"].iter().any(|web| scheme.eq_ignore_ascii_case(web)) && !rest.is_empty()
    });
    (!is_url || text.contains(char::is_whitespace)).then(|| {
        HintedError::new(
            format!("`{text}` is not a URL and will not be linked"),
            "write the full URL, such as `https://wiki.example.com/checkout`",
        )
    })
}

fn full_objective_warning(text: &str) -> Option<HintedError> {
    Percent::from_text(text).ok().filter(|percent| percent.share == Rational::from_integer(1)).map(|_| {
        HintedError::new(
            "an objective of `100%` leaves no error budget: every bad event fires an alert",
            "set an objective below 100%, such as `99.95%`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_reported_at_the_doubtful_value() {
        let yaml = "runbook: wiki/checkout\ndashboard: https://grafana.example.com/d/x\nslos:\n  a: 100%\n  b: { objective: \
                    100.0%, where: { path: [/v1/.*, /v1/*] } }\n  c: 99.9%\nsources:\n  m: { cloudwatch: eu-west-9, region: eu-west-1 }\n";
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        let found: Vec<(usize, String)> = find_warnings(&value)
            .into_iter()
            .map(|(path, explained)| (path.len(), explained.hint.into_owned()))
            .collect();
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

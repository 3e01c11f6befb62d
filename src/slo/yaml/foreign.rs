//! Recognises definitions in the formats of other tools, by their first keys.

use std::ops::Range;

/// The format of another tool with its article, and the line that shows it.
pub(super) fn detect_format(body: &str) -> Option<(Range<usize>, &'static str)> {
    let mut version_range = None;
    let mut format = None;
    let mut start = 0;
    for (index, line) in body.split_inclusive('\n').enumerate() {
        let range = start..start + line.trim_end().len();
        start += line.len();
        if line.starts_with("---") && index > 0 && version_range.is_some() {
            break;
        }
        let (key, value) = line.split_once(':').unwrap_or_default();
        let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
        match key {
            "version" if value.starts_with("prometheus/") => return Some((range, "a Sloth")),
            "apiVersion" => {
                format = format_from_api_version(value).or(format);
                version_range = Some(range);
            }
            "kind" if value == "PrometheusServiceLevel" => format = format.or(Some("a Sloth")),
            "kind" if value == "ServiceLevelObjective" => format = format.or(Some("a Pyrra")),
            _ => {}
        }
    }
    version_range.map(|range| (range, format.unwrap_or("a Kubernetes")))
}

fn format_from_api_version(version: &str) -> Option<&'static str> {
    let formats = [
        ("openslo", "an OpenSLO"),
        ("sloth.slok.dev/", "a Sloth"),
        ("pyrra.dev/", "a Pyrra"),
        ("sre.google.com/", "an slo-generator"),
        ("n9/", "a Nobl9"),
        ("monitoring.coreos.com/", "a Prometheus Operator"),
    ];
    formats.iter().find(|(prefix, _)| version.starts_with(prefix)).map(|(_, format)| *format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_other_tools_are_recognised() {
        for (text, expected) in [
            ("version: \"prometheus/v1\"\nservice: x\nslos:\n  - name: a\n", Some("a Sloth")),
            ("apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\n", Some("a Sloth")),
            ("# note\napiVersion: openslo/v1 # v1\nkind: SLO\n---\napiVersion: v1\n", Some("an OpenSLO")),
            ("kind: ServiceLevelObjective\napiVersion: pyrra.dev/v1alpha1\n", Some("a Pyrra")),
            ("apiVersion: v1alpha1\nkind: ServiceLevelObjective\n", Some("a Pyrra")),
            ("apiVersion: sre.google.com/v2\nkind: ServiceLevelObjective\n", Some("an slo-generator")),
            ("apiVersion: v1\nkind: ConfigMap\n", Some("a Kubernetes")),
            ("service: x\nload_balancer: app/x\n", None),
            ("service: x\nslos:\n  version: prometheus/v1\n", None),
        ] {
            assert_eq!(detect_format(text).map(|(_, format)| format), expected, "{text}");
        }
    }
}

//! The house keeps its shape: which room may know which, how long files and functions may be, what they are called.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail loudly, and cuts where it found ASCII")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rooms that know no async, files, clock or environment.
const PURE_MODULES: [&str; 20] = [
    "access_log",
    "alert",
    "burn",
    "cost",
    "counts",
    "fetch_plan",
    "format",
    "hinted_error",
    "discovery",
    "rational",
    "ledger",
    "location",
    "time",
    "report",
    "serialization",
    "series",
    "simulate",
    "slo",
    "evaluation",
    "text",
];
/// Rooms that reach the outside world. None of them may know another.
const ADAPTERS: [&str; 3] = ["source", "store", "notify"];
/// What doors stand on: it knows no door itself.
const BASE: &str = "aws";
/// Which crate may be named below which path, and nowhere else.
const CRATE_MODULES: &[(&str, &[&str])] = &[
    ("aws_config", &["aws.rs"]),
    ("aws_credential_types", &["aws.rs"]),
    ("aws_sdk_s3", &["aws.rs", "store/", "source/"]),
    ("serde_yaml", &["slo/yaml"]),
    ("regex_lite", &["slo/yaml"]),
    ("saphyr_parser", &["slo/source_spans"]),
    ("clap", &["cli.rs", "cli/"]),
    ("clap_complete", &["cli.rs", "cli/"]),
    ("clap_mangen", &["cli/man"]),
    ("polars", &["store/", "source/"]),
    ("polars_io", &["store/", "source/"]),
    ("plotters", &["report/chart"]),
    ("png", &["report/chart"]),
    ("prometheus_client", &["report/export/openmetrics"]),
    ("lettre", &["notify/"]),
    ("reqwest", &["notify/"]),
    ("rustls", &["notify/"]),
    ("base64", &["notify/", "report/site", "report/weekly"]),
    ("hmac", &["notify/"]),
    ("percent_encoding", &["notify/", "source/access_logs/s3"]),
    ("sha2", &["notify/", "report/site"]),
    ("aws_sdk_cloudwatch", &["aws.rs", "source/", "notify/put_metric_data"]),
    ("aws_sdk_athena", &["aws.rs", "source/"]),
    ("aws_sdk_elasticloadbalancingv2", &["aws.rs", "source/"]),
    ("aws_sdk_resourcegroupstagging", &["aws.rs", "source/"]),
    ("minijinja", &["source/", "notify/", "report/"]),
];
/// What pure rooms never say.
const IO_WORDS: [&str; 6] = ["std::fs", "std::env", "tokio", "SystemTime", "async fn", "Instant::now"];
const LINES_PER_FILE: usize = 400;
const LINES_PER_FUNCTION: usize = 70;

struct Source {
    /// Path below `src/`, with `/`.
    name: String,
    /// The lines before the tests.
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_none_or(|name| name != "tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").map(str::to_owned).collect();
                found.push(Source { name, lines });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// `slo/file.rs` lies in the room `slo`, `minute.rs` in `minute`.
fn module_of(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or(name)
}

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Whether `text` names the word, not as a part of a longer one.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && !joins(after)
    })
}

/// The rooms a line of code reaches into: `use crate::slo::...` or `crate::slo::...`, also in braces.
fn modules_named(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => found.extend(list.split(',').map(|part| word(part.trim()))),
            None => found.push(word(rest)),
        }
    }
    found
}

fn assert_no_violations(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

#[test]
fn adapters_depend_only_on_pure_modules() {
    let mut offences = Vec::new();
    for source in sources() {
        let own = module_of(&source.name);
        for (number, line) in source.lines.iter().enumerate() {
            for other in modules_named(code(line)) {
                let pure_ok = !PURE_MODULES.contains(&own) || PURE_MODULES.contains(&other.as_str());
                let below = PURE_MODULES.contains(&other.as_str()) || (other == BASE && own != BASE);
                let door_ok = !(ADAPTERS.contains(&own) || own == BASE) || other == own || below;
                if !pure_ok || !door_ok {
                    offences.push(format!("src/{}:{}: `{own}` names `{other}`", source.name, number + 1));
                }
            }
        }
    }
    assert_no_violations("pure rooms know pure rooms only, and no door knows another", &offences);
}

#[test]
fn pure_modules_have_no_io() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| PURE_MODULES.contains(&module_of(&source.name))) {
        for (number, line) in source.lines.iter().enumerate() {
            for word in IO_WORDS.into_iter().filter(|word| contains_word(code(line), word)) {
                offences.push(format!("src/{}:{}: `{word}`", source.name, number + 1));
            }
        }
    }
    assert_no_violations("pure rooms have no async, files, clock or environment", &offences);
}

#[test]
fn each_external_crate_is_used_in_one_module() {
    let mut offences = Vec::new();
    for source in sources() {
        for (krate, homes) in CRATE_MODULES {
            if homes.iter().any(|home| source.name.starts_with(home)) {
                continue;
            }
            for (number, line) in source.lines.iter().enumerate() {
                let line = code(line);
                if line.contains(&format!("{krate}::")) && contains_word(line, krate) {
                    offences.push(format!("src/{}:{}: `{krate}` lives in {homes:?}", source.name, number + 1));
                }
            }
        }
        let reads_environment = |line: &String| code(line).contains("env::var");
        if module_of(&source.name) != "cli" && source.lines.iter().any(reads_environment) {
            offences.push(format!("src/{}: the environment is read in cli", source.name));
        }
    }
    assert_no_violations("each outside crate is seen in its home only", &offences);
}

#[test]
fn files_are_short_and_start_with_module_docs() {
    let mut offences = Vec::new();
    for source in sources() {
        if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
            offences.push(format!("src/{} opens without a `//!` sentence", source.name));
        }
        if source.lines.len() > LINES_PER_FILE {
            offences.push(format!("src/{} has {} lines", source.name, source.lines.len()));
        }
        for part in source.name.trim_end_matches(".rs").split('/') {
            if ["util", "utils", "helper", "helpers", "common", "misc", "manager"].contains(&part) {
                offences.push(format!("src/{}: `{part}` says nothing", source.name));
            }
        }
    }
    assert_no_violations("files are short, named for what they hold, and say it first", &offences);
}

#[test]
fn functions_are_short() {
    let mut offences = Vec::new();
    for source in sources() {
        // rustfmt ends a function with a brace at the indentation of its first line.
        let mut open: BTreeMap<usize, (usize, String)> = BTreeMap::new();
        for (number, line) in source.lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if contains_word(code(line), "fn")
                && !line.trim_end().ends_with(';')
                && line.trim_start().starts_with(FN_STARTS)
            {
                open.insert(indent, (number, line.trim().to_owned()));
            } else if line.trim() == "}"
                && let Some((start, text)) = open.remove(&indent)
                && number - start + 1 > LINES_PER_FUNCTION
            {
                offences.push(format!("src/{}:{}: {} lines: {text}", source.name, start + 1, number - start + 1));
            }
        }
    }
    assert_no_violations("no function is longer than a screen", &offences);
}

/// How the first line of a function may begin.
const FN_STARTS: &[char] = &['p', 'f', 'a', 'c', 'u'];

#[test]
fn architecture_doc_lists_every_module() {
    let map = sources().into_iter().find(|source| source.name == "lib.rs").unwrap().lines.join("\n");
    let mut rooms: Vec<String> = sources().iter().map(|source| module_of(&source.name).to_owned()).collect();
    rooms.dedup();
    let missing: Vec<String> = rooms
        .into_iter()
        .filter(|name| !["lib", "main"].contains(&name.as_str()))
        .filter(|name| !map.contains(&format!("`{name}`")))
        .collect();
    assert_no_violations("lib.rs says one sentence of every room", &missing);
}

//! The architecture as tests: the order of modules, imports without cycles, pure modules, one module for each crate,
//! and the length of files and functions.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail loudly, and cuts where it found ASCII")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The last pure module in the order of `lib.rs`.
const LAST_PURE_MODULE: &str = "simulate";
/// Adapters to the outside world. None of them imports another, except `aws`.
const ADAPTERS: [&str; 3] = ["source", "store", "notify"];
/// The modules below which a crate may be named.
const CRATE_MODULES: &[(&str, &[&str])] = &[
    ("aws_config", &["aws.rs"]),
    ("aws_credential_types", &["aws.rs"]),
    ("aws_sdk_s3", &["aws.rs", "store/", "source/"]),
    ("serde_yaml", &["slo/yaml"]),
    ("regex_lite", &["slo/yaml"]),
    ("saphyr_parser", &["slo/source_spans"]),
    ("clap", &["command/"]),
    ("clap_complete", &["command/"]),
    ("clap_mangen", &["command/man"]),
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
/// Names that pure modules must not contain.
const IO_WORDS: [&str; 6] = ["std::fs", "std::env", "tokio", "SystemTime", "async fn", "Instant::now"];
const LINES_PER_FILE: usize = 400;
const LINES_PER_FUNCTION: usize = 70;

struct Source {
    /// The path below `src/`, with `/`.
    name: String,
    /// The path of the module: `["slo", "yaml", "tiers"]`.
    path: Vec<String>,
    /// The lines before the tests.
    lines: Vec<String>,
    /// The paths that the code names, in full from the root of the crate: `["slo", "yaml", "Tier"]`.
    imports: Vec<Vec<String>>,
}

impl Source {
    fn new(name: String, lines: Vec<String>) -> Self {
        let path: Vec<String> =
            name.trim_end_matches(".rs").trim_end_matches("/mod").split('/').map(str::to_owned).collect();
        let imports = imports(&path, &lines);
        Self { name, path, lines, imports }
    }

    /// The top-level module.
    fn module(&self) -> &str {
        &self.path[0]
    }
}

/// The paths that code names with `crate::`, with `super::`, or in a `use` of a child module.
fn imports(own: &[String], lines: &[String]) -> Vec<Vec<String>> {
    let code = lines.iter().map(|line| code(line)).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, word) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || "_:".contains(before)) {
            continue;
        }
        let (mut base, mut rest) = (own.to_vec(), &code[at..]);
        if word == "crate::" {
            base.clear();
            rest = &rest["crate::".len()..];
        }
        while let Some(parent) = rest.strip_prefix("super::") {
            base.pop();
            rest = parent;
        }
        expand(&base, rest, &mut found);
    }
    for (at, word) in code.match_indices("\nuse ").chain(code.match_indices("\npub use ")) {
        expand(own, &code[at + word.len()..], &mut found);
    }
    found
}

/// Reads a path of names with `::`, and each branch of braces, up to the end of the path.
fn expand<'t>(base: &[String], text: &'t str, found: &mut Vec<Vec<String>>) -> &'t str {
    let mut path = base.to_vec();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            path.push(rest[..end].to_owned());
        }
        rest = &rest[end..];
        let Some(next) = rest.strip_prefix("::") else {
            found.push(path);
            return rest;
        };
        rest = next;
        if let Some(branches) = rest.strip_prefix('{') {
            rest = branches;
            loop {
                rest = rest.trim_start();
                if let Some(after) = rest.strip_prefix('}') {
                    return after;
                }
                rest = expand(&path, rest, found).trim_start();
                let alias = rest.strip_prefix("as ").map(|alias| alias.trim_start_matches(char::is_alphanumeric));
                rest = alias.unwrap_or(rest).trim_start_matches([',', ' ', '\n', '_']);
                if rest.is_empty() {
                    return rest;
                }
            }
        }
    }
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
                // An item that only tests have, such as a re-export, does not end the code.
                let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
                let lines = code.lines().map(str::to_owned).collect();
                found.push(Source::new(name, lines));
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The code of a line, without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

/// Whether `text` contains the word, not as a part of a longer one.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && !joins(after)
    })
}

fn assert_no_violations(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n{}", violations.join("\n"));
}

/// The modules that `lib.rs` declares, in its order, without those that only tests have.
fn module_order() -> Vec<String> {
    let library = sources().into_iter().find(|source| source.name == "lib.rs").unwrap();
    let declared = library.lines.iter().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    declared.filter_map(|rest| rest.strip_suffix(';')).map(str::to_owned).collect()
}

/// The file that defines a path. A re-exported name resolves to the file of the child module.
fn defining_file(files: &BTreeMap<Vec<String>, usize>, sources: &[Source], path: &[String]) -> Option<usize> {
    let length = (1..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let index = *files.get(&path[..length])?;
    let Some(name) = path.get(length) else { return Some(index) };
    let of_children = sources[index].imports.iter().filter(|import| {
        import.starts_with(&path[..length]) && import.get(..=length).is_some_and(|child| files.contains_key(child))
    });
    let reexported = of_children.filter(|import| import.len() > length + 1).find(|import| import.last() == Some(name));
    reexported.and_then(|path| defining_file(files, sources, path)).or(Some(index))
}

#[test]
fn modules_import_only_modules_above_them() {
    let order = module_order();
    let rank = |module: &str| order.iter().position(|name| name == module);
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| !["lib.rs", "main.rs"].contains(&source.name.as_str())) {
        let own = rank(source.module());
        assert!(own.is_some(), "src/{} is not declared in lib.rs", source.name);
        for other in source.imports.iter().filter_map(|path| path.first()) {
            if rank(other) > own {
                violations.push(format!("src/{} imports `{other}`, which lib.rs declares below", source.name));
            }
            let both_adapters = ADAPTERS.contains(&source.module()) && ADAPTERS.contains(&other.as_str());
            if both_adapters && source.module() != other {
                violations.push(format!("src/{} imports `{other}`, another adapter", source.name));
            }
        }
    }
    assert_no_violations("a module imports only modules above it in lib.rs", &violations);
}

/// A parent and its child may name each other, as a type in `mod.rs` and its methods in a file of their own do.
#[test]
fn imports_form_no_cycle() {
    let sources = sources();
    let paths = sources.iter().map(|source| source.path.clone());
    let files: BTreeMap<Vec<String>, usize> = paths.zip(0..).collect();
    let imports: Vec<BTreeSet<usize>> = sources
        .iter()
        .enumerate()
        .map(|(own, source)| {
            let named = source.imports.iter().filter_map(|path| defining_file(&files, &sources, path));
            let is_related =
                |other: &Source| other.path.starts_with(&source.path) || source.path.starts_with(&other.path);
            named.filter(|file| *file != own && !is_related(&sources[*file])).collect()
        })
        .collect();
    let reachable = |from: usize| {
        let (mut found, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(file) = open.pop() {
            open.extend(imports[file].iter().filter(|next| found.insert(**next)));
        }
        found
    };
    let reachable: Vec<BTreeSet<usize>> = (0..sources.len()).map(reachable).collect();
    let mut violations = Vec::new();
    for (file, source) in sources.iter().enumerate() {
        for other in imports[file].iter().filter(|other| reachable[**other].contains(&file)) {
            violations.push(format!("src/{} imports src/{}", source.name, sources[*other].name));
        }
    }
    assert_no_violations("files import each other in a cycle", &violations);
}

#[test]
fn pure_modules_have_no_io() {
    let order = module_order();
    let pure = order.iter().position(|name| name == LAST_PURE_MODULE).unwrap();
    let is_pure = |module: &str| order[..=pure].iter().any(|name| name == module);
    let mut violations = Vec::new();
    for source in sources().iter().filter(|source| is_pure(source.module())) {
        for (number, line) in source.lines.iter().enumerate() {
            for word in IO_WORDS.into_iter().filter(|word| contains_word(code(line), word)) {
                violations.push(format!("src/{}:{}: `{word}`", source.name, number + 1));
            }
        }
    }
    assert_no_violations("pure modules have no async code, files, clock or environment", &violations);
}

#[test]
fn each_external_crate_is_used_in_one_module() {
    let mut violations = Vec::new();
    for source in sources() {
        for (krate, modules) in CRATE_MODULES {
            if modules.iter().any(|home| source.name.starts_with(home)) {
                continue;
            }
            for (number, line) in source.lines.iter().enumerate() {
                let line = code(line);
                if line.contains(&format!("{krate}::")) && contains_word(line, krate) {
                    violations.push(format!("src/{}:{}: `{krate}` belongs in {modules:?}", source.name, number + 1));
                }
            }
        }
        let reads_environment = |line: &String| code(line).contains("env::var");
        if source.name != "command/environment.rs" && source.lines.iter().any(reads_environment) {
            violations.push(format!("src/{}: the environment is read in command/environment.rs", source.name));
        }
    }
    assert_no_violations("each external crate is named in its modules only", &violations);
}

#[test]
fn files_are_short_and_start_with_module_docs() {
    let mut violations = Vec::new();
    for source in sources() {
        if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
            violations.push(format!("src/{} starts without a `//!` sentence", source.name));
        }
        if source.lines.len() > LINES_PER_FILE {
            violations.push(format!("src/{} has {} lines", source.name, source.lines.len()));
        }
        for part in source.name.trim_end_matches(".rs").split('/') {
            if ["util", "utils", "helper", "helpers", "common", "misc", "manager"].contains(&part) {
                violations.push(format!("src/{}: `{part}` has no meaning", source.name));
            }
        }
    }
    assert_no_violations("files are short, and their names and first lines give their content", &violations);
}

#[test]
fn functions_are_short() {
    let mut violations = Vec::new();
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
                violations.push(format!("src/{}:{}: {} lines: {text}", source.name, start + 1, number - start + 1));
            }
        }
    }
    assert_no_violations("functions are short", &violations);
}

/// Prefixes of the first line of a function.
const FN_STARTS: &[char] = &['p', 'f', 'a', 'c', 'u'];

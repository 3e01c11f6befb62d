//! The documentation is executed: links resolve, YAML blocks are valid definitions, commands parse and run.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail loudly, and cuts where it found ASCII")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use slowburn::internals::{Minute, Plan, Span, write_logs};

/// Six hours of the demo fleet that contain an outage, and their end.
/// Six hours: too little of a window for the gate to decide.
const FROM: &str = "2026-10-27T12:00Z";
const TO: &str = "2026-10-27T18:00Z";

/// The fleet that examples of service files and corrections refer to.
const FLEET: &str = "\
sources:
  logs: { access_logs: ./logs }
  batch: { counts: ./counts }
  metrics: { cloudwatch: eu-west-1 }
  lake: { athena: elb_logs.alb, classic_table: elb_logs.classic, region: eu-west-1, results: s3://example-results/slowburn }
default_source: logs
classes:
  critical: { slos: { availability: 99.95%, latency: { objective: 99%, under: 400ms } } }
  standard: { slos: { availability: 99.9% } }
default_class: standard
teams:
  mart: { pages: [\"pagerduty:${MART_PAGERDUTY_KEY}\"] }
  shop: { pages: [\"pagerduty:${SHOP_PAGERDUTY_KEY}\"] }
";
/// Services that examples refer to; an example that defines one of them replaces it.
const SERVICES: [(&str, &str); 4] = [("mart", "checkout"), ("mart", "search"), ("shop", "orders"), ("shop", "profile")];

/// A fenced block of a page.
struct Block {
    page: PathBuf,
    line: usize,
    /// The words of its info string: `yaml`, `fragment`.
    info: Vec<String>,
    text: String,
}

impl Block {
    fn has_word(&self, word: &str) -> bool {
        self.info.iter().any(|found| found == word)
    }

    fn location(&self) -> String {
        format!("{}:{}", self.page.display(), self.line)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page that users read, relative to the project.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md"), PathBuf::from("CHANGELOG.md")];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for page in pages() {
        let mut open: Option<Block> = None;
        for (index, line) in read(&page).lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, Some(info)) => {
                    let info = info.split([',', ' ']).map(str::to_owned).collect();
                    open = Some(Block { page: page.clone(), line: index + 1, info, text: String::new() });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (Some(block), None) => block.text.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a code block is not closed", page.display());
    }
    found
}

/// The anchors of a page as GitHub and mdBook generate them: lower case, no punctuation, hyphens for spaces.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = read(page);
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let slug = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
        kept.map(|char| if char == ' ' { '-' } else { char }).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn every_relative_link_resolves() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with("mailto:") || target.contains(' ') {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !root().join(&path).exists() {
                broken.push(format!("{}: `{target}` does not exist", page.display()));
            } else if !anchor.is_empty() && !anchors(&path).contains(anchor) {
                broken.push(format!("{}: `{target}` has no such heading", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn summary_lists_every_page_once() {
    let summary = read(Path::new("docs/SUMMARY.md"));
    for page in pages().iter().filter_map(|page| page.strip_prefix("docs").ok()) {
        let link = format!("]({})", page.display());
        let expected = usize::from(page != Path::new("SUMMARY.md"));
        assert_eq!(summary.matches(&link).count(), expected, "docs/SUMMARY.md and {}", page.display());
    }
}

#[test]
fn readme_is_short() {
    assert!(read(Path::new("README.md")).lines().count() <= 200);
}

/// Definitions in a folder: the examples by file name, and what they refer to.
fn definitions(examples: &BTreeMap<String, String>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files = BTreeMap::from([("slos/fleet.yaml".to_owned(), FLEET.to_owned())]);
    for (team, service) in SERVICES {
        let line = format!("service: {service}");
        if !examples.values().any(|text| text.lines().any(|found| found.trim_end() == line)) {
            files.insert(format!("slos/{team}/{service}.yaml"), format!("{line}\nload_balancer: app/mart\n"));
        }
    }
    files.extend(examples.clone());
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    copy(&root().join("queries"), &folder.path().join("queries"));
    fs::write(folder.path().join("queries/orders.sql"), "SELECT 1").unwrap();
    folder
}

/// The problems that `check` reports for some examples; `None` if they are valid.
fn problems(examples: &BTreeMap<String, String>) -> Option<String> {
    let folder = definitions(examples);
    let mut check = Command::new(env!("CARGO_BIN_EXE_slowburn"));
    check.args(["check", "slos"]).env_clear().env("SLOWBURN_AT", TO).current_dir(folder.path());
    let output = check.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then_some(text)
}

#[test]
fn every_yaml_block_is_a_valid_definition() {
    let (mut wrong, mut checked) = (Vec::new(), 0);
    // The blocks of a page may extend each other or be alternatives.
    let mut page: BTreeMap<String, String> = BTreeMap::new();
    let mut last = PathBuf::new();
    for block in blocks().iter().filter(|block| block.has_word("yaml") && !block.has_word("fragment")) {
        let first = block.text.lines().next().unwrap_or_default();
        let named = first.strip_prefix("# ").and_then(|line| line.split([' ', ':']).next());
        let Some(name) = named.filter(|name| name.starts_with("slos/")) else {
            wrong.push(format!("{}: the block does not start with `# slos/...`", block.location()));
            continue;
        };
        if block.page != last {
            page.clear();
            last.clone_from(&block.page);
        }
        page.insert(name.to_owned(), block.text.clone());
        let alone = BTreeMap::from([(name.to_owned(), block.text.clone())]);
        checked += 1;
        if let (Some(text), Some(_)) = (problems(&alone), problems(&page)) {
            wrong.push(format!("{}:\n{text}", block.location()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked >= 10, "only {checked} blocks were checked");
}

/// The `$ slowburn ...` lines of console blocks with continuations, and whether they are executed.
fn commands() -> Vec<(String, String, bool, i32)> {
    let mut found = Vec::new();
    for block in blocks().iter().filter(|block| block.has_word("console")) {
        let runs = !block.has_word("norun");
        let exit =
            block.info.iter().find_map(|word| word.strip_prefix("exit=")).map_or(0, |code| code.parse().unwrap());
        let joined = block.text.replace("\\\n", " ");
        for line in joined.lines().filter_map(|line| line.strip_prefix("$ ")) {
            if line.split_whitespace().any(|word| word == "slowburn") {
                found.push((block.location(), line.to_owned(), runs, exit));
            }
        }
    }
    found
}

#[test]
fn every_documented_command_runs_or_parses() {
    let folder = tempfile::tempdir().unwrap();
    let minute = |text: &str| text.parse::<Minute>().unwrap();
    let plan = Plan { span: Span::new(minute(FROM), minute(TO)), ..Plan::default() };
    write_logs(&plan, &folder.path().join("logs"), 0).unwrap();
    for name in ["slos", "queries"] {
        copy(&root().join(name), &folder.path().join(name));
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_slowburn"));
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env_clear().env("PATH", &path).current_dir(folder.path());
        command.env("SLOWBURN_AT", TO).env("SLOWBURN_DRY_RUN", "dry-run");
        command.output().unwrap()
    };
    let first = shell("slowburn run --quiet");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let (mut wrong, mut ran) = (Vec::new(), 0);
    for (place, line, runs, exit) in commands() {
        if runs {
            let output = shell(&line);
            ran += 1;
            if output.status.code() != Some(exit) {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{place}: `{line}` ended with {:?}\n{stderr}", output.status.code()));
            }
        } else if let Err(error) = parses(&line) {
            wrong.push(format!("{place}: `{line}`: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran >= 10, "only {ran} commands ran");
}

/// Checks that the options of a command exist without executing it.
fn parses(line: &str) -> Result<(), String> {
    let start = line.find("slowburn ").ok_or("it does not call slowburn")?;
    let end = line[start..].find([';', '|', '>', '&', '#']).map_or(line.len(), |end| start + end);
    let words = line[start..end].replace(['"', '\''], "");
    slowburn::command::parse(words.split_whitespace()).map(|_| ())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

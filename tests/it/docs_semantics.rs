//! `docs/semantics.md` cites tests for every guarantee: each cited test exists, and every section cites one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/semantics.md";
/// Sections that state no guarantee.
const WITHOUT_TESTS: [&str; 1] = ["What is not guaranteed"];

fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// The file and the function of a reference such as `tests/it/ledger.rs::an_object_is_added_once`.
fn reference(code: &str) -> Option<(&str, &str)> {
    let (file, test) = code.split_once("::")?;
    let is_rust = Path::new(file).extension().is_some_and(|extension| extension == "rs");
    is_rust.then(|| (file, test.rsplit("::").next().unwrap_or(test)))
}

/// The text between backticks of a line.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Whether a Rust file defines a test of this name, in or outside of a macro.
fn defines_test(source: &str, test: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let head = format!("fn {test}(");
    let is_test = |place: usize| {
        let mut attributes = lines[..place].iter().rev().take_while(|line| line.starts_with("#["));
        attributes.any(|line| line.contains("test"))
    };
    lines.iter().enumerate().any(|(place, line)| line.starts_with(&head) && is_test(place))
}

#[test]
fn every_cited_test_exists() {
    let page = read(PAGE).unwrap();
    let mut found = BTreeSet::new();
    for (number, line) in page.lines().enumerate() {
        for (file, test) in code_spans(line).filter_map(reference) {
            let source = read(file);
            let exists = source.is_some_and(|source| defines_test(&source, test));
            assert!(exists, "{PAGE}:{}: `{file}` has no test `{test}`", number + 1);
            found.insert((file, test));
        }
    }
    assert!(found.len() >= 60, "only {} tests are named", found.len());
}

#[test]
fn every_guarantee_cites_a_test() {
    let page = read(PAGE).unwrap();
    // The text before the first section is an overview; a section with subsections is covered by those.
    let sections =
        page.split("\n## ").skip(1).filter(|section| !WITHOUT_TESTS.iter().any(|name| section.starts_with(*name)));
    let (mut seen, mut without) = (0, Vec::new());
    for part in sections.flat_map(|section| section.split("\n### ").skip(1)) {
        seen += 1;
        if !part.lines().flat_map(code_spans).any(|code| reference(code).is_some()) {
            without.extend(part.lines().next());
        }
    }
    assert!(without.is_empty(), "{PAGE}: no test is named in {without:?}");
    assert!(seen >= 20, "only {seen} guarantees were found");
}

#[test]
fn missing_test_is_detected() {
    assert_eq!(reference("tests/it/a.rs::b"), Some(("tests/it/a.rs", "b")));
    assert_eq!(reference("src/a.rs::tests::b"), Some(("src/a.rs", "b")));
    assert_eq!(reference("slowburn::engine"), None);
    let source =
        "#[test]\nfn one() {}\nfn two() {}\nmod tests {\n    #[test]\n    #[ignore]\n    fn three(a: u8) {}\n}\n";
    let named = ["one", "two", "three", "thre"].map(|name| defines_test(source, name));
    assert_eq!(named, [true, false, true, false]);
}

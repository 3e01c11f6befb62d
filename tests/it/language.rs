//! Text for users keeps to the glossary: no private words and no constructions that read as translated.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may fail loudly, and cuts where it found ASCII")]

use std::fs;
use std::path::{Path, PathBuf};

/// Words that have a standard term, and that term.
const BANNED: [(&str, &str); 24] = [
    ("promise", "SLO or objective"),
    ("promises", "SLOs"),
    ("promised", "SLO or objective"),
    ("told", "notified"),
    ("tells", "notifies, shows"),
    ("judge", "evaluate"),
    ("judges", "evaluates"),
    ("judged", "evaluated"),
    ("judgement", "evaluation"),
    ("nobody", "no one by name: the team, the on-call engineer"),
    ("somebody", "the team, the on-call engineer"),
    ("anybody", "a user, the team"),
    ("whoever", "the user, the team"),
    ("anew", "again, recreated"),
    ("wakes", "pages"),
    ("woken", "paged"),
    ("calm", "ok, not firing"),
    ("blind", "no data"),
    ("remedy", "hint, fix"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("unlit", "no data"),
    ("hushed", "silenced"),
    ("demoted", "downgraded"),
];
/// Further words that have a standard term in names and comments.
const BANNED_IN_CODE: [(&str, &str); 22] = [
    ("said", "logged, stderr, defined"),
    ("speech", "diagnostics"),
    ("heard", "evaluated, received"),
    ("hear", "evaluate, receive"),
    ("hears", "evaluates, receives"),
    ("shelf", "blob store"),
    ("shelves", "blob stores"),
    ("lake", "Athena"),
    ("verdict", "evaluation"),
    ("verdicts", "evaluations"),
    ("telling", "notifying"),
    ("tell", "notify, show, distinguish"),
    ("begun", "started, first request"),
    ("room", "module, limit, capacity"),
    ("rooms", "modules"),
    ("door", "adapter"),
    ("doors", "adapters"),
    ("twin", "wire type, counterpart"),
    ("twins", "wire types, counterparts"),
    ("judging", "evaluating"),
    ("people", "the team, users, live"),
    ("dear", "over the cost limit"),
];
/// Pairs of words that read as translated.
const PAIRS: [(&str, &str, &str); 2] =
    [("is", "no", "`invalid X`, `X is not a valid Y`, `no such X`"), ("on", "paper", "in a dry run")];

/// Text that may hold a banned word: where, which word, and why.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// Names and comments that may hold a banned word: file, word, and why.
const CODE_EXCEPTIONS: [(&str, &str, &str); 0] = [];
/// Files whose names and comments are not checked: this one lists the banned words.
const UNCHECKED: &str = "tests/it/language.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder of the project with one of these endings.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| endings.iter().any(|ending| found == *ending)) {
                found.push(path);
            }
        }
    }
    found
}

/// The text of string literals in front of a file's tests, each with its line.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("\n#[cfg(test)]\nmod ").next().unwrap();
    let bytes = source.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    let line = |at: usize| 1 + source[..at].matches('\n').count();
    while at < bytes.len() {
        let rest = &source[at..];
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            let end = raw.find("\"#").unwrap_or(raw.len());
            found.push((line(at), raw[..end].to_owned()));
            at += 3 + end + 2;
        } else if bytes[at] == b'\'' {
            // A character such as '"' or '\''; a lifetime has no second quote so near.
            let escaped = rest.strip_prefix("'\\").and_then(|rest| rest.find('\''));
            let length = escaped.map_or(1, |end| end + 3);
            at += if rest.starts_with("'\"'") { 3 } else { length };
        } else if bytes[at] == b'"' {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            if !source[..at].ends_with("reason = ") {
                found.push((line(at), source[at + 1..end.min(bytes.len())].to_owned()));
            }
            at = end + 1;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

/// A text without what stands in braces: names of variables in format strings and templates.
fn without_placeholders(text: &str) -> String {
    let mut depth = 0_u32;
    let mut kept = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(char),
            _ => {}
        }
    }
    kept
}

/// What is wrong with one line of text.
fn faults(text: &str) -> Vec<(String, &'static str)> {
    // Names of tests and source files are not text for users, and neither are placeholders.
    let text = without_placeholders(text);
    let text = text.split_whitespace().filter(|word| !word.contains(".rs") && !word.contains("::"));
    let text = text.collect::<Vec<_>>().join(" ");
    let words: Vec<String> = text
        .split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let mut found: Vec<(String, &'static str)> = words
        .iter()
        .filter_map(|word| BANNED.iter().find(|(banned, _)| word == banned))
        .map(|(word, better)| ((*word).to_owned(), *better))
        .collect();
    for (index, pair) in words.windows(2).enumerate() {
        // `no data` and `no traffic` are the names of two statuses.
        let is_status = words.get(index + 2).is_some_and(|next| next == "data" || next == "traffic");
        let banned = PAIRS.iter().find(|(first, second, _)| pair[0] == *first && pair[1] == *second && !is_status);
        found.extend(banned.map(|(first, second, better)| (format!("{first} {second}"), *better)));
    }
    found
}

/// Every fault in some texts of a file, as lines for the failure.
fn check(path: &Path, texts: impl IntoIterator<Item = (usize, String)>) -> Vec<String> {
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    let mut wrong = Vec::new();
    for (line, text) in texts {
        for (word, better) in faults(&text) {
            if !EXCEPTIONS.iter().any(|(file, banned, _)| *file == name && *banned == word) {
                wrong.push(format!("{name}:{line}: `{word}`: write {better}"));
            }
        }
    }
    wrong
}

fn lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned())).collect()
}

#[test]
fn messages_use_the_terms_of_the_glossary() {
    let mut wrong = Vec::new();
    for path in files("src", &["rs"]).iter().filter(|path| !path.ends_with("tests.rs")) {
        wrong.extend(check(path, literals(&fs::read_to_string(path).unwrap())));
    }
    for path in files("src", &["html", "js"]) {
        wrong.extend(check(&path, lines(&path)));
    }
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn documents_and_examples_use_the_terms_of_the_glossary() {
    let mut wrong = Vec::new();
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).to_vec();
    paths.extend(files("docs", &["md"]));
    paths.extend(files("slos", &["yaml"]));
    for path in paths {
        wrong.extend(check(&path, lines(&path)));
    }
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn snapshots_use_the_terms_of_the_glossary() {
    let mut wrong = Vec::new();
    for path in files("tests/it/snapshots", &["snap"]).into_iter().chain(files("src", &["snap"])) {
        // The head of a snapshot names the test and its expression.
        let body = lines(&path).into_iter().skip_while(|(line, text)| *line == 1 || text != "---").skip(1);
        wrong.extend(check(&path, body));
    }
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn banned_terms_are_detected() {
    let source = "let a = '\"'; // \"told\"\nlet b = \"it is no\\\" page\"; #[expect(x, reason = \"nobody\")]\nlet c = r#\"calm\"#;";
    let found = literals(source);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(faults(&found[0].1).len(), 1);
    assert_eq!(faults(&found[1].1).len(), 1);
}

/// Comments and identifiers of Rust source, each with its line and whether it is a comment. Strings are left out.
fn comments_and_names(source: &str) -> Vec<(usize, bool, String)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_ascii_alphabetic() || first == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if is_word && !rest.starts_with("r#\"") {
            rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| 3 + end + 2)
        } else if let Some(escaped) = rest.strip_prefix("'\\") {
            escaped.get(1..).and_then(|rest| rest.find('\'')).map_or(1, |end| end + 4)
        } else if rest.starts_with("'\"'") {
            3
        } else if first == '"' {
            let mut escaped = true;
            let end = rest.find(|char| {
                let is_end = char == '"' && !escaped;
                escaped = char == '\\' && !escaped;
                is_end
            });
            end.map_or(rest.len(), |end| end + 1)
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length.min(rest.len()));
        if is_word || token.starts_with("//") {
            found.push((line, token.starts_with("//"), token.to_owned()));
        }
        line += token.matches('\n').count();
        rest = after;
    }
    found
}

/// An identifier as words: split at `_` and before a capital letter.
fn words_of_name(name: &str) -> String {
    let mut words = String::new();
    for char in name.chars() {
        if char == '_' || char.is_ascii_uppercase() && !words.ends_with(|char: char| char.is_ascii_uppercase()) {
            words.push(' ');
        }
        if char != '_' {
            words.push(char);
        }
    }
    words
}

/// Banned words in the names and comments of all Rust files of some folders.
fn code_faults(folders: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for path in folders.iter().flat_map(|folder| files(folder, &["rs"])) {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        if name == UNCHECKED || (name.starts_with("src/") && name.ends_with("tests.rs")) {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let source = source.split("\n#[cfg(test)]\nmod ").next().unwrap();
        for (line, is_comment, token) in comments_and_names(source) {
            // Code in comments is checked where it is defined.
            let text = token.split('`').step_by(2).collect::<Vec<_>>().join(" ");
            let text = if is_comment { text } else { words_of_name(&token) };
            let text = text.replace("here is no ", " ").replace(" is no longer", " ");
            let mut found: Vec<String> = Vec::new();
            for word in text.split(|char: char| !char.is_ascii_alphanumeric()).map(str::to_lowercase) {
                found.extend(BANNED_IN_CODE.iter().find(|(banned, _)| word == *banned).map(|_| word.clone()));
            }
            let pairs_apply = |word: &String| is_comment || !word.contains(' ');
            found.extend(faults(&text).into_iter().map(|(word, _)| word).filter(pairs_apply));
            let is_excepted =
                |word: &String| CODE_EXCEPTIONS.iter().any(|(file, banned, _)| *file == name && banned == word);
            found.retain(|word| !is_excepted(word));
            wrong.extend(found.into_iter().map(|word| format!("{name}:{line}: `{word}`")));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

#[test]
fn names_and_comments_use_the_terms_of_the_glossary() {
    let wrong = code_faults(&["src", "tests/it", "tests/core", "tests/support", "benches"]);
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn banned_words_in_names_and_comments_are_detected() {
    let source =
        "let heard = \"told\"; // it is no `calm` door\nfn f(c: char) { c == '\\''; r#\"said\"# } struct OldShelf;";
    let tokens = comments_and_names(source);
    assert!(tokens.iter().all(|(_, _, token)| token != "told" && token != "said"), "{tokens:?}");
    assert!(tokens.contains(&(2, false, "OldShelf".to_owned())), "{tokens:?}");
    assert_eq!(words_of_name("OldShelf_of").trim(), "Old Shelf of");
}

/// The width of comments and Markdown prose.
const WIDTH: usize = 120;

#[test]
fn comments_and_prose_fit_line_width() {
    let mut wide = Vec::new();
    for path in ["src", "tests/it", "benches"].iter().flat_map(|folder| files(folder, &["rs"])) {
        // Tables and links cannot be wrapped.
        let is_comment =
            |text: &str| text.trim_start().starts_with("//") && !text.contains("://") && !text.contains("| ");
        wide.extend(lines(&path).into_iter().filter(|(_, text)| is_comment(text)).map(|line| (path.clone(), line)));
    }
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).to_vec();
    // The command reference is generated from texts that clap wraps.
    pages.extend(files("docs", &["md"]).into_iter().filter(|path| !path.ends_with("commands.md")));
    for path in pages {
        let mut in_code = false;
        for (line, text) in lines(&path) {
            in_code ^= text.starts_with("```");
            // Tables, images, links and test names cannot be wrapped.
            let cannot_wrap = text.starts_with(['|', '!', '[']) || text.contains(".rs::");
            if !in_code && !cannot_wrap {
                wide.push((path.clone(), (line, text)));
            }
        }
    }
    wide.retain(|(_, (_, text))| text.chars().count() > WIDTH);
    let wide: Vec<String> = wide.iter().map(|(path, (line, _))| format!("{}:{line}", path.display())).collect();
    assert!(wide.is_empty(), "wider than {WIDTH}: {}", wide.join(", "));
}

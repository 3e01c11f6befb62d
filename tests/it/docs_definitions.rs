//! `docs/definitions.md` against the JSON Schemas: every key of every definition file is documented, and no other.
//!
//! A table of keys stands below a comment that names its object in a schema: `<!-- keys: fleet sources.* -->` is the
//! object that every key of `sources` in `fleet.yaml` holds. Paths instead of type names, so that renaming a type
//! changes nothing here.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use slowburn::internals::{SchemaKind, schema};

const HEADER: [&str; 5] = ["Key", "Type", "Default", "Example", "Meaning"];

const FILES: [(&str, SchemaKind); 3] =
    [("fleet", SchemaKind::Fleet), ("service", SchemaKind::Service), ("correction", SchemaKind::Correction)];

/// An object of a schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Object {
    /// The name of its definition, or its path. Objects of one definition share one table.
    id: String,
    /// Keys, each with its allowed values if these are enumerated.
    keys: BTreeMap<String, BTreeSet<String>>,
    required: BTreeSet<String>,
}

/// A row of a table.
#[derive(Debug)]
struct Row {
    key: String,
    default: String,
    text: String,
}

/// Follows `$ref`, and gives the name of the definition it leads to.
fn resolved<'s>(root: &'s Value, node: &'s Value) -> (&'s Value, Option<&'s str>) {
    match node["$ref"].as_str() {
        Some(reference) => (root.pointer(reference.trim_start_matches('#')).unwrap(), reference.rsplit('/').next()),
        None => (node, None),
    }
}

/// The alternatives of a node, and the items of lists: all stand under the same key.
fn choices(node: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| node[key].as_array()).flatten().chain(node.get("items"))
}

/// Collects the objects at and below a path.
fn objects(root: &Value, node: &Value, path: &str, found: &mut BTreeMap<String, Object>) {
    let (node, name) = resolved(root, node);
    let below = |key: &str| if path.contains(' ') { format!("{path}.{key}") } else { format!("{path} {key}") };
    for choice in choices(node) {
        objects(root, choice, path, found);
    }
    if node["additionalProperties"].is_object() {
        objects(root, &node["additionalProperties"], &below("*"), found);
    }
    let Some(properties) = node["properties"].as_object() else { return };
    let mut object = Object { id: name.unwrap_or(path).to_owned(), ..Object::default() };
    object
        .required
        .extend(node["required"].as_array().into_iter().flatten().map(|key| key.as_str().unwrap().to_owned()));
    for (key, value) in properties {
        let mut of_key = BTreeSet::new();
        words(root, value, &mut of_key);
        object.keys.insert(key.clone(), of_key);
        objects(root, value, &below(key), found);
    }
    found.insert(path.to_owned(), object);
}

/// Collects the allowed values of a key.
fn words(root: &Value, node: &Value, found: &mut BTreeSet<String>) {
    let (node, _) = resolved(root, node);
    found.extend(node["const"].as_str().map(str::to_owned));
    found.extend(node["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    for choice in choices(node) {
        words(root, choice, found);
    }
}

/// The objects of all files, by path.
fn all_objects() -> BTreeMap<String, Object> {
    let mut found = BTreeMap::new();
    for (file, kind) in FILES {
        let schema = schema(kind);
        objects(&schema, &schema, file, &mut found);
    }
    found
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.replace("\\|", "\u{0}").split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect())
}

/// The tables of a page by the path in the comment above each, and format errors.
fn tables(page: &str) -> (BTreeMap<String, Vec<Row>>, Vec<String>) {
    let (mut tables, mut wrong) = (BTreeMap::new(), Vec::new());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(path) = line.strip_prefix("<!-- keys: ").and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        while lines.next_if(|line| line.is_empty()).is_some() {}
        let table: Vec<Vec<String>> =
            std::iter::from_fn(|| cells(lines.next_if(|line| line.starts_with('|'))?)).collect();
        if table.first().is_none_or(|header| *header != HEADER) {
            wrong.push(format!("the table of `{path}` does not have the columns {HEADER:?}"));
        }
        let mut rows = Vec::new();
        for row in table.iter().skip(2) {
            if row.len() != HEADER.len() || row.iter().any(String::is_empty) {
                wrong.push(format!("the table of `{path}` has a row with a missing cell: {row:?}"));
                continue;
            }
            let (key, default) = (row[0].trim_matches('`').to_owned(), row[2].clone());
            rows.push(Row { key, default, text: row.join(" ") });
        }
        if tables.insert(path.to_owned(), rows).is_some() {
            wrong.push(format!("`{path}` has two tables"));
        }
    }
    (tables, wrong)
}

/// Missing and superfluous rows of a table.
fn compare(path: &str, object: &Object, rows: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    let documented: BTreeSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    if documented.len() != rows.len() {
        wrong.push(format!("`{path}`: a key is documented twice"));
    }
    let missing = object.keys.keys().filter(|key| !documented.contains(key.as_str()));
    wrong.extend(missing.map(|key| format!("`{path}`: `{key}` is not documented")));
    for row in rows {
        let Some(words) = object.keys.get(&row.key) else {
            wrong.push(format!("`{path}`: `{}` is documented and does not exist", row.key));
            continue;
        };
        let missing = words.iter().filter(|word| !row.text.contains(&format!("`{word}`")));
        wrong.extend(missing.map(|word| format!("`{path}`: the row of `{}` does not name `{word}`", row.key)));
        if (row.default == "required") != object.required.contains(&row.key) {
            wrong.push(format!("`{path}`: whether `{}` is required is documented wrongly", row.key));
        }
    }
    wrong
}

#[test]
fn every_key_of_every_file_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/definitions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let objects = all_objects();
    let (tables, mut wrong) = tables(&page);
    let mut documented = BTreeSet::new();
    for (path, rows) in &tables {
        let Some(object) = objects.get(path) else {
            wrong.push(format!("`{path}` names no object of a schema; there are {:?}", objects.keys()));
            continue;
        };
        wrong.extend(compare(path, object, rows));
        documented.insert(&object.id);
    }
    let missing: BTreeMap<&String, &String> = objects
        .iter()
        .filter(|(_, object)| !documented.contains(&object.id))
        .map(|(path, object)| (&object.id, path))
        .collect();
    wrong.extend(missing.values().map(|path| format!("`{path}` has no table")));
    assert!(wrong.is_empty(), "docs/definitions.md:\n{}", wrong.join("\n"));
}

#[test]
fn difference_between_page_and_schema_is_detected() {
    let key = |word: &str| (word.to_owned(), BTreeSet::from([format!("{word}_word")]));
    let object = Object {
        id: "x".to_owned(),
        keys: BTreeMap::from([key("new"), key("kept"), key("needed")]),
        required: BTreeSet::from(["needed".to_owned()]),
    };
    let page = "<!-- keys: x -->\n\n| Key | Type | Default | Example | Meaning |\n|---|---|---|---|---|\n\
                | `kept` | word | none | `kept_word` | a \\| b |\n| `needed` | word | none | `needed` | |\n\
                | `needed` | word | none | `needed` | x |\n| `gone` | word | none | `1` | x |\n";
    let (tables, wrong) = tables(page);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(
        compare("x", &object, &tables["x"]),
        [
            "`x`: `new` is not documented",
            "`x`: the row of `needed` does not name `needed_word`",
            "`x`: whether `needed` is required is documented wrongly",
            "`x`: `gone` is documented and does not exist",
        ]
    );
}

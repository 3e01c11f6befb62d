//! What a run did, and what failed while the rest went on.

use crate::format::with_thousands_separators;
use crate::rational::{Rational, to_f64};

/// Messages of one kind that are printed; the rest is counted.
pub const SAMPLES_MAX: usize = 5;

/// Messages of a run.
#[derive(Debug, Default)]
pub struct Diagnostics {
    /// What was done.
    pub notes: Vec<String>,
    /// What failed; everything else is complete.
    pub warnings: Vec<String>,
}

impl Diagnostics {
    pub fn from_warning(warning: String) -> Self {
        Self { notes: Vec::new(), warnings: vec![warning] }
    }

    pub fn append(&mut self, later: Self) {
        self.notes.extend(later.notes);
        self.warnings.extend(later.warnings);
    }

    /// Puts the name of their source before all messages.
    pub fn with_source(mut self, source: &str) -> Self {
        let prefix = format!("`{source}`: ");
        for message in self.notes.iter_mut().chain(&mut self.warnings) {
            if !message.starts_with(&prefix) {
                message.insert_str(0, &prefix);
            }
        }
        self
    }

    /// Adds lines that cannot be parsed: a warning once their share is above the limit.
    pub fn add_unparsed(&mut self, text: String, unparsed: u64, total: u64, limit: Rational) {
        if Rational::new(i128::from(unparsed), i128::from(total.max(1))) > limit {
            self.warnings.push(format!(
                "{text}\nhint: fix these lines, or raise `unparsed_limit` for the source in fleet.yaml (now {}%)",
                to_f64(limit) * 100.0
            ));
        } else {
            self.notes.push(text);
        }
    }
}

/// The first of some messages, and one for the rest.
pub fn push_first(list: &mut Vec<String>, messages: Vec<String>, describe_rest: impl Fn(usize) -> String) {
    let more = messages.len().saturating_sub(SAMPLES_MAX);
    list.extend(messages.into_iter().take(SAMPLES_MAX));
    list.extend((more > 0).then(|| describe_rest(more)));
}

/// The first few of many names.
pub fn join_first(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(SAMPLES_MAX);
    names.truncate(SAMPLES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    names.join(", ") + &more
}

/// One of several, or the only one, as the end of a sentence.
pub fn example_suffix(count: u64, key: &str) -> String {
    if count == 1 { format!(": `{key}`") } else { format!(", for example `{key}`") }
}

/// A number with thousands separators, and its noun: logs have millions of lines.
pub fn grouped_count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", with_thousands_separators(number), if number == 1 { "" } else { "s" })
}

//! Any text as a definition, in each of the three places where one may lie: what is sound is kept, and every problem is told
//! without anything in it that could move a cursor.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slowburn_fuzz::report::problems::{github, json, terminal};
use slowburn_fuzz::slo::{self, DefinitionFile};
use slowburn_fuzz::text::is_non_printing;

fuzz_target!(|text: &str| {
    let Ok(at) = "2026-12-01".parse() else { return };
    for path in ["fleet.yaml", "mart/checkout.yaml", "corrections/move.yaml"] {
        let files = [DefinitionFile { path: path.to_owned(), text: text.to_owned() }];
        let (_, problems) = slo::read(&files, at);
        for problem in &problems {
            assert!(!problem.message.chars().any(is_non_printing) && !problem.hint.chars().any(is_non_printing));
        }
        drop((terminal(&problems, &files, true), json(&problems), github(&problems)));
    }
});

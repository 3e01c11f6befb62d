//! One test binary: every test of the program as a whole.

mod accesslog;
mod alerts;
mod athena;
mod burn;
mod cli;
mod cloudwatch;
mod console;
mod contributors;
mod corrected;
mod counts_files;
mod coverage;
mod definitions;
mod discovery;
mod docs;
mod docs_commands;
mod docs_definitions;
mod docs_semantics;
mod exports;
mod foreign_files;
mod gate;
mod hostile;
mod house;
mod incidents;
mod judgement;
mod language;
mod ledger;
mod mutated;
mod notify;
mod peers;
mod readers;
mod s3;
mod s3_logs;
mod scene;
mod simulate;
mod slices;
mod weekly;

/// Runs a future that waits for nothing but files.
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Data to test against that is not part of the project; `None`, with a word about it, where it is not there.
#[expect(clippy::print_stdout, reason = "a suite says what it leaves out")]
fn shared(part: &str) -> Option<std::path::PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "it names where test data lie, not how the program behaves")]
    let root = std::env::var_os("SLOWBURN_SHARED").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let path = std::path::Path::new(&root).join(part);
    if path.exists() {
        return Some(path);
    }
    println!("left out: there is no {}", path.display());
    None
}

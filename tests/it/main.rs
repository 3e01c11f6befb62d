//! Integration tests, compiled into one binary.

mod alerts;
mod architecture;
mod athena;
mod cli;
mod cloudwatch;
mod console;
mod contributors;
mod corrected;
mod counts_files;
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
mod language;
mod ledger;
mod missing_traffic;
mod notify;
mod peers;
mod readers;
mod s3;
mod s3_logs;
mod scene;
mod simulate;
#[path = "../support/mod.rs"]
mod support;
mod weekly;

//! Tests of pure logic and of code that needs only files: no server and no binary.

mod access_log;
mod burn;
mod coverage;
mod evaluation;
mod incidents;
mod mutated;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod timeslices;

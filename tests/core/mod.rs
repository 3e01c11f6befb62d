//! Tests of the library's pure logic and of its parts that touch nothing but files. They need no server and no program.

mod access_log;
mod burn;
mod coverage;
mod evaluation;
mod incidents;
mod mutated;
#[path = "../support/mod.rs"]
mod support;
mod timeslices;

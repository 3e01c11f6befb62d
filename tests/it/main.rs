//! One test binary: every test of the program as a whole.

mod accesslog;
mod burn;
mod cli;
mod definitions;
mod house;
mod judgement;
mod ledger;
mod simulate;

//! The program: reads the clock once, builds the runtime, and turns the outcome into an exit code.

use std::process::ExitCode;

use slowburn::command::{self, Cli, CommandError};
use slowburn::internals::Minute;

fn main() -> ExitCode {
    let cli = Cli::from_env();
    command::init_tracing(cli.log);
    #[expect(clippy::disallowed_methods, reason = "the one reading of the clock")]
    let now = Minute::from_unix_seconds(jiff::Timestamp::now().as_second());
    // Log objects are fetched while others are read, which keeps this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(CommandError::with_context("cannot start the runtime"));
    command::exit_code(runtime.and_then(|runtime| runtime.block_on(command::run(&cli.command, now))))
}

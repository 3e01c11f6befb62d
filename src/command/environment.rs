//! Variables of the environment. **Invariant:** nothing else reads them.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, Error};

use crate::notify::{Secret, Secrets};

/// Values that turn a switch off.
const FALSE_VALUES: [&str; 6] = ["0", "f", "false", "n", "no", "off"];

#[expect(clippy::disallowed_methods, reason = "this is the one reader of variables")]
pub fn variable(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name)
}

/// Secrets by the names of their environment variables, read when they are needed.
///
/// There are no options for secrets: other users of the machine see a command line, and the shell stores it.
pub fn environment_secrets() -> Secrets {
    Secrets::new(|name| variable(name)?.into_string().ok().map(|text| Secret::new(&text)))
}

/// A command that ignores empty variables, and those that turn a switch off. The parser would take an empty one for a
/// value, and a switch that is off for one that was used, which conflicts with other options.
pub fn ignore_unset_variables(command: Command) -> Command {
    let reset = |arg: Arg| {
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        let is_unset = arg.get_env().and_then(variable).is_some_and(|value| {
            value.is_empty() || (is_switch && FALSE_VALUES.iter().any(|off| value.eq_ignore_ascii_case(off)))
        });
        if is_unset { arg.env(Resettable::Reset) } else { arg }
    };
    command.mut_args(reset).mut_subcommands(|command| command.mut_args(reset))
}

/// Refuses the old name of a variable. Ignoring it could send notifications that were meant for a dry run.
pub fn reject_renamed_variable(mut command: Command) -> Result<(), Error> {
    if variable("SLOWBURN_NOTIFY").is_none_or(|value| value.is_empty()) {
        return Ok(());
    }
    let message = "unknown environment variable `SLOWBURN_NOTIFY`\nhint: set `SLOWBURN_DRY_RUN` instead, and to a folder \
                   without `paper:`";
    Err(command.error(ErrorKind::UnknownArgument, message))
}

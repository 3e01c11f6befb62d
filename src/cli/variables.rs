//! Variables of the environment that set no option: empty ones, switches that are off, and those that have a new name.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory, Error};

use super::Cli;

/// Variables that have another name now. Ignoring them could send notifications that were meant for a dry run.
const RENAMED_VARIABLES: [(&str, &str); 4] = [
    ("SLOWBURN_NOTIFY", "SLOWBURN_DRY_RUN"),
    ("SLOWBURN_SITE", "SLOWBURN_REPORT_OUT"),
    ("SLOWBURN_REPORTS", "SLOWBURN_WEEKLY_OUT"),
    ("SLOWBURN_METRICS_OF_PROMISES", "SLOWBURN_SLO_METRICS"),
];

/// Values that turn a switch off.
const FALSE_VALUES: [&str; 6] = ["0", "f", "false", "n", "no", "off"];

/// A command that ignores empty variables, and those that turn a switch off. The parser would take an empty one for a
/// value, and a switch that is off for one that was used, which conflicts with other options.
pub(super) fn ignore_unset_variables(command: Command) -> Command {
    let reset = |arg: Arg| {
        let is_unset =
            variable_value(&arg).is_some_and(|value| value.is_empty() || (is_switch(&arg) && is_false(&value)));
        if is_unset { arg.env(Resettable::Reset) } else { arg }
    };
    command.mut_args(reset).mut_subcommands(|command| command.mut_args(reset))
}

/// The value of an option's variable, if that is set.
#[expect(clippy::disallowed_methods, reason = "the command line is where variables are read")]
pub(super) fn variable_value(arg: &Arg) -> Option<OsString> {
    arg.get_env().and_then(std::env::var_os)
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

fn is_false(value: &OsStr) -> bool {
    value.to_str().is_some_and(|value| FALSE_VALUES.iter().any(|off| value.eq_ignore_ascii_case(off)))
}

/// Refuses variables that have another name now.
#[expect(clippy::disallowed_methods, reason = "the command line is where variables are read")]
pub(super) fn reject_renamed() -> Result<(), Error> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match RENAMED_VARIABLES.iter().find(|(old, _)| is_set(old)) {
        Some((old, new)) => Err(Cli::command().error(ErrorKind::UnknownArgument, renamed_message(old, new))),
        None => Ok(()),
    }
}

fn renamed_message(old: &str, new: &str) -> String {
    let value = if old == "SLOWBURN_NOTIFY" { ", and to a folder without `paper:`" } else { "" };
    format!("unknown environment variable `{old}`\nhint: set `{new}` instead{value}")
}

//! Completion by shells: scripts that call slowburn, and the names that it completes from the definitions.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;

use super::environment::variable;
use super::output::print;
use super::{Cli, CommandError, ExitStatus};
use crate::slo::{self, Catalog};
use crate::source::definitions;
use crate::time::Minute;

pub const EXAMPLES: &str = "\
Examples:
  slowburn completions bash > ~/.local/share/bash-completion/completions/slowburn
  slowburn completions zsh > ~/.zfunc/_slowburn
  slowburn completions fish > ~/.config/fish/completions/slowburn.fish";

/// The variable by which a shell asks for completions.
pub const VARIABLE: &str = "SLOWBURN_COMPLETE";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash
    Bash,
    /// Elvish
    Elvish,
    /// Fish
    Fish,
    /// Windows `PowerShell` and `pwsh`
    Powershell,
    /// Zsh
    Zsh,
}

pub fn print_script(shell: Shell) -> Result<ExitStatus, CommandError> {
    let script =
        registration_script(shell).map_err(CommandError::with_context("cannot write the completion script"))?;
    print(script).map(|()| ExitStatus::Success)
}

/// The script that makes a shell complete commands of slowburn.
fn registration_script(shell: Shell) -> std::io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let name = shell.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).ok_or(std::io::ErrorKind::Unsupported)?;
    completer.write_registration(VARIABLE, "slowburn", "slowburn", "slowburn", &mut script)?;
    Ok(script)
}

pub fn slo_candidates() -> Vec<CompletionCandidate> {
    load_catalog().slos().map(|(_, slo)| CompletionCandidate::new(slo.id.as_str())).collect()
}

pub fn service_candidates() -> Vec<CompletionCandidate> {
    load_catalog().services.iter().map(|service| CompletionCandidate::new(&service.name)).collect()
}

pub fn service_and_slo_candidates() -> Vec<CompletionCandidate> {
    service_candidates().into_iter().chain(slo_candidates()).collect()
}

pub fn command_candidates() -> Vec<CompletionCandidate> {
    let root = Cli::command();
    root.get_subcommands().map(|command| CompletionCandidate::new(command.get_name())).collect()
}

pub fn team_candidates() -> Vec<CompletionCandidate> {
    let catalog = load_catalog();
    let owners = catalog.services.iter().map(|service| service.team.as_str());
    let teams: BTreeSet<&str> = owners.chain(catalog.teams.keys().map(String::as_str)).collect();
    teams.into_iter().map(CompletionCandidate::new).collect()
}

/// The definitions of the command line that is completed. Problems of definitions are ignored: a prompt cannot show
/// them.
fn load_catalog() -> Catalog {
    let files = definitions::load(&definitions_folder()).map(|(files, _)| files).unwrap_or_default();
    // The time only decides which corrections are over.
    slo::read(&files, Minute(0)).0
}

/// The folder of definitions: the value of `--slos`, else of the variable, else the default.
fn definitions_folder() -> PathBuf {
    let args: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let mut found = None;
    for (index, arg) in args.iter().enumerate() {
        if arg == "--slos" {
            found = args.get(index + 1).cloned();
        } else if let Some(folder) = arg.to_str().and_then(|word| word.strip_prefix("--slos=")) {
            found = Some(folder.into());
        }
    }
    let variable = || variable("SLOWBURN_SLOS").filter(|folder| !folder.is_empty());
    found.or_else(variable).map_or_else(|| "slos".into(), PathBuf::from)
}

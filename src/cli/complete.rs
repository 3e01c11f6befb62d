//! Completion by shells: scripts that call slowburn, and the names that it completes from the definitions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;

use super::Cli;
use crate::slo::{self, Catalog};
use crate::source::definitions;
use crate::time::Minute;

pub(super) const EXAMPLES: &str = "\
Examples:
  slowburn completions bash > ~/.local/share/bash-completion/completions/slowburn
  slowburn completions zsh > ~/.zfunc/_slowburn
  slowburn completions fish > ~/.config/fish/completions/slowburn.fish";

/// The variable by which a shell asks for completions.
pub(super) const COMPLETION_VARIABLE: &str = "SLOWBURN_COMPLETE";

/// Shells that can complete commands of slowburn.
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

/// The script that makes a shell complete commands of slowburn.
///
/// # Errors
/// When the shell is not supported. Every [`Shell`] is.
pub fn registration_script(shell: Shell) -> std::io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let name = shell.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).ok_or(std::io::ErrorKind::Unsupported)?;
    completer.write_registration(COMPLETION_VARIABLE, "slowburn", "slowburn", "slowburn", &mut script)?;
    Ok(script)
}

/// The SLOs of the definitions, as `SERVICE/SLO`.
pub(super) fn slo_candidates() -> Vec<CompletionCandidate> {
    load_catalog().slos().map(|(_, slo)| CompletionCandidate::new(slo.id.as_str())).collect()
}

/// The services of the definitions.
pub(super) fn service_candidates() -> Vec<CompletionCandidate> {
    load_catalog().services.iter().map(|service| CompletionCandidate::new(&service.name)).collect()
}

/// The services and the SLOs of the definitions.
pub(super) fn service_and_slo_candidates() -> Vec<CompletionCandidate> {
    service_candidates().into_iter().chain(slo_candidates()).collect()
}

/// The commands of slowburn.
pub(super) fn command_candidates() -> Vec<CompletionCandidate> {
    let root = Cli::command();
    root.get_subcommands().map(|command| CompletionCandidate::new(command.get_name())).collect()
}

/// The teams of the definitions.
pub(super) fn team_candidates() -> Vec<CompletionCandidate> {
    let catalog = load_catalog();
    let mut teams: Vec<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    teams.extend(catalog.teams.keys().map(String::as_str));
    teams.sort_unstable();
    teams.dedup();
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
#[expect(clippy::disallowed_methods, reason = "the command line is where variables are read")]
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
    let variable = || std::env::var_os("SLOWBURN_SLOS").filter(|folder| !folder.is_empty());
    found.or_else(variable).map_or_else(|| "slos".into(), PathBuf::from)
}

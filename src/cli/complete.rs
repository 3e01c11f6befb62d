//! Completion by shells: scripts that call slowburn, and the names that it completes from the definitions.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, ValueEnum};
use clap_complete::CompletionCandidate;
use clap_complete::env::Shells;

use super::Cli;
use crate::fetch::definitions;
use crate::minute::Minute;
use crate::slo::{self, Catalog};

pub(super) const EXAMPLES: &str = "\
Examples:
  slowburn completions bash > ~/.local/share/bash-completion/completions/slowburn
  slowburn completions zsh > ~/.zfunc/_slowburn
  slowburn completions fish > ~/.config/fish/completions/slowburn.fish";

/// The variable by which a shell asks for completions.
pub(super) const VARIABLE: &str = "SLOWBURN_COMPLETE";

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
pub fn script(shell: Shell) -> std::io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let name = shell.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let shells = Shells::builtins();
    let completer = shells.completer(&name).ok_or(std::io::ErrorKind::Unsupported)?;
    completer.write_registration(VARIABLE, "slowburn", "slowburn", "slowburn", &mut script)?;
    Ok(script)
}

/// The SLOs of the definitions, as `SERVICE/SLO`.
pub(super) fn slos() -> Vec<CompletionCandidate> {
    catalog().slos().map(|(_, slo)| CompletionCandidate::new(slo.id.as_str())).collect()
}

/// The services of the definitions.
pub(super) fn services() -> Vec<CompletionCandidate> {
    catalog().services.iter().map(|service| CompletionCandidate::new(&service.name)).collect()
}

/// The services and the SLOs of the definitions.
pub(super) fn services_and_slos() -> Vec<CompletionCandidate> {
    services().into_iter().chain(slos()).collect()
}

/// The commands of slowburn.
pub(super) fn commands() -> Vec<CompletionCandidate> {
    let root = Cli::command();
    root.get_subcommands().map(|command| CompletionCandidate::new(command.get_name())).collect()
}

/// The teams of the definitions.
pub(super) fn teams() -> Vec<CompletionCandidate> {
    let catalog = catalog();
    let mut teams: Vec<&str> = catalog.services.iter().map(|service| service.team.as_str()).collect();
    teams.extend(catalog.teams.keys().map(String::as_str));
    teams.sort_unstable();
    teams.dedup();
    teams.into_iter().map(CompletionCandidate::new).collect()
}

/// The definitions of the command line that is completed. Problems of definitions are ignored: a prompt is no place for
/// them.
fn catalog() -> Catalog {
    let files = definitions::load(&folder()).map(|(files, _)| files).unwrap_or_default();
    // The time only decides which corrections are over.
    slo::read(&files, Minute(0)).0
}

/// The folder of definitions: the value of `--slos`, else of the variable, else the default.
#[expect(clippy::disallowed_methods, reason = "the command line is where variables are read")]
fn folder() -> PathBuf {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let mut found = None;
    for (place, word) in words.iter().enumerate() {
        if word == "--slos" {
            found = words.get(place + 1).cloned();
        } else if let Some(folder) = word.to_str().and_then(|word| word.strip_prefix("--slos=")) {
            found = Some(folder.into());
        }
    }
    let variable = || std::env::var_os("SLOWBURN_SLOS").filter(|folder| !folder.is_empty());
    found.or_else(variable).map_or_else(|| "slos".into(), PathBuf::from)
}

//! `slowburn man`: the manual pages, one to stdout or all to a folder.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueHint};
use clap_complete::ArgValueCandidates;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::output::{print, print_message};
use super::shared_arguments::OUTPUT;
use super::{Cli, CommandError, ExitStatus, completions};
use crate::format::pluralize;

const EXAMPLES: &str = "\
Examples:
  slowburn man | man -l -
  slowburn man run
  slowburn man --out /usr/local/share/man/man1";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// Print the page for this command [default: the page for slowburn]
    #[arg(value_name = "COMMAND", conflicts_with = "out", add = ArgValueCandidates::new(completions::command_candidates))]
    pub command: Option<String>,
    /// Write the pages of slowburn and all its commands to this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
}

struct ManPage {
    /// `slowburn` or the name of a subcommand
    command: String,
    file: String,
    text: Vec<u8>,
}

/// The manual pages of slowburn and of each command.
fn manual_pages() -> io::Result<Vec<ManPage>> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let commands = root.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    [root.clone()].into_iter().chain(commands).map(render_page).collect()
}

fn render_page(command: Command) -> io::Result<ManPage> {
    let mut text = Vec::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let name = command.get_name().to_owned();
    let has_commands = command.has_subcommands();
    // Without a date in its place, `.TH` would take the next field for it: an empty argument needs quotes.
    let source = concat!("slowburn ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).date("\"\"").source(source).manual("slowburn manual");
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    render_sections(&help).to_writer(&mut text)?;
    Ok(ManPage { command: name, file: man.get_filename(), text })
}

/// The sections of a help text, such as `Examples:`, line by line.
fn render_sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for (title, lines) in help.split("\n\n").filter_map(|section| section.split_once(":\n")) {
        roff.control("SH", [title.to_uppercase().as_str()]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}

pub fn man(arguments: &ManArgs) -> Result<ExitStatus, CommandError> {
    let pages = manual_pages().map_err(CommandError::with_context("cannot write the manual pages"))?;
    if let Some(folder) = &arguments.out {
        let to_error = |error: std::io::Error| {
            CommandError::new(format!(
                "cannot write to `{}`: {error}\nhint: use a writable folder with `--out`",
                folder.display()
            ))
        };
        std::fs::create_dir_all(folder).map_err(to_error)?;
        for page in &pages {
            std::fs::write(folder.join(&page.file), &page.text).map_err(to_error)?;
        }
        print_message(format!("wrote {} to `{}`", pluralize(pages.len(), "manual page"), folder.display()));
        return Ok(ExitStatus::Success);
    }
    let name = arguments.command.as_deref().unwrap_or("slowburn");
    let page = pages.iter().find(|page| page.command == name);
    let page =
        page.ok_or_else(|| CommandError::unknown("command", name, pages.iter().map(|page| page.command.as_str())))?;
    print(&page.text)?;
    Ok(ExitStatus::Success)
}

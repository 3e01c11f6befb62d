//! `docs/commands.md` is generated from the command line's help: `UPDATE_DOCS=1 cargo test docs_commands` writes it.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use slowburn::command::Cli;

const INTRODUCTION: &str = "\
# Commands

<!-- Generated from the help of the program. To update it: UPDATE_DOCS=1 cargo test --test it docs -->

`slowburn COMMAND --help` prints the same text. Most options can also be set by an environment variable; the command line takes
precedence.

";

#[test]
fn command_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let expected = reference();
    #[expect(
        clippy::disallowed_methods,
        reason = "it decides whether a document is written, not how the program behaves"
    )]
    let updates = std::env::var_os("UPDATE_DOCS").is_some();
    if updates {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/commands.md is out of date: run `UPDATE_DOCS=1 cargo test docs_commands`");
}

fn reference() -> String {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let commands: Vec<&Command> = root.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let mut text = INTRODUCTION.to_owned();
    for command in &commands {
        let (name, about) = (command.get_name(), command.get_about().unwrap());
        text.push_str(&format!("- [`slowburn {name}`](#slowburn-{name}): {about}\n"));
    }
    text.push_str(&sections(&root, "## ", ""));
    text.push_str("\n## Options of every command\n");
    let global: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    text.push_str(&table("Option", &global));
    for command in commands {
        text.push_str(&format!("\n## slowburn {}\n\n", command.get_name()));
        let about = command.get_long_about().or(command.get_about()).unwrap().to_string();
        text.push_str(&format!("{}\n\n", sentences(&about)));
        let usage = command.clone().render_usage().to_string();
        text.push_str(&format!("```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim()));
        text.push_str(&arguments(command));
        text.push_str(&sections(command, "**", "**"));
    }
    text
}

/// The arguments and options of a command, a table for each heading in order of appearance.
fn arguments(command: &Command) -> String {
    let shown = |arg: &&Arg| !arg.is_hide_set() && !arg.is_global_set() && arg.get_id() != "help";
    let mut text = String::new();
    let positionals: Vec<&Arg> = command.get_positionals().filter(shown).collect();
    if !positionals.is_empty() {
        text.push_str(&table("Argument", &positionals));
    }
    let options: Vec<&Arg> = command.get_arguments().filter(shown).filter(|arg| !arg.is_positional()).collect();
    let mut headings: Vec<&str> = Vec::new();
    for heading in options.iter().filter_map(|arg| arg.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let below: Vec<&Arg> = options.iter().copied().filter(|arg| arg.get_help_heading() == Some(heading)).collect();
        text.push_str(&table(&format!("{heading} option"), &below));
    }
    text
}

fn table(title: &str, arguments: &[&Arg]) -> String {
    let mut text = format!("\n| {title} | Meaning | Variable | Default |\n|---|---|---|---|\n");
    for arg in arguments {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let mut meaning = sentences(&help).replace("\n\n", " ");
        if arg.is_required_set() && !arg.is_positional() {
            meaning.push_str(" Required.");
        }
        let values = arg.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!("`{}` ({})", value.get_name(), help.to_string().trim_end_matches('.')),
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        if !values.is_empty() && arg.get_action().takes_values() {
            meaning.push_str(&format!(" Values: {}.", values.join(", ")));
        }
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
        let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let default: Vec<String> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        let default = if arg.get_action().takes_values() { default.join(",") } else { String::new() };
        let cells = [code(&spelling(arg)), meaning, code(&variable), code(&default)];
        text.push_str(&format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | ")));
    }
    text
}

/// `-q, --quiet`, `--out FILE`, or `[SLO]`.
fn spelling(arg: &Arg) -> String {
    let values =
        arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if arg.is_positional() {
        let many = if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { "..." } else { "" };
        return if arg.is_required_set() { format!("{values}{many}") } else { format!("[{values}]{many}") };
    }
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = format!("{short}--{}", arg.get_long().unwrap());
    if arg.get_action().takes_values() { format!("{long} {values}") } else { long }
}

/// Help paragraphs ending with a full stop; clap strips the one of the first paragraph.
fn sentences(help: &str) -> String {
    let paragraphs = help.split("\n\n").map(|paragraph| {
        let paragraph = paragraph.trim().replace('\n', " ");
        if paragraph.ends_with(['.', ':']) { paragraph } else { format!("{paragraph}.") }
    });
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The sections below the options, such as `Examples:`. Examples are commands that another test parses.
fn sections(command: &Command, before: &str, after: &str) -> String {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut text = String::new();
    let mut is_examples = false;
    for line in help.lines() {
        if let Some(title) = line.strip_suffix(':').filter(|title| !title.starts_with(' ')) {
            text.push_str(if text.is_empty() { "" } else { "```\n" });
            is_examples = title == "Examples";
            let info = if is_examples { "console,norun" } else { "text" };
            text.push_str(&format!("\n{before}{title}{after}\n\n```{info}\n"));
            continue;
        }
        let line = line.strip_prefix("  ").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let prompt = if is_examples && !line.starts_with('#') { "$ " } else { "" };
        text.push_str(&format!("{prompt}{line}\n"));
    }
    if text.is_empty() { text } else { text + "```\n" }
}

//! Errors of the command line, with the option or argument that was probably meant.
//!
//! The parser compares spellings. Added here is what it cannot know: arguments that are mistaken for options, and
//! options of other programs.

use std::path::Path;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::environment::variable;
use crate::slo::{edit_distance, nearest};

/// Adds tips to an error of the parser, and removes those that mislead.
pub fn add_tips(mut error: Error, mut root: Command, args: &[String]) -> Error {
    root.build();
    let name = args.iter().skip(1).find(|word| root.find_subcommand(word).is_some()).cloned();
    let command = name.and_then(|name| root.find_subcommand(name).cloned()).unwrap_or(root);
    match error.kind() {
        ErrorKind::UnknownArgument => add_argument_tips(&mut error, &command, args),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => add_value_tips(&mut error, &command, args),
        ErrorKind::InvalidSubcommand => sort_suggested_commands(&mut error),
        _ => {}
    }
    // The parser's own usage shows every option that a variable sets as if it were required.
    if error.get(ContextKind::Usage).is_some() {
        let usage = command.clone().render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    error
}

/// Puts the most similar command first.
fn sort_suggested_commands(error: &mut Error) {
    let typed = context_text(error, ContextKind::InvalidSubcommand);
    if let Some(ContextValue::Strings(near)) = error.get(ContextKind::SuggestedSubcommand) {
        let mut suggestions = near.clone();
        suggestions.sort_by_key(|name| edit_distance(name, &typed));
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(suggestions));
    }
}

fn add_argument_tips(error: &mut Error, command: &Command, args: &[String]) {
    let typed = context_text(error, ContextKind::InvalidArg);
    let typed = typed.split('=').next().unwrap_or_default();
    if let Some(meant) = intended_option(command, typed, args) {
        error.remove(ContextKind::SuggestedArg);
        let tip = ContextValue::StyledStrs(vec![format!("did you mean `{meant}`?").into()]);
        error.insert(ContextKind::Suggested, tip);
        return;
    }
    if !is_similar(typed, &context_text(error, ContextKind::SuggestedArg)) {
        error.remove(ContextKind::SuggestedArg);
    }
    // No name of a service, an SLO or a folder starts with `-`.
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested) {
        let tips: Vec<StyledStr> =
            tips.iter().filter(|tip| !tip.to_string().contains(" as a value")).cloned().collect();
        error.remove(ContextKind::Suggested);
        if !tips.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        }
    }
}

fn add_value_tips(error: &mut Error, command: &Command, args: &[String]) {
    let (arg, value) = (context_text(error, ContextKind::InvalidArg), context_text(error, ContextKind::InvalidValue));
    if !is_similar(&value, &context_text(error, ContextKind::SuggestedValue)) {
        error.remove(ContextKind::SuggestedValue);
    }
    let mut tips: Vec<StyledStr> = Vec::new();
    match (command.get_name(), value.as_str()) {
        ("report", "html") => tips.push("to write HTML pages, use `--out DIR`".into()),
        ("status", "html") => tips.push("to write HTML pages, use `slowburn report --out DIR`".into()),
        _ => {}
    }
    let option = command.get_arguments().find(|option| option.to_string() == arg);
    if let Some(variable) = option.filter(|option| is_set_by_variable(option, args)).and_then(Arg::get_env) {
        tips.push(format!("the value comes from the environment variable `{}`", variable.display()).into());
    }
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
}

/// Whether the value of an option comes from its variable: that is set, and the command line does not have the option.
fn is_set_by_variable(option: &Arg, args: &[String]) -> bool {
    let Some(long) = option.get_long().map(|long| format!("--{long}")) else { return false };
    option.get_env().and_then(variable).is_some() && !args.iter().any(|word| is_argument(word, &long))
}

/// Whether a word is an option or argument as the parser names it: without a value that follows it.
fn is_argument(arg: &str, name: &str) -> bool {
    let is_short = name.len() == 2 && name.starts_with('-');
    arg.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=') || is_short)
}

/// What an unknown option or argument of a command probably means.
fn intended_option(command: &Command, typed: &str, args: &[String]) -> Option<String> {
    let index = args.iter().rposition(|word| is_argument(word, typed))?;
    if !typed.starts_with('-') {
        return intended_argument(command, typed, args.get(..index)?);
    }
    let arg = args.get(index)?;
    let value = arg.split_once('=').map(|(_, value)| value).or(args.get(index + 1).map(String::as_str));
    positional_for(command, typed).or_else(|| output_option(command, typed, value))
}

/// The argument that `--slo` or `--service` stands for.
fn positional_for(command: &Command, typed: &str) -> Option<String> {
    let kind = match typed {
        "--slo" => "SLO",
        "--service" | "--services" => "SERVICE",
        _ => return None,
    };
    let name = command.get_name();
    let value_names = command.get_positionals().flat_map(|arg| arg.get_value_names().unwrap_or_default());
    let kinds: Vec<&str> = value_names.flat_map(|names| names.as_str().split('|')).collect();
    match [kind, "SLO", "SERVICE"].into_iter().find(|kind| kinds.contains(kind)) {
        Some(kind) => Some(format!("slowburn {name} {kind}")),
        None if name == "report" => Some(format!("slowburn status {kind}")),
        None => None,
    }
}

/// The option for a format or a file that has another name in other programs.
fn output_option(command: &Command, typed: &str, value: Option<&str>) -> Option<String> {
    let formats = find_option(command, "--format").map(Arg::get_possible_values).unwrap_or_default();
    let is_format = |name: &str| formats.iter().any(|format| format.get_name() == name);
    let typed_name = typed.trim_start_matches('-');
    if is_format(typed_name) {
        return Some(format!("--format {typed_name}"));
    }
    let out = find_option(command, "--out").map(|out| out.to_string().replace(['<', '>'], ""));
    match (typed_name, value) {
        ("o" | "output" | "f", Some(format)) if is_format(format) => Some(format!("--format {format}")),
        ("o" | "output", _) => out,
        ("html", _) if command.get_name() == "report" => out,
        _ => None,
    }
}

/// What an argument too many is: the name of an SLO after that of its service, or a folder without its option.
fn intended_argument(command: &Command, typed: &str, before: &[String]) -> Option<String> {
    let mut positionals = command.get_positionals();
    if let Some(first) = positionals.next() {
        let [.., option, service] = before else { return None };
        let takes_slo = first.get_value_names().unwrap_or_default().iter().any(|name| name.as_str() == "SLO");
        let is_service = takes_slo && !option.starts_with('-') && !service.starts_with('-') && !service.contains('/');
        return (is_service && !typed.contains('/')).then(|| format!("{service}/{typed}"));
    }
    let folder = Path::new(typed);
    let is_logs = find_option(command, "--logs").is_some() && folder.join("AWSLogs").is_dir();
    let intended = if is_logs { "--logs" } else { "--slos" };
    (folder.is_dir() && find_option(command, intended).is_some()).then(|| format!("{intended} {typed}"))
}

/// The option of a command with this spelling, after which a value may follow.
fn find_option<'a>(command: &'a Command, spelling: &str) -> Option<&'a Arg> {
    let long = spelling.split(' ').next().and_then(|word| word.strip_prefix("--"));
    command.get_arguments().find(|arg| arg.get_long().is_some() && arg.get_long() == long)
}

/// Whether a suggestion is near enough to what was typed, or longer or shorter by its end only.
fn is_similar(typed: &str, suggested: &str) -> bool {
    let (typed, suggested) = (typed.trim_start_matches('-'), suggested.trim_start_matches('-'));
    nearest(typed, [suggested]).is_some() || suggested.starts_with(typed) || typed.starts_with(suggested)
}

/// A part of an error, if it is a single text.
fn context_text(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::command::parse;

    #[test]
    fn unknown_options_suggest_the_intended_ones() {
        for (line, meant) in [
            ("status --slo a/b", "slowburn status SLO"),
            ("explain --slo=a/b", "slowburn explain SLO"),
            ("gate --service a", "slowburn gate SERVICE"),
            ("status --service a", "slowburn status SERVICE"),
            ("report --service a", "slowburn status SERVICE"),
            ("replay --service a", "slowburn replay SLO"),
            ("status --json", "--format json"),
            ("status -o json", "--format json"),
            ("status --output=json", "--format json"),
            ("status -o file", "--out FILE"),
            ("report --html", "--out LOCATION"),
            ("run slos", "--slos slos"),
            ("explain checkout availability", "checkout/availability"),
        ] {
            let error = parse(std::iter::once("slowburn").chain(line.split(' '))).unwrap_err();
            let (command, _) = line.split_once(' ').unwrap();
            let tips = error.matches("tip:").count();
            assert!(error.contains(&format!("tip: did you mean `{meant}`?")) && tips == 1, "{line}: {error}");
            assert!(error.contains(&format!("Usage: slowburn {command} [OPTIONS]")), "{line}: {error}");
        }
    }

    #[test]
    fn misleading_tips_are_removed() {
        for line in ["status --state", "completions tcsh", "run no-such-folder", "explain a/b --at now c"] {
            let error = parse(std::iter::once("slowburn").chain(line.split(' '))).unwrap_err();
            assert!(!error.contains("tip:"), "{line}: {error}");
        }
        let error = parse(["slowburn", "run", "--dryrun", "out"]).unwrap_err();
        assert!(error.contains("a similar argument exists: '--dry-run'"), "{error}");
        let error = parse(["slowburn", "report", "--format", "html"]).unwrap_err();
        assert!(error.contains("to write HTML pages, use `--out DIR`"), "{error}");
    }
}

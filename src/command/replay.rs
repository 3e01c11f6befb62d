//! `slowburn replay`: in which minutes of the past the tiers of an SLO held, or the sums of any windows at every
//! minute.

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCandidates;

use super::load::{find_slo, load_definitions, open_ledger};
use super::output::print;
use super::shared_arguments::{CommonArgs, DATA, OUTPUT};
use super::time::Time;
use super::{CommandError, ExitStatus, completions};
use crate::burn::{PrefixSums, replay as evaluate};
use crate::counts::MinuteTable;
use crate::queries;
use crate::report::replay as view;
use crate::slo::Slo;
use crate::time::{Minute, Span, Window, parse_duration};

const EXAMPLES: &str = "\
Examples:
  slowburn replay checkout/availability --from 2026-10-27 --to 2026-10-28
  slowburn replay checkout/availability --from -7d --to now --format json
  slowburn replay checkout/availability --from -1d --to now --windows 5m,1h --format csv";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The SLO, as `SERVICE/SLO`
    #[arg(value_name = "SLO", add = ArgValueCandidates::new(completions::slo_candidates))]
    pub slo: String,
    #[command(flatten)]
    pub common: CommonArgs,
    /// Time of the first evaluation
    ///
    /// An evaluation uses the minutes that start before its time.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub from: Time,
    /// Stop before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = DATA)]
    pub to: Time,
    /// Ignore significance, working hours and hysteresis (the default)
    #[arg(long, help_heading = OUTPUT)]
    pub raw: bool,
    /// Print the sums of these windows for every minute instead of the tiers, such as `5m,1h,30d`
    #[arg(long, value_name = "DURATIONS", value_delimiter = ',', help_heading = OUTPUT)]
    pub windows: Vec<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t, help_heading = OUTPUT)]
    pub format: ReplayFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ReplayFormat {
    /// Plain text
    #[default]
    Text,
    /// A JSON document
    Json,
    /// Comma-separated values
    Csv,
}

pub async fn replay(arguments: &ReplayArgs, now: Minute) -> Result<ExitStatus, CommandError> {
    let at = arguments.common.time.evaluation_time(now);
    let definitions = load_definitions(&arguments.common, at)?;
    let (service, slo) = find_slo(&definitions, &arguments.slo)?;
    let windows = parse_windows(&arguments.windows)?;
    let (from, to) = (arguments.from.resolve(now), arguments.to.resolve(now));
    let span = Span::new(from, to.min(at.plus(1)));
    if span.is_empty() {
        return Err(CommandError::usage(format!(
            "no minutes to evaluate from {from} to {to}, as of {at}\nhint: `--from` must be before `--to`, and not after `--at`"
        )));
    }
    let store = open_ledger(&arguments.common).await?;
    let lookback = Span::new(span.start.plus(-lookback_minutes(slo, &windows)), span.end);
    let days = queries::load_tier_days(&definitions.catalog, &store, service, slo, lookback).await?;
    let window_sums =
        PrefixSums::new(lookback, days.iter().map(|(day, table)| (*day, table.as_ref().map(MinuteTable::columns))));
    print(render(arguments, slo, &window_sums, span, &windows)?)?;
    Ok(ExitStatus::Success)
}

fn render(
    arguments: &ReplayArgs,
    slo: &Slo,
    window_sums: &PrefixSums<'_>,
    span: Span,
    windows: &[u32],
) -> Result<String, CommandError> {
    if !windows.is_empty() {
        return match arguments.format {
            ReplayFormat::Csv => view::windows_csv(slo, window_sums, span, windows)
                .map_err(CommandError::with_context("cannot write the windows as CSV")),
            _ => Err(CommandError::usage("`--windows` is available as CSV only\nhint: add `--format csv`")),
        };
    }
    let replay = evaluate(slo, window_sums, span);
    match arguments.format {
        ReplayFormat::Text => Ok(view::text(slo, &replay, span) + &coverage_note(window_sums, span)),
        ReplayFormat::Json => Ok(format!("{:#}\n", view::json(slo, &replay, span))),
        ReplayFormat::Csv => view::csv(&replay).map_err(CommandError::with_context("cannot write the replay as CSV")),
    }
}

/// A line about unknown minutes, without which a range that nothing is known of would look healthy.
fn coverage_note(window_sums: &PrefixSums<'_>, span: Span) -> String {
    match (window_sums.sums_in(span).known, span.minutes()) {
        (0, _) => "\nno data: no minute in this range is known\n".to_owned(),
        (known, all) if known < all => format!("\n{known} of {all} minutes in this range are known\n"),
        _ => String::new(),
    }
}

/// How many minutes before the first evaluation are looked at.
fn lookback_minutes(slo: &Slo, windows: &[u32]) -> i32 {
    let tiers = slo.tiers.iter().map(|tier| tier.long_minutes);
    let budget = slo.windows.first().map(Window::max_minutes);
    let longest = tiers.chain(budget).chain(windows.iter().copied()).max().unwrap_or(0);
    i32::try_from(longest).unwrap_or(i32::MAX)
}

fn parse_windows(texts: &[String]) -> Result<Vec<u32>, CommandError> {
    let parse = |text: &String| {
        parse_duration(text).filter(|minutes| *minutes > 0).ok_or_else(|| {
            CommandError::usage(format!("invalid window `{text}`\nhint: use whole minutes, hours or days: `5m,1h,30d`"))
        })
    };
    texts.iter().map(parse).collect()
}

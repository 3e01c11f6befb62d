//! `slowburn replay`: in which minutes of the past the tiers of an SLO held, or the sums of any windows at every
//! minute.

use super::open::{ledger, slo, sound_definitions};
use super::{Ended, Failure, print};
use crate::burn::{Running, replay as evaluate};
use crate::cli::replay::{ReplayArgs, ReplayFormat};
use crate::engine;
use crate::ledger::Table;
use crate::minute::{Minute, Span};
use crate::report::replay as view;
use crate::slo::Slo;

pub(super) async fn replay(arguments: ReplayArgs, now: Minute) -> Result<Ended, Failure> {
    let at = arguments.place.at(now);
    let definitions = sound_definitions(&arguments.place, at)?;
    let (service, slo) = slo(&definitions, &arguments.slo)?;
    let windows = windows(&arguments.windows)?;
    let (from, to) = (arguments.from.resolve(now), arguments.to.resolve(now));
    let span = Span::new(from, to.min(at.plus(1)));
    if span.is_empty() {
        return Err(Failure::usage(format!(
            "no minutes to evaluate from {from} to {to}, as of {at}\nhint: `--from` must be before `--to`, and not after `--at`"
        )));
    }
    let store = ledger(&arguments.place).await?;
    let reach = Span::new(span.start.plus(-reach(slo, &windows)), span.end);
    let days = engine::seen_days(&definitions.catalog, &store, (service, slo), reach).await?;
    let running = Running::of(reach, days.iter().map(|(day, table)| (*day, table.as_ref().map(Table::slice))));
    let text = text(&arguments, slo, &running, span, &windows)?;
    print(text.as_bytes())?;
    Ok(Ended::Done)
}

fn text(
    arguments: &ReplayArgs,
    slo: &Slo,
    running: &Running<'_>,
    span: Span,
    windows: &[u32],
) -> Result<String, Failure> {
    if !windows.is_empty() {
        return match arguments.format {
            ReplayFormat::Csv => view::windows_csv(slo, running, span, windows)
                .map_err(|error| Failure::because("cannot write the windows as CSV", error)),
            _ => Err(Failure::usage("`--windows` is available as CSV only\nhint: add `--format csv`")),
        };
    }
    let replay = evaluate(slo, running, span);
    match arguments.format {
        ReplayFormat::Text => Ok(view::text(slo, &replay, span) + &unknown(running, span)),
        ReplayFormat::Json => Ok(format!("{:#}\n", view::json(slo, &replay, span))),
        ReplayFormat::Csv => {
            view::csv(&replay).map_err(|error| Failure::because("cannot write the replay as CSV", error))
        }
    }
}

/// A line about unknown minutes, without which a range that nothing is known of would look healthy.
fn unknown(running: &Running<'_>, span: Span) -> String {
    match (running.over(span).known, span.minutes()) {
        (0, _) => "\nno data: no minute in this range is known\n".to_owned(),
        (known, all) if known < all => format!("\n{known} of {all} minutes in this range are known\n"),
        _ => String::new(),
    }
}

/// How many minutes before the first evaluation are looked at.
fn reach(slo: &Slo, windows: &[u32]) -> i32 {
    let tiers = slo.tiers.iter().map(|tier| tier.long_minutes);
    let budget = slo.windows.first().map(crate::minute::Window::longest_minutes);
    let longest = tiers.chain(budget).chain(windows.iter().copied()).max().unwrap_or(0);
    i32::try_from(longest).unwrap_or(i32::MAX)
}

fn windows(texts: &[String]) -> Result<Vec<u32>, Failure> {
    let read = |text: &String| {
        crate::minute::length(text).filter(|minutes| *minutes > 0).ok_or_else(|| {
            Failure::usage(format!("invalid window `{text}`\nhint: use whole minutes, hours or days: `5m,1h,30d`"))
        })
    };
    texts.iter().map(read).collect()
}

//! A replay as text, JSON and CSV. Spans are printed as first and last evaluation minute, both inclusive, and their
//! number.

use serde_json::{Value, json};

use crate::burn::{ErrorBudget, PrefixSums, Replay};
use crate::format::pluralize;
use crate::rational::{Rational, to_f64};
use crate::slo::{Slo, Urgency};
use crate::time::{Minute, Span, format_duration};

/// For people.
#[must_use]
pub fn text(slo: &Slo, replay: &Replay<'_>, span: Span) -> String {
    let mut text = format!("{}, objective {}, from {} to {}\n", slo.id, slo.objective.text, span.start, span.end);
    for tier_firing in &replay.tiers {
        let tier = tier_firing.tier;
        let minutes: u32 = tier_firing.spans.iter().map(|span| span.minutes()).sum();
        text.push_str(&format!(
            "\n{}: burn rate above {}x over {} and {}: {}\n",
            tier.urgency,
            format_factor(tier.factor),
            format_duration(tier.long_minutes),
            format_duration(tier.short_minutes),
            pluralize(minutes, "minute")
        ));
        for span in &tier_firing.spans {
            text.push_str(&format!("  {} to {}  {}\n", span.start, span.end.plus(-1), format_duration(span.minutes())));
        }
    }
    text
}

/// For programs: `{"slo", "from", "to", "tiers": [{"urgency", "long", "short", "factor", "firing": [[first, last,
/// n]]}], "page": [...], "ticket": [...]}`; `page` and `ticket` join the tiers of an urgency.
#[must_use]
pub fn json(slo: &Slo, replay: &Replay<'_>, span: Span) -> Value {
    let tiers: Vec<Value> = replay
        .tiers
        .iter()
        .map(|tier_firing| {
            json!({
                "urgency": tier_firing.tier.urgency.to_string(),
                "long": format_duration(tier_firing.tier.long_minutes),
                "short": format_duration(tier_firing.tier.short_minutes),
                "factor": format_factor(tier_firing.tier.factor),
                "firing": intervals_json(&tier_firing.spans),
            })
        })
        .collect();
    json!({
        "slo": slo.id.as_str(),
        "from": span.start.to_string(),
        "to": span.end.to_string(),
        "tiers": tiers,
        "page": intervals_json(&replay.firing_spans(Urgency::Page)),
        "ticket": intervals_json(&replay.firing_spans(Urgency::Ticket)),
    })
}

fn intervals_json(spans: &[Span]) -> Vec<Value> {
    let interval = |span: &Span| json!([span.start.to_string(), span.end.plus(-1).to_string(), span.minutes()]);
    spans.iter().map(interval).collect()
}

/// The exact factor: a decimal where it is one, `14/15` where it is not.
#[must_use]
pub fn format_factor(factor: Rational) -> String {
    let mut denominator = *factor.denom();
    for prime in [2, 5] {
        while denominator % prime == 0 {
            denominator /= prime;
        }
    }
    if denominator == 1 { to_f64(factor).to_string() } else { factor.to_string() }
}

/// One line for each span of each tier.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn csv(replay: &Replay<'_>) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["urgency", "long", "short", "factor", "first", "last", "minutes"])?;
    for tier_firing in &replay.tiers {
        for span in &tier_firing.spans {
            writer.write_record([
                tier_firing.tier.urgency.to_string(),
                format_duration(tier_firing.tier.long_minutes),
                format_duration(tier_firing.tier.short_minutes),
                format_factor(tier_firing.tier.factor),
                span.start.to_string(),
                span.end.plus(-1).to_string(),
                span.minutes().to_string(),
            ])?;
        }
    }
    finish_csv(writer)
}

/// The sums of windows at every evaluation minute, and the budget left over the SLO's first window.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn windows_csv(slo: &Slo, window_sums: &PrefixSums<'_>, span: Span, windows: &[u32]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = windows.iter().flat_map(|minutes| {
        let length = format_duration(*minutes);
        [format!("bad_{length}"), format!("total_{length}"), format!("known_{length}")]
    });
    let header = std::iter::once("minute".to_owned()).chain(names).chain(["budget_remaining".to_owned()]);
    writer.write_record(header)?;
    for at in (span.start.0..span.end.0).map(Minute) {
        let sums = windows.iter().flat_map(|minutes| {
            let sums = window_sums.sums_in(Span::ending_at(at, i32::try_from(*minutes).unwrap_or(i32::MAX)));
            [sums.bad.to_string(), sums.total.to_string(), sums.known.to_string()]
        });
        let budget =
            slo.windows.first().map(|window| ErrorBudget::new(window_sums.sums_in(window.span_at(at)), &slo.objective));
        let remaining =
            budget.and_then(|budget| budget.remaining()).map_or_else(String::new, |left| to_f64(left).to_string());
        writer.write_record(std::iter::once(at.to_string()).chain(sums).chain([remaining]))?;
    }
    finish_csv(writer)
}

pub(super) fn finish_csv(writer: csv::Writer<Vec<u8>>) -> Result<String, csv::Error> {
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

//! A replay as text, JSON and CSV. Spans are printed as first and last evaluation minute, both inclusive, and their
//! number.

use serde_json::{Value, json};

use crate::burn::{Budget, Replay, Running};
use crate::exact::{Exact, to_f64};
use crate::minute::{Minute, Span, length_text};
use crate::slo::{Slo, Urgency};

/// For people.
#[must_use]
pub fn text(slo: &Slo, replay: &Replay<'_>, span: Span) -> String {
    let mut text = format!("{}, objective {}, from {} to {}\n", slo.id, slo.objective.text, span.start, span.end);
    for spans in &replay.tiers {
        let tier = spans.tier;
        let minutes: u32 = spans.firing.iter().map(|span| span.minutes()).sum();
        text.push_str(&format!(
            "\n{}: burn rate above {}x over {} and {}: {}\n",
            tier.urgency,
            factor_text(tier.factor),
            length_text(tier.long_minutes),
            length_text(tier.short_minutes),
            super::counted(minutes, "minute")
        ));
        for span in &spans.firing {
            text.push_str(&format!("  {} to {}  {}\n", span.start, span.end.plus(-1), length_text(span.minutes())));
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
        .map(|spans| {
            json!({
                "urgency": spans.tier.urgency.to_string(),
                "long": length_text(spans.tier.long_minutes),
                "short": length_text(spans.tier.short_minutes),
                "factor": factor_text(spans.tier.factor),
                "firing": intervals(&spans.firing),
            })
        })
        .collect();
    json!({
        "slo": slo.id.as_str(),
        "from": span.start.to_string(),
        "to": span.end.to_string(),
        "tiers": tiers,
        "page": intervals(&replay.any_of(Urgency::Page)),
        "ticket": intervals(&replay.any_of(Urgency::Ticket)),
    })
}

fn intervals(spans: &[Span]) -> Vec<Value> {
    let interval = |span: &Span| json!([span.start.to_string(), span.end.plus(-1).to_string(), span.minutes()]);
    spans.iter().map(interval).collect()
}

/// The exact factor: a decimal where it is one, `14/15` where it is not.
#[must_use]
pub fn factor_text(factor: Exact) -> String {
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
    for spans in &replay.tiers {
        for span in &spans.firing {
            writer.write_record([
                spans.tier.urgency.to_string(),
                length_text(spans.tier.long_minutes),
                length_text(spans.tier.short_minutes),
                factor_text(spans.tier.factor),
                span.start.to_string(),
                span.end.plus(-1).to_string(),
                span.minutes().to_string(),
            ])?;
        }
    }
    text_of(writer)
}

/// The sums of windows at every evaluation minute, and the budget left over the SLO's first window.
///
/// # Errors
/// When a value cannot be written as CSV, which no text of ours causes.
pub fn windows_csv(slo: &Slo, running: &Running<'_>, span: Span, windows: &[u32]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = windows.iter().flat_map(|minutes| {
        let length = length_text(*minutes);
        [format!("bad_{length}"), format!("total_{length}"), format!("known_{length}")]
    });
    let header = std::iter::once("minute".to_owned()).chain(names).chain(["budget_remaining".to_owned()]);
    writer.write_record(header)?;
    for at in (span.start.0..span.end.0).map(Minute) {
        let sums = windows.iter().flat_map(|minutes| {
            let sums = running.over(Span::before(at, i32::try_from(*minutes).unwrap_or(i32::MAX)));
            [sums.bad.to_string(), sums.total.to_string(), sums.known.to_string()]
        });
        let budget = slo.windows.first().map(|window| Budget::of(running.over(window.span_at(at)), &slo.objective));
        let remaining =
            budget.and_then(|budget| budget.remaining()).map_or_else(String::new, |left| to_f64(left).to_string());
        writer.write_record(std::iter::once(at.to_string()).chain(sums).chain([remaining]))?;
    }
    text_of(writer)
}

pub(super) fn text_of(writer: csv::Writer<Vec<u8>>) -> Result<String, csv::Error> {
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

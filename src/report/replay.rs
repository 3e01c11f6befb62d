//! A replay as text, JSON and CSV. Spans are printed as first and last evaluation minute, both inclusive, and their
//! number.

use serde_json::{Value, json};

use super::table::{self, Column, columns_csv, optional_text};
use crate::burn::{ErrorBudget, PrefixSums, TierFiring};
use crate::format::pluralize;
use crate::rational::{Rational, to_f64};
use crate::slo::{Slo, Tier, Urgency};
use crate::time::{Minute, Span, format_duration};

pub fn text(slo: &Slo, tiers: &[TierFiring<'_>], span: Span) -> String {
    let mut text = format!("{}, objective {}, from {} to {}\n", slo.id, slo.objective.text, span.start, span.end);
    for TierFiring { tier, spans } in tiers {
        let minutes: u32 = spans.iter().copied().map(Span::minutes).sum();
        text.push_str(&format!(
            "\n{}: burn rate above {}x over {} and {}: {}\n",
            tier.urgency,
            format_factor(tier.factor),
            format_duration(tier.long_minutes),
            format_duration(tier.short_minutes),
            pluralize(minutes, "minute")
        ));
        for span in spans {
            text.push_str(&format!("  {} to {}  {}\n", span.start, span.end.plus(-1), format_duration(span.minutes())));
        }
    }
    text
}

/// For programs: `{"slo", "from", "to", "tiers": [{"urgency", "long", "short", "factor", "firing": [[first, last,
/// n]]}], "page": [...], "ticket": [...]}`; `page` and `ticket` join the tiers of an urgency.
pub fn json(slo: &Slo, firing: &[TierFiring<'_>], span: Span) -> Value {
    let tiers = firing.iter().map(|firing| {
        json!({
            "urgency": firing.tier.urgency.to_string(),
            "long": format_duration(firing.tier.long_minutes),
            "short": format_duration(firing.tier.short_minutes),
            "factor": format_factor(firing.tier.factor),
            "firing": intervals_json(&firing.spans),
        })
    });
    json!({
        "slo": slo.id.as_str(),
        "from": span.start.to_string(),
        "to": span.end.to_string(),
        "tiers": tiers.collect::<Vec<_>>(),
        "page": intervals_json(&joined_spans(firing, Urgency::Page)),
        "ticket": intervals_json(&joined_spans(firing, Urgency::Ticket)),
    })
}

/// The evaluation minutes at which any tier of an urgency held.
fn joined_spans(firing: &[TierFiring<'_>], urgency: Urgency) -> Vec<Span> {
    let matching = firing.iter().filter(|firing| firing.tier.urgency == urgency);
    Span::merged(matching.flat_map(|firing| firing.spans.iter().copied()).collect())
}

fn intervals_json(spans: &[Span]) -> Vec<Value> {
    let interval = |span: &Span| json!([span.start.to_string(), span.end.plus(-1).to_string(), span.minutes()]);
    spans.iter().map(interval).collect()
}

/// The exact factor: a decimal where it is one, `14/15` where it is not.
fn format_factor(factor: Rational) -> String {
    let mut denominator = *factor.denom();
    for prime in [2, 5] {
        while denominator % prime == 0 {
            denominator /= prime;
        }
    }
    if denominator == 1 { to_f64(factor).to_string() } else { factor.to_string() }
}

pub fn csv(tiers: &[TierFiring<'_>]) -> Result<String, csv::Error> {
    let spans = tiers.iter().flat_map(|firing| firing.spans.iter().map(|span| (firing.tier, *span)));
    let columns: [Column<(&Tier, Span)>; 7] = [
        ("urgency", |(tier, _)| tier.urgency.to_string()),
        ("long", |(tier, _)| format_duration(tier.long_minutes)),
        ("short", |(tier, _)| format_duration(tier.short_minutes)),
        ("factor", |(tier, _)| format_factor(tier.factor)),
        ("first", |(_, span)| span.start.to_string()),
        ("last", |(_, span)| span.end.plus(-1).to_string()),
        ("minutes", |(_, span)| span.minutes().to_string()),
    ];
    columns_csv(&columns, &spans.collect::<Vec<_>>())
}

/// The sums of windows at every evaluation minute, and the budget left over the SLO's first window.
pub fn windows_csv(slo: &Slo, window_sums: &PrefixSums<'_>, span: Span, windows: &[u32]) -> Result<String, csv::Error> {
    let lengths = windows.iter().map(|minutes| format_duration(*minutes));
    let sums_header = lengths.flat_map(|length| ["bad", "total", "known"].map(|name| format!("{name}_{length}")));
    let header = std::iter::once("minute".to_owned()).chain(sums_header).chain(["budget_remaining".to_owned()]);
    let rows = (span.start.0..span.end.0).map(Minute).map(|at| {
        let sums = windows.iter().flat_map(move |minutes| {
            let sums = window_sums.sums_in(Span::ending_at(at, i32::try_from(*minutes).unwrap_or(i32::MAX)));
            [sums.bad.to_string(), sums.total.to_string(), sums.known.to_string()]
        });
        let budget =
            slo.windows.first().map(|window| ErrorBudget::new(window_sums.sums_in(window.span_at(at)), &slo.objective));
        let remaining = optional_text(budget.and_then(|budget| budget.remaining()).map(to_f64));
        std::iter::once(at.to_string()).chain(sums).chain([remaining])
    });
    table::csv(header, rows)
}

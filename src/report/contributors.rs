//! Contributors of failures as one or two sentences: only what stands out.

use crate::access_log::contributors::{Contributor, Contributors, Dimension, ErrorOrigin};
use crate::format::{capitalize, format_fraction, format_latency, format_percent, with_thousands_separators};
use crate::rational::{Rational, to_f64};
use crate::slo::{Indicator, LatencyBasis, Measure, Slo};
use crate::text::escape_non_printing;
use crate::time::format_duration;

/// What answered, and what most bad events of an SLO have in common; `None` if nothing stands out.
#[must_use]
pub fn describe_contributors(contributors: &Contributors, slo: &Slo) -> Option<String> {
    let bad_verb = bad_event_verb(slo);
    let bad_total = contributors.events().bad;
    let mut sentences: Vec<String> = Vec::new();
    if let Some((origin, status, count)) = contributors.dominant_error_origin() {
        let status = status.map(|status| format!(" with {status}")).unwrap_or_default();
        let origin_text = match origin {
            ErrorOrigin::Balancer => "by the load balancer instead of a target",
            ErrorOrigin::Target => "by the target",
        };
        sentences
            .push(format!("{} answered{status} {origin_text}", describe_fraction(count, bad_total, "was", "were")));
    }
    // A target says more than its group.
    let target = contributors.dominant_contributor(Dimension::Target).map(|share| ("went to target", share));
    let group =
        || contributors.dominant_contributor(Dimension::TargetGroup).map(|share| ("went to target group", share));
    if let Some((predicate, share)) = target.or_else(group) {
        sentences.push(format!(
            "{} {predicate} {}",
            describe_fraction(share.events.bad, bad_total, "", ""),
            describe_share(contributors, &share)
        ));
    }
    if let Some(share) = contributors.dominant_contributor(Dimension::Route) {
        sentences.push(format!(
            "{} {}",
            describe_fraction(share.events.bad, bad_total, "requested", "requested"),
            describe_share(contributors, &share)
        ));
    }
    let first = sentences.first_mut()?;
    let duration = format_duration(contributors.span.minutes());
    let partial_note = if contributors.is_complete { "" } else { " (not all logs analyzed)" };
    let subject = if bad_total == 1 { "request that" } else { "requests that" };
    *first = format!(
        "Of the {} {subject} {bad_verb} in the last {duration}{partial_note}, {first}",
        with_thousands_separators(bad_total)
    );
    let with_period = sentences.iter().map(|sentence| format!("{}.", capitalize(sentence)));
    Some(with_period.collect::<Vec<_>>().join(" "))
}

/// What is wrong with a single event: `failed`, `took longer than 300 ms`.
pub(super) fn bad_event_verb(slo: &Slo) -> String {
    match &slo.indicator {
        Indicator::Requests { measure: Measure::Latency { under_us, basis, .. }, .. } => {
            let basis_suffix = if *basis == LatencyBasis::Target { "" } else { " in total" };
            format!("took longer than {}{basis_suffix}", format_latency(*under_us))
        }
        Indicator::Requests { .. } => "failed".to_owned(),
        _ => "were bad".to_owned(),
    }
}

/// `all were`, `290 of 312 were`.
fn describe_fraction(count: u64, total: u64, singular: &str, plural: &str) -> String {
    let verb = if count == 1 { singular } else { plural };
    let number = if count == total { "all".to_owned() } else { format_fraction(count, total) };
    format!("{number} {verb}").trim_end().to_owned()
}

/// What it is, and how much less of the requests it has.
fn describe_share(contributors: &Contributors, share: &Contributor) -> String {
    let share_of_requests =
        Rational::new(i128::from(share.events.total), i128::from(contributors.events().total.max(1)));
    let share_text = if share_of_requests < Rational::new(1, 100) {
        "less than 1%".to_owned()
    } else {
        format_percent(to_f64(share_of_requests), 0)
    };
    format!("`{}`, which received {share_text} of all requests", escape_non_printing(&share.value))
}

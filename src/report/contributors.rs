//! Contributors of failures as one or two sentences: only what stands out.

use crate::access_log::contributors::{Contributor, Contributors, Dimension, ErrorOrigin};
use crate::format::{capitalize, format_fraction, format_latency, format_percent, plural, with_thousands_separators};
use crate::rational::{Rational, to_f64};
use crate::slo::{Indicator, LatencyBasis, Measure, Slo};
use crate::text::escape_non_printing;
use crate::time::format_duration;

/// What answered, and what most bad events have in common; `None` if nothing stands out.
pub fn describe_contributors(contributors: &Contributors, slo: &Slo) -> Option<String> {
    let bad_total = contributors.events.bad;
    let mut sentences: Vec<String> = Vec::new();
    if let Some((origin, status, count)) = contributors.dominant_error_origin() {
        let status = status.map(|status| format!(" with {status}")).unwrap_or_default();
        let origin_text = match origin {
            ErrorOrigin::Balancer => "by the load balancer instead of a target",
            ErrorOrigin::Target => "by the target",
        };
        let verb = if count == 1 { "was" } else { "were" };
        sentences.push(format!("{} {verb} answered{status} {origin_text}", describe_fraction(count, bad_total)));
    }
    let mut push_contributor = |dimension, predicate: &str| {
        let Some(share) = contributors.dominant_contributor(dimension) else { return false };
        let fraction = describe_fraction(share.events.bad, bad_total);
        sentences.push(format!("{fraction} {predicate} {}", describe_share(contributors, &share)));
        true
    };
    // A target says more than its group.
    if !push_contributor(Dimension::Target, "went to target") {
        push_contributor(Dimension::TargetGroup, "went to target group");
    }
    push_contributor(Dimension::Route, "requested");
    let first = sentences.first_mut()?;
    *first = format!(
        "Of the {} {} that {} in the last {}{}, {first}",
        with_thousands_separators(bad_total),
        plural(bad_total, "request"),
        bad_event_verb(slo),
        format_duration(contributors.span.minutes()),
        if contributors.is_complete { "" } else { " (not all logs analyzed)" }
    );
    let with_period = sentences.iter().map(|sentence| format!("{}.", capitalize(sentence)));
    Some(with_period.collect::<Vec<_>>().join(" "))
}

/// `failed`, `took longer than 300 ms`.
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

/// `all`, `290 of 312`.
fn describe_fraction(count: u64, total: u64) -> String {
    if count == total { "all".to_owned() } else { format_fraction(count, total) }
}

/// The contributor, and its share of all requests for comparison.
fn describe_share(contributors: &Contributors, share: &Contributor) -> String {
    let share_of_requests = Rational::new(i128::from(share.events.total), i128::from(contributors.events.total.max(1)));
    let share_text = if share_of_requests < Rational::new(1, 100) {
        "less than 1%".to_owned()
    } else {
        format_percent(to_f64(share_of_requests), 0)
    };
    format!("`{}`, which received {share_text} of all requests", escape_non_printing(&share.value))
}

//! Contributors of failures as one or two sentences: only what stands out.

use super::status::percent;
use super::words::{capital, time_text};
use crate::accesslog::contributors::{Contributors, Dimension, Maker, Share};
use crate::cost::grouped;
use crate::exact::{Exact, to_f64};
use crate::minute::length_text;
use crate::slo::{Indicator, LatencyBasis, Measure, Slo};
use crate::visible::visible;

/// What answered, and what most bad events of an SLO have in common; `None` if nothing stands out.
#[must_use]
pub fn came_from(found: &Contributors, slo: &Slo) -> Option<String> {
    let bad = event_bad(slo);
    let all = found.all().bad;
    let mut said: Vec<String> = Vec::new();
    if let Some((maker, status, count)) = found.made_by() {
        let status = status.map(|status| format!(" with {status}")).unwrap_or_default();
        let maker = match maker {
            Maker::Balancer => "by the load balancer instead of a target",
            Maker::Target => "by the target",
        };
        said.push(format!("{} answered{status} {maker}", of_all(count, all, "was", "were")));
    }
    // A target says more than its group.
    let target = found.stands_out(Dimension::Target).map(|share| ("went to target", share));
    let group = || found.stands_out(Dimension::TargetGroup).map(|share| ("went to target group", share));
    if let Some((went, share)) = target.or_else(group) {
        said.push(format!("{} {went} {}", of_all(share.events.bad, all, "", ""), named(found, &share)));
    }
    if let Some(share) = found.stands_out(Dimension::Route) {
        said.push(format!("{} {}", of_all(share.events.bad, all, "requested", "requested"), named(found, &share)));
    }
    let first = said.first_mut()?;
    let minutes = length_text(found.span.minutes());
    let read = if found.whole { "" } else { " (not all logs analyzed)" };
    let requests = if all == 1 { "request that" } else { "requests that" };
    *first = format!("Of the {} {requests} {bad} in the last {minutes}{read}, {first}", grouped(all));
    let ended = said.iter().map(|sentence| format!("{}.", capital(sentence)));
    Some(ended.collect::<Vec<_>>().join(" "))
}

/// What is wrong with a single event: `failed`, `took longer than 300 ms`.
pub(super) fn event_bad(slo: &Slo) -> String {
    match &slo.indicator {
        Indicator::Requests { measure: Measure::Latency { under_us, basis, .. }, .. } => {
            let of = if *basis == LatencyBasis::Target { "" } else { " in total" };
            format!("took longer than {}{of}", time_text(*under_us))
        }
        Indicator::Requests { .. } => "failed".to_owned(),
        _ => "were bad".to_owned(),
    }
}

/// `all were`, `290 of 312 were`.
fn of_all(count: u64, all: u64, one: &str, many: &str) -> String {
    let verb = if count == 1 { one } else { many };
    let number = if count == all { "all".to_owned() } else { format!("{} of {}", grouped(count), grouped(all)) };
    format!("{number} {verb}").trim_end().to_owned()
}

/// What it is, and how much less of the requests it has.
fn named(found: &Contributors, share: &Share) -> String {
    let of = Exact::new(i128::from(share.events.total), i128::from(found.all().total.max(1)));
    let part = if of < Exact::new(1, 100) { "less than 1%".to_owned() } else { percent(to_f64(of), 0) };
    format!("`{}`, which received {part} of all requests", visible(&share.value))
}

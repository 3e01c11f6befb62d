//! What was promised, in words, and where it is written down.

use serde::Serialize;

use super::when::When;
use crate::alert::{AlertBook, Watch};
use crate::minute::{Minute, Window, length_text};
use crate::report::words::time_text;
use crate::slo::{Catalog, Indicator, Judged, LatencyBasis, LatencyErrors, Measure, Service, Slo, Traffic};

/// What a promise was before it was changed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    at: When,
    text: String,
}

/// What is known of earlier versions of a promise, the newest first.
pub(super) fn changes(book: &AlertBook, slo: &Slo) -> Vec<Change> {
    let change = |(at, before, after): (Minute, &str, &str)| Change {
        at: When::of(at),
        text: if before == after {
            format!("other requests, windows or tiers; the objective stayed {after}")
        } else {
            format!("{after} in place of {before}")
        },
    };
    let mut changes: Vec<Change> = book.watches.get(&slo.id).into_iter().flat_map(Watch::changes).map(change).collect();
    changes.reverse();
    changes
}

/// The promise in sentences.
pub(super) fn sentences(slo: &Slo) -> Vec<String> {
    let windows: Vec<String> = slo.windows.iter().map(window).collect();
    let (what, good) = what(slo);
    let mut said = vec![match &slo.slices {
        None => format!("{} of {what} {good}, over {}.", slo.objective.text, windows.join(" and over ")),
        Some(slices) => format!(
            "{} of the slices of {} are good, over {}. A slice is good if at most {} of {what} in it fail; good is what {}.",
            slo.objective.text,
            length_text(slices.minutes),
            windows.join(" and over "),
            crate::report::status::percent(crate::exact::to_f64(slices.budget), 2),
            good.trim_start_matches("are ").trim_start_matches("is "),
        ),
    }];
    if let Indicator::Requests { traffic, .. } = &slo.indicator {
        said.extend(which(traffic));
    }
    said.extend(slo.evidence.as_ref().map(|evidence| {
        format!("A page needs at least {} bad and a chance of at most {}.", evidence.bad_min, {
            crate::report::status::percent(crate::exact::to_f64(evidence.chance_max), 1)
        })
    }));
    let severe = [
        slo.severe.outage_minutes.map(|minutes| format!("{} in which nearly all fails", length_text(minutes))),
        slo.severe
            .collapse_minutes
            .map(|minutes| format!("{} in which nearly all traffic is missing", length_text(minutes))),
    ];
    let severe: Vec<String> = severe.into_iter().flatten().collect();
    if !severe.is_empty() {
        said.push(format!("Severe, whatever the budget says: {}.", severe.join("; ")));
    }
    said
}

fn window(window: &Window) -> String {
    match window {
        Window::Rolling { .. } => format!("the last {window}"),
        Window::Calendar { zone, .. } => format!("each {window} ({})", zone.iana_name().unwrap_or("UTC")),
    }
}

/// What is counted, and what is good.
fn what(slo: &Slo) -> (String, String) {
    match &slo.indicator {
        Indicator::Requests { measure: Measure::Availability, .. } => {
            ("requests".to_owned(), "are answered without a 5xx".to_owned())
        }
        Indicator::Requests { measure: Measure::Latency { under_us, basis, errors, timeouts }, .. } => {
            let of = match basis {
                LatencyBasis::Target => "by the target",
                LatencyBasis::Total => "in total, with the balancer's own times",
            };
            let errors = match errors {
                LatencyErrors::Counted => "",
                LatencyErrors::Bad => "; an answer with a 5xx is bad",
                LatencyErrors::Excluded => "; an answer with a 5xx does not count",
            };
            let timeouts = if *timeouts { "; a time-out is judged by the time it took" } else { "" };
            let good = format!("are answered within {} {of}{errors}{timeouts}", time_text(*under_us));
            ("answered requests".to_owned(), good)
        }
        Indicator::Ratio { counts, .. } => {
            let good = match counts.judged {
                Judged::Good(_) => "are counted as good by CloudWatch",
                Judged::Bad(_) => "are not counted as bad by CloudWatch",
            };
            ("events".to_owned(), good.to_owned())
        }
        Indicator::Query { file, .. } => ("events".to_owned(), format!("are good by the query `{file}`")),
        Indicator::Counts { file, .. } => ("events".to_owned(), format!("are good by the counts in `{file}`")),
    }
}

/// Which requests of a balancer are meant, where it is not all of them.
fn which(traffic: &Traffic) -> Option<String> {
    let mut parts = Vec::new();
    for (noun, values) in [("method", &traffic.methods), ("host", &traffic.hosts), ("path", &traffic.paths)] {
        if !values.is_empty() {
            parts.push(format!("{noun} {}", values.join(" or ")));
        }
    }
    let mut said = (!parts.is_empty()).then(|| format!("Only requests of {}.", parts.join(", ")));
    let included: Vec<&str> = [(traffic.fixed_responses, "fixed responses"), (traffic.redirects, "redirects")]
        .into_iter()
        .filter_map(|(is_in, noun)| is_in.then_some(noun))
        .collect();
    if !included.is_empty() {
        let more = format!("The balancer's own {} count too.", included.join(" and "));
        said = Some(said.map_or_else(|| more.clone(), |said| format!("{said} {more}")));
    }
    said
}

/// Where a service is measured and defined.
pub(super) fn facts(service: &Service, catalog: &Catalog) -> Vec<(&'static str, String)> {
    let mut sources: Vec<String> = Vec::new();
    let (mut balancers, mut groups): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for slo in &service.slos {
        let name = slo.indicator.source();
        sources.push(match catalog.sources.get(name) {
            Some(source) => format!("{name} ({})", source.kind.word()),
            None => name.to_owned(),
        });
        if let Indicator::Requests { traffic, .. } = &slo.indicator {
            balancers.push(traffic.load_balancer.clone());
            groups.extend(traffic.target_groups.iter().cloned());
        }
    }
    let listed = |mut texts: Vec<String>| {
        texts.sort_unstable();
        texts.dedup();
        texts.join(", ")
    };
    let labels = service.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let all = [
        ("Measured by", listed(sources)),
        ("Load balancer", listed(balancers)),
        ("Target group", listed(groups)),
        ("Labels", listed(labels)),
        ("Defined in", service.file.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// What a bad event of a promise did: `failed`, `slower than 300 ms`, `bad`.
pub(super) fn bad(slo: &Slo) -> String {
    let Indicator::Requests { measure, .. } = &slo.indicator else { return "bad".to_owned() };
    match measure {
        _ if slo.slices.is_some() => "bad".to_owned(),
        Measure::Availability => "failed".to_owned(),
        Measure::Latency { under_us, .. } => format!("slower than {}", time_text(*under_us)),
    }
}

/// The same in a sentence: `failed`, `took longer than 300 ms`, `were bad`.
pub(super) fn were(slo: &Slo) -> String {
    match bad(slo) {
        bad if bad == "bad" => "were bad".to_owned(),
        bad => bad.replacen("slower", "took longer", 1),
    }
}

/// What is counted: `requests`, `events`, `slices`.
pub(super) const fn events(slo: &Slo) -> &'static str {
    match (&slo.slices, &slo.indicator) {
        (Some(_), _) => "slices",
        (None, Indicator::Requests { .. }) => "requests",
        (None, _) => "events",
    }
}

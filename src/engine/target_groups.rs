//! Finds target groups that no request matches, and the names that the newest logs of their load balancer contain.
//!
//! A misspelt target group is indistinguishable from an idle one by its counts. The names beside it make the typo
//! visible.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::access_log::contributors::{Contributors, Dimension};
use crate::access_log::router::SeriesRouter;
use crate::evaluation::status::FleetStatus;
use crate::report::slo_status::SloStatus;
use crate::slo::{
    Indicator, Measure, Service, Traffic, matches_load_balancer, matches_target_group, name_list, nearest,
};
use crate::source::FetchContext;
use crate::source::access_logs::{ContributorScan, LogFile, RecentLogs, scan_contributors};
use crate::time::Span;

/// For all load balancers of a run together.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The newest objects that are read of a load balancer: two intervals of two nodes.
const OBJECTS_MAX: usize = 4;
/// Load balancers that a run reads for this.
const LOAD_BALANCERS_MAX: usize = 3;
/// The usual time between two runs.
const RUN_INTERVAL_MINUTES: i32 = 5;

/// A note for each service whose target groups no request matched, with the names that exist.
pub(super) async fn unmatched_notes(
    context: &FetchContext<'_>,
    all_recent_logs: &[RecentLogs<'_>],
    status: &FleetStatus,
) -> Vec<String> {
    let mut candidates = Vec::new();
    for recent_logs in all_recent_logs {
        let unmatched = find_unmatched(context, recent_logs, status);
        let mut files: BTreeMap<&str, Vec<&LogFile>> = BTreeMap::new();
        for file in &recent_logs.files {
            files.entry(&*file.load_balancer).or_default().push(file);
        }
        for (load_balancer, mut files) in files {
            let mut unmatched = unmatched.clone();
            unmatched.retain(|(_, traffic)| matches_load_balancer(&traffic.load_balancer, load_balancer));
            if !unmatched.is_empty() {
                files.sort_by_key(|file| Reverse(file.interval.end));
                files.truncate(OBJECTS_MAX);
                candidates.push((recent_logs, load_balancer, files, unmatched));
            }
        }
    }
    // A service that is only idle must not hide a typo at another load balancer: later runs begin with other ones.
    if let Some(first) =
        usize::try_from(context.at.0 / RUN_INTERVAL_MINUTES).unwrap_or_default().checked_rem(candidates.len())
    {
        candidates.rotate_left(first);
    }
    let (deadline, mut notes) = (Instant::now() + READ_TIMEOUT, Vec::new());
    for (recent_logs, load_balancer, files, unmatched) in candidates.into_iter().take(LOAD_BALANCERS_MAX) {
        let names = seen_target_groups(context, recent_logs, load_balancer, &files, deadline).await;
        notes.extend(
            unmatched.iter().filter_map(|(service, traffic)| unmatched_note(service, traffic, load_balancer, &names)),
        );
    }
    notes
}

/// Services whose target groups have had no request.
fn find_unmatched<'c>(
    context: &FetchContext<'c>,
    recent_logs: &RecentLogs<'_>,
    status: &FleetStatus,
) -> Vec<(&'c Service, &'c Traffic)> {
    let is_idle = |service: &str, slo: &str| {
        let mut rows = status.rows.iter().filter(|row| row.service == service && row.slo == slo).peekable();
        rows.peek().is_some() && rows.all(|row| SloStatus::from_row(row) == SloStatus::NoTraffic)
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (service, slo) in context.catalog.slos() {
        let Indicator::Requests { traffic, .. } = &slo.indicator else { continue };
        let groups = &traffic.target_groups;
        // Tags are looked up at AWS: a selector that matches no target group is reported by discovery.
        let is_selected_by_name = !groups.is_empty() && groups.iter().all(|name| !name.starts_with('{'));
        if is_selected_by_name
            && recent_logs.request.rules.contains_key(&slo.indicator.series())
            && is_idle(&service.name, slo.name())
            && seen.insert((&service.name, groups))
        {
            found.push((service, traffic));
        }
    }
    found
}

/// The names of the target groups in some log objects of a load balancer.
async fn seen_target_groups(
    context: &FetchContext<'_>,
    recent_logs: &RecentLogs<'_>,
    load_balancer: &str,
    files: &[&LogFile],
    deadline: Instant,
) -> BTreeSet<String> {
    let traffic = Traffic { load_balancer: load_balancer.to_owned(), ..Traffic::default() };
    let (source, measure) = (recent_logs.request.source.clone(), Measure::SERVER_ERRORS);
    let series = Indicator::Requests { source, traffic: traffic.clone(), measure: measure.clone() }.series();
    let router = SeriesRouter::from_series(load_balancer, [(series, (&traffic, &measure))]);
    let start = files.iter().map(|file| file.interval.start).min();
    let Some((start, end)) = start.zip(files.iter().map(|file| file.interval.end).max()) else {
        return BTreeSet::new();
    };
    let contributors = [Contributors::for_span(Span::new(start, end), Vec::new())];
    let scan = ContributorScan {
        objects: files,
        router: &router,
        contributors: &contributors,
        deadline,
        cancel: &context.stop,
    };
    let scanned = scan_contributors(&recent_logs.root, &scan).await;
    scanned.iter().flat_map(|one| one.observed_values(Dimension::TargetGroup)).collect()
}

/// `None` if the names exist, so that the service is idle, or if no log could be read.
fn unmatched_note(
    service: &Service,
    traffic: &Traffic,
    load_balancer: &str,
    names: &BTreeSet<String>,
) -> Option<String> {
    let groups = &traffic.target_groups;
    if groups.iter().any(|group| names.iter().any(|name| matches_target_group(group, name))) {
        return None;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let seen = name_list(&format!("the newest logs of `{load_balancer}` contain"), &names)?;
    let hint = groups.iter().find_map(|group| nearest(group, names.iter().copied())).map_or_else(
        || "compare `target_group` with these names, or ignore this if the service has no traffic yet".to_owned(),
        |suggestion| format!("did you mean `{suggestion}`?"),
    );
    let configured: Vec<String> = groups.iter().map(|group| format!("`{group}`")).collect();
    Some(format!(
        "service `{}`: no request matched target group {}; {seen}\nhint: {hint}",
        service.name,
        configured.join(" or "),
    ))
}

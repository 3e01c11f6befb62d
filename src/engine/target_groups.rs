//! Finds target groups that no request matches, and the names that the newest logs of their load balancer contain.
//!
//! A misspelt target group is indistinguishable from an idle one by its counts. The names beside it make the typo
//! visible.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::RunOptions;
use super::contributors::RecentLogs;
use crate::access_log::contributors::{Contributors, Dimension};
use crate::access_log::router::SeriesRouter;
use crate::outcome::Diagnostics;
use crate::report::model::FleetStatus;
use crate::report::slo_status::SloStatus;
use crate::slo::{Indicator, Measure, Traffic, matches_load_balancer, matches_target_group, name_list, nearest};
use crate::source::access_logs::{ContributorScan, LogFile, scan_contributors};
use crate::time::Span;

/// The time that all load balancers of a run may take together.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The newest objects that are read of a load balancer: two intervals of two nodes.
const OBJECTS_MAX: usize = 4;
/// Load balancers that a run reads for this.
const LOAD_BALANCERS_MAX: usize = 3;
/// The usual time between two runs.
const RUN_INTERVAL_MINUTES: i32 = 5;

/// A service whose target groups have had no request.
#[derive(Clone, Copy)]
struct Unmatched<'c> {
    service: &'c str,
    traffic: &'c Traffic,
}

/// Adds a note for each service whose target groups no request matched, with the names that exist.
pub(super) async fn report_unmatched(
    options: &RunOptions<'_>,
    all_recent_logs: &[RecentLogs<'_>],
    status: &FleetStatus,
    diagnostics: &mut Diagnostics,
) {
    let mut candidates = Vec::new();
    for recent_logs in all_recent_logs {
        let unmatched = find_unmatched(options, recent_logs, status);
        let mut files: BTreeMap<&str, Vec<&LogFile>> = BTreeMap::new();
        for file in &recent_logs.files {
            files.entry(&*file.load_balancer).or_default().push(file);
        }
        for (load_balancer, mut files) in files {
            let is_at_load_balancer =
                |one: &&Unmatched<'_>| matches_load_balancer(&one.traffic.load_balancer, load_balancer);
            let unmatched_here: Vec<Unmatched<'_>> = unmatched.iter().filter(is_at_load_balancer).copied().collect();
            if !unmatched_here.is_empty() {
                files.sort_by_key(|file| std::cmp::Reverse(file.interval.end));
                files.truncate(OBJECTS_MAX);
                candidates.push((recent_logs, load_balancer, files, unmatched_here));
            }
        }
    }
    // A service that is only idle must not hide a typo at another load balancer: later runs begin with other ones.
    if let Some(first) =
        usize::try_from(options.at.0 / RUN_INTERVAL_MINUTES).unwrap_or_default().checked_rem(candidates.len())
    {
        candidates.rotate_left(first);
    }
    let deadline = Instant::now() + READ_TIMEOUT;
    for (recent, load_balancer, files, unmatched) in candidates.into_iter().take(LOAD_BALANCERS_MAX) {
        let names = seen_target_groups(options, recent, (load_balancer, &files), deadline).await;
        diagnostics.notes.extend(unmatched.iter().filter_map(|one| unmatched_note(one, load_balancer, &names)));
    }
}

fn find_unmatched<'c>(
    options: &RunOptions<'c>,
    recent_logs: &RecentLogs<'_>,
    status: &FleetStatus,
) -> Vec<Unmatched<'c>> {
    let is_idle = |service: &str, slo: &str| {
        let mut rows = status.rows.iter().filter(|row| row.service == service && row.slo == slo).peekable();
        rows.peek().is_some() && rows.all(|row| SloStatus::from_row(row) == SloStatus::NoTraffic)
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (service, slo) in options.catalog.slos() {
        let Indicator::Requests { traffic, .. } = &slo.indicator else { continue };
        // Tags are looked up at AWS: a selector that matches no target group is reported by discovery.
        let is_selected_by_name =
            !traffic.target_groups.is_empty() && traffic.target_groups.iter().all(|name| !name.starts_with('{'));
        let uses_source = recent_logs.request.rules.contains_key(&slo.indicator.series());
        if is_selected_by_name
            && uses_source
            && is_idle(&service.name, slo.name())
            && seen.insert((&service.name, &traffic.target_groups))
        {
            found.push(Unmatched { service: &service.name, traffic });
        }
    }
    found
}

/// The names of the target groups in some log objects of a load balancer.
async fn seen_target_groups(
    options: &RunOptions<'_>,
    recent_logs: &RecentLogs<'_>,
    (load_balancer, files): (&str, &[&LogFile]),
    deadline: Instant,
) -> BTreeSet<String> {
    let all_traffic = Traffic { load_balancer: load_balancer.to_owned(), ..Traffic::default() };
    let indicator = Indicator::Requests {
        source: recent_logs.request.source.clone(),
        traffic: all_traffic.clone(),
        measure: Measure::Availability,
    };
    let routes =
        SeriesRouter::from_series(load_balancer, [(indicator.series(), (&all_traffic, &Measure::Availability))]);
    let starts = files.iter().map(|file| file.interval.start).min();
    let Some((start, stop)) = starts.zip(files.iter().map(|file| file.interval.end).max()) else {
        return BTreeSet::new();
    };
    let slots = [Contributors::for_span(Span::new(start, stop), Vec::new())];
    let scan = ContributorScan {
        objects: files,
        router: &routes,
        contributors: &slots,
        deadline: deadline,
        cancel: &options.stop,
    };
    let found = scan_contributors(&recent_logs.root, &scan).await;
    found.iter().flat_map(|one| one.observed_values(Dimension::TargetGroup)).collect()
}

/// `None` if the names exist, so that the service is idle, or if no log could be read.
fn unmatched_note(unmatched: &Unmatched<'_>, load_balancer: &str, names: &BTreeSet<String>) -> Option<String> {
    let is_seen = |group: &String| names.iter().any(|name| matches_target_group(group, name));
    if names.is_empty() || unmatched.traffic.target_groups.iter().any(is_seen) {
        return None;
    }
    let configured: Vec<String> = unmatched.traffic.target_groups.iter().map(|group| format!("`{group}`")).collect();
    let seen = names.iter().map(String::as_str).collect::<Vec<_>>();
    let seen = name_list(&format!("the newest logs of `{load_balancer}` contain"), &seen)?;
    let suggestion =
        unmatched.traffic.target_groups.iter().find_map(|group| nearest(group, names.iter().map(String::as_str)));
    let hint = suggestion.map_or_else(
        || "compare `target_group` with these names, or ignore this if the service has no traffic yet".to_owned(),
        |suggestion| format!("did you mean `{suggestion}`?"),
    );
    Some(format!(
        "service `{}`: no request matched target group {}; {seen}\nhint: {hint}",
        unmatched.service,
        configured.join(" or "),
    ))
}

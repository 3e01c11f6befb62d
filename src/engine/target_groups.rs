//! Finds target groups that no request matches, and the names that the newest logs of their load balancer contain.
//!
//! A misspelt target group is indistinguishable from an idle one by its counts. The names beside it make the typo
//! visible.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Job;
use super::contributors::Recent;
use crate::accesslog::contributors::{Contributors, Dimension};
use crate::accesslog::route::Routes;
use crate::fetch::logs::{Again, LogFile, reread};
use crate::minute::Span;
use crate::outcome::Said;
use crate::report::model::Status;
use crate::report::standing::Standing;
use crate::slo::{Indicator, Measure, Traffic, listed, names_balancer, names_group, nearest};

/// The time that all load balancers of a run may take together.
const READING: Duration = Duration::from_secs(5);
/// The newest objects that are read of a load balancer: two intervals of two nodes.
const OBJECTS_MAX: usize = 4;
/// Load balancers that a run reads for this.
const LOAD_BALANCERS_MAX: usize = 3;
/// The usual time between two runs.
const TICK_MINUTES: i32 = 5;

/// A service whose target groups have had no request.
#[derive(Clone, Copy)]
struct Unmatched<'c> {
    service: &'c str,
    traffic: &'c Traffic,
}

/// Adds a note for each service whose target groups no request matched, with the names that exist.
pub(super) async fn report_unmatched(job: &Job<'_>, recent: &[Recent<'_>], status: &Status, said: &mut Said) {
    let mut candidates = Vec::new();
    for recent in recent {
        let unmatched = unmatched(job, recent, status);
        let mut files: BTreeMap<&str, Vec<&LogFile>> = BTreeMap::new();
        for file in &recent.files {
            files.entry(&*file.load_balancer).or_default().push(file);
        }
        for (load_balancer, mut files) in files {
            let is_here = |one: &&Unmatched<'_>| names_balancer(&one.traffic.load_balancer, load_balancer);
            let here: Vec<Unmatched<'_>> = unmatched.iter().filter(is_here).copied().collect();
            if !here.is_empty() {
                files.sort_by_key(|file| std::cmp::Reverse(file.interval.end));
                files.truncate(OBJECTS_MAX);
                candidates.push((recent, load_balancer, files, here));
            }
        }
    }
    // A service that is only idle must not hide a typo at another load balancer: later runs begin with other ones.
    if let Some(first) = usize::try_from(job.at.0 / TICK_MINUTES).unwrap_or_default().checked_rem(candidates.len()) {
        candidates.rotate_left(first);
    }
    let end = Instant::now() + READING;
    for (recent, load_balancer, files, here) in candidates.into_iter().take(LOAD_BALANCERS_MAX) {
        let names = target_groups(job, recent, (load_balancer, &files), end).await;
        said.notes.extend(here.iter().filter_map(|one| note(one, load_balancer, &names)));
    }
}

fn unmatched<'c>(job: &Job<'c>, recent: &Recent<'_>, status: &Status) -> Vec<Unmatched<'c>> {
    let is_idle = |service: &str, slo: &str| {
        let mut rows = status.rows.iter().filter(|row| row.service == service && row.slo == slo).peekable();
        rows.peek().is_some() && rows.all(|row| Standing::of(row) == Standing::NoTraffic)
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (service, slo) in job.catalog.slos() {
        let Indicator::Requests { traffic, .. } = &slo.indicator else { continue };
        // Tags are looked up at AWS: a selector that matches no target group is reported by discovery.
        let by_name =
            !traffic.target_groups.is_empty() && traffic.target_groups.iter().all(|name| !name.starts_with('{'));
        let is_of_source = recent.question.requests.contains_key(&slo.indicator.series());
        if by_name
            && is_of_source
            && is_idle(&service.name, slo.name())
            && seen.insert((&service.name, &traffic.target_groups))
        {
            found.push(Unmatched { service: &service.name, traffic });
        }
    }
    found
}

/// The names of the target groups in some log objects of a load balancer.
async fn target_groups(
    job: &Job<'_>,
    recent: &Recent<'_>,
    (load_balancer, files): (&str, &[&LogFile]),
    end: Instant,
) -> BTreeSet<String> {
    let all = Traffic { load_balancer: load_balancer.to_owned(), ..Traffic::default() };
    let indicator = Indicator::Requests {
        source: recent.question.source.clone(),
        traffic: all.clone(),
        measure: Measure::Availability,
    };
    let routes = Routes::of(load_balancer, [(indicator.series(), (&all, &Measure::Availability))]);
    let starts = files.iter().map(|file| file.interval.start).min();
    let Some((start, stop)) = starts.zip(files.iter().map(|file| file.interval.end).max()) else {
        return BTreeSet::new();
    };
    let slots = [Contributors::within(Span::new(start, stop), Vec::new())];
    let again = Again { objects: files, routes: &routes, wanted: &slots, end, stop: &job.stop };
    let found = reread(&recent.place, &again).await;
    found.iter().flat_map(|one| one.seen(Dimension::TargetGroup)).collect()
}

/// `None` if the names exist, so that the service is idle, or if no log could be read.
fn note(one: &Unmatched<'_>, load_balancer: &str, names: &BTreeSet<String>) -> Option<String> {
    let is_seen = |group: &String| names.iter().any(|name| names_group(group, name));
    if names.is_empty() || one.traffic.target_groups.iter().any(is_seen) {
        return None;
    }
    let wanted: Vec<String> = one.traffic.target_groups.iter().map(|group| format!("`{group}`")).collect();
    let found = names.iter().map(String::as_str).collect::<Vec<_>>();
    let found = listed(&format!("the newest logs of `{load_balancer}` contain"), &found)?;
    let meant = one.traffic.target_groups.iter().find_map(|group| nearest(group, names.iter().map(String::as_str)));
    let hint = meant.map_or_else(
        || "compare `target_group` with these names, or ignore this if the service has no traffic yet".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    Some(format!(
        "service `{}`: no request matched target group {}; {found}\nhint: {hint}",
        one.service,
        wanted.join(" or "),
    ))
}

//! Looks up where the failures of new incidents come from: reads the newest logs of their load balancers again.
//!
//! **Invariant:** notifications never fail because of it, and are delayed by at most [`READ_TIMEOUT`].

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::access_log::contributors::Contributors;
use crate::access_log::router::SeriesRouter;
use crate::alert::{AlertState, Incident, IncidentKey, IncidentSubject, NotificationKind, PlannedNotification};
use crate::evaluation::SloState;
use crate::evaluation::status::FleetStatus;
use crate::format::pluralize;
use crate::report::contributors::describe_contributors;
use crate::series::SeriesKey;
use crate::slo::{Catalog, Exclusions, Indicator};
use crate::source::FetchContext;
use crate::source::access_logs::{ContributorScan, LogFile, RECENT_MINUTES, RecentLogs, scan_contributors};
use crate::time::Span;

/// For all incidents of a run together.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Incidents of a run, the most urgent first. Where more are opened at once, most have one cause.
const INCIDENTS_MAX: usize = 10;

pub(super) type ContributorsByIncident = BTreeMap<IncidentKey, Contributors>;

/// An incident whose logs are read.
struct Analysis<'a> {
    key: &'a IncidentKey,
    series: SeriesKey,
    /// The span and the exclusions, without any request.
    empty: Contributors,
}

/// The contributors of the incidents that are notified for the first time or have become more urgent, and a note if
/// the analysis is incomplete.
pub(super) async fn find_contributors(
    context: &FetchContext<'_>,
    notifications: &[PlannedNotification],
    alert_state: &AlertState,
    recent: &[RecentLogs<'_>],
    status: &FleetStatus,
) -> (ContributorsByIncident, Option<String>) {
    let incident_of = |planned: &PlannedNotification| {
        let (key, incident) = alert_state.incidents.get_key_value(&planned.subject)?;
        is_new_or_more_urgent(planned, incident).then_some((key, incident.urgency()))
    };
    let mut incidents: Vec<_> = notifications.iter().filter_map(incident_of).collect();
    incidents.dedup();
    incidents.sort_by_key(|(_, urgency)| Reverse(*urgency));
    incidents.truncate(INCIDENTS_MAX);
    let analyses: Vec<Analysis<'_>> =
        incidents.into_iter().filter_map(|(key, _)| analysis(context.catalog, key, status)).collect();
    let deadline = Instant::now() + READ_TIMEOUT;
    let mut found = ContributorsByIncident::new();
    for logs in recent {
        for files in logs.files.chunk_by(|a, b| a.load_balancer == b.load_balancer) {
            read_load_balancer(context, logs, files, &analyses, deadline, &mut found).await;
        }
    }
    let is_incomplete = |one: &&Analysis<'_>| {
        recent.iter().any(|logs| logs.request.rules.contains_key(&one.series))
            && found.get(one.key).is_none_or(|contributors| !contributors.is_complete)
    };
    let incomplete = analyses.iter().filter(is_incomplete).count();
    let note = (incomplete > 0).then(|| {
        format!(
            "contributor analysis is incomplete for {}: not all of their newest logs were read again",
            pluralize(incomplete, "incident")
        )
    });
    (found, note)
}

/// Stores the contributors with their incidents, for reports.
pub(super) fn store_contributors(catalog: &Catalog, found: &ContributorsByIncident, alert_state: &mut AlertState) {
    for (key, contributors) in found {
        let IncidentSubject::Slo(id) = &key.subject else { continue };
        if let (Some((_, slo)), Some(incident)) =
            (catalog.slos().find(|(_, slo)| slo.id == *id), alert_state.incidents.get_mut(key))
        {
            incident.contributors = describe_contributors(contributors, slo);
        }
    }
}

/// Reads the files of one load balancer for all its incidents.
async fn read_load_balancer(
    context: &FetchContext<'_>,
    logs: &RecentLogs<'_>,
    files: &[LogFile],
    analyses: &[Analysis<'_>],
    deadline: Instant,
    found: &mut ContributorsByIncident,
) {
    let Some(load_balancer) = files.first().map(|file| &*file.load_balancer) else { return };
    let load_balancer_series = logs.request.series_for(load_balancer);
    let affected: Vec<_> = analyses
        .iter()
        .filter(|one| load_balancer_series.contains(&one.series))
        .filter_map(|one| Some((one, logs.request.rules.get(&one.series)?)))
        .collect();
    if affected.is_empty() || Instant::now() >= deadline {
        return;
    }
    let rules = affected.iter().map(|(one, (traffic, measure))| (one.series.clone(), (traffic, measure)));
    let router = SeriesRouter::from_series(load_balancer, rules);
    // Two SLOs may have the same series: the longer of their spans is read for both.
    let widest = |series: &SeriesKey| {
        let same_series = affected.iter().filter(|(one, _)| one.series == *series);
        same_series.map(|(one, _)| &one.empty).max_by_key(|empty| empty.span.minutes())
    };
    let contributors: Vec<Contributors> = router.series.iter().filter_map(widest).map(Contributors::to_empty).collect();
    let overlaps = |file: &&LogFile| contributors.iter().any(|one| !one.span.intersect(file.interval).is_empty());
    let objects: Vec<&LogFile> = files.iter().filter(overlaps).collect();
    let scan = ContributorScan {
        objects: &objects,
        router: &router,
        contributors: &contributors,
        deadline,
        cancel: &context.stop,
    };
    let scanned = scan_contributors(&logs.root, &scan).await;
    for (one, _) in affected {
        let index = router.series.iter().position(|series| *series == one.series);
        if let Some(contributors) = index.and_then(|index| scanned.get(index)) {
            found.entry(one.key.clone()).or_insert_with(|| contributors.to_empty()).merge(contributors);
        }
    }
}

fn is_new_or_more_urgent(planned: &PlannedNotification, incident: &Incident) -> bool {
    let is_more_urgent = matches!(incident.urgency_changes.as_slice(), [.., (_, before), (_, now)] if now > before);
    planned.kind == NotificationKind::Opened || (planned.kind == NotificationKind::Changed && is_more_urgent)
}

/// The window that burns, of an incident of an SLO on access logs.
fn analysis<'a>(catalog: &Catalog, key: &'a IncidentKey, status: &FleetStatus) -> Option<Analysis<'a>> {
    let IncidentSubject::Slo(id) = &key.subject else { return None };
    let (service, slo) = catalog.slos().find(|(_, slo)| slo.id == *id)?;
    let Indicator::Requests { .. } = &slo.indicator else { return None };
    let row = status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name())?;
    let minutes = match row.evaluation.state {
        SloState::Firing { tier, .. } => slo.tiers.get(tier)?.long_minutes,
        SloState::Outage { minutes, .. } => minutes,
        SloState::Ok | SloState::TrafficDrop { .. } | SloState::NoData { .. } => return None,
    };
    let span = Span::ending_at(row.evaluated_at, minutes.min(RECENT_MINUTES).cast_signed());
    let excluded = Exclusions::for_span(catalog, span).spans(service, slo);
    Some(Analysis { key, series: slo.indicator.series(), empty: Contributors::for_span(span, excluded) })
}

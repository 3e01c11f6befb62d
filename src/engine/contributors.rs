//! Where the failures of new incidents come from: the newest logs of their balancers are read once more, within bounds.
//!
//! **Invariant:** whatever goes wrong here, the message goes out without it, and no later than [`READING`] allows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::RunOptions;
use crate::access_log::contributors::Contributors;
use crate::access_log::router::SeriesRouter;
use crate::alert::{AlertState, Incident, IncidentKey, IncidentSubject, NotificationKind, PlannedNotification};
use crate::evaluation::SloState;
use crate::fetch_plan::AccessLogRequest;
use crate::format::pluralize;
use crate::outcome::Diagnostics;
use crate::report::contributors::describe_contributors;
use crate::report::model::FleetStatus;
use crate::series::SeriesKey;
use crate::slo::{Exclusions, Indicator};
use crate::source::access_logs::{ContributorScan, LogFile, LogRoot, scan_contributors};
use crate::time::{Minute, Span};

/// For all incidents of a run together: somebody waits to be told.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Incidents of a run that are looked into, the most urgent first. Where more open at once, they mostly have one cause.
const INCIDENTS_MAX: usize = 10;
/// The newest minutes that are looked at; longer windows hold more than has to be read to see where it comes from.
const MINUTES_MAX: u32 = 60;

/// What a run has found of one source of access logs.
pub(super) struct RecentLogs<'q> {
    pub(super) request: &'q AccessLogRequest,
    pub(super) root: LogRoot,
    /// The objects that hold minutes of its newest hour.
    pub(super) files: Vec<LogFile>,
}

impl<'q> RecentLogs<'q> {
    pub(super) const fn new(request: &'q AccessLogRequest, root: LogRoot) -> Self {
        Self { request: request, root: root, files: Vec::new() }
    }

    /// Takes note of objects that may be read again.
    pub(super) fn add_recent(&mut self, options: &RunOptions<'_>, listed: &[&LogFile]) {
        let end = options
            .catalog
            .sources
            .get(&self.request.source)
            .map_or(options.at, |source| source.settled_until(options.at));
        let newest = Span::ending_at(end, MINUTES_MAX.cast_signed());
        let recent = listed.iter().filter(|file| !file.interval.intersect(newest).is_empty());
        self.files.extend(recent.map(|file| (*file).clone()));
    }
}

/// What of an incident is to be looked into.
struct PendingAnalysis {
    key: IncidentKey,
    series: SeriesKey,
    contributors: Contributors,
}

/// Where the failures of incidents come from, in a run that may have to decide more than once.
pub(super) struct ContributorAnalysis<'r> {
    recent: &'r [RecentLogs<'r>],
    deadline: Option<Instant>,
    pub(super) results: BTreeMap<IncidentKey, Contributors>,
    attempted: BTreeSet<IncidentKey>,
}

impl<'r> ContributorAnalysis<'r> {
    pub(super) const fn new(recent: &'r [RecentLogs<'r>]) -> Self {
        Self { recent, deadline: None, results: BTreeMap::new(), attempted: BTreeSet::new() }
    }

    /// Looks into what is told of and was not looked into before.
    pub(super) async fn analyze(
        &mut self,
        options: &RunOptions<'_>,
        (notifications, alert_state): (&[PlannedNotification], &AlertState),
        status: &FleetStatus,
        diagnostics: &mut Diagnostics,
    ) {
        let mut chosen: Vec<(&IncidentKey, &Incident)> = Vec::new();
        for notification in notifications {
            let Some((key, incident)) = alert_state.incidents.get_key_value(&notification.key) else { continue };
            if is_new_or_more_urgent(notification, incident)
                && !self.attempted.contains(key)
                && !chosen.iter().any(|(other, _)| *other == key)
            {
                chosen.push((key, incident));
            }
        }
        chosen.sort_by_key(|(_, incident)| std::cmp::Reverse(incident.urgency));
        chosen.truncate(INCIDENTS_MAX.saturating_sub(self.attempted.len()));
        let pending: Vec<PendingAnalysis> =
            chosen.iter().filter_map(|(key, _)| pending_analysis(options, key, status)).collect();
        self.attempted.extend(chosen.into_iter().map(|(key, _)| key.clone()));
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + READ_TIMEOUT);
        for recent_logs in self.recent {
            let source_pending: Vec<&PendingAnalysis> =
                pending.iter().filter(|one| recent_logs.request.rules.contains_key(&one.series)).collect();
            for load_balancer_files in recent_logs.files.chunk_by(|a, b| a.load_balancer == b.load_balancer) {
                self.read_load_balancer(options, (recent_logs, load_balancer_files), &source_pending, deadline).await;
            }
        }
        let is_incomplete = |one: &&PendingAnalysis| self.results.get(&one.key).is_none_or(|found| !found.is_complete);
        let incomplete = pending.iter().filter(is_incomplete).filter(|one| self.uses_access_logs(&one.series)).count();
        if incomplete > 0 {
            diagnostics.notes.push(format!(
                "contributor analysis is incomplete for {}: not all of their newest logs were read again",
                pluralize(incomplete, "incident")
            ));
        }
    }

    /// Keeps with each incident what was found of it, for pages that are written later.
    pub(super) fn store_results(&self, options: &RunOptions<'_>, alert_state: &mut AlertState) {
        for (key, found) in &self.results {
            let IncidentSubject::Slo(id) = &key.subject else { continue };
            let slo = options.catalog.slos().find(|(_, slo)| slo.id == *id);
            if let (Some((_, slo)), Some(incident)) = (slo, alert_state.incidents.get_mut(key)) {
                incident.contributors = describe_contributors(found, slo);
            }
        }
    }

    fn uses_access_logs(&self, series: &SeriesKey) -> bool {
        self.recent.iter().any(|recent| recent.request.rules.contains_key(series))
    }

    /// Reads objects of one balancer for all incidents that stand on it.
    async fn read_load_balancer(
        &mut self,
        options: &RunOptions<'_>,
        (recent_logs, files): (&RecentLogs<'_>, &[LogFile]),
        pending: &[&PendingAnalysis],
        deadline: Instant,
    ) {
        let Some(load_balancer) = files.first().map(|file| &*file.load_balancer) else { return };
        let load_balancer_series = recent_logs.request.series_for(load_balancer);
        let affected: Vec<&&PendingAnalysis> =
            pending.iter().filter(|one| load_balancer_series.contains(&one.series)).collect();
        if affected.is_empty() || Instant::now() >= deadline {
            return;
        }
        let requests = affected.iter().filter_map(|one| {
            let (traffic, measure) = recent_logs.request.rules.get(&one.series)?;
            Some((one.series.clone(), (traffic, measure)))
        });
        let routes = SeriesRouter::from_series(load_balancer, requests);
        // Two promises may stand on one series: the longer of their spans is looked at for both.
        let widest_contributors = |series: &SeriesKey| {
            let same = affected.iter().filter(|one| one.series == *series);
            same.map(|one| &one.contributors).max_by_key(|found| found.span.minutes())
        };
        let slots: Vec<Contributors> =
            routes.series().iter().filter_map(widest_contributors).map(Contributors::to_empty).collect();
        let overlaps_window = |file: &&LogFile| slots.iter().any(|slot| !slot.span.intersect(file.interval).is_empty());
        let objects: Vec<&LogFile> = files.iter().filter(overlaps_window).collect();
        let scan = ContributorScan {
            objects: &objects,
            router: &routes,
            contributors: &slots,
            deadline: deadline,
            cancel: &options.stop,
        };
        let found = scan_contributors(&recent_logs.root, &scan).await;
        for one in affected {
            let Some(found) =
                routes.series().iter().position(|series| *series == one.series).and_then(|slot| found.get(slot))
            else {
                continue;
            };
            self.results.entry(one.key.clone()).or_insert_with(|| found.to_empty()).merge(found);
        }
    }
}

/// Whether somebody hears of it for the first time, or that it has become more urgent.
fn is_new_or_more_urgent(notification: &PlannedNotification, incident: &Incident) -> bool {
    let has_risen = matches!(incident.urgency_changes.as_slice(), [.., (_, before), (_, now)] if now > before);
    match notification.kind {
        NotificationKind::Opened => true,
        NotificationKind::Changed => has_risen,
        NotificationKind::Reminder | NotificationKind::Resolved | NotificationKind::Note | NotificationKind::Test => {
            false
        }
    }
}

/// The minutes of an incident of a promise on access logs that are worth a look: those of the window that burns.
fn pending_analysis(options: &RunOptions<'_>, key: &IncidentKey, status: &FleetStatus) -> Option<PendingAnalysis> {
    let IncidentSubject::Slo(id) = &key.subject else { return None };
    let (service, slo) = options.catalog.slos().find(|(_, slo)| slo.id == *id)?;
    let Indicator::Requests { .. } = &slo.indicator else { return None };
    let row = status.rows.iter().find(|row| row.service == service.name && row.slo == slo.name())?;
    let minutes = match row.evaluation.state {
        SloState::Firing { tier, .. } => slo.tiers.get(tier)?.long_minutes,
        SloState::Outage { minutes, .. } => minutes,
        SloState::Ok | SloState::TrafficDrop { .. } | SloState::NoData { .. } => return None,
    };
    let span = limited_span(row.evaluated_at, minutes);
    let excluded = Exclusions::for_span(options.catalog, span).spans(service, slo);
    Some(PendingAnalysis {
        key: key.clone(),
        series: slo.indicator.series(),
        contributors: Contributors::for_span(span, excluded),
    })
}

fn limited_span(end: Minute, minutes: u32) -> Span {
    Span::ending_at(end, minutes.min(MINUTES_MAX).cast_signed())
}

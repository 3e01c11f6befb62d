//! The incident state machine: applies evaluations to the alert state, in the order of time. Live runs, replays and
//! tests use it.
//!
//! Late data: an SLO is evaluated up to its newest known minute, each evaluation once. If minutes before that have
//! changed since, they are evaluated again, as far back as `open_within`. Incidents that share no minute with a known
//! one are new and marked as late; the others are known already. An open incident is only marked as re-evaluated: newer
//! minutes decide whether it continues.

use std::collections::{BTreeMap, BTreeSet};

use super::state::signed_minutes;
use super::{
    AlertState, EndReason, Incident, IncidentKey, IncidentSubject, MinuteEvaluation, Owner, SloCheckpoint,
    TrafficScopes, UrgencyState,
};
use super::{grouping, missing_traffic};
use crate::counts::Sums;
use crate::slo::{AlertRules, SloId, Urgency};
use crate::time::{Minute, Span};

#[derive(Clone, Debug)]
pub struct SloUpdate {
    pub slo: SloId,
    pub owner: Owner,
    /// What it shares with other SLOs.
    pub group_subjects: Vec<IncidentSubject>,
    pub fingerprint: String,
    pub objective: String,
    /// Minutes of recovery that end a ticket, page and severe: see [`resolve_after`](super::resolve_after).
    pub resolve_after: [u32; 3],
    /// From [`EvaluationStart::from`] on, in order.
    pub evaluations: Vec<MinuteEvaluation>,
    pub evaluated_at: Minute,
    /// The sums over [`late_data_span`] before it.
    pub recent_counts: Sums,
    /// Whether minutes that were evaluated before have changed.
    pub has_changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationStart {
    pub from: Minute,
    pub has_changed: bool,
}

#[derive(Debug)]
pub struct EvaluationBatch<'a> {
    pub at: Minute,
    pub rules: &'a AlertRules,
    /// All SLOs that can be evaluated.
    pub updates: Vec<SloUpdate>,
    pub invalid_definitions: &'a InvalidDefinitions,
    pub source_watermarks: BTreeMap<String, SourceWatermark>,
    pub traffic_scopes: TrafficScopes,
}

/// Definitions that could not be read: an SLO that is missing may still exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidDefinitions {
    /// Any SLO may be missing because of them.
    pub is_fleet_invalid: bool,
    /// Files of services, by team and name.
    pub services: BTreeSet<(String, String)>,
}

impl InvalidDefinitions {
    /// Whether an SLO may be missing because of them. Those of one team do not hide SLOs of another, except for a
    /// service that it has just taken over.
    fn can_hide(&self, slo: &SloId, team: &str) -> bool {
        let service = slo.as_str().split('/').next().unwrap_or_default();
        self.is_fleet_invalid
            || self.services.iter().any(|(owner_team, name)| owner_team == team || team.is_empty() || name == service)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceWatermark {
    /// The evaluation of its newest known minute.
    pub known_until: Minute,
    pub fetched_at: Minute,
}

/// The minutes before an evaluation that may still open an incident: late data is detected by their sums.
pub fn late_data_span(evaluated_at: Minute, rules: &AlertRules) -> Span {
    Span::ending_at(evaluated_at, signed_minutes(rules.open_within_minutes))
}

/// Where the evaluation of an SLO starts whose newest known minute is before `until`; `None` if nothing is new. An SLO
/// without a checkpoint starts there: its past does not page. `recent_counts`: the present sums over the span of
/// [`SloCheckpoint::recent_counts`].
pub fn evaluation_start(
    state: &AlertState,
    slo: &SloId,
    until: Minute,
    recent_counts: Sums,
    rules: &AlertRules,
) -> Option<EvaluationStart> {
    let Some(checkpoint) = state.checkpoints.get(slo) else {
        return Some(EvaluationStart { from: until, has_changed: false });
    };
    let has_changed = recent_counts != checkpoint.recent_counts;
    let oldest_evaluation = |end: Minute| end.plus(1 - signed_minutes(rules.open_within_minutes));
    let from = if has_changed { oldest_evaluation(checkpoint.evaluated_at) } else { checkpoint.evaluated_at.plus(1) }
        .max(oldest_evaluation(until));
    (has_changed || from <= until).then_some(EvaluationStart { from, has_changed })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectiveChange {
    pub slo: SloId,
    pub owner: Owner,
    pub before: String,
    pub after: String,
}

/// Updates the alert state, and returns changed objectives. Notifications are planned afterwards, by
/// [`super::plan_notifications`].
pub fn apply_evaluations(state: &mut AlertState, batch: &EvaluationBatch<'_>) -> Vec<ObjectiveChange> {
    end_removed_slos(state, batch);
    let mut objective_changes = Vec::new();
    let mut evaluations_by_minute: BTreeMap<Minute, Vec<(&SloUpdate, MinuteEvaluation)>> = BTreeMap::new();
    for update in &batch.updates {
        objective_changes.extend(objective_change(state, update));
        let evaluated_until = update_checkpoint(state, update, batch.at);
        for evaluation in update.evaluations.iter().filter(|evaluation| Some(evaluation.at) > evaluated_until) {
            evaluations_by_minute.entry(evaluation.at).or_default().push((update, *evaluation));
        }
    }
    let groups_by_slo: BTreeMap<&SloId, &[IncidentSubject]> =
        batch.updates.iter().map(|update| (&update.slo, update.group_subjects.as_slice())).collect();
    for (at, evaluations) in evaluations_by_minute {
        let mut has_changed = false;
        for (update, evaluation) in evaluations {
            has_changed |= apply_evaluation(state, update, evaluation);
        }
        if has_changed {
            grouping::update_groups(state, at, batch.rules, &groups_by_slo);
        }
    }
    grouping::end_groups(state, batch.at, batch.rules);
    for update in &batch.updates {
        if let Some(checkpoint) = state.checkpoints.get_mut(&update.slo) {
            checkpoint.evaluated_at = update.evaluated_at.max(checkpoint.evaluated_at);
            checkpoint.recent_counts = update.recent_counts;
        }
    }
    update_stale_sources(state, batch);
    missing_traffic::update_missing_traffic(state, batch);
    state.last_run = state.last_run.max(Some(batch.at));
    state.drop_expired_incidents(batch.at);
    objective_changes
}

fn objective_change(state: &AlertState, update: &SloUpdate) -> Option<ObjectiveChange> {
    let before = &state.checkpoints.get(&update.slo)?.objective;
    (*before != update.objective).then(|| ObjectiveChange {
        slo: update.slo.clone(),
        owner: update.owner.clone(),
        before: before.clone(),
        after: update.objective.clone(),
    })
}

/// Ends incidents of removed SLOs. SLOs that may only be missing because of invalid definitions are kept, with one
/// incident for each team.
fn end_removed_slos(state: &mut AlertState, batch: &EvaluationBatch<'_>) {
    let current_slos: BTreeSet<&SloId> = batch.updates.iter().map(|update| &update.slo).collect();
    let missing = state.checkpoints.iter().filter(|(slo, _)| !current_slos.contains(slo));
    let missing: Vec<(SloId, String)> =
        missing.map(|(slo, checkpoint)| (slo.clone(), checkpoint.team.clone())).collect();
    let mut invalid_teams: BTreeSet<String> = BTreeSet::new();
    for (slo, team) in missing {
        if batch.invalid_definitions.can_hide(&slo, &team) {
            invalid_teams.insert(team);
        } else {
            state.checkpoints.remove(&slo);
            state.end_incident(&IncidentSubject::Slo(slo), batch.at, EndReason::SloRemoved);
        }
    }
    let is_valid_again = |subject: &IncidentSubject| match subject {
        IncidentSubject::InvalidDefinitions(team) => !invalid_teams.contains(team),
        _ => false,
    };
    for key in state.open_incidents(is_valid_again) {
        state.end_incident(&key.subject, batch.at, EndReason::Recovered);
    }
    for team in invalid_teams {
        let incident = Incident::new(Owner::fleet(&team), Urgency::Ticket, batch.at);
        let subject = IncidentSubject::InvalidDefinitions(team);
        if state.open_incident(&subject).is_none() {
            state.open_or_reopen(IncidentKey { subject, started: batch.at }, incident);
        }
    }
}

/// Updates the definition of an SLO, ends its incident if that or the owner has changed, and evaluates late data.
/// Returns its last evaluation, if there was one.
fn update_checkpoint(state: &mut AlertState, update: &SloUpdate, at: Minute) -> Option<Minute> {
    let Some(checkpoint) = state.checkpoints.get(&update.slo) else {
        let checkpoint = SloCheckpoint {
            evaluated_at: update.evaluated_at,
            recent_counts: update.recent_counts,
            urgency_state: UrgencyState::default(),
            fingerprint: update.fingerprint.clone(),
            objective: update.objective.clone(),
            team: update.owner.team.clone(),
            previous_objectives: Vec::new(),
        };
        state.checkpoints.insert(update.slo.clone(), checkpoint);
        return None;
    };
    let subject = IncidentSubject::Slo(update.slo.clone());
    let evaluated_at = checkpoint.evaluated_at;
    // A new owner is notified by a new incident.
    let has_new_owner = !checkpoint.team.is_empty() && checkpoint.team != update.owner.team;
    let has_new_definition = checkpoint.fingerprint != update.fingerprint || has_new_owner;
    if has_new_definition {
        let reason = if has_new_owner { EndReason::OwnerChanged } else { EndReason::SloChanged };
        state.end_incident(&subject, evaluated_at, reason);
    }
    let open_key = state.open_incident(&subject);
    let reevaluated = update.has_changed.then(|| reevaluate_late_data(state, update, evaluated_at));
    let open_incident = open_key.and_then(|key| state.incidents.get_mut(&key));
    let checkpoint = state.checkpoints.get_mut(&update.slo)?;
    match open_incident {
        Some(incident) => incident.is_reevaluated |= update.has_changed,
        None if has_new_definition || reevaluated.is_some() => {
            checkpoint.urgency_state = reevaluated.unwrap_or_default();
        }
        None => {}
    }
    if (&checkpoint.fingerprint, &checkpoint.objective) != (&update.fingerprint, &update.objective) {
        checkpoint.record_previous_objective(at);
    }
    checkpoint.fingerprint.clone_from(&update.fingerprint);
    checkpoint.objective.clone_from(&update.objective);
    checkpoint.team.clone_from(&update.owner.team);
    Some(evaluated_at)
}

/// Evaluates changed minutes again, up to the last evaluation, and returns the state after them.
fn reevaluate_late_data(state: &mut AlertState, update: &SloUpdate, evaluated_at: Minute) -> UrgencyState {
    let subject = IncidentSubject::Slo(update.slo.clone());
    let mut urgency_state = UrgencyState::default();
    let mut found_incidents: Vec<Incident> = Vec::new();
    for evaluation in update.evaluations.iter().filter(|evaluation| evaluation.at <= evaluated_at) {
        urgency_state.apply(*evaluation, update.resolve_after);
        let open = found_incidents.last_mut().filter(|incident| incident.is_open());
        match (urgency_state.urgency(), open) {
            (Some(urgency), Some(incident)) => incident.change_urgency(urgency, evaluation.at),
            (Some(urgency), None) => found_incidents.push(Incident::new(update.owner.clone(), urgency, evaluation.at)),
            (None, Some(incident)) => incident.ended = Some((evaluation.at, end_reason(&urgency_state))),
            (None, None) => {}
        }
    }
    let known_spans: Vec<Span> =
        state.incidents_of(&subject).map(|(key, incident)| open_span(key.started, incident)).collect();
    for mut incident in found_incidents {
        let Some((mut started, _)) = incident.urgency_changes.first().copied() else { continue };
        let span = open_span(started, &incident);
        let overlapping = known_spans.iter().filter(|known| !known.intersect(span).is_empty());
        if let Some(known_until) = overlapping.map(|known| known.end).max() {
            if !incident.is_open() || known_until > evaluated_at {
                continue;
            }
            // It continues after the known incident was resolved: from there on it is a new one.
            started = known_until;
            incident.urgency_changes = vec![(started, incident.urgency())];
        }
        incident.is_late = true;
        state.open_or_reopen(IncidentKey { subject: subject.clone(), started }, incident);
    }
    urgency_state
}

/// The evaluations at which an incident was open.
fn open_span(started: Minute, incident: &Incident) -> Span {
    Span::new(started, incident.ended.map_or(Minute(i32::MAX), |(at, _)| at.max(started.plus(1))))
}

const fn end_reason(urgency_state: &UrgencyState) -> EndReason {
    if urgency_state.has_lost_traffic() { EndReason::NoTraffic } else { EndReason::Recovered }
}

/// Applies one minute of one SLO. Returns whether its incident was opened, ended, or changed.
fn apply_evaluation(state: &mut AlertState, update: &SloUpdate, evaluation: MinuteEvaluation) -> bool {
    let Some(checkpoint) = state.checkpoints.get_mut(&update.slo) else { return false };
    let before = checkpoint.urgency_state.urgency();
    checkpoint.urgency_state.apply(evaluation, update.resolve_after);
    let (urgency, reason) = (checkpoint.urgency_state.urgency(), end_reason(&checkpoint.urgency_state));
    if before == urgency {
        return false;
    }
    let subject = IncidentSubject::Slo(update.slo.clone());
    match (urgency, state.open_incident_mut(&subject)) {
        (Some(urgency), Some(incident)) => incident.change_urgency(urgency, evaluation.at),
        (Some(urgency), None) => {
            let incident = Incident::new(update.owner.clone(), urgency, evaluation.at);
            state.open_or_reopen(IncidentKey { subject, started: evaluation.at }, incident);
        }
        (None, Some(incident)) => incident.ended = Some((evaluation.at, reason)),
        (None, None) => {}
    }
    true
}

/// Opens and ends incidents of sources without new minutes. Such an incident starts at the same minute in whichever run
/// it is found, however long ago that is: it is still open.
fn update_stale_sources(state: &mut AlertState, batch: &EvaluationBatch<'_>) {
    let stale_rules = batch.rules.stale_after_minutes.zip(batch.rules.team.as_ref());
    let used_groups: BTreeSet<&IncidentSubject> =
        batch.updates.iter().flat_map(|update| &update.group_subjects).collect();
    let is_unused = |source: &String| {
        *batch.invalid_definitions == InvalidDefinitions::default()
            && !used_groups.contains(&IncidentSubject::SharedSource(source.clone()))
    };
    let is_obsolete = |subject: &IncidentSubject| match subject {
        IncidentSubject::StaleSource(source) => stale_rules.is_none() || is_unused(source),
        _ => false,
    };
    for key in state.open_incidents(is_obsolete) {
        state.end_incident(&key.subject, batch.at, EndReason::SloRemoved);
    }
    let Some((after, team)) = stale_rules else { return };
    for (source, watermark) in &batch.source_watermarks {
        let subject = IncidentSubject::StaleSource(source.clone());
        let started = watermark.known_until.plus(signed_minutes(after));
        if started > watermark.fetched_at {
            state.end_incident(&subject, batch.at, EndReason::Recovered);
        } else if state.open_incident(&subject).is_none()
            && missing_traffic::is_traffic_expected(&batch.traffic_scopes, source)
        {
            let incident = Incident::new(Owner::fleet(team), Urgency::Page, started);
            state.open_or_reopen(IncidentKey { subject, started }, incident);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan_notifications;
    use super::*;
    use crate::alert::{NotificationRoutes, TicketTiers};
    use crate::slo::SloId;

    const HOUR: i32 = 60;

    fn rules() -> AlertRules {
        AlertRules { team: Some("sre".to_owned()), ..AlertRules::default() }
    }

    fn slo_update(source: &str) -> SloUpdate {
        SloUpdate {
            slo: SloId::new("checkout", "availability"),
            owner: Owner { team: "shop".to_owned(), service: "checkout".to_owned(), class: String::new() },
            group_subjects: vec![IncidentSubject::SharedSource(source.to_owned())],
            fingerprint: String::new(),
            objective: String::new(),
            resolve_after: [15; 3],
            evaluations: Vec::new(),
            evaluated_at: Minute(0),
            recent_counts: Sums::default(),
            has_changed: false,
        }
    }

    /// A run that knows a source up to a minute, and asked it at another.
    fn stale_incidents(
        state: &mut AlertState,
        at: i32,
        source: Option<(&str, i32, i32)>,
        rules: &AlertRules,
    ) -> Vec<String> {
        let (updates, watermarks) = match source {
            Some((name, known_until, fetched_at)) => (
                vec![slo_update(name)],
                BTreeMap::from([(
                    name.to_owned(),
                    SourceWatermark { known_until: Minute(known_until), fetched_at: Minute(fetched_at) },
                )]),
            ),
            None => (Vec::new(), BTreeMap::new()),
        };
        apply_evaluations(
            state,
            &EvaluationBatch {
                at: Minute(at),
                rules,
                updates,
                invalid_definitions: &InvalidDefinitions::default(),
                source_watermarks: watermarks,
                traffic_scopes: TrafficScopes::new(),
            },
        );
        let open = state.incidents.iter().filter(|(_, incident)| incident.is_open());
        open.map(|(key, _)| format!("{} {}", key.subject, key.started.0)).collect()
    }

    #[test]
    fn source_stale_between_runs_opens_incident() {
        let mut state = AlertState::default();
        let ten_hours = 10 * HOUR;
        assert_eq!(
            stale_incidents(&mut state, ten_hours, Some(("logs", 0, ten_hours)), &rules()),
            ["stale source logs 180"]
        );
        assert!(
            stale_incidents(&mut state, ten_hours + 5, Some(("logs", ten_hours, ten_hours + 5)), &rules()).is_empty()
        );
    }

    #[test]
    fn stale_source_incident_ends_once_source_is_unused_or_unmonitored() {
        for is_unmonitored in [false, true] {
            let mut state = AlertState::default();
            assert_eq!(stale_incidents(&mut state, 200, Some(("logs", 0, 200)), &rules()).len(), 1);
            let (source, rules) = if is_unmonitored {
                (Some(("logs", 0, 205)), AlertRules { stale_after_minutes: None, ..rules() })
            } else {
                (None, rules())
            };
            assert!(stale_incidents(&mut state, 205, source, &rules).is_empty(), "{is_unmonitored}");
        }
    }

    /// An SLO that pages at a minute.
    fn paging_update(service: &str, until: i32) -> SloUpdate {
        let firing = Some(Urgency::Page);
        let evaluation = |at| MinuteEvaluation {
            at: Minute(at),
            is_observed: true,
            firing,
            short_window_firing: firing,
            has_no_traffic: false,
            is_traffic_drop: false,
            ticket_tiers: TicketTiers::Quiet,
        };
        SloUpdate {
            slo: SloId::new(service, "availability"),
            owner: Owner { team: "shop".to_owned(), service: service.to_owned(), class: String::new() },
            evaluations: vec![evaluation(until)],
            evaluated_at: Minute(until),
            ..slo_update("logs")
        }
    }

    /// Applies updates, and returns the planned notifications.
    fn plan(
        state: &mut AlertState,
        updates: Vec<SloUpdate>,
        invalid_definitions: &InvalidDefinitions,
        stale_source: Option<(i32, i32)>,
    ) -> Vec<String> {
        let (at, rules) = (Minute(200), AlertRules { shared_cause: Some((3, 5)), ..rules() });
        let watermark = |(known_until, fetched_at)| {
            ("logs".to_owned(), SourceWatermark { known_until: Minute(known_until), fetched_at: Minute(fetched_at) })
        };
        let source_watermarks = stale_source.map(watermark).into_iter().collect();
        apply_evaluations(
            state,
            &EvaluationBatch {
                at,
                rules: &rules,
                updates,
                invalid_definitions,
                source_watermarks,
                traffic_scopes: TrafficScopes::new(),
            },
        );
        let routes = NotificationRoutes { destinations: &|_, _| vec!["somebody".to_owned()], is_silenced: &|_| false };
        let planned = plan_notifications(state, at, &rules, &routes);
        planned
            .iter()
            .map(|notification| format!("{} {} {}", notification.key.subject, notification.number, notification.kind))
            .collect()
    }

    #[test]
    fn reopened_incident_continues_its_notification_numbers() {
        let none = InvalidDefinitions::default();
        let fleet = InvalidDefinitions { is_fleet_invalid: true, ..InvalidDefinitions::default() };
        let group_updates = |_: i32| ["one", "two", "three"].map(|service| paging_update(service, 200)).to_vec();
        let expected = |subject: &str| ["1 opened", "2 resolved", "3 opened"].map(|kind| format!("{subject} {kind}"));
        // An SLO that was removed for one run, without a new minute.
        let mut state = AlertState::default();
        let mut planned = plan(&mut state, vec![paging_update("checkout", 200)], &none, None);
        planned.extend(plan(&mut state, Vec::new(), &none, None));
        planned.extend(plan(&mut state, vec![paging_update("checkout", 200)], &none, None));
        assert_eq!(planned, expected("checkout/availability"));
        assert_eq!(state.incidents.len(), 1);
        // A source that nothing was promised of for one run.
        let mut state = AlertState::default();
        let mut planned = plan(&mut state, vec![slo_update("logs")], &none, Some((0, 200)));
        planned.extend(plan(&mut state, Vec::new(), &none, None));
        planned.extend(plan(&mut state, vec![slo_update("logs")], &none, Some((0, 200))));
        assert_eq!(planned, expected("stale source logs"));
        // Definitions that were sound for one run within the same minute.
        let mut state = AlertState::default();
        plan(&mut state, vec![slo_update("logs")], &none, None);
        let mut planned = plan(&mut state, Vec::new(), &fleet, None);
        planned.extend(plan(&mut state, vec![slo_update("logs")], &none, None));
        planned.extend(plan(&mut state, Vec::new(), &fleet, None));
        assert_eq!(planned, expected("invalid definitions of shop"));
        // A cause that all services of were removed for one run.
        let mut state = AlertState::default();
        let mut planned = plan(&mut state, group_updates(200), &none, None);
        planned.extend(plan(&mut state, Vec::new(), &none, None));
        planned.extend(plan(&mut state, group_updates(200), &none, None));
        planned.retain(|line| line.starts_with("source"));
        assert_eq!(planned, expected("source logs"));
        let open = state.incidents.values().filter(|incident| incident.is_open()).count();
        assert_eq!((state.incidents.len(), open), (4, 4));
        let group = state.open_incident(&IncidentSubject::SharedSource("logs".to_owned()));
        let members = state.incidents.values().filter(|incident| incident.group.is_some() && incident.group == group);
        assert_eq!(members.count(), 3);
    }

    #[test]
    fn same_classic_load_balancer_name_in_two_sources_forms_no_group() {
        let planned_groups = |load_balancer: &str| {
            let four = [("one", "east"), ("two", "east"), ("three", "west"), ("four", "west")];
            let updates = four.map(|(service, source)| {
                let group_subjects = vec![
                    IncidentSubject::for_load_balancer(load_balancer, source),
                    IncidentSubject::SharedSource(source.to_owned()),
                ];
                SloUpdate { group_subjects, ..paging_update(service, 200) }
            });
            let planned = plan(&mut AlertState::default(), updates.to_vec(), &InvalidDefinitions::default(), None);
            planned.into_iter().filter(|line| line.starts_with("load balancer")).collect::<Vec<_>>()
        };
        assert_eq!(planned_groups("classic/front"), [""; 0]);
        assert_eq!(planned_groups("app/front/50dc6c495c0c9188"), ["load balancer app/front/50dc6c495c0c9188 1 opened"]);
    }

    #[test]
    fn late_incident_with_existing_key_continues_its_notifications() {
        let mut state = AlertState::default();
        plan(&mut state, vec![paging_update("checkout", 200)], &InvalidDefinitions::default(), None);
        let key = state.incidents.keys().next().cloned().unwrap();
        let existing = state.incidents[&key].clone();
        let owner = Owner { team: "shop".to_owned(), service: "checkout".to_owned(), class: String::new() };
        state.end_incident(&key.subject, Minute(201), EndReason::SloRemoved);
        state.open_or_reopen(
            key.clone(),
            Incident { is_late: true, ..Incident::new(owner, Urgency::Severe, Minute(200)) },
        );
        let reopened = &state.incidents[&key];
        assert_eq!(
            (reopened.notification_count, reopened.is_open(), reopened.is_late),
            (existing.notification_count, true, false)
        );
        assert_eq!((reopened.urgency(), reopened.peak()), (Urgency::Severe, Urgency::Severe));
        assert_eq!(reopened.urgency_changes, [(Minute(200), Urgency::Page), (Minute(200), Urgency::Severe)]);
    }

    #[test]
    fn source_fetched_every_six_hours_is_not_stale_in_between() {
        let mut state = AlertState::default();
        for at in (0..48 * HOUR).step_by(5) {
            let fetched_at = at - at % (6 * HOUR);
            assert!(
                stale_incidents(&mut state, at, Some(("lake", fetched_at - 15, fetched_at)), &rules()).is_empty(),
                "{at}"
            );
        }
        let at = 54 * HOUR;
        assert_eq!(stale_incidents(&mut state, at, Some(("lake", 42 * HOUR, at)), &rules()).len(), 1);
    }

    #[test]
    fn minutes_older_than_open_within_are_never_evaluated() {
        let mut state = AlertState::default();
        stale_incidents(&mut state, 0, Some(("logs", 0, 0)), &rules());
        let slo = SloId::new("checkout", "availability");
        let changed = Sums { total: 1, bad: 1, known: 1 };
        for recent_counts in [Sums::default(), changed] {
            let start_minute =
                evaluation_start(&state, &slo, Minute(3_000), recent_counts, &rules()).map(|due| due.from);
            assert_eq!(start_minute, Some(Minute(3_001 - 360)));
        }
        assert_eq!(
            evaluation_start(&state, &slo, Minute(5), changed, &rules()).map(|due| due.from),
            Some(Minute(6 - 360))
        );
    }
}

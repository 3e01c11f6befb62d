//! The one state machine: what minutes say, taken into the book in order. Live runs, replays and tests go through here.
//!
//! The rules that late data follows: an SLO is evaluated up to its newest known minute, each evaluation once. If
//! minutes behind it have changed since, they are evaluated again, as far back as `open_within`. Incidents that share
//! no minute with one that is known are new, and marked as late; the others are known already. An open incident is only
//! marked as corrected: it goes on or ends by what newer minutes say.

use std::collections::{BTreeMap, BTreeSet};

use super::grouping;
use super::{
    AlertState, EndReason, Incident, IncidentKey, IncidentSubject, MinuteEvaluation, Owner, SharedScope, SloCheckpoint,
    UrgencyState,
};
use crate::counts::Sums;
use crate::slo::{AlertRules, Slo, SloId, Urgency};
use crate::time::{Minute, Span};

/// One SLO in a round.
#[derive(Clone, Debug)]
pub struct SloUpdate {
    /// Which.
    pub slo: SloId,
    /// Whose it is.
    pub owner: Owner,
    /// What it shares with others.
    pub shared_scopes: Vec<SharedScope>,
    /// What is promised, as its hash.
    pub fingerprint: String,
    /// The objective as it was written.
    pub objective: String,
    /// How many calm minutes end ticket, page and severe: see [`resolve_after`].
    pub resolve_after: [u32; 3],
    /// What minutes say from [`Due::from`] on, in order.
    pub evaluations: Vec<MinuteEvaluation>,
    /// The newest evaluation of this round.
    pub evaluated_at: Minute,
    /// What the minutes before it sum up to, over [`seen_span`].
    pub recent_counts: Sums,
    /// Whether minutes that were evaluated before are among the beats, or have changed without being so.
    pub has_changed: bool,
}

/// From where an SLO has to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationStart {
    /// The first evaluation.
    pub from: Minute,
    /// Whether evaluated minutes have changed since.
    pub has_changed: bool,
}

/// One round of all SLOs.
#[derive(Debug)]
pub struct EvaluationBatch<'a> {
    /// The moment the run is about.
    pub at: Minute,
    /// How incidents are told of.
    pub rules: &'a AlertRules,
    /// All SLOs that can be judged.
    pub updates: Vec<SloUpdate>,
    /// Definitions that could not be read.
    pub invalid_definitions: &'a InvalidDefinitions,
    /// How far each source is known, of those of which anything is.
    pub source_watermarks: BTreeMap<String, SourceWatermark>,
}

/// Definitions that could not be read: what is missing may only be faulty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidDefinitions {
    /// Any promise may be missing because of them.
    pub is_fleet_invalid: bool,
    /// Files of services, by team and name.
    pub services: BTreeSet<(String, String)>,
}

impl InvalidDefinitions {
    /// Whether a promise may be missing because of them. Faults of one team hide nothing of another, but what it has
    /// just taken over.
    fn can_hide(&self, slo: &SloId, team: &str) -> bool {
        let service = slo.as_str().split('/').next().unwrap_or_default();
        self.is_fleet_invalid
            || self.services.iter().any(|(owner_team, name)| owner_team == team || team.is_empty() || name == service)
    }

    fn is_empty(&self) -> bool {
        !self.is_fleet_invalid && self.services.is_empty()
    }
}

/// How far a source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceWatermark {
    /// The evaluation of its newest known minute.
    pub known_until: Minute,
    /// When it was last asked.
    pub fetched_at: Minute,
}

/// How many calm minutes end ticket, page and severe of an SLO. A ticket that is seen in hours does not end in minutes.
#[must_use]
pub fn resolve_after(slo: &Slo, rules: &AlertRules) -> [u32; 3] {
    let minutes_for = |urgency: Urgency| {
        let shortest_window =
            slo.tiers.iter().filter(|tier| tier.urgency == urgency).map(|tier| tier.short_minutes).min();
        shortest_window.unwrap_or(0).max(rules.resolve_after_minutes)
    };
    [minutes_for(Urgency::Ticket), minutes_for(Urgency::Page), minutes_for(Urgency::Severe)]
}

/// What late data is recognised by: the minutes before an evaluation that may still open an incident.
#[must_use]
pub fn late_data_span(evaluated_at: Minute, rules: &AlertRules) -> Span {
    Span::ending_at(evaluated_at, signed_minutes(rules.open_within_minutes))
}

/// What has to be evaluated of an SLO whose newest minute is known up to `until`; `None` if nothing. An SLO that was
/// never seen starts there: its past wakes nobody. `seen` is what the minutes say now that [`Watch::seen`] summed up.
#[must_use]
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

/// An objective that was changed since the last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectiveChange {
    /// Of which promise.
    pub slo: SloId,
    /// Whose it is.
    pub owner: Owner,
    /// As it was written.
    pub before: String,
    /// As it is written now.
    pub after: String,
}

/// Takes a round into the book, and says which objectives were changed. Nothing is told yet: that is [`super::decide`].
pub fn apply_evaluations(state: &mut AlertState, batch: &EvaluationBatch<'_>) -> Vec<ObjectiveChange> {
    end_removed_slos(state, batch);
    let changes = batch.updates.iter().filter_map(|update| {
        let before = &state.checkpoints.get(&update.slo)?.objective;
        (*before != update.objective).then(|| ObjectiveChange {
            slo: update.slo.clone(),
            owner: update.owner.clone(),
            before: before.clone(),
            after: update.objective.clone(),
        })
    });
    let objective_changes = changes.collect();
    let mut evaluations: BTreeMap<Minute, Vec<(usize, &MinuteEvaluation)>> = BTreeMap::new();
    for (index, update) in batch.updates.iter().enumerate() {
        let evaluated_until = update_checkpoint(state, update, batch.at);
        for evaluation in update.evaluations.iter().filter(|evaluation| Some(evaluation.at) > evaluated_until) {
            evaluations.entry(evaluation.at).or_default().push((index, evaluation));
        }
    }
    let scopes_by_slo: BTreeMap<&SloId, &[SharedScope]> =
        batch.updates.iter().map(|update| (&update.slo, update.shared_scopes.as_slice())).collect();
    for (at, evaluations_at_minute) in evaluations {
        let mut has_changed = false;
        for (index, evaluation) in evaluations_at_minute {
            has_changed |= apply_evaluation(state, &batch.updates[index], *evaluation);
        }
        if has_changed {
            grouping::update_groups(state, at, batch.rules, &scopes_by_slo);
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
    state.last_run = state.last_run.max(Some(batch.at));
    state.drop_expired_incidents(batch.at);
    objective_changes
}

/// Incidents of promises that are no longer made; and where definitions are faulty, one for each team whose promises
/// may only be missing because of that.
fn end_removed_slos(state: &mut AlertState, batch: &EvaluationBatch<'_>) {
    let current_slos: BTreeSet<&SloId> = batch.updates.iter().map(|update| &update.slo).collect();
    let removed: Vec<SloId> = state.checkpoints.keys().filter(|slo| !current_slos.contains(slo)).cloned().collect();
    let mut invalid_teams: BTreeSet<String> = BTreeSet::new();
    for slo in removed {
        let team = state.checkpoints.get(&slo).map(|checkpoint| checkpoint.team.clone()).unwrap_or_default();
        if batch.invalid_definitions.can_hide(&slo, &team) {
            invalid_teams.insert(team);
        } else {
            state.checkpoints.remove(&slo);
            end_incident(state, &IncidentSubject::Slo(slo), batch.at, EndReason::SloRemoved);
        }
    }
    let open = state.incidents.iter().filter(|(_, incident)| incident.is_open()).map(|(key, _)| &key.subject);
    let open_subjects: Vec<IncidentSubject> =
        open.filter(|subject| matches!(subject, IncidentSubject::InvalidDefinitions(_))).cloned().collect();
    for subject in &open_subjects {
        if matches!(subject, IncidentSubject::InvalidDefinitions(team) if !invalid_teams.contains(team)) {
            end_incident(state, subject, batch.at, EndReason::Recovered);
        }
    }
    for team in invalid_teams {
        let owner = Owner { team: team.clone(), ..Owner::fleet("") };
        let subject = IncidentSubject::InvalidDefinitions(team);
        if !open_subjects.contains(&subject) {
            let incident = Incident::new(&owner, Urgency::Ticket, batch.at);
            state.open_or_reopen(IncidentKey { subject, started: batch.at }, incident);
        }
    }
}

/// Makes ready to evaluate an SLO, and says up to where it was evaluated before.
fn update_checkpoint(state: &mut AlertState, update: &SloUpdate, at: Minute) -> Option<Minute> {
    let subject = IncidentSubject::Slo(update.slo.clone());
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
    // Whoever takes a service over hears of what burns as of something new.
    let has_new_owner = !checkpoint.team.is_empty() && checkpoint.team != update.owner.team;
    let (evaluated_at, has_new_definition) =
        (checkpoint.evaluated_at, checkpoint.fingerprint != update.fingerprint || has_new_owner);
    if has_new_definition {
        end_incident(
            state,
            &subject,
            evaluated_at,
            if has_new_owner { EndReason::OwnerChanged } else { EndReason::SloChanged },
        );
    }
    let open = state.open_incident(&subject);
    let reevaluated = update.has_changed.then(|| reevaluate_late_data(state, update, evaluated_at));
    let urgency_state = match &open {
        Some(key) => {
            state.incidents.entry(key.clone()).and_modify(|incident| incident.is_reevaluated |= update.has_changed);
            None
        }
        None => reevaluated.or(has_new_definition.then(UrgencyState::default)),
    };
    if let Some(checkpoint) = state.checkpoints.get_mut(&update.slo) {
        checkpoint.urgency_state = urgency_state.unwrap_or(checkpoint.urgency_state);
        if (&checkpoint.fingerprint, &checkpoint.objective) != (&update.fingerprint, &update.objective) {
            checkpoint.record_previous_objective(at);
        }
        checkpoint.fingerprint.clone_from(&update.fingerprint);
        checkpoint.objective.clone_from(&update.objective);
        checkpoint.team.clone_from(&update.owner.team);
    }
    Some(evaluated_at)
}

/// Evaluates minutes again that have changed, up to where they were evaluated before, and says where that leads.
fn reevaluate_late_data(state: &mut AlertState, update: &SloUpdate, evaluated_at: Minute) -> UrgencyState {
    let subject = IncidentSubject::Slo(update.slo.clone());
    let mut urgency_state = UrgencyState::default();
    let mut found_incidents: Vec<Incident> = Vec::new();
    for evaluation in update.evaluations.iter().filter(|evaluation| evaluation.at <= evaluated_at) {
        urgency_state.apply(evaluation, update.resolve_after);
        let open = found_incidents.last_mut().filter(|incident| incident.is_open());
        match (urgency_state.urgency(), open) {
            (Some(urgency), Some(incident)) => incident.change_urgency(urgency, evaluation.at),
            (Some(urgency), None) => found_incidents.push(Incident::new(&update.owner, urgency, evaluation.at)),
            (None, Some(incident)) => incident.ended = Some((evaluation.at, end_reason(&urgency_state))),
            (None, None) => {}
        }
    }
    let known_spans: Vec<Span> =
        state.incidents_of(&subject).map(|(key, incident)| open_span(key.started, incident)).collect();
    for incident in found_incidents {
        let Some((started, _)) = incident.urgency_changes.first().copied() else { continue };
        let span = open_span(started, &incident);
        let last_end =
            known_spans.iter().filter(|other| !other.intersect(span).is_empty()).map(|other| other.end).max();
        // What goes on although it was taken for over is a new incident from there on.
        let started = match last_end {
            None => started,
            Some(end) if incident.is_open() && end <= evaluated_at => end,
            Some(_) => continue,
        };
        let urgency = incident.urgency;
        let urgency_changes =
            if last_end.is_some() { vec![(started, urgency)] } else { incident.urgency_changes.clone() };
        state.open_or_reopen(
            IncidentKey { subject: subject.clone(), started },
            Incident { is_late: true, urgency_changes, ..incident },
        );
    }
    urgency_state
}

/// The evaluations in which an incident was open.
fn open_span(started: Minute, incident: &Incident) -> Span {
    Span::new(started, incident.ended.map_or(Minute(i32::MAX), |(at, _)| at.max(started.plus(1))))
}

const fn end_reason(urgency_state: &UrgencyState) -> EndReason {
    if urgency_state.has_lost_traffic() { EndReason::NoTraffic } else { EndReason::Recovered }
}

/// Takes one minute of one SLO into account. `true` if its incident began, ended, or changed.
fn apply_evaluation(state: &mut AlertState, update: &SloUpdate, evaluation: MinuteEvaluation) -> bool {
    let Some(checkpoint) = state.checkpoints.get_mut(&update.slo) else { return false };
    let before = checkpoint.urgency_state.urgency();
    checkpoint.urgency_state.apply(&evaluation, update.resolve_after);
    let (urgency, reason) = (checkpoint.urgency_state.urgency(), end_reason(&checkpoint.urgency_state));
    if before == urgency {
        return false;
    }
    let subject = IncidentSubject::Slo(update.slo.clone());
    match (urgency, state.open_incident(&subject).and_then(|key| state.incidents.get_mut(&key))) {
        (Some(urgency), Some(incident)) => incident.change_urgency(urgency, evaluation.at),
        (Some(urgency), None) => {
            let incident = Incident::new(&update.owner, urgency, evaluation.at);
            state.open_or_reopen(IncidentKey { subject, started: evaluation.at }, incident);
        }
        (None, Some(incident)) => incident.ended = Some((evaluation.at, reason)),
        (None, None) => {}
    }
    true
}

/// Ends the open incident of a subject.
pub(super) fn end_incident(state: &mut AlertState, subject: &IncidentSubject, at: Minute, reason: EndReason) {
    if let Some(incident) = state.open_incident(subject).and_then(|key| state.incidents.get_mut(&key)) {
        incident.ended =
            Some((at.max(incident.urgency_changes.last().map_or(at, |(changed_at, _)| *changed_at)), reason));
    }
}

/// Sources that nothing new comes from. The minute such an incident begins is the same in whatever run it is found; how
/// long ago that is does not matter, since it goes on.
fn update_stale_sources(state: &mut AlertState, batch: &EvaluationBatch<'_>) {
    let stale_rules = batch.rules.stale_after_minutes.zip(batch.rules.team.as_ref());
    let used_scopes: BTreeSet<&SharedScope> = batch.updates.iter().flat_map(|update| &update.shared_scopes).collect();
    let open = state.incidents.iter().filter(|(_, incident)| incident.is_open()).map(|(key, _)| &key.subject);
    let is_unused = |source: &String| {
        batch.invalid_definitions.is_empty() && !used_scopes.contains(&SharedScope::Source(source.clone()))
    };
    let should_end = |subject: &&IncidentSubject| matches!(subject, IncidentSubject::StaleSource(source) if stale_rules.is_none() || is_unused(source));
    for subject in open.filter(should_end).cloned().collect::<Vec<_>>() {
        end_incident(state, &subject, batch.at, EndReason::SloRemoved);
    }
    let Some((after, team)) = stale_rules else { return };
    for (source, watermark) in &batch.source_watermarks {
        let subject = IncidentSubject::StaleSource(source.clone());
        let started = watermark.known_until.plus(signed_minutes(after));
        if started > watermark.fetched_at {
            end_incident(state, &subject, batch.at, EndReason::Recovered);
        } else if state.open_incident(&subject).is_none() {
            let incident = Incident::new(&Owner::fleet(team), Urgency::Page, started);
            state.open_or_reopen(IncidentKey { subject, started }, incident);
        }
    }
}

impl Owner {
    /// The team that hears of the fleet itself.
    #[must_use]
    pub fn fleet(team: &str) -> Self {
        Self { team: team.to_owned(), service: "slowburn".to_owned(), class: String::new() }
    }
}

/// Minutes of rules as the arithmetic of minutes takes them.
pub(super) fn signed_minutes(length: u32) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::plan_notifications;
    use super::*;
    use crate::alert::NotificationRoutes;
    use crate::slo::SloId;

    const HOUR: i32 = 60;

    fn rules() -> AlertRules {
        AlertRules { team: Some("sre".to_owned()), ..AlertRules::default() }
    }

    fn slo_update(source: &str) -> SloUpdate {
        SloUpdate {
            slo: SloId::new("checkout", "availability"),
            owner: Owner { team: "shop".to_owned(), service: "checkout".to_owned(), class: String::new() },
            shared_scopes: vec![SharedScope::Source(source.to_owned())],
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

    /// A promise that pages in each of the last minutes up to one.
    fn paging_update(service: &str, until: i32) -> SloUpdate {
        let firing = Some(Urgency::Page);
        let evaluation = |at| MinuteEvaluation {
            at: Minute(at),
            is_observed: true,
            firing,
            short_window_firing: firing,
            has_no_traffic: false,
        };
        SloUpdate {
            slo: SloId::new(service, "availability"),
            owner: Owner { team: "shop".to_owned(), service: service.to_owned(), class: String::new() },
            evaluations: vec![evaluation(until)],
            evaluated_at: Minute(until),
            ..slo_update("logs")
        }
    }

    /// Takes a round into the book; who is told what of which number.
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
            &EvaluationBatch { at, rules: &rules, updates, invalid_definitions, source_watermarks },
        );
        let routes = NotificationRoutes { destinations: &|_, _| vec!["somebody".to_owned()], is_silenced: &|_| false };
        let planned = plan_notifications(state, at, &rules, &routes);
        planned
            .iter()
            .map(|notification| {
                format!("{} {} {}", notification.key.subject, notification.number, notification.kind.as_str())
            })
            .collect()
    }

    #[test]
    fn reopened_incident_continues_its_notification_numbers() {
        let none = InvalidDefinitions::default();
        let fleet = InvalidDefinitions { is_fleet_invalid: true, ..InvalidDefinitions::default() };
        let group_updates = |_: i32| ["one", "two", "three"].map(|service| paging_update(service, 200)).to_vec();
        let expected = |subject: &str| ["1 opened", "2 resolved", "3 opened"].map(|kind| format!("{subject} {kind}"));
        // A promise that was removed for one run, and no minute is newer than before.
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
        let group = state.open_incident(&IncidentSubject::Group(SharedScope::Source("logs".to_owned())));
        let members = state.incidents.values().filter(|incident| incident.group.is_some() && incident.group == group);
        assert_eq!(members.count(), 3);
    }

    #[test]
    fn same_classic_load_balancer_name_in_two_sources_forms_no_group() {
        let planned_groups = |load_balancer: &str| {
            let four = [("one", "east"), ("two", "east"), ("three", "west"), ("four", "west")];
            let updates = four.map(|(service, source)| {
                let shared_scopes =
                    vec![SharedScope::for_load_balancer(load_balancer, source), SharedScope::Source(source.to_owned())];
                SloUpdate { shared_scopes, ..paging_update(service, 200) }
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
        end_incident(&mut state, &key.subject, Minute(201), EndReason::SloRemoved);
        state.open_or_reopen(
            key.clone(),
            Incident { is_late: true, ..Incident::new(&owner, Urgency::Severe, Minute(200)) },
        );
        let reopened = &state.incidents[&key];
        assert_eq!(
            (reopened.notification_count, reopened.is_open(), reopened.is_late),
            (existing.notification_count, true, false)
        );
        assert_eq!((reopened.urgency, reopened.peak), (Urgency::Severe, Urgency::Severe));
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

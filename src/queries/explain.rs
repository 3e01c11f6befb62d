//! Explains one minute of one SLO.

use super::{LedgerError, load_batch};
use crate::alert::{AlertState, Evaluator, IncidentSubject, UrgencyState, resolve_after};
use crate::report::explain::Explanation;
use crate::slo::{Catalog, Service, Slo, Urgency};
use crate::store::{AlertStateKind, LedgerStore};
use crate::time::{MINUTES_PER_DAY, Minute};

/// How far back an open incident is gone through to see what ends it.
const LOOKBACK_MINUTES: i32 = 3 * MINUTES_PER_DAY;

pub async fn explain<'a>(
    catalog: &'a Catalog,
    store: &LedgerStore,
    kind: AlertStateKind,
    service: &'a Service,
    slo: &'a Slo,
    at: Minute,
) -> Result<Explanation<'a>, LedgerError> {
    let (alert_state, _) = store.alert_state(kind).await?;
    let subject = IncidentSubject::Slo(slo.id.clone());
    let is_open_at = |started: Minute, ended: Option<Minute>| started <= at && ended.is_none_or(|ended| at <= ended);
    let incident = alert_state
        .incidents_of(&subject)
        .rfind(|(key, one)| is_open_at(key.started, one.ended.map(|(ended, _)| ended)));
    let incident = incident.map(|(key, incident)| (key.clone(), incident.clone()));
    let start = incident.as_ref().map_or(at, |(key, _)| key.started).max(at.plus(-LOOKBACK_MINUTES));
    let evaluator = Evaluator::new(catalog, at);
    let (mut evaluations, mut evaluation) = (Vec::new(), None);
    for batch in Evaluator::split_backlog(&Vec::from_iter(evaluator.range(slo, start, at))) {
        let ledger = load_batch(&evaluator, &batch, store).await?;
        for range in &batch {
            evaluations.extend(evaluator.evaluate_range(&ledger, range)?);
            if range.until == at {
                evaluation = Some(evaluator.evaluate_last(&ledger, range)?);
            }
        }
    }
    let resolve_after = resolve_after(slo, &catalog.alerts);
    let mut urgency_state =
        UrgencyState { last_recovered: last_urgency_falls(&alert_state, &subject, start), ..UrgencyState::default() };
    for minute_evaluation in &evaluations {
        urgency_state.apply(*minute_evaluation, resolve_after);
    }
    let key = incident.as_ref().map(|(key, _)| key.to_string());
    let (Some(evaluation), Some(last_evaluation)) = (evaluation, evaluations.last().copied()) else {
        return Err(LedgerError::TimeOutOfRange(at));
    };
    Ok(Explanation {
        service,
        slo,
        at,
        evaluation,
        minute_evaluation: last_evaluation,
        urgency_state,
        resolve_after,
        open_within: catalog.alerts.open_within_minutes,
        evaluated_until: alert_state.checkpoints.get(&slo.id).map(|watch| watch.evaluated_at),
        silence: catalog.silence(service, slo, at),
        undelivered: alert_state
            .outbox
            .into_iter()
            .filter(|entry| Some(&entry.notification.key) == key.as_ref())
            .collect(),
        incident,
    })
}

/// When it last ceased to be as urgent as a ticket, a page and severe, up to a minute: what comes back soon takes
/// longer to go.
fn last_urgency_falls(alert_state: &AlertState, subject: &IncidentSubject, until: Minute) -> [Option<Minute>; 3] {
    let (mut falls, mut previous) = ([None; 3], None);
    for (_, incident) in alert_state.incidents_of(subject) {
        let turns = incident.urgency_changes.iter().map(|(at, urgency)| (*at, Some(*urgency)));
        let closed = incident.ended.map(|(at, _)| (at, None));
        for (at, current) in turns.chain(closed).filter(|(at, _)| *at <= until) {
            for level in [Urgency::Ticket, Urgency::Page, Urgency::Severe] {
                if previous >= Some(level) && current < Some(level) {
                    falls[level as usize] = Some(at);
                }
            }
            previous = current;
        }
    }
    falls
}

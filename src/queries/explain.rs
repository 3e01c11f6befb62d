//! Explains one minute of one SLO.

use super::{LedgerError, load_batch, load_until};
use crate::alert::{AlertState, Evaluator, IncidentSubject, UrgencyState, resolve_after};
use crate::ledger::Ledger;
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
    let incident = alert_state
        .incidents_of(&subject)
        .rfind(|(key, incident)| key.started <= at && incident.ended.is_none_or(|(ended, _)| at <= ended))
        .map(|(key, incident)| (key.clone(), incident.clone()));
    let start = incident.as_ref().map_or(at, |(key, _)| key.started).max(at.plus(-LOOKBACK_MINUTES));
    let evaluator = Evaluator::new(catalog, at);
    let (mut evaluations, mut evaluation) = (Vec::new(), None);
    for batch in Evaluator::split_backlog(&Vec::from_iter(evaluator.range(slo, start, at))) {
        let mut ledger = load_batch(&evaluator, &batch, store).await?;
        for range in &batch {
            evaluations.extend(load_until(store, &mut ledger, |ledger| evaluator.evaluate_range(ledger, range)).await?);
            if range.until == at {
                let evaluate = |ledger: &Ledger| evaluator.evaluate_last(ledger, range);
                evaluation = Some(load_until(store, &mut ledger, evaluate).await?);
            }
        }
    }
    let resolve_after = resolve_after(slo, &catalog.alerts);
    let mut urgency_state =
        UrgencyState { last_recovered: last_urgency_falls(&alert_state, &subject, start), ..UrgencyState::default() };
    for evaluation in &evaluations {
        urgency_state.apply(*evaluation, resolve_after);
    }
    let (Some(evaluation), Some(minute_evaluation)) = (evaluation, evaluations.last().copied()) else {
        return Err(LedgerError::TimeOutOfRange(at));
    };
    let evaluated_until = alert_state.checkpoints.get(&slo.id).map(|checkpoint| checkpoint.evaluated_at);
    let key = incident.as_ref().map(|(key, _)| key.to_string());
    let mut undelivered = alert_state.outbox;
    undelivered.retain(|entry| Some(&entry.notification.key) == key.as_ref());
    Ok(Explanation {
        catalog,
        service,
        slo,
        at,
        evaluation,
        minute_evaluation,
        urgency_state,
        evaluated_until,
        incident,
        undelivered,
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

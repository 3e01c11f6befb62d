//! Causes that services share: when many of one load balancer or one source begin to page within minutes, that is one
//! incident.
//!
//! Whatever begins to page behind the same load balancer as long as that goes on is part of it. A source is as wide as
//! an account, or as the whole fleet: there it is part of it only for as long as services keep joining, so that hours
//! later nobody's own outage is taken for a part.

use std::collections::{BTreeMap, BTreeSet};

use super::advance::{end, minutes};
use super::{AlertBook, Incident, IncidentKey, Owner, Place, Subject, Why};
use crate::minute::Minute;
use crate::slo::{AlertRules, SloId, Urgency};

/// Finds shared causes after a minute in which an incident began, ended or changed.
pub(super) fn gather(book: &mut AlertBook, at: Minute, rules: &AlertRules, places: &BTreeMap<&SloId, &[Place]>) {
    let (Some((services, within)), Some(team)) = (rules.shared_cause, &rules.team) else { return };
    let mut burning: BTreeMap<&Place, Vec<IncidentKey>> = BTreeMap::new();
    for (key, incident) in &book.incidents {
        let Subject::Slo(slo) = &key.subject else { continue };
        if incident.is_open() && incident.urgency >= Urgency::Page {
            for place in places.get(slo).into_iter().copied().flatten() {
                burning.entry(place).or_default().push(key.clone());
            }
        }
    }
    end_what_no_longer_burns(book, at, Some(services));
    // The narrower place first: what a load balancer explains is not explained by its account too.
    for (place, keys) in burning {
        let subject = Subject::Shared(place.clone());
        let open = book.open(&subject);
        let since = since(book, open.as_ref(), at.plus(-minutes(within)));
        let joins = |incident: &Incident| incident.part_of.is_none() && incident.paged() > Some(since);
        let free: Vec<&IncidentKey> = keys.iter().filter(|key| book.incidents.get(key).is_some_and(joins)).collect();
        let names: BTreeSet<&str> =
            free.iter().filter_map(|key| book.incidents.get(key)).map(|incident| incident.service.as_str()).collect();
        if open.is_none() && u32::try_from(names.len()).unwrap_or(u32::MAX) < services {
            continue;
        }
        let free: Vec<IncidentKey> = free.into_iter().cloned().collect();
        let most = free.iter().filter_map(|key| book.incidents.get(key)).map(|incident| incident.urgency).max();
        let group = open.unwrap_or_else(|| {
            let key = IncidentKey { subject, started: at };
            book.begin(key.clone(), Incident::open(&Owner::fleet(team), Urgency::Page, at));
            key
        });
        let Some(shared) = book.incidents.get_mut(&group) else { continue };
        shared.parts.extend(free.iter().cloned());
        shared.turn(most.unwrap_or(Urgency::Page).max(shared.urgency), at);
        for key in free {
            if let Some(incident) = book.incidents.get_mut(&key) {
                incident.part_of = Some(group.clone());
            }
        }
    }
}

/// After which minute an incident must have begun to page to be part of a cause. `recent`: that of a cause that is not
/// open.
fn since(book: &AlertBook, open: Option<&IncidentKey>, recent: Minute) -> Minute {
    let Some(open) = open else { return recent };
    let Subject::Shared(Place::Source(_)) = open.subject else { return recent.min(open.started.plus(-1)) };
    let parts = book.incidents.get(open).into_iter().flat_map(|incident| &incident.parts);
    let newest = parts.filter_map(|part| book.incidents.get(part)?.paged()).max();
    // Nobody has joined for so long that what begins now is something else.
    if newest.is_none_or(|newest| newest <= recent) { Minute(i32::MAX) } else { recent }
}

/// Ends shared causes of which parts have gone without any minute that said so, or that nobody wants to hear of any
/// more.
pub(super) fn settle(book: &mut AlertBook, at: Minute, rules: &AlertRules) {
    end_what_no_longer_burns(book, at, rules.shared_cause.zip(rules.team.as_ref()).map(|((services, _), _)| services));
}

/// A shared cause is as urgent as the most urgent of its parts. It is over when fewer than half as many burn as it
/// takes: what is left of them is on its own again, and wakes its own team. `services`: how many it takes; `None` if
/// there are no shared causes.
fn end_what_no_longer_burns(book: &mut AlertBook, at: Minute, services: Option<u32>) {
    let is_shared =
        |key: &IncidentKey, incident: &Incident| matches!(key.subject, Subject::Shared(_)) && incident.is_open();
    let shared: Vec<IncidentKey> =
        book.incidents.iter().filter(|(key, one)| is_shared(key, one)).map(|(key, _)| key.clone()).collect();
    for key in shared {
        let parts = book.incidents.get(&key).map_or_else(BTreeSet::new, |incident| incident.parts.clone());
        let burning: Vec<Urgency> = parts
            .iter()
            .filter_map(|part| book.incidents.get(part))
            .filter(|part| part.is_open() && part.urgency >= Urgency::Page)
            .map(|part| part.urgency)
            .collect();
        if let (Some(most), Some(incident)) = (burning.iter().max(), book.incidents.get_mut(&key)) {
            incident.turn(*most, at);
        }
        let burning = u32::try_from(burning.len() * 2).unwrap_or(u32::MAX);
        if services.is_some_and(|services| burning >= services) {
            continue;
        }
        end(book, &key.subject, at, if services.is_some() { Why::Recovered } else { Why::SloChanged });
        for part in parts {
            if let Some(incident) = book.incidents.get_mut(&part).filter(|incident| incident.is_open()) {
                incident.part_of = None;
            }
        }
    }
}

//! Messages about more than one promise: a shared cause, a source that is silent, definitions that cannot be read.

use super::counted;
use super::message::Facts;
use super::words::{between, clock};
use crate::alert::{Incident, IncidentKey, Message, Why};
use crate::slo::SloId;

impl Facts<'_> {
    pub(super) fn shared(&self, place: &str, incident: &Incident, key: &IncidentKey, message: &mut Message) {
        let mut services: Vec<&str> = incident
            .parts
            .iter()
            .filter_map(|key| self.book.incidents.get(key))
            .map(|part| part.service.as_str())
            .collect();
        services.sort_unstable();
        services.dedup();
        let many = counted(services.len(), "service");
        message.title = match incident.ended {
            Some((ended, Why::Calm)) => {
                format!("over: {many} of {place} have recovered, after {}", between(key.started, ended))
            }
            Some(_) => format!("over: what {many} of {place} share is no longer looked for"),
            None => format!("{many} of {place} fail together since {}", clock(key.started)),
        };
        message.paragraphs.push(format!(
            "Within minutes of {} these services began to fail: {}.",
            clock(key.started),
            services.join(", ")
        ));
        message.paragraphs.push(
            "They most likely have one cause. Their teams are told by ticket, unless they had been paged before."
                .to_owned(),
        );
        message.facts.push(("Began".to_owned(), clock(key.started)));
        message.facts.push(("Services".to_owned(), services.len().to_string()));
    }

    pub(super) fn stale(&self, source: &str, incident: &Incident, key: &IncidentKey, message: &mut Message) {
        let after = self.catalog.alerts.stale_after.unwrap_or(0);
        let since = key.started.plus(-i32::try_from(after).unwrap_or(0));
        let blind = self.catalog.services.iter().flat_map(|service| &service.slos);
        let blind = blind.filter(|slo| slo.indicator.source() == source).count();
        message.title = match incident.ended {
            Some((_, Why::Calm)) => format!("over: source {source} delivers again"),
            Some(_) => format!("over: source {source} is no longer listened for"),
            None => format!("source {source} has been silent since {}", clock(since)),
        };
        message.paragraphs.push(format!(
            "Nothing newer than {} is known of {}. As long as that is so, none of them can wake anybody.",
            clock(since),
            counted(blind, "promise")
        ));
        message.paragraphs.push(
            "See what `slowburn run` says of this source, whether its logs or metrics are still written, and whether slowburn may read them."
                .to_owned(),
        );
    }

    pub(super) fn unread(&self, team: &str, incident: &Incident, message: &mut Message) {
        if incident.ended.is_some() {
            message.title = format!("over: all promises of team {team} are judged again");
            return;
        }
        let promised = |id: &SloId| self.catalog.slos().any(|(_, slo)| slo.id == *id);
        let missing = self.book.watches.iter().filter(|(id, watch)| watch.team == team && !promised(id));
        let missing: Vec<String> = missing.map(|(id, _)| id.to_string()).collect();
        let many = counted(missing.len(), "promise");
        message.title = format!("{many} of team {team} cannot be judged: the definitions are faulty");
        message.paragraphs.push(format!(
            "Until that is mended nothing that they say can wake anybody, and what was open stays open: {}.",
            missing.join(", ")
        ));
        message.paragraphs.push(
            "`slowburn check` names every mistake with its file, its line and its remedy. A promise that was meant to go ends as soon \
             as the definitions of its team are sound."
                .to_owned(),
        );
    }
}

//! Events of the week, one line each: incidents, objective changes, overrides, exclusions.

use jiff::tz::TimeZone;

use super::Facts;
use crate::alert::{Incident, IncidentKey, Phase, Sent};
use crate::minute::Minute;
use crate::report::counted;
use crate::report::gate::Override;
use crate::report::status::percent;
use crate::report::words::{between, clock};
use crate::slo::Urgency;

/// Pages from this hour of the evening until that of the morning are pages of the night.
const NIGHT: (i8, i8) = (22, 7);

impl Facts<'_> {
    /// Incidents that were open in the week, and the number of pages.
    pub(super) fn incidents(&self, team: Option<&str>) -> Vec<String> {
        let span = self.week.span;
        let concerns = |(key, one): &(&IncidentKey, &Incident)| {
            team.is_none_or(|team| one.team == team)
                && key.started < span.end
                && one.ended.is_none_or(|(ended, _)| ended > span.start)
        };
        let incidents: Vec<_> = self.book.incidents.iter().filter(concerns).collect();
        if incidents.is_empty() {
            return vec!["none".to_owned()];
        }
        let (mut pages, mut nights) = (0, 0);
        let mut lines = Vec::new();
        for (key, one) in incidents {
            let woke = |sent: &&Sent| {
                span.contains(sent.at)
                    && sent.urgency >= Urgency::Page
                    && matches!(sent.phase, Phase::Opened | Phase::Changed)
            };
            if let Some(first) = one.sent.iter().find(woke) {
                pages += 1;
                nights += usize::from(is_night(first.at, &self.zone(&one.service)));
            }
            let until = one.ended.map(|(ended, _)| ended).filter(|ended| *ended <= span.end);
            lines.push(format!("{}: {}, {}", key.subject, one.peak, period(key.started, until)));
        }
        let (evening, morning) = NIGHT;
        let nights = if pages == 0 {
            String::new()
        } else {
            format!(", {nights} of them at night ({evening:02}:00 to {morning:02}:00)")
        };
        lines.insert(0, format!("{}{nights}", counted(pages, "page")));
        lines
    }

    /// The time zone of a service's working hours, where it has any; else UTC.
    fn zone(&self, service: &str) -> TimeZone {
        let mut slos = self.catalog.slos().filter(|(owner, _)| owner.name == service);
        let hours = slos.find_map(|(_, slo)| slo.tiers.iter().find_map(|tier| tier.hours.as_ref()));
        hours.map_or(TimeZone::UTC, |hours| hours.zone.clone())
    }

    pub(super) fn overridden(&self, team: Option<&str>) -> Vec<String> {
        let concerns = |one: &&Override| team.is_none_or(|team| one.team == team) && self.week.span.contains(one.at);
        let line = |one: &Override| format!("{} at {}, by {}: {}", one.service, one.at, one.by, one.reason);
        self.overrides.iter().filter(concerns).map(line).collect()
    }

    pub(super) fn corrections(&self, team: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        for correction in &self.catalog.corrections {
            let minutes: u32 =
                correction.spans(self.week.span).iter().map(|out| out.intersect(self.week.span).minutes()).sum();
            let concerns = self.catalog.slos().any(|(service, slo)| {
                team.is_none_or(|team| service.team == team) && correction.scope.covers(service, slo)
            });
            if minutes > 0 && concerns {
                let length = crate::minute::length_text(minutes);
                lines.push(format!("{}: {length}, by {}: {}", correction.id, correction.author, correction.reason));
            }
        }
        lines
    }

    /// SLOs that were changed in the week and still exist.
    pub(super) fn changes(&self, team: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        for (slo, watch) in &self.book.watches {
            if team.is_some_and(|team| watch.team != team) {
                continue;
            }
            for (at, before, after) in watch.changes().filter(|(at, ..)| *at >= self.week.span.start) {
                let change = if before == after {
                    format!("{slo}: objective still {after}; requests, windows or tiers changed at {at}")
                } else {
                    format!("{slo}: objective changed from {before} to {after} at {at}")
                };
                // The week is evaluated with the current definition.
                let later = if at >= self.week.span.end {
                    "; changed after the week, which is evaluated with the new definition"
                } else {
                    ""
                };
                lines.push(change + later);
            }
        }
        lines
    }

    pub(super) fn coverage(&self, team: Option<&str>) -> Vec<String> {
        let rows = self.status.rows.iter().filter(|row| team.is_none_or(|team| row.team == team));
        let (known, minutes) = rows.fold((0_u64, 0_u64), |(known, minutes), row| {
            (known + u64::from(row.sums.known), minutes + u64::from(row.minutes))
        });
        #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
        let share = (minutes > 0).then(|| known as f64 / minutes as f64);
        share.map(|share| format!("{} of the minutes of all windows known", percent(share, 1))).into_iter().collect()
    }
}

/// `12:00 to 13:00 UTC on 18 November (60 minutes)`; without an end, `since 12:00 UTC on 18 November, open at the end
/// of the week`.
fn period(started: Minute, ended: Option<Minute>) -> String {
    let Some(ended) = ended else { return format!("since {}, open at the end of the week", clock(started)) };
    let from =
        if started.day() == ended.day() { started.timestamp().strftime("%H:%M").to_string() } else { clock(started) };
    format!("{from} to {} ({})", clock(ended), between(started, ended))
}

fn is_night(at: Minute, zone: &TimeZone) -> bool {
    let hour = at.timestamp().to_zoned(zone.clone()).hour();
    hour >= NIGHT.0 || hour < NIGHT.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertBook;
    use crate::cost::Usage;
    use crate::report::model::Status;
    use crate::report::weekly::{Week, Weeks};
    use crate::slo::Catalog;

    #[test]
    fn pages_of_the_week_are_counted_once_an_incident_and_those_of_the_night_beside() {
        use crate::alert::{Owner, Subject, Why};
        use crate::slo::SloId;
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let owner = Owner { team: "mart".to_owned(), service: "checkout".to_owned(), class: String::new() };
        let mut book = AlertBook::default();
        for (started, sent, urgency, ended) in [
            ("2026-11-18T12:00Z", "2026-11-18T12:05Z", Urgency::Page, Some("2026-11-18T13:00Z")),
            ("2026-11-19T23:00Z", "2026-11-19T23:05Z", Urgency::Severe, None),
            ("2026-11-20T12:00Z", "2026-11-20T12:05Z", Urgency::Ticket, Some("2026-11-25T00:00Z")),
            ("2026-11-10T12:00Z", "2026-11-10T12:05Z", Urgency::Page, Some("2026-11-10T13:00Z")),
            ("2026-11-23T01:00Z", "2026-11-23T01:05Z", Urgency::Page, None),
        ] {
            let mut incident = Incident::open(&owner, urgency, at(started));
            let one = |number| Sent { number, phase: Phase::Opened, urgency, to: format!("to {number}"), at: at(sent) };
            incident.sent = vec![one(1), one(2)];
            incident.ended = ended.map(|ended| (at(ended), Why::Recovered));
            let key = IncidentKey { subject: Subject::Slo(SloId::new("checkout", "orders")), started: at(started) };
            book.incidents.insert(key, incident);
        }
        let (catalog, status) = (Catalog::default(), Status { at: at("2026-11-23T00:00Z"), rows: Vec::new() });
        let week = Week::before(status.at);
        let usage = Usage::default();
        let facts = Facts {
            week,
            catalog: &catalog,
            problems: &[],
            status: &status,
            weeks: Weeks::default(),
            book: &book,
            overrides: &[],
            usage,
        };
        let lines = [
            "2 pages, 1 of them at night (22:00 to 07:00)",
            "checkout/orders: page, 12:00 to 13:00 UTC on 18 November (60 minutes)",
            "checkout/orders: severe, since 23:00 UTC on 19 November, open at the end of the week",
            "checkout/orders: ticket, since 12:00 UTC on 20 November, open at the end of the week",
        ];
        assert_eq!(facts.incidents(Some("mart")), lines);
        assert_eq!(facts.incidents(Some("other")), ["none"]);
    }

    #[test]
    fn night_is_where_the_people_are() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Minute>().unwrap();
        assert!(is_night(at("2026-11-17T21:30Z"), &berlin) && !is_night(at("2026-11-17T21:30Z"), &TimeZone::UTC));
        assert!(!is_night(at("2026-11-17T06:30Z"), &berlin) && is_night(at("2026-11-17T06:30Z"), &TimeZone::UTC));
    }
}

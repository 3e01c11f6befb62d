//! Events of the week, one line each: incidents, objective changes, overrides, exclusions.

use jiff::tz::TimeZone;

use super::WeeklyContext;
use crate::alert::{Delivery, Incident, IncidentKey, NotificationKind};
use crate::format::{format_elapsed, format_percent, format_time, pluralize};
use crate::report::gate::Override;
use crate::report::slo_status::team_coverage;
use crate::slo::{Correction, Urgency};
use crate::time::{Minute, format_duration};

/// Pages from this hour of the evening until that of the morning are pages of the night.
const NIGHT_HOURS: (i8, i8) = (22, 7);

impl WeeklyContext<'_> {
    /// Incidents that were open in the week, and the number of pages.
    pub(super) fn incident_lines(&self, team: Option<&str>) -> Vec<String> {
        let span = self.week.span;
        let is_relevant = |(key, one): &(&IncidentKey, &Incident)| {
            team.is_none_or(|team| one.owner.team == team)
                && key.started < span.end
                && one.ended.is_none_or(|(ended, _)| ended > span.start)
        };
        let incidents: Vec<_> = self.alert_state.incidents.iter().filter(is_relevant).collect();
        if incidents.is_empty() {
            return vec!["none".to_owned()];
        }
        let (mut pages, mut night_pages) = (0, 0);
        let mut lines = Vec::new();
        for (key, one) in incidents {
            let is_page = |sent: &&Delivery| {
                span.contains(sent.at)
                    && sent.urgency >= Urgency::Page
                    && matches!(sent.kind, NotificationKind::Opened | NotificationKind::Changed)
            };
            if let Some(first) = one.deliveries.iter().find(is_page) {
                pages += 1;
                night_pages += usize::from(is_night(first.at, &self.service_time_zone(&one.owner.service)));
            }
            let until = one.ended.map(|(ended, _)| ended).filter(|ended| *ended <= span.end);
            lines.push(format!("{}: {}, {}", key.subject, one.peak(), format_period(key.started, until)));
        }
        let (night_start, night_end) = NIGHT_HOURS;
        let nights = if pages == 0 {
            String::new()
        } else {
            format!(", {night_pages} of them at night ({night_start:02}:00 to {night_end:02}:00)")
        };
        lines.insert(0, format!("{}{nights}", pluralize(pages, "page")));
        lines
    }

    /// The time zone of a service's working hours, where it has any; else UTC.
    fn service_time_zone(&self, service: &str) -> TimeZone {
        let mut slos = self.catalog.slos().filter(|(owner, _)| owner.name == service);
        let hours = slos.find_map(|(_, slo)| slo.tiers.iter().find_map(|tier| tier.working_hours.as_ref()));
        hours.map_or(TimeZone::UTC, |hours| hours.time_zone.clone())
    }

    pub(super) fn override_lines(&self, team: Option<&str>) -> Vec<String> {
        let is_relevant = |one: &&Override| team.is_none_or(|team| one.team == team) && self.week.span.contains(one.at);
        let line = |one: &Override| format!("{} at {}, by {}: {}", one.service, one.at, one.by, one.reason);
        self.overrides.iter().filter(is_relevant).map(line).collect()
    }

    pub(super) fn correction_lines(&self, team: Option<&str>) -> Vec<String> {
        let line = |correction: &Correction| {
            let Correction { id, author, reason, scope, .. } = correction;
            let spans = correction.spans(self.week.span);
            let minutes: u32 = spans.iter().map(|out| out.intersect(self.week.span).minutes()).sum();
            let is_relevant = self
                .catalog
                .slos()
                .any(|(service, slo)| team.is_none_or(|team| service.team == team) && scope.covers(service, slo));
            (minutes > 0 && is_relevant).then(|| format!("{id}: {}, by {author}: {reason}", format_duration(minutes)))
        };
        self.catalog.corrections.iter().filter_map(line).collect()
    }

    /// SLOs that were changed in the week and still exist.
    pub(super) fn change_lines(&self, team: Option<&str>) -> Vec<String> {
        let mut lines = Vec::new();
        let checkpoints = self.alert_state.checkpoints.iter();
        for (slo, checkpoint) in checkpoints.filter(|(_, one)| team.is_none_or(|team| one.team == team)) {
            for (at, before, after) in checkpoint.objective_changes().filter(|(at, ..)| *at >= self.week.span.start) {
                let change = if before == after {
                    format!("{slo}: objective still {after}; requests, windows or tiers changed at {at}")
                } else {
                    format!("{slo}: objective changed from {before} to {after} at {at}")
                };
                // The week is evaluated with the current definition.
                let later_note = if at >= self.week.span.end {
                    "; changed after the week, which is evaluated with the new definition"
                } else {
                    ""
                };
                lines.push(change + later_note);
            }
        }
        lines
    }

    pub(super) fn coverage_lines(&self, team: Option<&str>) -> Vec<String> {
        let line = |share| format!("{} of the minutes of all windows known", format_percent(share, 1));
        team_coverage(self.status, team).map(line).into_iter().collect()
    }
}

/// `12:00 to 13:00 UTC on 18 November (60 minutes)`; without an end, `since 12:00 UTC on 18 November, open at the end
/// of the week`.
fn format_period(started: Minute, ended: Option<Minute>) -> String {
    let Some(ended) = ended else { return format!("since {}, open at the end of the week", format_time(started)) };
    let from = if started.day() == ended.day() {
        started.timestamp().strftime("%H:%M").to_string()
    } else {
        format_time(started)
    };
    format!("{from} to {} ({})", format_time(ended), format_elapsed(started, ended))
}

fn is_night(at: Minute, zone: &TimeZone) -> bool {
    let hour = at.timestamp().to_zoned(zone.clone()).hour();
    hour >= NIGHT_HOURS.0 || hour < NIGHT_HOURS.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertState;
    use crate::cost::Usage;
    use crate::evaluation::status::FleetStatus;
    use crate::report::weekly::Week;
    use crate::slo::Catalog;

    #[test]
    fn each_incident_counts_as_one_page_and_night_pages_are_counted_separately() {
        use crate::alert::{EndReason, IncidentSubject, Owner};
        use crate::slo::SloId;
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let owner = Owner { team: "mart".to_owned(), service: "checkout".to_owned(), class: String::new() };
        let mut book = AlertState::default();
        for (started, sent, urgency, ended) in [
            ("2026-11-18T12:00Z", "2026-11-18T12:05Z", Urgency::Page, Some("2026-11-18T13:00Z")),
            ("2026-11-19T23:00Z", "2026-11-19T23:05Z", Urgency::Severe, None),
            ("2026-11-20T12:00Z", "2026-11-20T12:05Z", Urgency::Ticket, Some("2026-11-25T00:00Z")),
            ("2026-11-10T12:00Z", "2026-11-10T12:05Z", Urgency::Page, Some("2026-11-10T13:00Z")),
            ("2026-11-23T01:00Z", "2026-11-23T01:05Z", Urgency::Page, None),
        ] {
            let mut incident = Incident::new(owner.clone(), urgency, at(started));
            let one = |number| Delivery {
                number,
                kind: NotificationKind::Opened,
                urgency,
                destination: format!("to {number}"),
                at: at(sent),
            };
            incident.deliveries = vec![one(1), one(2)];
            incident.ended = ended.map(|ended| (at(ended), EndReason::Recovered));
            let key =
                IncidentKey { subject: IncidentSubject::Slo(SloId::new("checkout", "orders")), started: at(started) };
            book.incidents.insert(key, incident);
        }
        let (catalog, status) = (Catalog::default(), FleetStatus { at: at("2026-11-23T00:00Z"), rows: Vec::new() });
        let week = Week::last_before(status.at);
        let usage = Usage::default();
        let facts = WeeklyContext {
            week,
            catalog: &catalog,
            problems: &[],
            status: &status,
            previous_weeks: &[],
            alert_state: &book,
            overrides: &[],
            usage,
        };
        let lines = [
            "2 pages, 1 of them at night (22:00 to 07:00)",
            "checkout/orders: page, 12:00 to 13:00 UTC on 18 November (60 minutes)",
            "checkout/orders: severe, since 23:00 UTC on 19 November, open at the end of the week",
            "checkout/orders: ticket, since 12:00 UTC on 20 November, open at the end of the week",
        ];
        assert_eq!(facts.incident_lines(Some("mart")), lines);
        assert_eq!(facts.incident_lines(Some("other")), ["none"]);
    }

    #[test]
    fn night_follows_the_service_time_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Minute>().unwrap();
        assert!(is_night(at("2026-11-17T21:30Z"), &berlin) && !is_night(at("2026-11-17T21:30Z"), &TimeZone::UTC));
        assert!(!is_night(at("2026-11-17T06:30Z"), &berlin) && is_night(at("2026-11-17T06:30Z"), &TimeZone::UTC));
    }
}

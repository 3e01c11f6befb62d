//! The weekly report: of one team about its services, or of the fleet for those who keep it.
//!
//! It is about the last whole ISO week in UTC before a moment, as promises stood when that week ended, so that it says the same on
//! whatever day of the next week it is made.

use std::fmt;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::counted;
use super::gate::Override;
use super::model::{Row, Status};
use super::standing::{Standing, why};
use super::status::percent;
use super::words::marked_down;
use crate::alert::{AlertBook, Incident, IncidentKey, Message, Phase};
use crate::cost::Usage;
use crate::minute::{MINUTES_PER_DAY, Minute, Span};
use crate::slo::{Catalog, Urgency};

/// How the keys of weekly reports begin; no incident has such a key.
pub const WEEKLY: &str = "weekly/";
/// Lines of a section that are shown; the rest is counted.
const LINES_MAX: usize = 30;
/// Pages from this hour of the evening until that of the morning are pages of the night.
const NIGHT: (i8, i8) = (22, 7);

/// A week of the ISO calendar, from Monday on, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// Its year, which is not always that of its days.
    pub year: i16,
    /// From 1 to 53.
    pub number: i8,
    /// Its minutes.
    pub span: Span,
}

impl Week {
    /// The last whole week before a moment.
    #[must_use]
    pub fn before(at: Minute) -> Self {
        let today = at.day();
        let weekday = today.start().timestamp().to_zoned(TimeZone::UTC).weekday().to_monday_zero_offset();
        let end = today.plus(-i32::from(weekday)).start();
        let start = end.plus(-7 * MINUTES_PER_DAY);
        let date = start.timestamp().to_zoned(TimeZone::UTC).date().iso_week_date();
        Self { year: date.year(), number: date.week(), span: Span::new(start, end) }
    }
}

/// `2026-W47`.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-W{:02}", self.year, self.number)
    }
}

/// What a weekly report is made of. The status is that of the end of the week.
pub struct Facts<'a> {
    /// Which week.
    pub week: Week,
    /// The promises.
    pub catalog: &'a Catalog,
    /// How they stood.
    pub status: &'a Status,
    /// Who was told of what.
    pub book: &'a AlertBook,
    /// Deploys in spite of the policy.
    pub overrides: &'a [Override],
    /// What AWS was asked in the week.
    pub usage: Usage,
}

/// A weekly report in words, before it gets a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weekly {
    /// Which week.
    pub week: Week,
    /// Whose; `fleet` for all.
    pub of: String,
    is_of_fleet: bool,
    /// One line that decides whether to read on.
    pub subject: String,
    /// One sentence that says what matters.
    pub verdict: String,
    /// Promises by how they stand, worst first.
    counts: Vec<(Standing, usize)>,
    sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    title: &'static str,
    lines: Vec<String>,
}

impl Facts<'_> {
    /// The report of a team, or of the fleet.
    #[must_use]
    pub fn weekly(&self, team: Option<&str>) -> Weekly {
        let rows: Vec<&Row> = self.status.rows.iter().filter(|row| team.is_none_or(|team| row.team == team)).collect();
        let count = |standing| rows.iter().filter(|row| Standing::of(row) == standing).count();
        let counts: Vec<(Standing, usize)> =
            Standing::ALL.into_iter().map(|one| (one, count(one))).filter(|(_, count)| *count > 0).collect();
        let of = team.unwrap_or("fleet").to_owned();
        let told: Vec<String> = counts.iter().map(|(standing, count)| format!("{count} {}", standing.word())).collect();
        let told = if told.is_empty() { "no promise".to_owned() } else { told.join(", ") };
        let mut action: Vec<&Row> = rows.iter().copied().filter(|row| Standing::of(row).needs_action()).collect();
        action.sort_by_key(|row| Standing::of(row));
        let verdict = match action.first() {
            None => "Nothing needs action.".to_owned(),
            Some(row) => {
                let needs = if action.len() == 1 { "needs" } else { "need" };
                let first = format!("{}/{}: {}", row.service, row.slo, why(row));
                format!("{} {needs} action, first of all {first}.", counted(action.len(), "promise"))
            }
        };
        let recovered = rows.iter().filter(|row| Standing::of(row) == Standing::Recovered);
        let mut sections = vec![
            Section { title: "What needs action", lines: action.into_iter().map(action_line).collect() },
            Section { title: "What recovered", lines: recovered.map(|row| named(row) + ": " + &why(row)).collect() },
            Section { title: "Incidents", lines: self.incidents(team) },
            Section { title: "Deploys in spite of the policy", lines: self.overridden(team) },
            Section { title: "Minutes that do not count", lines: self.corrections(team) },
            Section { title: "What was observed", lines: coverage(&rows) },
        ];
        if team.is_none() {
            let usage = &self.usage;
            sections.push(Section {
                title: "What AWS takes",
                lines: vec![format!("{usage}: {} by list price", usage.price())],
            });
        }
        sections.retain(|section| !section.lines.is_empty());
        let subject = format!("SLO week {} · {of}: {told}", self.week.number);
        Weekly { week: self.week, is_of_fleet: team.is_none(), of, subject, verdict, counts, sections }
    }

    /// Incidents that were open in the week, and how often somebody was woken.
    fn incidents(&self, team: Option<&str>) -> Vec<String> {
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
            let woke = |sent: &&crate::alert::Sent| {
                span.contains(sent.at)
                    && sent.urgency >= Urgency::Page
                    && matches!(sent.phase, Phase::Opened | Phase::Changed)
            };
            if let Some(first) = one.sent.iter().find(woke) {
                pages += 1;
                nights += usize::from(is_night(first.at, &self.zone(&one.service)));
            }
            let until = match one.ended {
                Some((ended, _)) if ended <= span.end => format!("until {ended}"),
                _ => "still open when the week ended".to_owned(),
            };
            lines.push(format!("{}: {} from {} {until}", key.subject, one.peak, key.started));
        }
        let (evening, morning) = NIGHT;
        lines.insert(0, format!("{}; {nights} at night, from {evening} to {morning} o'clock", counted(pages, "page")));
        lines
    }

    /// The time zone of a service's working hours, where it has any; else UTC.
    fn zone(&self, service: &str) -> TimeZone {
        let mut slos = self.catalog.slos().filter(|(owner, _)| owner.name == service);
        let hours = slos.find_map(|(_, slo)| slo.tiers.iter().find_map(|tier| tier.hours.as_ref()));
        hours.map_or(TimeZone::UTC, |hours| hours.zone.clone())
    }

    fn overridden(&self, team: Option<&str>) -> Vec<String> {
        let concerns = |one: &&Override| team.is_none_or(|team| one.team == team) && self.week.span.contains(one.at);
        let line = |one: &Override| format!("{} at {}, by {}: {}", one.service, one.at, one.by, one.reason);
        self.overrides.iter().filter(concerns).map(line).collect()
    }

    fn corrections(&self, team: Option<&str>) -> Vec<String> {
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
}

fn named(row: &Row) -> String {
    format!("{}/{} ({} over {}, {})", row.service, row.slo, row.objective, row.window, row.team)
}

/// What is the matter, whose it is, and what the policy says of it.
fn action_line(row: &Row) -> String {
    let policy = row.policy.as_ref().map_or_else(String::new, |step| format!("; the policy says: {}", step.then));
    format!("{} {}: {}{policy}", Standing::of(row).word(), named(row), why(row))
}

fn coverage(rows: &[&Row]) -> Vec<String> {
    let (known, minutes) = rows.iter().fold((0_u64, 0_u64), |(known, minutes), row| {
        (known + u64::from(row.sums.known), minutes + u64::from(row.minutes))
    });
    #[expect(clippy::cast_precision_loss, reason = "printing is where exactness ends")]
    let share = (minutes > 0).then(|| known as f64 / minutes as f64);
    share.map(|share| format!("{} of the minutes of all windows", percent(share, 1))).into_iter().collect()
}

fn is_night(at: Minute, zone: &TimeZone) -> bool {
    let hour = at.timestamp().to_zoned(zone.clone()).hour();
    hour >= NIGHT.0 || hour < NIGHT.1
}

impl Weekly {
    /// Whether it is that of the fleet, and not of a team that is called so.
    #[must_use]
    pub const fn is_of_fleet(&self) -> bool {
        self.is_of_fleet
    }

    /// What is remembered of it when it was sent: `2026-W47 mart mailto:mart@example.com`.
    #[must_use]
    pub fn line(&self, destination: &str) -> String {
        let of = if self.is_of_fleet { "_fleet" } else { &self.of };
        format!("{} {of} {destination}", self.week)
    }

    /// For a repository, a wiki, or a terminal.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n", marked_down(&self.subject), marked_down(&self.verdict));
        for section in &self.sections {
            text.push_str(&format!("\n## {}\n\n", section.title));
            for line in section.shown() {
                text.push_str(&format!("- {}\n", marked_down(&line)));
            }
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts: serde_json::Map<String, Value> =
            self.counts.iter().map(|(standing, count)| (standing.key().to_owned(), json!(count))).collect();
        let section = |section: &Section| json!({ "title": section.title, "lines": section.lines });
        json!({
            "week": self.week.to_string(),
            "from": self.week.span.start.to_string(),
            "to": self.week.span.end.to_string(),
            "of": self.of,
            "is_of_fleet": self.is_of_fleet,
            "subject": self.subject,
            "verdict": self.verdict,
            "promises": counts,
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
        })
    }

    /// For channels: the same report has the same key, whenever it is made.
    #[must_use]
    pub fn message(&self) -> Message {
        let section = |section: &Section| format!("{}\n- {}", section.title, section.shown().join("\n- "));
        Message {
            key: format!("{WEEKLY}{}@{}", if self.is_of_fleet { "_fleet" } else { &self.of }, self.week),
            number: 1,
            phase: Phase::Note,
            urgency: Urgency::Ticket,
            title: self.subject.clone(),
            paragraphs: std::iter::once(self.verdict.clone()).chain(self.sections.iter().map(section)).collect(),
            facts: Vec::new(),
            links: Vec::new(),
            service: "slowburn".to_owned(),
            team: self.of.clone(),
            class: String::new(),
            at: self.week.span.end,
        }
    }
}

impl Section {
    fn shown(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.lines.iter().take(LINES_MAX).cloned().collect();
        if self.lines.len() > LINES_MAX {
            lines.push(format!("and {} more", self.lines.len() - LINES_MAX));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_the_last_whole_one() {
        let week = |at: &str| Week::before(at.parse().unwrap());
        assert_eq!(week("2026-11-23T00:00Z").to_string(), "2026-W47");
        assert_eq!(week("2026-11-29T23:59Z"), week("2026-11-23T00:00Z"));
        assert_eq!(week("2026-11-22T23:59Z").to_string(), "2026-W46");
        assert_eq!(week("2027-01-05T00:00Z").to_string(), "2026-W53");
        assert_eq!(week("2027-01-05T00:00Z").span.to_string(), "2026-12-28T00:00Z to 2027-01-04T00:00Z");
    }

    #[test]
    fn pages_of_the_week_are_counted_once_an_incident_and_those_of_the_night_beside() {
        use crate::alert::{Owner, Sent, Subject, Why};
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
            incident.ended = ended.map(|ended| (at(ended), Why::Calm));
            let key = IncidentKey { subject: Subject::Slo(SloId::new("checkout", "orders")), started: at(started) };
            book.incidents.insert(key, incident);
        }
        let (catalog, status) = (Catalog::default(), Status { at: at("2026-11-23T00:00Z"), rows: Vec::new() });
        let week = Week::before(status.at);
        let usage = Usage::default();
        let facts = Facts { week, catalog: &catalog, status: &status, book: &book, overrides: &[], usage };
        let lines = [
            "2 pages; 1 at night, from 22 to 7 o'clock",
            "checkout/orders: page from 2026-11-18T12:00Z until 2026-11-18T13:00Z",
            "checkout/orders: severe from 2026-11-19T23:00Z still open when the week ended",
            "checkout/orders: ticket from 2026-11-20T12:00Z still open when the week ended",
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

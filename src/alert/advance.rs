//! The one state machine: what minutes say, taken into the book in order. Live runs, replays and tests go through here.
//!
//! The rules that late data follows: an SLO is evaluated up to its newest known minute, each evaluation once. If
//! minutes behind it have changed since, they are evaluated again, as far back as `open_within`. Incidents that share
//! no minute with one that is known are new, and marked as late; the others are known already. An open incident is only
//! marked as corrected: it goes on or ends by what newer minutes say.

use std::collections::{BTreeMap, BTreeSet};

use super::shared;
use super::{AlertBook, Beat, Course, Incident, IncidentKey, Owner, Place, Subject, Watch, Why};
use crate::counts::Sums;
use crate::minute::{Minute, Span};
use crate::slo::{AlertRules, Slo, SloId, Urgency};

/// One SLO in a round.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Which.
    pub slo: SloId,
    /// Whose it is.
    pub owner: Owner,
    /// What it shares with others.
    pub places: Vec<Place>,
    /// What is promised, as its hash.
    pub promise: String,
    /// The objective as it was written.
    pub objective: String,
    /// How many calm minutes end ticket, page and severe: see [`resolve_after`].
    pub resolve_after: [u32; 3],
    /// What minutes say from [`Due::from`] on, in order.
    pub beats: Vec<Beat>,
    /// The newest evaluation of this round.
    pub evaluated: Minute,
    /// What the minutes before it sum up to, over [`seen_span`].
    pub seen: Sums,
    /// Whether minutes that were evaluated before are among the beats, or have changed without being so.
    pub changed: bool,
}

/// From where an SLO has to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The first evaluation.
    pub from: Minute,
    /// Whether evaluated minutes have changed since.
    pub changed: bool,
}

/// One round of all SLOs.
#[derive(Debug)]
pub struct Round<'a> {
    /// The moment the run is about.
    pub at: Minute,
    /// How incidents are told of.
    pub rules: &'a AlertRules,
    /// All SLOs that can be judged.
    pub heard: Vec<Heard>,
    /// Definitions that could not be read.
    pub faulty: &'a Faulty,
    /// How far each source is known, of those of which anything is.
    pub newest: BTreeMap<String, Newest>,
}

/// Definitions that could not be read: what is missing may only be faulty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faulty {
    /// Any promise may be missing because of them.
    pub fleet: bool,
    /// Files of services, by team and name.
    pub services: BTreeSet<(String, String)>,
}

impl Faulty {
    /// Whether a promise may be missing because of them. Faults of one team hide nothing of another, but what it has
    /// just taken over.
    fn hides(&self, slo: &SloId, team: &str) -> bool {
        let service = slo.as_str().split('/').next().unwrap_or_default();
        self.fleet || self.services.iter().any(|(of, name)| of == team || team.is_empty() || name == service)
    }

    fn is_none(&self) -> bool {
        !self.fleet && self.services.is_empty()
    }
}

/// How far a source is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The evaluation of its newest known minute.
    pub known: Minute,
    /// When it was last asked.
    pub asked: Minute,
}

/// How many calm minutes end ticket, page and severe of an SLO. A ticket that is seen in hours does not end in minutes.
#[must_use]
pub fn resolve_after(slo: &Slo, rules: &AlertRules) -> [u32; 3] {
    let of = |urgency: Urgency| {
        let short = slo.tiers.iter().filter(|tier| tier.urgency == urgency).map(|tier| tier.short_minutes).min();
        short.unwrap_or(0).max(rules.resolve_after)
    };
    [of(Urgency::Ticket), of(Urgency::Page), of(Urgency::Severe)]
}

/// What late data is recognised by: the minutes before an evaluation that may still open an incident.
#[must_use]
pub fn seen_span(evaluated: Minute, rules: &AlertRules) -> Span {
    Span::before(evaluated, minutes(rules.open_within))
}

/// What has to be evaluated of an SLO whose newest minute is known up to `until`; `None` if nothing. An SLO that was
/// never seen starts there: its past wakes nobody. `seen` is what the minutes say now that [`Watch::seen`] summed up.
#[must_use]
pub fn due(book: &AlertBook, slo: &SloId, until: Minute, seen: Sums, rules: &AlertRules) -> Option<Due> {
    let Some(watch) = book.watches.get(slo) else { return Some(Due { from: until, changed: false }) };
    let changed = seen != watch.seen;
    let back = |end: Minute| end.plus(1 - minutes(rules.open_within));
    let from = if changed { back(watch.evaluated) } else { watch.evaluated.plus(1) }.max(back(until));
    (changed || from <= until).then_some(Due { from, changed })
}

/// An objective that was changed since the last run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
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
pub fn advance(book: &mut AlertBook, round: &Round<'_>) -> Vec<Rewritten> {
    end_what_is_gone(book, round);
    let rewritten = round.heard.iter().filter_map(|heard| {
        let before = &book.watches.get(&heard.slo)?.objective;
        (*before != heard.objective).then(|| Rewritten {
            slo: heard.slo.clone(),
            owner: heard.owner.clone(),
            before: before.clone(),
            after: heard.objective.clone(),
        })
    });
    let rewritten = rewritten.collect();
    let mut beats: BTreeMap<Minute, Vec<(usize, &Beat)>> = BTreeMap::new();
    for (place, heard) in round.heard.iter().enumerate() {
        let known_to = begin(book, heard, round.at);
        for beat in heard.beats.iter().filter(|beat| Some(beat.at) > known_to) {
            beats.entry(beat.at).or_default().push((place, beat));
        }
    }
    let places: BTreeMap<&SloId, &[Place]> =
        round.heard.iter().map(|heard| (&heard.slo, heard.places.as_slice())).collect();
    for (at, beats) in beats {
        let mut moved = false;
        for (place, beat) in beats {
            moved |= step(book, &round.heard[place], *beat);
        }
        if moved {
            shared::gather(book, at, round.rules, &places);
        }
    }
    shared::settle(book, round.at, round.rules);
    for heard in &round.heard {
        if let Some(watch) = book.watches.get_mut(&heard.slo) {
            watch.evaluated = heard.evaluated.max(watch.evaluated);
            watch.seen = heard.seen;
        }
    }
    listen_for_sources(book, round);
    book.ran = book.ran.max(Some(round.at));
    book.forget(round.at);
    rewritten
}

/// Incidents of promises that are no longer made; and where definitions are faulty, one for each team whose promises
/// may only be missing because of that.
fn end_what_is_gone(book: &mut AlertBook, round: &Round<'_>) {
    let promised: BTreeSet<&SloId> = round.heard.iter().map(|heard| &heard.slo).collect();
    let gone: Vec<SloId> = book.watches.keys().filter(|slo| !promised.contains(slo)).cloned().collect();
    let mut unread: BTreeSet<String> = BTreeSet::new();
    for slo in gone {
        let team = book.watches.get(&slo).map(|watch| watch.team.clone()).unwrap_or_default();
        if round.faulty.hides(&slo, &team) {
            unread.insert(team);
        } else {
            book.watches.remove(&slo);
            end(book, &Subject::Slo(slo), round.at, Why::SloRemoved);
        }
    }
    let open = book.incidents.iter().filter(|(_, incident)| incident.is_open()).map(|(key, _)| &key.subject);
    let told: Vec<Subject> = open.filter(|subject| matches!(subject, Subject::Unread(_))).cloned().collect();
    for subject in &told {
        if matches!(subject, Subject::Unread(team) if !unread.contains(team)) {
            end(book, subject, round.at, Why::Recovered);
        }
    }
    for team in unread {
        let owner = Owner { team: team.clone(), ..Owner::fleet("") };
        let subject = Subject::Unread(team);
        if !told.contains(&subject) {
            let incident = Incident::open(&owner, Urgency::Ticket, round.at);
            book.begin(IncidentKey { subject, started: round.at }, incident);
        }
    }
}

/// Makes ready to evaluate an SLO, and says up to where it was evaluated before.
fn begin(book: &mut AlertBook, heard: &Heard, at: Minute) -> Option<Minute> {
    let subject = Subject::Slo(heard.slo.clone());
    let Some(watch) = book.watches.get(&heard.slo) else {
        let watch = Watch {
            evaluated: heard.evaluated,
            seen: heard.seen,
            course: Course::default(),
            promise: heard.promise.clone(),
            objective: heard.objective.clone(),
            team: heard.owner.team.clone(),
            earlier: Vec::new(),
        };
        book.watches.insert(heard.slo.clone(), watch);
        return None;
    };
    // Whoever takes a service over hears of what burns as of something new.
    let has_moved = !watch.team.is_empty() && watch.team != heard.owner.team;
    let (evaluated, is_other) = (watch.evaluated, watch.promise != heard.promise || has_moved);
    if is_other {
        end(book, &subject, evaluated, if has_moved { Why::OwnerChanged } else { Why::SloChanged });
    }
    let open = book.open(&subject);
    let again = heard.changed.then(|| look_again(book, heard, evaluated));
    let course = match &open {
        Some(key) => {
            book.incidents.entry(key.clone()).and_modify(|incident| incident.corrected |= heard.changed);
            None
        }
        None => again.or(is_other.then(Course::default)),
    };
    if let Some(watch) = book.watches.get_mut(&heard.slo) {
        watch.course = course.unwrap_or(watch.course);
        if (&watch.promise, &watch.objective) != (&heard.promise, &heard.objective) {
            watch.supersede(at);
        }
        watch.promise.clone_from(&heard.promise);
        watch.objective.clone_from(&heard.objective);
        watch.team.clone_from(&heard.owner.team);
    }
    Some(evaluated)
}

/// Evaluates minutes again that have changed, up to where they were evaluated before, and says where that leads.
fn look_again(book: &mut AlertBook, heard: &Heard, evaluated: Minute) -> Course {
    let subject = Subject::Slo(heard.slo.clone());
    let mut course = Course::default();
    let mut found: Vec<Incident> = Vec::new();
    for beat in heard.beats.iter().filter(|beat| beat.at <= evaluated) {
        course.step(beat, heard.resolve_after);
        let open = found.last_mut().filter(|incident| incident.is_open());
        match (course.urgency(), open) {
            (Some(urgency), Some(incident)) => incident.turn(urgency, beat.at),
            (Some(urgency), None) => found.push(Incident::open(&heard.owner, urgency, beat.at)),
            (None, Some(incident)) => incident.ended = Some((beat.at, why(&course))),
            (None, None) => {}
        }
    }
    let known: Vec<Span> = book.of(&subject).map(|(key, incident)| lasted(key.started, incident)).collect();
    for incident in found {
        let Some((started, _)) = incident.turns.first().copied() else { continue };
        let span = lasted(started, &incident);
        let last = known.iter().filter(|other| !other.intersect(span).is_empty()).map(|other| other.end).max();
        // What goes on although it was taken for over is a new incident from there on.
        let started = match last {
            None => started,
            Some(end) if incident.is_open() && end <= evaluated => end,
            Some(_) => continue,
        };
        let urgency = incident.urgency;
        let turns = if last.is_some() { vec![(started, urgency)] } else { incident.turns.clone() };
        book.begin(IncidentKey { subject: subject.clone(), started }, Incident { late: true, turns, ..incident });
    }
    course
}

/// The evaluations in which an incident was open.
fn lasted(started: Minute, incident: &Incident) -> Span {
    Span::new(started, incident.ended.map_or(Minute(i32::MAX), |(at, _)| at.max(started.plus(1))))
}

const fn why(course: &Course) -> Why {
    if course.is_forsaken() { Why::NoTraffic } else { Why::Recovered }
}

/// Takes one minute of one SLO into account. `true` if its incident began, ended, or changed.
fn step(book: &mut AlertBook, heard: &Heard, beat: Beat) -> bool {
    let Some(watch) = book.watches.get_mut(&heard.slo) else { return false };
    let before = watch.course.urgency();
    watch.course.step(&beat, heard.resolve_after);
    let (urgency, why) = (watch.course.urgency(), why(&watch.course));
    if before == urgency {
        return false;
    }
    let subject = Subject::Slo(heard.slo.clone());
    match (urgency, book.open(&subject).and_then(|key| book.incidents.get_mut(&key))) {
        (Some(urgency), Some(incident)) => incident.turn(urgency, beat.at),
        (Some(urgency), None) => {
            let incident = Incident::open(&heard.owner, urgency, beat.at);
            book.begin(IncidentKey { subject, started: beat.at }, incident);
        }
        (None, Some(incident)) => incident.ended = Some((beat.at, why)),
        (None, None) => {}
    }
    true
}

/// Ends the open incident of a subject.
pub(super) fn end(book: &mut AlertBook, subject: &Subject, at: Minute, why: Why) {
    if let Some(incident) = book.open(subject).and_then(|key| book.incidents.get_mut(&key)) {
        incident.ended = Some((at.max(incident.turns.last().map_or(at, |(turned, _)| *turned)), why));
    }
}

/// Sources that nothing new comes from. The minute such an incident begins is the same in whatever run it is found; how
/// long ago that is does not matter, since it goes on.
fn listen_for_sources(book: &mut AlertBook, round: &Round<'_>) {
    let listened = round.rules.stale_after.zip(round.rules.team.as_ref());
    let promised: BTreeSet<&Place> = round.heard.iter().flat_map(|heard| &heard.places).collect();
    let open = book.incidents.iter().filter(|(_, incident)| incident.is_open()).map(|(key, _)| &key.subject);
    let is_gone = |source: &String| round.faulty.is_none() && !promised.contains(&Place::Source(source.clone()));
    let left = |subject: &&Subject| matches!(subject, Subject::Stale(source) if listened.is_none() || is_gone(source));
    for subject in open.filter(left).cloned().collect::<Vec<_>>() {
        end(book, &subject, round.at, Why::SloRemoved);
    }
    let Some((after, team)) = listened else { return };
    for (source, newest) in &round.newest {
        let subject = Subject::Stale(source.clone());
        let begins = newest.known.plus(minutes(after));
        if begins > newest.asked {
            end(book, &subject, round.at, Why::Recovered);
        } else if book.open(&subject).is_none() {
            let incident = Incident::open(&Owner::fleet(team), Urgency::Page, begins);
            book.begin(IncidentKey { subject, started: begins }, incident);
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
pub(super) fn minutes(length: u32) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Routes, decide};
    use crate::slo::SloId;

    const HOUR: i32 = 60;

    fn rules() -> AlertRules {
        AlertRules { team: Some("sre".to_owned()), ..AlertRules::default() }
    }

    fn heard(source: &str) -> Heard {
        Heard {
            slo: SloId::new("checkout", "availability"),
            owner: Owner { team: "shop".to_owned(), service: "checkout".to_owned(), class: String::new() },
            places: vec![Place::Source(source.to_owned())],
            promise: String::new(),
            objective: String::new(),
            resolve_after: [15; 3],
            beats: Vec::new(),
            evaluated: Minute(0),
            seen: Sums::default(),
            changed: false,
        }
    }

    /// A run that knows a source up to a minute, and asked it at another.
    fn run(book: &mut AlertBook, at: i32, source: Option<(&str, i32, i32)>, rules: &AlertRules) -> Vec<String> {
        let (heard, newest) = match source {
            Some((name, known, asked)) => (
                vec![heard(name)],
                BTreeMap::from([(name.to_owned(), Newest { known: Minute(known), asked: Minute(asked) })]),
            ),
            None => (Vec::new(), BTreeMap::new()),
        };
        advance(book, &Round { at: Minute(at), rules, heard, faulty: &Faulty::default(), newest });
        let open = book.incidents.iter().filter(|(_, incident)| incident.is_open());
        open.map(|(key, _)| format!("{} {}", key.subject, key.started.0)).collect()
    }

    #[test]
    fn a_source_that_fell_silent_while_no_run_came_is_an_incident_too() {
        let mut book = AlertBook::default();
        let ten_hours = 10 * HOUR;
        assert_eq!(run(&mut book, ten_hours, Some(("logs", 0, ten_hours)), &rules()), ["stale source logs 180"]);
        assert!(run(&mut book, ten_hours + 5, Some(("logs", ten_hours, ten_hours + 5)), &rules()).is_empty());
    }

    #[test]
    fn a_silent_source_that_nothing_is_promised_of_any_more_is_no_incident() {
        for nobody_listens in [false, true] {
            let mut book = AlertBook::default();
            assert_eq!(run(&mut book, 200, Some(("logs", 0, 200)), &rules()).len(), 1);
            let (source, rules) = if nobody_listens {
                (Some(("logs", 0, 205)), AlertRules { stale_after: None, ..rules() })
            } else {
                (None, rules())
            };
            assert!(run(&mut book, 205, source, &rules).is_empty(), "{nobody_listens}");
        }
    }

    /// A promise that pages in each of the last minutes up to one.
    fn burning(service: &str, until: i32) -> Heard {
        let held = Some(Urgency::Page);
        let beat = |at| Beat { at: Minute(at), heard: true, held, above: held, silent: false };
        Heard {
            slo: SloId::new(service, "availability"),
            owner: Owner { team: "shop".to_owned(), service: service.to_owned(), class: String::new() },
            beats: vec![beat(until)],
            evaluated: Minute(until),
            ..heard("logs")
        }
    }

    /// Takes a round into the book; who is told what of which number.
    fn told(book: &mut AlertBook, heard: Vec<Heard>, faulty: &Faulty, silent: Option<(i32, i32)>) -> Vec<String> {
        let (at, rules) = (Minute(200), AlertRules { shared_cause: Some((3, 5)), ..rules() });
        let newest = |(known, asked)| ("logs".to_owned(), Newest { known: Minute(known), asked: Minute(asked) });
        let newest = silent.map(newest).into_iter().collect();
        advance(book, &Round { at, rules: &rules, heard, faulty, newest });
        let routes = Routes { of: &|_, _| vec!["somebody".to_owned()], silenced: &|_| false };
        let told = decide(book, at, &rules, &routes);
        told.iter().map(|one| format!("{} {} {}", one.key.subject, one.number, one.phase.word())).collect()
    }

    #[test]
    fn an_incident_whose_key_comes_again_goes_on_with_its_messages() {
        let none = Faulty::default();
        let fleet = Faulty { fleet: true, ..Faulty::default() };
        let shared = |_: i32| ["one", "two", "three"].map(|service| burning(service, 200)).to_vec();
        let expected = |subject: &str| ["1 opened", "2 resolved", "3 opened"].map(|told| format!("{subject} {told}"));
        // A promise that was removed for one run, and no minute is newer than before.
        let mut book = AlertBook::default();
        let mut said = told(&mut book, vec![burning("checkout", 200)], &none, None);
        said.extend(told(&mut book, Vec::new(), &none, None));
        said.extend(told(&mut book, vec![burning("checkout", 200)], &none, None));
        assert_eq!(said, expected("checkout/availability"));
        assert_eq!(book.incidents.len(), 1);
        // A source that nothing was promised of for one run.
        let mut book = AlertBook::default();
        let mut said = told(&mut book, vec![heard("logs")], &none, Some((0, 200)));
        said.extend(told(&mut book, Vec::new(), &none, None));
        said.extend(told(&mut book, vec![heard("logs")], &none, Some((0, 200))));
        assert_eq!(said, expected("stale source logs"));
        // Definitions that were sound for one run within the same minute.
        let mut book = AlertBook::default();
        told(&mut book, vec![heard("logs")], &none, None);
        let mut said = told(&mut book, Vec::new(), &fleet, None);
        said.extend(told(&mut book, vec![heard("logs")], &none, None));
        said.extend(told(&mut book, Vec::new(), &fleet, None));
        assert_eq!(said, expected("invalid definitions of shop"));
        // A cause that all services of were removed for one run.
        let mut book = AlertBook::default();
        let mut said = told(&mut book, shared(200), &none, None);
        said.extend(told(&mut book, Vec::new(), &none, None));
        said.extend(told(&mut book, shared(200), &none, None));
        said.retain(|told| told.starts_with("source"));
        assert_eq!(said, expected("source logs"));
        let open = book.incidents.values().filter(|incident| incident.is_open()).count();
        assert_eq!((book.incidents.len(), open), (4, 4));
        let cause = book.open(&Subject::Shared(Place::Source("logs".to_owned())));
        let parts = book.incidents.values().filter(|incident| incident.part_of.is_some() && incident.part_of == cause);
        assert_eq!(parts.count(), 3);
    }

    #[test]
    fn classic_load_balancers_of_one_name_in_two_sources_are_no_shared_cause() {
        let paging = |load_balancer: &str| {
            let four = [("one", "east"), ("two", "east"), ("three", "west"), ("four", "west")];
            let heard = four.map(|(service, source)| {
                let places = vec![Place::behind(load_balancer, source), Place::Source(source.to_owned())];
                Heard { places, ..burning(service, 200) }
            });
            let said = told(&mut AlertBook::default(), heard.to_vec(), &Faulty::default(), None);
            said.into_iter().filter(|told| told.starts_with("load balancer")).collect::<Vec<_>>()
        };
        assert_eq!(paging("classic/front"), [""; 0]);
        assert_eq!(paging("app/front/50dc6c495c0c9188"), ["load balancer app/front/50dc6c495c0c9188 1 opened"]);
    }

    #[test]
    fn an_incident_of_late_data_whose_key_was_held_goes_on_with_its_messages() {
        let mut book = AlertBook::default();
        told(&mut book, vec![burning("checkout", 200)], &Faulty::default(), None);
        let key = book.incidents.keys().next().cloned().unwrap();
        let held = book.incidents[&key].clone();
        let owner = Owner { team: "shop".to_owned(), service: "checkout".to_owned(), class: String::new() };
        end(&mut book, &key.subject, Minute(201), Why::SloRemoved);
        book.begin(key.clone(), Incident { late: true, ..Incident::open(&owner, Urgency::Severe, Minute(200)) });
        let again = &book.incidents[&key];
        assert_eq!((again.messages, again.is_open(), again.late), (held.messages, true, false));
        assert_eq!((again.urgency, again.peak), (Urgency::Severe, Urgency::Severe));
        assert_eq!(again.turns, [(Minute(200), Urgency::Page), (Minute(200), Urgency::Severe)]);
    }

    #[test]
    fn a_source_that_is_asked_every_six_hours_is_not_silent_in_between() {
        let mut book = AlertBook::default();
        for at in (0..48 * HOUR).step_by(5) {
            let asked = at - at % (6 * HOUR);
            assert!(run(&mut book, at, Some(("lake", asked - 15, asked)), &rules()).is_empty(), "{at}");
        }
        let at = 54 * HOUR;
        assert_eq!(run(&mut book, at, Some(("lake", 42 * HOUR, at)), &rules()).len(), 1);
    }

    #[test]
    fn nothing_is_evaluated_that_is_older_than_what_may_open_whether_minutes_have_changed_or_not() {
        let mut book = AlertBook::default();
        run(&mut book, 0, Some(("logs", 0, 0)), &rules());
        let slo = SloId::new("checkout", "availability");
        let changed = Sums { total: 1, bad: 1, known: 1 };
        for seen in [Sums::default(), changed] {
            let due = due(&book, &slo, Minute(3_000), seen, &rules()).map(|due| due.from);
            assert_eq!(due, Some(Minute(3_001 - 360)));
        }
        assert_eq!(due(&book, &slo, Minute(5), changed, &rules()).map(|due| due.from), Some(Minute(6 - 360)));
    }
}

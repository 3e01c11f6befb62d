//! What the names and tags of definitions stand for: which ids they have and had, and when.
//!
//! An id changes when a load balancer or target group is made anew. Logs and tables hold the name beside the id, so by
//! name there is nothing to look up in them; metrics are by id, and tags are in none of them.
//!
//! What was ever found stays known, with the span in which it was there, so that a balancer that was made anew
//! continues the series: each id counts for its own span, and at the change-over none is left out.

mod due;
mod seen;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::minute::{Minute, Span};
use crate::slo::{Reach, Tags, Traffic, lacks_id, names_balancer, names_group, without_id};

pub use due::{LookUp, Lost, due, is_needed, lost, series_of};
pub use seen::Seen;

/// Clocks differ, and what AWS lists may be some minutes older than what it measures.
const SLACK_MINUTES: i32 = 5;
/// What has been gone for longer is in no window.
const FORGOTTEN_MINUTES: i32 = 400 * 1_440;

/// A text of a definition that has to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// Of a load balancer: `app/name` or `{key=value}`.
    Balancer(String),
    /// Of a target group: `name` or `{key=value}`.
    Group(String),
}

impl Selector {
    /// As the definition has it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Balancer(text) | Self::Group(text) => text,
        }
    }
}

/// A balancer, or a target group behind one, which has metrics of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `app/name/id`.
    pub balancer: String,
    /// `name/id`.
    pub group: Option<String>,
}

/// When something was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The last look that did not find it; `None` for what was found first.
    pub since: Option<Minute>,
    /// The first look thereafter that did not find it any more.
    pub gone: Option<Minute>,
}

impl Life {
    /// The minutes in which it may have had requests.
    fn span(&self) -> Span {
        let start = self.since.map_or(Minute(i32::MIN), |since| since.plus(-SLACK_MINUTES));
        Span::new(start, self.gone.map_or(Minute(i32::MAX), |gone| gone.plus(SLACK_MINUTES)))
    }
}

/// What a selector stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When AWS was asked last.
    pub looked: Minute,
    /// All that was ever found.
    pub lives: BTreeMap<Place, Life>,
}

impl Found {
    /// Whether anything of it is there now.
    fn is_there(&self) -> bool {
        self.lives.values().any(|life| life.gone.is_none())
    }
}

/// All that was found, by where it was asked for and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery(pub BTreeMap<Reach, BTreeMap<Selector, Found>>);

/// The metrics of some requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The requests with ids; nothing if nothing is known to be what was asked for.
    pub with_ids: Vec<Traffic>,
    /// The minutes of which they tell, in order.
    pub lived: Vec<Span>,
}

impl Discovery {
    fn found(&self, reach: &Reach, selector: &Selector) -> Option<&Found> {
        self.0.get(&area(reach))?.get(selector)
    }

    /// Whether anything was ever found of a selector.
    #[must_use]
    pub fn knows(&self, reach: &Reach, selector: &Selector) -> bool {
        self.found(reach, selector).is_some_and(|found| !found.lives.is_empty())
    }

    /// Requests with names in place of tags, for sources that know names; several balancers with a space between.
    /// `None` if nothing is known to have the tags.
    #[must_use]
    pub fn by_name<'t>(&self, reach: &Reach, traffic: &'t Traffic) -> Option<Cow<'t, Traffic>> {
        let is_tagged = |text: &String| Tags::read(text).is_some();
        if !is_tagged(&traffic.load_balancer) && !traffic.target_groups.iter().any(is_tagged) {
            return Some(Cow::Borrowed(traffic));
        }
        let mut named = traffic.clone();
        if is_tagged(&traffic.load_balancer) {
            let found = self.found(reach, &Selector::Balancer(traffic.load_balancer.clone()))?;
            let balancers: BTreeSet<&str> = found.lives.keys().map(|place| without_id(&place.balancer)).collect();
            named.load_balancer = balancers.into_iter().collect::<Vec<_>>().join(" ");
        }
        let mut groups = BTreeSet::new();
        for group in &traffic.target_groups {
            if is_tagged(group) {
                let found = self.found(reach, &Selector::Group(group.clone()));
                let places = found.into_iter().flat_map(|found| found.lives.keys());
                groups.extend(places.filter_map(|place| Some(place.group.as_ref()?.split_once('/')?.0.to_owned())));
            } else {
                groups.insert(group.clone());
            }
        }
        let lacks_groups = groups.is_empty() && !traffic.target_groups.is_empty();
        named.target_groups = groups.into_iter().collect();
        // Without any group all requests would be meant.
        (!named.load_balancer.is_empty() && !lacks_groups).then_some(Cow::Owned(named))
    }

    /// Requests with ids, as far as they lived in a span.
    #[must_use]
    pub fn located(&self, reach: &Reach, traffic: &Traffic, span: Span) -> Located {
        let mut places: BTreeMap<Place, Vec<Span>> = BTreeMap::new();
        for (balancer, life) in self.balancers(reach, &traffic.load_balancer) {
            if traffic.target_groups.is_empty() {
                let place = Place { balancer: balancer.clone(), group: None };
                places.entry(place).or_default().push(life);
            }
            for group in &traffic.target_groups {
                for (place, of_group) in self.groups(reach, group, &balancer) {
                    places.entry(place).or_default().push(of_group.intersect(life));
                }
            }
        }
        let mut located = Located::default();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (Place { balancer, group }, lives) in places {
            let lived = lives.into_iter().map(|life| life.intersect(span)).filter(|life| !life.is_empty());
            let before = located.lived.len();
            located.lived.extend(lived);
            if located.lived.len() > before {
                groups.entry(balancer).or_default().extend(group);
            }
        }
        located.lived = Span::joined(located.lived);
        let with_ids = groups.into_iter().map(|(load_balancer, target_groups)| Traffic {
            load_balancer,
            target_groups,
            ..traffic.clone()
        });
        located.with_ids = with_ids.collect();
        located
    }

    /// Requests with ids, as the last look found them.
    #[must_use]
    pub fn located_now(&self, reach: &Reach, traffic: &Traffic) -> Vec<Traffic> {
        self.located(reach, traffic, Span::before(Minute(i32::MAX), 1)).with_ids
    }

    /// Balancers with the spans in which they lived.
    fn balancers(&self, reach: &Reach, selector: &str) -> Vec<(String, Span)> {
        if !lacks_id(selector) {
            return vec![(selector.to_owned(), Life::default().span())];
        }
        let found = self.found(reach, &Selector::Balancer(selector.to_owned()));
        let lives = found.into_iter().flat_map(|found| &found.lives);
        lives.map(|(place, life)| (place.balancer.clone(), life.span())).collect()
    }

    /// Target groups of a balancer with the spans in which they were behind it.
    fn groups(&self, reach: &Reach, selector: &str, balancer: &str) -> Vec<(Place, Span)> {
        if !group_lacks_id(selector) {
            let place = Place { balancer: balancer.to_owned(), group: Some(selector.to_owned()) };
            return vec![(place, Life::default().span())];
        }
        let found = self.found(reach, &Selector::Group(selector.to_owned()));
        let lives = found.into_iter().flat_map(|found| &found.lives).filter(|(place, _)| place.balancer == balancer);
        lives.map(|(place, life)| (place.clone(), life.span())).collect()
    }

    /// Takes in what a look at AWS saw at a moment. Gives the selectors that stand for more than before, each with the
    /// minute from which on they do: what was counted since then lacks it.
    pub fn learn(&mut self, look_up: &LookUp, seen: &Seen, now: Minute) -> BTreeMap<Selector, Minute> {
        let held = self.0.entry(area(&look_up.reach)).or_default();
        let mut grown = BTreeMap::new();
        for selector in &look_up.selectors {
            let Some(places) = seen.places(selector) else { continue };
            // What is found for the first time brings its past along; what joins others begins where it was not there
            // yet.
            let before = held.get(selector).filter(|found| !found.lives.is_empty()).map(|found| found.looked);
            let found = held.entry(selector.clone()).or_insert_with(|| Found { looked: now, lives: BTreeMap::new() });
            for place in &places {
                let (life, since) = match found.lives.get_mut(place) {
                    Some(life) if life.gone.is_none() => continue,
                    Some(life) => {
                        let gone = life.gone.take();
                        (*life, gone)
                    }
                    None => (Life { since: before, gone: None }, before),
                };
                found.lives.insert(place.clone(), life);
                if let Some(since) = since {
                    let from = grown.entry(selector.clone()).or_insert(since);
                    *from = since.plus(-SLACK_MINUTES).min(*from);
                }
            }
            for (_, life) in found.lives.iter_mut().filter(|(place, _)| !places.contains(*place)) {
                life.gone.get_or_insert(now);
            }
            found.lives.retain(|_, life| life.gone.is_none_or(|gone| now.0.saturating_sub(gone.0) < FORGOTTEN_MINUTES));
            found.looked = now;
        }
        held.retain(|_, found| now.0.saturating_sub(found.looked.0) < FORGOTTEN_MINUTES);
        grown
    }
}

/// What a look-up is kept under: an external id opens a role, and changes nothing of what it sees.
fn area(reach: &Reach) -> Reach {
    Reach { external_id: None, ..reach.clone() }
}

/// Whether it takes a look at AWS to tell the metrics of a target group.
fn group_lacks_id(group: &str) -> bool {
    Tags::read(group).is_some() || !group.contains('/')
}

#[cfg(test)]
mod tests;

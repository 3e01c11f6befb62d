//! What has to be looked up, for whom, and what was looked for in vain.

use std::collections::{BTreeMap, BTreeSet};

use super::{Discovery, Selector, area, group_lacks_id};
use crate::minute::Minute;
use crate::series::SeriesKey;
use crate::slo::{Catalog, Indicator, Reach, SourceKind, Tags, Traffic, lacks_id};

/// How long nobody looks again. Counts of CloudWatch this young are asked for again anyway, so that the first minutes
/// of a balancer that was made anew are asked for once.
const FRESH_MINUTES: i32 = 15;

/// One look at an account and region, for all that is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// Where, and as whom.
    pub reach: Reach,
    /// What for.
    pub selectors: BTreeSet<Selector>,
    /// Which sources ask for it.
    pub sources: BTreeSet<String>,
}

impl LookUp {
    /// Whether load balancers must be listed.
    #[must_use]
    pub fn wants_balancers(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::Balancer(_)))
    }

    /// Whether target groups must be listed.
    #[must_use]
    pub fn wants_groups(&self) -> bool {
        self.selectors.iter().any(|selector| matches!(selector, Selector::Group(_)))
    }

    /// Whether tags must be listed.
    #[must_use]
    pub fn wants_tags(&self) -> bool {
        self.selectors.iter().any(|selector| Tags::read(selector.text()).is_some())
    }
}

/// What is there no more, or never was.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// The source whose account and region were looked at.
    pub source: String,
    /// What was looked for.
    pub selector: Selector,
    /// When it was first missed, if it was ever there.
    pub gone: Option<Minute>,
}

/// What a source needs to have looked up, and with whom.
fn selectors<'k>(kind: &'k SourceKind, traffic: &Traffic) -> Option<(&'k Reach, BTreeSet<Selector>)> {
    let is_tagged = |text: &str| Tags::read(text).is_some();
    let (reach, by_id) = match kind {
        SourceKind::CloudWatch { reach, .. } => (reach, true),
        SourceKind::AccessLogs { access, .. } => (&access.reach, false),
        SourceKind::Athena { reach, .. } => (reach, false),
        SourceKind::Counts { .. } => return None,
    };
    let balancers = [&traffic.load_balancer].into_iter();
    let balancers = balancers.filter(|text| is_tagged(text) || (by_id && lacks_id(text)));
    let groups = traffic.target_groups.iter().filter(|text| is_tagged(text) || (by_id && group_lacks_id(text)));
    let groups = groups.map(|text| Selector::Group(text.clone()));
    let all: BTreeSet<Selector> = balancers.map(|text| Selector::Balancer(text.clone())).chain(groups).collect();
    (!all.is_empty()).then_some((reach, all))
}

/// What an indicator needs.
struct Wanted<'a> {
    source: &'a str,
    kind: &'a SourceKind,
    indicator: &'a Indicator,
    reach: &'a Reach,
    selectors: BTreeSet<Selector>,
}

fn wanted(catalog: &Catalog) -> impl Iterator<Item = Wanted<'_>> {
    let slos = catalog.services.iter().flat_map(|service| &service.slos);
    slos.filter_map(|slo| {
        let Indicator::Requests { source, traffic, .. } = &slo.indicator else { return None };
        let kind = &catalog.sources.get(source)?.kind;
        let (reach, selectors) = selectors(kind, traffic)?;
        Some(Wanted { source, kind, indicator: &slo.indicator, reach, selectors })
    })
}

/// Whether anything has to be looked up, now or at other times.
#[must_use]
pub fn is_needed(catalog: &Catalog) -> bool {
    wanted(catalog).next().is_some()
}

/// What has to be looked up now: everything of an account and region as soon as some of it is due, since one look sees
/// all.
#[must_use]
pub fn due(catalog: &Catalog, discovery: &Discovery, now: Minute) -> Vec<LookUp> {
    let mut all: BTreeMap<Reach, LookUp> = BTreeMap::new();
    let mut due: BTreeSet<Reach> = BTreeSet::new();
    for Wanted { source, kind, reach, selectors, .. } in wanted(catalog) {
        let is_due = |selector: &Selector| {
            // An object of a log is counted once: a target group that is found later has no part in it.
            let once = matches!(kind, SourceKind::AccessLogs { .. }) && matches!(selector, Selector::Group(_));
            let found = discovery.found(reach, selector);
            found.is_none_or(|found| once || !found.is_there() || found.looked.plus(FRESH_MINUTES) <= now)
        };
        if selectors.iter().any(is_due) {
            due.insert(area(reach));
        }
        let look_up = all.entry(area(reach)).or_insert_with(|| LookUp {
            reach: reach.clone(),
            selectors: BTreeSet::new(),
            sources: BTreeSet::new(),
        });
        look_up.selectors.extend(selectors);
        look_up.sources.insert(source.to_owned());
    }
    all.into_iter().filter(|(area, _)| due.contains(area)).map(|(_, look_up)| look_up).collect()
}

/// The series that selectors of an account and region belong to, each with the least of their minutes.
#[must_use]
pub fn series_of(
    catalog: &Catalog,
    look_up: &LookUp,
    selectors: &BTreeMap<Selector, Minute>,
) -> BTreeMap<SeriesKey, Minute> {
    let of_area = wanted(catalog).filter(|wanted| area(wanted.reach) == area(&look_up.reach));
    let touched = of_area.filter_map(|wanted| {
        let from = wanted.selectors.iter().filter_map(|selector| selectors.get(selector)).min()?;
        Some((wanted.indicator.series(), *from))
    });
    let mut series = BTreeMap::new();
    for (key, from) in touched {
        let held = series.entry(key).or_insert(from);
        *held = from.min(*held);
    }
    series
}

/// What the last look at AWS did not find.
#[must_use]
pub fn lost(catalog: &Catalog, discovery: &Discovery) -> BTreeSet<Lost> {
    let mut lost = BTreeSet::new();
    for Wanted { source, reach, selectors, .. } in wanted(catalog) {
        for selector in selectors {
            let Some(found) = discovery.found(reach, &selector).filter(|found| !found.is_there()) else { continue };
            let gone = found.lives.values().filter_map(|life| life.gone).max();
            lost.insert(Lost { source: source.to_owned(), selector, gone });
        }
    }
    lost
}

//! What AWS listed, and which of it a selector means.

use std::collections::{BTreeMap, BTreeSet};

use super::{Place, Selector, names_balancer, names_group};
use crate::slo::Tags;

/// What AWS listed of an account and region, by ARN; `None` for what it was not asked, or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Load balancers.
    pub balancers: Option<BTreeSet<String>>,
    /// Target groups, with the balancers that they are behind.
    pub groups: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Tags of resources. AWS lists those of some that are gone, too
    /// (<https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>).
    pub tags: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Seen {
    /// What a selector means; `None` if that was not seen.
    pub(super) fn places(&self, selector: &Selector) -> Option<BTreeSet<Place>> {
        let tags = match Tags::read(selector.text()) {
            Some(tags) => Some((tags, self.tags.as_ref()?)),
            None => None,
        };
        let fits = |arn: &String, by_name: bool| match &tags {
            Some((wanted, tags)) => tags.get(arn).is_some_and(|tags| wanted.fit(tags)),
            None => by_name,
        };
        let mut places = BTreeSet::new();
        match selector {
            Selector::Balancer(text) => {
                for (arn, balancer) in self.balancers.as_ref()?.iter().filter_map(|arn| Some((arn, balancer(arn)?))) {
                    if fits(arn, names_balancer(text, balancer)) {
                        places.insert(Place { balancer: balancer.to_owned(), group: None });
                    }
                }
            }
            Selector::Group(text) => {
                for (arn, balancers) in self.groups.as_ref()? {
                    let Some((_, group)) = arn.split_once(":targetgroup/") else { continue };
                    if fits(arn, names_group(text, group)) {
                        let of = balancers.iter().filter_map(|arn| balancer(arn));
                        let place =
                            |balancer: &str| Place { balancer: balancer.to_owned(), group: Some(group.to_owned()) };
                        places.extend(of.map(place));
                    }
                }
            }
        }
        Some(places)
    }
}

/// `app/name/id` out of an ARN. Others have no requests.
fn balancer(arn: &str) -> Option<&str> {
    let (_, balancer) = arn.split_once(":loadbalancer/")?;
    balancer.starts_with("app/").then_some(balancer)
}

//! Which series a request belongs to: a table that is built once and asked by name, not tried rule by rule.
//!
//! A request is looked up by its target group, then by its host; only rules with wildcards in their hosts are tried
//! one after the other, so a request costs the same among ten services as among a thousand.
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;

use hashbrown::HashMap;

use crate::accesslog::alb::{Action, Request, Wants};
use crate::accesslog::group::{GroupHasher, GroupName};
use crate::accesslog::judge::{self, Event, judge};
use crate::accesslog::pattern::{Pattern, is_exact};
use crate::accesslog::request_line::RequestLine;
use crate::series::SeriesKey;
use crate::slo::{Indicator, Measure, Traffic, names_balancer};

/// The series of one load balancer, or some of them.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    load_balancer: String,
    series: Vec<SeriesKey>,
    wants: Wants,
    rules: Vec<Rule>,
    /// Rules that name target groups, by name.
    groups: HashMap<GroupName, Lane, BuildHasherDefault<GroupHasher>>,
    /// Rules for all of the balancer's requests.
    any_group: Lane,
}

/// Rules that share the first step of the look-up, by their place in [`Routes::rules`].
#[derive(Clone, Debug, Default)]
struct Lane {
    /// What is measured of every request that no rule of the balancer's answered, ready to be judged.
    plain: Vec<(usize, Measure)>,
    /// The rules that this comes from.
    plain_rules: Vec<usize>,
    /// By host in lower case.
    hosts: HashMap<Vec<u8>, Vec<usize>>,
    /// Others with any host, or with wildcards in it.
    rest: Vec<usize>,
}

/// One kind of traffic and all that is measured of it, each with the place of its series.
#[derive(Clone, Debug)]
struct Rule {
    methods: Vec<Box<[u8]>>,
    /// Empty if the look-up has compared the host already.
    hosts: Vec<Pattern>,
    paths: Vec<Pattern>,
    fixed_responses: bool,
    redirects: bool,
    measures: Vec<(usize, Measure)>,
}

impl Routes {
    /// The table of some indicators; those of other load balancers are left out. Equal series share one slot.
    #[must_use]
    pub fn new<'a>(load_balancer: &str, indicators: impl IntoIterator<Item = &'a Indicator>) -> Self {
        let requests = indicators.into_iter().filter_map(|indicator| match indicator {
            Indicator::Requests { traffic, measure, .. } => Some((indicator.series(), (traffic, measure))),
            Indicator::Ratio { .. } | Indicator::Query { .. } | Indicator::Counts { .. } => None,
        });
        Self::of(load_balancer, requests)
    }

    /// The same of what some series measure of which traffic, where its tags have been looked up.
    #[must_use]
    pub fn of<'a>(
        load_balancer: &str,
        requests: impl IntoIterator<Item = (SeriesKey, (&'a Traffic, &'a Measure))>,
    ) -> Self {
        let mut traffics: BTreeMap<String, (&Traffic, BTreeMap<SeriesKey, &Measure>)> = BTreeMap::new();
        for (series, (traffic, measure)) in requests {
            if names_balancer(&traffic.load_balancer, load_balancer) {
                let same = traffics.entry(traffic.to_string()).or_insert_with(|| (traffic, BTreeMap::new()));
                same.1.insert(series, measure);
            }
        }
        let mut routes = Self { load_balancer: load_balancer.to_owned(), ..Self::default() };
        for (traffic, measures) in traffics.into_values() {
            routes.add(traffic, measures);
        }
        routes
    }

    fn add(&mut self, traffic: &Traffic, measures: BTreeMap<SeriesKey, &Measure>) {
        let exact_hosts = !traffic.hosts.is_empty() && traffic.hosts.iter().all(|host| is_exact(host));
        let mut rule = Rule {
            methods: traffic.methods.iter().map(|method| method.as_bytes().into()).collect(),
            hosts: if exact_hosts {
                vec![]
            } else {
                traffic.hosts.iter().map(|host| Pattern::any_case(host)).collect()
            },
            paths: traffic.paths.iter().map(|path| Pattern::path(path)).collect(),
            fixed_responses: traffic.fixed_responses,
            redirects: traffic.redirects,
            measures: Vec::with_capacity(measures.len()),
        };
        for (series, measure) in measures {
            rule.measures.push((self.series.len(), measure.clone()));
            self.series.push(series);
        }
        self.wants = self.wants.and(wants(traffic, &rule));
        let place = self.rules.len();
        let hosts = if exact_hosts { traffic.hosts.as_slice() } else { &[] };
        if traffic.target_groups.is_empty() {
            self.any_group.add(place, &rule, hosts);
        }
        for group in &traffic.target_groups {
            self.groups.entry(GroupName::new(group.as_bytes())).or_default().add(place, &rule, hosts);
        }
        self.rules.push(rule);
    }

    /// The balancer whose lines this table is for, as they name it.
    #[must_use]
    pub fn load_balancer(&self) -> &str {
        &self.load_balancer
    }

    /// The series; a slot is a place in this list.
    #[must_use]
    pub fn series(&self) -> &[SeriesKey] {
        &self.series
    }

    /// What a decoder must read for it.
    #[must_use]
    pub const fn wants(&self) -> Wants {
        self.wants
    }

    /// Tells `count` every slot that the request is an event of, and what it is there. No slot is told twice.
    #[inline(always)]
    pub fn judge(&self, request: &Request<'_>, mut count: impl FnMut(usize, Event)) {
        self.judge_lane(&self.any_group, request, &mut count);
        if let Some(lane) = request.target_group.and_then(|name| self.groups.get(&name)) {
            self.judge_lane(lane, request, &mut count);
        }
    }

    #[inline(always)]
    fn judge_lane(&self, lane: &Lane, request: &Request<'_>, count: &mut impl FnMut(usize, Event)) {
        if request.action == Action::Forward {
            judge_all(&lane.plain, request, count);
        }
        if !lane.is_plain(request) {
            // A copy, so that the request need not be in memory where nothing is tried.
            self.judge_closely(lane, &{ *request }, count);
        }
    }

    /// Tries rule by rule.
    #[inline(never)]
    fn judge_closely(&self, lane: &Lane, request: &Request<'_>, count: &mut impl FnMut(usize, Event)) {
        let parts = request.line();
        let plain = if request.action == Action::Forward { [].as_slice() } else { &lane.plain_rules };
        for rule in plain.iter().chain(&lane.rest).chain(lane.of_host(parts.host)) {
            if let Some(rule) = self.rules.get(*rule).filter(|rule| rule.fits(request.action, &parts)) {
                judge_all(&rule.measures, request, count);
            }
        }
    }
}

#[inline(always)]
fn judge_all(measures: &[(usize, Measure)], request: &Request<'_>, count: &mut impl FnMut(usize, Event)) {
    for (slot, measure) in measures {
        if let Some(event) = judge(request, measure) {
            count(*slot, event);
        }
    }
}

impl Lane {
    fn add(&mut self, place: usize, rule: &Rule, exact_hosts: &[String]) {
        // A rule may come twice, by a group or host written twice, and a request counts once.
        if exact_hosts.is_empty() {
            let plain = rule.methods.is_empty() && rule.hosts.is_empty() && rule.paths.is_empty();
            let rules = if plain { &mut self.plain_rules } else { &mut self.rest };
            if rules.last() == Some(&place) {
                return;
            }
            rules.push(place);
            if plain {
                self.plain.extend_from_slice(&rule.measures);
            }
        }
        for host in exact_hosts {
            let rules = self.hosts.entry_ref(host.to_ascii_lowercase().as_bytes()).or_default();
            if rules.last() != Some(&place) {
                rules.push(place);
            }
        }
    }

    /// Whether nothing has to be tried for the request.
    #[inline(always)]
    fn is_plain(&self, request: &Request<'_>) -> bool {
        self.rest.is_empty() && self.hosts.is_empty() && request.action == Action::Forward
    }

    /// The rules that name this host.
    fn of_host(&self, host: &[u8]) -> &[usize] {
        let rules = if host.iter().any(u8::is_ascii_uppercase) {
            self.hosts.get(host.to_ascii_lowercase().as_slice())
        } else {
            self.hosts.get(host)
        };
        rules.map_or(&[], Vec::as_slice)
    }
}

impl Rule {
    fn fits(&self, action: Action, line: &RequestLine<'_>) -> bool {
        let answered_by_rule_is_wanted = match action {
            Action::Forward => true,
            Action::FixedResponse => self.fixed_responses,
            Action::Redirect => self.redirects,
        };
        answered_by_rule_is_wanted
            && (self.methods.is_empty() || self.methods.iter().any(|method| **method == *line.method))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(line.host)))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.matches(line.path)))
    }
}

fn wants(traffic: &Traffic, rule: &Rule) -> Wants {
    [
        (!traffic.target_groups.is_empty(), Wants::TARGET_GROUP),
        // With a target group a rule's own answer is out already: it has none.
        (traffic.target_groups.is_empty() && !(rule.fixed_responses && rule.redirects), Wants::ACTION),
    ]
    .into_iter()
    .filter_map(|(asked, want)| asked.then_some(want))
    .chain(rule.measures.iter().map(|(_, measure)| judge::wants(measure)))
    .fold(Wants::NOTHING, Wants::and)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslog::alb::Decoder;

    const ALB: &str = "app/shop/0a";

    fn traffic() -> Traffic {
        Traffic {
            load_balancer: ALB.to_owned(),
            target_groups: vec![],
            methods: vec![],
            hosts: vec![],
            paths: vec![],
            fixed_responses: false,
            redirects: false,
        }
    }

    fn availability(traffic: Traffic) -> Indicator {
        Indicator::Requests { source: "logs".to_owned(), traffic, measure: Measure::Availability }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    /// The series that a request counts in, by what their text adds to the balancer's name.
    fn found(routes: &Routes, request: &str, group: &str, actions: &str) -> Vec<String> {
        let line = format!(
            "http 2026-10-31T23:50:10.000000Z {ALB} 198.51.100.7:1 - -1 -1 -1 503 - 1 2 \"{request}\" \"-\" - - \
             {group} \"-\" \"-\" \"-\" 0 2026-10-31T23:50:10.000000Z \"{actions}\""
        );
        let request = Decoder::new(routes.wants()).decode(line.as_bytes()).unwrap();
        let mut names = Vec::new();
        routes.judge(&request, |slot, event| {
            assert_eq!(event, Event::Bad);
            let text = routes.series()[slot].as_str();
            names.push(text.trim_start_matches("logs app/shop/0a").trim_end_matches("availability").trim().to_owned());
        });
        names.sort();
        names
    }

    #[test]
    fn a_request_counts_once_in_each_series_it_belongs_to() {
        let groups = texts(&["blue", "green"]);
        let hosts = texts(&["a.example.com", "A.example.com"]);
        let orders = Traffic { methods: texts(&["POST"]), paths: texts(&["/v1/orders/*"]), ..traffic() };
        let wild = Traffic { hosts: texts(&["*.example.com"]), target_groups: groups.clone(), ..traffic() };
        let indicators = [
            availability(traffic()),
            availability(traffic()),
            availability(Traffic { target_groups: groups, ..traffic() }),
            availability(Traffic { hosts, ..traffic() }),
            availability(orders),
            availability(wild),
            availability(Traffic { load_balancer: "app/other/0a".to_owned(), ..traffic() }),
        ];
        let routes = Routes::new(ALB, &indicators);
        assert_eq!(routes.series().len(), 5, "equal series share a slot, other balancers have none");
        let group = |name: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/0b");
        let check = |request: &str, group: &str, expected: &[&str]| {
            assert_eq!(found(&routes, request, group, "forward"), expected, "{request} {group}");
        };
        let exact = "host=a.example.com host=A.example.com";
        let both = "target_group=blue target_group=green";
        check("GET http://x:80/ HTTP/1.1", "-", &[""]);
        check("GET http://x:80/ HTTP/1.1", &group("blue"), &["", both]);
        check("GET http://x:80/ HTTP/1.1", &group("red"), &[""]);
        check("GET http://A.Example.com:80/ HTTP/1.1", &group("red"), &["", exact]);
        check(
            "GET http://a.example.com:80/ HTTP/1.1",
            &group("green"),
            &["", exact, both, "target_group=blue target_group=green host=*.example.com"],
        );
        check("POST http://x:80/v1/orders/7?a HTTP/1.1", "-", &["", "method=POST path=/v1/orders/*"]);
        check("POST http://x:80/v1/orders HTTP/1.1", "-", &[""]);
        check("post http://x:80/v1/orders/7 HTTP/1.1", "-", &[""]);
    }

    #[test]
    fn answers_of_rules_count_only_if_asked_for() {
        let indicators = [
            availability(traffic()),
            availability(Traffic { fixed_responses: true, ..traffic() }),
            availability(Traffic { redirects: true, ..traffic() }),
            availability(Traffic { fixed_responses: true, redirects: true, ..traffic() }),
        ];
        let routes = Routes::new(ALB, &indicators);
        let check = |actions: &str, expected: &[&str]| {
            assert_eq!(found(&routes, "GET http://x:80/ HTTP/1.1", "-", actions), expected, "{actions}");
        };
        check("waf", &["", "+fixed-response", "+fixed-response +redirect", "+redirect"]);
        check("fixed-response", &["+fixed-response", "+fixed-response +redirect"]);
        check("authenticate,redirect", &["+fixed-response +redirect", "+redirect"]);
    }

    #[test]
    fn only_what_is_needed_is_read() {
        let wants = |traffic: Traffic| Routes::new(ALB, &[availability(traffic)]).wants();
        let both = Traffic { fixed_responses: true, redirects: true, ..traffic() };
        assert_eq!(wants(both), Wants::NOTHING);
        assert_eq!(wants(traffic()), Wants::ACTION);
        assert_eq!(wants(Traffic { target_groups: texts(&["blue"]), ..traffic() }), Wants::TARGET_GROUP);
    }
}

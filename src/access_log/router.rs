//! Which series a request is an event of, and whether it is good or bad.
//!
//! A request is looked up by its target group, then by its host; only rules with wildcards in their hosts are tried
//! one after the other, so a request costs the same among ten services as among a thousand.

use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;

use hashbrown::HashMap;

use crate::access_log::alb::{OptionalFields, Request};
use crate::access_log::fields::RequestLine;
use crate::access_log::target_group::{TargetGroupHasher, TargetGroupName};
use crate::access_log::wildcard::{WildcardPattern, has_no_wildcard};
use crate::series::SeriesKey;
use crate::slo::{
    Indicator, LatencyBasis, LatencyErrors, ListenerResponse, Measure, RequestFilter, Traffic, matches_load_balancer,
};

#[derive(Clone, Debug, Default)]
pub struct SeriesRouter {
    /// `app/name/id`, or `classic/name`.
    pub load_balancer: String,
    /// In the order of their indexes.
    pub series: Vec<SeriesKey>,
    pub optional_fields: OptionalFields,
    rules: Vec<Rule>,
    rules_by_target_group: HashMap<TargetGroupName, RuleIndex, BuildHasherDefault<TargetGroupHasher>>,
    /// Rules with a wildcard in a target group, with all of their groups.
    rules_by_target_group_pattern: Vec<(Vec<WildcardPattern>, RuleIndex)>,
    rules_for_any_target_group: RuleIndex,
}

/// Rules that share the first step of the lookup, by their index in [`SeriesRouter::rules`].
#[derive(Clone, Debug, Default)]
struct RuleIndex {
    /// Series index and measure of what counts every request that no rule of the balancer's answered.
    unconditional_measures: Vec<(usize, Measure)>,
    /// The rules that these come from.
    unconditional_rules: Vec<usize>,
    /// Keys are in lower case.
    rules_by_host: HashMap<Vec<u8>, Vec<usize>>,
    /// Other rules, with any host or with wildcards in it.
    other_rules: Vec<usize>,
}

/// One kind of traffic and its measures, each with the index of its series.
#[derive(Clone, Debug)]
struct Rule {
    /// Has no hosts if the lookup has compared the host already.
    filter: RequestMatcher,
    /// `None` excludes nothing.
    excluded: Option<RequestMatcher>,
    included_responses: Vec<ListenerResponse>,
    measures: Vec<(usize, Measure)>,
}

/// A filter of requests whose patterns are compiled. A list that is empty matches everything.
#[derive(Clone, Debug)]
struct RequestMatcher {
    methods: Vec<Box<[u8]>>,
    hosts: Vec<WildcardPattern>,
    paths: Vec<WildcardPattern>,
}

impl RequestMatcher {
    fn new(filter: &RequestFilter) -> Self {
        Self {
            methods: filter.methods.iter().map(|method| method.as_bytes().into()).collect(),
            hosts: filter.hosts.iter().map(|host| WildcardPattern::case_insensitive(host)).collect(),
            paths: filter.paths.iter().map(|path| WildcardPattern::for_path(path)).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.hosts.is_empty() && self.paths.is_empty()
    }

    fn matches(&self, line: &RequestLine<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| **method == *line.method))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(line.host)))
            && (self.paths.is_empty() || self.paths.iter().any(|path| path.matches(line.path)))
    }
}

impl SeriesRouter {
    /// Routes to the series of indicators; those of other load balancers are left out. Equal series share one index.
    pub fn new<'a>(load_balancer: &str, indicators: impl IntoIterator<Item = &'a Indicator>) -> Self {
        let requests = indicators.into_iter().filter_map(|indicator| match indicator {
            Indicator::Requests { traffic, measure, .. } => Some((indicator.series(), (traffic, measure))),
            Indicator::Ratio { .. } | Indicator::Query { .. } | Indicator::Counts { .. } => None,
        });
        Self::from_series(load_balancer, requests)
    }

    /// The same for series whose traffic has had its tags resolved.
    pub fn from_series<'a>(
        load_balancer: &str,
        requests: impl IntoIterator<Item = (SeriesKey, (&'a Traffic, &'a Measure))>,
    ) -> Self {
        let mut traffics: BTreeMap<String, (&Traffic, BTreeMap<SeriesKey, &Measure>)> = BTreeMap::new();
        for (series, (traffic, measure)) in requests {
            if matches_load_balancer(&traffic.load_balancer, load_balancer) {
                let entry = traffics.entry(traffic.to_string()).or_insert_with(|| (traffic, BTreeMap::new()));
                entry.1.insert(series, measure);
            }
        }
        let mut router = Self { load_balancer: load_balancer.to_owned(), ..Self::default() };
        for (traffic, measures) in traffics.into_values() {
            router.add_rule(traffic, measures);
        }
        router
    }

    fn add_rule(&mut self, traffic: &Traffic, measures: BTreeMap<SeriesKey, &Measure>) {
        let mut rule = Rule {
            filter: RequestMatcher::new(&traffic.filter),
            excluded: Some(&traffic.excluded).filter(|filter| !filter.is_empty()).map(RequestMatcher::new),
            included_responses: traffic.included_responses.clone(),
            measures: Vec::with_capacity(measures.len()),
        };
        let mut exact_hosts: &[String] = &[];
        if traffic.filter.hosts.iter().all(|host| has_no_wildcard(host)) {
            exact_hosts = &traffic.filter.hosts;
            rule.filter.hosts.clear();
        }
        for (series, measure) in measures {
            rule.measures.push((self.series.len(), measure.clone()));
            self.series.push(series);
        }
        self.optional_fields = self.optional_fields.union(optional_fields_for_rule(traffic, &rule));
        let rule_index = self.rules.len();
        if traffic.target_groups.is_empty() {
            self.rules_for_any_target_group.add_rule(rule_index, &rule, exact_hosts);
        }
        let has_pattern = traffic.target_groups.iter().any(|group| group.contains('*'));
        if has_pattern {
            let patterns = traffic.target_groups.iter().map(|group| WildcardPattern::for_path(group)).collect();
            let mut index = RuleIndex::default();
            index.add_rule(rule_index, &rule, exact_hosts);
            self.rules_by_target_group_pattern.push((patterns, index));
        }
        for group in traffic.target_groups.iter().filter(|_| !has_pattern) {
            self.rules_by_target_group.entry(TargetGroupName::new(group.as_bytes())).or_default().add_rule(
                rule_index,
                &rule,
                exact_hosts,
            );
        }
        self.rules.push(rule);
    }

    /// Passes on the index of every series that the request is an event of, each once.
    #[inline(always)]
    pub fn classify(&self, request: &Request<'_>, mut on_event: impl FnMut(usize, Classification)) {
        self.classify_in(&self.rules_for_any_target_group, request, &mut on_event);
        if let Some(index) = request.target_group.and_then(|name| self.rules_by_target_group.get(&name)) {
            self.classify_in(index, request, &mut on_event);
        }
        if !self.rules_by_target_group_pattern.is_empty() {
            self.classify_by_pattern(request, &mut on_event);
        }
    }

    #[inline(never)]
    fn classify_by_pattern(&self, request: &Request<'_>, count: &mut impl FnMut(usize, Classification)) {
        let Some(name) = request.target_group.and_then(|name| name.valid_name()) else { return };
        let matches = |patterns: &[WildcardPattern]| patterns.iter().any(|pattern| pattern.matches(name.as_bytes()));
        for (_, index) in self.rules_by_target_group_pattern.iter().filter(|(patterns, _)| matches(patterns)) {
            self.classify_in(index, request, count);
        }
    }

    #[inline(always)]
    fn classify_in(&self, index: &RuleIndex, request: &Request<'_>, count: &mut impl FnMut(usize, Classification)) {
        if request.listener_response.is_none() {
            classify_measures(&index.unconditional_measures, request, count);
        }
        if !index.needs_no_rules(request) {
            // A copy, so that the request can stay in registers where no rule is tried.
            self.classify_by_rules(index, &{ *request }, count);
        }
    }

    #[inline(never)]
    fn classify_by_rules(
        &self,
        index: &RuleIndex,
        request: &Request<'_>,
        count: &mut impl FnMut(usize, Classification),
    ) {
        let request_line = request.parse_request_line();
        let unconditional_rules =
            if request.listener_response.is_none() { [].as_slice() } else { &index.unconditional_rules };
        for rule in unconditional_rules.iter().chain(&index.other_rules).chain(index.rules_for_host(request_line.host))
        {
            if let Some(rule) =
                self.rules.get(*rule).filter(|rule| rule.matches(request.listener_response, &request_line))
            {
                classify_measures(&rule.measures, request, count);
            }
        }
    }
}

#[inline(always)]
fn classify_measures(
    measures: &[(usize, Measure)],
    request: &Request<'_>,
    count: &mut impl FnMut(usize, Classification),
) {
    for (series_index, measure) in measures {
        if let Some(event) = classify(request, measure) {
            count(*series_index, event);
        }
    }
}

impl RuleIndex {
    fn add_rule(&mut self, rule_index: usize, rule: &Rule, exact_hosts: &[String]) {
        // A group or host that is written twice adds a rule once, so that a request counts once.
        if exact_hosts.is_empty() {
            let is_unconditional = rule.filter.is_empty() && rule.excluded.is_none();
            let rules = if is_unconditional { &mut self.unconditional_rules } else { &mut self.other_rules };
            if rules.last() == Some(&rule_index) {
                return;
            }
            rules.push(rule_index);
            if is_unconditional {
                self.unconditional_measures.extend_from_slice(&rule.measures);
            }
        }
        for host in exact_hosts {
            let rules = self.rules_by_host.entry_ref(host.to_ascii_lowercase().as_bytes()).or_default();
            if rules.last() != Some(&rule_index) {
                rules.push(rule_index);
            }
        }
    }

    #[inline(always)]
    fn needs_no_rules(&self, request: &Request<'_>) -> bool {
        self.other_rules.is_empty() && self.rules_by_host.is_empty() && request.listener_response.is_none()
    }

    fn rules_for_host(&self, host: &[u8]) -> &[usize] {
        let rules = if host.iter().any(u8::is_ascii_uppercase) {
            self.rules_by_host.get(host.to_ascii_lowercase().as_slice())
        } else {
            self.rules_by_host.get(host)
        };
        rules.map_or(&[], Vec::as_slice)
    }
}

impl Rule {
    fn matches(&self, response: Option<ListenerResponse>, line: &RequestLine<'_>) -> bool {
        response.is_none_or(|response| self.included_responses.contains(&response))
            && self.filter.matches(line)
            && !self.excluded.as_ref().is_some_and(|excluded| excluded.matches(line))
    }
}

fn optional_fields_for_rule(traffic: &Traffic, rule: &Rule) -> OptionalFields {
    let mut fields = OptionalFields::NONE;
    if !traffic.target_groups.is_empty() {
        // A request that a rule answered has no target group, so here the action excludes nothing more.
        fields = OptionalFields::TARGET_GROUP;
    } else if rule.included_responses != ListenerResponse::ALL {
        fields = OptionalFields::ACTION;
    }
    for (_, measure) in &rule.measures {
        let (is_total, needs_elapsed) = match measure {
            Measure::Availability { gave_up_after_us, .. } => (false, gave_up_after_us.is_some()),
            Measure::Latency { basis, timeouts, gave_up_after_us, .. } => {
                (*basis == LatencyBasis::Total, *timeouts || gave_up_after_us.is_some())
            }
        };
        if is_total {
            fields = fields.union(OptionalFields::PROCESSING_TIMES);
        }
        if needs_elapsed {
            fields = fields.union(OptionalFields::ELAPSED);
        }
    }
    fields
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classification {
    Good,
    Bad,
}

impl Classification {
    const fn from_is_bad(is_bad: bool) -> Self {
        if is_bad { Self::Bad } else { Self::Good }
    }
}

/// Classifies a request of the measure's traffic; `None` if it is not an event.
///
/// A latency event is a request that got an answer from its target, which is when the line has a target time. A
/// WebSocket is none: its times are the life of a connection. A client that gave up got no answer in time, whatever
/// else the measure says. `timeouts` precedes `errors: excluded`, since it means particular 504s and the other all 5xx.
#[inline(always)]
fn classify(request: &Request<'_>, measure: &Measure) -> Option<Classification> {
    let (under_us, basis, errors, timeouts, gave_up_after_us) = match *measure {
        Measure::Availability { ref bad, gave_up_after_us } => {
            let is_bad = bad.contains(request.status) || request.has_given_up(gave_up_after_us);
            return Some(Classification::from_is_bad(is_bad));
        }
        Measure::Latency { under_us, basis, errors, timeouts, gave_up_after_us } => {
            (under_us, basis, errors, timeouts, gave_up_after_us)
        }
    };
    if request.is_websocket {
        return None;
    }
    if request.has_given_up(gave_up_after_us) {
        return Some(Classification::Bad);
    }
    if request.is_server_error() && errors == LatencyErrors::Bad {
        return Some(Classification::Bad);
    }
    if timeouts && request.is_timeout() {
        // A line too old to have the time of arrival only shows that the client got no answer.
        return Some(Classification::from_is_bad(request.elapsed_us.is_none_or(|elapsed| elapsed > under_us)));
    }
    if request.is_server_error() && errors == LatencyErrors::Excluded {
        return None;
    }
    let target_us = request.target_us?;
    let latency_us = match basis {
        LatencyBasis::Target => target_us,
        LatencyBasis::Total => target_us + request.request_us.unwrap_or(0) + request.response_us.unwrap_or(0),
    };
    Some(Classification::from_is_bad(latency_us > under_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::alb::Decoder;
    use crate::slo::{BadStatuses, StatusClass};

    const ALB: &str = "app/shop/0a";

    fn traffic() -> Traffic {
        Traffic { load_balancer: ALB.to_owned(), ..Traffic::default() }
    }

    fn availability(traffic: Traffic) -> Indicator {
        Indicator::Requests { source: "logs".to_owned(), traffic, measure: Measure::SERVER_ERRORS }
    }

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    /// The series that a request counts in, by what their text adds to the balancer's name.
    fn matching_series(routes: &SeriesRouter, request: &str, group: &str, actions: &str) -> Vec<String> {
        let line = format!(
            "http 2026-10-31T23:50:10.000000Z {ALB} 198.51.100.7:1 - -1 -1 -1 503 - 1 2 \"{request}\" \"-\" - - \
             {group} \"-\" \"-\" \"-\" 0 2026-10-31T23:50:10.000000Z \"{actions}\""
        );
        let request = Decoder::new(routes.optional_fields).decode(line.as_bytes()).unwrap();
        let mut names = Vec::new();
        routes.classify(&request, |slot, event| {
            assert_eq!(event, Classification::Bad);
            let text = routes.series[slot].as_str();
            names.push(text.trim_start_matches("logs app/shop/0a").trim_end_matches("availability").trim().to_owned());
        });
        names.sort();
        names
    }

    #[test]
    fn request_counts_once_in_each_matching_series() {
        let groups = texts(&["blue", "green"]);
        let hosts = |hosts: &[&str]| RequestFilter { hosts: texts(hosts), ..RequestFilter::default() };
        let orders =
            RequestFilter { methods: texts(&["POST"]), paths: texts(&["/v1/orders/*"]), ..RequestFilter::default() };
        let wild = Traffic { filter: hosts(&["*.example.com"]), target_groups: groups.clone(), ..traffic() };
        let indicators = [
            availability(traffic()),
            availability(traffic()),
            availability(Traffic { target_groups: groups, ..traffic() }),
            availability(Traffic { filter: hosts(&["a.example.com", "A.example.com"]), ..traffic() }),
            availability(Traffic { filter: orders, ..traffic() }),
            availability(wild),
            availability(Traffic { load_balancer: "app/other/0a".to_owned(), ..traffic() }),
        ];
        let routes = SeriesRouter::new(ALB, &indicators);
        assert_eq!(routes.series.len(), 5, "equal series share a slot, other balancers have none");
        let group = |name: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/0b");
        let check = |request: &str, group: &str, expected: &[&str]| {
            assert_eq!(matching_series(&routes, request, group, "forward"), expected, "{request} {group}");
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
    fn target_group_pattern_counts_request_once() {
        let patterns = texts(&["k8s-cart-*", "k8s-cart-5c1d", "*-blue"]);
        let indicators = [availability(Traffic { target_groups: patterns, ..traffic() })];
        let routes = SeriesRouter::new(ALB, &indicators);
        let count = |name: &str| {
            let group = format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/{name}/0b");
            matching_series(&routes, "GET http://x:80/ HTTP/1.1", &group, "forward").len()
        };
        assert_eq!(["k8s-cart-5c1d", "k8s-cart-", "x-blue", "k8s-carts", "xk8s-cart-1"].map(count), [1, 1, 1, 0, 0]);
    }

    #[test]
    fn responses_of_listener_count_only_if_included() {
        use ListenerResponse::{FixedResponse, Redirect, Waf};
        let including = |responses: &[ListenerResponse]| {
            availability(Traffic { included_responses: responses.to_vec(), ..traffic() })
        };
        let indicators = [
            availability(traffic()),
            including(&[FixedResponse]),
            including(&[Redirect]),
            including(&[FixedResponse, Redirect]),
            including(&[Waf]),
        ];
        let routes = SeriesRouter::new(ALB, &indicators);
        let check = |actions: &str, expected: &[&str]| {
            assert_eq!(matching_series(&routes, "GET http://x:80/ HTTP/1.1", "-", actions), expected, "{actions}");
        };
        check("waf,forward", &["", "+fixed-response", "+fixed-response +redirect", "+redirect", "+waf"]);
        check("-", &["", "+fixed-response", "+fixed-response +redirect", "+redirect", "+waf"]);
        check("waf", &["+waf"]);
        check("waf-failed", &["+waf"]);
        check("waf,authenticate", &[]);
        check("waf,fixed-response", &["+fixed-response", "+fixed-response +redirect"]);
        check("fixed-response", &["+fixed-response", "+fixed-response +redirect"]);
        check("authenticate,redirect", &["+fixed-response +redirect", "+redirect"]);
    }

    #[test]
    fn only_required_fields_are_decoded() {
        let wants = |traffic: Traffic| SeriesRouter::new(ALB, &[availability(traffic)]).optional_fields;
        let all = Traffic { included_responses: ListenerResponse::ALL.into(), ..traffic() };
        assert_eq!(wants(all), OptionalFields::NONE);
        assert_eq!(wants(traffic()), OptionalFields::ACTION);
        assert_eq!(wants(Traffic { target_groups: texts(&["blue"]), ..traffic() }), OptionalFields::TARGET_GROUP);
    }

    /// `type times status created` -> what each measure makes of it.
    fn classify_line(kind: &str, times: &str, status: &str, created: &str, measures: &[Measure]) -> String {
        let line = format!(
            "{kind} 2026-10-31T23:50:10.000000Z app/shop/0 198.51.100.7:1 10.0.0.1:80 {times} {status} - 1 2 \
             \"GET http://h:80/ HTTP/1.1\" \"-\" - - - \"-\" \"-\" \"-\" 0 {created} \"forward\""
        );
        let request = Decoder::new(OptionalFields::ALL).decode(line.as_bytes()).unwrap();
        let letter = |measure| match classify(&request, measure) {
            Some(Classification::Good) => 'g',
            Some(Classification::Bad) => 'b',
            None => '-',
        };
        measures.iter().map(letter).collect()
    }

    #[test]
    fn each_measure_classifies_requests_as_documented() {
        let latency = |basis, errors, timeouts| Measure::Latency {
            under_us: 300_000,
            basis,
            errors,
            timeouts,
            gave_up_after_us: None,
        };
        let gave_up_after_us = Some(10_000_000);
        let measures = [
            Measure::SERVER_ERRORS,
            latency(LatencyBasis::Target, LatencyErrors::Counted, false),
            latency(LatencyBasis::Total, LatencyErrors::Counted, false),
            latency(LatencyBasis::Target, LatencyErrors::Bad, false),
            latency(LatencyBasis::Target, LatencyErrors::Excluded, false),
            latency(LatencyBasis::Target, LatencyErrors::Counted, true),
            latency(LatencyBasis::Target, LatencyErrors::Excluded, true),
            Measure::Availability { bad: BadStatuses::ServerErrors, gave_up_after_us },
            Measure::Latency {
                under_us: 300_000,
                basis: LatencyBasis::Target,
                errors: LatencyErrors::Counted,
                timeouts: false,
                gave_up_after_us,
            },
            Measure::Availability {
                bad: BadStatuses::Listed(vec![StatusClass::Class(4), StatusClass::Status(502)]),
                gave_up_after_us: None,
            },
        ];
        let near = "2026-10-31T23:50:09.900000Z";
        let far = "2026-10-31T23:50:00.000000Z";
        let check = |kind: &str, times: &str, status: &str, created: &str, expected: &str| {
            let found = classify_line(kind, times, status, created, &measures);
            let expected = expected.replace(' ', "");
            assert_eq!(found, expected, "{kind} {times} {status} {created}");
        };
        check("http", "0.000 0.300 0.000", "200", near, "ggggggg ggg");
        check("http", "0.001 0.300 0.000", "200", near, "ggbgggg ggg");
        check("http", "0.000 0.300001 0.000", "200", near, "gbbbbbb gbg");
        check("http", "0.000 0.100 -1", "404", near, "ggggggg ggb");
        check("http", "0.000 0.100 0.000", "500", near, "bggb-g- bgg");
        check("http", "-1 -1 -1", "502", near, "b--b--- b-b");
        check("http", "-1 -1 -1", "504", far, "b--b-bb b-g");
        check("http", "-1 -1 -1", "460", far, "g----bb bbb");
        check("http", "0.001 -1 -1", "460", "2026-10-31T23:50:00.000001Z", "g----bb g-b");
        check("http", "-1 -1 -1", "460", near, "g----gg g-b");
        check("http", "-1 -1 -1", "460", "2026-10-31T23:50:11.000000Z", "g----gg g-b");
        check("http", "-1 -1 -1", "460", "-", "g----bb g-b");
        check("http", "-1 -1 -1", "400", far, "g------ g-b");
        check("ws", "0.000 0.100 0.000", "101", near, "g------ g-g");
        check("wss", "0.000 0.100 0.000", "502", near, "b------ b-b");
        check("http", "0.000 0.100 0.000", "101", near, "g------ g-g");
        check("http", "0.000 0.100 0.000", "561", near, "bggb-g- bgg");
        check("h2", "0.000 0.100 0.000", "000", near, "ggggggg ggg");
        check("h2", "0.000 0.100 0.000", "000", far, "ggggggg ggg");
        check("h2", "0.001 -1 -1", "000", far, "g------ bbg");
        check("h2", "0.001 -1 -1", "000", near, "g------ g-g");
        check("wss", "-1 -1 -1", "000", far, "g------ g-g");
    }
}

//! Where bad events come from: who answered, and which target, target group and route, counted in a second pass over
//! the lines of an incident.
//!
//! **Invariant:** memory is bounded whatever clients send, and no client's address or query is kept.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::alb::Request;
use super::fields::Fields;
use super::path_template;
use super::request_reader::RequestSink;
use super::router::{Classification, SeriesRouter};
use super::target_group::TargetGroupName;
use crate::burn::p_value;
use crate::counts::Sums;
use crate::rational::Rational;
use crate::time::{Minute, Span};

/// Values kept of a dimension. Where clients invent more, those with the fewest failures and requests are evicted.
const VALUES_MAX: usize = 1_000;
const TOP_VALUES: usize = 3;
/// Requests of a dominant value fail at least so many times as often as all others.
const FAILURE_RATIO_MIN: u128 = 3;
/// If failures were spread over values like requests, a dominant value would have so many in no more than one of a
/// thousand cases. With many values, some have many by chance.
const P_VALUE_MAX: f64 = 0.001;
/// `[2001:db8:85a3:8d3:1319:8a2e:370:7348]:65535`.
const TARGET_BYTES_MAX: usize = 47;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Address and port.
    Target,
    TargetGroup,
    /// Method and path.
    Route,
}

/// Who answered a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorOrigin {
    /// In place of a target.
    Balancer,
    Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contributor {
    pub value: String,
    pub events: Sums,
}

/// Fields of a line that classification does not need.
#[derive(Clone, Copy, Debug)]
struct TargetResponse<'a> {
    target: &'a [u8],
    status: &'a [u8],
}

impl<'a> TargetResponse<'a> {
    /// Parses fields 5 (`target:port`) and 10 (`target_status_code`) of a line that could be read. A record of a
    /// Classic Load Balancer has no `type`, the first field of other lines.
    fn parse(line: &'a [u8], is_classic: bool) -> Option<Self> {
        let mut fields = Fields::new(line);
        fields.skip(if is_classic { 3 } else { 4 })?;
        let target = fields.next_field()?;
        // Three times, and elb_status_code.
        fields.skip(4)?;
        Some(Self { target, status: fields.next_field()? })
    }

    /// AWS: "`-` if no response from target". A response that the balancer could not pass on is a 5xx of the balancer.
    fn error_origin(&self) -> ErrorOrigin {
        if self.status.starts_with(b"5") { ErrorOrigin::Target } else { ErrorOrigin::Balancer }
    }

    fn target_address(&self) -> Option<&'a str> {
        let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b".:[]".contains(byte);
        let is_valid = (3..=TARGET_BYTES_MAX).contains(&self.target.len()) && self.target.iter().all(is_part);
        str::from_utf8(self.target).ok().filter(|_| is_valid)
    }
}

/// Events of some minutes of one series by where they came from.
#[derive(Clone, Debug)]
pub struct Contributors {
    pub span: Span,
    /// All log objects of these minutes were read.
    pub is_complete: bool,
    excluded: Vec<Span>,
    pub events: Sums,
    server_errors: BTreeMap<(ErrorOrigin, u16), u64>,
    /// By dimension.
    values: [BoundedCounts; 3],
}

impl Contributors {
    /// No events yet, of a span without some excluded minutes.
    pub fn for_span(span: Span, excluded: Vec<Span>) -> Self {
        Self {
            span,
            is_complete: true,
            excluded,
            events: Sums::default(),
            server_errors: BTreeMap::new(),
            values: Default::default(),
        }
    }

    /// The same minutes without events.
    pub fn to_empty(&self) -> Self {
        Self { is_complete: self.is_complete, ..Self::for_span(self.span, self.excluded.clone()) }
    }

    pub fn includes(&self, minute: Minute) -> bool {
        self.span.contains(minute) && !self.excluded.iter().any(|span| span.contains(minute))
    }

    fn add_event(
        &mut self,
        request: &Request<'_>,
        response: Option<&TargetResponse<'_>>,
        route: &str,
        classification: Classification,
    ) {
        let bad = u64::from(classification == Classification::Bad);
        let one = Sums { total: 1, bad, known: 0 };
        self.events.add(one);
        if bad > 0 && request.is_server_error() {
            let origin = response.map_or(ErrorOrigin::Balancer, TargetResponse::error_origin);
            *self.server_errors.entry((origin, request.status)).or_default() += 1;
        }
        let [targets, target_groups, routes] = &mut self.values;
        if let Some(target) = response.and_then(TargetResponse::target_address) {
            targets.add(target, one);
        }
        if let Some(group) = request.target_group.as_ref().and_then(TargetGroupName::valid_name) {
            target_groups.add(&group, one);
        }
        if !route.is_empty() {
            routes.add(route, one);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.is_complete &= other.is_complete;
        self.events.add(other.events);
        for (origin, count) in &other.server_errors {
            *self.server_errors.entry(*origin).or_default() += count;
        }
        for (values, more) in self.values.iter_mut().zip(&other.values) {
            more.0.iter().for_each(|(value, events)| values.add(value, *events));
        }
    }

    pub fn observed_values(&self, dimension: Dimension) -> impl Iterator<Item = String> {
        self.values[dimension as usize].0.keys().cloned()
    }

    /// The worst first.
    pub fn top_contributors(&self, dimension: Dimension) -> Vec<Contributor> {
        let values = self.values[dimension as usize].0.iter();
        let mut failed: Vec<_> = values.filter(|(_, events)| events.bad > 0).collect();
        failed.sort_by(|(a, some), (b, others)| (others.bad, some.total, *a).cmp(&(some.bad, others.total, *b)));
        failed.truncate(TOP_VALUES);
        failed.into_iter().map(|(value, events)| Contributor { value: value.clone(), events: *events }).collect()
    }

    /// The value with at least half of the bad events that fails clearly more often than all others.
    pub fn dominant_contributor(&self, dimension: Dimension) -> Option<Contributor> {
        let first = self.top_contributors(dimension).into_iter().next()?;
        let (own, others) = (first.events, self.events.minus(first.events));
        let wide = |number: u64| u128::from(number);
        let is_half = own.bad >= others.bad;
        let is_clear = wide(own.bad) * wide(others.total) >= FAILURE_RATIO_MIN * wide(others.bad) * wide(own.total);
        let traffic_share = Rational::new(i128::from(own.total), i128::from(self.events.total.max(1)));
        let bad_events = Sums { total: self.events.bad, bad: own.bad, known: 0 };
        (is_half && is_clear && others.total > 0 && p_value(bad_events, traffic_share) <= P_VALUE_MAX).then_some(first)
    }

    /// Who answered at least half of the bad events, with which status if at least half have the same, and how many
    /// these are.
    pub fn dominant_error_origin(&self) -> Option<(ErrorOrigin, Option<u16>, u64)> {
        let is_half = |count: u64| count > 0 && count.saturating_mul(2) >= self.events.bad;
        let (&(origin, status), &count) = self.server_errors.iter().max_by_key(|(_, count)| **count)?;
        if is_half(count) {
            return Some((origin, Some(status), count));
        }
        let count_of = |origin| {
            let errors = self.server_errors.iter().filter(|((other, _), _)| *other == origin);
            (origin, None, errors.map(|(_, count)| count).sum())
        };
        let origins = [ErrorOrigin::Balancer, ErrorOrigin::Target].map(count_of).into_iter();
        origins.max_by_key(|(_, _, count)| *count).filter(|(_, _, count)| is_half(*count))
    }
}

/// Events by value, of a bounded number of values.
#[derive(Clone, Debug, Default)]
struct BoundedCounts(HashMap<String, Sums>);

impl BoundedCounts {
    fn add(&mut self, value: &str, events: Sums) {
        if let Some(held) = self.0.get_mut(value) {
            return held.add(events);
        }
        if self.0.len() >= VALUES_MAX {
            self.evict();
        }
        self.0.insert(value.to_owned(), events);
    }

    /// Keeps the half with the most failures, then the most requests. A value that fails half of the time is kept from
    /// its first failures on, and lost before at most what others that were evicted with it had.
    fn evict(&mut self) {
        let mut all: Vec<(String, Sums)> = self.0.drain().collect();
        all.sort_by(|(a, some), (b, others)| (others.bad, others.total, a).cmp(&(some.bad, some.total, b)));
        all.truncate(VALUES_MAX / 2);
        self.0.extend(all);
    }
}

/// Takes the requests of one object, for all series of a router. Lines that are not requests of its balancer were
/// reported when the object was counted.
pub struct ContributorCounter<'a> {
    router: &'a SeriesRouter,
    /// One for each series of the router, in its order.
    pub contributors: Vec<Contributors>,
    route: String,
    is_cancelled: &'a dyn Fn() -> bool,
}

impl<'a> ContributorCounter<'a> {
    pub fn new(router: &'a SeriesRouter, empty: &[Contributors], is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { router, contributors: empty.to_vec(), route: String::new(), is_cancelled }
    }
}

impl RequestSink for ContributorCounter<'_> {
    fn restart(&mut self) {
        self.contributors.iter_mut().for_each(|found| *found = found.to_empty());
    }

    fn includes(&self, minute: Minute) -> bool {
        self.contributors.iter().any(|found| found.includes(minute))
    }

    fn count(&mut self, request: &Request<'_>, line: &[u8]) {
        let Self { router, contributors, route, .. } = self;
        path_template::write_route(&request.parse_request_line(), route);
        let response = TargetResponse::parse(line, router.load_balancer.starts_with("classic/"));
        router.classify(request, |index, classification| {
            if let Some(found) = contributors.get_mut(index).filter(|found| found.includes(request.minute)) {
                found.add_event(request, response.as_ref(), route, classification);
            }
        });
    }

    fn is_cancelled(&self) -> bool {
        (self.is_cancelled)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::alb::{Decoder, OptionalFields};

    fn line(target: &str, group: &str, statuses: &str, path: &str) -> String {
        format!(
            "https 2026-10-31T23:50:10.500000Z app/shop/0a 198.51.100.7:2817 {target} 0.001 0.020 0.000 {statuses} 34 366 \
             \"GET https://shop.example.com:443{path} HTTP/2.0\" \"curl/8\" - - \
             arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{group}/0b \"Root=1-0\""
        )
    }

    fn count_lines(lines: &[(usize, &str, &str, &str, &str)]) -> Contributors {
        let minute = "2026-10-31T23:50Z".parse().unwrap();
        let mut found = Contributors::for_span(Span::new(minute, minute.plus(1)), Vec::new());
        let (mut decoder, mut route) = (Decoder::new(OptionalFields::ALL), String::new());
        for (count, target, group, statuses, path) in lines {
            let line = line(target, group, statuses, path);
            let request = decoder.decode(line.as_bytes()).unwrap();
            path_template::write_route(&request.parse_request_line(), &mut route);
            let event = if request.is_server_error() { Classification::Bad } else { Classification::Good };
            for _ in 0..*count {
                found.add_event(&request, TargetResponse::parse(line.as_bytes(), false).as_ref(), &route, event);
            }
        }
        found
    }

    fn dominant_values(found: &Contributors) -> String {
        let told = [Dimension::Target, Dimension::TargetGroup, Dimension::Route].map(|dimension| {
            found.dominant_contributor(dimension).map_or_else(
                || "-".to_owned(),
                |share| format!("{} {}/{}", share.value, share.events.bad, share.events.total),
            )
        });
        told.join(", ")
    }

    #[test]
    fn single_failing_target_is_dominant() {
        let found = count_lines(&[
            (600, "10.0.0.1:80", "web", "200 200", "/cart/1"),
            (100, "10.0.0.2:80", "web", "500 500", "/cart/2"),
            (2, "10.0.0.1:80", "web", "502 -", "/pay"),
        ]);
        assert_eq!(dominant_values(&found), "10.0.0.2:80 100/100, -, -");
        assert_eq!(found.dominant_error_origin(), Some((ErrorOrigin::Target, Some(500), 100)));
        assert_eq!(found.top_contributors(Dimension::Target).len(), 2);
        assert_eq!(found.events, Sums { total: 702, bad: 102, known: 0 });
    }

    #[test]
    fn failures_spread_evenly_have_no_dominant_contributor() {
        let found = count_lines(&[
            (500, "10.0.0.1:80", "web", "200 200", "/cart/1"),
            (500, "10.0.0.2:80", "web", "200 200", "/pay"),
            (60, "10.0.0.1:80", "web", "500 500", "/cart/1"),
            (50, "10.0.0.2:80", "web", "503 503", "/pay"),
        ]);
        assert_eq!(dominant_values(&found), "-, -, -");
    }

    #[test]
    fn few_failures_are_not_significant() {
        let good = (300, "10.0.0.1:80", "web", "200 200", "/cart/1");
        let other = (300, "10.0.0.2:80", "web", "200 200", "/cart/1");
        let failing = |count| count_lines(&[good, other, (count, "10.0.0.2:80", "web", "500 500", "/cart/1")]);
        assert_eq!(dominant_values(&failing(5)), "-, -, -");
        assert_eq!(dominant_values(&failing(20)), "10.0.0.2:80 20/320, -, -");
    }

    #[test]
    fn load_balancer_errors_are_attributed_to_load_balancer() {
        let found = count_lines(&[
            (900, "10.0.0.1:80", "web", "200 200", "/"),
            (50, "-", "api", "503 -", "/v1/orders/81"),
            (10, "10.0.0.1:80", "web", "502 200", "/v1/orders/82"),
        ]);
        assert_eq!(dominant_values(&found), "-, api 50/50, GET /v1/orders/{id} 60/60");
        assert_eq!(found.dominant_error_origin(), Some((ErrorOrigin::Balancer, Some(503), 50)));
        let found = count_lines(&[
            (4, "-", "web", "503 -", "/"),
            (4, "10.0.0.1:80", "web", "502 -", "/"),
            (2, "-", "w", "504 -", "/"),
        ]);
        assert!(
            matches!(found.dominant_error_origin(), Some((ErrorOrigin::Balancer, None, 10))),
            "{:?}",
            found.dominant_error_origin()
        );
    }

    #[test]
    fn flood_of_invented_paths_hides_no_contributor() {
        let minute: Minute = "2026-10-31T23:50Z".parse().unwrap();
        let mut found = Contributors::for_span(Span::new(minute, minute.plus(1)), Vec::new());
        let (mut decoder, mut route) = (Decoder::new(OptionalFields::ALL), String::new());
        for number in 0..20_000_u32 {
            let word: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect();
            let (statuses, path) =
                if number % 20 == 7 { ("500 500", "/pay".to_owned()) } else { ("404 404", format!("/{word}")) };
            let line = line("10.0.0.1:80", "web", statuses, &path);
            let request = decoder.decode(line.as_bytes()).unwrap();
            path_template::write_route(&request.parse_request_line(), &mut route);
            let event = if request.is_server_error() { Classification::Bad } else { Classification::Good };
            found.add_event(&request, None, &route, event);
            assert!(found.values[Dimension::Route as usize].0.len() <= VALUES_MAX);
        }
        assert_eq!(dominant_values(&found), "-, -, GET /pay 1000/1000");
    }

    #[test]
    fn untrusted_text_is_not_a_target_address() {
        for (text, sound) in
            [("10.0.0.1:80", true), ("[2001:db8::1]:80", true), ("-", false), ("call.me", false), ("a`b:1", false)]
        {
            let answer = TargetResponse { target: text.as_bytes(), status: b"-" };
            assert_eq!(answer.target_address().is_some(), sound, "{text}");
        }
    }
}

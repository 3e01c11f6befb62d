//! Where bad events come from: who answered, which target, target group and route, counted while lines are read once
//! more.
//!
//! Absent on purpose: the zone of a target and of a node, which no line tells; and who asked, which is nobody's
//! business here.
//!
//! **Invariant:** whatever outsiders send, what is remembered is bounded, and nothing of it is an address or query of
//! theirs.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::alb::Request;
use super::fields::Fields;
use super::judge::Event;
use super::template;
use crate::burn::chance;
use crate::counts::Sums;
use crate::exact::Exact;
use crate::minute::{Minute, Span};

/// Values of a dimension that are told apart. Where outsiders make up more, those that failed and were asked least go.
const VALUES_MAX: usize = 1_000;
/// Values that are named of each dimension.
const TOP: usize = 3;
/// Requests of a value that stands out fail at least so many times as often as all others.
const TIMES_MIN: u128 = 3;
/// If failures fell on values as requests do, so many would fall on this one in no more than one of a thousand cases.
/// There are many values to be lucky with.
const CHANCE_MAX: f64 = 0.001;
/// `[2001:db8:85a3:8d3:1319:8a2e:370:7348]:65535`.
const TARGET_BYTES_MAX: usize = 47;

/// What requests are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The address and port of a target.
    Target,
    /// The name of a target group.
    TargetGroup,
    /// Method and path.
    Route,
}

/// Who answered a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Maker {
    /// The load balancer, in place of a target.
    Balancer,
    /// A target, whose answer was passed on.
    Target,
}

/// One value of a dimension, and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Such as `10.0.1.7:8080` or `GET /cart/{id}`.
    pub value: String,
    /// Its events, and the bad ones among them.
    pub events: Sums,
}

/// What a line says of the target beyond what it is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    target: &'a [u8],
    status: &'a [u8],
}

impl<'a> Answer<'a> {
    /// Of a line of an Application Load Balancer that could be read: fields 5 (`target:port`) and 10
    /// (`target_status_code`).
    #[must_use]
    pub fn of_alb(line: &'a [u8]) -> Option<Self> {
        Self::behind(4, line)
    }

    /// Of a record of a Classic Load Balancer that could be read, which has no `type`.
    #[must_use]
    pub fn of_classic(record: &'a [u8]) -> Option<Self> {
        Self::behind(3, record)
    }

    fn behind(count: usize, line: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(line);
        fields.skip(count)?;
        let target = fields.next_field()?;
        // Three times, and elb_status_code.
        fields.skip(4)?;
        Some(Self { target, status: fields.next_field()? })
    }

    /// "`-` if no response from target"; what a target answered with and the balancer could not pass on is a 5xx of the
    /// balancer.
    fn maker(&self) -> Maker {
        if self.status.starts_with(b"5") { Maker::Target } else { Maker::Balancer }
    }

    /// An address and port, if it is one.
    fn address(&self) -> Option<&'a [u8]> {
        let is_part = |byte: &u8| byte.is_ascii_hexdigit() || b".:[]".contains(byte);
        let sound = (3..=TARGET_BYTES_MAX).contains(&self.target.len()) && self.target.iter().all(is_part);
        sound.then_some(self.target)
    }
}

/// Events of some minutes of one series, by where they came from.
#[derive(Clone, Debug)]
pub struct Contributors {
    /// The minutes that were looked at.
    pub span: Span,
    /// All log objects of these minutes were read.
    pub whole: bool,
    without: Vec<Span>,
    all: Sums,
    made: BTreeMap<(Maker, u16), u64>,
    targets: Values,
    groups: Values,
    routes: Values,
}

impl Contributors {
    /// Nothing yet, of a span without some minutes that do not count.
    #[must_use]
    pub fn within(span: Span, without: Vec<Span>) -> Self {
        Self {
            span,
            whole: true,
            without,
            all: Sums::default(),
            made: BTreeMap::new(),
            targets: Values::default(),
            groups: Values::default(),
            routes: Values::default(),
        }
    }

    /// As many minutes, and no event.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { whole: self.whole, ..Self::within(self.span, self.without.clone()) }
    }

    /// All events, and the bad ones among them.
    #[must_use]
    pub const fn all(&self) -> Sums {
        self.all
    }

    /// Whether events of a minute count.
    #[must_use]
    pub fn is_wanted(&self, minute: Minute) -> bool {
        self.span.contains(minute) && !self.without.iter().any(|span| span.contains(minute))
    }

    /// Counts an event; `route` is what [`template::route`] makes of its request.
    pub fn add(&mut self, request: &Request<'_>, answer: Option<&Answer<'_>>, route: &str, event: Event) {
        let bad = u64::from(event == Event::Bad);
        let one = Sums { total: 1, bad, known: 0 };
        self.all.add(one);
        if bad > 0 && request.is_server_error() {
            let maker = answer.map_or(Maker::Balancer, Answer::maker);
            *self.made.entry((maker, request.status)).or_default() += 1;
        }
        if let Some(target) = answer.and_then(Answer::address) {
            self.targets.add(target, one);
        }
        if let Some(group) = request.target_group.as_ref().and_then(super::group::GroupName::text) {
            self.groups.add(group.as_bytes(), one);
        }
        if !route.is_empty() {
            self.routes.add(route.as_bytes(), one);
        }
    }

    /// Adds what was counted of other objects.
    pub fn merge(&mut self, other: &Self) {
        self.whole &= other.whole;
        self.all.add(other.all);
        for (made, count) in &other.made {
            *self.made.entry(*made).or_default() += count;
        }
        self.targets.merge(&other.targets);
        self.groups.merge(&other.groups);
        self.routes.merge(&other.routes);
    }

    fn values(&self, dimension: Dimension) -> &Values {
        match dimension {
            Dimension::Target => &self.targets,
            Dimension::TargetGroup => &self.groups,
            Dimension::Route => &self.routes,
        }
    }

    /// The values of all events, in order.
    pub fn seen(&self, dimension: Dimension) -> impl Iterator<Item = String> {
        self.values(dimension).0.keys().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The values that failed most, the worst first.
    #[must_use]
    pub fn top(&self, dimension: Dimension) -> Vec<Share> {
        let mut failed: Vec<_> = self.values(dimension).0.iter().filter(|(_, events)| events.bad > 0).collect();
        failed.sort_by(|(a, some), (b, others)| (others.bad, some.total, *a).cmp(&(some.bad, others.total, *b)));
        let share = |(value, events): (&Vec<u8>, &Sums)| Share {
            value: String::from_utf8_lossy(value).into_owned(),
            events: *events,
        };
        failed.into_iter().take(TOP).map(share).collect()
    }

    /// The value that at least half of what is bad fell on, and that fails clearly more often than all others.
    #[must_use]
    pub fn stands_out(&self, dimension: Dimension) -> Option<Share> {
        let first = self.top(dimension).into_iter().next()?;
        let (own, others) = (first.events, self.all.less(first.events));
        let wide = |number: u64| u128::from(number);
        let is_half = own.bad >= others.bad;
        let is_clear = wide(own.bad) * wide(others.total) >= TIMES_MIN * wide(others.bad) * wide(own.total);
        let share = Exact::new(i128::from(own.total), i128::from(self.all.total.max(1)));
        let fallen = Sums { total: self.all.bad, bad: own.bad, known: 0 };
        (is_half && is_clear && others.total > 0 && chance(fallen, share) <= CHANCE_MAX).then_some(first)
    }

    /// Who answered at least half of what is bad, and with which status if that is the same in as many; and how many
    /// they are.
    #[must_use]
    pub fn made_by(&self) -> Option<(Maker, Option<u16>, u64)> {
        let is_half = |count: u64| count > 0 && count.saturating_mul(2) >= self.all.bad;
        let (of_one, count) = self.made.iter().max_by_key(|(_, count)| **count)?;
        if is_half(*count) {
            return Some((of_one.0, Some(of_one.1), *count));
        }
        let of_maker =
            |maker| self.made.iter().filter(|((by, _), _)| *by == maker).map(|(_, count)| count).sum::<u64>();
        let (maker, count) = [Maker::Balancer, Maker::Target]
            .map(|maker| (maker, of_maker(maker)))
            .into_iter()
            .max_by_key(|(_, count)| *count)?;
        is_half(count).then_some((maker, None, count))
    }
}

/// Events by value, of a bounded number of values.
#[derive(Clone, Debug, Default)]
struct Values(HashMap<Vec<u8>, Sums>);

impl Values {
    fn add(&mut self, value: &[u8], events: Sums) {
        if let Some(held) = self.0.get_mut(value) {
            return held.add(events);
        }
        if self.0.len() >= VALUES_MAX {
            self.forget();
        }
        self.0.insert(value.to_vec(), events);
    }

    /// Keeps the half that failed most, and of the others those that were asked most: what fails half of the time is
    /// among them from its first failures on, and what was forgotten of it before is at most what those had that were
    /// forgotten with it.
    fn forget(&mut self) {
        let mut all: Vec<(Vec<u8>, Sums)> = self.0.drain().collect();
        all.sort_by(|(a, some), (b, others)| (others.bad, others.total, a).cmp(&(some.bad, some.total, b)));
        all.truncate(VALUES_MAX / 2);
        self.0.extend(all);
    }

    fn merge(&mut self, other: &Self) {
        for (value, events) in &other.0 {
            self.add(value, *events);
        }
    }
}

/// Counts the lines of objects for several series at once.
#[derive(Debug, Default)]
pub struct Gathering {
    /// One for each series, in the order of the routes' slots.
    pub found: Vec<Contributors>,
    route: String,
}

impl Gathering {
    /// Begins with what is wanted of each series.
    #[must_use]
    pub fn of(wanted: &[Contributors]) -> Self {
        Self { found: wanted.iter().map(Contributors::emptied).collect(), route: String::new() }
    }

    /// Forgets all events.
    pub fn restart(&mut self) {
        self.found.iter_mut().for_each(|found| *found = found.emptied());
    }

    /// Whether any series wants events of a minute.
    #[must_use]
    pub fn is_wanted(&self, minute: Minute) -> bool {
        self.found.iter().any(|found| found.is_wanted(minute))
    }

    /// Counts a request for the series it belongs to.
    pub fn add(&mut self, routes: &super::route::Routes, request: &Request<'_>, answer: Option<&Answer<'_>>) {
        template::route(&request.line(), &mut self.route);
        let Self { found, route } = self;
        routes.judge(request, |slot, event| {
            if let Some(found) = found.get_mut(slot).filter(|found| found.is_wanted(request.minute)) {
                found.add(request, answer, route, event);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslog::alb::{Decoder, Wants};

    fn line(target: &str, group: &str, statuses: &str, path: &str) -> String {
        format!(
            "https 2026-10-31T23:50:10.500000Z app/shop/0a 198.51.100.7:2817 {target} 0.001 0.020 0.000 {statuses} 34 366 \
             \"GET https://shop.example.com:443{path} HTTP/2.0\" \"curl/8\" - - \
             arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{group}/0b \"Root=1-0\""
        )
    }

    fn of(lines: &[(usize, &str, &str, &str, &str)]) -> Contributors {
        let minute = "2026-10-31T23:50Z".parse().unwrap();
        let mut found = Contributors::within(Span::new(minute, minute.plus(1)), Vec::new());
        let (mut decoder, mut route) = (Decoder::new(Wants::ALL), String::new());
        for (count, target, group, statuses, path) in lines {
            let line = line(target, group, statuses, path);
            let request = decoder.decode(line.as_bytes()).unwrap();
            template::route(&request.line(), &mut route);
            let event = if request.is_server_error() { Event::Bad } else { Event::Good };
            for _ in 0..*count {
                found.add(&request, Answer::of_alb(line.as_bytes()).as_ref(), &route, event);
            }
        }
        found
    }

    fn told(found: &Contributors) -> String {
        let told = [Dimension::Target, Dimension::TargetGroup, Dimension::Route].map(|dimension| {
            found.stands_out(dimension).map_or_else(
                || "-".to_owned(),
                |share| format!("{} {}/{}", share.value, share.events.bad, share.events.total),
            )
        });
        told.join(", ")
    }

    #[test]
    fn one_target_that_fails_stands_out() {
        let found = of(&[
            (600, "10.0.0.1:80", "web", "200 200", "/cart/1"),
            (100, "10.0.0.2:80", "web", "500 500", "/cart/2"),
            (2, "10.0.0.1:80", "web", "502 -", "/pay"),
        ]);
        assert_eq!(told(&found), "10.0.0.2:80 100/100, -, -");
        assert_eq!(found.made_by(), Some((Maker::Target, Some(500), 100)));
        assert_eq!(found.top(Dimension::Target).len(), 2);
        assert_eq!(found.all(), Sums { total: 702, bad: 102, known: 0 });
    }

    #[test]
    fn what_fails_everywhere_has_no_place() {
        let found = of(&[
            (500, "10.0.0.1:80", "web", "200 200", "/cart/1"),
            (500, "10.0.0.2:80", "web", "200 200", "/pay"),
            (60, "10.0.0.1:80", "web", "500 500", "/cart/1"),
            (50, "10.0.0.2:80", "web", "503 503", "/pay"),
        ]);
        assert_eq!(told(&found), "-, -, -");
    }

    #[test]
    fn a_few_failures_may_be_chance() {
        let good = (300, "10.0.0.1:80", "web", "200 200", "/cart/1");
        let other = (300, "10.0.0.2:80", "web", "200 200", "/cart/1");
        let failing = |count| of(&[good, other, (count, "10.0.0.2:80", "web", "500 500", "/cart/1")]);
        assert_eq!(told(&failing(5)), "-, -, -");
        assert_eq!(told(&failing(20)), "10.0.0.2:80 20/320, -, -");
    }

    #[test]
    fn the_balancer_answers_in_place_of_a_target() {
        let found = of(&[
            (900, "10.0.0.1:80", "web", "200 200", "/"),
            (50, "-", "api", "503 -", "/v1/orders/81"),
            (10, "10.0.0.1:80", "web", "502 200", "/v1/orders/82"),
        ]);
        assert_eq!(told(&found), "-, api 50/50, GET /v1/orders/{id} 60/60");
        assert_eq!(found.made_by(), Some((Maker::Balancer, Some(503), 50)));
        let found =
            of(&[(4, "-", "web", "503 -", "/"), (4, "10.0.0.1:80", "web", "502 -", "/"), (2, "-", "w", "504 -", "/")]);
        assert!(matches!(found.made_by(), Some((Maker::Balancer, None, 10))), "{:?}", found.made_by());
    }

    #[test]
    fn a_flood_of_made_up_paths_hides_nothing() {
        let minute: Minute = "2026-10-31T23:50Z".parse().unwrap();
        let mut found = Contributors::within(Span::new(minute, minute.plus(1)), Vec::new());
        let (mut decoder, mut route) = (Decoder::new(Wants::ALL), String::new());
        for number in 0..20_000_u32 {
            let word: String = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'g')).collect();
            let (statuses, path) =
                if number % 20 == 7 { ("500 500", "/pay".to_owned()) } else { ("404 404", format!("/{word}")) };
            let line = line("10.0.0.1:80", "web", statuses, &path);
            let request = decoder.decode(line.as_bytes()).unwrap();
            template::route(&request.line(), &mut route);
            let event = if request.is_server_error() { Event::Bad } else { Event::Good };
            found.add(&request, None, &route, event);
            assert!(found.routes.0.len() <= VALUES_MAX);
        }
        assert_eq!(told(&found), "-, -, GET /pay 1000/1000");
    }

    #[test]
    fn no_text_of_others_is_an_address() {
        for (text, sound) in
            [("10.0.0.1:80", true), ("[2001:db8::1]:80", true), ("-", false), ("call.me", false), ("a`b:1", false)]
        {
            let answer = Answer { target: text.as_bytes(), status: b"-" };
            assert_eq!(answer.address().is_some(), sound, "{text}");
        }
    }
}

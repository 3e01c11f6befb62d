//! Who asks what, when, and what comes of it: from a fleet and chance to [`Exchange`]s.
//!
//! Absent on purpose: the text of a line. That is `line`.

use crate::minute::{Minute, Span};

use super::chance::Chance;
use super::fleet::{Balancer, Callers, Route, Service};
use super::{ObjectPlan, event};

/// Traffic by UTC hour in percent of the mean; they add up to 2,400.
const HOURS: [u16; 24] =
    [95, 80, 66, 55, 48, 45, 46, 52, 62, 76, 90, 102, 112, 120, 127, 133, 138, 142, 145, 146, 142, 134, 128, 116];
/// Traffic by day of the week, Monday first, in percent of the mean; they add up to 700.
const WEEKDAYS: [u16; 7] = [106, 108, 108, 106, 104, 86, 82];

/// Requests a minute and node that no service sees, on a public balancer: port scanners, and plain `http` that is sent
/// on to `https`, and bytes that are no HTTP.
const SCANS: f64 = 0.06;
const REDIRECTS: f64 = 0.12;
const MALFORMED: f64 = 0.004;

/// Share of callers that give up before the answer, in millionths.
const IMPATIENT: u32 = 300;

/// A request that reaches a node, by the moment of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    /// Microseconds since 1970.
    time_us: i64,
    kind: Kind,
}

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// For a service, by its place in the balancer's table.
    Service(usize),
    /// For a service, and it is known to fail.
    SingleError(usize),
    /// Plain `http`, for the first service.
    Redirect,
    /// By the bare address of the node.
    Scan,
    /// No HTTP.
    Malformed,
}

/// A request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    /// When the answer was made, in microseconds since 1970.
    pub(super) time_us: i64,
    /// How long it took from the request's arrival.
    pub(super) elapsed_us: i64,
    /// The `type` field.
    pub(super) scheme: &'static str,
    /// The service, unless the balancer answered by a rule of its own.
    pub(super) service: Option<&'static Service>,
    /// What was asked for.
    pub(super) route: Option<&'static Route>,
    /// The target group it was forwarded to.
    pub(super) group: Option<&'static str>,
    /// Which target took it.
    pub(super) target: Option<u64>,
    /// Request, target and response time in milliseconds; `None` prints as -1.
    pub(super) times_ms: [Option<u64>; 3],
    /// What the caller saw.
    pub(super) status: u16,
    /// What the target answered.
    pub(super) target_status: Option<u16>,
    /// The `actions_executed` field.
    pub(super) action: &'static str,
    /// Who calls.
    pub(super) callers: Callers,
}

/// All requests that the node answers in the interval, in order.
pub(super) fn arrivals(plan: &ObjectPlan, chance: &mut Chance) -> Vec<Arrival> {
    let Span { start, end } = plan.interval;
    let node_minutes = f64::from(end.0 - start.0) * rhythm(start) * plan.scale;
    let nodes = f64::from(u32::try_from(plan.balancer.nodes.len()).unwrap_or(1));
    let mut all = Vec::new();
    let mut arrive = |kind, mean: f64, chance: &mut Chance| {
        for _ in 0..chance.arrivals(mean) {
            let offset = chance.below(u64::from(plan.interval.minutes()) * 60_000_000);
            all.push(Arrival { time_us: microseconds(start) + offset.cast_signed(), kind });
        }
    };
    for (place, service) in plan.balancer.services.iter().enumerate() {
        let mean = f64::from(service.per_thousand_minutes) / 1_000.0 / nodes * node_minutes;
        arrive(Kind::Service(place), mean, chance);
    }
    if plan.balancer.callers == Callers::Public {
        arrive(Kind::Redirect, REDIRECTS * node_minutes, chance);
        arrive(Kind::Scan, SCANS * node_minutes, chance);
        arrive(Kind::Malformed, MALFORMED * node_minutes, chance);
    }
    // Single errors come by the clock, on top of the traffic, and to the first node only.
    if plan.balancer.nodes.first() == Some(&plan.node) {
        for (place, service) in plan.balancer.services.iter().enumerate() {
            all.extend(event::single_errors(service, plan.interval).map(|minute| Arrival {
                time_us: microseconds(minute) + chance.below(60_000_000).cast_signed(),
                kind: Kind::SingleError(place),
            }));
        }
    }
    all.sort_unstable();
    all
}

/// Its first microsecond since 1970.
fn microseconds(minute: Minute) -> i64 {
    i64::from(minute.0) * 60_000_000
}

/// Traffic at that minute against the mean: the hours run into one another, the days do not.
fn rhythm(minute: Minute) -> f64 {
    let (hour, past) = (minute.of_day() / 60, minute.of_day() % 60);
    let at = |hour: usize| HOURS.get(hour % 24).copied().map_or(1.0, f64::from);
    let past = f64::from(u32::try_from(past).unwrap_or(0)) / 60.0;
    // 1970-01-01 was a Thursday, three days after a Monday.
    let weekday = usize::try_from((minute.day().0 + 3).rem_euclid(7)).unwrap_or(0);
    let day = WEEKDAYS.get(weekday).copied().map_or(100.0, f64::from);
    (at(hour) * (1.0 - past) + at(hour + 1) * past) / 100.0 * day / 100.0
}

/// What comes of an arrival.
pub(super) fn exchange(arrival: &Arrival, balancer: &'static Balancer, chance: &mut Chance) -> Exchange {
    let mut exchange = Exchange {
        time_us: arrival.time_us,
        elapsed_us: chance.below(900).cast_signed(),
        scheme: "http",
        service: None,
        route: None,
        group: None,
        target: None,
        times_ms: [None; 3],
        status: 404,
        target_status: None,
        action: "fixed-response",
        callers: balancer.callers,
    };
    match arrival.kind {
        Kind::Service(place) | Kind::SingleError(place) => {
            if let Some(service) = balancer.services.get(place) {
                forward(&mut exchange, service, matches!(arrival.kind, Kind::SingleError(_)), chance);
            }
        }
        Kind::Redirect => {
            exchange.service = balancer.services.first();
            exchange.route = exchange.service.and_then(|service| service.routes.first());
            (exchange.status, exchange.action) = (301, "redirect");
        }
        Kind::Scan => {}
        Kind::Malformed => (exchange.status, exchange.action) = (400, "-"),
    }
    exchange
}

/// A request that a rule sends to the service's target group.
fn forward(exchange: &mut Exchange, service: &'static Service, single_error: bool, chance: &mut Chance) {
    let minute = Minute::of_unix_seconds(exchange.time_us.div_euclid(1_000_000));
    let route = pick_route(service, chance);
    exchange.service = Some(service);
    exchange.route = route;
    exchange.scheme = chance.pick(service.types).copied().unwrap_or("https");
    exchange.group = Some(event::target_group(service, minute));
    exchange.action = "forward";
    if event::is_out(service, minute) {
        exchange.status = 503;
        return;
    }
    exchange.target = Some(chance.below(4));
    if single_error {
        answer(exchange, 500, service, minute, chance);
    } else if chance.happens(event::failing(service, minute)) {
        match chance.below(100) {
            0..60 => answer(exchange, 500, service, minute, chance),
            // The target closed the connection.
            60..95 => fail(exchange, 502, 1_000, 40_000, chance),
            // The target did not take the connection within the ten seconds that the balancer waits.
            _ => fail(exchange, 504, 10_000_100, 3_000, chance),
        }
    } else if chance.happens(IMPATIENT) {
        fail(exchange, 460, 2_000_000, 12_000_000, chance);
    } else {
        answer(exchange, route.map_or(200, |route| route.status), service, minute, chance);
    }
}

/// The target answers.
fn answer(exchange: &mut Exchange, status: u16, service: &Service, minute: Minute, chance: &mut Chance) {
    let slow = chance.happens(event::slow(service, minute));
    let target_ms = target_ms(service, slow, chance);
    let own_ms = [chance.below(2), chance.below(6) / 5];
    exchange.status = status;
    exchange.target_status = Some(status);
    exchange.times_ms = [Some(own_ms[0]), Some(target_ms), Some(own_ms[1])];
    exchange.elapsed_us += (own_ms[0] + target_ms + own_ms[1]).cast_signed() * 1_000;
    if status == 101 {
        // A WebSocket is written down when it closes.
        exchange.scheme = "wss";
        exchange.elapsed_us += chance.below(1_800_000_000).cast_signed() + 20_000_000;
    }
}

/// Milliseconds that the target takes: log-normal below 300 ms, and a long tail above it for the slow share.
fn target_ms(service: &Service, slow: bool, chance: &mut Chance) -> u64 {
    let draw = |ms: f64| super::chance::floor(ms + 0.5);
    if slow {
        return 301 + draw(chance.log_normal(220.0, 0.8));
    }
    let (median, spread) = service.target_ms;
    let mut ms = draw(chance.log_normal(median, spread));
    while ms >= 300 {
        ms /= 2;
    }
    ms
}

/// The target was there but gave no answer; this long after the request the balancer says so.
fn fail(exchange: &mut Exchange, status: u16, at_least_us: i64, spread_us: u64, chance: &mut Chance) {
    exchange.status = status;
    exchange.elapsed_us += at_least_us + chance.below(spread_us).cast_signed();
}

/// One of the service's routes, by weight.
fn pick_route(service: &'static Service, chance: &mut Chance) -> Option<&'static Route> {
    let total: u32 = service.routes.iter().map(|route| route.weight).sum();
    let mut left = chance.below(total.into());
    service.routes.iter().find(|route| {
        let found = left < u64::from(route.weight);
        left = left.saturating_sub(route.weight.into());
        found
    })
}

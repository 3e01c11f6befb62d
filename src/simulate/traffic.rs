//! The requests of a fleet and their responses, drawn at random.

use crate::time::{Minute, Span};

use super::fleet::{Balancer, Callers, LogNormal, Route, Service};
use super::rng::{Rng, floor};
use super::{ObjectPlan, scenario};

/// Traffic by UTC hour in percent of the mean; they add up to 2,400.
const HOURLY_PERCENT: [u16; 24] =
    [95, 80, 66, 55, 48, 45, 46, 52, 62, 76, 90, 102, 112, 120, 127, 133, 138, 142, 145, 146, 142, 134, 128, 116];
/// Traffic by day of the week, Monday first, in percent of the mean; they add up to 700.
const WEEKDAY_PERCENT: [u16; 7] = [106, 108, 108, 106, 104, 86, 82];

/// Requests a minute and node that no service sees, on a public balancer.
const PUBLIC_RATES: [(ArrivalKind, f64); 3] =
    [(ArrivalKind::Redirect, 0.12), (ArrivalKind::Scan, 0.06), (ArrivalKind::Malformed, 0.004)];

/// Share of callers that give up before the answer, in millionths.
const CLIENT_TIMEOUT_PPM: u32 = 300;

/// A request that reaches a node, by the moment of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrival {
    /// Microseconds since 1970.
    time_us: i64,
    kind: ArrivalKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ArrivalKind {
    /// For a service, by its index in the balancer's list.
    Service(usize),
    /// For a service that answers it with an error.
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
    pub(super) route: Option<&'static Route>,
    pub(super) target_group: Option<&'static str>,
    pub(super) target_index: Option<u64>,
    /// Request, target and response time in milliseconds; `None` prints as -1.
    pub(super) processing_ms: [Option<u64>; 3],
    pub(super) status: u16,
    pub(super) target_status: Option<u16>,
    /// The `actions_executed` field.
    pub(super) action: &'static str,
    pub(super) callers: Callers,
}

/// All requests that the node answers in the interval, in order.
pub(super) fn generate_arrivals(plan: &ObjectPlan, rng: &mut Rng) -> Vec<Arrival> {
    let Span { start, end } = plan.interval;
    let node_minutes = f64::from(end.0 - start.0) * traffic_factor(start) * plan.scale;
    let nodes = f64::from(u32::try_from(plan.balancer.nodes.len()).unwrap_or(1));
    let mut all = Vec::new();
    let service_rates = plan.balancer.services.iter().enumerate().map(|(index, service)| {
        (ArrivalKind::Service(index), f64::from(service.requests_per_thousand_minutes) / 1_000.0 / nodes)
    });
    let public_rates: &[_] = if plan.balancer.callers == Callers::Public { &PUBLIC_RATES } else { &[] };
    for (kind, per_minute) in service_rates.chain(public_rates.iter().copied()) {
        for _ in 0..rng.poisson(per_minute * node_minutes) {
            let offset = rng.next_below(u64::from(plan.interval.minutes()) * 60_000_000);
            all.push(Arrival { time_us: to_unix_us(start) + offset.cast_signed(), kind });
        }
    }
    // Single errors come by the clock, on top of the traffic, and to the first node only.
    if plan.balancer.nodes.first().is_some_and(|first| first == plan.node) {
        for (index, service) in plan.balancer.services.iter().enumerate() {
            all.extend(scenario::single_errors(service, plan.interval).map(|minute| Arrival {
                time_us: to_unix_us(minute) + rng.next_below(60_000_000).cast_signed(),
                kind: ArrivalKind::SingleError(index),
            }));
        }
    }
    all.sort_unstable();
    all
}

fn to_unix_us(minute: Minute) -> i64 {
    i64::from(minute.0) * 60_000_000
}

/// Traffic at that minute against the mean: the hours run into one another, the days do not.
fn traffic_factor(minute: Minute) -> f64 {
    let (hour, past) = (minute.minute_of_day() / 60, minute.minute_of_day() % 60);
    let at = |hour: usize| HOURLY_PERCENT.get(hour % 24).copied().map_or(1.0, f64::from);
    let past = f64::from(u32::try_from(past).unwrap_or(0)) / 60.0;
    // 1970-01-01 was a Thursday, three days after a Monday.
    let weekday = usize::try_from((minute.day().0 + 3).rem_euclid(7)).unwrap_or(0);
    let day = WEEKDAY_PERCENT.get(weekday).copied().map_or(100.0, f64::from);
    (at(hour) * (1.0 - past) + at(hour + 1) * past) / 100.0 * day / 100.0
}

pub(super) fn generate_exchange(arrival: &Arrival, balancer: &'static Balancer, rng: &mut Rng) -> Exchange {
    let mut exchange = Exchange {
        time_us: arrival.time_us,
        elapsed_us: rng.next_below(900).cast_signed(),
        scheme: "http",
        service: None,
        route: None,
        target_group: None,
        target_index: None,
        processing_ms: [None; 3],
        status: 404,
        target_status: None,
        action: "fixed-response",
        callers: balancer.callers,
    };
    match arrival.kind {
        ArrivalKind::Service(index) | ArrivalKind::SingleError(index) => {
            if let Some(service) = balancer.services.get(index) {
                forward_request(&mut exchange, service, matches!(arrival.kind, ArrivalKind::SingleError(_)), rng);
            }
        }
        ArrivalKind::Redirect => {
            exchange.service = balancer.services.first();
            exchange.route = exchange.service.and_then(|service| service.routes.first());
            (exchange.status, exchange.action) = (301, "redirect");
        }
        ArrivalKind::Scan => {}
        ArrivalKind::Malformed => (exchange.status, exchange.action) = (400, "-"),
    }
    exchange
}

fn forward_request(exchange: &mut Exchange, service: &'static Service, is_single_error: bool, rng: &mut Rng) {
    let minute = Minute::from_unix_seconds(exchange.time_us.div_euclid(1_000_000));
    let route = choose_route(service, rng);
    exchange.service = Some(service);
    exchange.route = route;
    exchange.scheme = rng.choose(&service.request_types).map_or("https", String::as_str);
    exchange.target_group = Some(scenario::target_group(service, minute));
    exchange.action = "forward";
    if scenario::is_down(service, minute) {
        exchange.status = 503;
        return;
    }
    exchange.target_index = Some(rng.next_below(4));
    if is_single_error {
        respond(exchange, 500, service, minute, rng);
    } else if rng.draw_ppm(scenario::error_ppm(service, minute)) {
        match rng.next_below(100) {
            0..60 => respond(exchange, 500, service, minute, rng),
            // The target closed the connection.
            60..95 => fail_without_response(exchange, 502, 1_000, 40_000, rng),
            // The target did not take the connection within the ten seconds that the balancer waits.
            _ => fail_without_response(exchange, 504, 10_000_100, 3_000, rng),
        }
    } else if rng.draw_ppm(CLIENT_TIMEOUT_PPM) {
        fail_without_response(exchange, 460, 2_000_000, 12_000_000, rng);
    } else {
        respond(exchange, route.map_or(200, |route| route.status), service, minute, rng);
    }
}

fn respond(exchange: &mut Exchange, status: u16, service: &Service, minute: Minute, rng: &mut Rng) {
    let is_slow = rng.draw_ppm(scenario::slow_ppm(service, minute));
    let target_ms = draw_target_ms(service, is_slow, rng);
    let processing_ms = [rng.next_below(2), target_ms, rng.next_below(6) / 5];
    exchange.status = status;
    exchange.target_status = Some(status);
    exchange.processing_ms = processing_ms.map(Some);
    exchange.elapsed_us += processing_ms.iter().sum::<u64>().cast_signed() * 1_000;
    if status == 101 {
        // A WebSocket is written down when it closes.
        exchange.scheme = "wss";
        exchange.elapsed_us += rng.next_below(1_800_000_000).cast_signed() + 20_000_000;
    }
}

/// Milliseconds that the target takes: log-normal below 300 ms, and a long tail above it for the slow share.
fn draw_target_ms(service: &Service, is_slow: bool, rng: &mut Rng) -> u64 {
    let round = |ms: f64| floor(ms + 0.5);
    if is_slow {
        return 301 + round(rng.log_normal(220.0, 0.8));
    }
    let LogNormal { median, spread } = service.target_ms;
    let mut ms = round(rng.log_normal(median, spread));
    while ms >= 300 {
        ms /= 2;
    }
    ms
}

/// The target was there but gave no answer; this long after the request the balancer says so.
fn fail_without_response(exchange: &mut Exchange, status: u16, at_least_us: i64, spread_us: u64, rng: &mut Rng) {
    exchange.status = status;
    exchange.elapsed_us += at_least_us + rng.next_below(spread_us).cast_signed();
}

fn choose_route(service: &'static Service, rng: &mut Rng) -> Option<&'static Route> {
    let total: u32 = service.routes.iter().map(|route| route.weight).sum();
    let mut left = rng.next_below(total.into());
    service.routes.iter().find(|route| {
        let found = left < u64::from(route.weight);
        left = left.saturating_sub(route.weight.into());
        found
    })
}

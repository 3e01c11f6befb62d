//! Deterministic access logs to try things on: a small fleet for thirty days, in AWS's key layout and line format.
//!
//! **Invariant:** an object's bytes depend on seed, scale, balancer, node and interval alone, so any part of the span,
//! made in any order on any number of threads, gives the same objects.
//!
//! Keys and fields follow "Access logs for your Application Load Balancer" in the AWS documentation.

mod fleet;
mod line;
mod rng;
mod scenario;
mod traffic;

pub use fleet::{ACCOUNT, BALANCERS, Balancer, REGION};
pub use scenario::{ScenarioEvent, events, thirty_days};

use rng::{Rng, text_to_seed};

use crate::access_log::object_key::INTERVAL_MINUTES;
use crate::time::{Minute, Span};

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Only intervals that lie wholly inside are made.
    pub span: Span,
    /// Another seed gives other traffic with the same events.
    pub seed: u64,
    /// Factor on the traffic; 1 gives about two million lines in thirty days. The single errors stay single.
    pub scale: f64,
}

/// One log file to be: what one node of one balancer saw in one interval.
#[derive(Clone, Copy, Debug)]
pub struct ObjectPlan {
    pub balancer: &'static Balancer,
    /// The five minutes it holds; a line belongs to the minute of its answer.
    pub interval: Span,
    /// Its folder is of this day.
    pub delivered_at: Minute,
    pub node: &'static str,
    seed: u64,
    scale: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key below the bucket: `AWSLogs/...log.gz`.
    pub key: String,
    /// Its lines before compression, each with its line feed.
    pub text: Vec<u8>,
    pub lines: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { span: thirty_days(), seed: 1, scale: 1.0 }
    }
}

impl Plan {
    /// Every object that is ever delivered, in order of interval, balancer and node; some turn out empty.
    pub fn objects(&self) -> impl Iterator<Item = ObjectPlan> {
        let Self { span, seed, scale } = *self;
        let offset = span.start.0.rem_euclid(INTERVAL_MINUTES);
        let first = span.start.plus((INTERVAL_MINUTES - offset) % INTERVAL_MINUTES);
        let starts = (first.0..=span.end.0.saturating_sub(INTERVAL_MINUTES)).step_by(5).map(Minute);
        let nodes = BALANCERS.iter().flat_map(|balancer| balancer.nodes.iter().map(move |node| (balancer, node)));
        starts.flat_map(move |start| {
            let interval = Span::new(start, start.plus(INTERVAL_MINUTES));
            nodes.clone().filter_map(move |(balancer, node)| {
                let delivered_at = scenario::delivery(balancer, interval)?;
                Some(ObjectPlan { balancer, interval, delivered_at, node, seed, scale })
            })
        })
    }
}

impl ObjectPlan {
    /// Makes the object; `None` if the node saw no request, for then AWS writes no file.
    #[must_use]
    pub fn render(&self) -> Option<Object> {
        let mut rng = self.rng();
        let random_bits = rng.next_u64();
        let arrivals = traffic::generate_arrivals(self, &mut rng);
        if arrivals.is_empty() {
            return None;
        }
        // A line is about 750 bytes; allocating all of them at once saves copies of the text.
        let mut text = String::with_capacity(arrivals.len() * 800);
        for arrival in &arrivals {
            let exchange = traffic::generate_exchange(arrival, self.balancer, &mut rng);
            line::write_line(&mut text, self.balancer, self.node, &exchange, &mut rng);
        }
        Some(Object { key: self.key(random_bits), text: text.into_bytes(), lines: arrivals.len() as u64 })
    }

    /// The folder of its key: the day of delivery, not of the requests.
    #[must_use]
    pub fn folder(&self) -> String {
        let day = self.delivered_at.day().to_string().replace('-', "/");
        format!("AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/{day}")
    }

    /// The time in it is the end of the interval.
    fn key(&self, random_bits: u64) -> String {
        let balancer = self.balancer.name.replace('/', ".");
        let end = self.interval.end.to_string().replace(['-', ':'], "");
        let letters = b"abcdefghijklmnopqrstuvwxyz012345";
        let random: String =
            (0..8).map(|place| char::from(letters[((random_bits >> (5 * place)) % 32) as usize])).collect();
        let (folder, node) = (self.folder(), self.node);
        format!("{folder}/{ACCOUNT}_elasticloadbalancing_{REGION}_{balancer}_{end}_{node}_{random}.log.gz")
    }

    fn rng(&self) -> Rng {
        let start = u64::from(self.interval.start.0.unsigned_abs());
        Rng::from_seeds(&[self.seed, text_to_seed(&self.balancer.name), text_to_seed(self.node), start])
    }
}

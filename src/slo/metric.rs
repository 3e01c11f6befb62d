//! Counts that metrics of CloudWatch hold: which statistic of which metric, as it is asked for.

use std::collections::BTreeMap;
use std::fmt;

/// A metric of CloudWatch; its dimensions are all that it was published with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric {
    /// Such as `AWS/ApplicationELB`.
    pub namespace: String,
    /// Such as `RequestCount`.
    pub name: String,
    /// By name.
    pub dimensions: BTreeMap<String, String>,
}

/// What counts of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    /// The sum of its values.
    Sum,
    /// How many values there were.
    SampleCount,
    /// How many of them were above the first bound and at most the second; a bound may be empty.
    Within(String, String),
}

/// One number a minute: a statistic of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricCount {
    /// Which metric.
    pub metric: Metric,
    /// What of it.
    pub statistic: Statistic,
}

/// The events of an SLI as sums of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricCounts {
    /// Added up, all events.
    pub total: Vec<MetricCount>,
    /// Added up, the good or the bad ones.
    pub judged: Judged,
}

/// Which of the events are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Those that kept the promise.
    Good(Vec<MetricCount>),
    /// Those that broke it.
    Bad(Vec<MetricCount>),
}

impl MetricCounts {
    /// All that has to be asked, each once.
    #[must_use]
    pub fn all(&self) -> std::collections::BTreeSet<&MetricCount> {
        let (Judged::Good(judged) | Judged::Bad(judged)) = &self.judged;
        self.total.iter().chain(judged).collect()
    }
}

/// As CloudWatch takes it (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sum => f.write_str("Sum"),
            Self::SampleCount => f.write_str("SampleCount"),
            Self::Within(low, high) => write!(f, "TC({low}:{high})"),
        }
    }
}

impl fmt::Display for MetricCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metric { namespace, name, dimensions } = &self.metric;
        write!(f, "{namespace} {name}")?;
        for (name, value) in dimensions {
            write!(f, " {name}={value}")?;
        }
        write!(f, " {}", self.statistic)
    }
}

impl fmt::Display for MetricCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, judged) = match &self.judged {
            Judged::Good(judged) => ("good", judged),
            Judged::Bad(judged) => ("bad", judged),
        };
        for (word, counts) in [("total", &self.total), (word, judged)] {
            for count in counts {
                write!(f, " {word}=[{count}]")?;
            }
        }
        Ok(())
    }
}

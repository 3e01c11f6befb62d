//! CloudWatch metrics that count events, and their statistics.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A CloudWatch metric with all of the dimensions that it was published with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric {
    pub namespace: String,
    pub name: String,
    pub dimensions: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    Sum,
    /// The number of values.
    SampleCount,
    /// The number of values above the first bound and at most the second; a bound may be empty.
    TrimmedCount(String, String),
}

/// A statistic of a metric: one number per minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricStatistic {
    pub metric: Metric,
    pub statistic: Statistic,
}

/// The events of an indicator as sums of statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatioMetrics {
    /// The sum of these is the number of events.
    pub total: Vec<MetricStatistic>,
    /// The sum of these is the number of good or bad events.
    pub numerator: MetricRole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricRole {
    Good(Vec<MetricStatistic>),
    Bad(Vec<MetricStatistic>),
}

impl RatioMetrics {
    /// All statistics to fetch, each once.
    pub fn distinct_stats(&self) -> std::collections::BTreeSet<&MetricStatistic> {
        let (MetricRole::Good(numerator) | MetricRole::Bad(numerator)) = &self.numerator;
        self.total.iter().chain(numerator).collect()
    }
}

/// As CloudWatch takes it
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).
impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sum => f.write_str("Sum"),
            Self::SampleCount => f.write_str("SampleCount"),
            Self::TrimmedCount(low, high) => write!(f, "TC({low}:{high})"),
        }
    }
}

impl fmt::Display for MetricStatistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metric { namespace, name, dimensions } = &self.metric;
        write!(f, "{} {}", quote_if_ambiguous(namespace), quote_if_ambiguous(name))?;
        for (name, value) in dimensions {
            write!(f, " {}={}", quote_if_ambiguous(name), quote_if_ambiguous(value))?;
        }
        write!(f, " {}", self.statistic)
    }
}

/// Quotes a name whose end is ambiguous, so that different metrics are never written alike.
fn quote_if_ambiguous(name: &str) -> Cow<'_, str> {
    let is_plain = |char: char| !char.is_whitespace() && !"=[]\"".contains(char);
    if name.chars().all(is_plain) { Cow::Borrowed(name) } else { Cow::Owned(format!("{name:?}")) }
}

impl fmt::Display for RatioMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, numerator) = match &self.numerator {
            MetricRole::Good(numerator) => ("good", numerator),
            MetricRole::Bad(numerator) => ("bad", numerator),
        };
        for (word, counts) in [("total", &self.total), (word, numerator)] {
            for count in counts {
                write!(f, " {word}=[{count}]")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_metrics_never_format_alike() {
        let text = |namespace: &str, name: &str, dimensions: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let dimensions = dimensions.iter().map(pair).collect();
            let metric = Metric { namespace: namespace.to_owned(), name: name.to_owned(), dimensions };
            MetricStatistic { metric, statistic: Statistic::Sum }.to_string()
        };
        assert_eq!(text("Shop/Orders", "Placed", &[("Stage", "prod")]), "Shop/Orders Placed Stage=prod Sum");
        assert_ne!(text("Shop A", "B", &[]), text("Shop", "A B", &[]));
        assert_ne!(text("Shop", "A", &[("a", "1 b=2")]), text("Shop", "A", &[("a", "1"), ("b", "2")]));
        assert_ne!(text("Shop", "A", &[("a=b", "c")]), text("Shop", "A", &[("a", "b=c")]));
        assert_ne!(text("Shop", "A Sum] bad=[Shop A", &[]), text("Shop", "A", &[]));
        assert_ne!(text("Shop", "\"A B\"", &[]), text("Shop", "A B", &[]));
    }
}

//! Options for metrics that are published to CloudWatch.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::AWS;

/// What is published to CloudWatch.
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Publish metrics of each run to this CloudWatch namespace
    ///
    /// `Runs` counts complete runs, so an alarm on it detects missing runs. `SloCount` is the number of SLOs by class
    /// and status.
    #[arg(long = "metrics", value_name = "NAMESPACE", env = "SLOWBURN_METRICS", value_parser = parse_namespace,
          help_heading = AWS)]
    pub namespace: Option<String>,
    /// Also publish the remaining error budget of each SLO
    ///
    /// Each SLO is a separate metric, which costs $0.30 per month at list price.
    #[arg(long, env = "SLOWBURN_SLO_METRICS", value_parser = BoolishValueParser::new(), requires = "namespace",
          help_heading = AWS)]
    pub slo_metrics: bool,
}

/// Parses a CloudWatch namespace
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>).
fn parse_namespace(text: &str) -> Result<String, String> {
    let is_valid = (1..=255).contains(&text.len())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || ".-_/#:".contains(char))
        && !text.starts_with([':']);
    if text.starts_with("AWS/") {
        return Err("namespaces that start with `AWS/` are reserved\nhint: use a name such as `SLO`".to_owned());
    }
    if is_valid { Ok(text.to_owned()) } else { Err("must consist of letters, digits and `.-_/#:`".to_owned()) }
}

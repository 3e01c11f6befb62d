//! What can be typed of metrics that are put into CloudWatch.

use clap::Args;

/// What CloudWatch is told of a run.
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Put metrics into this namespace of CloudWatch: that a run came to its end, and how many promises of each class stand how. An
    /// alarm on `Runs` notices runs that do not happen
    #[arg(long = "metrics", value_name = "NAMESPACE", env = "SLOWBURN_METRICS", value_parser = namespace)]
    pub namespace: Option<String>,
    /// Put the budget that is left of each promise too; each is a metric of its own, at $0.30 a month by list price
    #[arg(long = "metrics-of-promises", env = "SLOWBURN_METRICS_OF_PROMISES", requires = "namespace")]
    pub of_promises: bool,
}

/// What CloudWatch takes for a namespace
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>).
fn namespace(text: &str) -> Result<String, String> {
    let is_sound = (1..=255).contains(&text.len())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || ".-_/#:".contains(char))
        && !text.starts_with([':']);
    if text.starts_with("AWS/") {
        return Err("namespaces that begin with `AWS/` belong to AWS: use one such as `SLO`".to_owned());
    }
    if is_sound { Ok(text.to_owned()) } else { Err("use letters, digits and `.-_/#:`, such as `SLO`".to_owned()) }
}

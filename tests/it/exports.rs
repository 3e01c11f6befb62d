//! Machine-readable exports: status as JSON and `OpenMetrics`, budgets per day.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::peers::Peer;
use crate::weekly::Scene;

const AT: &str = "2026-11-23T08:00Z";
/// The end of the newest known minute.
const AFTER_MIDNIGHT: &str = "2026-11-23T00:01Z";

#[test]
fn metrics_match_status_and_omit_unknown_values() {
    let scene = Scene::new();
    let text = scene.run_ok(&["status", "--format", "openmetrics"], AT);
    assert_eq!(text, scene.run_ok(&["status", "--format", "openmetrics"], AT));
    let labels = "team=\"mart\",service=\"checkout\",slo=\"orders\",class=\"strict\",window=\"7d\"";
    for line in [
        format!("slowburn_slo_bad_events{{{labels}}} 1500.0"),
        format!("slowburn_slo_status{{{labels},status=\"exhausted\"}} 1.0"),
        format!("slowburn_slo_status{{{labels},status=\"ok\"}} 0.0"),
        format!("slowburn_slo_urgency{{{labels},urgency=\"severe\"}} 0.0"),
        "# EOF".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    // Without events there is no SLI and no remaining error budget.
    let idle = |metric: &str| text.lines().any(|line| line.starts_with(metric) && line.contains("\"idle\""));
    assert!(
        idle("slowburn_slo_events") && !idle("slowburn_slo_sli") && !idle("slowburn_slo_error_budget_remaining_ratio")
    );
    scene.run_ok(&["status", "--format", "openmetrics", "--out", "slowburn.prom"], AT);
    assert_eq!(std::fs::read_to_string(scene.path("slowburn.prom")).unwrap(), text);
}

#[test]
fn budgets_are_exported_as_of_end_of_each_day() {
    let scene = Scene::new();
    let requested = ["export", "checkout/orders", "--what", "budgets", "--from", "2026-11-17T00:00Z"];
    insta::assert_snapshot!("exports_budgets", scene.run_ok(&requested, "2026-11-20T12:00Z"));
    let all = scene.run_ok(&["export", "--what", "budgets"], "2026-11-20T12:00Z");
    // The header, and seven SLOs on each of 30 days; today is not complete and not exported.
    assert_eq!((all.lines().count(), all.contains("2026-11-20")), (1 + 7 * 30, false));
    let refused = scene.slowburn(&["export", "--what", "budgets", "--format", "parquet"], AT);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && stderr.contains("name a file with `--out FILE`"), "{stderr}");
    scene.run_ok(&["export", "--what", "budgets", "--format", "parquet", "--out", "b.parquet"], AT);
    assert!(std::fs::read(scene.path("b.parquet")).unwrap().starts_with(b"PAR1"));
}

#[test]
fn run_metrics_are_sent_to_cloudwatch_if_enabled() {
    let scene = Scene::new();
    let peer = Peer::start("cloudwatch_server.py", &format!(r#"{{"now": "{AFTER_MIDNIGHT}"}}"#));
    let run = |more: &[&str]| {
        let mut command = scene.command(&[&["run", "--quiet", "--silent"], more].concat(), AFTER_MIDNIGHT);
        command
            .env("SLOWBURN_CLOCK", AFTER_MIDNIGHT)
            .env("AWS_ENDPOINT_URL_CLOUDWATCH", &peer.url)
            .env("AWS_REGION", "eu-west-1");
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command.output().unwrap()
    };
    assert_eq!(run(&[]).status.code(), Some(0));
    assert_eq!(peer.requests(), "[]", "no request was made");
    let ran = run(&["--metrics", "SLO", "--slo-metrics"]);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let values = runtime.block_on(values(&peer.url));
    // One for the run, six statuses of one class, and an error budget for each SLO with events.
    assert_eq!(values.len(), 1 + 6 + 6, "{values:?}");
    for expected in [
        ("Runs", "", 1.0),
        ("SloCount", "Class=strict Status=exhausted", 2.0),
        ("SloCount", "Class=strict Status=ok", 2.0),
        ("ErrorBudgetRemaining", "SLO=orders Service=legacy Team=stuck Window=7d", -100.0),
    ] {
        let is_near = |value: f64| (value - expected.2).abs() < 0.5;
        let found = values
            .iter()
            .any(|(name, of, value)| (name.as_str(), of.as_str()) == (expected.0, expected.1) && is_near(*value));
        assert!(found, "{expected:?} is not among {values:?}");
    }
    drop(peer);
    let refused = scene.command(&["run", "--quiet", "--silent", "--metrics", "AWS/SLO"], AT).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

/// All metrics of the namespace: name, dimensions and latest value.
async fn values(url: &str) -> Vec<(String, String, f64)> {
    use aws_sdk_cloudwatch::config::{BehaviorVersion, Config, Credentials, Region};
    use aws_sdk_cloudwatch::primitives::DateTime;
    use aws_sdk_cloudwatch::types::{MetricDataQuery, MetricStat};
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .region(Region::new("eu-west-1"))
        .endpoint_url(url);
    let client = aws_sdk_cloudwatch::Client::from_conf(config.build());
    let metrics = client.list_metrics().namespace("SLO").send().await.unwrap();
    let at = AFTER_MIDNIGHT.parse::<slowburn::internals::Minute>().unwrap().timestamp().as_second();
    let mut values = Vec::new();
    for metric in metrics.metrics() {
        let stat = MetricStat::builder().metric(metric.clone()).period(60).stat("Sum").build();
        let query = MetricDataQuery::builder().id("q").metric_stat(stat).build();
        let requested = client.get_metric_data().metric_data_queries(query);
        let requested = requested.start_time(DateTime::from_secs(at)).end_time(DateTime::from_secs(at + 60));
        let answer = requested.send().await.unwrap();
        let dimensions = metric.dimensions().iter();
        let dimensions: Vec<String> =
            dimensions.map(|one| format!("{}={}", one.name().unwrap(), one.value().unwrap())).collect();
        values.push((
            metric.metric_name().unwrap().to_owned(),
            dimensions.join(" "),
            answer.metric_data_results()[0].values()[0],
        ));
    }
    values
}

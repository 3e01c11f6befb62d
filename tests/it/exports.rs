//! What programs read: the status as JSON and OpenMetrics, and budgets day by day.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use crate::weekly::Scene;

const AT: &str = "2026-11-23T08:00Z";

#[test]
fn metrics_say_what_the_status_says_and_nothing_of_what_is_not_known() {
    let scene = Scene::new();
    let text = scene.good(&["status", "--format", "openmetrics"], AT);
    assert_eq!(text, scene.good(&["status", "--format", "openmetrics"], AT));
    let labels = "team=\"mart\",service=\"checkout\",slo=\"orders\",class=\"strict\",window=\"7d\"";
    for line in [
        format!("slowburn_slo_bad_events{{{labels}}} 1500.0"),
        format!("slowburn_slo_standing{{{labels},standing=\"exhausted\"}} 1.0"),
        format!("slowburn_slo_standing{{{labels},standing=\"fine\"}} 0.0"),
        "# EOF".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    // Without an event there is no share of good ones, and nothing of a budget to be left.
    let idle = |metric: &str| text.lines().any(|line| line.starts_with(metric) && line.contains("\"idle\""));
    assert!(
        idle("slowburn_slo_events") && !idle("slowburn_slo_sli") && !idle("slowburn_slo_error_budget_remaining_ratio")
    );
    scene.good(&["status", "--format", "openmetrics", "--out", "slowburn.prom"], AT);
    assert_eq!(std::fs::read_to_string(scene.path("slowburn.prom")).unwrap(), text);
}

#[test]
fn budgets_are_exported_as_they_stood_at_the_end_of_each_day() {
    let scene = Scene::new();
    let asked = ["export", "--what", "budgets", "--slo", "checkout/orders", "--from", "2026-11-17T00:00Z"];
    insta::assert_snapshot!("exports_budgets", scene.good(&asked, "2026-11-20T12:00Z"));
    let all = scene.good(&["export", "--what", "budgets"], "2026-11-20T12:00Z");
    // The header, and seven promises on 30 days, of which today is none.
    assert_eq!((all.lines().count(), all.contains("2026-11-20")), (1 + 7 * 30, false));
    let refused = scene.slowburn(&["export", "--what", "budgets", "--format", "parquet"], AT);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(4) && said.contains("name a file with `--out`"), "{said}");
    scene.good(&["export", "--what", "budgets", "--format", "parquet", "--out", "b.parquet"], AT);
    assert!(std::fs::read(scene.path("b.parquet")).unwrap().starts_with(b"PAR1"));
}

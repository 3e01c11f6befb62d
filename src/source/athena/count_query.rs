//! What is counted as rows of the count queries, and as many of them in one query as it has room for: each query scans
//! the days of its table anew.

use std::collections::BTreeMap;

use serde::Serialize;

use super::QueryError;
use super::templates::Templates;
use crate::access_log::wildcard::to_regex;
use crate::series::SeriesKey;
use crate::slo::{LatencyBasis, LatencyErrors, LogTable, Measure, Traffic};
use crate::time::{Day, Minute, Span};

/// Bytes of a query (`QueryString` of `StartQueryExecution`).
const QUERY_BYTES_MAX: usize = 262_144;
/// Lines within as many minutes before what is asked for tell whether a silence is plausible: an hour, and the end of
/// the interval before it.
const LOOKBACK_MINUTES: i32 = 65;
/// What lines are put into to tell where silence is plausible.
pub(super) const INTERVAL_MINUTES: i32 = 5;

/// What one series counts.
#[derive(Clone, Copy, Debug)]
pub struct CountRule<'a> {
    /// The series.
    pub series: &'a SeriesKey,
    /// Which requests.
    pub traffic: &'a Traffic,
    /// Which of them are bad.
    pub measure: &'a Measure,
}

impl<'a> CountRule<'a> {
    /// The balancer as the lines of its table name it.
    pub(super) fn balancer(&self) -> &'a str {
        let name = self.traffic.load_balancer.as_str();
        name.strip_prefix("classic/").unwrap_or(name)
    }
}

/// A query that counts some rules: measure `n` of the answer is `rules[n - 1]`, measure 0 has the lines of a balancer,
/// and balancer `n` is `balancers[n - 1]`; balancer 0 has the lines of which nobody can tell it.
#[derive(Debug)]
pub(super) struct CountQuery<'a> {
    pub(super) text: String,
    pub(super) rules: Vec<CountRule<'a>>,
    pub(super) balancers: Vec<&'a str>,
}

/// The minutes whose lines are asked for, so that those of `span` can be told: whole intervals, and what lies before.
pub(super) fn queried_span(span: Span) -> Span {
    let start = span.start.plus(-LOOKBACK_MINUTES).max(span.start.day().start());
    let floor = |minute: Minute| minute.plus(-minute.0.rem_euclid(INTERVAL_MINUTES));
    Span::new(floor(start), floor(span.end.plus(INTERVAL_MINUTES - 1)))
}

/// The folders of days that a query reads: a log is filed under the day of its delivery, which is the next one for what
/// was answered shortly before midnight
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
pub(super) fn day_folder_range(span: Span) -> (Day, Day) {
    (span.start.day(), span.end.plus(-1).day().plus(1))
}

/// The fewest queries for the rules of a table over a span.
pub(super) fn build_queries<'a>(
    templates: &Templates,
    table: &LogTable,
    span: Span,
    rules: &[CountRule<'a>],
) -> Result<Vec<CountQuery<'a>>, QueryError> {
    let mut rules = rules.to_vec();
    rules.sort_by_key(|rule| (rule.balancer(), rule.series));
    let mut queries = Vec::new();
    let mut pending = vec![rules];
    while let Some(rules) = pending.pop() {
        let query = build_query(templates, table, span, rules)?;
        if query.text.len() <= QUERY_BYTES_MAX {
            queries.push(query);
        } else if query.rules.len() > 1 {
            let mut first_half = query.rules;
            let second_half = first_half.split_off(first_half.len() / 2);
            pending.extend([second_half, first_half]);
        } else {
            let series = query.rules.first().map_or_else(String::new, |rule| rule.series.to_string());
            return Err(QueryError::new(
                format!("the query for `{series}` is too long for Athena"),
                "use fewer patterns in this SLO",
            ));
        }
    }
    Ok(queries)
}

fn build_query<'a>(
    templates: &Templates,
    table: &LogTable,
    span: Span,
    rules: Vec<CountRule<'a>>,
) -> Result<CountQuery<'a>, QueryError> {
    let mut balancers: Vec<&str> = rules.iter().map(CountRule::balancer).collect();
    balancers.dedup();
    let is_classic = rules.iter().any(|rule| rule.traffic.load_balancer.starts_with("classic/"));
    let queried = queried_span(span);
    let (first_day, last_day) = day_folder_range(span);
    let context = Context {
        database: &table.database,
        table: &table.name,
        first_day: day_folder(first_day),
        last_day: day_folder(last_day),
        from: minute_text(queried.start),
        until: minute_text(queried.end),
        balancers: (1..)
            .zip(&balancers)
            .flat_map(|(id, names)| names.split(' ').map(move |name| Balancer { id, name }))
            .collect(),
        traffics: traffic_rows(&rules, &balancers),
    };
    let text = templates.render(if is_classic { "classic_counts.sql" } else { "alb_counts.sql" }, &context)?;
    Ok(CountQuery { text, rules, balancers })
}

/// A day as its folder is called: `2026/10/31`.
pub(super) fn day_folder(day: Day) -> String {
    day.to_string().replace('-', "/")
}

/// A minute as the first 16 characters of a log's time.
pub(super) fn minute_text(minute: Minute) -> String {
    minute.to_string().trim_end_matches('Z').to_owned()
}

#[derive(Serialize)]
struct Context<'a> {
    database: &'a str,
    table: &'a str,
    first_day: String,
    last_day: String,
    from: String,
    until: String,
    balancers: Vec<Balancer<'a>>,
    traffics: Vec<TrafficRow<'a>>,
}

#[derive(Serialize)]
struct Balancer<'a> {
    id: usize,
    name: &'a str,
}

/// Requests of a balancer, which are looked for once however much is measured of them.
#[derive(Serialize)]
struct TrafficRow<'a> {
    balancer: usize,
    target_groups: &'a [String],
    methods: &'a [String],
    hosts: Vec<String>,
    paths: Vec<String>,
    fixed_responses: bool,
    redirects: bool,
    measures: Vec<MeasureRow>,
}

#[derive(Serialize)]
struct MeasureRow {
    id: usize,
    measure: &'static str,
    under_us: u64,
    errors: &'static str,
    timeouts: bool,
}

fn traffic_rows<'a>(rules: &[CountRule<'a>], balancers: &[&str]) -> Vec<TrafficRow<'a>> {
    let mut rows: BTreeMap<(usize, String), TrafficRow<'a>> = BTreeMap::new();
    for (id, rule) in (1..).zip(rules) {
        let balancer = balancers.binary_search(&rule.balancer()).map_or(0, |index| index + 1);
        let traffic = rule.traffic;
        let row = rows.entry((balancer, traffic.to_string())).or_insert_with(|| TrafficRow {
            balancer,
            target_groups: &traffic.target_groups,
            methods: &traffic.methods,
            // Case does not matter in a host, and the query puts those of lines into lower case.
            hosts: traffic.hosts.iter().map(|host| to_regex(&host.to_ascii_lowercase())).collect(),
            paths: traffic.paths.iter().map(|path| to_regex(path)).collect(),
            fixed_responses: traffic.fixed_responses,
            redirects: traffic.redirects,
            measures: Vec::new(),
        });
        row.measures.push(measure_row(id, rule.measure));
    }
    rows.into_values().collect()
}

const fn measure_row(id: usize, measure: &Measure) -> MeasureRow {
    match measure {
        Measure::Availability => {
            MeasureRow { id, measure: "availability", under_us: 0, errors: "counted", timeouts: false }
        }
        Measure::Latency { under_us, basis, errors, timeouts } => MeasureRow {
            id,
            measure: match basis {
                LatencyBasis::Target => "target",
                LatencyBasis::Total => "total",
            },
            under_us: *under_us,
            errors: match errors {
                LatencyErrors::Counted => "counted",
                LatencyErrors::Bad => "bad",
                LatencyErrors::Excluded => "excluded",
            },
            timeouts: *timeouts,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(load_balancer: &str, path: &str) -> Traffic {
        Traffic {
            load_balancer: load_balancer.to_owned(),
            target_groups: Vec::new(),
            methods: Vec::new(),
            hosts: vec!["*.Shop.example".to_owned()],
            paths: vec![path.to_owned()],
            fixed_responses: false,
            redirects: false,
        }
    }

    fn build(rules: &[CountRule<'static>], span: (&str, &str)) -> Vec<CountQuery<'static>> {
        let table = LogTable { database: "elb".to_owned(), name: "alb".to_owned() };
        let span = Span::new(span.0.parse().unwrap(), span.1.parse().unwrap());
        build_queries(&Templates::built_in().unwrap(), &table, span, rules).unwrap()
    }

    fn rules(count: usize, path: &str) -> Vec<CountRule<'static>> {
        let rule = |number: usize| CountRule {
            series: Box::leak(Box::new(SeriesKey::new(&format!("s{number:05}")))),
            traffic: Box::leak(Box::new(traffic(&format!("app/b{}/0a", number / 2), path))),
            measure: &Measure::Availability,
        };
        (0..count).map(rule).collect()
    }

    #[test]
    fn values_become_literals_and_the_folders_of_delivery_days_are_read() {
        let queries = build(&rules(1, "/it's*"), ("2026-10-31T00:02Z", "2026-10-31T23:58Z"));
        let text = &queries[0].text;
        assert!(text.contains("'^(?:/it''s.*)$'") && text.contains(r"'^(?:.*\.shop\.example)$'"), "{text}");
        assert!(text.contains("day BETWEEN '2026/10/31' AND '2026/11/01'"), "{text}");
        assert!(text.contains(">= '2026-10-31T00:00'") && text.contains("< '2026-11-01T00:00'"), "{text}");
        let later = &build(&rules(1, "/"), ("2026-10-31T12:03Z", "2026-10-31T12:45Z"))[0].text;
        assert!(later.contains(">= '2026-10-31T10:55'") && later.contains("< '2026-10-31T12:45'"), "{later}");
    }

    #[test]
    fn rules_beyond_the_query_size_limit_are_split_into_several_queries() {
        let queries = build(&rules(3_000, "/v1/orders/*"), ("2026-10-31T00:00Z", "2026-11-01T00:00Z"));
        assert!(queries.len() > 1 && queries.iter().all(|query| query.text.len() <= QUERY_BYTES_MAX));
        let rule_count: usize = queries.iter().map(|query| query.rules.len()).sum();
        assert_eq!(rule_count, 3_000);
        assert!(queries.iter().all(|query| query.balancers.len() <= query.rules.len() / 2 + 1));
    }
}

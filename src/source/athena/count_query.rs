//! The queries that count series, and the decoding of their rows. Every query scans the days of its table, so a query
//! counts as many series as fit into it.

use std::collections::BTreeMap;

use minijinja::context;
use minijinja::value::{Serde, Value};

use super::templates::{Templates, span_variables};
use crate::access_log::wildcard::to_regex;
use crate::counts::MinuteCount;
use crate::hinted_error::HintedError;
use crate::series::SeriesKey;
use crate::slo::{LogTable, Measure, RequestFilter, Traffic};
use crate::text::escape_non_printing;
use crate::time::{Minute, Span};

/// In bytes (`QueryString` of `StartQueryExecution`).
const QUERY_BYTES_MAX: usize = 262_144;
/// Lines of this long before a span decide whether a gap in it is plausible: an hour, and the end of the interval
/// before.
const LOOKBACK_MINUTES: i32 = 65;
/// The interval in which lines are summed to find gaps.
pub(super) const INTERVAL_MINUTES: i32 = 5;

#[derive(Clone, Copy, Debug)]
pub(super) struct CountRule<'a> {
    pub(super) series: &'a SeriesKey,
    pub(super) traffic: &'a Traffic,
    pub(super) measure: &'a Measure,
}

impl<'a> CountRule<'a> {
    /// The load balancer as the lines of its table name it.
    pub(super) fn balancer(&self) -> &'a str {
        let name = self.traffic.load_balancer.as_str();
        name.strip_prefix("classic/").unwrap_or(name)
    }
}

/// In its rows, measure `n` is `rules[n - 1]`, and measure 0 counts the lines of a balancer. Balancer `n` is
/// `balancers[n - 1]`, and balancer 0 has the lines whose balancer is unknown.
#[derive(Debug)]
pub(super) struct CountQuery<'a> {
    pub(super) text: String,
    pub(super) rules: Vec<CountRule<'a>>,
    pub(super) balancers: Vec<&'a str>,
}

/// The minutes whose lines are needed to count a span: whole intervals, and the lookback.
pub(super) fn queried_span(span: Span) -> Span {
    let start = span.start.plus(-LOOKBACK_MINUTES).max(span.start.day().start());
    Span::new(interval_start(start), interval_start(span.end.plus(INTERVAL_MINUTES - 1)))
}

pub(super) fn interval_start(minute: Minute) -> Minute {
    minute.plus(-minute.0.rem_euclid(INTERVAL_MINUTES))
}

pub(super) fn build_queries<'a>(
    templates: &Templates,
    table: &LogTable,
    span: Span,
    mut rules: Vec<CountRule<'a>>,
) -> Result<Vec<CountQuery<'a>>, HintedError> {
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
            return Err(HintedError::new(
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
) -> Result<CountQuery<'a>, HintedError> {
    let mut balancers: Vec<&str> = rules.iter().map(CountRule::balancer).collect();
    balancers.dedup();
    let is_classic = rules.iter().any(|rule| rule.traffic.load_balancer.starts_with("classic/"));
    let balancer_rows =
        (1_usize..).zip(&balancers).flat_map(|(id, names)| names.split(' ').map(move |name| context! { id, name }));
    let context = context! {
        database => &table.database,
        table => &table.name,
        balancers => balancer_rows.collect::<Vec<_>>(),
        traffics => traffic_rows(&rules, &balancers),
        ..span_variables(queried_span(span), span)
    };
    let text = templates.render(if is_classic { "classic_counts.sql" } else { "alb_counts.sql" }, context)?;
    Ok(CountQuery { text, rules, balancers })
}

/// Requests of a balancer: matched once for all of their measures.
fn traffic_rows(rules: &[CountRule<'_>], balancers: &[&str]) -> Vec<Value> {
    let mut measures: BTreeMap<(usize, String), (&Traffic, Vec<Value>)> = BTreeMap::new();
    for (id, rule) in (1_usize..).zip(rules) {
        let balancer = balancers.binary_search(&rule.balancer()).map_or(0, |index| index + 1);
        let key = (balancer, rule.traffic.to_string());
        measures.entry(key).or_insert_with(|| (rule.traffic, Vec::new())).1.push(measure_row(id, rule.measure));
    }
    let rows = measures.into_iter().map(|((balancer, _), (traffic, measures))| {
        let Traffic { target_groups, filter, excluded, included_responses, .. } = traffic;
        let included_responses = included_responses.iter().map(ToString::to_string).collect::<Vec<_>>();
        context! {
            balancer,
            target_groups,
            filter => filter_values(filter),
            excluded => filter_values(excluded),
            has_exclusion => !excluded.is_empty(),
            included_responses,
            measures,
        }
    });
    rows.collect()
}

/// Hosts are compared without case: the query converts those of lines to lower case.
fn filter_values(filter: &RequestFilter) -> Value {
    let hosts: Vec<String> = filter.hosts.iter().map(|host| to_regex(&host.to_ascii_lowercase())).collect();
    let paths: Vec<String> = filter.paths.iter().map(|path| to_regex(path)).collect();
    context! { methods => &filter.methods, hosts, paths }
}

fn measure_row(id: usize, measure: &Measure) -> Value {
    match measure {
        Measure::Availability { bad, gave_up_after_us } => {
            let bad: Vec<String> = bad.classes().iter().map(|class| class.to_string().replace('x', ".")).collect();
            context! { id, measure => "availability", bad, gave_up_after_us }
        }
        Measure::Latency { under_us, basis, errors, timeouts, gave_up_after_us } => {
            let (basis, errors, bad) = (Serde(basis), Serde(errors), Vec::<String>::new());
            context! { id, measure => basis, bad, under_us, errors, timeouts, gave_up_after_us }
        }
    }
}

/// The rows of a count query: `balancer, measure, hour, minutes, example`, where the minutes `05:120:1 06:98:0` are 120
/// events at minute 5, one of them bad, and so on. Minutes without events are absent.
#[derive(Debug, Default)]
pub(super) struct DecodedCounts<'a> {
    pub(super) events: BTreeMap<&'a SeriesKey, BTreeMap<Minute, MinuteCount>>,
    /// Lines of a balancer; those that cannot be parsed are `bad`. `""` has the lines whose balancer is unknown.
    pub(super) lines: BTreeMap<&'a str, BTreeMap<Minute, MinuteCount>>,
    /// A line of a balancer that cannot be parsed.
    pub(super) examples: BTreeMap<&'a str, String>,
}

impl<'a> DecodedCounts<'a> {
    /// Adds a row. A malformed row is an error: no row of the result is used then.
    pub(super) fn add_row(&mut self, query: &CountQuery<'a>, row: &[Option<&str>]) -> Result<(), HintedError> {
        self.try_add_row(query, row).ok_or_else(|| {
            let row: Vec<&str> = row.iter().map(|value| value.unwrap_or("NULL")).collect();
            let row: String = row.join(", ").chars().take(200).collect();
            HintedError::new(
                format!("Athena returned a row without valid counts: {}", escape_non_printing(&row)),
                "compare the table with the output of `slowburn tables`; no row of this result is counted",
            )
        })
    }

    fn try_add_row(&mut self, query: &CountQuery<'a>, row: &[Option<&str>]) -> Option<()> {
        let [Some(balancer), Some(measure), Some(hour), Some(minutes), example] = row else { return None };
        let (balancer, measure): (usize, usize) = (balancer.parse().ok()?, measure.parse().ok()?);
        let name = if balancer == 0 { "" } else { query.balancers.get(balancer - 1)? };
        let counts = match measure.checked_sub(1) {
            None => self.lines.entry(name).or_default(),
            Some(index) => self.events.entry(query.rules.get(index)?.series).or_default(),
        };
        for text in minutes.split(' ') {
            let (minute, count) = parse_minute(hour, text)?;
            counts.insert(minute, count);
        }
        if let Some(example) = example {
            self.examples.entry(name).or_insert_with(|| escape_non_printing(example));
        }
        Some(())
    }
}

/// Parses `2026-10-31T23` and `05:120:1`.
fn parse_minute(hour: &str, text: &str) -> Option<(Minute, MinuteCount)> {
    let mut parts = text.split(':');
    let minute = format!("{hour}:{}Z", parts.next()?).parse().ok()?;
    let (total, bad) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && bad <= total).then_some((minute, MinuteCount { total, bad }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic(load_balancer: &str, path: &str) -> Traffic {
        Traffic {
            load_balancer: load_balancer.to_owned(),
            filter: RequestFilter {
                hosts: vec!["*.Shop.example".to_owned()],
                paths: vec![path.to_owned()],
                ..RequestFilter::default()
            },
            ..Traffic::default()
        }
    }

    fn build(rules: &[CountRule<'static>], span: (&str, &str)) -> Vec<CountQuery<'static>> {
        let table = LogTable { database: "elb".to_owned(), name: "alb".to_owned() };
        let span = Span::new(span.0.parse().unwrap(), span.1.parse().unwrap());
        build_queries(&Templates::built_in().unwrap(), &table, span, rules.to_vec()).unwrap()
    }

    fn rules(count: usize, path: &str) -> Vec<CountRule<'static>> {
        let rule = |number: usize| CountRule {
            series: Box::leak(Box::new(SeriesKey::new(&format!("s{number:05}")))),
            traffic: Box::leak(Box::new(traffic(&format!("app/b{}/0a", number / 2), path))),
            measure: &Measure::SERVER_ERRORS,
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

    #[test]
    fn invalid_row_is_an_error_and_never_counts_as_zero() {
        let traffic = Traffic { load_balancer: "app/shop/0a".to_owned(), ..Traffic::default() };
        let series = SeriesKey::new("s");
        let rule = CountRule { series: &series, traffic: &traffic, measure: &Measure::SERVER_ERRORS };
        let query = CountQuery { text: String::new(), rules: vec![rule], balancers: vec!["app/shop/0a"] };
        let mut counted = DecodedCounts::default();
        counted
            .add_row(&query, &[Some("1"), Some("1"), Some("2026-10-31T23"), Some("05:120:1 59:4294967295:0"), None])
            .unwrap();
        counted
            .add_row(&query, &[Some("1"), Some("0"), Some("2026-10-31T23"), Some("05:130:3"), Some("ba\u{1b}d")])
            .unwrap();
        counted.add_row(&query, &[Some("0"), Some("0"), Some("2026-10-31T23"), Some("00:1:1"), Some("?")]).unwrap();
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let events = &counted.events[&series];
        assert_eq!(events[&at("2026-10-31T23:05Z")], MinuteCount { total: 120, bad: 1 });
        assert_eq!(counted.lines["app/shop/0a"][&at("2026-10-31T23:05Z")], MinuteCount { total: 130, bad: 3 });
        assert_eq!((counted.lines[""].len(), counted.examples["app/shop/0a"].as_str()), (1, "ba\\u{1b}d"));
        for row in [
            [Some("1"), Some("1"), None, Some("05:1:0"), None],
            [None, Some("1"), Some("2026-10-31T23"), Some("05:1:0"), None],
            [Some("1"), Some("1"), Some("2026-10-31T23"), None, None],
            [Some("1"), Some("2"), Some("2026-10-31T23"), Some("05:1:0"), None],
            [Some("2"), Some("1"), Some("2026-10-31T23"), Some("05:1:0"), None],
            [Some("1"), Some("1"), Some("2026-10-31T24"), Some("05:1:0"), None],
            [Some("1"), Some("1"), Some("2026-10-31T23"), Some("60:1:0"), None],
            [Some("1"), Some("1"), Some("2026-10-31T23"), Some("05:1:2"), None],
            [Some("1"), Some("1"), Some("2026-10-31T23"), Some("05:-1:0"), None],
            [Some("1"), Some("1"), Some("2026-10-31T23"), Some("05:4294967296:0"), None],
        ] {
            assert!(counted.add_row(&query, &row).unwrap_err().to_string().contains("without valid counts"), "{row:?}");
        }
    }
}

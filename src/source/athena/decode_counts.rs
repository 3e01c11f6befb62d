//! The rows of a count query as counts: `balancer, measure, hour, minutes, example`, with `05:120:1 06:98:0` for 120
//! events at minute 5, one of them bad.

use std::collections::BTreeMap;

use super::QueryError;
use super::count_query::CountQuery;
use crate::counts::MinuteCount;
use crate::series::SeriesKey;
use crate::text::escape_non_printing;
use crate::time::Minute;

/// What a query counted, by minute. Minutes without events are not there.
#[derive(Debug, Default)]
pub(super) struct DecodedCounts<'a> {
    pub(super) events: BTreeMap<&'a SeriesKey, Vec<(Minute, MinuteCount)>>,
    /// Lines of a balancer, and how many of them could not be read. `""` has those that no balancer's name is known of.
    pub(super) lines: BTreeMap<&'a str, BTreeMap<Minute, (u64, u64)>>,
    /// A line of a balancer that could not be read.
    pub(super) examples: BTreeMap<&'a str, String>,
}

impl<'a> DecodedCounts<'a> {
    /// Adds a row. What is not as the query makes it is a fault: nothing of the answer is believed then.
    pub(super) fn add_row(&mut self, query: &CountQuery<'a>, row: &[Option<&str>]) -> Result<(), QueryError> {
        let [Some(balancer), Some(measure), Some(hour), Some(minutes), example] = row else {
            return Err(invalid_row(row));
        };
        let parse_index = |text: &str| text.parse::<usize>().map_err(|_| invalid_row(row));
        let (balancer, measure) = (parse_index(balancer)?, parse_index(measure)?);
        let name = match balancer.checked_sub(1) {
            None => "",
            Some(index) => query.balancers.get(index).ok_or_else(|| invalid_row(row))?,
        };
        let series = match measure.checked_sub(1) {
            None => None,
            Some(index) => Some(query.rules.get(index).ok_or_else(|| invalid_row(row))?.series),
        };
        for text in minutes.split(' ') {
            let (minute, total, bad) = parse_minute(hour, text).ok_or_else(|| invalid_row(row))?;
            match series {
                None => drop(self.lines.entry(name).or_default().insert(minute, (u64::from(total), u64::from(bad)))),
                Some(series) => self.events.entry(series).or_default().push((minute, MinuteCount { total, bad })),
            }
        }
        if let Some(example) = example {
            self.examples.entry(name).or_insert_with(|| escape_non_printing(example));
        }
        Ok(())
    }
}

/// `2026-10-31T23` and `05:120:1`.
fn parse_minute(hour: &str, text: &str) -> Option<(Minute, u32, u32)> {
    let mut parts = text.split(':');
    let minute = format!("{hour}:{}Z", parts.next()?).parse().ok()?;
    let (total, bad) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && bad <= total).then_some((minute, total, bad))
}

fn invalid_row(row: &[Option<&str>]) -> QueryError {
    let row: Vec<&str> = row.iter().map(|value| value.unwrap_or("NULL")).collect();
    let row: String = row.join(", ").chars().take(200).collect();
    QueryError::new(
        format!("Athena returned a row without valid counts: {}", escape_non_printing(&row)),
        "compare the table with the output of `slowburn tables`; no row of this result is counted",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::{Measure, Traffic};
    use crate::source::athena::CountRule;

    #[test]
    fn invalid_row_is_an_error_and_never_counts_as_zero() {
        let traffic = Traffic {
            load_balancer: "app/shop/0a".to_owned(),
            target_groups: Vec::new(),
            methods: Vec::new(),
            hosts: Vec::new(),
            paths: Vec::new(),
            fixed_responses: false,
            redirects: false,
        };
        let series = SeriesKey::new("s");
        let rule = CountRule { series: &series, traffic: &traffic, measure: &Measure::Availability };
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
        assert_eq!(events[0], (at("2026-10-31T23:05Z"), MinuteCount { total: 120, bad: 1 }));
        assert_eq!(counted.lines["app/shop/0a"][&at("2026-10-31T23:05Z")], (130, 3));
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

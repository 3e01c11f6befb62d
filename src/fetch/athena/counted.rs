//! The rows of a count query as counts: `balancer, measure, hour, minutes, example`, with `05:120:1 06:98:0` for 120
//! events at minute 5, one of them bad.

use std::collections::BTreeMap;

use super::Fault;
use super::rules::CountQuery;
use crate::counts::Count;
use crate::minute::Minute;
use crate::series::SeriesKey;
use crate::visible::visible;

/// What a query counted, by minute. Minutes without events are not there.
#[derive(Debug, Default)]
pub(super) struct Counted<'a> {
    pub(super) events: BTreeMap<&'a SeriesKey, Vec<(Minute, Count)>>,
    /// Lines of a balancer, and how many of them could not be read. `""` has those that no balancer's name is known of.
    pub(super) lines: BTreeMap<&'a str, BTreeMap<Minute, (u64, u64)>>,
    /// A line of a balancer that could not be read.
    pub(super) examples: BTreeMap<&'a str, String>,
}

impl<'a> Counted<'a> {
    /// Adds a row. What is not as the query makes it is a fault: nothing of the answer is believed then.
    pub(super) fn add(&mut self, query: &CountQuery<'a>, row: &[Option<&str>]) -> Result<(), Fault> {
        let [Some(balancer), Some(measure), Some(hour), Some(minutes), example] = row else {
            return Err(unreadable(row));
        };
        let place = |text: &str| text.parse::<usize>().map_err(|_| unreadable(row));
        let (balancer, measure) = (place(balancer)?, place(measure)?);
        let name = match balancer.checked_sub(1) {
            None => "",
            Some(place) => query.balancers.get(place).ok_or_else(|| unreadable(row))?,
        };
        let series = match measure.checked_sub(1) {
            None => None,
            Some(place) => Some(query.rules.get(place).ok_or_else(|| unreadable(row))?.series),
        };
        for text in minutes.split(' ') {
            let (minute, total, bad) = minute(hour, text).ok_or_else(|| unreadable(row))?;
            match series {
                None => drop(self.lines.entry(name).or_default().insert(minute, (u64::from(total), u64::from(bad)))),
                Some(series) => self.events.entry(series).or_default().push((minute, Count { total, bad })),
            }
        }
        if let Some(example) = example {
            self.examples.entry(name).or_insert_with(|| visible(example));
        }
        Ok(())
    }
}

/// `2026-10-31T23` and `05:120:1`.
fn minute(hour: &str, text: &str) -> Option<(Minute, u32, u32)> {
    let mut parts = text.split(':');
    let minute = format!("{hour}:{}Z", parts.next()?).parse().ok()?;
    let (total, bad) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && bad <= total).then_some((minute, total, bad))
}

fn unreadable(row: &[Option<&str>]) -> Fault {
    let row: Vec<&str> = row.iter().map(|value| value.unwrap_or("NULL")).collect();
    let row: String = row.join(", ").chars().take(200).collect();
    Fault::new(
        format!("Athena returned a row without valid counts: {}", visible(&row)),
        "compare the table with the output of `slowburn tables`; no row of this result is counted",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::athena::Rule;
    use crate::slo::{Measure, Traffic};

    #[test]
    fn rows_are_counts_or_a_fault_and_never_zero() {
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
        let rule = Rule { series: &series, traffic: &traffic, measure: &Measure::Availability };
        let query = CountQuery { text: String::new(), rules: vec![rule], balancers: vec!["app/shop/0a"] };
        let mut counted = Counted::default();
        counted
            .add(&query, &[Some("1"), Some("1"), Some("2026-10-31T23"), Some("05:120:1 59:4294967295:0"), None])
            .unwrap();
        counted
            .add(&query, &[Some("1"), Some("0"), Some("2026-10-31T23"), Some("05:130:3"), Some("ba\u{1b}d")])
            .unwrap();
        counted.add(&query, &[Some("0"), Some("0"), Some("2026-10-31T23"), Some("00:1:1"), Some("?")]).unwrap();
        let at = |text: &str| text.parse::<Minute>().unwrap();
        let events = &counted.events[&series];
        assert_eq!(events[0], (at("2026-10-31T23:05Z"), Count { total: 120, bad: 1 }));
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
            assert!(counted.add(&query, &row).unwrap_err().to_string().contains("without valid counts"), "{row:?}");
        }
    }
}

//! Log objects of a partition, sorted by name. `counted` and `uncounted` are JSON lists of the names of series,
//! `name_prefix` is the start of the object's name alone, so that deliveries can be read without the names.

use std::collections::BTreeSet;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult};

use super::{changes_column, decode, decode_error, encode, numbers};
use crate::ledger::{DeliveredInterval, ObjectGroup, ObjectRecord, push_interval};
use crate::series::SeriesKey;
use crate::time::{Minute, Span};

pub(in crate::store) fn encode_objects(objects: &[ObjectRecord]) -> PolarsResult<Vec<u8>> {
    let all = || objects.iter();
    let counted = series_lists(all().map(|object| &object.counted))?;
    let uncounted = series_lists(all().map(|object| &object.uncounted))?;
    let columns = vec![
        Column::new("key".into(), all().map(|object| &*object.key).collect::<Vec<_>>()),
        Column::new("size".into(), all().map(|object| object.size).collect::<Vec<_>>()),
        Column::new("lines".into(), all().map(|object| object.lines).collect::<Vec<_>>()),
        Column::new("unparsed".into(), all().map(|object| object.unparsed).collect::<Vec<_>>()),
        changes_column("load_balancer", all().map(|object| &*object.load_balancer)),
        changes_column("name_prefix", all().map(ObjectRecord::account_region)),
        Column::new("start".into(), all().map(|object| object.interval.start.0).collect::<Vec<_>>()),
        Column::new("end".into(), all().map(|object| object.interval.end.0).collect::<Vec<_>>()),
        changes_column("counted", counted.iter().map(|json| &**json)),
        changes_column("uncounted", uncounted.iter().map(|json| &**json)),
    ];
    encode(objects.len(), columns, &[])
}

/// Sets of series as JSON lists, one for each object. Neighbours mostly share theirs, which is encoded once.
fn series_lists<'o>(sets: impl Iterator<Item = &'o Arc<BTreeSet<SeriesKey>>>) -> PolarsResult<Vec<Arc<str>>> {
    let mut previous: Option<(&Arc<BTreeSet<SeriesKey>>, Arc<str>)> = None;
    let mut texts = Vec::new();
    for set in sets {
        let shared = previous.as_ref().filter(|(other, _)| Arc::ptr_eq(other, set) || *other == set);
        let text = if let Some((_, text)) = shared {
            Arc::clone(text)
        } else {
            let names: Vec<&str> = set.iter().map(SeriesKey::as_str).collect();
            let json = serde_json::to_string(&names);
            Arc::from(json.map_err(|error| PolarsError::ComputeError(error.to_string().into()))?)
        };
        previous = Some((set, Arc::clone(&text)));
        texts.push(text);
    }
    Ok(texts)
}

/// The inverse of [`encode_objects`].
pub(in crate::store) fn decode_records(bytes: &[u8]) -> PolarsResult<Vec<ObjectRecord>> {
    let frame = decode_objects(bytes, &["key", "unparsed"])?;
    let unparsed: Vec<u64> = numbers!(frame, "unparsed", u64);
    let mut keys = frame.column("key")?.str()?.iter();
    let mut records = Vec::with_capacity(frame.height());
    for_each_object(&frame, |row, group, interval, (size, lines)| {
        let key = keys.next().flatten().unwrap_or_default().to_owned();
        records.push(ObjectRecord {
            key,
            size,
            lines,
            unparsed: unparsed.get(row).copied().unwrap_or_default(),
            load_balancer: Arc::clone(&group.load_balancer),
            interval,
            counted: Arc::clone(&group.counted),
            uncounted: Arc::clone(&group.uncounted),
        });
    })?;
    Ok(records)
}

/// Like [`decode_records`], without names.
pub(in crate::store) fn decode_intervals(bytes: &[u8]) -> PolarsResult<Vec<DeliveredInterval>> {
    let frame = decode_objects(bytes, &[])?;
    let mut intervals = Vec::new();
    for_each_object(&frame, |_, group, interval, (_, lines)| push_interval(&mut intervals, group, interval, lines))?;
    Ok(intervals)
}

fn decode_objects(bytes: &[u8], extra_columns: &[&str]) -> PolarsResult<DataFrame> {
    let common_columns = ["size", "lines", "load_balancer", "name_prefix", "start", "end", "counted", "uncounted"];
    decode(bytes, &[&common_columns, extra_columns].concat())
}

/// Visits the row, group, interval, and size and lines of every object.
fn for_each_object(
    frame: &DataFrame,
    mut visit: impl FnMut(usize, &Arc<ObjectGroup>, Span, (u64, u64)),
) -> PolarsResult<()> {
    let (start, end): (Vec<i32>, Vec<i32>) = (numbers!(frame, "start", i32), numbers!(frame, "end", i32));
    let (size, lines): (Vec<u64>, Vec<u64>) = (numbers!(frame, "size", u64), numbers!(frame, "lines", u64));
    let texts = |name: &str| PolarsResult::Ok(frame.column(name)?.str()?.iter());
    let texts = texts("load_balancer")?.zip(texts("name_prefix")?).zip(texts("counted")?.zip(texts("uncounted")?));
    let mut previous: Option<Arc<ObjectGroup>> = None;
    for (row, (((start, end), (size, lines)), ((balancer, account_region), (counted, uncounted)))) in
        start.iter().zip(&end).zip(size.iter().zip(&lines)).zip(texts).enumerate()
    {
        let row_texts = RowTexts { balancer, account_region, counted, uncounted };
        let group = group_of_row(previous.as_ref(), &row_texts, *size)?;
        visit(row, &group, Span::new(Minute(*start), Minute(*end)), (*size, *lines));
        previous = Some(group);
    }
    Ok(())
}

/// The texts of a row that differ from the row above.
struct RowTexts<'r> {
    balancer: Option<&'r str>,
    account_region: Option<&'r str>,
    counted: Option<&'r str>,
    uncounted: Option<&'r str>,
}

/// The group of a row: that of the row above, but for what differs.
fn group_of_row(previous: Option<&Arc<ObjectGroup>>, row: &RowTexts<'_>, size: u64) -> PolarsResult<Arc<ObjectGroup>> {
    let RowTexts { balancer, account_region: area, counted, uncounted: unread } = *row;
    let missing = || decode_error("the first row is incomplete");
    let series_set =
        |json: Option<&str>, inherited: Option<&Arc<BTreeSet<SeriesKey>>>| -> PolarsResult<Option<Arc<_>>> {
            let Some(json) = json else { return Ok(inherited.map(Arc::clone)) };
            let names: Vec<String> = serde_json::from_str(json).map_err(|_| decode_error("invalid list of series"))?;
            Ok(Some(Arc::new(names.iter().map(|name| SeriesKey::new(name)).collect())))
        };
    let counted_set = series_set(counted, previous.map(|last| &last.counted))?.ok_or_else(missing)?;
    let is_pending = size == 0 && counted_set.is_empty();
    if let Some(last) = previous
        && [balancer, area, counted, unread].iter().all(Option::is_none)
        && last.is_pending == is_pending
    {
        return Ok(Arc::clone(last));
    }
    Ok(Arc::new(ObjectGroup {
        load_balancer: balancer
            .map(Arc::from)
            .or_else(|| previous.map(|last| last.load_balancer.clone()))
            .ok_or_else(missing)?,
        account_region: area
            .map(str::to_owned)
            .or_else(|| previous.map(|last| last.account_region.clone()))
            .ok_or_else(missing)?,
        counted: counted_set,
        uncounted: series_set(unread, previous.map(|last| &last.uncounted))?.unwrap_or_default(),
        is_pending,
    }))
}

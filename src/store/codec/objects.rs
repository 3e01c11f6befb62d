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
    encode(objects.len(), columns, Vec::new())
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
    let keys = frame.column("key")?.str()?.iter().map(|key| key.unwrap_or_default().to_owned());
    let (sizes, unparsed): (Vec<u64>, Vec<u64>) = (numbers!(frame, "size", u64), numbers!(frame, "unparsed", u64));
    let to_record = |(((key, DeliveredInterval { group, interval, lines }), size), unparsed)| ObjectRecord {
        key,
        size,
        lines,
        unparsed,
        load_balancer: Arc::clone(&group.load_balancer),
        interval,
        counted: Arc::clone(&group.counted),
        uncounted: Arc::clone(&group.uncounted),
    };
    Ok(keys.zip(decode_rows(&frame)?).zip(sizes).zip(unparsed).map(to_record).collect())
}

pub(in crate::store) fn decode_intervals(bytes: &[u8]) -> PolarsResult<Vec<DeliveredInterval>> {
    let mut intervals = Vec::new();
    for delivered in decode_rows(&decode_objects(bytes, &[])?)? {
        push_interval(&mut intervals, delivered);
    }
    Ok(intervals)
}

fn decode_objects(bytes: &[u8], extra_columns: &[&str]) -> PolarsResult<DataFrame> {
    let common_columns = ["size", "lines", "load_balancer", "name_prefix", "start", "end", "counted", "uncounted"];
    decode(bytes, &[&common_columns, extra_columns].concat())
}

fn decode_rows(frame: &DataFrame) -> PolarsResult<Vec<DeliveredInterval>> {
    let (starts, ends): (Vec<i32>, Vec<i32>) = (numbers!(frame, "start", i32), numbers!(frame, "end", i32));
    let (sizes, lines): (Vec<u64>, Vec<u64>) = (numbers!(frame, "size", u64), numbers!(frame, "lines", u64));
    let texts = |name: &str| PolarsResult::Ok(frame.column(name)?.str()?.iter());
    let origins = texts("load_balancer")?.zip(texts("name_prefix")?);
    let series = texts("counted")?.zip(texts("uncounted")?);
    let spans = starts.into_iter().zip(ends).map(|(start, end)| Span::new(Minute(start), Minute(end)));
    let mut delivered: Vec<DeliveredInterval> = Vec::with_capacity(frame.height());
    for ((interval, (size, lines)), changes) in spans.zip(sizes.into_iter().zip(lines)).zip(origins.zip(series)) {
        let group = group_of_row(delivered.last().map(|last| &last.group), changes, size)?;
        delivered.push(DeliveredInterval { group, interval, lines });
    }
    Ok(delivered)
}

/// The group of a row: that of the row above, but for texts that differ.
fn group_of_row(
    previous: Option<&Arc<ObjectGroup>>,
    ((load_balancer, account_region), (counted, uncounted)): RowTexts<'_>,
    size: u64,
) -> PolarsResult<Arc<ObjectGroup>> {
    let mut group = match previous {
        Some(previous) => Arc::clone(previous),
        None if [load_balancer, account_region, counted].contains(&None) => {
            return Err(decode_error("the first row is incomplete"));
        }
        None => Arc::default(),
    };
    if let Some(load_balancer) = load_balancer {
        Arc::make_mut(&mut group).load_balancer = Arc::from(load_balancer);
    }
    if let Some(account_region) = account_region {
        account_region.clone_into(&mut Arc::make_mut(&mut group).account_region);
    }
    if let Some(counted) = counted {
        Arc::make_mut(&mut group).counted = decode_series_list(counted)?;
    }
    if let Some(uncounted) = uncounted {
        Arc::make_mut(&mut group).uncounted = decode_series_list(uncounted)?;
    }
    let is_pending = size == 0 && group.counted.is_empty();
    if group.is_pending != is_pending {
        Arc::make_mut(&mut group).is_pending = is_pending;
    }
    Ok(group)
}

/// Load balancer, account and region, counted and uncounted series: each only where it differs from the row above.
type RowTexts<'r> = ((Option<&'r str>, Option<&'r str>), (Option<&'r str>, Option<&'r str>));

fn decode_series_list(json: &str) -> PolarsResult<Arc<BTreeSet<SeriesKey>>> {
    let names: Vec<String> = serde_json::from_str(json).map_err(|_| decode_error("invalid list of series"))?;
    Ok(Arc::new(names.iter().map(|name| SeriesKey::new(name)).collect()))
}

//! Log objects of a part of a day, sorted by name. `counted` is a JSON list of the names of series, `area` the start of the
//! object's name by itself, so that what was delivered can be read without the names.

use std::collections::BTreeSet;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame, PolarsError, PolarsResult};

use super::{changes, damaged, decode, encode, numbers};
use crate::ledger::{Delivery, ObjectRecord, Origin, deliver};
use crate::minute::{Minute, Span};
use crate::series::SeriesKey;

/// Objects that are sorted by name.
pub(in crate::store) fn encode_objects(objects: &[ObjectRecord]) -> PolarsResult<Vec<u8>> {
    let all = || objects.iter();
    let mut sets: Vec<(&Arc<BTreeSet<SeriesKey>>, String)> = Vec::new();
    let mut of_object = Vec::with_capacity(objects.len());
    for object in objects {
        let same = |set: &Arc<BTreeSet<SeriesKey>>| Arc::ptr_eq(set, &object.counted) || **set == *object.counted;
        if !sets.last().is_some_and(|(set, _)| same(set)) {
            let names: Vec<&str> = object.counted.iter().map(SeriesKey::as_str).collect();
            let json =
                serde_json::to_string(&names).map_err(|error| PolarsError::ComputeError(error.to_string().into()))?;
            sets.push((&object.counted, json));
        }
        of_object.push(sets.len() - 1);
    }
    let columns = vec![
        Column::new("key".into(), all().map(|object| &*object.key).collect::<Vec<_>>()),
        Column::new("size".into(), all().map(|object| object.size).collect::<Vec<_>>()),
        Column::new("lines".into(), all().map(|object| object.lines).collect::<Vec<_>>()),
        Column::new("unparsed".into(), all().map(|object| object.unparsed).collect::<Vec<_>>()),
        changes("load_balancer", all().map(|object| &*object.load_balancer)),
        changes("area", all().map(ObjectRecord::area)),
        Column::new("start".into(), all().map(|object| object.interval.start.0).collect::<Vec<_>>()),
        Column::new("end".into(), all().map(|object| object.interval.end.0).collect::<Vec<_>>()),
        changes("counted", of_object.iter().filter_map(|place| sets.get(*place)).map(|(_, json)| json.as_str())),
    ];
    encode(objects.len(), columns, &[])
}

/// The inverse of [`encode_objects`].
pub(in crate::store) fn decode_records(bytes: &[u8]) -> PolarsResult<Vec<ObjectRecord>> {
    let columns = ["key", "size", "lines", "unparsed", "load_balancer", "area", "start", "end", "counted"];
    let frame = decode(bytes, &columns)?;
    let (size, unparsed): (Vec<u64>, Vec<u64>) = (numbers!(frame, "size", u64), numbers!(frame, "unparsed", u64));
    let mut keys = frame.column("key")?.str()?.iter();
    let mut records = Vec::with_capacity(frame.height());
    each(&frame, |row, origin, interval, lines| {
        let key = keys.next().flatten().unwrap_or_default().to_owned();
        records.push(ObjectRecord {
            key,
            size: size.get(row).copied().unwrap_or_default(),
            lines,
            unparsed: unparsed.get(row).copied().unwrap_or_default(),
            load_balancer: Arc::clone(&origin.load_balancer),
            interval,
            counted: Arc::clone(&origin.counted),
        });
    })?;
    Ok(records)
}

/// The same without names.
pub(in crate::store) fn decode_deliveries(bytes: &[u8]) -> PolarsResult<Vec<Delivery>> {
    let frame = decode(bytes, &["lines", "load_balancer", "area", "start", "end", "counted"])?;
    let mut deliveries = Vec::new();
    each(&frame, |_, origin, interval, lines| deliver(&mut deliveries, origin, interval, lines))?;
    Ok(deliveries)
}

/// Tells the number, the origin, the interval and the lines of every object.
fn each(frame: &DataFrame, mut tell: impl FnMut(usize, &Arc<Origin>, Span, u64)) -> PolarsResult<()> {
    let (start, end): (Vec<i32>, Vec<i32>) = (numbers!(frame, "start", i32), numbers!(frame, "end", i32));
    let lines: Vec<u64> = numbers!(frame, "lines", u64);
    let texts = |name: &str| PolarsResult::Ok(frame.column(name)?.str()?.iter());
    let origins = texts("load_balancer")?.zip(texts("area")?).zip(texts("counted")?);
    let mut last: Option<Arc<Origin>> = None;
    for (row, (((start, end), lines), ((balancer, area), counted))) in
        start.iter().zip(&end).zip(&lines).zip(origins).enumerate()
    {
        let origin = match &last {
            Some(origin) if balancer.is_none() && area.is_none() && counted.is_none() => origin,
            _ => last.insert(Arc::new(origin(last.as_deref(), balancer, area, counted)?)),
        };
        tell(row, origin, Span::new(Minute(*start), Minute(*end)), *lines);
    }
    Ok(())
}

fn origin(
    last: Option<&Origin>,
    balancer: Option<&str>,
    area: Option<&str>,
    counted: Option<&str>,
) -> PolarsResult<Origin> {
    let missing = || damaged("its first row is not complete");
    let set = |json: &str| -> PolarsResult<Arc<BTreeSet<SeriesKey>>> {
        let names: Vec<String> = serde_json::from_str(json).map_err(|_| damaged("its series cannot be read"))?;
        Ok(Arc::new(names.iter().map(|name| SeriesKey::new(name)).collect()))
    };
    Ok(Origin {
        load_balancer: balancer
            .map(Arc::from)
            .or_else(|| last.map(|last| last.load_balancer.clone()))
            .ok_or_else(missing)?,
        area: area.map(str::to_owned).or_else(|| last.map(|last| last.area.clone())).ok_or_else(missing)?,
        counted: match (counted, last) {
            (Some(json), _) => set(json)?,
            (None, last) => last.map(|last| Arc::clone(&last.counted)).ok_or_else(missing)?,
        },
    })
}

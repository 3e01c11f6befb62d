//! Log objects of a part of a day, sorted by name. `counted` and `uncounted` are JSON lists of the names of series,
//! `name_prefix` is the start of the object's name alone, so that deliveries can be read without the names.

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
    let counted = series_lists(all().map(|object| &object.counted))?;
    let unread = series_lists(all().map(|object| &object.unread))?;
    let columns = vec![
        Column::new("key".into(), all().map(|object| &*object.key).collect::<Vec<_>>()),
        Column::new("size".into(), all().map(|object| object.size).collect::<Vec<_>>()),
        Column::new("lines".into(), all().map(|object| object.lines).collect::<Vec<_>>()),
        Column::new("unparsed".into(), all().map(|object| object.unparsed).collect::<Vec<_>>()),
        changes("load_balancer", all().map(|object| &*object.load_balancer)),
        changes("name_prefix", all().map(ObjectRecord::area)),
        Column::new("start".into(), all().map(|object| object.interval.start.0).collect::<Vec<_>>()),
        Column::new("end".into(), all().map(|object| object.interval.end.0).collect::<Vec<_>>()),
        changes("counted", counted.iter().map(|json| &**json)),
        changes("uncounted", unread.iter().map(|json| &**json)),
    ];
    encode(objects.len(), columns, &[])
}

/// Sets of series as JSON lists, one for each object. Neighbours mostly share theirs, which is written once.
fn series_lists<'o>(sets: impl Iterator<Item = &'o Arc<BTreeSet<SeriesKey>>>) -> PolarsResult<Vec<Arc<str>>> {
    let mut above: Option<(&Arc<BTreeSet<SeriesKey>>, Arc<str>)> = None;
    let mut texts = Vec::new();
    for set in sets {
        let same = above.as_ref().filter(|(other, _)| Arc::ptr_eq(other, set) || *other == set);
        let text = if let Some((_, text)) = same {
            Arc::clone(text)
        } else {
            let names: Vec<&str> = set.iter().map(SeriesKey::as_str).collect();
            let json = serde_json::to_string(&names);
            Arc::from(json.map_err(|error| PolarsError::ComputeError(error.to_string().into()))?)
        };
        above = Some((set, Arc::clone(&text)));
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
    each(&frame, |row, origin, interval, (size, lines)| {
        let key = keys.next().flatten().unwrap_or_default().to_owned();
        records.push(ObjectRecord {
            key,
            size,
            lines,
            unparsed: unparsed.get(row).copied().unwrap_or_default(),
            load_balancer: Arc::clone(&origin.load_balancer),
            interval,
            counted: Arc::clone(&origin.counted),
            unread: Arc::clone(&origin.unread),
        });
    })?;
    Ok(records)
}

/// The same without names.
pub(in crate::store) fn decode_deliveries(bytes: &[u8]) -> PolarsResult<Vec<Delivery>> {
    let frame = decode_objects(bytes, &[])?;
    let mut deliveries = Vec::new();
    each(&frame, |_, origin, interval, (_, lines)| deliver(&mut deliveries, origin, interval, lines))?;
    Ok(deliveries)
}

/// Columns that every reader needs, and some more.
fn decode_objects(bytes: &[u8], more: &[&str]) -> PolarsResult<DataFrame> {
    let always = ["size", "lines", "load_balancer", "name_prefix", "start", "end", "counted", "uncounted"];
    decode(bytes, &[&always, more].concat())
}

/// Passes on the row, the origin, the interval, and size and lines of every object.
fn each(frame: &DataFrame, mut take: impl FnMut(usize, &Arc<Origin>, Span, (u64, u64))) -> PolarsResult<()> {
    let (start, end): (Vec<i32>, Vec<i32>) = (numbers!(frame, "start", i32), numbers!(frame, "end", i32));
    let (size, lines): (Vec<u64>, Vec<u64>) = (numbers!(frame, "size", u64), numbers!(frame, "lines", u64));
    let texts = |name: &str| PolarsResult::Ok(frame.column(name)?.str()?.iter());
    let texts = texts("load_balancer")?.zip(texts("name_prefix")?).zip(texts("counted")?.zip(texts("uncounted")?));
    let mut last: Option<Arc<Origin>> = None;
    for (row, (((start, end), (size, lines)), ((balancer, area), (counted, unread)))) in
        start.iter().zip(&end).zip(size.iter().zip(&lines)).zip(texts).enumerate()
    {
        let row_texts = RowTexts { balancer, area, counted, unread };
        let origin = origin(last.as_ref(), &row_texts, *size)?;
        take(row, &origin, Span::new(Minute(*start), Minute(*end)), (*size, *lines));
        last = Some(origin);
    }
    Ok(())
}

/// What a row holds where it differs from the row above.
struct RowTexts<'r> {
    balancer: Option<&'r str>,
    area: Option<&'r str>,
    counted: Option<&'r str>,
    unread: Option<&'r str>,
}

/// The origin of a row: that of the row above, but for what differs.
fn origin(last: Option<&Arc<Origin>>, row: &RowTexts<'_>, size: u64) -> PolarsResult<Arc<Origin>> {
    let RowTexts { balancer, area, counted, unread } = *row;
    let missing = || damaged("the first row is incomplete");
    let set = |json: Option<&str>, above: Option<&Arc<BTreeSet<SeriesKey>>>| -> PolarsResult<Option<Arc<_>>> {
        let Some(json) = json else { return Ok(above.map(Arc::clone)) };
        let names: Vec<String> = serde_json::from_str(json).map_err(|_| damaged("invalid list of series"))?;
        Ok(Some(Arc::new(names.iter().map(|name| SeriesKey::new(name)).collect())))
    };
    let counted_now = set(counted, last.map(|last| &last.counted))?.ok_or_else(missing)?;
    let is_pending = size == 0 && counted_now.is_empty();
    if let Some(last) = last
        && [balancer, area, counted, unread].iter().all(Option::is_none)
        && last.is_pending == is_pending
    {
        return Ok(Arc::clone(last));
    }
    Ok(Arc::new(Origin {
        load_balancer: balancer
            .map(Arc::from)
            .or_else(|| last.map(|last| last.load_balancer.clone()))
            .ok_or_else(missing)?,
        area: area.map(str::to_owned).or_else(|| last.map(|last| last.area.clone())).ok_or_else(missing)?,
        counted: counted_now,
        unread: set(unread, last.map(|last| &last.unread))?.unwrap_or_default(),
        is_pending,
    }))
}

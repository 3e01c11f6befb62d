use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::commit::Committer;
use super::fetch::{OpenSource, fetch_side_by_side};
use crate::counts::{Counts, MinuteCount};
use crate::diagnostics::Diagnostics;
use crate::fetch_plan::{FetchPlan, RangeRequest};
use crate::ledger::{Ledger, ListedObject, ObjectRecord};
use crate::queries::LedgerError;
use crate::series::SeriesKey;
use crate::slo::{AwsScope, Indicator, SourceKind};
use crate::source::{AnsweredRange, CountSource, Fetched, FetchedObjects, SourceSummary, pack_counts};
use crate::store::{LedgerStore, LoadRequest, MemoryStore};
use crate::time::{Day, Minute, Span};

const DAY: Day = Day(20_000);

fn series() -> SeriesKey {
    SeriesKey::new("metrics a query unread")
}

/// Counts of one series in some minutes of a day, none of them bad.
fn counts(totals: &[(i32, u32)]) -> Counts {
    let mut counts = Counts::new();
    let day = counts.entry((series(), DAY)).or_default();
    for (minute, total) in totals {
        day.0[usize::try_from(*minute).unwrap()] = Some(MinuteCount { total: *total, bad: 0 });
    }
    counts
}

fn span(start: i32, end: i32) -> Span {
    Span::new(DAY.start().plus(start), DAY.start().plus(end))
}

fn batch(totals: &[(i32, u32)]) -> Fetched<'static> {
    Fetched { counts: pack_counts(&counts(totals)), ..Fetched::default() }
}

fn range_request() -> RangeRequest {
    let indicator = Indicator::Query { source: "metrics".to_owned(), file: "a".to_owned(), sql: None };
    RangeRequest {
        source: "metrics".to_owned(),
        kind: SourceKind::CloudWatch { aws: AwsScope::default(), account: None },
        end: span(0, 100).end,
        settled: span(0, 50).end,
        settled_now: span(0, 50).end,
        series: BTreeMap::from([(series(), (indicator, DAY.start()))]),
        tagged_series: BTreeSet::new(),
    }
}

async fn empty_store() -> LedgerStore {
    LedgerStore::create(Box::new(MemoryStore::default()), "memory").await.unwrap()
}

async fn open_committer(store: &LedgerStore) -> Committer {
    let plan = FetchPlan { ranges: vec![range_request()], ..FetchPlan::default() };
    Committer::open(&plan, store).await.unwrap()
}

/// Events and known minutes of the series in a span.
async fn total_and_known(store: &LedgerStore, span: Span) -> (u64, u32) {
    let ledger = store.load(&LoadRequest::for_days([DAY], [])).await.unwrap();
    let sums = ledger.sums(&series(), span).unwrap();
    (sums.total, sums.known)
}

#[tokio::test]
async fn batch_replaces_minutes_and_clears_the_rest_of_its_spans() {
    let mut store = empty_store().await;
    let mut committer = open_committer(&store).await;
    committer.commit(batch(&[(0, 5), (1, 7), (2, 9)]), &mut store).await.unwrap();
    assert_eq!(total_and_known(&store, span(0, 10)).await, (21, 3));
    let replaced_spans = BTreeMap::from([(series(), vec![span(0, 2)])]);
    let second = Fetched { replaced_spans, ..batch(&[(1, 1)]) };
    committer.commit(second, &mut store).await.unwrap();
    assert_eq!(total_and_known(&store, span(0, 10)).await, (10, 2), "minute 0 is unknown, minute 2 is as it was");
}

#[tokio::test]
async fn only_answered_series_are_marked_as_fetched() {
    let (mut store, request) = (empty_store().await, range_request());
    let mut committer = open_committer(&store).await;
    assert_eq!(committer.missing_ranges(&request).len(), 1);
    let answer = |series: Vec<SeriesKey>| AnsweredRange {
        request: &request,
        span: span(0, 100),
        series,
        first_known: BTreeMap::new(),
    };
    let partial = Fetched { range: Some(answer(Vec::new())), is_paid: true, ..batch(&[(3, 4)]) };
    committer.commit(partial, &mut store).await.unwrap();
    assert_eq!(committer.missing_ranges(&request).len(), 1, "its counts are stored, and it is fetched again");
    assert_eq!(total_and_known(&store, span(0, 100)).await, (4, 1));
    let complete = Fetched { range: Some(answer(vec![series()])), is_paid: true, ..batch(&[(3, 4)]) };
    committer.commit(complete, &mut store).await.unwrap();
    assert_eq!(committer.missing_ranges(&request), []);
    assert_eq!(open_committer(&store).await.missing_ranges(&request), [], "the next run knows it");
}

#[tokio::test]
async fn earlier_traffic_invalidates_later_silence() {
    let (mut store, request) = (empty_store().await, range_request());
    let mut committer = open_committer(&store).await;
    let answer = |span: Span, first_known: BTreeMap<SeriesKey, Minute>| {
        Some(AnsweredRange { request: &request, span, series: vec![series()], first_known })
    };
    let newest = Fetched { range: answer(span(60, 100), BTreeMap::new()), ..Fetched::default() };
    committer.commit(newest, &mut store).await.unwrap();
    let first_known = BTreeMap::from([(series(), span(20, 20).start)]);
    let older = Fetched { range: answer(span(0, 60), first_known), ..batch(&[(20, 1)]) };
    committer.commit(older, &mut store).await.unwrap();
    let missing: Vec<Span> = committer.missing_ranges(&request).into_iter().map(|range| range.span).collect();
    assert_eq!(missing, [span(50, 100)]);
}

fn record(key: &str) -> ObjectRecord {
    ObjectRecord {
        key: key.to_owned(),
        size: 10,
        lines: 1,
        unparsed: 0,
        load_balancer: Arc::from("app/shop/1"),
        interval: span(0, 5),
        counted: Arc::new(BTreeSet::from([series()])),
        uncounted: Arc::default(),
    }
}

#[tokio::test]
async fn sources_of_one_round_keep_each_others_objects() {
    let mut store = empty_store().await;
    let mut committer = open_committer(&store).await;
    let fetch = async |store: &LedgerStore, key: &str| FetchedObjects {
        ledger: store.load(&LoadRequest::for_days([], [DAY])).await.unwrap(),
        records: vec![record(key)],
        counts: BTreeMap::new(),
    };
    let keys = ["1_elasticloadbalancing_eu_a", "1_elasticloadbalancing_eu_b"];
    let round = [fetch(&store, keys[0]).await, fetch(&store, keys[1]).await];
    for objects in round {
        committer.commit(Fetched { objects: Some(objects), ..Fetched::default() }, &mut store).await.unwrap();
    }
    let ledger = store.load(&LoadRequest::for_days([], [DAY])).await.unwrap();
    let listed = keys.map(|key| ListedObject { key, size: 10, load_balancer: "app/shop/1", interval: span(0, 5) });
    let wanted = BTreeMap::from([("app/shop/1".to_owned(), BTreeSet::from([series()]))]);
    assert_eq!(ledger.unread_objects(&listed, &wanted), []);
}

/// Returns prepared batches, each after some polls.
struct PreparedSource {
    batches: Vec<Fetched<'static>>,
    polls: usize,
    warning: &'static str,
}

impl PreparedSource {
    fn open(batches: Vec<Fetched<'static>>, polls: usize, warning: &'static str) -> OpenSource<'static> {
        OpenSource::new(Box::new(Self { batches, polls, warning }), tracing::Span::none())
    }
}

#[async_trait(?Send)]
impl CountSource<'static> for PreparedSource {
    async fn fetch_next(&mut self, _: Ledger) -> Option<Fetched<'static>> {
        for _ in 0..self.polls {
            tokio::task::yield_now().await;
        }
        (!self.batches.is_empty()).then(|| self.batches.remove(0))
    }

    fn progress(&self) -> (usize, usize) {
        (0, self.batches.len())
    }

    fn finish(self: Box<Self>) -> SourceSummary<'static> {
        SourceSummary { diagnostics: Diagnostics::from_warning(self.warning.to_owned()), recent_logs: None }
    }
}

async fn fetch_prepared(
    sources: Vec<OpenSource<'static>>,
    store: &mut LedgerStore,
) -> Result<Vec<String>, LedgerError> {
    let mut committer = open_committer(store).await;
    let summaries = fetch_side_by_side(&|_, _| {}, sources, &mut committer, store).await?;
    Ok(summaries.into_iter().flat_map(|summary| summary.diagnostics.warnings).collect())
}

#[tokio::test]
async fn failing_source_does_not_stop_the_others() {
    let mut store = empty_store().await;
    let sources = vec![
        PreparedSource::open(Vec::new(), 0, "refused"),
        PreparedSource::open(vec![batch(&[(0, 1)]), batch(&[(1, 2)]), batch(&[(2, 4)])], 0, "whole"),
    ];
    assert_eq!(fetch_prepared(sources, &mut store).await.unwrap(), ["refused", "whole"]);
    assert_eq!(total_and_known(&store, span(0, 10)).await, (7, 3));
}

#[tokio::test]
async fn batches_are_committed_in_source_order_whichever_answers_first() {
    for (first, second) in [(0, 9), (9, 0)] {
        let mut store = empty_store().await;
        let sources = vec![
            PreparedSource::open(vec![batch(&[(0, 1)])], first, "a"),
            PreparedSource::open(vec![batch(&[(0, 2)])], second, "b"),
        ];
        assert_eq!(fetch_prepared(sources, &mut store).await.unwrap(), ["a", "b"]);
        assert_eq!(total_and_known(&store, span(0, 1)).await, (2, 1));
    }
}

#[tokio::test]
async fn what_was_fetched_before_a_ledger_error_is_kept() {
    let mut store = empty_store().await;
    let object = record("1_elasticloadbalancing_eu_a");
    let counted_twice =
        FetchedObjects { ledger: Ledger::default(), records: vec![object.clone(), object], counts: BTreeMap::new() };
    let invalid = Fetched { objects: Some(counted_twice), ..Fetched::default() };
    let sources = vec![
        PreparedSource::open(vec![batch(&[(0, 1)]), batch(&[(1, 1)])], 0, "a"),
        PreparedSource::open(vec![batch(&[(2, 1)]), invalid], 0, "b"),
    ];
    fetch_prepared(sources, &mut store).await.unwrap_err();
    assert_eq!(total_and_known(&store, span(0, 10)).await, (3, 3));
}

//! The bytes of every JSON file of the ledger: a ledger that was written before must be read, and written alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::alert::{
    AlertState, Delivery, EndReason, Incident, IncidentKey, IncidentSubject, Notification, NotificationKind,
    OutboxEntry, Owner, SloCheckpoint, UrgencyState,
};
use crate::cost::Usage;
use crate::counts::Sums;
use crate::discovery::{Discovery, Lifetime, Resolution, ResourceId, ScopedSelector, Selector};
use crate::fetch_plan::{DayListing, FetchedRange, FileState, ImportedFile, ListingCache};
use crate::report::gate::Override;
use crate::slo::{AwsScope, SloId, Urgency};
use crate::store::{CrashPoints, DirectoryStore};
use crate::time::Minute;

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn open(folder: &Path) -> LedgerStore {
    let blobs = DirectoryStore::open(folder, CrashPoints::default()).unwrap();
    wait(LedgerStore::create(Box::new(blobs), "ledger")).unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn files_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Holds the bytes of a file, which must not change while its format has the same number.
fn assert_format(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../../../tests/it/snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(format!("ledger_format_{name}"), text);
    });
}

fn notification() -> Notification {
    Notification {
        key: "shop/availability@2026-10-01T10:05Z".to_owned(),
        number: 2,
        kind: NotificationKind::Changed,
        urgency: Urgency::Severe,
        title: "shop/availability: 25% failed".to_owned(),
        paragraphs: vec!["One.".to_owned()],
        facts: vec![("burn".to_owned(), "20".to_owned())],
        links: vec![("runbook".to_owned(), "https://example.com".to_owned())],
        service: "shop".to_owned(),
        team: "mart".to_owned(),
        class: "critical".to_owned(),
        at: minute("2026-10-01T10:10Z"),
    }
}

fn alert_state() -> AlertState {
    let start = minute("2026-10-01T10:05Z");
    let key = |subject| IncidentKey { subject, started: start };
    let owner = Owner { team: "mart".to_owned(), service: "shop".to_owned(), class: "critical".to_owned() };
    let slo = IncidentSubject::Slo(SloId::new("shop", "availability"));
    let group = IncidentSubject::SharedLoadBalancer("app/mart/0a".to_owned());
    let mut member = Incident::new(owner.clone(), Urgency::Page, start);
    member.change_urgency(Urgency::Severe, start.plus(1));
    member.change_urgency(Urgency::Ticket, start.plus(2));
    member.ended = Some((start.plus(9), EndReason::OwnerChanged));
    (member.is_late, member.is_reevaluated, member.is_silenced) = (true, true, true);
    member.contributors = Some("10.0.0.1".to_owned());
    member.group = Some(key(group.clone()));
    member.notified = [("mailto:a@example.com".to_owned(), Urgency::Page)].into();
    member.last_notified = Some(start);
    member.notification_count = 1;
    member.deliveries = vec![Delivery {
        number: 1,
        kind: NotificationKind::Opened,
        urgency: Urgency::Page,
        destination: "mailto:a@example.com".to_owned(),
        at: start,
    }];
    let mut shared = Incident::new(owner.clone(), Urgency::Page, start);
    shared.members = BTreeSet::from([key(slo.clone())]);
    let mut incidents = BTreeMap::from([(key(slo), member), (key(group), shared)]);
    for subject in [
        IncidentSubject::SharedSource("logs".to_owned()),
        IncidentSubject::StaleSource("logs".to_owned()),
        IncidentSubject::InvalidDefinitions("mart".to_owned()),
    ] {
        incidents.insert(key(subject), Incident::new(owner.clone(), Urgency::Ticket, start));
    }
    let calm = SloCheckpoint {
        evaluated_at: start,
        recent_counts: Sums { total: 10, bad: 1, known: 5 },
        urgency_state: UrgencyState::default(),
        fingerprint: "f1".to_owned(),
        objective: "99.9%".to_owned(),
        team: "mart".to_owned(),
        previous_objectives: Vec::new(),
    };
    let burning = SloCheckpoint {
        urgency_state: UrgencyState {
            minutes_to_recovery: [60, 15, 0],
            minutes_without_traffic: 3,
            last_recovered: [None, Some(start), None],
            is_flapping: [false, true, false],
            is_ticket_held: true,
            has_paged: false,
            is_traffic_drop: false,
        },
        previous_objectives: vec![(start, "99%".to_owned())],
        ..calm.clone()
    };
    let mut failed = OutboxEntry::new(notification(), "slack:A".to_owned(), start);
    failed.attempts = 3;
    failed.last_error = Some("refused".to_owned());
    failed.reported_as = Some(Urgency::Ticket);
    failed.is_abandoned = true;
    AlertState {
        last_run: Some(start),
        checkpoints: [(SloId::new("shop", "availability"), burning), (SloId::new("shop", "latency"), calm)].into(),
        incidents,
        outbox: vec![OutboxEntry::new(notification(), "slack:B".to_owned(), start), failed],
    }
}

#[test]
fn alert_state_file_keeps_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (name, file, kind, state) in [
        ("alerts", "alerts.json", AlertStateKind::Live, alert_state()),
        ("alerts_empty", "alerts-dry-run.json", AlertStateKind::DryRun, AlertState::default()),
    ] {
        wait(store.save_alert_state(kind, &state, None)).unwrap();
        assert_format(name, &read(folder.path(), file));
        assert_eq!(wait(store.alert_state(kind)).unwrap().0, state);
    }
}

#[test]
fn sidecar_files_keep_their_format() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let scope = AwsScope { region: Some("eu-west-1".to_owned()), ..AwsScope::default() };
    let since = Lifetime { since: Some(minute("2026-10-01T10:05Z")), missing_since: None };
    let gone = Lifetime { missing_since: Some(minute("2026-10-02T10:05Z")), ..Lifetime::default() };
    let resource = |group: Option<&str>| ResourceId {
        load_balancer: "app/mart/0a".to_owned(),
        target_group: group.map(str::to_owned),
    };
    let resolution = Resolution {
        discovered_at: minute("2026-10-03T10:05Z"),
        lifetimes: [(resource(None), since), (resource(Some("shop/0b")), gone)].into(),
    };
    let empty = Resolution { discovered_at: minute("2026-10-03T10:05Z"), lifetimes: BTreeMap::new() };
    let role = AwsScope { role_arn: Some("arn:aws:iam::1:role/r".to_owned()), ..AwsScope::default() };
    let discovery = Discovery(BTreeMap::from([
        (ScopedSelector::new(&scope, &Selector::LoadBalancer("app/mart".to_owned())), resolution),
        (ScopedSelector::new(&role, &Selector::TargetGroup("{a=b}".to_owned())), empty),
    ]));
    wait(store.save_discovery(&discovery, None)).unwrap();
    assert_format("discovery", &read(folder.path(), "discovery.json"));
    assert_eq!(wait(store.discovery()).unwrap().0, discovery);

    let one = Override {
        at: minute("2026-10-01T10:05Z"),
        service: "shop".to_owned(),
        team: "mart".to_owned(),
        by: "ann".to_owned(),
        reason: "hotfix".to_owned(),
        gate_reason: "exhausted".to_owned(),
    };
    wait(store.add_override(&one)).unwrap();
    assert_format("overrides", &read(folder.path(), "overrides.json"));
    assert_eq!(wait(store.overrides()).unwrap(), [one]);

    let usage = Usage { s3_reads: 1, s3_writes: 2, metrics: 3, athena_bytes: 4 };
    let day: Day = "2026-10-31".parse().unwrap();
    for day in [day, day, day.plus(-1)] {
        wait(store.add_usage(day, &usage)).unwrap();
    }
    assert_format("usage", &read(folder.path(), "usage-2026-10.json"));
    assert_eq!(wait(store.usage(day.plus(-1))).unwrap(), usage);

    let now = minute("2026-11-23T10:05Z");
    assert!(wait(store.claim_weekly_report("2026-W47 a mailto:a@example.com", now)).unwrap());
    assert!(!wait(store.claim_weekly_report("2026-W47 a mailto:a@example.com", now)).unwrap());
    assert!(wait(store.claim_weekly_report("2026-W47 b mailto:b@example.com", now)).unwrap());
    wait(store.settle_weekly_report("2026-W47 b mailto:b@example.com", true)).unwrap();
    assert_format("weekly", &read(folder.path(), "weekly.json"));
}

#[test]
fn manifest_and_fetch_records_keep_their_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let start = minute("2026-10-01T10:05Z");
    let day = start.day();
    let (first, second) = (SeriesKey::new("cw a"), SeriesKey::new("cw b"));
    let range = FetchedRange { from: start, settled: start.plus(1), end: start.plus(2) };
    let ranges = BTreeMap::from([(first.clone(), range), (second.clone(), range)]);
    wait(store.save_fetched_ranges(&ranges)).unwrap();
    let files = BTreeMap::from([(
        first.clone(),
        ImportedFile { path: "a.csv".to_owned(), state: FileState { size: 1, modified_ns: 2 }, hash: "h".to_owned() },
    )]);
    wait(store.save_counts_files(&files)).unwrap();
    store.manifest.scanned_bytes_per_day = [("table".to_owned(), 7)].into();
    store.add_first_values(&[(first.clone(), [("m1".to_owned(), start)].into()), (second, BTreeMap::new())].into());
    let listing = DayListing { query_hash: "q".to_owned(), from: start, listed_on: day.plus(1) };
    store.manifest.listed_days.insert("s3://b/p".to_owned(), [(day, listing)].into());
    let cache = ListingCache {
        query_hash: "q".to_owned(),
        from: start,
        evaluated_at: start,
        listed_at: start,
        regions: vec!["r".to_owned()],
        days: vec!["2026/10/31".to_owned()],
    };
    store.manifest.listed_folders.insert("s3://b/p".to_owned(), cache);
    store.manifest.unlisted.insert("logs", day, "");
    let mut ledger = Ledger::default();
    let mut day_counts = crate::counts::DayCounts::default();
    day_counts.0[605] = Some(crate::counts::MinuteCount { total: 3, bad: 1 });
    ledger.merge_counts(&[((first.clone(), day), day_counts)].into()).unwrap();
    wait(store.commit(&mut ledger)).unwrap();
    wait(store.collect_garbage(day)).unwrap();
    let manifest = read(folder.path(), "manifest.json");
    assert_format("manifest", &manifest);
    for name in files_in(folder.path()) {
        if let Some((kind, _)) = name.split_once('-').filter(|(kind, _)| ["fetched", "counts"].contains(kind)) {
            assert_format(kind, &read(folder.path(), &name));
        }
    }
    drop(store);
    let mut store = open(folder.path());
    assert_eq!(wait(store.fetched_ranges()).unwrap(), ranges);
    assert_eq!(wait(store.counts_files()).unwrap(), files);
    store.manifest.scanned_bytes_per_day = [("table".to_owned(), 7)].into();
    wait(store.publish()).unwrap();
    assert_eq!(read(folder.path(), "manifest.json"), manifest, "the same manifest is not written again");
}

#[test]
fn other_alert_state_formats_are_rejected_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let read_state = |text: &str| {
        std::fs::write(folder.path().join("alerts.json"), text).unwrap();
        wait(store.alert_state(AlertStateKind::Live)).map(|(state, _)| state).map_err(|error| error.to_string())
    };
    assert_eq!(read_state(r#"{"format":2}"#).unwrap(), AlertState::default());
    assert_eq!(
        read_state(r#"{"format":1,"ran":"2026-10-01T10:05Z","incidents":[{"slo":"a/b"}]}"#).unwrap_err(),
        "`alerts.json` in the ledger has format 1, but this version reads format 2\nhint: start a new ledger with \
         `--ledger`, or remove `alerts.json` to start with no open incidents"
    );
    assert!(read_state(r#"{"format":3}"#).unwrap_err().contains("newer than this version"));
    let damaged = read_state("{}").unwrap_err();
    assert!(damaged.starts_with("cannot read `alerts.json` in the ledger: missing field `format`"));
    assert!(damaged.ends_with("open incidents are then forgotten, and may be notified again"), "{damaged}");
}

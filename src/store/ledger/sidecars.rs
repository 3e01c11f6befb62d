//! Small JSON files beside the manifest: alert state, discovery, overrides of the gate, AWS usage, sent weekly reports.
//!
//! Several runs may change one at the same time, so each is replaced by compare-and-swap.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::LedgerStore;
use crate::alert::AlertState;
use crate::cost::Usage;
use crate::discovery::Discovery;
use crate::report::gate::Override;
use crate::store::manifest::{Format, Month, Versioned};
use crate::store::{BlobError, BlobStore, StoreError, Version};
use crate::time::{Day, MINUTES_PER_DAY, Minute};

const MAX_ATTEMPTS: usize = 20;
/// The same of the alert state, whose updates take long.
const MAX_ALERT_STATE_ATTEMPTS: usize = 8;
/// Older overrides are in no window.
const OVERRIDE_RETENTION_MINUTES: i32 = 400 * MINUTES_PER_DAY;
/// Lines of `weekly.json` that are kept; a line is a report and a destination.
const MAX_WEEKLY_LINES: usize = 50_000;
/// Separates a line from the time at which a run claimed to send it.
const CLAIM_SEPARATOR: &str = " ~";
/// A claim that was not settled within this time was left by a crashed run.
const CLAIM_MINUTES: i32 = 15;

const DISCOVERY: Sidecar<Discovery> =
    Sidecar::new(Cow::Borrowed("discovery.json"), "the next run discovers load balancers again");
const OVERRIDES: Sidecar<Overrides> = Sidecar {
    name: Cow::Borrowed("overrides.json"),
    loss: "only reports use it",
    format: Some(1),
    is_compact: false,
    content: PhantomData,
};
const WEEKLY: Sidecar<BTreeSet<String>> =
    Sidecar::new(Cow::Borrowed("weekly.json"), "reports for this week may then be sent again");

/// A JSON file beside the manifest; a missing file holds the default value.
struct Sidecar<T> {
    name: Cow<'static, str>,
    /// What happens when the file is removed, for hints.
    loss: &'static str,
    /// The number of its format, where it has one: raised when older programs must not read the file.
    format: Option<u32>,
    is_compact: bool,
    content: PhantomData<T>,
}

impl<T> Sidecar<T> {
    const fn new(name: Cow<'static, str>, loss: &'static str) -> Self {
        Self { name, loss, format: None, is_compact: false, content: PhantomData }
    }
}

impl<T: Default + Serialize + DeserializeOwned> Sidecar<T> {
    fn damaged(&self, source: serde_json::Error) -> StoreError {
        StoreError::Sidecar { name: self.name.to_string(), source, loss: self.loss }
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, StoreError> {
        if let Some(known) = self.format {
            // The format comes first: fields of another one would only be reported as missing.
            let Format { format } = serde_json::from_slice(bytes).map_err(|error| self.damaged(error))?;
            let name = self.name.to_string();
            match format.cmp(&known) {
                Ordering::Less => return Err(StoreError::OlderAlertState { name, format, known }),
                Ordering::Equal => {}
                Ordering::Greater => return Err(StoreError::NewerSidecar { name, format }),
            }
        }
        serde_json::from_slice(bytes).map_err(|error| self.damaged(error))
    }

    fn encode(&self, value: &T) -> Result<Vec<u8>, StoreError> {
        let bytes = match self.format {
            Some(format) if self.is_compact => serde_json::to_vec(&Versioned { format, value }),
            Some(format) => serde_json::to_vec_pretty(&Versioned { format, value }),
            None => serde_json::to_vec_pretty(value),
        };
        bytes.map_err(|error| self.damaged(error))
    }

    async fn read(&self, blobs: &dyn BlobStore) -> Result<(T, Option<Version>), StoreError> {
        Ok(match blobs.get(&self.name).await? {
            Some((bytes, version)) => (self.decode(&bytes)?, Some(version)),
            None => (T::default(), None),
        })
    }

    async fn write(&self, blobs: &dyn BlobStore, value: &T, expected: Option<&Version>) -> Result<Version, StoreError> {
        Ok(blobs.compare_and_swap(&self.name, expected, &self.encode(value)?).await?)
    }

    /// Changes the value, again if another run has changed it meanwhile; gives what the last edit returned.
    async fn update<R>(&self, blobs: &dyn BlobStore, edit: impl Fn(&mut T) -> R) -> Result<R, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let (mut value, version) = self.read(blobs).await?;
            let result = edit(&mut value);
            match self.write(blobs, &value, version.as_ref()).await {
                Err(error) if error.is_conflict() => {}
                written => return written.map(|_| result),
            }
        }
        Err(BlobError::Conflict(self.name.to_string()).into())
    }
}

/// An alert state, and the version to replace it by; `None` if there is none yet.
pub type VersionedAlertState = (AlertState, Option<Version>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStateKind {
    /// Of notifications that were sent.
    Live,
    /// Of notifications that `--dry-run` wrote to a folder.
    DryRun,
}

impl AlertStateKind {
    fn sidecar(self) -> Sidecar<AlertState> {
        let name = match self {
            Self::Live => "alerts.json",
            Self::DryRun => "alerts-dry-run.json",
        };
        let loss = "open incidents are then forgotten, and may be notified again";
        Sidecar { format: Some(2), is_compact: true, ..Sidecar::new(Cow::Borrowed(name), loss) }
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Overrides {
    /// Oldest first.
    overrides: Vec<Override>,
}

fn usage_sidecar(day: Day) -> Sidecar<BTreeMap<Day, Usage>> {
    let name = format!("usage-{}.json", Month::containing(day));
    Sidecar::new(Cow::Owned(name), "only the AWS usage for that month is lost")
}

impl LedgerStore {
    pub async fn alert_state(&self, kind: AlertStateKind) -> Result<VersionedAlertState, StoreError> {
        kind.sidecar().read(&*self.blobs).await
    }

    /// Replaces the alert state; [`BlobError::Conflict`] if another run has replaced it since it was read.
    pub async fn save_alert_state(
        &self,
        kind: AlertStateKind,
        state: &AlertState,
        expected: Option<&Version>,
    ) -> Result<Version, StoreError> {
        kind.sidecar().write(&*self.blobs, state, expected).await
    }

    /// Changes the alert state, and saves it. If another run has saved it meanwhile, the newer one is changed instead;
    /// `None` if that happens too often.
    pub async fn update_alert_state<E: From<StoreError>>(
        &self,
        kind: AlertStateKind,
        (mut state, mut version): VersionedAlertState,
        mut change: impl AsyncFnMut(&mut AlertState) -> Result<(), E>,
    ) -> Result<Option<VersionedAlertState>, E> {
        for _ in 0..MAX_ALERT_STATE_ATTEMPTS {
            change(&mut state).await?;
            match self.save_alert_state(kind, &state, version.as_ref()).await {
                Ok(saved) => return Ok(Some((state, Some(saved)))),
                Err(error) if error.is_conflict() => (state, version) = self.alert_state(kind).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Whether no other run can write to the ledger: a directory is locked, a bucket is not.
    pub fn is_exclusive(&self) -> bool {
        self.blobs.is_exclusive()
    }

    pub(crate) async fn discovery(&self) -> Result<(Discovery, Option<Version>), StoreError> {
        DISCOVERY.read(&*self.blobs).await
    }

    /// Stores what was discovered since a version. If another run has stored something meanwhile, it has just looked
    /// as well, and its result stays.
    pub(crate) async fn save_discovery(
        &self,
        discovery: &Discovery,
        expected: Option<&Version>,
    ) -> Result<(), StoreError> {
        match DISCOVERY.write(&*self.blobs, discovery, expected).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn overrides(&self) -> Result<Vec<Override>, StoreError> {
        Ok(OVERRIDES.read(&*self.blobs).await?.0.overrides)
    }

    /// Adds an override. A deploy may go on only once this has succeeded.
    pub(crate) async fn add_override(&self, new: &Override) -> Result<(), StoreError> {
        let add = |Overrides { overrides }: &mut Overrides| {
            overrides.push(new.clone());
            overrides.retain(|one| one.at >= new.at.plus(-OVERRIDE_RETENTION_MINUTES));
            overrides.sort_by_key(|one| one.at);
        };
        OVERRIDES.update(&*self.blobs, add).await
    }

    /// Adds the usage of a run to that of its day, but for the two requests that this takes.
    pub(crate) async fn add_usage(&self, day: Day, usage: &Usage) -> Result<(), StoreError> {
        if *usage == Usage::default() {
            return Ok(());
        }
        let add = |days: &mut BTreeMap<Day, Usage>| days.entry(day).or_default().add(usage);
        match usage_sidecar(day).update(&*self.blobs, add).await {
            // A sum that lacks one run is better than a run that fails.
            Err(error) if error.is_conflict() => Ok(()),
            added => added,
        }
    }

    pub(crate) async fn usage(&self, day: Day) -> Result<Usage, StoreError> {
        let (days, _) = usage_sidecar(day).read(&*self.blobs).await?;
        Ok(days.get(&day).copied().unwrap_or_default())
    }

    /// Sent weekly reports as lines, `2026-W47 mart mailto:mart@example.com`, with destinations as definitions write
    /// them.
    pub(crate) async fn sent_weekly_reports(&self) -> Result<BTreeSet<String>, StoreError> {
        Ok(WEEKLY.read(&*self.blobs).await?.0)
    }

    /// Claims to send a report; `false` if it was sent, or another run has claimed it.
    pub(crate) async fn claim_weekly_report(&self, line: &str, now: Minute) -> Result<bool, StoreError> {
        let claim = |lines: &mut BTreeSet<String>| {
            let claim_start = claim_start(line);
            let claims = lines.iter().filter_map(|one| one.strip_prefix(&claim_start)?.parse::<Minute>().ok());
            let is_free = !lines.contains(line) && claims.max().is_none_or(|at| at < now.plus(-CLAIM_MINUTES));
            if is_free {
                lines.retain(|one| !one.starts_with(&claim_start));
                lines.insert(format!("{claim_start}{now}"));
            }
            is_free
        };
        WEEKLY.update(&*self.blobs, claim).await
    }

    /// Ends a claim: the report was sent, or may be claimed again.
    pub(crate) async fn settle_weekly_report(&self, line: &str, is_sent: bool) -> Result<(), StoreError> {
        let settle = |lines: &mut BTreeSet<String>| {
            let claim_start = claim_start(line);
            lines.retain(|one| !one.starts_with(&claim_start));
            lines.extend(is_sent.then(|| line.to_owned()));
            while lines.len() > MAX_WEEKLY_LINES {
                lines.pop_first();
            }
        };
        WEEKLY.update(&*self.blobs, settle).await
    }
}

fn claim_start(line: &str) -> String {
    format!("{line}{CLAIM_SEPARATOR}")
}

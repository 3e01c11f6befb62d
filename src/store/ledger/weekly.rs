//! Which weekly reports were sent where: kept beside the manifest, so that none is sent twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::LedgerStore;
use super::sidecar::Sidecar;
use crate::store::StoreError;
use crate::time::Minute;

/// The name of the file.
pub(super) const WEEKLY: &str = "weekly.json";
const FILE: Sidecar<'_> = Sidecar {
    name: WEEKLY,
    hint: "restore it from a backup, or remove it: reports for this week may then be sent again",
};
/// What is older is forgotten; a line is a report and a destination.
const MAX_LINES: usize = 50_000;
/// What stands between a line and the moment at which somebody began to send it.
const CLAIM_SEPARATOR: &str = " ~";
/// Whoever has not said within this what came of it will not any more.
const CLAIM_MINUTES: i32 = 15;

impl LedgerStore {
    /// All that were sent: `2026-W47 mart mailto:mart@example.com`, destinations as definitions write them.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn sent_weekly_reports(&self) -> Result<BTreeSet<String>, StoreError> {
        FILE.read(self).await
    }

    /// Claims to send something; `false` if it was sent, or somebody else is at it.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn claim_weekly_report(&self, line: &str, now: Minute) -> Result<bool, StoreError> {
        let is_claimed = AtomicBool::new(false);
        let claim = |sent: &mut BTreeSet<String>| {
            let newest_claim = claims_of(sent, line).filter_map(|(_, at)| at.parse::<Minute>().ok()).max();
            let is_free = !sent.contains(line) && newest_claim.is_none_or(|at| at < now.plus(-CLAIM_MINUTES));
            is_claimed.store(is_free, Ordering::Relaxed);
            if is_free {
                remove_claims(sent, line);
                sent.insert(format!("{line}{CLAIM_SEPARATOR}{now}"));
            }
            Ok(())
        };
        FILE.update(self, claim).await?;
        Ok(is_claimed.into_inner())
    }

    /// Notes what came of a claim: it was sent, or it may be claimed again.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn settle_weekly_report(&self, line: &str, is_sent: bool) -> Result<(), StoreError> {
        let note = |sent: &mut BTreeSet<String>| {
            remove_claims(sent, line);
            if is_sent {
                sent.insert(line.to_owned());
            }
            while sent.len() > MAX_LINES {
                sent.pop_first();
            }
            Ok(())
        };
        FILE.update(self, note).await
    }
}

/// The claims of a line, with their moments.
fn claims_of<'s>(sent: &'s BTreeSet<String>, line: &str) -> impl Iterator<Item = (&'s String, &'s str)> {
    let start = format!("{line}{CLAIM_SEPARATOR}");
    sent.iter().filter_map(move |one| Some((one, one.strip_prefix(&start)?)))
}

fn remove_claims(sent: &mut BTreeSet<String>, line: &str) {
    let claims: BTreeSet<String> = claims_of(sent, line).map(|(claim, _)| claim.clone()).collect();
    sent.retain(|one| !claims.contains(one));
}

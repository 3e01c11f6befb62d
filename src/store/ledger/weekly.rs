//! Which weekly reports were sent where: kept beside the manifest, so that none is sent twice.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::LedgerStore;
use super::aside::Aside;
use crate::minute::Minute;
use crate::store::StoreError;

/// The name of the file.
pub(super) const WEEKLY: &str = "weekly.json";
const FILE: Aside<'_> = Aside {
    name: WEEKLY,
    hint: "restore it from a backup, or remove it: reports for this week may then be sent again",
};
/// What is older is forgotten; a line is a report and a destination.
const KEPT_MAX: usize = 50_000;
/// What stands between a line and the moment at which somebody began to send it.
const CLAIM: &str = " ~";
/// Whoever has not said within this what came of it will not any more.
const CLAIM_MINUTES: i32 = 15;

impl LedgerStore {
    /// All that were sent: `2026-W47 mart mailto:mart@example.com`, destinations as definitions write them.
    ///
    /// # Errors
    /// When the file is damaged or the shelf refuses.
    pub async fn sent_weekly(&self) -> Result<BTreeSet<String>, StoreError> {
        FILE.read(self).await
    }

    /// Claims to send something; `false` if it was sent, or somebody else is at it.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn claim_weekly(&self, line: &str, now: Minute) -> Result<bool, StoreError> {
        let is_mine = AtomicBool::new(false);
        let claim = |sent: &mut BTreeSet<String>| {
            let claimed = claims(sent, line).filter_map(|(_, at)| at.parse::<Minute>().ok()).max();
            let is_free = !sent.contains(line) && claimed.is_none_or(|at| at < now.plus(-CLAIM_MINUTES));
            is_mine.store(is_free, Ordering::Relaxed);
            if is_free {
                settle(sent, line);
                sent.insert(format!("{line}{CLAIM}{now}"));
            }
            Ok(())
        };
        FILE.change(self, claim).await?;
        Ok(is_mine.into_inner())
    }

    /// Notes what came of a claim: it was sent, or it may be claimed again.
    ///
    /// # Errors
    /// When the file is damaged, others are at it all the time, or the shelf refuses.
    pub async fn settle_weekly(&self, line: &str, is_sent: bool) -> Result<(), StoreError> {
        let note = |sent: &mut BTreeSet<String>| {
            settle(sent, line);
            if is_sent {
                sent.insert(line.to_owned());
            }
            while sent.len() > KEPT_MAX {
                sent.pop_first();
            }
            Ok(())
        };
        FILE.change(self, note).await
    }
}

/// The claims of a line, with their moments.
fn claims<'s>(sent: &'s BTreeSet<String>, line: &str) -> impl Iterator<Item = (&'s String, &'s str)> {
    let start = format!("{line}{CLAIM}");
    sent.iter().filter_map(move |one| Some((one, one.strip_prefix(&start)?)))
}

fn settle(sent: &mut BTreeSet<String>, line: &str) {
    let old: BTreeSet<String> = claims(sent, line).map(|(claim, _)| claim.clone()).collect();
    sent.retain(|one| !old.contains(one));
}

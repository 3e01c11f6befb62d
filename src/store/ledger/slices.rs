//! Sums of slices by day, as they are kept: with the hash of the minutes that each day was cut from.
//!
//! They are no memory of their own but spare reading: a day whose minutes are others now is as good as one never cut.

use std::collections::{BTreeMap, BTreeSet};

use super::{LedgerStore, Month, month_containing, with_file_name};
use crate::counts::Sums;
use crate::ledger::{Ledger, Partition};
use crate::series::SeriesKey;
use crate::store::codec;
use crate::store::{StoreError, content_version};
use crate::time::Day;

/// Raised when the same minutes come to other slices: what was kept is then made anew.
const RULE_VERSION: &str = "1";

impl LedgerStore {
    /// Reads the sums of slices that still hold.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load_timeslices(&self, ledger: &mut Ledger) -> Result<(), StoreError> {
        for (name, bytes) in self.read_files(self.manifest.timeslices.values()).await? {
            let minute_hashes = with_file_name(name, codec::timeslice_minute_hashes(&bytes))?;
            let hash_by_day: BTreeMap<&str, &str> =
                minute_hashes.lines().filter_map(|line| line.split_once(' ')).collect();
            let days = hash_by_day.iter().filter_map(|(day, hash)| Some((day.parse::<Day>().ok()?, *hash)));
            let valid_days: BTreeSet<Day> =
                days.filter(|(day, hash)| self.hash_of_minutes(*day) == *hash).map(|(day, _)| day).collect();
            for (key, rows) in with_file_name(name, codec::decode_sums_by_series(&bytes))? {
                ledger.timeslices.insert_cached(&key, rows.into_iter().filter(|(day, _)| valid_days.contains(day)));
            }
        }
        Ok(())
    }

    /// Keeps what was cut anew in a ledger that was loaded since the last commit. When nothing was, nothing is written.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn save_timeslices(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        if ledger.revision != Some(self.revision) {
            return Ok(());
        }
        let months: BTreeSet<Month> = ledger.timeslices.new_days().iter().map(|day| month_containing(*day)).collect();
        let mut manifest = self.manifest.clone();
        for (month, first, end) in months {
            let rows: Vec<(&SeriesKey, Day, Sums)> = ledger.timeslices.daily_rows(first, end);
            let days: BTreeSet<Day> = rows.iter().map(|(_, day, _)| *day).collect();
            let minute_hashes: Vec<String> =
                days.iter().map(|day| format!("{day} {}", self.hash_of_minutes(*day))).collect();
            let encoded = codec::encode_timeslices(&rows, minute_hashes.join("\n"));
            let name =
                self.put_data_file(&format!("timeslices-{month}"), encoded, manifest.timeslices.remove(&month)).await?;
            manifest.timeslices.extend(name.map(|name| (month, name)));
        }
        self.stage(manifest).await
    }

    /// The hash of all minutes of a day.
    fn hash_of_minutes(&self, day: Day) -> String {
        let files = Partition::in_day(day).filter_map(|part| self.manifest.partitions.get(&part)?.minutes.as_deref());
        let names: Vec<&str> = std::iter::once(RULE_VERSION).chain(files).collect();
        content_version(names.join("\n").as_bytes()).0
    }
}

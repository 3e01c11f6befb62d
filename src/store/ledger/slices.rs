//! Sums of slices by day, as they are kept: with the hash of the minutes that each day was cut from.
//!
//! They are no memory of their own but spare reading: a day whose minutes are others now is as good as one never cut.

use std::collections::{BTreeMap, BTreeSet};

use super::{LedgerStore, Month, coded, month_of};
use crate::counts::Sums;
use crate::ledger::{Ledger, Part};
use crate::minute::Day;
use crate::series::SeriesKey;
use crate::store::codec;
use crate::store::{StoreError, version_of};

/// Raised when the same minutes come to other slices: what was kept is then made anew.
const RULE: &str = "1";

impl LedgerStore {
    /// Reads the sums of slices that still hold.
    ///
    /// # Errors
    /// When a file is missing, damaged, or refused by the shelf.
    pub async fn load_slices(&self, ledger: &mut Ledger) -> Result<(), StoreError> {
        for (name, bytes) in self.files(self.manifest.slices.values()).await? {
            let minutes = coded(name, codec::slices_cut_from(&bytes))?;
            let cut_from: BTreeMap<&str, &str> = minutes.lines().filter_map(|line| line.split_once(' ')).collect();
            let days = cut_from.iter().filter_map(|(day, hash)| Some((day.parse::<Day>().ok()?, *hash)));
            let hold: BTreeSet<Day> =
                days.filter(|(day, hash)| self.minutes_hash(*day) == *hash).map(|(day, _)| day).collect();
            for (key, rows) in coded(name, codec::decode_rows(&bytes))? {
                ledger.sliced.hold(&key, rows.into_iter().filter(|(day, _)| hold.contains(day)));
            }
        }
        Ok(())
    }

    /// Keeps what was cut anew in a ledger that was loaded since the last commit. When nothing was, nothing is written.
    ///
    /// # Errors
    /// When the shelf refuses.
    pub async fn keep_slices(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        if ledger.edition != Some(self.edition) {
            return Ok(());
        }
        let months: BTreeSet<Month> = ledger.sliced.new_days().iter().map(|day| month_of(*day)).collect();
        let mut manifest = self.manifest.clone();
        for (month, first, end) in months {
            let rows: Vec<(&SeriesKey, Day, Sums)> = ledger.sliced.days(first, end);
            let days: BTreeSet<Day> = rows.iter().map(|(_, day, _)| *day).collect();
            let minutes: Vec<String> = days.iter().map(|day| format!("{day} {}", self.minutes_hash(*day))).collect();
            let encoded = codec::encode_slices(&rows, minutes.join("\n"));
            let name = self.put_data(&format!("timeslices-{month}"), encoded, manifest.slices.remove(&month)).await?;
            manifest.slices.extend(name.map(|name| (month, name)));
        }
        self.stage(manifest).await
    }

    /// The hash of all minutes of a day.
    fn minutes_hash(&self, day: Day) -> String {
        let files = Part::of_day(day).filter_map(|part| self.manifest.parts.get(&part)?.minutes.as_deref());
        let names: Vec<&str> = std::iter::once(RULE).chain(files).collect();
        version_of(names.join("\n").as_bytes()).0
    }
}

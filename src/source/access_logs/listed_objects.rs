//! Log objects as a listing finds them: an object may lie there in several copies.

use std::collections::BTreeMap;
use std::path::Path;

use super::LogFile;
use crate::access_log::object_key::object_identity;
use crate::ledger::ListedObject;

/// The objects of a day of delivery, each once.
pub(super) struct ListedObjects<'l> {
    /// The copy of each that is read.
    pub(super) objects: Vec<&'l LogFile>,
    /// Other copies by identity, compressed and uncompressed, or of two folders: read where the first one is faulty.
    pub(super) copies: BTreeMap<&'l str, Vec<&'l LogFile>>,
}

impl<'l> ListedObjects<'l> {
    pub(super) fn deduplicate(found: impl Iterator<Item = &'l LogFile>) -> Self {
        let mut listed = Self { objects: Vec::new(), copies: BTreeMap::new() };
        let mut indices: BTreeMap<&str, usize> = BTreeMap::new();
        for file in found {
            match indices.get(object_identity(&file.key)).and_then(|index| listed.objects.get_mut(*index)) {
                None => {
                    indices.insert(object_identity(&file.key), listed.objects.len());
                    listed.objects.push(file);
                }
                // An empty file says nothing beside one that is not.
                Some(kept) if kept.size == 0 && file.size > 0 => *kept = file,
                Some(_) if file.size == 0 => {}
                // Only a compressed file shows whether it is complete.
                Some(kept) if !is_compressed(kept) && is_compressed(file) => {
                    let uncompressed = std::mem::replace(kept, file);
                    listed.copies.entry(object_identity(&file.key)).or_default().push(uncompressed);
                }
                Some(_) => listed.copies.entry(object_identity(&file.key)).or_default().push(file),
            }
        }
        listed
    }

    /// The objects as the ledger looks them up.
    pub(super) fn to_ledger_objects(&self) -> Vec<ListedObject<'l>> {
        let to_listed = |file: &&'l LogFile| {
            let LogFile { key, size, load_balancer, interval, .. } = *file;
            ListedObject { key: object_identity(key), size: *size, load_balancer, interval: *interval }
        };
        self.objects.iter().map(to_listed).collect()
    }
}

fn is_compressed(file: &LogFile) -> bool {
    Path::new(&*file.key).extension().is_some_and(|extension| extension == "gz")
}

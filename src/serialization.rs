//! How persisted state becomes JSON: text types as strings, maps with structured keys as lists of records.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Serialises types as the text that `Display` writes and `FromStr` reads.
macro_rules! serialize_as_text {
    ($($kind:ty),*) => { $(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )* };
}
pub(crate) use serialize_as_text;

/// Whether a field may be left out of a file.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A map as a list of objects, each with the fields of a key and of its value: for `#[serde(with)]`.
pub(crate) mod records {
    use super::{BTreeMap, Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Record<K, V> {
        #[serde(flatten)]
        key: K,
        #[serde(flatten)]
        value: V,
    }

    pub(crate) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map.iter().map(|(key, value)| Record { key, value }))
    }

    pub(crate) fn deserialize<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<K, V>, D::Error> {
        let records = Vec::<Record<K, V>>::deserialize(deserializer)?;
        Ok(records.into_iter().map(|Record { key, value }| (key, value)).collect())
    }
}

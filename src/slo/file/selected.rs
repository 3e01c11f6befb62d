//! What is named by a text or by tags: a load balancer, a target group.
//!
//! Limits of tags: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::typed::{FromText, Item, Typed, refused};
use crate::slo::problem::Refusal;
use crate::slo::selector::Tags;
use crate::visible::is_unsafe;

const KEY_CHARS: usize = 128;
const EXAMPLE: &str = "{ tags: { service: checkout } }";

/// Named by a text, or by tags: either way as the text of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Selected<T> {
    pub(in crate::slo) text: String,
    of: PhantomData<T>,
}

/// Tags that the resource must have, all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tags")]
struct TagsText {
    /// Tag values by key.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, Typed<TagValue>>,
}

/// The value of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TagValue(String);

impl FromText for TagValue {
    const PATTERN: &'static str = r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$";
    const NOUN: &'static str = "a tag value";
    const EXAMPLE: &'static str = "checkout";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > 256 || text.chars().any(is_unsafe) {
            let hint = "write it exactly as on the resource, at most 256 characters";
            return Err(Refusal::new(format!("invalid tag value `{text}`"), hint));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What has a name and tags.
pub(in crate::slo) trait Selectable: FromText {
    /// Its name as it was written.
    fn into_text(self) -> String;
}

fn selected<T: Selectable, E: Error>(named: Result<T, Refusal>) -> Result<Selected<T>, E> {
    named.map(|named| Selected { text: named.into_text(), of: PhantomData }).map_err(|refusal| refused(&refusal))
}

struct SelectedVisitor<T>(PhantomData<T>);

impl<'de, T: Selectable> Visitor<'de> for SelectedVisitor<T> {
    type Value = Selected<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or tags such as `{EXAMPLE}`", T::noun())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        selected(T::from_text(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        selected(T::from_bare(&value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        selected(T::from_bare(&value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        selected(T::from_bare(&value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        selected(T::from_bare(&value.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let TagsText { tags } = TagsText::deserialize(MapAccessDeserializer::new(map))?;
        if tags.is_empty() {
            return Err(A::Error::custom(format_args!("`tags` is empty\nadd a tag, such as `{EXAMPLE}`")));
        }
        let fits = |key: &str| (1..=KEY_CHARS).contains(&key.chars().count()) && !key.chars().any(is_unsafe);
        if let Some(key) = tags.keys().find(|key| !fits(key)) {
            return Err(A::Error::custom(format_args!(
                "invalid tag key `{key}`\nwrite it exactly as on the resource, at most {KEY_CHARS} characters"
            )));
        }
        let tags = tags.into_iter().map(|(key, Typed(TagValue(value)))| (key, value)).collect();
        Ok(Selected { text: Tags::new(tags).to_string(), of: PhantomData })
    }
}

impl<'de, T: Selectable> Deserialize<'de> for Selected<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SelectedVisitor(PhantomData))
    }
}

impl<T: Selectable> JsonSchema for Selected<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}, or its tags", T::NOUN).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (named, tagged) = (generator.subschema_for::<Typed<T>>(), generator.subschema_for::<TagsText>());
        json_schema!({ "anyOf": [named, tagged] })
    }
}

impl<T: Selectable> Item for Selected<T> {
    const HAS_FIELDS: bool = true;

    fn noun() -> String {
        T::noun()
    }

    fn forms() -> String {
        format!("{}, tags such as `{EXAMPLE}`", T::noun())
    }
}

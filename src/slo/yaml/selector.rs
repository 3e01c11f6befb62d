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

use super::scalar::{FromText, ListItem, Scalar, to_serde_error};
use crate::slo::problem::Explained;
use crate::slo::selector::Tags;
use crate::text::is_non_printing;

const TAG_KEY_CHARS_MAX: usize = 128;
const EXAMPLE: &str = "{ tags: { service: checkout } }";

/// Named by a text, or by tags: either way as the text of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Selector<T> {
    pub(in crate::slo) text: String,
    kind: PhantomData<T>,
}

/// Tags that the resource must have, all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tags")]
struct TagsYaml {
    /// Tag values by key.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, Scalar<TagValue>>,
}

/// The value of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TagValue(String);

impl FromText for TagValue {
    const PATTERN: &'static str = r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$";
    const NOUN: &'static str = "a tag value";
    const EXAMPLE: &'static str = "checkout";

    fn from_text(text: &str) -> Result<Self, Explained> {
        if text.chars().count() > 256 || text.chars().any(is_non_printing) {
            let hint = "write it exactly as on the resource, at most 256 characters";
            return Err(Explained::new(format!("invalid tag value `{text}`"), hint));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What has a name and tags.
pub(in crate::slo) trait Selectable: FromText {
    /// Its name as it was written.
    fn into_text(self) -> String;
}

fn select_by_name<T: Selectable, E: Error>(name: Result<T, Explained>) -> Result<Selector<T>, E> {
    name.map(|named| Selector { text: named.into_text(), kind: PhantomData })
        .map_err(|explained| to_serde_error(&explained))
}

struct SelectorVisitor<T>(PhantomData<T>);

impl<'de, T: Selectable> Visitor<'de> for SelectorVisitor<T> {
    type Value = Selector<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or tags such as `{EXAMPLE}`", T::description())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        select_by_name(T::from_text(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        select_by_name(T::from_bare(&value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        select_by_name(T::from_bare(&value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        select_by_name(T::from_bare(&value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        select_by_name(T::from_bare(&value.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let TagsYaml { tags } = TagsYaml::deserialize(MapAccessDeserializer::new(map))?;
        if tags.is_empty() {
            return Err(A::Error::custom(format_args!("`tags` is empty\nadd a tag, such as `{EXAMPLE}`")));
        }
        let is_valid_key =
            |key: &str| (1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count()) && !key.chars().any(is_non_printing);
        if let Some(key) = tags.keys().find(|key| !is_valid_key(key)) {
            return Err(A::Error::custom(format_args!(
                "invalid tag key `{key}`\nwrite it exactly as on the resource, at most {TAG_KEY_CHARS_MAX} characters"
            )));
        }
        let tags = tags.into_iter().map(|(key, Scalar(TagValue(value)))| (key, value)).collect();
        Ok(Selector { text: Tags::new(tags).to_string(), kind: PhantomData })
    }
}

impl<'de, T: Selectable> Deserialize<'de> for Selector<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SelectorVisitor(PhantomData))
    }
}

impl<T: Selectable> JsonSchema for Selector<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}, or its tags", T::NOUN).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (by_name, by_tags) = (generator.subschema_for::<Scalar<T>>(), generator.subschema_for::<TagsYaml>());
        json_schema!({ "anyOf": [by_name, by_tags] })
    }
}

impl<T: Selectable> ListItem for Selector<T> {
    const HAS_FIELDS: bool = true;

    fn description() -> String {
        T::description()
    }

    fn forms() -> String {
        format!("{}, tags such as `{EXAMPLE}`", T::description())
    }
}

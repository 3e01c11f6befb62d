//! Load balancers and target groups by name or tags.
//!
//! Limits of tags: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};

use super::forms::{Forms, FromText, ListItem, Scalar, impl_serde_by_forms, read_scalar, text_types};
use crate::hinted_error::HintedError;
use crate::slo::selector::Tags;
use crate::text::is_non_printing;

text_types!(TagValue);

const TAG_KEY_CHARS_MAX: usize = 128;
const EXAMPLE: &str = "{ tags: { service: checkout } }";

/// A name or tags, as the text of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector<T> {
    pub(crate) text: String,
    kind: PhantomData<T>,
}

/// Tags that the resource must have, all of them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "Tags", deny_unknown_fields)]
struct TagsYaml {
    /// Tag values by key.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, Scalar<TagValue>>,
}

impl FromText for TagValue {
    const PATTERN: &'static str = r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$";
    const NOUN: &'static str = "a tag value";
    const EXAMPLE: &'static str = "checkout";

    fn from_text(text: &str) -> Result<Self, HintedError> {
        if text.chars().count() > 256 || text.chars().any(is_non_printing) {
            let hint = "write it exactly as on the resource, at most 256 characters";
            return HintedError::err(format!("invalid tag value `{text}`"), hint);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<T: FromText + Into<String>> Forms for Selector<T> {
    fn expected() -> String {
        format!("{}, or tags such as `{EXAMPLE}`", T::description())
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        read_scalar::<T, E>(scalar).map(|named| Self { text: named.into(), kind: PhantomData })
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
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
        Ok(Self { text: Tags::new(tags).to_string(), kind: PhantomData })
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let (by_name, by_tags) = (generator.subschema_for::<Scalar<T>>(), generator.subschema_for::<TagsYaml>());
        json_schema!({ "anyOf": [by_name, by_tags] })
    }
}
impl_serde_by_forms!(Selector<T>, T: FromText, Into<String>);

impl<T: FromText + Into<String>> ListItem for Selector<T> {
    const HAS_FIELDS: bool = true;

    fn description() -> String {
        T::description()
    }

    fn forms() -> String {
        format!("{}, tags such as `{EXAMPLE}`", T::description())
    }

    fn item_from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        Self::from_scalar(scalar)
    }
}

//! Load balancers and target groups by name or tags.
//!
//! Limits of tags: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};

use super::forms::{
    Forms, FromText, Scalar, impl_from_text, impl_serde_by_forms, read_scalar, text_types, to_serde_error,
};
use crate::hinted_error::HintedError;
use crate::slo::selector::Tags;
use crate::text::is_non_printing;

text_types!(TagValue);

impl_from_text! {
    TagValue: "a tag value", "checkout", r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$", read_tag_value;
}

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

fn read_tag_value(text: &str) -> Result<TagValue, HintedError> {
    if text.chars().count() > 256 || text.chars().any(is_non_printing) {
        let hint = "write it exactly as on the resource, at most 256 characters";
        return HintedError::err(format!("invalid tag value `{text}`"), hint);
    }
    Ok(TagValue(text.to_owned()))
}

impl<T> Selector<T> {
    fn from_tags(TagsYaml { tags }: TagsYaml) -> Result<Self, HintedError> {
        if tags.is_empty() {
            return HintedError::err("`tags` is empty", format!("add a tag, such as `{EXAMPLE}`"));
        }
        let is_valid_key =
            |key: &str| (1..=TAG_KEY_CHARS_MAX).contains(&key.chars().count()) && !key.chars().any(is_non_printing);
        if let Some(key) = tags.keys().find(|key| !is_valid_key(key)) {
            let hint = format!("write it exactly as on the resource, at most {TAG_KEY_CHARS_MAX} characters");
            return HintedError::err(format!("invalid tag key `{key}`"), hint);
        }
        let tags = tags.into_iter().map(|(key, Scalar(TagValue(value)))| (key, value)).collect();
        Ok(Self { text: Tags::new(tags).to_string(), kind: PhantomData })
    }
}

impl<T: FromText + Into<String>> Forms for Selector<T> {
    fn forms() -> Vec<String> {
        vec![T::description(), format!("tags such as `{EXAMPLE}`")]
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        Some(read_scalar::<T, E>(scalar).map(|named| Self { text: named.into(), kind: PhantomData }))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        let tags = TagsYaml::deserialize(MapAccessDeserializer::new(map));
        Some(tags.and_then(|tags| Self::from_tags(tags).map_err(to_serde_error)))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Scalar<T>>(), generator.subschema_for::<TagsYaml>()]
    }
}
impl_serde_by_forms!(Selector<T>, T: FromText, Into<String>);

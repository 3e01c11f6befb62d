//! What is named by a text or by tags: a load balancer, a target group.
//!
//! Limits of tags: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};
use serde::{Deserialize, Deserializer};

use super::typed::{FromText, OneOrMany, Typed};
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

/// Tags, all of which must be there.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TagsText {
    /// Values by key.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, Typed<TagValue>>,
}

/// The value of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TagValue(String);

impl FromText for TagValue {
    const PATTERN: &'static str = r"^[^\u0000-\u001f\u007f-\u009f]{0,256}$";
    const NOUN: &'static str = "the value of a tag";
    const EXAMPLE: &'static str = "checkout";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > 256 || text.chars().any(is_unsafe) {
            let hint = "write it as the resource has it: at most 256 characters in one line";
            return Err(Refusal::new(format!("`{text}` is no value of a tag"), hint));
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
    match named {
        Ok(named) => Ok(Selected { text: named.into_text(), of: PhantomData }),
        Err(refusal) => Err(E::custom(format_args!("{}\n{}", refusal.message, refusal.hint))),
    }
}

struct SelectedVisitor<T>(PhantomData<T>);

impl<'de, T: Selectable> Visitor<'de> for SelectedVisitor<T> {
    type Value = Selected<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} such as `{}`, or its tags: `{EXAMPLE}`", T::NOUN, T::EXAMPLE)
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
            return Err(A::Error::custom(format_args!("`tags` names no tag\nwrite `{EXAMPLE}`")));
        }
        let fits = |key: &str| (1..=KEY_CHARS).contains(&key.chars().count()) && !key.chars().any(is_unsafe);
        if let Some(key) = tags.keys().find(|key| !fits(key)) {
            return Err(A::Error::custom(format_args!(
                "`{key}` is no key of a tag\nwrite it as the resource has it: at most {KEY_CHARS} characters in one line"
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

struct ManyVisitor<T>(PhantomData<T>);

impl<'de, T: Selectable> Visitor<'de> for ManyVisitor<T> {
    type Value = OneOrMany<Selected<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} such as `{}`, its tags: `{EXAMPLE}`, or a list of them", T::NOUN, T::EXAMPLE)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let items = Vec::<Selected<T>>::deserialize(SeqAccessDeserializer::new(items))?;
        if items.is_empty() {
            return Err(A::Error::custom(format_args!(
                "an empty list\nname {} such as `{}`, or remove the line",
                T::NOUN,
                T::EXAMPLE
            )));
        }
        Ok(OneOrMany(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        SelectedVisitor(PhantomData).visit_map(map).map(|one| OneOrMany(vec![one]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        SelectedVisitor(PhantomData).visit_str(text).map(|one| OneOrMany(vec![one]))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        SelectedVisitor(PhantomData).visit_bool(value).map(|one| OneOrMany(vec![one]))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        SelectedVisitor(PhantomData).visit_i64(value).map(|one| OneOrMany(vec![one]))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        SelectedVisitor(PhantomData).visit_u64(value).map(|one| OneOrMany(vec![one]))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        SelectedVisitor(PhantomData).visit_f64(value).map(|one| OneOrMany(vec![one]))
    }
}

impl<'de, T: Selectable> Deserialize<'de> for OneOrMany<Selected<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

impl<T: Selectable> JsonSchema for OneOrMany<Selected<T>> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("one or many: {}, or its tags", T::NOUN).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Selected<T>>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

//! How a value is typed: as a text, one or many, or switched off with `none`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};
use serde::{Deserialize, Deserializer};

use crate::slo::problem::Explained;

/// A value that is written as text.
pub(in crate::slo) trait FromText: Sized {
    /// What a value looks like: the schema's pattern, and what it is called in messages.
    const PATTERN: &'static str;
    const NOUN: &'static str;
    /// Empty where values have nothing in common.
    const EXAMPLE: &'static str;

    /// Reads the text.
    fn from_text(text: &str) -> Result<Self, Explained>;

    /// The types of the schema.
    const TYPES: &'static [&'static str] = &["string"];

    /// What a value is called, with the example.
    fn description() -> String {
        if Self::EXAMPLE.is_empty() {
            Self::NOUN.to_owned()
        } else {
            format!("{} such as `{}`", Self::NOUN, Self::EXAMPLE)
        }
    }

    /// The problem of a plain number, `true` or `false`.
    fn bare_value_error(text: &str) -> Explained {
        Explained::new(
            format!("`{text}` is not {}", Self::NOUN),
            format!("write {}, or quote it: `\"{text}\"`", Self::description()),
        )
    }

    /// Reads a plain number, `true` or `false`; most values are no such thing.
    fn from_bare(text: &str) -> Result<Self, Explained> {
        Err(Self::bare_value_error(text))
    }
}

/// A checked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Scalar<T>(pub(in crate::slo) T);

struct ScalarVisitor<T>(PhantomData<T>);

/// An error that carries both lines; `decode` takes them apart again.
pub(super) fn to_serde_error<E: Error>(explained: &Explained) -> E {
    E::custom(format_args!("{}\n{}", explained.message, explained.hint))
}

impl<T: FromText> Visitor<'_> for ScalarVisitor<T> {
    type Value = Scalar<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&T::description())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::from_text(text).map(Scalar).map_err(|explained| to_serde_error(&explained))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Scalar).map_err(|explained| to_serde_error(&explained))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Scalar).map_err(|explained| to_serde_error(&explained))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Scalar).map_err(|explained| to_serde_error(&explained))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Scalar).map_err(|explained| to_serde_error(&explained))
    }
}

impl<'de, T: FromText> Deserialize<'de> for Scalar<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

impl<T: FromText> JsonSchema for Scalar<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NOUN.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut schema = json_schema!({ "type": T::TYPES, "pattern": T::PATTERN });
        if !T::EXAMPLE.is_empty() {
            schema.insert("examples".to_owned(), [T::EXAMPLE].as_slice().into());
        }
        schema
    }
}

/// Something, or `none` to switch off what is said further out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) enum OrNone<T> {
    Disabled,
    Set(T),
}

struct OrNoneVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrNoneVisitor<T> {
    type Value = OrNone<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fields such as `{ <field>: <value> }`, or `none`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "none" { Ok(OrNone::Disabled) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(OrNone::Set)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrNoneVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OrNone<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}_or_none", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "const": "none" }, fields] })
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct OneOrMany<T>(pub(in crate::slo) Vec<T>);

/// What a list may hold.
pub(in crate::slo) trait ListItem {
    /// Whether it may be written as a mapping.
    const HAS_FIELDS: bool;

    /// What one of them is called, with an example.
    fn description() -> String;

    /// What one of them is called, with an example of each form.
    fn forms() -> String;
}

impl<T: FromText> ListItem for Scalar<T> {
    const HAS_FIELDS: bool = false;

    fn description() -> String {
        T::description()
    }

    fn forms() -> String {
        T::description()
    }
}

struct OneOrManyVisitor<T>(PhantomData<T>);

/// A value without a list around it.
fn single<'de, T: Deserialize<'de>, E: Error>(value: impl IntoDeserializer<'de, E>) -> Result<OneOrMany<T>, E> {
    T::deserialize(value.into_deserializer()).map(|one| OneOrMany(vec![one]))
}

impl<'de, T: ListItem + Deserialize<'de>> Visitor<'de> for OneOrManyVisitor<T> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a list of them", T::forms())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let items = Vec::<T>::deserialize(SeqAccessDeserializer::new(items))?;
        if items.is_empty() {
            let hint = format!("add {}, or remove the line", T::description());
            return Err(to_serde_error(&Explained::new("the list is empty", hint)));
        }
        Ok(OneOrMany(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        if !T::HAS_FIELDS {
            return Err(A::Error::invalid_type(Unexpected::Map, &self));
        }
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        single(text)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        single(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        single(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        single(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        single(value)
    }
}

impl<'de, T: ListItem + Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("one or many: {}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

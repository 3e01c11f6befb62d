//! How a value is typed: as a text, one or many, or switched off with `none`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{
    Error, MapAccess, SeqAccess, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};
use serde::{Deserialize, Deserializer};

use crate::slo::problem::Refusal;

/// A value that is written as text.
pub(in crate::slo) trait FromText: Sized {
    /// What a value looks like: the schema's pattern, and what it is called in messages.
    const PATTERN: &'static str;
    const NOUN: &'static str;
    const EXAMPLE: &'static str;

    /// Reads the text.
    fn from_text(text: &str) -> Result<Self, Refusal>;

    /// The types of the schema.
    const TYPES: &'static [&'static str] = &["string"];

    /// What to say when a plain number, `true` or `false` stands there.
    fn bare(text: &str) -> Refusal {
        Refusal::new(
            format!("`{text}` is not a text but a number or a truth value"),
            format!("put it in quotes if it is meant: \"{text}\""),
        )
    }

    /// Reads a plain number, `true` or `false`; most values are no such thing.
    fn from_bare(text: &str) -> Result<Self, Refusal> {
        Err(Self::bare(text))
    }
}

/// A checked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Typed<T>(pub(in crate::slo) T);

struct TextVisitor<T>(PhantomData<T>);

/// An error that carries both lines; `decode` takes them apart again.
fn refused<E: Error>(refusal: &Refusal) -> E {
    E::custom(format_args!("{}\n{}", refusal.message, refusal.hint))
}

impl<T: FromText> Visitor<'_> for TextVisitor<T> {
    type Value = Typed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} such as `{}`", T::NOUN, T::EXAMPLE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::from_text(text).map(Typed).map_err(|refusal| refused(&refusal))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Typed).map_err(|refusal| refused(&refusal))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Typed).map_err(|refusal| refused(&refusal))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Typed).map_err(|refusal| refused(&refusal))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        T::from_bare(&value.to_string()).map(Typed).map_err(|refusal| refused(&refusal))
    }
}

impl<'de, T: FromText> Deserialize<'de> for Typed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

impl<T: FromText> JsonSchema for Typed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NOUN.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": T::TYPES, "pattern": T::PATTERN, "examples": [T::EXAMPLE] })
    }
}

/// Something, or `none` to switch off what is said further out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) enum Switch<T> {
    Off,
    On(T),
}

struct SwitchVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SwitchVisitor<T> {
    type Value = Switch<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none`, or a map of fields")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "none" { Ok(Switch::Off) } else { Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Switch::On)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Switch<T> {
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

struct ManyVisitor<T>(PhantomData<T>);

impl<'de, T: FromText> Visitor<'de> for ManyVisitor<T> {
    type Value = OneOrMany<Typed<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} such as `{}`, or a list of them", T::NOUN, T::EXAMPLE)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        let items = Vec::<Typed<T>>::deserialize(SeqAccessDeserializer::new(items))?;
        if items.is_empty() {
            return Err(refused(&Refusal::new(
                "an empty list",
                format!("name {} such as `{}`, or remove the line", T::NOUN, T::EXAMPLE),
            )));
        }
        Ok(OneOrMany(items))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        TextVisitor(PhantomData).visit_str(text).map(|one| OneOrMany(vec![one]))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Err(refused(&T::bare(&value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Err(refused(&T::bare(&value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Err(refused(&T::bare(&value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Err(refused(&T::bare(&value.to_string())))
    }
}

impl<'de, T: FromText> Deserialize<'de> for OneOrMany<Typed<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

impl<T: FromText> JsonSchema for OneOrMany<Typed<T>> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("one or many: {}", T::NOUN).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Typed<T>>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

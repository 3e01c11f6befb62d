//! The forms in which a value may be written: a scalar, fields, a list, or `none`.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex_lite::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, Error, MapAccess, SeqAccess, Unexpected, Visitor,
    value::{MapAccessDeserializer, SeqAccessDeserializer},
};

use crate::hinted_error::HintedError;

/// A value that can be written in several forms. A form that a type does not read is an invalid type.
pub(crate) trait Forms: Sized {
    /// Name of the definition in the schema; `None` repeats the schema wherever it is used.
    const SCHEMA_NAME: Option<&'static str> = None;

    /// All forms, as in "write ...".
    fn expected() -> String;

    fn schema(generator: &mut SchemaGenerator) -> Schema;

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        Err(invalid_type::<Self, E>(scalar))
    }

    fn from_list<'de, A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(invalid_type::<Self, _>(Unexpected::Seq))
    }

    fn from_map<'de, A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(invalid_type::<Self, _>(Unexpected::Map))
    }
}

pub(super) struct FormsVisitor<T>(pub(super) PhantomData<T>);

pub(super) fn invalid_type<T: Forms, E: Error>(found: Unexpected<'_>) -> E {
    E::invalid_type(found, &FormsVisitor::<T>(PhantomData))
}

impl<'de, T: Forms> Visitor<'de> for FormsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&T::expected())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_scalar(Unexpected::Str(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        T::from_scalar(Unexpected::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        T::from_scalar(Unexpected::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        T::from_scalar(Unexpected::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        T::from_scalar(Unexpected::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::from_list(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map)
    }
}

/// Implements `Deserialize` and `JsonSchema` for a type by its forms.
macro_rules! impl_serde_by_forms {
    ($type:ty $(, $parameter:ident: $($bound:path),+)?) => {
        impl<'de $(, $parameter: $($bound +)+)?> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::slo::yaml::forms::FormsVisitor(std::marker::PhantomData))
            }
        }

        impl$(<$parameter: $($bound +)+>)? schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                <Self as Forms>::SCHEMA_NAME.is_none()
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                <Self as Forms>::SCHEMA_NAME.unwrap_or_else(std::any::type_name::<Self>).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                <Self as Forms>::schema(generator)
            }
        }
    };
}
pub(super) use impl_serde_by_forms;

/// A value that is written as text.
pub(crate) trait FromText: Sized {
    /// What a value looks like: the schema's pattern, and what it is called in messages.
    const PATTERN: &'static str;
    const NOUN: &'static str;
    /// Empty where values have nothing in common.
    const EXAMPLE: &'static str;

    /// Reads the text.
    fn from_text(text: &str) -> Result<Self, HintedError>;

    /// Whether it may be written as an integer, without quotes.
    const IS_INTEGER: bool = false;

    fn matches(text: &str) -> bool {
        matches_pattern(Self::PATTERN, text)
    }

    /// What a value is called, with the example.
    fn description() -> String {
        if Self::EXAMPLE.is_empty() {
            Self::NOUN.to_owned()
        } else {
            format!("{} such as `{}`", Self::NOUN, Self::EXAMPLE)
        }
    }

    /// The problem of a plain number, `true` or `false`.
    fn bare_value_error(text: &str) -> HintedError {
        HintedError::new(
            format!("`{text}` is not {}", Self::NOUN),
            format!("write {}, or quote it: `\"{text}\"`", Self::description()),
        )
    }

    /// Reads a plain number, `true` or `false`.
    fn from_bare(text: &str) -> Result<Self, HintedError> {
        if Self::IS_INTEGER { Self::from_text(text) } else { Err(Self::bare_value_error(text)) }
    }
}

/// Whether a text matches a pattern of the schema.
pub(super) fn matches_pattern(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled.entry(pattern).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Reads a scalar by its text.
pub(super) fn read_scalar<T: FromText, E: Error>(scalar: Unexpected<'_>) -> Result<T, E> {
    match scalar {
        Unexpected::Str(text) => T::from_text(text),
        bare => T::from_bare(&scalar_text(bare)),
    }
    .map_err(|explained| to_serde_error(&explained))
}

/// A plain number, `true` or `false` as it is written.
pub(super) fn scalar_text(scalar: Unexpected<'_>) -> String {
    match scalar {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        other => other.to_string(),
    }
}

/// An error that carries both lines; `decode` takes them apart again.
pub(super) fn to_serde_error<E: Error>(explained: &HintedError) -> E {
    E::custom(format_args!("{}\n{}", explained.message, explained.hint))
}

/// A checked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar<T>(pub(crate) T);

impl<T: FromText> Forms for Scalar<T> {
    fn expected() -> String {
        T::description()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        read_scalar(scalar).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let types: &[&str] = if T::IS_INTEGER { &["string", "integer"] } else { &["string"] };
        let mut schema = json_schema!({ "type": types, "pattern": T::PATTERN });
        if !T::EXAMPLE.is_empty() {
            schema.insert("examples".to_owned(), [T::EXAMPLE].as_slice().into());
        }
        schema
    }
}
impl_serde_by_forms!(Scalar<T>, T: FromText);

/// A value, or `none` to disable what is inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrNone<T> {
    Disabled,
    Set(T),
}

impl<T: DeserializeOwned + JsonSchema> Forms for OrNone<T> {
    fn expected() -> String {
        "fields such as `{ <field>: <value> }`, or `none`".to_owned()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        match scalar {
            Unexpected::Str("none") => Ok(Self::Disabled),
            Unexpected::Str(_) => Err(E::invalid_value(scalar, &FormsVisitor::<Self>(PhantomData))),
            other => Err(invalid_type::<Self, E>(other)),
        }
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Self::Set)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let fields = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "const": "none" }, fields] })
    }
}
impl_serde_by_forms!(OrNone<T>, T: DeserializeOwned, JsonSchema);

/// A value that may be repeated in a list.
pub(crate) trait ListItem: DeserializeOwned + JsonSchema {
    const HAS_FIELDS: bool;

    /// What one of them is called, with an example.
    fn description() -> String;

    /// What one of them is called, with an example of each form.
    fn forms() -> String {
        Self::description()
    }

    /// The hint for a list without items.
    fn empty_list_hint() -> String {
        format!("add {}, or remove the line", Self::description())
    }

    /// Reads a scalar, which most items that have fields are not.
    fn item_from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        Err(invalid_type::<OneOrMany<Self>, E>(scalar))
    }
}

impl<T: FromText> ListItem for Scalar<T> {
    const HAS_FIELDS: bool = false;

    fn description() -> String {
        T::description()
    }

    fn item_from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        Self::from_scalar(scalar)
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T: ListItem> Forms for OneOrMany<T> {
    fn expected() -> String {
        format!("{}, or a list of them", T::forms())
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        T::item_from_scalar(scalar).map(|one| Self(vec![one]))
    }

    fn from_list<'de, A: SeqAccess<'de>>(items: A) -> Result<Self, A::Error> {
        let items = Vec::<T>::deserialize(SeqAccessDeserializer::new(items))?;
        if items.is_empty() {
            return Err(to_serde_error(&HintedError::new("the list is empty", T::empty_list_hint())));
        }
        Ok(Self(items))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        if !T::HAS_FIELDS {
            return Err(invalid_type::<Self, _>(Unexpected::Map));
        }
        T::deserialize(MapAccessDeserializer::new(map)).map(|one| Self(vec![one]))
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
impl_serde_by_forms!(OneOrMany<T>, T: ListItem);

/// Declares types that hold a checked text.
macro_rules! text_types {
    ($($name:ident),+) => {$(
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) String);

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )+};
}
pub(super) use text_types;

/// Declares texts that are valid if they match their pattern.
macro_rules! pattern_texts {
    ($($(#[$doc:meta])* $name:ident($noun:literal, $example:literal, $pattern:literal), $message:literal, $hint:literal;)+) => {$(
        $crate::slo::yaml::forms::text_types!($name);

        $(#[$doc])*
        impl FromText for $name {
            const PATTERN: &'static str = $pattern;
            const NOUN: &'static str = $noun;
            const EXAMPLE: &'static str = $example;

            fn from_text(text: &str) -> Result<Self, HintedError> {
                if !Self::matches(text) {
                    return HintedError::err(format!($message, text), $hint);
                }
                Ok(Self(text.to_owned()))
            }
        }
    )+};
}
pub(super) use pattern_texts;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slo::LogTable;
    use crate::slo::yaml::{AccountId, LoadBalancer, Region, RoleArn, TargetGroup, Workgroup};

    #[test]
    fn example_of_every_checked_pattern_matches_it() {
        fn check<T: FromText>() {
            assert!(T::matches(T::EXAMPLE) && !T::matches(&format!("{} ", T::EXAMPLE)), "{}", T::PATTERN);
        }
        check::<AccountId>();
        check::<LoadBalancer>();
        check::<LogTable>();
        check::<Region>();
        check::<RoleArn>();
        check::<TargetGroup>();
        check::<Workgroup>();
    }
}

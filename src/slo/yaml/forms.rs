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

/// A value that can be written in several forms. A form that a type does not have gives `None`: an invalid type.
pub(crate) trait Forms: Sized {
    /// Name of the definition in the schema; `None` repeats the schema wherever it is used.
    const SCHEMA_NAME: Option<&'static str> = None;

    /// What each form is called, with an example, as in "write ...".
    fn forms() -> Vec<String>;

    /// The schema of each form.
    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema>;

    /// The hint for a list without such items.
    fn empty_list_hint() -> String {
        format!("add {}, or remove the line", Self::forms().swap_remove(0))
    }

    fn from_scalar<E: Error>(_: Unexpected<'_>) -> Option<Result<Self, E>> {
        None
    }

    fn from_list<'de, A: SeqAccess<'de>>(_: A) -> Option<Result<Self, A::Error>> {
        None
    }

    fn from_map<'de, A: MapAccess<'de>>(_: A) -> Option<Result<Self, A::Error>> {
        None
    }
}

pub(super) struct FormsVisitor<T>(pub(super) PhantomData<T>);

impl<T: Forms> FormsVisitor<T> {
    fn visit_scalar<E: Error>(self, scalar: Unexpected<'_>) -> Result<T, E> {
        T::from_scalar(scalar).unwrap_or_else(|| Err(E::invalid_type(scalar, &self)))
    }
}

impl<'de, T: Forms> Visitor<'de> for FormsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match T::forms().split_last() {
            Some((last, [])) => f.write_str(last),
            Some((last, others)) => write!(f, "{}, or {last}", others.join(", ")),
            None => Ok(()),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.visit_scalar(Unexpected::Str(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        self.visit_scalar(Unexpected::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.visit_scalar(Unexpected::Signed(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.visit_scalar(Unexpected::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        self.visit_scalar(Unexpected::Float(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<T, A::Error> {
        T::from_list(items).unwrap_or_else(|| Err(A::Error::invalid_type(Unexpected::Seq, &self)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_map(map).unwrap_or_else(|| Err(A::Error::invalid_type(Unexpected::Map, &self)))
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
                match <Self as Forms>::schemas(generator).as_slice() {
                    [only] => only.clone(),
                    schemas => schemars::json_schema!({ "anyOf": schemas }),
                }
            }
        }
    };
}
pub(super) use impl_serde_by_forms;

/// A value that is written as text.
pub(crate) trait FromText: Sized {
    /// What a value is called in messages.
    const NOUN: &'static str;
    /// Empty where values have nothing in common.
    const EXAMPLE: &'static str;
    /// The pattern of the schema.
    const PATTERN: &'static str;
    /// Whether it may be written as an integer, without quotes.
    const IS_INTEGER: bool = false;

    fn from_text(text: &str) -> Result<Self, HintedError>;

    /// The problem of a plain number, `true` or `false`.
    fn bare_value_error(text: &str) -> HintedError {
        HintedError::new(
            format!("`{text}` is not {}", Self::NOUN),
            format!("write {}, or quote it: `\"{text}\"`", Self::description()),
        )
    }

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
}

/// Implements `FromText` for the types of a table, each with its noun, its example, its pattern, the function that
/// reads it and, where the general message does not do, the one that explains a plain number.
macro_rules! impl_from_text {
    ($($type:ty: $noun:expr, $example:expr, $pattern:expr, $read:expr $(, $bare_value_error:expr)?;)+) => {$(
        impl $crate::slo::yaml::forms::FromText for $type {
            const NOUN: &'static str = $noun;
            const EXAMPLE: &'static str = $example;
            const PATTERN: &'static str = $pattern;

            fn from_text(text: &str) -> Result<Self, $crate::hinted_error::HintedError> {
                $read(text)
            }

            $(fn bare_value_error(text: &str) -> $crate::hinted_error::HintedError {
                let explain: fn(&str) -> $crate::hinted_error::HintedError = $bare_value_error;
                explain(text)
            })?
        }
    )+};
}
pub(super) use impl_from_text;

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

/// Whether a text matches a pattern of the schema.
pub(super) fn matches_pattern(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled.entry(pattern).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// The text itself if it matches the pattern of its type.
pub(super) fn check_pattern<T: FromText>(
    text: &str,
    message: String,
    hint: &'static str,
) -> Result<String, HintedError> {
    if T::matches(text) { Ok(text.to_owned()) } else { HintedError::err(message, hint) }
}

pub(super) fn read_scalar<T: FromText, E: Error>(scalar: Unexpected<'_>) -> Result<T, E> {
    let text = scalar_text(scalar);
    let is_text = matches!(scalar, Unexpected::Str(_));
    let value = if is_text || T::IS_INTEGER { T::from_text(&text) } else { Err(T::bare_value_error(&text)) };
    value.map_err(to_serde_error)
}

/// A scalar as it is written.
pub(super) fn scalar_text(scalar: Unexpected<'_>) -> String {
    match scalar {
        Unexpected::Str(text) => text.to_owned(),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        other => other.to_string(),
    }
}

/// An error that carries both lines; `decode` takes them apart again.
pub(super) fn to_serde_error<E: Error>(explained: HintedError) -> E {
    let HintedError { message, hint } = explained;
    E::custom(format_args!("{message}\n{hint}"))
}

/// A checked text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar<T>(pub(crate) T);

impl<T: FromText> Forms for Scalar<T> {
    fn forms() -> Vec<String> {
        vec![T::description()]
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        Some(read_scalar(scalar).map(Self))
    }

    fn schemas(_: &mut SchemaGenerator) -> Vec<Schema> {
        let types: &[&str] = if T::IS_INTEGER { &["string", "integer"] } else { &["string"] };
        let mut schema = json_schema!({ "type": types, "pattern": T::PATTERN });
        if !T::EXAMPLE.is_empty() {
            schema.insert("examples".to_owned(), [T::EXAMPLE].as_slice().into());
        }
        vec![schema]
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
    fn forms() -> Vec<String> {
        vec!["fields such as `{ <field>: <value> }`".to_owned(), "`none`".to_owned()]
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        (scalar == Unexpected::Str("none")).then_some(Ok(Self::Disabled))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        Some(T::deserialize(MapAccessDeserializer::new(map)).map(Self::Set))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![json_schema!({ "const": "none" }), generator.subschema_for::<T>()]
    }
}
impl_serde_by_forms!(OrNone<T>, T: DeserializeOwned, JsonSchema);

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T: Forms + DeserializeOwned + JsonSchema> Forms for OneOrMany<T> {
    fn forms() -> Vec<String> {
        T::forms().into_iter().chain(["a list of them".to_owned()]).collect()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        T::from_scalar(scalar).map(|item| Ok(Self(vec![item?])))
    }

    fn from_list<'de, A: SeqAccess<'de>>(items: A) -> Option<Result<Self, A::Error>> {
        let items = Vec::<T>::deserialize(SeqAccessDeserializer::new(items));
        Some(items.and_then(|items| match items.as_slice() {
            [] => Err(to_serde_error(HintedError::new("the list is empty", T::empty_list_hint()))),
            _ => Ok(Self(items)),
        }))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        T::from_map(map).map(|item| Ok(Self(vec![item?])))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        let one = generator.subschema_for::<T>();
        let list = json_schema!({ "type": "array", "items": one, "minItems": 1 });
        vec![one, list]
    }
}
impl_serde_by_forms!(OneOrMany<T>, T: Forms, DeserializeOwned, JsonSchema);

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

//! The error-budget policy of a class, as typed: shares of the budget, and what follows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::names::Words;
use super::typed::{FromText, Typed};
use crate::exact::{Exact, decimal, percent};
use crate::slo::problem::Refusal;

/// Ten times the budget: nobody agrees on what follows later.
const SHARE_MAX: i128 = 10;

/// What follows, by the share of the budget that is used.
pub(in crate::slo) type PolicyText = BTreeMap<String, StepText>;

/// A step: its text alone, or with what it blocks.
#[derive(Clone, Debug)]
pub(in crate::slo) enum StepText {
    Words(Typed<Words>),
    Fields(StepFields),
}

impl StepText {
    pub(in crate::slo) fn then(&self) -> Option<&str> {
        match self {
            Self::Words(words) => Some(&words.0.0),
            Self::Fields(fields) => fields.then.as_ref().map(|words| words.0.0.as_str()),
        }
    }

    pub(in crate::slo) fn blocks_deploys(&self) -> bool {
        matches!(self, Self::Fields(StepFields { blocks: Some(BlocksText::Deploys), .. }))
    }
}

/// A step of an error-budget policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["then"]))]
#[schemars(rename = "PolicyStepSettings")]
pub(in crate::slo) struct StepFields {
    /// Text of the step, shown in reports.
    pub(in crate::slo) then: Option<Typed<Words>>,
    /// Action that `slowburn gate` blocks.
    pub(in crate::slo) blocks: Option<BlocksText>,
}

/// Action that a step blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PolicyBlocks")]
pub(in crate::slo) enum BlocksText {
    /// Deploys.
    Deploys,
}

struct StepVisitor;

impl<'de> Visitor<'de> for StepVisitor {
    type Value = StepText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of the step, or `{ then: ..., blocks: deploys }`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Typed::<Words>::deserialize(serde::de::value::StrDeserializer::new(text)).map(StepText::Words)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        StepFields::deserialize(MapAccessDeserializer::new(map)).map(StepText::Fields)
    }
}

impl<'de> Deserialize<'de> for StepText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StepVisitor)
    }
}

impl JsonSchema for StepText {
    fn schema_name() -> Cow<'static, str> {
        "PolicyStep".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = generator.subschema_for::<Typed<Words>>();
        let fields = generator.subschema_for::<StepFields>();
        json_schema!({ "anyOf": [words, fields] })
    }
}

/// The share of a budget that is used, in percent; more than all of it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Used {
    pub(in crate::slo) share: Exact,
    pub(in crate::slo) text: String,
}

impl FromText for Used {
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? *%$";
    const NOUN: &'static str = "a percentage of the error budget";
    const EXAMPLE: &'static str = "75%";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let zero = Exact::from_integer(0);
        match percent(text) {
            Some(share) if share == zero => Err(Refusal::new(
                format!("a step at `{text}` would always apply"),
                "write a percentage above zero, such as `50%`",
            )),
            Some(share) if share > Exact::from_integer(SHARE_MAX) => {
                Err(Refusal::new(format!("`{text}` is above the limit of `1000%`"), "write at most `1000%`"))
            }
            Some(share) => Ok(Self { share, text: text.replace(' ', "") }),
            None => {
                let hint = match decimal(text) {
                    Some(_) => format!("did you mean `{text}%`?"),
                    None => "write the share of the error budget used, such as `75%`".to_owned(),
                };
                Err(Refusal::new(format!("invalid percentage `{text}`"), hint))
            }
        }
    }
}

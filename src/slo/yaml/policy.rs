//! The error-budget policy of a class, as typed: shares of the budget, and what follows.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};

use super::identifier::TextLine;
use super::scalar::{Forms, FromText, Scalar, impl_serde_by_forms, invalid_type};
use crate::rational::{Rational, parse_decimal, parse_percent};
use crate::slo::problem::Explained;

/// Ten times the budget: nobody agrees on what follows later.
const SHARE_MAX: i128 = 10;

/// What follows, by the share of the budget that is used.
pub(in crate::slo) type PolicyYaml = BTreeMap<String, PolicyStepYaml>;

/// A step: its text alone, or with what it blocks.
#[derive(Clone, Debug)]
pub(in crate::slo) enum PolicyStepYaml {
    Text(Scalar<TextLine>),
    Fields(PolicyStepFields),
}

impl PolicyStepYaml {
    pub(in crate::slo) fn then(&self) -> Option<&str> {
        match self {
            Self::Text(words) => Some(&words.0.0),
            Self::Fields(fields) => fields.then.as_ref().map(|words| words.0.0.as_str()),
        }
    }

    pub(in crate::slo) fn blocks_deploys(&self) -> bool {
        matches!(self, Self::Fields(PolicyStepFields { blocks: Some(PolicyBlocksYaml::Deploys), .. }))
    }
}

/// A step of an error-budget policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["then"]))]
#[schemars(rename = "PolicyStepSettings")]
pub(in crate::slo) struct PolicyStepFields {
    /// Text of the step, shown in reports.
    pub(in crate::slo) then: Option<Scalar<TextLine>>,
    /// Action that `slowburn gate` blocks.
    pub(in crate::slo) blocks: Option<PolicyBlocksYaml>,
}

/// Action that a step blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PolicyBlocks")]
pub(in crate::slo) enum PolicyBlocksYaml {
    /// Deploys.
    Deploys,
}

impl Forms for PolicyStepYaml {
    const SCHEMA_NAME: Option<&'static str> = Some("PolicyStep");

    fn expected() -> String {
        "the text of the step, or `{ then: ..., blocks: deploys }`".to_owned()
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Result<Self, E> {
        match scalar {
            Unexpected::Str(_) => Scalar::from_scalar(scalar).map(Self::Text),
            other => Err(invalid_type::<Self, E>(other)),
        }
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        PolicyStepFields::deserialize(MapAccessDeserializer::new(map)).map(Self::Fields)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Scalar<TextLine>>();
        let fields = generator.subschema_for::<PolicyStepFields>();
        json_schema!({ "anyOf": [text, fields] })
    }
}
impl_serde_by_forms!(PolicyStepYaml);

/// The share of a budget that is used, in percent; more than all of it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct BudgetShare {
    pub(in crate::slo) share: Rational,
    pub(in crate::slo) text: String,
}

impl FromText for BudgetShare {
    const PATTERN: &'static str = r"^[0-9]+(\.[0-9]+)? *%$";
    const NOUN: &'static str = "a percentage of the error budget";
    const EXAMPLE: &'static str = "75%";

    fn from_text(text: &str) -> Result<Self, Explained> {
        let zero = Rational::from_integer(0);
        match parse_percent(text) {
            Some(share) if share == zero => Err(Explained::new(
                format!("a step at `{text}` would always apply"),
                "write a percentage above zero, such as `50%`",
            )),
            Some(share) if share > Rational::from_integer(SHARE_MAX) => {
                Err(Explained::new(format!("`{text}` is above the limit of `1000%`"), "write at most `1000%`"))
            }
            Some(share) => Ok(Self { share, text: text.replace(' ', "") }),
            None => {
                let hint = match parse_decimal(text) {
                    Some(_) => format!("did you mean `{text}%`?"),
                    None => "write the share of the error budget used, such as `75%`".to_owned(),
                };
                Err(Explained::new(format!("invalid percentage `{text}`"), hint))
            }
        }
    }
}

//! The error-budget policy of a class: its steps by share of the budget.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Error, MapAccess, Unexpected, value::MapAccessDeserializer};

use super::forms::{Forms, Scalar, impl_serde_by_forms, read_scalar};
use super::scalars::{Percent, TextLine};
use crate::hinted_error::HintedError;
use crate::rational::{Rational, parse_decimal, parse_percent};

/// The largest share of a step: ten times the budget.
const SHARE_MAX: i128 = 10;

/// Steps by the share of the budget that is used.
pub(crate) type PolicyYaml = BTreeMap<String, PolicyStepYaml>;

#[derive(Clone, Debug)]
pub(crate) struct PolicyStepYaml(pub(crate) PolicyStepFields);

/// A step of an error-budget policy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "PolicyStepSettings", deny_unknown_fields, default)]
#[schemars(extend("required" = ["then"]))]
pub(crate) struct PolicyStepFields {
    /// Text of the step, shown in reports.
    pub(crate) then: Option<Scalar<TextLine>>,
    /// Action that `slowburn gate` blocks.
    pub(crate) blocks: Option<PolicyBlocksYaml>,
}

/// Action that a step blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "PolicyBlocks", rename_all = "snake_case")]
pub(crate) enum PolicyBlocksYaml {
    /// Deploys.
    Deploys,
}

impl Forms for PolicyStepYaml {
    const SCHEMA_NAME: Option<&'static str> = Some("PolicyStep");

    fn forms() -> Vec<String> {
        vec!["the text of the step".to_owned(), "`{ then: ..., blocks: deploys }`".to_owned()]
    }

    fn from_scalar<E: Error>(scalar: Unexpected<'_>) -> Option<Result<Self, E>> {
        let is_text = matches!(scalar, Unexpected::Str(_));
        is_text.then(|| Ok(Self(PolicyStepFields { then: Some(Scalar(read_scalar(scalar)?)), blocks: None })))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Option<Result<Self, A::Error>> {
        Some(PolicyStepFields::deserialize(MapAccessDeserializer::new(map)).map(Self))
    }

    fn schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
        vec![generator.subschema_for::<Scalar<TextLine>>(), generator.subschema_for::<PolicyStepFields>()]
    }
}
impl_serde_by_forms!(PolicyStepYaml);

/// Reads the share of an error budget that is used, in percent; it may be more than all of it.
pub(crate) fn parse_budget_share(text: &str) -> Result<Percent, HintedError> {
    match parse_percent(text) {
        Some(share) if share == Rational::ZERO => HintedError::err(
            format!("a step at `{text}` would always apply"),
            "write a percentage above zero, such as `50%`",
        ),
        Some(share) if share > Rational::from_integer(SHARE_MAX) => {
            HintedError::err(format!("`{text}` is above the limit of `1000%`"), "write at most `1000%`")
        }
        Some(share) => Ok(Percent { share, text: text.replace(' ', "") }),
        None => {
            let hint = match parse_decimal(text) {
                Some(_) => format!("did you mean `{text}%`?"),
                None => "write the share of the error budget used, such as `75%`".to_owned(),
            };
            HintedError::err(format!("invalid percentage `{text}`"), hint)
        }
    }
}

//! How incidents are told of, as typed in `fleet.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::balancer::Destination;
use super::names::Name;
use super::typed::{FromText, Switch, Typed};
use super::values::{Length, Whole};
use crate::slo::problem::Refusal;

/// How incidents are told of.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::slo) struct AlertsText {
    /// The team that hears of the fleet itself: causes that many services share, sources that went silent, messages that cannot be delivered.
    pub(in crate::slo) team: Option<Typed<Name>>,
    /// How many calm minutes end an incident. Default: 15m.
    pub(in crate::slo) resolve_after: Option<Typed<Length>>,
    /// No incident is opened for what is older, however late it is heard of. Default: 6h.
    pub(in crate::slo) open_within: Option<Typed<Length>>,
    /// After how long an open page is said again, or `none`. Default: 4h.
    pub(in crate::slo) remind_pages: Option<Typed<Pause>>,
    /// After how long an open ticket is said again, or `none`. Default: 3d.
    pub(in crate::slo) remind_tickets: Option<Typed<Pause>>,
    /// When services that burn together have one cause, or `none`.
    pub(in crate::slo) shared_cause: Option<Switch<SharedText>>,
    /// After how long without anything new a source counts as silent, or `none`. Default: 3h.
    pub(in crate::slo) stale_after: Option<Typed<Pause>>,
    /// Called at the end of each run, so that a run that never comes can be noticed elsewhere: `webhook:${HEARTBEAT_URL}`.
    pub(in crate::slo) heartbeat: Option<Typed<Destination>>,
}

/// When services that burn together have one cause.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::slo) struct SharedText {
    /// How many services of a load balancer or a source must burn. Default: 5.
    pub(in crate::slo) services: Option<Typed<Whole>>,
    /// Within how long of one another they must have begun. Default: 10m.
    pub(in crate::slo) within: Option<Typed<Length>>,
}

/// A length of time, or `none` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Pause(pub(in crate::slo) Option<u32>);

impl FromText for Pause {
    const PATTERN: &'static str = "^(none|[0-9]{1,6}[mhdw])$";
    const NOUN: &'static str = "a length of time or `none`";
    const EXAMPLE: &'static str = "4h";

    fn bare(text: &str) -> Refusal {
        Length::bare(text)
    }

    fn from_text(text: &str) -> Result<Self, Refusal> {
        if text == "none" { Ok(Self(None)) } else { Length::from_text(text).map(|length| Self(Some(length.0))) }
    }
}

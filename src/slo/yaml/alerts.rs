//! How incidents are opened, resolved and notified, as typed in `fleet.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::identifier::Name;
use super::load_balancer::Destination;
use super::scalar::{FromText, OrNone, Scalar};
use super::scalars::{Minutes, PositiveInt};
use crate::slo::problem::Explained;

/// How incidents are opened, resolved and notified.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Alerts")]
pub(in crate::slo) struct AlertsYaml {
    /// Platform team, notified of shared causes, stale sources and undelivered notifications.
    pub(in crate::slo) team: Option<Scalar<Name>>,
    /// Time without a firing tier after which an incident resolves. Default: 15m.
    pub(in crate::slo) resolve_after: Option<Scalar<Minutes>>,
    /// Age above which late data opens no incident. Default: 6h.
    pub(in crate::slo) open_within: Option<Scalar<Minutes>>,
    /// Interval of reminders of an open page, or `none`. Default: 4h.
    pub(in crate::slo) remind_pages: Option<Scalar<DurationOrNone>>,
    /// Interval of reminders of an open ticket, or `none`. Default: 3d.
    pub(in crate::slo) remind_tickets: Option<Scalar<DurationOrNone>>,
    /// When incidents of several services are grouped as one shared cause, or `none`.
    pub(in crate::slo) shared_cause: Option<OrNone<SharedCauseYaml>>,
    /// Time without new data after which a source is stale, or `none`. Default: 3h.
    pub(in crate::slo) stale_after: Option<Scalar<DurationOrNone>>,
    /// Webhook that is called after every complete run, so that a missing run is noticed: `webhook:${HEARTBEAT_URL}`.
    pub(in crate::slo) heartbeat: Option<Scalar<Destination>>,
}

/// When incidents of several services are grouped as one shared cause.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SharedCause")]
pub(in crate::slo) struct SharedCauseYaml {
    /// Minimum number of services of a load balancer or source with an incident. Default: 5.
    pub(in crate::slo) services: Option<Scalar<PositiveInt>>,
    /// Time within which the incidents must start. Default: 10m.
    pub(in crate::slo) within: Option<Scalar<Minutes>>,
}

/// A length of time, or `none` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) struct DurationOrNone(pub(in crate::slo) Option<u32>);

impl FromText for DurationOrNone {
    const PATTERN: &'static str = "^(none|[0-9]{1,6}[mhdw])$";
    const NOUN: &'static str = "a duration or `none`";
    const EXAMPLE: &'static str = "4h";

    fn bare_value_error(text: &str) -> Explained {
        Minutes::bare_value_error(text)
    }

    fn from_text(text: &str) -> Result<Self, Explained> {
        if text == "none" { Ok(Self(None)) } else { Minutes::from_text(text).map(|length| Self(Some(length.0))) }
    }
}

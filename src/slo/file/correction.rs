//! A correction, as typed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::Deserialize;

use super::names::{Name, Words};
use super::typed::{FromText, OneOrMany, Typed};
use super::values::Zone;
use crate::slo::problem::Refusal;

/// `corrections/<name>.yaml`: minutes that count for nothing, because they were planned or measured wrongly.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "reason", "category", "author", "scope", "start", "end"]))]
pub(in crate::slo) struct CorrectionFile {
    /// What it is called in reports, unique among corrections.
    pub(in crate::slo) id: Option<Typed<Name>>,
    /// Why these minutes do not count, for whoever reads the report.
    pub(in crate::slo) reason: Option<Typed<Words>>,
    /// What kind of reason it is.
    pub(in crate::slo) category: Option<CategoryText>,
    /// Who answers for it.
    pub(in crate::slo) author: Option<Typed<Words>>,
    /// Which SLOs it is about.
    pub(in crate::slo) scope: Option<ScopeText>,
    /// Its first minute: `2026-10-03T01:00` in the time zone, or with `Z`.
    pub(in crate::slo) start: Option<Typed<Moment>>,
    /// The minute it stops before.
    pub(in crate::slo) end: Option<Typed<Moment>>,
    /// Whose clock `start` and `end` are read from, and whose calendar a repetition follows. Default: UTC.
    pub(in crate::slo) time_zone: Option<Typed<Zone>>,
    /// A recurrence rule (RFC 5545) if it comes again: `FREQ=WEEKLY;BYDAY=SU`. `start` is the first moment it gives; an `UNTIL` is
    /// in UTC: `UNTIL=20261231T235959Z`.
    pub(in crate::slo) repeat: Option<Typed<Words>>,
}

/// Why minutes do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::slo) enum CategoryText {
    /// Maintenance that was announced.
    Planned,
    /// An event that nobody could answer for, such as the outage of a region.
    Unplanned,
    /// The numbers are wrong: a broken probe, a load test.
    Measurement,
    /// The minutes count, but nobody is told of them meanwhile.
    Silence,
}

/// Which SLOs a correction is about; all that is said must fit.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::slo) struct ScopeText {
    /// Services of these teams.
    pub(in crate::slo) team: Option<OneOrMany<Typed<Name>>>,
    /// These services.
    pub(in crate::slo) service: Option<OneOrMany<Typed<Name>>>,
    /// SLOs of these names.
    pub(in crate::slo) slo: Option<OneOrMany<Typed<Name>>>,
    /// Services with these labels.
    pub(in crate::slo) labels: Option<BTreeMap<String, Typed<Words>>>,
}

/// A moment on somebody's clock, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::slo) enum Moment {
    Local(DateTime),
    Instant(Timestamp),
}

impl FromText for Moment {
    const PATTERN: &'static str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:00)?(Z|[+-][0-9]{2}:[0-9]{2})?$";
    const NOUN: &'static str = "a moment";
    const EXAMPLE: &'static str = "2026-10-03T01:00";

    fn from_text(text: &str) -> Result<Self, Refusal> {
        let refusal =
            |what: &str| Refusal::new(format!("`{text}` {what}"), format!("write day and minute: `{}`", Self::EXAMPLE));
        let (moment, whole) = if let Ok(instant) = text.parse::<Timestamp>() {
            (Self::Instant(instant), instant.as_nanosecond() % 60_000_000_000 == 0)
        } else if let Some(local) = text.contains('T').then(|| text.parse::<DateTime>().ok()).flatten() {
            (Self::Local(local), local.second() == 0 && local.subsec_nanosecond() == 0)
        } else {
            return Err(refusal("is no moment"));
        };
        if whole { Ok(moment) } else { Err(refusal("is not a whole minute")) }
    }
}

//! The file of a correction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{OneOrMany, Scalar, impl_from_text};
use super::scalars::{Name, TextLine};
use crate::hinted_error::HintedError;
use crate::slo::correction::Category;

impl_from_text! {
    Moment: "a time", "2026-10-03T01:00",
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:00)?(Z|[+-][0-9]{2}:[0-9]{2})?$", read_moment;
}

/// `corrections/<name>.yaml`: a period that does not count, because it was planned or measured incorrectly.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Correction", deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "reason", "category", "author", "scope", "start", "end"]))]
pub(crate) struct CorrectionFile {
    /// Name of the correction in reports, unique among corrections.
    pub(crate) id: Option<Scalar<Name>>,
    /// Why the period does not count, shown in reports.
    #[schemars(extend("examples" = ["moving the orders database"]))]
    pub(crate) reason: Option<Scalar<TextLine>>,
    /// Category of the reason.
    pub(crate) category: Option<Category>,
    /// Author of the correction.
    #[schemars(extend("examples" = ["jane@example.com"]))]
    pub(crate) author: Option<Scalar<TextLine>>,
    /// SLOs that the correction applies to.
    pub(crate) scope: Option<ScopeYaml>,
    /// First minute: `2026-10-03T01:00` in the time zone, or with `Z` in UTC.
    pub(crate) start: Option<Scalar<Moment>>,
    /// End, the first minute that counts again.
    pub(crate) end: Option<Scalar<Moment>>,
    /// Time zone of `start`, `end` and `repeat`. Default: UTC.
    pub(crate) time_zone: Option<Scalar<TimeZone>>,
    /// Recurrence rule (RFC 5545), such as `FREQ=WEEKLY;BYDAY=SU`. `start` must be its first occurrence; `UNTIL` is in
    /// UTC: `UNTIL=20261231T235959Z`.
    #[schemars(extend("examples" = ["FREQ=WEEKLY;BYDAY=SU"]))]
    pub(crate) repeat: Option<Scalar<TextLine>>,
}

/// SLOs that a correction applies to. All conditions must match.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "CorrectionScope", deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct ScopeYaml {
    /// Services of these teams.
    pub(crate) team: Option<OneOrMany<Scalar<Name>>>,
    /// Services with these names.
    pub(crate) service: Option<OneOrMany<Scalar<Name>>>,
    /// SLOs with these names.
    pub(crate) slo: Option<OneOrMany<Scalar<Name>>>,
    /// Services with these labels.
    pub(crate) labels: Option<BTreeMap<String, Scalar<TextLine>>>,
}

/// A local time, or a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Local(DateTime),
    Instant(Timestamp),
}

fn read_moment(text: &str) -> Result<Moment, HintedError> {
    let invalid = |problem: &str| {
        HintedError::new(format!("`{text}` {problem}"), "write a date and a minute: `2026-10-03T01:00`")
    };
    let (moment, is_whole_minute) = if let Ok(instant) = text.parse::<Timestamp>() {
        (Moment::Instant(instant), instant.as_nanosecond() % 60_000_000_000 == 0)
    } else if let Some(local) = text.contains('T').then(|| text.parse::<DateTime>().ok()).flatten() {
        (Moment::Local(local), local.second() == 0 && local.subsec_nanosecond() == 0)
    } else {
        return Err(invalid("is not a valid time"));
    };
    if is_whole_minute { Ok(moment) } else { Err(invalid("is not a whole minute")) }
}

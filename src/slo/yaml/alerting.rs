//! Alerting as written: tiers, significance, severe conditions, and how incidents are notified.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::destination::Destination;
use super::forms::{FromText, OrNone, Scalar, impl_from_text};
use super::scalars::{Minutes, Name, Percent, PositiveInt};
use crate::hinted_error::HintedError;
use crate::slo::tier::WorkingHours;
use crate::time::parse_duration;

impl_from_text! {
    SevereDuration: "a duration or `none`", "5m", "^(none|[0-9]{1,6}[mh])$", read_severe_duration;
    WorkingHours: "working hours", "Mon-Fri 09:00-18:00 Europe/Berlin",
        "^[A-Za-z]{3}([-,][A-Za-z]{3})* ([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-4]):[0-5][0-9] [A-Za-z0-9_+/-]{1,64}$",
        read_working_hours;
    DurationOrNone: "a duration or `none`", "4h",
        "^(none|[0-9]{1,6}[mhdw])$", read_duration_or_none, Minutes::bare_value_error;
}

/// Tiers by name, each changed, added or disabled; `none` disables all inherited tiers.
pub(crate) type TiersYaml = OrNone<BTreeMap<String, OrNone<TierYaml>>>;

/// An alert tier. Missing fields are inherited from the tier of the same name; a new tier must set all fields but
/// `only`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Tier", deny_unknown_fields, default)]
pub(crate) struct TierYaml {
    /// Urgency of the alert.
    pub(crate) urgency: Option<UrgencyYaml>,
    /// Share of the error budget that is used if the burn rate lasts for the long window.
    pub(crate) budget: Option<Scalar<Percent>>,
    /// Long window, which makes the alert significant.
    pub(crate) long: Option<Scalar<Minutes>>,
    /// Short window, which resolves the alert soon after recovery.
    pub(crate) short: Option<Scalar<Minutes>>,
    /// When the tier sends pages. Outside `working_hours` it sends tickets. Default: always.
    pub(crate) only: Option<TierHoursYaml>,
}

/// Urgency of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "Urgency", rename_all = "lowercase")]
pub(crate) enum UrgencyYaml {
    /// Needs a response now.
    Page,
    /// Needs a response on the next business day.
    Ticket,
}

/// When a tier sends pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename = "TierHours", rename_all = "snake_case")]
pub(crate) enum TierHoursYaml {
    /// During the working hours of the SLO, its service, its class or the fleet.
    WorkingHours,
    /// At any time. Overrides an inherited `working_hours`.
    Always,
}

/// Minimum statistical significance of a page. Pages below it are sent as tickets.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Significance", deny_unknown_fields, default)]
pub(crate) struct SignificanceYaml {
    /// Minimum number of bad events in the long window. Default: 5.
    pub(crate) min_bad_events: Option<Scalar<PositiveInt>>,
    /// Confidence that the true burn rate exceeds the factor. Default: 99%.
    pub(crate) confidence: Option<Scalar<Percent>>,
}

/// Severe conditions, independent of the error budget.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Severe", deny_unknown_fields, default)]
pub(crate) struct SevereYaml {
    /// Outage: time during which almost all events are bad, or `none`. Default: 5m.
    pub(crate) outage: Option<Scalar<SevereDuration>>,
    /// Traffic drop: time during which almost all traffic is missing compared with earlier weeks, or `none`. Default:
    /// 15m.
    pub(crate) traffic_drop: Option<Scalar<SevereDuration>>,
}

/// The newest minutes that must show something severe, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SevereDuration(pub(crate) Option<u32>);

/// Two hours: what takes longer to be seen is not severe.
const SEVERE_MINUTES_MAX: u32 = 120;

fn read_severe_duration(text: &str) -> Result<SevereDuration, HintedError> {
    match parse_duration(text) {
        _ if text == "none" => Ok(SevereDuration(None)),
        Some(minutes @ 1..=SEVERE_MINUTES_MAX) => Ok(SevereDuration(Some(minutes))),
        Some(_) => {
            HintedError::err(format!("`{text}` is not between 1m and 2h"), "write a duration such as `5m`, or `none`")
        }
        None => Minutes::from_text(text).map(|_| SevereDuration(None)),
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn read_working_hours(text: &str) -> Result<WorkingHours, HintedError> {
    let invalid = |problem: &str| {
        HintedError::new(
            format!("invalid working hours `{text}`: {problem}"),
            format!("write days, hours and a time zone: `{}`", WorkingHours::EXAMPLE),
        )
    };
    let [days, hours, zone] = text.split(' ').collect::<Vec<_>>()[..] else {
        return Err(invalid("expected days, hours and a time zone"));
    };
    let days = parse_days(days).ok_or_else(|| invalid("unknown day of the week"))?;
    let clock_times = hours.split_once('-').and_then(|(from, to)| Some((parse_clock(from)?, parse_clock(to)?)));
    let (start_minute, end_minute) = clock_times.ok_or_else(|| invalid("expected hours such as `09:00-18:00`"))?;
    Ok(WorkingHours { days, start_minute, end_minute, time_zone: TimeZone::from_text(zone)? })
}

/// `mon-fri`, `sat`, `mon,wed,fri-sun`; a range may pass Sunday.
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|step| days[(first + step) % 7] = true);
    }
    Some(days)
}

/// Minutes after midnight; 24:00 is the end of the day.
fn parse_clock(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    ((hour < 24 && minute < 60) || (hour, minute) == (24, 0)).then_some(hour * 60 + minute)
}

/// How incidents are opened, resolved and notified.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "Alerts", deny_unknown_fields, default)]
pub(crate) struct AlertsYaml {
    /// Platform team, notified of shared causes, stale sources and undelivered notifications.
    pub(crate) team: Option<Scalar<Name>>,
    /// Time without a firing tier after which an incident resolves. Default: 15m.
    pub(crate) resolve_after: Option<Scalar<Minutes>>,
    /// Age above which late data opens no incident. Default: 6h.
    pub(crate) open_within: Option<Scalar<Minutes>>,
    /// Interval of reminders of an open page, or `none`. Default: 4h.
    pub(crate) remind_pages: Option<Scalar<DurationOrNone>>,
    /// Interval of reminders of an open ticket, or `none`. Default: 3d.
    pub(crate) remind_tickets: Option<Scalar<DurationOrNone>>,
    /// When incidents of several services are grouped as one shared cause, or `none`.
    pub(crate) shared_cause: Option<OrNone<SharedCauseYaml>>,
    /// Time without new data after which a source is stale, or `none`. Default: 3h.
    pub(crate) stale_after: Option<Scalar<DurationOrNone>>,
    /// Webhook that is called after every complete run, so that a missing run is noticed: `webhook:${HEARTBEAT_URL}`.
    pub(crate) heartbeat: Option<Scalar<Destination>>,
}

/// When incidents of several services are grouped as one shared cause.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename = "SharedCause", deny_unknown_fields, default)]
pub(crate) struct SharedCauseYaml {
    /// Minimum number of services of a load balancer or source with an incident. Default: 5.
    pub(crate) services: Option<Scalar<PositiveInt>>,
    /// Time within which the incidents must start. Default: 10m.
    pub(crate) within: Option<Scalar<Minutes>>,
}

/// A length of time, or `none` for never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurationOrNone(pub(crate) Option<u32>);

fn read_duration_or_none(text: &str) -> Result<DurationOrNone, HintedError> {
    let minutes = if text == "none" { None } else { Some(Minutes::from_text(text)?.0) };
    Ok(DurationOrNone(minutes))
}

//! What a promise is judged by, as a short hash: equal hashes mean that the same minutes are judged alike.

use super::{Slo, Tier, WorkingHours};
use crate::time::Window;

impl Slo {
    /// The hash of everything that burn rates and tiers depend on. Texts that only people read are no part of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let window_text = |window: &Window| match window {
            Window::Rolling { .. } => window.to_string(),
            Window::Calendar { zone, .. } => format!("{window} {}", zone.iana_name().unwrap_or("UTC")),
        };
        let mut parts = vec![self.indicator.series().to_string(), self.objective.share.to_string()];
        parts.extend(self.windows.first().map(window_text));
        parts.extend(self.timeslices.as_ref().map(|timeslices| {
            format!("slices {} {} {}", timeslices.minutes, timeslices.budget, timeslices.is_idle_good)
        }));
        parts.extend(self.tiers.iter().map(tier_text));
        parts.extend(
            self.significance
                .as_ref()
                .map(|significance| format!("evidence {} {}", significance.min_bad_events, significance.p_value_max)),
        );
        parts.push(format!("severe {:?} {:?}", self.severe.outage_minutes, self.severe.traffic_drop_minutes));
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(parts.join("\n").as_bytes()))
    }
}

fn tier_text(tier: &Tier) -> String {
    let hours_text = |hours: &WorkingHours| {
        format!(
            "{:?} {} {} {}",
            hours.days,
            hours.start_minute,
            hours.end_minute,
            hours.time_zone.iana_name().unwrap_or("UTC")
        )
    };
    format!(
        "{} {} {} {} {} {}",
        tier.name,
        tier.urgency,
        tier.factor,
        tier.long_minutes,
        tier.short_minutes,
        tier.working_hours.as_ref().map_or_else(String::new, hours_text)
    )
}

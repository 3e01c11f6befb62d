//! Destinations in words: the channel, the role, and the variable that holds the address.

use super::catalog::Catalog;
use super::fleet::Team;
use crate::text::escape_non_printing;

/// The scheme of a missing destination in dry runs: `none:shop-pages`.
pub const NO_DESTINATION: &str = "none";

/// A destination in words, such as ``PagerDuty, shop pages (`SHOP_PAGERDUTY_KEY`)`` or `mail to shop@example.com`.
///
/// The role is one such as `shop pages`, from [`Catalog::describe_destination`].
pub fn describe_destination(destination: &str, role: Option<&str>) -> String {
    let (kind, rest) = destination.split_once(':').unwrap_or((destination, ""));
    let channel = match kind {
        "pagerduty" => "PagerDuty",
        "slack" => "Slack",
        "webhook" => "webhook",
        "mailto" => return format!("mail to {}", escape_non_printing(rest)),
        NO_DESTINATION => {
            let (team, list) = rest.rsplit_once('-').unwrap_or((rest, ""));
            return format!("{} (no destination is set)", escape_non_printing(format!("{team} {list}").trim_end()));
        }
        _ => return format!("`{}`", escape_non_printing(destination)),
    };
    let name = rest.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('}'));
    let role = role.map(|role| format!(", {role}")).unwrap_or_default();
    format!("{channel}{role} (`{}`)", escape_non_printing(name.unwrap_or(rest)))
}

impl Catalog {
    /// A destination in words, with its role in `team`, in the platform team, in a class, or in the only other team
    /// that has it.
    pub fn describe_destination(&self, team: &str, destination: &str) -> String {
        let role_in = |name: &str, lists: &Team| Some(format!("{name} {}", lists.role(destination)?));
        let role_in_team = |name: &str| role_in(name, self.teams.get(name)?);
        let mut other_roles = self.teams.iter().filter_map(|(name, lists)| role_in(name, lists));
        let role = role_in_team(team)
            .or_else(|| role_in_team(self.alerts.team.as_deref()?))
            .or_else(|| self.notify_also.iter().find_map(|(class, lists)| role_in(&format!("class {class}"), lists)))
            // If several teams have it, its role is ambiguous.
            .or_else(|| other_roles.next().filter(|_| other_roles.next().is_none()));
        describe_destination(destination, role.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn catalog() -> Catalog {
        let list = |text: &str| vec![text.to_owned()];
        let shop = Team {
            severe: list("pagerduty:${SHOP_KEY}"),
            pages: list("pagerduty:${SHOP_KEY}"),
            tickets: list("slack:${SHARED_HOOK}"),
            reports: list("mailto:shop@example.com"),
        };
        let cart = Team { tickets: list("slack:${SHARED_HOOK}"), ..Team::default() };
        let critical = Team { severe: list("webhook:https://status.example.com/hook"), ..Team::default() };
        let teams = [("shop", shop), ("cart", cart)].map(|(name, team)| (name.to_owned(), team));
        let notify_also = BTreeMap::from([("critical".to_owned(), critical)]);
        Catalog { teams: teams.into_iter().collect(), notify_also, ..Catalog::default() }
    }

    #[test]
    fn a_destination_is_named_by_channel_role_and_variable() {
        for (team, destination, expected) in [
            ("shop", "pagerduty:${SHOP_KEY}", "PagerDuty, shop pages (`SHOP_KEY`)"),
            ("cart", "pagerduty:${SHOP_KEY}", "PagerDuty, shop pages (`SHOP_KEY`)"),
            ("cart", "slack:${SHARED_HOOK}", "Slack, cart tickets (`SHARED_HOOK`)"),
            ("gone", "slack:${SHARED_HOOK}", "Slack (`SHARED_HOOK`)"),
            ("shop", "slack:${OLD_HOOK}", "Slack (`OLD_HOOK`)"),
            ("shop", "mailto:shop@example.com", "mail to shop@example.com"),
            (
                "shop",
                "webhook:https://status.example.com/hook",
                "webhook, class critical severe pages (`https://status.example.com/hook`)",
            ),
            ("shop", "webhook:https://${HOST}/${KEY}", "webhook (`https://${HOST}/${KEY}`)"),
            ("shop", "none:web-shop-pages", "web-shop pages (no destination is set)"),
            ("shop", "\u{1b}[31m", "`\\u{1b}[31m`"),
        ] {
            assert_eq!(catalog().describe_destination(team, destination), expected);
        }
    }
}

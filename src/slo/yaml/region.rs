//! AWS regions: the known ones, and what is probably a typo of one.

use super::scalar::FromText;
use crate::slo::problem::Explained;

/// The regions that AWS has announced. A code that is not listed is accepted with a warning unless it is close to one
/// of these, so that a new region works before it is added here.
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// The words that AWS builds codes from, after the area.
const DIRECTIONS: &[&str] =
    &["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// An AWS region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct Region(pub(in crate::slo) String);

impl FromText for Region {
    const PATTERN: &'static str = "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$";
    const NOUN: &'static str = "an AWS region";
    const EXAMPLE: &'static str = "eu-west-1";

    fn from_text(text: &str) -> Result<Self, Explained> {
        if REGIONS.contains(&text) {
            return Ok(Self(text.to_owned()));
        }
        let zone =
            text.strip_suffix(|letter: char| letter.is_ascii_lowercase()).filter(|region| is_region_code(region));
        if let Some(region) = zone {
            let message = format!("`{text}` is an availability zone, not a region");
            return Err(Explained::new(message, format!("write `{region}`")));
        }
        let message = format!("unknown AWS region `{text}`");
        match nearest_region(text) {
            Some(suggestion) => Err(Explained::new(message, format!("did you mean `{suggestion}`?"))),
            None if is_region_code(text) => Ok(Self(text.to_owned())),
            None => Err(Explained::new(message, "write its code, such as `eu-west-1`")),
        }
    }
}

/// What is doubtful about an accepted region: this build does not know it.
pub(super) fn unknown_region_warning(text: &str) -> Option<Explained> {
    (!REGIONS.contains(&text)).then(|| {
        let hint = "check the spelling; ignore this warning if the region is newer than this version of slowburn";
        Explained::new(format!("unknown AWS region `{text}`"), hint)
    })
}

/// The region that a text is a typo of. What AWS might well name a new region is no typo: a known area and direction,
/// with another number or combined in another way.
fn nearest_region(text: &str) -> Option<&'static str> {
    let is_region_code = is_region_code(text);
    if text.len() > 40 || (is_region_code && is_plausible(text)) {
        return None;
    }
    let lower = text.to_ascii_lowercase().replace(['_', ' '], "-");
    let max_distance = if is_region_code { 1 } else { 2 };
    let distances = REGIONS.iter().map(|region| (strsim::osa_distance(&lower, region), *region));
    distances.filter(|(distance, _)| *distance <= max_distance).min().map(|(_, region)| region)
}

/// Whether every word of a code is in use by AWS.
fn is_plausible(text: &str) -> bool {
    let Some((family, _)) = text.rsplit_once('-') else { return false };
    let families = || REGIONS.iter().filter_map(|region| region.rsplit_once('-')).map(|(family, _)| family);
    let is_known_area = |area: &str| families().any(|known| known.split('-').next() == Some(area));
    let is_combined =
        family.split_once('-').is_some_and(|(area, direction)| is_known_area(area) && DIRECTIONS.contains(&direction));
    is_combined || families().any(|known| known == family)
}

/// Whether a text has the form of a region's code.
fn is_region_code(text: &str) -> bool {
    let mut parts = text.split('-');
    let number = parts.next_back().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    let lower = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(lower)
        && words.first().is_some_and(|area| (2..=4).contains(&area.len()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_typo_is_rejected_but_new_region_is_accepted() {
        for (text, meant) in [
            ("eu-wst-1", "eu-west-1"),
            ("us-eats-1", "us-east-1"),
            ("euwest-1", "eu-west-1"),
            ("EU-WEST-1", "eu-west-1"),
            ("eu_west_1", "eu-west-1"),
            ("eu-west1", "eu-west-1"),
            ("us-gov-wst-1", "us-gov-west-1"),
            ("cn-nort-1", "cn-north-1"),
        ] {
            let explained = Region::from_text(text).unwrap_err();
            assert_eq!(explained.message, format!("unknown AWS region `{text}`"));
            assert_eq!(explained.hint, format!("did you mean `{meant}`?"));
        }
        for text in ["eu-west-4", "ap-southeast-8", "mx-north-1", "nz-south-1", "atlantis-deep-1"] {
            assert_eq!(Region::from_text(text).is_ok(), is_region_code(text), "{text}");
            assert!(unknown_region_warning(text).is_some());
        }
        for region in REGIONS {
            assert!(
                Region::from_text(region).is_ok() && unknown_region_warning(region).is_none() && is_region_code(region),
                "{region}"
            );
        }
        let zone = Region::from_text("eu-west-1a").unwrap_err();
        assert_eq!(zone.hint, "write `eu-west-1`");
    }
}

//! AWS regions, and typos of them.

use super::forms::{FromText, impl_from_text, text_types};
use crate::hinted_error::HintedError;
use crate::slo::suggest::nearest_within;

text_types!(Region);

impl_from_text! {
    Region: "an AWS region", "eu-west-1", "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$", read_region;
}

/// The regions that AWS has announced, one a line. A code that is not listed is accepted with a warning unless it is
/// close to one of these, so that a new region works before it is added here.
const REGIONS: &str = include_str!("regions.txt");

fn is_known(code: &str) -> bool {
    REGIONS.lines().any(|region| region == code)
}

/// The words that AWS builds codes from, after the area.
const DIRECTIONS: &[&str] =
    &["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

fn read_region(text: &str) -> Result<Region, HintedError> {
    let accepted = Ok(Region(text.to_owned()));
    if is_known(text) {
        return accepted;
    }
    let zone = text.strip_suffix(|letter: char| letter.is_ascii_lowercase()).filter(|region| Region::matches(region));
    if let Some(region) = zone {
        let message = format!("`{text}` is an availability zone, not a region");
        return HintedError::err(message, format!("write `{region}`"));
    }
    let message = format!("unknown AWS region `{text}`");
    match nearest_region(text) {
        Some(suggestion) => HintedError::err(message, format!("did you mean `{suggestion}`?")),
        None if Region::matches(text) => accepted,
        None => HintedError::err(message, "write its code, such as `eu-west-1`"),
    }
}

pub(super) fn unknown_region_warning(text: &str) -> Option<HintedError> {
    (!is_known(text)).then(|| {
        let hint = "check the spelling; ignore this warning if the region is newer than this version of slowburn";
        HintedError::new(format!("unknown AWS region `{text}`"), hint)
    })
}

/// The region that a text is a typo of. A plausible name of a new region is not a typo: a known area and direction with
/// another number or in another combination.
fn nearest_region(text: &str) -> Option<&'static str> {
    let is_region_code = Region::matches(text);
    if text.len() > 40 || (is_region_code && is_plausible(text)) {
        return None;
    }
    let lower = text.to_ascii_lowercase().replace(['_', ' '], "-");
    let max_distance = if is_region_code { 1 } else { 2 };
    nearest_within(&lower, REGIONS.lines(), |_| max_distance)
}

/// Whether every word of a code is in use by AWS.
fn is_plausible(text: &str) -> bool {
    let Some((family, _)) = text.rsplit_once('-') else { return false };
    let families = || REGIONS.lines().filter_map(|region| region.rsplit_once('-')).map(|(family, _)| family);
    let is_known_area = |area: &str| families().any(|known| known.split('-').next() == Some(area));
    let is_combined =
        family.split_once('-').is_some_and(|(area, direction)| is_known_area(area) && DIRECTIONS.contains(&direction));
    is_combined || families().any(|known| known == family)
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
            assert_eq!(Region::from_text(text).is_ok(), Region::matches(text), "{text}");
            assert!(unknown_region_warning(text).is_some());
        }
        for region in REGIONS.lines() {
            assert!(
                Region::from_text(region).is_ok()
                    && unknown_region_warning(region).is_none()
                    && Region::matches(region),
                "{region}"
            );
        }
        let zone = Region::from_text("eu-west-1a").unwrap_err();
        assert_eq!(zone.hint, "write `eu-west-1`");
    }
}

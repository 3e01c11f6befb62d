//! Who says what about one SLO: its own fields, its service, its class, the fleet. The first that says something wins.

use super::file::{
    ClassText, FleetFile, HoursText, OneOrMany, Page, Percent, ServiceFile, SevereText, SignificanceText, SloFields,
    Switch, TiersText, Typed, WindowText, Zone,
};
use super::positions::{Path, Step};
use super::problem::Problem;

/// What one place says.
pub(super) struct Layer<'a> {
    page: &'a Page<'a>,
    path: Path,
    /// Fields that only an SLO has.
    pub(super) slo: Option<&'a SloFields>,
    pub(super) windows: Option<&'a OneOrMany<Typed<WindowText>>>,
    pub(super) time_zone: Option<&'a Typed<Zone>>,
    pub(super) tiers: Option<&'a TiersText>,
    pub(super) significance: Option<&'a Switch<SignificanceText>>,
    pub(super) severe: Option<&'a Switch<SevereText>>,
    pub(super) working_hours: Option<&'a Typed<HoursText>>,
    pub(super) max_unknown: Option<&'a Typed<Percent>>,
}

impl<'a> Layer<'a> {
    pub(super) fn of_slo(page: &'a Page<'a>, path: Path, fields: &'a SloFields) -> Self {
        Self {
            page,
            path,
            slo: Some(fields),
            windows: fields.windows.as_ref(),
            time_zone: fields.time_zone.as_ref(),
            tiers: fields.tiers.as_ref(),
            significance: fields.significance.as_ref(),
            severe: fields.severe.as_ref(),
            working_hours: fields.working_hours.as_ref(),
            max_unknown: fields.max_unknown.as_ref(),
        }
    }

    pub(super) fn of_service(page: &'a Page<'a>, file: &'a ServiceFile) -> Self {
        Self {
            page,
            path: Path::new(),
            slo: None,
            windows: file.windows.as_ref(),
            time_zone: file.time_zone.as_ref(),
            tiers: file.tiers.as_ref(),
            significance: file.significance.as_ref(),
            severe: file.severe.as_ref(),
            working_hours: file.working_hours.as_ref(),
            max_unknown: file.max_unknown.as_ref(),
        }
    }

    pub(super) fn of_class(page: &'a Page<'a>, path: Path, class: &'a ClassText) -> Self {
        Self {
            page,
            path,
            slo: None,
            windows: class.windows.as_ref(),
            time_zone: class.time_zone.as_ref(),
            tiers: class.tiers.as_ref(),
            significance: class.significance.as_ref(),
            severe: class.severe.as_ref(),
            working_hours: class.working_hours.as_ref(),
            max_unknown: class.max_unknown.as_ref(),
        }
    }

    pub(super) fn of_fleet(page: &'a Page<'a>, file: &'a FleetFile) -> Self {
        Self {
            page,
            path: Path::new(),
            slo: None,
            windows: None,
            time_zone: None,
            tiers: file.tiers.as_ref(),
            significance: file.significance.as_ref(),
            severe: file.severe.as_ref(),
            working_hours: file.working_hours.as_ref(),
            max_unknown: None,
        }
    }

    /// A problem of what this layer says under a key, or of the layer's own key for an empty one.
    pub(super) fn problem(&self, steps: &[Step], message: impl Into<String>, hint: impl Into<String>) -> Problem {
        let path: Path = self.path.iter().chain(steps).cloned().collect();
        self.page.of_value(&path, message, hint)
    }

    /// A problem of one of the keys this layer has.
    pub(super) fn key_problem(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        let path: Path = self.path.iter().cloned().chain([Step::Key(key.to_owned())]).collect();
        self.page.of_key(&path, message, hint)
    }
}

/// The first layer that says something, and what it says.
pub(super) fn first<'l, 'a, T>(
    layers: &'l [Layer<'a>],
    pick: impl Fn(&Layer<'a>) -> Option<&'a T>,
) -> Option<(&'l Layer<'a>, &'a T)> {
    layers.iter().find_map(|layer| Some((layer, pick(layer)?)))
}

/// The first layer of an SLO that says something, and what it says.
pub(super) fn first_field<'l, 'a, T: 'a>(
    layers: &'l [Layer<'a>],
    pick: impl Fn(&'a SloFields) -> Option<&'a T>,
) -> Option<(&'l Layer<'a>, &'a T)> {
    first(layers, |layer| layer.slo.and_then(&pick))
}

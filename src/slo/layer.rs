//! Who says what about one SLO: its own fields, its service, its class, the fleet. The first that says something wins.

use super::problem::Problem;
use super::source_spans::{PathStep, YamlPath};
use super::yaml::{
    ClassYaml, FleetFile, OneOrMany, OrNone, Percent, Scalar, ServiceFile, SevereYaml, SignificanceYaml, SloFields,
    TiersYaml, TimeZoneName, WindowYaml, WorkingHoursYaml, YamlFile,
};

/// What one place says.
pub(super) struct Layer<'a> {
    yaml: &'a YamlFile<'a>,
    path: YamlPath,
    /// Fields that only an SLO has.
    pub(super) slo: Option<&'a SloFields>,
    pub(super) windows: Option<&'a OneOrMany<Scalar<WindowYaml>>>,
    pub(super) time_zone: Option<&'a Scalar<TimeZoneName>>,
    pub(super) tiers: Option<&'a TiersYaml>,
    pub(super) significance: Option<&'a OrNone<SignificanceYaml>>,
    pub(super) severe: Option<&'a OrNone<SevereYaml>>,
    pub(super) working_hours: Option<&'a Scalar<WorkingHoursYaml>>,
    pub(super) max_unknown: Option<&'a Scalar<Percent>>,
}

impl<'a> Layer<'a> {
    pub(super) fn from_slo(yaml: &'a YamlFile<'a>, path: YamlPath, fields: &'a SloFields) -> Self {
        Self {
            yaml: yaml,
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

    pub(super) fn from_service(yaml: &'a YamlFile<'a>, file: &'a ServiceFile) -> Self {
        Self {
            yaml: yaml,
            path: YamlPath::new(),
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

    pub(super) fn from_class(yaml: &'a YamlFile<'a>, path: YamlPath, class: &'a ClassYaml) -> Self {
        Self {
            yaml: yaml,
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

    pub(super) fn from_fleet(yaml: &'a YamlFile<'a>, file: &'a FleetFile) -> Self {
        Self {
            yaml: yaml,
            path: YamlPath::new(),
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
    pub(super) fn value_problem(
        &self,
        steps: &[PathStep],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        let path: YamlPath = self.path.iter().chain(steps).cloned().collect();
        self.yaml.value_problem(&path, message, hint)
    }

    /// A problem of one of the keys this layer has.
    pub(super) fn key_problem(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        let path: YamlPath = self.path.iter().cloned().chain([PathStep::Key(key.to_owned())]).collect();
        self.yaml.key_problem(&path, message, hint)
    }
}

/// The first layer that says something, and what it says.
pub(super) fn find_setting<'l, 'a, T>(
    layers: &'l [Layer<'a>],
    pick: impl Fn(&Layer<'a>) -> Option<&'a T>,
) -> Option<(&'l Layer<'a>, &'a T)> {
    layers.iter().find_map(|layer| Some((layer, pick(layer)?)))
}

/// The first layer of an SLO that says something, and what it says.
pub(super) fn find_slo_setting<'l, 'a, T: 'a>(
    layers: &'l [Layer<'a>],
    pick: impl Fn(&'a SloFields) -> Option<&'a T>,
) -> Option<(&'l Layer<'a>, &'a T)> {
    find_setting(layers, |layer| layer.slo.and_then(&pick))
}

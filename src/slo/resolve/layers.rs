//! The layers of settings for one SLO, most specific first: its own fields, its service, its class, the fleet. The
//! first layer that sets a field wins.

use jiff::tz::TimeZone;

use super::fleet::Fleet;
use crate::slo::problem::Problem;
use crate::slo::source_spans::{YamlPath, key_path};
use crate::slo::tier::WorkingHours;
use crate::slo::yaml::{
    ClassYaml, OneOrMany, OrNone, Percent, Scalar, ServiceFile, SevereYaml, SignificanceYaml, SloFields, TiersYaml,
    WindowYaml, YamlFile,
};

/// A service file with the class and the fleet that supply its defaults.
pub(super) struct ServiceDefinition<'a> {
    pub(super) yaml: &'a YamlFile<'a>,
    pub(super) file: &'a ServiceFile,
    pub(super) name: &'a str,
    pub(super) class_name: &'a str,
    pub(super) class: &'a ClassYaml,
    pub(super) fleet: &'a Fleet<'a>,
}

/// Settings that SLOs, services and classes share.
pub(super) struct Overrides<'a> {
    pub(super) windows: Option<&'a OneOrMany<Scalar<WindowYaml>>>,
    pub(super) time_zone: Option<&'a Scalar<TimeZone>>,
    pub(super) tiers: Option<&'a TiersYaml>,
    pub(super) significance: Option<&'a OrNone<SignificanceYaml>>,
    pub(super) severe: Option<&'a OrNone<SevereYaml>>,
    pub(super) working_hours: Option<&'a Scalar<WorkingHours>>,
    pub(super) max_unknown: Option<&'a Scalar<Percent>>,
}

macro_rules! overrides {
    ($fields:expr, [$($setting:ident),*], [$($unsupported:ident),*]) => {
        Overrides { $($setting: $fields.$setting.as_ref(),)* $($unsupported: None,)* }
    };
    ($fields:expr) => {
        overrides!($fields, [windows, time_zone, tiers, significance, severe, working_hours, max_unknown], [])
    };
}

pub(super) struct Layer<'a> {
    yaml: &'a YamlFile<'a>,
    path: YamlPath,
    pub(super) slo: Option<&'a SloFields>,
    pub(super) overrides: Overrides<'a>,
}

/// All layers of one SLO, most specific first.
pub(super) struct Layers<'a>(pub(super) Vec<Layer<'a>>);

impl<'a> Layers<'a> {
    /// The layers of an SLO of a service; `None` for fields that the service or the class does not have.
    pub(super) fn new(
        service: &ServiceDefinition<'a>,
        slo: &str,
        own_fields: Option<&'a SloFields>,
        class_fields: Option<&'a SloFields>,
    ) -> Self {
        let ServiceDefinition { yaml, file, class_name, class, fleet, .. } = *service;
        let slo_layer = |yaml, keys: &[&str], fields: &'a SloFields| Layer {
            yaml,
            path: key_path(keys),
            slo: Some(fields),
            overrides: overrides!(fields),
        };
        let layer = |yaml, keys: &[&str], overrides| Layer { yaml, path: key_path(keys), slo: None, overrides };
        let mut layers = Vec::new();
        layers.extend(own_fields.map(|fields| slo_layer(yaml, &["slos", slo], fields)));
        layers.push(layer(yaml, &[], overrides!(file)));
        layers.extend(class_fields.map(|fields| slo_layer(fleet.yaml, &["classes", class_name, "slos", slo], fields)));
        layers.push(layer(fleet.yaml, &["classes", class_name], overrides!(class)));
        let fleet_overrides =
            overrides!(fleet.file, [time_zone, tiers, significance, severe, working_hours], [windows, max_unknown]);
        layers.push(layer(fleet.yaml, &[], fleet_overrides));
        Self(layers)
    }

    pub(super) fn find<T>(&self, pick: impl Fn(&Overrides<'a>) -> Option<&'a T>) -> Option<(&Layer<'a>, &'a T)> {
        self.0.iter().find_map(|layer| Some((layer, pick(&layer.overrides)?)))
    }

    pub(super) fn find_slo<T: 'a>(&self, pick: impl Fn(&'a SloFields) -> &'a Option<T>) -> Option<(&Layer<'a>, &'a T)> {
        self.0.iter().find_map(|layer| Some((layer, pick(layer.slo?).as_ref()?)))
    }

    pub(super) fn slo_value<T: 'a>(&self, pick: impl Fn(&'a SloFields) -> &'a Option<T>) -> Option<&'a T> {
        self.find_slo(pick).map(|(_, value)| value)
    }

    pub(super) fn slo_layers_with(&self, key: &str) -> impl Iterator<Item = &Layer<'a>> {
        self.0.iter().filter(move |layer| layer.slo.is_some() && layer.yaml.contains(&layer.path_to(&[key])))
    }

    pub(super) fn slo_layer(&self) -> Option<&Layer<'a>> {
        self.0.iter().find(|layer| layer.slo.is_some())
    }

    pub(super) fn service_layer(&self) -> Option<&Layer<'a>> {
        self.0.iter().find(|layer| layer.slo.is_none())
    }
}

impl Layer<'_> {
    /// A problem of the value at a path below this layer, or of the layer as a whole for an empty path.
    pub(super) fn value_problem(&self, keys: &[&str], message: impl Into<String>, hint: impl Into<String>) -> Problem {
        self.yaml.value_problem(&self.path_to(keys), message, hint)
    }

    pub(super) fn key_problem(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        self.yaml.key_problem(&self.path_to(&[key]), message, hint)
    }

    fn path_to(&self, keys: &[&str]) -> YamlPath {
        self.path.iter().cloned().chain(key_path(keys)).collect()
    }
}

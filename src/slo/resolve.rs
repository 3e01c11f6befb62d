//! From decoded YAML files to the catalogue: classes, defaults and checks of what the files mean together.

mod correction;
mod default_tiers;
mod fleet;
mod indicator;
mod layers;
mod ratio;
mod recurrence;
mod service;
mod slo;
mod source;
mod tiers;

pub(super) use correction::{CorrectionContext, KnownNames, read_correction};
pub(super) use fleet::{Fleet, default_file};
pub(super) use service::{check_classes, read_service};

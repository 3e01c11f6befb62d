//! What teams promise: the catalogue of services, their SLOs, and where each is measured.
//!
//! **Invariant:** reading definitions never fails as a whole; it gives a [`Catalog`] of all that is sound and every
//! problem of what is not. Types here say what was meant; `file` holds what may be typed.
//!
//! How files add up: an SLO's own fields win over its service's, those over the SLO of the same name in its class, then
//! the class, then the fleet. Tiers add up by name, field by field. A service has all SLOs of its class; `availability:
//! none` leaves one out. SLOs of a class that read access logs are only for services with a `load_balancer`. What
//! `fleet.yaml` does not say of sources and classes is built in (`default_fleet.yaml`).

mod catalog;
mod correction;
mod destination;
mod fleet;
mod indicator;
mod metric;
mod problem;
mod read;
mod resolve;
mod selector;
mod service;
mod source;
mod source_spans;
mod suggest;
mod tier;
pub mod yaml;

pub use catalog::{Catalog, Exclusions};
pub use correction::{Category, Correction, Scope};
pub use destination::{NO_DESTINATION, describe_destination};
pub use fleet::{AlertRules, Policy, PolicyStep, Team};
pub use indicator::{Indicator, LatencyBasis, LatencyErrors, Measure, Sql, Timeslices, Traffic};
pub use metric::{Metric, MetricRole, MetricStatistic, RatioMetrics, Statistic};
pub use problem::{DefinitionFile, FILE_BYTES_MAX, Problem, Severity};
pub use read::{CORRECTIONS_FOLDER, FLEET_FILE, definition_path, read, read_with_folder};
pub use selector::{Tags, lacks_id, matches_load_balancer, matches_target_group, without_id};
pub use service::{Objective, Service, Slo, SloId};
pub use source::{AthenaSource, AwsScope, BucketAccess, LogTable, LogTableSource, Source, SourceKind};
pub use suggest::{name_list, nearest, suggestion};
pub use tier::{Severe, Significance, Tier, Urgency, WorkingHours};

//! SLO definitions: the catalogue of services, their SLOs and sources, read from YAML files.
//!
//! **Invariant:** reading definitions never fails as a whole; it returns a `Catalog` of all that is valid and every
//! problem. `yaml` has the types of the files, `resolve` builds the catalogue from them.
//!
//! Precedence: an SLO's own fields, its service, the SLO of the same name in its class, the class, the fleet. Tiers are
//! merged by name, field by field. A service has all SLOs of its class; `availability: none` disables one. SLOs of a
//! class that count requests apply only to services with a `load_balancer`. Sources and classes that `fleet.yaml` does
//! not define are built in (`resolve/default_fleet.yaml`).

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
pub use correction::Correction;
pub use destination::{NO_DESTINATION, describe_destination};
pub use fleet::{AlertRules, Policy, PolicyStep, Team};
pub use indicator::{
    BadStatuses, Indicator, LatencyBasis, LatencyErrors, ListenerResponse, Measure, RequestFilter, Sql, StatusClass,
    Timeslices, Traffic,
};
pub use metric::{Metric, MetricRole, MetricStatistic, RatioMetrics, Statistic};
pub use problem::{CORRECTIONS_FOLDER, DefinitionFile, FILE_BYTES_MAX, FLEET_FILE, Problem, Severity};
pub use read::{definition_path, read, read_with_folder};
pub use selector::{Tags, lacks_id, matches_load_balancer, matches_target_group, without_id};
pub use service::{Objective, Service, Slo, SloId};
pub use source::{AthenaSource, AwsScope, BucketAccess, LogTable, LogTableSource, Source, SourceKind};
pub use suggest::{edit_distance, name_list, nearest, suggestion};
pub use tier::{Tier, Urgency};

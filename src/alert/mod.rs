//! Incidents and their notifications: which are opened and resolved, and who is notified when.
//!
//! `Evaluator` turns the ledger into a `MinuteEvaluation` per SLO and minute, `apply_evaluations` updates the
//! incidents of the `AlertState`, `plan_notifications` decides who is notified, and the outbox holds every
//! notification until its delivery is confirmed.
//!
//! **Invariant:** the same minutes give the same incidents, however often slowburn runs.

mod evaluator;
mod grouping;
mod hysteresis;
mod incident;
mod missing_traffic;
mod notification;
mod notify;
mod outbox;
mod state;
mod state_machine;
mod thread;

pub use evaluator::{EvaluationRange, Evaluator};
pub use hysteresis::{MinuteEvaluation, TicketTiers, UrgencyState, recovery_minutes, resolve_after};
pub use incident::{Delivery, EndReason, Incident, IncidentKey, IncidentSubject, MissingTraffic};
pub use missing_traffic::TrafficScopes;
pub use notification::{Notification, NotificationKind, Owner};
pub use notify::{NotificationRoutes, PlannedNotification, plan_notifications};
pub use outbox::{DeliveryError, DeliveryReport, DeliveryResult, OutboxEntry};
pub use state::{AlertState, SloCheckpoint};
pub use state_machine::{
    EvaluationBatch, EvaluationStart, InvalidDefinitions, ObjectiveChange, SloUpdate, SourceWatermark,
    apply_evaluations, evaluation_start, late_data_span,
};

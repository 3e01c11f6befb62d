//! What is told to whom, and when: incidents, the book that remembers them, and the outbox that delivers.
//!
//! What minutes say ([`Beat`]) moves the [`Course`] of an SLO; [`advance`] takes whole rounds of them into the
//! [`AlertBook`]; [`decide`] says who has to be told what; and the outbox holds it until it is confirmed.
//!
//! **Invariant:** the same minutes give the same incidents, however often slowburn runs.

mod evaluate;
mod grouping;
mod hysteresis;
mod incident;
mod notification;
mod notify;
mod outbox;
mod state;
mod state_machine;

pub use evaluate::{EvaluationRange, Evaluator};
pub use hysteresis::{MinuteEvaluation, UrgencyState, recovery_minutes};
pub use incident::{Delivery, EndReason, Incident, IncidentKey, IncidentSubject, Owner, SharedScope};
pub use notification::{Link, Notification, NotificationKind};
pub use notify::{NotificationRoutes, PlannedNotification, plan_notifications};
pub use outbox::{DeliveryError, DeliveryReport, DeliveryResult, OutboxEntry};
pub use state::{AlertState, SloCheckpoint};
pub use state_machine::{
    EvaluationBatch, EvaluationStart, InvalidDefinitions, ObjectiveChange, SloUpdate, SourceWatermark,
    apply_evaluations, evaluation_start, late_data_span, resolve_after,
};

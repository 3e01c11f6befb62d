//! The failure of a command, and the exit codes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::process::ExitCode;

use super::output::print_error;
use crate::queries::LedgerError;
use crate::slo::{name_list, nearest, suggestion};
use crate::store::{SiteError, StoreError};
use crate::text::escape_non_printing;

/// The result of a command, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0
    Success,
    /// 1: invalid definitions (`check`) or a blocked deploy (`gate`).
    Rejected,
    /// 3: a part failed and was named.
    Partial,
}

impl ExitStatus {
    pub fn partial_if(is_partial: bool) -> Self {
        if is_partial { Self::Partial } else { Self::Success }
    }
}

/// Why a command failed. It exits with 4, or with 2 for a usage error.
#[derive(Debug)]
pub struct CommandError {
    pub message: String,
    /// The command line names something that does not exist, or options that exclude each other.
    is_usage: bool,
    /// Another run changed the ledger meanwhile, so that the same may succeed now.
    pub is_retryable: bool,
}

impl CommandError {
    /// A failure in one sentence and, after it, `hint: ...` where there is a fix.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), is_usage: false, is_retryable: false }
    }

    /// A usage error: the message, and after it `hint: ...`.
    pub fn usage(message: impl Display) -> Self {
        Self { is_usage: true, ..Self::new(message) }
    }

    /// Puts what could not be done before its cause.
    pub fn with_context<E: Display>(context: &str) -> impl Fn(E) -> Self {
        move |cause| Self::new(format!("{context}: {cause}"))
    }

    /// A usage error for a name that does not exist. `what` is the kind of name, such as `team`.
    pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let hint = match what {
            "SLO" => suggest_slo(name, known),
            // An SLO where a service is expected has the name of its service.
            "service" => suggestion(name.split('/').next().unwrap_or_default(), "services", known),
            _ => suggestion(name, &format!("{what}s"), known),
        };
        let hint = hint.unwrap_or_else(|| format!("the definitions contain no {what}s; run `slowburn check`"));
        Self::usage(format!("unknown {what} `{}`\nhint: {hint}", escape_non_printing(name)))
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        let is_retryable = matches!(error, LedgerError::Store(StoreError::ChangedWhileReading));
        Self { is_retryable, ..Self::new(error) }
    }
}

impl From<SiteError> for CommandError {
    fn from(error: SiteError) -> Self {
        Self::new(error)
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        LedgerError::from(error).into()
    }
}

/// Prints a failure and returns the exit code.
pub fn exit_code(result: Result<ExitStatus, CommandError>) -> ExitCode {
    match result {
        Ok(ExitStatus::Success) => ExitCode::SUCCESS,
        Ok(ExitStatus::Rejected) => ExitCode::from(1),
        Ok(ExitStatus::Partial) => ExitCode::from(3),
        Err(error) => {
            print_error(&error.message);
            ExitCode::from(if error.is_usage { 2 } else { 4 })
        }
    }
}

/// The hint for an unknown SLO, given all SLOs as `SERVICE/SLO`; `None` when there are none. Service and name are
/// compared one by one: two services that have an SLO of the same name are not similar.
fn suggest_slo<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut slos_by_service: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for slo in known {
        slos_by_service.entry(slo.split('/').next().unwrap_or_default()).or_default().push(slo);
    }
    let (service, name) = typed.split_once('/').unwrap_or((typed, ""));
    let (slos, label) = if let Some(slos) = slos_by_service.get(service) {
        (slos, format!("SLOs of `{service}`"))
    } else if let Some(service) = nearest(service, slos_by_service.keys().copied()) {
        (slos_by_service.get(service)?, format!("did you mean service `{service}`? SLOs"))
    } else {
        let services: Vec<&str> = slos_by_service.into_keys().collect();
        return name_list("services", &services).map(|list| format!("{list}; `slowburn status` lists all SLOs"));
    };
    let names = slos.iter().filter_map(|slo| Some(slo.split_once('/')?.1));
    let nearest_name = if name.is_empty() { None } else { nearest(name, names) };
    match slos.iter().find(|slo| nearest_name.is_some() && slo.split_once('/').map(|(_, name)| name) == nearest_name) {
        Some(slo) => Some(format!("did you mean `{slo}`?")),
        None => name_list(&label, slos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_slo_names_are_compared_separately() {
        let known = ["cart/availability", "cart/latency", "checkout/availability", "search/latency-api"];
        for (name, hint) in [
            ("xyz/latency", "services: `cart`, `checkout`, `search`; `slowburn status` lists all SLOs"),
            ("cart/latncy", "did you mean `cart/latency`?"),
            ("cart/errors", "SLOs of `cart`: `cart/availability`, `cart/latency`"),
            ("cart", "SLOs of `cart`: `cart/availability`, `cart/latency`"),
            ("chekcout/availability", "did you mean `checkout/availability`?"),
            ("chekcout/errors", "did you mean service `checkout`? SLOs: `checkout/availability`"),
            ("chekcout", "did you mean service `checkout`? SLOs: `checkout/availability`"),
        ] {
            assert_eq!(suggest_slo(name, known).as_deref(), Some(hint), "{name}");
        }
        assert_eq!(suggest_slo("cart/latency", []), None);
    }
}

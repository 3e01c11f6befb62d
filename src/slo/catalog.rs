//! The catalogue: all sources, teams, services and corrections that are valid.

use std::collections::BTreeMap;

use super::correction::Correction;
use super::fleet::{AlertRules, Policy, Team};
use super::indicator::{Indicator, Sql};
use super::problem::Problem;
use super::service::{Service, Slo};
use super::source::Source;
use crate::hinted_error::HintedError;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// By name.
    pub sources: BTreeMap<String, Source>,
    /// By the name of the folder.
    pub teams: BTreeMap<String, Team>,
    /// Sorted by name, which is unique.
    pub services: Vec<Service>,
    /// Destinations that are notified in addition to the team, by class.
    pub notify_also: BTreeMap<String, Team>,
    pub policies: BTreeMap<String, Policy>,
    pub alerts: AlertRules,
    /// Sorted by id, which is unique.
    pub corrections: Vec<Correction>,
    /// Corrections of the category `silence`, sorted by id.
    pub silences: Vec<Correction>,
}

impl Catalog {
    pub fn silence(&self, service: &Service, slo: &Slo, at: Minute) -> Option<&Correction> {
        let moment = Span::new(at, at.plus(1));
        self.silences.iter().find(|silence| silence.scope.covers(service, slo) && !silence.spans(moment).is_empty())
    }

    /// The newest evaluation of an SLO at a moment: minutes younger than the delay of its source are not settled.
    pub fn evaluation_time(&self, slo: &Slo, at: Minute) -> Minute {
        self.sources.get(slo.indicator.source()).map_or(at, |source| source.settled_until(at))
    }

    pub fn slos(&self) -> impl Iterator<Item = (&Service, &Slo)> {
        self.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)))
    }

    /// Loads the SQL of all queries. An SLO whose query is
    /// missing stays in the catalogue, so that its incidents stay open, and has no counts.
    pub fn load_queries(&mut self, mut load: impl FnMut(&str) -> Result<Sql, HintedError>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for slo in self.services.iter_mut().flat_map(|service| &mut service.slos) {
            let Indicator::Query { file, sql, .. } = &mut slo.indicator else { continue };
            let failure = load(file).map(|read| *sql = Some(read)).err().zip(slo.missing_query_problem.clone());
            problems.extend(failure.map(|(HintedError { message, hint }, base_problem)| Problem {
                message,
                hint: hint.into_owned(),
                ..base_problem
            }));
        }
        // A problem of a class is reported once, for however many services.
        problems.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
        problems.dedup_by(|one, other| one.sort_key() == other.sort_key());
        problems
    }
}

/// The minutes within a span that corrections exclude, computed once for all SLOs.
#[derive(Clone, Debug)]
pub struct Exclusions<'a> {
    corrections: Vec<(&'a Correction, Vec<Span>)>,
}

/// The longest window, and a week for the comparison of a traffic drop.
const EVALUATION_LOOKBACK_MINUTES: i32 = 407 * MINUTES_PER_DAY;

impl<'a> Exclusions<'a> {
    /// All exclusions that an evaluation at a moment can need.
    pub fn for_evaluation(catalog: &'a Catalog, at: Minute) -> Self {
        Self::for_span(catalog, Span::ending_at(at, EVALUATION_LOOKBACK_MINUTES))
    }

    pub fn for_span(catalog: &'a Catalog, span: Span) -> Self {
        let corrections = catalog.corrections.iter().map(|correction| (correction, correction.spans(span)));
        Self { corrections: corrections.filter(|(_, spans)| !spans.is_empty()).collect() }
    }

    pub fn corrections_for<'s>(
        &'s self,
        service: &'s Service,
        slo: &'s Slo,
    ) -> impl Iterator<Item = (&'a Correction, &'s [Span])> + 's {
        let matching = self.corrections.iter().filter(|(correction, _)| correction.scope.covers(service, slo));
        matching.map(|(correction, spans)| (*correction, spans.as_slice()))
    }

    /// The minutes that do not count for an SLO, as the fewest spans, in order.
    pub fn spans(&self, service: &Service, slo: &Slo) -> Vec<Span> {
        Span::merged(self.corrections_for(service, slo).flat_map(|(_, spans)| spans.iter().copied()).collect())
    }
}

//! The catalogue: all sources, teams, services and corrections that are valid.

use std::collections::BTreeMap;

use super::correction::Correction;
use super::fleet::{AlertRules, Policy, Team};
use super::indicator::{Indicator, Sql};
use super::problem::Problem;
use super::service::{Service, Slo};
use super::source::Source;
use crate::time::{MINUTES_PER_DAY, Minute, Span};

/// All promises that were read and are sound, in order of service name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Where counts come from, by the name that services use.
    pub sources: BTreeMap<String, Source>,
    /// Who owns services, by the name of their folder.
    pub teams: BTreeMap<String, Team>,
    /// Services, sorted by name; no two share one.
    pub services: Vec<Service>,
    /// Who is told besides the team, by class.
    pub notify_also: BTreeMap<String, Team>,
    /// What follows when budgets run low, by class.
    pub policies: BTreeMap<String, Policy>,
    /// How incidents are told of.
    pub alerts: AlertRules,
    /// Minutes that do not count, sorted by id; no two share one.
    pub corrections: Vec<Correction>,
    /// When nobody is told, sorted by id.
    pub silences: Vec<Correction>,
}

impl Catalog {
    /// The silence that an SLO lies in at a moment, if any.
    #[must_use]
    pub fn silence(&self, service: &Service, slo: &Slo, at: Minute) -> Option<&Correction> {
        let moment = Span::new(at, at.plus(1));
        self.silences.iter().find(|silence| silence.scope.covers(service, slo) && !silence.spans(moment).is_empty())
    }

    /// The newest evaluation of an SLO at a moment: minutes younger than the delay of its source are not settled.
    #[must_use]
    pub fn evaluation_time(&self, slo: &Slo, at: Minute) -> Minute {
        self.sources.get(slo.indicator.source()).map_or(at, |source| source.settled_until(at))
    }

    /// All promises with their services.
    pub fn slos(&self) -> impl Iterator<Item = (&Service, &Slo)> {
        self.services.iter().flat_map(|service| service.slos.iter().map(move |slo| (service, slo)))
    }
}

impl Catalog {
    /// Gives queries the texts that `read` has for their files, or the problems that it has instead: what is wrong, and
    /// what helps. Files are outside of the definitions, so that reading these does not tell. A promise whose query is
    /// not there stays, so that its incidents do, and is measured with nothing.
    pub fn load_queries(&mut self, mut load: impl FnMut(&str) -> Result<Sql, (String, String)>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for slo in self.services.iter_mut().flat_map(|service| &mut service.slos) {
            let Indicator::Query { file, sql, .. } = &mut slo.indicator else { continue };
            let failure = load(file).map(|read| *sql = Some(read)).err().zip(slo.missing_query_problem.clone());
            problems.extend(failure.map(|((message, hint), base_problem)| Problem { message, hint, ..base_problem }));
        }
        // What a class says is said once, whoever takes it over.
        problems.sort_by(|one, other| one.sort_key().cmp(&other.sort_key()));
        problems.dedup_by(|one, other| one.sort_key() == other.sort_key());
        problems
    }
}

/// The minutes that do not count within a span, of all corrections, worked out once for all SLOs.
#[derive(Clone, Debug)]
pub struct Exclusions<'a> {
    corrections: Vec<(&'a Correction, Vec<Span>)>,
}

/// The longest window, and a week for the comparison of a traffic drop.
const EVALUATION_LOOKBACK_MINUTES: i32 = 407 * MINUTES_PER_DAY;

impl<'a> Exclusions<'a> {
    /// Everything that evaluations at a moment can look at.
    #[must_use]
    pub fn for_evaluation(catalog: &'a Catalog, at: Minute) -> Self {
        Self::for_span(catalog, Span::ending_at(at, EVALUATION_LOOKBACK_MINUTES))
    }

    /// Looks at all corrections of a catalogue.
    #[must_use]
    pub fn for_span(catalog: &'a Catalog, span: Span) -> Self {
        let corrections = catalog.corrections.iter().map(|correction| (correction, correction.spans(span)));
        Self { corrections: corrections.filter(|(_, spans)| !spans.is_empty()).collect() }
    }

    /// The corrections about an SLO, and what they exclude.
    pub fn corrections_for<'s>(
        &'s self,
        service: &'s Service,
        slo: &'s Slo,
    ) -> impl Iterator<Item = (&'a Correction, &'s [Span])> + 's {
        let matching = self.corrections.iter().filter(|(correction, _)| correction.scope.covers(service, slo));
        matching.map(|(correction, spans)| (*correction, spans.as_slice()))
    }

    /// The minutes that do not count for an SLO: the fewest spans, in order.
    #[must_use]
    pub fn spans(&self, service: &Service, slo: &Slo) -> Vec<Span> {
        Span::merged(self.corrections_for(service, slo).flat_map(|(_, spans)| spans.iter().copied()).collect())
    }
}

//! What is asked of sources that answer with the counts of any span, so that each minute is asked for once.

use std::collections::{BTreeMap, BTreeSet};

use crate::minute::{Minute, Span};
use crate::series::SeriesKey;
use crate::slo::{Indicator, Source, SourceKind};

/// Counts of CloudWatch younger than this are asked for again by every run: values have come more than 20 minutes late
/// for hours on end (grafana/alloy #3929, Netflix/atlas #1300), and a metric costs the same whatever the span.
const CLOUDWATCH_MINUTES: i32 = 120;
/// Log objects may arrive hours late. A query reads whole days anyway, so that asking again for half a day costs
/// little.
const ATHENA_MINUTES: i32 = 12 * 60;

/// What is wanted of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanQuestion {
    /// Name of the source.
    pub source: String,
    /// What it is and where.
    pub kind: SourceKind,
    /// The end of what can be known of it.
    pub end: Minute,
    /// Minutes before this no longer change.
    pub settled: Minute,
    /// The same at the present moment, where an earlier one is looked at.
    pub settled_now: Minute,
    /// What is measured, and from which minute on, by series.
    pub series: BTreeMap<SeriesKey, (Indicator, Minute)>,
    /// Series of target groups by tags: lines hold their names, and not what had the tags before anybody looked.
    pub tagged: BTreeSet<SeriesKey>,
}

/// What was asked of one series, and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskedOf {
    /// From this minute on,
    pub from: Minute,
    /// up to this one it was settled,
    pub settled: Minute,
    /// and up to this one it was answered, for the time being.
    pub end: Minute,
}

/// A span that is to be asked for some series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The minutes.
    pub span: Span,
    /// The series.
    pub series: Vec<SeriesKey>,
}

impl SpanQuestion {
    /// Nothing is wanted yet. A moment that is still to come is asked as far as there is something to know.
    pub(super) fn new(name: &str, source: &Source, (at, now): (Minute, Minute)) -> Self {
        let late_minutes = match source.kind {
            SourceKind::CloudWatch { .. } => CLOUDWATCH_MINUTES,
            SourceKind::Athena { .. } | SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => ATHENA_MINUTES,
        };
        let end = source.judged_at(at.min(now));
        let settled = |moment: Minute| source.judged_at(moment).min(moment.plus(-late_minutes));
        Self {
            source: name.to_owned(),
            kind: source.kind.clone(),
            end,
            settled: settled(at.min(now)),
            settled_now: settled(now),
            series: BTreeMap::new(),
            tagged: BTreeSet::new(),
        }
    }

    /// Adds what an SLO stands on; several may want the same.
    pub(super) fn want(&mut self, series: SeriesKey, indicator: &Indicator, from: Minute) {
        // The hour is what CloudWatch keeps longest.
        let from = from.plus(-from.0.rem_euclid(60));
        let (_, held) = self.series.entry(series).or_insert_with(|| (indicator.clone(), from));
        *held = from.min(*held);
    }
}

/// What is still to be asked, the newest first, given what was asked before.
#[must_use]
pub fn asks(question: &SpanQuestion, asked: &BTreeMap<SeriesKey, AskedOf>) -> Vec<Ask> {
    let mut spans: BTreeMap<(Minute, Minute), Vec<SeriesKey>> = BTreeMap::new();
    for (series, (_, from)) in &question.series {
        let wanted = Span::new(*from, question.end);
        let missing = match asked.get(series) {
            // A clock that went back, or a past that is looked at again, asks for nothing.
            Some(held) => [Span::new(held.settled, wanted.end), Span::new(wanted.start, wanted.end.min(held.from))],
            None => [wanted, Span::new(wanted.end, wanted.end)],
        };
        let is_answered = asked.get(series).is_some_and(|held| held.end >= question.end);
        for (place, span) in missing.into_iter().enumerate() {
            let is_wanted = !span.is_empty() && (place > 0 || !is_answered);
            if is_wanted {
                spans.entry((span.start, span.end)).or_default().push(series.clone());
            }
        }
    }
    let asks = spans.into_iter().rev().map(|((start, end), series)| Ask { span: Span::new(start, end), series });
    asks.collect()
}

/// Notes that a span of a series was answered.
pub fn remember(asked: &mut BTreeMap<SeriesKey, AskedOf>, question: &SpanQuestion, series: &SeriesKey, span: Span) {
    // What is answered newest first may lie behind all that is settled.
    let settled = span.end.min(question.settled);
    let held = asked.entry(series.clone()).or_insert(AskedOf { from: span.start, settled, end: span.end });
    // What does not touch would leave a hole: it is asked again together with what lies between.
    if span.end < held.from || span.start > held.end {
        return;
    }
    if span.start <= held.settled {
        held.settled = held.settled.max(settled);
    }
    held.from = held.from.min(span.start);
    held.end = held.end.max(span.end);
}

/// Retracts what nobody can have been answered by now: an earlier run took a moment that is still to come for the
/// present. Gives the spans whose minutes are unknown again, by series. What may still change is asked again in any
/// case.
pub fn retract_future(
    asked: &mut BTreeMap<SeriesKey, AskedOf>,
    question: &SpanQuestion,
    now: Minute,
) -> BTreeMap<SeriesKey, Vec<Span>> {
    let mut unknown = BTreeMap::new();
    for series in question.series.keys() {
        let Some(held) = asked.get_mut(series) else { continue };
        held.settled = held.settled.min(question.settled_now);
        if held.end > now {
            // Since when that run believed it nobody can tell; what is asked again anyway is not taken on trust either.
            unknown.insert(series.clone(), vec![Span::new(question.settled_now.max(held.from), held.end)]);
            forget(asked, series, question.settled_now);
        }
    }
    unknown
}

/// Forgets that a series was answered from a minute on: it turned out that more than what was asked belongs to it.
pub fn forget(asked: &mut BTreeMap<SeriesKey, AskedOf>, series: &SeriesKey, from: Minute) {
    let Some(held) = asked.get_mut(series) else { return };
    if from <= held.from {
        asked.remove(series);
        return;
    }
    held.settled = held.settled.min(from);
    held.end = held.end.min(from);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exact::Exact;
    use crate::slo::Reach;

    const SERIES: &str = "metrics a query unread";

    fn question(at: i32, from: i32) -> SpanQuestion {
        question_at(at, at, from)
    }

    fn question_at(at: i32, now: i32, from: i32) -> SpanQuestion {
        let kind = SourceKind::CloudWatch { reach: Reach::default(), account: None };
        let source = Source { kind, delay_minutes: 3, every_minutes: 5, unparsed_limit: Exact::from_integer(0) };
        let mut question = SpanQuestion::new("metrics", &source, (Minute(at), Minute(now)));
        let indicator = Indicator::Query { source: "metrics".to_owned(), file: "a".to_owned(), sql: None };
        assert_eq!(indicator.series().as_str(), SERIES);
        question.want(indicator.series(), &indicator, Minute(from));
        question
    }

    /// What is asked at some moments, if all of it is answered.
    fn asked_at(moments: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
        let mut asked = BTreeMap::new();
        let ask = |(at, from): &(i32, i32)| {
            let question = question(*at, *from);
            let asks = asks(&question, &asked);
            for ask in &asks {
                for series in &ask.series {
                    remember(&mut asked, &question, series, ask.span);
                }
            }
            asks.iter().map(|ask| (ask.span.start.0, ask.span.end.0)).collect()
        };
        moments.iter().map(ask).collect()
    }

    #[test]
    fn each_minute_is_asked_for_once_but_for_those_that_may_still_change() {
        assert_eq!(
            asked_at(&[(1_000, 130), (1_002, 130), (1_005, 130), (1_066, 130), (1_070, 65)]),
            [
                vec![(120, 997)],
                vec![],                        // nothing is due before the next five minutes
                vec![(880, 1_002)],            // what was younger than two hours once more
                vec![(885, 1_062)],            // a pause leaves no gap
                vec![(946, 1_067), (60, 120)], // a longer window asks for what lies before
            ]
        );
    }

    #[test]
    fn a_look_back_asks_for_nothing() {
        assert_eq!(asked_at(&[(1_000, 100), (900, 100)]), [vec![(60, 997)], vec![]]);
    }

    #[test]
    fn what_is_answered_newest_first_is_settled_no_sooner() {
        let mut asked = BTreeMap::new();
        let answered = |asked: &mut BTreeMap<SeriesKey, AskedOf>, at: i32, pieces: &[(i32, i32)]| {
            let question = question(at, 60);
            for (start, end) in pieces {
                remember(asked, &question, &SeriesKey::new(SERIES), Span::new(Minute(*start), Minute(*end)));
            }
            let of = asked[&SeriesKey::new(SERIES)];
            (of.from.0, of.settled.0, of.end.0)
        };
        assert_eq!(answered(&mut asked, 1_000, &[(990, 997), (500, 990), (60, 500)]), (60, 880, 997));
        assert_eq!(
            answered(&mut asked, 1_005, &[(992, 1_002)]),
            (60, 880, 1_002),
            "what lies before was not asked again yet"
        );
        assert_eq!(answered(&mut asked, 1_005, &[(880, 992)]), (60, 885, 1_002));
        // After a pause the newest piece alone would leave a hole.
        assert_eq!(answered(&mut asked, 2_000, &[(1_500, 1_997)]), (60, 885, 1_002));
        assert_eq!(answered(&mut asked, 2_000, &[(885, 1_500), (1_500, 1_997)]), (60, 1_880, 1_997));
    }

    #[test]
    fn what_is_forgotten_is_asked_again_and_nothing_before_it() {
        let question = question(1_000, 100);
        let series = SeriesKey::new(SERIES);
        let spans = |from: i32| {
            let mut asked = BTreeMap::new();
            remember(&mut asked, &question, &series, Span::new(Minute(60), Minute(997)));
            forget(&mut asked, &series, Minute(from));
            asks(&question, &asked).iter().map(|ask| (ask.span.start.0, ask.span.end.0)).collect::<Vec<_>>()
        };
        assert_eq!(spans(700), [(700, 997)]);
        assert_eq!(spans(990), [(880, 997)], "what may still change goes with it");
        assert_eq!(spans(997), []);
        assert_eq!(spans(50), [(60, 997)]);
    }

    #[test]
    fn a_moment_to_come_is_asked_up_to_the_present_one() {
        assert_eq!(question_at(5_000, 1_000, 60), question(1_000, 60));
        // A look back settles no more than it would have then.
        let back = question_at(800, 1_000, 60);
        assert_eq!((back.end, back.settled, back.settled_now), (Minute(797), Minute(680), Minute(880)));
    }

    #[test]
    fn what_nobody_can_have_answered_by_now_is_retracted() {
        let series = SeriesKey::new(SERIES);
        let held = |from: i32, settled: i32, end: i32| AskedOf {
            from: Minute(from),
            settled: Minute(settled),
            end: Minute(end),
        };
        let taken = |at: i32, before: AskedOf| {
            let mut asked = BTreeMap::from([(series.clone(), before)]);
            let unknown = retract_future(&mut asked, &question_at(at, 1_000, 60), Minute(1_000));
            let unknown: Vec<(i32, i32)> =
                unknown.into_values().flatten().map(|span| (span.start.0, span.end.0)).collect();
            (unknown, asked.get(&series).copied())
        };
        let sound = held(60, 880, 997);
        assert_eq!(taken(1_000, sound), (vec![], Some(sound)));
        assert_eq!(taken(600, sound), (vec![], Some(sound)), "a look back changes nothing");
        // A run of a moment that was to come, and one of the time when younger minutes were settled.
        assert_eq!(taken(1_000, held(60, 1_100, 1_217)), (vec![(880, 1_217)], Some(held(60, 880, 880))));
        assert_eq!(taken(1_000, held(990, 1_100, 1_217)), (vec![(990, 1_217)], None));
        assert_eq!(taken(1_000, held(60, 985, 997)), (vec![], Some(sound)));
    }

    #[test]
    fn what_was_not_answered_is_asked_again() {
        let question = question(1_000, 100);
        let mut asked = BTreeMap::new();
        remember(&mut asked, &question, &SeriesKey::new(SERIES), Span::new(Minute(500), Minute(997)));
        let spans: Vec<Span> = asks(&question, &asked).iter().map(|ask| ask.span).collect();
        assert_eq!(spans, [Span::new(Minute(60), Minute(500))]);
    }
}

//! What one request is to one measure: good, bad, or no event at all.
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

use crate::accesslog::alb::{Request, Wants};
use crate::slo::{LatencyBasis, LatencyErrors, Measure};

/// What a request is to a measure. What is no event has no place here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It kept the promise.
    Good,
    /// It broke the promise.
    Bad,
}

impl Event {
    const fn bad_if(bad: bool) -> Self {
        if bad { Self::Bad } else { Self::Good }
    }
}

/// What has to be read of a line beyond its first fields to judge a request by the measure.
#[must_use]
pub const fn wants(measure: &Measure) -> Wants {
    match measure {
        Measure::Availability => Wants::NOTHING,
        Measure::Latency { basis, timeouts, .. } => {
            let total = if matches!(basis, LatencyBasis::Total) { Wants::TOTAL } else { Wants::NOTHING };
            if *timeouts { total.and(Wants::ELAPSED) } else { total }
        }
    }
}

/// Judges a request that belongs to the measure's traffic; `None` if it is no event.
///
/// A latency event is a request that got an answer from its target, which is when the line has a target time. A
/// WebSocket is none: its times are the life of a connection. `timeouts` goes before `errors: excluded`: it names the
/// 504s it wants, the other names all 5xx.
#[must_use]
#[inline(always)]
pub fn judge(request: &Request<'_>, measure: &Measure) -> Option<Event> {
    let (under_us, basis, errors, timeouts) = match *measure {
        Measure::Availability => return Some(Event::bad_if(request.is_server_error())),
        Measure::Latency { under_us, basis, errors, timeouts } => (under_us, basis, errors, timeouts),
    };
    if request.websocket {
        return None;
    }
    if request.is_server_error() && errors == LatencyErrors::Bad {
        return Some(Event::Bad);
    }
    if timeouts && request.timed_out() {
        // A line too old to say when the request arrived leaves only the fact that nobody got an answer.
        return Some(Event::bad_if(request.elapsed_us.is_none_or(|elapsed| elapsed > under_us)));
    }
    if request.is_server_error() && errors == LatencyErrors::Excluded {
        return None;
    }
    let target_us = request.target_us?;
    let taken_us = match basis {
        LatencyBasis::Target => target_us,
        LatencyBasis::Total => target_us + request.request_us.unwrap_or(0) + request.response_us.unwrap_or(0),
    };
    Some(Event::bad_if(taken_us > under_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accesslog::alb::Decoder;

    /// `type times status created` -> what each measure makes of it.
    fn events(kind: &str, times: &str, status: &str, created: &str, measures: &[Measure]) -> String {
        let line = format!(
            "{kind} 2026-10-31T23:50:10.000000Z app/shop/0 198.51.100.7:1 10.0.0.1:80 {times} {status} - 1 2 \
             \"GET http://h:80/ HTTP/1.1\" \"-\" - - - \"-\" \"-\" \"-\" 0 {created} \"forward\""
        );
        let request = Decoder::new(Wants::ALL).decode(line.as_bytes()).unwrap();
        let letter = |measure| match judge(&request, measure) {
            Some(Event::Good) => 'g',
            Some(Event::Bad) => 'b',
            None => '-',
        };
        measures.iter().map(letter).collect()
    }

    #[test]
    fn every_measure_sees_what_it_promises() {
        let latency = |basis, errors, timeouts| Measure::Latency { under_us: 300_000, basis, errors, timeouts };
        let measures = [
            Measure::Availability,
            latency(LatencyBasis::Target, LatencyErrors::Counted, false),
            latency(LatencyBasis::Total, LatencyErrors::Counted, false),
            latency(LatencyBasis::Target, LatencyErrors::Bad, false),
            latency(LatencyBasis::Target, LatencyErrors::Excluded, false),
            latency(LatencyBasis::Target, LatencyErrors::Counted, true),
            latency(LatencyBasis::Target, LatencyErrors::Excluded, true),
        ];
        let near = "2026-10-31T23:50:09.900000Z";
        let far = "2026-10-31T23:50:00.000000Z";
        let check = |kind: &str, times: &str, status: &str, created: &str, expected: &str| {
            let found = events(kind, times, status, created, &measures);
            assert_eq!(found, expected, "{kind} {times} {status} {created}");
        };
        check("http", "0.000 0.300 0.000", "200", near, "ggggggg");
        check("http", "0.001 0.300 0.000", "200", near, "ggbgggg");
        check("http", "0.000 0.300001 0.000", "200", near, "gbbbbbb");
        check("http", "0.000 0.100 -1", "404", near, "ggggggg");
        check("http", "0.000 0.100 0.000", "500", near, "bggb-g-");
        check("http", "-1 -1 -1", "502", near, "b--b---");
        check("http", "-1 -1 -1", "504", far, "b--b-bb");
        check("http", "-1 -1 -1", "460", far, "g----bb");
        check("http", "-1 -1 -1", "460", near, "g----gg");
        check("http", "-1 -1 -1", "460", "2026-10-31T23:50:11.000000Z", "g----gg");
        check("http", "-1 -1 -1", "460", "-", "g----bb");
        check("http", "-1 -1 -1", "400", near, "g------");
        check("ws", "0.000 0.100 0.000", "101", near, "g------");
        check("wss", "0.000 0.100 0.000", "502", near, "b------");
        check("http", "0.000 0.100 0.000", "101", near, "g------");
        check("http", "0.000 0.100 0.000", "561", near, "bggb-g-");
        check("h2", "0.000 0.100 0.000", "000", near, "ggggggg");
    }
}

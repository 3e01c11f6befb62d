//! What one request is to one measure: good, bad, or no event at all.
#![expect(
    clippy::inline_always,
    reason = "what is done to every line must become part of a function that is compiled for a wider processor"
)]

use crate::access_log::alb::{OptionalFields, Request};
use crate::slo::{LatencyBasis, LatencyErrors, Measure};

/// What a request is to a measure. What is no event has no place here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classification {
    /// It kept the promise.
    Good,
    /// It broke the promise.
    Bad,
}

impl Classification {
    const fn from_is_bad(is_bad: bool) -> Self {
        if is_bad { Self::Bad } else { Self::Good }
    }
}

/// What has to be read of a line beyond its first fields to judge a request by the measure.
#[must_use]
pub const fn optional_fields_for(measure: &Measure) -> OptionalFields {
    match measure {
        Measure::Availability => OptionalFields::NONE,
        Measure::Latency { basis, timeouts, .. } => {
            let processing_times = if matches!(basis, LatencyBasis::Total) {
                OptionalFields::PROCESSING_TIMES
            } else {
                OptionalFields::NONE
            };
            if *timeouts { processing_times.union(OptionalFields::ELAPSED) } else { processing_times }
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
pub fn classify(request: &Request<'_>, measure: &Measure) -> Option<Classification> {
    let (under_us, basis, errors, timeouts) = match *measure {
        Measure::Availability => return Some(Classification::from_is_bad(request.is_server_error())),
        Measure::Latency { under_us, basis, errors, timeouts } => (under_us, basis, errors, timeouts),
    };
    if request.is_websocket {
        return None;
    }
    if request.is_server_error() && errors == LatencyErrors::Bad {
        return Some(Classification::Bad);
    }
    if timeouts && request.is_timeout() {
        // A line too old to say when the request arrived leaves only the fact that nobody got an answer.
        return Some(Classification::from_is_bad(request.elapsed_us.is_none_or(|elapsed| elapsed > under_us)));
    }
    if request.is_server_error() && errors == LatencyErrors::Excluded {
        return None;
    }
    let target_us = request.target_us?;
    let latency_us = match basis {
        LatencyBasis::Target => target_us,
        LatencyBasis::Total => target_us + request.request_us.unwrap_or(0) + request.response_us.unwrap_or(0),
    };
    Some(Classification::from_is_bad(latency_us > under_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::alb::Decoder;

    /// `type times status created` -> what each measure makes of it.
    fn classify_line(kind: &str, times: &str, status: &str, created: &str, measures: &[Measure]) -> String {
        let line = format!(
            "{kind} 2026-10-31T23:50:10.000000Z app/shop/0 198.51.100.7:1 10.0.0.1:80 {times} {status} - 1 2 \
             \"GET http://h:80/ HTTP/1.1\" \"-\" - - - \"-\" \"-\" \"-\" 0 {created} \"forward\""
        );
        let request = Decoder::new(OptionalFields::ALL).decode(line.as_bytes()).unwrap();
        let letter = |measure| match classify(&request, measure) {
            Some(Classification::Good) => 'g',
            Some(Classification::Bad) => 'b',
            None => '-',
        };
        measures.iter().map(letter).collect()
    }

    #[test]
    fn each_measure_classifies_requests_as_documented() {
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
            let found = classify_line(kind, times, status, created, &measures);
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

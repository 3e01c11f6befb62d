//! One record of a Classic Load Balancer's access log becomes a [`Request`], or is found to be none.
//!
//! Source: "Access log entries" in the ELB user guide for Classic Load Balancers. Three things differ from an
//! Application Load Balancer: `time` is when the request was received; a quote inside quotes is written `\"`; and a
//! user agent may hold a line feed, so that one record lies on several lines. Until 2015 a record ended behind the
//! request.

use crate::access_log::alb::{Request, read_duration_us, read_status, request_field_error, unquoted_field};
use crate::access_log::fields::{Fields, RequestLine};
use crate::access_log::timestamp::parse_unix_us;
use crate::access_log::unparsed_line::LineError;
use crate::time::Minute;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    Request(Request<'a>),
    /// A connection of a TCP or SSL listener: it has no status, and no SLI counts it.
    Connection,
}

/// Decodes a record without its line end.
///
/// A request counts in the minute in which it was answered, as at an Application Load Balancer: the time it was
/// received and its three durations, as far as they are known.
pub fn decode(record: &[u8]) -> Result<Record<'_>, LineError> {
    let mut fields = Fields::new(record);
    let time = unquoted_field(&mut fields, "timestamp")?;
    let received_us = parse_unix_us(time).ok_or_else(|| LineError::invalid("timestamp", time))?;
    let load_balancer = unquoted_field(&mut fields, "elb")?;
    unquoted_field(&mut fields, "client:port")?;
    let backend = unquoted_field(&mut fields, "backend:port")?;
    let request_us = read_duration_us(&mut fields, "request_processing_time")?;
    let target_us = read_duration_us(&mut fields, "backend_processing_time")?;
    let response_us = read_duration_us(&mut fields, "response_processing_time")?;
    let is_connection = fields.rest().starts_with(b"- ");
    let status = read_status(&mut fields)?;
    unquoted_field(&mut fields, "backend_status_code")?;
    unquoted_field(&mut fields, "received_bytes")?;
    unquoted_field(&mut fields, "sent_bytes")?;
    let request_line = fields.next_quoted().ok_or_else(|| request_field_error(fields.rest()))?;
    let line = RequestLine::parse(request_line);
    if is_connection && line.method == b"-" && line.host.is_empty() {
        return Ok(Record::Connection);
    }
    let known_durations = [request_us, target_us, response_us].into_iter().flatten();
    let answered_us =
        known_durations.fold(received_us, |sum, us| sum.saturating_add(i64::try_from(us).unwrap_or(i64::MAX)));
    Ok(Record::Request(Request {
        minute: Minute::from_unix_seconds(answered_us.div_euclid(1_000_000)),
        load_balancer,
        is_websocket: status == 101,
        has_target: backend != b"-",
        request_us,
        target_us,
        response_us,
        status,
        request_line,
        target_group: None,
        listener_response: None,
        elapsed_us: None,
    }))
}

/// Limits of one record: a user agent of thousands of line feeds must not cost quadratic time.
const RECORD_LINES_MAX: usize = 64;
const RECORD_BYTES_MAX: usize = 64 << 10;

/// Joins lines to records.
///
/// A line that ends inside quotes goes on in the next one, unless that is a record of its own: then the first was cut
/// short. A client cannot forge a record with a line feed in its user agent, because the quotes that it would need come
/// out escaped.
#[derive(Clone, Debug, Default)]
pub struct RecordAssembler {
    pending: Vec<u8>,
    pending_lines: usize,
}

impl RecordAssembler {
    /// Takes the next line, and passes on every record that it completes.
    pub fn push_line(&mut self, line: &[u8], mut on_record: impl FnMut(&[u8])) {
        if self.pending_lines > 0 && decode(line).is_ok() {
            self.finish(&mut on_record);
        }
        if self.pending_lines == 0 {
            if !has_open_quote(line) {
                return on_record(line);
            }
        } else {
            self.pending.push(b'\n');
        }
        self.pending.extend_from_slice(line);
        self.pending_lines += 1;
        if self.pending_lines == RECORD_LINES_MAX
            || self.pending.len() > RECORD_BYTES_MAX
            || !has_open_quote(&self.pending)
        {
            self.finish(on_record);
        }
    }

    /// Passes on an unfinished record.
    pub fn finish(&mut self, mut on_record: impl FnMut(&[u8])) {
        if self.pending_lines > 0 {
            on_record(&self.pending);
        }
        self.pending.clear();
        self.pending_lines = 0;
    }
}

fn has_open_quote(line: &[u8]) -> bool {
    let mut fields = Fields::new(line);
    while fields.next_field().is_some() {}
    !fields.rest().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "2026-10-31T23:59:58.900000Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 1.2 0.000057 200 200 0 29";

    fn decode_request(text: &str) -> Request<'_> {
        match decode(text.as_bytes()) {
            Ok(Record::Request(request)) => request,
            other => unreachable!("{text}: {other:?}"),
        }
    }

    #[test]
    fn request_counts_in_minute_of_response() {
        for tail in
            ["", " \"curl/7.38.0\" - -", r#" "odd \"quoted\" agent" DHE-RSA-AES128-SHA TLSv1.2"#, " \"two\nlines\" - -"]
        {
            let text = format!("{HEAD} \"GET http://shop.example.com:80/cart HTTP/1.1\"{tail}");
            let request = decode_request(&text);
            assert_eq!(request.minute.to_string(), "2026-11-01T00:00Z", "{text}");
            assert_eq!(
                (request.load_balancer, request.status, request.target_us),
                (&b"shop"[..], 200, Some(1_200_000))
            );
            assert_eq!(
                (request.parse_request_line().method, request.parse_request_line().path),
                (&b"GET"[..], &b"/cart"[..])
            );
        }
    }

    #[test]
    fn request_without_backend_counts_in_minute_of_arrival() {
        let text = HEAD.replace("10.0.0.1:80 0.000073 1.2 0.000057 200 200", "- -1 -1 -1 504 0");
        let text = format!("{text} \"GET http://shop.example.com:80/ HTTP/1.1\" \"-\" - -");
        let request = decode_request(&text);
        assert_eq!(request.minute.to_string(), "2026-10-31T23:59Z");
        assert_eq!((request.status, request.has_target, request.is_timeout()), (504, false, true));
    }

    #[test]
    fn tcp_connection_is_not_a_request() {
        let text = HEAD.replace("200 200", "- -");
        assert_eq!(decode(format!("{text} \"- - - \" \"-\" - -").as_bytes()), Ok(Record::Connection));
    }

    #[test]
    fn error_names_field() {
        let check =
            |text: &str, fault: &str| assert_eq!(decode(text.as_bytes()).unwrap_err().to_string(), fault, "{text}");
        check("", "the line ends before or inside field `timestamp`");
        check("yesterday shop", "invalid field `timestamp`: `yesterday`");
        check(HEAD, "the line ends before or inside field `request`");
        check(&format!("{HEAD} \"GET http://h:80/"), "the line ends before or inside field `request`");
        check(&HEAD.replace("1.2", "fast"), "invalid field `backend_processing_time`: `fast`");
    }

    fn assemble_records(text: &str) -> Vec<String> {
        let (mut records, mut found) = (RecordAssembler::default(), Vec::new());
        let mut each = |record: &[u8]| found.push(String::from_utf8_lossy(record).into_owned());
        text.split('\n').for_each(|line| records.push_line(line.as_bytes(), &mut each));
        records.finish(&mut each);
        found
    }

    #[test]
    fn record_with_line_feeds_spans_several_lines() {
        let start = format!("{HEAD} \"GET http://h:80/ HTTP/1.1\"");
        let plain = format!("{start} \"curl\" - -");
        let broken = format!("{start} \"one\ntwo \n\nthree\" - -");
        let cut = format!("{start} \"cut");
        let check = |parts: &[&str]| assert_eq!(assemble_records(&parts.join("\n")), parts, "{parts:?}");
        check(&[&plain, &plain]);
        check(&[&plain, &broken, &plain]);
        check(&[&broken, &broken]);
        check(&[&cut, &plain, &cut]);
        let forged = format!(
            "{start} \"x\n{} \\\"GET http://h:80/ HTTP/1.1\\\" \\\"-\\\" - -\" - -",
            HEAD.replace("200", "500")
        );
        check(&[&forged, &plain]);
        let endless = format!("{start} \"{}", "\n".repeat(1_000));
        assert_eq!(assemble_records(&endless).len(), 1 + 1_001 - RECORD_LINES_MAX, "the rest are lines of their own");
    }
}

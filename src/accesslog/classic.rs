//! One record of a Classic Load Balancer's access log becomes a [`Request`], or is found to be none.
//!
//! Source: "Access log entries" in the ELB user guide for Classic Load Balancers. Three things differ from an
//! Application Load Balancer: `time` is when the request was received; a quote inside quotes is written `\"`; and a
//! user agent may hold a line feed, so that one record lies on several lines. Until 2015 a record ended behind the
//! request.

use crate::accesslog::alb::{Action, LineFault, Request, bare, duration, no_request, status};
use crate::accesslog::fields::Fields;
use crate::accesslog::request_line::RequestLine;
use crate::accesslog::time::unix_us;
use crate::minute::Minute;

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// An HTTP or HTTPS request.
    Request(Request<'a>),
    /// A connection of a TCP or SSL listener: it has no status, and is no event of any SLI.
    Connection,
}

/// Reads a record without its line end.
///
/// A request counts in the minute in which it was answered, as at an Application Load Balancer: the time it was
/// received and its three durations, as far as they are known.
///
/// # Errors
/// If one of the fields up to the request is missing or cannot be read.
pub fn decode(record: &[u8]) -> Result<Record<'_>, LineFault> {
    let mut fields = Fields::new(record);
    let time = bare(&mut fields, "timestamp")?;
    let received_us = unix_us(time).ok_or_else(|| LineFault::unreadable("timestamp", time))?;
    let load_balancer = bare(&mut fields, "elb")?;
    bare(&mut fields, "client:port")?;
    let backend = bare(&mut fields, "backend:port")?;
    let request_us = duration(&mut fields, "request_processing_time")?;
    let target_us = duration(&mut fields, "backend_processing_time")?;
    let response_us = duration(&mut fields, "response_processing_time")?;
    let is_connection = fields.rest().starts_with(b"- ");
    let status = status(&mut fields)?;
    bare(&mut fields, "backend_status_code")?;
    bare(&mut fields, "received_bytes")?;
    bare(&mut fields, "sent_bytes")?;
    let text = fields.quoted().ok_or_else(|| no_request(fields.rest()))?;
    let line = RequestLine::read(text);
    if is_connection && line.method == b"-" && line.host.is_empty() {
        return Ok(Record::Connection);
    }
    let known = [request_us, target_us, response_us].into_iter().flatten();
    let answered_us = known.fold(received_us, |sum, us| sum.saturating_add(i64::try_from(us).unwrap_or(i64::MAX)));
    Ok(Record::Request(Request {
        minute: Minute::of_unix_seconds(answered_us.div_euclid(1_000_000)),
        load_balancer,
        websocket: status == 101,
        dispatched: backend != b"-",
        request_us,
        target_us,
        response_us,
        status,
        request: text,
        target_group: None,
        action: Action::Forward,
        elapsed_us: None,
    }))
}

/// The most lines of one record, and the most bytes: a user agent of thousands of line feeds must not cost the square
/// of them.
const RECORD_LINES_MAX: usize = 64;
const RECORD_BYTES_MAX: usize = 64 << 10;

/// Joins lines to records.
///
/// A line that ends inside quotes goes on in the next one, unless that is a record of its own: then the first was cut
/// short. A client cannot forge a record with a line feed in its user agent, because the quotes that it would need come
/// out escaped.
#[derive(Clone, Debug, Default)]
pub struct Records {
    begun: Vec<u8>,
    lines: usize,
}

impl Records {
    /// Takes the next line, and tells `each` every record that it completes.
    pub fn line(&mut self, line: &[u8], mut each: impl FnMut(&[u8])) {
        if self.lines > 0 && decode(line).is_ok() {
            self.finish(&mut each);
        }
        if self.lines == 0 {
            if !goes_on(line) {
                return each(line);
            }
        } else {
            self.begun.push(b'\n');
        }
        self.begun.extend_from_slice(line);
        self.lines += 1;
        if self.lines == RECORD_LINES_MAX || self.begun.len() > RECORD_BYTES_MAX || !goes_on(&self.begun) {
            self.finish(each);
        }
    }

    /// Tells `each` what was begun and will not go on.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        if self.lines > 0 {
            each(&self.begun);
        }
        self.begun.clear();
        self.lines = 0;
    }
}

/// Whether a quote is still open at the end.
fn goes_on(line: &[u8]) -> bool {
    let mut fields = Fields::new(line);
    while fields.next_field().is_some() {}
    !fields.rest().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "2026-10-31T23:59:58.900000Z shop 198.51.100.7:2817 10.0.0.1:80 0.000073 1.2 0.000057 200 200 0 29";

    fn request(text: &str) -> Request<'_> {
        match decode(text.as_bytes()) {
            Ok(Record::Request(request)) => request,
            other => unreachable!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_request_counts_when_it_was_answered() {
        for tail in
            ["", " \"curl/7.38.0\" - -", r#" "odd \"quoted\" agent" DHE-RSA-AES128-SHA TLSv1.2"#, " \"two\nlines\" - -"]
        {
            let text = format!("{HEAD} \"GET http://shop.example.com:80/cart HTTP/1.1\"{tail}");
            let request = request(&text);
            assert_eq!(request.minute.to_string(), "2026-11-01T00:00Z", "{text}");
            assert_eq!(
                (request.load_balancer, request.status, request.target_us),
                (&b"shop"[..], 200, Some(1_200_000))
            );
            assert_eq!((request.line().method, request.line().path), (&b"GET"[..], &b"/cart"[..]));
        }
    }

    #[test]
    fn what_never_reached_a_backend_counts_when_it_was_received() {
        let text = HEAD.replace("10.0.0.1:80 0.000073 1.2 0.000057 200 200", "- -1 -1 -1 504 0");
        let text = format!("{text} \"GET http://shop.example.com:80/ HTTP/1.1\" \"-\" - -");
        let request = request(&text);
        assert_eq!(request.minute.to_string(), "2026-10-31T23:59Z");
        assert_eq!((request.status, request.dispatched, request.timed_out()), (504, false, true));
    }

    #[test]
    fn a_connection_is_no_request() {
        let text = HEAD.replace("200 200", "- -");
        assert_eq!(decode(format!("{text} \"- - - \" \"-\" - -").as_bytes()), Ok(Record::Connection));
    }

    #[test]
    fn a_fault_names_the_field() {
        let check =
            |text: &str, fault: &str| assert_eq!(decode(text.as_bytes()).unwrap_err().to_string(), fault, "{text}");
        check("", "the line ends before or inside field `timestamp`");
        check("yesterday shop", "invalid field `timestamp`: `yesterday`");
        check(HEAD, "the line ends before or inside field `request`");
        check(&format!("{HEAD} \"GET http://h:80/"), "the line ends before or inside field `request`");
        check(&HEAD.replace("1.2", "fast"), "invalid field `backend_processing_time`: `fast`");
    }

    fn records(text: &str) -> Vec<String> {
        let (mut records, mut found) = (Records::default(), Vec::new());
        let mut each = |record: &[u8]| found.push(String::from_utf8_lossy(record).into_owned());
        text.split('\n').for_each(|line| records.line(line.as_bytes(), &mut each));
        records.finish(&mut each);
        found
    }

    #[test]
    fn a_record_may_lie_on_several_lines() {
        let start = format!("{HEAD} \"GET http://h:80/ HTTP/1.1\"");
        let plain = format!("{start} \"curl\" - -");
        let broken = format!("{start} \"one\ntwo \n\nthree\" - -");
        let cut = format!("{start} \"cut");
        let check = |parts: &[&str]| assert_eq!(records(&parts.join("\n")), parts, "{parts:?}");
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
        assert_eq!(records(&endless).len(), 1 + 1_001 - RECORD_LINES_MAX, "the rest are lines of their own");
    }
}

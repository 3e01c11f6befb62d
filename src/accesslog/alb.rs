//! One line of an Application Load Balancer's access log becomes a [`Request`].
//!
//! Source: "Access log entries" in the ELB user guide for Application Load Balancers. Lines have had 13 to 36 fields
//! over the years and "new fields are added at the end", so the fields up to the request must be there and be sound,
//! and all behind them may be missing. Those are read only if [`Wants`] asks and the line can need them.

use crate::accesslog::fields::Fields;
use crate::accesslog::group::{GroupName, GroupReader};
use crate::accesslog::request_line::RequestLine;
use crate::accesslog::time::{MinuteReader, duration_us, short_duration_us, unix_us};
use crate::minute::Minute;

/// What is to be read beyond the first thirteen fields. It never changes whether a line parses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants(u8);

impl Wants {
    /// Nothing more: enough for availability of all of a balancer's requests.
    pub const NOTHING: Self = Self(0);
    /// The target group (field 17).
    pub const TARGET_GROUP: Self = Self(1);
    /// Whether a rule's action answered instead of a target (field 23).
    pub const ACTION: Self = Self(2);
    /// The time from arrival to answer (field 22), for a 504 or 460 that has no target time.
    pub const ELAPSED: Self = Self(4);
    /// Request and response processing time (fields 6 and 8).
    pub const TOTAL: Self = Self(8);
    /// Everything.
    pub const ALL: Self = Self(15);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other is wanted.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a line says about one request. Durations are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The minute in which the balancer answered; for a WebSocket, in which the connection closed.
    pub minute: Minute,
    /// The balancer as `app/name/id`.
    pub load_balancer: &'a [u8],
    /// Whether the line is a WebSocket connection: its times are the connection's life, not a latency.
    pub websocket: bool,
    /// Whether the balancer names a target it sent the request to. Lambda targets are never named.
    pub dispatched: bool,
    /// From arrival until it was sent to the target; `None` for `-1`, or unless wanted.
    pub request_us: Option<u64>,
    /// From there until the target began to answer; `None` for `-1`.
    pub target_us: Option<u64>,
    /// From there until the balancer began to answer; `None` for `-1`, or unless wanted.
    pub response_us: Option<u64>,
    /// The status the client got; 0 where the line has `-` or `000`.
    pub status: u16,
    /// The field `request` without its quotes.
    pub request: &'a [u8],
    /// The target group's name; `None` without one, or unless wanted or needed for the action.
    pub target_group: Option<GroupName>,
    /// Which rule's action answered.
    pub action: Action,
    /// From the request's arrival to its answer, if that was wanted and the line says when it arrived.
    pub elapsed_us: Option<u64>,
}

/// Who answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// A target, the balancer in its place, or not known.
    #[default]
    Forward,
    /// A rule with a fixed response.
    FixedResponse,
    /// A rule with a redirect.
    Redirect,
}

impl<'a> Request<'a> {
    /// Method, host and path.
    #[must_use]
    pub fn line(&self) -> RequestLine<'a> {
        RequestLine::read(self.request)
    }

    /// A 504 (the target did not answer in time) or 460 (the client did not wait) that got no answer from a target.
    #[must_use]
    pub const fn timed_out(&self) -> bool {
        matches!(self.status, 504 | 460) && self.target_us.is_none()
    }

    /// Whether the client saw a 5xx.
    #[must_use]
    pub const fn is_server_error(&self) -> bool {
        matches!(self.status, 500..=599)
    }
}

/// Why a line is not counted: which field, by AWS's name, and the start of what stands there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The line ends before this field, or inside it because its quote is never closed.
    #[error("the line ends before or inside field `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// The field cannot be read.
    #[error("invalid field `{field}`: `{value}`")]
    Unreadable {
        /// The field.
        field: &'static str,
        /// The start of what stands there.
        value: Box<str>,
    },
    /// The field can be read, and is not what the object's name promises.
    #[error("field `{field}` does not match the file name: `{value}`")]
    Misplaced {
        /// The field.
        field: &'static str,
        /// The start of what stands there.
        value: Box<str>,
    },
    /// No field was looked for in so many bytes.
    #[error("the line is longer than {bytes_max} bytes")]
    TooLong {
        /// The most bytes that a line may have.
        bytes_max: usize,
    },
}

/// The most bytes of a value that a fault quotes.
const VALUE_BYTES: usize = 60;

impl LineFault {
    pub(super) fn unreadable(field: &'static str, value: &[u8]) -> Self {
        Self::Unreadable { field, value: quote(value) }
    }

    /// The field can be read, and is not what the object's name promises.
    #[must_use]
    pub fn misplaced(field: &'static str, value: &[u8]) -> Self {
        Self::Misplaced { field, value: quote(value) }
    }
}

fn quote(value: &[u8]) -> Box<str> {
    String::from_utf8_lossy(value.get(..VALUE_BYTES).unwrap_or(value)).into()
}

/// Reads lines one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    pub(super) wants: Wants,
    pub(super) minutes: MinuteReader,
    pub(super) groups: GroupReader,
}

impl Decoder {
    /// A decoder that reads what is wanted.
    #[must_use]
    pub fn new(wants: Wants) -> Self {
        Self { wants, ..Self::default() }
    }

    /// Reads a line without its line end.
    ///
    /// # Errors
    /// If one of the fields up to the request is missing or cannot be read.
    #[inline]
    pub fn decode<'a>(&mut self, line: &'a [u8]) -> Result<Request<'a>, LineFault> {
        let mut fields = Fields::new(line);
        let kind = bare(&mut fields, "type")?;
        let (time, minute) = self.time(&mut fields)?;
        let load_balancer = bare(&mut fields, "elb")?;
        bare(&mut fields, "client:port")?;
        let target = bare(&mut fields, "target:port")?;
        let request_us = duration(&mut fields, "request_processing_time")?;
        let target_us = duration(&mut fields, "target_processing_time")?;
        let response_us = duration(&mut fields, "response_processing_time")?;
        let status = status(&mut fields)?;
        bare(&mut fields, "target_status_code")?;
        bare(&mut fields, "received_bytes")?;
        bare(&mut fields, "sent_bytes")?;
        let text = fields.quoted().ok_or_else(|| no_request(fields.rest()))?;
        let total = self.wants.has(Wants::TOTAL);
        let dispatched = target != b"-";
        let by_rule = !dispatched && self.wants.has(Wants::ACTION);
        let by_clock = target_us.is_none() && matches!(status, 504 | 460) && self.wants.has(Wants::ELAPSED);
        let mut tail = Tail::default();
        if by_rule || by_clock {
            tail.group = self.read_group(&mut fields);
            (tail.action, tail.elapsed_us) = read_action(fields, time).unwrap_or_default();
        } else if self.wants.has(Wants::TARGET_GROUP) {
            tail.group = self.read_group(&mut fields);
        }
        Ok(Request {
            minute,
            load_balancer,
            websocket: kind == b"ws" || kind == b"wss" || status == 101,
            dispatched,
            request_us: request_us.filter(|_| total),
            target_us,
            response_us: response_us.filter(|_| total),
            status,
            request: text,
            target_group: tail.group,
            action: if dispatched || tail.group.is_some() { Action::Forward } else { tail.action },
            elapsed_us: tail.elapsed_us,
        })
    }

    #[inline]
    fn time<'a>(&mut self, fields: &mut Fields<'a>) -> Result<(&'a [u8], Minute), LineFault> {
        // The form of all lines; a sound time has no space in it.
        if let Some(text) = fields.guess::<27>()
            && let Some(minute) = self.minutes.read(text)
        {
            fields.step_over(text.len());
            return Ok((text, minute));
        }
        let text = bare(fields, "time")?;
        let minute = self.minutes.read(text).ok_or_else(|| LineFault::unreadable("time", text))?;
        Ok((text, minute))
    }

    /// Reads from the user agent to the target group, if the line has that many fields.
    #[inline]
    fn read_group(&mut self, fields: &mut Fields<'_>) -> Option<GroupName> {
        // user_agent, ssl_cipher, ssl_protocol
        fields.skip(3)?;
        self.groups.read(fields.next_field()?)
    }
}

/// What stands behind the request; none of it is a must.
#[derive(Clone, Copy, Debug, Default)]
struct Tail {
    group: Option<GroupName>,
    action: Action,
    elapsed_us: Option<u64>,
}

/// Reads from the trace id to the actions; only lines without an answer from a target come here.
#[inline(never)]
fn read_action(mut fields: Fields<'_>, time: &[u8]) -> Option<(Action, Option<u64>)> {
    // trace_id, domain_name, chosen_cert_arn, matched_rule_priority
    fields.skip(4)?;
    let elapsed_us = elapsed_us(time, fields.next_field()?);
    Some((fields.next_field().map(action).unwrap_or_default(), elapsed_us))
}

/// `actions_executed` is a list: `waf,fixed-response`.
fn action(list: &[u8]) -> Action {
    for action in list.split(|byte| *byte == b',') {
        match action {
            b"fixed-response" => return Action::FixedResponse,
            b"redirect" => return Action::Redirect,
            _ => {}
        }
    }
    Action::Forward
}

/// From arrival to answer. The two clocks round differently, so a hair below zero is zero.
fn elapsed_us(answered: &[u8], arrived: &[u8]) -> Option<u64> {
    let elapsed = unix_us(answered)?.saturating_sub(unix_us(arrived)?);
    Some(u64::try_from(elapsed).unwrap_or(0))
}

#[inline]
pub(super) fn bare<'a>(fields: &mut Fields<'a>, name: &'static str) -> Result<&'a [u8], LineFault> {
    match fields.bare() {
        Some(text) if !text.is_empty() => Ok(text),
        Some(text) => Err(LineFault::unreadable(name, text)),
        None => Err(LineFault::Missing { field: name }),
    }
}

#[inline]
pub(super) fn duration(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<u64>, LineFault> {
    if let Some(us) = fields.guess().and_then(|text| short_duration_us(*text)) {
        fields.step_over(5);
        return Ok(Some(us));
    }
    other_duration(fields, name)
}

/// Durations of ten seconds and more, of older lines with six decimals, and `-1`.
#[cold]
fn other_duration(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<u64>, LineFault> {
    let text = bare(fields, name)?;
    duration_us(text).map_err(|_| LineFault::unreadable(name, text))
}

#[inline]
pub(super) fn status(fields: &mut Fields<'_>) -> Result<u16, LineFault> {
    if let Some(status) = fields.guess().and_then(|text| short_status(*text)) {
        fields.step_over(3);
        return Ok(status);
    }
    let text = bare(fields, "elb_status_code")?;
    if text == b"-" {
        return Ok(0);
    }
    Err(LineFault::unreadable("elb_status_code", text))
}

/// No status is above 599; 000 stands for an HTTP/2 connection that was closed.
#[inline]
fn short_status([a, b, c]: [u8; 3]) -> Option<u16> {
    let [a, b, c] = [a, b, c].map(|digit| u16::from(digit.wrapping_sub(b'0')));
    (a <= 5 && b <= 9 && c <= 9).then_some(a * 100 + b * 10 + c)
}

#[cold]
pub(super) fn no_request(rest: &[u8]) -> LineFault {
    match rest {
        b"" => LineFault::Missing { field: "request" },
        rest if rest.starts_with(b"\"") => LineFault::Missing { field: "request" },
        rest => LineFault::unreadable("request", rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "https 2026-10-31T23:50:10.500000Z app/shop/0a 198.51.100.7:2817 10.0.0.1:80 0.001 0.020 0.000 \
                        200 200 34 366 \"POST https://shop.example.com:443/v1/orders?x=1 HTTP/2.0\"";
    const TAIL: &str = " \"curl/8\" TLS_AES_128_GCM_SHA256 TLSv1.3 \
                        arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b \"Root=1-0\" \
                        \"shop.example.com\" \"arn:aws:acm:eu-west-1:123456789012:certificate/0c\" 1 \
                        2026-10-31T23:50:10.479000Z \"waf,forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_0d";

    fn decode(line: &str, wants: Wants) -> Result<Request<'_>, LineFault> {
        Decoder::new(wants).decode(line.as_bytes())
    }

    #[test]
    fn a_whole_line_gives_all_that_is_wanted() {
        let line = format!("{HEAD}{TAIL}");
        let request = decode(&line, Wants::ALL).unwrap();
        assert_eq!(request.minute.to_string(), "2026-10-31T23:50Z");
        assert_eq!(request.load_balancer, b"app/shop/0a");
        assert_eq!((request.request_us, request.target_us, request.response_us), (Some(1_000), Some(20_000), Some(0)));
        assert_eq!((request.status, request.dispatched, request.websocket), (200, true, false));
        assert_eq!((request.line().method, request.line().host), (&b"POST"[..], &b"shop.example.com"[..]));
        assert_eq!(request.line().path, b"/v1/orders");
        assert_eq!(request.target_group, Some(GroupName::new(b"orders")));
    }

    #[test]
    fn what_is_asked_never_changes_whether_a_line_parses() {
        let line = format!("{HEAD}{TAIL} \"-\" \"-\" \"-\" 192.0.2.1 \"-\" \"-\"");
        for end in 0..=line.len() {
            let line = line.get(..end).unwrap();
            let results = (0..32).map(|wants| decode(line, Wants(wants)).map(|request| request.minute));
            let results: Vec<_> = results.collect();
            assert!(results.iter().all(|result| *result == results[0]), "{line}");
            assert_eq!(results[0].is_ok(), end >= HEAD.len(), "{line}");
        }
    }

    #[test]
    fn a_fault_names_the_field_and_its_value() {
        let check = |from: &str, to: &str, text: &str| {
            let line = HEAD.replacen(from, to, 1);
            assert_eq!(decode(&line, Wants::NOTHING).unwrap_err().to_string(), text, "{line}");
        };
        check("2026-10-31T", "2026-10-32T", "invalid field `time`: `2026-10-32T23:50:10.500000Z`");
        check("10.500000Z", "10.500000", "invalid field `time`: `2026-10-31T23:50:10.500000`");
        check("0.020", "fast", "invalid field `target_processing_time`: `fast`");
        check(" 200 200", " 20x 200", "invalid field `elb_status_code`: `20x`");
        check(" 200 200", " 2000 200", "invalid field `elb_status_code`: `2000`");
        check(
            "\"POST",
            "POST",
            "invalid field `request`: `POST https://shop.example.com:443/v1/orders?x=1 HTTP/2.0\"`",
        );
        check("2.0\"", "2.0", "the line ends before or inside field `request`");
        check("https ", "https  ", "invalid field `time`: ``");
        assert_eq!(decode("", Wants::ALL), Err(LineFault::Missing { field: "type" }));
    }

    #[test]
    fn odd_lines_are_read_for_what_they_say() {
        let check = |from: &str, to: &str, look: &dyn Fn(&Request<'_>) -> bool| {
            let line = format!("{HEAD}{TAIL}").replacen(from, to, 1);
            assert_ne!(line, format!("{HEAD}{TAIL}"), "the replacement must change something");
            let request = decode(&line, Wants::ALL).unwrap();
            assert!(look(&request), "{line}: {request:?}");
        };
        check("198.51.100.7:2817", "2001:db8::7:2817", &|r| r.status == 200);
        check("198.51.100.7:2817", "[2001:db8::7]:2817", &|r| r.status == 200);
        check(" 200 200", " 000 -", &|r| r.status == 0);
        check(" 200 200", " - -", &|r| r.status == 0);
        check("0.001 0.020 0.000 200 200", "0.001 -1 -1 504 -", &|r| r.timed_out() && r.elapsed_us == Some(21_000));
        check("0.001 0.020 0.000 200 200", "-1 -1 -1 460 -", &|r| r.timed_out() && r.dispatched);
        check("0.020", "0.020913", &|r| r.target_us == Some(20_913));
        check("https ", "wss ", &|r| r.websocket);
        check("https ", "grpcs ", &|r| !r.websocket);
        check("curl/8", r"a\x22 b\x5C", &|r| r.target_group == Some(GroupName::new(b"orders")));
        check("curl/8", r#"a"b "c" x"#, &|r| r.status == 200);
        check("curl/8", r#"a"b; c"d"#, &|r| r.target_group == Some(GroupName::new(b"orders")));
        check("POST https://shop.example.com:443/v1/orders?x=1 HTTP/2.0", "- http://shop:80- -", &|r| {
            r.line().method == b"-" && r.line().host == b"shop" && r.target_group.is_some()
        });
        check("POST https://shop.example.com:443/v1/orders?x=1 HTTP/2.0", "- - - ", &|r| r.line().host.is_empty());
        check("arn:aws:elasticloadbalancing", "arn:aws-cn:elasticloadbalancing", &|r| {
            r.target_group == Some(GroupName::new(b"orders"))
        });
        check("targetgroup/orders/0b", "targetgroup/orders", &|r| r.target_group == Some(GroupName::new(b"orders")));
        check("targetgroup/orders/0b", "loadbalancer/orders/0b", &|r| r.target_group.is_none());
    }

    #[test]
    fn only_a_rule_without_target_answers_itself() {
        let check = |target: &str, group: &str, actions: &str, expected| {
            let line = format!("{HEAD}{TAIL}")
                .replacen("10.0.0.1:80", target, 1)
                .replacen("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b", group, 1)
                .replacen("waf,forward", actions, 1);
            assert_eq!(decode(&line, Wants::ACTION).unwrap().action, expected, "{line}");
        };
        let group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b";
        check("-", "-", "fixed-response", Action::FixedResponse);
        check("-", "-", "waf,fixed-response", Action::FixedResponse);
        check("-", "-", "redirect", Action::Redirect);
        check("-", "-", "waf", Action::Forward);
        check("-", "-", "", Action::Forward);
        check("-", "-", "-", Action::Forward);
        check("-", group, "fixed-response", Action::Forward);
        check("10.0.0.1:80", "-", "redirect", Action::Forward);
    }
}

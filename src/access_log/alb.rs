//! One line of an Application Load Balancer's access log becomes a [`Request`].
//!
//! Source: "Access log entries" in the ELB user guide for Application Load Balancers. Lines have had 13 to 36 fields
//! over the years and "new fields are added at the end", so the fields up to the request must be there and be sound,
//! and all behind them may be missing. Those are read only if [`OptionalFields`] asks and the line can need them.

use crate::access_log::fields::{Fields, RequestLine};
use crate::access_log::target_group::{TargetGroupName, TargetGroupParser};
use crate::access_log::timestamp::{MinuteParser, parse_duration_us, parse_short_duration_us, parse_unix_us};
use crate::access_log::unparsed_line::LineError;
use crate::slo::ListenerResponse;
use crate::time::Minute;

/// Fields that are read beyond the first thirteen. They never change whether a line parses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionalFields(u8);

impl OptionalFields {
    pub const NONE: Self = Self(0);
    /// Field 17.
    pub const TARGET_GROUP: Self = Self(1);
    /// Which rule's action answered instead of a target (field 23).
    pub const ACTION: Self = Self(2);
    /// The time from arrival to answer (field 22), for a 504, 460 or 000 that has no target time.
    pub const ELAPSED: Self = Self(4);
    /// Request and response processing time (fields 6 and 8).
    pub const PROCESSING_TIMES: Self = Self(8);
    pub const ALL: Self = Self(15);

    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a line says about one request. Durations are in microseconds.
#[expect(clippy::struct_field_names, reason = "the log's documentation calls these fields request")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The minute in which the balancer answered; for a WebSocket, in which the connection closed.
    pub minute: Minute,
    /// `app/name/id`, or a Classic Load Balancer's name.
    pub load_balancer: &'a [u8],
    /// Whether the line is a WebSocket connection: its times are the connection's life, not a latency.
    pub is_websocket: bool,
    /// Whether the balancer names a target it sent the request to. Lambda targets are never named.
    pub has_target: bool,
    /// From arrival until it was sent to the target; `None` for `-1`, or unless wanted.
    pub request_us: Option<u64>,
    /// From there until the target began to answer; `None` for `-1`.
    pub target_us: Option<u64>,
    /// From there until the balancer began to answer; `None` for `-1`, or unless wanted.
    pub response_us: Option<u64>,
    /// The status the client got; 0 where the line has `-` or `000`.
    pub status: u16,
    pub request_line: &'a [u8],
    /// The target group's name; `None` without one, or unless wanted or needed for the action.
    pub target_group: Option<TargetGroupName>,
    /// What answered instead of a target, unless not wanted.
    pub listener_response: Option<ListenerResponse>,
    /// From the request's arrival to its answer, if that was wanted and the line says when it arrived.
    pub elapsed_us: Option<u64>,
}

impl<'a> Request<'a> {
    pub fn parse_request_line(&self) -> RequestLine<'a> {
        RequestLine::parse(self.request_line)
    }

    /// A 504 (the target did not answer in time) or 460 (the client did not wait) that got no answer from a target.
    pub const fn is_timeout(&self) -> bool {
        matches!(self.status, 504 | 460) && self.target_us.is_none()
    }

    /// Whether the client closed the connection after it had waited so long for an answer: 460 over HTTP/1, 000 over
    /// HTTP/2.
    #[inline(always)]
    pub fn has_given_up(&self, after_us: Option<u64>) -> bool {
        let waited_us = self.elapsed_us.filter(|_| matches!(self.status, 460 | 0) && self.target_us.is_none());
        !self.is_websocket && waited_us.zip(after_us).is_some_and(|(waited_us, after_us)| waited_us >= after_us)
    }

    pub const fn is_server_error(&self) -> bool {
        matches!(self.status, 500..=599)
    }
}

/// Decodes lines one after the other, with caches of what neighbours share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    pub(super) optional_fields: OptionalFields,
    pub(super) minute_parser: MinuteParser,
    pub(super) target_group_parser: TargetGroupParser,
}

impl Decoder {
    pub fn new(optional_fields: OptionalFields) -> Self {
        Self { optional_fields, ..Self::default() }
    }

    /// Decodes a line without its line end; fails if one of the fields up to the request is missing or invalid.
    #[inline]
    pub fn decode<'a>(&mut self, line: &'a [u8]) -> Result<Request<'a>, LineError> {
        let mut fields = Fields::new(line);
        let request_type = unquoted_field(&mut fields, "type")?;
        let (time, minute) = self.read_time(&mut fields)?;
        let load_balancer = unquoted_field(&mut fields, "elb")?;
        unquoted_field(&mut fields, "client:port")?;
        let target = unquoted_field(&mut fields, "target:port")?;
        let request_us = read_duration_us(&mut fields, "request_processing_time")?;
        let target_us = read_duration_us(&mut fields, "target_processing_time")?;
        let response_us = read_duration_us(&mut fields, "response_processing_time")?;
        let status = read_status(&mut fields)?;
        unquoted_field(&mut fields, "target_status_code")?;
        unquoted_field(&mut fields, "received_bytes")?;
        unquoted_field(&mut fields, "sent_bytes")?;
        let request_line = fields.next_quoted().ok_or_else(|| request_field_error(fields.rest()))?;
        let reads_processing_times = self.optional_fields.contains(OptionalFields::PROCESSING_TIMES);
        let has_target = target != b"-";
        let needs_action = !has_target && self.optional_fields.contains(OptionalFields::ACTION);
        let needs_elapsed = target_us.is_none()
            && matches!(status, 504 | 460 | 0)
            && self.optional_fields.contains(OptionalFields::ELAPSED);
        let (mut target_group, mut listener_response, mut elapsed_us) = (None, None, None);
        if needs_action || needs_elapsed || self.optional_fields.contains(OptionalFields::TARGET_GROUP) {
            target_group = self.read_target_group(&mut fields);
        }
        if needs_action || needs_elapsed {
            (listener_response, elapsed_us) = read_response_and_elapsed(fields, time).unwrap_or_default();
        }
        Ok(Request {
            minute,
            load_balancer,
            is_websocket: request_type == b"ws" || request_type == b"wss" || status == 101,
            has_target,
            request_us: request_us.filter(|_| reads_processing_times),
            target_us,
            response_us: response_us.filter(|_| reads_processing_times),
            status,
            request_line,
            target_group,
            listener_response: listener_response.filter(|_| !has_target && target_group.is_none()),
            elapsed_us,
        })
    }

    #[inline]
    fn read_time<'a>(&mut self, fields: &mut Fields<'a>) -> Result<(&'a [u8], Minute), LineError> {
        // The form of all current lines; a valid time has no space in it.
        if let Some(text) = fields.peek_fixed::<27>()
            && let Some(minute) = self.minute_parser.parse(text)
        {
            fields.advance(text.len());
            return Ok((text, minute));
        }
        let text = unquoted_field(fields, "time")?;
        let minute = self.minute_parser.parse(text).ok_or_else(|| LineError::invalid("time", text))?;
        Ok((text, minute))
    }

    /// Reads from the user agent to the target group, if the line has that many fields.
    #[inline]
    fn read_target_group(&mut self, fields: &mut Fields<'_>) -> Option<TargetGroupName> {
        // user_agent, ssl_cipher, ssl_protocol
        fields.skip(3)?;
        self.target_group_parser.parse(fields.next_field()?)
    }
}

/// Reads from the trace id to the actions, of lines without an answer from a target.
#[inline(never)]
fn read_response_and_elapsed(mut fields: Fields<'_>, time: &[u8]) -> Option<(Option<ListenerResponse>, Option<u64>)> {
    // trace_id, domain_name, chosen_cert_arn, matched_rule_priority
    fields.skip(4)?;
    let elapsed_us = elapsed_us(time, fields.next_field()?);
    Some((fields.next_field().and_then(parse_listener_response), elapsed_us))
}

/// `actions_executed` is a list in the order of execution, `waf,fixed-response`: the last action answered.
fn parse_listener_response(actions: &[u8]) -> Option<ListenerResponse> {
    match actions.rsplit(|byte| *byte == b',').next()? {
        b"fixed-response" => Some(ListenerResponse::FixedResponse),
        b"redirect" => Some(ListenerResponse::Redirect),
        b"waf" | b"waf-failed" => Some(ListenerResponse::Waf),
        b"authenticate" => Some(ListenerResponse::Authenticate),
        _ => None,
    }
}

/// From arrival to answer. The two clocks round differently, so less than zero is zero.
fn elapsed_us(answered: &[u8], arrived: &[u8]) -> Option<u64> {
    let elapsed = parse_unix_us(answered)?.saturating_sub(parse_unix_us(arrived)?);
    Some(u64::try_from(elapsed).unwrap_or(0))
}

#[inline]
pub(super) fn unquoted_field<'a>(fields: &mut Fields<'a>, field: &'static str) -> Result<&'a [u8], LineError> {
    match fields.next_unquoted() {
        Some(text) if !text.is_empty() => Ok(text),
        Some(text) => Err(LineError::invalid(field, text)),
        None => Err(LineError::Missing { field }),
    }
}

#[inline]
pub(super) fn read_duration_us(fields: &mut Fields<'_>, field: &'static str) -> Result<Option<u64>, LineError> {
    if let Some(us) = fields.peek_fixed().and_then(|text| parse_short_duration_us(*text)) {
        fields.advance(5);
        return Ok(Some(us));
    }
    read_long_duration_us(fields, field)
}

/// Durations of ten seconds and more, of older lines with six decimals, and `-1`.
#[cold]
fn read_long_duration_us(fields: &mut Fields<'_>, field: &'static str) -> Result<Option<u64>, LineError> {
    let text = unquoted_field(fields, field)?;
    parse_duration_us(text).map_err(|_| LineError::invalid(field, text))
}

#[inline]
pub(super) fn read_status(fields: &mut Fields<'_>) -> Result<u16, LineError> {
    if let Some(status) = fields.peek_fixed().and_then(|text| parse_status(*text)) {
        fields.advance(3);
        return Ok(status);
    }
    let text = unquoted_field(fields, "elb_status_code")?;
    if text == b"-" {
        return Ok(0);
    }
    Err(LineError::invalid("elb_status_code", text))
}

/// No status is above 599; 000 stands for an HTTP/2 connection that was closed.
#[inline]
fn parse_status([a, b, c]: [u8; 3]) -> Option<u16> {
    let [a, b, c] = [a, b, c].map(|digit| u16::from(digit.wrapping_sub(b'0')));
    (a <= 5 && b <= 9 && c <= 9).then_some(a * 100 + b * 10 + c)
}

#[cold]
pub(super) fn request_field_error(rest: &[u8]) -> LineError {
    match rest {
        b"" => LineError::Missing { field: "request" },
        rest if rest.starts_with(b"\"") => LineError::Missing { field: "request" },
        rest => LineError::invalid("request", rest),
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

    fn decode_line(line: &str, wants: OptionalFields) -> Result<Request<'_>, LineError> {
        Decoder::new(wants).decode(line.as_bytes())
    }

    #[test]
    fn complete_line_yields_every_optional_field() {
        let line = format!("{HEAD}{TAIL}");
        let request = decode_line(&line, OptionalFields::ALL).unwrap();
        assert_eq!(request.minute.to_string(), "2026-10-31T23:50Z");
        assert_eq!(request.load_balancer, b"app/shop/0a");
        assert_eq!((request.request_us, request.target_us, request.response_us), (Some(1_000), Some(20_000), Some(0)));
        assert_eq!((request.status, request.has_target, request.is_websocket), (200, true, false));
        assert_eq!(
            (request.parse_request_line().method, request.parse_request_line().host),
            (&b"POST"[..], &b"shop.example.com"[..])
        );
        assert_eq!(request.parse_request_line().path, b"/v1/orders");
        assert_eq!(request.target_group, Some(TargetGroupName::new(b"orders")));
    }

    #[test]
    fn optional_fields_never_change_whether_line_parses() {
        let line = format!("{HEAD}{TAIL} \"-\" \"-\" \"-\" 192.0.2.1 \"-\" \"-\"");
        for end in 0..=line.len() {
            let line = line.get(..end).unwrap();
            let results = (0..32).map(|wants| decode_line(line, OptionalFields(wants)).map(|request| request.minute));
            let results: Vec<_> = results.collect();
            assert!(results.iter().all(|result| *result == results[0]), "{line}");
            assert_eq!(results[0].is_ok(), end >= HEAD.len(), "{line}");
        }
    }

    #[test]
    fn error_names_field_and_value() {
        let check = |from: &str, to: &str, text: &str| {
            let line = HEAD.replacen(from, to, 1);
            assert_eq!(decode_line(&line, OptionalFields::NONE).unwrap_err().to_string(), text, "{line}");
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
        assert_eq!(decode_line("", OptionalFields::ALL), Err(LineError::Missing { field: "type" }));
    }

    #[test]
    fn unusual_lines_are_decoded() {
        let check = |from: &str, to: &str, look: &dyn Fn(&Request<'_>) -> bool| {
            let line = format!("{HEAD}{TAIL}").replacen(from, to, 1);
            assert_ne!(line, format!("{HEAD}{TAIL}"), "the replacement must change something");
            let request = decode_line(&line, OptionalFields::ALL).unwrap();
            assert!(look(&request), "{line}: {request:?}");
        };
        check("198.51.100.7:2817", "2001:db8::7:2817", &|r| r.status == 200);
        check("198.51.100.7:2817", "[2001:db8::7]:2817", &|r| r.status == 200);
        check(" 200 200", " 000 -", &|r| r.status == 0);
        check(" 200 200", " - -", &|r| r.status == 0);
        check("0.001 0.020 0.000 200 200", "0.001 -1 -1 504 -", &|r| r.is_timeout() && r.elapsed_us == Some(21_000));
        check("0.001 0.020 0.000 200 200", "-1 -1 -1 460 -", &|r| r.is_timeout() && r.has_target);
        check("0.020", "0.020913", &|r| r.target_us == Some(20_913));
        check("https ", "wss ", &|r| r.is_websocket);
        check("https ", "grpcs ", &|r| !r.is_websocket);
        check("curl/8", r"a\x22 b\x5C", &|r| r.target_group == Some(TargetGroupName::new(b"orders")));
        check("curl/8", r#"a"b "c" x"#, &|r| r.status == 200);
        check("curl/8", r#"a"b; c"d"#, &|r| r.target_group == Some(TargetGroupName::new(b"orders")));
        check("POST https://shop.example.com:443/v1/orders?x=1 HTTP/2.0", "- http://shop:80- -", &|r| {
            r.parse_request_line().method == b"-" && r.parse_request_line().host == b"shop" && r.target_group.is_some()
        });
        check("POST https://shop.example.com:443/v1/orders?x=1 HTTP/2.0", "- - - ", &|r| {
            r.parse_request_line().host.is_empty()
        });
        check("arn:aws:elasticloadbalancing", "arn:aws-cn:elasticloadbalancing", &|r| {
            r.target_group == Some(TargetGroupName::new(b"orders"))
        });
        check("targetgroup/orders/0b", "targetgroup/orders", &|r| {
            r.target_group == Some(TargetGroupName::new(b"orders"))
        });
        check("targetgroup/orders/0b", "loadbalancer/orders/0b", &|r| r.target_group.is_none());
    }

    #[test]
    fn action_is_set_only_for_rule_without_target() {
        let check = |target: &str, group: &str, actions: &str, expected| {
            let line = format!("{HEAD}{TAIL}")
                .replacen("10.0.0.1:80", target, 1)
                .replacen("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b", group, 1)
                .replacen("waf,forward", actions, 1);
            assert_eq!(decode_line(&line, OptionalFields::ACTION).unwrap().listener_response, expected, "{line}");
        };
        let group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b";
        check("-", "-", "fixed-response", Some(ListenerResponse::FixedResponse));
        check("-", "-", "waf,fixed-response", Some(ListenerResponse::FixedResponse));
        check("-", "-", "redirect", Some(ListenerResponse::Redirect));
        check("-", "-", "waf", Some(ListenerResponse::Waf));
        check("-", "-", "", None);
        check("-", "-", "-", None);
        check("-", group, "fixed-response", None);
        check("10.0.0.1:80", "-", "redirect", None);
    }
}

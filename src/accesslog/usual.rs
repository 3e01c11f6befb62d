//! Lines of the shape that nearly all have, read several at a time and without a jump that depends on the length of a field.
//!
//! Where a field begins depends on where the one before it ended, so the fields of one line are found no faster than one
//! after the other. The processor can do that for several lines at once if it is told so: first the places of a handful of
//! lines, step by step for all of them, then what stands there.
//!
//! Absent on purpose: what a line means that is shaped in any other way, and why it cannot be read. That is for
//! [`Decoder::decode`] to say, and what is read here is what that would read.
#![expect(
    clippy::inline_always,
    reason = "a call costs as much as what most of these functions do, and each has one caller"
)]

use std::array::from_fn;
use std::ops::Range;

use crate::accesslog::alb::{Action, Decoder, Request, Wants};
use crate::accesslog::index::Index;
use crate::accesslog::request_line::RequestLine;
use crate::accesslog::time::USUAL_BYTES;

/// Lines whose fields are found together.
const LANES: usize = 8;

/// Where the fields of a line stand, if it is of the usual shape.
#[derive(Clone, Copy, Debug)]
struct Places {
    /// What the marks alone can tell; the text has still to be looked at.
    usual: bool,
    kind_end: usize,
    client_end: usize,
    target_end: usize,
    /// The quote that opens the request, and the space behind the one that closes it.
    request: usize,
    request_end: usize,
    agent_end: usize,
    /// From the first byte of the cipher, over the protocol, to the ARN and the space behind it.
    protocol: usize,
    arn: usize,
    arn_end: usize,
}

impl Decoder {
    /// Reads all lines of a text, which ends in a newline, and tells `each` line in turn what it is; `None` says
    /// nothing of it, so that this decoder has to look at it again.
    #[inline(always)]
    pub fn usual_lines<'a>(
        &mut self,
        text: &'a [u8],
        index: &Index,
        load_balancer: &'a [u8],
        mut each: impl FnMut(&mut Self, Range<usize>, Option<&Request<'a>>),
    ) {
        let mut start = 0;
        for ends in index.ends().chunks(LANES) {
            let mut lines: [Range<usize>; LANES] = from_fn(|_| 0..0);
            for (line, end) in lines.iter_mut().zip(ends) {
                *line = start..*end as usize;
                start = line.end + 1;
            }
            let places = places(index, &lines, load_balancer.len(), self.wants.has(Wants::TARGET_GROUP));
            for (line, places) in lines.into_iter().zip(places).take(ends.len()) {
                let request = if places.usual { self.usual(text, line.start, &places, load_balancer) } else { None };
                each(self, line, request.as_ref());
            }
        }
    }

    #[inline(always)]
    fn usual<'a>(
        &mut self,
        text: &'a [u8],
        start: usize,
        places: &Places,
        load_balancer: &'a [u8],
    ) -> Option<Request<'a>> {
        let Places { kind_end, client_end, target_end, request, request_end, .. } = *places;
        let kind = text.get(start..kind_end)?;
        let time: &[u8; USUAL_BYTES] = text.get(kind_end + 1..)?.first_chunk()?;
        let minute = self.minutes.read_usual(time)?;
        let elb = kind_end + 1 + USUAL_BYTES;
        let elb_end = elb + 1 + load_balancer.len();
        let is_elb = text.get(elb + 1..elb_end)? == load_balancer;
        let are_spaces = text.get(elb) == Some(&b' ') && text.get(elb_end) == Some(&b' ');
        let dispatched = target_end > client_end + 2 || text.get(client_end + 1) != Some(&b'-');
        let numbers = Numbers::read(text.get(target_end + 1..)?.first_chunk()?)?;
        if !is_elb
            || !are_spaces
            || !is_quoted(text, request, request_end)
            || (!dispatched && self.wants.has(Wants::ACTION))
        {
            return None;
        }
        let mut target_group = None;
        if self.wants.has(Wants::TARGET_GROUP) {
            let no_quote = |place: usize| text.get(place) != Some(&b'"');
            if !is_quoted(text, request_end + 1, places.agent_end)
                || !no_quote(places.agent_end + 1)
                || !no_quote(places.protocol)
            {
                return None;
            }
            // Most lines without a target group have no target either, and are read for that.
            target_group = Some(self.groups.read_usual(text, places.arn..places.arn_end)?);
        }
        let total = self.wants.has(Wants::TOTAL);
        Some(Request {
            minute,
            load_balancer,
            websocket: kind == b"ws" || kind == b"wss" || numbers.status() == 101,
            dispatched,
            request_us: total.then(|| numbers.duration_us(0)),
            target_us: Some(numbers.duration_us(1)),
            response_us: total.then(|| numbers.duration_us(2)),
            status: numbers.status(),
            line: if self.wants.has(Wants::REQUEST_LINE) {
                RequestLine::read(text.get(request + 1..request_end - 1)?)
            } else {
                RequestLine::default()
            },
            target_group,
            action: Action::Forward,
            elapsed_us: None,
        })
    }
}

/// Whether a field starts with a quote here and ends with the one before that space, with no backslash to make it less simple.
#[inline(always)]
fn is_quoted(text: &[u8], quote: usize, end: usize) -> bool {
    text.get(quote) == Some(&b'"') && text.get(end - 2) != Some(&b'\\')
}

/// The places of a handful of lines, all of them a step at a time. A field that is empty or too long to be usual makes its line
/// unusual, and the places behind it mean nothing.
#[inline(always)]
fn places(index: &Index, lines: &[Range<usize>; LANES], elb_bytes: usize, group: bool) -> [Places; LANES] {
    let mut usual = [true; LANES];
    let mut each = |step: &mut dyn FnMut(usize) -> (usize, bool)| -> [usize; LANES] {
        from_fn(|lane| {
            let (place, sound) = step(lane);
            usual[lane] &= sound;
            place
        })
    };
    let bare_end = |from: usize| {
        let bits = index.spaces(from);
        (from + bits.trailing_zeros() as usize, bits != 0 && bits & 1 == 0)
    };
    let kind_end = each(&mut |lane| bare_end(lines[lane].start));
    let client_end = each(&mut |lane| bare_end(kind_end[lane] + 1 + USUAL_BYTES + 1 + elb_bytes + 1));
    let target_end = each(&mut |lane| bare_end(client_end[lane] + 1));
    // target_status_code, received_bytes and sent_bytes
    let request = each(&mut |lane| {
        let from = target_end[lane] + 1 + NUMBERS_BYTES;
        let bits = index.spaces(from);
        let two = bits & bits.wrapping_sub(1);
        let three = two & two.wrapping_sub(1);
        let sound = three != 0 && bits & 1 == 0 && bits & bits << 1 & (three ^ three.wrapping_sub(1)) == 0;
        (from + three.trailing_zeros() as usize + 1, sound)
    });
    let request_end = each(&mut |lane| index.behind_quote(request[lane] + 2));
    let end = |places: &[usize; LANES], lane: usize| (0, places[lane] < lines[lane].end);
    if !group {
        each(&mut |lane| end(&request_end, lane));
        return from_fn(|lane| Places {
            usual: usual[lane],
            kind_end: kind_end[lane],
            client_end: client_end[lane],
            target_end: target_end[lane],
            request: request[lane],
            request_end: request_end[lane],
            agent_end: 0,
            protocol: 0,
            arn: 0,
            arn_end: 0,
        });
    }
    let agent_end = each(&mut |lane| index.behind_quote(request_end[lane] + 3));
    let protocol = each(&mut |lane| bare_end(agent_end[lane] + 1)).map(|end| end + 1);
    let arn = each(&mut |lane| bare_end(protocol[lane])).map(|end| end + 1);
    let arn_end = each(&mut |lane| index.space(arn[lane]));
    each(&mut |lane| end(&arn_end, lane));
    from_fn(|lane| Places {
        usual: usual[lane],
        kind_end: kind_end[lane],
        client_end: client_end[lane],
        target_end: target_end[lane],
        request: request[lane],
        request_end: request_end[lane],
        agent_end: agent_end[lane],
        protocol: protocol[lane],
        arn: arn[lane],
        arn_end: arn_end[lane],
    })
}

/// Bytes of three durations and a status, each with the space behind it: `0.001 0.020 0.000 200 `.
const NUMBERS_BYTES: usize = 22;

/// Their digits, 0 to 9 each.
#[derive(Clone, Copy)]
struct Numbers([u8; NUMBERS_BYTES]);

impl Numbers {
    /// Durations below ten seconds and a status of at most 599, with all that stands between their digits.
    #[inline(always)]
    fn read(text: &[u8; NUMBERS_BYTES]) -> Option<Self> {
        const ZERO: &[u8; NUMBERS_BYTES] = b"0.000 0.000 0.000 000 ";
        // What may be added without a carry into the upper half of the byte: to a digit 6, to the first of a status 10.
        const ROOM: &[u8; NUMBERS_BYTES] = &[6, 15, 6, 6, 6, 15, 6, 15, 6, 6, 6, 15, 6, 15, 6, 6, 6, 15, 10, 6, 6, 15];
        let digits: [u8; NUMBERS_BYTES] = std::array::from_fn(|place| text[place] ^ ZERO[place]);
        let over =
            (0..NUMBERS_BYTES).fold(0, |over, place| over | digits[place] | digits[place].wrapping_add(ROOM[place]));
        (over & 0xf0 == 0).then_some(Self(digits))
    }

    #[inline(always)]
    fn duration_us(&self, which: usize) -> u64 {
        let [seconds, tenths, hundredths, thousandths] =
            [0, 2, 3, 4].map(|place| self.0.get(6 * which + place).map_or(0, |digit| u64::from(*digit)));
        (((seconds * 10 + tenths) * 10 + hundredths) * 10 + thousandths) * 1_000
    }

    #[inline(always)]
    fn status(&self) -> u16 {
        let [.., hundreds, tens, ones, _] = self.0;
        (u16::from(hundreds) * 10 + u16::from(tens)) * 10 + u16::from(ones)
    }
}

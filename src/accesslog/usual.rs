//! Lines of the shape that nearly all have, read without a jump that depends on the length of a field.
//!
//! A field's end is looked for in the next 64 bytes at once, and where it may lie in any of several blocks, in all of them: to
//! look in vain costs less than a jump that the processor cannot foresee.
//!
//! Absent on purpose: what a line means that is shaped in any other way, and why it cannot be read. That is for
//! [`Decoder::decode`] to say, and what is read here is what that would read.
#![expect(
    clippy::inline_always,
    reason = "all of it must become part of a function that is compiled for a wider processor"
)]

use std::ops::Range;

use crate::accesslog::alb::{Action, Decoder, Request, Wants};
use crate::accesslog::blocks::{BLOCK, Work, widely};
use crate::accesslog::request_line::RequestLine;
use crate::accesslog::time::USUAL_BYTES;

/// Bytes from the start of a line in which all must lie that is wanted of it. A power of two, so that a place is kept within it
/// by leaving out its upper bits.
const REACH: usize = 1024;
/// Bytes that can be read without a look at where the text ends.
const HEAD_BYTES: usize = REACH + BLOCK;

/// Memory for the places of line ends, used again for every text.
#[derive(Clone, Debug, Default)]
pub struct LineEnds(Vec<u32>);

/// The start of a line, and whatever follows it.
#[derive(Clone, Copy)]
struct Head<'t>(&'t [u8; HEAD_BYTES]);

/// Reading the lines of a text.
struct Reading<'t, 'd, F> {
    decoder: &'d mut Decoder,
    /// Whole lines, and what happens to stand behind them.
    text: &'t [u8],
    length: usize,
    ends: &'d mut Vec<u32>,
    load_balancer: &'t [u8],
    each: F,
}

impl Decoder {
    /// Reads the lines in the first `length` bytes of a text of less than 4 GiB, the last of which is a newline, and tells
    /// `each` line in turn what it is; `None` says nothing of it, so that this decoder has to look at it again.
    pub fn usual_lines<'t>(
        &mut self,
        text: &'t [u8],
        length: usize,
        ends: &mut LineEnds,
        load_balancer: &'t [u8],
        each: impl FnMut(&mut Self, Range<usize>, Option<&Request<'t>>),
    ) {
        widely(Reading { decoder: self, text, length, ends: &mut ends.0, load_balancer, each });
    }
}

impl<'t, F: FnMut(&mut Decoder, Range<usize>, Option<&Request<'t>>)> Work for Reading<'t, '_, F> {
    #[inline(always)]
    fn work(mut self, equal: impl Fn(u8, &[u8; BLOCK]) -> u64) {
        find_ends(self.text.get(..self.length).unwrap_or_default(), self.ends, &equal);
        let mut start = 0;
        for end in self.ends.iter().map(|end| *end as usize) {
            let request = usual(self.decoder, self.text, start..end, self.load_balancer, &equal);
            (self.each)(self.decoder, start..end, request.as_ref());
            start = end + 1;
        }
    }
}

#[inline(always)]
fn find_ends(text: &[u8], ends: &mut Vec<u32>, equal: &impl Fn(u8, &[u8; BLOCK]) -> u64) {
    ends.clear();
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [0; BLOCK];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let mut place = 0;
    for block in blocks.iter().chain([&last]) {
        let mut newlines = equal(b'\n', block);
        while newlines != 0 {
            ends.push(place + newlines.trailing_zeros());
            newlines &= newlines - 1;
        }
        place += 64;
    }
}

/// Reads a line, if it is of the usual shape and all that is wanted of it lies within reach.
#[inline(always)]
fn usual<'t>(
    decoder: &mut Decoder,
    text: &'t [u8],
    line: Range<usize>,
    load_balancer: &'t [u8],
    equal: &impl Fn(u8, &[u8; BLOCK]) -> u64,
) -> Option<Request<'t>> {
    let head = Head(text.get(line.start..)?.first_chunk()?);
    let kind_end = place(equal(b' ', head.block(0)));
    let minute = decoder.minutes.read_usual(head.chunk(kind_end + 1)?)?;
    let elb = kind_end + 1 + USUAL_BYTES;
    let client = elb + 1 + load_balancer.len() + 1;
    let is_elb = head.0.get(elb + 1..client - 1)? == load_balancer;
    let spaces = equal(b' ', head.block(client));
    let rest = spaces & spaces.wrapping_sub(1);
    let (client_end, target_end) = (client + place(spaces), client + place(rest));
    let dispatched = target_end > client_end + 2 || head.byte(client_end + 1) != b'-';
    let numbers = Numbers::read(head.chunk(target_end + 1)?)?;
    // target_status_code, received_bytes and sent_bytes
    let codes = target_end + 1 + NUMBERS_BYTES;
    let three = equal(b' ', head.block(codes));
    let two = three & three.wrapping_sub(1);
    let one = two & two.wrapping_sub(1);
    let none_empty =
        (three & 1) | (spaces & 1) | (adjacent(three) & up_to(one)) | (adjacent(spaces) & up_to(rest)) == 0;
    let request = codes + place(one) + 1;
    let request_end = head.quoted_end(request, equal)?;
    let is_usual = kind_end > 0
        && head.byte(elb) == b' '
        && head.byte(client - 1) == b' '
        && is_elb
        && none_empty
        && one != 0
        && rest != 0
        && (dispatched || !decoder.wants.has(Wants::ACTION));
    if !is_usual {
        return None;
    }
    let (target_group, last) = if decoder.wants.has(Wants::TARGET_GROUP) {
        let arn = head.arn(request_end + 2, equal)?;
        // Most lines without a target group have no target either, and are read for that.
        (Some(decoder.groups.read_usual(head.0, arn.clone())?), arn.end)
    } else {
        (None, request_end)
    };
    if last >= line.len().min(REACH) {
        return None;
    }
    let total = decoder.wants.has(Wants::TOTAL);
    Some(Request {
        minute,
        load_balancer,
        websocket: (kind_end <= 3 && head.byte(0) == b'w' && head.byte(1) == b's') || numbers.status() == 101,
        dispatched,
        request_us: total.then(|| numbers.duration_us(0)),
        target_us: Some(numbers.duration_us(1)),
        response_us: total.then(|| numbers.duration_us(2)),
        status: numbers.status(),
        line: if decoder.wants.has(Wants::REQUEST_LINE) {
            RequestLine::read(head.0.get(request + 1..request_end)?)
        } else {
            RequestLine::default()
        },
        target_group,
        action: Action::Forward,
        elapsed_us: None,
    })
}

/// The place of the first bit; 64 if there is none.
#[inline(always)]
fn place(bits: u64) -> usize {
    bits.trailing_zeros() as usize
}

/// Bits behind a bit.
#[inline(always)]
fn adjacent(bits: u64) -> u64 {
    bits & bits << 1
}

/// All bits up to the first of these.
#[inline(always)]
fn up_to(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

impl<'t> Head<'t> {
    /// The block from a place on; beyond the reach it is another one.
    #[inline(always)]
    fn block(self, from: usize) -> &'t [u8; BLOCK] {
        let rest = self.0.get(from % REACH..).and_then(<[u8]>::first_chunk);
        rest.unwrap_or(&[0; BLOCK])
    }

    #[inline(always)]
    fn chunk<const LENGTH: usize>(self, from: usize) -> Option<&'t [u8; LENGTH]> {
        self.block(from).first_chunk()
    }

    #[inline(always)]
    fn byte(self, at: usize) -> u8 {
        let [first, ..] = *self.block(at);
        first
    }

    /// The quote that closes what a quote opens here, if it is the next one.
    #[inline(always)]
    fn quoted_end(self, quote: usize, equal: &impl Fn(u8, &[u8; BLOCK]) -> u64) -> Option<usize> {
        let mut from = quote + 1;
        let near = equal(b'"', self.block(from));
        let next = equal(b'"', self.block(from + BLOCK));
        let far = equal(b'"', self.block(from + 2 * BLOCK));
        let (mut found, ahead) = if next == 0 { (far, 2) } else { (next, 1) };
        let ahead = if near == 0 { ahead } else { 0 };
        found = if near == 0 { found } else { near };
        from += ahead * BLOCK;
        while found == 0 && from < REACH {
            from += BLOCK;
            found = equal(b'"', self.block(from));
        }
        let end = from + place(found);
        let is_plain = self.byte(quote) == b'"' && self.byte(end + 1) == b' ' && self.byte(end - 1) != b'\\';
        (is_plain && end < REACH).then_some(end)
    }

    /// The ARN of the target group, three fields behind the user agent that starts here.
    #[inline(always)]
    fn arn(self, agent: usize, equal: &impl Fn(u8, &[u8; BLOCK]) -> u64) -> Option<Range<usize>> {
        let cipher = self.quoted_end(agent, equal)? + 2;
        let spaces = equal(b' ', self.block(cipher));
        let rest = spaces & spaces.wrapping_sub(1);
        let (protocol, arn) = (cipher + place(spaces) + 1, cipher + place(rest) + 1);
        // It is longer than other fields.
        let (near, far) = (equal(b' ', self.block(arn)), equal(b' ', self.block(arn + BLOCK)));
        let end = if near == 0 { BLOCK + place(far) } else { place(near) };
        let is_bare = rest != 0 && [cipher, protocol, arn].iter().all(|field| self.byte(*field) != b'"');
        is_bare.then_some(arn..arn + end)
    }
}

/// Bytes of three durations and a status, each with the space behind it: `0.001 0.020 0.000 200 `.
const NUMBERS_BYTES: usize = 22;

/// Their digits, 0 to 9 each, and zeros between them.
#[derive(Clone, Copy)]
struct Numbers {
    front: [u8; 8],
    middle: [u8; 8],
    back: [u8; 8],
}

impl Numbers {
    /// Durations below ten seconds and a status of at most 599, with all that stands between their digits.
    #[inline(always)]
    fn read(text: &[u8; NUMBERS_BYTES]) -> Option<Self> {
        let (front, rest) = text.split_first_chunk::<8>()?;
        // What differs from zeros, and what may be added to it without a carry into the upper half of a byte: 6 to a digit, 10 to
        // the first one of a status.
        let digits = |text: &[u8; 8], zeros: &[u8; 8]| u64::from_le_bytes(*text) ^ u64::from_le_bytes(*zeros);
        let over = |digits: u64, room: [u8; 8]| digits | digits.wrapping_add(u64::from_le_bytes(room));
        let front = digits(front, b"0.000 0.");
        let middle = digits(rest.first_chunk()?, b"000 0.00");
        let back = digits(text.last_chunk()?, b"000 000 ");
        let all = over(front, [6, 15, 6, 6, 6, 15, 6, 15])
            | over(middle, [6, 6, 6, 15, 6, 15, 6, 6])
            | over(back, [6, 6, 6, 15, 10, 6, 6, 15]);
        let [front, middle, back] = [front, middle, back].map(u64::to_le_bytes);
        (all & 0xf0f0_f0f0_f0f0_f0f0 == 0).then_some(Self { front, middle, back })
    }

    /// Request, target and response processing time by number.
    #[inline(always)]
    fn duration_us(&self, which: usize) -> u64 {
        let (front, middle, back) = (&self.front, &self.middle, &self.back);
        let digits = match which {
            0 => [front[0], front[2], front[3], front[4]],
            1 => [front[6], middle[0], middle[1], middle[2]],
            _ => [middle[4], back[0], back[1], back[2]],
        };
        digits.into_iter().fold(0, |number, digit| number * 10 + u64::from(digit)) * 1_000
    }

    #[inline(always)]
    fn status(&self) -> u16 {
        let [.., hundreds, tens, ones, _] = self.back;
        (u16::from(hundreds) * 10 + u16::from(tens)) * 10 + u16::from(ones)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ELB: &str = "app/shop/50dc6c495c0c9188";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b1c2d3e4f5a6b7c";

    fn line(client: &str, url: &str, agent: &str, group: &str) -> String {
        format!(
            "https 2026-10-31T23:50:10.500000Z {ELB} {client} 10.0.0.1:8080 0.001 0.020 0.000 200 200 34 366 \
             \"POST https://shop.example.com:443/{url} HTTP/2.0\" \"{agent}\" TLS_AES_128_GCM_SHA256 TLSv1.3 {group} \"Root=1-0\" \
             \"shop.example.com\" \"-\" 1 2026-10-31T23:50:10.479000Z \"waf,forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_0d"
        )
    }

    /// What each line of a text is, without those that are left to [`Decoder::decode`], and how many there are of each.
    fn usual_of(text: &str, wants: Wants) -> (usize, usize) {
        let mut decoder = Decoder::new(wants);
        let (mut known, mut lines) = (0, Vec::new());
        // The decoder learns where names of target groups start from the first line that it has to look at again.
        let length = text.rfind('\n').map_or(0, |end| end + 1);
        decoder.usual_lines(
            text.as_bytes(),
            length,
            &mut LineEnds::default(),
            ELB.as_bytes(),
            |decoder, line, request| {
                let whole = &text.as_bytes()[line.clone()];
                let slowly = decoder.decode(whole);
                if let Some(request) = request {
                    assert_eq!(slowly.as_ref(), Ok(request), "{}", String::from_utf8_lossy(whole));
                    known += 1;
                }
                lines.push(line);
            },
        );
        let whole: Vec<_> = text.split('\n').map(str::len).collect();
        let whole = &whole[..whole.len() - 1];
        assert_eq!(lines.iter().map(Range::len).collect::<Vec<_>>(), whole);
        (known, lines.len())
    }

    #[test]
    fn nearly_all_lines_are_usual() {
        let long = format!("cart?{}", "visit=1&".repeat(60));
        let lines = [
            line("198.51.100.7:2817", "cart", "curl/8", GROUP),
            line("198.51.100.7:2817", "cart", "", GROUP),
            line("2001:db8:85a3::8a2e:370:7334:50599", &long, "Mozilla/5.0 (X11; Linux)  Gecko", GROUP),
            line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace("https ", "wss "),
            line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace("200 200", "502 -"),
        ];
        let text = lines.join("\n").repeat(40) + "\n" + &"x".repeat(HEAD_BYTES);
        for wants in [Wants::NOTHING, Wants::TARGET_GROUP, Wants::ALL] {
            let (known, all) = usual_of(&text, wants);
            assert!(known + 1 >= all, "{known} of {all} with {wants:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn what_is_usual_is_what_a_whole_look_says(
            changes in prop::collection::vec((0..1_400_usize, 0..6_usize, "[ -~]|[\"\\\\ \\n\\r:/.0-9-]{0,4}|é| - | \" \"|\" \""), 0..5),
            which in 0..6_usize,
            wants in 0..32_u8,
        ) {
            let wants = (0..5_u8).filter(|bit| wants >> bit & 1 == 1).fold(Wants::NOTHING, |all, bit| {
                all.and([Wants::TARGET_GROUP, Wants::REQUEST_LINE, Wants::ACTION, Wants::ELAPSED, Wants::TOTAL][usize::from(bit)])
            });
            let one = match which {
                0 => line("198.51.100.7:2817", "cart", "curl/8", GROUP),
                1 => line("2001:db8::7:2817", "a b", "", "-"),
                2 => line("198.51.100.7:2817", &"x".repeat(300), "agent \\x22quoted\\x22", GROUP),
                3 => line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace("10.0.0.1:8080 0.001 0.020 0.000", "- -1 -1 -1"),
                4 => line("198.51.100.7:2817", "cart", "a \"stray\" quote", GROUP).replace("0.020", "12.020"),
                _ => line("198.51.100.7:2817", "cart", &"y ".repeat(200), &GROUP.replace("orders", &"n".repeat(33))),
            };
            let mut text: Vec<char> = format!("{0}\n{1}\n{1}\n{0}\n{2}", line("198.51.100.7:1", "", "-", GROUP), one, "z".repeat(900)).chars().collect();
            for (at, cut, put) in changes {
                let at = at.min(text.len());
                let end = (at + cut).min(text.len());
                text.splice(at..end, put.chars());
            }
            usual_of(&text.into_iter().collect::<String>(), wants);
        }
    }
}

//! Where the fields of one usual line are, found field by field so that several lines can be read in step, and what the
//! line is.
#![expect(
    clippy::inline_always,
    reason = "all of it must become part of a function that is compiled for a wider processor"
)]

use std::ops::Range;

use crate::accesslog::alb::{Action, Decoder, Request, Wants};
use crate::accesslog::blocks::{BLOCK, Block, SEARCHED, within};
use crate::accesslog::group::GroupName;
use crate::accesslog::time::USUAL_BYTES;

/// Bytes from the start of a line in which all must lie that is wanted of it. A power of two, so that a place is kept
/// within it by leaving out its upper bits.
const REACH: usize = 1024;
/// Bytes that can be read without a look at where the text ends.
pub(super) const HEAD_BYTES: usize = REACH + BLOCK;

const NEWLINES: &Block = &[b'\n'; BLOCK];
const SPACES: &Block = &[b' '; BLOCK];
const QUOTES: &Block = &[b'"'; BLOCK];

/// The balancer's name, to be compared at once together with the spaces around it.
#[derive(Clone, Copy)]
pub(super) struct LoadBalancer<'t> {
    pub(super) name: &'t [u8],
    block: Block,
    /// Bits of those bytes that the name and its spaces have.
    bits: u64,
}

impl<'t> LoadBalancer<'t> {
    pub(super) fn new(name: &'t [u8]) -> Self {
        // A name that is too long to be compared here is that of no line: no field has a newline.
        let (mut block, mut bits) = (*NEWLINES, 1);
        if let Some([before, rest @ ..]) = block.get_mut(..name.len() + 2)
            && let Some((same, [behind, ..])) = rest.split_at_mut_checked(name.len())
        {
            same.copy_from_slice(name);
            (*before, *behind) = (b' ', b' ');
            bits = u64::MAX >> (BLOCK - name.len() - 2);
        }
        Self { name, block, bits }
    }
}

/// The start of a line, and whatever follows it.
#[derive(Clone, Copy)]
struct Head<'t>(&'t [u8; HEAD_BYTES]);

impl Default for Head<'_> {
    fn default() -> Self {
        Self(&[0; HEAD_BYTES])
    }
}

/// Where the fields of a line are, by their first byte; nonsense in a line that is not of the usual shape.
#[derive(Clone, Copy, Default)]
pub(super) struct Places<'t> {
    pub(super) start: usize,
    pub(super) end: usize,
    /// All other places are counted from the line's start.
    head: Head<'t>,
    kind_end: usize,
    is_elb: bool,
    client: usize,
    /// Spaces from the client on.
    spaces: u64,
    codes: usize,
    /// Spaces from there on, behind `target_status_code`, `received_bytes` and `sent_bytes`.
    code_spaces: u64,
    request: usize,
    request_end: usize,
    cipher: usize,
    /// Spaces from there on.
    cipher_spaces: u64,
    arn: usize,
}

impl<'t> Places<'t> {
    #[inline(always)]
    pub(super) fn begin(&mut self, text: &'t [u8], line: Range<usize>) {
        (self.start, self.end) = (line.start, line.end);
        if let Some(head) = text.get(line.start..).and_then(<[u8]>::first_chunk) {
            self.head = Head(head);
        }
    }

    #[inline(always)]
    pub(super) fn find_client(&mut self, load_balancer: &LoadBalancer<'_>, equal: &impl Fn(&Block, &Block) -> u64) {
        self.kind_end = place(equal(SPACES, self.head.block(0)));
        let time_end = self.kind_end + 1 + USUAL_BYTES;
        let other = !equal(&load_balancer.block, self.head.block(time_end));
        self.is_elb = other & load_balancer.bits == 0;
        self.client = time_end + 1 + load_balancer.name.len() + 1;
    }

    #[inline(always)]
    pub(super) fn find_codes(&mut self, equal: &impl Fn(&Block, &Block) -> u64) {
        self.spaces = equal(SPACES, self.head.block(self.client));
        self.codes = self.client + place(behind(self.spaces)) + 1 + NUMBERS_BYTES;
    }

    #[inline(always)]
    pub(super) fn find_request(&mut self, equal: &impl Fn(&Block, &Block) -> u64) {
        self.code_spaces = equal(SPACES, self.head.block(self.codes));
        self.request = self.codes + place(behind(behind(self.code_spaces))) + 1;
    }

    #[inline(always)]
    pub(super) fn find_agent(&mut self, equal: &impl Fn(&Block, &Block) -> u64) {
        self.request_end = self.head.quoted_end(self.request, equal);
    }

    #[inline(always)]
    pub(super) fn find_cipher(&mut self, equal: &impl Fn(&Block, &Block) -> u64) {
        self.cipher = self.head.quoted_end(self.request_end + 2, equal) + 2;
    }

    #[inline(always)]
    pub(super) fn find_target_group(&mut self, equal: &impl Fn(&Block, &Block) -> u64) {
        self.cipher_spaces = equal(SPACES, self.head.block(self.cipher));
        self.arn = self.cipher + place(behind(self.cipher_spaces)) + 1;
    }

    /// What the line is, if it is of the usual shape and all that is wanted of it lies within reach.
    #[inline(always)]
    pub(super) fn request(&self, decoder: &mut Decoder, load_balancer: &'t [u8]) -> Option<Request<'t>> {
        let Self { head, kind_end, client, spaces, codes, code_spaces, request, request_end, .. } = *self;
        let minute = decoder.minutes.read_usual(head.chunk(kind_end + 1)?)?;
        let numbers = Numbers::read(head.chunk(codes - NUMBERS_BYTES)?)?;
        let (client_end, target_end) = (client + place(spaces), codes - NUMBERS_BYTES - 1);
        let dispatched = target_end > client_end + 2 || head.byte(client_end + 1) != b'-';
        let (target, last_code) = (behind(spaces), behind(behind(code_spaces)));
        let none_empty =
            (behind_another(code_spaces) & up_to(last_code)) | (behind_another(spaces) & up_to(target)) == 0;
        let is_usual = (1..BLOCK).contains(&kind_end)
            && self.is_elb
            && none_empty
            && last_code != 0
            && target != 0
            && head.is_quoted(request, request_end)
            && (dispatched || !decoder.wants.has(Wants::ACTION));
        if !is_usual {
            return None;
        }
        let (target_group, last) = if decoder.wants.has(Wants::TARGET_GROUP) {
            // Most lines without a target group have no target either, and are read for that.
            let (name, end) = self.target_group(decoder)?;
            (Some(name), end)
        } else {
            (None, request_end)
        };
        if last >= (self.end - self.start).min(REACH) {
            return None;
        }
        let total = decoder.wants.has(Wants::TOTAL);
        Some(Request {
            minute,
            load_balancer,
            websocket: self.is_websocket() || numbers.status() == 101,
            dispatched,
            request_us: total.then(|| numbers.duration_us(0)),
            target_us: Some(numbers.duration_us(1)),
            response_us: total.then(|| numbers.duration_us(2)),
            status: numbers.status(),
            request: head.0.get(request + 1..request_end)?,
            target_group,
            action: Action::Forward,
            elapsed_us: None,
        })
    }

    /// Whether the type is `ws` or `wss`.
    #[inline(always)]
    fn is_websocket(&self) -> bool {
        let [first, second, third, fourth, ..] = *self.head.0;
        let start = u32::from_le_bytes([first, second, third, fourth]);
        start == u32::from_le_bytes(*b"wss ") || start << 8 == u32::from_le_bytes(*b"\0ws ")
    }

    /// The name of the target group, three fields behind the user agent, and where it ends.
    #[inline(always)]
    fn target_group(&self, decoder: &Decoder) -> Option<(GroupName, usize)> {
        let Self { head, request_end, cipher, cipher_spaces, arn, .. } = *self;
        let protocol = cipher + place(cipher_spaces) + 1;
        let is_bare = behind(cipher_spaces) != 0 && head.byte(cipher) != b'"' && head.byte(protocol) != b'"';
        if !(is_bare && head.is_quoted(request_end + 2, cipher - 2)) {
            return None;
        }
        decoder.groups.read_usual(head.0, arn)
    }
}

/// The place of the first bit; 64 if there is none.
#[inline(always)]
fn place(bits: u64) -> usize {
    bits.trailing_zeros() as usize
}

/// All bits but the first.
#[inline(always)]
fn behind(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// Those of these spaces that stand behind another: a space stands before all of them too.
#[inline(always)]
fn behind_another(spaces: u64) -> u64 {
    spaces & (spaces << 1 | 1)
}

/// All bits up to the first of these.
#[inline(always)]
fn up_to(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

impl<'t> Head<'t> {
    /// The block from a place on; beyond the reach it is another one.
    #[inline(always)]
    fn block(self, from: usize) -> &'t Block {
        let from = from % REACH;
        let block = self.0.get(from..from + BLOCK).and_then(<[u8]>::first_chunk);
        block.unwrap_or(&[0; BLOCK])
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

    /// Where the next quote is behind this one.
    #[inline(always)]
    fn quoted_end(self, quote: usize, equal: &impl Fn(&Block, &Block) -> u64) -> usize {
        let mut from = quote + 1;
        let near = equal(QUOTES, self.block(from));
        let next = equal(QUOTES, self.block(from + BLOCK));
        let far = equal(QUOTES, self.block(from + 2 * BLOCK));
        let (mut found, ahead) = if next == 0 { (far, 2) } else { (next, 1) };
        let ahead = if near == 0 { ahead } else { 0 };
        found = if near == 0 { found } else { near };
        from += ahead * BLOCK;
        while found == 0 && from < REACH {
            from += BLOCK;
            found = equal(QUOTES, self.block(from));
        }
        from + place(found)
    }

    /// Whether the next quote closes what a quote opens here.
    #[inline(always)]
    fn is_quoted(self, quote: usize, end: usize) -> bool {
        end < REACH && self.byte(quote) == b'"' && self.byte(end + 1) == b' ' && self.byte(end - 1) != b'\\'
    }
}

/// Bytes of three durations and a status, each with the space behind it: `0.001 0.020 0.000 200 `.
const NUMBERS_BYTES: usize = 22;

/// Durations below ten seconds and a status of at most 599, with all that stands between their digits.
#[derive(Clone, Copy)]
struct Numbers<'t>(&'t [u8; SEARCHED]);

impl<'t> Numbers<'t> {
    #[inline(always)]
    fn read(text: &'t [u8; SEARCHED]) -> Option<Self> {
        const ZEROS: &[u8; SEARCHED] = b"0.000 0.000 0.000 000           ";
        const MOST: &[u8; SEARCHED] = &[
            9, 0, 9, 9, 9, 0, 9, 0, 9, 9, 9, 0, 9, 0, 9, 9, 9, 0, 5, 9, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255,
            255, 255,
        ];
        within(text, ZEROS, MOST).then_some(Self(text))
    }

    /// Request, target and response processing time by number.
    #[inline(always)]
    fn duration_us(self, which: usize) -> u64 {
        let text = self.0;
        let digits = match which {
            0 => [text[0], text[2], text[3], text[4]],
            1 => [text[6], text[8], text[9], text[10]],
            _ => [text[12], text[14], text[15], text[16]],
        };
        let [s, t, h, m] = digits;
        let ms = ((u32::from(s) * 10 + u32::from(t)) * 10 + u32::from(h)) * 10 + u32::from(m);
        u64::from(ms - 1_111 * u32::from(b'0')) * 1_000
    }

    #[inline(always)]
    fn status(self) -> u16 {
        let text = self.0;
        let [hundreds, tens, ones] = [text[18], text[19], text[20]];
        (u16::from(hundreds) * 10 + u16::from(tens)) * 10 + u16::from(ones) - 111 * u16::from(b'0')
    }
}

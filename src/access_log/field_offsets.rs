//! Where the fields of one usual line are, found field by field so that several lines can be read in step, and what the
//! line is.
#![expect(
    clippy::inline_always,
    reason = "all of it must become part of a function that is compiled for a wider processor"
)]

use std::ops::Range;

use crate::access_log::alb::{Action, Decoder, OptionalFields, Request};
use crate::access_log::simd::{BLOCK_BYTES, Block, HALF_BLOCK_BYTES, all_within};
use crate::access_log::target_group::TargetGroupName;
use crate::access_log::timestamp::TIMESTAMP_BYTES;

/// Bytes from the start of a line in which all must lie that is wanted of it. A power of two, so that a place is kept
/// within it by leaving out its upper bits.
const SEARCH_BYTES: usize = 1024;
/// Bytes that can be read without a look at where the text ends.
pub(super) const HEAD_BYTES: usize = SEARCH_BYTES + BLOCK_BYTES;

const NEWLINES: &Block = &[b'\n'; BLOCK_BYTES];
const SPACES: &Block = &[b' '; BLOCK_BYTES];
const QUOTES: &Block = &[b'"'; BLOCK_BYTES];

/// The balancer's name, to be compared at once together with the spaces around it.
#[derive(Clone, Copy)]
pub(super) struct LoadBalancerMatcher<'t> {
    pub(super) name: &'t [u8],
    block: Block,
    /// Bits of those bytes that the name and its spaces have.
    mask: u64,
}

impl<'t> LoadBalancerMatcher<'t> {
    pub(super) fn new(name: &'t [u8]) -> Self {
        // A name that is too long to be compared here is that of no line: no field has a newline.
        let (mut block, mut mask) = (*NEWLINES, 1);
        if let Some([before, rest @ ..]) = block.get_mut(..name.len() + 2)
            && let Some((same, [behind, ..])) = rest.split_at_mut_checked(name.len())
        {
            same.copy_from_slice(name);
            (*before, *behind) = (b' ', b' ');
            mask = u64::MAX >> (BLOCK_BYTES - name.len() - 2);
        }
        Self { name, block, mask }
    }
}

/// The start of a line, and whatever follows it.
#[derive(Clone, Copy)]
struct LineHead<'t>(&'t [u8; HEAD_BYTES]);

impl Default for LineHead<'_> {
    fn default() -> Self {
        Self(&[0; HEAD_BYTES])
    }
}

/// Where the fields of a line are, by their first byte; nonsense in a line that is not of the usual shape.
#[derive(Clone, Copy, Default)]
pub(super) struct FieldOffsets<'t> {
    pub(super) start: usize,
    pub(super) end: usize,
    /// All other places are counted from the line's start.
    head: LineHead<'t>,
    kind_end: usize,
    has_load_balancer: bool,
    client_start: usize,
    /// Spaces from the client on.
    client_spaces: u64,
    target_status_start: usize,
    /// Spaces from there on, behind `target_status_code`, `received_bytes` and `sent_bytes`.
    target_status_spaces: u64,
    request_start: usize,
    request_end: usize,
    cipher_start: usize,
    /// Spaces from there on.
    cipher_spaces: u64,
    arn_start: usize,
}

impl<'t> FieldOffsets<'t> {
    #[inline(always)]
    pub(super) fn reset(&mut self, text: &'t [u8], line: Range<usize>) {
        (self.start, self.end) = (line.start, line.end);
        if let Some(head) = text.get(line.start..).and_then(<[u8]>::first_chunk) {
            self.head = LineHead(head);
        }
    }

    #[inline(always)]
    pub(super) fn find_client(
        &mut self,
        load_balancer: &LoadBalancerMatcher<'_>,
        equal_mask: &impl Fn(&Block, &Block) -> u64,
    ) {
        self.kind_end = first_bit(equal_mask(SPACES, self.head.block_at(0)));
        let time_end = self.kind_end + 1 + TIMESTAMP_BYTES;
        let mismatches = !equal_mask(&load_balancer.block, self.head.block_at(time_end));
        self.has_load_balancer = mismatches & load_balancer.mask == 0;
        self.client_start = time_end + 1 + load_balancer.name.len() + 1;
    }

    #[inline(always)]
    pub(super) fn find_target_status(&mut self, equal_mask: &impl Fn(&Block, &Block) -> u64) {
        self.client_spaces = equal_mask(SPACES, self.head.block_at(self.client_start));
        self.target_status_start =
            self.client_start + first_bit(without_first_bit(self.client_spaces)) + 1 + NUMBERS_BYTES;
    }

    #[inline(always)]
    pub(super) fn find_request(&mut self, equal_mask: &impl Fn(&Block, &Block) -> u64) {
        self.target_status_spaces = equal_mask(SPACES, self.head.block_at(self.target_status_start));
        self.request_start =
            self.target_status_start + first_bit(without_first_bit(without_first_bit(self.target_status_spaces))) + 1;
    }

    #[inline(always)]
    pub(super) fn find_request_end(&mut self, equal_mask: &impl Fn(&Block, &Block) -> u64) {
        self.request_end = self.head.find_closing_quote(self.request_start, equal_mask);
    }

    #[inline(always)]
    pub(super) fn find_cipher(&mut self, equal_mask: &impl Fn(&Block, &Block) -> u64) {
        self.cipher_start = self.head.find_closing_quote(self.request_end + 2, equal_mask) + 2;
    }

    #[inline(always)]
    pub(super) fn find_target_group(&mut self, equal_mask: &impl Fn(&Block, &Block) -> u64) {
        self.cipher_spaces = equal_mask(SPACES, self.head.block_at(self.cipher_start));
        self.arn_start = self.cipher_start + first_bit(without_first_bit(self.cipher_spaces)) + 1;
    }

    /// What the line is, if it is of the usual shape and all that is wanted of it lies within reach.
    #[inline(always)]
    pub(super) fn decode(&self, decoder: &mut Decoder, load_balancer: &'t [u8]) -> Option<Request<'t>> {
        let Self {
            head,
            kind_end,
            client_start: client,
            client_spaces: spaces,
            target_status_start: codes,
            target_status_spaces: code_spaces,
            request_start: request,
            request_end,
            ..
        } = *self;
        let minute = decoder.minute_parser.parse_fixed(head.chunk_at(kind_end + 1)?)?;
        let numbers = DurationsAndStatus::parse(head.chunk_at(codes - NUMBERS_BYTES)?)?;
        let (client_end, target_end) = (client + first_bit(spaces), codes - NUMBERS_BYTES - 1);
        let has_target = target_end > client_end + 2 || head.byte_at(client_end + 1) != b'-';
        let (target, last_code) = (without_first_bit(spaces), without_first_bit(without_first_bit(code_spaces)));
        let none_empty = (spaces_after_space(code_spaces) & bits_through_first(last_code))
            | (spaces_after_space(spaces) & bits_through_first(target))
            == 0;
        let is_usual = (1..BLOCK_BYTES).contains(&kind_end)
            && self.has_load_balancer
            && none_empty
            && last_code != 0
            && target != 0
            && head.is_quoted_field(request, request_end)
            && (has_target || !decoder.optional_fields.contains(OptionalFields::ACTION));
        if !is_usual {
            return None;
        }
        let (target_group, last_offset) = if decoder.optional_fields.contains(OptionalFields::TARGET_GROUP) {
            // Most lines without a target group have no target either, and are read for that.
            let (name, end) = self.read_target_group(decoder)?;
            (Some(name), end)
        } else {
            (None, request_end)
        };
        if last_offset >= (self.end - self.start).min(SEARCH_BYTES) {
            return None;
        }
        let reads_processing_times = decoder.optional_fields.contains(OptionalFields::PROCESSING_TIMES);
        Some(Request {
            minute,
            load_balancer,
            is_websocket: self.is_websocket() || numbers.status() == 101,
            has_target,
            request_us: reads_processing_times.then(|| numbers.duration_us(0)),
            target_us: Some(numbers.duration_us(1)),
            response_us: reads_processing_times.then(|| numbers.duration_us(2)),
            status: numbers.status(),
            request_line: head.0.get(request + 1..request_end)?,
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
    fn read_target_group(&self, decoder: &Decoder) -> Option<(TargetGroupName, usize)> {
        let Self { head, request_end, cipher_start: cipher, cipher_spaces, arn_start: arn, .. } = *self;
        let protocol = cipher + first_bit(cipher_spaces) + 1;
        let is_bare =
            without_first_bit(cipher_spaces) != 0 && head.byte_at(cipher) != b'"' && head.byte_at(protocol) != b'"';
        if !(is_bare && head.is_quoted_field(request_end + 2, cipher - 2)) {
            return None;
        }
        decoder.target_group_parser.parse_cached(head.0, arn)
    }
}

/// The place of the first bit; 64 if there is none.
#[inline(always)]
fn first_bit(bits: u64) -> usize {
    bits.trailing_zeros() as usize
}

/// All bits but the first.
#[inline(always)]
fn without_first_bit(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// Those of these spaces that stand behind another: a space stands before all of them too.
#[inline(always)]
fn spaces_after_space(spaces: u64) -> u64 {
    spaces & (spaces << 1 | 1)
}

/// All bits up to the first of these.
#[inline(always)]
fn bits_through_first(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

impl<'t> LineHead<'t> {
    /// The block from a place on; beyond the reach it is another one.
    #[inline(always)]
    fn block_at(self, from: usize) -> &'t Block {
        let from = from % SEARCH_BYTES;
        let block = self.0.get(from..from + BLOCK_BYTES).and_then(<[u8]>::first_chunk);
        block.unwrap_or(&[0; BLOCK_BYTES])
    }

    #[inline(always)]
    fn chunk_at<const LENGTH: usize>(self, from: usize) -> Option<&'t [u8; LENGTH]> {
        self.block_at(from).first_chunk()
    }

    #[inline(always)]
    fn byte_at(self, index: usize) -> u8 {
        let [first, ..] = *self.block_at(index);
        first
    }

    /// Where the next quote is behind this one.
    #[inline(always)]
    fn find_closing_quote(self, quote: usize, equal_mask: &impl Fn(&Block, &Block) -> u64) -> usize {
        let mut from = quote + 1;
        let near = equal_mask(QUOTES, self.block_at(from));
        let next = equal_mask(QUOTES, self.block_at(from + BLOCK_BYTES));
        let far = equal_mask(QUOTES, self.block_at(from + 2 * BLOCK_BYTES));
        let (mut found, ahead) = if next == 0 { (far, 2) } else { (next, 1) };
        let ahead = if near == 0 { ahead } else { 0 };
        found = if near == 0 { found } else { near };
        from += ahead * BLOCK_BYTES;
        while found == 0 && from < SEARCH_BYTES {
            from += BLOCK_BYTES;
            found = equal_mask(QUOTES, self.block_at(from));
        }
        from + first_bit(found)
    }

    /// Whether the next quote closes what a quote opens here.
    #[inline(always)]
    fn is_quoted_field(self, quote: usize, end: usize) -> bool {
        end < SEARCH_BYTES
            && self.byte_at(quote) == b'"'
            && self.byte_at(end + 1) == b' '
            && self.byte_at(end - 1) != b'\\'
    }
}

/// Bytes of three durations and a status, each with the space behind it: `0.001 0.020 0.000 200 `.
const NUMBERS_BYTES: usize = 22;

/// Durations below ten seconds and a status of at most 599, with all that stands between their digits.
#[derive(Clone, Copy)]
struct DurationsAndStatus<'t>(&'t [u8; HALF_BLOCK_BYTES]);

impl<'t> DurationsAndStatus<'t> {
    #[inline(always)]
    fn parse(text: &'t [u8; HALF_BLOCK_BYTES]) -> Option<Self> {
        const ZEROS: &[u8; HALF_BLOCK_BYTES] = b"0.000 0.000 0.000 000           ";
        const MAX_DISTANCE: &[u8; HALF_BLOCK_BYTES] = &[
            9, 0, 9, 9, 9, 0, 9, 0, 9, 9, 9, 0, 9, 0, 9, 9, 9, 0, 5, 9, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255,
            255, 255,
        ];
        all_within(text, ZEROS, MAX_DISTANCE).then_some(Self(text))
    }

    /// Request, target and response processing time by number.
    #[inline(always)]
    fn duration_us(self, index: usize) -> u64 {
        let text = self.0;
        let digits = match index {
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

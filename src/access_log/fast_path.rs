//! Exists for speed only: reads lines of the common shape without a branch that depends on the length of a field.
//!
//! The end of a field is searched in the next 64 bytes at once, and where it may lie in any of several blocks, in all
//! of them: a search in vain costs less than a mispredicted branch. Its portable version is [`Decoder::decode`], which
//! also reads lines of any other shape; both give the same for every line.

use std::ops::Range;

use crate::access_log::alb::{Decoder, OptionalFields, Request};
use crate::access_log::simd::{BLOCK_BYTES, Block, EqualMask, FoldedCrc, SimdKernel, dispatch_simd};
use crate::access_log::target_group::TargetGroupName;
use crate::access_log::timestamp::{DurationsAndStatus, NUMBERS_BYTES, TIMESTAMP_BYTES};

/// Lines that are read in step: while the processor waits for an offset in one, it compares the next. The lines that
/// are left over are read one by one.
pub const LINES_PER_STEP: usize = 4;

struct FastPath<'t, 'd, F> {
    decoder: &'d mut Decoder,
    text: &'t [u8],
    start: usize,
    line_ends: &'d [u32],
    load_balancer: LoadBalancerMatcher<'t>,
    on_line: F,
}

impl Decoder {
    /// Reads the lines of a text from a start up to these newlines, and passes each on in turn; `None` says nothing of
    /// a line, so that it is left to [`Decoder::decode`].
    pub fn parse_fast<'t>(
        &mut self,
        text: &'t [u8],
        start: usize,
        line_ends: &[u32],
        load_balancer: &'t [u8],
        on_line: impl FnMut(&mut Self, Range<usize>, Option<&Request<'t>>),
    ) {
        let load_balancer = LoadBalancerMatcher::new(load_balancer);
        let kernel = FastPath { decoder: self, text, start, line_ends, load_balancer, on_line };
        if let Err(kernel) = dispatch_simd(kernel) {
            kernel.skip_lines();
        }
    }
}

impl<'t, F: FnMut(&mut Decoder, Range<usize>, Option<&Request<'t>>)> SimdKernel for FastPath<'t, '_, F> {
    #[inline(always)]
    fn run(
        mut self,
        equal_mask: impl EqualMask,
        _: impl Fn(&Block, &[Block; 2]) -> bool,
        _: Option<impl Fn(FoldedCrc, &[Block; 2]) -> FoldedCrc>,
    ) {
        let (full_steps, rest) = self.line_ends.as_chunks::<LINES_PER_STEP>();
        let mut start = self.start;
        for ends in full_steps {
            self.parse_lines(ends, &mut start, &equal_mask);
        }
        for end in rest {
            self.parse_lines(&[*end], &mut start, &equal_mask);
        }
    }
}

impl<'t, F: FnMut(&mut Decoder, Range<usize>, Option<&Request<'t>>)> FastPath<'t, '_, F> {
    /// Leaves all lines to [`Decoder::decode`].
    fn skip_lines(mut self) {
        for end in self.line_ends {
            (self.on_line)(self.decoder, self.start..*end as usize, None);
            self.start = *end as usize + 1;
        }
    }

    #[inline(always)]
    fn parse_lines<const LINES: usize>(
        &mut self,
        line_ends: &[u32; LINES],
        start: &mut usize,
        equal_mask: &impl EqualMask,
    ) {
        let mut lines = [FieldOffsets::default(); LINES];
        for (line, end) in lines.iter_mut().zip(line_ends) {
            line.reset(self.text, *start..*end as usize);
            *start = *end as usize + 1;
        }
        let elb = self.load_balancer;
        for line in &mut lines {
            line.find_client(&elb, equal_mask);
        }
        for line in &mut lines {
            line.find_target_status(equal_mask);
        }
        for line in &mut lines {
            line.find_request(equal_mask);
        }
        for line in &mut lines {
            line.find_request_end(equal_mask);
        }
        if self.decoder.optional_fields.contains(OptionalFields::TARGET_GROUP) {
            for line in &mut lines {
                line.find_cipher(equal_mask);
            }
            for line in &mut lines {
                line.find_target_group(equal_mask);
            }
        }
        for line in &lines {
            let request = line.decode(self.decoder, elb.name);
            (self.on_line)(self.decoder, line.start..line.end, request.as_ref());
        }
    }
}

/// Bytes from the start of a line that must contain all fields that are read. A power of two, so that an offset is
/// kept within it by masking its upper bits.
const SEARCH_BYTES: usize = 1024;
/// Bytes that can be read without a check of where the text ends.
const HEAD_BYTES: usize = SEARCH_BYTES + BLOCK_BYTES;

const NEWLINES: &Block = &[b'\n'; BLOCK_BYTES];
const SPACES: &Block = &[b' '; BLOCK_BYTES];
const QUOTES: &Block = &[b'"'; BLOCK_BYTES];

/// Compares the balancer's name together with the spaces around it.
#[derive(Clone, Copy)]
struct LoadBalancerMatcher<'t> {
    name: &'t [u8],
    block: Block,
    /// Bits of those bytes that the name and its spaces have.
    mask: u64,
}

impl<'t> LoadBalancerMatcher<'t> {
    fn new(name: &'t [u8]) -> Self {
        // A name that is too long to be compared here matches no line: no field has a newline.
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

/// The start of a line, and whatever follows the line.
#[derive(Clone, Copy)]
struct LineHead<'t>(&'t [u8; HEAD_BYTES]);

impl Default for LineHead<'_> {
    fn default() -> Self {
        Self(&[0; HEAD_BYTES])
    }
}

/// Offsets of the first bytes of a line's fields; meaningless in a line of another shape.
#[derive(Clone, Copy, Default)]
struct FieldOffsets<'t> {
    start: usize,
    end: usize,
    /// All other offsets are relative to the line's start.
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
    fn reset(&mut self, text: &'t [u8], line: Range<usize>) {
        (self.start, self.end) = (line.start, line.end);
        if let Some(head) = text.get(line.start..).and_then(<[u8]>::first_chunk) {
            self.head = LineHead(head);
        }
    }

    #[inline(always)]
    fn find_client(&mut self, load_balancer: &LoadBalancerMatcher<'_>, equal_mask: &impl EqualMask) {
        self.kind_end = first_bit(equal_mask(SPACES, self.head.block_at(0)));
        let time_end = self.kind_end + 1 + TIMESTAMP_BYTES;
        let mismatches = !equal_mask(&load_balancer.block, self.head.block_at(time_end));
        self.has_load_balancer = mismatches & load_balancer.mask == 0;
        self.client_start = time_end + 1 + load_balancer.name.len() + 1;
    }

    #[inline(always)]
    fn find_target_status(&mut self, equal_mask: &impl EqualMask) {
        self.client_spaces = equal_mask(SPACES, self.head.block_at(self.client_start));
        self.target_status_start =
            self.client_start + first_bit(without_first_bit(self.client_spaces)) + 1 + NUMBERS_BYTES;
    }

    #[inline(always)]
    fn find_request(&mut self, equal_mask: &impl EqualMask) {
        self.target_status_spaces = equal_mask(SPACES, self.head.block_at(self.target_status_start));
        self.request_start =
            self.target_status_start + first_bit(without_first_bit(without_first_bit(self.target_status_spaces))) + 1;
    }

    #[inline(always)]
    fn find_request_end(&mut self, equal_mask: &impl EqualMask) {
        self.request_end = self.head.find_closing_quote(self.request_start, equal_mask);
    }

    #[inline(always)]
    fn find_cipher(&mut self, equal_mask: &impl EqualMask) {
        self.cipher_start = self.head.find_closing_quote(self.request_end + 2, equal_mask) + 2;
    }

    #[inline(always)]
    fn find_target_group(&mut self, equal_mask: &impl EqualMask) {
        self.cipher_spaces = equal_mask(SPACES, self.head.block_at(self.cipher_start));
        self.arn_start = self.cipher_start + first_bit(without_first_bit(self.cipher_spaces)) + 1;
    }

    /// The request, if the line is of the common shape and the wanted fields lie within the head.
    #[inline(always)]
    fn decode(&self, decoder: &mut Decoder, load_balancer: &'t [u8]) -> Option<Request<'t>> {
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
            // Most lines without a target group have no target either, and are left to the full decoder for that.
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
            listener_response: None,
            elapsed_us: None,
        })
    }

    #[inline(always)]
    fn is_websocket(&self) -> bool {
        let [first, second, third, fourth, ..] = *self.head.0;
        let start = u32::from_le_bytes([first, second, third, fourth]);
        start == u32::from_le_bytes(*b"wss ") || start << 8 == u32::from_le_bytes(*b"\0ws ")
    }

    /// The name of the target group, three fields behind the user agent, and where the name ends.
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

/// The index of the first bit; 64 if there is none.
#[inline(always)]
fn first_bit(bits: u64) -> usize {
    bits.trailing_zeros() as usize
}

#[inline(always)]
fn without_first_bit(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// Spaces directly behind another space; the bit before the first counts as one.
#[inline(always)]
fn spaces_after_space(spaces: u64) -> u64 {
    spaces & (spaces << 1 | 1)
}

#[inline(always)]
fn bits_through_first(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

impl<'t> LineHead<'t> {
    /// The block from an offset on; beyond the head it is another one.
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

    #[inline(always)]
    fn find_closing_quote(self, quote: usize, equal_mask: &impl EqualMask) -> usize {
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

    /// Whether `quote` and `end` are the quotes around one field.
    #[inline(always)]
    fn is_quoted_field(self, quote: usize, end: usize) -> bool {
        end < SEARCH_BYTES
            && self.byte_at(quote) == b'"'
            && self.byte_at(end + 1) == b' '
            && self.byte_at(end - 1) != b'\\'
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::newlines::NewlineFinder;
    use proptest::prelude::*;

    const ELB: &str = "app/shop/50dc6c495c0c9188";
    const GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/orders/0b1c2d3e4f5a6b7c";

    fn format_line(client: &str, url: &str, agent: &str, group: &str) -> String {
        format!(
            "https 2026-10-31T23:50:10.500000Z {ELB} {client} 10.0.0.1:8080 0.001 0.020 0.000 200 200 34 366 \
             \"POST https://shop.example.com:443/{url} HTTP/2.0\" \"{agent}\" TLS_AES_128_GCM_SHA256 TLSv1.3 {group} \"Root=1-0\" \
             \"shop.example.com\" \"-\" 1 2026-10-31T23:50:10.479000Z \"waf,forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_0d"
        )
    }

    fn find_line_ends(text: &str) -> Vec<u32> {
        let mut ends = NewlineFinder::default();
        ends.reset(false);
        while ends.find_in_next(text.as_bytes(), 1 << 10) {}
        ends.offsets().to_vec()
    }

    /// What each line of a text is, without those that are left to [`Decoder::decode`], and how many there are of each.
    fn count_fast_path_lines(text: &str, wants: OptionalFields) -> (usize, usize) {
        let mut decoder = Decoder::new(wants);
        let (mut known, mut lines) = (0, Vec::new());
        // The decoder learns where names of target groups start from the first line that it has to look at again.
        decoder.parse_fast(text.as_bytes(), 0, &find_line_ends(text), ELB.as_bytes(), |decoder, line, request| {
            let whole = &text.as_bytes()[line.clone()];
            let slowly = decoder.decode(whole);
            if let Some(request) = request {
                assert_eq!(slowly.as_ref(), Ok(request), "{}", String::from_utf8_lossy(whole));
                known += 1;
            }
            lines.push(line);
        });
        let whole: Vec<_> = text.split('\n').map(str::len).collect();
        let whole = &whole[..whole.len() - 1];
        assert_eq!(lines.iter().map(Range::len).collect::<Vec<_>>(), whole);
        (known, lines.len())
    }

    #[test]
    fn common_lines_take_fast_path() {
        let long = format!("cart?{}", "visit=1&".repeat(60));
        let lines = [
            format_line("198.51.100.7:2817", "cart", "curl/8", GROUP),
            format_line("198.51.100.7:2817", "cart", "", GROUP),
            format_line("2001:db8:85a3::8a2e:370:7334:50599", &long, "Mozilla/5.0 (X11; Linux)  Gecko", GROUP),
            format_line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace("https ", "wss "),
            format_line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace("200 200", "502 -"),
        ];
        let text = lines.join("\n").repeat(40) + "\n" + &"x".repeat(HEAD_BYTES);
        for wants in [OptionalFields::NONE, OptionalFields::TARGET_GROUP, OptionalFields::ALL] {
            let (known, all) = count_fast_path_lines(&text, wants);
            assert!(known + 1 >= all, "{known} of {all} with {wants:?}");
        }
    }

    #[test]
    fn load_balancer_is_not_confused_with_another_of_same_prefix() {
        for length in [30, 63, 64, 65, 70] {
            let name = "n".repeat(length);
            let shorter = "n".repeat(length - 1);
            for other in [format!("{name}x"), format!("{shorter}x"), shorter] {
                let line = format_line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace(ELB, &other);
                let text = format!("{line}\n{}", "x".repeat(HEAD_BYTES));
                let mut decoder = Decoder::new(OptionalFields::NONE);
                decoder.parse_fast(text.as_bytes(), 0, &find_line_ends(&text), name.as_bytes(), |_, _, request| {
                    assert_eq!(request, None, "{name} is not {other}");
                });
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        #[test]
        fn fast_path_agrees_with_full_decoder(
            changes in prop::collection::vec((0..1_400_usize, 0..6_usize, "[ -~]|[\"\\\\ \\n\\r:/.0-9-]{0,4}|é| - | \" \"|\" \""), 0..5),
            which in 0..8_usize,
            wants in 0..16_u8,
            kind in 60..70_usize,
            glued: bool,
        ) {
            let wants = (0..4_u8).filter(|bit| wants >> bit & 1 == 1).fold(OptionalFields::NONE, |all, bit| {
                all.union([OptionalFields::TARGET_GROUP, OptionalFields::ACTION, OptionalFields::ELAPSED, OptionalFields::PROCESSING_TIMES][usize::from(bit)])
            });
            let one = match which {
                0 => format_line("198.51.100.7:2817", "cart", "curl/8", GROUP),
                1 => format_line("2001:db8::7:2817", "a b", "", "-"),
                2 => format_line("198.51.100.7:2817", &"x".repeat(300), "agent \\x22quoted\\x22", GROUP),
                3 => format_line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace("10.0.0.1:8080 0.001 0.020 0.000", "- -1 -1 -1"),
                4 => format_line("198.51.100.7:2817", "cart", "a \"stray\" quote", GROUP).replace("0.020", "12.020"),
                5 => format_line("198.51.100.7:2817", "cart", "curl/8", GROUP).replace(if glued { "https " } else { "https" }, &"k".repeat(kind)),
                6 => format_line("198.51.100.7:2817", "cart", "", &GROUP.replace("arn:", "xrn:").replace("orders", "orders\0")).replace("https", "wsx"),
                _ => format_line("198.51.100.7:2817", "cart", &"y ".repeat(200), &GROUP.replace("orders", &"n".repeat(33))),
            };
            let mut text: Vec<char> = format!("{0}\n{1}\n{1}\n{0}\n{2}", format_line("198.51.100.7:1", "", "-", GROUP), one, "z".repeat(900)).chars().collect();
            for (at, cut, put) in changes {
                let at = at.min(text.len());
                let end = (at + cut).min(text.len());
                text.splice(at..end, put.chars());
            }
            count_fast_path_lines(&text.into_iter().collect::<String>(), wants);
        }
    }
}

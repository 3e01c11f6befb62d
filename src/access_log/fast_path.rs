//! Lines of the shape that nearly all have, read without a jump that depends on the length of a field.
//!
//! A field's end is looked for in the next 64 bytes at once, and where it may lie in any of several blocks, in all of
//! them: to look in vain costs less than a jump that the processor cannot foresee.
//!
//! Absent on purpose: what a line means that is shaped in any other way, and why it cannot be read. That is for
//! [`Decoder::decode`] to say, and what is read here is what that would read.
#![expect(
    clippy::inline_always,
    reason = "all of it must become part of a function that is compiled for a wider processor"
)]

use std::ops::Range;

use crate::access_log::alb::{Decoder, OptionalFields, Request};
use crate::access_log::field_offsets::{FieldOffsets, LoadBalancerMatcher};
use crate::access_log::simd::{Block, FoldedCrc, SimdKernel, dispatch_simd};

/// Lines that are read in step: while the processor waits for a place in one, it compares the next. Others are read one
/// by one.
pub const LINES_PER_STEP: usize = 4;

/// Reading lines whose ends are known.
struct FastPath<'t, 'd, F> {
    decoder: &'d mut Decoder,
    /// The lines, and what happens to stand behind them.
    text: &'t [u8],
    start: usize,
    line_ends: &'d [u32],
    load_balancer: LoadBalancerMatcher<'t>,
    on_line: F,
}

impl Decoder {
    /// Reads lines of a text, the first of which starts here, up to these ends, and tells `each` in turn what it is;
    /// `None` says nothing of it, so that this decoder has to look at it again.
    pub fn parse_fast<'t>(
        &mut self,
        text: &'t [u8],
        start: usize,
        line_ends: &[u32],
        load_balancer: &'t [u8],
        on_line: impl FnMut(&mut Self, Range<usize>, Option<&Request<'t>>),
    ) {
        let load_balancer = LoadBalancerMatcher::new(load_balancer);
        dispatch_simd(FastPath { decoder: self, text, start, line_ends, load_balancer, on_line });
    }
}

impl<'t, F: FnMut(&mut Decoder, Range<usize>, Option<&Request<'t>>)> SimdKernel for FastPath<'t, '_, F> {
    #[inline(always)]
    fn run(
        mut self,
        equal_mask: impl Fn(&Block, &Block) -> u64,
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
    /// Reads lines that follow each other, in step.
    #[inline(always)]
    fn parse_lines<const LINES: usize>(
        &mut self,
        line_ends: &[u32; LINES],
        start: &mut usize,
        equal_mask: &impl Fn(&Block, &Block) -> u64,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::access_log::field_offsets::HEAD_BYTES;
    use crate::access_log::newlines::NewlineFinder;

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

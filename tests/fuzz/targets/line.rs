//! Any bytes as lines of a log: whether a line parses must not depend on what is asked of it, on who reads it, or on what
//! stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slowburn_fuzz::accesslog::alb::{Decoder, Wants};
use slowburn_fuzz::accesslog::classic::{self, Records};
use slowburn_fuzz::accesslog::ends::LineEnds;
use slowburn_fuzz::accesslog::recognise::recognise;
use slowburn_fuzz::visible::{is_unsafe, visible};

const BALANCER: &[u8] = b"app/shop/50dc6c495c0c9188";

fuzz_target!(|data: &[u8]| {
    let mut records = Records::default();
    let mut bytes = 0;
    for line in data.split(|byte| *byte == b'\n') {
        assert!(!recognise(line).to_string().is_empty());
        let all = Decoder::new(Wants::ALL).decode(line);
        let few = Decoder::new(Wants::NOTHING).decode(line);
        assert_eq!(all.as_ref().map(|request| request.minute), few.as_ref().map(|request| request.minute));
        assert_eq!(all.as_ref().err(), few.as_ref().err());
        if let Err(fault) = all {
            assert!(!visible(&fault.to_string()).chars().any(is_unsafe));
        }
        records.line(line, |record| {
            bytes += record.len();
            drop(classic::decode(record));
        });
    }
    records.finish(|record| bytes += record.len());
    assert!(bytes <= data.len());
    for wants in [Wants::NOTHING, Wants::TARGET_GROUP.and(Wants::ACTION), Wants::ALL] {
        // What stands behind the lines must not matter to them, so there is a little of it.
        let text = [data, b"\n\"\\ "].concat();
        let (mut ends, mut lines) = (LineEnds::default(), 0);
        ends.start(true);
        while ends.find(&text[..=data.len()], 1 << 10) {}
        Decoder::new(wants).usual_lines(&text, 0, ends.found(), BALANCER, |_, line, request| {
            lines += 1;
            if let Some(request) = request {
                assert_eq!(Ok(*request), Decoder::new(wants).decode(&text[line]));
            }
        });
        assert_eq!(lines, data.iter().filter(|byte| **byte == b'\n').count() + 1);
    }
});

//! Any bytes as lines of a log: whether a line parses must not depend on what is asked of it, on who reads it, or on what
//! stands around it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slowburn_fuzz::access_log::alb::{Decoder, OptionalFields};
use slowburn_fuzz::access_log::classic::{self, RecordAssembler};
use slowburn_fuzz::access_log::unparsed_line::detect_line_kind;
use slowburn_fuzz::access_log::newlines::NewlineFinder;
use slowburn_fuzz::text::{escape_non_printing, is_non_printing};

const BALANCER: &[u8] = b"app/shop/50dc6c495c0c9188";

fuzz_target!(|data: &[u8]| {
    let mut records = RecordAssembler::default();
    let mut bytes = 0;
    for line in data.split(|byte| *byte == b'\n') {
        assert!(!detect_line_kind(line).to_string().is_empty());
        let all = Decoder::new(OptionalFields::ALL).decode(line);
        let few = Decoder::new(OptionalFields::NONE).decode(line);
        assert_eq!(all.as_ref().map(|request| request.minute), few.as_ref().map(|request| request.minute));
        assert_eq!(all.as_ref().err(), few.as_ref().err());
        if let Err(fault) = all {
            assert!(!escape_non_printing(&fault.to_string()).chars().any(is_non_printing));
        }
        records.push_line(line, |record| {
            bytes += record.len();
            drop(classic::decode(record));
        });
    }
    records.finish(|record| bytes += record.len());
    assert!(bytes <= data.len());
    for wants in [OptionalFields::NONE, OptionalFields::TARGET_GROUP.union(OptionalFields::ACTION), OptionalFields::ALL]
    {
        // What stands behind the lines must not matter to them, so there is a little of it.
        let text = [data, b"\n\"\\ "].concat();
        let (mut ends, mut lines) = (NewlineFinder::default(), 0);
        ends.reset(true);
        while ends.find_in_next(&text[..=data.len()], 1 << 10) {}
        Decoder::new(wants).parse_fast(&text, 0, ends.offsets(), BALANCER, |_, line, request| {
            lines += 1;
            if let Some(request) = request {
                assert_eq!(Ok(*request), Decoder::new(wants).decode(&text[line]));
            }
        });
        assert_eq!(lines, data.iter().filter(|byte| **byte == b'\n').count() + 1);
    }
});

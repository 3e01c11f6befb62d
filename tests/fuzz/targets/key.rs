//! Any text as the key of an object.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slowburn_fuzz::access_log::object_key::{object_identity, parse_folder_day, parse_key};

fuzz_target!(|key: &str| {
    assert!(key.contains(object_identity(key)) && !object_identity(key).contains('/'));
    assert!(parse_folder_day(key).is_none_or(|day| key.ends_with(&day.to_string().replace('-', "/"))));
    if let Ok(object) = parse_key(key) {
        assert!(!object.load_balancer.contains('.'));
        assert_eq!(object.interval_end.to_string().len(), "2026-10-31T23:50Z".len());
    }
});

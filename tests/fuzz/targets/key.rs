//! Any text as the key of an object.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slowburn_fuzz::accesslog::key::{ObjectKind, day_of_folder, identity, read};

fuzz_target!(|key: &str| {
    assert!(key.contains(identity(key)) && !identity(key).contains('/'));
    assert!(day_of_folder(key).is_none_or(|day| key.ends_with(&day.to_string().replace('-', "/"))));
    if let ObjectKind::Alb(object) | ObjectKind::ClassicElb(object) = read(key) {
        assert!(object.account.len() == 12 && !object.load_balancer.contains('.'));
        assert_eq!(object.interval_end.to_string().len(), "2026-10-31T23:50Z".len());
    }
});

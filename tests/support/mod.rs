//! Helpers shared by integration and library tests: sample log files, and data outside the repository.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::io::Write;
use std::path::Path;

/// Runs a future that waits only for files.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// External test data; `None`, with a note on stderr, where it is not available.
#[allow(clippy::print_stdout, reason = "a suite says what it leaves out")]
pub(crate) fn shared(part: &str) -> Option<std::path::PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "it names where test data lie, not how the program behaves")]
    let root = std::env::var_os("SLOWBURN_SHARED").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    let path = std::path::Path::new(&root).join(part);
    if path.exists() {
        return Some(path);
    }
    println!("left out: there is no {}", path.display());
    None
}

/// A complete log line in the current format.
pub(crate) fn alb_line(minute: &str, status: u16) -> String {
    format!(
        "https {minute}:10.500000Z app/shop/0a1b 198.51.100.7:2817 10.0.0.1:80 0.001 0.020 0.000 {status} {status} 34 366 \
         \"GET https://shop.example.com:443/cart?id=1 HTTP/2.0\" \"curl/8 \\x22x\\x22\" TLS_AES_128_GCM_SHA256 TLSv1.3 \
         arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/0b \"Root=1-0\" \"shop.example.com\" \"-\" 1 \
         {minute}:10.479000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"{status}\" \"-\" \"-\" TID_0d \"-\" \"-\" \"-\" 192.0.2.1\n"
    )
}

pub(crate) fn gzip(text: &(impl AsRef<[u8]> + ?Sized)) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text.as_ref()).unwrap();
    writer.finish().unwrap()
}

pub(crate) const FOLDER: &str = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1/2026/11/01";

pub(crate) const FILE_NAME_PREFIX: &str = "123456789012_elasticloadbalancing_eu-west-1_";

pub(crate) fn write_object(root: &Path, key: &str, bytes: &[u8]) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

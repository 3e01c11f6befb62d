//! A folder or a bucket, with the usual slips in its URL.

use super::identifier::TextLine;
use super::scalar::FromText;
use crate::slo::problem::Explained;

/// A folder, or `s3://<bucket>/<prefix>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::slo) struct LocationYaml(pub(in crate::slo) String);

impl FromText for LocationYaml {
    const PATTERN: &'static str = r"^(s3://[a-z0-9.-]{3,63}(/[^\u0000-\u001f\u007f-\u009f]{0,990})?|(?![A-Za-z][A-Za-z0-9+.-]+:/|arn:|[sS]3(:|//))[^\u0000-\u001f\u007f-\u009f]{1,1000})$";
    const NOUN: &'static str = "a folder or an S3 location";
    const EXAMPLE: &'static str = "s3://my-logs/prefix";

    fn from_text(text: &str) -> Result<Self, Explained> {
        TextLine::from_text(text)?;
        let invalid = |hint: String| Err(Explained::new(format!("`{text}` is not a valid location"), hint));
        if text.starts_with("arn:") {
            let object = text.split_once(":s3:::").map_or("<bucket>/<prefix>", |(_, object)| object);
            return invalid(format!("write `s3://{object}`"));
        }
        let Some((scheme, path)) = split_scheme(text) else { return Ok(Self(text.to_owned())) };
        match scheme.to_ascii_lowercase().as_str() {
            "s3" if text.starts_with("s3:///") || path.is_empty() => {
                Err(Explained::new(format!("`{text}` has no bucket name"), "write `s3://<bucket>/<prefix>`"))
            }
            "s3" if text.strip_prefix("s3://") == Some(path) => match check_s3_location(text, path) {
                Some(explained) => Err(explained),
                None => Ok(Self(text.to_owned())),
            },
            "s3" | "s3a" | "s3n" => invalid(format!("did you mean `s3://{path}`?")),
            "file" => invalid(format!("did you mean `/{path}`?")),
            _ => Err(Explained::new(
                format!("`{scheme}:` locations are not supported"),
                "use a folder or `s3://<bucket>/<prefix>`",
            )),
        }
    }
}

/// Why there is no such bucket, or no such prefix in front of `AWSLogs/`.
fn check_s3_location(text: &str, path: &str) -> Option<Explained> {
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(is_allowed) {
        let hint = "a bucket name has 3 to 63 lowercase letters, digits, `.` and `-`";
        return Some(Explained::new(format!("invalid bucket name `{bucket}`"), hint));
    }
    // Load balancers add `AWSLogs` themselves, and refuse a prefix that contains it.
    let folder_depth = prefix.split('/').position(|part| part == "AWSLogs")?;
    let parts: Vec<&str> = [bucket].into_iter().chain(prefix.split('/').take(folder_depth)).collect();
    Some(Explained::new(
        format!("`{text}` contains `AWSLogs`, which is added to the prefix"),
        format!("omit it: `s3://{}`", parts.join("/")),
    ))
}

/// The scheme of what looks like a URL, or like one of S3 without its colon or slashes, and what follows. A drive of
/// Windows is none.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let is_s3 = |(scheme, rest): &(&str, &str)| {
        scheme.eq_ignore_ascii_case("s3") && (rest.starts_with(':') || rest.starts_with("//"))
    };
    if let Some((scheme, rest)) = text.split_at_checked(2).filter(is_s3) {
        return Some((scheme, rest.trim_start_matches([':', '/'])));
    }
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    (is_scheme && rest.starts_with('/')).then(|| (scheme, rest.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_location_is_explained() {
        for text in ["./logs", "/var/log:x", "logs/of:us", "s3://bucket", "s3://bucket/a/b/", "C:/logs", "s3/x"] {
            assert!(LocationYaml::from_text(text).is_ok(), "{text}");
        }
        for (text, message, hint) in [
            ("s3:/bucket/x", "`s3:/bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("S3://bucket/x", "`S3://bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("s3//bucket/x", "`s3//bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("s3:bucket/x", "`s3:bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            (
                "s3://My_Bucket",
                "invalid bucket name `My_Bucket`",
                "a bucket name has 3 to 63 lowercase letters, digits, `.` and `-`",
            ),
            (
                "s3://bucket/a/AWSLogs/123",
                "`s3://bucket/a/AWSLogs/123` contains `AWSLogs`, which is added to the prefix",
                "omit it: `s3://bucket/a`",
            ),
            ("s3a://bucket/x", "`s3a://bucket/x` is not a valid location", "did you mean `s3://bucket/x`?"),
            ("s3://", "`s3://` has no bucket name", "write `s3://<bucket>/<prefix>`"),
            ("s3:///x", "`s3:///x` has no bucket name", "write `s3://<bucket>/<prefix>`"),
            ("gs:/bucket", "`gs:` locations are not supported", "use a folder or `s3://<bucket>/<prefix>`"),
            ("file:///logs", "`file:///logs` is not a valid location", "did you mean `/logs`?"),
            ("arn:aws:s3:::bucket/x", "`arn:aws:s3:::bucket/x` is not a valid location", "write `s3://bucket/x`"),
        ] {
            assert_eq!(LocationYaml::from_text(text), Err(Explained::new(message, hint)), "{text}");
        }
    }
}

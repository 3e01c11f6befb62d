//! Locations: a directory or `s3://bucket/prefix`, and the keys below such a prefix.

use std::path::PathBuf;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    Directory(PathBuf),
    /// A bucket, and a prefix without slashes at its ends; it may be empty.
    S3 {
        bucket: String,
        prefix: String,
    },
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err("`s3://` needs a bucket name\nhint: use `s3://bucket/prefix`".to_owned());
            }
            return Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() });
        }
        if let Some(rest) = text.strip_prefix("s3:") {
            let meant = rest.trim_matches('/');
            return Err(format!("`{text}` is not a valid location\nhint: did you mean `s3://{meant}`?"));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!("`{scheme}://` is not supported\nhint: use a folder or `s3://bucket/prefix`"));
        }
        if text.is_empty() {
            return Err("the location is empty\nhint: use a folder or `s3://bucket/prefix`".to_owned());
        }
        Ok(Self::Directory(text.into()))
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// The keys of a bucket below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Prefix {
    pub bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl S3Prefix {
    /// The prefix has no slashes at its ends.
    pub fn new(bucket: &str, prefix: &str) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { bucket: bucket.to_owned(), prefix }
    }

    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The part of a key below the prefix; `None` if the key is elsewhere.
    pub fn relative_key<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.prefix)
    }
}

impl std::fmt::Display for S3Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefix = self.prefix.trim_end_matches('/').to_owned();
        Location::S3 { bucket: self.bucket.clone(), prefix }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_parses_as_directory_or_bucket() {
        let parse = |text: &str| text.parse::<Location>();
        assert_eq!(parse("ledger/of:us"), Ok(Location::Directory("ledger/of:us".into())));
        for (text, prefix) in [("s3://b", ""), ("s3://b/", ""), ("s3://b/a/c/", "a/c")] {
            assert_eq!(parse(text), Ok(Location::S3 { bucket: "b".to_owned(), prefix: prefix.to_owned() }));
        }
        assert_eq!(parse("s3://b/a/").unwrap().to_string(), "s3://b/a");
        for (prefix, key) in [("", "x/y"), ("a/c", "a/c/x/y")] {
            let keys = S3Prefix::new("b", prefix);
            assert_eq!((keys.key("x/y").as_str(), keys.relative_key(key)), (key, Some("x/y")));
            assert_eq!(keys.to_string(), parse(&format!("s3://b/{prefix}")).unwrap().to_string());
        }
        assert_eq!(S3Prefix::new("b", "a").relative_key("ab/x"), None);
        assert!(parse("s3:///a").unwrap_err().contains("bucket"));
        assert!(parse("gs://b/a").unwrap_err().contains("gs://"));
        assert!(parse("s3:/b/a").unwrap_err().ends_with("did you mean `s3://b/a`?"));
    }
}

//! A place as a person writes it: a directory, or `s3://bucket/prefix`.

use std::path::PathBuf;
use std::str::FromStr;

/// A directory, or a prefix of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A bucket, and a prefix without slashes at its ends; it may be empty.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix.
        prefix: String,
    },
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some((scheme, _)) => {
                    Err(format!("`{scheme}://` is not supported: name a directory or `s3://bucket/prefix`"))
                }
                None => Ok(Self::Directory(text.into())),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("`s3://` lacks the name of the bucket: `s3://bucket/prefix`".to_owned());
        }
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_directory_or_a_bucket() {
        let place = |text: &str| text.parse::<Location>();
        assert_eq!(place("ledger/of:us"), Ok(Location::Directory("ledger/of:us".into())));
        for (text, prefix) in [("s3://b", ""), ("s3://b/", ""), ("s3://b/a/c/", "a/c")] {
            assert_eq!(place(text), Ok(Location::S3 { bucket: "b".to_owned(), prefix: prefix.to_owned() }));
        }
        assert_eq!(place("s3://b/a/").unwrap().to_string(), "s3://b/a");
        assert!(place("s3:///a").unwrap_err().contains("bucket"));
        assert!(place("gs://b/a").unwrap_err().contains("gs://"));
    }
}

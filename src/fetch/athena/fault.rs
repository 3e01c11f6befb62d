//! Why a query gave no answer, in words, with the remedy.
//!
//! The reasons are texts that Athena writes for people; there is no list of them. What each begins with: "Troubleshooting in
//! Athena" (<https://docs.aws.amazon.com/athena/latest/ug/troubleshooting-athena.html>), and Trino's names of errors.

use std::fmt;

use super::Bytes;
use crate::aws::Refusal;
use crate::visible::visible;

/// Why there is no answer, and what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// What happened.
    pub said: String,
    /// The remedy.
    pub remedy: String,
    /// Whether somebody asked us to stop.
    pub is_stop: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.said, self.remedy)
    }
}

/// What can be done about the tables that slowburn makes.
const OUR_TABLES: &str = "`slowburn tables --create` makes the tables that fleet.yaml names";
const OUR_COLUMNS: &str = "the table has other columns than `slowburn tables` prints: let `athena` name a table that was made with it, or check what \
                           this role may see in Lake Formation";

/// What a reason says, and its remedy. The first that fits is taken, so that the narrower ones come first.
const REMEDIES: &[(&[&str], &str)] = &[
    (
        &["Bytes scanned limit was exceeded"],
        "the workgroup allows a query fewer bytes: raise its limit of data scanned per query, or name another `workgroup`",
    ),
    (&["TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "Table not found", "Database does not exist"], OUR_TABLES),
    (&["COLUMN_NOT_FOUND"], OUR_COLUMNS),
    (
        &["NoSuchBucket", "bucket does not exist", "to save your query results"],
        "the bucket is not there: make that of `results` of the source in fleet.yaml, in the source's region, or name another; it may also \
         be the one of the workgroup, or of the table's logs",
    ),
    (
        &[
            "ccess denied",
            "ccess Denied",
            "AccessDenied",
            "not authorized",
            "nsufficient permissions",
            "PERMISSION_DENIED",
            "Forbidden",
        ],
        "the role lacks a permission: on the bucket of logs `s3:GetObject` and `s3:ListBucket`, in Glue `glue:GetTable` and \
         `glue:GetPartitions`, and on the bucket of results, if there is one, `s3:PutObject`",
    ),
    (&["exhausted resources"], "Athena had no room for it: run again with fewer `--days`, or split the source"),
    (&["timeout", "timed out"], "run again with fewer `--days`"),
    (
        &["No output location", "output location", "output bucket"],
        "say `results: s3://<bucket>/<prefix>` of the source in fleet.yaml, or let the workgroup manage results",
    ),
    (
        &["ManagedQueryResultsConfiguration"],
        "the workgroup keeps results itself: remove `results` of the source in fleet.yaml",
    ),
    (&["WorkGroup", "Workgroup", "workgroup"], "check `workgroup` of the source in fleet.yaml, and its region"),
    (
        &["HIVE_BAD_DATA", "HIVE_CURSOR_ERROR", "HIVE_CANNOT_OPEN_SPLIT"],
        "an object of the bucket cannot be read as a log: see whether something else was copied to that place",
    ),
];

impl Fault {
    pub(super) fn new(said: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { said: said.into(), remedy: remedy.into(), is_stop: false }
    }

    /// We were asked to stop while it was not done.
    #[must_use]
    pub fn stopped() -> Self {
        let said = "stopped before Athena had answered; its query was cancelled";
        Self { is_stop: true, ..Self::new(said, "run again to ask for the rest") }
    }

    /// A query that nobody knew the size of turned out to scan more than the run may.
    pub(super) fn too_much(scanned: Bytes, query: &str) -> Self {
        Self::new(
            format!(
                "the query {query} had scanned {scanned}, for {}, and that is more than the run may: it was cancelled",
                scanned.billed().price()
            ),
            "from now on that much is expected of it: see whether the days of the table are its partitions, as `slowburn tables` \
             prints it, or raise `scan_limit` of the source in fleet.yaml",
        )
    }

    /// The same of a team's own query, whose tables and columns are none of ours.
    #[must_use]
    pub(super) fn of_own_query(self, path: &str) -> Self {
        let remedy = match self.remedy.as_str() {
            OUR_TABLES => {
                "check the tables that the file names, with their databases: they must be in the catalog of the source's account and region"
                    .to_owned()
            }
            OUR_COLUMNS => {
                "check the columns that the file names, and what this role may see in Lake Formation".to_owned()
            }
            _ => self.remedy,
        };
        Self { said: format!("`{path}`: {}", self.said), remedy, ..self }
    }

    /// A request to Athena was refused.
    pub(super) fn refused(refusal: &Refusal) -> Self {
        // `InvalidRequestException` and the like say nothing; what follows does.
        let remedy = match refusal.code.as_str() {
            "InvalidRequestException" => {
                remedy(&refusal.said).unwrap_or("check `workgroup`, `results` and `region` of the source in fleet.yaml")
            }
            _ => refusal.remedy(),
        };
        Self::new(format!("Athena did not answer: {}", refusal.said), remedy)
    }

    /// A query ended without success.
    pub(super) fn ended(state: &str, reason: &str, category: Option<i32>, query: &str) -> Self {
        let reason = if reason.is_empty() { "no reason is given" } else { reason };
        let word = if state == "CANCELLED" { "was cancelled" } else { "failed" };
        let said = format!("the query {word}: {}", visible(reason));
        let remedy = match (remedy(reason), state, category) {
            (Some(remedy), ..) => remedy.to_owned(),
            (None, "CANCELLED", _) => {
                format!("somebody or a limit of the workgroup cancelled the query {query}; run again")
            }
            // "System errors are not under the control of the user" (`ErrorCategory`, API_AthenaError).
            (None, _, Some(1)) => {
                format!("the fault lies with AWS: run again; if it stays, ask them about the query {query}")
            }
            (None, ..) => format!("look at the query {query} in Athena's console"),
        };
        Self::new(said, remedy)
    }
}

fn remedy(reason: &str) -> Option<&'static str> {
    REMEDIES.iter().find(|(words, _)| words.iter().any(|word| reason.contains(word))).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_its_remedy() {
        let hint = |state: &str, reason: &str, category| Fault::ended(state, reason, category, "4e1c").remedy;
        for (reason, part) in [
            ("TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.elb.alb' does not exist", "slowburn tables"),
            ("Query cancelled! : Bytes scanned limit was exceeded", "limit of data scanned"),
            ("Query exhausted resources at this scale factor", "fewer `--days`"),
            ("Access denied when writing output to url: s3://results/", "permission"),
            ("The specified bucket does not exist (Service: Amazon S3; Error Code: NoSuchBucket)", "`results`"),
            (
                "COLUMN_NOT_FOUND: line 9:1: Column 'rest' cannot be resolved or requester is not authorized",
                "other columns",
            ),
        ] {
            assert!(hint("FAILED", reason, Some(2)).contains(part), "{reason}");
        }
        let own = |reason: &str| Fault::ended("FAILED", reason, Some(2), "4e1c").of_own_query("queries/own.sql").remedy;
        for reason in ["TABLE_NOT_FOUND: line 1:1", "SCHEMA_NOT_FOUND: line 1:1", "COLUMN_NOT_FOUND: line 1:1"] {
            assert!(own(reason).contains("the file names") && !own(reason).contains("slowburn tables"), "{reason}");
        }
        assert!(hint("CANCELLED", "", None).starts_with("somebody"));
        assert!(hint("FAILED", "GENERIC_INTERNAL_ERROR", Some(1)).contains("lies with AWS"));
        assert!(hint("FAILED", "DIVISION_BY_ZERO", Some(2)).contains("4e1c"));
    }
}

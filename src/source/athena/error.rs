//! Messages and hints for queries that failed.
//!
//! Athena gives its reasons as free text and publishes no list of them. The patterns below come from
//! "Troubleshooting in Athena" (<https://docs.aws.amazon.com/athena/latest/ug/troubleshooting-athena.html>) and Trino's
//! error names.

use std::borrow::Cow;

use crate::aws::AwsError;
use crate::cost::Bytes;
use crate::hinted_error::HintedError;
use crate::text::escape_non_printing;

const CREATE_TABLES_HINT: &str = "create the tables in fleet.yaml with `slowburn tables --create`";
const TABLE_COLUMNS_HINT: &str = "set `athena` to a table that `slowburn tables` created, since this one has different columns, \
                           or check the permissions of this role in Lake Formation";

/// Parts of reasons and the hint for each. The first match counts, so narrower patterns come first.
const HINTS: &[(&[&str], &str)] = &[
    (
        &["Bytes scanned limit was exceeded"],
        "raise the workgroup's limit on data scanned per query, or set another `workgroup`",
    ),
    (&["TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "Table not found", "Database does not exist"], CREATE_TABLES_HINT),
    (&["COLUMN_NOT_FOUND"], TABLE_COLUMNS_HINT),
    (
        &["NoSuchBucket", "bucket does not exist", "to save your query results"],
        "create the missing bucket, or set another: it is the bucket of `results` for the source in fleet.yaml (in the source's region), of the workgroup, or of the table's logs",
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
        "grant the role `s3:GetObject` and `s3:ListBucket` on the log bucket, `glue:GetTable` and \
         `glue:GetPartitions` in Glue, and `s3:PutObject` on the results bucket, if there is one",
    ),
    (&["exhausted resources"], "run again with fewer `--days`, or split the source: Athena ran out of resources"),
    (&["timeout", "timed out"], "run again with fewer `--days`"),
    (
        &["No output location", "output location", "output bucket"],
        "set `results: s3://<bucket>/<prefix>` for the source in fleet.yaml, or let the workgroup manage results",
    ),
    (
        &["ManagedQueryResultsConfiguration"],
        "remove `results` from the source in fleet.yaml: the workgroup manages query results",
    ),
    (&["WorkGroup", "Workgroup", "workgroup"], "check `workgroup` and `region` for the source in fleet.yaml"),
    (
        &["HIVE_BAD_DATA", "HIVE_CURSOR_ERROR", "HIVE_CANNOT_OPEN_SPLIT"],
        "remove objects that are not logs from the log folders: Athena cannot read one of them",
    ),
];

pub fn stopped_error() -> HintedError {
    HintedError::new("stopped and canceled the running Athena query", "run again to fetch the rest")
}

/// A query of unknown size turned out to scan more than the run may.
pub(super) fn over_limit_error(scanned: Bytes, query_id: &str) -> HintedError {
    HintedError::new(
        format!(
            "canceled query {query_id}, which had scanned {scanned} ({}), more than the run's limits allow",
            scanned.billed().price()
        ),
        "check that the table is partitioned by day, as in the output of `slowburn tables`, or raise `scan_limit` \
         for the source in fleet.yaml; later runs assume this scan size",
    )
}

/// The same error for a team's own query, whose tables and columns slowburn did not create.
pub(super) fn custom_query_error(error: HintedError, path: &str) -> HintedError {
    let hint = match &*error.hint {
        CREATE_TABLES_HINT => {
            "check the tables and databases in the file: they must be in the catalog of the source's account and region"
                .into()
        }
        TABLE_COLUMNS_HINT => {
            "check the columns in the file, and the permissions of this role in Lake Formation".into()
        }
        _ => error.hint,
    };
    HintedError::new(format!("`{path}`: {}", error.message), hint)
}

pub(super) fn request_error(error: impl Into<AwsError>) -> HintedError {
    let error = error.into();
    // The codes of `InvalidRequestException` and the like say nothing; their messages do.
    let hint = match error.code.as_str() {
        "InvalidRequestException" => {
            hint_for(&error.message).unwrap_or("check `workgroup`, `results` and `region` for the source in fleet.yaml")
        }
        _ => error.hint(),
    };
    HintedError::new(format!("cannot query Athena: {}", error.message), hint)
}

/// A query ended in the state `FAILED` or `CANCELLED`.
pub(super) fn final_state_error(state: &str, reason: &str, category: Option<i32>, query_id: &str) -> HintedError {
    let reason = if reason.is_empty() { "no reason given" } else { reason };
    let outcome = if state == "CANCELLED" { "was canceled" } else { "failed" };
    let hint: Cow<'static, str> = match (hint_for(reason), state, category) {
        (Some(hint), ..) => hint.into(),
        (None, "CANCELLED", _) => format!("run again: a user or a workgroup limit canceled query {query_id}").into(),
        // "System errors are not under the control of the user" (`ErrorCategory`, API_AthenaError).
        (None, _, Some(1)) => format!("run again; if it persists, contact AWS Support about query {query_id}").into(),
        (None, ..) => format!("open query {query_id} in the Athena console").into(),
    };
    HintedError::new(format!("the query {outcome}: {}", escape_non_printing(reason)), hint)
}

fn hint_for(reason: &str) -> Option<&'static str> {
    HINTS.iter().find(|(patterns, _)| patterns.iter().any(|pattern| reason.contains(pattern))).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_reason_maps_to_its_hint() {
        let hint = |state: &str, reason: &str, category| final_state_error(state, reason, category, "4e1c").hint;
        for (reason, part) in [
            ("TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.elb.alb' does not exist", "slowburn tables"),
            ("Query cancelled! : Bytes scanned limit was exceeded", "limit on data scanned"),
            ("Query exhausted resources at this scale factor", "fewer `--days`"),
            ("Access denied when writing output to url: s3://results/", "`s3:PutObject`"),
            ("The specified bucket does not exist (Service: Amazon S3; Error Code: NoSuchBucket)", "`results`"),
            (
                "COLUMN_NOT_FOUND: line 9:1: Column 'rest' cannot be resolved or requester is not authorized",
                "different columns",
            ),
        ] {
            assert!(hint("FAILED", reason, Some(2)).contains(part), "{reason}");
        }
        let custom_hint = |reason: &str| {
            custom_query_error(final_state_error("FAILED", reason, Some(2), "4e1c"), "queries/own.sql").hint
        };
        for reason in ["TABLE_NOT_FOUND: line 1:1", "SCHEMA_NOT_FOUND: line 1:1", "COLUMN_NOT_FOUND: line 1:1"] {
            assert!(
                custom_hint(reason).contains("in the file") && !custom_hint(reason).contains("slowburn tables"),
                "{reason}"
            );
        }
        assert!(hint("CANCELLED", "", None).contains("canceled query 4e1c"));
        assert!(hint("FAILED", "GENERIC_INTERNAL_ERROR", Some(1)).contains("AWS Support"));
        assert!(hint("FAILED", "DIVISION_BY_ZERO", Some(2)).contains("4e1c"));
    }
}

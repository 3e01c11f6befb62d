//! `GetQueryResults`: the rows of a query, page by page.
//!
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html>: at most 1,000 rows a page, the
//! first of which holds the names of the columns.

use aws_sdk_athena::types::{ResultSet, ResultSetMetadata};

use super::{AthenaSession, QueryError};
use crate::aws::AwsError;

/// Reads all rows behind the one of names, and tells the columns. `each` gets their names and a row's values, `None`
/// for NULL.
pub(super) async fn read_rows(
    session: &AthenaSession<'_>,
    query_id: &str,
    mut on_row: impl FnMut(&[String], &[Option<&str>]) -> Result<(), QueryError>,
) -> Result<Vec<String>, QueryError> {
    let (mut token, mut is_first) = (None, true);
    loop {
        let request = session.client.get_query_results().query_execution_id(query_id).set_next_token(token);
        let page = request.send().await.map_err(|error| QueryError::from_aws(&AwsError::from_sdk_error(&error)))?;
        let result_set = page.result_set();
        let columns = result_set.and_then(|set| set.result_set_metadata()).map(ResultSetMetadata::column_info);
        let columns: Vec<String> = columns.unwrap_or_default().iter().map(|column| column.name().to_owned()).collect();
        for row in result_set.map(ResultSet::rows).unwrap_or_default().iter().skip(usize::from(is_first)) {
            let values: Vec<Option<&str>> = row.data().iter().map(|value| value.var_char_value()).collect();
            on_row(&columns, &values)?;
        }
        is_first = false;
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(columns);
        }
    }
}

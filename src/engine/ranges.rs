//! Opens the sources that return the counts of any span: CloudWatch and Athena.

use super::athena::AthenaTables;
use super::cloudwatch::CloudWatchMetrics;
use super::commit::Committer;
use super::fetch::{CountSource, EmptySource};
use super::{EngineError, RunOptions};
use crate::discovery::Discovery;
use crate::fetch_plan::{RangeRequest, missing_ranges};
use crate::outcome::Diagnostics;
use crate::slo::SourceKind;
use crate::store::LedgerStore;

pub(super) async fn open<'a>(
    options: &'a RunOptions<'a>,
    discovery: &'a Discovery,
    request: &'a RangeRequest,
    committer: &mut Committer,
    store: &mut LedgerStore,
) -> Result<Box<dyn CountSource<'a> + 'a>, EngineError> {
    let mut diagnostics = Diagnostics::default();
    if committer.discard_future(request, options.now, store).await? {
        diagnostics.notes.push(format!(
            "discarded data from `{}` that an earlier run recorded for a time in the future; it is fetched again",
            request.source
        ));
    }
    let missing = missing_ranges(request, committer.fetched_ranges());
    if missing.is_empty() {
        diagnostics.notes.push(format!("`{}` is already fetched up to {}", request.source, request.end));
        return Ok(Box::new(EmptySource(diagnostics)));
    }
    Ok(match &request.kind {
        SourceKind::CloudWatch { aws, account } => {
            let target = (aws, account.as_deref(), discovery);
            Box::new(CloudWatchMetrics::open(options, request, &missing, target, diagnostics, store).await?)
        }
        SourceKind::Athena { aws, athena } => {
            Box::new(AthenaTables::open(options, request, &missing, (aws, athena), diagnostics, store).await?)
        }
        SourceKind::AccessLogs { .. } | SourceKind::Counts { .. } => Box::new(EmptySource(diagnostics)),
    })
}

//! Writes under the fencing token of a pass.

use domain::{ObjectId, now};
use store::{Counts, Pass, PutResult};

use crate::concurrency;
use crate::error::JobError;

/// Maximum number of concurrent writes of one page; up to four pages are written at once. It keeps a core busy when each write
/// takes 5 ms, as inside a region. Measured in docs/decisions/0030.
pub(crate) const WRITES_AT_ONCE: usize = 24;

/// What a write of one object did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteResult {
    Written,
    Unchanged,
    /// An older tombstone is stored.
    Tombstoned,
    /// Something newer is stored.
    Stale,
    Deleted,
    /// The response is no usable object.
    Unreadable,
}

/// Returns an error if a later pass over the link has begun. Called before each group of writes.
pub(crate) async fn ensure_current(pass: &Pass) -> Result<(), JobError> {
    if pass.is_current().await? { Ok(()) } else { Err(JobError::Overtaken) }
}

/// Replaces the objects by tombstones, without a request to Belvo.
pub(crate) async fn tombstone_all(pass: &Pass, ids: &[ObjectId]) -> Result<Counts, JobError> {
    ensure_current(pass).await?;

    let mut counts = Counts::default();
    let writes = ids.iter().map(|id| tombstone(pass, id));
    concurrency::for_each(writes, WRITES_AT_ONCE, |result| count(&mut counts, result)).await?;
    Ok(counts)
}

/// Replaces an object by a tombstone.
pub(crate) async fn tombstone(pass: &Pass, id: &ObjectId) -> Result<WriteResult, JobError> {
    Ok(match pass.tombstone(id, now()).await? {
        PutResult::Written => WriteResult::Deleted,
        PutResult::Stale => WriteResult::Stale,
    })
}

/// Counts the result of one write. `Tombstoned` counts as stale.
pub(crate) fn count(counts: &mut Counts, result: WriteResult) {
    match result {
        WriteResult::Written => counts.written += 1,
        WriteResult::Unchanged => counts.unchanged += 1,
        WriteResult::Stale | WriteResult::Tombstoned => counts.stale += 1,
        WriteResult::Deleted => counts.deleted += 1,
        WriteResult::Unreadable => counts.unreadable += 1,
    }
}

/// Adds one set of counts to another.
pub(crate) fn add(counts: &mut Counts, more: Counts) {
    counts.pages += more.pages;
    counts.written += more.written;
    counts.unchanged += more.unchanged;
    counts.stale += more.stale;
    counts.deleted += more.deleted;
    counts.unreadable += more.unreadable;
}

//! Marking the stored records that a whole listing did not find. They get `missing_since` and keep their data, because Belvo
//! drops old data without an announcement.

use std::collections::HashSet;
use std::time::Instant;

use domain::{ObjectId, fingerprint, now};
use store::{FencingToken, Pass};

use crate::concurrency;
use crate::error::JobError;
use crate::write::{WRITES_AT_ONCE, ensure_current};

/// Compares stored ids with the fingerprints of the listed ids, one page of the table after the other, and marks the records
/// that the list lacks. `listing_token` is the fencing token of the listing. It begins after the id `after`. Returns the
/// id after which a continuation has to go on, if the deadline came first.
pub(crate) async fn mark_missing(
    pass: &Pass,
    listing_token: FencingToken,
    listed: &HashSet<u64>,
    mut after: Option<ObjectId>,
    deadline: Instant,
) -> Result<Option<ObjectId>, JobError> {
    loop {
        let (ids, last) = pass.live_ids(after.as_ref()).await?;
        let missing: Vec<_> = ids.iter().filter(|id| !listed.contains(&fingerprint(id))).collect();
        if !missing.is_empty() {
            ensure_current(pass).await?;
        }

        let marks = missing.into_iter().map(|id| async move { Ok(pass.mark_missing(listing_token, id, now()).await?) });
        concurrency::for_each(marks, WRITES_AT_ONCE, |_| ()).await?;

        match last {
            Some(id) if Instant::now() < deadline => after = Some(id),
            last => return Ok(last),
        }
    }
}

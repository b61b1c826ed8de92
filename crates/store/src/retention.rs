//! How long items are kept.

use domain::EpochMillis;

/// How long tombstones, events, requests and idempotency keys are kept: 90 days, in seconds.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;
/// How long the ids that a listing has seen are kept: 15 days, in seconds. A message stays in its queue for at most 14 days,
/// so a listing's continuation finds them.
const SEEN_IDS_KEPT_SECONDS: i64 = 15 * 24 * 60 * 60;

/// Returns the `expires_at` of an item that is written now, in epoch seconds.
pub(crate) fn expires_at(now: EpochMillis) -> i64 {
    now / 1_000 + KEPT_SECONDS
}

/// Returns the `expires_at` of an item with seen ids that is written now, in epoch seconds.
pub(crate) fn seen_ids_expire_at(now: EpochMillis) -> i64 {
    now / 1_000 + SEEN_IDS_KEPT_SECONDS
}

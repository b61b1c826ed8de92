//! The DynamoDB table. Its items are described in `docs/data-model.md`.
//!
//! **Guarantee.** An older snapshot never overwrites a newer one, whichever host writes it and whenever the write
//! arrives. **Mechanism.** Every pass over Belvo takes a fencing token from its link's clock ([`Table::begin_pass`]); every
//! write of a record is conditional on the fencing token that stands there ([`Table::upsert`], [`Table::tombstone`],
//! [`Table::restore`]); the checkpoint of a pass is conditional on no other pass having begun ([`Table::finish`]).

mod attributes;
mod client;
mod clock;
mod events;
mod fenced;
mod idempotency;
mod keys;
mod links;
mod passes;
mod purge;
mod records;
mod requests;
mod schedule;
mod seen_ids;
mod sync_state;
mod table;
mod update_expression;

pub use attributes::to_attribute;
pub use client::client;
pub use events::{Content, Counts, EventKey, Outcome};
pub use idempotency::{IdempotencyGuard, KeyedRequest, Reservation};
pub use links::{LinkChange, LinkPass, LinkState};
pub use passes::{Check, Checkpoint, FinishedListing, Pass, PassError, SyncState};
pub use purge::{Purge, Purged, Receipt};
pub use records::{PutResult, StoredRecord, UpsertResult};
pub use requests::{NewRequest, Request, RequestStatus};
pub use schedule::{Discovery, DiscoveryCursor, Due, DueItem, SHARDS};
pub use table::{StoreError, Table};

/// One pass over Belvo, in the order of its link: larger than every fencing token that the link has seen, and the time in epoch
/// milliseconds where clocks are right.
pub type FencingToken = i64;

/// How long tombstones and events are kept: 90 days, in seconds.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;

/// When DynamoDB may remove an item that is kept for [`KEPT_SECONDS`] from now; epoch seconds, as TTL wants it.
fn expires_at(now: domain::EpochMillis) -> i64 {
    now / 1_000 + KEPT_SECONDS
}

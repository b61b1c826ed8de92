//! The DynamoDB table: keys, items and conditional writes. `docs/data-model.md` describes the items.
//!
//! # Guarantee
//!
//! An older snapshot never overwrites a newer one, whichever host writes it and whenever the write arrives.
//!
//! # Fencing tokens
//!
//! A *pass* is one reading of a link's data at Belvo, with the writes that follow from it. Several hosts may run passes over
//! the same link at the same time, and any of them may be delayed at any point. So each pass takes a [`FencingToken`] from the
//! link's clock when it begins ([`Table::begin_pass`]). Tokens of a link only grow, and every write is conditional on a token.
//! See Martin Kleppmann,
//! [How to do distributed locking](https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html).
//!
//! A record's `fetched_at` is the token of the pass that wrote it. A link's `clock` is the token of its latest pass.
//!
//! | write | condition | if the condition is false |
//! |---|---|---|
//! | [`Table::begin_pass`] | `clock` is smaller than the new token | takes a larger token |
//! | [`Table::upsert`] | no item, or a live record whose `fetched_at` is not larger | the item is a tombstone or newer: it stays |
//! | [`Table::tombstone`] | no item, or an item whose `fetched_at` is smaller | the item is as new or newer: it stays |
//! | [`Table::restore`] | no item, or an item whose `fetched_at` is smaller, tombstones included | the item is as new or newer: it stays |
//! | [`Table::mark_missing`] | a live record whose `fetched_at` is not larger than the listing's token | a later pass wrote or deleted it |
//! | [`Pass::finish`] | `clock` is the token of the pass | the pass was overtaken: no checkpoint |

mod attributes;
mod begin_pass;
mod checkpoint;
mod client;
mod clock;
mod discovery;
mod error;
mod events;
mod fencing_token;
mod idempotency;
mod keys;
mod link_state;
mod links;
mod pass;
mod purge;
mod record_item;
mod records;
mod requests;
mod retention;
mod schedule;
mod seen_ids;
mod stored_records;
mod sync_state;
mod table;
mod update_expression;

pub use attributes::to_attribute;
pub use checkpoint::{Check, Checkpoint, FinishedListing};
pub use client::client;
pub use discovery::{Discovery, DiscoveryCursor};
pub use error::{PassError, StoreError};
pub use events::{Content, Counts, EventKey, Outcome};
pub use fencing_token::FencingToken;
pub use idempotency::{IdempotencyGuard, KeyedRequest, Reservation};
pub use link_state::{LinkChange, LinkState};
pub use links::LinkPass;
pub use pass::Pass;
pub use purge::{Purge, Purged, Receipt};
pub use records::{PutResult, UpsertResult};
pub use requests::{NewRequest, Request, RequestStatus};
pub use schedule::{Due, DueItem, SHARDS};
pub use stored_records::StoredRecord;
pub use sync_state::SyncState;
pub use table::Table;

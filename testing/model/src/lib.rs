//! A model of the sync engine's protocol, small enough for an exhaustive search of its states.
//!
//! **Guarantee.** The promises of [`properties`] hold in every state of the worlds of `tests/protocol/promises.rs`. A search
//! covers each interleaving of calls, crashes between any two calls, and deliveries that outlive their visibility timeout. It
//! also covers redrives in any order, clock skew, and concurrent changes at Belvo. `tests/protocol/guards.rs` removes one guard
//! at a time, and shows which promise breaks and in how few steps. `tests/protocol/limits.rs` shows the known limits. The
//! README of the crate has the tables.
//!
//! **Mechanism.** `stateright` searches the states breadth-first. A state holds Belvo's objects, the table, the queue, and the
//! deliveries in progress. A step is one call of one delivery, or one event outside the sync function.
//!
//! # Modules and the code that they model
//!
//! | module | code |
//! |---|---|
//! | `step` | `functions/sync/src/job.rs`, `job/`: the order of the calls of each plan |
//! | `listing` | `functions/sync/src/listing/`, `job/list.rs`: pages, signs that the list moved, continuations, comparison, recheck |
//! | `table` | `crates/store/src/clock.rs`, `begin_pass.rs`, `pass.rs`, `checkpoint.rs`: token, `last_pass_at`, fence, checkpoint |
//! | `record` | `crates/store/src/records.rs`: the conditions of upsert, tombstone, restore and mark |
//! | `queue`, `environment` | one message group of a FIFO queue, its dead-letter queue, Lambda's deliveries |
//! | `belvo` | lists in pages of one object, objects by id, lists that lag behind a deletion, webhooks |
//! | [`Guards`] | the guards, each of which a test can remove |
//!
//! # Simplifications
//!
//! - **Two consecutive reads are one step:** a page and the stored items of its objects. So is a read at the beginning of an
//!   event. A read has no effect, so events between the two reads could as well happen before or after both.
//! - **A page holds one object,** both of a list and of the table. Each write is in flight on its own. Any event may happen
//!   between the fence and the write.
//! - **The pages of a pass are sequential.** The product reads four at once, so a row that moves between two of them can be
//!   written twice under the same token, the older content last. Such a list counts the row twice, so the product lists it
//!   again.
//! - **A message may stop after its first page.** The product reads at least one more. The ids that earlier messages saw travel
//!   in the message, not in items of their own.
//! - **Belvo's responses by id are up to date.** Its lists may lag behind deletions, but not behind updates: fencing tokens
//!   cannot detect old content in a new response.
//! - **Failures of Belvo, DynamoDB and SQS** all look like a crash: the message returns to the queue.
//! - **One resource.** The model omits embedded accounts, `id__in`, lists since the watermark, link webhooks, erasure, time to
//!   live and link status. Passes over another resource would only move the clock, as any pass does.
//! - **Time** advances with Belvo's changes, by a fixed duration. Its unit is the margin for clock skew.
//! - **Liveness** is not checked: a message that always crashes never ends. Every promise is about states.

mod belvo;
mod bounds;
mod delivery;
mod environment;
mod guards;
mod ids;
pub mod limits;
mod listing;
pub mod properties;
mod protocol;
mod queue;
pub mod reachability;
mod record;
mod state;
mod step;
mod table;
mod time;
mod trace;
mod transitions;
mod violation;

pub use belvo::{Announcement, Change};
pub use bounds::{Bounds, InitialObject};
pub use delivery::DeliveryId;
pub use guards::{Guard, Guards};
pub use protocol::Protocol;
pub use queue::Plan;
pub use state::State;
pub use time::Time;
pub use trace::trace;
pub use transitions::Action;

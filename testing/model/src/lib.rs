//! A model of the sync engine's protocol: small enough to be searched state by state, close enough to the code that a way
//! to break it here is a way to break it there.
//!
//! **Guarantee.** In every state of the worlds of `tests/protocol/promises.rs` the promises of [`properties`] hold: each
//! interleaving of calls, with crashes between any two of them, deliveries that outlive their visibility timeout, redrives in any
//! order, clocks that differ, and Belvo changing meanwhile. `tests/protocol/guards.rs` takes away one rule after the other and shows
//! which promise breaks, in how few steps. `tests/protocol/limits.rs` shows what is not promised. The tables are in the crate's
//! README.
//!
//! **Mechanism.** `stateright` walks breadth first over states. A state holds Belvo's truth, the table, the queue, and
//! the deliveries under way. A delivery makes one call a step; the next step may be anybody's.
//!
//! # What stands for what
//!
//! | here | there |
//! |---|---|
//! | `step` | `functions/sync/src/job.rs`, `job/`: the order of the calls, for each plan |
//! | `listing` | `listing.rs`, `leg.rs`, `missing.rs`, `tally.rs`: pages, signs that the list moved, legs, comparison, recheck |
//! | `table` | `crates/store/src/clock.rs`, `passes.rs`: stamp, last look, fence, checkpoint |
//! | `record` | `crates/store/src/records.rs`: the conditions of upsert, burial, revival and mark |
//! | `queue`, `state` | one message group of a FIFO queue, its dead-letter queue, Lambda's deliveries |
//! | `belvo` | lists in pages of one object, objects by id, lists that lag behind a deletion, webhooks |
//! | [`Guards`] | the rules, each of which can be taken away |
//!
//! # What is left out, and why that may be
//!
//! - **Two reads in a row are one step** (a page and what the table knows of it), as is a read that only begins the event.
//!   Nobody sees a read, so what others do between the two could as well be done before or after.
//! - **A page holds one object,** and so does a page of the table when it is compared. A write is under way by itself;
//!   between the fence and its landing anything may happen.
//! - **Pages of one pass come one after the other.** The product has four under way, so that a row which moves between two
//!   of them can be written twice under the same stamp, the older content last. Such a list counts the row twice and has
//!   moved; it is listed again. That is not modelled.
//! - **A leg may stop after its first page;** the product reads one more. What the legs saw travels in the message, not
//!   in items of their own.
//! - **Belvo's answers by id are up to date.** Its lists may lag behind deletions, not behind updates: an older content
//!   in a newer answer is nothing that stamps could tell.
//! - **Failures of Belvo, DynamoDB or SQS** all look like a crash: the message comes back.
//! - **One resource.** Embedded accounts, `id__in`, lists since the watermark, link webhooks, erasure, time to live and link
//!   status are not there. Another resource's passes would only move the clock, as any other pass does.
//! - **Time** passes with Belvo's changes, by a fixed pace; its unit is the margin for hosts' clocks.
//! - **Whether work is ever done** is not asked: a message that always crashes never rests. Every promise is one of states.

mod belvo;
mod bounds;
mod broken;
mod delivery;
mod environment;
mod guards;
mod ids;
mod listing;
pub mod properties;
mod protocol;
mod queue;
pub mod reached;
mod record;
mod state;
mod step;
mod table;
mod time;
mod trace;
mod transitions;

pub use belvo::{Change, Notice};
pub use bounds::{Bounds, Initially};
pub use delivery::Who;
pub use guards::{Guard, Guards};
pub use protocol::Protocol;
pub use queue::Plan;
pub use state::State;
pub use time::Time;
pub use trace::trace;
pub use transitions::Action;

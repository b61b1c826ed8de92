//! The types that every part of belvo-sync shares.
//!
//! Each type validates untrusted bytes once, when it parses them. Code that has the type does not check again:
//!
//! - [`Webhook`]: the body of a request that Belvo sends.
//! - [`Message`]: a message of the queue, which carries a webhook.
//! - [`Plan`]: the work that a webhook asks the sync function to do.
//! - [`Resource`]: a row of the catalogue of Belvo's resources.
//! - [`Record`]: a Belvo object in the form that the table stores.
//!
//! This crate is pure: no async, no AWS, no HTTP.

mod announced_totals;
mod catalogue;
mod flow;
mod hash;
mod id;
mod id_lists;
mod internal;
mod json;
mod link;
mod listed_link;
mod message;
mod number;
mod plan;
mod record;
mod resource;
pub mod schedule;
mod source;
mod time;
mod webhook;

pub use announced_totals::{AnnouncedTotals, TaxReturnKind};
pub use flow::Flow;
pub use hash::{fingerprint, sha256_hex};
pub use id::{InvalidId, LinkId, ObjectId, RequestId};
pub use id_lists::{DELETED, UPDATED};
pub use json::{Fields, Value, escape_path_name};
pub use link::{AnnouncedStatus, Consent, KnownConsent, LinkStatus};
pub use listed_link::ListedLink;
pub use message::{
    DecodeError, ListingCounts, MAX_IDS_PER_MESSAGE, MAX_MESSAGE_BYTES, MAX_PARTS, Message, Part, Progress, UNROUTED,
    Withheld,
};
pub use number::Number;
pub use plan::{ERASE_LINK, Filter, Plan, STATUS_CHANGED};
pub use record::{EmbeddedAccount, InvalidObject, Record, as_of, deduplicate};
pub use resource::{Country, Resource};
pub use source::Source;
pub use time::{Day, EpochMillis, moment_micros, now, rfc3339};
pub use webhook::{FieldError, InvalidWebhook, Webhook};

//! Messages of the queue.
//!
//! A message carries the webhook itself. The sync function derives the plan from it, so a redrive corrects the effects of
//! an error in that code. A webhook with long id lists becomes several messages, each with a slice of the lists. If a
//! message is still too large, it omits the members that the sync function does not need, and sets `withheld`.

mod encoding;
mod progress;
mod split;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::encoding::DecodeError;
pub use self::progress::{ListingCounts, Progress};
use self::split::{Parts, split};
use crate::id_lists::id_lists;
use crate::{EpochMillis, ObjectId, Source, Webhook, sha256_hex};

/// The maximum number of ids of each list in a message.
pub const MAX_IDS_PER_MESSAGE: usize = 500;
/// The maximum size of a message body, in bytes.
///
/// It stays below 256 KiB, the previous limit of SQS for a message and for a batch.
pub const MAX_MESSAGE_BYTES: usize = 200 * 1024;
/// The maximum number of messages for a webhook.
///
/// A webhook of 1 MiB with ids of 36 characters needs 54. If a webhook needs more, its message omits `data`.
pub const MAX_PARTS: usize = 256;
/// The message group of webhooks without a link.
pub const UNROUTED: &str = "unrouted";

/// A message of the queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// When the webhook was received, by the receiver's clock.
    pub received_at: EpochMillis,
    /// The sender.
    pub source: Source,
    /// The key of this message's event item, and its deduplication id when it is first sent.
    pub key: String,
    /// The part of a split webhook.
    pub part: Part,
    /// The webhook. It may have only a slice of its ids, and may be cut (see `withheld`).
    pub webhook: Webhook,
    /// Describes the original webhook, if this message does not carry all of it.
    pub withheld: Option<Withheld>,
    /// The checkpoint of the listing that this message continues.
    pub listing: Option<Progress>,
    /// The number of this continuation in its chain, counted from 1. 0 for a message that is not a continuation.
    pub continuations: u32,
}

/// The position of a message among those of its webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The index, counted from 0.
    pub index: usize,
    /// The number of parts; 1 for a webhook that was not split.
    pub of: usize,
}

/// The size and digest of a webhook before it was split or cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// The size of the body that Belvo sent, in bytes.
    pub bytes: usize,
    /// The SHA-256 of that body, in hexadecimal.
    pub sha256: String,
}

impl Message {
    /// Returns the messages for a webhook: one, or one for each slice of its id lists.
    ///
    /// The same body always has the same keys, so that SQS drops a byte-identical delivery within five minutes.
    #[must_use]
    pub fn from_webhook(webhook: &Webhook, body: &[u8], received_at: EpochMillis) -> Vec<Self> {
        let sha256 = sha256_hex(body);
        let (parts, is_whole) = match split(webhook) {
            Parts::Whole => (vec![webhook.clone()], true),
            Parts::Slices(parts) => (parts, false),
            Parts::TooMany(envelope) => (vec![envelope], false),
        };

        let of = parts.len();
        let withheld = Withheld { bytes: body.len(), sha256: sha256.clone() };
        let message = |(index, webhook)| Self {
            received_at,
            source: Source::Webhook,
            key: format!("{sha256}-{index}"),
            part: Part { index, of },
            webhook,
            withheld: (!is_whole).then(|| withheld.clone()),
            listing: None,
            continuations: 0,
        };
        parts.into_iter().enumerate().map(message).map(|message| message.cut_to_fit(&withheld)).collect()
    }

    /// Returns the continuation for the remaining ids of this message.
    ///
    /// `ids` replaces the list whose name starts with `prefix`. `token` is the fencing token of the pass that sends the
    /// continuation; it makes the key unique in the chain. The continuation does not resume this message's listing.
    #[must_use]
    pub fn ids_continuation(&self, prefix: &str, ids: &[ObjectId], token: EpochMillis) -> Self {
        let ids: Vec<_> = ids.iter().map(ObjectId::as_str).collect();
        let data = self.webhook.data();
        let list = id_lists(&data).find(|(name, _)| name.starts_with(prefix)).map_or(prefix, |(name, _)| name);
        let data = serde_json::value::to_raw_value(&BTreeMap::from([(list, ids)])).ok();
        Self { webhook: self.webhook.with_data(data), listing: None, ..self.continuation(token) }
    }

    /// Returns the continuation that resumes a listing at a checkpoint. `token` as for [`Message::ids_continuation`].
    #[must_use]
    pub fn listing_continuation(&self, progress: Progress, token: EpochMillis) -> Self {
        Self { listing: Some(progress), ..self.continuation(token) }
    }

    /// Returns the continuation with the same content, for work that needs no checkpoint. `token` as for
    /// [`Message::ids_continuation`].
    #[must_use]
    pub fn continuation(&self, token: EpochMillis) -> Self {
        let key = format!("{}-{token}", sha256_hex(self.key.as_bytes()));
        Self { source: Source::Continuation, key, continuations: self.continuations.saturating_add(1), ..self.clone() }
    }

    /// Returns the same message as the first of a chain. A message in the dead-letter queue has this form, so that a redrive
    /// may run a whole chain again.
    #[must_use]
    pub fn as_start_of_chain(self) -> Self {
        Self { continuations: 0, ..self }
    }

    /// Returns the time at which the webhook was received, or `None` if Belvo did not send it.
    #[must_use]
    pub fn webhook_at(&self) -> Option<EpochMillis> {
        matches!(self.source, Source::Webhook).then_some(self.received_at)
    }

    /// Returns the SQS message group. Each link has a group, so SQS delivers its messages in order, one at a time.
    #[must_use]
    pub fn group_id(&self) -> &str {
        self.webhook.link_id().map_or(UNROUTED, crate::LinkId::as_str)
    }
}

#[cfg(test)]
mod tests;

//! Events: the item of a message says what became of it.

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use domain::{EpochMillis, Message, Value};

use crate::attributes::{Item, n, s, size, to_attribute};
use crate::error::StoreError;
use crate::keys;
use crate::retention::expires_at;
use crate::table::{Table, send_update};
use crate::update_expression::UpdateExpression;

/// The maximum size of the webhook's `data` that an event keeps, in bytes.
const MAX_DATA_BYTES: usize = 4 * 1024;

/// The key of an event.
#[derive(Debug, Clone)]
pub struct EventKey(Item);

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The sync function did everything that the event requires.
    Applied,
    /// The sync function did a part. A continuation, which has its own event, does the rest.
    Continued,
    /// A whole listing that began after the webhook was received has covered it.
    Covered,
    /// The event requires no work here.
    Recorded,
    /// This release does not know the event.
    Unknown,
    /// The work is impossible, for a reason that no retry changes.
    Refused,
}

/// The counts of a sync.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Pages read.
    pub pages: u64,
    /// Records written.
    pub written: u64,
    /// Records without a change, which needed no write.
    pub unchanged: u64,
    /// Records not written, because the table has a newer snapshot.
    pub stale: u64,
    /// Records replaced by tombstones.
    pub deleted: u64,
    /// Objects that are no readable records.
    pub unreadable: u64,
}

/// Whether an event keeps the webhook's `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The event keeps it.
    Kept,
    /// The event does not keep it: the link was deleted or erased.
    Withheld,
}

impl Outcome {
    /// Returns the word that the table stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Continued => "continued",
            Self::Covered => "covered",
            Self::Recorded => "recorded",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

impl Counts {
    /// Returns each count with its name in the table.
    pub(crate) fn named(self) -> [(&'static str, u64); 6] {
        [
            ("pages", self.pages),
            ("written", self.written),
            ("unchanged", self.unchanged),
            ("stale", self.stale),
            ("deleted", self.deleted),
            ("unreadable", self.unreadable),
        ]
    }
}

impl EventKey {
    /// Returns the key of a message's event. All deliveries of a message share one event.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        Self(keys::event(message.webhook.link_id(), message.received_at, &message.key))
    }

    pub(crate) fn key(&self) -> &Item {
        &self.0
    }
}

impl Table {
    /// Records the start of work on a message, and counts the attempt.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn begin_event(
        &self,
        message: &Message,
        content: Content,
        now: EpochMillis,
    ) -> Result<EventKey, StoreError> {
        let key = EventKey::of(message);
        let mut expression = envelope(message)
            .set("expires_at", n(expires_at(now)))
            // A late delivery does not reopen an event that another delivery has ended.
            .set_if_absent("outcome", s("processing"))
            .add("attempts :one", ":one", n(1));
        if let (Content::Kept, Some(data)) = (content, data(message)) {
            expression = expression.set("data", data);
        }
        send_update(expression.apply_to(self.update(key.0.clone()))).await?;
        Ok(key)
    }

    /// Records the outcome of a message that needed no pass.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end_event(&self, event: &EventKey, outcome: Outcome, reason: Option<&str>) -> Result<(), StoreError> {
        let expression =
            UpdateExpression::default().set("outcome", s(outcome.as_str())).set_or_remove("reason", reason.map(s));
        send_update(expression.apply_to(self.update(event.0.clone()))).await
    }

    /// Returns the update that records the outcome of a message, as part of a transaction.
    pub(crate) fn event_outcome(
        &self,
        event: &EventKey,
        outcome: Outcome,
        counts: Counts,
    ) -> Result<Update, StoreError> {
        let expression = UpdateExpression::default().set("outcome", s(outcome.as_str())).remove("reason");
        let expression = counts.named().into_iter().fold(expression, |all, (name, count)| all.set(name, n(count)));
        expression.build_part(self.update_in_transaction(event.0.clone()))
    }
}

/// Returns the attributes of an event, without the webhook's `data`.
fn envelope(message: &Message) -> UpdateExpression {
    let webhook = &message.webhook;
    let present = [
        ("webhook_id", webhook.webhook_id().map(s)),
        ("process_type", webhook.process_type().map(s)),
        ("request_id", webhook.request_id().map(s)),
        ("withheld_bytes", message.withheld.as_ref().map(|withheld| n(withheld.bytes))),
    ];
    let expression = UpdateExpression::default()
        .set("webhook_type", s(webhook.webhook_type()))
        .set("webhook_code", s(webhook.webhook_code()))
        .set("source", s(message.source.as_str()))
        .set("received_at", n(message.received_at))
        .set("part", n(message.part.index))
        .set("parts", n(message.part.of));
    present.into_iter().fold(expression, |all, (name, value)| match value {
        Some(value) => all.set(name, value),
        None => all,
    })
}

/// Returns the webhook's `data`, with the length of each list instead of the list. `None` if it is too large to keep.
fn data(message: &Message) -> Option<AttributeValue> {
    let Value::Object(members) = Value::read(message.webhook.raw_data()?, &mut Vec::new()) else { return None };
    let kept = members.into_iter().map(|(name, value)| match value {
        Value::Array(items) => (name, n(items.len())),
        value => (name, to_attribute(value)),
    });
    let kept: Item = kept.collect();
    (size(&kept) <= MAX_DATA_BYTES).then_some(AttributeValue::M(kept))
}

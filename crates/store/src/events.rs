//! Event items: what became of every message, for whoever asks why a row is missing.

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use domain::{EpochMillis, Message, Value};

use crate::attributes::{Item, n, s, size, to_attribute};
use crate::passes::BUILD_FAILED;
use crate::table::call_failed;
use crate::{StoreError, Table, expires_at, keys};

/// The largest `data` of a webhook that its event item keeps, in bytes.
const MAX_DATA_BYTES: usize = 4 * 1024;

/// Where an event's item is.
#[derive(Debug, Clone)]
pub struct EventKey(Item);

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that it asked for was done.
    Applied,
    /// A part of it was done; an event of its own does the rest.
    Continued,
    /// A whole listing that began after it was received has done it already.
    Covered,
    /// It asks for nothing to be done here.
    Recorded,
    /// This release does not know what it asks for.
    Unknown,
    /// What it asks for cannot be done, for a reason that no retry changes.
    Refused,
}

/// What a sync did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Pages that were read.
    pub pages: u64,
    /// Records that were written.
    pub written: u64,
    /// Records that needed no write.
    pub unchanged: u64,
    /// Records that a newer snapshot had overtaken.
    pub stale: u64,
    /// Records that became tombstones.
    pub deleted: u64,
    /// Objects that could not be read as records.
    pub unreadable: u64,
}

impl Outcome {
    /// The word in the table.
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
    /// Each with its name in the table.
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
    /// The key of a message's event item: one item for each message, however often it is delivered.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        Self(keys::event(message.webhook.link_id(), message.received_at, &message.key))
    }

    pub(crate) fn key(&self) -> &Item {
        &self.0
    }
}

/// Is what a webhook says kept with its event?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Yes.
    Kept,
    /// No: its link is no more.
    Withheld,
}

impl Table {
    /// Notes that a message is being worked on, and what it says, if that is to be kept.
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
        let mut attributes = envelope(message);
        if content == Content::Kept {
            attributes.extend(data(message).map(|data| ("data", data)));
        }
        attributes.push(("outcome", s("processing")));
        attributes.push(("expires_at", n(expires_at(now))));
        let assign = |name: &str| match name {
            // A delivery that comes late does not open again what another one has ended.
            "outcome" => "#outcome = if_not_exists(#outcome, :outcome)".to_owned(),
            name => format!("#{name} = :{name}"),
        };
        let names = attributes.iter().map(|(name, _)| assign(name)).collect::<Vec<_>>().join(", ");
        let mut update = self.update(key.0.clone()).update_expression(format!("SET {names} ADD attempts :one"));
        for (name, value) in attributes {
            update = update
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), value);
        }
        update.expression_attribute_values(":one", n(1)).send().await.map_err(|error| call_failed(&error))?;
        Ok(key)
    }

    /// Notes how a message ended, when that needed no pass.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn end_event(&self, event: &EventKey, outcome: Outcome, reason: Option<&str>) -> Result<(), StoreError> {
        let mut update = self.update(event.0.clone()).expression_attribute_values(":outcome", s(outcome.as_str()));
        update = match reason {
            Some(reason) => update
                .update_expression("SET outcome = :outcome, reason = :reason")
                .expression_attribute_values(":reason", s(reason)),
            None => update.update_expression("SET outcome = :outcome REMOVE reason"),
        };
        update.send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }

    pub(crate) fn event_outcome(
        &self,
        event: &EventKey,
        outcome: Outcome,
        counts: Counts,
    ) -> Result<Update, StoreError> {
        let counts = counts.named();
        let names = counts.map(|(name, _)| format!("{name} = :{name}")).join(", ");
        let update = self
            .update_part(event.0.clone())
            .update_expression(format!("SET outcome = :outcome, {names} REMOVE reason"));
        let update = update.expression_attribute_values(":outcome", s(outcome.as_str()));
        let add = |update: aws_sdk_dynamodb::types::builders::UpdateBuilder, (name, count): (&str, u64)| {
            update.expression_attribute_values(format!(":{name}"), n(count))
        };
        counts.into_iter().fold(update, add).build().map_err(|_| BUILD_FAILED)
    }
}

fn envelope(message: &Message) -> Vec<(&'static str, AttributeValue)> {
    let webhook = &message.webhook;
    let mut attributes = vec![
        ("webhook_type", s(webhook.webhook_type())),
        ("webhook_code", s(webhook.webhook_code())),
        ("source", s(message.source.as_str())),
        ("received_at", n(message.received_at)),
        ("part", n(message.part.index)),
        ("parts", n(message.part.of)),
    ];
    attributes.extend(webhook.webhook_id().map(|id| ("webhook_id", s(id))));
    attributes.extend(webhook.process_type().map(|word| ("process_type", s(word))));
    attributes.extend(webhook.request_id().map(|id| ("request_id", s(id))));
    attributes.extend(message.withheld.as_ref().map(|withheld| ("withheld_bytes", n(withheld.bytes))));
    attributes
}

/// The webhook's `data`, with lists as their length; none when it is too large to keep here.
fn data(message: &Message) -> Option<AttributeValue> {
    let Value::Object(members) = Value::read(message.webhook.raw_data()?, &mut Vec::new()) else { return None };
    let kept = members.into_iter().map(|(name, value)| match value {
        Value::Array(items) => (name, n(items.len())),
        value => (name, to_attribute(value)),
    });
    let kept: Item = kept.collect();
    (size(&kept) <= MAX_DATA_BYTES).then_some(AttributeValue::M(kept))
}

//! The JSON of a message in the queue.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Message, Part, Progress, Withheld};
use crate::{EpochMillis, Source, Webhook};

/// The version of the message format. The reader ignores unknown members, so most additions do not change it.
const VERSION: u64 = 1;
/// The maximum length of a key, in bytes: SQS's limit for a deduplication id.
const MAX_KEY_BYTES: usize = 128;

/// The error that [`Message::decode`] returns. It does not repeat content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// belvo-sync did not write the body: its JSON, its webhook or a number in it is invalid.
    #[error("the body is not a message of belvo-sync")]
    NotAMessage,
    /// A newer release wrote the body.
    #[error("the message has version {0}, which this release cannot read")]
    UnknownVersion(u64),
}

/// The version of a message, parsed before its other members.
#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// The members of a message, as [`Message::encode`] writes them.
#[derive(Serialize)]
struct Written<'a> {
    v: u64,
    received_at: EpochMillis,
    source: Source,
    key: &'a str,
    part: Part,
    webhook: &'a Webhook,
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<&'a Withheld>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing: Option<&'a Progress>,
    #[serde(skip_serializing_if = "is_zero")]
    continuations: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The members of a message, as [`Message::decode`] reads them.
#[derive(Deserialize)]
struct Read<'a> {
    received_at: EpochMillis,
    source: Source,
    key: String,
    part: Part,
    #[serde(borrow)]
    webhook: &'a RawValue,
    withheld: Option<Withheld>,
    listing: Option<Progress>,
    #[serde(default)]
    continuations: u32,
}

impl Read<'_> {
    /// Returns `true` if the key is valid for the table and for SQS, and the numbers are within their bounds.
    fn is_usable(&self) -> bool {
        let is_key = (1..=MAX_KEY_BYTES).contains(&self.key.len()) && self.key.bytes().all(|b| b.is_ascii_graphic());
        is_key
            && self.received_at >= 0
            && self.part.index < self.part.of
            && self.listing.as_ref().is_none_or(Progress::is_countable)
    }
}

impl Message {
    /// Returns the body for SQS, in ASCII: SQS rejects some Unicode characters.
    #[must_use]
    pub fn encode(&self) -> String {
        let written = Written {
            v: VERSION,
            received_at: self.received_at,
            source: self.source,
            key: &self.key,
            part: self.part,
            webhook: &self.webhook,
            withheld: self.withheld.as_ref(),
            listing: self.listing.as_ref(),
            continuations: self.continuations,
        };
        // Serialization cannot fail: the struct has only strings, numbers and valid JSON.
        escape_to_ascii(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Parses the body of a queue message.
    ///
    /// # Errors
    /// [`DecodeError`] if another program or a newer release wrote it.
    pub fn decode(body: &str) -> Result<Self, DecodeError> {
        let Version { v } = serde_json::from_str(body).map_err(|_| DecodeError::NotAMessage)?;
        if v != VERSION {
            return Err(DecodeError::UnknownVersion(v));
        }

        let read: Read<'_> = serde_json::from_str(body).map_err(|_| DecodeError::NotAMessage)?;
        let webhook = Webhook::parse(read.webhook.get().as_bytes()).map_err(|_| DecodeError::NotAMessage)?;
        if !read.is_usable() {
            return Err(DecodeError::NotAMessage);
        }

        Ok(Self {
            received_at: read.received_at,
            source: read.source,
            key: read.key,
            part: read.part,
            webhook,
            withheld: read.withheld,
            listing: read.listing,
            continuations: read.continuations,
        })
    }
}

/// Replaces every non-ASCII character by its JSON escape. JSON has such characters only in strings.
fn escape_to_ascii(json: String) -> String {
    if json.is_ascii() {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() * 2);
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

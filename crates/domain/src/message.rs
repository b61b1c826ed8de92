//! Messages of the queue.
//!
//! A message carries the webhook itself. The sync function derives the plan from it, so a redrive corrects the effects of
//! an error in that code. A webhook with long id lists becomes several messages, each with a slice of the lists. If a
//! message is still too large, it omits the members that the sync function does not need, and sets `withheld`.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id_lists::{DELETED, UPDATED, id_lists};
use crate::{EpochMillis, Fields, ObjectId, Source, Webhook, sha256_hex};

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
/// The maximum number of id lists of each kind (updated, deleted) that are split. Belvo sends one, and [`crate::Plan`] reads
/// only the first.
const MAX_LISTS: usize = 8;
/// The maximum length of a key, in bytes: SQS's limit for a deduplication id.
const MAX_KEY_BYTES: usize = 128;
/// The maximum of page numbers and of counts of objects. It exceeds every real list, and prevents overflows of `u64` in sums
/// and products.
const MAX_COUNT: u64 = 1_000_000_000_000;
/// The message group of webhooks without a link.
pub const UNROUTED: &str = "unrouted";
/// The version of the message format. The reader ignores unknown members, so most additions do not change it.
const VERSION: u64 = 1;
/// The maximum size of what a split or cut webhook keeps beside its id lists, in bytes: of each member of the envelope, and
/// of the other members of `data` together.
///
/// Required members have at most 256 bytes, which are up to 1,538 bytes of JSON.
const MAX_KEPT_MEMBER_BYTES: usize = 2 * 1024;

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

/// The checkpoint of a listing that did not fit into an invocation.
///
/// The sync function resumes the listing only if the last page that it read is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When the listing began, by the clock of its host.
    pub began_at: EpochMillis,
    /// The fencing token of the listing's first pass. Messages keep the name that version 0.1 gave the member.
    #[serde(rename = "stamp")]
    pub token: EpochMillis,
    /// The first day of the filter `created_at__gte`. `None` for a whole listing.
    pub since: Option<String>,
    /// The number of the last page that was written, counted from 1.
    pub page: u64,
    /// The number of objects in the list. `None` if Belvo's response had no count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The SHA-256 of the ids of that page. Empty if the page needed several responses: then it is not compared.
    pub digest: String,
    /// The number of restarts because the list changed.
    pub relistings: usize,
    /// The counts so far.
    pub found: ListingCounts,
    /// The fencing tokens of the passes whose ids are in the table. The last pass compares those ids with the stored records,
    /// to find missing objects. `None` if the ids are incomplete, which prevents the comparison.
    #[serde(default)]
    pub legs: Option<Vec<EpochMillis>>,
    /// Whether the table had no records of the resource when the listing began.
    #[serde(default)]
    pub is_first_load: bool,
    /// The page size that succeeded last.
    #[serde(default)]
    pub piece: Option<u32>,
    /// The last stored id that was compared with the list. Set once every page was read.
    #[serde(default)]
    pub compared_to: Option<String>,
    /// The `row_sum` before the last restart, if that listing reached the end of the list and found too few ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_row_sum: Option<u64>,
}

/// The counts of a listing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListingCounts {
    /// Objects with different ids.
    pub distinct: u64,
    /// Distinct objects that the webhook's totals count.
    pub matching: u64,
    /// Inflows among the matching objects.
    pub inflows: u64,
    /// Outflows among the matching objects.
    pub outflows: u64,
    /// Objects that are not valid records.
    pub unreadable: u64,
    /// Rows that repeat an id of the same response.
    #[serde(default)]
    pub doubled: u64,
    /// Rows that repeat an id of another response.
    #[serde(default)]
    pub repeated: u64,
    /// Rows that Belvo failed to return, and that smaller pages did not isolate to single objects.
    #[serde(default)]
    pub unread: u64,
    /// The wrapping sum of the fingerprints of all rows. Two listings with the same sum have read the same rows.
    #[serde(default)]
    pub row_sum: u64,
    /// Whether the list changed during the listing, so that the counts may be incomplete.
    pub moved: bool,
    /// Whether the listing contained tombstoned ids that the sync function did not verify with Belvo.
    #[serde(default)]
    pub unasked: bool,
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

/// An error that [`Message::decode`] returns. It does not repeat content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// belvo-sync did not write the body: its JSON, its webhook or a number in it is invalid.
    #[error("the body is not a message of belvo-sync")]
    NotAMessage,
    /// A newer release wrote the body.
    #[error("the message has version {0}, which this release cannot read")]
    UnknownVersion(u64),
}

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

impl Progress {
    fn is_countable(&self) -> bool {
        let ListingCounts { distinct, matching, inflows, outflows, unreadable, doubled, repeated, unread, .. } =
            self.found;
        let found = [distinct, matching, inflows, outflows, unreadable, doubled, repeated, unread];
        let mut counts = found.into_iter().chain(self.count).chain([self.page]);
        // A listing whose pages are all read has no current page.
        let is_placed = self.page > 0 || self.compared_to.is_some();
        is_placed && self.relistings < 1_000 && counts.all(|count| count <= MAX_COUNT)
    }
}

#[derive(Deserialize)]
struct Version {
    v: u64,
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

    /// Returns the SQS message group. Each link has a group, so SQS delivers its messages in order, one at a time.
    #[must_use]
    pub fn group_id(&self) -> &str {
        self.webhook.link_id().map_or(UNROUTED, crate::LinkId::as_str)
    }

    /// Returns the message without members that exceed the bounds, if it is larger than [`MAX_MESSAGE_BYTES`].
    fn cut_to_fit(self, withheld: &Withheld) -> Self {
        if self.encode().len() <= MAX_MESSAGE_BYTES {
            return self;
        }
        let envelope = self.webhook.envelope_only(MAX_KEPT_MEMBER_BYTES);
        let with_data = envelope.with_data(self.webhook.raw_data().map(ToOwned::to_owned));
        let cut = |webhook| Self { webhook, withheld: Some(withheld.clone()), ..self.clone() };
        let message = cut(with_data);
        if message.encode().len() <= MAX_MESSAGE_BYTES { message } else { cut(envelope) }
    }
}

/// The webhooks of a message's parts.
enum Parts {
    /// The unchanged webhook fits into a message.
    Whole,
    /// One for each slice of its id lists.
    Slices(Vec<Webhook>),
    /// The webhook needs more than [`MAX_PARTS`] parts: only its envelope is sent.
    TooMany(Webhook),
}

/// Splits a webhook into one for each slice of its id lists.
///
/// Each part has only the documented envelope and short members of `data` beside its slice, so that the parts of a large
/// webhook do not repeat its other members.
fn split(webhook: &Webhook) -> Parts {
    let data = webhook.data();
    let split_lists =
        |kind: &'static str| id_lists(&data).filter(move |(name, _)| name.starts_with(kind)).take(MAX_LISTS);
    let lists: BTreeMap<&str, Vec<&RawValue>> = split_lists(UPDATED).chain(split_lists(DELETED)).collect();
    let longest = lists.values().map(Vec::len).max().unwrap_or_default();
    let envelope = || webhook.envelope_only(MAX_KEPT_MEMBER_BYTES);
    match longest.div_ceil(MAX_IDS_PER_MESSAGE) {
        0 | 1 => Parts::Whole,
        parts if parts > MAX_PARTS => Parts::TooMany(envelope()),
        parts => {
            let (envelope, beside) = (envelope(), kept_beside(&data, &lists));
            Parts::Slices((0..parts).map(|part| envelope.with_data(slice(&beside, &lists, part))).collect())
        }
    }
}

/// Returns the members of `data` that are not id lists, up to [`MAX_KEPT_MEMBER_BYTES`] together.
fn kept_beside<'a>(data: &'a Fields<'a>, lists: &BTreeMap<&str, Vec<&RawValue>>) -> BTreeMap<&'a str, &'a RawValue> {
    let mut room = MAX_KEPT_MEMBER_BYTES;
    let mut kept = BTreeMap::new();
    for (name, raw) in data.iter().filter(|(name, _)| !lists.contains_key(name)) {
        if let Some(left) = room.checked_sub(name.len() + raw.get().len()) {
            room = left;
            kept.insert(name, raw);
        }
    }
    kept
}

/// Returns the `data` of a part: its slice of every id list, and the members beside them.
fn slice(
    beside: &BTreeMap<&str, &RawValue>,
    lists: &BTreeMap<&str, Vec<&RawValue>>,
    part: usize,
) -> Option<Box<RawValue>> {
    let mut members: BTreeMap<&str, Box<RawValue>> =
        beside.iter().map(|(name, raw)| (*name, (*raw).to_owned())).collect();
    for (name, ids) in lists {
        let ids = ids.chunks(MAX_IDS_PER_MESSAGE).nth(part).unwrap_or_default();
        members.insert(name, serde_json::value::to_raw_value(ids).ok()?);
    }
    serde_json::value::to_raw_value(&members).ok()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from_webhook(body: &str) -> Vec<Message> {
        Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), 1_700_000_000_000)
    }

    fn with_ids(count: usize, more: &str) -> String {
        let ids: Vec<String> = (0..count).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect();
        let ids = serde_json::to_string(&ids).unwrap();
        format!(
            r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","link_id":"l-1"{more},
               "data":{{"count":{count},"deleted_transactions":{ids}}}}}"#
        )
    }

    fn ids_of(message: &Message) -> Vec<String> {
        serde_json::from_str(message.webhook.data().get("deleted_transactions").unwrap().get()).unwrap()
    }

    #[test]
    fn a_message_reads_back_as_it_was_written() {
        let sent = from_webhook(&with_ids(3, r#","external_id":"Zoë 🦀","new":1.10"#)).remove(0);
        let body = sent.encode();
        assert!(body.is_ascii());
        let read = Message::decode(&body).unwrap();
        assert_eq!((read.received_at, read.source, read.part), (sent.received_at, Source::Webhook, sent.part));
        assert_eq!((&read.key, read.group_id()), (&sent.key, "l-1"));
        assert_eq!(read.webhook.external_id(), Some("Zoë 🦀"));
        assert!(body.contains(r#""new":1.10"#), "unknown members travel too");
    }

    #[test]
    fn what_another_program_or_a_newer_release_wrote_is_named_and_not_guessed_at() {
        assert_eq!(Message::decode("hello").unwrap_err(), DecodeError::NotAMessage);
        assert_eq!(Message::decode(r#"{"v":1}"#).unwrap_err(), DecodeError::NotAMessage);
        assert_eq!(Message::decode(r#"{"v":2,"later":true}"#).unwrap_err(), DecodeError::UnknownVersion(2));
    }

    #[test]
    fn long_id_lists_are_split_and_every_id_travels_exactly_once() {
        let messages = from_webhook(&with_ids(1_201, ""));
        assert_eq!(messages.iter().map(|m| ids_of(m).len()).collect::<Vec<_>>(), [500, 500, 201]);
        let mut ids: Vec<String> = messages.iter().flat_map(ids_of).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1_201);
        assert!(messages.iter().enumerate().all(|(index, m)| m.part == Part { index, of: 3 }));
        assert!(messages[0].key != messages[1].key);
    }

    #[test]
    fn an_oversized_webhook_loses_its_padding_before_its_ids() {
        let padding = format!(r#","padding":"{}""#, "é".repeat(300_000));
        let body = with_ids(1_000, &padding);
        for message in from_webhook(&body) {
            assert!(message.encode().len() <= MAX_MESSAGE_BYTES);
            assert_eq!(ids_of(&message).len(), 500);
            assert_eq!(message.withheld.as_ref().unwrap().bytes, body.len());
        }
    }

    #[test]
    fn when_a_webhook_is_split_a_short_list_travels_too_and_many_small_members_are_not_multiplied() {
        let ids = |count: usize| serde_json::to_string(&vec!["x"; count]).unwrap();
        let padding = (0..20_000).map(|n| format!(r#""m{n}":0"#)).collect::<Vec<_>>().join(",");
        let messages = from_webhook(&format!(
            r#"{{"webhook_type":"X","webhook_code":"y",{padding},
               "data":{{"updated_x":{},"deleted_x":{},{padding}}}}}"#,
            ids(5_000),
            ids(3)
        ));
        assert_eq!(messages.len(), 10);
        let first = messages[0].webhook.data();
        let deleted: Vec<String> = serde_json::from_str(first.get("deleted_x").unwrap().get()).unwrap();
        assert_eq!(deleted.len(), 3);
        let bytes: usize = messages.iter().map(|message| message.encode().len()).sum();
        assert!(bytes < 64 * 1024, "{bytes}");
        assert!(messages.iter().all(|message| message.withheld.is_some()));
    }

    #[test]
    fn of_a_repeated_member_the_last_one_travels_and_no_other() {
        let ids = serde_json::to_string(&vec!["x"; 501]).unwrap();
        let body = format!(
            r#"{{"webhook_type":"X","webhook_code":"y","link_id":"l-1","link_id":"l-2",
               "data":{{"deleted_x":["a"],"deleted_x":{ids}}}}}"#
        );
        let messages = from_webhook(&body);
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|message| message.group_id() == "l-2" && !message.encode().contains("l-1")));
        let external_ids = vec![r#""external_id":"x""#; 60_000].join(",");
        let [message] =
            from_webhook(&format!(r#"{{"webhook_type":"X","webhook_code":"y",{external_ids}}}"#)).try_into().unwrap();
        assert!(message.encode().len() < 1_024 && message.withheld.is_none());
    }

    #[test]
    fn a_webhook_that_would_need_too_many_parts_is_replaced_by_its_size_and_digest() {
        let parts = |ids: usize| {
            let ids = vec!["1"; ids].join(",");
            from_webhook(&format!(
                r#"{{"webhook_type":"X","webhook_code":"y","link_id":"l","data":{{"deleted_x":[{ids}]}}}}"#
            ))
        };
        assert_eq!(parts(MAX_PARTS * MAX_IDS_PER_MESSAGE).len(), MAX_PARTS);
        let [message] = parts(MAX_PARTS * MAX_IDS_PER_MESSAGE + 1).try_into().unwrap();
        assert!(message.webhook.raw_data().is_none() && message.withheld.is_some());
    }

    #[test]
    fn a_message_with_an_invalid_number_or_key_is_rejected() {
        let whole = from_webhook(&with_ids(1, "")).remove(0);
        let count = Progress {
            began_at: 1,
            token: 2,
            since: None,
            page: 1,
            count: Some(MAX_COUNT),
            digest: String::new(),
            relistings: 0,
            found: ListingCounts::default(),
            legs: None,
            is_first_load: false,
            piece: None,
            compared_to: None,
            previous_row_sum: None,
        };
        let decodes = |message: &Message| Message::decode(&message.encode()).is_ok();
        let comparing = Progress { page: 0, compared_to: Some("t-1".to_owned()), ..count.clone() };
        for listing in [comparing, count.clone()] {
            assert!(decodes(&whole) && decodes(&whole.listing_continuation(listing, 3)));
        }
        for listing in [
            Progress { page: 0, ..count.clone() },
            Progress { page: u64::MAX, ..count.clone() },
            Progress { count: Some(MAX_COUNT + 1), ..count.clone() },
            Progress { relistings: usize::MAX, ..count.clone() },
            Progress { found: ListingCounts { distinct: u64::MAX, ..ListingCounts::default() }, ..count },
        ] {
            assert!(!decodes(&whole.listing_continuation(listing.clone(), 3)), "{listing:?}");
        }
        for key in ["", "a b", "a\u{7f}", &"k".repeat(129)] {
            assert!(!decodes(&Message { key: key.to_owned(), ..whole.clone() }), "{key:?}");
        }
        assert!(!decodes(&Message { part: Part { index: 1, of: 1 }, ..whole.clone() }));
        assert!(!decodes(&Message { received_at: -1, ..whole }));
    }

    #[test]
    fn a_continuation_carries_the_rest_of_the_ids_under_a_key_of_its_own() {
        let whole = from_webhook(&with_ids(3, "")).remove(0);
        let rest = [ObjectId::parse("a").unwrap(), ObjectId::parse("b").unwrap()];
        let next = Message::decode(&whole.ids_continuation(DELETED, &rest, 7).encode()).unwrap();
        assert_eq!(
            (ids_of(&next), next.source, next.group_id()),
            (vec!["a".into(), "b".into()], Source::Continuation, "l-1")
        );
        assert_eq!(next.received_at, whole.received_at);
        assert!(
            next.key != whole.key && next.key != whole.ids_continuation(DELETED, &rest, 8).key && next.key.len() <= 128
        );
    }

    #[test]
    fn a_type_that_is_written_in_escapes_survives_the_splitting() {
        let webhook_type = "\\u0041".repeat(256);
        let ids = serde_json::to_string(&vec!["x"; 600]).unwrap();
        let body = format!(r#"{{"webhook_type":"{webhook_type}","webhook_code":"y","data":{{"updated_x":{ids}}}}}"#);
        for message in from_webhook(&body) {
            assert_eq!(Message::decode(&message.encode()).unwrap().webhook.webhook_type(), "A".repeat(256));
        }
    }

    #[test]
    fn the_progress_of_a_listing_travels_with_its_webhook() {
        let whole = from_webhook(&with_ids(3, "")).remove(0);
        let progress = Progress {
            began_at: 1,
            token: 2,
            since: Some("2024-02-29".to_owned()),
            page: 7,
            count: Some(12_345),
            digest: sha256_hex(b"ids"),
            relistings: 1,
            found: ListingCounts { distinct: 7_000, moved: true, ..ListingCounts::default() },
            legs: Some(vec![2, 5]),
            is_first_load: true,
            piece: Some(25),
            compared_to: Some("t-1".to_owned()),
            previous_row_sum: Some(u64::MAX),
        };
        let next = Message::decode(&whole.listing_continuation(progress.clone(), 9).encode()).unwrap();
        assert_eq!((next.listing, next.source), (Some(progress), Source::Continuation));
        assert_eq!(ids_of(&whole).len(), 3);
    }

    #[test]
    fn a_continuation_says_how_many_came_before_it() {
        let first = from_webhook(&with_ids(3, "")).remove(0);
        let through_the_queue = |message: &Message| Message::decode(&message.encode()).unwrap();
        let third = through_the_queue(&through_the_queue(&first.continuation(1)).ids_continuation(UPDATED, &[], 2))
            .continuation(3);
        assert_eq!((first.continuations, third.continuations), (0, 3));
        assert!(!first.encode().contains("continuations"), "a message that is no continuation is written as before");
        assert_eq!(through_the_queue(&third.as_start_of_chain()).continuations, 0);
    }

    #[test]
    fn the_progress_that_0_1_wrote_is_read() {
        let written = r#"{"began_at":1,"stamp":2,"since":null,"page":7,"count":7500,"digest":"ab","relistings":0,
            "found":{"distinct":7000,"matching":7000,"inflows":1,"outflows":2,"unreadable":0,"moved":false,"unasked":false},
            "legs":null,"is_first_load":true,"piece":1000,"compared_to":null}"#;
        let progress: Progress = serde_json::from_str(written).unwrap();
        assert_eq!((progress.count, progress.found.distinct, progress.previous_row_sum), (Some(7_500), 7_000, None));
        assert_eq!(progress.token, 2);
    }

    /// Messages of this release wait in queues while another one is deployed.
    #[test]
    fn the_members_of_a_message_keep_their_names() {
        let found = ListingCounts::default();
        let progress = Progress {
            began_at: 1,
            token: 2,
            since: None,
            page: 7,
            count: Some(1),
            digest: String::new(),
            relistings: 0,
            found,
            legs: None,
            is_first_load: true,
            piece: Some(1),
            compared_to: None,
            previous_row_sum: Some(1),
        };
        let withheld = Some(Withheld { bytes: 1, sha256: String::new() });
        let message =
            Message { withheld, ..from_webhook(&with_ids(1, "")).remove(0).listing_continuation(progress, 3) };
        let encoded: serde_json::Value = serde_json::from_str(&message.encode()).unwrap();
        let names =
            |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&encoded), "continuations key listing part received_at source v webhook withheld");
        assert_eq!(names(&encoded["part"]), "index of");
        assert_eq!(names(&encoded["withheld"]), "bytes sha256");
        assert_eq!(
            names(&encoded["listing"]),
            "began_at compared_to count digest found is_first_load legs page piece previous_row_sum relistings since stamp"
        );
        assert_eq!(
            names(&encoded["listing"]["found"]),
            "distinct doubled inflows matching moved outflows repeated row_sum unasked unread unreadable"
        );
    }

    #[test]
    fn data_that_cannot_fit_is_replaced_by_its_size_and_digest() {
        let body = format!(
            r#"{{"webhook_type":"X","webhook_code":"y","link_id":"l","data":{{"a":"{}"}}}}"#,
            "x".repeat(MAX_MESSAGE_BYTES)
        );
        let [message] = from_webhook(&body).try_into().unwrap();
        assert!(message.webhook.data().get("a").is_none());
        assert_eq!(message.withheld.unwrap().sha256, sha256_hex(body.as_bytes()));
    }

    proptest! {
        #[test]
        fn any_text_survives_the_queue_and_is_ascii_in_it(text in ".*") {
            let external_id = serde_json::to_string(&text).unwrap();
            let body = format!(r#"{{"webhook_type":"X","webhook_code":"y","note":{external_id}}}"#);
            let encoded = from_webhook(&body).remove(0).encode();
            prop_assert!(encoded.is_ascii());
            let read = Message::decode(&encoded).unwrap();
            let members: serde_json::Value = serde_json::to_value(&read.webhook).unwrap();
            prop_assert_eq!(members["note"].as_str(), Some(text.as_str()));
        }
    }
}

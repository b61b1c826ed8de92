//! Splitting and cutting webhooks that do not fit into a message.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{MAX_IDS_PER_MESSAGE, MAX_MESSAGE_BYTES, MAX_PARTS, Message, Withheld};
use crate::id_lists::{DELETED, UPDATED, id_lists};
use crate::{Fields, Webhook};

/// The maximum number of id lists of each kind (updated, deleted) that are split. Belvo sends one, and [`crate::Plan`] reads
/// only the first.
const MAX_LISTS: usize = 8;
/// The maximum size of what a split or cut webhook keeps beside its id lists, in bytes: of each member of the envelope, and
/// of the other members of `data` together.
///
/// Required members have at most 256 bytes, which are up to 1,538 bytes of JSON.
const MAX_KEPT_MEMBER_BYTES: usize = 2 * 1024;

/// The webhooks of a message's parts.
pub(super) enum Parts {
    /// The unchanged webhook fits into a message.
    Whole,
    /// The webhook is split into one for each slice of its id lists.
    Slices(Vec<Webhook>),
    /// The webhook needs more than [`MAX_PARTS`] parts: only its envelope is sent.
    TooMany(Webhook),
}

/// Splits a webhook into one for each slice of its id lists.
///
/// Each part has only the documented envelope and short members of `data` beside its slice, so that the parts of a large
/// webhook do not repeat its other members.
pub(super) fn split(webhook: &Webhook) -> Parts {
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
    let mut remaining = MAX_KEPT_MEMBER_BYTES;
    let mut kept = BTreeMap::new();
    for (name, raw) in data.iter().filter(|(name, _)| !lists.contains_key(name)) {
        if let Some(left) = remaining.checked_sub(name.len() + raw.get().len()) {
            remaining = left;
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

impl Message {
    /// Returns the message without members that exceed the bounds, if it is larger than [`MAX_MESSAGE_BYTES`].
    pub(super) fn cut_to_fit(self, withheld: &Withheld) -> Self {
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

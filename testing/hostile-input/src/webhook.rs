//! A webhook's body, from its bytes to the messages that carry it.

use std::collections::BTreeMap;

use domain::{DELETED, MAX_IDS_PER_MESSAGE, MAX_MESSAGE_BYTES, MAX_PARTS, Message, Plan, RequestId, UPDATED, Webhook};
use serde_json::value::RawValue;

/// What a webhook may grow to in the queue: its own size in escapes, and a bounded envelope for each part.
const MAX_BYTES_PER_PART: usize = 64 * 1024;
/// A character of three bytes is written as an escape of six; one of two bytes too.
const MAX_ESCAPING: usize = 3;
/// So many lists of each kind are split in any case.
const SPLIT_LISTS: usize = 8;

/// - What is accepted is JSON, and reads back the same after it was written.
/// - It is carried by a bounded number of messages, each in ASCII and below its size, together not much larger than the
///   body.
/// - Every message reads back, names the same link, type and code, and asks for a bounded number of ids.
/// - Every entry of an id list travels exactly once, or the message that lacks it says so.
/// - A refusal names what is wrong, and repeats nothing but a harmless request id.
///
/// # Panics
/// When that does not hold.
pub fn webhook(body: &[u8]) {
    let webhook = match Webhook::parse(body) {
        Ok(webhook) => webhook,
        Err(invalid) => {
            assert!(!invalid.errors.is_empty(), "refused for nothing");
            assert!(invalid.request_id.iter().all(|id| RequestId::parse(id).is_ok()), "an unusable request id");
            return;
        }
    };
    let written = serde_json::to_vec(&webhook).expect("what was accepted can be written");
    let again = Webhook::parse(&written).expect("what was written can be read");
    assert_eq!(words(&again), words(&webhook));

    let messages = Message::from_webhook(&webhook, body, 1_700_000_000_000);
    assert!((1..=MAX_PARTS).contains(&messages.len()), "{} parts", messages.len());
    let mut bytes = 0;
    let mut carried = Vec::with_capacity(messages.len());
    for message in &messages {
        let encoded = message.encode();
        bytes += encoded.len();
        assert!(encoded.is_ascii() && encoded.len() <= MAX_MESSAGE_BYTES, "{} bytes", encoded.len());
        let read = Message::decode(&encoded).expect("what was sent can be read");
        assert_eq!(read.encode(), encoded, "read and written again it is another message");
        assert_eq!(words(&read.webhook), words(&webhook));
        if let Plan::Get { ids, .. } | Plan::Delete { ids, .. } = Plan::from_webhook(&read.webhook) {
            assert!(ids.len() <= MAX_IDS_PER_MESSAGE, "{} ids", ids.len());
        }
        carried.push(read);
    }
    let most = MAX_ESCAPING * body.len() + messages.len() * MAX_BYTES_PER_PART;
    assert!(bytes <= most, "{} bytes became {bytes}", body.len());
    every_entry_travels_once(&webhook, &carried);
}

fn words(webhook: &Webhook) -> [Option<String>; 5] {
    [
        Some(webhook.webhook_type().to_owned()),
        Some(webhook.webhook_code().to_owned()),
        webhook.link_id().map(ToString::to_string),
        webhook.request_id().map(str::to_owned),
        webhook.external_id().map(str::to_owned),
    ]
}

fn every_entry_travels_once(webhook: &Webhook, carried: &[Message]) {
    let lists = id_lists(webhook);
    let of_kind = |kind: &str| lists.keys().filter(|name| name.starts_with(kind)).count();
    if of_kind(UPDATED) > SPLIT_LISTS || of_kind(DELETED) > SPLIT_LISTS {
        return;
    }
    for (name, sent) in lists {
        let mut came = Vec::new();
        for message in carried {
            match id_lists(&message.webhook).remove(&name) {
                Some(entries) => came.extend(entries),
                None => assert!(message.withheld.is_some(), "a list is lacking, and nothing says so"),
            }
        }
        let is_whole = carried.iter().all(|message| id_lists(&message.webhook).contains_key(&name));
        assert!(!is_whole || came == sent, "{} entries became {}", sent.len(), came.len());
    }
}

/// By means of its own, which take the last of a repeated name.
fn id_lists(webhook: &Webhook) -> BTreeMap<String, Vec<String>> {
    let data = webhook.raw_data().map_or("null", RawValue::get);
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(data).unwrap_or_default();
    let named = members.into_iter().filter(|(name, _)| name.starts_with(UPDATED) || name.starts_with(DELETED));
    let entries = |raw: &RawValue| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok();
    named
        .filter_map(|(name, raw)| Some((name, entries(&raw)?.iter().map(|raw| in_ascii(raw.get())).collect())))
        .collect()
}

/// The queue's spelling.
fn in_ascii(json: &str) -> String {
    let escape = |unit: u16| {
        char::from_u32(u32::from(unit)).filter(char::is_ascii).map_or_else(|| format!("\\u{unit:04x}"), String::from)
    };
    json.encode_utf16().map(escape).collect()
}

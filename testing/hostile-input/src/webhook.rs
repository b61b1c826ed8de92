//! The conversion of a webhook's body to queue messages.

use std::collections::BTreeMap;

use domain::{DELETED, MAX_IDS_PER_MESSAGE, MAX_MESSAGE_BYTES, MAX_PARTS, Message, Plan, RequestId, UPDATED, Webhook};
use serde_json::value::RawValue;

/// The maximum size of the envelope of each part, in bytes.
const MAX_BYTES_PER_PART: usize = 64 * 1024;
/// The maximum growth by escaping: a character of two bytes becomes an escape of six.
const MAX_ESCAPING: usize = 3;
/// The number of lists of each kind up to which all are split.
const SPLIT_LISTS: usize = 8;

/// Checks the properties of a webhook and its messages.
///
/// - An accepted body is JSON, and parses to the same webhook after serialization.
/// - It becomes a bounded number of messages in ASCII. The size of each and of all is bounded.
/// - Each message can be decoded, has the same link, type and code, and a bounded number of ids.
/// - Each entry of an id list is in exactly one message. A message without a list is marked as `withheld`.
/// - A rejection contains its errors, and no content but a valid request id.
///
/// # Panics
/// If a property does not hold.
pub fn webhook(body: &[u8]) {
    let webhook = match Webhook::parse(body) {
        Ok(webhook) => webhook,
        Err(rejection) => {
            assert!(!rejection.errors.is_empty(), "rejected without an error");
            assert!(rejection.request_id.iter().all(|id| RequestId::parse(id).is_ok()), "an unusable request id");
            return;
        }
    };
    let written = serde_json::to_vec(&webhook).expect("an accepted webhook can be serialized");
    let again = Webhook::parse(&written).expect("a serialized webhook can be parsed");
    assert_eq!(words(&again), words(&webhook));

    let messages = Message::from_webhook(&webhook, body, 1_700_000_000_000);
    assert!((1..=MAX_PARTS).contains(&messages.len()), "{} parts", messages.len());
    let mut bytes = 0;
    let mut decoded = Vec::with_capacity(messages.len());
    for message in &messages {
        let encoded = message.encode();
        bytes += encoded.len();
        assert!(encoded.is_ascii() && encoded.len() <= MAX_MESSAGE_BYTES, "{} bytes", encoded.len());
        let read = Message::decode(&encoded).expect("an encoded message can be decoded");
        assert_eq!(read.encode(), encoded, "decoding and encoding changed the message");
        assert_eq!(words(&read.webhook), words(&webhook));
        if let Plan::Get { ids, .. } | Plan::Delete { ids, .. } = Plan::from_webhook(&read.webhook) {
            assert!(ids.len() <= MAX_IDS_PER_MESSAGE, "{} ids", ids.len());
        }
        decoded.push(read);
    }
    let most = MAX_ESCAPING * body.len() + messages.len() * MAX_BYTES_PER_PART;
    assert!(bytes <= most, "{} bytes became {bytes}", body.len());
    check_entries(&webhook, &decoded);
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

fn check_entries(webhook: &Webhook, messages: &[Message]) {
    let lists = id_lists(webhook);
    let of_kind = |kind: &str| lists.keys().filter(|name| name.starts_with(kind)).count();
    if of_kind(UPDATED) > SPLIT_LISTS || of_kind(DELETED) > SPLIT_LISTS {
        return;
    }
    for (name, sent) in lists {
        let mut received = Vec::new();
        for message in messages {
            match id_lists(&message.webhook).remove(&name) {
                Some(entries) => received.extend(entries),
                None => assert!(message.withheld.is_some(), "a list is missing, and the message is not marked"),
            }
        }
        let is_whole = messages.iter().all(|message| id_lists(&message.webhook).contains_key(&name));
        assert!(!is_whole || received == sent, "{} entries became {}", sent.len(), received.len());
    }
}

/// Returns the id lists of a webhook, independently of the product's parser. The last value of a repeated name counts.
fn id_lists(webhook: &Webhook) -> BTreeMap<String, Vec<String>> {
    let data = webhook.raw_data().map_or("null", RawValue::get);
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(data).unwrap_or_default();
    let named = members.into_iter().filter(|(name, _)| name.starts_with(UPDATED) || name.starts_with(DELETED));
    let entries = |raw: &RawValue| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok();
    named
        .filter_map(|(name, raw)| Some((name, entries(&raw)?.iter().map(|raw| in_ascii(raw.get())).collect())))
        .collect()
}

/// Returns the JSON with escapes, as messages encode it.
fn in_ascii(json: &str) -> String {
    let escape = |unit: u16| {
        char::from_u32(u32::from(unit)).filter(char::is_ascii).map_or_else(|| format!("\\u{unit:04x}"), String::from)
    };
    json.encode_utf16().map(escape).collect()
}

//! The body of a queue message.

use domain::{DELETED, Message, ObjectId, Plan, Source, UNROUTED};

/// The maximum length of a message's key, in bytes: SQS's limit for a deduplication id.
const MAX_KEY_BYTES: usize = 128;

/// Checks the properties of a decoded message.
///
/// - A decoded message encodes to ASCII and decodes to the same message.
/// - Its key is valid in the table's keys, its group is a link or `UNROUTED`, its part is below the number of parts.
/// - The page of a listing exists in a list of the maximum length.
/// - Its continuations can be decoded.
/// - The error of a rejected message does not repeat its content.
///
/// # Panics
/// If a property does not hold.
pub fn message(body: &[u8]) {
    // SQS delivers text.
    let Ok(body) = std::str::from_utf8(body) else { return };
    let message = match Message::decode(body) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.to_string().len() < 100, "a long error text");
            return;
        }
    };
    let encoded = message.encode();
    assert!(encoded.is_ascii());
    assert_eq!(Message::decode(&encoded).expect("an encoded message can be decoded").encode(), encoded);

    let is_plain = |key: &str| key.bytes().all(|b| b.is_ascii_graphic());
    assert!(
        (1..=MAX_KEY_BYTES).contains(&message.key.len()) && is_plain(&message.key),
        "a key of {}",
        message.key.len()
    );
    assert!(message.webhook.link_id().is_some() || message.group_id() == UNROUTED);
    assert!(message.part.index < message.part.of, "a part past the last");
    assert!(message.received_at >= 0, "received before 1970");
    if let Some(listing) = &message.listing {
        // The arithmetic of pages: the next page, and its offset.
        let offset = listing.page.checked_add(1).and_then(|next| next.checked_mul(1_000));
        assert!((listing.page > 0 || listing.compared_to.is_some()) && offset.is_some(), "page {}", listing.page);
        let found = listing.found;
        let sum = [found.distinct, found.matching, found.inflows, found.outflows, found.unreadable, found.doubled];
        let sum = sum.into_iter().chain([found.repeated, found.unread]).chain(listing.count);
        assert!(sum.into_iter().all(|count: u64| count.checked_mul(1_000).is_some()), "a count that overflows");
    }
    let _ = Plan::from_webhook(&message.webhook);

    let ids = [ObjectId::parse("a").expect("an id")];
    for next in [message.ids_continuation(DELETED, &ids, i64::MAX), message.continuation(7)] {
        let read = Message::decode(&next.encode()).expect("a continuation can be decoded");
        assert_eq!((read.source, read.received_at), (Source::Continuation, message.received_at));
        assert!(read.key != message.key, "a continuation with the key of its predecessor");
    }
}

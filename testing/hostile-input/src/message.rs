//! The body of a queue message.

use domain::{DELETED, Message, ObjectId, Plan, Source, UNROUTED};

/// A name that the table takes in a key, and SQS as a deduplication id.
const MAX_KEY_BYTES: usize = 128;

/// - What is read reads back the same after it was written, in ASCII.
/// - Its key can stand in the table's keys, its group is a link or none, its part is one of its parts.
/// - A listing that it goes on with stands on a page that a list can have.
/// - What goes on with it can be read too.
/// - A refusal repeats nothing.
///
/// # Panics
/// When that does not hold.
pub fn message(body: &[u8]) {
    // SQS gives text.
    let Ok(body) = std::str::from_utf8(body) else { return };
    let message = match Message::decode(body) {
        Ok(message) => message,
        Err(undecodable) => {
            assert!(undecodable.to_string().len() < 100, "a long refusal");
            return;
        }
    };
    let encoded = message.encode();
    assert!(encoded.is_ascii());
    assert_eq!(Message::decode(&encoded).expect("what was written can be read").encode(), encoded);

    let is_plain = |key: &str| key.bytes().all(|b| b.is_ascii_graphic());
    assert!(
        (1..=MAX_KEY_BYTES).contains(&message.key.len()) && is_plain(&message.key),
        "a key of {}",
        message.key.len()
    );
    assert!(message.webhook.link_id().is_some() || message.group_id() == UNROUTED);
    assert!(message.part.index < message.part.of, "a part behind the last");
    assert!(message.received_at >= 0, "received before there was time");
    if let Some(listing) = &message.listing {
        // The arithmetic of pages: the next one, and where it begins.
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
        let read = Message::decode(&next.encode()).expect("what goes on can be read");
        assert_eq!((read.source, read.received_at), (Source::Continuation, message.received_at));
        assert!(read.key != message.key, "the same key twice");
    }
}

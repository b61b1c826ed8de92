use std::collections::BTreeSet;

use proptest::prelude::*;

use super::progress::MAX_COUNT;
use super::*;
use crate::{DELETED, UPDATED};

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
fn messages_of_other_programs_and_of_newer_releases_are_rejected() {
    assert_eq!(Message::decode("hello").unwrap_err(), DecodeError::NotAMessage);
    assert_eq!(Message::decode(r#"{"v":1}"#).unwrap_err(), DecodeError::NotAMessage);
    assert_eq!(Message::decode(r#"{"v":2,"later":true}"#).unwrap_err(), DecodeError::UnknownVersion(2));
}

#[test]
fn long_id_lists_are_split_and_every_id_is_sent_exactly_once() {
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
fn a_split_webhook_keeps_short_lists_and_does_not_repeat_many_small_members() {
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
fn a_message_has_only_the_last_of_a_repeated_member() {
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
fn a_continuation_carries_the_checkpoint_and_the_webhook() {
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
fn a_continuation_counts_those_before_it() {
    let first = from_webhook(&with_ids(3, "")).remove(0);
    let through_the_queue = |message: &Message| Message::decode(&message.encode()).unwrap();
    let third =
        through_the_queue(&through_the_queue(&first.continuation(1)).ids_continuation(UPDATED, &[], 2)).continuation(3);
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
    let message = Message { withheld, ..from_webhook(&with_ids(1, "")).remove(0).listing_continuation(progress, 3) };
    let encoded: serde_json::Value = serde_json::from_str(&message.encode()).unwrap();
    // Sorted: with another feature of serde_json the members keep the order in which they were written.
    let names = |value: &serde_json::Value| {
        let names: BTreeSet<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
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

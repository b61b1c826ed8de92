//! Events.

use aws_sdk_dynamodb::types::AttributeValue;
use store::{Checkpoint, Content, Counts, Outcome};

use crate::given::{NOW, given_an_empty_table, message, n, s};

#[tokio::test]
async fn an_event_has_one_item_from_its_first_attempt_to_its_outcome() {
    let given = given_an_empty_table().await;
    let message = message(
        r#"{"webhook_id":"w-1","webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","link_id":"link-1",
            "request_id":"r-1","data":{"count":2,"deleted_transactions":["a","b"],"pad":null}}"#,
    );
    let event = given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    let sk = format!("EVENT#{NOW}#{}", message.key);
    let item = given.item("LINK#link-1", &sk).await;
    assert_eq!((s(&item, "outcome"), n(&item, "attempts").as_deref()), (Some("processing"), Some("2")));
    assert_eq!((s(&item, "webhook_id"), s(&item, "request_id")), (Some("w-1"), Some("r-1")));
    let data = item["data"].as_m().unwrap();
    assert_eq!(data["deleted_transactions"], AttributeValue::N("2".to_owned()), "a list is kept as its length");

    let pass = given.begin_pass(NOW).await;
    let counts = Counts { pages: 1, written: 2, unchanged: 3, stale: 4, deleted: 5, unreadable: 6 };
    assert!(pass.finish(&Checkpoint::default(), &event, Outcome::Applied, counts, NOW).await.unwrap());
    let item = given.item("LINK#link-1", &sk).await;
    assert_eq!((s(&item, "outcome"), n(&item, "deleted").as_deref()), (Some("applied"), Some("5")));
}

#[tokio::test]
async fn an_event_without_a_link_is_stored_under_its_day() {
    let given = given_an_empty_table().await;
    let message = message(r#"{"webhook_type":"PAYMENT_INTENTS","webhook_code":"STATUS_UPDATE","object_id":"o"}"#);
    let event = given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    given.table.end_event(&event, Outcome::Unknown, Some("no such type")).await.unwrap();
    let item = given.item("UNROUTED#2023-11-14", &format!("EVENT#{NOW}#{}", message.key)).await;
    assert_eq!((s(&item, "outcome"), s(&item, "reason")), (Some("unknown"), Some("no such type")));
}

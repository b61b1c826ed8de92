//! The purge of a link.

use std::time::Instant;

use domain::LinkStatus;
use store::{Content, Purged};

use crate::given::{NOW, given_an_empty_table, message, transactions};

const WEBHOOK: &str = r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1","data":{"count":2}}"#;

#[tokio::test]
async fn a_purge_removes_records_and_the_content_of_events_and_counts_both() {
    let given = given_an_empty_table().await;
    given.begin_pass(NOW).await;
    given.upsert("1", NOW).await;
    given.table.begin_event(&message(WEBHOOK), Content::Kept, NOW).await.unwrap();

    let purge = given.table.begin_purge(&given.link, LinkStatus::Erased, NOW).await.unwrap();
    // After the deadline: each call removes one page.
    let mut calls = 1;
    while given.table.purge(&purge, Instant::now()).await.unwrap() != Purged::Complete {
        calls += 1;
        assert!(calls < 10, "a purge ends");
    }
    assert!(given.table.end_purge(&purge, NOW).await.unwrap());

    let receipt = given.table.receipt(&given.link).await.unwrap().unwrap();
    assert_eq!((receipt.records, receipt.sync_states, receipt.events, receipt.requests), (1, 1, 1, 0));
    assert!(given.transaction().await.is_empty());
    assert!(given.table.begin_pass(&given.link, transactions(), None, NOW).await.is_err(), "the link is erased");
}

#[tokio::test]
async fn the_content_of_an_event_is_removed_and_the_event_stays() {
    let given = given_an_empty_table().await;
    let message = message(WEBHOOK);
    let event = given.table.begin_event(&message, Content::Kept, NOW).await.unwrap();
    given.table.remove_event_data(&event).await.unwrap();
    let item = given.item("LINK#link-1", &format!("EVENT#{NOW}#{}", message.key)).await;
    assert!(item.contains_key("outcome") && !item.contains_key("data"));
}

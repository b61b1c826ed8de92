//! Discovery of links: new ones, changed ones, and pages that Belvo fails to return.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Message, Plan, now};
use test_aws::dynamodb::TABLE_NAME;

use crate::tests::world::{HOUR, World};

#[tokio::test]
async fn discovery_goes_on_where_the_last_run_stopped() {
    let world = World::new().await;
    world.links(0..350);
    world.goes_on_at(1, 0).await;
    let first = world.run().await;
    assert_eq!((first.pages, first.discovered), (3, 300));
    let second = world.run().await;
    assert_eq!((second.pages, second.discovered), (1, 50));
    assert_eq!(world.run().await.discovered, 0, "from the beginning again");
}

#[tokio::test]
async fn a_link_that_was_gone_and_is_listed_again_is_synced_again() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    world.listings();
    world.table.set_link_status(&link, domain::LinkStatus::Gone).await.unwrap();
    let report = world.run().await;
    assert_eq!((report.links, world.listings().len()), (1, report.listings));
    assert!(report.listings > 0);
    assert_eq!(world.link_item(&link).await["status"], AttributeValue::S("active".to_owned()));
}

#[tokio::test]
async fn a_link_whose_status_at_belvo_is_another_is_read_back_once_it_is_known() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    world.run().await;
    world.listings();
    world.belvo.control().set_status("l-1", "token_required").unwrap();
    assert_eq!(world.run().await.status_reads, 1);
    let bodies = std::mem::take(&mut *world.sent.lock().unwrap());
    let [body] = bodies.try_into().unwrap();
    let message = Message::decode(&body).unwrap();
    assert_eq!((Plan::from_webhook(&message.webhook), message.group_id()), (Plan::LinkStatus, "l-1"));
    let status = world.link_item(&link).await["status"].clone();
    assert_eq!(status, AttributeValue::S("active".to_owned()), "the list alone decides nothing");
    assert_eq!(world.run().await.status_reads, 0, "it was asked for a moment ago, and may wait for its turn");
    let long_ago = now() - 7 * HOUR;
    world.table.record_status_check(&link, long_ago).await.unwrap();
    assert_eq!(world.run().await.status_reads, 1);
    world.table.set_link_status(&link, domain::LinkStatus::TokenRequired).await.unwrap();
    assert_eq!(world.run().await.status_reads, 0);
}

#[tokio::test]
async fn facts_that_belvo_gives_no_more_are_given_up_and_an_earlier_due_time_stands() {
    let world = World::new().await;
    let link = world.link("l-1", "recurrent");
    let listed = |refresh_rate: Option<&str>, external_id: &str| domain::ListedLink {
        id: link.clone(),
        access: None,
        external_id: Some(external_id.to_owned()),
        access_mode: Some("recurrent".to_owned()),
        refresh_rate: refresh_rate.map(str::to_owned),
        fetch_resources: vec!["ACCOUNTS".to_owned()],
        created_at: None,
    };
    let (now, soon) = (now(), now() + HOUR);
    assert!(world.table.upsert_discovered(&listed(Some("6h"), "user-1"), soon, now).await.unwrap().is_new);
    assert_eq!(world.due_at(&link).await, Some(soon));
    assert!(!world.table.upsert_discovered(&listed(None, "user-1"), soon + HOUR, now).await.unwrap().is_new);
    assert_eq!((world.link_item(&link).await.get("refresh_rate"), world.due_at(&link).await), (None, Some(soon)));
    world.table.upsert_discovered(&listed(None, "user-2"), soon, now).await.unwrap();
    let item = world.link_item(&link).await;
    assert_eq!(item["gsi1pk"], AttributeValue::S("EXTERNAL#user-2".to_owned()));
}

const PAGE_2_FAILS: &str = r#"[{"match":{"path_prefix":"/api/links/","page":2},"fault":{"status":500}}]"#;

#[tokio::test]
async fn a_page_of_links_that_belvo_never_gives_holds_back_no_other_page() {
    let world = World::new().await;
    world.links(0..250);
    world.goes_on_at(1, 0).await;
    world.breaks(PAGE_2_FAILS);
    let first = world.run().await;
    assert_eq!((first.pages, first.discovered, first.unread_pages), (2, 150, 1));
    assert_eq!(world.place().await, (1, Some(1_000), 0), "the list is begun again");
    world.links(250..251);
    world.goes_on_at(1, 0).await;
    assert_eq!(world.run().await.discovered, 1);
    world.belvo.control().clear_faults();
    world.goes_on_at(1, 0).await;
    assert_eq!(world.run().await.discovered, 100, "the next time round the page is asked for again");
}

#[tokio::test]
async fn a_last_page_of_links_that_belvo_never_gives_holds_back_no_other_page() {
    let world = World::new().await;
    world.links(0..150);
    world.goes_on_at(2, 0).await;
    world.breaks(PAGE_2_FAILS);
    let report = world.run().await;
    assert_eq!((report.pages, report.discovered, report.unread_pages), (1, 150, 1), "behind the end is the beginning");
}

#[tokio::test]
async fn while_belvo_is_away_discovery_moves_on_by_a_page_a_run_and_ends_up_at_the_beginning() {
    let world = World::new().await;
    world.breaks(r#"[{"fault":{"status":500}}]"#);
    world.goes_on_at(3, 0).await;
    assert_eq!((world.run().await.unread_pages, world.place().await), (1, (4, Some(100), 1)));
    world.goes_on_at(9, 7).await;
    world.run().await;
    assert_eq!(world.place().await, (1, Some(1_000), 0));
}

#[tokio::test]
async fn a_refusal_of_whoever_asks_leaves_discovery_where_it_is() {
    let world = World::new().await;
    world.goes_on_at(3, 0).await;
    for fault in [r#""html_403""#, r#"{"status":429}"#, r#"{"status":401}"#] {
        world.breaks(&format!(r#"[{{"fault":{fault}}}]"#));
        assert_eq!((world.run().await.unread_pages, world.place().await), (0, (3, Some(100), 0)), "{fault}");
        world.belvo.control().clear_faults();
    }
}

#[tokio::test]
async fn a_page_of_links_that_takes_the_whole_time_of_a_run_is_left_out_of_the_next() {
    let world = World::new().await;
    world.links(0..150);
    world.goes_on_at(1, 0).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/links/","page":1},"fault":"hang"}]"#);
    let report = world.try_to_run_within(Duration::from_secs(2)).await.unwrap();
    assert_eq!((report.unread_pages, world.place().await), (1, (2, Some(100), 1)));
    assert_eq!(world.run().await.discovered, 50);
}

#[tokio::test]
async fn pages_of_links_that_are_smaller_than_asked_for_are_gone_through_in_their_own_size() {
    let world = World::new().await;
    world.links(0..250);
    world.goes_on_at(2, 0).await;
    let report = world.run().await;
    assert_eq!((report.pages, report.discovered, world.place().await), (2, 150, (1, Some(1_000), 0)));
}

#[tokio::test]
async fn a_link_that_the_table_refuses_holds_back_no_other_link() {
    let world = World::new().await;
    world.links(0..3);
    let large = [
        ("pk", AttributeValue::S("LINK#l-0001".to_owned())),
        ("sk", AttributeValue::S("LINK".to_owned())),
        ("large", AttributeValue::S("x".repeat(400 * 1024 - 30))),
    ];
    let large = large.map(|(name, value)| (name.to_owned(), value));
    world.dynamodb.put_item().table_name(TABLE_NAME).set_item(Some(HashMap::from(large))).send().await.unwrap();
    let report = world.run().await;
    assert_eq!((report.pages, report.discovered, report.failed), (1, 2, 1));
}

//! Passes, checkpoints and seen ids.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Day, LinkStatus, Resource};
use store::{Check, Checkpoint, Counts, EventKey, FinishedListing, LinkChange, Outcome, PassError, SyncState};
use test_aws::dynamodb::TABLE_NAME;

use crate::given::{NOW, given_an_empty_table, message, n, s, transactions};

const LISTED: FinishedListing = FinishedListing { token: NOW, began_at: NOW - 1, count: 2 };

#[tokio::test]
async fn a_pass_is_followed_only_while_it_is_current() {
    let given = given_an_empty_table().await;
    let listing = given.begin_pass(NOW).await;
    let asking = listing.next_pass(NOW - 60_000).await.unwrap().unwrap();
    assert_eq!(asking.token, NOW + 1, "a clock a minute behind");
    assert_eq!(given.state().await.last_pass_at, Some(NOW + 1));
    assert!(listing.next_pass(NOW + 9).await.unwrap().is_none(), "it was overtaken");
    assert!(asking.is_current().await.unwrap());
}

#[tokio::test]
async fn the_clock_of_a_link_only_moves_forward_whatever_the_hosts_clocks_say() {
    let given = given_an_empty_table().await;
    assert_eq!(given.begin_pass(NOW).await.token, NOW);
    assert_eq!(given.begin_pass(NOW).await.token, NOW + 1, "the same millisecond");
    assert_eq!(given.begin_pass(NOW - 60_000).await.token, NOW + 2, "a clock a minute behind");
    assert_eq!(given.begin_pass(NOW + 60_000).await.token, NOW + 60_000);
}

#[tokio::test]
async fn a_pass_gets_the_sync_state_that_earlier_passes_left() {
    let given = given_an_empty_table().await;
    assert_eq!(given.begin_pass(NOW).await.sync_state_before, SyncState::default());
    let second = given.begin_pass(NOW + 5).await;
    assert_eq!(second.sync_state_before.last_pass_at, Some(NOW));
    assert_eq!(given.state().await.last_pass_at, Some(NOW + 5));
}

#[tokio::test]
async fn a_pass_that_was_overtaken_at_its_start_does_not_move_last_pass_at_back() {
    let given = given_an_empty_table().await;
    given.begin_pass(NOW + 100).await;
    let accounts = Resource::of_webhook_type("ACCOUNTS").unwrap();
    let slow = given.table.begin_pass(&given.link, accounts, None, NOW).await.unwrap();
    assert_eq!(slow.token, NOW + 101);
    assert_eq!(given.state().await.last_pass_at, Some(NOW + 100), "another resource has its own");
}

#[tokio::test]
async fn an_overtaken_pass_is_not_current_and_leaves_no_checkpoint() {
    let given = given_an_empty_table().await;
    let event = EventKey::of(&message(r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1"}"#));
    let overtaken = given.begin_pass(NOW).await;
    let newest = given.begin_pass(NOW).await;
    assert!(!overtaken.is_current().await.unwrap());
    assert!(newest.is_current().await.unwrap());
    let checkpoint = Checkpoint {
        watermark: Some(Day::of(NOW)),
        finished_listing: Some(LISTED),
        check: Some(Check::Verified),
        link: LinkChange { access: Some(LinkStatus::Active), ..LinkChange::default() },
    };
    let finish =
        async |pass: &store::Pass| pass.finish(&checkpoint, &event, Outcome::Applied, Counts::default(), NOW).await;
    assert!(!finish(&overtaken).await.unwrap());
    assert_eq!(given.state().await.watermark, None);
    assert!(finish(&newest).await.unwrap());
    assert_eq!(given.state().await.watermark, Some(Day::of(NOW)));
}

#[tokio::test]
async fn a_checkpoint_moves_the_watermark_forward_only_and_clears_the_last_error() {
    let given = given_an_empty_table().await;
    let event = EventKey::of(&message(r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1"}"#));
    given.table.record_failure(&given.link, transactions(), "belvo_unavailable").await.unwrap();
    let later = Checkpoint {
        watermark: Day::parse("2024-03-01"),
        finished_listing: Some(LISTED),
        check: Some(Check::Drift),
        link: LinkChange { access: Some(LinkStatus::Active), ..LinkChange::default() },
    };
    let pass = given.begin_pass(NOW).await;
    assert!(pass.finish(&later, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    let state = given.item("LINK#link-1", "SYNC#TRANSACTIONS").await;
    assert_eq!((s(&state, "watermark"), s(&state, "check")), (Some("2024-03-01"), Some("drift")));
    assert_eq!((n(&state, "count").as_deref(), n(&state, "listed_at")), (Some("2"), Some(NOW.to_string())));
    assert!(!state.contains_key("last_error"));

    let earlier = Checkpoint { watermark: Day::parse("2024-02-01"), ..Checkpoint::default() };
    let pass = given.begin_pass(NOW).await;
    assert!(pass.finish(&earlier, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    assert_eq!(given.state().await.watermark, Day::parse("2024-03-01"));
    assert_eq!(given.state().await.listed_at, Some(NOW), "this pass was no whole listing");
}

#[tokio::test]
async fn a_checkpoint_stores_what_the_pass_found_on_its_link() {
    let given = given_an_empty_table().await;
    let event = EventKey::of(&message(r#"{"webhook_type":"X","webhook_code":"y","link_id":"link-1"}"#));
    given.begin_pass(NOW).await;
    given.table.set_link_status(&given.link, LinkStatus::Gone).await.unwrap();
    let pass = given.begin_pass(NOW).await;
    assert_eq!(pass.link_state.status, Some(LinkStatus::Gone));
    let nothing = Checkpoint::default();
    assert!(pass.finish(&nothing, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    assert_eq!(s(&given.item("LINK#link-1", "LINK").await, "status"), Some("gone"));
    let link = LinkChange { access: Some(LinkStatus::Active), ..LinkChange::default() };
    let learned = Checkpoint { link, ..nothing };
    assert!(pass.finish(&learned, &event, Outcome::Applied, Counts::default(), NOW).await.unwrap());
    assert_eq!(s(&given.item("LINK#link-1", "LINK").await, "status"), Some("active"));
}

#[tokio::test]
async fn no_pass_begins_on_an_erased_link() {
    let given = given_an_empty_table().await;
    given.begin_pass(NOW).await;
    let update = given.client.update_item().table_name(TABLE_NAME).update_expression("SET #status = :erased");
    update
        .key("pk", AttributeValue::S("LINK#link-1".to_owned()))
        .key("sk", AttributeValue::S("LINK".to_owned()))
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":erased", AttributeValue::S("erased".to_owned()))
        .send()
        .await
        .unwrap();
    let refused = given.table.begin_pass(&given.link, transactions(), None, NOW + 9).await;
    assert!(matches!(refused, Err(PassError::Erased)));
    given.table.set_link_status(&given.link, LinkStatus::Active).await.unwrap();
    assert_eq!(s(&given.item("LINK#link-1", "LINK").await, "status"), Some("erased"));
}

#[tokio::test]
async fn the_index_finds_a_link_by_its_external_id_and_later_passes_keep_it() {
    let given = given_an_empty_table().await;
    let pass = given.table.begin_link_pass(&given.link, None, NOW).await.unwrap();
    let change = LinkChange { external_id: Some("user 7".to_owned()), ..LinkChange::default() };
    assert!(given.table.finish_link_pass(&pass, &change).await.unwrap());
    given.begin_pass(NOW).await;
    let link = given.item("LINK#link-1", "LINK").await;
    assert_eq!((s(&link, "external_id"), s(&link, "status")), (Some("user 7"), Some("active")));
    assert_eq!((s(&link, "gsi1pk"), s(&link, "gsi1sk")), (Some("EXTERNAL#user 7"), Some("LINK#link-1")));
}

#[tokio::test]
async fn the_seen_ids_of_each_pass_of_a_listing_are_separate_and_a_lost_pass_is_an_error() {
    let given = given_an_empty_table().await;
    let (first, second) = (given.begin_pass(NOW).await, given.begin_pass(NOW + 1).await);
    let many: Vec<u64> = (0..90_000).map(|n| u64::MAX - n).collect();
    first.store_seen_ids(NOW, &many, NOW).await.unwrap();
    second.store_seen_ids(NOW, &[7], NOW).await.unwrap();
    second.store_seen_ids(NOW + 1, &[8], NOW).await.unwrap();
    let seen_ids = async |passes: &[i64]| second.seen_ids(NOW, passes).await;
    let mut all = seen_ids(&[NOW, NOW + 1]).await.unwrap();
    all.sort_unstable();
    assert_eq!((all.len(), all[0], all[90_000]), (90_001, 7, u64::MAX));
    assert_eq!(seen_ids(&[NOW + 1]).await.unwrap(), [7]);
    assert!(seen_ids(&[NOW, NOW + 2]).await.is_err());
}

#[tokio::test]
async fn the_synced_resources_of_a_link_are_those_with_a_sync_state() {
    let given = given_an_empty_table().await;
    assert!(given.table.synced_resources(&given.link).await.unwrap().is_empty());
    let transactions = Resource::of_webhook_type("TRANSACTIONS").unwrap();
    given.table.begin_pass(&given.link, transactions, None, NOW).await.unwrap();
    given.table.record_failure(&given.link, Resource::accounts(), "store").await.unwrap();
    let resources = given.table.synced_resources(&given.link).await.unwrap();
    assert_eq!(resources, [Resource::accounts(), transactions]);
}

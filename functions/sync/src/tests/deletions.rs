//! Deletions that a webhook announces, and tombstones that meet a later listing or update.

use domain::now;
use fake_belvo::Settings;

use super::wait_out_the_clock_margin;
use super::world::{LINK, World, ids, message, number, sqs, text};

#[tokio::test]
async fn a_deletion_is_never_given_up_because_the_link_cannot_be_used() {
    let world = World::with_transactions(5).await;
    let deleted = world.change(r#"{"delete":1}"#).await.deleted;
    let late = message("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted), now() - 1_000);
    world.list_transactions().await;
    world.breaks(r#"[{"fault":{"error":{"status":428,"code":"token_required"}}}]"#);
    assert_eq!(world.deliver(&[sqs(&late, 1)]).await.len(), 1);
    world.belvo.control().clear_faults();
    assert!(world.deliver(&[sqs(&late, 2)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn the_parts_of_one_deletion_do_not_make_each_other_ask() {
    let world = World::with_transactions(600).await;
    world.list_transactions().await;
    let deleted = world.change(r#"{"delete":550}"#).await.deleted;
    world.belvo.control().clear_requests();
    let body = format!(
        r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"transactions_deleted","link_id":"{LINK}","data":{}}}"#,
        ids("deleted", &deleted)
    );
    let parts =
        domain::Message::from_webhook(&domain::Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), now() + 500);
    assert_eq!(parts.len(), 2);
    for part in parts {
        assert!(world.deliver(&[sqs(&part, 1)]).await.is_empty());
    }
    assert_eq!(world.belvo.control().requests().total, 0);
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn deleted_transactions_become_tombstones_without_asking() {
    let world = World::with_transactions(10).await;
    world.list_transactions().await;
    world.belvo.control().clear_requests();
    wait_out_the_clock_margin().await;
    let mut deleted = world.change(r#"{"delete":3}"#).await.deleted;
    deleted.push("never-seen".to_owned());
    let message = world.succeed("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted)).await;
    assert_eq!(world.belvo.control().requests().total, 0);
    world.assert_converged("TRANSACTIONS").await;
    assert!(world.record("TRANSACTIONS", "never-seen").await.contains_key("deleted_at"), "it may still be on its way");
    assert_eq!(number(&world.event(&message).await, "deleted"), Some(4));
}

#[tokio::test]
async fn a_late_deletion_asks_before_it_deletes_what_was_seen_since() {
    let world = World::with_transactions(10).await;
    let deleted = world.change(r#"{"delete":2}"#).await.deleted;
    let redriven = message("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted), now() - 1_000);
    world.change(&format!(r#"{{"restore":["{}"]}}"#, deleted[0])).await;
    world.list_transactions().await;
    assert!(world.deliver(&[sqs(&redriven, 1)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
    assert!(world.record("TRANSACTIONS", &deleted[0]).await.contains_key("data"), "it came back and stays");
    assert!(world.record("TRANSACTIONS", &deleted[1]).await.contains_key("deleted_at"));
}

#[tokio::test]
async fn a_listing_from_a_lagging_replica_does_not_resurrect_a_deleted_transaction() {
    let world = World::with_transactions(10).await;
    world.belvo.control().set_settings(Settings { stale_reads_ms: 60_000, ..Settings::default() });
    let deleted = world.change(r#"{"delete":1}"#).await.deleted;
    world.succeed("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted)).await;
    world.list_transactions().await;
    world.assert_converged("TRANSACTIONS").await;
    assert!(world.record("TRANSACTIONS", &deleted[0]).await.contains_key("deleted_at"));
}

#[tokio::test]
async fn a_deleted_transaction_that_belvo_has_again_comes_back_with_the_next_listing() {
    let world = World::with_transactions(10).await;
    let deleted = world.change(r#"{"delete":1}"#).await.deleted;
    world.succeed("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted)).await;
    world.change(&format!(r#"{{"restore":["{}"]}}"#, deleted[0])).await;
    let message = world.list_transactions().await;
    world.assert_converged("TRANSACTIONS").await;
    assert!(!world.record("TRANSACTIONS", &deleted[0]).await.contains_key("expires_at"));
    assert_eq!(text(&world.event(&message).await, "outcome"), "applied");
}

//! Objects that a webhook names: they are requested by their ids.

use std::time::Duration;

use domain::{Message, now};
use fake_belvo::{IdIn, Settings};

use super::TRANSACTIONS;
use super::world::{LINK, World, ids, message, sqs, text};

#[tokio::test]
async fn updated_transactions_are_fetched_by_their_ids_and_those_that_are_gone_become_tombstones() {
    for id_in in [IdIn::Allowed, IdIn::Refused, IdIn::BadRequest, IdIn::Ignored] {
        let world = World::with_transactions(300).await;
        world.belvo.control().set_settings(Settings { id_in, ..Settings::default() });
        world.list_transactions().await;
        let changed = world.change(r#"{"update":150}"#).await;
        let gone = world.change(r#"{"delete":2}"#).await;
        let announced = [changed.updated, gone.deleted.clone()].concat();
        world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &announced)).await;
        world.assert_converged("TRANSACTIONS").await;
        assert!(world.record("TRANSACTIONS", &gone.deleted[0]).await.contains_key("deleted_at"), "{id_in:?}");
        let listed = world.requests(TRANSACTIONS).iter().filter(|query| query.contains("id__in")).count();
        let expected = if id_in == IdIn::Allowed { 2 } else { 1 };
        assert_eq!(listed, expected, "{id_in:?}: in chunks of 100, or refused at once");
    }
}

#[tokio::test]
async fn ids_that_are_too_many_for_the_time_travel_on_in_messages_of_their_own() {
    let mut world = World::with_transactions(30).await;
    world.worker.budgets.by_id = Duration::ZERO;
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    let changed = world.change(r#"{"update":10,"refresh_accounts":false}"#).await;
    let message = world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated)).await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    assert_eq!(world.records("TRANSACTIONS").await.len(), 4, "each message begins a few, however short it is");
    assert_eq!(world.deliver_continuations().await, 2);
    assert_eq!(world.records("TRANSACTIONS").await.len(), 10);
    assert!(!world.requests(TRANSACTIONS).iter().any(|query| query.contains("page_size=1000")));
}

#[tokio::test]
async fn an_object_that_belvo_cannot_give_holds_back_no_other() {
    let world = World::with_transactions(30).await;
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    let mut updated = world.change(r#"{"update":10,"refresh_accounts":false}"#).await.updated;
    updated.sort();
    let path = format!("{TRANSACTIONS}{}/", updated[4]);
    world.breaks(&format!(r#"[{{"match":{{"path_prefix":"{path}"}},"fault":{{"status":500}}}}]"#));
    let message = message("TRANSACTIONS", "transactions_updated", &ids("updated", &updated), now());
    let mut continuation = message;
    while world.deliver(&[sqs(&continuation, 1)]).await.is_empty() {
        continuation = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    }
    assert_eq!(world.records("TRANSACTIONS").await.len(), 9);
    let left: Vec<String> =
        serde_json::from_str(continuation.webhook.data().get("updated_transactions").unwrap().get()).unwrap();
    assert_eq!(left, [updated[4].clone()], "only its own message waits");
}

#[tokio::test]
async fn when_there_are_more_ids_than_pages_and_no_filter_for_them_the_list_is_read() {
    let world = World::with_transactions(1_500).await;
    world.list_transactions().await;
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    let changed = world.change(r#"{"update":30}"#).await.updated;
    let gone = world.change(r#"{"delete":1}"#).await.deleted;
    world.belvo.control().clear_requests();
    let announced = [changed, gone.clone()].concat();
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &announced)).await;
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(world.requests(TRANSACTIONS).len(), 3, "the refused filter and two pages");
    assert_eq!(
        world.requests(&format!("{TRANSACTIONS}{}/", gone[0])).len(),
        1,
        "the list lacks it, so it is asked for"
    );
    assert!(world.record("TRANSACTIONS", &gone[0]).await.contains_key("deleted_at"));
}

#[tokio::test]
async fn an_update_that_a_later_listing_covers_asks_belvo_nothing() {
    let world = World::with_transactions(10).await;
    let changed = world.change(r#"{"update":2}"#).await.updated;
    let late = message("TRANSACTIONS", "transactions_updated", &ids("updated", &changed), now() - 1_000);
    world.list_transactions().await;
    world.belvo.control().clear_requests();
    assert!(world.deliver(&[sqs(&late, 1)]).await.is_empty());
    assert_eq!(text(&world.event(&late).await, "outcome"), "covered");
    assert_eq!(world.belvo.control().requests().total, 0);
}

#[tokio::test]
async fn a_refused_filter_is_not_tried_again_for_a_while() {
    let world = World::with_transactions(20).await;
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    for _ in 0..3 {
        let changed = world.change(r#"{"update":5}"#).await;
        world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated)).await;
    }
    assert_eq!(world.requests(TRANSACTIONS).len(), 1);
}

#[tokio::test]
async fn a_404_is_no_deletion_while_belvo_does_not_give_the_link() {
    let world = World::with_transactions(5).await;
    world.list_transactions().await;
    let changed = world.change(r#"{"update":1}"#).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/"},"fault":{"error":{"status":404,"code":"not_found"}}}]"#);
    let message = message("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated), now());
    assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1, "with wrong credentials it looks the same");
    assert!(world.record("TRANSACTIONS", &changed.updated[0]).await.contains_key("data"), "nothing is deleted");
    assert_eq!(text(&world.item(&format!("LINK#{LINK}"), "LINK").await, "status"), "gone");
    world.belvo.control().clear_faults();
    assert!(world.deliver(&[sqs(&message, 2)]).await.is_empty());
    assert_eq!(text(&world.item(&format!("LINK#{LINK}"), "LINK").await, "status"), "active");
}

#[tokio::test]
async fn an_update_from_a_lagging_replica_does_not_resurrect_a_deleted_transaction() {
    let world = World::with_transactions(10).await;
    world.belvo.control().set_settings(Settings { stale_reads_ms: 60_000, ..Settings::default() });
    let deleted = world.change(r#"{"delete":4}"#).await.deleted;
    world.succeed("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted)).await;
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &deleted)).await;
    for id in &deleted {
        assert!(world.record("TRANSACTIONS", id).await.contains_key("deleted_at"));
    }
}

#[tokio::test]
async fn a_long_id_list_makes_progress_under_belvos_edge_limit() {
    let world = World::with_transactions(200).await;
    let limits = Settings { id_in: IdIn::Refused, edge_limit_per_30s: 60, ..Settings::default() };
    world.belvo.control().set_settings(limits);
    let changed = world.change(r#"{"update":100}"#).await;
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated)).await;
    let continuation = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    assert_eq!(world.deliver(&[sqs(&continuation, 1)]).await.len(), 1, "the edge refuses");
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    assert!(world.deliver(&[sqs(&continuation, 2)]).await.is_empty());
    world.deliver_continuations().await;
    assert_eq!(world.records("TRANSACTIONS").await.len(), 100);
}

/// What Belvo answers to a list, or an id, of a link that it does not know.
const UNKNOWN_LINK: &str =
    r#"{"match":{"path_prefix":"/api/transactions/"},"fault":{"error":{"status":400,"code":"does_not_exist"}}}"#;
const NO_LINK: &str = r#"{"match":{"path_prefix":"/api/links/"},"fault":{"error":{"status":404,"code":"not_found"}}}"#;

#[tokio::test]
async fn a_link_whose_list_does_not_exist_is_gone_when_belvo_does_not_have_the_link_either() {
    let world = World::with_transactions(5).await;
    world.list_transactions().await;
    let changed = world.change(r#"{"update":1}"#).await;
    world.breaks(&format!("[{UNKNOWN_LINK},{NO_LINK}]"));
    for (code, data) in [("historical_update", "{}"), ("transactions_updated", &ids("updated", &changed.updated))] {
        let message = message("TRANSACTIONS", code, data, now());
        assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1, "{code}");
        assert_eq!(text(&world.item(&format!("LINK#{LINK}"), "LINK").await, "status"), "gone", "{code}");
        assert!(world.record("TRANSACTIONS", &changed.updated[0]).await.contains_key("data"), "nothing is deleted");
    }
}

#[tokio::test]
async fn a_400_that_says_does_not_exist_alone_changes_neither_the_link_nor_an_object() {
    let world = World::with_transactions(5).await;
    world.list_transactions().await;
    let changed = world.change(r#"{"update":1}"#).await;
    world.breaks(&format!("[{UNKNOWN_LINK}]"));
    for (code, data) in [("historical_update", "{}"), ("transactions_updated", &ids("updated", &changed.updated))] {
        let message = message("TRANSACTIONS", code, data, now());
        assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1, "{code}");
        assert_eq!(text(&world.state("TRANSACTIONS").await, "last_error"), "belvo_not_found", "{code}");
        assert_eq!(text(&world.item(&format!("LINK#{LINK}"), "LINK").await, "status"), "active", "{code}");
        assert!(world.record("TRANSACTIONS", &changed.updated[0]).await.contains_key("data"), "nothing is deleted");
    }
}

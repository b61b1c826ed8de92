//! Lists that are too long for one invocation.

use std::time::Duration;

use domain::Message;

use super::TRANSACTIONS;
use super::world::{World, ids, message, number, sqs, text};

#[tokio::test]
async fn a_list_that_is_too_long_for_one_invocation_is_read_in_several_messages() {
    let mut world = World::with_transactions(9_500).await;
    world.worker.budgets.pages = Duration::ZERO;
    let message = world.succeed("TRANSACTIONS", "historical_update", r#"{"total_transactions":9500}"#).await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    assert_eq!(world.records("TRANSACTIONS").await.len(), 2_000, "each message begins a page, however short it is");
    assert_eq!(text(&world.state("TRANSACTIONS").await, "watermark"), "(absent)", "not before every page is written");
    assert_eq!(world.deliver_continuations().await, 8);
    world.assert_converged("TRANSACTIONS").await;
    let state = world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), number(&state, "count")), ("verified", Some(9_500)));
    assert_eq!(world.requests(TRANSACTIONS).len(), 10 + 8, "each later message reads one page again");
}

#[tokio::test]
async fn a_list_that_changed_between_two_messages_is_read_again() {
    let mut world = World::with_transactions(5_500).await;
    world.worker.budgets.pages = Duration::ZERO;
    world.list_transactions().await;
    world.change(r#"{"delete":1,"refresh_accounts":false}"#).await;
    world.worker.budgets.pages = Duration::from_hours(1);
    world.deliver_continuations().await;
    assert_eq!(number(&world.state("TRANSACTIONS").await, "count"), Some(5_499));
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn a_long_list_that_always_moves_is_read_to_its_end_all_the_same() {
    let mut world = World::with_transactions(4_500).await;
    world.worker.budgets.pages = Duration::ZERO;
    world.breaks(
        r#"[{"match":{"path_prefix":"/api/transactions/"},"fault":{"wrong_count":1},"probability":0.5,"seed":7}]"#,
    );
    world.list_transactions().await;
    world.deliver_continuations().await;
    world.assert_converged("TRANSACTIONS").await;
    let state = world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), text(&state, "watermark")), ("drift", "(absent)"));
}

#[tokio::test]
async fn what_a_list_in_several_messages_lacks_is_marked_by_its_last_message() {
    let mut world = World::with_transactions(4_100).await;
    world.list_transactions().await;
    let dropped = world.change(r#"{"delete":3,"refresh_accounts":false}"#).await.deleted;
    world.worker.budgets.pages = Duration::ZERO;
    world.list_transactions().await;
    assert!(world.deliver_continuations().await > 2);
    for id in &dropped {
        assert!(world.record("TRANSACTIONS", id).await.contains_key("missing_since"));
    }
    let missing = world.records("TRANSACTIONS").await.into_values().filter(|item| item.contains_key("missing_since"));
    assert_eq!(missing.count(), 3);
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn comparing_a_long_list_with_the_table_travels_on_in_messages_of_its_own() {
    let mut world = World::with_transactions(2_500).await;
    world.list_transactions().await;
    let dropped = world.change(r#"{"delete":2,"refresh_accounts":false}"#).await.deleted;
    world.worker.budgets.comparing = Duration::ZERO;
    let message = world.list_transactions().await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    assert_eq!(number(&world.state("TRANSACTIONS").await, "count"), Some(2_498), "the list itself is finished");
    world.belvo.control().clear_requests();
    // Two megabytes of records, of which DynamoDB reads one at once.
    assert!(world.deliver_continuations().await >= 2);
    assert_eq!(world.belvo.control().requests().total, 0);
    for id in &dropped {
        assert!(world.record("TRANSACTIONS", id).await.contains_key("missing_since"));
    }
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn what_was_stored_between_two_messages_is_not_taken_for_missing() {
    let mut world = World::with_transactions(2_500).await;
    world.list_transactions().await;
    world.worker.budgets.pages = Duration::ZERO;
    world.list_transactions().await;
    let added = world.change(r#"{"add":1,"refresh_accounts":false}"#).await.added;
    let stored = ids("updated", &added);
    world.succeed("TRANSACTIONS", "transactions_updated", &stored).await;
    let deleted = world.change(&format!(r#"{{"delete":["{}"],"refresh_accounts":false}}"#, added[0])).await.deleted;
    assert_eq!(deleted, added, "the list is as the first message saw it");
    world.deliver_continuations().await;
    assert!(!world.record("TRANSACTIONS", &added[0]).await.contains_key("missing_since"));
}

#[tokio::test]
async fn what_was_read_before_a_page_that_fails_is_not_read_again() {
    let world = World::with_transactions(6_500).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/","page":4},"fault":{"status":500}}]"#);
    let message = world.list_transactions().await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    let continuation = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    assert_eq!(continuation.listing.as_ref().unwrap().page, 3);
    assert_eq!(
        continuation.listing.as_ref().unwrap().found.distinct,
        3_000,
        "later pages are read again, and counted then"
    );
    assert_eq!(world.deliver(&[sqs(&continuation, 1)]).await.len(), 1, "no progress, so it waits");
    world.belvo.control().clear_faults();
    assert!(world.deliver(&[sqs(&continuation, 2)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(number(&world.state("TRANSACTIONS").await, "count"), Some(6_500));
    let read = |page: u32| {
        let query = format!("page={page}");
        world.requests(TRANSACTIONS).iter().filter(|asked| asked.split('&').any(|part| part == query)).count()
    };
    assert_eq!([read(1), read(2)], [1, 1]);
}

#[tokio::test]
async fn who_asks_for_fewer_requests_gets_a_rest() {
    let world = World::with_transactions(3_500).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/","page":4},"fault":{"status":429}}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", domain::now());
    assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1);
    assert!(world.sent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_next_message_requests_no_more_at_once_than_belvo_could_give() {
    let mut world = World::with_transactions(2_100).await;
    world.worker.budgets.pages = Duration::ZERO;
    let settings = fake_belvo::Settings { max_page_size_before_408: 500, ..fake_belvo::Settings::default() };
    world.belvo.control().set_settings(settings);
    world.list_transactions().await;
    // As in another environment.
    world.worker.session.forget_page_size();
    world.belvo.control().clear_requests();
    world.deliver_continuations().await;
    assert!(world.requests(TRANSACTIONS).iter().all(|query| query.contains("page_size=500")));
    world.assert_converged("TRANSACTIONS").await;
}

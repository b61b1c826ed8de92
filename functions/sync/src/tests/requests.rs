//! What the sync does for asynchronous requests, and for a resync.

use std::time::Duration;

use domain::{LinkId, Message, Part, Source, Withheld, now};

use super::world::{LINK, World, ids, message, number, sqs, text};

/// Without dashes, as the table has it; the webhooks of these tests write it with dashes.
const REQUEST: &str = "REQUEST#4363b08b51eb43509c745df5ac92a7f6";

#[tokio::test]
async fn a_webhook_completes_the_request_that_it_answers_once_its_data_is_stored() {
    let world = World::with_transactions(30).await;
    world.list_transactions().await;
    let request = world.item(REQUEST, "REQUEST").await;
    assert_eq!((text(&request, "status"), text(&request, "resource")), ("completed", "TRANSACTIONS"));
    assert_eq!((number(&request, "pages"), number(&request, "written")), (Some(1), Some(33)), "with three accounts");
    assert_eq!(text(&request, "gsi1pk"), format!("LINK#{LINK}"));
}

#[tokio::test]
async fn a_request_whose_data_an_earlier_listing_brought_is_completed_too() {
    let world = World::with_transactions(30).await;
    let late = message("TRANSACTIONS", "new_transactions_available", "{}", now() - 1_000);
    let other = Message::listing_of(Source::Resync, &link(), "TRANSACTIONS", now(), "key".to_owned()).unwrap();
    assert!(world.deliver(&[sqs(&other, 1)]).await.is_empty());
    assert!(world.item(REQUEST, "REQUEST").await.is_empty(), "a resync answers no request");
    assert!(world.deliver(&[sqs(&late, 1)]).await.is_empty());
    assert_eq!(text(&world.event(&late).await, "outcome"), "covered");
    let request = world.item(REQUEST, "REQUEST").await;
    assert_eq!((text(&request, "status"), number(&request, "written")), ("completed", None));
}

#[tokio::test]
async fn a_request_is_not_completed_before_the_last_message_of_its_listing() {
    let mut world = World::with_transactions(2_500).await;
    world.worker.budgets.pages = Duration::ZERO;
    world.list_transactions().await;
    assert!(world.item(REQUEST, "REQUEST").await.is_empty());
    assert!(world.deliver_continuations().await > 0);
    assert_eq!(text(&world.item(REQUEST, "REQUEST").await, "status"), "completed");
}

#[tokio::test]
async fn a_request_is_completed_when_all_parts_of_its_webhook_and_their_continuations_are_stored() {
    let mut world = World::with_transactions(1).await;
    world.worker.budgets.by_id = Duration::ZERO;
    let some: Vec<String> = (0..10).map(|n| format!("t-{n}")).collect();
    let webhook = message("TRANSACTIONS", "transactions_deleted", &ids("deleted", &some), now());
    let withheld = Some(Withheld { bytes: 1, sha256: "5".repeat(64) });
    let parts = [0, 1].map(|index| {
        let key = format!("key-{index}");
        Message { part: Part { index, of: 2 }, key, withheld: withheld.clone(), ..webhook.clone() }
    });

    // The part that was sent last is received first.
    assert_eq!(world.deliver(&[sqs(&parts[1], 1)]).await, [""; 0]);
    let request = world.item(REQUEST, "REQUEST").await;
    assert_eq!((text(&request, "status"), request.contains_key("completed_at")), ("accepted", false));

    // What another pass has looked at since is asked for by its id, a few in each message.
    world.begin_another_pass().await;
    assert_eq!(world.deliver(&[sqs(&parts[0], 1)]).await, [""; 0]);
    assert_eq!(text(&world.event(&parts[0]).await, "outcome"), "continued");
    assert_eq!(text(&world.item(REQUEST, "REQUEST").await, "status"), "accepted");

    assert!(world.deliver_continuations().await > 0);
    let request = world.item(REQUEST, "REQUEST").await;
    assert_eq!((text(&request, "status"), request.contains_key("parts_done")), ("completed", false));
}

#[tokio::test]
async fn what_is_unknown_or_fails_completes_nothing() {
    let world = World::with_transactions(1).await;
    world.succeed("MOON_PHASES", "historical_update", "{}").await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/"},"fault":{"status":500}}]"#);
    let failing = message("TRANSACTIONS", "historical_update", "{}", now());
    assert_eq!(world.deliver(&[sqs(&failing, 1)]).await.len(), 1);
    assert!(world.item(REQUEST, "REQUEST").await.is_empty());
}

#[tokio::test]
async fn a_resync_lists_everything_again_however_lately_that_was_done() {
    let world = World::with_transactions(30).await;
    world.list_transactions().await;
    world.change(r#"{"update":3}"#).await;
    let resync = Message::listing_of(Source::Resync, &link(), "TRANSACTIONS", now(), "key".to_owned()).unwrap();
    assert!(world.deliver(&[sqs(&resync, 1)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
    let event = world.event(&resync).await;
    assert_eq!((text(&event, "outcome"), text(&event, "source")), ("applied", "resync"));
}

fn link() -> LinkId {
    LinkId::parse(LINK).unwrap()
}

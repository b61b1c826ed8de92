//! Which messages leave the queue, and when the others come back.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use domain::{Message, now};
use fake_belvo::NewLink;

use super::world::{LINK, World, message, message_of, sqs, text};

#[tokio::test]
async fn a_failing_message_waits_longer_each_time() {
    let world = World::with_transactions(1).await;
    world.breaks(r#"[{"fault":{"status":500}}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    for attempt in [1, 2, 5, 20] {
        world.deliver(&[sqs(&message, attempt)]).await;
    }
    let waits = world.hidden_for.lock().unwrap().clone();
    for (wait, longest) in waits.iter().zip([5, 10, 80, 900]) {
        assert!((longest / 2..=longest).contains(wait), "{waits:?}");
    }
    assert_eq!(waits.len(), 4);
}

/// The queue's clock is simulated: what is waited for is added up.
#[tokio::test]
async fn an_hour_without_belvo_takes_no_message_to_the_dead_letter_queue() {
    const MAX_RECEIVE_COUNT: u32 = 20;
    let world = World::with_transactions(5).await;
    world.breaks(r#"[{"fault":{"status":500}}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    let mut attempt = 0;
    while world.hidden_for.lock().unwrap().iter().sum::<i32>() < 60 * 60 {
        attempt += 1;
        assert_eq!(world.deliver(&[sqs(&message, attempt)]).await.len(), 1);
    }
    assert!(attempt < MAX_RECEIVE_COUNT, "{attempt} attempts in an hour");
    world.belvo.control().clear_faults();
    assert!(world.deliver(&[sqs(&message, attempt + 1)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn after_a_failure_the_later_messages_of_that_link_come_back_and_others_do_not() {
    let world = World::with_transactions(1).await;
    let another = NewLink { id: Some("other".to_owned()), transactions: 0, ..NewLink::default() };
    world.belvo.control().create_link(another).unwrap();
    world.breaks(&format!(r#"[{{"match":{{"link":"{LINK}"}},"fault":{{"status":500}}}}]"#));
    let first = message("TRANSACTIONS", "historical_update", "{}", now());
    let second = message("ACCOUNTS", "historical_update", "{}", now());
    let other =
        message_of(r#"{"webhook_type":"ACCOUNTS","webhook_code":"historical_update","link_id":"other"}"#, now());
    let failed = world.deliver(&[sqs(&first, 1), sqs(&second, 1), sqs(&other, 1)]).await;
    assert_eq!(failed, [&first, &second].map(|message| sqs(message, 1).message_id.unwrap()));
    assert_eq!(text(&world.event(&other).await, "outcome"), "applied");
    assert!(world.event(&second).await.is_empty(), "it must not overtake the first");
}

#[tokio::test]
async fn a_deeply_nested_webhook_still_gets_its_event_item() {
    let world = World::with_transactions(0).await;
    for depth in [28, 29, 30, 31, 32, 40] {
        let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let message = world.succeed("MOON_PHASES", "new_moon", &format!(r#"{{"a":{{"b":{nested}}}}}"#)).await;
        assert_eq!(text(&world.event(&message).await, "outcome"), "unknown", "{depth}");
    }
}

#[tokio::test]
async fn what_this_release_does_not_know_is_recorded_and_leaves_the_queue() {
    let world = World::with_transactions(0).await;
    let unknown = world.succeed("MOON_PHASES", "new_moon", "{}").await;
    let payment =
        message_of(r#"{"webhook_type":"TRANSACTIONS","webhook_code":"STATUS_UPDATE","object_id":"o"}"#, now());
    assert!(world.deliver(&[sqs(&payment, 1)]).await.is_empty());
    for message in [unknown, payment] {
        assert_eq!(text(&world.event(&message).await, "outcome"), "unknown");
    }
}

#[tokio::test]
async fn a_deletion_without_ids_is_refused_with_its_reason() {
    let world = World::with_transactions(0).await;
    let message = world.succeed("TRANSACTIONS", "transactions_deleted", "{}").await;
    let event = world.event(&message).await;
    assert_eq!(text(&event, "outcome"), "refused");
    assert!(text(&event, "reason").contains("without a list of ids"));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_never_dropped() {
    let world = World::with_transactions(0).await;
    let mut foreign = sqs(&message("ACCOUNTS", "historical_update", "{}", now()), 1);
    for body in ["hello", r#"{"v":2}"#] {
        foreign.body = Some(body.to_owned());
        assert_eq!(world.deliver(&[foreign.clone()]).await.len(), 1);
    }
}

#[tokio::test]
async fn refused_credentials_are_read_again_once() {
    let world = World::with_transactions(5).await;
    let right = world.secret.lock().unwrap().clone();
    *world.secret.lock().unwrap() = right.replace("secret-password", "old");
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1);
    assert_eq!(world.belvo.control().requests().total, 2, "no storm of refused requests");
    *world.secret.lock().unwrap() = right;
    assert!(world.deliver(&[sqs(&message, 2)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn a_link_that_belvo_cannot_use_gets_its_status_and_the_message_ends() {
    for (code, status) in [("login_error", "invalid_credentials"), ("session_expired", "token_required")] {
        let world = World::with_transactions(5).await;
        world.breaks(&format!(r#"[{{"fault":{{"error":{{"status":400,"code":"{code}"}}}}}}]"#));
        let message = world.list_transactions().await;
        assert_eq!(text(&world.event(&message).await, "outcome"), "refused");
        assert_eq!(text(&world.item(&format!("LINK#{LINK}"), "LINK").await, "status"), status);
    }
}

#[tokio::test]
async fn when_the_time_is_short_the_job_is_dropped_and_its_message_given_back() {
    let world = World::with_transactions(5).await;
    world.breaks(r#"[{"fault":"hang"}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    let failed = world.deliver_within(&[sqs(&message, 1)], Duration::from_millis(500)).await;
    assert_eq!((failed.len(), world.hidden_for.lock().unwrap().len()), (1, 1));
}

#[test]
fn the_messages_of_events_sync_are_messages() {
    let folder = format!("{}/../../events/sync", env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let event: SqsEvent = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for record in event.records {
            Message::decode(record.body.as_deref().unwrap())
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

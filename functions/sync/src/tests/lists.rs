//! Each plan of a message, from the queue to the table.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use domain::{Day, Message, now};
use fake_belvo::{IdIn, NewLink, Settings};

use super::world::{LINK, World, ids, message, message_of, number, sqs, text};
use super::{TRANSACTIONS, wait_out_the_clock_margin};

#[tokio::test]
async fn a_historical_update_brings_every_page_in_as_few_requests_as_there_are_pages() {
    let world = World::with_transactions(2_500).await;
    let message = world.succeed("TRANSACTIONS", "historical_update", r#"{"total_transactions":2500}"#).await;
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(world.records("TRANSACTIONS").await.len(), 2_500);
    let mut queries = world.requests(TRANSACTIONS);
    queries.sort();
    assert_eq!(queries, [1, 2, 3].map(|page| format!("link={LINK}&page_size=1000&page={page}")));
    let event = world.event(&message).await;
    assert_eq!(
        (text(&event, "outcome"), number(&event, "pages"), number(&event, "written")),
        ("applied", Some(3), Some(2_503)),
        "with three accounts"
    );
    let state = world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), number(&state, "count")), ("verified", Some(2_500)));
    assert_eq!(text(&state, "watermark"), Day::of(now()).to_string());
}

#[tokio::test]
async fn accounts_arrive_by_either_of_their_webhooks() {
    for (code, data, check) in [
        ("historical_update", r#"{"total_accounts":3}"#, "verified"),
        ("new_accounts_available", r#"{"new_accounts":1}"#, "unverified"),
    ] {
        let world = World::with_transactions(0).await;
        world.succeed("ACCOUNTS", code, data).await;
        world.assert_converged("ACCOUNTS").await;
        assert_eq!(world.records("ACCOUNTS").await.len(), 3);
        assert_eq!(text(&world.state("ACCOUNTS").await, "check"), check);
    }
}

#[tokio::test]
async fn the_link_remembers_its_external_id_and_when_it_was_synced() {
    let world = World::with_transactions(1).await;
    world.list_transactions().await;
    let link = world.item(&format!("LINK#{LINK}"), "LINK").await;
    assert_eq!((text(&link, "external_id"), text(&link, "gsi1pk")), ("user-7", "EXTERNAL#user-7"));
    assert!(number(&link, "last_synced_at") >= number(&link, "last_event_at"));
    world.list_transactions().await;
    assert_eq!(world.requests(&format!("/api/links/{LINK}/")).len(), 1, "Belvo is asked once");
}

#[tokio::test]
async fn whose_link_it_is_stands_at_belvo_whatever_a_webhook_says() {
    let world = World::with_transactions(1).await;
    world.list_transactions().await;
    let body = format!(
        r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"historical_update","link_id":"{LINK}",
            "external_id":"somebody-else","data":{{}}}}"#
    );
    assert_eq!(world.deliver(&[sqs(&message_of(&body, now()), 1)]).await, [""; 0]);
    let link = world.item(&format!("LINK#{LINK}"), "LINK").await;
    assert_eq!((text(&link, "external_id"), text(&link, "gsi1pk")), ("user-7", "EXTERNAL#user-7"));
}

#[tokio::test]
async fn a_page_that_fails_leaves_no_watermark_and_the_next_attempt_finishes() {
    let world = World::with_transactions(2_500).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/","page":2},"fault":{"status":500},"count":3}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1);
    let state = world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "watermark"), text(&state, "last_error")), ("(absent)", "belvo_unavailable"));
    assert_eq!(text(&world.event(&message).await, "outcome"), "processing");
    assert!(world.deliver(&[sqs(&message, 2)]).await.is_empty());
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(number(&world.event(&message).await, "attempts"), Some(2));
    assert_eq!(text(&world.state("TRANSACTIONS").await, "last_error"), "(absent)");
}

#[tokio::test]
async fn a_failing_message_waits_longer_each_time() {
    let world = World::with_transactions(1).await;
    world.breaks(r#"[{"fault":{"status":500}}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    for attempt in [1, 2, 5, 20] {
        world.deliver(&[sqs(&message, attempt)]).await;
    }
    let waits = world.given_back.lock().unwrap().clone();
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
    while world.given_back.lock().unwrap().iter().sum::<i32>() < 60 * 60 {
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
async fn what_is_new_is_listed_from_the_day_before_the_watermark_inflows_and_outflows_alike() {
    let world = World::with_transactions(40).await;
    world.list_transactions().await;
    world.belvo.control().clear_requests();
    world.change(r#"{"add":30}"#).await;
    world.succeed("TRANSACTIONS", "new_transactions_available", r#"{"new_transactions":30}"#).await;
    world.assert_converged("TRANSACTIONS").await;
    let since = Day::of(now()).previous();
    let query = format!("link={LINK}&page_size=1000&page=1&created_at__gte={since}");
    assert_eq!(world.requests(TRANSACTIONS), [query]);
    let types = world.records("TRANSACTIONS").await;
    let of = |wanted: &str| {
        types.values().filter(|item| item["data"].as_m().unwrap()["type"].as_s().is_ok_and(|t| t == wanted)).count()
    };
    assert!(of("INFLOW") > 0 && of("OUTFLOW") > 0);
}

#[tokio::test]
async fn without_a_watermark_what_is_new_is_everything() {
    let world = World::with_transactions(40).await;
    world.succeed("TRANSACTIONS", "new_transactions_updated", r#"{"new_transactions":1}"#).await;
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(world.requests(TRANSACTIONS), [format!("link={LINK}&page_size=1000&page=1")]);
}

#[tokio::test]
async fn fewer_new_ones_than_announced_are_asked_for_twice_more_before_it_is_drift() {
    let world = World::with_transactions(40).await;
    world.list_transactions().await;
    let message = message("TRANSACTIONS", "new_transactions_available", r#"{"new_transactions":1000}"#, now());
    assert_eq!(world.deliver(&[sqs(&message, 1)]).await.len(), 1);
    assert_eq!(world.deliver(&[sqs(&message, 2)]).await.len(), 1);
    assert!(world.deliver(&[sqs(&message, 3)]).await.is_empty());
    assert_eq!(text(&world.state("TRANSACTIONS").await, "check"), "drift");
}

#[tokio::test]
async fn fewer_than_announced_in_all_is_drift_at_once() {
    let world = World::with_transactions(40).await;
    world.succeed("TRANSACTIONS", "historical_update", r#"{"total_transactions":41}"#).await;
    assert_eq!(text(&world.state("TRANSACTIONS").await, "check"), "drift");
}

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
        assert_eq!(listed, expected, "{id_in:?}: in pieces of 100, or given up at once");
    }
}

#[tokio::test]
async fn ids_that_are_too_many_for_the_time_travel_on_in_messages_of_their_own() {
    let mut world = World::with_transactions(30).await;
    world.worker.legs.objects = Duration::ZERO;
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    let changed = world.change(r#"{"update":10,"refresh_accounts":false}"#).await;
    let message = world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated)).await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    assert_eq!(world.records("TRANSACTIONS").await.len(), 4, "each leg begins a few, however short it is");
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
    let mut leg = message;
    while world.deliver(&[sqs(&leg, 1)]).await.is_empty() {
        leg = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    }
    assert_eq!(world.records("TRANSACTIONS").await.len(), 9);
    let left: Vec<String> =
        serde_json::from_str(leg.webhook.data().get("updated_transactions").unwrap().get()).unwrap();
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

#[tokio::test]
async fn a_list_that_moved_while_it_was_read_is_read_again() {
    let world = World::with_transactions(2_500).await;
    let moves = r#"[{"match":{"path_prefix":"/api/transactions/","page":2},"fault":{"rows_move":1},"count":1}]"#;
    world.breaks(moves);
    world.list_transactions().await;
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(world.requests(TRANSACTIONS).len(), 6);
    assert_eq!(text(&world.state("TRANSACTIONS").await, "check"), "unverified");
}

#[tokio::test]
async fn a_list_that_always_moves_ends_as_drift_without_a_checkpoint() {
    let world = World::with_transactions(1_500).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/","page":2},"fault":{"wrong_count":-1}}]"#);
    world.list_transactions().await;
    let state = world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), text(&state, "watermark")), ("drift", "(absent)"));
    assert_eq!((world.requests(TRANSACTIONS).len(), number(&state, "listed_at")), (6, None));
}

#[tokio::test]
async fn an_event_that_a_later_listing_covers_asks_belvo_nothing() {
    let world = World::with_transactions(10).await;
    let earlier = message("TRANSACTIONS", "historical_update", r#"{"total_transactions":10}"#, now() - 1_000);
    world.list_transactions().await;
    world.belvo.control().clear_requests();
    assert!(world.deliver(&[sqs(&earlier, 1)]).await.is_empty());
    assert_eq!(world.belvo.control().requests().total, 0);
    assert_eq!(text(&world.event(&earlier).await, "outcome"), "covered");
}

#[tokio::test]
async fn an_unchanged_list_is_read_again_without_a_single_write() {
    let world = World::with_transactions(1_200).await;
    world.list_transactions().await;
    let message = world.list_transactions().await;
    let event = world.event(&message).await;
    assert_eq!((number(&event, "written"), number(&event, "unchanged")), (Some(0), Some(1_203)));
    let changed = world.change(r#"{"update":7,"refresh_accounts":false}"#).await;
    let message = world.list_transactions().await;
    assert_eq!(number(&world.event(&message).await, "written"), Some(7));
    world.assert_converged("TRANSACTIONS").await;
    assert_eq!(changed.updated.len(), 7);
}

#[tokio::test]
async fn the_accounts_that_transactions_embed_are_refreshed_and_never_set_back() {
    let world = World::with_transactions(50).await;
    world.list_transactions().await;
    world.assert_converged("ACCOUNTS").await;
    let changed = world.change(r#"{"update":50,"refresh_accounts":true}"#).await;
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated)).await;
    world.assert_converged("ACCOUNTS").await;
}

#[tokio::test]
async fn a_long_id_list_makes_progress_under_belvos_edge_limit() {
    let world = World::with_transactions(200).await;
    let limits = Settings { id_in: IdIn::Refused, edge_limit_per_30s: 60, ..Settings::default() };
    world.belvo.control().set_settings(limits);
    let changed = world.change(r#"{"update":100}"#).await;
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &changed.updated)).await;
    let leg = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    assert_eq!(world.deliver(&[sqs(&leg, 1)]).await.len(), 1, "the edge refuses");
    world.belvo.control().set_settings(Settings { id_in: IdIn::Refused, ..Settings::default() });
    assert!(world.deliver(&[sqs(&leg, 2)]).await.is_empty());
    world.deliver_continuations().await;
    assert_eq!(world.records("TRANSACTIONS").await.len(), 100);
}

#[tokio::test]
async fn an_overtaken_listing_writes_no_further_page_and_leaves_no_checkpoint() {
    let world = World::with_transactions(1_500).await;
    world.breaks(r#"[{"match":{"path_prefix":"/api/transactions/","page":2},"fault":{"delay_ms":1500}}]"#);
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    let batch = [sqs(&message, 1)];
    let overtake = async {
        while world.requests(TRANSACTIONS).is_empty() || world.records("TRANSACTIONS").await.len() < 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.begin_another_pass().await;
    };
    let (failed, ()) = tokio::join!(world.deliver(&batch), overtake);
    assert_eq!(failed.len(), 1);
    assert_eq!(world.records("TRANSACTIONS").await.len(), 1_000, "the second page was not written");
    let state = world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "watermark"), text(&state, "last_error")), ("(absent)", "(absent)"));
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
async fn what_belvo_dropped_without_a_word_is_marked_as_missing_and_keeps_its_data() {
    let world = World::with_transactions(30).await;
    world.list_transactions().await;
    let dropped = world.change(r#"{"delete":2}"#).await.deleted;
    world.list_transactions().await;
    world.assert_converged("TRANSACTIONS").await;
    let record = world.record("TRANSACTIONS", &dropped[0]).await;
    assert!(record.contains_key("missing_since") && record.contains_key("data"));
    world.change(&format!(r#"{{"restore":["{}"]}}"#, dropped[0])).await;
    world.list_transactions().await;
    assert!(!world.record("TRANSACTIONS", &dropped[0]).await.contains_key("missing_since"));
}

#[tokio::test]
async fn a_page_that_is_too_much_for_belvo_is_asked_for_in_pieces() {
    for (limit, pieces) in [(500, 5), (125, 19), (20, 460)] {
        let world = World::with_transactions(2_300).await;
        world.belvo.control().set_settings(Settings { max_page_size_before_408: limit, ..Settings::default() });
        let message = world.list_transactions().await;
        world.assert_converged("TRANSACTIONS").await;
        assert_eq!(number(&world.event(&message).await, "pages"), Some(pieces), "with at most {limit} at once");
        assert_eq!(text(&world.state("TRANSACTIONS").await, "check"), "unverified");
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
    assert_eq!((failed.len(), world.given_back.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_followed_and_fails_nothing() {
    for next in ["http://127.0.0.1:1/steal", "http://proxy.internal/api/transactions/?page=2", "?page=2", "file:///etc"]
    {
        let world = World::with_transactions(2_500).await;
        // On every page but the last, which has no `next`.
        let rules = [1, 2].map(|page| {
            format!(
                r#"{{"match":{{"path_prefix":"/api/transactions/","page":{page}}},"fault":{{"foreign_next":"{next}"}}}}"#
            )
        });
        world.breaks(&format!("[{}]", rules.join(",")));
        world.succeed("TRANSACTIONS", "historical_update", r#"{"total_transactions":2500}"#).await;
        world.assert_converged("TRANSACTIONS").await;
        assert_eq!(text(&world.state("TRANSACTIONS").await, "check"), "verified", "{next}");
        assert_eq!(world.requests(TRANSACTIONS).len(), 3, "{next}");
    }
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

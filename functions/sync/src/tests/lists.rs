//! Listings: what one reads, compares, writes and leaves behind.

use std::time::Duration;

use domain::{Day, now};
use fake_belvo::Settings;

use super::TRANSACTIONS;
use super::world::{LINK, World, ids, message, message_of, number, sqs, text};

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
async fn a_page_that_is_too_large_for_belvo_is_requested_in_smaller_pages() {
    for (limit, requests) in [(500, 5), (125, 19), (20, 460)] {
        let world = World::with_transactions(2_300).await;
        world.belvo.control().set_settings(Settings { max_page_size_before_408: limit, ..Settings::default() });
        let message = world.list_transactions().await;
        world.assert_converged("TRANSACTIONS").await;
        assert_eq!(number(&world.event(&message).await, "pages"), Some(requests), "with at most {limit} at once");
        assert_eq!(text(&world.state("TRANSACTIONS").await, "check"), "unverified");
    }
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

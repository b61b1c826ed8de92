//! Lists in which something is wrong: it costs only itself, and the listing follows what Belvo sent.

use domain::{Message, now};

use super::TRANSACTIONS;
use super::odd_belvo::{Cap, List, OddBelvo, Row, SPEED, transaction};
use super::world::{LINK, World, ids, message, number, sqs, text};
use crate::job::MAX_CONTINUATIONS;

fn transactions(count: usize) -> Vec<Row> {
    (0..count).map(|n| transaction(&format!("t-{n:04}"))).collect()
}

#[tokio::test]
async fn pages_that_belvo_caps_without_a_word_are_all_read() {
    for (cap, requests) in [(100, 5), (300, 2), (37, 13)] {
        let belvo = OddBelvo::start().await;
        belvo.set(LINK, List { cap: Cap::Size(cap), ..List::of(transactions(450)) });
        belvo.list(LINK, r#"{"total_transactions":450}"#, 1).await.unwrap();
        let state = belvo.world.state("TRANSACTIONS").await;
        assert_eq!((text(&state, "check"), number(&state, "count")), ("verified", Some(450)), "{cap}");
        assert_ne!(text(&state, "watermark"), "(absent)");
        assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), 450);
        assert_eq!(belvo.requests(LINK).len(), requests, "no page is asked for twice");
    }
}

#[tokio::test]
async fn a_cap_that_does_not_divide_a_page_is_no_sign_that_the_list_moved() {
    // The next page by the cap begins before 1,000 and ends behind it, with the last object of the list.
    for (cap, count) in [(300, 1_100), (600, 1_100), (700, 4_100)] {
        let belvo = OddBelvo::start().await;
        belvo.set(LINK, List { cap: Cap::Size(cap), ..List::of(transactions(count)) });
        belvo.list(LINK, &format!(r#"{{"total_transactions":{count}}}"#), 1).await.unwrap();
        let state = belvo.world.state("TRANSACTIONS").await;
        assert_eq!(text(&state, "check"), "verified", "{cap}");
        assert_ne!(text(&state, "watermark"), "(absent)", "{cap}");
        let requests = belvo.requests(LINK);
        assert!(requests.len() <= 24, "one reading: {requests:?}");
    }
}

#[tokio::test]
async fn pages_that_a_small_cap_makes_many_requests_are_read_one_after_the_other() {
    let belvo = OddBelvo::start().await;
    belvo.set(LINK, List { cap: Cap::Size(20), ..List::of(transactions(3_500)) });
    belvo.list(LINK, "{}", 1).await.unwrap();
    let requests = belvo.requests(LINK);
    let places: Vec<_> = requests.iter().map(|(page, size)| (page - 1) * size).collect();
    assert!(
        places.is_sorted(),
        "at the pace that is allowed, four pages at once do not come to their end: {requests:?}"
    );
}

#[tokio::test]
async fn a_cap_that_changes_while_a_list_is_read_hides_nothing() {
    let belvo = OddBelvo::start().await;
    belvo.set(LINK, List { cap: Cap::Changing(vec![400, 1_000, 30, 7]), ..List::of(transactions(450)) });
    belvo.list(LINK, r#"{"total_transactions":450}"#, 1).await.unwrap();
    assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "verified");
    assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), 450);
}

#[tokio::test]
async fn a_row_that_stands_twice_in_an_answer_is_no_sign_that_the_list_moved() {
    let belvo = OddBelvo::start().await;
    belvo.set(LINK, List::of(vec![transaction("a"), transaction("a")]));
    belvo.list(LINK, r#"{"total_transactions":2}"#, 1).await.unwrap();
    let state = belvo.world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), number(&state, "count")), ("verified", Some(1)));
    assert_ne!(text(&state, "watermark"), "(absent)");
    assert_eq!(belvo.requests(LINK).len(), 1);
}

#[tokio::test]
async fn a_row_that_stands_twice_in_each_reading_is_no_sign_that_the_list_moved() {
    let belvo = OddBelvo::start().await;
    let rows = ["a", "b", "b", "c"].map(transaction).to_vec();
    belvo.set(LINK, List { cap: Cap::Size(2), ..List::of(rows) });
    belvo.list(LINK, "{}", 1).await.unwrap();
    let state = belvo.world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), number(&state, "count")), ("unverified", Some(3)));
    assert_ne!(text(&state, "watermark"), "(absent)");
    assert_eq!(belvo.requests(LINK).len(), 4, "two readings");
}

#[tokio::test]
async fn an_object_that_is_no_json_costs_only_itself() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    for (bad, is_kept) in [
        (br#"{"id":"t-0007","amount":NaN}"#.to_vec(), false),
        (br#"{"id":"t-0007","amount":Infinity}"#.to_vec(), false),
        (b"{\"id\":\"t-0007\",\"description\":\"\xff\xfe\"}".to_vec(), false),
        (br#"{"id":"t-0007","description":"\ud800"}"#.to_vec(), true),
        (format!(r#"{{"id":"t-0007","deep":{deep}}}"#).into_bytes(), true),
        (br#"{"id":"t-0007","amount":1.50"#.to_vec(), false),
    ] {
        let belvo = OddBelvo::start().await;
        let mut rows = transactions(30);
        rows[7] = Row::Bytes(bad.clone());
        belvo.set(LINK, List::of(rows));
        let (message, _) = belvo.list(LINK, r#"{"total_transactions":30}"#, 1).await.unwrap();
        let shown = String::from_utf8_lossy(&bad[..bad.len().min(60)]).into_owned();
        let (records, unreadable, check) = if is_kept { (30, 0, "verified") } else { (29, 1, "drift") };
        assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), records, "{shown}");
        assert_eq!(number(&belvo.world.event(&message).await, "unreadable"), Some(unreadable), "{shown}");
        let state = belvo.world.state("TRANSACTIONS").await;
        assert_eq!(text(&state, "check"), check, "{shown}");
        assert_ne!(text(&state, "watermark"), "(absent)", "a single object holds back no watermark: {shown}");
        assert!(belvo.requests(LINK).len() <= 30, "{} requests", belvo.requests(LINK).len());
    }
}

#[tokio::test]
async fn smaller_pages_for_one_bad_object_are_asked_for_neither_elsewhere_nor_later() {
    let belvo = OddBelvo::start().await;
    let mut rows = transactions(3_000);
    rows[1_600] = Row::Bytes(br#"{"id":"x","amount":NaN}"#.to_vec());
    belvo.set(LINK, List::of(rows));
    belvo.list(LINK, "{}", 1).await.unwrap();
    let mut whole: Vec<_> = belvo.requests(LINK).into_iter().filter(|(_, size)| *size == 1_000).collect();
    whole.sort_unstable();
    assert_eq!(whole, [(1, 1_000), (2, 1_000), (3, 1_000)]);
    assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), 2_999);
    belvo.set("another-link", List::of(transactions(1_500)));
    belvo.list("another-link", "{}", 1).await.unwrap();
    assert!(belvo.requests("another-link").iter().all(|(_, size)| *size == 1_000));
}

#[tokio::test]
async fn an_object_that_belvo_always_fails_to_give_costs_a_few_attempts_and_only_itself() {
    for status in [500, 408, 400] {
        let belvo = OddBelvo::start().await;
        let mut rows = transactions(2_500);
        rows[1_234] = Row::Fails(status);
        belvo.set(LINK, List::of(rows));
        let (message, deliveries) = belvo.list(LINK, r#"{"total_transactions":2500}"#, 6).await.unwrap();
        assert!((2..=4).contains(&deliveries), "{deliveries}");
        let records = belvo.world.records("TRANSACTIONS").await;
        assert_eq!((records.len(), records.contains_key("t-1235")), (2_499, true), "{status}");
        assert_eq!(number(&belvo.world.event(&message).await, "unreadable"), Some(1), "{status}");
        let state = belvo.world.state("TRANSACTIONS").await;
        assert_eq!((text(&state, "check"), text(&state, "last_error")), ("drift", "(absent)"), "{status}");
    }
}

/// Delivers a listing of these rows as AWS would, on a clock [`SPEED`] times as fast, until it is done: at most `most` times.
/// `is_new`: each delivery is to a new execution environment. Returns the ids that are stored.
async fn list_slow_rows(rows: Vec<Row>, is_new: bool, most: u32) -> Vec<String> {
    let mut belvo = Box::pin(OddBelvo::start()).await;
    belvo.set(LINK, List::of(rows));
    belvo.hurry();
    let mut message = message("TRANSACTIONS", "historical_update", "{}", now());
    let mut attempt = 0;
    for _ in 0..most {
        attempt += 1;
        if is_new {
            belvo.hurry();
        }
        // Of 140 s a fifth is the margin before the deadline. Of the 120 s of an invocation it is 5 s.
        let invocation = std::time::Duration::from_millis(140_000 / u64::from(SPEED));
        if !belvo.world.deliver_within(&[sqs(&message, attempt)], invocation).await.is_empty() {
            continue;
        }
        let Some(body) = belvo.world.sent.lock().unwrap().pop() else {
            return belvo.world.records("TRANSACTIONS").await.into_keys().collect();
        };
        (message, attempt) = (Message::decode(&body).unwrap(), 0);
    }
    panic!("still at work after {most} deliveries: {:?}", belvo.requests(LINK));
}

#[tokio::test]
async fn an_object_that_always_takes_too_long_costs_only_itself() {
    let mut rows = transactions(60);
    rows[37] = Row::Slow;
    assert_eq!(list_slow_rows(rows, false, 4).await.len(), 59);
}

#[tokio::test]
async fn a_first_object_that_always_takes_too_long_costs_only_itself_in_new_environments() {
    let mut rows = transactions(60);
    rows[0] = Row::Slow;
    assert_eq!(list_slow_rows(rows, true, 4).await.len(), 59);
}

#[tokio::test]
async fn several_objects_that_take_too_long_cost_no_more_than_their_page() {
    let mut rows = transactions(2_010);
    rows[1_500..1_510].fill(Row::Slow);
    let stored = list_slow_rows(rows, false, 6).await;
    assert!(stored.len() >= 1_510 && stored.contains(&"t-2009".to_owned()), "{} stored", stored.len());
}

#[tokio::test]
async fn a_page_that_belvo_cannot_give_does_not_end_a_list_without_a_count() {
    let belvo = OddBelvo::start().await;
    let mut rows = transactions(3_000);
    rows[1_000..2_000].fill(Row::Fails(500));
    belvo.set(LINK, List { count: String::new(), ..List::of(rows) });
    belvo.list(LINK, "{}", 6).await.unwrap();
    assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), 2_000);
    let state = belvo.world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), text(&state, "watermark")), ("drift", "(absent)"));
}

#[tokio::test]
async fn a_count_on_the_first_page_only_is_no_sign_that_a_list_in_several_messages_moved() {
    let mut belvo = OddBelvo::start().await;
    belvo.world.worker.budgets.pages = std::time::Duration::ZERO;
    belvo.set(LINK, List { counts_once: true, ..List::of(transactions(3_500)) });
    belvo.list(LINK, r#"{"total_transactions":3500}"#, 6).await.unwrap();
    assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "verified");
}

#[tokio::test]
async fn pages_behind_one_that_is_not_there_are_not_asked_for() {
    let belvo = OddBelvo::start().await;
    belvo.set(LINK, List { count: "{}000".to_owned(), ..List::of(transactions(1_500)) });
    belvo.list(LINK, "{}", 1).await.unwrap();
    assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "drift");
    let requests = belvo.requests(LINK).len();
    assert!(requests <= 20, "{requests} requests");
}

#[tokio::test]
async fn a_page_that_belvo_cannot_give_at_the_beginning_of_a_message_costs_only_itself() {
    for bad_pages in [1_000..2_000, 2_000..4_000] {
        let mut belvo = OddBelvo::start().await;
        belvo.world.worker.budgets.pages = std::time::Duration::ZERO;
        let rows = transactions(4_500);
        belvo.set(LINK, List::of(rows.clone()));
        let first = message("TRANSACTIONS", "historical_update", "{}", now());
        assert_eq!(belvo.world.deliver(&[sqs(&first, 1)]).await.len(), 0, "pages 1 and 2");
        let mut bad = rows;
        bad[bad_pages.clone()].fill(Row::Fails(500));
        belvo.set(LINK, List::of(bad));
        let body = belvo.world.sent.lock().unwrap().pop().unwrap();
        let (mut continuation, mut attempt) = (Message::decode(&body).unwrap(), 0);
        for _ in 0..40 {
            attempt += 1;
            if !belvo.world.deliver(&[sqs(&continuation, attempt)]).await.is_empty() {
                continue;
            }
            let Some(body) = belvo.world.sent.lock().unwrap().pop() else { break };
            (continuation, attempt) = (Message::decode(&body).unwrap(), 0);
        }
        assert!(belvo.world.records("TRANSACTIONS").await.contains_key("t-4499"), "{bad_pages:?}");
    }
}

#[tokio::test]
async fn a_list_that_belvo_cannot_give_at_all_waits_in_the_queue() {
    for row in [Row::Fails(500), Row::Bytes(b"<html>".to_vec())] {
        let belvo = OddBelvo::start().await;
        belvo.set(LINK, List::of(vec![row; 60]));
        belvo.list(LINK, "{}", 5).await.unwrap_err();
        assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "(absent)");
        let requests = belvo.requests(LINK).len();
        assert!(requests <= 5 * 25, "{requests} requests in five attempts");
    }
}

#[tokio::test]
async fn when_belvo_stops_giving_a_list_no_object_of_it_is_left_out() {
    let belvo = OddBelvo::start().await;
    belvo.set(LINK, List { ends_after: 1, ..List::of(transactions(2_500)) });
    let message = message("TRANSACTIONS", "historical_update", "{}", now());
    assert_eq!(belvo.world.deliver(&[sqs(&message, 3)]).await.len(), 1, "it waits in the queue");
    belvo.set(LINK, List::of(transactions(2_500)));
    assert_eq!(belvo.world.deliver(&[sqs(&message, 4)]).await.len(), 0);
    assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "unverified");
}

#[tokio::test]
async fn a_row_that_a_join_multiplies_does_not_end_a_page_of_which_an_object_is_bad() {
    let belvo = OddBelvo::start().await;
    let mut rows = transactions(100);
    rows[10..14].fill(transaction("t-0010"));
    rows[14] = Row::Bytes(b"NaN".to_vec());
    belvo.set(LINK, List::of(rows));
    belvo.list(LINK, "{}", 1).await.unwrap();
    assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), 96);
}

#[tokio::test]
async fn a_list_that_comes_as_one_long_page_is_read_whole() {
    let belvo = OddBelvo::start().await;
    belvo.set(LINK, List { cap: Cap::Whole, ..List::of(transactions(1_500)) });
    belvo.list(LINK, r#"{"total_transactions":1500}"#, 1).await.unwrap();
    assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "verified");
}

#[tokio::test]
async fn a_capped_list_in_several_messages_is_read_once() {
    let mut belvo = OddBelvo::start().await;
    belvo.world.worker.budgets.pages = std::time::Duration::ZERO;
    belvo.set(LINK, List { cap: Cap::Size(300), ..List::of(transactions(3_500)) });
    belvo.list(LINK, r#"{"total_transactions":3500}"#, 8).await.unwrap();
    assert_eq!(text(&belvo.world.state("TRANSACTIONS").await, "check"), "verified");
    let requests = belvo.requests(LINK);
    assert!(requests.len() < 35, "{requests:?}");
}

#[tokio::test]
async fn a_next_page_that_is_never_named_hides_nothing_that_the_count_announces() {
    for cap in [Cap::None, Cap::Size(100)] {
        let belvo = OddBelvo::start().await;
        belvo.set(LINK, List { next: "null".to_owned(), cap, ..List::of(transactions(2_500)) });
        belvo.list(LINK, "{}", 1).await.unwrap();
        assert_eq!(belvo.world.records("TRANSACTIONS").await.len(), 2_500);
    }
}

#[tokio::test]
async fn more_bad_objects_than_are_isolated_hold_back_the_watermark_and_nothing_else() {
    let belvo = OddBelvo::start().await;
    let rows = transactions(600).into_iter().enumerate();
    let rows = rows.map(|(n, row)| if n % 9 == 5 { Row::Bytes(b"NaN".to_vec()) } else { row });
    belvo.set(LINK, List::of(rows.collect()));
    let (message, deliveries) = belvo.list(LINK, "{}", 1).await.unwrap();
    assert_eq!(deliveries, 1);
    let requests = belvo.requests(LINK).len();
    assert!(requests <= 110, "{requests} requests");
    let state = belvo.world.state("TRANSACTIONS").await;
    assert_eq!((text(&state, "check"), text(&state, "watermark")), ("drift", "(absent)"));
    let stored = belvo.world.records("TRANSACTIONS").await.len();
    let left_out = number(&belvo.world.event(&message).await, "unreadable").unwrap();
    assert!(stored > 50 && usize::try_from(left_out).unwrap() + stored == 600, "{stored} stored, {left_out} left out");
}

#[tokio::test]
async fn an_object_that_belvo_cannot_give_by_its_id_is_left_out_after_a_few_attempts() {
    let world = World::with_transactions(10).await;
    world.list_transactions().await;
    let updated = world.change(r#"{"update":1}"#).await.updated;
    let path = format!("{TRANSACTIONS}{}/", updated[0]);
    world.breaks(&format!(r#"[{{"match":{{"path_prefix":"{path}"}},"fault":{{"status":500}}}}]"#));
    let message = message("TRANSACTIONS", "transactions_updated", &ids("updated", &updated), now());
    for attempt in [1, 2] {
        assert_eq!(world.deliver(&[sqs(&message, attempt)]).await.len(), 1);
    }
    assert!(world.deliver(&[sqs(&message, 3)]).await.is_empty(), "the link's other messages do not wait for it");
    assert_eq!(number(&world.event(&message).await, "unreadable"), Some(1));
    let state = world.state("TRANSACTIONS").await;
    assert_eq!(text(&state, "check"), "drift");
    assert!(number(&state, "relist_at") > Some(now()), "a whole listing looks for it later");
}

#[tokio::test]
async fn a_deletion_that_belvo_cannot_confirm_is_never_left_out() {
    let world = World::with_transactions(5).await;
    let deleted = world.change(r#"{"delete":1}"#).await.deleted;
    let late = message("TRANSACTIONS", "transactions_deleted", &ids("deleted", &deleted), now() - 1_000);
    world.list_transactions().await;
    let path = format!("{TRANSACTIONS}{}/", deleted[0]);
    world.breaks(&format!(r#"[{{"match":{{"path_prefix":"{path}"}},"fault":{{"status":500}}}}]"#));
    for attempt in [1, 3, 19] {
        assert_eq!(world.deliver(&[sqs(&late, attempt)]).await.len(), 1);
    }
}

#[tokio::test]
async fn updated_ids_that_a_list_in_several_messages_lacks_are_asked_for_at_its_end() {
    let mut world = World::with_transactions(3_500).await;
    world.list_transactions().await;
    let settings = fake_belvo::Settings { id_in: fake_belvo::IdIn::Refused, ..fake_belvo::Settings::default() };
    world.belvo.control().set_settings(settings);
    let changed = world.change(r#"{"update":6,"refresh_accounts":false}"#).await.updated;
    let gone = world.change(r#"{"delete":2,"refresh_accounts":false}"#).await.deleted;
    world.worker.budgets.pages = std::time::Duration::ZERO;
    let announced = [changed, gone.clone()].concat();
    let message = world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &announced)).await;
    assert_eq!(text(&world.event(&message).await, "outcome"), "continued");
    world.deliver_continuations().await;
    for id in &gone {
        assert!(world.record("TRANSACTIONS", id).await.contains_key("deleted_at"), "Belvo says that {id} is gone");
    }
    world.assert_converged("TRANSACTIONS").await;
}

#[tokio::test]
async fn ids_that_the_last_message_of_a_list_left_over_are_asked_for_and_not_listed_again() {
    let mut world = World::with_transactions(2_500).await;
    world.list_transactions().await;
    let settings = fake_belvo::Settings { id_in: fake_belvo::IdIn::Refused, ..fake_belvo::Settings::default() };
    world.belvo.control().set_settings(settings);
    let gone = world.change(r#"{"delete":12,"refresh_accounts":false}"#).await.deleted;
    world.worker.budgets.pages = std::time::Duration::ZERO;
    world.worker.budgets.by_id = std::time::Duration::ZERO;
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &gone)).await;
    let mut continuation = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    while continuation.listing.as_ref().is_some_and(|listing| listing.page < 2) {
        assert_eq!(world.deliver(&[sqs(&continuation, 1)]).await, [""; 0]);
        continuation = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    }
    assert_eq!(world.deliver(&[sqs(&continuation, 1)]).await, [""; 0], "the last message");
    let left = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    assert_eq!(left.listing, None, "the listing is done");
    for id in &gone {
        world.breaks(&format!(r#"[{{"match":{{"path_prefix":"{TRANSACTIONS}{id}/"}},"fault":{{"status":500}}}}]"#));
    }
    let requests = world.requests(TRANSACTIONS).len();
    assert_eq!(world.deliver(&[sqs(&left, 1)]).await.len(), 1, "it waits in the queue");
    assert!(world.sent.lock().unwrap().is_empty());
    assert_eq!(world.requests(TRANSACTIONS).len(), requests);
}

#[tokio::test]
async fn a_chain_of_twenty_messages_comes_to_its_end() {
    let mut world = World::with_transactions(30).await;
    world.worker.budgets.by_id = std::time::Duration::ZERO;
    let settings = fake_belvo::Settings { id_in: fake_belvo::IdIn::Refused, ..fake_belvo::Settings::default() };
    world.belvo.control().set_settings(settings);
    let unknown: Vec<_> = (0..84).map(|n| format!("never-seen-{n:02}")).collect();
    world.succeed("TRANSACTIONS", "transactions_updated", &ids("updated", &unknown)).await;
    assert_eq!(world.deliver_continuations().await, 20, "four ids a message");
    assert_eq!(world.records("TRANSACTIONS").await.len(), 84, "all are tombstones");
    assert!(world.dead_letters.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_chain_without_an_end_goes_to_the_dead_letter_queue_with_its_reason() {
    let mut world = World::with_transactions(4_500).await;
    world.worker.budgets.pages = std::time::Duration::ZERO;
    world.list_transactions().await;
    let continuation = Message::decode(&world.sent.lock().unwrap().remove(0)).unwrap();
    let last = Message { continuations: MAX_CONTINUATIONS, ..continuation };
    drop(world.lines.take());
    assert_eq!(world.deliver(&[sqs(&last, 1)]).await, [""; 0], "it makes room for the link's other messages");
    assert!(world.sent.lock().unwrap().is_empty());
    let dead = Message::decode(&world.dead_letters.lock().unwrap().remove(0)).unwrap();
    let event = world.event(&dead).await;
    assert_eq!(text(&event, "outcome"), "refused");
    assert!(text(&event, "reason").contains("dead-letter queue"));
    let lines = world.lines.take();
    let metrics: Vec<_> = lines.iter().flat_map(|line| test_aws::emf::read(line).unwrap()).collect();
    let stopped: Vec<_> = metrics.iter().filter(|metric| metric.name == "chains_stopped").collect();
    assert_eq!((stopped.len(), stopped[0].value, lines.len()), (1, 1.0, 2));
    // A redrive goes on where it stopped.
    world.worker.budgets.pages = std::time::Duration::from_hours(1);
    assert_eq!((dead.continuations, world.deliver(&[sqs(&dead, 1)]).await.len()), (0, 0));
    world.assert_converged("TRANSACTIONS").await;
}

//! A Belvo that says what no Belvo should: every listing comes to an end, and what can be kept is kept.

use std::sync::atomic::{AtomicU64, Ordering};

use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::world::{World, number, text};

/// A Belvo whose lists of accounts are these, in turn.
async fn listing(lists: impl Fn(u64) -> String + Send + Sync + 'static) -> (World, MockServer) {
    let mut world = World::with_transactions(0).await;
    let server = MockServer::start().await;
    let asked = AtomicU64::new(0);
    let answer = move |_: &wiremock::Request| {
        ResponseTemplate::new(200).set_body_string(lists(asked.fetch_add(1, Ordering::Relaxed)))
    };
    Mock::given(path("/api/accounts/")).respond_with(answer).mount(&server).await;
    Mock::given(any()).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    world.ask(server.uri());
    (world, server)
}

fn page(count: u64, next: &str, results: &str) -> String {
    format!(r#"{{"count":{count},"next":{next},"previous":null,"results":[{results}]}}"#)
}

async fn asked(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == "/api/accounts/").count()
}

#[tokio::test]
async fn a_list_of_absurd_length_that_ends_after_a_page_is_read_to_its_end() {
    for count in [10_000_001, u64::MAX] {
        let (world, server) = listing(move |_| page(count, "null", r#"{"id":"a"}"#)).await;
        world.succeed("ACCOUNTS", "historical_update", "{}").await;
        let state = world.state("ACCOUNTS").await;
        assert_eq!((text(&state, "check"), text(&state, "watermark")), ("drift", "(absent)"));
        assert_eq!(world.records("ACCOUNTS").await.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(asked(&server).await, 3, "once for each reading");
    }
}

#[tokio::test]
async fn a_list_that_never_has_the_same_length_is_given_up_and_says_so() {
    let (world, server) = listing(|asked| page(2_001 + asked, r#""/api/accounts/?page=9""#, r#"{"id":"a"}"#)).await;
    world.succeed("ACCOUNTS", "historical_update", "{}").await;
    assert_eq!(text(&world.state("ACCOUNTS").await, "check"), "drift");
    assert!(asked(&server).await <= 12, "{} requests", asked(&server).await);
}

#[tokio::test]
async fn a_next_page_without_an_end_is_not_what_pages_are_counted_by() {
    let (world, server) = listing(|_| page(1, r#""/api/accounts/?page=2""#, r#"{"id":"a"}"#)).await;
    world.succeed("ACCOUNTS", "historical_update", "{}").await;
    assert_eq!(text(&world.state("ACCOUNTS").await, "check"), "drift");
    assert!(asked(&server).await <= 12, "{} requests", asked(&server).await);
}

#[tokio::test]
async fn what_is_no_object_or_has_no_usable_id_is_counted_and_the_others_are_kept() {
    let names = (0..70).map(|n| format!(r#","{n:01000}":0"#)).collect::<Vec<_>>().concat();
    let others = ["null", "7", r#""a""#, "[]", "{}", r#"{"id":null}"#, r#"{"id":7}"#, r#"{"id":"../../links"}"#];
    let others =
        others.into_iter().chain([r#"{"id":"a%2f"}"#, r#"{"id":"a#b"}"#, r#"{"id":""}"#, r#"{"id":"x","":1}"#]);
    let others = others.map(str::to_owned).chain([format!(r#"{{"id":"{}"}}"#, "a".repeat(10_000))]);
    let others: Vec<_> = others.chain([format!(r#"{{"id":"n"{names}}}"#)]).collect();
    let results = format!(r#"{{"id":"first","pk":"LINK#other","deleted_at":1}},{},{{"id":"last"}}"#, others.join(","));
    let (world, _server) = listing(move |_| page(16, "null", &results)).await;
    let message = world.succeed("ACCOUNTS", "historical_update", "{}").await;
    let records = world.records("ACCOUNTS").await;
    assert_eq!(records.keys().collect::<Vec<_>>(), ["first", "last"]);
    assert!(!records["first"].contains_key("deleted_at"), "its members are not our attributes");
    assert_eq!(number(&world.event(&message).await, "unreadable"), Some(14));
    assert_eq!(text(&world.state("ACCOUNTS").await, "check"), "drift");
}

#[tokio::test]
async fn an_object_that_no_item_has_room_for_does_not_hold_back_the_others() {
    let large = (0..12_000).map(|n| format!(r#","{n}":"{n:040}""#)).collect::<Vec<_>>().concat();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let results = format!(r#"{{"id":"large"{large}}},{{"id":"deep","a":{deep}}},{{"id":"small"}}"#);
    let (world, _server) = listing(move |_| page(3, "null", &results)).await;
    world.succeed("ACCOUNTS", "historical_update", r#"{"total_accounts":3}"#).await;
    let records = world.records("ACCOUNTS").await;
    assert_eq!(records.keys().collect::<Vec<_>>(), ["deep", "large", "small"]);
    assert!(records["large"].contains_key("omitted"));
    assert_eq!(records["deep"]["as_text"].as_l().unwrap().len(), 1);
    assert_eq!(text(&world.state("ACCOUNTS").await, "check"), "verified");
}

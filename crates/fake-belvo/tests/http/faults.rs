//! What goes wrong on demand.

use std::time::{Duration, Instant};

use fake_belvo::{Fault, Match, NewLink, Rule};

use crate::support::{HISTORICAL_LINK, all_ids, client, delete, get, post, server};

fn rule(fault: Fault) -> Rule {
    Rule { matches: Match::default(), fault, count: None, probability: None, after: 0, seed: 0 }
}

#[tokio::test]
async fn a_rule_fires_as_often_as_it_says_and_only_where_it_says() {
    let server = server().await;
    let rules = r#"[{"match":{"path_prefix":"/api/accounts/"},"fault":{"status":500},"count":2,"after":1},
        {"fault":{"error":{"status":400,"code":"too_many_sessions"}},"count":1,"match":{"path_prefix":"/api/institutions/"}}]"#;
    assert_eq!(post(&server, "/_control/faults", rules).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(&server, "/api/accounts/").await.status);
    }
    assert_eq!(statuses, [200, 500, 500, 200]);
    assert_eq!(get(&server, "/api/links/").await.status, 200);
    assert_eq!(get(&server, "/api/institutions/").await.error(), (400, "too_many_sessions".into(), None));
    let report = get(&server, "/_control/faults").await.json();
    assert_eq!((&report[0]["fired"], &report[0]["matched"]), (&2.into(), &3.into()));
    assert_eq!(delete(&server, "/_control/faults").await.status, 204);
    assert!(server.control().faults().is_empty());
}

#[tokio::test]
async fn statuses_come_with_belvos_array_and_the_edge_answers_in_html() {
    let server = server().await;
    for (status, code) in
        [(500, "unexpected_error"), (502, "service_unavailable"), (429, "too_many_requests"), (408, "request_timeout")]
    {
        server.control().clear_faults();
        server.control().add_faults(vec![rule(Fault::Status(status))]).unwrap();
        assert_eq!(get(&server, "/api/links/").await.error(), (status, code.into(), None));
    }
    server.control().clear_faults();
    server.control().add_faults(vec![rule(Fault::Html403)]).unwrap();
    assert!(get(&server, "/api/links/").await.is_html(403));
}

#[tokio::test]
async fn a_rule_can_be_about_one_link_and_one_page() {
    let server = server().await;
    let link = server.control().create_link(NewLink::default()).unwrap().link_id;
    let matches = Match { link: Some(link.clone()), page: Some(2), ..Match::default() };
    server.control().add_faults(vec![Rule { matches, ..rule(Fault::Status(500)) }]).unwrap();
    assert_eq!(get(&server, &format!("/api/transactions/?link={link}")).await.status, 200);
    assert_eq!(get(&server, &format!("/api/transactions/?link={link}&page=2")).await.status, 500);
    assert_eq!(get(&server, &format!("/api/transactions/?link={link}&page=3")).await.status, 200);
    assert_eq!(
        get(&server, &format!("/api/transactions/?link={HISTORICAL_LINK}&page_size=9&page=2")).await.status,
        200
    );
}

#[tokio::test]
async fn a_probability_hits_the_same_requests_each_time() {
    let server = server().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        server.control().clear_faults();
        server
            .control()
            .add_faults(vec![Rule { probability: Some(0.5), seed: 3, ..rule(Fault::Status(500)) }])
            .unwrap();
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(get(&server, "/api/links/").await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&200) && runs[0].contains(&500));
}

#[tokio::test]
async fn an_answer_can_come_late_or_never() {
    let server = server().await;
    server.control().add_faults(vec![Rule { count: Some(1), ..rule(Fault::DelayMs(120)) }, rule(Fault::Hang)]).unwrap();
    let started = Instant::now();
    assert_eq!(get(&server, "/api/links/").await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(120));
    let url = format!("{}/api/links/", server.base_url());
    let hanging = client().get(url).timeout(Duration::from_millis(100)).send().await;
    assert!(hanging.is_err_and(|error| error.is_timeout()));
    while server.control().requests().in_flight > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.control().requests().recent.last().map(|entry| entry.status), Some(0));
}

#[tokio::test]
async fn a_hanging_request_does_not_keep_the_server_from_ending() {
    let server = server().await;
    server.control().add_faults(vec![rule(Fault::Hang)]).unwrap();
    let url = format!("{}/api/links/", server.base_url());
    let hanging = tokio::spawn(client().get(url).send());
    while server.control().requests().in_flight == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    server.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    hanging.await.unwrap().ok();
}

#[tokio::test]
async fn a_body_can_break_off() {
    let server = server().await;
    server.control().add_faults(vec![rule(Fault::CutBody)]).unwrap();
    let url = format!("{}/api/transactions/?link={HISTORICAL_LINK}", server.base_url());
    let response = client().get(url).basic_auth("secret-id", Some("secret-password")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.is_err());
}

#[tokio::test]
async fn a_page_can_lie_about_its_count_and_its_next_without_touching_its_objects() {
    let server = server().await;
    let path = format!("/api/transactions/?link={HISTORICAL_LINK}");
    let right = get(&server, &path).await.text;
    let once = |fault| Rule { count: Some(1), ..rule(fault) };
    let foreign = "http://elsewhere.example/api/transactions/";
    server.control().add_faults(vec![once(Fault::WrongCount(-2)), once(Fault::ForeignNext(foreign.into()))]).unwrap();
    assert_eq!(get(&server, &path).await.text, right.replacen(r#""count":19"#, r#""count":17"#, 1));
    let next = get(&server, &path).await;
    assert_eq!(next.json()["next"], foreign);
    assert_eq!(next.ids().len(), 19);
    assert_eq!(get(&server, &path).await.text, right);
}

#[tokio::test]
async fn an_answer_can_be_garbage() {
    let server = server().await;
    server.control().add_faults(vec![rule(Fault::Garbage)]).unwrap();
    let answer = get(&server, "/api/links/").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    assert!(serde_json::from_str::<serde_json::Value>(&answer.text).is_err());
}

#[tokio::test]
async fn rows_that_move_between_pages_are_missed_or_seen_twice() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 30, ..NewLink::default() }).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}&page_size=10");
    let order = all_ids(&server, &path).await;
    server.control().add_faults(vec![rule(Fault::RowsMove(1))]).unwrap();
    let moved = all_ids(&server, &path).await;
    assert_eq!(moved, [&order[..10], &order[11..], &order[..1]].concat());
}

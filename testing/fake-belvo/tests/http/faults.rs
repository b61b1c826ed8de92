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

async fn fault(server: &fake_belvo::Server, text: &str) {
    server.control().clear_faults();
    assert_eq!(post(server, "/_control/faults", &format!(r#"{{"fault":{text}}}"#)).await.status, 200, "{text}");
}

#[tokio::test]
async fn a_cap_on_the_page_size_can_be_about_some_requests_only() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 30, ..NewLink::default() }).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}&page_size=20");
    let order = all_ids(&server, &path).await;
    let matches = Match { page: Some(2), ..Match::default() };
    server.control().add_faults(vec![Rule { matches, ..rule(Fault::PageSizeCap(5)) }]).unwrap();
    assert_eq!(get(&server, &path).await.ids(), order[..20]);
    let second = get(&server, &format!("{path}&page=2")).await;
    assert_eq!((second.ids(), &second.json()["count"]), (order[5..10].to_vec(), &30.into()));
}

#[tokio::test]
async fn the_first_rows_of_a_list_can_stand_twice_in_every_reading() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 5, ..NewLink::default() }).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}");
    let order = all_ids(&server, &path).await;
    let doubled: Vec<String> = [0, 0, 1, 1, 2, 3, 4].map(|index: usize| order[index].clone()).into();
    fault(&server, r#"{"doubled_rows":2}"#).await;
    for page_size in [1, 2, 3, 100] {
        assert_eq!(all_ids(&server, &format!("{path}&page_size={page_size}")).await, doubled, "{page_size}");
    }
    assert_eq!(get(&server, &path).await.json()["count"], 7);
    let accounts = get(&server, &format!("/api/accounts/?link={link}")).await;
    assert_eq!((accounts.ids().len(), &accounts.json()["count"]), (5, &5.into()), "3 accounts");
}

#[tokio::test]
async fn one_object_can_be_broken_wherever_it_stands_and_the_others_stay_as_they_are() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 30, ..NewLink::default() }).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}");
    let right = bytes(&server, &path).await;
    let id = all_ids(&server, &path).await[17].clone();
    let one = format!("/api/transactions/{id}/");
    let forms: [(&str, &[u8]); 9] = [
        ("nan", br#","fault":NaN}"#),
        ("infinity", br#","fault":Infinity}"#),
        ("invalid_utf8", b",\"fault\":\"\xff\xfe\"}"),
        ("lone_surrogate", br#","fault":"\ud800"}"#),
        ("deep", &[b'['; 10_000]),
        ("large", &vec![b'x'; 500_000]),
        ("not_an_object", br#""not an object""#),
        ("null", b"null"),
        ("no_id", br#"{"account":"#),
    ];
    for (form, mark) in forms {
        fault(&server, &format!(r#"{{"broken_object":{{"id":"{id}","form":"{form}"}}}}"#)).await;
        let holds = |body: &[u8]| body.windows(mark.len()).any(|part| part == mark);
        assert!(holds(&bytes(&server, &one).await), "{form}");
        assert!(holds(&bytes(&server, &format!("{path}&page_size=1&page=18")).await), "{form}");
        let whole = bytes(&server, &path).await;
        assert!(holds(&whole), "{form}");
        let start = right.windows(id.len()).position(|part| part == id.as_bytes()).unwrap() - r#"{"id":""#.len();
        assert_eq!(whole[..start], right[..start], "{form}: what stands before it");
        assert_eq!(whole[whole.len() - 9_000..], right[right.len() - 9_000..], "{form}: what stands behind it");
        assert_eq!(get(&server, &format!("{path}&page_size=17")).await.ids().len(), 17, "{form}");
    }
}

#[tokio::test]
async fn one_object_can_make_every_answer_fail_that_holds_it() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 30, ..NewLink::default() }).unwrap().link_id;
    let path = format!("/api/transactions/?link={link}");
    let id = all_ids(&server, &path).await[17].clone();
    for (text, status) in [(format!(r#""{id}""#), 500), (format!(r#"{{"id":"{id}","status":408}}"#), 408)] {
        fault(&server, &format!(r#"{{"failing_object":{text}}}"#)).await;
        for broken in [path.clone(), format!("{path}&page_size=10&page=2"), format!("/api/transactions/{id}/")] {
            assert_eq!(get(&server, &broken).await.error().0, status, "{broken}");
        }
        for page in [1, 3] {
            assert_eq!(get(&server, &format!("{path}&page_size=10&page={page}")).await.ids().len(), 10);
        }
    }
}

#[tokio::test]
async fn count_and_next_can_be_any_json_or_absent() {
    let server = server().await;
    let path = format!("/api/transactions/?link={HISTORICAL_LINK}&page_size=10");
    let right = get(&server, &path).await.json();
    for (text, member, value) in [
        (r#"{"count":"19"}"#, "count", Some(r#""19""#)),
        (r#"{"count":-1}"#, "count", Some("-1")),
        (r#"{"count":null}"#, "count", Some("null")),
        (r#"{"count":{"a":[1]}}"#, "count", Some(r#"{"a":[1]}"#)),
        (r#""no_count""#, "count", None),
        (r#"{"next":"/api/transactions/?page=2"}"#, "next", Some(r#""/api/transactions/?page=2""#)),
        (r#"{"next":false}"#, "next", Some("false")),
        (r#""no_next""#, "next", None),
    ] {
        fault(&server, text).await;
        let mut page = get(&server, &path).await.json();
        let value = value.map(|value| serde_json::from_str::<serde_json::Value>(value).unwrap());
        assert_eq!(page.as_object_mut().unwrap().remove(member), value, "{text}");
        let mut rest = right.clone();
        rest.as_object_mut().unwrap().remove(member);
        assert_eq!(page, rest, "{text}");
    }
}

#[tokio::test]
async fn faults_of_content_add_up_and_go_with_one_other_fault() {
    let server = server().await;
    let path = format!("/api/transactions/?link={HISTORICAL_LINK}");
    let ids = get(&server, &path).await.ids();
    let broken = |id: &String, form| Fault::BrokenObject(fake_belvo::BrokenObject { id: id.clone(), form });
    server
        .control()
        .add_faults(vec![
            rule(Fault::Count("many".into())),
            rule(broken(&ids[3], fake_belvo::Form::Null)),
            rule(Fault::PageSizeCap(5)),
            rule(broken(&ids[1], fake_belvo::Form::NotAnObject)),
            rule(Fault::DelayMs(30)),
            rule(Fault::Status(500)),
        ])
        .unwrap();
    let started = Instant::now();
    let page = get(&server, &path).await.json();
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert_eq!((&page["count"], page["results"].as_array().unwrap().len()), (&"many".into(), 5));
    assert_eq!((&page["results"][1], &page["results"][3]), (&"not an object".into(), &serde_json::Value::Null));
    assert_eq!(server.control().faults().iter().map(|rule| rule.fired).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn a_page_of_links_can_fail_on_every_call() {
    let server = server().await;
    let matches = Match { path_prefix: Some("/api/links/".into()), page: Some(2), ..Match::default() };
    server.control().add_faults(vec![Rule { matches, ..rule(Fault::Status(500)) }]).unwrap();
    assert_eq!(get(&server, "/api/links/?page_size=1").await.status, 200);
    assert_eq!(get(&server, "/api/links/?page_size=1&page=2").await.status, 500);
    assert_eq!(get(&server, &format!("/api/links/{HISTORICAL_LINK}/")).await.status, 200);
}

async fn bytes(server: &fake_belvo::Server, path: &str) -> Vec<u8> {
    let url = format!("{}{path}", server.base_url());
    let response = client().get(url).basic_auth("secret-id", Some("secret-password")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap().to_vec()
}

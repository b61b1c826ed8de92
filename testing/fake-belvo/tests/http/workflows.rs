//! The three asynchronous workflows from start to finish, and what ends a link.

use std::time::{Duration, Instant};

use fake_belvo::{NewLink, Rule, Server, Settings};
use serde_json::{Value, json};

use crate::support::{Answer, Receiver, client, delete, get, post, send, server};

const TRANSACTIONS: &str = r#"{"link":"link_1","date_from":"2020-01-01","date_to":"2030-01-01"}"#;

/// A server with a link and a receiver.
async fn world() -> (Server, Receiver) {
    let (server, receiver) = (server().await, Receiver::start(&[]).await);
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let new = NewLink {
        id: Some("link_1".into()),
        transactions: 10,
        resources: [("OWNERS".to_owned(), 2), ("INVOICES".to_owned(), 6)].into(),
        refresh_rate: "12h".into(),
        ..NewLink::default()
    };
    server.control().create_link(new).unwrap();
    (server, receiver)
}

/// Sends a request with a body and a value of `X-Belvo-Request-Mode`.
async fn call(server: &Server, method: &str, path: &str, mode: &str, body: &str) -> Answer {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = client().request(method, format!("{}{path}", server.base_url()));
    let request = request.header("x-belvo-request-mode", mode).basic_auth("secret-id", Some("secret-password"));
    send(request.body(body.to_owned())).await
}

fn rules(server: &Server, rules: &str) {
    server.control().add_faults(serde_json::from_str::<Vec<Rule>>(rules).unwrap()).unwrap();
}

fn without_dashes(id: &Value) -> String {
    id.as_str().unwrap().replace('-', "")
}

async fn count(server: &Server, path: &str) -> Value {
    get(server, path).await.json()["count"].clone()
}

#[tokio::test]
async fn a_single_link_loads_what_it_was_asked_for() {
    let (server, receiver) = world().await;
    let request = r#"{"institution":"erebor_mx_retail","username":"bnk100","password":"full","access_mode":"single",
        "fetch_resources":["ACCOUNTS","TRANSACTIONS","OWNERS","INCOMES"]}"#;
    let link = post(&server, "/api/links/", request).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(count(&server, &format!("/api/owners/?link={link}")).await, 0);
    let webhooks = receiver.wait_for(4).await;
    let types: Vec<_> = webhooks.iter().map(|(_, body)| body["webhook_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["ACCOUNTS", "TRANSACTIONS", "OWNERS", "INCOMES"]);
    assert!(webhooks.iter().all(|(_, body)| body["webhook_code"] == "historical_update" && body["link_id"] == link));
    assert_eq!(count(&server, &format!("/api/owners/?link={link}")).await, 3);
    assert_eq!(count(&server, &format!("/api/risk-insights/?link={link}")).await, 0, "nobody asked for it");
}

#[tokio::test]
async fn a_recurrent_link_is_refreshed_on_schedule_and_a_single_one_never() {
    let (server, receiver) = world().await;
    let single = NewLink { id: Some("link_2".into()), access_mode: "single".into(), ..NewLink::default() };
    server.control().create_link(single).unwrap();
    server.control().set_settings(Settings { hour_ms: 10, ..Settings::default() });
    // Two rounds of five: at the rate of 12h, and after it once more.
    let webhooks = receiver.wait_for(10).await;
    assert!(webhooks.iter().all(|(_, body)| body["link_id"] == "link_1"));
    let new = webhooks.iter().filter(|(_, body)| body["webhook_code"] == "new_transactions_available").count();
    assert!(new >= 2, "{new}");
}

#[tokio::test]
async fn a_recurrent_link_is_refreshed_by_belvo() {
    let (server, receiver) = world().await;
    let before = count(&server, "/api/transactions/?link=link_1").await;
    for round in 1..=3 {
        let deliveries = post(&server, "/_control/links/link_1/refresh_now", r#"{"add":3,"delete":1}"#).await.json();
        assert_eq!(deliveries.as_array().unwrap().len(), 5);
        assert_eq!(receiver.received().len(), 5 * round);
    }
    let codes: Vec<_> = receiver.received()[..5].iter().map(|(_, body)| body["webhook_code"].clone()).collect();
    let expected = [
        "new_transactions_available",
        "transactions_updated",
        "transactions_deleted",
        "new_owners_available",
        "new_invoices_available",
    ];
    assert_eq!(codes, expected);
    assert_eq!(before, 10);
    assert_eq!(count(&server, "/api/transactions/?link=link_1").await, 16);
    assert_eq!(count(&server, "/api/owners/?link=link_1").await, 5);
}

#[tokio::test]
async fn belvo_does_not_refresh_a_single_or_an_invalid_link() {
    let (server, _receiver) = world().await;
    let single = NewLink { access_mode: "single".into(), ..NewLink::default() };
    let single = server.control().create_link(single).unwrap().link_id;
    assert!(server.control().refresh_now(&single, fake_belvo::Refresh::default()).await.is_err());
    server.control().set_status("link_1", "invalid").unwrap();
    assert_eq!(post(&server, "/_control/links/link_1/refresh_now", "").await.status, 400);
    assert_eq!(post(&server, "/_control/links/nobody/refresh_now", "").await.status, 404);
}

#[tokio::test]
async fn an_asynchronous_post_is_answered_by_a_webhook_with_its_request_id() {
    let (server, receiver) = world().await;
    server.control().set_settings(Settings { load_delay_ms: 500, ..server.control().settings() });
    let answer = call(&server, "POST", "/api/transactions/", "async", TRANSACTIONS).await;
    assert_eq!(answer.status, 202);
    let request_id = answer.json()["request_id"].as_str().unwrap().to_owned();
    assert!(request_id.len() == 32 && request_id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{request_id}");
    assert_eq!(count(&server, "/api/transactions/?link=link_1").await, 10, "the bank has not answered yet");
    let (_, webhook) = receiver.wait_for(1).await.remove(0);
    assert_eq!(without_dashes(&webhook["request_id"]), request_id);
    assert_eq!(webhook["request_id"].as_str().unwrap().len(), 36);
    let said = (&webhook["webhook_type"], &webhook["webhook_code"], &webhook["data"]);
    let data = json!({"new_transactions": 2});
    assert_eq!(said, (&"TRANSACTIONS".into(), &"new_transactions_available".into(), &data));
    assert_eq!(count(&server, "/api/transactions/?link=link_1").await, 12);
}

#[tokio::test]
async fn every_documented_asynchronous_post_answers_202() {
    let (server, receiver) = world().await;
    let plain = r#"{"link":"LINK"}"#;
    let days = r#"{"link":"LINK","date_from":"2020-01-01","date_to":"2030-01-01"}"#;
    let flow = r#"{"link":"LINK","date_from":"2020-01-01","date_to":"2030-01-01","type":"INFLOW"}"#;
    let posts = [
        ("transactions", "erebor_mx_retail", days),
        ("invoices", "tatooine_mx_fiscal", flow),
        ("cl/invoices", "tatooine_cl_fiscal", flow),
        ("br/employments", "planet_br_employment", days),
        ("employment-records", "planet_mx_employment", plain),
        ("br/investments", "ofmockbank_br_retail", plain),
        ("br/investment-transactions", "ofmockbank_br_retail", days),
        ("financial-statements", "tatooine_mx_fiscal", plain),
    ];
    for (path, institution, body) in posts {
        let new = NewLink { institution: Some(institution.into()), transactions: 0, ..NewLink::default() };
        let link = server.control().create_link(new).unwrap().link_id;
        let body = body.replace("LINK", &link);
        let answer = call(&server, "POST", &format!("/api/{path}/"), "async", &body).await;
        assert_eq!(answer.status, 202, "{path}: {}", answer.text);
        let sent = receiver.wait_for(1).await;
        assert_eq!(without_dashes(&sent.last().unwrap().1["request_id"]), answer.json()["request_id"], "{path}");
        receiver.forget();
        assert_eq!(count(&server, &format!("/api/{path}/?link={link}")).await, 2, "{path}");
    }
    let synchronous = call(&server, "POST", "/api/owners/", "async", r#"{"link":"link_1"}"#).await;
    assert_eq!(synchronous.status, 201, "owners have no asynchronous mode");
}

#[tokio::test]
async fn without_the_exact_header_the_client_waits_and_gets_the_objects() {
    let (server, receiver) = world().await;
    for mode in ["ASYNC", "Async", "sync", ""] {
        let answer = call(&server, "POST", "/api/transactions/", mode, TRANSACTIONS).await;
        assert_eq!(answer.status, 201, "{mode}");
        assert!(answer.json().as_array().unwrap().len() >= 10, "{mode}");
    }
    let narrow = TRANSACTIONS.replace("2030-01-01", "2020-01-02");
    assert_eq!(post(&server, "/api/transactions/", &narrow).await.json(), json!([]));
    let unsaved = TRANSACTIONS.replace('}', r#","save_data":false}"#);
    let before = count(&server, "/api/transactions/?link=link_1").await;
    assert_eq!(post(&server, "/api/transactions/", &unsaved).await.status, 200);
    assert_eq!(count(&server, "/api/transactions/?link=link_1").await, before);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn a_post_says_what_it_lacks() {
    let (server, _receiver) = world().await;
    let error = post(&server, "/api/transactions/", r#"{"link":"link_1","date_to":"2030-01-01"}"#).await.error();
    assert_eq!(error, (400, "required".into(), Some("date_from".into())));
    let error = post(&server, "/api/owners/", r#"{"link":"nobody"}"#).await.error();
    assert_eq!(error, (400, "does_not_exist".into(), Some("link".into())));
    let error = post(&server, "/api/cl/tax-status/", r#"{"link":"link_1"}"#).await.error();
    assert_eq!(error.1, "unsupported_operation");
    assert_eq!(post(&server, "/api/consents/", "{}").await.error().0, 405);
}

#[tokio::test]
async fn a_link_that_the_bank_refuses_says_so_and_keeps_its_data() {
    let (server, receiver) = world().await;
    server.control().announce("link_1", "LINK", "token_required", None).await.unwrap();
    let refusal = call(&server, "POST", "/api/transactions/", "async", TRANSACTIONS).await;
    assert_eq!((refusal.status, &refusal.json()[0]["code"]), (428, &"token_required".into()));
    assert_eq!(refusal.json()[0]["link"], "link_1");
    server.control().set_status("link_1", "invalid").unwrap();
    assert_eq!(post(&server, "/api/owners/", r#"{"link":"link_1"}"#).await.error().1, "invalid_link");
    assert_eq!(post(&server, "/api/links/link_1/refresh/", "").await.error().1, "invalid_link");
    assert_eq!(count(&server, "/api/transactions/?link=link_1").await, 10);

    receiver.forget();
    let renewed = call(&server, "PUT", "/api/links/link_1/", "", r#"{"password":"new"}"#).await;
    assert_eq!((renewed.status, &renewed.json()["status"]), (200, &"valid".into()));
    let webhooks = receiver.wait_for(3).await;
    assert!(webhooks.iter().all(|(_, body)| body["process_type"] == "historical_update"));
}

#[tokio::test]
async fn a_refresh_announces_everything_again_and_not_too_often() {
    let (server, receiver) = world().await;
    let answer = post(&server, "/api/links/link_1/refresh/", r#"{"fetch_resources":["ACCOUNTS","OWNERS"]}"#).await;
    assert_eq!(answer.status, 202);
    let webhooks = receiver.wait_for(2).await;
    for ((_, webhook), webhook_type) in webhooks.iter().zip(["ACCOUNTS", "OWNERS"]) {
        let said = (&webhook["webhook_type"], &webhook["webhook_code"]);
        assert_eq!(said, (&webhook_type.into(), &"historical_update".into()));
        assert_eq!(without_dashes(&webhook["request_id"]), answer.json()["request_id"]);
    }
    let again = post(&server, "/api/links/link_1/refresh/", "").await;
    assert_eq!(again.error(), (409, "link_refreshed".into(), None));
    assert!(again.text.contains("wait 10 minutes"), "{}", again.text);
    server.control().set_settings(Settings { refresh_cooldown_ms: 1, ..server.control().settings() });
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(post(&server, "/api/links/link_1/refresh/", "").await.status, 202);
    assert_eq!(post(&server, "/api/links/nobody/refresh/", "").await.error().0, 404);
    let wrong = post(&server, "/api/links/link_1/refresh/", r#"{"fetch_resources":["MOODS"]}"#).await;
    assert_eq!(wrong.error(), (400, "invalid_choice".into(), Some("fetch_resources".into())));
}

#[tokio::test]
async fn a_link_is_deleted_later_and_a_webhook_says_when() {
    let (server, receiver) = world().await;
    let transaction = get(&server, "/api/transactions/?link=link_1&page_size=1").await.ids().remove(0);
    server.control().set_settings(Settings { load_delay_ms: 500, ..server.control().settings() });
    let answer = call(&server, "DELETE", "/api/links/link_1/", "async", "").await;
    assert_eq!(answer.status, 202);
    assert_eq!(get(&server, "/api/links/link_1/").await.status, 200, "not yet");
    let (_, webhook) = receiver.wait_for(1).await.remove(0);
    assert_eq!((&webhook["webhook_type"], &webhook["webhook_code"]), (&"LINK".into(), &"link_deleted".into()));
    assert_eq!(webhook["request_id"], answer.json()["request_id"]);
    assert_eq!((&webhook["link_id"], &webhook["data"]), (&"link_1".into(), &json!({})));
    assert_eq!(get(&server, "/api/links/link_1/").await.error().0, 404);
    assert_eq!(get(&server, &format!("/api/transactions/{transaction}/")).await.error().0, 404);
    assert_eq!(call(&server, "DELETE", "/api/links/link_1/", "async", "").await.error().0, 404);
    assert_eq!(get(&server, "/api/transactions/?link=link_1").await.error().1, "does_not_exist");
}

#[tokio::test]
async fn six_links_are_not_deleted_in_a_minute() {
    let (server, receiver) = world().await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let link = server.control().create_link(NewLink { transactions: 0, ..NewLink::default() }).unwrap().link_id;
        statuses.push(delete(&server, &format!("/api/links/{link}/")).await.status);
    }
    assert_eq!(statuses, [204, 204, 204, 204, 204, 429]);
    assert!(receiver.received().is_empty());
    assert_eq!(call(&server, "DELETE", "/api/links/link_1/", "async", "").await.status, 202);
}

#[tokio::test]
async fn a_webhook_can_come_before_the_answer_that_promises_it() {
    let (server, receiver) = world().await;
    rules(&server, r#"[{"match":{"method":"POST"},"fault":"webhook_first","count":1}]"#);
    let answer = call(&server, "POST", "/api/transactions/", "async", TRANSACTIONS).await;
    let webhooks = receiver.received();
    assert_eq!(webhooks.len(), 1);
    assert_eq!(without_dashes(&webhooks[0].1["request_id"]), answer.json()["request_id"]);
}

#[tokio::test]
async fn a_request_can_stay_without_its_webhook() {
    let (server, receiver) = world().await;
    rules(&server, r#"[{"match":{"webhook_code":"new_transactions_available"},"fault":"webhook_lost"}]"#);
    let answer = call(&server, "POST", "/api/transactions/", "async", TRANSACTIONS).await;
    let started = Instant::now();
    while server.control().deliveries().is_empty() && started.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(answer.status, 202);
    assert_eq!(count(&server, "/api/transactions/?link=link_1").await, 12, "the data came");
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn links_are_listed_with_what_a_client_must_know() {
    let (server, _receiver) = world().await;
    let single = NewLink {
        access_mode: "single".into(),
        institution: Some("tatooine_cl_fiscal".into()),
        transactions: 0,
        ..NewLink::default()
    };
    let single = server.control().create_link(single).unwrap().link_id;
    let list = get(&server, "/api/links/?access_mode=single").await.json();
    assert_eq!((&list["count"], &list["results"][0]["id"]), (&1.into(), &single.into()));
    assert_eq!(list["results"][0]["institution"], "tatooine_cl_fiscal");
    assert_eq!(list["results"][0]["refresh_rate"], Value::Null);
    let recurrent = get(&server, "/api/links/?refresh_rate=12h").await;
    assert_eq!(recurrent.ids(), ["link_1"]);
    let patched = call(&server, "PATCH", "/api/links/link_1/", "", r#"{"access_mode":"single"}"#).await.json();
    assert_eq!((&patched["access_mode"], &patched["refresh_rate"]), (&"single".into(), &Value::Null));
    assert_eq!(
        server
            .control()
            .create_link(NewLink { refresh_rate: "1h".into(), ..NewLink::default() })
            .err()
            .map(|error| error.to_string()),
        Some("refresh_rate is not valid".into())
    );
}

#[tokio::test]
async fn a_consent_expires() {
    let (server, receiver) = world().await;
    let new = NewLink { institution: Some("ofmockbank_br_retail".into()), transactions: 0, ..NewLink::default() };
    let link = server.control().create_link(new).unwrap().link_id;
    server.control().announce(&link, "CONSENT", "openfinance_consent_about_to_expire", None).await.unwrap();
    let data = receiver.received()[0].1["data"].clone();
    assert_eq!((&data["action"], &data["institution"]), (&"renew".into(), &"ofmockbank_br_retail".into()));
    assert_eq!(data["consent_due_date"].as_str().unwrap().len(), 10);
    let path = format!("/api/consents/{}/", data["consent_id"].as_str().unwrap());
    let consent = get(&server, &path).await.json();
    assert_eq!((&consent["status"], &consent["link_id"]), (&"AUTHORISED".into(), &link.clone().into()));
    let user = format!("/api/consents/?user_document={}", consent["document_number"].as_str().unwrap());
    assert_eq!(get(&server, &user).await.json()["count"], 1);
    assert_eq!(get(&server, "/api/consents/").await.error(), (400, "required".into(), Some("user_document".into())));
    for code in ["openfinance_consent_expired", "consent_expired"] {
        server.control().announce(&link, "CONSENT", code, None).await.unwrap();
        assert_eq!(get(&server, &path).await.json()["status"], "EXPIRED");
    }
    let mexican = server.control().announce("link_1", "CONSENT", "consent_expired", None).await;
    assert!(mexican.is_err(), "a link without a consent");
}

#[tokio::test]
async fn the_widget_mends_a_link() {
    let (server, _receiver) = world().await;
    server.control().set_status("link_1", "invalid").unwrap();
    let request = r#"{"id":"secret-id","password":"secret-password","link_id":"link_1",
        "scopes":"read_institutions,write_links,read_links"}"#;
    let tokens = post(&server, "/api/token/", request).await.json();
    let mended = server.control().connect_widget(tokens["access"].as_str().unwrap(), None).unwrap();
    assert_eq!((mended.link_id.as_str(), mended.status.as_str()), ("link_1", "valid"));
}

//! Links that come to be through the API or the widget: the data arrives later, and webhooks say when.

use fake_belvo::Settings;

use crate::support::{Receiver, delete, get, post, put, server};

const REQUEST: &str =
    r#"{"institution":"erebor_mx_retail","username":"bnk100","password":"full","external_id":"user-1"}"#;

#[tokio::test]
async fn a_new_link_is_empty_until_a_webhook_says_otherwise() {
    let server = server().await;
    server.control().set_settings(Settings { load_delay_ms: 150, ..server.control().settings() });
    let receiver = Receiver::start(&[500]).await;
    let webhook = format!(r#"{{"url":"{}","authorization":"Bearer x","retry_interval_ms":5}}"#, receiver.url);
    assert_eq!(put(&server, "/_control/webhook", &webhook).await.status, 204);

    let created = post(&server, "/api/links/", REQUEST).await;
    assert_eq!(created.status, 201);
    let link = created.json();
    assert_eq!((&link["access_mode"], &link["status"]), (&"recurrent".into(), &"valid".into()));
    assert_eq!(link["external_id"], "user-1");
    let id = link["id"].as_str().unwrap();
    assert_eq!(get(&server, &format!("/api/links/{id}/")).await.json(), link);
    for resource in ["accounts", "transactions"] {
        let early = get(&server, &format!("/api/{resource}/?link={id}")).await.json();
        assert_eq!(early["count"], 0, "{resource}");
    }

    let webhooks = receiver.wait_for(3).await;
    assert!(webhooks.iter().all(|(authorization, _)| authorization.as_deref() == Some("Bearer x")));
    assert_eq!(webhooks[0].1, webhooks[1].1, "the repeat of the refused webhook is the same webhook");
    let (accounts, transactions) = (&webhooks[1].1, &webhooks[2].1);
    assert_eq!((&accounts["webhook_type"], &accounts["data"]["total_accounts"]), (&"ACCOUNTS".into(), &3.into()));
    assert_eq!(transactions["webhook_type"], "TRANSACTIONS");
    assert_eq!(transactions["data"]["total_transactions"], 120);
    for webhook in [accounts, transactions] {
        assert_eq!(webhook["webhook_code"], "historical_update");
        assert_eq!(webhook["process_type"], "historical_update");
        assert_eq!((&webhook["link_id"], &webhook["external_id"]), (&id.into(), &"user-1".into()));
    }
    assert_eq!(get(&server, &format!("/api/transactions/?link={id}")).await.json()["count"], 120);
}

#[tokio::test]
async fn only_what_was_asked_for_is_loaded() {
    let server = server().await;
    let receiver = Receiver::start(&[]).await;
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let request = r#"{"institution":"erebor_mx_retail","username":"u","password":"p","access_mode":"single",
        "fetch_resources":["TRANSACTIONS"]}"#;
    let link = post(&server, "/api/links/", request).await.json();
    assert_eq!((&link["access_mode"], &link["refresh_rate"]), (&"single".into(), &serde_json::Value::Null));
    let webhooks = receiver.wait_for(1).await;
    assert_eq!(webhooks[0].1["webhook_type"], "TRANSACTIONS");
    assert_eq!(webhooks[0].1["external_id"], serde_json::Value::Null);
    let id = link["id"].as_str().unwrap();
    assert_eq!(get(&server, &format!("/api/accounts/?link={id}")).await.json()["count"], 0);
}

#[tokio::test]
async fn a_widget_token_connects_one_link() {
    let server = server().await;
    let receiver = Receiver::start(&[]).await;
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let request = r#"{"id":"secret-id","password":"secret-password","scopes":"read_institutions,write_links",
        "external_id":"user-2","fetch_historical":true,"fetch_resources":["ACCOUNTS"]}"#;
    let tokens = post(&server, "/api/token/", request).await;
    assert_eq!(tokens.status, 200);
    let tokens = tokens.json();
    assert!(tokens["refresh"].is_string());

    let body = format!(r#"{{"access":"{}","access_mode":"single"}}"#, tokens["access"].as_str().unwrap());
    let connected = post(&server, "/_control/widget/connect", &body).await;
    assert_eq!((connected.status, &connected.json()["external_id"]), (200, &"user-2".into()));
    let webhooks = receiver.wait_for(1).await;
    assert_eq!(webhooks[0].1["link_id"], connected.json()["link_id"]);
    assert_eq!(webhooks[0].1["webhook_type"], "ACCOUNTS");
    let link = format!("/api/links/{}/", connected.json()["link_id"].as_str().unwrap());
    assert_eq!(get(&server, &link).await.json()["access_mode"], "single");
    assert_eq!(post(&server, "/_control/widget/connect", &body).await.status, 404, "a token works once");
}

#[tokio::test]
async fn a_token_wants_the_keys_in_its_body_too() {
    let server = server().await;
    let wrong = r#"{"id":"secret-id","password":"wrong","scopes":"read_institutions,write_links",
        "fetch_historical":true,"fetch_resources":["ACCOUNTS"]}"#;
    assert_eq!(post(&server, "/api/token/", wrong).await.error(), (401, "authentication_failed".into(), None));
}

#[tokio::test]
async fn a_deleted_link_is_gone_with_its_data() {
    let server = server().await;
    let link = server.control().create_link(fake_belvo::NewLink::default()).unwrap().link_id;
    let transaction = get(&server, &format!("/api/transactions/?link={link}&page_size=1")).await.ids().remove(0);
    assert_eq!(delete(&server, &format!("/api/links/{link}/")).await.status, 204);
    assert_eq!(delete(&server, &format!("/api/links/{link}/")).await.status, 404);
    assert_eq!(get(&server, &format!("/api/links/{link}/")).await.error().0, 404);
    assert_eq!(get(&server, &format!("/api/transactions/{transaction}/")).await.error().0, 404);
    let list = get(&server, &format!("/api/transactions/?link={link}")).await;
    assert_eq!(list.error(), (400, "does_not_exist".into(), Some("link".into())));
}

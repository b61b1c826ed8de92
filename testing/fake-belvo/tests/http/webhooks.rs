//! Webhooks: the documented bodies, and what happens when nobody acknowledges them.

use std::time::Duration;

use fake_belvo::{Change, DeliveryState, NewLink, Selection, Server};
use serde_json::{Value, json};

use crate::support::{HISTORICAL_LINK, Receiver, UPDATED_LINK, get, server};

async fn server_and_receiver(statuses: &[u16]) -> (Server, Receiver) {
    let (server, receiver) = (server().await, Receiver::start(statuses).await);
    server.control().set_webhook(Some(receiver.url.clone()), Some("Bearer x".into()), None);
    (server, receiver)
}

/// The body without its two fresh ids, which are checked here.
fn without_ids(mut body: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    let webhook_id = fields.remove("webhook_id").unwrap();
    assert!(webhook_id.as_str().is_some_and(|id| id.len() == 32 && !id.contains('-')), "{webhook_id}");
    let request_id = fields.remove("request_id").unwrap();
    assert_eq!(request_id.as_str().unwrap().split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    body
}

#[tokio::test]
async fn the_documented_link_announces_the_documented_totals() {
    let (server, receiver) = server_and_receiver(&[]).await;
    server.control().announce(HISTORICAL_LINK, "ACCOUNTS", "historical_update", None).await.unwrap();
    server.control().announce(HISTORICAL_LINK, "TRANSACTIONS", "historical_update", None).await.unwrap();
    let webhooks = receiver.received();
    let envelope = |webhook_type: &str, data: Value| {
        json!({
            "webhook_type": webhook_type, "process_type": "historical_update", "webhook_code": "historical_update",
            "link_id": HISTORICAL_LINK, "external_id": "your_external_id", "data": data,
        })
    };
    assert_eq!(without_ids(webhooks[0].1.clone()), envelope("ACCOUNTS", json!({"total_accounts": 5})));
    let totals = json!({
        "total_transactions": 19, "total_inflow_transactions": 10, "total_outflow_transactions": 9,
        "first_transaction_date": "2023-01-03", "last_transaction_date": "2024-01-03",
    });
    assert_eq!(without_ids(webhooks[1].1.clone()), envelope("TRANSACTIONS", totals));
    assert_ne!(webhooks[0].1["webhook_id"], webhooks[1].1["webhook_id"]);
}

#[tokio::test]
async fn changes_are_announced_with_their_ids_and_numbers() {
    let (server, receiver) = server_and_receiver(&[]).await;
    let delete = Selection::Ids(vec!["7d0afe4c-373d-490c-90e4-06xx4cdd4a17".into()]);
    let change = Change { add: 3, update: Selection::Count(2), delete, ..Change::default() };
    let changed = server.control().change(UPDATED_LINK, "transactions", change).await.unwrap();
    assert_eq!((changed.added.len(), changed.updated.len(), changed.deleted.len()), (3, 2, 1));

    let bodies: Vec<Value> = receiver.received().into_iter().map(|(_, body)| without_ids(body)).collect();
    let data: Vec<(&Value, &Value)> = bodies.iter().map(|body| (&body["webhook_code"], &body["data"])).collect();
    assert_eq!(
        data,
        [
            (&json!("new_transactions_available"), &json!({"new_transactions": 3})),
            (&json!("transactions_updated"), &json!({"count": 2, "updated_transactions": changed.updated})),
            (&json!("transactions_deleted"), &json!({"count": 1, "deleted_transactions": changed.deleted})),
        ]
    );
    assert!(bodies.iter().all(|body| body["process_type"] == "recurrent_update"));
    assert!(changed.deliveries.iter().all(|delivery| delivery.state == DeliveryState::Delivered));
}

#[tokio::test]
async fn what_changed_unannounced_is_announced_later() {
    let (server, receiver) = server_and_receiver(&[]).await;
    let quiet = Change { add: 2, announce: false, ..Change::default() };
    server.control().change(UPDATED_LINK, "accounts", quiet).await.unwrap();
    assert!(receiver.received().is_empty());
    server.control().announce(UPDATED_LINK, "ACCOUNTS", "new_accounts_available", None).await.unwrap();
    assert_eq!(receiver.received()[0].1["data"], json!({"new_accounts": 2}));
    server
        .control()
        .announce(UPDATED_LINK, "ACCOUNTS", "new_accounts_available", Some(r#"{"new_accounts":9}"#))
        .await
        .unwrap();
    assert_eq!(receiver.received()[1].1["data"], json!({"new_accounts": 9}));
}

#[tokio::test]
async fn a_webhook_is_repeated_unchanged_until_it_is_acknowledged() {
    let (server, receiver) = server_and_receiver(&[500, 404]).await;
    let delivery = server.control().announce(UPDATED_LINK, "ACCOUNTS", "historical_update", None).await.unwrap();
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(
        delivery.attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(),
        [Some(500), Some(404), Some(202)]
    );
    let webhooks = receiver.received();
    assert!(webhooks.iter().all(|one| *one == webhooks[0]));
    assert_eq!(webhooks.len(), 3);
}

#[tokio::test]
async fn a_webhook_is_given_up_after_five_repeats() {
    let (server, receiver) = server_and_receiver(&[500; 10]).await;
    let delivery = server.control().announce(UPDATED_LINK, "ACCOUNTS", "historical_update", None).await.unwrap();
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::GivenUp, 6));
    assert_eq!(receiver.received().len(), 6);
    let log = get(&server, "/_control/deliveries").await.json();
    assert_eq!((&log[0]["state"], &log[0]["body"]), (&json!("given_up"), &receiver.received()[0].1));
    assert_eq!(log[0]["attempts"][5]["status"], 500);
}

#[tokio::test]
async fn repeats_wait_longer_each_time() {
    let (server, _receiver) = server_and_receiver(&[500, 500, 500]).await;
    server.control().set_webhook(None, None, Some(Duration::from_millis(40)));
    let started = std::time::Instant::now();
    server.control().announce(UPDATED_LINK, "ACCOUNTS", "historical_update", None).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(40 + 80 + 120), "{:?}", started.elapsed());
}

#[tokio::test]
async fn without_a_url_nothing_is_sent() {
    let server = server().await;
    let delivery = server.control().announce(UPDATED_LINK, "ACCOUNTS", "historical_update", None).await.unwrap();
    assert_eq!((delivery.state, delivery.attempts.len()), (DeliveryState::NoUrl, 0));
}

#[tokio::test]
async fn anything_can_be_sent_with_any_authorization() {
    let (server, receiver) = server_and_receiver(&[]).await;
    server.control().send("{not json", Some("Basic eA==".into())).await;
    server.control().send(r#"{"webhook_type":"OWNERS","webhook_code":"historical_update"}"#, Some(String::new())).await;
    let webhooks = receiver.received();
    assert_eq!(webhooks[0], (Some("Basic eA==".into()), json!("{not json")));
    assert_eq!(webhooks[1].0, None);
    assert_eq!(server.control().deliveries()[1].webhook_type, "OWNERS");
}

#[tokio::test]
async fn a_link_whose_credentials_fail_says_so() {
    let (server, receiver) = server_and_receiver(&[]).await;
    let link = server.control().create_link(NewLink::default()).unwrap().link_id;
    server.control().announce(&link, "LINK", "invalid_credentials", None).await.unwrap();
    assert_eq!(receiver.received()[0].1["data"]["error_code"], "login_error");
    assert_eq!(get(&server, &format!("/api/links/{link}/")).await.json()["status"], "invalid");
}

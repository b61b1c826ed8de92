//! Webhooks that come twice, late, out of order, or not at all.

use std::time::{Duration, Instant};

use fake_belvo::{Change, Delivery, DeliveryState, NewLink, Rule, Server};

use crate::support::{Received, Receiver, get, post, server};

const LINK: &str = "link_1";

/// A server with one link, a receiver, and the rules.
async fn world(rules: &str) -> (Server, Receiver) {
    let (server, receiver) = (server().await, Receiver::start(&[]).await);
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let link = NewLink { id: Some(LINK.into()), transactions: 5, ..NewLink::default() };
    server.control().create_link(link).unwrap();
    server.control().add_faults(serde_json::from_str::<Vec<Rule>>(rules).unwrap()).unwrap();
    (server, receiver)
}

async fn announce(server: &Server, webhook_type: &str) -> Delivery {
    server.control().announce(LINK, webhook_type, "historical_update", None).await.unwrap()
}

fn types(webhooks: &[Received]) -> Vec<&str> {
    webhooks.iter().map(|(_, body)| body["webhook_type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_webhook_can_come_twice_with_the_same_body() {
    let (server, receiver) = world(r#"[{"fault":"webhook_twice","count":1}]"#).await;
    assert_eq!(announce(&server, "ACCOUNTS").await.state, DeliveryState::Delivered);
    announce(&server, "TRANSACTIONS").await;
    let webhooks = receiver.received();
    assert_eq!(types(&webhooks), ["ACCOUNTS", "ACCOUNTS", "TRANSACTIONS"]);
    assert_eq!(webhooks[0].1, webhooks[1].1);
    assert_eq!(server.control().deliveries().len(), 3);
}

#[tokio::test]
async fn a_late_webhook_is_overtaken_and_comes() {
    let (server, receiver) = world(r#"[{"fault":{"webhook_late_ms":200},"count":1}]"#).await;
    let started = Instant::now();
    assert_eq!(announce(&server, "ACCOUNTS").await.state, DeliveryState::Pending);
    announce(&server, "TRANSACTIONS").await;
    assert_eq!(types(&receiver.received()), ["TRANSACTIONS"]);
    assert_eq!(types(&receiver.wait_for(2).await), ["TRANSACTIONS", "ACCOUNTS"]);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_webhook_that_is_held_back_comes_after_the_next_one_of_its_link() {
    let (server, receiver) = world(r#"[{"match":{"webhook_type":"ACCOUNTS"},"fault":"webhook_out_of_order"}]"#).await;
    let other = server.control().create_link(NewLink::default()).unwrap().link_id;
    assert_eq!(announce(&server, "ACCOUNTS").await.state, DeliveryState::Held);
    server.control().announce(&other, "TRANSACTIONS", "historical_update", None).await.unwrap();
    assert_eq!(types(&receiver.received()), ["TRANSACTIONS"], "another link's webhook does not release it");
    announce(&server, "TRANSACTIONS").await;
    assert_eq!(types(&receiver.received()), ["TRANSACTIONS", "TRANSACTIONS", "ACCOUNTS"]);
    let states: Vec<_> = server.control().deliveries().iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Delivered; 3]);
}

#[tokio::test]
async fn what_is_held_back_can_be_released() {
    let (server, receiver) = world(r#"[{"fault":"webhook_out_of_order","count":2}]"#).await;
    announce(&server, "ACCOUNTS").await;
    announce(&server, "TRANSACTIONS").await;
    assert!(receiver.received().is_empty());
    let released = post(&server, "/_control/deliveries/release", "").await.json();
    assert_eq!((&released[0]["state"], &released[1]["state"]), (&"delivered".into(), &"delivered".into()));
    assert_eq!(types(&receiver.received()), ["ACCOUNTS", "TRANSACTIONS"]);
    assert_eq!(post(&server, "/_control/deliveries/release", "").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn a_webhook_can_be_lost() {
    let rules = r#"[{"match":{"webhook_code":"transactions_updated","link":"link_1"},"fault":"webhook_lost"}]"#;
    let (server, receiver) = world(rules).await;
    let change: Change = serde_json::from_str(r#"{"add":1,"update":1,"delete":1}"#).unwrap();
    let changed = server.control().change(LINK, "transactions", change).await.unwrap();
    let states: Vec<_> = changed.deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Delivered, DeliveryState::Lost, DeliveryState::Delivered]);
    let codes: Vec<_> = receiver.received().iter().map(|(_, body)| body["webhook_code"].clone()).collect();
    assert_eq!(codes, ["new_transactions_available", "transactions_deleted"]);
}

#[tokio::test]
async fn a_probability_loses_the_same_webhooks_each_time() {
    let (server, receiver) = world("[]").await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let rules = r#"[{"fault":"webhook_lost","probability":0.5,"seed":7}]"#;
        server.control().clear_faults();
        server.control().add_faults(serde_json::from_str(rules).unwrap()).unwrap();
        let mut states = Vec::new();
        for _ in 0..12 {
            states.push(announce(&server, "ACCOUNTS").await.state);
        }
        runs.push(states);
    }
    assert_eq!(runs[0], runs[1]);
    let arrived = runs.concat().iter().filter(|state| **state == DeliveryState::Delivered).count();
    assert!((1..24).contains(&arrived), "{arrived}");
    assert_eq!(receiver.received().len(), arrived);
}

#[tokio::test]
async fn requests_and_webhooks_do_not_use_up_each_others_faults() {
    let rules = r#"[{"fault":"webhook_lost","count":1},{"fault":{"status":500},"count":1}]"#;
    let (server, receiver) = world(rules).await;
    assert_eq!(get(&server, "/api/links/").await.status, 500);
    assert_eq!(get(&server, "/api/links/").await.status, 200);
    assert_eq!(announce(&server, "ACCOUNTS").await.state, DeliveryState::Lost);
    announce(&server, "ACCOUNTS").await;
    assert_eq!(receiver.received().len(), 1);
}

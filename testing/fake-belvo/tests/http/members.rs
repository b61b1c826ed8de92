//! Objects that are not as Belvo describes them, or that it writes again without a change.

use fake_belvo::{Change, NewLink, Selection};
use serde_json::{Value, json};

use crate::support::{HISTORICAL_LINK, Receiver, config, get, post, put, server};

#[tokio::test]
async fn a_link_is_served_with_any_members() {
    let server = server().await;
    let link = format!("/api/links/{HISTORICAL_LINK}/");
    let right = get(&server, &link).await.json();
    let odd =
        r#"{"external_id":12345,"refresh_rate":24,"institution":{"name":"x"},"fetch_resources":[null],"new":1.50}"#;
    let path = format!("/_control/links/{HISTORICAL_LINK}/members");
    assert_eq!(put(&server, &path, odd).await.status, 204);

    let mut expected = right.clone();
    expected.as_object_mut().unwrap().extend(serde_json::from_str::<serde_json::Map<_, _>>(odd).unwrap());
    let one = get(&server, &link).await;
    assert_eq!(one.json(), expected);
    assert!(one.text.contains(r#""new":1.50"#), "digits stay: {}", one.text);
    let listed = get(&server, "/api/links/").await.json();
    assert!(listed["results"].as_array().unwrap().contains(&expected), "{listed}");

    assert_eq!(put(&server, &path, "{}").await.status, 204);
    assert_eq!(get(&server, &link).await.json(), right);
    assert_eq!(put(&server, &path, "[1]").await.status, 400);
    assert_eq!(put(&server, "/_control/links/nowhere/members", "{}").await.status, 404);
}

#[tokio::test]
async fn copies_of_an_embedded_account_can_differ_on_one_page() {
    let server = server().await;
    let new = NewLink { accounts: 1, transactions: 10, ..NewLink::default() };
    let link = server.control().create_link(new).unwrap().link_id;
    let account = get(&server, &format!("/api/accounts/?link={link}")).await.ids().remove(0);
    let variants = r#"[{"collected_at":"2025-08-10T12:00:00.123456","category":"CHECKING_ACCOUNT"},
        {"collected_at":"2025-08-10T12:00:00.126456","category":"LOAN_ACCOUNT"}]"#;
    let path = format!("/_control/links/{link}/accounts/{account}/members");
    assert_eq!(put(&server, &path, variants).await.status, 204);

    let page = get(&server, &format!("/api/transactions/?link={link}")).await.json();
    let copies = page["results"].as_array().unwrap().iter().map(|transaction| &transaction["account"]);
    let of = |category: &str| copies.clone().filter(|copy| copy["category"] == category).count();
    assert_eq!((of("CHECKING_ACCOUNT"), of("LOAN_ACCOUNT")), (5, 5));
    let one = get(&server, &format!("/api/accounts/{account}/")).await.json();
    assert_eq!((&one["id"], &one["collected_at"]), (&account.into(), &"2025-08-10T12:00:00.123456".into()));
    assert_eq!(put(&server, &path.replace("/members", "x/members"), "{}").await.status, 404);
}

#[tokio::test]
async fn a_resaved_object_differs_only_in_when_it_was_created_and_collected() {
    let receiver = Receiver::start(&[]).await;
    let server = fake_belvo::start(config()).await.unwrap();
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let resources = [("OWNERS".to_owned(), 4)].into();
    let new = NewLink { transactions: 20, resources, ..NewLink::default() };
    let link = server.control().create_link(new).unwrap().link_id;
    for resource in ["transactions", "accounts", "owners"] {
        let objects = async || -> Vec<Value> {
            get(&server, &format!("/api/{resource}/?link={link}")).await.json()["results"].as_array().unwrap().clone()
        };
        let before = objects().await;
        let change = Change { resave: Selection::Count(3), refresh_accounts: false, ..Change::default() };
        let changed = server.control().change(&link, resource, change).await.unwrap();
        assert_eq!((changed.resaved.len(), changed.updated.len(), changed.deliveries.len()), (3, 0, 0), "{resource}");
        let after = objects().await;
        for (before, after) in before.iter().zip(&after) {
            let resaved = changed.resaved.iter().any(|id| before["id"] == id.as_str());
            let moved = ["created_at", "collected_at"].map(|name| before.get(name) != after.get(name));
            assert_eq!(moved, [resaved, resaved && before.get("collected_at").is_some()], "{resource}");
            assert_eq!(timeless(before), timeless(after), "{resource}");
        }
    }
    assert!(receiver.received().is_empty(), "no webhook says so");
}

fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    let members = object.as_object_mut().unwrap();
    members.retain(|name, _| name != "created_at" && name != "collected_at");
    for nested in members.values_mut().filter_map(Value::as_object_mut) {
        nested.remove("collected_at");
    }
    object
}

#[tokio::test]
async fn invalid_credentials_can_be_announced_while_the_link_still_says_valid() {
    let receiver = Receiver::start(&[]).await;
    let server = fake_belvo::start(config()).await.unwrap();
    server.control().set_webhook(Some(receiver.url.clone()), None, None);
    let path = format!("/_control/links/{HISTORICAL_LINK}/announce");
    let body = json!({ "type": "LINK", "code": "invalid_credentials", "keep_status": true }).to_string();
    assert_eq!(post(&server, &path, &body).await.status, 200);
    assert_eq!(receiver.received()[0].1["webhook_code"], "invalid_credentials");
    assert_eq!(get(&server, &format!("/api/links/{HISTORICAL_LINK}/")).await.json()["status"], "valid");
    server.control().announce(HISTORICAL_LINK, "LINK", "invalid_credentials", None).await.unwrap();
    assert_eq!(get(&server, &format!("/api/links/{HISTORICAL_LINK}/")).await.json()["status"], "invalid");
}

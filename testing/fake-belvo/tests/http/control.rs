//! The control API over HTTP, and what it does to the data.

use std::time::Duration;

use fake_belvo::{Change, ControlError, NewLink, Selection, Settings};
use serde_json::Value;

use crate::support::{HISTORICAL_LINK, UPDATED_LINK, all_ids, delete, get, post, put, server};

#[tokio::test]
async fn a_link_is_created_with_its_data_at_once() {
    let server = server().await;
    let body = r#"{"id":"link_1","external_id":"user","institution":"ofmockbank_br_retail","access_mode":"single",
        "accounts":4,"transactions":12,"seed":9,"created_days_ago":3}"#;
    let created = post(&server, "/_control/links", body).await;
    assert_eq!((created.status, &created.json()["link_id"]), (201, &"link_1".into()));
    assert_eq!(created.json()["resources"][1]["present"], 12);
    assert_eq!(get(&server, "/api/transactions/?link=link_1").await.json()["count"], 12);
    assert_eq!(get(&server, "/api/links/link_1/").await.json()["institution"], "ofmockbank_br_retail");
    assert_eq!(post(&server, "/_control/links", body).await.status, 409);
    assert_eq!(post(&server, "/_control/links", r#"{"id":"a/b"}"#).await.status, 400);
    assert_eq!(post(&server, "/_control/links", r#"{"transaction":1}"#).await.status, 422);
}

#[tokio::test]
async fn a_drawn_id_is_free_even_if_somebody_took_the_one_that_was_next() {
    let (server, other) = (server().await, server().await);
    let taken = other.control().create_link(NewLink::default()).unwrap().link_id;
    let explicit = NewLink { id: Some(taken.clone()), ..NewLink::default() };
    server.control().create_link(explicit).unwrap();
    assert_ne!(server.control().create_link(NewLink::default()).unwrap().link_id, taken);
}

#[tokio::test]
async fn changes_show_in_lists_and_in_the_truth() {
    let server = server().await;
    let path = format!("/_control/links/{UPDATED_LINK}/transactions");
    let before = get(&server, &format!("/api/transactions/?link={UPDATED_LINK}")).await.json();
    let changed =
        post(&server, &path, r#"{"add":2,"update":["64ecc7df-f322-4934-82f5-3b3ae675ef4a"],"delete":1}"#).await.json();
    let deleted = changed["deleted"][0].as_str().unwrap();
    assert_eq!(get(&server, &format!("/api/transactions/{deleted}/")).await.error().0, 404);

    let after = get(&server, &format!("/api/transactions/?link={UPDATED_LINK}")).await.json();
    assert_eq!(after["count"], 6);
    let find = |page: &Value| {
        page["results"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == "64ecc7df-f322-4934-82f5-3b3ae675ef4a")
            .cloned()
    };
    let (old, new) = (find(&before).unwrap(), find(&after).unwrap());
    for field in ["amount", "description", "collected_at"] {
        assert_ne!(old[field], new[field], "{field}");
    }
    assert_eq!((&old["value_date"], &old["created_at"]), (&new["value_date"], &new["created_at"]));

    let truth = get(&server, &format!("/_control/links/{UPDATED_LINK}/truth?resource=transactions")).await;
    let lines: Vec<Value> = truth.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, *after["results"].as_array().unwrap());
}

#[tokio::test]
async fn new_transactions_refresh_the_balances_of_the_accounts() {
    let server = server().await;
    let accounts = format!("/api/accounts/?link={HISTORICAL_LINK}");
    let before = get(&server, &accounts).await.json();
    let quiet = Change { add: 1, announce: false, refresh_accounts: false, ..Change::default() };
    server.control().change(HISTORICAL_LINK, "transactions", quiet.clone()).await.unwrap();
    assert_eq!(get(&server, &accounts).await.json(), before);
    server.control().change(HISTORICAL_LINK, "transactions", Change { refresh_accounts: true, ..quiet }).await.unwrap();
    let after = get(&server, &accounts).await.json();
    assert_ne!(after["results"][0]["balance"], before["results"][0]["balance"]);
    assert_ne!(after["results"][0]["collected_at"], before["results"][0]["collected_at"]);
}

#[tokio::test]
async fn a_deleted_transaction_can_come_back_to_its_place() {
    let server = server().await;
    let path = format!("/api/transactions/?link={HISTORICAL_LINK}");
    let before = all_ids(&server, &path).await;
    let some = vec![before[2].clone(), before[9].clone()];
    let delete = Change { delete: Selection::Ids(some.clone()), ..Change::default() };
    server.control().change(HISTORICAL_LINK, "transactions", delete).await.unwrap();
    assert_eq!(all_ids(&server, &path).await.len(), 17);
    let restore = Change { restore: some.clone(), ..Change::default() };
    let changed = server.control().change(HISTORICAL_LINK, "transactions", restore).await.unwrap();
    assert_eq!(changed.restored, some);
    assert_eq!(changed.deliveries[0].webhook_code, "new_transactions_available");
    assert_eq!(all_ids(&server, &path).await, before);
}

#[tokio::test]
async fn a_change_that_cannot_be_made_whole_is_not_made() {
    let server = server().await;
    let change = |change| server.control().change(UPDATED_LINK, "transactions", change);
    let too_many = Change { add: 1, delete: Selection::Count(6), ..Change::default() };
    assert_eq!(change(too_many).await.unwrap_err(), ControlError::TooMany);
    let unknown = Change { add: 1, update: Selection::Ids(vec!["x".into()]), ..Change::default() };
    assert_eq!(change(unknown).await.unwrap_err(), ControlError::UnknownObject);
    assert_eq!(server.control().link(UPDATED_LINK).unwrap().resources[1].present, 5);
}

#[tokio::test]
async fn lists_can_lag_behind_deletions() {
    let server = server().await;
    let settings = put(&server, "/_control/settings", r#"{"stale_reads_ms":300}"#).await.json();
    assert_eq!((&settings["stale_reads_ms"], &settings["id_in"]), (&300.into(), &"allowed".into()));
    let path = format!("/api/transactions/?link={UPDATED_LINK}");
    let delete = Change { delete: Selection::Count(2), announce: false, ..Change::default() };
    let changed = server.control().change(UPDATED_LINK, "transactions", delete).await.unwrap();
    assert_eq!(all_ids(&server, &path).await.len(), 5);
    assert_eq!(server.control().truth(UPDATED_LINK, "transactions").unwrap().len(), 3);
    assert_eq!(get(&server, &format!("/api/transactions/{}/", changed.deleted[0])).await.status, 404);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(all_ids(&server, &path).await.len(), 3);
}

#[tokio::test]
async fn a_misspelt_setting_is_refused_and_changes_nothing() {
    let server = server().await;
    assert_eq!(put(&server, "/_control/settings", r#"{"stale_reads_ms":9,"id__in":"refused"}"#).await.status, 400);
    assert_eq!(server.control().settings().stale_reads_ms, 0);
}

#[tokio::test]
async fn requests_are_counted_and_remembered() {
    let server = server().await;
    get(&server, "/api/links/?page_size=1").await;
    get(&server, &format!("/api/links/{HISTORICAL_LINK}/")).await;
    get(&server, "/api/links/unknown/").await;
    let report = get(&server, "/_control/requests").await.json();
    assert_eq!(report["total"], 3);
    let count = |path: &str, status: u16| {
        let counts = report["counts"].as_array().unwrap();
        counts.iter().find(|one| one["path"] == path && one["status"] == status).map(|one| one["count"].clone())
    };
    assert_eq!(count("/api/links/", 200), Some(1.into()));
    assert_eq!(count("/api/links/{id}/", 200), Some(1.into()));
    assert_eq!(count("/api/links/{id}/", 404), Some(1.into()));
    assert_eq!(report["recent"][0]["query"], "page_size=1");
    assert_eq!(delete(&server, "/_control/requests").await.status, 204);
    assert_eq!(server.control().requests().total, 0);
}

#[tokio::test]
async fn a_reset_brings_back_the_start() {
    let server = server().await;
    server.control().create_link(NewLink::default()).unwrap();
    server.control().delete_link(UPDATED_LINK).unwrap();
    server.control().set_settings(Settings { edge_limit_per_30s: 1, ..Settings::default() });
    assert_eq!(post(&server, "/_control/reset", "").await.status, 204);
    let links: Vec<String> = server.control().links().into_iter().map(|link| link.link_id).collect();
    assert_eq!(links, [HISTORICAL_LINK, UPDATED_LINK]);
    assert_eq!(server.control().settings().edge_limit_per_30s, 0);
    assert_eq!(server.control().requests().total, 0);
}

#[tokio::test]
async fn the_truth_of_many_objects_is_streamed_whole() {
    let server = server().await;
    let link = server.control().create_link(NewLink { transactions: 1_234, ..NewLink::default() }).unwrap().link_id;
    let truth = get(&server, &format!("/_control/links/{link}/truth?resource=TRANSACTIONS")).await.text;
    assert_eq!(truth.lines().count(), 1_234);
    assert_eq!(truth.lines().collect::<Vec<_>>(), server.control().truth(&link, "transactions").unwrap());
    assert_eq!(get(&server, "/_control/links/none/truth?resource=TRANSACTIONS").await.status, 404);
    assert_eq!(get(&server, &format!("/_control/links/{link}/truth?resource=PLANETS")).await.status, 404);
}

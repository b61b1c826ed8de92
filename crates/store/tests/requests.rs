//! Requests and attempts, on a real DynamoDB engine.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, MAX_IDS_PER_MESSAGE, MAX_PARTS, Message, RequestId, Resource, Value, Webhook};
use store::{Counts, IdempotencyGuard, KeyedRequest, NewRequest, Request, RequestStatus, Reservation, Table};
use test_aws::dynamodb::TABLE_NAME;

type Item = HashMap<String, AttributeValue>;

const NOW: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const DASHED: &str = "B5D0106A-c9cc-43d5-b361-99fe831f6bbe";
const PLAIN: &str = "b5d0106ac9cc43d5b36199fe831f6bbe";

struct Given {
    client: Client,
    table: Table,
    link: LinkId,
}

async fn given_an_empty_table() -> Given {
    let client = test_aws::dynamodb::start().await;
    let table = Table::new(client.clone(), TABLE_NAME.to_owned());
    Given { client, table, link: LinkId::parse("link-1").unwrap() }
}

impl Given {
    async fn item(&self) -> Item {
        let key = [("pk", format!("REQUEST#{PLAIN}")), ("sk", "REQUEST".to_owned())];
        let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let get = self.client.get_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key))).consistent_read(true);
        get.send().await.unwrap().item.unwrap_or_default()
    }

    async fn accept(&self, awaited: &[String]) {
        let request = NewRequest {
            id: &id(),
            action: "retrieve",
            link: &self.link,
            resource: awaited.is_empty().then_some("TRANSACTIONS"),
            parameters: Value::Object(BTreeMap::from([("date_from".to_owned(), Value::Text("2024-01-01".to_owned()))])),
            awaited,
        };
        self.table.accept_request(&request, NOW).await.unwrap();
    }

    async fn complete(&self, message: &Message, written: u64) {
        let counts = Counts { pages: 1, written, ..Counts::default() };
        self.table.complete_request(message, Some(counts), NOW + 1).await.unwrap();
    }

    async fn request(&self) -> Request {
        self.table.request(&id()).await.unwrap().unwrap()
    }

    async fn status(&self) -> RequestStatus {
        self.request().await.status
    }

    /// The primary keys of what an index holds.
    async fn indexed(&self, index: &str, partition: &str) -> Vec<Item> {
        let query = self.client.query().table_name(TABLE_NAME).index_name(index);
        let query = query
            .key_condition_expression(format!("{index}pk = :pk"))
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()));
        query.send().await.unwrap().items.unwrap_or_default()
    }

    async fn begin(&self, key: &str, fingerprint: &str) -> Reservation {
        let request = KeyedRequest { key, action: "retrieve", fingerprint };
        self.table.reserve_key(&request, NOW).await.unwrap()
    }

    async fn take(&self, key: &str, fingerprint: &str) -> IdempotencyGuard {
        match self.begin(key, fingerprint).await {
            Reservation::Send(held) => held,
            other => panic!("the key is taken: {other:?}"),
        }
    }
}

fn id() -> RequestId {
    RequestId::parse(PLAIN).unwrap()
}

fn webhook(webhook_type: &str, data: &str) -> Vec<Message> {
    let body = format!(
        r#"{{"webhook_type":"{webhook_type}","webhook_code":"new_transactions_available","link_id":"link-1",
            "request_id":"{DASHED}","data":{data}}}"#
    );
    Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), NOW)
}

fn answer() -> Message {
    webhook("TRANSACTIONS", "{}").remove(0)
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).map_or("(absent)", |value| value.as_s().unwrap())
}

fn number(item: &Item, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_accepted_request_is_found_by_its_id_by_its_link_and_when_it_is_due() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    let item = given.item().await;
    assert_eq!((text(&item, "status"), text(&item, "resource")), ("accepted", "TRANSACTIONS"));
    assert_eq!((text(&item, "action"), text(&item, "link_id")), ("retrieve", "link-1"));
    assert_eq!(item["parameters"].as_m().unwrap()["date_from"].as_s().unwrap(), "2024-01-01");
    assert_eq!((number(&item, "accepted_at"), number(&item, "expires_at")), (NOW, NOW / 1_000 + 90 * 24 * 60 * 60));
    let of_link = given.indexed("gsi1", "LINK#link-1").await;
    assert_eq!(text(&of_link[0], "gsi1sk"), format!("REQUEST#{PLAIN}"));
    let shard = text(&item, "gsi2pk").to_owned();
    assert!(shard.strip_prefix("RECONCILE#").unwrap().parse::<u8>().unwrap() < 16, "{shard}");
    let due = given.indexed("gsi2", &shard).await;
    assert_eq!((text(&due[0], "pk"), text(&due[0], "gsi2sk")), (format!("REQUEST#{PLAIN}").as_str(), "1700021600000"));
}

#[tokio::test]
async fn the_webhook_completes_the_request_with_its_counts_however_belvo_spells_the_id() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    given.complete(&answer(), 7).await;
    let item = given.item().await;
    assert_eq!((text(&item, "status"), number(&item, "written"), number(&item, "pages")), ("completed", 7, 1));
    assert_eq!(number(&item, "completed_at"), NOW + 1);
    assert!(!item.contains_key("gsi2pk") && !item.contains_key("gsi2sk"), "nobody waits for it any more");
    assert_eq!(text(&item, "action"), "retrieve");
}

#[tokio::test]
async fn a_webhook_that_comes_first_is_not_undone_by_the_acceptance() {
    let given = given_an_empty_table().await;
    given.complete(&answer(), 7).await;
    given.accept(&[]).await;
    let item = given.item().await;
    assert_eq!((text(&item, "status"), number(&item, "written")), ("completed", 7));
    assert_eq!((text(&item, "action"), number(&item, "accepted_at")), ("retrieve", NOW));
    assert!(item.contains_key("parameters") && !item.contains_key("gsi2pk"));
}

#[tokio::test]
async fn a_request_of_somebody_else_gets_its_item_from_the_webhook_alone() {
    let given = given_an_empty_table().await;
    given.complete(&answer(), 3).await;
    let item = given.item().await;
    assert_eq!((text(&item, "status"), text(&item, "resource")), ("completed", "TRANSACTIONS"));
    assert!(!item.contains_key("action") && !item.contains_key("accepted_at"));
    assert_eq!(given.indexed("gsi1", "LINK#link-1").await.len(), 1);
}

#[tokio::test]
async fn completing_and_accepting_again_changes_nothing() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    given.complete(&answer(), 7).await;
    let before = given.item().await;
    given.complete(&answer(), 0).await;
    given.table.complete_request(&answer(), None, NOW + 1).await.unwrap();
    given.accept(&[]).await;
    assert_eq!(given.item().await, before);
}

#[tokio::test]
async fn a_webhook_without_a_request_id_completes_nothing() {
    let given = given_an_empty_table().await;
    let body = r#"{"webhook_type":"ACCOUNTS","webhook_code":"historical_update","link_id":"link-1"}"#;
    let message = Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), NOW).remove(0);
    given.complete(&message, 1).await;
    assert_eq!(given.client.scan().table_name(TABLE_NAME).send().await.unwrap().count, 0);
}

/// A webhook in so many parts.
fn split(parts: usize, note: &str) -> Vec<Message> {
    let ids = vec![r#""t""#; (parts - 1) * MAX_IDS_PER_MESSAGE + 1].join(",");
    let messages = webhook("TRANSACTIONS", &format!(r#"{{"updated_transactions":[{ids}],"note":"{note}"}}"#));
    assert_eq!(messages.len(), parts);
    messages
}

#[tokio::test]
async fn a_webhook_that_was_split_completes_its_request_when_every_part_was_worked_on_in_any_order() {
    for (order, last) in [([0, 1, 2], 2), ([2, 1, 0], 0), ([1, 2, 0], 0)] {
        let given = given_an_empty_table().await;
        given.accept(&[]).await;
        let parts = split(3, "");
        for (number, part) in order.into_iter().enumerate() {
            assert_eq!(given.status().await, RequestStatus::Accepted, "{number} parts of {order:?}");
            assert!(given.request().await.due_at.is_some(), "it is still waited for");
            // Delivered twice.
            given.complete(&parts[part], part as u64).await;
            given.complete(&parts[part], 7).await;
        }
        let item = given.item().await;
        assert_eq!((text(&item, "status"), number(&item, "written")), ("completed", last));
        assert!(!item.contains_key("parts_done"), "nobody counts any more");
    }
}

#[tokio::test]
async fn a_part_that_is_continued_is_done_with_its_continuation() {
    let given = given_an_empty_table().await;
    let parts = split(2, "");
    given.complete(&parts[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Accepted);
    let ids = [domain::ObjectId::parse("t").unwrap()];
    let leg = Message::decode(&parts[0].continuation("updated_", &ids, NOW + 5).encode()).unwrap();
    given.complete(&leg.next_leg(NOW + 6), 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn parts_of_different_webhooks_do_not_make_a_whole_one() {
    let given = given_an_empty_table().await;
    let (one, other) = (split(2, "one"), split(2, "other"));
    given.complete(&one[0], 1).await;
    given.complete(&other[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Accepted);
    given.complete(&other[0], 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
    let before = given.item().await;
    given.complete(&one[1], 9).await;
    assert_eq!(given.item().await, before, "a part that comes after all changes nothing");
}

#[tokio::test]
async fn a_request_whose_first_part_came_before_its_acceptance_is_waited_for() {
    let given = given_an_empty_table().await;
    let parts = split(2, "");
    given.complete(&parts[0], 1).await;
    let item = given.item().await;
    assert_eq!((text(&item, "status"), text(&item, "link_id")), ("accepted", "link-1"));
    assert_eq!(number(&item, "expires_at"), (NOW + 1) / 1_000 + 90 * 24 * 60 * 60);
    given.accept(&[]).await;
    let request = given.request().await;
    assert_eq!((request.status, request.due_at), (RequestStatus::Accepted, Some(NOW + 6 * HOUR_MS)));
    given.complete(&parts[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn a_request_that_was_timed_out_is_completed_by_its_last_part_after_all() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    let parts = split(2, "");
    given.complete(&parts[0], 1).await;
    assert!(given.table.time_out_request(&id(), NOW + 6 * HOUR_MS).await.unwrap());
    given.complete(&parts[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn a_split_webhook_of_one_resource_does_not_complete_a_request_for_several() {
    let given = given_an_empty_table().await;
    given.accept(&["ACCOUNTS".to_owned(), "TRANSACTIONS".to_owned()]).await;
    for part in split(2, "") {
        given.complete(&part, 1).await;
    }
    assert_eq!(given.request().await.awaited, ["ACCOUNTS"]);
    given.complete(&webhook("ACCOUNTS", "{}").remove(0), 2).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn more_parts_than_webhooks_have_are_not_listed_and_fail_nothing() {
    let given = given_an_empty_table().await;
    for webhook in 0..5 {
        // All but the last.
        for part in split(MAX_PARTS, &webhook.to_string()).iter().take(MAX_PARTS - 1) {
            given.complete(part, 1).await;
        }
    }
    let item = given.item().await;
    assert_eq!((text(&item, "status"), item["parts_done"].as_ss().unwrap().len()), ("accepted", 4 * MAX_PARTS));
    given.complete(&answer(), 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn a_request_for_several_resources_is_completed_by_the_last_of_them() {
    let given = given_an_empty_table().await;
    given.accept(&["ACCOUNTS".to_owned(), "TRANSACTIONS".to_owned()]).await;
    given.complete(&answer(), 5).await;
    given.complete(&answer(), 5).await;
    let waiting = given.request().await;
    assert_eq!((waiting.status, waiting.awaited), (RequestStatus::Accepted, vec!["ACCOUNTS".to_owned()]));
    assert!(waiting.due_at.is_some());
    given.complete(&webhook("ACCOUNTS", "{}").remove(0), 2).await;
    let done = given.request().await;
    assert_eq!((done.status, done.awaited, done.due_at), (RequestStatus::Completed, vec![], None));
}

#[tokio::test]
async fn only_an_overdue_request_is_timed_out_and_a_late_webhook_completes_it_after_all() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    assert!(!given.table.time_out_request(&id(), NOW + 6 * HOUR_MS - 1).await.unwrap());
    assert!(given.table.time_out_request(&id(), NOW + 6 * HOUR_MS).await.unwrap());
    assert_eq!(given.status().await, RequestStatus::TimedOut);
    assert_eq!(given.request().await.due_at, None);
    assert!(!given.table.time_out_request(&id(), NOW + 7 * HOUR_MS).await.unwrap(), "once");
    given.complete(&answer(), 7).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
    assert!(!given.table.time_out_request(&id(), NOW + 9 * HOUR_MS).await.unwrap());
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn a_request_that_nobody_knows_is_not_made_up() {
    let given = given_an_empty_table().await;
    assert!(!given.table.time_out_request(&id(), NOW).await.unwrap());
    assert_eq!(given.table.request(&id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_key_lets_one_request_leave_and_then_tells_what_came_of_it() {
    let given = given_an_empty_table().await;
    let held = given.take("key", "a").await;
    assert_eq!(given.begin("key", "a").await, Reservation::OutcomeUnknown { began_at: NOW });
    given.table.complete_key(&held, Some(&id())).await.unwrap();
    assert_eq!(given.begin("key", "a").await, Reservation::Replay { request_id: Some(id()) });
    assert_eq!(given.begin("key", "b").await, Reservation::KeyReused);
    let another = given.take("another", "b").await;
    given.table.complete_key(&another, None).await.unwrap();
    assert_eq!(given.begin("another", "b").await, Reservation::Replay { request_id: None });
}

#[tokio::test]
async fn a_key_whose_request_came_to_nothing_is_free_again() {
    let given = given_an_empty_table().await;
    let first = given.take("key", "a").await;
    given.table.release_key(&first).await.unwrap();
    let second = given.take("key", "b").await;
    // What the first holder says now, late or twice, is about a request of the past.
    given.table.release_key(&first).await.unwrap();
    given.table.complete_key(&first, None).await.unwrap();
    assert_eq!(given.begin("key", "b").await, Reservation::OutcomeUnknown { began_at: NOW });
    given.table.complete_key(&second, None).await.unwrap();
    assert_eq!(given.begin("key", "b").await, Reservation::Replay { request_id: None });
}

#[tokio::test]
async fn a_key_that_has_expired_is_free_even_if_dynamodb_has_not_removed_it_yet() {
    let given = given_an_empty_table().await;
    given.begin("key", "a").await;
    let request = KeyedRequest { key: "key", action: "retrieve", fingerprint: "b" };
    let later = NOW + 91 * 24 * HOUR_MS;
    assert!(matches!(given.table.reserve_key(&request, later).await.unwrap(), Reservation::Send(_)));
}

#[tokio::test]
async fn the_synced_resources_of_a_link_are_those_with_a_sync_state() {
    let given = given_an_empty_table().await;
    assert!(given.table.synced_resources(&given.link).await.unwrap().is_empty());
    let transactions = Resource::of_webhook_type("TRANSACTIONS").unwrap();
    given.table.begin_pass(&given.link, transactions, None, NOW).await.unwrap();
    given.table.record_failure(&given.link, Resource::accounts(), "store").await.unwrap();
    let resources = given.table.synced_resources(&given.link).await.unwrap();
    assert_eq!(resources, [Resource::accounts(), transactions]);
}

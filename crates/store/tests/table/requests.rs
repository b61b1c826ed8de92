//! Requests.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{MAX_IDS_PER_MESSAGE, MAX_PARTS, Message, RequestId, Value, Webhook};
use store::{Counts, NewRequest, Request, RequestStatus};
use test_aws::dynamodb::TABLE_NAME;

use crate::given::{Given, Item, NOW, given_an_empty_table};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const DASHED: &str = "B5D0106A-c9cc-43d5-b361-99fe831f6bbe";
const PLAIN: &str = "b5d0106ac9cc43d5b36199fe831f6bbe";

impl Given {
    async fn request_item(&self) -> Item {
        self.item(&format!("REQUEST#{PLAIN}"), "REQUEST").await
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

    /// Returns the entries of an index in a partition.
    async fn indexed(&self, index: &str, partition: &str) -> Vec<Item> {
        let query = self.client.query().table_name(TABLE_NAME).index_name(index);
        let query = query
            .key_condition_expression(format!("{index}pk = :pk"))
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()));
        query.send().await.unwrap().items.unwrap_or_default()
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

fn completion() -> Message {
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
    let item = given.request_item().await;
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
async fn the_webhook_completes_the_request_with_its_counts_in_any_spelling_of_the_id() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    given.complete(&completion(), 7).await;
    let item = given.request_item().await;
    assert_eq!((text(&item, "status"), number(&item, "written"), number(&item, "pages")), ("completed", 7, 1));
    assert_eq!(number(&item, "completed_at"), NOW + 1);
    assert!(!item.contains_key("gsi2pk") && !item.contains_key("gsi2sk"), "it is not awaited any more");
    assert_eq!(text(&item, "action"), "retrieve");
}

#[tokio::test]
async fn an_acceptance_does_not_undo_an_earlier_webhook() {
    let given = given_an_empty_table().await;
    given.complete(&completion(), 7).await;
    given.accept(&[]).await;
    let item = given.request_item().await;
    assert_eq!((text(&item, "status"), number(&item, "written")), ("completed", 7));
    assert_eq!((text(&item, "action"), number(&item, "accepted_at")), ("retrieve", NOW));
    assert!(item.contains_key("parameters") && !item.contains_key("gsi2pk"));
}

#[tokio::test]
async fn a_request_of_another_client_gets_its_item_from_the_webhook_alone() {
    let given = given_an_empty_table().await;
    given.complete(&completion(), 3).await;
    let item = given.request_item().await;
    assert_eq!((text(&item, "status"), text(&item, "resource")), ("completed", "TRANSACTIONS"));
    assert!(!item.contains_key("action") && !item.contains_key("accepted_at"));
    assert_eq!(given.indexed("gsi1", "LINK#link-1").await.len(), 1);
}

#[tokio::test]
async fn completing_and_accepting_again_changes_nothing() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    given.complete(&completion(), 7).await;
    let before = given.request_item().await;
    given.complete(&completion(), 0).await;
    given.table.complete_request(&completion(), None, NOW + 1).await.unwrap();
    given.accept(&[]).await;
    assert_eq!(given.request_item().await, before);
}

#[tokio::test]
async fn a_webhook_without_a_request_id_completes_nothing() {
    let given = given_an_empty_table().await;
    let body = r#"{"webhook_type":"ACCOUNTS","webhook_code":"historical_update","link_id":"link-1"}"#;
    let message = Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), NOW).remove(0);
    given.complete(&message, 1).await;
    assert_eq!(given.client.scan().table_name(TABLE_NAME).send().await.unwrap().count, 0);
}

/// Returns a webhook in this number of parts.
fn split(parts: usize, note: &str) -> Vec<Message> {
    let ids = vec![r#""t""#; (parts - 1) * MAX_IDS_PER_MESSAGE + 1].join(",");
    let messages = webhook("TRANSACTIONS", &format!(r#"{{"updated_transactions":[{ids}],"note":"{note}"}}"#));
    assert_eq!(messages.len(), parts);
    messages
}

#[tokio::test]
async fn a_split_webhook_completes_its_request_when_every_part_was_processed_in_any_order() {
    for (order, last) in [([0, 1, 2], 2), ([2, 1, 0], 0), ([1, 2, 0], 0)] {
        let given = given_an_empty_table().await;
        given.accept(&[]).await;
        let parts = split(3, "");
        for (number, part) in order.into_iter().enumerate() {
            assert_eq!(given.status().await, RequestStatus::Accepted, "{number} parts of {order:?}");
            assert!(given.request().await.due_at.is_some(), "it is still awaited");
            // Delivered twice.
            given.complete(&parts[part], part as u64).await;
            given.complete(&parts[part], 7).await;
        }
        let item = given.request_item().await;
        assert_eq!((text(&item, "status"), number(&item, "written")), ("completed", last));
        assert!(!item.contains_key("parts_done"), "the parts are not counted any more");
    }
}

#[tokio::test]
async fn a_part_that_is_continued_is_processed_with_its_continuation() {
    let given = given_an_empty_table().await;
    let parts = split(2, "");
    given.complete(&parts[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Accepted);
    let ids = [domain::ObjectId::parse("t").unwrap()];
    let leg = Message::decode(&parts[0].ids_continuation("updated_", &ids, NOW + 5).encode()).unwrap();
    given.complete(&leg.continuation(NOW + 6), 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn parts_of_different_webhooks_do_not_count_together() {
    let given = given_an_empty_table().await;
    let (one, other) = (split(2, "one"), split(2, "other"));
    given.complete(&one[0], 1).await;
    given.complete(&other[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Accepted);
    given.complete(&other[0], 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
    let before = given.request_item().await;
    given.complete(&one[1], 9).await;
    assert_eq!(given.request_item().await, before, "a late part changes nothing");
}

#[tokio::test]
async fn a_request_whose_first_part_came_before_its_acceptance_is_still_awaited() {
    let given = given_an_empty_table().await;
    let parts = split(2, "");
    given.complete(&parts[0], 1).await;
    let item = given.request_item().await;
    assert_eq!((text(&item, "status"), text(&item, "link_id")), ("accepted", "link-1"));
    assert_eq!(number(&item, "expires_at"), (NOW + 1) / 1_000 + 90 * 24 * 60 * 60);
    given.accept(&[]).await;
    let request = given.request().await;
    assert_eq!((request.status, request.due_at), (RequestStatus::Accepted, Some(NOW + 6 * HOUR_MS)));
    given.complete(&parts[1], 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn a_late_last_part_completes_a_timed_out_request() {
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
async fn more_parts_than_webhooks_have_are_not_listed_and_cause_no_failure() {
    let given = given_an_empty_table().await;
    for webhook in 0..5 {
        // All but the last.
        for part in split(MAX_PARTS, &webhook.to_string()).iter().take(MAX_PARTS - 1) {
            given.complete(part, 1).await;
        }
    }
    let item = given.request_item().await;
    assert_eq!((text(&item, "status"), item["parts_done"].as_ss().unwrap().len()), ("accepted", 4 * MAX_PARTS));
    given.complete(&completion(), 1).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn a_request_for_several_resources_is_completed_by_the_last_of_them() {
    let given = given_an_empty_table().await;
    given.accept(&["ACCOUNTS".to_owned(), "TRANSACTIONS".to_owned()]).await;
    given.complete(&completion(), 5).await;
    given.complete(&completion(), 5).await;
    let waiting = given.request().await;
    assert_eq!((waiting.status, waiting.awaited), (RequestStatus::Accepted, vec!["ACCOUNTS".to_owned()]));
    assert!(waiting.due_at.is_some());
    given.complete(&webhook("ACCOUNTS", "{}").remove(0), 2).await;
    let done = given.request().await;
    assert_eq!((done.status, done.awaited, done.due_at), (RequestStatus::Completed, vec![], None));
}

#[tokio::test]
async fn only_an_overdue_request_times_out_and_a_late_webhook_still_completes_it() {
    let given = given_an_empty_table().await;
    given.accept(&[]).await;
    assert!(!given.table.time_out_request(&id(), NOW + 6 * HOUR_MS - 1).await.unwrap());
    assert!(given.table.time_out_request(&id(), NOW + 6 * HOUR_MS).await.unwrap());
    assert_eq!(given.status().await, RequestStatus::TimedOut);
    assert_eq!(given.request().await.due_at, None);
    assert!(!given.table.time_out_request(&id(), NOW + 7 * HOUR_MS).await.unwrap(), "once");
    given.complete(&completion(), 7).await;
    assert_eq!(given.status().await, RequestStatus::Completed);
    assert!(!given.table.time_out_request(&id(), NOW + 9 * HOUR_MS).await.unwrap());
    assert_eq!(given.status().await, RequestStatus::Completed);
}

#[tokio::test]
async fn an_unknown_request_is_not_created() {
    let given = given_an_empty_table().await;
    assert!(!given.table.time_out_request(&id(), NOW).await.unwrap());
    assert_eq!(given.table.request(&id()).await.unwrap(), None);
}

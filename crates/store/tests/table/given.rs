//! A table on a local DynamoDB engine, with helpers for the tests.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Message, ObjectId, Record, Resource, Webhook};
use store::{Pass, PutResult, SyncState, Table, UpsertResult};
use test_aws::dynamodb::TABLE_NAME;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) struct Given {
    pub(crate) client: Client,
    pub(crate) table: Table,
    pub(crate) link: LinkId,
}

pub(crate) async fn given_an_empty_table() -> Given {
    let client = test_aws::dynamodb::start().await;
    let table = Table::new(client.clone(), TABLE_NAME.to_owned());
    Given { client, table, link: LinkId::parse("link-1").unwrap() }
}

impl Given {
    pub(crate) async fn item(&self, pk: &str, sk: &str) -> Item {
        let key = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        let get = self.client.get_item().table_name(TABLE_NAME).set_key(Some(HashMap::from(key))).consistent_read(true);
        get.send().await.unwrap().item.unwrap_or_default()
    }

    pub(crate) async fn transaction(&self) -> Item {
        self.item("LINK#link-1", "TRANSACTIONS#t-1").await
    }

    pub(crate) async fn upsert(&self, amount: &str, token: i64) -> UpsertResult {
        self.table.upsert(&self.link, transactions(), record(amount), token).await.unwrap()
    }

    pub(crate) async fn tombstone(&self, token: i64) -> PutResult {
        self.table.tombstone(&self.link, transactions(), &id(), token, NOW).await.unwrap()
    }

    pub(crate) async fn restore(&self, amount: &str, token: i64) -> PutResult {
        self.table.restore(&self.link, transactions(), record(amount), token).await.unwrap()
    }

    pub(crate) async fn begin_pass(&self, now: i64) -> Pass {
        self.table.begin_pass(&self.link, transactions(), None, now).await.unwrap()
    }

    pub(crate) async fn live_ids(&self) -> Vec<ObjectId> {
        self.table.live_ids(&self.link, transactions(), None).await.unwrap().0
    }

    pub(crate) async fn mark_missing(&self, listing: i64) -> bool {
        self.table.mark_missing(&self.link, transactions(), listing, &id(), NOW).await.unwrap()
    }

    pub(crate) async fn state(&self) -> SyncState {
        self.table.sync_state(&self.link, transactions()).await.unwrap()
    }
}

pub(crate) fn transactions() -> &'static Resource {
    Resource::of_webhook_type("TRANSACTIONS").unwrap()
}

pub(crate) fn id() -> ObjectId {
    ObjectId::parse("t-1").unwrap()
}

pub(crate) fn record(amount: &str) -> Record {
    let json = format!(
        r#"{{"id":"t-1","account":{{"id":"a-1"}},"value_date":"2024-02-29","amount":{amount},"merchant":null,
            "tags":["a",true],"empty":""}}"#
    );
    let raw: Box<serde_json::value::RawValue> = serde_json::from_str(&json).unwrap();
    Record::read(transactions(), &raw).unwrap().0
}

pub(crate) fn message(body: &str) -> Message {
    Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), NOW).remove(0)
}

pub(crate) fn n(item: &Item, name: &str) -> Option<String> {
    item.get(name).map(|value| value.as_n().unwrap().clone())
}

pub(crate) fn s<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).map(|value| value.as_s().unwrap().as_str())
}

pub(crate) fn amount(item: &Item) -> &str {
    item["data"].as_m().unwrap()["amount"].as_n().unwrap()
}

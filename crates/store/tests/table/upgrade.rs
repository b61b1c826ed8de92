//! Records that version 0.1 stored, read by the current version.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Record, Resource};
use serde_json::value::RawValue;
use store::{StoredRecord, Table, UpsertResult};
use test_aws::dynamodb::TABLE_NAME;

const LINK: &str = "c0ffee00-1d2e-4f3a-8b4c-5d6e7f809102";
/// When version 0.1 wrote the fixture.
const WRITTEN_AT: i64 = 1_784_030_460_140;

/// An object that Belvo sent, and the item that version 0.1 stored for it. The fixture comes from version 0.1. Never regenerate it.
struct Stored {
    resource: &'static Resource,
    sent: String,
    item: HashMap<String, AttributeValue>,
}

fn stored_by_0_1() -> Vec<Stored> {
    let fixture: Vec<HashMap<String, Box<RawValue>>> =
        serde_json::from_str(include_str!("fixtures/records-of-0.1.json")).unwrap();
    let read = |entry: HashMap<String, Box<RawValue>>| {
        let webhook_type: String = serde_json::from_str(entry["resource"].get()).unwrap();
        let item: HashMap<String, serde_json::Value> = serde_json::from_str(entry["item"].get()).unwrap();
        Stored {
            resource: Resource::of_webhook_type(&webhook_type).unwrap(),
            sent: entry["sent"].get().to_owned(),
            item: item.iter().map(|(name, value)| (name.clone(), attribute(value))).collect(),
        }
    };
    fixture.into_iter().map(read).collect()
}

/// Returns an attribute from DynamoDB's JSON.
fn attribute(json: &serde_json::Value) -> AttributeValue {
    let (kind, value) = json.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "NULL" => AttributeValue::Null(true),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(attribute).collect()),
        "M" => AttributeValue::M(
            value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect(),
        ),
        other => panic!("no {other} in the fixture"),
    }
}

fn record(resource: &Resource, json: &str) -> Record {
    let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
    Record::read(resource, &raw).unwrap().0
}

async fn given_a_table_of_0_1() -> (Client, Table) {
    let client = test_aws::dynamodb::start().await;
    for Stored { item, .. } in stored_by_0_1() {
        client.put_item().table_name(TABLE_NAME).set_item(Some(item)).send().await.unwrap();
    }
    (client.clone(), Table::new(client, TABLE_NAME.to_owned()))
}

async fn known(table: &Table, resource: &Resource, record: &Record) -> StoredRecord {
    let ids = std::slice::from_ref(&record.id);
    table.stored_records(&LinkId::parse(LINK).unwrap(), resource, ids).await.unwrap().remove(&record.id).unwrap()
}

#[tokio::test]
async fn a_record_of_0_1_is_unchanged_while_its_content_is() {
    let (_, table) = given_a_table_of_0_1().await;
    for Stored { resource, sent, .. } in stored_by_0_1() {
        let again = record(resource, &sent);
        let known = known(&table, resource, &again).await;
        assert!(known.is_unchanged_by(&again), "{sent}");
        let other = record(resource, &sent.replacen('{', r#"{"new_member":1,"#, 1));
        assert!(!known.is_unchanged_by(&other), "{sent}");
    }
}

#[tokio::test]
async fn a_record_of_0_1_is_unchanged_also_if_belvo_collected_and_saved_it_again() {
    let (_, table) = given_a_table_of_0_1().await;
    let mut saved_again = 0;
    for Stored { resource, sent, .. } in stored_by_0_1() {
        let text = saved_later(&sent);
        saved_again += usize::from(text != sent);
        let again = record(resource, &text);
        assert!(known(&table, resource, &again).await.is_unchanged_by(&again), "{text}");
    }
    assert!(saved_again >= 4, "{saved_again}");
}

/// Returns the same object with later times. The change is made in the text, since numbers have to keep their digits.
fn saved_later(sent: &str) -> String {
    let members: HashMap<String, Box<RawValue>> = serde_json::from_str(sent).unwrap();
    let mut text = sent.to_owned();
    for name in ["created_at", "collected_at", "last_accessed_at"] {
        let Some(time) = members.get(name).filter(|time| time.get() != "null") else { continue };
        let member = format!(r#""{name}":{}"#, time.get());
        // The object's own times come after those of nested objects.
        let at = text.rfind(&member).unwrap();
        text.replace_range(at..at + member.len(), &format!(r#""{name}":"2027-01-01T00:00:00Z""#));
    }
    text
}

#[tokio::test]
async fn a_record_of_0_1_whose_content_changed_gets_todays_hash_with_that_write() {
    let (client, table) = given_a_table_of_0_1().await;
    let Stored { resource, sent, item } = stored_by_0_1().remove(0);
    let changed = record(resource, &sent.replace("1234.50", "1234.51"));
    assert!(!known(&table, resource, &changed).await.is_unchanged_by(&changed));
    let upsert = table.upsert(&LinkId::parse(LINK).unwrap(), resource, changed.clone(), WRITTEN_AT + 1).await.unwrap();
    assert_eq!(upsert, UpsertResult::Written);
    let key = item.into_iter().filter(|(name, _)| name == "pk" || name == "sk").collect();
    let get = client.get_item().table_name(TABLE_NAME).set_key(Some(key)).consistent_read(true);
    let now = get.send().await.unwrap().item.unwrap();
    assert_eq!(now["content_hash"].as_s().unwrap(), &changed.content_hash);
    assert_eq!(changed.content_hash.len(), 64, "64 hex digits, as consumers know them");
    assert!(known(&table, resource, &changed).await.is_unchanged_by(&changed));
}

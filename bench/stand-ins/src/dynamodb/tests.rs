//! Whole requests, as the sync makes them.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::operations::carry_out;
use super::table::Table;
use crate::fault::{Fault, Refusal};
use crate::stats::Units;

/// A PutItem of the sync, word for word.
const UPSERT: &str = include_str!("../../fixtures/upsert.json");

struct World(Mutex<Table>);

impl World {
    fn new() -> Self {
        Self(Mutex::new(Table::new("belvo-sync".to_owned(), false, 0)))
    }

    fn call(&self, operation: &str, body: &Value) -> Result<Value, Fault> {
        let (result, _) = carry_out(&self.0, operation, body.to_string().as_bytes());
        Ok(serde_json::from_str(&result?).unwrap())
    }

    fn upsert(&self, sk: &str, token: u64) -> (Result<Value, Fault>, Units) {
        let mut body: Value = serde_json::from_str(UPSERT).unwrap();
        body["Item"]["sk"]["S"] = sk.into();
        body["Item"]["fetched_at"]["N"] = token.to_string().into();
        body["ExpressionAttributeValues"][":s"]["N"] = token.to_string().into();
        let (result, units) = carry_out(&self.0, "PutItem", body.to_string().as_bytes());
        (result.map(|output| serde_json::from_str(&output).unwrap()), units)
    }
}

fn update(sk: &str, update: &str, condition: &str) -> Value {
    json!({"Update": {
        "TableName": "belvo-sync", "Key": {"pk": {"S": "LINK#1"}, "sk": {"S": sk}},
        "UpdateExpression": update, "ConditionExpression": condition,
        "ExpressionAttributeValues": {":s": {"N": "7"}},
    }})
}

#[test]
fn a_refused_upsert_gives_what_stands_there_and_changes_nothing() {
    let world = World::new();
    assert_eq!(world.upsert("TRANSACTIONS#1", 10).0.unwrap(), json!({}));
    let (Err(Fault::ConditionFailed(Refusal { item: Some(there) })), units) = world.upsert("TRANSACTIONS#1", 9) else {
        panic!("an older write goes through")
    };
    let there: Value = serde_json::from_str(there.get()).unwrap();
    assert_eq!(there["fetched_at"], json!({"N": "10"}));
    assert_eq!(there["data"], json!({"M": {"collected_at": {"S": "2026-10-23T02:05:46.125Z"}}}), "and no more of it");
    assert_eq!(units.index_write, 0);
    assert!(world.upsert("TRANSACTIONS#1", 10).0.is_ok(), "the same pass may write again");
}

#[test]
fn an_update_gives_the_item_as_it_was_or_as_it_is() {
    let world = World::new();
    let clock = |token: &str, returned: &str| {
        let body = json!({
            "TableName": "belvo-sync", "Key": {"pk": {"S": "LINK#1"}, "sk": {"S": "LINK"}},
            "UpdateExpression": "SET #clock = :clock", "ExpressionAttributeNames": {"#clock": "clock"},
            "ExpressionAttributeValues": {":clock": {"N": token}}, "ReturnValues": returned,
        });
        world.call("UpdateItem", &body).unwrap()
    };
    assert_eq!(clock("7", "ALL_OLD"), json!({}));
    assert_eq!(clock("8", "ALL_NEW")["Attributes"]["clock"], json!({"N": "8"}));
    assert_eq!(clock("9", "ALL_OLD")["Attributes"]["clock"], json!({"N": "8"}));
}

#[test]
fn a_record_costs_its_kilobytes_in_the_table_and_in_the_index() {
    let world = World::new();
    assert_eq!(world.upsert("TRANSACTIONS#1", 1).1, Units { write: 2, index_write: 2, read: 0 });
}

#[test]
fn a_batch_gives_the_projected_attributes_of_what_is_there() {
    let world = World::new();
    world.upsert("TRANSACTIONS#1", 1).0.unwrap();
    let key = |sk: &str| json!({"pk": {"S": "LINK#00000000-0000-4000-8000-000000000001"}, "sk": {"S": sk}});
    let keys = |keys: Value| {
        json!({"RequestItems": {"belvo-sync": {
            "Keys": keys, "ConsistentRead": true, "ProjectionExpression": "sk, missing_since, #data.collected_at",
            "ExpressionAttributeNames": {"#data": "data"},
        }}})
    };
    let batch = keys(json!([key("TRANSACTIONS#1"), key("TRANSACTIONS#2")]));
    assert_eq!(
        world.call("BatchGetItem", &batch).unwrap()["Responses"]["belvo-sync"],
        json!([{
            "sk": {"S": "TRANSACTIONS#1"}, "data": {"M": {"collected_at": {"S": "2026-10-23T02:05:46.125Z"}}},
        }])
    );
    let twice = keys(json!([key("TRANSACTIONS#1"), key("TRANSACTIONS#1")]));
    assert!(matches!(world.call("BatchGetItem", &twice), Err(Fault::Validation(_))));
}

#[test]
fn a_query_ends_its_pages_at_a_megabyte_and_goes_on_behind_them() {
    let world = World::new();
    for n in 0..1_500 {
        world.upsert(&format!("TRANSACTIONS#{n:04}"), 1).0.unwrap();
    }
    world.upsert("TRANSACTIONT", 1).0.unwrap();
    let mut query = json!({
        "TableName": "belvo-sync", "ConsistentRead": true, "ProjectionExpression": "sk",
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {
            ":pk": {"S": "LINK#00000000-0000-4000-8000-000000000001"}, ":prefix": {"S": "TRANSACTIONS#"},
        },
    });
    let (mut pages, mut items) = (0, Vec::new());
    loop {
        let page = world.call("Query", &query).unwrap();
        pages += 1;
        items.extend(page["Items"].as_array().unwrap().clone());
        let Some(last) = page.get("LastEvaluatedKey") else { break };
        query["ExclusiveStartKey"] = last.clone();
    }
    let expected: Vec<_> = (0..1_500).map(|n| json!({"sk": {"S": format!("TRANSACTIONS#{n:04}")}})).collect();
    assert_eq!(items, expected);
    assert_eq!(pages, 3, "1,500 items of some 1,450 bytes are a little more than two megabytes");
}

#[test]
fn a_transaction_does_all_or_nothing_and_says_which_condition_failed() {
    let world = World::new();
    let set = |sk, condition| update(sk, "SET clock = :s", condition);
    let both = |condition| json!({"TransactItems": [set("A", "attribute_not_exists(clock) OR clock < :s"), set("B", condition)]});
    let failed = world.call("TransactWriteItems", &both("clock = :s"));
    assert!(matches!(failed, Err(Fault::TransactionCanceled(parts)) if parts[0].is_none() && parts[1].is_some()));
    let get = json!({"TableName": "belvo-sync", "Key": {"pk": {"S": "LINK#1"}, "sk": {"S": "A"}}});
    assert_eq!(world.call("GetItem", &get).unwrap(), json!({}));
    world.call("TransactWriteItems", &both("attribute_not_exists(pk)")).unwrap();
    assert_eq!(world.call("GetItem", &get).unwrap()["Item"]["clock"], json!({"N": "7"}));
}

#[test]
fn an_unknown_table_operation_or_member_is_refused() {
    let world = World::new();
    let key = json!({"pk": {"S": "a"}, "sk": {"S": "b"}});
    let get = |table: &str| world.call("GetItem", &json!({"TableName": table, "Key": key}));
    assert!(matches!(get("other"), Err(Fault::NotFound(_))));
    assert!(matches!(world.call("DeleteItem", &json!({})), Err(Fault::UnknownOperation(_))));
    let body = json!({"TableName": "belvo-sync", "Key": key, "AttributesToGet": ["a"]});
    assert!(matches!(world.call("GetItem", &body), Err(Fault::Validation(_))));
    let body = json!({"TableName": "belvo-sync", "Key": {"pk": {"S": "a"}}});
    assert!(matches!(world.call("GetItem", &body), Err(Fault::Validation(_))));
}

//! Objects are stored without loss: an item reads back as the JSON that Belvo sent, except for what the item lists itself.
//!
//! The tests compare the item with the JSON text by a reader of their own, independent of the product's.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{LinkId, Record, Resource};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::value::RawValue;
use store::{Table, UpsertResult};
use test_aws::dynamodb::TABLE_NAME;

/// The number of objects that a run stores, unless `PROPTEST_CASES` is set.
const OBJECTS: u32 = 200;

/// The table that objects are stored in and read back from.
struct Kept {
    client: Client,
    table: Table,
    link: LinkId,
}

impl Kept {
    async fn new() -> Self {
        let client = test_aws::dynamodb::start().await;
        let table = Table::new(client.clone(), TABLE_NAME.to_owned());
        Self { client, table, link: LinkId::parse("link-1").unwrap() }
    }

    /// Stores an object, given as JSON text, and compares the stored item with it.
    async fn check(&self, resource: &'static Resource, json: &str, token: i64) -> Result<(), String> {
        let raw: Box<RawValue> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let (record, _) = Record::read(resource, &raw).map_err(|error| error.to_string())?;
        let sk = format!("{}#{}", resource.webhook_type, record.id);
        let upsert = self.table.upsert(&self.link, resource, record, token).await.map_err(|error| error.to_string())?;
        if upsert != UpsertResult::Written {
            return Err(format!("not written: {upsert:?}"));
        }
        let item = self.item(&sk).await;
        let as_text = texts(&item, "as_text");
        let omitted = texts(&item, "omitted");
        let data = item["data"].as_m().unwrap();
        for (name, raw) in members(&raw).unwrap() {
            match data.get(&name) {
                Some(stored) => same(&raw, stored, &escaped(&name), &as_text)?,
                None if omitted.contains(&name) => {}
                None if name == "account" && item.contains_key("account_id") => {}
                None => return Err(format!("{name} was lost")),
            }
        }
        Ok(())
    }

    async fn item(&self, sk: &str) -> HashMap<String, AttributeValue> {
        let get = self.client.get_item().table_name(TABLE_NAME).consistent_read(true);
        let get =
            get.key("pk", AttributeValue::S("LINK#link-1".to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        get.send().await.unwrap().item.unwrap()
    }
}

#[test]
fn any_object_of_any_resource_is_kept_without_loss() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let kept = runtime.block_on(Kept::new());
    let cases = Config::default().cases;
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { cases } else { OBJECTS };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let resources = proptest::sample::select(Resource::all().collect::<Vec<_>>());
    let tokens = std::cell::Cell::new(1);
    let result = runner.run(&(resources, object()), |(resource, json)| {
        tokens.set(tokens.get() + 1);
        runtime.block_on(kept.check(resource, &json, tokens.get())).map_err(TestCaseError::fail)
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// The number of objects of each resource that follow Belvo's published schemas.
const SHAPED: u64 = 40;

#[tokio::test]
async fn any_object_that_belvos_schemas_allow_is_kept_without_loss() {
    let kept = Kept::new().await;
    let mut token = 0;
    for webhook_type in fake_belvo::shapes::webhook_types() {
        let Some(resource) = Resource::of_webhook_type(webhook_type) else { continue };
        for seed in 0..SHAPED {
            let json = fake_belvo::shapes::random(webhook_type, &mut fastrand::Rng::with_seed(seed)).unwrap();
            token += 1;
            let result = kept.check(resource, &json, token).await;
            result.unwrap_or_else(|error| panic!("{webhook_type}, seed {seed}: {error}"));
        }
    }
    assert!(token >= 20 * i64::try_from(SHAPED).unwrap(), "only {token} objects");
}

#[tokio::test]
async fn the_comparison_notices_a_lost_digit_member_or_item() {
    let raw = |json: &str| serde_json::from_str::<Box<RawValue>>(json).unwrap();
    let n = |text: &str| AttributeValue::N(text.to_owned());
    assert!(same(&raw("10.50"), &n("10.5"), "", &[]).is_ok());
    assert!(same(&raw("1.05e1"), &n("10.5"), "", &[]).is_ok());
    assert!(same(&raw("10.51"), &n("10.5"), "", &[]).is_err());
    assert!(same(&raw("-1"), &n("1"), "", &[]).is_err());
    assert!(same(&raw("[1,2]"), &AttributeValue::L(vec![n("1")]), "", &[]).is_err());
    assert!(same(&raw(r#"{"a":1}"#), &AttributeValue::M(HashMap::new()), "", &[]).is_err());
    assert!(same(&raw("null"), &AttributeValue::S("null".to_owned()), "", &[]).is_err());
}

/// Generates an object as text: an id, an optional account, and members of every kind.
fn object() -> impl Strategy<Value = String> {
    let id = "[A-Za-z0-9_-]{1,40}";
    let account = prop_oneof![Just("null".to_owned()), "[a-z0-9]{1,8}".prop_map(|id| format!(r#"{{"id":"{id}"}}"#))];
    (id, account, proptest::collection::vec((name(), value()), 0..12)).prop_map(|(id, account, members)| {
        // An object that has a member with an empty name counts as unreadable. In a nested object it becomes text.
        let is_other = |(name, _): &(String, String)| !["\"id\"", "\"account\"", "\"\""].contains(&name.as_str());
        let members = members.into_iter().filter(is_other).map(|(name, value)| format!("{name}:{value}"));
        let ours = [format!(r#""id":"{id}""#), format!(r#""account":{account}"#)];
        format!("{{{}}}", ours.into_iter().chain(members).collect::<Vec<_>>().join(","))
    })
}

/// Generates names: Belvo's, unknown ones, and any text.
fn name() -> impl Strategy<Value = String> {
    let known = prop_oneof![Just("pdf"), Just("xml"), Just("files"), Just("type"), Just("value_date"), Just("amount")];
    prop_oneof![
        known.prop_map(|name| format!("\"{name}\"")),
        "[a-z_]{1,12}".prop_map(|name| format!("\"{name}\"")),
        text()
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![Just("null".to_owned()), Just("true".to_owned()), Just("false".to_owned()), number(), text()];
    leaf.prop_recursive(8, 40, 5, |inner| {
        let array = proptest::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(",")));
        let nested = (inner.clone(), 20_usize..40).prop_map(|(inner, depth)| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!("{open}{inner}{close}")
        });
        let object = proptest::collection::btree_map(text(), inner, 0..5).prop_map(|members| {
            let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        prop_oneof![3 => array, 3 => object, 1 => nested]
    })
}

/// Generates amounts as Belvo sends them, and numbers that fit neither a float nor a DynamoDB number.
fn number() -> impl Strategy<Value = String> {
    prop_oneof!["-?(0|[1-9][0-9]{0,14})(\\.[0-9]{2,4})?", "-?[1-9][0-9]{0,45}(\\.[0-9]{1,10})?([eE][+-]?[0-9]{1,3})?"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z]{1,12}", "[0-9]{4}-[01][0-9]-[0-3][0-9]", ".{0,40}"]
        .prop_map(|text| serde_json::to_string(&text).unwrap())
}

/// Returns an error if the stored value is not the JSON that was sent.
fn same(raw: &RawValue, stored: &AttributeValue, path: &str, as_text: &[String]) -> Result<(), String> {
    let json = raw.get();
    let is_same = match (json.as_bytes()[0], stored) {
        (_, AttributeValue::S(text)) if as_text.iter().any(|kept| kept == path) => text == json,
        (b'n', AttributeValue::Null(true)) => true,
        (b't' | b'f', AttributeValue::Bool(value)) => json == value.to_string(),
        (b'"', AttributeValue::S(text)) => serde_json::from_str::<String>(json).is_ok_and(|sent| sent == *text),
        (b'[', AttributeValue::L(items)) => {
            let sent: Vec<Box<RawValue>> = serde_json::from_str(json).map_err(|error| error.to_string())?;
            for (index, (raw, stored)) in sent.iter().zip(items).enumerate() {
                same(raw, stored, &format!("{path}.{index}"), as_text)?;
            }
            sent.len() == items.len()
        }
        (b'{', AttributeValue::M(stored)) => {
            let sent = members(raw)?;
            for (name, raw) in &sent {
                let stored = stored.get(name).ok_or(format!("{path}.{name} was lost"))?;
                same(raw, stored, &format!("{path}.{}", escaped(name)), as_text)?;
            }
            sent.len() == stored.len()
        }
        (_, AttributeValue::N(stored)) => decimal(json) == decimal(stored),
        _ => false,
    };
    if is_same { Ok(()) } else { Err(format!("{path}: {json} is stored as {stored:?}")) }
}

/// Returns a name as a path contains it, with escaped dots.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('.', "\\.")
}

fn members(raw: &RawValue) -> Result<BTreeMap<String, Box<RawValue>>, String> {
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}

/// Returns the sign, the digits without zeros at either end, and the exponent of the last digit.
fn decimal(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_end_matches('0');
    let places = i64::try_from(fraction.len()).unwrap() - i64::try_from(all.len() - digits.len()).unwrap();
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return (false, digits, 0);
    }
    (text.starts_with('-'), digits, exponent.trim_start_matches('+').parse::<i64>().unwrap() - places)
}

fn texts(item: &HashMap<String, AttributeValue>, name: &str) -> Vec<String> {
    let list = item.get(name).map(|list| list.as_l().unwrap().clone()).unwrap_or_default();
    list.into_iter().map(|text| text.as_s().unwrap().clone()).collect()
}

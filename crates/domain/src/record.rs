//! Belvo objects in the form that the table stores.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::{Day, Fields, ObjectId, Resource, Value, moment_micros};

/// The member with the time at which Belvo last saved the object. Belvo's documentation: "last updated in Belvo's database".
const CREATED_AT: &str = "created_at";
/// Members that change when Belvo collects or saves an unchanged object. The record includes them, its hash does not.
const VOLATILE: [&str; 3] = ["collected_at", CREATED_AT, "last_accessed_at"];
/// The members that version 0.1 excluded from the hash.
const VOLATILE_IN_0_1: [&str; 2] = ["collected_at", "last_accessed_at"];
/// The day in the index key of a record without a valid date. It sorts before every day.
const NO_DATE: &str = "0000-00-00";
/// The maximum length of all member names of an object together, in bytes.
///
/// If no member fits into an item (400 KB), the record still lists all names. Belvo's objects have less than a tenth of
/// this.
const MAX_NAMES_BYTES: usize = 64 * 1024;

/// A Belvo object in the form that the table stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Belvo's id of the object.
    pub id: ObjectId,
    /// The object's members with exact values, without an embedded account.
    pub data: BTreeMap<String, Value>,
    /// The id of the embedded account, if any.
    pub account_id: Option<ObjectId>,
    /// The SHA-256 of `data` and `account_id` in canonical form, without the times at which Belvo collected or saved the object.
    pub content_hash: String,
    /// The paths in `data` whose values are JSON text, because the table cannot store the value itself.
    pub as_text: Vec<String>,
    /// The members that the request excluded with `omit`, and that the response did not have.
    pub omitted: Vec<String>,
}

/// An account that an object embeds. It is stored as a separate record.
#[derive(Debug, Clone)]
pub struct EmbeddedAccount<'a> {
    /// The account's id.
    pub id: ObjectId,
    /// Belvo's `category` of the account, such as `CHECKING_ACCOUNT`.
    pub category: Option<Cow<'a, str>>,
    /// The time of this copy, see [`as_of`].
    pub as_of: Option<i64>,
    /// The JSON of the account.
    pub raw: &'a RawValue,
}

/// An error that means: the object has no valid id, or its member names exceed the limits. It does not repeat content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object is not a JSON object with an id and usable names")]
pub struct InvalidObject;

impl Record {
    /// Parses an object of a resource, and the account that it embeds.
    ///
    /// # Errors
    /// [`InvalidObject`] if the JSON is not an object, its `id` is not a valid id, a member name is empty or longer than 1 KiB,
    /// or all names together are longer than 64 KiB.
    pub fn read<'a>(
        resource: &Resource,
        raw: &'a RawValue,
    ) -> Result<(Self, Option<EmbeddedAccount<'a>>), InvalidObject> {
        let (fields, read) = Fields::read_text(raw.get());
        read.map_err(|_| InvalidObject)?;
        if fields.iter().map(|(name, _)| name.len()).sum::<usize>() > MAX_NAMES_BYTES {
            return Err(InvalidObject);
        }
        let id = fields.text("id").and_then(|id| ObjectId::parse(&id).ok()).ok_or(InvalidObject)?;
        let account = resource.embeds_account.then(|| fields.get("account").and_then(EmbeddedAccount::read)).flatten();
        let mut as_text = Vec::new();
        let without = account.as_ref().map(|_| "account");
        let data = Value::read_members(&fields, without, &mut as_text).ok_or(InvalidObject)?;
        let account_id = account.as_ref().map(|account| account.id.clone());
        let content_hash = content_hash(by_name(&data), account_id.as_ref(), &VOLATILE);
        let is_left_out = |name: &&&str| !data.contains_key(**name);
        let omitted = resource.omit.iter().filter(is_left_out).map(|name| (*name).to_owned()).collect();
        Ok((Self { id, data, account_id, content_hash, as_text, omitted }, account))
    }

    /// Returns the hash that version 0.1 stored for this object with this `created_at`. Version 0.1 included that member.
    ///
    /// It equals a current hash only if `created_at` is `None`, and no object in `data` has such a member: the canonical form
    /// includes the names of the members. So a stored hash needs no version.
    #[must_use]
    pub fn content_hash_of_0_1(&self, created_at: Option<&Value>) -> String {
        let mut members: BTreeMap<_, _> = by_name(&self.data).collect();
        match created_at {
            Some(created_at) => members.insert(CREATED_AT, created_at),
            None => members.remove(CREATED_AT),
        };
        content_hash(members.into_iter(), self.account_id.as_ref(), &VOLATILE_IN_0_1)
    }

    /// Returns the key that sorts the records of an account by day, then by id. Records without an account are not indexed.
    #[must_use]
    pub fn date_key(&self, resource: &Resource) -> String {
        let day = resource.date.and_then(|date| self.day(date));
        day.map_or_else(|| format!("{NO_DATE}#{}", self.id), |day| format!("{day}#{}", self.id))
    }

    /// Returns the day of a member that is a date, with or without a time.
    #[must_use]
    pub fn day(&self, member: &str) -> Option<Day> {
        self.text(member).and_then(Day::of_date)
    }

    /// Returns `true` if [`deduplicate`] keeps this record instead of another of the same object.
    ///
    /// A record with a category comes first, then the newer one. Times cannot come first, because each collection can
    /// reverse the order of two copies.
    fn is_kept_before(&self, other: &Self) -> bool {
        let age = |record: &Self| as_of(record.text("collected_at"), record.text(CREATED_AT));
        // A record without a category comes last.
        let category = |record: &Self| (record.text("category").is_none(), record.text("category").map(str::to_owned));
        let order = category(self).cmp(&category(other));
        let order = order.then_with(|| age(other).cmp(&age(self)));
        order.then_with(|| self.content_hash.cmp(&other.content_hash)).is_lt()
    }

    /// Returns the value of a member that is a string.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        match self.data.get(member) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

impl<'a> EmbeddedAccount<'a> {
    fn read(raw: &'a RawValue) -> Option<Self> {
        let (fields, read) = Fields::read_text(raw.get());
        read.ok()?;
        let id = ObjectId::parse(&fields.text("id")?).ok()?;
        let as_of = as_of(fields.text("collected_at").as_deref(), None)
            .or_else(|| as_of(None, fields.text(CREATED_AT).as_deref()));
        Some(Self { id, category: fields.text("category"), as_of, raw })
    }
}

/// Returns the time of a copy of an object, in microseconds since 1970-01-01T00:00:00Z.
///
/// It is the time at which Belvo collected the object or, if that is absent or invalid, last saved it.
#[must_use]
pub fn as_of(collected_at: Option<&str>, created_at: Option<&str>) -> Option<i64> {
    collected_at.and_then(moment_micros).or_else(|| created_at.and_then(moment_micros))
}

/// Returns one record of each object, at the position of the object's first record.
///
/// Belvo can list an object twice, with different values. The order of the records does not affect which one is kept, so
/// every pass keeps the same.
#[must_use]
pub fn deduplicate(records: impl Iterator<Item = Record>) -> Vec<Record> {
    let mut kept: Vec<Record> = Vec::with_capacity(records.size_hint().1.unwrap_or_default());
    let mut places = HashMap::with_capacity(kept.capacity());
    for record in records {
        match places.entry(record.id.clone()) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(record);
            }
            Entry::Occupied(place) => {
                let there = &mut kept[*place.get()];
                if record.is_kept_before(there) {
                    *there = record;
                }
            }
        }
    }
    kept
}

/// Returns members in the order of their names.
fn by_name(data: &BTreeMap<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    data.iter().map(|(name, value)| (name.as_str(), value))
}

/// Returns the hash of members, which must be in the order of their names, without those in `skip`.
fn content_hash<'a>(
    members: impl Iterator<Item = (&'a str, &'a Value)>,
    account_id: Option<&ObjectId>,
    skip: &[&str],
) -> String {
    let mut hasher = Sha256::new();
    hasher.update(account_id.map_or("", ObjectId::as_str));
    hasher.update(b"\0");
    for (name, value) in members.filter(|(name, _)| !skip.contains(name)) {
        hasher.update(name.len().to_be_bytes());
        hasher.update(name);
        value.digest(&mut hasher, skip);
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(resource: &str, json: &str) -> Result<Record, InvalidObject> {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        Record::read(Resource::of_webhook_type(resource).unwrap(), raw).map(|(record, _)| record)
    }

    const TRANSACTION: &str = r#"{"id":"t-1","account":{"id":"a-1","collected_at":"2024-01-01T00:00:00Z",
        "balance":{"current":1e400}},"value_date":"2024-02-29","amount":10.50,"collected_at":"2024-01-01T00:00:00Z"}"#;

    #[test]
    fn a_transaction_keeps_the_id_of_its_account_and_hands_the_account_over() {
        let raw: &RawValue = serde_json::from_str(TRANSACTION).unwrap();
        let (record, account) = Record::read(Resource::of_webhook_type("TRANSACTIONS").unwrap(), raw).unwrap();
        let account = account.unwrap();
        assert_eq!(record.account_id.unwrap(), account.id);
        assert_eq!((account.id.as_str(), account.as_of), ("a-1", moment_micros("2024-01-01T00:00:00Z")));
        assert!(!record.data.contains_key("account") && record.as_text.is_empty());
    }

    #[test]
    fn a_record_stands_by_its_day_and_without_one_before_all_others() {
        let transactions = Resource::of_webhook_type("TRANSACTIONS").unwrap();
        let key = |json: &str| read("TRANSACTIONS", json).unwrap().date_key(transactions);
        assert_eq!(key(TRANSACTION), "2024-02-29#t-1");
        assert_eq!(key(r#"{"id":"t-1","value_date":null}"#), "0000-00-00#t-1");
        assert_eq!(key(r#"{"id":"t-1","value_date":"2024-02-28T23:00:00-03:00"}"#), "2024-02-28#t-1");
    }

    #[test]
    fn the_hash_changes_with_the_content_and_not_with_the_collection_or_the_balance() {
        let hash = |json: &str| read("TRANSACTIONS", json).unwrap().content_hash;
        let collected_later = TRANSACTION.replace("2024-01-01", "2024-06-01").replace("1e400", "7");
        assert_eq!(hash(TRANSACTION), hash(&collected_later));
        assert_eq!(hash(TRANSACTION), hash(&TRANSACTION.replace("10.50", "10.5")));
        assert_ne!(hash(TRANSACTION), hash(&TRANSACTION.replace("10.50", "10.51")));
        assert_ne!(hash(TRANSACTION), hash(&TRANSACTION.replace("a-1", "a-2")));
    }

    #[test]
    fn an_object_that_belvo_collected_or_saved_again_has_the_same_hash() {
        let hash = |json: &str| read("INVOICES", json).unwrap().content_hash;
        let saved = r#"{"id":"i","total":1,"created_at":"2024-01-01T00:00:00Z","last_accessed_at":null,
            "collected_at":"2024-01-01T00:00:00Z","lines":[{"price":2,"created_at":"2024-01-01T00:00:00Z"}]}"#;
        assert_eq!(hash(saved), hash(&saved.replace("2024-01-01", "2024-06-01")));
        assert_eq!(hash(saved), hash(r#"{"id":"i","total":1,"lines":[{"price":2}]}"#));
        assert_ne!(hash(saved), hash(&saved.replace(r#""price":2"#, r#""price":3"#)));
    }

    #[test]
    fn the_hash_of_0_1_is_never_taken_for_todays() {
        let record = |json: &str| read("INVOICES", json).unwrap();
        let time = Value::Text("2024-01-01T00:00:00Z".to_owned());
        let plain = record(r#"{"id":"i","total":1}"#);
        assert_eq!(plain.content_hash_of_0_1(None), plain.content_hash, "the forms differ in this member only");
        assert_ne!(plain.content_hash_of_0_1(Some(&time)), plain.content_hash);
        let saved_again = record(r#"{"id":"i","total":1,"created_at":"2024-06-01T00:00:00Z"}"#);
        assert_eq!(saved_again.content_hash_of_0_1(Some(&time)), plain.content_hash_of_0_1(Some(&time)));
        assert_ne!(saved_again.content_hash_of_0_1(Some(&time)), plain.content_hash_of_0_1(Some(&Value::Null)));
    }

    #[test]
    fn of_an_object_that_comes_twice_the_same_record_is_kept_whatever_the_order_and_the_times() {
        let account = |category: &str, day: &str| {
            read("ACCOUNTS", &format!(r#"{{"id":"a","category":{category},"collected_at":"2024-01-{day}"}}"#)).unwrap()
        };
        let other = read("ACCOUNTS", r#"{"id":"b"}"#).unwrap();
        let checking = account(r#""CHECKING_ACCOUNT""#, "02");
        for later in ["01", "03"] {
            for rival in [account(r#""LOAN_ACCOUNT""#, later), account("null", later)] {
                for pair in [[&rival, &checking], [&checking, &rival]] {
                    let kept = deduplicate([pair[0], &other, pair[1]].into_iter().cloned());
                    assert_eq!(kept, [checking.clone(), other.clone()]);
                }
            }
        }
        let newer = account(r#""CHECKING_ACCOUNT""#, "03");
        assert_eq!(deduplicate([checking, newer.clone()].into_iter()), [newer]);
    }

    #[test]
    fn a_copy_of_an_account_is_as_old_as_its_collection_or_else_as_its_last_saving() {
        let as_of = |members: &str| {
            let raw = format!(r#"{{"id":"t","account":{{"id":"a"{members}}}}}"#);
            let raw: &RawValue = serde_json::from_str(&raw).unwrap();
            Record::read(Resource::of_webhook_type("TRANSACTIONS").unwrap(), raw).unwrap().1.unwrap().as_of
        };
        let first = moment_micros("2024-01-01T00:00:00Z");
        assert_eq!(as_of(r#","collected_at":"2024-01-01T00:00:00","created_at":"2024-06-01T00:00:00Z""#), first);
        for collected_at in ["", r#","collected_at":null"#, r#","collected_at":"yesterday""#, r#","collected_at":7"#] {
            assert_eq!(as_of(&format!(r#"{collected_at},"created_at":"2024-01-01T00:00:00Z""#)), first);
            assert_eq!(as_of(collected_at), None);
        }
    }

    #[test]
    fn a_record_says_which_members_belvo_left_out() {
        let omitted = |json: &str| read("TAX_RETURNS", json).unwrap().omitted;
        assert_eq!(omitted(r#"{"id":"t"}"#), ["pdf", "receipt_pdf"]);
        assert_eq!(omitted(r#"{"id":"t","pdf":null}"#), ["receipt_pdf"], "what was sent all the same is kept");
        assert!(read("ACCOUNTS", r#"{"id":"a"}"#).unwrap().omitted.is_empty());
    }

    #[test]
    fn an_object_without_a_usable_id_is_unreadable() {
        for json in ["{}", "[]", "null", r#"{"id":7}"#, r#"{"id":"a/b"}"#, r#"{"id":""}"#] {
            assert_eq!(read("ACCOUNTS", json), Err(InvalidObject), "{json}");
        }
    }

    #[test]
    fn of_a_repeated_id_or_account_the_last_counts_for_everything() {
        let record =
            read("TRANSACTIONS", r#"{"id":"../x","id":"t","account":{"id":"a"},"account":{"id":"b"}}"#).unwrap();
        assert_eq!((record.id.as_str(), record.account_id.unwrap().as_str()), ("t", "b"));
        assert_eq!(record.data["id"], Value::Text("t".to_owned()));
        assert_eq!(read("ACCOUNTS", r#"{"id":"a","id":7}"#), Err(InvalidObject));
    }

    #[test]
    fn a_name_over_1024_bytes_makes_its_object_text_and_the_whole_unreadable() {
        let (longest, too_long) = ("n".repeat(1024), "n".repeat(1025));
        let inside = |name: &str| read("ACCOUNTS", &format!(r#"{{"id":"a","b":{{"{name}":1}}}}"#)).unwrap().as_text;
        assert_eq!((inside(&longest), inside(&too_long)), (vec![], vec!["b".to_owned()]));
        let directly = |name: &str| read("ACCOUNTS", &format!(r#"{{"id":"a","{name}":1}}"#));
        assert!(directly(&longest).is_ok());
        assert_eq!(directly(&too_long), Err(InvalidObject));
    }

    #[test]
    fn an_object_whose_names_fill_an_item_is_unreadable() {
        let named = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!(r#""{n:01000}":0"#)).collect();
            read("ACCOUNTS", &format!(r#"{{"id":"a",{}}}"#, members.join(",")))
        };
        assert!(named(65).is_ok());
        assert_eq!(named(66), Err(InvalidObject));
    }

    #[test]
    fn a_member_that_is_only_called_like_the_account_stays_what_it_is() {
        let record = read("TRANSACTIONS", r#"{"id":"t","account":{"id":"a","n":1e999},"account.n":1e999}"#).unwrap();
        assert_eq!(record.as_text, [r"account\.n"]);
    }
}

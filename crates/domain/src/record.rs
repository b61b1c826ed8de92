//! One Belvo object, ready for the table.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::hash::hex;
use crate::{Day, Fields, ObjectId, Resource, Value};

/// Members that change without the object changing. They stay in the record but not in its hash.
const VOLATILE: [&str; 2] = ["collected_at", "last_accessed_at"];
/// Where a record without a usable date is found in an index.
const NO_DATE: &str = "0000-00-00";
/// How long the names of an object's members may be together. They have to fit into an item (400 KB) even when none of the
/// members does: the record then names them all. No object of Belvo's has a tenth of this.
const MAX_NAMES_BYTES: usize = 64 * 1024;

/// One Belvo object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Belvo's id of the object.
    pub id: ObjectId,
    /// The object, exact; without its account, where it embeds one.
    pub data: BTreeMap<String, Value>,
    /// The account that the object belongs to, where it embeds one.
    pub account_id: Option<ObjectId>,
    /// SHA-256 over `data` and `account_id` in a canonical form, without what always changes.
    pub content_hash: String,
    /// Paths in `data` that hold JSON text because the table cannot hold the value.
    pub as_text: Vec<String>,
    /// Members that Belvo was asked to leave out, and did.
    pub omitted: Vec<String>,
}

/// The account that an object carries in full. It is a record of its own.
#[derive(Debug, Clone)]
pub struct EmbeddedAccount<'a> {
    /// The account's id.
    pub id: ObjectId,
    /// When Belvo collected this copy of it; ISO 8601, empty where it does not say.
    pub collected_at: Cow<'a, str>,
    /// The account itself.
    pub raw: &'a RawValue,
}

/// The object has no id that it could be stored under, or names that no item has room for. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the object is not a JSON object with an id and usable names")]
pub struct Unreadable;

impl Record {
    /// Reads one object of a resource, and the account that it embeds.
    ///
    /// # Errors
    /// [`Unreadable`] when it is not an object, its `id` is not an id, or a name of a member is empty or longer than 1 KiB,
    /// or all of them together are longer than 64 KiB.
    pub fn read<'a>(resource: &Resource, raw: &'a RawValue) -> Result<(Self, Option<EmbeddedAccount<'a>>), Unreadable> {
        let (fields, read) = Fields::read_text(raw.get());
        read.map_err(|_| Unreadable)?;
        if fields.iter().map(|(name, _)| name.len()).sum::<usize>() > MAX_NAMES_BYTES {
            return Err(Unreadable);
        }
        let id = fields.text("id").and_then(|id| ObjectId::parse(&id).ok()).ok_or(Unreadable)?;
        let account = resource.embeds_account.then(|| fields.get("account").and_then(EmbeddedAccount::read)).flatten();
        let mut as_text = Vec::new();
        let without = account.as_ref().map(|_| "account");
        let data = Value::read_members(&fields, without, &mut as_text).ok_or(Unreadable)?;
        let account_id = account.as_ref().map(|account| account.id.clone());
        let content_hash = content_hash(&data, account_id.as_ref());
        let is_left_out = |name: &&&str| !data.contains_key(**name);
        let omitted = resource.omit.iter().filter(is_left_out).map(|name| (*name).to_owned()).collect();
        Ok((Self { id, data, account_id, content_hash, as_text, omitted }, account))
    }

    /// Where the record stands among those of its account: by day, then by id. Records without an account are not
    /// indexed.
    #[must_use]
    pub fn date_key(&self, resource: &Resource) -> String {
        let day = resource.date.and_then(|date| self.day(date));
        day.map_or_else(|| format!("{NO_DATE}#{}", self.id), |day| format!("{day}#{}", self.id))
    }

    /// The day that a member holds. A date with a time counts as its day.
    #[must_use]
    pub fn day(&self, member: &str) -> Option<Day> {
        self.text(member).and_then(|text| Day::parse(text.get(..10)?))
    }

    /// The text that a member holds.
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
        Some(Self { id, collected_at: fields.text("collected_at").unwrap_or_default(), raw })
    }
}

fn content_hash(data: &BTreeMap<String, Value>, account_id: Option<&ObjectId>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(account_id.map_or("", ObjectId::as_str));
    hasher.update(b"\0");
    for (name, value) in data.iter().filter(|(name, _)| !VOLATILE.contains(&name.as_str())) {
        hasher.update(name.len().to_be_bytes());
        hasher.update(name);
        value.digest(&mut hasher, &VOLATILE);
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(resource: &str, json: &str) -> Result<Record, Unreadable> {
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
        assert_eq!((account.id.as_str(), &*account.collected_at), ("a-1", "2024-01-01T00:00:00Z"));
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
    fn a_record_says_which_members_belvo_left_out() {
        let omitted = |json: &str| read("TAX_RETURNS", json).unwrap().omitted;
        assert_eq!(omitted(r#"{"id":"t"}"#), ["pdf", "receipt_pdf"]);
        assert_eq!(omitted(r#"{"id":"t","pdf":null}"#), ["receipt_pdf"], "what was sent all the same is kept");
        assert!(read("ACCOUNTS", r#"{"id":"a"}"#).unwrap().omitted.is_empty());
    }

    #[test]
    fn an_object_without_a_usable_id_is_unreadable() {
        for json in ["{}", "[]", "null", r#"{"id":7}"#, r#"{"id":"a/b"}"#, r#"{"id":""}"#] {
            assert_eq!(read("ACCOUNTS", json), Err(Unreadable), "{json}");
        }
    }

    #[test]
    fn of_a_repeated_id_or_account_the_last_counts_for_everything() {
        let record =
            read("TRANSACTIONS", r#"{"id":"../x","id":"t","account":{"id":"a"},"account":{"id":"b"}}"#).unwrap();
        assert_eq!((record.id.as_str(), record.account_id.unwrap().as_str()), ("t", "b"));
        assert_eq!(record.data["id"], Value::Text("t".to_owned()));
        assert_eq!(read("ACCOUNTS", r#"{"id":"a","id":7}"#), Err(Unreadable));
    }

    #[test]
    fn a_name_over_1024_bytes_makes_its_object_text_and_the_whole_unreadable() {
        let (longest, too_long) = ("n".repeat(1024), "n".repeat(1025));
        let inside = |name: &str| read("ACCOUNTS", &format!(r#"{{"id":"a","b":{{"{name}":1}}}}"#)).unwrap().as_text;
        assert_eq!((inside(&longest), inside(&too_long)), (vec![], vec!["b".to_owned()]));
        let directly = |name: &str| read("ACCOUNTS", &format!(r#"{{"id":"a","{name}":1}}"#));
        assert!(directly(&longest).is_ok());
        assert_eq!(directly(&too_long), Err(Unreadable));
    }

    #[test]
    fn an_object_whose_names_fill_an_item_is_unreadable() {
        let named = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!(r#""{n:01000}":0"#)).collect();
            read("ACCOUNTS", &format!(r#"{{"id":"a",{}}}"#, members.join(",")))
        };
        assert!(named(65).is_ok());
        assert_eq!(named(66), Err(Unreadable));
    }

    #[test]
    fn a_member_that_is_only_called_like_the_account_stays_what_it_is() {
        let record = read("TRANSACTIONS", r#"{"id":"t","account":{"id":"a","n":1e999},"account.n":1e999}"#).unwrap();
        assert_eq!(record.as_text, [r"account\.n"]);
    }
}

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

/// The error for an object without a valid id, or whose member names exceed the limits. It does not repeat content.
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
    /// The order is by category, then by time (newest first), then by hash. Times cannot come first, because each collection
    /// can reverse the order of two copies.
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
    /// Parses the account in an object. Returns `None` if it has no valid id.
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
mod tests;

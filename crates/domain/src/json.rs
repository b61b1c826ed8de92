//! JSON whose numbers stay the digits that were sent.
//!
//! `serde_json` reads numbers into floats unless its `arbitrary_precision` feature is on, and that feature spreads
//! over the whole workspace and breaks `flatten`. So objects are read one level at a time into raw slices
//! ([`Fields`]), and a [`Value`] is built from those.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::Number;

/// DynamoDB keeps documents of at most 32 levels, the document itself being the first and a value in the innermost
/// container the last; so containers go down to the 31st. (Source: DynamoDB developer guide, "Quotas".)
const MAX_CONTAINER_LEVELS: usize = 31;
/// DynamoDB takes attribute names of at most 64 KiB; no name that Belvo sends comes near this bound.
const MAX_NAME_BYTES: usize = 1024;

/// The members of one JSON object, in order, their values still unread.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object. When the text breaks off or goes wrong, the members up to there come with the error.
    pub fn read(json: &'a [u8]) -> (Self, Result<(), serde_json::Error>) {
        let mut fields = Self::default();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let result = Collect(&mut fields.0).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        (fields, result)
    }

    /// The value of a member; the last one when a name is repeated.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The value of a member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }

    /// Every member, as sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

/// The content of a JSON string; `None` for any other value.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Puts members where they stay readable when a later one is broken.
struct Collect<'v, 'a>(&'v mut Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> DeserializeSeed<'a> for Collect<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Collect<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((Text(name), value)) = map.next_entry()? {
            self.0.push((name, value));
        }
        Ok(())
    }
}

/// A JSON value that the table can hold without loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that DynamoDB keeps digit by digit.
    Number(Number),
    /// A string, or the JSON text of something that DynamoDB could not hold.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object; of a repeated name, the last value.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Builds the value. What DynamoDB cannot hold (a number beyond its precision or range, a container below the
    /// 31st level, an object with an unusable name, a string that is not Unicode) becomes its own JSON text, and
    /// its path (`credit_data.limits.0.used_amount`) is added to `as_text`.
    #[must_use]
    pub fn read(raw: &RawValue, as_text: &mut Vec<String>) -> Self {
        Self::read_at(raw, &mut Path { names: Vec::new(), as_text })
    }

    fn read_at(raw: &RawValue, path: &mut Path<'_>) -> Self {
        let json = raw.get();
        let read = match json.as_bytes().first() {
            Some(b'n') => Some(Self::Null),
            Some(b't') => Some(Self::Bool(true)),
            Some(b'f') => Some(Self::Bool(false)),
            Some(b'"') => text(raw).map(|text| Self::Text(text.into_owned())),
            Some(b'{') => Self::read_object(json, path),
            Some(b'[') => Self::read_array(json, path),
            _ => Number::parse(json).map(Self::Number),
        };
        read.unwrap_or_else(|| path.keep_as_text(json))
    }

    fn read_object(json: &str, path: &mut Path<'_>) -> Option<Self> {
        let (fields, read) = Fields::read(json.as_bytes());
        let storable = |name: &str| (1..=MAX_NAME_BYTES).contains(&name.len());
        if read.is_err() || path.is_too_deep() || !fields.iter().all(|(name, _)| storable(name)) {
            return None;
        }
        let member = |(name, raw): (&str, &RawValue)| {
            (name.to_owned(), path.within(name.to_owned(), |path| Self::read_at(raw, path)))
        };
        Some(Self::Object(fields.iter().map(member).collect()))
    }

    fn read_array(json: &str, path: &mut Path<'_>) -> Option<Self> {
        let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        if path.is_too_deep() {
            return None;
        }
        let item = |(index, raw): (usize, &RawValue)| path.within(index.to_string(), |path| Self::read_at(raw, path));
        Some(Self::Array(items.into_iter().enumerate().map(item).collect()))
    }

    /// Feeds the canonical form: every value tagged and delimited, members in the order of their names. Members that
    /// `skip` names are left out at every depth.
    pub(crate) fn digest(&self, hasher: &mut Sha256, skip: &[&str]) {
        match self {
            Self::Null => hasher.update(b"z"),
            Self::Bool(value) => hasher.update(if *value { b"t" } else { b"f" }),
            Self::Number(number) => digest_text(hasher, *b"n", number.as_str()),
            Self::Text(text) => digest_text(hasher, *b"s", text),
            Self::Array(items) => {
                hasher.update(b"[");
                for item in items {
                    item.digest(hasher, skip);
                }
                hasher.update(b"]");
            }
            Self::Object(members) => {
                hasher.update(b"{");
                for (name, value) in members.iter().filter(|(name, _)| !skip.contains(&name.as_str())) {
                    digest_text(hasher, *b"k", name);
                    value.digest(hasher, skip);
                }
                hasher.update(b"}");
            }
        }
    }
}

fn digest_text(hasher: &mut Sha256, tag: [u8; 1], text: &str) {
    hasher.update(tag);
    hasher.update(text.len().to_be_bytes());
    hasher.update(text.as_bytes());
}

/// Where in a document the reader stands.
struct Path<'a> {
    names: Vec<String>,
    as_text: &'a mut Vec<String>,
}

impl Path<'_> {
    fn within(&mut self, name: String, read: impl FnOnce(&mut Self) -> Value) -> Value {
        self.names.push(name);
        let value = read(self);
        self.names.pop();
        value
    }

    /// Would a container here be deeper than DynamoDB allows? The document itself is level 1.
    fn is_too_deep(&self) -> bool {
        self.names.len() + 1 > MAX_CONTAINER_LEVELS
    }

    fn keep_as_text(&mut self, json: &str) -> Value {
        self.as_text.push(self.names.join("."));
        Value::Text(json.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Value, Vec<String>) {
        let mut as_text = Vec::new();
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        (Value::read(raw, &mut as_text), as_text)
    }

    fn digest(json: &str, skip: &[&str]) -> Vec<u8> {
        let mut hasher = Sha256::new();
        read(json).0.digest(&mut hasher, skip);
        hasher.finalize().to_vec()
    }

    #[test]
    fn members_before_a_broken_one_can_still_be_read() {
        let (fields, result) = Fields::read(br#"{"request_id": "r-1", "data": {"a": }"#);
        assert!(result.is_err());
        assert_eq!(fields.text("request_id").as_deref(), Some("r-1"));
    }

    #[test]
    fn text_after_the_object_is_an_error() {
        assert!(Fields::read(b"{} {}").1.is_err());
        assert!(Fields::read(b"[]").1.is_err());
    }

    #[test]
    fn of_a_repeated_name_the_last_value_counts() {
        let (fields, _) = Fields::read(br#"{"a":"1","a":"2"}"#);
        assert_eq!(fields.text("a").as_deref(), Some("2"));
        assert_eq!(read(r#"{"a":1,"a":2}"#).0, read(r#"{"a":2}"#).0);
    }

    #[test]
    fn numbers_keep_their_digits_and_those_that_cannot_are_kept_as_text() {
        let (value, as_text) = read(r#"{"a":999999999999999.9999,"b":[1e400,2]}"#);
        let Value::Object(members) = value else { panic!("an object") };
        assert_eq!(members["a"], Value::Number(Number::parse("999999999999999.9999").unwrap()));
        assert_eq!(members["b"], read(r#"["1e400",2]"#).0);
        assert_eq!(as_text, ["b.0"]);
    }

    #[test]
    fn what_dynamodb_cannot_hold_is_kept_as_its_own_text() {
        let deepest_allowed = "[".repeat(31) + "1" + &"]".repeat(31);
        assert!(read(&deepest_allowed).1.is_empty());
        let too_deep = "[".repeat(32) + "1" + &"]".repeat(32);
        assert_eq!(read(&too_deep).1, [["0"; 31].join(".")]);
        assert_eq!(read(r#"{"a":{"":1},"b":"\ud800"}"#).1, ["a", "b"]);
    }

    #[test]
    fn the_digest_sees_values_and_neither_order_nor_spelling() {
        assert_eq!(digest(r#"{"a":1.50,"b":"x"}"#, &[]), digest(r#"{"b":"\u0078","a":15e-1}"#, &[]));
        assert_ne!(digest(r#"{"a":"1"}"#, &[]), digest(r#"{"a":1}"#, &[]));
        assert_ne!(digest(r#"["a","b"]"#, &[]), digest(r#"["ab",""]"#, &[]));
        assert_ne!(digest(r"[[1],2]", &[]), digest(r"[[1,2]]", &[]));
        assert_eq!(digest(r#"{"a":{"at":1}}"#, &["at"]), digest(r#"{"a":{}}"#, &["at"]));
    }
}

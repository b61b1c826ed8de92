//! JSON with exact numbers.
//!
//! `serde_json` converts numbers to floats unless its feature `arbitrary_precision` is on. That feature would apply to the
//! whole workspace, and breaks `flatten`. Instead, [`Fields`] reads an object one level at a time into raw slices, and
//! [`Value`] is built from them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::iter::successors;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::Number;

/// The maximum number of nested containers.
///
/// DynamoDB stores at most 32 levels. The document is the first, and a value in the innermost container is the last.
/// (Source: DynamoDB developer guide, "Quotas".)
const MAX_CONTAINER_LEVELS: usize = 31;
/// The maximum length of a member name, in bytes. DynamoDB allows 64 KiB; Belvo's names are far shorter.
const MAX_NAME_BYTES: usize = 1024;
/// The maximum length of a member's JSON that is parsed, in bytes. A longer container is stored as text: it would not fit
/// into an item (400 KB), and parsing it would need many times its size.
const MAX_CONTAINER_BYTES: usize = 1024 * 1024;
/// The maximum number of values in the members of a document together. A member that exceeds it is stored as text, because
/// an item has no space for more.
const MAX_VALUES: usize = 150_000;
/// The maximum length of the paths in `as_text` together, in bytes. A member that exceeds it is stored as text: a long name
/// can be part of every path.
const MAX_PATHS_BYTES: usize = 64 * 1024;
/// The maximum number of names that are compared with each other. A set is faster for more. Belvo's objects have about 20.
const FEW_NAMES: usize = 32;

/// The members of a JSON object, in order, with unparsed values.
///
/// It keeps only the last value of a repeated name, so that all later code sees the value that was validated.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Parses an object. If the JSON is incomplete or invalid, returns the members before the error, and the error.
    pub fn read(json: &'a [u8]) -> (Self, Result<(), serde_json::Error>) {
        Self::read_from(serde_json::Deserializer::from_slice(json))
    }

    /// Parses an object that is valid UTF-8.
    pub(crate) fn read_text(json: &'a str) -> (Self, Result<(), serde_json::Error>) {
        Self::read_from(serde_json::Deserializer::from_str(json))
    }

    fn read_from<R: serde_json::de::Read<'a>>(
        mut deserializer: serde_json::Deserializer<R>,
    ) -> (Self, Result<(), serde_json::Error>) {
        let mut fields = Self::default();
        let result = Collect(&mut fields.0).deserialize(&mut deserializer).and_then(|()| deserializer.end());
        fields.forget_repeated();
        (fields, result)
    }

    fn forget_repeated(&mut self) {
        if !self.has_repeated() {
            return;
        }
        let mut names = HashSet::with_capacity(self.0.len());
        let is_last: Vec<bool> = self.0.iter().rev().map(|(name, _)| names.insert(name.as_ref())).collect();
        let mut is_last = is_last.into_iter().rev();
        self.0.retain(|_| is_last.next().unwrap_or(true));
    }

    fn has_repeated(&self) -> bool {
        if self.0.len() > FEW_NAMES {
            let mut names = HashSet::with_capacity(self.0.len());
            return !self.0.iter().all(|(name, _)| names.insert(name.as_ref()));
        }
        self.0.iter().enumerate().any(|(index, (name, _))| self.0[..index].iter().any(|(earlier, _)| earlier == name))
    }

    /// Returns the value of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Returns the value of a member that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }

    /// Returns every member, in the original order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

/// Returns the content of a JSON string, or `None` for any other value.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

/// Returns `true` if the value is `null`.
pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Collects members into a vector, which keeps them if a later member is invalid.
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

/// A JSON value that the table can store exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number of which DynamoDB keeps every digit.
    Number(Number),
    /// A string, or the JSON text of a value that DynamoDB cannot store.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, with the last value of a repeated name.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// Builds the value from JSON.
    ///
    /// A value that DynamoDB cannot store becomes its JSON text, and its path (`credit_data.limits.0.used_amount`, see
    /// [`escape_path_name`]) is added to `as_text`. Such values are:
    ///
    /// - a number beyond DynamoDB's precision or range,
    /// - a container below the 31st level,
    /// - an object with an invalid member name,
    /// - a string that is not Unicode,
    /// - a member of the document that is too large for an item. This bounds the memory for parsing.
    #[must_use]
    pub fn read(raw: &RawValue, as_text: &mut Vec<String>) -> Self {
        Self::read_value(raw, &Path::DOCUMENT, &mut Reading::new(as_text))
    }

    /// Builds the values of a document's members, except `without`. Returns `None` if a member name is invalid.
    pub(crate) fn read_members(
        fields: &Fields<'_>,
        without: Option<&str>,
        as_text: &mut Vec<String>,
    ) -> Option<BTreeMap<String, Self>> {
        let members = fields.iter().filter(|(name, _)| Some(*name) != without);
        Self::read_each(fields, members, &Path::DOCUMENT, &mut Reading::new(as_text))
    }

    fn read_at(raw: &RawValue, path: &Path<'_>, reading: &mut Reading<'_>) -> Self {
        if path.depth != 1 {
            return Self::read_value(raw, path, reading);
        }
        let (room, kept) = (reading.room, reading.as_text.len());
        if raw.get().len() > MAX_CONTAINER_BYTES && raw.get().starts_with(['[', '{']) {
            reading.room = None;
        }
        let value = Self::read_value(raw, path, reading);
        if reading.room.is_some() {
            return value;
        }
        reading.room = room;
        reading.as_text.truncate(kept);
        reading.keep_as_text(raw.get(), path)
    }

    fn read_value(raw: &RawValue, path: &Path<'_>, reading: &mut Reading<'_>) -> Self {
        reading.take_value(path);
        if reading.room.is_none() {
            return Self::Null;
        }
        let json = raw.get();
        let read = match json.as_bytes().first() {
            Some(b'n') => Some(Self::Null),
            Some(b't') => Some(Self::Bool(true)),
            Some(b'f') => Some(Self::Bool(false)),
            Some(b'"') => text(raw).map(|text| Self::Text(text.into_owned())),
            Some(b'{') => Self::read_object(json, path, reading),
            Some(b'[') => Self::read_array(json, path, reading),
            _ => Number::parse(json).map(Self::Number),
        };
        read.unwrap_or_else(|| reading.keep_as_text(json, path))
    }

    fn read_object(json: &str, path: &Path<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let (fields, read) = Fields::read_text(json);
        if read.is_err() || path.is_too_deep() {
            return None;
        }
        Self::read_each(&fields, fields.iter(), path, reading).map(Self::Object)
    }

    fn read_each<'f>(
        fields: &Fields<'_>,
        members: impl Iterator<Item = (&'f str, &'f RawValue)>,
        path: &Path<'_>,
        reading: &mut Reading<'_>,
    ) -> Option<BTreeMap<String, Self>> {
        let storable = |name: &str| (1..=MAX_NAME_BYTES).contains(&name.len());
        if !fields.iter().all(|(name, _)| storable(name)) {
            return None;
        }
        let mut values = BTreeMap::new();
        for (name, raw) in members {
            values.insert(name.to_owned(), Self::read_at(raw, &path.to(Step::Name(name)), reading));
            reading.room?;
        }
        Some(values)
    }

    fn read_array(json: &str, path: &Path<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        if path.is_too_deep() {
            return None;
        }
        let mut values = Vec::new();
        for (index, raw) in items.into_iter().enumerate() {
            values.push(Self::read_at(raw, &path.to(Step::Index(index)), reading));
            reading.room?;
        }
        Some(Self::Array(values))
    }

    /// Adds the canonical form to a hash: every value has a tag and a delimiter, and members are in the order of their names.
    /// It excludes the members in `skip` at every depth.
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

/// Returns a member name as it is written in a path of `as_text`.
///
/// Dots and backslashes are escaped with a backslash, so that each path is unambiguous. Belvo's names have neither.
#[must_use]
pub fn escape_path_name(name: &str) -> Cow<'_, str> {
    if name.contains(['.', '\\']) { name.replace('\\', "\\\\").replace('.', "\\.").into() } else { name.into() }
}

/// The path of a value in a document, as a step from its parent. It copies nothing before [`Path::written`].
struct Path<'a> {
    last: Option<(Step<'a>, &'a Path<'a>)>,
    /// The number of steps from the document.
    depth: usize,
}

#[derive(Clone, Copy)]
/// A step from a container to a value in it.
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

/// The state of parsing a document.
struct Reading<'a> {
    as_text: &'a mut Vec<String>,
    /// The remaining limits. `None` if the current member exceeds them, which stops its parsing.
    room: Option<Room>,
}

/// The remaining limits for the members of a document.
#[derive(Clone, Copy)]
struct Room {
    values: usize,
    paths_bytes: usize,
}

impl Path<'_> {
    const DOCUMENT: Self = Self { last: None, depth: 0 };

    fn to<'a>(&'a self, step: Step<'a>) -> Path<'a> {
        Path { last: Some((step, self)), depth: self.depth + 1 }
    }

    /// Returns `true` if a container here would exceed [`MAX_CONTAINER_LEVELS`]. The document is level 1.
    fn is_too_deep(&self) -> bool {
        self.depth + 1 > MAX_CONTAINER_LEVELS
    }

    fn written(&self) -> String {
        let steps = successors(self.last, |(_, path)| path.last);
        let mut names: Vec<_> = steps.map(|(step, _)| step.name()).collect();
        names.reverse();
        names.join(".")
    }
}

impl<'a> Step<'a> {
    fn name(self) -> Cow<'a, str> {
        match self {
            Self::Name(name) => escape_path_name(name),
            Self::Index(index) => index.to_string().into(),
        }
    }
}

impl<'a> Reading<'a> {
    fn new(as_text: &'a mut Vec<String>) -> Self {
        Self { as_text, room: Some(Room { values: MAX_VALUES, paths_bytes: MAX_PATHS_BYTES }) }
    }

    /// Counts a value. The document and its members do not count.
    fn take_value(&mut self, path: &Path<'_>) {
        if path.depth > 1 {
            self.room = self.room.and_then(|room| Some(Room { values: room.values.checked_sub(1)?, ..room }));
        }
    }

    fn keep_as_text(&mut self, json: &str, path: &Path<'_>) -> Value {
        let path_text = path.written();
        if path.depth > 1 {
            let bytes = path_text.len() + 1;
            self.room =
                self.room.and_then(|room| Some(Room { paths_bytes: room.paths_bytes.checked_sub(bytes)?, ..room }));
        }
        if self.room.is_none() {
            return Value::Null;
        }
        self.as_text.push(path_text);
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
        let (fields, _) = Fields::read(br#"{"a":1,"b":2,"\u0061":3,"a":[4]}"#);
        let left: Vec<_> = fields.iter().map(|(name, raw)| (name, raw.get())).collect();
        assert_eq!(left, [("b", "2"), ("a", "[4]")], "nobody sees what does not count");
        assert!(read(r#"{"a":1e999,"a":2}"#).1.is_empty());
    }

    #[test]
    fn a_path_means_one_place_whatever_the_names_are() {
        assert_eq!(read(r#"{"a":{"b":1e999},"a.b":1e999,"a\\":1e999}"#).1, ["a.b", r"a\.b", r"a\\"]);
    }

    #[test]
    fn a_member_that_holds_more_than_an_item_is_kept_as_text_and_the_others_are_read() {
        let zeros = format!("[{}]", vec!["0"; 150_000].join(","));
        let (value, as_text) = read(&format!(r#"{{"a":[1],"b":{zeros},"c":[2]}}"#));
        let Value::Object(members) = value else { panic!("an object") };
        assert_eq!((members["b"] == Value::Text(zeros), as_text), (true, vec!["b".to_owned()]));
        assert_eq!((&members["a"], &members["c"]), (&read("[1]").0, &read("[2]").0));
        let spaces = format!(r#"{{"a":[{}]}}"#, " ".repeat(MAX_CONTAINER_BYTES));
        assert_eq!(read(&spaces).1, ["a"]);
    }

    #[test]
    fn paths_take_no_more_room_than_is_given_however_long_their_names_are() {
        let name = "n".repeat(1_000);
        let (value, as_text) = read(&format!(r#"{{"a":{{"{name}":[{}]}},"b":[1e999]}}"#, vec!["1e999"; 100].join(",")));
        let Value::Object(members) = value else { panic!("an object") };
        assert_eq!(as_text, ["a", "b.0"]);
        assert!(matches!(&members["a"], Value::Text(json) if json.starts_with(r#"{"nnn"#)));
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

//! JSON whose numbers stay the digits that were sent.
//!
//! `serde_json` reads numbers into floats unless its `arbitrary_precision` feature is on, and that feature spreads
//! over the whole workspace and breaks `flatten`. So objects are read one level at a time into raw slices
//! ([`Fields`]), and a [`Value`] is built from those.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::iter::successors;

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
/// A container of more text than this is kept as text at once: it would not fit into an item (400 KB), and reading it
/// would take many times its size.
const MAX_CONTAINER_BYTES: usize = 1024 * 1024;
/// How many values the members of a document may hold together, before a member is kept as text: an item has no room for
/// more.
const MAX_VALUES: usize = 150_000;
/// How long the paths in `as_text` may be together, before a member is kept as text: one name can be part of every path.
const MAX_PATHS_BYTES: usize = 64 * 1024;
/// Up to here names are compared with each other; that many are quicker in a set. Belvo's objects have some twenty.
const FEW_NAMES: usize = 32;

/// The members of one JSON object, in order, their values still unread. Of a repeated name only the last value is there:
/// so nobody behind this reader can see another one than those who checked it.
#[derive(Debug, Default)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object. When the text breaks off or goes wrong, the members up to there come with the error.
    pub fn read(json: &'a [u8]) -> (Self, Result<(), serde_json::Error>) {
        Self::read_from(serde_json::Deserializer::from_slice(json))
    }

    /// Reads an object whose text is known to be Unicode.
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

    /// The value of a member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
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
    /// its path (`credit_data.limits.0.used_amount`, see [`escape_path_name`]) is added to `as_text`. So does a whole member of the
    /// document when there is more in it than an item has room for: what is read stays in proportion to its text.
    #[must_use]
    pub fn read(raw: &RawValue, as_text: &mut Vec<String>) -> Self {
        Self::read_value(raw, &Path::DOCUMENT, &mut Reading::new(as_text))
    }

    /// The same for a document whose members were read before, but for one member. None when it cannot be held.
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

/// A name as it stands in a path of `as_text`: a dot in it, or a backslash, has a backslash before it, so that no path can
/// mean two places. Belvo's names have neither.
#[must_use]
pub fn escape_path_name(name: &str) -> Cow<'_, str> {
    if name.contains(['.', '\\']) { name.replace('\\', "\\\\").replace('.', "\\.").into() } else { name.into() }
}

/// Where in a document the reader stands: one step from another place. Nothing is copied until the path is written down.
struct Path<'a> {
    last: Option<(Step<'a>, &'a Path<'a>)>,
    /// How many steps it is from the document.
    depth: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

/// What the reader of a document writes down, and may still take.
struct Reading<'a> {
    as_text: &'a mut Vec<String>,
    /// None when the member that is being read takes more than there is: it is given up.
    room: Option<Room>,
}

/// What is left for the members of a document.
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

    /// Would a container here be deeper than DynamoDB allows? The document itself is level 1.
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

    /// The document and its members themselves are no more than their text.
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

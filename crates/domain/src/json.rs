//! JSON with exact numbers.
//!
//! `serde_json` converts numbers to floats unless its feature `arbitrary_precision` is on. That feature would apply to the
//! whole workspace, and breaks `flatten`. Instead, [`Fields`] reads an object one level at a time into raw slices, and
//! [`Value`] is built from them.

mod fields;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::successors;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

pub use self::fields::Fields;
pub(crate) use self::fields::{is_null, text};
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

    /// Parses the value at a path. A member of the document that exceeds a limit becomes text.
    fn read_at(raw: &RawValue, path: &Path<'_>, reading: &mut Reading<'_>) -> Self {
        if path.depth != 1 {
            return Self::read_value(raw, path, reading);
        }

        let (remaining, kept) = (reading.remaining, reading.as_text.len());
        if raw.get().len() > MAX_CONTAINER_BYTES && raw.get().starts_with(['[', '{']) {
            reading.remaining = None;
        }

        let value = Self::read_value(raw, path, reading);
        if reading.remaining.is_some() {
            return value;
        }

        // Undo what the member consumed, and store it whole.
        reading.remaining = remaining;
        reading.as_text.truncate(kept);
        reading.keep_as_text(raw.get(), path)
    }

    /// Parses a value of any kind. The result has no meaning once a limit is exceeded.
    fn read_value(raw: &RawValue, path: &Path<'_>, reading: &mut Reading<'_>) -> Self {
        reading.take_value(path);
        if reading.remaining.is_none() {
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

    /// Parses members of an object. Returns `None` if a name is invalid or a limit is exceeded.
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
            reading.remaining?;
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
            reading.remaining?;
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
    remaining: Option<Remaining>,
}

/// The remaining limits for the members of a document.
#[derive(Clone, Copy)]
struct Remaining {
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

    /// Returns the path as it is written in `as_text`.
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
        Self { as_text, remaining: Some(Remaining { values: MAX_VALUES, paths_bytes: MAX_PATHS_BYTES }) }
    }

    /// Counts a value. The document and its members do not count.
    fn take_value(&mut self, path: &Path<'_>) {
        if path.depth > 1 {
            self.remaining = self
                .remaining
                .and_then(|remaining| Some(Remaining { values: remaining.values.checked_sub(1)?, ..remaining }));
        }
    }

    /// Returns a value's JSON as text, and records its path.
    fn keep_as_text(&mut self, json: &str, path: &Path<'_>) -> Value {
        let path_text = path.written();
        if path.depth > 1 {
            let bytes = path_text.len() + 1;
            self.remaining = self.remaining.and_then(|remaining| {
                Some(Remaining { paths_bytes: remaining.paths_bytes.checked_sub(bytes)?, ..remaining })
            });
        }
        if self.remaining.is_none() {
            return Value::Null;
        }
        self.as_text.push(path_text);
        Value::Text(json.to_owned())
    }
}

#[cfg(test)]
mod tests;

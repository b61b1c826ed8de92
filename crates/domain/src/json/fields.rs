//! The members of a JSON object, with unparsed values.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

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

    /// Removes all but the last value of each repeated name.
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

//! Parses the fields of an input with serde. Errors name the field and never repeat the input.
//!
//! Each action has a struct of its fields. The type of a field says which values are valid, and with which text it rejects others.

use std::collections::HashSet;
use std::fmt::Display;

use domain::{Day, LinkId, ObjectId};
use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess};
use serde_json::{Map, Value, json};

/// Maximum number of names in a list of resources. Belvo has fewer resources.
const MAX_NAMES: usize = 32;
const ID: &str = "must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -";

/// An error in an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// The input is not a JSON object.
    #[error("the input must be a JSON object")]
    NotAnObject,
    /// The field of this name is missing or invalid, with the problem.
    #[error("{0}: {1}")]
    Field(String, String),
    /// There is an unknown field. Its name is input, so the text names the known fields instead.
    #[error("there is a field that this action does not take; it takes action, {}", .0.join(", "))]
    UnknownField(Vec<&'static str>),
}

impl de::Error for InvalidInput {
    /// Drops serde's text, which could repeat the input.
    fn custom<T: Display>(_: T) -> Self {
        wrong("the input", "is invalid")
    }

    fn missing_field(field: &'static str) -> Self {
        wrong(field, "is required")
    }

    fn unknown_field(_: &str, takes: &'static [&'static str]) -> Self {
        Self::UnknownField(takes.to_vec())
    }
}

pub(crate) fn wrong(field: &str, problem: impl Display) -> InvalidInput {
    InvalidInput::Field(field.to_owned(), problem.to_string())
}

/// The fields that were not parsed yet. `null` counts as absent. Adds the name of a field to the error of its type.
pub(crate) struct Fields {
    pub(crate) members: Map<String, Value>,
    current: String,
}

impl Fields {
    pub(crate) fn of(input: Value) -> Result<Self, InvalidInput> {
        let Value::Object(mut members) = input else { return Err(InvalidInput::NotAnObject) };
        members.retain(|_, value| !value.is_null());
        Ok(Self { members, current: String::new() })
    }

    /// Removes a text on which the other fields depend.
    pub(crate) fn take(&mut self, field: &str) -> Result<Option<String>, InvalidInput> {
        self.members.remove(field).map(|value| text(value).map_err(|problem| wrong(field, problem))).transpose()
    }

    /// Parses the other fields.
    pub(crate) fn parse<T: DeserializeOwned>(self) -> Result<T, InvalidInput> {
        T::deserialize(MapAccessDeserializer::new(self))
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = InvalidInput;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, InvalidInput> {
        let Some(field) = self.members.keys().next() else { return Ok(None) };
        self.current.clone_from(field);
        seed.deserialize(field.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, InvalidInput> {
        let value = self.members.remove(&self.current).unwrap_or_default();
        seed.deserialize(value).map_err(|error| wrong(&self.current, error))
    }
}

/// Returns a body for Belvo: the given fields, without those that are absent.
pub(crate) fn body(fields: &impl Serialize) -> Map<String, Value> {
    let Value::Object(mut body) = json!(fields) else { return Map::new() };
    body.retain(|_, value| !value.is_null());
    body
}

/// A value of a field, or what is wrong with it.
pub(crate) type Parsed<T> = Result<T, &'static str>;

/// Defines the types of fields, each with the parser of its values.
macro_rules! field_types {
    ($($(#[$meta:meta])* $name:ident($holds:ty), $parse:expr;)*) => {$(
        #[derive(serde::Deserialize)]
        #[serde(try_from = "serde_json::Value")]
        $(#[$meta])*
        pub(crate) struct $name(pub(crate) $holds);

        impl TryFrom<serde_json::Value> for $name {
            type Error = &'static str;

            fn try_from(value: serde_json::Value) -> $crate::input::Parsed<Self> {
                let parse: fn(serde_json::Value) -> $crate::input::Parsed<$holds> = $parse;
                parse(value).map(Self)
            }
        }
    )*};
}
pub(crate) use field_types;

field_types! {
    Link(LinkId), |value| LinkId::parse(&text(value)?).map_err(|_| ID);
    #[derive(Serialize)] Id(String), |value| text_like(value, ID, |text| ObjectId::parse(text).is_ok());
    #[derive(Serialize)] Date(String), |value|
        text_like(value, "must be a day, YYYY-MM-DD", |text| Day::parse(text).is_some());
    #[derive(Serialize)] Direction(String), |value|
        text_like(value, "must be INFLOW or OUTFLOW", |text| matches!(text, "INFLOW" | "OUTFLOW"));
    #[derive(Default, Serialize)] Names(Vec<String>), names;
}

fn text(value: Value) -> Parsed<String> {
    if let Value::String(text) = value { Ok(text) } else { Err("must be a string") }
}

/// Returns a text that fulfills a condition.
pub(crate) fn text_like(value: Value, problem: &'static str, is_valid: fn(&str) -> bool) -> Parsed<String> {
    text(value).and_then(|text| if is_valid(&text) { Ok(text) } else { Err(problem) })
}

/// Returns names of resources in Belvo's spelling, without duplicates.
fn names(value: Value) -> Parsed<Vec<String>> {
    let mut names: Vec<String> = serde_json::from_value(value).unwrap_or_default();
    if !(1..=MAX_NAMES).contains(&names.len()) || !names.iter().all(|name| is_name(name)) {
        return Err("must be a list of 1 to 32 names such as TRANSACTIONS");
    }
    let mut known = HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    Ok(names)
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

//! Reads the fields of an input. Errors name the field and never repeat the input.
//!
//! The fields depend on the action, and for a retrieval on the row of a table (`retrievals`). So each action takes its fields one
//! by one, and a field that is left over is an error.

use domain::{Day, InvalidId, LinkId, ObjectId};
use serde_json::{Map, Value};

/// Maximum number of names in a list of resources. Belvo has fewer resources.
const MAX_NAMES: usize = 32;

/// An error in an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// The input is not a JSON object.
    #[error("the input must be a JSON object")]
    NotAnObject,
    /// A field is missing or invalid.
    #[error("{field}: {problem}")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// There is an unknown field. Its name is input, so the text names the known fields instead.
    #[error("there is a field that this action does not take; it takes {}", .takes.join(", "))]
    UnknownField {
        /// The known fields.
        takes: Vec<&'static str>,
    },
}

/// The fields that were not read yet. `null` counts as absent.
#[derive(Debug)]
pub(crate) struct Input {
    members: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Input {
    pub(crate) fn read(input: Value) -> Result<Self, InvalidInput> {
        let Value::Object(mut members) = input else { return Err(InvalidInput::NotAnObject) };
        members.retain(|_, value| !value.is_null());
        Ok(Self { members, known: Vec::new() })
    }

    /// Takes a field of any type.
    pub(crate) fn any(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.members.remove(field)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<String>, InvalidInput> {
        match self.any(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(field, "must be a string")),
        }
    }

    /// Takes a text that fulfills a condition.
    pub(crate) fn text_like(
        &mut self,
        field: &'static str,
        problem: &'static str,
        is_right: impl Fn(&str) -> bool,
    ) -> Result<Option<String>, InvalidInput> {
        let text = self.text(field)?;
        if text.as_deref().is_none_or(is_right) { Ok(text) } else { Err(wrong(field, problem)) }
    }

    pub(crate) fn link_id(&mut self) -> Result<LinkId, InvalidInput> {
        let link = self.optional_link_id()?;
        required("link_id", link)
    }

    pub(crate) fn optional_link_id(&mut self) -> Result<Option<LinkId>, InvalidInput> {
        self.id("link_id", LinkId::parse)
    }

    pub(crate) fn object_id(&mut self, field: &'static str) -> Result<Option<ObjectId>, InvalidInput> {
        self.id(field, ObjectId::parse)
    }

    /// Takes the caller's idempotency key.
    pub(crate) fn idempotency_key(&mut self) -> Result<Option<String>, InvalidInput> {
        Ok(self.object_id("idempotency_key")?.map(|key| key.as_str().to_owned()))
    }

    pub(crate) fn day(&mut self, field: &'static str) -> Result<Option<Day>, InvalidInput> {
        let parse = |text: String| Day::parse(&text).ok_or(wrong(field, "must be a day, YYYY-MM-DD"));
        self.text(field)?.map(parse).transpose()
    }

    /// Takes names of resources in Belvo's spelling, without duplicates. Returns no name if the field is absent.
    pub(crate) fn names(&mut self, field: &'static str) -> Result<Vec<String>, InvalidInput> {
        const PROBLEM: &str = "must be a list of 1 to 32 names such as TRANSACTIONS";
        let values = match self.any(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) if (1..=MAX_NAMES).contains(&values.len()) => values,
            Some(_) => return Err(wrong(field, PROBLEM)),
        };
        let mut names = Vec::with_capacity(values.len());
        for value in values {
            match value {
                Value::String(name) if is_name(&name) && !names.contains(&name) => names.push(name),
                Value::String(name) if names.contains(&name) => {}
                _ => return Err(wrong(field, PROBLEM)),
            }
        }
        Ok(names)
    }

    /// Checks that no field is left: an unknown field may be misspelt.
    pub(crate) fn end(self) -> Result<(), InvalidInput> {
        if self.members.is_empty() { Ok(()) } else { Err(InvalidInput::UnknownField { takes: self.known }) }
    }

    fn id<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, InvalidId>,
    ) -> Result<Option<T>, InvalidInput> {
        const PROBLEM: &str = "must be 1 to 128 characters of A-Z, a-z, 0-9, _ and -";
        let parse = |text: String| parse(&text).map_err(|_| wrong(field, PROBLEM));
        self.text(field)?.map(parse).transpose()
    }
}

pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, InvalidInput> {
    value.ok_or(wrong(field, "is required"))
}

pub(crate) fn wrong(field: &'static str, problem: &'static str) -> InvalidInput {
    InvalidInput::Field { field, problem }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

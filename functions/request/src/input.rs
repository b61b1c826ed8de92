//! The members of an input, taken one by one. What is wrong is named by its field; the input itself is never repeated,
//! because it may hold anything.

use domain::{Day, InvalidId, LinkId, ObjectId};
use serde_json::{Map, Value};

/// The most names that a list of resources holds. Belvo has fewer resources.
const MAX_NAMES: usize = 32;

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInput {
    /// It is no JSON object.
    #[error("the input must be a JSON object")]
    NotAnObject,
    /// A field is missing or holds something else than it should.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, or what it should hold.
        problem: &'static str,
    },
    /// There is a field that the action does not take. Its name is input too, so those that it takes are named.
    #[error("there is a field that this action does not take; it takes {}", .takes.join(", "))]
    UnknownField {
        /// The fields of the action.
        takes: Vec<&'static str>,
    },
}

/// The members that were not taken yet. `null` counts as absent.
#[derive(Debug)]
pub(crate) struct Input {
    members: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl Input {
    pub(crate) fn read(input: Value) -> Result<Self, InvalidInput> {
        let Value::Object(mut members) = input else { return Err(InvalidInput::NotAnObject) };
        members.retain(|_, value| !value.is_null());
        Ok(Self { members, asked: Vec::new() })
    }

    /// Whatever stands there.
    pub(crate) fn any(&mut self, field: &'static str) -> Option<Value> {
        self.asked.push(field);
        self.members.remove(field)
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<Option<String>, InvalidInput> {
        match self.any(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(field, "must be a string")),
        }
    }

    /// A text that looks right.
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

    /// The caller's key for an order.
    pub(crate) fn idempotency_key(&mut self) -> Result<Option<String>, InvalidInput> {
        Ok(self.object_id("idempotency_key")?.map(|key| key.as_str().to_owned()))
    }

    pub(crate) fn day(&mut self, field: &'static str) -> Result<Option<Day>, InvalidInput> {
        let parse = |text: String| Day::parse(&text).ok_or(wrong(field, "must be a day, YYYY-MM-DD"));
        self.text(field)?.map(parse).transpose()
    }

    /// Names of resources, in Belvo's spelling, each once; empty when the field is absent.
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

    /// Nothing may be left: a field that is not understood may be one that was misspelt.
    pub(crate) fn end(self) -> Result<(), InvalidInput> {
        if self.members.is_empty() { Ok(()) } else { Err(InvalidInput::UnknownField { takes: self.asked }) }
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

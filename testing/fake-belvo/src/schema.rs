//! Schemas of request bodies: required and optional members.
//!
//! Source: Belvo's OpenAPI description of 2026-04-23, unless stated otherwise. The firewall rejects undocumented members.
//! The API rejects missing members and members of another type.

pub(crate) mod retrievals;

use serde_json::{Map, Value};

use crate::error::ApiError;

/// The members of an object.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) required: &'static [Member],
    pub(crate) optional: &'static [Member],
}

/// A member's name and type.
pub(crate) type Member = (&'static str, Kind);

/// The schema of the body of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    One(&'static Shape),
    /// Depends on the body.
    By(fn(&Map<String, Value>) -> &'static Shape),
}

impl Body {
    pub(crate) fn shape(self, body: &Map<String, Value>) -> &'static Shape {
        match self {
            Self::One(shape) => shape,
            Self::By(choose) => choose(body),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Flag,
    Number,
    Texts,
    Object(&'static Shape),
    Objects(&'static Shape),
}
use Kind::{Flag, Number, Object, Objects, Text, Texts};

impl Shape {
    /// Checks that required members are present and all members have the right type. A null member counts as absent.
    pub(crate) fn check(&self, body: &Map<String, Value>) -> Result<(), ApiError> {
        let absent = |name: &&str| value(body, name).is_none_or(|value| value.as_str() == Some(""));
        let missing: Vec<&str> = self.required.iter().map(|(name, _)| *name).filter(absent).collect();
        if !missing.is_empty() {
            return Err(ApiError::required(&missing));
        }
        self.members().try_for_each(|(name, kind)| value(body, name).map_or(Ok(()), |value| kind.check(name, value)))
    }

    /// Returns `true` if a member is undocumented.
    pub(crate) fn has_unknown(&self, body: &Map<String, Value>) -> bool {
        body.iter().any(|(name, value)| match self.members().find(|(known, _)| known == name) {
            None => true,
            Some((_, Object(shape))) => value.as_object().is_some_and(|object| shape.has_unknown(object)),
            Some((_, Objects(shape))) => objects(value).any(|object| shape.has_unknown(object)),
            Some(_) => false,
        })
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        self.required.iter().chain(self.optional)
    }
}

impl Kind {
    fn check(self, name: &str, value: &Value) -> Result<(), ApiError> {
        let invalid = || ApiError::invalid(name, "Not a valid value.");
        let fits = match self {
            Text => value.is_string(),
            Flag => value.is_boolean(),
            Number => value.is_number(),
            Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            Object(shape) => return shape.check(value.as_object().ok_or_else(invalid)?),
            Objects(shape) if value.as_array().is_some_and(|list| list.iter().all(Value::is_object)) => {
                return objects(value).try_for_each(|object| shape.check(object));
            }
            Objects(_) => false,
        };
        if fits { Ok(()) } else { Err(invalid()) }
    }
}

pub(crate) fn value<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn objects(list: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    list.as_array().into_iter().flatten().filter_map(Value::as_object)
}

//! The bodies that Belvo takes: which members they must and may have.
//!
//! Source: Belvo's OpenAPI description of 2026-04-23, unless stated otherwise. The firewall refuses members that are documented
//! nowhere, the API refuses a missing member and one of another type.

pub(crate) mod retrievals;
pub(crate) mod token;

use axum::http::Method;
use serde_json::{Map, Value};

use crate::{
    call::{Call, Target},
    catalogue::Retrieval,
    error::ApiError,
    resources::{institutions, links::LINKS},
};

/// The members of an object.
#[derive(Debug)]
pub(crate) struct Shape {
    required: &'static [Member],
    optional: &'static [Member],
}

/// A member's name and type.
type Member = (&'static str, Kind);

/// Which body a request must have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    One(&'static Shape),
    /// Depends on what it holds.
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
enum Kind {
    Text,
    Flag,
    Number,
    Texts,
    Object(&'static Shape),
    Objects(&'static Shape),
}
use Kind::{Flag, Number, Object, Objects, Text, Texts};

impl Shape {
    /// Checks that everything required is there, and that everything has the right type. A null member counts as absent.
    pub(crate) fn check(&self, body: &Map<String, Value>) -> Result<(), ApiError> {
        let absent = |name: &&str| value(body, name).is_none_or(|value| value.as_str() == Some(""));
        let missing: Vec<&str> = self.required.iter().map(|(name, _)| *name).filter(absent).collect();
        if !missing.is_empty() {
            return Err(ApiError::required(&missing));
        }
        self.members().try_for_each(|(name, kind)| value(body, name).map_or(Ok(()), |value| kind.check(name, value)))
    }

    /// Whether a member is documented nowhere.
    fn has_unknown(&self, body: &Map<String, Value>) -> bool {
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

fn value<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn objects(list: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    list.as_array().into_iter().flatten().filter_map(Value::as_object)
}

/// Whether the firewall lets a body pass. One that is no object it leaves to the API.
pub(crate) fn passes(call: &Call) -> bool {
    let body = call.body.as_deref().and_then(|body| serde_json::from_slice::<Map<String, Value>>(body).ok());
    let (Some(body), Some(of)) = (body, expected(call)) else { return true };
    !of.shape(&body).has_unknown(&body)
}

/// What a request's body looks like, where it has one.
fn expected(call: &Call) -> Option<Body> {
    match (&call.method, call.target()) {
        (&Method::POST, Target::Token) => Some(Body::By(|body| token::mode(body).shape)),
        (&Method::POST, Target::Refresh(_)) => Some(Body::One(&REFRESH)),
        (&Method::POST, Target::List(resource)) if resource.number == LINKS.number => Some(Body::By(new_link)),
        (&Method::POST, Target::List(resource)) => match resource.retrieval {
            Retrieval::Never => None,
            Retrieval::Synchronous(body) | Retrieval::Asynchronous(body) => Some(body),
        },
        (&Method::PUT, Target::One(resource, _)) if resource.number == LINKS.number => Some(Body::One(&RENEWED_LINK)),
        (&Method::PATCH, Target::One(resource, _)) if resource.number == LINKS.number => Some(Body::One(&CHANGED_LINK)),
        _ => None,
    }
}

const LINK_OPTIONS: [Member; 6] = [
    ("access_mode", Text),
    ("credentials_storage", Text),
    ("external_id", Text),
    ("fetch_resources", Texts),
    ("stale_in", Text),
    ("username2", Text),
];
static NEW_LINK: Shape = Shape {
    required: &[("institution", Text), ("username", Text), ("password", Text)],
    optional: LINK_OPTIONS.split_last().expect("there are options").1,
};
static NEW_MEXICAN_EMPLOYMENT_LINK: Shape =
    Shape { required: &[("institution", Text), ("username", Text)], optional: &LINK_OPTIONS };
/// New credentials.
pub(crate) static RENEWED_LINK: Shape = Shape {
    required: &[("password", Text)],
    optional: &[("password2", Text), ("token", Text), ("institution", Text), ("username", Text)],
};
/// Another access mode, other resources.
pub(crate) static CHANGED_LINK: Shape =
    Shape { required: &[], optional: &[("access_mode", Text), ("fetch_resources", Texts), ("stale_in", Text)] };
pub(crate) static REFRESH: Shape = Shape { required: &[], optional: &[("fetch_resources", Texts)] };

/// The body of a new link: Mexico's employment institutions want no password.
pub(crate) fn new_link(body: &Map<String, Value>) -> &'static Shape {
    let institution = body.get("institution").and_then(Value::as_str).and_then(institutions::by_name);
    let employment = institution.is_some_and(|found| found.kind == "employment" && found.country == "MX");
    if employment { &NEW_MEXICAN_EMPLOYMENT_LINK } else { &NEW_LINK }
}

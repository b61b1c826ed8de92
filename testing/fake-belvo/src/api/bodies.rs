//! The body that each request must have.

pub(crate) mod token;

use axum::http::Method;
use serde_json::{Map, Value};

use crate::{
    call::{Call, Target},
    schema::{
        Body,
        Kind::{Text, Texts},
        Member, Shape,
    },
    world::{
        catalogue::Retrieval,
        resources::{institutions, links::LINKS},
    },
};

/// Returns `true` if the firewall accepts the body. The API checks a body that is not an object.
pub(crate) fn passes(call: &Call) -> bool {
    let body = call.body.as_deref().and_then(|body| serde_json::from_slice::<Map<String, Value>>(body).ok());
    let (Some(body), Some(of)) = (body, expected(call)) else { return true };
    !of.shape(&body).has_unknown(&body)
}

/// Returns the schema of the body of a request, if it has one.
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
/// The body of new credentials.
pub(crate) static RENEWED_LINK: Shape = Shape {
    required: &[("password", Text)],
    optional: &[("password2", Text), ("token", Text), ("institution", Text), ("username", Text)],
};
/// The body of a changed access mode or other resources.
pub(crate) static CHANGED_LINK: Shape =
    Shape { required: &[], optional: &[("access_mode", Text), ("fetch_resources", Texts), ("stale_in", Text)] };
pub(crate) static REFRESH: Shape = Shape { required: &[], optional: &[("fetch_resources", Texts)] };

/// Returns the schema of the body of a new link. Mexico's employment institutions need no password.
pub(crate) fn new_link(body: &Map<String, Value>) -> &'static Shape {
    let institution = body.get("institution").and_then(Value::as_str).and_then(institutions::by_name);
    let employment = institution.is_some_and(|found| found.kind == "employment" && found.country == "MX");
    if employment { &NEW_MEXICAN_EMPLOYMENT_LINK } else { &NEW_LINK }
}

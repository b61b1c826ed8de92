//! Faults in the content of a response: objects that cannot be parsed or served, and pages with a wrong size.
//!
//! They are cumulative: all rules that fire change the same response. Objects are found by their first-level `id`, in lists and
//! under `/{id}/`.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{
    Fault, View,
    page::{Envelope, belvo_error, usual_code, whole},
};

/// The nesting depth of [`Form::Deep`], beyond the limit of any parser.
const DEPTH: usize = 10_000;
/// The size of [`Form::Large`], above DynamoDB's limit of 400 KB for an item.
const LARGE_BYTES: usize = 500_000;
/// The member that makes an object unreadable or large.
const ADDED: &str = "fault";

/// An object that is served in a broken form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenObject {
    /// The object's id.
    pub id: String,
    /// The broken form.
    pub form: Form,
}

/// The form of a broken object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// With a member whose value is `NaN`.
    Nan,
    /// With a member whose value is `Infinity`.
    Infinity,
    /// With a string that is not UTF-8.
    InvalidUtf8,
    /// With a string that is half of a surrogate pair.
    LoneSurrogate,
    /// With a member of 10,000 nested arrays.
    Deep,
    /// A string in its place.
    NotAnObject,
    /// Null in its place.
    Null,
    /// Without its `id`.
    NoId,
    /// With a string of 500,000 bytes.
    Large,
}

/// An object that makes every response fail that would hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FailingObjectBody")]
pub struct FailingObject {
    /// The object's id.
    pub id: String,
    /// The status of those responses.
    pub status: u16,
}

/// `"id"`, or `{"id", "status"}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum FailingObjectBody {
    Id(String),
    WithStatus { id: String, status: u16 },
}

impl From<FailingObjectBody> for FailingObject {
    fn from(body: FailingObjectBody) -> Self {
        match body {
            FailingObjectBody::Id(id) => Self { id, status: 500 },
            FailingObjectBody::WithStatus { id, status } => Self { id, status },
        }
    }
}

/// The content faults of one response.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) view: View,
    broken: Vec<BrokenObject>,
    failing: Vec<FailingObject>,
    count: Member,
    next: Member,
}

/// The change of a member of the page.
#[derive(Debug, Default)]
enum Member {
    #[default]
    Kept,
    Replaced(Value),
    Absent,
}

impl Member {
    fn change(&self, member: &mut Option<Box<RawValue>>) {
        match self {
            Self::Kept => {}
            Self::Replaced(value) => *member = to_raw_value(value).ok(),
            Self::Absent => *member = None,
        }
    }
}

impl Content {
    /// Adds a fault. Returns it if it is not a content fault.
    pub(crate) fn add(&mut self, fault: Fault) -> Option<Fault> {
        match fault {
            Fault::PageSizeCap(cap) => self.view.page_size_cap = cap,
            Fault::DoubledRows(rows) => self.view.doubled_rows = rows,
            Fault::BrokenObject(object) => self.broken.push(object),
            Fault::FailingObject(object) => self.failing.push(object),
            Fault::Count(count) => self.count = Member::Replaced(count),
            Fault::NoCount => self.count = Member::Absent,
            Fault::Next(next) => self.next = Member::Replaced(next),
            Fault::NoNext => self.next = Member::Absent,
            other => return Some(other),
        }
        None
    }

    /// Applies the faults to a successful response.
    pub(crate) async fn change(&self, response: Response) -> Response {
        let idle = self.broken.is_empty() && self.failing.is_empty() && self.keeps_envelope();
        if idle || !response.status().is_success() {
            return response;
        }
        let (parts, body) = whole(response).await;
        if let Some(object) = self.failing.iter().find(|object| !places(&body, &object.id).is_empty()) {
            return belvo_error(object.status, usual_code(object.status)).into_response();
        }
        let body = self.rewrite_envelope(&body).map_or_else(|| body.to_vec(), String::into_bytes);
        let body = break_objects(&body, &self.broken);
        let mut response = Response::from_parts(parts, Body::from(body));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response
    }

    fn keeps_envelope(&self) -> bool {
        matches!((&self.count, &self.next), (Member::Kept, Member::Kept))
    }

    /// Returns the rewritten body, or `None` if no fault changes the envelope.
    fn rewrite_envelope(&self, body: &[u8]) -> Option<String> {
        if self.keeps_envelope() {
            return None;
        }
        let mut page: Envelope = serde_json::from_slice(body).ok()?;
        self.count.change(&mut page.count);
        self.next.change(&mut page.next);
        serde_json::to_string(&page).ok()
    }
}

/// Returns the byte ranges of the objects with this id in a body.
fn places(body: &[u8], id: &str) -> Vec<Range<usize>> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        results: Vec<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Identity<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
    }
    let one = || serde_json::from_slice::<&RawValue>(body).map(|object| vec![object]);
    let objects = serde_json::from_slice::<Page<'_>>(body).map(|page| page.results).or_else(|_| one());
    let wanted =
        |object: &&RawValue| serde_json::from_str::<Identity<'_>>(object.get()).is_ok_and(|identity| identity.id == id);
    let place = |object: &RawValue| {
        let start = object.get().as_ptr().addr() - body.as_ptr().addr();
        start..start + object.get().len()
    };
    objects.unwrap_or_default().into_iter().filter(wanted).map(place).collect()
}

fn break_objects(body: &[u8], broken: &[BrokenObject]) -> Vec<u8> {
    let found = |object: &BrokenObject| places(body, &object.id).into_iter().map(|place| (place.start, place.end));
    let forms: BTreeMap<(usize, usize), Form> =
        broken.iter().flat_map(|object| found(object).map(|place| (place, object.form))).collect();
    let mut out = body.to_vec();
    // Replace from the end, so that earlier ranges stay valid.
    for ((start, end), form) in forms.into_iter().rev() {
        let text = String::from_utf8_lossy(&body[start..end]);
        out.splice(start..end, form.of(&text));
    }
    out
}

impl Form {
    /// The object in this form.
    fn of(self, object: &str) -> Vec<u8> {
        let with = |value: &[u8]| {
            let rest = object.strip_suffix('}').unwrap_or(object);
            [rest.as_bytes(), format!(r#","{ADDED}":"#).as_bytes(), value, b"}"].concat()
        };
        match self {
            Self::Nan => with(b"NaN"),
            Self::Infinity => with(b"Infinity"),
            Self::InvalidUtf8 => with(b"\"\xff\xfe\""),
            Self::LoneSurrogate => with(br#""\ud800""#),
            Self::Deep => with([b"[".repeat(DEPTH), b"]".repeat(DEPTH)].concat().as_slice()),
            Self::Large => with(format!(r#""{}""#, "x".repeat(LARGE_BYTES)).as_bytes()),
            Self::NotAnObject => br#""not an object""#.to_vec(),
            Self::Null => b"null".to_vec(),
            Self::NoId => {
                let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(object).unwrap_or_default();
                members.remove("id");
                serde_json::to_vec(&members).unwrap_or_default()
            }
        }
    }
}

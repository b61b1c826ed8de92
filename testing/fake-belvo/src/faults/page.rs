//! A response taken apart: the members of a page of a list, and error responses.

use axum::{
    body::{Bytes, to_bytes},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::error::ApiError;

/// A page whose objects stay as they were written.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<Box<RawValue>>,
    /// Null stays null: an absent member is one that a fault took away.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Box<RawValue>>,
    previous: Box<RawValue>,
    results: Box<RawValue>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

impl Envelope {
    pub(crate) fn add_to_count(&mut self, delta: i64) {
        let count = self.count.as_ref().and_then(|count| count.get().parse::<i64>().ok());
        self.count = count.and_then(|count| to_raw_value(&(count + delta)).ok());
    }
}

pub(crate) async fn whole(response: Response) -> (axum::http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

pub(crate) fn belvo_error(status: u16, code: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if code == "request_timeout" {
        return ApiError::timeout().into_response();
    }
    ApiError::new(status, code, status.canonical_reason().unwrap_or("Error")).into_response()
}

pub(crate) fn usual_code(status: u16) -> &'static str {
    match status {
        400 => "invalid",
        401 => "authentication_failed",
        403 => "permission_denied",
        404 => "not_found",
        408 => "request_timeout",
        428 => "token_required",
        429 => "too_many_requests",
        502..=504 => "service_unavailable",
        _ => "unexpected_error",
    }
}

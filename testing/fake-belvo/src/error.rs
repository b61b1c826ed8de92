//! Error responses: an *array* of errors from the API, an HTML page from the firewall.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::ids::{fresh_hex, fresh_uuid};

/// One entry of Belvo's error array.
#[derive(Debug, Clone, Serialize)]
struct Detail {
    request_id: String,
    message: String,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(flatten)]
    more: Option<Value>,
}

/// An error response with a status and at least one error.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    details: Vec<Detail>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, details: vec![detail(code, message, None)] }
    }

    /// 401: the wrong credentials, or none.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "authentication_failed", "Invalid Secret Keys")
    }

    /// 404: no such object.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found")
    }

    /// 404: past the last page.
    pub(crate) fn invalid_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Invalid page.")
    }

    /// 400: required fields are missing.
    pub(crate) fn required(fields: &[&str]) -> Self {
        let details = fields.iter().map(|field| detail("required", "This field is required.", Some(field))).collect();
        Self { status: StatusCode::BAD_REQUEST, details }
    }

    /// 400: the value of a field is not valid.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self::field("invalid", field, message)
    }

    /// 400: another error of one field.
    pub(crate) fn field(code: &str, field: &str, message: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, details: vec![detail(code, message, Some(field))] }
    }

    /// 400: the field `link` names a link that does not exist.
    pub(crate) fn unknown_link() -> Self {
        Self::field("does_not_exist", "link", "Object with this id does not exist.")
    }

    /// 405: the path does not support the method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed.")
    }

    /// 409: the link was refreshed recently.
    pub(crate) fn link_refreshed(minutes: i64) -> Self {
        let message =
            format!("The link has already been refreshed. Please wait {minutes} minutes before trying again.");
        Self::new(StatusCode::CONFLICT, "link_refreshed", &message)
    }

    /// 428: the user must enter a token of the institution.
    pub(crate) fn token_required(link: &str) -> Self {
        let message = "A MFA token is required by the institution to login";
        let more = json!({
            "session": fresh_uuid(), "expiry": 9_600, "link": link, "token_generation_data": { "type": "numeric" },
        });
        let details = vec![Detail { more: Some(more), ..detail("token_required", message, None) }];
        Self { status: StatusCode::PRECONDITION_REQUIRED, details }
    }

    /// 408: Belvo times out on large responses.
    pub(crate) fn timeout() -> Self {
        let message = "The request timed out, you can retry asking for less data by changing your query parameters";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self.details).unwrap_or_default();
        (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// Returns the HTML page of the firewall (openresty) for a rejected request.
pub(crate) fn html(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or_default();
    let title = format!("{} {reason}", status.as_u16());
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html")], body).into_response()
}

fn detail(code: &str, message: &str, field: Option<&str>) -> Detail {
    Detail {
        request_id: fresh_hex(),
        message: message.into(),
        code: code.into(),
        field: field.map(Into::into),
        more: None,
    }
}

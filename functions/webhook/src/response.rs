//! The responses; the crate documentation lists them in a table.

use domain::{FieldError, InvalidWebhook};
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::http::{HeaderValue, StatusCode};
use serde::Serialize;

/// The result of a request.
#[derive(Debug)]
pub(crate) enum Response {
    /// Belvo validates the URL.
    Alive,
    /// SQS has stored the webhook.
    Accepted { request_id: Option<String> },
    /// The body is not a valid webhook.
    Invalid(InvalidWebhook),
    /// Missing or wrong credentials. The body has no detail.
    Unauthorized,
    /// A source address that is not allowed. The body has no detail.
    Forbidden,
    /// An unknown path.
    NotFound,
    /// A method other than POST, GET and HEAD.
    MethodNotAllowed,
    /// A body that is too large.
    TooLarge,
    /// AWS failed. Belvo will send the webhook again.
    Unavailable { request_id: Option<String>, errors: [FieldError; 1] },
}

/// The body that Belvo's documentation asks for.
#[derive(Serialize)]
struct Document<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Response {
    pub(crate) fn unavailable(request_id: Option<String>) -> Self {
        let message = "The webhook was not taken. Send it again.";
        Self::Unavailable { request_id, errors: [FieldError { code: "service_unavailable", message, field: None }] }
    }

    /// Returns the response for API Gateway. Without an id of Belvo, its `request_id` is Lambda's.
    pub(crate) fn into_response(self, lambda_request_id: &str) -> ApiGatewayV2httpResponse {
        let document = self.document(lambda_request_id).and_then(|document| serde_json::to_string(&document).ok());
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = self.status().as_u16().into();
        response.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if document.is_some() {
            response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if matches!(self, Self::MethodNotAllowed) {
            response.headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
        }
        response.body = document.map(Body::Text);
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Alive => StatusCode::OK,
            Self::Accepted { .. } => StatusCode::ACCEPTED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn document<'a>(&'a self, lambda_request_id: &'a str) -> Option<Document<'a>> {
        let (request_id, errors) = match self {
            Self::Accepted { request_id } => (request_id, &[][..]),
            Self::Invalid(invalid) => (&invalid.request_id, invalid.errors.as_slice()),
            Self::Unavailable { request_id, errors } => (request_id, errors.as_slice()),
            _ => return None,
        };
        Some(Document { request_id: request_id.as_deref().unwrap_or(lambda_request_id), errors })
    }
}

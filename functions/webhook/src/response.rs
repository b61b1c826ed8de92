//! What the function answers.

use domain::{FieldError, InvalidWebhook};
use lambda_http::Body;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use lambda_http::http::{HeaderValue, StatusCode};
use serde::Serialize;

/// Every way in which a request can end.
#[derive(Debug)]
pub(crate) enum Response {
    /// The URL is there.
    Alive,
    /// SQS holds the webhook.
    Accepted { request_id: Option<String> },
    /// The body is no webhook.
    Invalid(InvalidWebhook),
    /// Missing or wrong credentials. No detail.
    Unauthorized,
    /// A source that is not on the list. No detail.
    Forbidden,
    /// Another path.
    NotFound,
    /// Neither POST nor GET nor HEAD.
    MethodNotAllowed,
    /// The body is larger than we read.
    TooLarge,
    /// Our own trouble; Belvo will send the webhook again.
    Unavailable { request_id: Option<String>, errors: [FieldError; 1] },
}

/// The shape that Belvo's documentation asks for: the request id, and what is wrong.
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

    /// The response for API Gateway. Where Belvo's request id could not be read, Lambda's stands in for it.
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

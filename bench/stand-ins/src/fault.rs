//! Error responses of AWS's JSON protocols.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The media type of all responses.
const JSON: &str = "application/x-amz-json-1.0";
const CONDITION_FAILED: &str = "The conditional request failed";

/// An error response.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request is not valid, or not supported here.
    Validation(String),
    /// The condition does not hold.
    ConditionFailed(Refusal),
    /// A transaction failed. For each part: `None` if its condition holds.
    TransactionCanceled(Vec<Option<Refusal>>),
    /// The partition throttles.
    Throttled,
    /// A partition throttles a transaction with this number of parts.
    TransactionThrottled(usize),
    /// The table or secret does not exist.
    NotFound(&'static str),
    /// An operation that no function calls.
    UnknownOperation(String),
}

/// A condition that does not hold.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The existing item, where the request asks for it.
    pub(crate) item: Option<Box<RawValue>>,
}

impl Fault {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// Returns the name of the exception.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::ConditionFailed(_) => "ConditionalCheckFailedException",
            Self::TransactionCanceled(_) | Self::TransactionThrottled(_) => "TransactionCanceledException",
            Self::Throttled => "ThrottlingException",
            Self::NotFound(_) => "ResourceNotFoundException",
            Self::UnknownOperation(_) => "UnknownOperationException",
        }
    }

    fn body(&self) -> Value {
        let kind = self.kind();
        match self {
            Self::Validation(message) => {
                json!({"__type": format!("com.amazon.coral.validate#{kind}"), "message": message})
            }
            Self::ConditionFailed(refusal) => {
                with_item(json!({"__type": dynamodbs(kind), "message": CONDITION_FAILED}), refusal)
            }
            Self::TransactionCanceled(parts) => {
                canceled(kind, &parts.iter().map(|part| reason(part.as_ref())).collect::<Vec<_>>())
            }
            Self::TransactionThrottled(parts) => canceled(kind, &vec![json!({"Code": "ThrottlingError"}); *parts]),
            Self::Throttled => {
                json!({"__type": dynamodbs(kind), "message": "Throughput exceeds the current capacity of your table or index."})
            }
            Self::NotFound(what) => json!({"__type": kind, "message": format!("no such {what}")}),
            Self::UnknownOperation(name) => json!({"__type": kind, "message": name}),
        }
    }
}

fn dynamodbs(kind: &str) -> String {
    format!("com.amazonaws.dynamodb.v20120810#{kind}")
}

fn canceled(kind: &str, reasons: &[Value]) -> Value {
    json!({
        "__type": dynamodbs(kind),
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": reasons,
    })
}

fn reason(refusal: Option<&Refusal>) -> Value {
    let failed = json!({"Code": "ConditionalCheckFailed", "Message": CONDITION_FAILED});
    refusal.map_or_else(|| json!({"Code": "None"}), |refusal| with_item(failed, refusal))
}

fn with_item(mut body: Value, refusal: &Refusal) -> Value {
    if let Some(item) = &refusal.item {
        body["Item"] = json!(item);
    }
    body
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Validation(format!("not a request that the stand-in supports: {error}"))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        respond(StatusCode::BAD_REQUEST, self.body().to_string())
    }
}

/// Creates a response of an AWS service.
pub(crate) fn respond(status: StatusCode, body: String) -> Response {
    // Every response of AWS has a request id, and clients read it.
    let headers = [(CONTENT_TYPE.as_str(), JSON), ("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")];
    (status, headers, body).into_response()
}

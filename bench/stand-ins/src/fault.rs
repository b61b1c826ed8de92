//! Refusals, in the form in which AWS's JSON protocols carry them.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The media type of all answers.
const JSON: &str = "application/x-amz-json-1.0";
const CONDITION_FAILED: &str = "The conditional request failed";

/// Why a call was refused.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request is wrong, or holds something that this program does not know.
    Validation(String),
    /// The item is not as the condition wants it.
    ConditionFailed(Refusal),
    /// For each part of a transaction: none when its condition holds.
    TransactionCanceled(Vec<Option<Refusal>>),
    /// The partition takes no more at the moment.
    Throttled,
    /// The same, of a transaction with so many parts.
    TransactionThrottled(usize),
    /// No such table, queue or secret.
    NotFound(&'static str),
    /// An operation that no function of ours calls.
    UnknownOperation(String),
}

/// A condition that does not hold.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What stands there, where that was asked for.
    pub(crate) item: Option<Box<RawValue>>,
}

impl Fault {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// The exception's name.
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
        Self::Validation(format!("not a request that the stand-in knows: {error}"))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        answer(StatusCode::BAD_REQUEST, self.body().to_string())
    }
}

/// An answer of an AWS service.
pub(crate) fn answer(status: StatusCode, body: String) -> Response {
    // Every answer of AWS has such an id, and clients read it.
    let headers = [(CONTENT_TYPE.as_str(), JSON), ("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")];
    (status, headers, body).into_response()
}

//! The response to the caller, and the errors with their types.

use std::time::Duration;

use belvo::ProviderError;
use belvo::{Error, SubmitError};
use domain::{EpochMillis, LinkId, RequestId};
use lambda_runtime::Diagnostic;
use queue::QueueError;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};
use store::{RequestStatus, StoreError};

use crate::InvalidInput;

/// The response to a successful action. Its `Debug` shows no credential.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// Belvo accepted an order.
    Accepted {
        /// The action.
        action: &'static str,
        /// Belvo's id of the request, without dashes; `None` if Belvo carried out the order synchronously.
        request_id: Option<String>,
        /// `accepted` or `done`. An order that was sent before can also be `completed` or `timed_out`.
        status: &'static str,
        /// `true` if the order was sent before with the same key.
        repeated: bool,
        /// `true` if the request is in the table, or its messages are in the queue. Otherwise only a webhook will tell of it.
        stored: bool,
    },
    /// A token for the Connect widget: a credential, valid for ten minutes and one use.
    Token {
        /// `widget_token`
        action: &'static str,
        /// The token.
        #[serde(serialize_with = "exposed")]
        access: SecretString,
    },
    /// Listings were enqueued.
    Resync {
        /// `resync`
        action: &'static str,
        /// The link.
        link_id: String,
        /// The resources.
        resources: Vec<String>,
    },
}

/// An error of an action. The text repeats neither the input nor Belvo's response, except for its error codes.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The input is invalid.
    #[error(transparent)]
    InvalidInput(#[from] InvalidInput),
    /// No resource of the link is synced.
    #[error("nothing of this link is synced yet; name its resources in `resources`")]
    NothingSynced,
    /// The key was used for another order.
    #[error("idempotency_key: was used for another order")]
    IdempotencyKeyReused,
    /// The order was sent, but its outcome is unknown.
    #[error(
        "unknown whether Belvo accepted the order ({0}); a webhook may still tell; sent again, it may be carried out twice"
    )]
    OutcomeUnknown(Error),
    /// An earlier order with the same key has an unknown outcome.
    #[error(
        "an earlier attempt with this key, begun at {began_at} (epoch milliseconds), has no known outcome; it may still \
         run; to send the order again, use another key"
    )]
    EarlierOutcomeUnknown {
        /// The time of that attempt.
        began_at: EpochMillis,
    },
    /// The link was refreshed a few minutes ago.
    #[error("the link was refreshed already; try again {}", when(*.wait))]
    LinkRefreshedAlready {
        /// The time to wait, if Belvo returned one.
        wait: Option<Duration>,
    },
    /// The link was erased in this stack.
    #[error("the link was erased in this stack, which stores nothing of it any more; ask Belvo directly")]
    LinkErased,
    /// Belvo does not have the link.
    #[error("Belvo does not have this link")]
    LinkNotFound,
    /// The link's user must act first.
    #[error("Belvo cannot use the link before its user acts: {0}")]
    LinkUnusable(String),
    /// Belvo rate limited the request.
    #[error("Belvo rate limited the request; nothing was done, try again later")]
    RateLimited,
    /// Belvo rejected the API key.
    #[error("Belvo rejected the API key of this stack")]
    Unauthorized,
    /// Belvo rejected the order for another reason.
    #[error("Belvo rejected the order: {0}")]
    BelvoRefused(Error),
    /// A dependency failed before the order was sent. A retry is harmless.
    #[error("nothing was done: {0}")]
    Unavailable(String),
}

impl Response {
    pub(crate) fn accepted(action: &'static str, id: &RequestId, is_stored: bool) -> Self {
        let (request_id, status) = (Some(id.as_str().to_owned()), RequestStatus::Accepted.as_str());
        Self::Accepted { action, request_id, status, repeated: false, stored: is_stored }
    }

    pub(crate) fn done(action: &'static str, is_stored: bool) -> Self {
        Self::Accepted { action, request_id: None, status: "done", repeated: false, stored: is_stored }
    }

    pub(crate) fn token(access: SecretString) -> Self {
        Self::Token { action: "widget_token", access }
    }

    pub(crate) fn resync(link: &LinkId, resources: &[&str]) -> Self {
        let resources = resources.iter().map(|&resource| resource.to_owned()).collect();
        Self::Resync { action: "resync", link_id: link.as_str().to_owned(), resources }
    }

    /// Marks the response as that to an order that was sent before.
    pub(crate) fn repeated(mut self) -> Self {
        if let Self::Accepted { repeated, .. } = &mut self {
            *repeated = true;
        }
        self
    }

    pub(crate) fn with_status(mut self, is: RequestStatus) -> Self {
        if let Self::Accepted { status, .. } = &mut self {
            *status = is.as_str();
        }
        self
    }

    /// For the log.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Accepted { status, .. } => status,
            Self::Token { .. } | Self::Resync { .. } => "done",
        }
    }

    /// For the log.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Accepted { request_id, .. } => request_id.as_deref(),
            Self::Token { .. } | Self::Resync { .. } => None,
        }
    }
}

impl ActionError {
    /// Lambda's `errorType`, for the `ErrorEquals` of a state machine.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::InvalidInput(_) => "InvalidInput",
            Self::NothingSynced => "NothingSynced",
            Self::IdempotencyKeyReused => "IdempotencyKeyReused",
            Self::OutcomeUnknown(_) | Self::EarlierOutcomeUnknown { .. } => "OutcomeUnknown",
            Self::LinkRefreshedAlready { .. } => "LinkRefreshedAlready",
            Self::LinkErased => "LinkErased",
            Self::LinkNotFound => "LinkNotFound",
            Self::LinkUnusable(_) => "LinkUnusable",
            Self::RateLimited => "RateLimited",
            Self::Unauthorized => "Unauthorized",
            Self::BelvoRefused(_) => "BelvoRefused",
            Self::Unavailable(_) => "Unavailable",
        }
    }

    /// Converts an error of a widget token. A token changes nothing, so a retry is always harmless.
    pub(crate) fn of_token(error: SubmitError) -> Self {
        match error {
            SubmitError::Unknown(fault) => Self::Unavailable(fault.to_string()),
            rejected => rejected.into(),
        }
    }
}

impl From<SubmitError> for ActionError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Unknown(fault) => Self::OutcomeUnknown(fault),
            SubmitError::RefreshedAlready { wait } => Self::LinkRefreshedAlready { wait },
            SubmitError::Refused(Error::NotFound { confirmed: true }) => Self::LinkNotFound,
            SubmitError::Refused(Error::LinkRefused { code }) => Self::LinkUnusable(code),
            SubmitError::Refused(Error::RateLimited { .. } | Error::RefusedByEdge) => Self::RateLimited,
            SubmitError::Refused(Error::Unauthorized) => Self::Unauthorized,
            SubmitError::Refused(error @ Error::Unreachable(_)) => Self::Unavailable(error.to_string()),
            SubmitError::Refused(error) => Self::BelvoRefused(error),
        }
    }
}

impl From<StoreError> for ActionError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<QueueError> for ActionError {
    fn from(error: QueueError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<ProviderError> for ActionError {
    fn from(error: ProviderError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<ActionError> for Diagnostic {
    fn from(error: ActionError) -> Self {
        Self { error_type: error.error_type().to_owned(), error_message: error.to_string() }
    }
}

fn when(wait: Option<Duration>) -> String {
    wait.map_or("in ten minutes".to_owned(), |wait| format!("in {} minutes", wait.as_secs().div_ceil(60)))
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

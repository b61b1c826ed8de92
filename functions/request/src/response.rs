//! What a caller gets: an answer, or a refusal with a type that programs can tell apart.

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

/// What an action came to. Its `Debug` shows no credential.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// Belvo took an order.
    Taken {
        /// Which action it was.
        action: &'static str,
        /// Belvo's id for it, without dashes; none when Belvo did it at once.
        request_id: Option<String>,
        /// `accepted`, or `done`; of an order that was sent before, how far it is: also `completed` or `timed_out`.
        status: &'static str,
        /// Was it sent before, under the same key?
        repeated: bool,
        /// Is it in the table, or what follows from it in the queue? `false` says that only a webhook will tell of it.
        stored: bool,
    },
    /// A token for the Connect widget: a credential, good for ten minutes and one use.
    Token {
        /// `widget_token`
        action: &'static str,
        /// The token.
        #[serde(serialize_with = "exposed")]
        access: SecretString,
    },
    /// Listings are in the queue.
    Resync {
        /// `resync`
        action: &'static str,
        /// Of which link.
        link_id: String,
        /// Of which resources.
        resources: Vec<String>,
    },
}

/// Why an action came to nothing, or to nothing that is known. Never repeats input or what Belvo wrote, but for its codes.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The input is wrong.
    #[error(transparent)]
    InvalidInput(#[from] InvalidInput),
    /// Nothing is known of the link.
    #[error("nothing of this link is synced yet; name its resources in `resources`")]
    NothingSynced,
    /// The key stands for another order.
    #[error("idempotency_key: was used for another order")]
    IdempotencyKeyReused,
    /// The order left, and no answer says what became of it.
    #[error(
        "it is not known whether Belvo took the order ({0}); a webhook may still tell; sent again, it may be done twice"
    )]
    OutcomeUnknown(Error),
    /// The same, of an order that left earlier.
    #[error(
        "an earlier attempt with this key, begun at {began_at} (epoch milliseconds), has no known outcome; it may still \
         run; to have it sent again all the same, use another key"
    )]
    EarlierOutcomeUnknown {
        /// When that was.
        began_at: EpochMillis,
    },
    /// The link was refreshed minutes ago.
    #[error("the link was refreshed already; try again {}", when(*.wait))]
    LinkRefreshedAlready {
        /// How long to wait, if Belvo said.
        wait: Option<Duration>,
    },
    /// The link was erased here.
    #[error("the link was erased in this stack, which stores nothing of it any more; ask Belvo directly")]
    LinkErased,
    /// Belvo does not have the link.
    #[error("Belvo does not have this link")]
    LinkNotFound,
    /// The user has to act first.
    #[error("Belvo cannot use the link before its user acts: {0}")]
    LinkUnusable(String),
    /// Belvo wants fewer requests.
    #[error("Belvo asks for fewer requests; nothing was done, try again later")]
    RateLimited,
    /// Belvo does not accept our API key.
    #[error("Belvo refused the API key of this stack")]
    Unauthorized,
    /// Belvo refused for another reason.
    #[error("Belvo refused the order: {0}")]
    BelvoRefused(Error),
    /// Something that this needs was not there. Nothing was asked of Belvo, and asking again is harmless.
    #[error("nothing was done: {0}")]
    Unavailable(String),
}

impl Response {
    pub(crate) fn accepted(action: &'static str, id: &RequestId, is_stored: bool) -> Self {
        let (request_id, status) = (Some(id.as_str().to_owned()), RequestStatus::Accepted.as_str());
        Self::Taken { action, request_id, status, repeated: false, stored: is_stored }
    }

    pub(crate) fn done(action: &'static str, is_stored: bool) -> Self {
        Self::Taken { action, request_id: None, status: "done", repeated: false, stored: is_stored }
    }

    pub(crate) fn token(access: SecretString) -> Self {
        Self::Token { action: "widget_token", access }
    }

    pub(crate) fn resync(link: &LinkId, resources: &[&str]) -> Self {
        let resources = resources.iter().map(|&resource| resource.to_owned()).collect();
        Self::Resync { action: "resync", link_id: link.as_str().to_owned(), resources }
    }

    /// The same, of an order that was sent before.
    pub(crate) fn repeated(mut self) -> Self {
        if let Self::Taken { repeated, .. } = &mut self {
            *repeated = true;
        }
        self
    }

    pub(crate) fn with_status(mut self, is: RequestStatus) -> Self {
        if let Self::Taken { status, .. } = &mut self {
            *status = is.as_str();
        }
        self
    }

    /// For the log.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Taken { status, .. } => status,
            Self::Token { .. } | Self::Resync { .. } => "done",
        }
    }

    /// For the log.
    pub(crate) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Taken { request_id, .. } => request_id.as_deref(),
            Self::Token { .. } | Self::Resync { .. } => None,
        }
    }
}

impl Refusal {
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

    /// Of a widget token, which changes nothing: asking again is harmless, whatever happened.
    pub(crate) fn of_token(not_taken: SubmitError) -> Self {
        match not_taken {
            SubmitError::Unknown(fault) => Self::Unavailable(fault.to_string()),
            refused => refused.into(),
        }
    }
}

impl From<SubmitError> for Refusal {
    fn from(not_taken: SubmitError) -> Self {
        match not_taken {
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

impl From<StoreError> for Refusal {
    fn from(trouble: StoreError) -> Self {
        Self::Unavailable(trouble.to_string())
    }
}

impl From<QueueError> for Refusal {
    fn from(trouble: QueueError) -> Self {
        Self::Unavailable(trouble.to_string())
    }
}

impl From<ProviderError> for Refusal {
    fn from(trouble: ProviderError) -> Self {
        Self::Unavailable(trouble.to_string())
    }
}

impl From<Refusal> for Diagnostic {
    fn from(refusal: Refusal) -> Self {
        Self { error_type: refusal.error_type().to_owned(), error_message: refusal.to_string() }
    }
}

fn when(wait: Option<Duration>) -> String {
    wait.map_or("in ten minutes".to_owned(), |wait| format!("in {} minutes", wait.as_secs().div_ceil(60)))
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

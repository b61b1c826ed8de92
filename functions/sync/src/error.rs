//! Errors of a job. After each of them the message returns to the queue.

use std::time::Duration;

use belvo::ProviderError;
use domain::DecodeError;
use queue::QueueError;
use store::{PassError, StoreError};

use crate::outcome::LinkEnd;

/// The number of pages or objects that a job keeps even when Belvo asks for fewer requests. At the default rate, 72 requests
/// in 30 seconds, reading 20 again takes about 9 seconds.
const MUCH_PROGRESS: u64 = 20;

/// An error after which the message returns to the queue. After `MaxReceiveCount` attempts SQS moves the message to the
/// dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The body is no message that this release reads. It does not pass by itself: a deployment or an operator repairs it.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// A request to Belvo failed.
    #[error(transparent)]
    Belvo(#[from] belvo::Error),
    /// A call to DynamoDB failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client of Belvo has no credentials or no settings.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A later pass over the link has begun, and this one stopped. Passes at once.
    #[error("another pass over the link has begun")]
    Overtaken,
    /// Belvo knows neither the list nor the link. Credentials of another environment of Belvo's cause the same answers, so
    /// an operator decides, at the dead-letter queue at the latest.
    #[error("Belvo does not know the link")]
    LinkGone,
    /// Belvo announced that the link was deleted and still has it. Its reads may lag.
    #[error("Belvo still has a link that it announced as deleted")]
    LinkStillThere,
    /// SQS did not accept the continuation.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The job did not end before its deadline.
    #[error("the job did not end before its deadline")]
    OutOfTime,
    /// Belvo lists fewer new objects than it announced. After two retries the job records the difference.
    #[error("Belvo lists fewer objects than it announced")]
    FewerThanAnnounced,
    /// The list has more pages than the sync function reads.
    #[error("the list has more pages than are read")]
    TooManyPages,
}

/// Why a plan was not carried out.
pub(crate) enum PlanError {
    /// The link was deleted or erased. The message ends.
    LinkEnded(LinkEnd),
    /// The message returns to the queue.
    Failed(JobError),
}

impl JobError {
    /// Returns the word for logs, metrics and the table.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Belvo(error) => error.kind(),
            Self::Store(_) => "store",
            Self::Provider(ProviderError::Secret(_)) => "secret",
            Self::Provider(ProviderError::Settings(_)) => "settings",
            Self::Overtaken => "overtaken",
            Self::LinkGone => "link_gone",
            Self::LinkStillThere => "link_still_there",
            Self::Queue(_) => "queue",
            Self::OutOfTime => "out_of_time",
            Self::FewerThanAnnounced => "fewer_than_announced",
            Self::TooManyPages => "too_many_pages",
        }
    }

    /// Returns the wait that Belvo requires.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Belvo(belvo::Error::RateLimited { retry_after }) => *retry_after,
            _ => None,
        }
    }
}

/// Returns `true` if a job keeps so many pages or objects that it read before this error, and a continuation does the rest.
/// When rate limited, the job backs off instead, unless that would discard a lot of progress.
pub(crate) fn keeps_progress(error: &belvo::Error, done: u64) -> bool {
    match error {
        belvo::Error::RateLimited { .. } | belvo::Error::RefusedByEdge => done >= MUCH_PROGRESS,
        _ => done > 0,
    }
}

impl<E: Into<JobError>> From<E> for PlanError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<PassError> for PlanError {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Erased => Self::LinkEnded(LinkEnd::Erased),
            PassError::Deleted => Self::LinkEnded(LinkEnd::Deleted),
            PassError::Store(error) => Self::Failed(error.into()),
        }
    }
}

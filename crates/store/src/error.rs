//! The errors of the table's calls.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// An error of a call to the table. It contains no content of any item.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed after the SDK's own retries. A later retry may succeed.
    #[error("the call to DynamoDB failed: {0}")]
    CallFailed(String),
    /// This release cannot read an item of the table. A retry does not help.
    #[error("an item of the table cannot be read: {0}")]
    Unreadable(&'static str),
    /// Other passes moved the link's clock before each attempt, or a later pass recorded its start first: then this one was
    /// overtaken. A later retry may succeed.
    #[error("the link's clock is contended")]
    Contended,
}

/// The reason why a pass cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The link's data was erased. The table stores nothing for the link again.
    #[error("the link was erased")]
    Erased,
    /// Belvo deleted the link. The table stores nothing for the link again.
    #[error("the link was deleted")]
    Deleted,
    /// The call to the table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The error of an update that the SDK's builder rejects: a table, a key or an expression is missing. No update lacks one.
pub(crate) const BUILD_FAILED: StoreError = StoreError::Unreadable("an update that cannot be built");

pub(crate) fn call_failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StoreError {
    StoreError::CallFailed(runtime::aws::describe_error(error))
}

//! The table and the one kind of error that its calls have.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

/// The table.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// DynamoDB did not do what it was asked. Carries no content of any item.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The call failed after the SDK's own attempts. Passes.
    #[error("the call to DynamoDB failed: {0}")]
    CallFailed(String),
    /// An item lies in the table that this release cannot read.
    #[error("an item of the table cannot be read: {0}")]
    Unreadable(&'static str),
    /// Others moved the link's clock each time we tried. Passes.
    #[error("the link's clock is contended")]
    Contended,
}

impl Table {
    /// The table with this name.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }
}

/// Sends a conditional update. None when its condition refuses it.
pub(crate) async fn send_if_allowed(update: UpdateItemFluentBuilder) -> Result<Option<UpdateItemOutput>, StoreError> {
    match update.send().await {
        Ok(output) => Ok(Some(output)),
        Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => Ok(None),
        Err(error) => Err(call_failed(&error)),
    }
}

pub(crate) fn call_failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StoreError {
    StoreError::CallFailed(runtime::aws::describe_error(error))
}

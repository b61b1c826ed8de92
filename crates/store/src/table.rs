//! The table and the one kind of error that its calls have.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// The table.
#[derive(Debug, Clone)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// DynamoDB did not do what it was asked. Carries no content of any item.
#[derive(Debug, thiserror::Error)]
pub enum StoreTrouble {
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

/// The failure of a call, told by its code. DynamoDB's messages are left out: a validation message can repeat a key.
pub(crate) fn call_failed<E, R>(error: SdkError<E, R>) -> StoreTrouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let told = match error.code() {
        Some(code) => code.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    };
    StoreTrouble::CallFailed(told)
}

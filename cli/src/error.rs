//! Why a command came to nothing.

use std::io;
use std::path::{Path, PathBuf};

use queue::QueueError;
use runtime::aws::describe_error;
use store::{PassError, StoreError};

/// Why a command came to nothing. Never holds a credential or anything about a person.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// CloudFormation does not know it, or not with what belvo-sync has.
    #[error("there is no stack {name:?} of belvo-sync here: {why}")]
    NoStack {
        /// The name that was asked for.
        name: String,
        /// What is missing.
        why: String,
    },
    /// A service of AWS did not do what it was asked.
    #[error("{service} failed: {why}")]
    Aws {
        /// Which.
        service: &'static str,
        /// AWS's error code and message.
        why: String,
    },
    /// SQS did not take a message.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// DynamoDB did not do what it was asked.
    #[error(transparent)]
    Table(#[from] StoreError),
    /// The link's clock could not be moved.
    #[error(transparent)]
    Link(#[from] PassError),
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A secret is not what it should be.
    #[error("the secret does not have the documented form")]
    SecretMalformed,
    /// What was given cannot be used.
    #[error("{0}")]
    Input(String),
    /// Belvo does not accept a key, or cannot be asked.
    #[error("Belvo did not accept the new key, so nothing was changed: {0}")]
    Belvo(belvo::Error),
    /// Belvo did not give its list of links.
    #[error("Belvo did not give its list of links: {0}")]
    BelvoList(belvo::Error),
    /// Belvo's list of links was gone through up to here.
    #[error("{error}; to go on where this stopped: {page}")]
    AtPage {
        /// The options that name the page that did not come to its end.
        page: String,
        /// Why.
        error: Box<Error>,
    },
    /// Belvo gave its list of links but for some pages.
    #[error(
        "Belvo did not give all of its list of links: {error}; everything else was done; to go on where the first page is missing: {first}"
    )]
    PagesLeftOut {
        /// The options that name the first of them.
        first: String,
        /// Why it is missing.
        error: belvo::Error,
    },
    /// Something was waited for in vain.
    #[error("{0}")]
    Waited(String),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }
}

/// For `map_err` on a call to a service.
pub(crate) fn failed<E, R>(service: &'static str) -> impl FnOnce(aws_sdk_dynamodb::error::SdkError<E, R>) -> Error
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata,
{
    move |error| Error::Aws { service, why: describe_error(&error) }
}

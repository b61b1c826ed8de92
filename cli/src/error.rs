//! The errors of the commands.

use std::io;
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use queue::QueueError;
use runtime::aws::describe_error;
use store::{PassError, StoreError};

/// An error that ends a command. It holds neither credentials nor personal data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// CloudFormation does not have the stack, or the stack is not one of belvo-sync.
    #[error("there is no stack {name:?} of belvo-sync here: {reason}")]
    NoStack {
        /// The requested name.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// A call to an AWS service failed.
    #[error("{service} failed: {reason}")]
    Aws {
        /// The service.
        service: &'static str,
        /// AWS's error code, or the stage at which the call failed.
        reason: String,
    },
    /// SQS did not accept a message.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// DynamoDB did not read or write an item.
    #[error(transparent)]
    Table(#[from] StoreError),
    /// A pass over a link could not begin.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// A secret does not have the documented form.
    #[error("the secret does not have the documented form")]
    SecretMalformed,
    /// The command line, the standard input or a given file is unusable.
    #[error("{0}")]
    Input(String),
    /// Belvo rejected a new API key, or could not be reached.
    #[error("Belvo did not accept the new key, so nothing was changed: {0}")]
    NewKey(belvo::Error),
    /// Belvo did not return its list of links.
    #[error("Belvo did not return its list of links: {0}")]
    LinkList(belvo::Error),
    /// A command over Belvo's list of links stopped at a page.
    #[error("{error}; to resume: {resume}")]
    StoppedAtPage {
        /// The options that resume the command at the first unfinished page.
        resume: String,
        /// Why the command stopped.
        error: Box<Error>,
    },
    /// Belvo did not return some pages of its list of links.
    #[error(
        "Belvo did not return all of its list of links: {error}; the other pages are done; \
         to resume at the first missing page: {resume}"
    )]
    MissingPages {
        /// The options that resume the command at the first missing page.
        resume: String,
        /// Why that page is missing.
        error: belvo::Error,
    },
    /// The command ended before all its work was done.
    #[error("{0}")]
    Incomplete(String),
}

impl Error {
    /// Returns a function for `map_err` on an operation on a file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }

    /// Returns a function for `map_err` on a call to an AWS service.
    pub(crate) fn aws<E: ProvideErrorMetadata, R>(service: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self {
        move |error| Self::Aws { service, reason: describe_error(&error) }
    }
}

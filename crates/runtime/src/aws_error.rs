//! What to say of a failed AWS call.
//!
//! The SDK's own texts are not fit for a log: a validation message repeats keys and values, and the context of an
//! answer that cannot be read prints its bytes, which may be the secret that was asked for. What is said here is the
//! service's error code, or where on the way the call failed.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A few words on a failed call, for logs and errors.
#[must_use]
pub fn describe<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let told = match error {
        SdkError::ConstructionFailure(_) => "the request could not be made",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "no connection in time",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "an answer that cannot be read",
        SdkError::ServiceError(error) => error.err().code().unwrap_or("an error without a code"),
        _ => "a failure of an unknown kind",
    };
    told.to_owned()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[derive(Debug)]
    struct Refusal(ErrorMetadata);

    impl ProvideErrorMetadata for Refusal {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[test]
    fn the_code_is_told_and_neither_the_message_nor_the_answer() {
        let meta = ErrorMetadata::builder().code("ValidationException").message("CANARY").build();
        let refused = SdkError::service_error(Refusal(meta), "CANARY");
        assert_eq!(describe(&refused), "ValidationException");
        let unreadable: SdkError<Refusal, &str> = SdkError::response_error("CANARY", "CANARY");
        assert_eq!(describe(&unreadable), "an answer that cannot be read");
        let late: SdkError<Refusal, &str> = SdkError::timeout_error("CANARY");
        assert_eq!(describe(&late), "no answer in time");
    }
}

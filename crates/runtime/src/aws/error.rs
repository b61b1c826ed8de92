//! Descriptions of failed AWS calls for logs.
//!
//! The SDK's own texts are not fit for a log. A validation message repeats keys and values. The context of a malformed
//! response prints its bytes, which may be a secret.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Returns the service's error code, or the step at which the call failed.
#[must_use]
pub fn describe_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let description = match error {
        SdkError::ConstructionFailure(_) => "invalid request",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "connection timed out",
        SdkError::DispatchFailure(_) => "connection failed",
        SdkError::ResponseError(_) => "malformed response",
        SdkError::ServiceError(error) => error.err().code().unwrap_or("error without a code"),
        _ => "unknown failure",
    };
    description.to_owned()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[derive(Debug)]
    struct Rejection(ErrorMetadata);

    impl ProvideErrorMetadata for Rejection {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[test]
    fn a_description_has_the_code_and_neither_the_message_nor_the_response() {
        let meta = ErrorMetadata::builder().code("ValidationException").message("CANARY").build();
        let rejected = SdkError::service_error(Rejection(meta), "CANARY");
        assert_eq!(describe_error(&rejected), "ValidationException");
        let malformed: SdkError<Rejection, &str> = SdkError::response_error("CANARY", "CANARY");
        assert_eq!(describe_error(&malformed), "malformed response");
        let late: SdkError<Rejection, &str> = SdkError::timeout_error("CANARY");
        assert_eq!(describe_error(&late), "timed out");
    }
}

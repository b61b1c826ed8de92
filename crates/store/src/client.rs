//! Transactions that DynamoDB canceled though no condition failed.

use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;

/// Has a transaction tried again that was canceled because a partition was busy, or because another call wrote one of its
/// items at the same time. By itself the SDK takes every cancellation for an answer. (Source: API reference of
/// `TransactWriteItems`, "Cancellation reasons".)
#[derive(Debug)]
pub(crate) struct RetryCanceled;

impl ClassifyRetry for RetryCanceled {
    fn name(&self) -> &'static str {
        "canceled transactions"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let error = error.and_then(|error| error.as_operation_error()?.downcast_ref());
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error else {
            return RetryAction::NoActionIndicated;
        };
        let passes =
            |code: &&str| matches!(*code, "ThrottlingError" | "ProvisionedThroughputExceeded" | "TransactionConflict");
        let reasons = canceled.cancellation_reasons().iter().filter_map(CancellationReason::code);
        let reasons: Vec<_> = reasons.filter(|code| *code != "None").collect();
        if !reasons.is_empty() && reasons.iter().all(passes) {
            return RetryAction::throttling_error();
        }
        RetryAction::NoActionIndicated
    }
}

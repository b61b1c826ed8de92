//! The DynamoDB client, with retries of write conflicts.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};

/// Returns a DynamoDB client that retries write conflicts. All clients of the product come from here. Any other client fails a
/// whole message or run when a transaction writes the same item at the same time. (`tools/check_boundaries.py` finds others.)
#[must_use]
pub fn client(config: Builder) -> Client {
    Client::from_conf(config.retry_classifier(RetryConflicts).build())
}

/// Retries write conflicts, with the backoff of throttling: a write that DynamoDB rejected because another call writes the same
/// item at the same time, and a transaction that it canceled for that reason or because a partition was throttled. Conflicts
/// last milliseconds. The SDK itself retries neither. (Sources: API reference of `UpdateItem`,
/// "`TransactionConflictException`", and of `TransactWriteItems`, "Cancellation reasons".)
#[derive(Debug)]
struct RetryConflicts;

impl ClassifyRetry for RetryConflicts {
    fn name(&self) -> &'static str {
        "conflicts with other writers"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        match error {
            Some(error) if is_conflict(error) || is_canceled_by_others(error) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }
}

/// Returns `true` if a transaction was writing the same item. For calls that write a single item.
fn is_conflict(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(UpdateItemError::TransactionConflictException(_)))
        || matches!(error.downcast_ref(), Some(PutItemError::TransactionConflictException(_)))
        || matches!(error.downcast_ref(), Some(DeleteItemError::TransactionConflictException(_)))
}

/// Returns `true` if DynamoDB canceled the transaction only for conflicts and throttling, and no condition of it failed.
fn is_canceled_by_others(error: &Error) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.downcast_ref() else {
        return false;
    };
    let is_retryable =
        |code: &&str| matches!(*code, "ThrottlingError" | "ProvisionedThroughputExceeded" | "TransactionConflict");
    let reasons = canceled.cancellation_reasons().iter().filter_map(CancellationReason::code);
    let reasons: Vec<_> = reasons.filter(|code| *code != "None").collect();
    !reasons.is_empty() && reasons.iter().all(is_retryable)
}

//! The client of DynamoDB, which retries what passes by itself.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::interceptors::context::{Error, InterceptorContext};

/// Returns a client of DynamoDB. Every client of the product is made here: one that is made otherwise fails a whole message or
/// run when a transaction writes the same item at the same moment. (`tools/check_boundaries.py` looks for others.)
#[must_use]
pub fn client(config: Builder) -> Client {
    Client::from_conf(config.retry_classifier(RetryConflicts).build())
}

/// Retries a write that DynamoDB refused because another call writes the same item at the same moment, and a transaction that it
/// canceled for that or because a partition was busy. Both pass within milliseconds, and count as throttling. The SDK itself
/// retries neither. (Sources: API reference of `UpdateItem`, "`TransactionConflictException`", and of `TransactWriteItems`,
/// "Cancellation reasons".)
#[derive(Debug)]
struct RetryConflicts;

impl ClassifyRetry for RetryConflicts {
    fn name(&self) -> &'static str {
        "conflicts with other writers"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err).and_then(|error| error.as_operation_error());
        match error {
            Some(error) if met_a_transaction(error) || was_canceled_for_others(error) => {
                RetryAction::throttling_error()
            }
            _ => RetryAction::NoActionIndicated,
        }
    }
}

/// Of the calls that write a single item.
fn met_a_transaction(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(UpdateItemError::TransactionConflictException(_)))
        || matches!(error.downcast_ref(), Some(PutItemError::TransactionConflictException(_)))
        || matches!(error.downcast_ref(), Some(DeleteItemError::TransactionConflictException(_)))
}

/// Did no condition of the transaction itself fail?
fn was_canceled_for_others(error: &Error) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.downcast_ref() else {
        return false;
    };
    let passes =
        |code: &&str| matches!(*code, "ThrottlingError" | "ProvisionedThroughputExceeded" | "TransactionConflict");
    let reasons = canceled.cancellation_reasons().iter().filter_map(CancellationReason::code);
    let reasons: Vec<_> = reasons.filter(|code| *code != "None").collect();
    !reasons.is_empty() && reasons.iter().all(passes)
}

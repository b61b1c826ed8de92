//! The clients of the AWS services, with their timeouts and retries.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use runtime::aws::{CallLimit, SdkConfig, timeouts};

/// Timeouts of a call to SQS or Secrets Manager.
pub(crate) const CALL_LIMIT: CallLimit =
    CallLimit { total: Duration::from_secs(3), attempt: Duration::from_millis(1_500) };
/// Timeouts of a call to DynamoDB.
const TABLE_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(20), attempt: Duration::from_secs(3) };
/// Maximum number of attempts of a call to DynamoDB. [`TABLE_LIMIT`] ends a call before it reaches them.
const TABLE_ATTEMPTS: u32 = 40;
/// Initial and maximum backoff between the attempts of a call to DynamoDB.
const TABLE_BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// Capacity of the retry token bucket. A retry after a timeout or a server error costs 10 tokens, so all concurrent writes can
/// fail twice before the client stops retrying.
const TABLE_TOKENS: usize = 2_500;
/// Tokens that return to the bucket each second.
const TABLE_TOKENS_A_SECOND: f32 = 50.0;

pub(crate) fn dynamodb(aws: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(aws).timeout_config(timeouts(TABLE_LIMIT));
    store::client(with_throttling_retries(config))
}

/// Configures a client that retries throttled calls until their timeout.
///
/// A link is one partition of the table, and a large link reaches the partition's limit of writes. Throttling is normal
/// then, so it costs no retry tokens. The default of the SDK is a bucket of 500 tokens and 5 tokens for each retry. With that
/// every load of more than a few thousand records would fail, on each attempt.
pub(crate) fn with_throttling_retries(config: aws_sdk_dynamodb::config::Builder) -> aws_sdk_dynamodb::config::Builder {
    let [initial, maximum] = TABLE_BACKOFF;
    let retries = RetryConfig::standard()
        .with_max_attempts(TABLE_ATTEMPTS)
        .with_initial_backoff(initial)
        .with_max_backoff(maximum);
    let tokens = TokenBucket::builder()
        .capacity(TABLE_TOKENS)
        .refill_rate(TABLE_TOKENS_A_SECOND)
        .throttling_retry_cost(0)
        .build();
    config.retry_config(retries).retry_partition(RetryPartition::custom("table").token_bucket(tokens).build())
}

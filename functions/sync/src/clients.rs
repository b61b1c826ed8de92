//! The clients of AWS's services: how long a call may take, and how often it is tried.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use runtime::aws::{CallLimit, SdkConfig, timeouts};

/// What one call to SQS or Secrets Manager may take.
const CALL_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(3), attempt: Duration::from_millis(1_500) };
/// What one call to DynamoDB may take.
const TABLE_LIMIT: CallLimit = CallLimit { total: Duration::from_secs(20), attempt: Duration::from_secs(3) };
/// More than fit into that time.
const TABLE_ATTEMPTS: u32 = 40;
/// Before a call is tried for the second time it waits up to so long, each time up to twice as long, up to the second.
const TABLE_BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// A call that got no answer, or that DynamoDB failed, costs ten tokens to try again. With these, all the writes that are under
/// way at once can fail twice before the table counts as down; and so many come back in a second.
const TABLE_TOKENS: usize = 2_500;
const TABLE_TOKENS_A_SECOND: f32 = 50.0;

pub(crate) fn secrets(aws: &SdkConfig) -> aws_sdk_secretsmanager::Client {
    runtime::secrets_client(aws, CALL_LIMIT)
}

pub(crate) fn sqs(aws: &SdkConfig) -> aws_sdk_sqs::Client {
    queue::client(aws, CALL_LIMIT)
}

pub(crate) fn dynamodb(aws: &SdkConfig) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::config::Builder::from(aws).timeout_config(timeouts(TABLE_LIMIT));
    store::client(with_throttling_retries(config))
}

/// One link is one partition of the table, and a large link fills what that can take: throttling is what is to be expected
/// there. So it costs no tokens, and is waited out within the time of the call. With the SDK's own settings (500 tokens, of
/// which each further attempt takes five) a load of more than a few thousand records would fail, again each time it came
/// back.
pub(crate) fn with_throttling_retries(config: aws_sdk_dynamodb::config::Builder) -> aws_sdk_dynamodb::config::Builder {
    let [first, longest] = TABLE_BACKOFF;
    let retries =
        RetryConfig::standard().with_max_attempts(TABLE_ATTEMPTS).with_initial_backoff(first).with_max_backoff(longest);
    let tokens = TokenBucket::builder()
        .capacity(TABLE_TOKENS)
        .refill_rate(TABLE_TOKENS_A_SECOND)
        .throttling_retry_cost(0)
        .build();
    config.retry_config(retries).retry_partition(RetryPartition::custom("table").token_bucket(tokens).build())
}

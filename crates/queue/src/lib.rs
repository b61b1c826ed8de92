//! The SQS FIFO queue between the functions.
//!
//! [`Queue::send`] succeeds only if SQS has stored every message. Then the webhook function acknowledges the webhook.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use domain::Message;
use futures_util::{StreamExt, TryStreamExt, stream};
use runtime::aws::{CallLimit, SdkConfig, describe_error, timeouts};

/// Maximum number of messages in one call. (Source: SQS API reference, `SendMessageBatch`.)
const MAX_BATCH_MESSAGES: usize = 10;
/// Maximum bytes of message bodies in one call. Below SQS's former limit of 256 KiB, to leave room for the rest of the call.
const MAX_BATCH_BYTES: usize = 250 * 1024;
/// Maximum number of concurrent calls of one send. The largest webhook needs about ten calls.
const CONCURRENT_CALLS: usize = 4;

/// Maximum visibility timeout when a message returns to the queue. SQS rejects more than 12 hours after the receipt, and the
/// message was received within the queue's visibility timeout of 12 minutes. (Source: SQS developer guide, "Visibility timeout".)
const MAX_VISIBILITY_TIMEOUT: Duration = Duration::from_mins(12 * 60 - 12);

/// Returns a client of SQS whose calls have this limit.
#[must_use]
pub fn client(aws: &SdkConfig, limit: CallLimit) -> Client {
    Client::from_conf(aws_sdk_sqs::config::Builder::from(aws).timeout_config(timeouts(limit)).build())
}

/// An SQS FIFO queue.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// An error of SQS. A retry may succeed. The text holds no message body.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The call failed, after the SDK's retries.
    #[error("the call to SQS failed: {0}")]
    CallFailed(String),
    /// SQS rejected this number of messages. Sending all of them again is safe: each has its deduplication id.
    #[error("SQS rejected {0} of the messages")]
    Rejected(usize),
}

impl Queue {
    /// Returns the queue at this URL.
    #[must_use]
    pub fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Opens a connection to SQS before the first message, by a small request. Ignores a failure: the first send reports it.
    pub async fn warm_up(&self) {
        let call =
            self.client.get_queue_attributes().queue_url(&self.url).attribute_names(QueueAttributeName::QueueArn);
        let _ = call.send().await;
    }

    /// Sends messages. Each goes to its link's message group, with its key as deduplication id.
    ///
    /// # Errors
    /// [`QueueError`] unless SQS has stored every message.
    pub async fn send(&self, messages: &[Message]) -> Result<(), QueueError> {
        let entries = messages.iter().enumerate().map(|(index, message)| entry(index, message));
        let calls = batches(entries.collect()).into_iter().map(|batch| self.send_batch(batch));
        stream::iter(calls).buffer_unordered(CONCURRENT_CALLS).try_collect().await
    }

    /// Returns a received message to the queue: SQS hands it out again after this delay, at most 11 h 48 min.
    ///
    /// # Errors
    /// [`QueueError::CallFailed`]. SQS then hands out the message after the queue's visibility timeout.
    pub async fn return_to_queue(&self, receipt_handle: &str, after: Duration) -> Result<(), QueueError> {
        let seconds = i32::try_from(after.min(MAX_VISIBILITY_TIMEOUT).as_secs()).unwrap_or(i32::MAX);
        let call = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
        call.visibility_timeout(seconds).send().await.map_err(|error| call_failed(&error))?;
        Ok(())
    }

    async fn send_batch(&self, entries: Vec<SendMessageBatchRequestEntry>) -> Result<(), QueueError> {
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let output = call.send().await.map_err(|error| call_failed(&error))?;
        if output.failed.is_empty() { Ok(()) } else { Err(QueueError::Rejected(output.failed.len())) }
    }
}

fn call_failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    QueueError::CallFailed(describe_error(error))
}

fn entry(index: usize, message: &Message) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(message.encode())
        .message_group_id(message.group_id())
        .message_deduplication_id(&message.key);
    #[expect(clippy::expect_used, reason = "build fails only without an id or a body, and both were given")]
    entry.build().expect("an entry with an id and a body")
}

/// Groups messages into as few calls as SQS's limits allow, in the given order.
fn batches(entries: Vec<SendMessageBatchRequestEntry>) -> Vec<Vec<SendMessageBatchRequestEntry>> {
    let mut batches: Vec<Vec<SendMessageBatchRequestEntry>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = entry.message_body().len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH_MESSAGES && bytes + size <= MAX_BATCH_BYTES => {
                bytes += size;
                batch.push(entry);
            }
            _ => {
                bytes = size;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::ErrorMetadata;
    use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityOutput;
    use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
    use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
    use aws_sdk_sqs::types::BatchResultErrorEntry;
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use domain::Webhook;

    use super::*;

    fn queue(rule: &Rule) -> Queue {
        Queue::new(mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [rule]), "http://queue".to_owned())
    }

    fn messages(ids: usize) -> Vec<Message> {
        let ids = vec!["7d0afe4c-373d-490c-90e4-06xx4cdd4a17"; ids].join("\",\"");
        let body = format!(
            r#"{{"webhook_type":"TRANSACTIONS","webhook_code":"transactions_updated","link_id":"link-1",
               "data":{{"updated_transactions":["{ids}"]}}}}"#
        );
        Message::from_webhook(&Webhook::parse(body.as_bytes()).unwrap(), body.as_bytes(), 0)
    }

    fn output(failed: usize) -> SendMessageBatchOutput {
        let failure = BatchResultErrorEntry::builder().id("0").sender_fault(false).code("InternalError");
        SendMessageBatchOutput::builder()
            .set_successful(Some(Vec::new()))
            .set_failed(Some(vec![failure.build().unwrap(); failed]))
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn a_message_goes_to_its_links_group_under_its_own_deduplication_id() {
        let sent = messages(1);
        let key = sent[0].key.clone();
        let rule = mock!(Client::send_message_batch)
            .match_requests(move |input| {
                let entry = &input.entries()[0];
                entry.message_group_id() == Some("link-1") && entry.message_deduplication_id() == Some(key.as_str())
            })
            .then_output(|| output(0));
        queue(&rule).send(&sent).await.unwrap();
        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn warming_up_asks_for_something_small_of_its_own_queue_and_takes_no_for_an_answer() {
        let denied = || GetQueueAttributesError::generic(ErrorMetadata::builder().code("AccessDenied").build());
        let rule = mock!(Client::get_queue_attributes)
            .match_requests(|input| input.queue_url() == Some("http://queue"))
            .then_error(denied);
        queue(&rule).warm_up().await;
        assert_eq!(rule.num_calls(), 1);
    }

    #[tokio::test]
    async fn one_refused_message_fails_the_whole_send() {
        let rule = mock!(Client::send_message_batch).then_output(|| output(1));
        assert!(matches!(queue(&rule).send(&messages(1)).await, Err(QueueError::Rejected(1))));
    }

    #[tokio::test]
    async fn the_largest_webhook_fits_into_calls_that_sqs_takes() {
        let rule = mock!(Client::send_message_batch)
            .match_requests(|input| {
                let bytes: usize = input.entries().iter().map(|entry| entry.message_body().len()).sum();
                input.entries().len() <= 10 && bytes <= 256 * 1024
            })
            .then_output(|| output(0));
        let sent = messages(26_000);
        assert_eq!(sent.len(), 52);
        queue(&rule).send(&sent).await.unwrap();
        assert_eq!(rule.num_calls(), 6);
    }

    #[tokio::test]
    async fn a_message_is_given_back_for_the_time_that_was_asked() {
        let rule = mock!(Client::change_message_visibility)
            .match_requests(|input| input.visibility_timeout() == Some(90) && input.receipt_handle() == Some("r"))
            .then_output(|| ChangeMessageVisibilityOutput::builder().build());
        queue(&rule).return_to_queue("r", Duration::from_secs(90)).await.unwrap();
    }

    #[tokio::test]
    async fn no_message_is_given_back_for_longer_than_sqs_hides_it() {
        // Twelve hours from its receipt, which is up to twelve minutes ago.
        let rule = mock!(Client::change_message_visibility)
            .match_requests(|input| input.visibility_timeout() == Some(42_480))
            .then_output(|| ChangeMessageVisibilityOutput::builder().build());
        for hours in [12, 100, u64::MAX / 3_600] {
            queue(&rule).return_to_queue("r", Duration::from_secs(hours * 3_600)).await.unwrap();
        }
        assert_eq!(rule.num_calls(), 3);
    }
}

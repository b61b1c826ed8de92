//! A scan of the dead-letter queue.
//!
//! Receiving a message hides it from other consumers for the visibility timeout. Meanwhile a FIFO queue delivers no
//! further message of the same link. So the scan deletes messages as it goes, and makes the kept ones visible at its
//! end. It ends before the visibility timeout of the first kept message: otherwise it would receive that message again,
//! without end.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName};
use domain::Message;
use tokio::time::Instant;

use super::QUEUE_OUTPUT;
use crate::error::Error;
use crate::stack::Stack;

#[cfg(test)]
mod tests;

/// The visibility timeout of received messages, in seconds.
const VISIBILITY_TIMEOUT: i32 = 120;
/// The maximum time from the first kept message to the end of the scan. It is shorter than the visibility timeout.
const MAX_DURATION: Duration = Duration::from_secs(100);
/// The maximum number of messages in a response of SQS. (Source: SQS API reference, `ReceiveMessage`.)
const MAX_BATCH: i32 = 10;
/// The maximum number of calls of a scan.
const MAX_CALLS: usize = 20_000;
/// The wait of a long poll, in seconds. With it, an empty response means that no message is visible.
const WAIT_SECONDS: i32 = 1;

/// The dead-letter queue.
pub(super) struct DeadLetterQueue {
    sqs: Client,
    url: String,
}

/// A message of the dead-letter queue.
pub(super) struct DeadLetter {
    pub(super) id: String,
    receipt_handle: String,
    /// The message group: the id of the link.
    pub(super) group: String,
    pub(super) body: String,
    /// The decoded body, or `None` if it is unreadable.
    pub(super) message: Option<Message>,
}

/// What the callback of a scan did with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The message stays in the queue.
    Kept,
    /// The message was deleted.
    Deleted,
    /// The message was deleted, and the scan ends.
    DeletedLast,
}

/// The result of a scan.
pub(super) struct Scan {
    /// The kept messages, without duplicates.
    pub(super) kept: Vec<DeadLetter>,
    /// Whether the scan ended early. Messages behind a kept message of their link do not count.
    pub(super) is_incomplete: bool,
}

/// The progress of a scan.
#[derive(Default)]
struct State {
    kept: Vec<DeadLetter>,
    kept_ids: BTreeSet<String>,
    /// The receipt handles of all messages to make visible again.
    hidden: Vec<String>,
    /// Set with the first kept message.
    deadline: Option<Instant>,
}

impl DeadLetterQueue {
    /// Returns the dead-letter queue of a stack.
    pub(super) fn of(stack: &Stack) -> Result<Self, Error> {
        Ok(Self { sqs: stack.sqs.clone(), url: stack.output(QUEUE_OUTPUT)?.to_owned() })
    }

    /// Calls `handle` with each message. Deleting a message makes room for the next ones of its link. The kept messages
    /// become visible at the end. The first error ends the scan, so that no message overtakes the failed one.
    pub(super) async fn scan(
        &self,
        mut handle: impl AsyncFnMut(&DeadLetter) -> Result<Disposition, Error>,
    ) -> Result<Scan, Error> {
        let mut state = State::default();
        let is_incomplete = self.scan_batches(&mut state, &mut handle).await;
        self.make_visible(&state.hidden).await;
        Ok(Scan { is_incomplete: is_incomplete?, kept: state.kept })
    }

    /// Deletes a message from the queue.
    pub(super) async fn delete(&self, letter: &DeadLetter) -> Result<(), Error> {
        let delete = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt_handle);
        delete.send().await.map_err(Error::aws("SQS"))?;
        Ok(())
    }

    /// Returns `true` if the scan ended early.
    async fn scan_batches(
        &self,
        state: &mut State,
        handle: &mut impl AsyncFnMut(&DeadLetter) -> Result<Disposition, Error>,
    ) -> Result<bool, Error> {
        for _ in 0..MAX_CALLS {
            if state.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(true);
            }
            let mut batch = self.receive().await?;
            if batch.is_empty() {
                return Ok(false);
            }

            let step = state.handle_batch(&mut batch, handle).await;
            state.hidden.extend(batch.into_iter().map(|letter| letter.receipt_handle));
            if step?.is_break() {
                return Ok(true);
            }
        }
        Ok(true)
    }

    async fn receive(&self) -> Result<VecDeque<DeadLetter>, Error> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(MAX_BATCH)
            .visibility_timeout(VISIBILITY_TIMEOUT)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let messages = receive.send().await.map_err(Error::aws("SQS"))?.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(DeadLetter::from_sqs).collect())
    }

    /// Makes messages visible. A failure is harmless: they become visible after the visibility timeout.
    async fn make_visible(&self, receipt_handles: &[String]) {
        for receipt_handle in receipt_handles {
            let change = self.sqs.change_message_visibility().queue_url(&self.url).receipt_handle(receipt_handle);
            let _ = change.visibility_timeout(0).send().await;
        }
    }
}

impl State {
    /// Handles the messages of a batch and takes them out of it, up to the message that ends the scan.
    async fn handle_batch(
        &mut self,
        batch: &mut VecDeque<DeadLetter>,
        handle: &mut impl AsyncFnMut(&DeadLetter) -> Result<Disposition, Error>,
    ) -> Result<ControlFlow<()>, Error> {
        while let Some(letter) = batch.pop_front() {
            if self.kept_ids.contains(&letter.id) {
                self.hidden.push(letter.receipt_handle);
                return Ok(ControlFlow::Break(()));
            }
            match handle(&letter).await {
                Ok(Disposition::Deleted) => {}
                Ok(Disposition::DeletedLast) => return Ok(ControlFlow::Break(())),
                Ok(Disposition::Kept) => self.keep(letter),
                Err(error) => {
                    self.keep(letter);
                    return Err(error);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn keep(&mut self, letter: DeadLetter) {
        self.deadline.get_or_insert_with(|| Instant::now() + MAX_DURATION);
        self.hidden.push(letter.receipt_handle.clone());
        self.kept_ids.insert(letter.id.clone());
        self.kept.push(letter);
    }
}

impl DeadLetter {
    fn from_sqs(message: SqsMessage) -> Option<Self> {
        let attributes = message.attributes.unwrap_or_default();
        let body = message.body?;
        Some(Self {
            id: message.message_id?,
            receipt_handle: message.receipt_handle?,
            group: attributes.get(&MessageSystemAttributeName::MessageGroupId).cloned().unwrap_or_default(),
            message: Message::decode(&body).ok(),
            body,
        })
    }
}

//! The sync function: it takes webhooks from the queue, reads from Belvo what they announce, and writes the table.
//!
//! **Guarantee.** A message leaves the queue only when its work is done, was done already, or cannot be done for a reason
//! that its event item records. Every other message returns to the queue, with a longer wait each time, and at last goes to the
//! dead-letter queue.
//!
//! **Mechanism.** [`Worker`] turns each message into a job. The job (`job`) begins the event item, carries out the plan of the
//! webhook, and ends the event. A plan is a pass over Belvo: it reads a list (`listing`) or objects by their ids (`by_id`), and
//! writes under the fencing token of the pass (`write`). The crate `store` describes why that makes duplicates, reordering and
//! late writes harmless. Close to the deadline of the invocation the job is dropped, and with it everything that it started.

mod backoff;
mod belvo_session;
mod by_id;
mod clients;
mod concurrency;
mod deadlines;
mod delivery;
mod embedded_accounts;
mod error;
mod job;
mod listing;
mod outcome;
mod query;
mod telemetry;
mod write;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use backoff::Backoff;
use belvo_session::BelvoSession;
use deadlines::{Deadlines, TIME_BUDGETS, TimeBudgets, job_limit};
use delivery::Delivery;
use domain::Message;
use error::JobError;
use job::Job;
use lambda_runtime::{Error, LambdaEvent};
use queue::Queue;
use runtime::{EventLog, Secret};
use store::Table;
use telemetry::Telemetry;
use tokio::time::timeout;
use tracing::error;

/// Timeout of the write that records the error of a job.
const RECORD_ERROR_LIMIT: Duration = Duration::from_secs(1);
/// The default of `BELVO_REQUESTS_PER_30S`, which all environments of the function share. Belvo's own limit is higher.
const REQUESTS_PER_30S: u32 = 72;
/// Valid values of `BELVO_REQUESTS_PER_30S`, as in the template.
const REQUEST_RATES: RangeInclusive<u32> = 1..=100_000;
/// Valid values of `SYNC_MAX_CONCURRENCY`. The template begins at 2, the least that an SQS event source accepts.
const CONCURRENCY: RangeInclusive<u32> = 1..=1_000;

/// Works on messages, for the life of an execution environment.
pub struct Worker {
    session: BelvoSession,
    table: Table,
    queue: Queue,
    dead_letters: Queue,
    backoff: Backoff,
    budgets: TimeBudgets,
    telemetry: Telemetry,
}

impl Worker {
    /// Builds a worker from `BELVO_BASE_URL`, `BELVO_SECRET_ARN`, `TABLE_NAME`, `QUEUE_URL`, `DEAD_LETTER_QUEUE_URL`,
    /// `RETRY_BASE_SECONDS`, `RETRY_CAP_SECONDS`, `BELVO_REQUESTS_PER_30S`, `SYNC_MAX_CONCURRENCY` and `STACK_NAME`.
    ///
    /// # Errors
    /// When a setting is missing or invalid.
    pub async fn from_environment() -> Result<Self, Error> {
        let requests_per_30s = runtime::bounded("BELVO_REQUESTS_PER_30S", REQUESTS_PER_30S, REQUEST_RATES)?;
        let concurrency = runtime::bounded("SYNC_MAX_CONCURRENCY", 1_u32, CONCURRENCY)?;
        let requests_per_30s = NonZeroU32::new(requests_per_30s / concurrency).unwrap_or(NonZeroU32::MIN);
        let limits = belvo::Limits { requests_per_30s, ..belvo::Limits::default() };

        let aws = runtime::aws::config().await;
        let secrets = runtime::secrets_client(&aws, clients::CALL_LIMIT);
        let secret = Secret::new(secrets, runtime::required("BELVO_SECRET_ARN")?);
        let sqs = queue::client(&aws, clients::CALL_LIMIT);

        Ok(Self {
            session: BelvoSession::new(runtime::required("BELVO_BASE_URL")?, secret, limits),
            table: Table::new(clients::dynamodb(&aws), runtime::required("TABLE_NAME")?),
            queue: Queue::new(sqs.clone(), runtime::required("QUEUE_URL")?),
            dead_letters: Queue::new(sqs, runtime::required("DEAD_LETTER_QUEUE_URL")?),
            budgets: TIME_BUDGETS,
            telemetry: Telemetry::new(EventLog::from_environment()),
            backoff: Backoff::from_environment()?,
        })
    }

    /// Works on the messages of a batch in their order, and returns the ids of those that must return to the queue. After a
    /// message fails, the later messages of its link return to the queue too: they must not be processed before it.
    ///
    /// # Errors
    /// When a failed message has no id. Then the whole batch returns to the queue.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let deadline = event.context.deadline();
        let mut waiting_groups = HashSet::new();
        let mut response = SqsBatchResponse::default();

        for message in event.payload.records {
            let group = message.attributes.get("MessageGroupId").cloned();
            let has_ended = !waiting_groups.contains(&group) && self.work(&message, deadline).await;
            if !has_ended {
                waiting_groups.insert(group);
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.ok_or("a message without an id")?;
                response.batch_item_failures.push(failure);
            }
        }
        Ok(response)
    }

    /// Works on one message. Returns `false` if it must return to the queue, and has then set how long it stays hidden.
    async fn work(&self, sqs: &SqsMessage, deadline: SystemTime) -> bool {
        let delivery = Delivery::new(sqs);
        let limit = job_limit(deadline);

        let message = match Message::decode(delivery.body) {
            Ok(message) => message,
            // Only an operator may drop a message that this release cannot read: it goes to the dead-letter queue.
            Err(error) => {
                self.return_to_queue(&delivery, None, &error.into()).await;
                return false;
            }
        };

        let job = self.job(&message, delivery.attempt, self.budgets.deadlines(limit));
        // On the heap: the future of a job has 16 KB, and each layer above would move it.
        match timeout(limit, Box::pin(job.run())).await.unwrap_or(Err(JobError::OutOfTime)) {
            Ok(outcome) => {
                self.telemetry.log_outcome(&delivery, &message, &outcome, &self.session);
                true
            }
            Err(error) => {
                self.return_to_queue(&delivery, Some(&message), &error).await;
                // After the return to the queue, which matters more if little time is left.
                let _ = timeout(RECORD_ERROR_LIMIT, job.record_error(&error)).await;
                false
            }
        }
    }

    fn job<'a>(&'a self, message: &'a Message, attempt: u32, deadlines: Deadlines) -> Job<'a> {
        Job {
            message,
            attempt,
            deadlines,
            session: &self.session,
            table: &self.table,
            queue: &self.queue,
            dead_letters: &self.dead_letters,
            telemetry: &self.telemetry,
        }
    }

    /// Logs the error, and hides the message for the backoff of its attempt.
    async fn return_to_queue(&self, delivery: &Delivery<'_>, message: Option<&Message>, error: &JobError) {
        let delay = self.backoff.delay(delivery.attempt, error.retry_after(), fastrand::f64());
        self.telemetry.log_error(delivery, message, error, delay, &self.session);

        let Some(receipt_handle) = delivery.receipt_handle else { return };
        if let Err(error) = self.queue.return_to_queue(receipt_handle, delay).await {
            // The message returns to the queue after the visibility timeout instead.
            error!(message_id = delivery.message_id, error = %error, "cannot set the visibility timeout of a message");
        }
    }
}

#[cfg(test)]
mod tests;

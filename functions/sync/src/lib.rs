//! The sync function: queue in, Belvo asked, table written.
//!
//! **Guarantee.** A message leaves the queue only when what it asks for was done, was done already, or cannot be done
//! for a reason that its event item records. Everything else goes back to the queue, later each time, and in the end to
//! the dead-letter queue.
//!
//! **Mechanism.** One message at a time becomes a job (`job`): its event item is written, its plan is read, the plan
//! is run as a pass over Belvo (`listing`, `objects`). A pass owns a fencing token of the link's clock and writes under it;
//! see the crate `store` for why that makes duplicates, reordering and zombies harmless. When the deadline comes
//! near, the job is dropped whole: nothing is left running behind the answer.

mod belvo_session;
mod by_id;
mod clients;
mod concurrency;
mod embedded_accounts;
mod error;
mod job;
mod listing;
mod outcome;
mod query;
mod telemetry;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use belvo_session::BelvoSession;
use domain::Message;
use error::{Backoff, JobError};
use job::Job;
use lambda_runtime::{Error, LambdaEvent};
use queue::Queue;
use runtime::{EventLog, Secret};
use store::Table;
use tracing::error;

/// How long before Lambda's deadline a job is dropped at the latest, so that the message can still be given back; of a
/// short invocation a fifth.
const MARGIN: Duration = Duration::from_secs(5);
/// How long noting the reason of a failure may take.
const NOTE_LIMIT: Duration = Duration::from_secs(1);
/// What fits into one invocation with room for what is under way at its end.
const TIME_BUDGETS: TimeBudgets =
    TimeBudgets { pages: Duration::from_mins(1), by_id: Duration::from_secs(30), comparing: Duration::from_secs(80) };
/// What Belvo allows in 30 seconds, less some room; all environments of the function share it.
const REQUESTS_PER_30S: u32 = 72;
/// What `BELVO_REQUESTS_PER_30S` may be.
const BUDGETS: RangeInclusive<u32> = 1..=100_000;
/// What `SYNC_MAX_CONCURRENCY` may be. The template begins at 2, with what an SQS event source takes.
const ENVIRONMENTS: RangeInclusive<u32> = 1..=1_000;

/// Works on messages. One for the life of an execution environment.
pub struct Worker {
    session: BelvoSession,
    table: Table,
    queue: Queue,
    dead_letters: Queue,
    backoff: Backoff,
    budgets: TimeBudgets,
    event_log: EventLog,
}

/// For how long one message begins something new; what is left then travels on in a message of its own.
#[derive(Debug, Clone, Copy)]
struct TimeBudgets {
    /// Pages of a list.
    pages: Duration,
    /// Objects that are asked for one by one; at the default pace these are about forty.
    by_id: Duration,
    /// Comparing what is stored with what was listed; counted from the message's beginning, like all.
    comparing: Duration,
}

impl Worker {
    /// Built from `BELVO_BASE_URL`, `BELVO_SECRET_ARN`, `TABLE_NAME`, `QUEUE_URL`, `DEAD_LETTER_QUEUE_URL`,
    /// `RETRY_BASE_SECONDS`, `RETRY_CAP_SECONDS`, `BELVO_REQUESTS_PER_30S`, `SYNC_MAX_CONCURRENCY` and `STACK_NAME`.
    ///
    /// # Errors
    /// When a setting is missing or cannot be read.
    pub async fn from_environment() -> Result<Self, Error> {
        let aws = runtime::aws::config().await;
        let budget = runtime::bounded("BELVO_REQUESTS_PER_30S", REQUESTS_PER_30S, BUDGETS)?;
        let environments = runtime::bounded("SYNC_MAX_CONCURRENCY", 1_u32, ENVIRONMENTS)?;
        let requests_per_30s = NonZeroU32::new(budget / environments).unwrap_or(NonZeroU32::MIN);
        let limits = belvo::Limits { requests_per_30s, ..belvo::Limits::default() };
        let secret = Secret::new(clients::secrets(&aws), runtime::required("BELVO_SECRET_ARN")?);
        let sqs = clients::sqs(&aws);
        Ok(Self {
            session: BelvoSession::new(runtime::required("BELVO_BASE_URL")?, secret, limits),
            table: Table::new(clients::dynamodb(&aws), runtime::required("TABLE_NAME")?),
            queue: Queue::new(sqs.clone(), runtime::required("QUEUE_URL")?),
            dead_letters: Queue::new(sqs, runtime::required("DEAD_LETTER_QUEUE_URL")?),
            budgets: TIME_BUDGETS,
            event_log: EventLog::from_environment(),
            backoff: Backoff::from_environment()?,
        })
    }

    /// Works on a batch in its order, and reports the messages that must come back. After a failure the later messages
    /// of the same link come back too: they must not overtake it.
    ///
    /// # Errors
    /// When a failed message has no id to report it by: then the whole batch comes back.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Error> {
        let deadline = event.context.deadline();
        let mut waiting_groups = HashSet::new();
        let mut response = SqsBatchResponse::default();
        for message in event.payload.records {
            let group = message.attributes.get("MessageGroupId").cloned();
            let succeeded = !waiting_groups.contains(&group) && self.work(&message, deadline).await;
            if !succeeded {
                waiting_groups.insert(group);
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.ok_or("a message without an id")?;
                response.batch_item_failures.push(failure);
            }
        }
        Ok(response)
    }

    /// Works on one message. `false` when it must come back; then it is already hidden for a while.
    async fn work(&self, sqs: &SqsMessage, deadline: SystemTime) -> bool {
        let started = Instant::now();
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let limit = left.saturating_sub(MARGIN.min(left / 5));
        let body = sqs.body.as_deref().unwrap_or_default();
        let message = match Message::decode(body) {
            Ok(message) => message,
            // A message that we cannot read is not ours to drop: it ends in the dead-letter queue, where somebody looks.
            Err(undecodable) => {
                self.return_to_queue(sqs, None, &undecodable.into(), started).await;
                return false;
            }
        };
        let job = self.job(&message, attempt(sqs), limit);
        match tokio::time::timeout(limit, job.run()).await.unwrap_or(Err(JobError::OutOfTime)) {
            Ok(ended) => {
                self.log_end(&message, &ended, attempt(sqs), started.elapsed());
                true
            }
            Err(failure) => {
                self.return_to_queue(sqs, Some(&message), &failure, started).await;
                // With what is left of the margin: that the message comes back soon matters more.
                let _ = tokio::time::timeout(NOTE_LIMIT, job.note(&failure)).await;
                false
            }
        }
    }

    fn job<'a>(&'a self, message: &'a Message, attempt: u32, limit: Duration) -> Job<'a> {
        Job {
            message,
            session: &self.session,
            table: &self.table,
            queue: &self.queue,
            dead_letters: &self.dead_letters,
            event_log: &self.event_log,
            attempt,
            until: Instant::now() + self.budgets.pages.min(limit / 2),
            end: Instant::now() + self.budgets.comparing.min(limit * 3 / 4),
            leg: self.budgets.by_id.min(limit / 2),
        }
    }

    async fn return_to_queue(&self, sqs: &SqsMessage, message: Option<&Message>, failure: &JobError, started: Instant) {
        let delay = self.backoff.delay(attempt(sqs), failure.retry_after(), fastrand::f64());
        self.log_failure(sqs, message, failure, delay, started.elapsed());
        let Some(receipt_handle) = sqs.receipt_handle.as_deref() else {
            return;
        };
        if let Err(err) = self.queue.return_to_queue(receipt_handle, delay).await {
            // It comes back all the same, after the queue's own visibility timeout.
            error!(message_id = sqs.message_id, error = %err, "cannot shorten the wait of a message");
        }
    }
}

/// How often the message was received, this time included.
fn attempt(sqs: &SqsMessage) -> u32 {
    sqs.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests;

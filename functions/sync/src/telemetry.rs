//! The one line that each message leaves in the log, with its metrics.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use domain::{EpochMillis, LinkId, Message, now};
use runtime::metrics::{
    AGE_MS, CHAINS_STOPPED, CHECKED, DELETED, DRIFT, DRIFT_AGAIN, ELAPSED_MS, FAILING_MS, FAILURES, STALE, SYNCS,
    UNCHANGED, UNREADABLE, WRITTEN,
};
use runtime::{EventLog, Level, LogEvent};
use store::Check;

use crate::error::JobError;
use crate::outcome::JobOutcome;
use crate::{Worker, attempt};

/// Of every line, whatever became of its message.
const MESSAGE: &str = "worked on a message";

impl Worker {
    /// A message ended.
    pub(crate) fn log_end(&self, message: &Message, ended: &JobOutcome, attempt: u32, elapsed: Duration) {
        let now = now();
        let mut line = self.event_log.event("sync", Level::Info, MESSAGE, now);
        describe(&mut line, message, attempt);
        line.dimension("outcome", ended.outcome().as_str()).count(&SYNCS, 1).field("reason", ended.reason());
        let counts = ended.counts();
        line.field("pages", counts.pages).count(&WRITTEN, counts.written).count(&UNCHANGED, counts.unchanged);
        line.count(&STALE, counts.stale).count(&DELETED, counts.deleted).count(&UNREADABLE, counts.unreadable);
        if let Some(check) = ended.check() {
            let drift = u64::from(check == Check::Drift);
            line.field("check", check.as_str()).count(&CHECKED, 1).count_some(&DRIFT, drift);
            line.count_some(&DRIFT_AGAIN, u64::from(ended.drifts_again()));
        }
        if ended.is_done() {
            // Since the webhook was received, or the listing was asked for.
            line.measure(&AGE_MS, ms_since(message.received_at, now));
        }
        self.end(line, elapsed);
    }

    /// A message is given back, to be received again after the delay. One that cannot be read has no message.
    pub(crate) fn log_failure(
        &self,
        sqs: &SqsMessage,
        message: Option<&Message>,
        failure: &JobError,
        delay: Duration,
        elapsed: Duration,
    ) {
        let now = now();
        let mut line = self.event_log.event("sync", Level::Warn, MESSAGE, now);
        match message {
            Some(message) => describe(&mut line, message, attempt(sqs)),
            None => drop(line.dimension("webhook_type", "other").field("attempt", u64::from(attempt(sqs)))),
        }
        line.dimension("outcome", "failed").count(&SYNCS, 1).dimension("error", failure.kind()).count(&FAILURES, 1);
        line.field("cause", failure.to_string().as_str()).field("message_id", sqs.message_id.as_deref());
        line.field("delay_s", delay.as_secs());
        if let Some(first) = first_received_at(sqs) {
            line.measure(&FAILING_MS, ms_since(first, now));
        }
        self.end(line, elapsed);
    }

    fn end(&self, mut line: LogEvent<'_>, elapsed: Duration) {
        self.session.count_requests(&mut line);
        line.measure(&ELAPSED_MS, u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        line.write();
    }
}

/// A continuation went to the dead-letter queue, because too many came before it.
pub(crate) fn log_stopped_chain(event_log: &EventLog, continuation: &Message) {
    let mut line = event_log.event("sync", Level::Error, "stopped a chain of continuations", now());
    describe(&mut line, continuation, 1);
    line.count(&CHAINS_STOPPED, 1);
    line.write();
}

/// What the message is about.
fn describe(line: &mut LogEvent<'_>, message: &Message, attempt: u32) {
    let webhook = &message.webhook;
    let (webhook_type, webhook_code) = webhook.loggable_kind();
    line.field("link_id", webhook.link_id().map(LinkId::as_str)).field("request_id", webhook.request_id());
    line.dimension("webhook_type", webhook_type)
        .dimension("webhook_code", webhook_code)
        .field("attempt", u64::from(attempt));
}

/// When SQS handed out the message for the first time. Not when it was sent: behind others of its link it waits unseen.
fn first_received_at(sqs: &SqsMessage) -> Option<EpochMillis> {
    sqs.attributes.get("ApproximateFirstReceiveTimestamp")?.parse().ok()
}

fn ms_since(then: EpochMillis, now: EpochMillis) -> u64 {
    u64::try_from(now.saturating_sub(then)).unwrap_or_default()
}

//! The log event of each message, with its metrics.

use std::time::Duration;

use domain::{EpochMillis, LinkId, Message, now};
use runtime::metrics::{
    AGE_MS, CHAINS_STOPPED, CHECKED, DELETED, DRIFT, DRIFT_AGAIN, ELAPSED_MS, FAILING_MS, FAILURES, STALE, SYNCS,
    UNCHANGED, UNREADABLE, WRITTEN,
};
use runtime::{EventLog, Level, LogEvent};
use store::Check;

use crate::belvo_session::BelvoSession;
use crate::delivery::Delivery;
use crate::error::JobError;
use crate::outcome::JobOutcome;

/// The text of the log event of each delivery, whatever its outcome.
const MESSAGE: &str = "worked on a message";

/// Writes the log events of the sync function.
pub(crate) struct Telemetry(EventLog);

impl Telemetry {
    pub(crate) fn new(event_log: EventLog) -> Self {
        Self(event_log)
    }

    /// Logs that a message ended.
    pub(crate) fn log_outcome(
        &self,
        delivery: &Delivery<'_>,
        message: &Message,
        outcome: &JobOutcome,
        session: &BelvoSession,
    ) {
        let now = now();
        let mut event = self.0.event("sync", Level::Info, MESSAGE, now);
        describe(&mut event, message, delivery.attempt);

        event.dimension("outcome", outcome.outcome().as_str()).count(&SYNCS, 1).field("reason", outcome.reason());
        let counts = outcome.counts().unwrap_or_default();
        event.field("pages", counts.pages).count(&WRITTEN, counts.written).count(&UNCHANGED, counts.unchanged);
        event.count(&STALE, counts.stale).count(&DELETED, counts.deleted).count(&UNREADABLE, counts.unreadable);

        if let Some(check) = outcome.check() {
            let drift = u64::from(check == Check::Drift);
            event.field("check", check.as_str()).count(&CHECKED, 1).count_nonzero(&DRIFT, drift);
            event.count_nonzero(&DRIFT_AGAIN, u64::from(outcome.drifts_again()));
        }
        if outcome.is_done() {
            // From the receipt of the webhook, or the start of the internal request.
            event.measure(&AGE_MS, ms_since(message.received_at, now));
        }
        write(event, delivery, session);
    }

    /// Logs that a message returns to the queue, visible after the delay. `message` is `None` if its body cannot be
    /// decoded.
    pub(crate) fn log_error(
        &self,
        delivery: &Delivery<'_>,
        message: Option<&Message>,
        error: &JobError,
        delay: Duration,
        session: &BelvoSession,
    ) {
        let now = now();
        let mut event = self.0.event("sync", Level::Warn, MESSAGE, now);
        match message {
            Some(message) => describe(&mut event, message, delivery.attempt),
            None => drop(event.dimension("webhook_type", "other").field("attempt", u64::from(delivery.attempt))),
        }

        event.dimension("outcome", "failed").count(&SYNCS, 1).dimension("error", error.kind()).count(&FAILURES, 1);
        event.field("cause", error.to_string().as_str()).field("message_id", delivery.message_id);
        event.field("delay_s", delay.as_secs());
        if let Some(first) = delivery.first_received_at {
            event.measure(&FAILING_MS, ms_since(first, now));
        }
        write(event, delivery, session);
    }

    /// Logs that a continuation went to the dead-letter queue because its chain is too long.
    pub(crate) fn log_stopped_chain(&self, continuation: &Message) {
        let mut event = self.0.event("sync", Level::Error, "stopped a chain of continuations", now());
        describe(&mut event, continuation, 1);
        event.count(&CHAINS_STOPPED, 1);
        event.write();
    }
}

fn write(mut event: LogEvent<'_>, delivery: &Delivery<'_>, session: &BelvoSession) {
    session.count_requests(&mut event);
    let elapsed = delivery.started.elapsed();
    event.measure(&ELAPSED_MS, u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    event.write();
}

/// Adds the fields that say what the message is about.
fn describe(event: &mut LogEvent<'_>, message: &Message, attempt: u32) {
    let webhook = &message.webhook;
    let (webhook_type, webhook_code) = webhook.loggable_kind();
    event.field("link_id", webhook.link_id().map(LinkId::as_str)).field("request_id", webhook.request_id());
    event
        .dimension("webhook_type", webhook_type)
        .dimension("webhook_code", webhook_code)
        .field("attempt", u64::from(attempt));
}

fn ms_since(then: EpochMillis, now: EpochMillis) -> u64 {
    u64::try_from(now.saturating_sub(then)).unwrap_or_default()
}

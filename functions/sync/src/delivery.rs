//! A message as SQS delivers it.

use std::time::Instant;

use aws_lambda_events::sqs::SqsMessage;
use domain::EpochMillis;

/// One delivery of a message.
pub(crate) struct Delivery<'a> {
    pub(crate) message_id: Option<&'a str>,
    pub(crate) receipt_handle: Option<&'a str>,
    pub(crate) body: &'a str,
    /// How often SQS has delivered the message, this delivery included.
    pub(crate) attempt: u32,
    /// When SQS first delivered the message. It may have been sent long before: it waits for earlier messages of its link.
    pub(crate) first_received_at: Option<EpochMillis>,
    /// When the work on this delivery began.
    pub(crate) started: Instant,
}

impl<'a> Delivery<'a> {
    pub(crate) fn new(sqs: &'a SqsMessage) -> Self {
        let attribute = |name| sqs.attributes.get(name);
        Self {
            message_id: sqs.message_id.as_deref(),
            receipt_handle: sqs.receipt_handle.as_deref(),
            body: sqs.body.as_deref().unwrap_or_default(),
            attempt: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
            first_received_at: attribute("ApproximateFirstReceiveTimestamp").and_then(|at| at.parse().ok()),
            started: Instant::now(),
        }
    }
}

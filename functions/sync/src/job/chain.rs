//! Continuations: messages to the queue of the link that do the rest of a job.

use std::slice::from_ref;

use domain::{Message, now};
use store::{Content, Outcome};

use crate::error::JobError;
use crate::job::Job;

/// Maximum number of continuations in a chain. The longest list, 10,000 pages, needs about 150 at the default rate of requests,
/// and is read three times at most. A longer chain makes no progress. The bound replaces Lambda's recursive loop detection,
/// which would stop the function after about 16 messages.
pub(crate) const MAX_CONTINUATIONS: u32 = 1_000;

const CHAIN_TOO_LONG: &str = "the chain of continuations is too long: the message went to the dead-letter queue";

impl Job<'_> {
    /// Sends a continuation to the queue of the link, before the event of this message ends: if that fails, the message returns
    /// to the queue and both do the rest, which is harmless.
    ///
    /// The end of a chain that is too long goes to the dead-letter queue, with a log event and the reason in its event item.
    pub(super) async fn send_continuation(&self, continuation: Message) -> Result<(), JobError> {
        if continuation.continuations <= MAX_CONTINUATIONS {
            return Ok(self.queue.send(&[continuation]).await?);
        }

        let continuation = continuation.as_start_of_chain();
        let event = self.table.begin_event(&continuation, Content::Kept, now()).await?;
        self.table.end_event(&event, Outcome::Refused, Some(CHAIN_TOO_LONG)).await?;
        self.dead_letters.send(from_ref(&continuation)).await?;
        self.telemetry.log_stopped_chain(&continuation);
        Ok(())
    }
}

//! Removes the dead letters of erased links, which hold the content of webhooks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::LinkId;

use super::QUEUE_OUTPUT;
use super::scan::{DeadLetterQueue, Disposition};
use crate::error::Error;
use crate::stack::Stack;

/// The maximum wait for messages that another scan has hidden: its visibility timeout of two minutes, and the lag of
/// SQS's counters, which is less than one.
const HIDDEN_TIMEOUT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// The result of a removal.
pub(crate) struct Removal {
    /// The number of removed messages of each link.
    pub(crate) counts: BTreeMap<LinkId, u64>,
    /// Whether the queue may hold further messages of the links.
    pub(crate) is_incomplete: bool,
}

/// Removes the messages of some links.
pub(crate) async fn remove_of(stack: &Stack, links: &[&LinkId]) -> Result<Removal, Error> {
    let mut counts = BTreeMap::new();
    if links.is_empty() {
        return Ok(Removal { counts, is_incomplete: false });
    }

    let queue = DeadLetterQueue::of(stack)?;
    let are_visible = wait_until_visible(stack).await?;
    let scan = queue.scan(async |letter| {
        let Some(link) = links.iter().find(|link| letter.group == link.as_str()) else {
            return Ok(Disposition::Kept);
        };
        queue.delete(letter).await?;
        *counts.entry((*link).clone()).or_default() += 1;
        Ok(Disposition::Deleted)
    });
    let is_incomplete = scan.await?.is_incomplete || !are_visible;
    Ok(Removal { counts, is_incomplete })
}

/// Waits until no other scan hides a message. Returns `false` after a timeout.
async fn wait_until_visible(stack: &Stack) -> Result<bool, Error> {
    let deadline = Instant::now() + HIDDEN_TIMEOUT;
    loop {
        if stack.queue_depth(QUEUE_OUTPUT).await?.hidden == 0 {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

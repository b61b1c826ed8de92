//! Links that are due.

use domain::{ERASE_LINK, EpochMillis, LinkId, LinkStatus, Message, Source, now, sha256_hex};

use crate::{Reconciler, Report, RunError};

/// Time in milliseconds for which a run reserves a link. If the run dies before it has enqueued everything, the link is due
/// again after this time.
pub(crate) const LEASE: EpochMillis = 15 * 60 * 1_000;

/// Time in milliseconds after which an erasure that has not ended is enqueued again.
const ERASURE_TIMEOUT: EpochMillis = 60 * 60 * 1_000;

impl Reconciler {
    /// Enqueues the listings that a link needs, and sets its next due time.
    pub(crate) async fn process_link(
        &self,
        link: &LinkId,
        due_at: EpochMillis,
        report: &mut Report,
    ) -> Result<(), RunError> {
        let Some(known) = self.table.known_link(link).await? else {
            return self.erase_again(link, due_at).await;
        };
        let now = now();
        let decision = known.decide(now, fastrand::f64());
        let lease = now + LEASE;
        if !self.table.move_due(link, due_at, Some(lease), None).await? {
            // Another run has it.
            return Ok(());
        }
        report.links += 1;
        let listings = decision.list.iter().filter_map(|resource| listing(link, resource.webhook_type, due_at));
        let listings: Vec<Message> = listings.collect();
        self.queue.send(&listings).await?;
        report.listings += listings.len();
        self.table.move_due(link, lease, decision.due_at, decision.overdue_since).await?;
        Ok(())
    }

    /// Ends the schedule of a link that ended. If the link was erased, enqueues another erasure, which removes late data.
    async fn erase_again(&self, link: &LinkId, due_at: EpochMillis) -> Result<(), RunError> {
        if self.table.link(link).await?.status != Some(LinkStatus::Erased) {
            self.table.move_due(link, due_at, None, None).await?;
            return Ok(());
        }
        // The end of the purge sets the next due time.
        if self.table.move_due(link, due_at, Some(now() + ERASURE_TIMEOUT), None).await? {
            let key = key(link, ERASE_LINK, due_at);
            let message = Message::internal(Source::Reconcile, link, ("LINK", ERASE_LINK), now(), key);
            self.queue.send(message.as_slice()).await?;
        }
        Ok(())
    }
}

/// Returns the message that requests a whole listing. The same due time gives the same deduplication id.
pub(crate) fn listing(link: &LinkId, webhook_type: &str, due_at: EpochMillis) -> Option<Message> {
    Message::listing_of(Source::Reconcile, link, webhook_type, now(), key(link, webhook_type, due_at))
}

/// Returns the deduplication id of a message about a link. The same due time gives the same id.
pub(crate) fn key(link: &LinkId, what: &str, due_at: EpochMillis) -> String {
    format!("reconcile-{}", sha256_hex(format!("{link} {what} {due_at}").as_bytes()))
}

//! A link that is due.

use domain::{ERASE_LINK, EpochMillis, LinkId, LinkStatus, Message, Source, now, sha256_hex};

use crate::{Reconciler, Report, RunError};

/// For so long a link that was taken up is not due: when the run dies before it has enqueued everything, the link is due
/// again after that.
pub(crate) const LEASE: EpochMillis = 15 * 60 * 1_000;

/// After so long an erasure that has not ended is asked for again.
const SWEPT_WITHIN: EpochMillis = 60 * 60 * 1_000;

impl Reconciler {
    /// Enqueues the listings that a link needs, and sets its next due time.
    pub(crate) async fn take_up_link(
        &self,
        link: &LinkId,
        due_at: EpochMillis,
        report: &mut Report,
    ) -> Result<(), RunError> {
        let Some(known) = self.table.known_link(link).await? else {
            return self.sweep(link, due_at).await;
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
}

impl Reconciler {
    /// A link that ended is due for nothing, unless it was erased: then what came in late is removed, too.
    async fn sweep(&self, link: &LinkId, due_at: EpochMillis) -> Result<(), RunError> {
        if self.table.link(link).await?.status != Some(LinkStatus::Erased) {
            self.table.move_due(link, due_at, None, None).await?;
            return Ok(());
        }
        // The purge's end sets what comes then; without an end it is asked for again.
        if self.table.move_due(link, due_at, Some(now() + SWEPT_WITHIN), None).await? {
            let key = key(link, ERASE_LINK, due_at);
            let message = Message::internal(Source::Reconcile, link, ("LINK", ERASE_LINK), now(), key);
            self.queue.send(message.as_slice()).await?;
        }
        Ok(())
    }
}

/// Asks for a whole listing, under a key that is the same for the same due time.
pub(crate) fn listing(link: &LinkId, webhook_type: &str, due_at: EpochMillis) -> Option<Message> {
    Message::listing_of(Source::Reconcile, link, webhook_type, now(), key(link, webhook_type, due_at))
}

/// The key of a message for a link: the same for the same due time.
pub(crate) fn key(link: &LinkId, what: &str, due_at: EpochMillis) -> String {
    format!("reconcile-{}", sha256_hex(format!("{link} {what} {due_at}").as_bytes()))
}

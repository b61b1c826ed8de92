//! Carries out `Delete`: makes tombstones of the announced ids.

use domain::{DELETED, ObjectId, now};
use store::{Checkpoint, LinkChange, Outcome, Pass};

use crate::by_id::{ObjectFetcher, OnBadObject};
use crate::error::PlanError;
use crate::job::pass::CLOCK_MARGIN_MS;
use crate::job::read_link::News;
use crate::job::{Job, Target};
use crate::outcome::JobOutcome;
use crate::write::tombstone_all;

impl Job<'_> {
    /// Makes tombstones of the ids. If a pass has read from Belvo since the announcement, an object may have come back: then
    /// each id is requested.
    pub(super) async fn delete(&self, target: &Target<'_>, ids: &[ObjectId]) -> Result<JobOutcome, PlanError> {
        // `None` in a continuation: then the link's `last_event_at` stays.
        let webhook_at = self.message.webhook_at();
        let mut pass = self.table.begin_local_pass(target.link, target.resource, webhook_at, now()).await?;

        if !self.may_have_come_back(&pass) {
            let counts = tombstone_all(&pass, ids).await?;
            return self.finish(target, &pass, &Checkpoint::default(), Outcome::Applied, counts).await;
        }

        pass.record_start().await?;
        pass.resource = self.at_institution(&pass).await?;
        let objects = ObjectFetcher::new(self.session.client().await?, &pass, ids, OnBadObject::Fail).await?;
        let (counts, outcome) = self.fetch_or_continue(&objects, &pass, ids, DELETED).await?;

        let link = if ids.is_empty() { LinkChange::default() } else { self.read_back(&pass, News::None).await? };
        let checkpoint = Checkpoint { link, ..Checkpoint::default() };
        self.finish(target, &pass, &checkpoint, outcome, counts).await
    }

    /// Returns `true` if a pass has read from Belvo since the deletion was announced. That was at `received_at`, also in a
    /// continuation, which has no `webhook_at`.
    fn may_have_come_back(&self, pass: &Pass) -> bool {
        pass.sync_state_before.last_pass_at.is_some_and(|last| last + CLOCK_MARGIN_MS >= self.message.received_at)
    }
}

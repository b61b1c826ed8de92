//! The steps of every pass over a resource.

use domain::{EpochMillis, Resource, now};
use store::{Checkpoint, Counts, Outcome, Pass, SyncState};

use crate::error::{JobError, PlanError};
use crate::job::{Job, Target};
use crate::outcome::JobOutcome;

/// Margin for the differences between the clocks of hosts. An event is covered only if it was received this long before the
/// listing began.
pub(super) const CLOCK_MARGIN_MS: EpochMillis = 250;

impl Job<'_> {
    /// Begins a pass that reads from Belvo.
    pub(super) async fn begin_pass(&self, target: &Target<'_>) -> Result<Pass, PlanError> {
        let mut pass = self.table.begin_pass(target.link, target.resource, self.message.webhook_at(), now()).await?;
        pass.resource = self.at_institution(&pass).await?;
        Ok(pass)
    }

    /// Returns the resource as the link's institution has it. Belvo is asked for the institution once for each link.
    pub(super) async fn at_institution(&self, pass: &Pass) -> Result<&'static Resource, JobError> {
        if !pass.resource.depends_on_country() {
            return Ok(pass.resource);
        }
        if let Some(institution) = &pass.link_state.institution {
            return Ok(pass.resource.at(institution));
        }

        let Some(institution) = self.read_link(&pass.link, None).await?.institution else {
            return Ok(pass.resource);
        };
        self.table.record_institution(&pass.link, &institution).await?;
        Ok(pass.resource.at(&institution))
    }

    /// Returns `true` if a whole listing that began after this event was received has finished.
    pub(super) fn is_covered(&self, state: &SyncState) -> bool {
        state.listing_began_at.is_some_and(|began_at| self.message.received_at + CLOCK_MARGIN_MS < began_at)
    }

    /// Ends the pass and the event in one transaction.
    pub(super) async fn finish(
        &self,
        target: &Target<'_>,
        pass: &Pass,
        checkpoint: &Checkpoint,
        outcome: Outcome,
        counts: Counts,
    ) -> Result<JobOutcome, PlanError> {
        if !pass.finish(checkpoint, target.event, outcome, counts, now()).await? {
            return Err(JobError::Overtaken.into());
        }
        let drifted_before = pass.sync_state_before.drifts > 0;
        Ok(JobOutcome::PassFinished { outcome, counts, check: checkpoint.check, drifted_before })
    }
}

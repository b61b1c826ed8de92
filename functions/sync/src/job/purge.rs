//! Carries out `LinkDeleted` and `EraseLink`: removes the data of a link.
//!
//! The announcement that a link was deleted is believed only if Belvo, asked with this project's credentials, says that it does
//! not have the link.

use domain::{LinkId, LinkStatus, now};
use store::{Outcome, PassError, Purged};

use crate::error::{JobError, PlanError};
use crate::job::Job;
use crate::outcome::JobOutcome;

/// How often a message returns to the queue because Belvo still has a link that it announced as deleted: reads may lag.
const RETRIES_WHILE_STILL_THERE: u32 = 3;

impl Job<'_> {
    /// Removes the link's data, if Belvo does not have the link.
    pub(super) async fn link_deleted(&self, link: &LinkId) -> Result<JobOutcome, PlanError> {
        let status = self.table.link(link).await?.status;
        if status == Some(LinkStatus::Erased) {
            return Err(PassError::Erased.into());
        }
        if status != Some(LinkStatus::Deleted) && self.session.client().await?.link_exists(link).await? {
            if self.attempt <= RETRIES_WHILE_STILL_THERE {
                return Err(JobError::LinkStillThere.into());
            }
            return Ok(JobOutcome::Refused("Belvo still has the link"));
        }
        self.purge(link, LinkStatus::Deleted).await
    }

    /// Removes the link's data for good.
    pub(super) async fn erase_link(&self, link: &LinkId) -> Result<JobOutcome, PlanError> {
        self.purge(link, LinkStatus::Erased).await
    }

    async fn purge(&self, link: &LinkId, status: LinkStatus) -> Result<JobOutcome, PlanError> {
        let purge = self.table.begin_purge(link, status, now()).await?;
        match self.table.purge(&purge, self.deadlines.page_deadline).await? {
            Purged::Complete if self.table.end_purge(&purge, now()).await? => {
                Ok(JobOutcome::LinkUpdated(Outcome::Applied))
            }
            Purged::Complete | Purged::Overtaken => Err(JobError::Overtaken.into()),
            Purged::Partial => {
                self.send_continuation(self.message.continuation(purge.token)).await?;
                Ok(JobOutcome::LinkUpdated(Outcome::Continued))
            }
        }
    }
}

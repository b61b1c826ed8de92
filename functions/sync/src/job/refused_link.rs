//! Errors of Belvo's that concern the link as a whole.

use belvo::Error;
use domain::{LinkId, LinkStatus, Plan};

use crate::error::JobError;
use crate::job::Job;
use crate::outcome::JobOutcome;

impl Job<'_> {
    /// Ends the message if Belvo cannot read the link before its user acts. Belvo sends a webhook after that.
    ///
    /// Announced deletions wait instead: Belvo does not announce them again.
    pub(super) async fn settle_refused_link(
        &self,
        plan: &Plan,
        result: Result<JobOutcome, JobError>,
    ) -> Result<JobOutcome, JobError> {
        let Err(JobError::Belvo(Error::LinkRefused { code })) = &result else { return result };
        if matches!(plan, Plan::Delete { .. }) {
            return result;
        }
        if let Some(link) = self.message.webhook.link_id() {
            self.table.set_link_status(link, status_of_refusal(code)).await?;
        }
        Ok(JobOutcome::Refused("Belvo cannot use the link before the user acts"))
    }

    /// Returns the error of a list or object that is "not found". If Belvo does not have the link either, records that.
    ///
    /// Nothing is deleted, and the message returns to the queue: with credentials of another of Belvo's environments the
    /// responses are the same.
    pub(super) async fn not_found(&self, link: &LinkId, confirmed: bool) -> Result<JobError, JobError> {
        if self.session.client().await?.link_exists(link).await? {
            return Ok(Error::NotFound { confirmed }.into());
        }
        self.table.set_link_status(link, LinkStatus::Gone).await?;
        Ok(JobError::LinkGone)
    }
}

/// Returns the status of a link that Belvo refuses with this code.
fn status_of_refusal(code: &str) -> LinkStatus {
    match code {
        "token_required" | "session_expired" | "activation_required" => LinkStatus::TokenRequired,
        _ => LinkStatus::InvalidCredentials,
    }
}

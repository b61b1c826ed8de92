//! Carries out `LinkStatus` and `Consent`: the status of the link itself.
//!
//! **What is believed.** A webhook is only a reason to ask. Whether Belvo can use a link is read back from Belvo. Consent
//! webhooks cannot be read back, so the one that was received last counts. So does an announced failure of a login, while Belvo
//! still calls the link valid: Belvo does so until several logins have failed.

use domain::{AnnouncedStatus, Consent, KnownConsent, LinkId, LinkStatus, now};
use store::{LinkChange, LinkPass, Outcome};

use crate::error::{JobError, PlanError};
use crate::job::Job;
use crate::outcome::JobOutcome;

impl Job<'_> {
    /// Reads the link's status back, and combines it with what the webhook announces.
    pub(super) async fn link_status(&self, link: &LinkId) -> Result<JobOutcome, PlanError> {
        let pass = self.begin_link_pass(link).await?;
        let known = pass.link_state.announced;
        let newest = self.announced().filter(|said| known.is_none_or(|known| known.event_at < said.event_at)).or(known);
        let change = self.read_link(link, newest).await?;
        self.finish_link_pass(&pass, &change).await
    }

    /// Returns what the webhook announces about Belvo's access to the link.
    fn announced(&self) -> Option<AnnouncedStatus> {
        let event_at = self.message.webhook_at()?;
        let status = Some(LinkStatus::from_webhook_code(self.message.webhook.webhook_code())?);
        Some(AnnouncedStatus { status, event_at })
    }

    /// Records the state of the consent, unless something newer is known.
    pub(super) async fn consent(&self, link: &LinkId, consent: Consent) -> Result<JobOutcome, PlanError> {
        let event_at = self.message.received_at;
        let pass = self.begin_link_pass(link).await?;
        if pass.link_state.consent.is_some_and(|known| known.event_at > event_at) {
            return Ok(JobOutcome::Covered);
        }

        // A consent status hides whether the credentials still work.
        let read_back = match consent {
            Consent::Changed => self.read_link(link, pass.link_state.announced).await?,
            Consent::Expiring { .. } | Consent::Expired => LinkChange::default(),
        };
        let change = LinkChange { consent: Some(KnownConsent { consent, event_at }), ..read_back };
        self.finish_link_pass(&pass, &change).await
    }

    async fn begin_link_pass(&self, link: &LinkId) -> Result<LinkPass, PlanError> {
        Ok(self.table.begin_link_pass(link, self.message.webhook_at(), now()).await?)
    }

    async fn finish_link_pass(&self, pass: &LinkPass, change: &LinkChange) -> Result<JobOutcome, PlanError> {
        if !self.table.finish_link_pass(pass, change).await? {
            return Err(JobError::Overtaken.into());
        }
        Ok(JobOutcome::LinkUpdated(Outcome::Applied))
    }
}

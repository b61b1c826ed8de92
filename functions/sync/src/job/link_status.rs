//! Work on the link itself: its status, its consent, its end.
//!
//! **What is believed.** A webhook is only a reason to ask. Whether Belvo can use a link is read back from Belvo; that a
//! link was deleted is believed only when Belvo, asked with our own credentials, says that it does not have it. Of consent
//! webhooks, which cannot be read back, the one that was received last counts. So does an announced failure of a login,
//! while Belvo still calls the link valid: Belvo does so until several logins have failed.

use belvo::Error;
use domain::{AnnouncedAccess, Consent, KnownConsent, LinkId, LinkStatus, Resource, Source, now};
use store::{LinkChange, LinkPass, LinkState, Outcome, Pass, PassError, Purged};

use crate::error::JobError;
use crate::job::{Job, PlanError};
use crate::outcome::JobOutcome;

/// How often a message comes back because Belvo still has a link that it announced as deleted: reads may lag.
const RETRIES_WHILE_STILL_THERE: u32 = 3;

impl Job<'_> {
    /// Reads the link's status back, beside what the webhook announces of it.
    pub(crate) async fn link_status(&self, link: &LinkId) -> Result<JobOutcome, PlanError> {
        let pass = self.begin_link_pass(link).await?;
        let known = pass.link_state.announced;
        let newest = self.announced().filter(|said| known.is_none_or(|known| known.event_at < said.event_at)).or(known);
        let change = self.ask_for_link(link, newest).await?;
        self.finish_link_pass(&pass, &change).await
    }

    /// What a webhook of Belvo's says of the link's access.
    fn announced(&self) -> Option<AnnouncedAccess> {
        let event_at = self.message.webhook_at()?;
        let status = Some(LinkStatus::announced_by(self.message.webhook.webhook_code())?);
        Some(AnnouncedAccess { status, event_at })
    }

    /// Notes what became of the consent, unless something newer is known.
    pub(crate) async fn consent(&self, link: &LinkId, consent: Consent) -> Result<JobOutcome, PlanError> {
        let event_at = self.message.received_at;
        let pass = self.begin_link_pass(link).await?;
        if pass.link_state.consent.is_some_and(|known| known.event_at > event_at) {
            return Ok(JobOutcome::Covered);
        }
        // Under a consent status it is not known whether the credentials still work.
        let read_back = match consent {
            Consent::Changed => self.ask_for_link(link, pass.link_state.announced).await?,
            Consent::Expiring { .. } | Consent::Expired => LinkChange::default(),
        };
        let change = LinkChange { consent: Some(KnownConsent { consent, event_at }), ..read_back };
        self.finish_link_pass(&pass, &change).await
    }

    /// Removes the link's data, once Belvo says that it does not have the link.
    pub(crate) async fn link_deleted(&self, link: &LinkId) -> Result<JobOutcome, PlanError> {
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

    /// Removes the link's data, for good.
    pub(crate) async fn erase_link(&self, link: &LinkId) -> Result<JobOutcome, PlanError> {
        self.purge(link, LinkStatus::Erased).await
    }

    async fn purge(&self, link: &LinkId, status: LinkStatus) -> Result<JobOutcome, PlanError> {
        let purge = self.table.begin_purge(link, status, now()).await?;
        match self.table.purge(&purge, self.until).await? {
            Purged::Complete if self.table.end_purge(&purge, now()).await? => Ok(JobOutcome::Settled(Outcome::Applied)),
            Purged::Complete | Purged::Overtaken => Err(JobError::Overtaken.into()),
            Purged::Partial => {
                // Before this event ends: if that fails, the message comes back and does the rest itself.
                self.go_on_with(self.message.next_leg(purge.token)).await?;
                Ok(JobOutcome::Settled(Outcome::Continued))
            }
        }
    }

    /// What a pass in which Belvo answered shows of its link. Mostly nothing; when the link had a problem, Belvo is asked
    /// whether it still is, and so when the webhook gives it another `external_id` than is known. `has_news`: the webhook
    /// announced data that Belvo had just fetched from the institution.
    pub(crate) async fn read_back(&self, pass: &Pass, has_news: bool) -> Result<LinkChange, JobError> {
        let LinkState { status, consent, external_id, announced, .. } = &pass.link_state;
        // Whoever has the webhook's token can write another id into it: it is only a reason to ask.
        let said = self.message.webhook.external_id();
        let has_other_id = said.is_some() && said != external_id.as_deref();
        let event_at = self.message.received_at;
        let has_news = has_news && self.message.source == Source::Webhook;
        let is_renewed = has_news && consent.is_some_and(|known| known.is_outdated_by_news_of(event_at));
        let is_mended = has_news && announced.is_some_and(|known| known.is_outdated_at(event_at));
        if !is_renewed && !is_mended && !has_other_id && !status.is_some_and(LinkStatus::may_have_passed) {
            return Ok(LinkChange::default());
        }
        let announced = if is_mended { Some(AnnouncedAccess { status: None, event_at }) } else { *announced };
        match self.ask_for_link(&pass.link, announced).await {
            Ok(change) => {
                let renewed = is_renewed.then_some(KnownConsent { consent: Consent::Changed, event_at });
                Ok(LinkChange { consent: renewed, ..change })
            }
            // What was listed is stored all the same; the next pass asks again.
            Err(JobError::Belvo(_)) => Ok(LinkChange::default()),
            Err(failure) => Err(failure),
        }
    }

    /// The row of the catalogue for the link's institution. Which that is, is asked once for each link.
    pub(crate) async fn at_institution(&self, pass: &Pass) -> Result<&'static Resource, JobError> {
        if !pass.resource.depends_on_country() {
            return Ok(pass.resource);
        }
        if let Some(institution) = &pass.link_state.institution {
            return Ok(pass.resource.at(institution));
        }
        let Some(institution) = self.ask_for_link(&pass.link, None).await?.institution else {
            return Ok(pass.resource);
        };
        self.table.record_institution(&pass.link, &institution).await?;
        Ok(pass.resource.at(&institution))
    }

    /// Asks Belvo for the link. What was `announced` of its access is over when Belvo has had access to the institution
    /// since.
    async fn ask_for_link(&self, link: &LinkId, announced: Option<AnnouncedAccess>) -> Result<LinkChange, JobError> {
        let given = self.session.client().await?.link(link).await?;
        let access = given.status.as_deref().and_then(LinkStatus::of_belvo);
        let mended_at = given.accessed_at().filter(|at| announced.is_some_and(|known| known.is_outdated_at(*at)));
        let announced = mended_at.map(|event_at| AnnouncedAccess { status: None, event_at }).or(announced);
        let belvo::Link { institution, external_id, .. } = given;
        Ok(LinkChange { access, institution, external_id, announced, consent: None })
    }

    async fn begin_link_pass(&self, link: &LinkId) -> Result<LinkPass, PlanError> {
        Ok(self.table.begin_link_pass(link, self.message.webhook_at(), now()).await?)
    }

    async fn finish_link_pass(&self, pass: &LinkPass, change: &LinkChange) -> Result<JobOutcome, PlanError> {
        if self.table.finish_link_pass(pass, change).await? {
            Ok(JobOutcome::Settled(Outcome::Applied))
        } else {
            Err(JobError::Overtaken.into())
        }
    }
}

/// The status that an error of Belvo's about a link means.
pub(crate) fn status_of_refusal(error: &Error) -> Option<LinkStatus> {
    let Error::LinkRefused { code } = error else { return None };
    let needs_token = matches!(code.as_str(), "token_required" | "session_expired" | "activation_required");
    Some(if needs_token { LinkStatus::TokenRequired } else { LinkStatus::InvalidCredentials })
}

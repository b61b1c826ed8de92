//! Reading the link back from Belvo.

use domain::{AnnouncedStatus, Consent, KnownConsent, LinkId, LinkStatus, Source};
use store::{LinkChange, LinkState, Pass};

use crate::error::JobError;
use crate::job::Job;

/// What the message announced about the link's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// If it is a webhook: data that Belvo had just fetched from the institution.
    Fetched,
    /// Nothing that shows access to the institution.
    None,
}

impl Job<'_> {
    /// Returns what a pass in which Belvo responded shows of its link. This reads the link only if its status may have changed,
    /// or if the webhook gives it another `external_id` than is known.
    pub(super) async fn read_back(&self, pass: &Pass, news: News) -> Result<LinkChange, JobError> {
        let LinkState { status, consent, external_id, announced, .. } = &pass.link_state;
        // A sender with the webhook's token can write any id into it, so the id is only a reason to ask.
        let said = self.message.webhook.external_id();
        let has_other_id = said.is_some() && said != external_id.as_deref();

        let event_at = self.message.received_at;
        let has_news = news == News::Fetched && self.message.source == Source::Webhook;
        let is_renewed = has_news && consent.is_some_and(|known| known.is_outdated_by_data_at(event_at));
        let is_mended = has_news && announced.is_some_and(|known| known.is_outdated_at(event_at));
        if !is_renewed && !is_mended && !has_other_id && !status.is_some_and(LinkStatus::may_recover) {
            return Ok(LinkChange::default());
        }

        let announced = if is_mended { Some(AnnouncedStatus { status: None, event_at }) } else { *announced };
        match self.read_link(&pass.link, announced).await {
            Ok(change) => {
                let renewed = is_renewed.then_some(KnownConsent { consent: Consent::Changed, event_at });
                Ok(LinkChange { consent: renewed, ..change })
            }
            // What was listed is stored all the same. The next pass asks again.
            Err(JobError::Belvo(_)) => Ok(LinkChange::default()),
            Err(error) => Err(error),
        }
    }

    /// Reads the link from Belvo. An `announced` failure is over if Belvo has had access to the institution since.
    pub(super) async fn read_link(
        &self,
        link: &LinkId,
        announced: Option<AnnouncedStatus>,
    ) -> Result<LinkChange, JobError> {
        let link = self.session.client().await?.link(link).await?;
        let access = link.status.as_deref().and_then(LinkStatus::from_belvo);
        let mended_at = link.accessed_at().filter(|at| announced.is_some_and(|known| known.is_outdated_at(*at)));
        let announced = mended_at.map(|event_at| AnnouncedStatus { status: None, event_at }).or(announced);
        let belvo::Link { institution, external_id, .. } = link;
        Ok(LinkChange { access, institution, external_id, announced, consent: None })
    }
}

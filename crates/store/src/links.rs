//! The link's own item: its status, and the facts that the status rests on.
//!
//! What a pass over the link learns is written under its clock, like a record: a slower host never sets back what a
//! quicker one has read since. The institution's name, and the status that a failed request to Belvo shows, are written
//! without the clock, on a condition on the status alone. A link that was deleted or erased stays so.

use domain::{AnnouncedAccess, Consent, Day, EpochMillis, KnownConsent, LinkId, LinkStatus};

use crate::attributes::{Item, n, number, s, text};
use crate::clock::Claim;
use crate::table::{call_failed, send_if_allowed};
use crate::update_expression::UpdateExpression;
use crate::{FencingToken, PassError, StoreError, Table, keys};

/// What the table knows of a link.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// None when it was never set, or when a newer release wrote it.
    pub status: Option<LinkStatus>,
    /// The institution's name.
    pub institution: Option<String>,
    /// The id that the customer gave it at Belvo.
    pub external_id: Option<String>,
    /// What is known of the consent, where a webhook ever spoke of it.
    pub consent: Option<KnownConsent>,
    /// What a webhook last said of the access, where one ever did.
    pub announced: Option<AnnouncedAccess>,
}

/// What was learned of a link; nothing by default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LinkChange {
    /// Whether Belvo can use it.
    pub access: Option<LinkStatus>,
    /// What became of its consent.
    pub consent: Option<KnownConsent>,
    /// What a webhook said of the access, or that it is over.
    pub announced: Option<AnnouncedAccess>,
    /// The institution's name.
    pub institution: Option<String>,
    /// The id that the customer gave it, from Belvo's own mouth.
    pub external_id: Option<String>,
}

/// A pass over the link itself.
#[derive(Debug, Clone)]
pub struct LinkPass {
    /// Which link.
    pub link: LinkId,
    /// Its fencing token.
    pub token: FencingToken,
    /// What was known when it began.
    pub link_state: LinkState,
}

impl LinkState {
    pub(crate) fn read(item: &Item) -> Self {
        let event_at = number(item, "consent_event_at");
        let due = text(item, "consent_due_date").and_then(Day::parse);
        let consent = match text(item, "consent") {
            Some("expiring") => Consent::Expiring { due },
            Some("expired") => Consent::Expired,
            _ => Consent::Changed,
        };
        Self {
            status: text(item, "status").and_then(LinkStatus::parse),
            institution: text(item, "institution").map(str::to_owned),
            external_id: text(item, "external_id").map(str::to_owned),
            consent: event_at.map(|event_at| KnownConsent { consent, event_at }),
            announced: number(item, "announced_at").map(|event_at| AnnouncedAccess {
                status: text(item, "announced_status").and_then(LinkStatus::parse),
                event_at,
            }),
        }
    }

    /// The access that the status rests on, as Belvo last gave it. Under a consent status it is not kept, and taken to be
    /// good: it is read back when the consent is settled. Under an announced status it was good.
    fn access(&self) -> LinkStatus {
        let announced = self.announced.and_then(|announced| announced.status);
        match self.status {
            None | Some(LinkStatus::ConsentExpiring | LinkStatus::ConsentExpired) => LinkStatus::Active,
            Some(status) if announced == Some(status) => LinkStatus::Active,
            Some(status) => status,
        }
    }

    /// What a change makes of the link's item.
    pub(crate) fn changed_by(&self, change: &LinkChange, link: &LinkId) -> UpdateExpression {
        let mut expression = UpdateExpression::default();
        if let Some(external_id) = &change.external_id {
            expression = expression.of_customer(external_id, link);
        }
        if let Some(institution) = &change.institution {
            expression = expression.set("institution", s(institution));
        }
        if change.access.is_none() && change.consent.is_none() && change.announced.is_none() {
            return expression;
        }
        let access = change.access.unwrap_or_else(|| self.access());
        let mut announced = change.announced.or(self.announced);
        if let Some(announced) = announced.as_mut().filter(|_| access != LinkStatus::Active) {
            // Belvo says it itself now, and will say when it is over.
            announced.status = None;
        }
        if let Some(AnnouncedAccess { status, event_at }) = announced.filter(|_| announced != self.announced) {
            expression = expression
                .set("announced_at", n(event_at))
                .set_or_remove("announced_status", status.map(|status| s(status.as_str())));
        }
        if let Some(KnownConsent { consent, event_at }) = change.consent {
            let (word, due) = match consent {
                Consent::Expiring { due } => (Some("expiring"), due),
                Consent::Expired => (Some("expired"), None),
                Consent::Changed => (None, None),
            };
            expression = expression
                .set("consent_event_at", n(event_at))
                .set_or_remove("consent", word.map(s))
                .set_or_remove("consent_due_date", due.map(|day| s(day.to_string())));
        }
        let consent = change.consent.or(self.consent).map(|known| known.consent);
        let status = access.with_announced(announced.and_then(|announced| announced.status)).with_consent(consent);
        expression.set("status", s(status.as_str())).set_or_remove("action", status.action().map(s))
    }
}

impl Table {
    /// What is known of a link, read consistently.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn link(&self, link: &LinkId) -> Result<LinkState, StoreError> {
        Ok(LinkState::read(&self.link_item(link).await?.unwrap_or_default()))
    }

    /// A link's item, read consistently.
    pub(crate) async fn link_item(&self, link: &LinkId) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(keys::link(link)));
        Ok(get.consistent_read(true).send().await.map_err(|error| call_failed(&error))?.item)
    }

    /// Takes the next fencing token of the link's clock, for a pass over the link itself.
    ///
    /// # Errors
    /// [`PassError`]
    pub async fn begin_link_pass(
        &self,
        link: &LinkId,
        webhook_at: Option<EpochMillis>,
        now: EpochMillis,
    ) -> Result<LinkPass, PassError> {
        let (token, link_state) = self.take_token(link, Claim::Pass(webhook_at), now).await?;
        Ok(LinkPass { link: link.clone(), token, link_state })
    }

    /// Writes what a pass has learned of the link. `false` when another pass has begun meanwhile; then nothing was changed.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn finish_link_pass(&self, pass: &LinkPass, change: &LinkChange) -> Result<bool, StoreError> {
        let expression = pass.link_state.changed_by(change, &pass.link);
        let update = self.update(keys::link(&pass.link)).update_expression(expression.text());
        let (names, values) = expression.under_the_clock(pass.token);
        let update = update.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
        Ok(send_if_allowed(update.condition_expression("clock = :s")).await?.is_some())
    }

    /// Keeps the name of a link's institution.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn record_institution(&self, link: &LinkId, institution: &str) -> Result<(), StoreError> {
        let expression = UpdateExpression::default().set("institution", s(institution));
        self.update_unless(link, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await
    }

    /// Notes that Belvo cannot use the link, or does not know it. An ended consent outweighs a failed login. Of a link that
    /// Belvo does not know nothing stands announced.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn set_link_status(&self, link: &LinkId, status: LinkStatus) -> Result<(), StoreError> {
        let expression = UpdateExpression::default().set("status", s(status.as_str()));
        let mut expression = expression.set_or_remove("action", status.action().map(s));
        if status == LinkStatus::Gone {
            expression = expression.remove("announced_status");
        }
        let final_or_ended = [LinkStatus::Erased, LinkStatus::Deleted, LinkStatus::ConsentExpired];
        let stronger = if status == LinkStatus::Gone { &final_or_ended[..2] } else { &final_or_ended };
        self.update_unless(link, expression, stronger).await
    }

    /// Updates a link's item, unless its status is one of these.
    pub(crate) async fn update_unless(
        &self,
        link: &LinkId,
        expression: UpdateExpression,
        statuses: &[LinkStatus],
    ) -> Result<(), StoreError> {
        let (expression, condition) = expression.unless(statuses);
        let update = self.update(keys::link(link)).update_expression(expression.text()).condition_expression(condition);
        let (names, values) = expression.names_and_values();
        let update = update.set_expression_attribute_names(Some(names)).set_expression_attribute_values(Some(values));
        // What outweighs it stays.
        send_if_allowed(update).await?;
        Ok(())
    }
}

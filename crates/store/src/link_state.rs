//! The state of a link, and how a change alters it.

use domain::{AnnouncedStatus, Consent, Day, KnownConsent, LinkId, LinkStatus};

use crate::attributes::{Item, n, number, s, text};
use crate::update_expression::UpdateExpression;

/// The state of a link, as its item has it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// The status. `None` if it was never set, or if a newer release wrote it.
    pub status: Option<LinkStatus>,
    /// The name of the institution.
    pub institution: Option<String>,
    /// The id that the customer gave the link at Belvo.
    pub external_id: Option<String>,
    /// The consent, if a webhook ever mentioned it.
    pub consent: Option<KnownConsent>,
    /// The access that a webhook last announced, if one ever did.
    pub announced: Option<AnnouncedStatus>,
}

/// The changes that a pass found on a link. The default changes nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LinkChange {
    /// Whether Belvo can use the link.
    pub access: Option<LinkStatus>,
    /// The new state of the consent.
    pub consent: Option<KnownConsent>,
    /// The access that a webhook announced, or the end of an announcement.
    pub announced: Option<AnnouncedStatus>,
    /// The name of the institution.
    pub institution: Option<String>,
    /// The id that the customer gave the link, as Belvo's API returned it.
    pub external_id: Option<String>,
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
            announced: number(item, "announced_at").map(|event_at| AnnouncedStatus {
                status: text(item, "announced_status").and_then(LinkStatus::parse),
                event_at,
            }),
        }
    }

    /// Returns the update that applies a change to the link's item.
    pub(crate) fn changed_by(&self, change: &LinkChange, link: &LinkId) -> UpdateExpression {
        let mut expression = UpdateExpression::default();
        if let Some(external_id) = &change.external_id {
            expression = expression.set_external_id(external_id, link);
        }
        if let Some(institution) = &change.institution {
            expression = expression.set("institution", s(institution));
        }
        if change.access.is_none() && change.consent.is_none() && change.announced.is_none() {
            return expression;
        }

        let access = change.access.unwrap_or_else(|| self.access());
        let announced = self.announced_after(change, access);
        if let Some(AnnouncedStatus { status, event_at }) = announced.filter(|_| announced != self.announced) {
            expression = expression
                .set("announced_at", n(event_at))
                .set_or_remove("announced_status", status.map(|status| s(status.as_str())));
        }
        if let Some(consent) = change.consent {
            expression = set_consent(expression, consent);
        }

        let consent = change.consent.or(self.consent).map(|known| known.consent);
        let status = access.with_announced(announced.and_then(|announced| announced.status)).with_consent(consent);
        expression.set("status", s(status.as_str())).set_or_remove("action", status.action().map(s))
    }

    /// Returns the access behind the status, as Belvo last reported it. A consent status does not keep the access. It counts
    /// as valid then, since a pass reads it again when the consent is settled. Under an announced status it was valid.
    fn access(&self) -> LinkStatus {
        let announced = self.announced.and_then(|announced| announced.status);
        match self.status {
            None | Some(LinkStatus::ConsentExpiring | LinkStatus::ConsentExpired) => LinkStatus::Active,
            Some(status) if announced == Some(status) => LinkStatus::Active,
            Some(status) => status,
        }
    }

    /// Returns the announced access after a change. Where Belvo's API itself reports a problem, the announced status is
    /// dropped: the API will also report the end of the problem.
    fn announced_after(&self, change: &LinkChange, access: LinkStatus) -> Option<AnnouncedStatus> {
        let mut announced = change.announced.or(self.announced);
        if let Some(announced) = announced.as_mut().filter(|_| access != LinkStatus::Active) {
            announced.status = None;
        }
        announced
    }
}

fn set_consent(expression: UpdateExpression, known: KnownConsent) -> UpdateExpression {
    let (word, due) = match known.consent {
        Consent::Expiring { due } => (Some("expiring"), due),
        Consent::Expired => (Some("expired"), None),
        Consent::Changed => (None, None),
    };
    expression
        .set("consent_event_at", n(known.event_at))
        .set_or_remove("consent", word.map(s))
        .set_or_remove("consent_due_date", due.map(|day| s(day.to_string())))
}

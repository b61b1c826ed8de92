//! The status of a link: whether Belvo can use it, and the action that its user has to take.
//!
//! Three facts determine the status:
//!
//! - The *access*: whether Belvo has the link and can log in. It is always read from Belvo, because webhooks can be late,
//!   duplicated and out of order.
//! - The *announced status*: a webhook that a login failed. It is stored beside the access, because Belvo shows the link as
//!   valid until several logins have failed.
//! - The *consent* of Brazil's Open Finance. Reading it from Belvo requires the user's document number, so the webhook that
//!   was received last determines it.

use crate::{Day, EpochMillis};

/// Whether the link's data can be synced, and the reason if not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// Belvo can use the link.
    Active,
    /// The user has to enter valid credentials.
    InvalidCredentials,
    /// The user has to enter a token.
    TokenRequired,
    /// The consent ends soon. Until then the link can be synced.
    ConsentExpiring,
    /// The consent has ended. Belvo loads no new data until the user renews it.
    ConsentExpired,
    /// Belvo does not have the link, or the API key is for another of Belvo's environments.
    Gone,
    /// Belvo announced the deletion and does not have the link. Its data was purged. Final.
    Deleted,
    /// The link's data was erased on request. Final.
    Erased,
}

/// A change of a link's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// The consent ends soon.
    Expiring {
        /// The last day, if the webhook has it.
        due: Option<Day>,
    },
    /// The consent has ended.
    Expired,
    /// The day on which the consent ends has changed.
    Changed,
}

/// The state of a link's consent in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownConsent {
    /// The last change.
    pub consent: Consent,
    /// When the webhook about that change was received.
    pub event_at: EpochMillis,
}

/// The access to a link that a webhook announced last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnouncedStatus {
    /// The announced status. `None` after a later event showed that Belvo can use the link.
    pub status: Option<LinkStatus>,
    /// When that webhook was received, or when the later event happened.
    pub event_at: EpochMillis,
}

impl LinkStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::InvalidCredentials,
        Self::TokenRequired,
        Self::ConsentExpiring,
        Self::ConsentExpired,
        Self::Gone,
        Self::Deleted,
        Self::Erased,
    ];

    /// Returns the word in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::InvalidCredentials => "invalid_credentials",
            Self::TokenRequired => "token_required",
            Self::ConsentExpiring => "consent_expiring",
            Self::ConsentExpired => "consent_expired",
            Self::Gone => "gone",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
        }
    }

    /// Parses the word in the table.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Returns the access for a link's `status` at Belvo, or `None` if this release does not know the word.
    #[must_use]
    pub fn from_belvo(word: &str) -> Option<Self> {
        match word {
            "valid" => Some(Self::Active),
            // Unconfirmed: the user did not finish the connection.
            "invalid" | "unconfirmed" => Some(Self::InvalidCredentials),
            "token_required" => Some(Self::TokenRequired),
            _ => None,
        }
    }

    /// Returns the access that a webhook of the type LINK announces with this code.
    #[must_use]
    pub fn from_webhook_code(code: &str) -> Option<Self> {
        match code {
            "invalid_credentials" => Some(Self::InvalidCredentials),
            "token_required" => Some(Self::TokenRequired),
            _ => None,
        }
    }

    /// Returns the action that the user has to take, as a word for programs.
    #[must_use]
    pub fn action(self) -> Option<&'static str> {
        match self {
            Self::InvalidCredentials => Some("update_credentials"),
            Self::TokenRequired => Some("give_token"),
            Self::ConsentExpiring | Self::ConsentExpired => Some("renew_consent"),
            Self::Active | Self::Gone | Self::Deleted | Self::Erased => None,
        }
    }

    /// Returns `true` if the status never changes again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Deleted | Self::Erased)
    }

    /// Returns the access of a link with this access at Belvo, for which a webhook announced another. The announced one counts
    /// only if the link is valid at Belvo.
    #[must_use]
    pub fn with_announced(self, announced: Option<Self>) -> Self {
        match (self, announced) {
            (Self::Active, Some(announced)) => announced,
            (access, _) => access,
        }
    }

    /// Returns the status of a link with this access and consent. An ended consent has precedence over a failed login, because
    /// a login would not restore access. A consent that ends soon does not.
    #[must_use]
    pub fn with_consent(self, consent: Option<Consent>) -> Self {
        match (self, consent) {
            (Self::Active | Self::InvalidCredentials | Self::TokenRequired, Some(Consent::Expired)) => {
                Self::ConsentExpired
            }
            (Self::Active, Some(Consent::Expiring { .. })) => Self::ConsentExpiring,
            (access, _) => access,
        }
    }

    /// Returns `true` if the link may become active again without a change of its consent.
    ///
    /// A successful listing does not prove it: Belvo also returns stored data of a link to which it cannot log in.
    #[must_use]
    pub fn may_recover(self) -> bool {
        matches!(self, Self::InvalidCredentials | Self::TokenRequired | Self::Gone)
    }
}

impl AnnouncedStatus {
    /// Returns `true` if an event at this time shows that the announced status no longer applies. Such an event is a webhook
    /// about data that Belvo loaded, or a successful login of Belvo.
    #[must_use]
    pub fn is_outdated_at(self, later: EpochMillis) -> bool {
        self.status.is_some() && later > self.event_at
    }
}

impl KnownConsent {
    /// Returns `true` if new data that was announced at this time shows that the consent is valid or was renewed.
    ///
    /// Under an ended consent Belvo loads no new data. New data after the last day therefore means a renewed consent.
    #[must_use]
    pub fn is_outdated_by_data_at(self, received_at: EpochMillis) -> bool {
        match self.consent {
            Consent::Expired => received_at > self.event_at,
            Consent::Expiring { due: Some(due) } => Day::of(received_at) > due,
            Consent::Expiring { due: None } | Consent::Changed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_as_it_was_written() {
        for status in LinkStatus::ALL {
            assert_eq!(LinkStatus::parse(status.as_str()), Some(status));
            assert_eq!(status.action().is_some(), !matches!(status.as_str(), "active" | "gone" | "deleted" | "erased"));
        }
        assert_eq!(LinkStatus::parse("confused"), None);
    }

    #[test]
    fn belvos_status_of_a_link_determines_the_action_of_its_user() {
        let action = |word| LinkStatus::from_belvo(word).map(LinkStatus::action);
        assert_eq!(action("valid"), Some(None));
        assert_eq!(action("invalid"), Some(Some("update_credentials")));
        assert_eq!(action("unconfirmed"), Some(Some("update_credentials")));
        assert_eq!(action("token_required"), Some(Some("give_token")));
        assert_eq!(action("on_holiday"), None);
    }

    #[test]
    fn an_announced_status_applies_only_while_belvo_has_the_link_as_valid() {
        let announced = LinkStatus::from_webhook_code("token_required");
        assert_eq!(announced, Some(LinkStatus::TokenRequired));
        assert_eq!(LinkStatus::Active.with_announced(announced), LinkStatus::TokenRequired);
        assert_eq!(LinkStatus::Active.with_announced(None), LinkStatus::Active);
        for access in [LinkStatus::InvalidCredentials, LinkStatus::Gone, LinkStatus::Deleted, LinkStatus::Erased] {
            assert_eq!(access.with_announced(announced), access);
        }
        assert_eq!(LinkStatus::from_webhook_code(crate::STATUS_CHANGED), None, "it announces no status");
    }

    #[test]
    fn a_later_event_outdates_an_announced_status() {
        let announced = AnnouncedStatus { status: Some(LinkStatus::InvalidCredentials), event_at: 1_000 };
        assert!(announced.is_outdated_at(1_001) && !announced.is_outdated_at(1_000));
        assert!(!AnnouncedStatus { status: None, ..announced }.is_outdated_at(1_001), "no status is announced");
    }

    #[test]
    fn an_ended_consent_has_precedence_over_a_failed_login_and_an_ending_one_does_not() {
        let (ended, ending) = (Some(Consent::Expired), Some(Consent::Expiring { due: None }));
        assert_eq!(LinkStatus::InvalidCredentials.with_consent(ended), LinkStatus::ConsentExpired);
        assert_eq!(LinkStatus::InvalidCredentials.with_consent(ending), LinkStatus::InvalidCredentials);
        assert_eq!(LinkStatus::Active.with_consent(ending), LinkStatus::ConsentExpiring);
        assert_eq!(LinkStatus::Active.with_consent(Some(Consent::Changed)), LinkStatus::Active);
        for lost in [LinkStatus::Gone, LinkStatus::Deleted, LinkStatus::Erased] {
            assert_eq!(lost.with_consent(ended), lost);
        }
    }

    #[test]
    fn new_data_after_the_end_of_a_consent_shows_that_it_was_renewed() {
        let known = |consent| KnownConsent { consent, event_at: 1_700_000_000_000 };
        let expired = known(Consent::Expired);
        assert!(
            expired.is_outdated_by_data_at(1_700_000_000_001) && !expired.is_outdated_by_data_at(1_700_000_000_000)
        );
        let expiring = known(Consent::Expiring { due: Day::parse("2023-11-20") });
        let day = 24 * 60 * 60 * 1_000;
        assert!(!expiring.is_outdated_by_data_at(1_700_000_000_000 + 6 * day), "the consent was still valid");
        assert!(expiring.is_outdated_by_data_at(1_700_000_000_000 + 7 * day));
        assert!(!known(Consent::Expiring { due: None }).is_outdated_by_data_at(i64::MAX));
    }
}

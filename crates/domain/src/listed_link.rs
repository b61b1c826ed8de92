//! A link as Belvo lists it.

use crate::{EpochMillis, LinkId, LinkStatus};

/// What Belvo's list of links says of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLink {
    /// Which.
    pub id: LinkId,
    /// Whether Belvo can log in with it. None for a word that this release does not know.
    pub access: Option<LinkStatus>,
    /// The customer's id for it.
    pub external_id: Option<String>,
    /// Belvo's word, see [`crate::schedule::AccessMode`].
    pub access_mode: Option<String>,
    /// Belvo's word, see [`crate::schedule::refresh_rate`].
    pub refresh_rate: Option<String>,
    /// What Belvo loads of it, by `webhook_type`.
    pub fetch_resources: Vec<String>,
    /// When it was made.
    pub created_at: Option<EpochMillis>,
}

//! A link in Belvo's list of links.

use crate::{EpochMillis, LinkId, LinkStatus};

/// A link in Belvo's list of links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLink {
    /// Belvo's id of the link.
    pub id: LinkId,
    /// Whether Belvo can log in. `None` for a status that this release does not know.
    pub access: Option<LinkStatus>,
    /// The customer's id of the link.
    pub external_id: Option<String>,
    /// Belvo's `access_mode`; [`crate::schedule::AccessMode`] parses it.
    pub access_mode: Option<String>,
    /// Belvo's `refresh_rate`; [`crate::schedule::refresh_rate`] parses it.
    pub refresh_rate: Option<String>,
    /// The resources that Belvo loads, by `webhook_type`.
    pub fetch_resources: Vec<String>,
    /// When the link was created.
    pub created_at: Option<EpochMillis>,
}

//! The discovery of links: what Belvo's list of links says, and how far the reconcile function has read the list.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{EpochMillis, LinkId, LinkStatus, ListedLink};

use crate::attributes::{Item, n, number, s, text};
use crate::error::StoreError;
use crate::keys;
use crate::link_state::LinkState;
use crate::table::{Table, send_update};
use crate::update_expression::UpdateExpression;

/// The minimum time between two status checks of a link, while its messages cannot be processed: 6 hours.
const STATUS_CHECK_INTERVAL_MS: EpochMillis = 6 * 60 * 60 * 1_000;

/// The result of comparing a link in Belvo's list with the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// Whether the table did not have the link.
    pub is_new: bool,
    /// Whether Belvo reports another status than the table has, and no status check is recent. The webhook with the status was
    /// lost, or has not arrived yet.
    pub has_other_status: bool,
}

/// The position of the discovery in Belvo's list of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryCursor {
    /// The next page, counted from 1.
    pub page: u64,
    /// The number of links on a page. `None` until Belvo's page size is known.
    pub page_size: Option<u32>,
    /// The number of consecutive pages before this one that Belvo failed to return.
    pub failed_pages: u32,
}

impl Table {
    /// Stores what Belvo's list says of a link. If that is new, the link becomes due at `due_at`, unless it is due earlier.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn upsert_discovered(
        &self,
        listed: &ListedLink,
        due_at: EpochMillis,
        now: EpochMillis,
    ) -> Result<Discovery, StoreError> {
        let stored = self.link_item(&listed.id).await?;
        let is_new = stored.is_none();
        let stored = stored.unwrap_or_default();
        let state = LinkState::read(&stored);
        if state.status.is_some_and(LinkStatus::is_final) {
            return Ok(Discovery { is_new, has_other_status: false });
        }

        let discovery = Discovery { is_new, has_other_status: has_other_status(listed, &stored, &state, now) };
        // Belvo lists it, so it is not gone, or not gone any more.
        let is_back = state.status == Some(LinkStatus::Gone);
        if is_stored(listed, &stored) && !is_back {
            return Ok(discovery);
        }

        let due_at = text(&stored, "gsi2sk").and_then(|due| due.parse().ok()).map_or(due_at, |due| due_at.min(due));
        let active = s(LinkStatus::Active.as_str());
        let mut expression =
            UpdateExpression::default().set_if_absent("known_since", n(now)).set_due(&listed.id, due_at);
        expression =
            if is_back { expression.set("status", active) } else { expression.set_if_absent("status", active) };
        for (name, value) in schedule_attributes(listed) {
            expression = expression.set_or_remove(name, value);
        }
        if let Some(external_id) = &listed.external_id {
            expression = expression.set_external_id(external_id, &listed.id);
        }
        self.update_link_unless(&listed.id, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await?;
        Ok(discovery)
    }

    /// Records that a status check of the link is about to be requested. Discovery requests no other within 6 hours.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn record_status_check(&self, link: &LinkId, now: EpochMillis) -> Result<(), StoreError> {
        let expression = UpdateExpression::default().set("status_asked_at", n(now));
        self.update_link_unless(link, expression, &[LinkStatus::Erased, LinkStatus::Deleted]).await
    }

    /// Returns the position at which discovery continues.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn discovery_cursor(&self) -> Result<DiscoveryCursor, StoreError> {
        let item = self.get(keys::discovery()).await?.unwrap_or_default();
        let read = |name| number(&item, name);
        Ok(DiscoveryCursor {
            page: read("page").and_then(|page| page.try_into().ok()).unwrap_or(1),
            page_size: read("page_size").and_then(|size| size.try_into().ok()),
            failed_pages: read("failed_pages").and_then(|pages| pages.try_into().ok()).unwrap_or_default(),
        })
    }

    /// Stores the position at which discovery continues.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn set_discovery_cursor(&self, cursor: DiscoveryCursor) -> Result<(), StoreError> {
        let expression = UpdateExpression::default()
            .set("page", n(cursor.page))
            .set_or_remove("page_size", cursor.page_size.map(n))
            .set("failed_pages", n(cursor.failed_pages));
        send_update(expression.apply_to(self.update(keys::discovery()))).await
    }
}

/// Returns `true` if Belvo reports another status than the table has, and no status check is recent.
fn has_other_status(listed: &ListedLink, stored: &Item, state: &LinkState, now: EpochMillis) -> bool {
    if number(stored, "status_asked_at").is_some_and(|at| now < at + STATUS_CHECK_INTERVAL_MS) {
        return false;
    }
    // Belvo lists it, so it counts as active again if it was gone.
    let status = state.status.filter(|status| *status != LinkStatus::Gone).unwrap_or(LinkStatus::Active);
    let consent = state.consent.map(|known| known.consent);
    listed.access.is_some_and(|access| access.with_consent(consent) != status)
}

/// Returns `true` if the link's item already has all that Belvo's list says of the link.
fn is_stored(listed: &ListedLink, stored: &Item) -> bool {
    let attributes = schedule_attributes(listed);
    attributes.iter().all(|(name, value)| stored.get(*name) == value.as_ref())
        && (listed.external_id.is_none() || listed.external_id.as_deref() == text(stored, "external_id"))
        && stored.contains_key("known_since")
}

/// Returns the attributes that a schedule needs. An attribute without a value is to be removed.
fn schedule_attributes(listed: &ListedLink) -> [(&'static str, Option<AttributeValue>); 3] {
    let resources = || AttributeValue::L(listed.fetch_resources.iter().map(s).collect());
    [
        ("access_mode", listed.access_mode.as_ref().map(s)),
        ("refresh_rate", listed.refresh_rate.as_ref().map(s)),
        ("fetch_resources", (!listed.fetch_resources.is_empty()).then(resources)),
    ]
}
